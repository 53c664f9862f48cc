//! One stage, from its base to its last step. Each stage has a thread of its own and waits for others where it needs them.

use std::cell::{Cell, OnceCell};
use std::sync::Arc;
use std::time::{Duration, Instant};

use oci::Digest;
use oci::record::{Key, Record};
use oci::store::{CachedStep, StoreError};

use super::StepId;
use super::board::Stopped;
use super::error::{BuildError, StepError, StepFailure};
use super::event::Event;
use super::key::Inputs;
use super::layers::{Layers, LazyLayer};
use super::output::Said;
use super::report::{RunPlace, StepState};
use super::snapshot::{MOST_LAYERS, Snapshot};
use super::world::{StageRef, StageResult, World};
use crate::copy::CopyError;
use crate::copy::users::UserError;
use crate::plan::{Action, PlannedStage, StageBase, Step, TreeSource};
use crate::sandbox::SandboxError;

/// Why a step gives no result.
#[derive(Debug)]
pub enum Halt {
    /// It failed.
    Failed(StepError),
    /// Something else failed, or the build was cancelled.
    Stopped,
    /// It would run, or stands on what would, and nothing is to be run.
    Due,
    /// The shared cache is not what it says it is: what stands on its answers must be done again without it.
    CacheFailed(String),
}

impl From<Stopped> for Halt {
    fn from(_: Stopped) -> Halt {
        Halt::Stopped
    }
}

/// Whatever makes a step fail halts it.
macro_rules! halts {
    ($($error:ty),* $(,)?) => {$(
        impl From<$error> for Halt {
            fn from(error: $error) -> Halt {
                Halt::Failed(error.into())
            }
        }
    )*};
}

halts!(StepError, StoreError, CopyError, UserError, SandboxError, oci::layer::TreeError);

/// A step with everything that carrying it out needs.
pub struct Task<'a> {
    pub world: &'a World<'a>,
    pub platform: usize,
    pub stage: &'a PlannedStage,
    pub step: &'a Step,
    pub id: StepId,
    pub below: &'a Layers,
    /// The same as files, once the step turns out to need them.
    pub ground: OnceCell<Snapshot>,
    /// The keys of the steps before it, its base stages' included.
    pub earlier: &'a [Key],
    /// When its own work began: waiting for another stage or for a permit is not the step's time.
    pub begun: Cell<Option<Instant>>,
}

/// What a step's own work gives: its record, its layer, and whether it had to run.
pub struct Made {
    pub key: Key,
    pub result: CachedStep,
    pub layer: Arc<LazyLayer>,
    pub ran: bool,
    pub written: u64,
    pub said: Said,
}

impl<'a> World<'a> {
    /// Builds one stage and announces its result. `first` is the number of its first step; `packed` says that the image
    /// will have its layers.
    pub fn build_stage(&'a self, platform: usize, stage: &'a PlannedStage, first: u32, packed: bool) {
        let name = StageRef { platform, stage: stage.id };
        let mut announcement = Announcement { world: self, name, result: None };
        announcement.result = self.stage_steps(platform, stage, first, packed);
    }

    fn stage_steps(
        &'a self,
        platform: usize,
        stage: &'a PlannedStage,
        first: u32,
        packed: bool,
    ) -> Option<StageResult> {
        let StageResult { mut layers, mut keys } = match self.base(platform, stage) {
            Ok(base) => base,
            Err(halt) => {
                self.halt(halt);
                return None;
            }
        };
        if packed && !self.request.foresee {
            self.offer(&layers);
        }
        for (position, step) in stage.steps.iter().enumerate() {
            let id = StepId(first + position as u32);
            if !step.makes_layer() {
                self.note(id, |line| line.state = StepState::Metadata);
                continue;
            }
            let begun = Cell::new(None);
            let (below, earlier, ground) = (&layers, &keys[..], OnceCell::new());
            let task = Task { world: self, platform, stage, step, id, below, ground, earlier, begun };
            let (key, layer) = task.carry_out()?;
            keys.push(key);
            if !self.request.foresee && (packed || self.request.pack_all) {
                self.pack(&layer, packed);
            }
            layers = layers.with(layer);
        }
        Some(StageResult { layers, keys })
    }

    fn base(&'a self, platform: usize, stage: &PlannedStage) -> Result<StageResult, Halt> {
        let from = |layers| StageResult { layers, keys: Vec::new() };
        match &stage.base {
            StageBase::Scratch => Ok(from(Layers::default())),
            StageBase::Image(image) => Ok(from(self.layers_of_image(image)?)),
            StageBase::Stage(other) => Ok(self.board.stage(&StageRef { platform, stage: *other })?),
            StageBase::Context(name) => {
                let source = TreeSource::Context(name.clone());
                let snapshot = self.mountable(platform, &source, "/", stage.epoch)?;
                Ok(from(Layers::of_snapshot(&snapshot)))
            }
        }
    }
}

/// Announces a stage's result when dropped, so also when its thread panics: nobody may wait for it for ever.
struct Announcement<'a> {
    world: &'a World<'a>,
    name: StageRef,
    result: Option<StageResult>,
}

impl Drop for Announcement<'_> {
    fn drop(&mut self) {
        if std::thread::panicking() {
            self.world.stop();
        }
        self.world.board.finish(self.name, self.result.take());
    }
}

impl<'a> Task<'a> {
    /// Finds or makes the step's result and tells of it. `None`: the build is over, and somebody said why.
    fn carry_out(&self) -> Option<(Key, Arc<LazyLayer>)> {
        let mut said = Said::default();
        match self.attempt(&mut said) {
            Ok(made) => {
                self.tell_done(&made, self.elapsed());
                Some((made.key, made.layer))
            }
            Err(Halt::Due) => None,
            Err(halt @ (Halt::Stopped | Halt::CacheFailed(_))) => {
                self.world.halt(halt);
                None
            }
            Err(Halt::Failed(_)) if self.world.board.is_stopped() => None,
            Err(Halt::Failed(cause)) => {
                self.tell_failed(cause, said, self.elapsed());
                None
            }
        }
    }

    /// What the step starts from, with its files.
    pub fn ground(&self) -> Result<&Snapshot, Halt> {
        match self.ground.get() {
            Some(ground) => Ok(ground),
            None => {
                let ground = self.world.snapshot(self.below)?;
                Ok(self.ground.get_or_init(|| ground))
            }
        }
    }

    /// Says that the step's own work begins.
    pub fn begin(&self) {
        self.begun.set(Some(Instant::now()));
        self.world.seat.iter().for_each(|seat| seat.begin());
        self.world.tell(Event::Started { step: self.id });
    }

    /// How long the step's own work has taken.
    pub fn elapsed(&self) -> Duration {
        self.begun.get().map_or(Duration::ZERO, |begun| begun.elapsed())
    }

    fn attempt(&self, said: &mut Said) -> Result<Made, Halt> {
        let below = self.world.layer_ids(self.below)?;
        if below.len() >= MOST_LAYERS {
            return Err(StepError::TooManyLayers { layers: below.len() + 1, limit: MOST_LAYERS }.into());
        }
        self.world.note(self.id, |line| {
            line.below = below;
            line.run = self.run_place();
        });
        match &self.step.action {
            Action::Run(action) => self.run(action, said),
            Action::Copy(action) => self.copy(action),
            Action::Workdir(action) => self.workdir(action),
            Action::Metadata => Err(Halt::Stopped),
        }
    }

    fn run_place(&self) -> Option<RunPlace> {
        match &self.step.action {
            Action::Run(action) => {
                Some(RunPlace { env: action.env.clone(), cwd: action.cwd.clone(), user: action.user.clone() })
            }
            _ => None,
        }
    }

    fn tell_done(&self, made: &Made, wall: Duration) {
        self.world.note(self.id, |line| {
            line.state = if made.ran { StepState::Ran } else { StepState::Cached };
            line.record = Some(made.result.record);
            line.layer = made.result.layer;
            line.written = made.written;
            line.wall_ms = if made.ran { wall.as_millis() as u64 } else { 0 };
            line.log = made.said.log.clone();
        });
        self.world.tell(if made.ran {
            Event::Finished { step: self.id, wall, written: made.written }
        } else {
            Event::Cached { step: self.id }
        });
    }

    fn tell_failed(&self, cause: StepError, said: Said, wall: Duration) {
        self.world.note(self.id, |line| {
            line.state = StepState::Failed;
            line.wall_ms = wall.as_millis() as u64;
            line.log = said.log.clone();
        });
        self.world.tell(Event::Failed { step: self.id, wall });
        // Others stop before the report is taken, so that it says of them that they were cancelled.
        self.world.fail(BuildError::Step(Box::new(StepFailure {
            step: self.id,
            stage: self.stage.label(),
            text: self.step.text.clone(),
            span: self.step.span,
            cause,
            tail: said.tail,
            log: said.log,
            wall,
            report: Default::default(),
        })));
    }

    /// The result that an earlier step or build left for this key, if it is still whole.
    pub fn find(&self, key: &Key, inputs: &Inputs) -> Result<Option<Made>, Halt> {
        let found = self.find_anywhere(key)?;
        if found.is_none() && self.world.request.foresee {
            self.world.note(self.id, |line| {
                line.state = StepState::Due;
                line.inputs = inputs.clone().into_parts();
            });
            return Err(Halt::Due);
        }
        Ok(found)
    }

    fn find_anywhere(&self, key: &Key) -> Result<Option<Made>, Halt> {
        self.world.note(self.id, |line| line.key = Some(*key));
        let found = self.world.results.find(key)?;
        if let Some((result, ours)) = found
            && (ours || self.holds(&result.record)?)
            && let Some(layer) = result.layer
            && let Some(layer) = self.world.doors.store.layer(&layer)?
        {
            let written = layer.index.total_size();
            let layer = LazyLayer::made(layer);
            return Ok(Some(Made { key: *key, result, layer, ran: false, written, said: Said::default() }));
        }
        self.find_shared(key)
    }

    /// Whether a result of an earlier build may be taken.
    fn holds(&self, record: &Digest) -> Result<bool, Halt> {
        match self.world.doors.materials {
            Some(materials) => Ok(materials.holds(&self.world.doors.store.record(record)?)),
            None => Ok(true),
        }
    }

    /// The result that another machine left for this key. Its layer stays where it is until somebody needs its files.
    fn find_shared(&self, key: &Key) -> Result<Option<Made>, Halt> {
        let Some(cache) = self.world.cache.filter(|_| !self.world.results.is_fresh()) else {
            return Ok(None);
        };
        let Some(found) = cache.step(key) else { return Ok(None) };
        let Ok(record) = self.world.doors.store.record(&found.record) else { return Ok(None) };
        let holds = self.world.doors.materials.is_none_or(|materials| materials.holds(&record));
        if !holds || record.key != *key || record.layer != Some(found.layer) {
            return Ok(None);
        }
        if let Some(origin) = found.origin {
            let digest = found.blob.descriptor.digest;
            self.world.progress(|mut progress| progress.origins.push((digest, origin)));
        }
        let layer = LazyLayer::shared(found.layer, found.blob);
        let result = CachedStep { record: found.record, layer: Some(found.layer) };
        self.world.results.add_shared(*key, result);
        let written = record.written.bytes;
        Ok(Some(Made { key: *key, result, layer, ran: false, written, said: Said::default() }))
    }

    /// Keeps a record and makes it the step's result.
    pub fn keep(&self, record: &Record, said: Said) -> Result<Made, Halt> {
        for warning in &record.warnings {
            self.world.warn(self.id, warning.clone());
        }
        let result = self.world.results.add(record)?;
        self.world.results.secure(self.elapsed())?;
        let id = result.layer.ok_or(StoreError::NoBlob(result.record))?;
        let layer = self.world.doors.store.layer(&id)?.ok_or(StoreError::NoLayer(id))?;
        let layer = LazyLayer::made(layer);
        Ok(Made { key: record.key, result, layer, ran: true, written: record.written.bytes, said })
    }
}
