//! Tests of `kapok pull`, `push`, `copy`, `login` and `serve` with other people's registries and clients, all on
//! loopback: what goes out comes back with the same digest.

mod builds;
pub mod clients;
pub mod crowd;
pub mod fixture;
mod meddler;
pub mod programs;
mod registries;
mod server;
mod sharing;
mod specification;

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

/// Runs every test, two at once.
pub fn run(options: &Options) -> io::Result<Tally> {
    let world = World::new()?;
    let groups: [&[Test]; 7] = [
        specification::TESTS,
        registries::TESTS,
        clients::TESTS,
        server::TESTS,
        builds::TESTS,
        sharing::TESTS,
        crowd::TESTS,
    ];
    let wanted = |test: &&Test| options.case.as_deref().is_none_or(|part| test.0.contains(part));
    let tests: Vec<Test> = groups.into_iter().flatten().filter(wanted).copied().collect();
    let results = parallel(2, &tests, |(name, test)| {
        let start = Instant::now();
        let result = test(&world);
        println!("{name}: {:.1} s", start.elapsed().as_secs_f64());
        result
    });
    let mut tally = Tally::default();
    for ((name, _), result) in tests.iter().zip(results) {
        match result {
            Ok(()) => tally.passed += 1,
            Err(Trouble::Failed(report)) => tally.fail(&format!("registry: {name}"), &report),
            Err(Trouble::Skipped(why)) => tally.skip(&format!("registry: {name}"), &why),
        }
    }
    Ok(tally)
}
