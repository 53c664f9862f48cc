//! Who has the last word on a finished image: an organisation's standards, judged by what the steps fetched and what the image
//! holds, before it has a name.
//!
//! The engine knows nothing of standards. It gathers what can be looked at, remembers what the judge made of it for the same
//! image, and takes a no for a no.

use std::sync::Arc;

use oci::record::{Record, Usage, Written};
use oci::{Digest, SnapshotId};

use super::error::BuildError;
use super::finish::Documents;
use super::key::Inputs;
use super::layers::{Layers, LazyLayer};
use super::report::StepReport;
use super::request::Request;
use super::snapshot::Snapshot;
use super::stage::Halt;
use super::world::{StageRef, World};
use crate::plan::{Plan, StageBase, StageId, Step};

/// Judges finished images.
pub trait Judge: Sync {
    /// Everything besides the image that decides what [`look`](Self::look) answers, its own version included.
    fn version(&self) -> String;

    /// Whether the image's files are needed, even if they have to be fetched for it. Otherwise only what is here is looked at.
    fn insists(&self) -> bool;

    /// What there is to know of an image, in the judge's own words. They are remembered: the same image is not looked at again.
    fn look(&self, image: &Finished<'_>, inside: &Inside) -> Vec<u8>;

    /// Judges, by what was seen. Answers what speaks against the image and was overruled, a line for each.
    ///
    /// # Errors
    /// The image may not have a name.
    fn judge(&self, image: &Finished<'_>, seen: &[u8]) -> Result<Vec<String>, Denial>;
}

/// Why an image may not have a name, in the judge's words.
pub type Denial = Box<dyn std::error::Error + Send + Sync>;

/// An image of one platform whose steps are done.
pub struct Finished<'a> {
    /// What was asked for.
    pub request: &'a Request,
    /// What was done.
    pub plan: &'a Plan,
    /// The image that it is.
    pub image: Digest,
    /// What became of each step, in the plan's order.
    pub reports: Vec<StepReport>,
}

impl<'a> Finished<'a> {
    /// Every step of the plan with its stage and what became of it.
    pub fn steps(&self) -> impl Iterator<Item = (StageId, &'a Step, &StepReport)> {
        let steps = self.plan.stages.iter().flat_map(|stage| stage.steps.iter().map(|step| (stage.id, step)));
        steps.zip(&self.reports).map(|((stage, step), report)| (stage, step, report))
    }
}

/// What can be looked at.
pub struct Inside {
    /// The records of the steps, in the plan's order; nothing where a step has none, or where it is gone.
    pub records: Vec<Option<Record>>,
    /// The files of each stage, the target's with everything that was put on top; nothing where they are not here.
    pub stages: Vec<(StageId, Option<Snapshot>)>,
    /// The files of the images that stages start from, likewise.
    pub bases: Vec<(StageId, Option<Snapshot>)>,
}

impl<'a> World<'a> {
    /// Has every platform's image judged. `None`: the build was stopped.
    pub fn judge(&'a self, plans: &'a [Plan], documents: &Documents) -> Result<Option<()>, BuildError> {
        let Some(judge) = self.doors.judge else { return Ok(Some(())) };
        let mut first = 0;
        for (number, plan) in plans.iter().enumerate() {
            let count = plan.stages.iter().map(|stage| stage.steps.len()).sum::<usize>();
            let reports = self.progress(|state| {
                state.report.steps.iter().skip(first).take(count).cloned().collect::<Vec<_>>()
            });
            first += count;
            let Some(built) = documents.platforms.get(number) else { continue };
            let image = Finished { request: self.request, plan, image: built.manifest.digest, reports };
            let seen = match self.seen(judge, &image, number, documents.tops.get(number).cloned().flatten()) {
                Ok(seen) => seen,
                Err(halt) => {
                    self.halt(halt);
                    return Ok(None);
                }
            };
            let overruled = judge.judge(&image, &seen).map_err(|denial| {
                let report = Box::new(self.final_report());
                BuildError::Denied { denial, report }
            })?;
            if !overruled.is_empty() {
                self.progress(|mut state| {
                    state.report.overruled.get_or_insert_default().findings.extend(overruled);
                });
            }
        }
        Ok(Some(()))
    }

    /// What the judge sees in an image, or saw in it before.
    fn seen(
        &'a self,
        judge: &dyn Judge,
        image: &Finished<'a>,
        platform: usize,
        top: Option<Arc<LazyLayer>>,
    ) -> Result<Vec<u8>, Halt> {
        let mut stages = Vec::new();
        for stage in &image.plan.stages {
            let Ok(result) = self.board.stage(&StageRef { platform, stage: stage.id }) else {
                return Err(Halt::Stopped);
            };
            let layers = match &top {
                Some(top) if stage.id == image.plan.target => result.layers.with(top.clone()),
                _ => result.layers,
            };
            let base = match &stage.base {
                StageBase::Image(base) => Some(Layers::of_base(base)),
                _ => None,
            };
            stages.push((stage.id, layers, base));
        }
        let mut inputs = Inputs::default();
        inputs.add("action", "judge");
        inputs.add("version", judge.version());
        inputs.add("image", image.image.to_string());
        // Other records may have led to the same image, and another plan has other places for them.
        let records: Vec<String> = image.reports.iter().map(|step| format!("{:?}", step.record)).collect();
        inputs.add("records", super::key::list(&records));
        let steps: Vec<String> =
            image.steps().map(|(stage, step, _)| format!("{stage} {}", step.text)).collect();
        inputs.add("steps", super::key::list(&steps));
        let insisted = |id: StageId| judge.insists() && id == image.plan.target;
        let mut here = Vec::new();
        for (id, layers, _) in &stages {
            here.push(match insisted(*id) || self.are_here(layers)? {
                true => "here".to_owned(),
                false => String::new(),
            });
        }
        inputs.add("here", super::key::list(&here));
        let key = inputs.key();
        if let Some((found, _)) = self.results.find(&key)?
            && let Some(seen) = self.doors.store.record(&found.record)?.log
            && let Ok(seen) = self.doors.store.read_blob(&seen)
        {
            return Ok(seen);
        }
        let record = |step: &StepReport| {
            // One that is gone is one that nobody observed.
            step.record.and_then(|digest| self.doors.store.record(&digest).ok())
        };
        let mut inside = Inside {
            records: image.reports.iter().map(record).collect(),
            stages: Vec::new(),
            bases: Vec::new(),
        };
        for (id, layers, base) in stages {
            let files = match insisted(id) {
                true => Some(self.snapshot(&layers)?),
                false => self.snapshot_if_here(&layers)?,
            };
            inside.stages.push((id, files));
            if let Some(base) = base {
                inside.bases.push((id, self.snapshot_if_here(&base)?));
            }
        }
        let seen = judge.look(image, &inside);
        let log = self.doors.store.put_blob(&seen)?;
        self.results.add(&Record {
            instruction: "look at the image".to_owned(),
            key,
            parent: SnapshotId::of(&[]),
            inputs: inputs.into_parts(),
            layer: None,
            written: Written { files: 0, bytes: 0 },
            normalised: Vec::new(),
            unreproducible: Vec::new(),
            unobserved: Vec::new(),
            intakes: Vec::new(),
            reads: None,
            log: Some(log),
            usage: Usage::default(),
            limits: Default::default(),
            source_date_epoch: 0,
            warnings: Vec::new(),
        })?;
        Ok(seen)
    }

    /// The layers as a snapshot, if all of them are unpacked here already.
    fn snapshot_if_here(&self, layers: &Layers) -> Result<Option<Snapshot>, Halt> {
        Ok(if self.are_here(layers)? { Some(self.snapshot(layers)?) } else { None })
    }

    /// Whether all of the layers are unpacked here.
    fn are_here(&self, layers: &Layers) -> Result<bool, Halt> {
        for layer in layers.iter() {
            if !layer.look(self.doors.store)? {
                return Ok(false);
            }
        }
        Ok(true)
    }
}
