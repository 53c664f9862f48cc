//! What takes longer than CI may: more sudden deaths, hours of fuzzing, the example in full.

use std::io;
use std::process::Command;
use std::time::{Duration, Instant};

use crate::real::{self, Trouble, World};
use crate::report::Tally;
use crate::{command, fuzz, registry, workspace};

/// How long a hundred clients push and pull.
const CROWD: Duration = Duration::from_secs(300);

/// Kills 100 builds, lets 100 clients at a registry, fuzzes for `minutes`, builds `examples/swish` with its optimised Python.
pub fn run(minutes: u64, seed: u64) -> io::Result<Tally> {
    let mut tally = Tally::default();
    let world = World::new()?;
    let killed = real::kills(&world, 100).map_err(said);
    tally.check("100 builds killed at any moment", killed);
    let crowd = registry::crowd::crowd(&world, CROWD).map_err(said);
    tally.check("a hundred clients of a registry", crowd);
    tally.check("examples/swish with profile-guided optimisation", swish(&world).map_err(said));
    tally += fuzz::run(Duration::from_secs(minutes * 60), seed)?;
    Ok(tally)
}

fn said(trouble: Trouble) -> String {
    match trouble {
        Trouble::Failed(report) | Trouble::Skipped(report) => report,
    }
}

fn swish(world: &World) -> Result<(), Trouble> {
    let debian = format!("debian:bookworm=oci-layout://{}", world.debian()?.display());
    let place = world.place("swish")?;
    let context = workspace::root().join("examples/swish");
    for file in ["Dockerfile", "Dockerfile.lean"] {
        let dockerfile = context.join(file);
        let flags = ["-f", &dockerfile.to_string_lossy(), "--build-context", &debian, "-t", "swish"];
        let start = Instant::now();
        let mut build: Command = place.plain_build(&context, &flags);
        let outcome = command::run(&mut build, Duration::from_secs(3600))?;
        real::ensure(outcome.success(), || format!("{file}: {}", outcome.tail(40)))?;
        println!("{file}: {:.0} s\n{}", start.elapsed().as_secs_f64(), outcome.tail(8));
        for (words, wanted) in [
            (&["python2.7", "--version"][..], "Python 2.7.18"),
            (&["python3", "--version"][..], "Python 3"),
            (&["Rscript", "-e", "library(data.table); cat('loaded')"][..], "loaded"),
        ] {
            let outcome = place.kapok(&[&["run", "swish"], words].concat())?;
            let said = format!("{}{}", outcome.stdout, outcome.stderr);
            real::ensure(said.contains(wanted), || format!("{file}: {words:?}: {said}"))?;
        }
    }
    Ok(())
}
