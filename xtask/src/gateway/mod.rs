//! Tests of the network of a RUN with the clients that people use, each from a Dockerfile that does not know of a gateway.
//! Packages come from wherever this machine's clients ask by themselves; the rest from servers of its own.

mod downloads;
mod fixture;
mod packages;
mod refusals;
mod server;
mod trust;

use std::io;
use std::time::Instant;

use crate::parallel::parallel;
use crate::real::{Test, Trouble, World};
use crate::report::Tally;

/// What the command line asked for.
#[derive(Debug, Default)]
pub struct Options {
    /// Only tests whose name contains this.
    pub case: Option<String>,
}

/// Comes after all others, whose layers it looks through.
const LAST: Test = ("no layer, record or configuration has the authority of a gateway", trust::nothing_left);

/// Runs every test, two at once.
pub fn run(options: &Options) -> io::Result<Tally> {
    let world = World::new()?;
    let mut tally = Tally::default();
    let start = Instant::now();
    if let Err(trouble) = fixture::prepare(&world) {
        count(&mut tally, "a base with a list of packages", Err(trouble));
        return Ok(tally);
    }
    println!("a base with a list of packages: {:.1} s", start.elapsed().as_secs_f64());
    let groups: [&[Test]; 4] = [packages::TESTS, downloads::TESTS, trust::TESTS, refusals::TESTS];
    let wanted = |test: &&Test| options.case.as_deref().is_none_or(|part| test.0.contains(part));
    let tests: Vec<Test> = groups.into_iter().flatten().filter(wanted).copied().collect();
    let timed = |(name, test): &Test| {
        let start = Instant::now();
        let result = test(&world);
        println!("{name}: {:.1} s", start.elapsed().as_secs_f64());
        result
    };
    for ((name, _), result) in tests.iter().zip(parallel(2, &tests, timed)) {
        count(&mut tally, name, result);
    }
    count(&mut tally, LAST.0, timed(&LAST));
    Ok(tally)
}

fn count(tally: &mut Tally, name: &str, result: Result<(), Trouble>) {
    match result {
        Ok(()) => tally.passed += 1,
        Err(Trouble::Failed(report)) => tally.fail(&format!("gateway: {name}"), &report),
        Err(Trouble::Skipped(why)) => tally.skip(&format!("gateway: {name}"), &why),
    }
}
