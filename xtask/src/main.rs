//! The project's own chores: `cargo xtask test`, and what it is made of.

mod bench;
mod command;
mod compare;
mod differential;
mod fuzz;
mod gateway;
mod generated;
mod parallel;
mod peers;
mod project;
mod real;
mod registry;
mod report;
mod soak;
mod test;
mod tidy;
mod workspace;

use std::io;
use std::path::PathBuf;
use std::process::ExitCode;
use std::time::Duration;

use report::Tally;

const USAGE: &str = "\
usage: cargo xtask COMMAND

  test         [--section NAME,...]: everything; the last line counts what passed, failed and was skipped
  bench        [--case PART] [--tiny]: Kapok against BuildKit, docker, buildah and others
  soak         [--case PART] [--minutes NUMBER] [--seed NUMBER]: what takes longer than CI may
  gen          write the generated pages of docs/ anew
  tidy         check the project's rules about itself
  differential [--case PART] [--refresh] [--verbose]
               compare Kapok with BuildKit's checked-in results; --refresh asks BuildKit again
  compare      [--case PART]: what `kapok check`, hadolint, BuildKit's checks and kube-score find on the same files
  fuzz         [--seconds NUMBER] [--seed NUMBER], or --target NAME --input FILE to try one input again
  real         [--case PART]: hostile input, full disks, sudden death, other users
  registry     [--case PART]: other people's registries and clients
  gateway      [--case PART]: the clients that people use in a RUN, and what must not leave one
  project      [--case PART]: a platform's images, declared in three ways
  peers        install what Kapok is compared with";

fn main() -> ExitCode {
    let words: Vec<String> = std::env::args().skip(1).collect();
    match run(&words) {
        Ok(tally) => {
            println!("{tally}");
            if tally.failed == 0 { ExitCode::SUCCESS } else { ExitCode::FAILURE }
        }
        Err(error) => {
            eprintln!("error: {error}");
            ExitCode::from(2)
        }
    }
}

fn run(words: &[String]) -> io::Result<Tally> {
    let Some((command, words)) = words.split_first() else { return Err(io::Error::other(USAGE)) };
    let flags = Flags { words };
    if command == "--help" || flags.has("--help") {
        println!("{USAGE}");
        if command == "bench" {
            println!("\nfigures:\n  {}", bench::names().join("\n  "));
        }
        return Ok(Tally::default());
    }
    match command.as_str() {
        "test" => test::run(flags.value("--section")),
        "bench" => bench::run(&bench::Options {
            case: flags.value("--case").map(str::to_owned),
            tiny: flags.has("--tiny"),
        }),
        "soak" => {
            let minutes = flags.number("--minutes", 30)?;
            let seed = flags.number("--seed", u64::from(std::process::id()))?;
            soak::run(&soak::Options { minutes, seed, case: flags.value("--case").map(str::to_owned) })
        }
        "gen" => generated::run(),
        "tidy" => tidy::run(),
        "differential" => differential::run(&differential::Options {
            case: flags.value("--case").map(str::to_owned),
            refresh: flags.has("--refresh"),
            verbose: flags.has("--verbose"),
        }),
        "compare" => compare::run(&compare::Options { case: flags.value("--case").map(str::to_owned) }),
        "fuzz" => match (flags.value("--target"), flags.value("--input")) {
            (Some(target), Some(input)) => {
                fuzz::run_input(target, &PathBuf::from(input))?;
                Ok(Tally::one())
            }
            _ => fuzz::run(Duration::from_secs(flags.number("--seconds", 60)?), flags.number("--seed", 1)?),
        },
        // The child process of `fuzz`.
        "fuzz-target" => match words {
            [name, time, seed] => {
                let number = |word: &String| word.parse::<u64>().map_err(io::Error::other);
                fuzz::run_target(name, Duration::from_millis(number(time)?), number(seed)?)?;
                Ok(Tally::one())
            }
            _ => Err(io::Error::other(USAGE)),
        },
        "real" => real::run(&real::Options { case: flags.value("--case").map(str::to_owned) }),
        "registry" => registry::run(&registry::Options { case: flags.value("--case").map(str::to_owned) }),
        "gateway" => gateway::run(&gateway::Options { case: flags.value("--case").map(str::to_owned) }),
        "project" => project::run(&project::Options { case: flags.value("--case").map(str::to_owned) }),
        "peers" => {
            let missing = peers::packages()?;
            let programs = peers::buildkit()?;
            peers::buildx()?;
            println!("in {}: {}", programs.display(), peers::versions()?);
            println!("missing packages: {}", missing.join(" "));
            Ok(Tally::one())
        }
        _ => Err(io::Error::other(USAGE)),
    }
}

/// The words after a command.
struct Flags<'a> {
    words: &'a [String],
}

impl Flags<'_> {
    fn has(&self, flag: &str) -> bool {
        self.words.iter().any(|word| word == flag)
    }

    fn value(&self, flag: &str) -> Option<&str> {
        let at = self.words.iter().position(|word| word == flag)?;
        self.words.get(at + 1).map(String::as_str)
    }

    fn number(&self, flag: &str, default: u64) -> io::Result<u64> {
        self.value(flag).map_or(Ok(default), |word| {
            word.parse().map_err(|_| io::Error::other(format!("`{flag} {word}`: not a number")))
        })
    }
}
