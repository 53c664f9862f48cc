//! The trees that steps copy from and mount: contexts, stages, images.

use std::path::Path;
use std::sync::Arc;

use oci::Digest;
use oci::layer::Rules;
use oci::record::{Record, Usage, Written};
use oci::tree::View;

use super::commit::Commit;
use super::error::StepError;
use super::key::Inputs;
use super::layers::Layers;
use super::secrets::Needles;
use super::snapshot::Snapshot;
use super::stage::Halt;
use super::world::{StageRef, World};
use crate::context::Context;
use crate::copy::{self, CopyError, GitError, Sources, Target, Tree};
use crate::fetch::Fetch;
use crate::plan::git::GitReference;
use crate::plan::{BaseImage, CopyAction, CopySource, Found, TreeSource, Unpack};

/// A tree that a step needs, waited for and at hand.
pub enum Held<'a> {
    Context(&'a Context),
    Snapshot(Arc<copy::Snapshot>),
    Empty,
}

impl Held<'_> {
    fn tree(&self) -> Tree<'_> {
        match self {
            Held::Context(context) => Tree::Context(context),
            Held::Snapshot(snapshot) => Tree::Snapshot(snapshot),
            Held::Empty => Tree::Empty,
        }
    }
}

impl World<'_> {
    /// The layers that a tree source names; a context has none. Waits for stages.
    pub fn layers_of(&self, platform: usize, source: &TreeSource) -> Result<Option<Layers>, Halt> {
        match source {
            TreeSource::MainContext | TreeSource::Context(_) => Ok(None),
            TreeSource::Stage(stage) => {
                Ok(Some(self.board.stage(&StageRef { platform, stage: *stage })?.layers))
            }
            TreeSource::Image(image) => Ok(Some(self.layers_of_image(image)?)),
            TreeSource::Empty => Ok(Some(Layers::default())),
        }
    }

    /// An image's layers; waits for those of an image of the project.
    pub fn layers_of_image(&self, image: &BaseImage) -> Result<Layers, Halt> {
        match (&image.found, self.seat) {
            (Some(Found::Project { image, platform }), Some(seat)) => match seat.layers(*image, *platform) {
                Ok(layers) => Ok(layers),
                Err(_) if self.request.foresee => Err(Halt::Due),
                Err(stopped) => {
                    if let Some(loss) = seat.loss() {
                        self.fail(loss);
                    }
                    Err(stopped.into())
                }
            },
            _ => Ok(Layers::of_base(image)),
        }
    }

    /// A tree, at hand as far as names and digests go; [`settle`](Self::settle) brings the files.
    pub fn hold(&self, platform: usize, source: &TreeSource) -> Result<Held<'_>, Halt> {
        match source {
            TreeSource::MainContext => Ok(Held::Context(self.context("").map_err(StepError::from)?)),
            TreeSource::Context(name) => Ok(Held::Context(self.context(name).map_err(StepError::from)?)),
            TreeSource::Empty => Ok(Held::Empty),
            other => match self.layers_of(platform, other)? {
                Some(layers) => Ok(Held::Snapshot(self.files(&layers)?)),
                None => Ok(Held::Empty),
            },
        }
    }

    /// Brings the files of a tree.
    pub fn settle(&self, platform: usize, source: &TreeSource) -> Result<(), Halt> {
        match self.layers_of(platform, source)? {
            Some(layers) => self.snapshot(&layers).map(drop),
            None => Ok(()),
        }
    }

    /// The content digest of one path of a tree; a path where nothing is has none.
    pub fn digest_of(
        &self,
        platform: usize,
        source: &TreeSource,
        path: &str,
        epoch: i64,
    ) -> Result<Option<Digest>, Halt> {
        let held = self.hold(platform, source)?;
        Ok(copy::digest_of(held.tree(), path, epoch).map_err(StepError::from)?)
    }

    /// A part of a tree as a snapshot that can be mounted. Stages and images are one; of a context, the part is copied
    /// into a layer first, so that ignored files stay out and owners and times are what a COPY would give.
    pub fn mountable(
        &self,
        platform: usize,
        source: &TreeSource,
        path: &str,
        epoch: i64,
    ) -> Result<Snapshot, Halt> {
        if let Some(layers) = self.layers_of(platform, source)? {
            return self.snapshot(&layers);
        }
        let digest = self.digest_of(platform, source, path, epoch)?;
        let mut inputs = Inputs::default();
        inputs.add("action", "context");
        inputs.add("path", path);
        inputs.add("epoch", epoch.to_string());
        inputs.add("content", digest.map_or_else(|| "nothing".to_owned(), |digest| digest.to_string()));
        let key = inputs.key();
        let _claim = self.board.claim(&key)?;
        if let Some((found, _)) = self.results.find(&key).map_err(StepError::from)?
            && let Some(id) = found.layer
            && let Some(layer) = self.doors.store.layer(&id).map_err(StepError::from)?
        {
            return Ok(Snapshot::new(vec![layer]));
        }
        let layer = self.copy_into_layer(platform, source, path, epoch)?;
        let record = Record {
            instruction: format!("context {path}"),
            key,
            parent: Snapshot::empty().id(),
            inputs: inputs.into_parts(),
            layer: Some(layer.id),
            written: Written { files: layer.index.len() as u64, bytes: layer.index.total_size() },
            normalised: Vec::new(),
            unreproducible: Vec::new(),
            unobserved: Vec::new(),
            intakes: Vec::new(),
            reads: None,
            log: None,
            usage: Usage::default(),
            limits: Default::default(),
            source_date_epoch: epoch,
            warnings: Vec::new(),
        };
        self.results.add(&record).map_err(StepError::from)?;
        Ok(Snapshot::new(vec![layer]))
    }

    fn copy_into_layer(
        &self,
        platform: usize,
        source: &TreeSource,
        path: &str,
        epoch: i64,
    ) -> Result<oci::store::Layer, Halt> {
        let parent = Snapshot::empty();
        let work = parent.work_dir(self.doors.store, epoch)?;
        let held = self.hold(platform, source)?;
        copy::copy_path(held.tree(), path, &self.target(&parent, &work.upper(), epoch))
            .map_err(StepError::from)?;
        let (none, empty) = (Needles::default(), View::new(Vec::new()));
        Ok(self.committer(CHOSEN, epoch, &none).commit(work, &empty)?.layer)
    }

    /// Copies a part of a tree into a directory outside of any layer: a new cache mount.
    pub fn fill(
        &self,
        platform: usize,
        source: &TreeSource,
        path: &str,
        directory: &Path,
        epoch: i64,
    ) -> Result<(), Halt> {
        let content = format!("{}/.", path.trim_end_matches('/'));
        let action = CopyAction {
            add: false,
            sources: vec![CopySource::Path { from: source.clone(), path: content }],
            destination: "/".to_owned(),
            chown: None,
            chmod: None,
            link: false,
            parents: false,
            exclude: Vec::new(),
            unpack: Unpack::default(),
        };
        let parent = Snapshot::empty();
        let scratch = self.doors.store.work_dir().map_err(StepError::from)?;
        let held = StepSources::hold(self, platform, &action)?;
        held.settle(platform)?;
        let gathered = copy::gather(&action, &held, scratch.path()).map_err(StepError::from)?;
        gathered.apply(&self.target(&parent, directory, epoch)).map_err(StepError::from)?;
        Ok(())
    }

    /// Where an action writes.
    pub fn target<'t>(&self, parent: &'t Snapshot, upper: &'t Path, epoch: i64) -> Target<'t> {
        Target {
            parent: parent.files(),
            upper,
            form: self.doors.store.form(),
            epoch,
            threads: self.request.jobs.max(1),
        }
    }

    /// How uppers are committed.
    pub fn committer<'c>(&'c self, rules: Rules, epoch: i64, needles: &'c Needles) -> Commit<'c> {
        Commit {
            store: self.doors.store,
            rules,
            epoch,
            needles,
            threads: self.request.jobs.max(1),
            stop: self.board.stop_flag(),
        }
    }
}

/// How copied files are treated: they are what the user chose, so none is emptied or left out.
pub const CHOSEN: Rules = Rules { none: true, keep_logs: true };

/// The trees of one COPY or ADD, all waited for.
pub struct StepSources<'a> {
    world: &'a World<'a>,
    trees: Vec<(TreeSource, Held<'a>)>,
}

impl<'a> StepSources<'a> {
    /// Waits for every tree that the action names.
    pub fn hold(world: &'a World<'a>, platform: usize, action: &CopyAction) -> Result<StepSources<'a>, Halt> {
        let mut trees: Vec<(TreeSource, Held<'a>)> = Vec::new();
        for source in &action.sources {
            if let CopySource::Path { from, .. } = source
                && !trees.iter().any(|(known, _)| known == from)
            {
                trees.push((from.clone(), world.hold(platform, from)?));
            }
        }
        Ok(StepSources { world, trees })
    }

    /// Brings the files of every tree: what was held until now is their names and digests.
    pub fn settle(&self, platform: usize) -> Result<(), Halt> {
        self.trees.iter().try_for_each(|(source, _)| self.world.settle(platform, source))
    }
}

impl Sources for StepSources<'_> {
    fn tree(&self, source: &TreeSource) -> Result<Tree<'_>, CopyError> {
        let held = self.trees.iter().find(|(known, _)| known == source);
        Ok(held.map_or(Tree::Empty, |(_, held)| held.tree()))
    }

    fn fetch(&self) -> &dyn Fetch {
        &self.world.downloads
    }

    fn git(
        &self,
        reference: &GitReference,
        keep_git_dir: bool,
        directory: &Path,
    ) -> Result<String, GitError> {
        self.world.doors.git.fetch(reference, keep_git_dir, directory)
    }
}
