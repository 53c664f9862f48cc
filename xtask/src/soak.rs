//! What takes longer than CI may: more sudden deaths, hours of fuzzing, the example in full.

use std::io;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::{Duration, Instant};

use crate::command::Outcome;
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

const PARTS: [Test; 6] = [
    ("100 builds killed at any moment", |world| real::kills(world, 100)),
    ("50 storms killed at any moment", |world| project::storms(world, 50)),
    ("a hundred clients of a registry", |world| registry::crowd::crowd(world, CROWD)),
    ("examples/swish, and offline", swish),
    ("examples/swish with profile-guided optimisation, and offline", swish_optimised),
    ("examples/polyglot from `kapok vendor` output", polyglot),
];

fn said(trouble: Trouble) -> String {
    match trouble {
        Trouble::Failed(report) | Trouble::Skipped(report) => report,
    }
}

/// `examples/swish` with the sources that its settings take in place of upstreams that cannot be reached.
struct Swish<'a> {
    here: Here<'a>,
    context: PathBuf,
}

impl<'a> Swish<'a> {
    fn new(world: &'a World, name: &str) -> Result<Swish<'a>, Trouble> {
        let here = Here::new(world, name)?;
        let context = here.place.path.join("context");
        let example = workspace::root().join("examples/swish");
        command::must(Command::new("cp").arg("-r").arg(&example).arg(&context), LONG)?;
        let swish = Swish { here, context };
        let files = format!("type=local,dest={}", swish.context.join("upstream/files").display());
        swish.build(&swish.context.join("upstream"), &["--output", &files], false)?;
        Ok(swish)
    }

    fn build(&self, directory: &Path, flags: &[&str], isolate: bool) -> Result<Outcome, Trouble> {
        let start = Instant::now();
        let debian = self.here.debian_bookworm();
        let words = [&[debian[0].as_str(), &debian[1]], flags].concat();
        let mut build: Command = self.here.place.plain_build(directory, &words);
        if isolate {
            build = offline::isolated(&build);
        }
        let outcome = command::run(&mut build, LONG)?;
        // 1: with `--twice` some files differ.
        real::ensure(matches!(outcome.code(), 0 | 1), || format!("{flags:?}: {}", outcome.tail(40)))?;
        println!("{flags:?}: {:.0} s\n{}", start.elapsed().as_secs_f64(), outcome.tail(8));
        Ok(outcome)
    }

    /// Both Pythons, and R with its package.
    fn works(&self, image: &str) -> Result<(), Trouble> {
        let commands: [(&[&str], &str); 3] = [
            (&["python2.7", "--version"], "Python 2.7.18"),
            (&["python3", "--version"], "Python 3"),
            (&["Rscript", "-e", "library(data.table); cat('loaded')"], "loaded"),
        ];
        for (words, wanted) in commands {
            let outcome = self.here.place.kapok(&[&["run", image], words].concat())?;
            let said = format!("{}{}", outcome.stdout, outcome.stderr);
            real::ensure(said.contains(wanted), || format!("{image}: {words:?}: {said}"))?;
        }
        Ok(())
    }

    /// Locked, and built again in a network namespace without a route: nothing else is fetched, and no file differs of
    /// which `--twice`, if it is asked for, said nothing.
    fn offline(&self, flags: &[&str], twice: bool) -> Result<(), Trouble> {
        let online =
            [flags, &["--lock", "-t", "swish:online"], if twice { &["--twice"] } else { &[] }].concat();
        let online = self.build(&self.context, &online, false)?;
        self.works("swish:online")?;
        let offline = [flags, &["--offline", "--no-cache", "-t", "swish:offline"]].concat();
        self.build(&self.context, &offline, true)?;
        offline::same(&self.here.explain("swish:online")?, &self.here.explain("swish:offline")?)?;
        if twice { offline::told_of(&self.here, &online, "swish:online", "swish:offline") } else { Ok(()) }
    }
}

/// Without optimisation, so that compiling the same gives the same.
fn swish(world: &World) -> Result<(), Trouble> {
    Swish::new(world, "swish")?.offline(&["--build-arg", "PYTHON_CONFIGURE="], true)
}

/// Both Dockerfiles as they stand. Which object files a profile changes is another set at each run: `--twice` names those
/// of two builds, a third has others.
fn swish_optimised(world: &World) -> Result<(), Trouble> {
    let swish = Swish::new(world, "swish-optimised")?;
    let lean = swish.context.join("Dockerfile.lean").display().to_string();
    swish.build(&swish.context, &["-f", &lean, "-t", "swish:lean"], false)?;
    swish.works("swish:lean")?;
    swish.offline(&[], false)
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
