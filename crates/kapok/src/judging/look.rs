//! Looks at an image: its steps' records, its files, the images that it starts from. Nothing runs.

use std::collections::{BTreeMap, HashSet};

use build::base::debian::signature::Keyring;
use build::engine::{self, Finished, Inside, Snapshot, StepReport};
use build::plan::{Action, BaseImage as PlannedBase, Found, Network, Plan, StageBase, StageId};
use oci::record::Intake;
use oci::store::Store;
use oci::tree::Kind;
use oci::{Digest, ImageConfig, LayerId, Platform, Reference};
use policy::facts::built::{BaseImage, Seen, SeenStage, SeenStep, Tree, TrustStore, languages, os};
use policy::facts::dockerfile::Base;
use policy::{Facts, Standards};

/// Where a package manager keeps the keys that it trusts.
const KEYS: &str = "/etc/pki/rpm-gpg";

/// No key file is larger in good faith, and no image has more of them.
const KEY_BYTES: usize = 256 << 10;
const MOST_KEYS: usize = 50;

/// What is seen of a finished image.
pub fn seen(image: &Finished<'_>, inside: &Inside, authorities: &[u8]) -> Seen {
    let plan = image.plan;
    let line = line_of(plan, plan.target);
    let mut stages = Vec::new();
    for (id, files) in &inside.stages {
        // What is in the image is looked at where all of it is.
        let shipped = *id == plan.target;
        let Some(stage) = plan.stage(*id).filter(|_| shipped || !line.contains(id)) else { continue };
        let root = line_of(plan, *id).last().copied().unwrap_or(*id);
        let base = plan.stage(root).map(|stage| &stage.base);
        let (base, own) = match base {
            Some(StageBase::Image(base)) => (Some(base), is_of_project(base)),
            _ => (None, false),
        };
        let found = files.as_ref().map(|files| {
            let tree = Files { files, reports: &image.reports };
            let mut found = languages(&tree, &pairs(&stage.config.config.env));
            // An image of the project was judged itself.
            found.retain(|one| !own || one.step.is_some());
            found
        });
        let base = base.filter(|_| !own).map(|base| {
            let files = inside.bases.iter().find(|(known, _)| *known == root);
            let files = files.and_then(|(_, files)| files.as_ref());
            (base.name.clone(), base_image(&base.config, files))
        });
        stages.push(SeenStage { stage: root.0, shipped, languages: found, base });
    }
    let target = inside.stages.iter().find(|(id, _)| *id == plan.target);
    let env = plan.stage(plan.target).map(|stage| stage.config.config.env.as_slice()).unwrap_or_default();
    let trust = match authorities {
        // Nobody says what should be in them.
        [] => Some(Vec::new()),
        _ => target.and_then(|(_, files)| files.as_ref()).map(|files| {
            let stores = engine::trust_stores(files, env, authorities).into_iter();
            stores.map(|store| TrustStore { path: store.path, lacks: store.lacks }).collect()
        }),
    };
    Seen { steps: steps(image, inside), stages, trust }
}

/// A stage and those that it stands on.
fn line_of(plan: &Plan, stage: StageId) -> Vec<StageId> {
    let mut line = vec![stage];
    while let Some(StageBase::Stage(below)) =
        line.last().and_then(|stage| plan.stage(*stage)).map(|stage| &stage.base)
    {
        line.push(*below);
    }
    line
}

fn is_of_project(base: &PlannedBase) -> bool {
    matches!(base.found, Some(Found::Project { .. }))
}

/// The steps that fetched something, or may have.
fn steps(image: &Finished<'_>, inside: &Inside) -> Vec<SeenStep> {
    let line = line_of(image.plan, image.plan.target);
    let held = held(image, inside);
    let mut steps = Vec::new();
    for ((number, (stage, step, _)), record) in image.steps().enumerate().zip(&inside.records) {
        let fetches = match &step.action {
            Action::Run(run) => run.network != Network::None,
            Action::Copy(copy) => copy.sources.iter().any(build::plan::CopySource::is_remote),
            Action::Workdir(_) | Action::Metadata => false,
        };
        let (intakes, unobserved): (Vec<Intake>, Vec<String>) = match record {
            Some(record) => (record.intakes.iter().map(short).collect(), record.unobserved.clone()),
            None if fetches => (Vec::new(), vec!["network".to_owned()]),
            None => continue,
        };
        if !intakes.is_empty() || !unobserved.is_empty() {
            let is_held = |intake: &Intake| intake.digest.is_some_and(|digest| held.contains(&digest));
            let held = intakes.iter().enumerate().filter(|(_, intake)| is_held(intake));
            let held = held.map(|(position, _)| position).collect();
            steps.push(SeenStep { step: number, shipped: line.contains(&stage), intakes, held, unobserved });
        }
    }
    steps
}

/// What was fetched and is a file of the image as it came.
fn held(image: &Finished<'_>, inside: &Inside) -> HashSet<Digest> {
    let records = inside.records.iter().flatten();
    let fetched: HashSet<Digest> =
        records.flat_map(|record| &record.intakes).filter_map(|intake| intake.digest).collect();
    let target = inside.stages.iter().find(|(id, _)| *id == image.plan.target);
    let Some(files) = target.and_then(|(_, files)| files.as_ref()).filter(|_| !fetched.is_empty()) else {
        return HashSet::new();
    };
    let digests = files.view().walk(b"").filter_map(|(_, entry)| match entry.kind {
        Kind::File { digest } => Some(digest),
        _ => None,
    });
    digests.filter(|digest| fetched.contains(digest)).collect()
}

/// What of an intake is judged.
fn short(intake: &Intake) -> Intake {
    Intake { request: None, published: None, etag: None, last_modified: None, purl: None, ..intake.clone() }
}

fn pairs(env: &[String]) -> Vec<(String, String)> {
    let split = env.iter().filter_map(|entry| entry.split_once('='));
    split.map(|(name, value)| (name.to_owned(), value.to_owned())).collect()
}

/// What an image that others start from says of itself.
fn base_image(config: &ImageConfig, files: Option<&Snapshot>) -> BaseImage {
    let labels: BTreeMap<String, String> =
        config.config.labels.iter().map(|(name, value)| (name.clone(), value.clone())).collect();
    let Some(files) = files else { return BaseImage { labels, ..BaseImage::default() } };
    let tree = Files { files, reports: &[] };
    let keys = tree.names(KEYS).into_iter().take(MOST_KEYS);
    let keys = keys
        .filter_map(|name| tree.read(&format!("{KEYS}/{name}"), KEY_BYTES))
        .filter_map(|key| Keyring::parse(&key).ok())
        .flat_map(|keyring| keyring.fingerprints());
    BaseImage { labels, files: true, os: os(&tree), keys: keys.collect() }
}

/// Looks at the images that Dockerfiles start from, as far as the store has them: before a build, they are judged by what is in
/// them and not by their names alone.
pub fn look_at_bases(store: &Store, standards: &Standards, facts: &mut Facts) {
    if !policy::asks_for_bases(standards) {
        return;
    }
    let stages = facts.dockerfiles.iter().flat_map(|file| &file.stages);
    let references: Vec<Reference> = stages
        .filter_map(|stage| match &stage.base {
            Base::Image(name) => name.reference.clone(),
            _ => None,
        })
        .collect();
    for reference in references {
        let name = reference.to_string();
        if facts.base_images.contains_key(&name) {
            continue;
        }
        // A store that cannot be asked says no more than one that does not have it.
        if let Ok(Some(image)) = at_hand(store, &reference) {
            facts.base_images.insert(name, image);
        }
    }
}

fn at_hand(store: &Store, reference: &Reference) -> Result<Option<BaseImage>, oci::store::StoreError> {
    let Some(found) = store.resolve_reference(reference)? else { return Ok(None) };
    let Some(image) = store.image(&found.digest, &Platform::host())? else { return Ok(None) };
    let mut layers: Vec<LayerId> = Vec::new();
    for blob in &image.manifest.value().layers {
        match store.layer_by_blob(&blob.digest)? {
            Some(layer) => layers.push(layer.id),
            None => return Ok(Some(base_image(image.config.value(), None))),
        }
    }
    let files = Snapshot::of_layers(store, &layers).ok();
    Ok(Some(base_image(image.config.value(), files.as_ref())))
}

/// A snapshot as the finder of languages sees it.
struct Files<'a> {
    files: &'a Snapshot,
    reports: &'a [StepReport],
}

impl Tree for Files<'_> {
    fn read(&self, path: &str, most: usize) -> Option<Vec<u8>> {
        self.files.read_beginning(path, most as u64)
    }

    fn real_path(&self, path: &str) -> Option<String> {
        self.files.real_path(path)
    }

    fn names(&self, directory: &str) -> Vec<String> {
        self.files.names(directory)
    }

    fn maker(&self, path: &str) -> Option<usize> {
        let id = self.files.layer_of(path)?;
        self.reports.iter().position(|step| step.layer == Some(id))
    }
}
