//! What every thread of a build shares.

use std::collections::{BTreeMap, HashSet};
use std::path::PathBuf;
use std::sync::{Arc, Mutex, PoisonError};

use oci::record::Key;
use oci::store::Store;
use oci::{DiffId, Digest, LayerId, Reference};

use super::board::{Board, Cancel};
use super::downloads::Downloads;
use super::event::{Event, Events};
use super::judging::Judge;
use super::layers::{ForeignBlob, Layers, LazyLayer};
use super::materials::Materials;
use super::packing::Packer;
use super::report::{BuildReport, StepReport, StepState};
use super::request::{Difference, Request};
use super::results::Results;
use super::stage::Halt;
use super::storm::Seat;
use super::upstream::{LayerSink, SharedCache, Upstream};
use super::{StepId, error::BuildError, error::StepError};
use crate::context::Context;
use crate::copy::{CopyError, GitError};
use crate::fetch::Fetch;
use crate::network::Gateway;
use crate::plan::StageId;
use crate::plan::git::GitReference;
use crate::sandbox::{Handle, Spawner};

/// Writes the tree of a git repository into a fresh directory, and answers with the commit that it is.
pub trait Git: Sync {
    /// Fetches the commit or branch that `reference` names.
    fn fetch(
        &self,
        reference: &GitReference,
        keep_git_dir: bool,
        directory: &std::path::Path,
    ) -> Result<String, GitError>;
}

/// What a build is handed from outside: everything through which it touches the world.
pub struct Doors<'a> {
    /// Where layers and results are kept.
    pub store: &'a Store,
    /// Makes sandboxes; without one, a step that has to run fails.
    pub spawner: Option<&'a Spawner>,
    /// For ADD of a URL.
    pub fetch: &'a dyn Fetch,
    /// For ADD of a git repository.
    pub git: &'a dyn Git,
    /// Where images come from that the store lacks; without it, they are not to be had.
    pub upstream: Option<&'a dyn Upstream>,
    /// Results of other machines.
    pub cache: Option<&'a dyn SharedCache>,
    /// Who is told of layers while later steps still run.
    pub layers: Option<&'a dyn LayerSink>,
    /// The way out of a RUN with the default network; without one, that is the machine's network.
    pub gateway: Option<&'a dyn Gateway>,
    /// What the build may be made of, where something decides that.
    pub materials: Option<&'a dyn Materials>,
    /// Who has the last word on a finished image; without one, nobody has.
    pub judge: Option<&'a dyn Judge>,
    /// Who is told.
    pub events: &'a dyn Events,
    /// Stops the build from outside.
    pub cancel: Cancel,
}

/// A stage of one of the build's platforms.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct StageRef {
    /// Position in the request's platforms.
    pub platform: usize,
    /// The stage.
    pub stage: StageId,
}

/// What a finished stage gives to those that need it.
#[derive(Clone)]
pub struct StageResult {
    /// Its layers, as the image's manifest will list them.
    pub layers: Layers,
    /// The keys of the steps that led here.
    pub keys: Vec<Key>,
}

/// Shared by the threads of one build.
pub struct World<'a> {
    pub request: &'a Request,
    pub doors: &'a Doors<'a>,
    pub board: Arc<Board<StageRef, StageResult>>,
    /// Its place among the builds of a project, if it is one of several.
    pub seat: Option<&'a Seat<'a>>,
    pub results: Results<'a>,
    /// Results of other machines, as long as they are any good.
    pub cache: Option<&'a dyn SharedCache>,
    /// What the layers of bases are, as far as somebody had to know.
    pub bases: Mutex<BTreeMap<DiffId, LayerId>>,
    /// Layers that the image will have.
    pub of_image: Arc<Mutex<HashSet<LayerId>>>,
    pub packer: Packer<'a>,
    /// Build contexts by name; the main one is the empty name.
    pub contexts: BTreeMap<String, Context>,
    pub state: Mutex<Progress>,
    /// Commands that run now, to be killed when the build stops.
    pub running: Arc<Mutex<BTreeMap<u32, Arc<Handle>>>>,
    /// For ADD of a URL.
    pub downloads: Downloads<'a>,
    /// The rules for what a RUN writes, as keys have them.
    pub rules: String,
    /// Where this build's output is kept.
    pub logs: PathBuf,
}

/// What has become of the build so far.
#[derive(Default)]
pub struct Progress {
    pub report: BuildReport,
    pub differences: Vec<Difference>,
    /// The first failure; what follows from it is not told.
    pub failure: Option<BuildError>,
    /// Where layers of a shared cache can be had.
    pub origins: Vec<(Digest, Reference)>,
    /// Why the shared cache is no good.
    pub cache_failed: Option<String>,
}

impl World<'_> {
    /// Tells an event.
    pub fn tell(&self, event: Event) {
        self.doors.events.event(event);
    }

    /// A warning that belongs to a step.
    pub fn warn(&self, step: StepId, message: impl Into<String>) {
        self.tell(Event::Warning { message: message.into(), step: Some(step) });
    }

    /// Changes a step's line of the report.
    pub fn note(&self, step: StepId, change: impl FnOnce(&mut StepReport)) {
        if let Some(line) = self.progress(|progress| progress).report.steps.get_mut(step.0 as usize) {
            change(line);
        }
    }

    /// Locks what has become of the build.
    pub fn progress<'s, T>(&'s self, part: impl FnOnce(std::sync::MutexGuard<'s, Progress>) -> T) -> T {
        part(self.state.lock().unwrap_or_else(PoisonError::into_inner))
    }

    /// Ends the build with this failure, unless one came before.
    pub fn fail(&self, failure: BuildError) {
        self.progress(|mut progress| {
            progress.failure.get_or_insert(failure);
        });
        self.stop();
    }

    /// Ends the build for this reason.
    pub fn halt(&self, halt: Halt) {
        match halt {
            // Who stopped it said why.
            Halt::Stopped | Halt::Due => {}
            Halt::CacheFailed(why) => {
                self.progress(|mut progress| {
                    progress.cache_failed.get_or_insert(why);
                });
                self.stop();
            }
            Halt::Failed(StepError::Store(error)) => self.fail(BuildError::Store(error)),
            Halt::Failed(StepError::Upstream { name, source }) => {
                self.fail(BuildError::Upstream { name, source });
            }
            Halt::Failed(other) => self.fail(BuildError::Context(Box::new(other))),
        }
    }

    /// Tells of layers that the image has from its base.
    pub fn offer(&self, layers: &Layers) {
        let Some(sink) = self.doors.layers else { return };
        for blob in layers.iter().filter_map(|layer| layer.foreign_blob()) {
            sink.layer(&blob.descriptor, true);
        }
    }

    /// Has a step's layer packed, unless it came packed.
    pub fn pack(&self, layer: &LazyLayer, of_image: bool) {
        let Some(id) = layer.known_id() else { return };
        if of_image {
            self.of_image.lock().unwrap_or_else(PoisonError::into_inner).insert(id);
        }
        match (layer.foreign_blob(), self.doors.layers) {
            (None, _) => self.packer.want(id),
            (Some(blob), Some(sink)) if self.keeps(&blob) => sink.layer(&blob.descriptor, of_image),
            (Some(_), _) => {}
        }
    }

    /// Whether the image takes a blob as it came.
    pub fn keeps(&self, blob: &ForeignBlob) -> bool {
        blob.fixed || blob.descriptor.media_type == self.request.compression.layer_media_type()
    }

    /// Lets every thread return and kills what runs.
    pub fn stop(&self) {
        self.board.stop();
        self.seat.iter().for_each(|seat| seat.set_over(true));
        self.packer.close();
        kill_all(&self.running);
    }

    /// The report as it stands, with steps that were not reached marked as such.
    pub fn final_report(&self) -> BuildReport {
        let mut report = self.progress(|progress| progress.report.clone());
        for step in &mut report.steps {
            if step.state == StepState::Pending {
                step.state = StepState::Cancelled;
            }
        }
        report
    }

    /// Tells of every step that was not reached.
    pub fn tell_cancelled(&self, report: &BuildReport) {
        for step in report.steps.iter().filter(|step| step.state == StepState::Cancelled) {
            self.tell(Event::Cancelled { step: step.id });
        }
    }

    /// The context of this name.
    pub fn context(&self, name: &str) -> Result<&Context, CopyError> {
        self.contexts.get(name).ok_or_else(|| CopyError::NotFound {
            path: "/".into(),
            tree: if name.is_empty() {
                "a build without a context".into()
            } else {
                format!("context `{name}`")
            },
            hint: None,
        })
    }
}

/// Kills every command that runs.
pub fn kill_all(running: &Mutex<BTreeMap<u32, Arc<Handle>>>) {
    for handle in running.lock().unwrap_or_else(PoisonError::into_inner).values() {
        handle.kill();
    }
}
