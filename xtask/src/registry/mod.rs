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

use crate::real::{Test, World, run_section};
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
    Ok(run_section(&world, "registry", &groups, options.case.as_deref()))
}
