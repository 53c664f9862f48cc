//! `cargo xtask test`: everything that says whether the project works, in sections, quickest first.

mod examples;
pub mod interop;
mod newcomer;
mod readme;
mod suites;

use std::io;
use std::time::{Duration, Instant};

use crate::report::Tally;
use crate::{differential, fuzz, gateway, peers, project, real, registry, tidy};

/// A part of the whole, with a name for `--section`.
type Section = (&'static str, fn() -> io::Result<Tally>);

const SECTIONS: [Section; 14] = [
    ("tidy", tidy::run),
    ("format", suites::format),
    ("lints", suites::lints),
    ("suites", suites::tests),
    ("differential", || differential::run(&differential::Options::default())),
    ("interop", interop::run),
    ("registry", || registry::run(&registry::Options::default())),
    ("gateway", || gateway::run(&gateway::Options::default())),
    ("project", || project::run(&project::Options::default())),
    ("real", || real::run(&real::Options::default())),
    ("examples", examples::run),
    ("newcomer", newcomer::run),
    ("bench", || crate::bench::run(&crate::bench::Options::tiny())),
    ("fuzz", || fuzz::run(Duration::from_secs(60), 1)),
];

/// Sections whose small base images are made of Debian's static busybox.
const ON_BASES: [&str; 8] =
    ["differential", "interop", "registry", "gateway", "project", "real", "examples", "bench"];

/// Runs all sections, or the named ones. The caller prints the tally as the last line.
pub fn run(only: Option<&str>) -> io::Result<Tally> {
    let start = Instant::now();
    let wanted = |name: &str| only.is_none_or(|only| only.split(',').any(|word| word == name));
    let mut tally = Tally::default();
    match peers::packages() {
        Ok(missing) if missing.is_empty() => {}
        Ok(missing) => println!("not installed, what needs them is skipped: {}", missing.join(" ")),
        Err(error) => println!("packages could not be installed, what needs them is skipped: {error}"),
    }
    if std::env::var_os("KAPOK").is_none()
        && let Err(error) = suites::build()
    {
        tally.fail("cargo build --release", &error.to_string());
        return Ok(tally);
    }
    let mut times = Vec::new();
    for (name, section) in SECTIONS.iter().filter(|(name, _)| wanted(name)) {
        println!("== {name}");
        if ON_BASES.contains(name) && !differential::can_make_bases() {
            tally.skip(name, "Debian's busybox-static is not installed");
            continue;
        }
        let started = Instant::now();
        let part = section().unwrap_or_else(|error| {
            let mut part = Tally::default();
            part.fail(name, &error.to_string());
            part
        });
        println!("== {name}: {part} in {:.1} s", started.elapsed().as_secs_f64());
        times.push((*name, started.elapsed()));
        tally += part;
    }
    times.sort_by_key(|(_, time)| std::cmp::Reverse(*time));
    let times: Vec<_> =
        times.iter().map(|(name, time)| format!("{name} {:.0} s", time.as_secs_f64())).collect();
    println!("{:.0} s in all: {}", start.elapsed().as_secs_f64(), times.join(", "));
    Ok(tally)
}
