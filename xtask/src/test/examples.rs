//! The small example builds and does what it says.

use std::time::Duration;

use crate::command;
use crate::real::{Trouble, World, ensure};
use crate::report::Tally;
use crate::workspace;

const LIMIT: Duration = Duration::from_secs(900);

/// Builds `examples/tools` and runs it; a rebuild runs nothing.
pub fn run() -> std::io::Result<Tally> {
    let world = World::new()?;
    let mut tally = Tally::default();
    let result = tools(&world).map_err(|trouble| match trouble {
        Trouble::Failed(report) | Trouble::Skipped(report) => report,
    });
    tally.check("examples: tools", result);
    Ok(tally)
}

fn tools(world: &World) -> Result<(), Trouble> {
    let debian = format!("debian:bookworm=oci-layout://{}", world.debian()?.display());
    let place = world.place("examples")?;
    let context = workspace::root().join("examples/tools");
    let flags = ["--build-context", &debian, "-t", "tools:report"];
    let outcome = command::run(&mut place.plain_build(&context, &flags), LIMIT)?;
    ensure(outcome.success(), || outcome.tail(40))?;
    let said = place.kapok(&["run", "tools:report", "one", "two"])?;
    ensure(said.stdout.contains("report: Lua"), || said.tail(10))?;
    let again = command::run(&mut place.plain_build(&context, &flags), LIMIT)?;
    ensure(again.success() && again.stderr.to_lowercase().contains("cached"), || again.tail(20))
}
