//! COPY, ADD and WORKDIR as steps: their keys, their layers, their records.

use std::path::Path;

use oci::record::{Intake, Record, Usage, Written};
use oci::store::WorkDir;

use super::commit::Committed;
use super::key::{Inputs, list};
use super::layers::Layers;
use super::output::Said;
use super::secrets::Needles;
use super::snapshot::Snapshot;
use super::stage::{Halt, Made, Task};
use super::trees::{CHOSEN, StepSources};
use crate::copy::{self, Applied};
use crate::plan::{CopyAction, CopySource, WorkdirAction};

impl Task<'_> {
    /// A COPY or an ADD.
    pub fn copy(&self, action: &CopyAction) -> Result<Made, Halt> {
        let epoch = self.stage.epoch;
        let held = StepSources::hold(self.world, self.platform, action)?;
        // What is fetched has to be somewhere before the cache can be asked; nothing else does.
        let fetches = action.sources.iter().any(CopySource::is_remote);
        let scratch = fetches.then(|| self.world.doors.store.work_dir()).transpose()?;
        let gathered = copy::gather(action, &held, scratch.as_ref().map_or(Path::new(""), WorkDir::path))?;
        // A linked layer depends on nothing below it.
        let nothing = Layers::default();
        let below = if action.link { &nothing } else { self.below };

        let mut inputs = self.inputs(if action.add { "add" } else { "copy" }, below)?;
        inputs.add("content", gathered.digest(epoch)?.to_string());
        inputs.add("destination", &action.destination);
        inputs.add("chown", action.chown.as_deref().unwrap_or(""));
        inputs.add("chmod", action.chmod.as_ref().map(ToString::to_string).unwrap_or_default());
        inputs.add("sources", list(&sources_for_key(action)));
        inputs.add("exclude", list(&action.exclude));
        inputs.add("flags", flags(action));
        let key = inputs.key_after(self.earlier);
        let _claim = self.world.board.claim(&key)?;
        if let Some(found) = self.find(&key, &inputs)? {
            return Ok(found);
        }
        held.settle(self.platform)?;
        let empty = Snapshot::empty();
        let parent = if action.link { &empty } else { self.ground()? };
        let _permit = self.world.board.permit()?;
        self.begin();
        let work = parent.work_dir(self.world.doors.store, epoch)?;
        let applied = gathered.apply(&self.world.target(parent, &work.upper(), epoch))?;
        self.finish_copy(Copied { inputs, parent, work, applied, intakes: gathered.intakes().to_vec() })
    }

    /// A WORKDIR.
    pub fn workdir(&self, action: &WorkdirAction) -> Result<Made, Halt> {
        let mut inputs = self.inputs("workdir", self.below)?;
        inputs.add("path", &action.path);
        inputs.add("user", &action.user);
        let key = inputs.key_after(self.earlier);
        let _claim = self.world.board.claim(&key)?;
        if let Some(found) = self.find(&key, &inputs)? {
            return Ok(found);
        }
        let parent = self.ground()?;
        let _permit = self.world.board.permit()?;
        self.begin();
        let work = parent.work_dir(self.world.doors.store, self.stage.epoch)?;
        let applied = copy::workdir(action, &self.world.target(parent, &work.upper(), self.stage.epoch))?;
        self.finish_copy(Copied { inputs, parent, work, applied, intakes: Vec::new() })
    }

    /// The parts that every step's key has.
    pub fn inputs(&self, action: &str, parent: &Layers) -> Result<Inputs, Halt> {
        let mut inputs = Inputs::default();
        inputs.add("action", action);
        inputs.add("parent", self.world.snapshot_id(parent)?.0.to_string());
        inputs.add("platform", self.stage.platform.to_string());
        inputs.add("epoch", self.stage.epoch.to_string());
        Ok(inputs)
    }

    fn finish_copy(&self, copied: Copied<'_>) -> Result<Made, Halt> {
        let none = Needles::default();
        let commit = self.world.committer(CHOSEN, self.stage.epoch, &none);
        let committed = commit.commit(copied.work, copied.parent.view())?;
        let mut record = self.record(copied.inputs, copied.parent, &committed);
        record.intakes = copied.intakes;
        record.warnings = copied.applied.warnings;
        record.usage = Usage { wall_ms: self.elapsed().as_millis() as u64, ..Usage::default() };
        self.keep(&record, Said::default())
    }

    /// A record with what every step knows of itself.
    pub fn record(&self, inputs: Inputs, parent: &Snapshot, committed: &Committed) -> Record {
        let key = inputs.key();
        Record {
            instruction: self.step.text.clone(),
            key,
            parent: parent.id(),
            inputs: inputs.into_parts(),
            layer: Some(committed.layer.id),
            written: Written {
                files: committed.layer.index.len() as u64,
                bytes: committed.layer.index.total_size(),
            },
            normalised: committed.normalised.clone(),
            unreproducible: committed.unreproducible.clone(),
            unobserved: Vec::new(),
            intakes: Vec::new(),
            reads: None,
            log: None,
            usage: Usage::default(),
            limits: Default::default(),
            source_date_epoch: self.stage.epoch,
            warnings: Vec::new(),
        }
    }
}

/// What a copy gave, before it is a layer.
struct Copied<'a> {
    inputs: Inputs,
    parent: &'a Snapshot,
    work: WorkDir,
    applied: Applied,
    intakes: Vec<Intake>,
}

/// The flags that are given, in words.
fn flags(action: &CopyAction) -> String {
    let given = [
        (action.link, "link"),
        (action.parents, "parents"),
        (action.unpack.local, "unpack local"),
        (action.unpack.remote, "unpack remote"),
    ];
    let words: Vec<&str> = given.iter().filter(|(given, _)| *given).map(|(_, word)| *word).collect();
    words.join(", ")
}

/// The names of the sources: they decide what is called how at the destination, whatever the content.
fn sources_for_key(action: &CopyAction) -> Vec<String> {
    action
        .sources
        .iter()
        .map(|source| match source {
            CopySource::Path { path, .. } => path.clone(),
            CopySource::Inline { name, .. } => format!("<<{name}"),
            CopySource::Url { file_name, .. } => file_name.clone(),
            // What came of it is in the content; the address may hold a password.
            CopySource::Git { keep_git_dir: true, .. } => "git with .git".to_owned(),
            CopySource::Git { keep_git_dir: false, .. } => "git".to_owned(),
        })
        .collect()
}
