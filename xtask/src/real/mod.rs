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
mod section;
mod world;

use std::io;

pub use kill::{kills, left_nothing};
pub use rootless::{as_user, difference};
pub use section::{count, run_section, run_timed};
pub use world::{Place, Trouble, World, ensure, needs, needs_root};

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
    Ok(run_section(&world, "real", &groups, options.case.as_deref()))
}
