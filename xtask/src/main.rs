//! The project's own chores: `cargo xtask test`, and what it is made of.

mod command;
mod differential;
mod peers;
mod report;
mod workspace;

use std::io;
use std::process::ExitCode;

const USAGE: &str = "\
usage: cargo xtask COMMAND

  differential [--case PART] [--refresh] [--verbose]
               compare Kapok with BuildKit's checked-in results; --refresh asks BuildKit again";

fn main() -> ExitCode {
    let words: Vec<String> = std::env::args().skip(1).collect();
    match run(&words.iter().map(String::as_str).collect::<Vec<_>>()) {
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

fn run(words: &[&str]) -> io::Result<report::Tally> {
    match words {
        ["differential", rest @ ..] => differential::run(&differential_options(rest)?),
        _ => Err(io::Error::other(USAGE)),
    }
}

fn differential_options(words: &[&str]) -> io::Result<differential::Options> {
    let mut options = differential::Options::default();
    let mut words = words.iter();
    while let Some(word) = words.next() {
        match *word {
            "--refresh" => options.refresh = true,
            "--verbose" => options.verbose = true,
            "--case" => options.case = words.next().map(|word| (*word).to_owned()),
            _ => return Err(io::Error::other(USAGE)),
        }
    }
    Ok(options)
}
