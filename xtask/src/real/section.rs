//! A section's tests: run two at once, timed, counted.

use std::time::Instant;

use super::Test;
use super::world::{Trouble, World};
use crate::parallel::parallel;
use crate::report::Tally;

/// Runs those tests of a section whose name contains `case`, two at once.
pub fn run_section(world: &World, section: &str, groups: &[&[Test]], case: Option<&str>) -> Tally {
    let wanted = |test: &&Test| case.is_none_or(|part| test.0.contains(part));
    let tests: Vec<Test> = groups.iter().copied().flatten().filter(wanted).copied().collect();
    let results = parallel(2, &tests, |test| run_timed(world, test));
    let mut tally = Tally::default();
    for ((name, _), result) in tests.iter().zip(results) {
        count(&mut tally, section, name, result);
    }
    tally
}

/// Runs one test and says how long it took.
pub fn run_timed(world: &World, (name, test): &Test) -> Result<(), Trouble> {
    let start = Instant::now();
    let result = test(world);
    println!("{name}: {:.1} s", start.elapsed().as_secs_f64());
    result
}

/// Counts one test of a section by what came of it.
pub fn count(tally: &mut Tally, section: &str, name: &str, result: Result<(), Trouble>) {
    match result {
        Ok(()) => tally.passed += 1,
        Err(Trouble::Failed(report)) => tally.fail(&format!("{section}: {name}"), &report),
        Err(Trouble::Skipped(why)) => tally.skip(&format!("{section}: {name}"), &why),
    }
}
