//! What a sandbox costs. Printed, not judged: the machine may be busy.

use std::time::{Duration, Instant};

use crate::Test;
use crate::lab::Lab;

pub const TESTS: &[Test] = &[("speed::measures_an_empty_step", measures_an_empty_step)];

fn measures_an_empty_step(lab: &Lab) {
    for layers in [1, 40] {
        let more: Vec<_> = (1..layers).map(|number| lab.layer(&[(&format!("f{number}"), "x")])).collect();
        let mut times: Vec<Duration> = (0..60)
            .map(|_| {
                let step = lab.step("").with(|spec| {
                    spec.args = vec!["true".into()];
                    spec.layers.extend(more.clone());
                });
                let started = Instant::now();
                step.run().success();
                started.elapsed()
            })
            .collect();
        times.sort_unstable();
        println!("  {layers} layers: best {:?}, median {:?}", times[0], times[times.len() / 2]);
    }
}
