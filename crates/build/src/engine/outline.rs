//! What is told of a build before it runs and when it is over: its steps, the images that it uses, the largest layer.

use std::collections::{BTreeMap, BTreeSet};

use super::event::{StepId, StepInfo};
use super::report::{BuildReport, StepReport, StepState};
use super::request::{BuiltPlatform, Request, UsedImage};
use crate::plan::{Found, Plan};

/// Every image that a plan starts or copies from, each once.
pub fn used_images(plans: &[Plan]) -> Vec<UsedImage> {
    let mut images = BTreeSet::new();
    for plan in plans {
        plan.images(&mut |image| {
            let used = match image.found {
                Some(Found::Project { image: project, .. }) => {
                    UsedImage { name: image.name.clone(), digest: None, project: Some(project) }
                }
                _ => UsedImage { name: image.name.clone(), digest: Some(image.digest), project: None },
            };
            images.insert(used);
        });
    }
    images.into_iter().collect()
}

/// The step that made the image as large as it is. Steps of other stages do not count: their layers stay behind.
pub fn largest_step(report: &BuildReport, platforms: &[BuiltPlatform]) -> Option<(StepId, u64)> {
    let in_image = |step: &&StepReport| {
        step.layer.is_some_and(|layer| platforms.iter().any(|built| built.layers.contains(&layer)))
    };
    let largest = report.steps.iter().filter(in_image).max_by_key(|step| step.written)?;
    Some((largest.id, largest.written))
}

/// The steps of all plans, as events tell of them.
pub fn step_infos(request: &Request, plans: &[Plan]) -> Vec<StepInfo> {
    let mut steps = Vec::new();
    for plan in plans {
        for stage in &plan.stages {
            for step in &stage.steps {
                steps.push(StepInfo {
                    id: StepId(steps.len() as u32),
                    stage: stage.label(),
                    number: step.number,
                    of: step.of,
                    text: step.text.clone(),
                    platform: plan.platform.clone(),
                    line: dockerfile::line_column(&request.source.text, step.span.start).line,
                    makes_layer: step.makes_layer(),
                });
            }
        }
    }
    steps
}

/// The report of a build that has not begun.
pub fn pending(steps: &[StepInfo]) -> BuildReport {
    let line = |step: &StepInfo| StepReport {
        id: step.id,
        stage: step.stage.clone(),
        platform: step.platform.clone(),
        number: step.number,
        of: step.of,
        text: step.text.clone(),
        state: StepState::Pending,
        key: None,
        record: None,
        below: Vec::new(),
        layer: None,
        written: 0,
        wall_ms: 0,
        log: None,
        inputs: BTreeMap::new(),
        run: None,
    };
    BuildReport { steps: steps.iter().map(line).collect(), overruled: None }
}
