//! What takes longer than CI may: more sudden deaths, hours of fuzzing, the example in full.

use std::io;
use std::path::Path;
use std::process::Command;
use std::time::{Duration, Instant};

use crate::gateway::fixture::Here;
use crate::gateway::offline;
use crate::real::{self, Test, Trouble, World};
use crate::report::Tally;
use crate::{command, fuzz, project, registry, workspace};

/// An optimised Python, twice.
const LONG: Duration = Duration::from_secs(7200);

/// How long a hundred clients push and pull.
const CROWD: Duration = Duration::from_secs(300);

/// What the command line asked for.
#[derive(Debug)]
pub struct Options {
    /// How long is fuzzed.
    pub minutes: u64,
    /// Where fuzzing begins.
    pub seed: u64,
    /// Only parts whose name contains this.
    pub case: Option<String>,
}

/// Kills 100 builds and 50 of a whole project, lets 100 clients at a registry, builds `examples/swish` with its optimised Python and
/// `examples/polyglot`, both again offline, and fuzzes.
pub fn run(options: &Options) -> io::Result<Tally> {
    let mut tally = Tally::default();
    let world = World::new()?;
    let wanted = |name: &str| options.case.as_deref().is_none_or(|part| name.contains(part));
    for (name, part) in PARTS.iter().filter(|(name, _)| wanted(name)) {
        tally.check(name, part(&world).map_err(said));
    }
    if wanted("fuzzing") {
        tally += fuzz::run(Duration::from_secs(options.minutes * 60), options.seed)?;
    }
    Ok(tally)
}

const PARTS: [Test; 5] = [
    ("100 builds killed at any moment", |world| real::kills(world, 100)),
    ("50 storms killed at any moment", |world| project::storms(world, 50)),
    ("a hundred clients of a registry", |world| registry::crowd::crowd(world, CROWD)),
    ("examples/swish with profile-guided optimisation, and offline", swish),
    ("examples/polyglot from `kapok vendor` output", polyglot),
];

fn said(trouble: Trouble) -> String {
    match trouble {
        Trouble::Failed(report) | Trouble::Skipped(report) => report,
    }
}

/// Both Dockerfiles; the first is locked, and built again in a network namespace without a route.
fn swish(world: &World) -> Result<(), Trouble> {
    let here = Here::new(world, "swish")?;
    let example = workspace::root().join("examples/swish");
    let context = here.place.path.join("context");
    command::must(Command::new("cp").arg("-r").arg(&example).arg(&context), LONG)?;
    let files = format!("type=local,dest={}", context.join("upstream/files").display());
    let debian = here.debian_bookworm();
    let build = |directory: &Path, flags: &[&str], isolate: bool| {
        let start = Instant::now();
        let words = [&[debian[0].as_str(), &debian[1]], flags].concat();
        let mut build: Command = here.place.plain_build(directory, &words);
        if isolate {
            build = offline::isolated(&build);
        }
        let outcome = command::run(&mut build, LONG)?;
        // 1: with `--twice` some files differ.
        real::ensure(matches!(outcome.code(), 0 | 1), || format!("{flags:?}: {}", outcome.tail(40)))?;
        println!("{flags:?}: {:.0} s\n{}", start.elapsed().as_secs_f64(), outcome.tail(8));
        Ok::<_, Trouble>(outcome)
    };
    build(&context.join("upstream"), &["--output", &files], false)?;
    let lean = context.join("Dockerfile.lean").display().to_string();
    build(&context, &["-f", &lean, "-t", "swish:lean"], false)?;
    let online = build(&context, &["--lock", "--twice", "-t", "swish:online"], false)?;
    for (words, wanted) in
        [(&["python2.7", "--version"][..], "Python 2.7.18"), (&["python3", "--version"][..], "Python 3")]
    {
        for image in ["swish:lean", "swish:online"] {
            let outcome = here.place.kapok(&[&["run", image], words].concat())?;
            let said = format!("{}{}", outcome.stdout, outcome.stderr);
            real::ensure(said.contains(wanted), || format!("{image}: {words:?}: {said}"))?;
        }
    }
    let r = ["run", "swish:online", "Rscript", "-e", "library(data.table); cat('loaded')"];
    let outcome = here.place.kapok(&r)?;
    real::ensure(outcome.stdout.contains("loaded"), || outcome.tail(10))?;
    build(&context, &["--offline", "--no-cache", "-t", "swish:offline"], true)?;
    offline::same(&here.explain("swish:online")?, &here.explain("swish:offline")?)?;
    offline::told_of(&here, &online, "swish:online", "swish:offline")
}

/// Five languages: vendored, and built again on an empty store in a network namespace without a route.
fn polyglot(world: &World) -> Result<(), Trouble> {
    let here = Here::new(world, "polyglot")?;
    let context = here.place.path.join("context");
    let example = workspace::root().join("examples/polyglot");
    command::must(Command::new("cp").arg("-r").arg(&example).arg(&context), LONG)?;
    let debian = here.debian_bookworm();
    let flags = ["-t", "polyglot", debian[0].as_str(), &debian[1]];
    let online = here.place.plain_build(&context, &[&["--lock"][..], &flags].concat());
    let start = Instant::now();
    command::must(&mut { online }, LONG)?;
    println!("polyglot online: {:.0} s", start.elapsed().as_secs_f64());
    let media = here.place.path.join("media");
    let mut vendor = here.place.command();
    command::must(vendor.current_dir(&context).arg("vendor").arg(&media), LONG)?;
    let apart = here.with_store("empty");
    let from = format!("--from-vendor={}", media.display());
    let again =
        apart.place.plain_build(&context, &[&["--offline", "--no-cache", &from][..], &flags].concat());
    let start = Instant::now();
    command::must(&mut offline::isolated(&again), LONG)?;
    println!("polyglot offline: {:.0} s", start.elapsed().as_secs_f64());
    offline::same(&here.explain("polyglot")?, &apart.explain("polyglot")?)?;
    let said = apart.place.kapok(&["run", "polyglot"])?;
    let all = ["python: ", "java: ", "go: ", "rust: ", "node: "];
    real::ensure(all.iter().all(|word| said.stdout.contains(word)), || said.tail(10))
}
