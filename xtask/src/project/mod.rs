//! Tests of a whole project with the real program: the example of a platform's images, as three kinds of file declare it, the
//! journeys of the documentation, and builds that are killed.

mod journeys;
mod killed;
mod rainforest;

use std::io;

pub use killed::storms;

use crate::real::{World, run_section};
use crate::report::Tally;

/// What the command line asked for.
#[derive(Debug, Default)]
pub struct Options {
    /// Only tests whose name contains this.
    pub case: Option<String>,
}

/// Runs every test.
pub fn run(options: &Options) -> io::Result<Tally> {
    let world = World::new()?;
    Ok(run_section(
        &world,
        "project",
        &[rainforest::TESTS, journeys::TESTS, killed::TESTS],
        options.case.as_deref(),
    ))
}
