//! Tests of the network of a RUN with the clients that people use, each from a Dockerfile that does not know of a gateway.
//! Packages come from wherever this machine's clients ask by themselves; the rest from servers of its own.

mod downloads;
pub mod fixture;
pub mod offline;
mod packages;
mod refusals;
mod served;
mod server;
mod trust;

use std::io;
use std::time::Instant;

use crate::real::{Test, World, count, run_section, run_timed};
use crate::report::Tally;

/// What the command line asked for.
#[derive(Debug, Default)]
pub struct Options {
    /// Only tests whose name contains this.
    pub case: Option<String>,
}

/// What its tests are called by.
const SECTION: &str = "gateway";

/// Comes after all others, whose layers it looks through.
const LAST: Test = ("no layer, record or configuration has the authority of a gateway", trust::nothing_left);

/// Runs every test, two at once.
pub fn run(options: &Options) -> io::Result<Tally> {
    let world = World::new()?;
    let mut tally = Tally::default();
    let start = Instant::now();
    if let Err(trouble) = fixture::prepare(&world) {
        count(&mut tally, SECTION, "a base with a list of packages", Err(trouble));
        return Ok(tally);
    }
    println!("a base with a list of packages: {:.1} s", start.elapsed().as_secs_f64());
    let groups: [&[Test]; 6] =
        [packages::TESTS, served::TESTS, offline::TESTS, downloads::TESTS, trust::TESTS, refusals::TESTS];
    tally += run_section(&world, SECTION, &groups, options.case.as_deref());
    count(&mut tally, SECTION, LAST.0, run_timed(&world, &LAST));
    Ok(tally)
}
