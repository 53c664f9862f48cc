//! Tests of the real tier: the real program against hostile input, full disks, sudden death, other users and
//! other machines' shapes. What a machine lacks is skipped aloud.

mod archives;
mod base;
mod disk;
mod dockerfiles;
mod escape;
mod kill;
mod limits;
mod platforms;
mod refusals;
mod repeat;
mod rootless;
mod secrets;
mod world;

use std::io;
use std::time::Instant;

pub use kill::kills;
pub use rootless::{as_user, difference};
pub use world::{Place, Trouble, World, ensure, needs, needs_root};

use crate::parallel::parallel;
use crate::report::Tally;

/// A test: silence, a failure's report, or the reason why it cannot run here.
pub type Test = (&'static str, fn(&World) -> Result<(), Trouble>);

/// What the command line asked for.
#[derive(Debug, Default)]
pub struct Options {
    /// Only tests whose name contains this.
    pub case: Option<String>,
}

/// Runs every test, two at once.
pub fn run(options: &Options) -> io::Result<Tally> {
    let world = World::new()?;
    let groups: [&[Test]; 12] = [
        dockerfiles::TESTS,
        archives::TESTS,
        secrets::TESTS,
        refusals::TESTS,
        rootless::TESTS,
        limits::TESTS,
        escape::TESTS,
        disk::TESTS,
        base::TESTS,
        platforms::TESTS,
        repeat::TESTS,
        kill::TESTS,
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
            Err(Trouble::Failed(report)) => tally.fail(name, &report),
            Err(Trouble::Skipped(why)) => tally.skip(name, &why),
        }
    }
    Ok(tally)
}
