//! Benchmarks: Kapok and its peers in turn on the same machine, medians and ratios.

mod builders;
mod check;
mod figures;
mod measure;
mod network;
mod registry;
mod storm;

use std::io;

use crate::report::Tally;

/// How large and how often.
#[derive(Clone, Debug)]
pub struct Options {
    /// Only figures whose name contains this.
    pub case: Option<String>,
    /// Tiny inputs, once, Kapok alone: the benchmark as a test of itself.
    pub tiny: bool,
}

impl Options {
    /// What CI runs.
    pub fn tiny() -> Options {
        Options { case: None, tiny: true }
    }
}

/// What a benchmark found.
#[derive(Clone, Debug)]
pub struct Figure {
    /// Seconds (or what `unit` says) of every program, Kapok first.
    pub results: Vec<(&'static str, f64)>,
    /// `s` or `MB`.
    pub unit: &'static str,
    /// What was wanted, in words, and whether it was reached; `None` where nothing was measured.
    pub wanted: Vec<(String, Option<bool>)>,
}

fn all() -> impl Iterator<Item = &'static (&'static str, figures::Measure)> {
    figures::ALL.iter().chain(network::ALL).chain(storm::ALL).chain(check::ALL).chain(registry::ALL)
}

/// What can be measured.
pub fn names() -> Vec<&'static str> {
    all().map(|(name, _)| *name).collect()
}

/// Measures everything and prints a table. Each figure counts as a test that passes if it could be measured.
pub fn run(options: &Options) -> io::Result<Tally> {
    let stage = figures::Stage::new(options.tiny)?;
    let mut tally = Tally::default();
    for (name, measure) in all() {
        if options.case.as_deref().is_some_and(|part| !name.contains(part)) {
            continue;
        }
        match measure(&stage) {
            Ok(figure) => {
                tally.passed += 1;
                if !options.tiny {
                    print(name, &figure);
                }
            }
            Err(error) => tally.fail(&format!("bench {name}"), &error.to_string()),
        }
    }
    println!("Kapok's own peak memory: {:.0} MB (wanted: at most 200)", stage.peak_megabytes());
    Ok(tally)
}

fn print(name: &str, figure: &Figure) {
    println!("{name}");
    let ours = figure.results.first().map_or(0.0, |(_, value)| *value);
    for (program, value) in &figure.results {
        println!("  {program:<14} {value:>9.3} {}   Kapok's part: {:.2}", figure.unit, ours / value);
    }
    for (wanted, reached) in &figure.wanted {
        let verdict = match reached {
            Some(true) => "reached",
            Some(false) => "MISSED",
            None => "not measured",
        };
        println!("  wanted: {wanted}: {verdict}");
    }
}
