//! Fuzzing: every parser of outside bytes, each in a process of its own with bounded memory.

mod seeds;

use std::fs;
use std::io;
use std::path::Path;
use std::process::Command;
use std::time::Duration;

use rustix::process::{Resource, Rlimit, setrlimit};

use crate::command;
use crate::parallel::parallel;
use crate::report::Tally;
use crate::workspace;

/// A parser, given any bytes.
type Entry = fn(&[u8]);

/// A parser's name (also its corpus directory below `tests/corpus`) and its entry point.
const TARGETS: [(&str, Entry); 23] = [
    ("dockerfile", dockerfile::fuzz::fuzz_parse),
    ("ignore", dockerfile::fuzz::fuzz_ignore),
    ("expand", dockerfile::fuzz::fuzz_expand),
    ("shell", dockerfile::fuzz::fuzz_shell),
    ("yaml", project::yaml::fuzz_yaml),
    ("project", project::fuzz::fuzz_project),
    ("certificates", policy::facts::fuzz_certificates),
    ("languages", policy::facts::fuzz_inside),
    ("path-index", oci::tree::fuzz_index),
    ("plan", build::plan::fuzz_plan),
    ("users", build::copy::users::fuzz_users),
    ("program", build::sandbox::fuzz_program),
    ("attempts", build::network::attempt::fuzz_attempts),
    ("trust", build::engine::fuzz_trust),
    ("signature", build::base::debian::signature::fuzz_signature),
    ("reference", oci::reference::fuzz_reference),
    ("config", oci::config::fuzz_config),
    ("tar", oci::layer::tar::fuzz_tar),
    ("lock", oci::lock::fuzz_lock),
    ("paragraphs", build::base::debian::deb822::fuzz_paragraphs),
    ("release", build::base::debian::release::fuzz_release),
    ("deb", build::base::debian::deb::fuzz_deb),
    ("relations", build::base::debian::relation::fuzz_relations),
];

/// More address space than any parser needs for the inputs it gets.
const MEMORY_LIMIT: u64 = 1 << 30;

/// Fuzzes every target, `total` in all with two at once; each counts as one test.
pub fn run(total: Duration, seed: u64) -> io::Result<Tally> {
    let scratch = workspace::scratch("fuzz")?;
    let each = total * 2 / TARGETS.len() as u32;
    let program = std::env::current_exe()?;
    let outcomes = parallel(2, &TARGETS, |(name, _)| {
        let mut child = Command::new(&program);
        child.args(["fuzz-target", name, &each.as_millis().to_string(), &seed.to_string()]);
        command::run(&mut child, each + Duration::from_secs(30))
    });
    let mut tally = Tally::default();
    for ((name, _), outcome) in TARGETS.iter().zip(outcomes) {
        let outcome = outcome?;
        if outcome.success() {
            tally.passed += 1;
            continue;
        }
        let kept = scratch.join(format!("{name}.found"));
        fs::copy(scratch.join(format!("{name}.current")), &kept).ok();
        let report = format!(
            "{}\nthe input is in {}; again: cargo xtask fuzz --target {name} --input {}",
            outcome.tail(12),
            kept.display(),
            kept.display()
        );
        tally.fail(&format!("fuzz {name}, seed {seed}"), &report);
    }
    Ok(tally)
}

/// What the child process does: one target until the time is up.
pub fn run_target(name: &str, time: Duration, seed: u64) -> io::Result<()> {
    let target = entry(name)?;
    let limit = Rlimit { current: Some(MEMORY_LIMIT), maximum: Some(MEMORY_LIMIT) };
    setrlimit(Resource::As, limit)?;
    let corpus = seeds::of(name)?;
    let current = workspace::scratch("fuzz")?.join(format!("{name}.current"));
    let tried = testkit::fuzz::drive(target, corpus, seed, time, &current)?;
    println!("{tried} inputs");
    Ok(())
}

/// Gives a target one input, as found before.
pub fn run_input(name: &str, input: &Path) -> io::Result<()> {
    entry(name)?(&fs::read(input)?);
    Ok(())
}

fn entry(name: &str) -> io::Result<Entry> {
    let found = TARGETS.iter().find(|(target, _)| *target == name);
    found.map(|(_, entry)| *entry).ok_or_else(|| io::Error::other(format!("no fuzz target `{name}`")))
}
