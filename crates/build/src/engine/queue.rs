//! The stages of a build, in the order in which threads take them.
//!
//! A stage depends only on stages before it, and threads take stages in order: of those that are taken and not finished,
//! the first waits for none. So any number of threads finishes all stages, and a file with very many of them needs no
//! more than some.

use std::collections::HashSet;
use std::sync::atomic::{AtomicUsize, Ordering};

use super::finish;
use super::world::World;
use crate::plan::{Plan, PlannedStage};

/// Threads for stages. Most of them wait for other stages, and wake with each that ends; how many steps run at once,
/// permits decide.
const MOST_THREADS: usize = 64;

/// Stages that no thread has taken yet.
pub struct Queue<'a> {
    stages: Vec<Waiting<'a>>,
    next: AtomicUsize,
}

struct Waiting<'a> {
    platform: usize,
    stage: &'a PlannedStage,
    /// The number of its first step.
    first: u32,
    /// Whether the image will have its layers.
    packed: bool,
}

impl<'a> Queue<'a> {
    /// The stages of all plans.
    pub fn new(plans: &'a [Plan]) -> Queue<'a> {
        let mut stages = Vec::new();
        let mut first = 0;
        for (platform, plan) in plans.iter().enumerate() {
            let of_image: HashSet<_> = finish::stages_of_image(plan).into_iter().collect();
            for stage in &plan.stages {
                let packed = of_image.contains(&stage.id);
                stages.push(Waiting { platform, stage, first, packed });
                first += stage.steps.len() as u32;
            }
        }
        Queue { stages, next: AtomicUsize::new(0) }
    }

    /// How many threads are of use.
    pub fn threads(&self) -> usize {
        self.stages.len().min(MOST_THREADS)
    }

    /// Builds stages until none is left.
    pub fn serve(&self, world: &'a World<'a>) {
        while let Some(next) = self.stages.get(self.next.fetch_add(1, Ordering::Relaxed)) {
            world.build_stage(next.platform, next.stage, next.first, next.packed);
        }
    }
}
