//! Switches as docker's and podman's flag library takes them: alone, or with a value behind `=`.
//!
//! The definitions say nothing of this, so that help and reference stay readable: a command line that was refused is
//! read once more, with switches that take a value.

use std::ffi::OsString;

use clap::error::ErrorKind;
use clap::{Arg, ArgAction, Command, CommandFactory, FromArgMatches, Parser};

use super::Cli;

/// Parses a command line, the program's name first.
///
/// # Errors
/// It is none, or asks for help or the version.
pub fn parse(arguments: &[OsString]) -> Result<Cli, clap::Error> {
    let refused = match Cli::try_parse_from(arguments) {
        Ok(cli) => return Ok(cli),
        Err(error) if !error.use_stderr() => return Err(error),
        Err(error) => error,
    };
    match with_values(Cli::command()).try_get_matches_from(arguments) {
        Ok(matches) => Cli::from_arg_matches(&matches),
        // Only of the value of a switch does this reading know more than the first one.
        Err(error) if error.kind() == ErrorKind::ValueValidation => Err(error),
        Err(_) => Err(refused),
    }
}

/// The same command with switches that take `=true` and `=false`.
fn with_values(command: Command) -> Command {
    let switch = |arg: Arg| match arg.get_action() {
        ArgAction::SetTrue => arg
            .action(ArgAction::Set)
            .num_args(0..=1)
            .require_equals(true)
            .default_value("false")
            .default_missing_value("true")
            .value_parser(truth),
        _ => arg,
    };
    command.mut_args(switch).mut_subcommands(with_values)
}

/// The words that docker's flag library takes for a truth value.
fn truth(word: &str) -> Result<bool, String> {
    match word {
        "1" | "t" | "T" | "true" | "TRUE" | "True" => Ok(true),
        "0" | "f" | "F" | "false" | "FALSE" | "False" => Ok(false),
        _ => Err("expected `true` or `false`".to_owned()),
    }
}

#[cfg(test)]
mod tests {
    use super::super::{Command, build, run};
    use super::*;

    fn read(line: &str) -> Result<Command, clap::Error> {
        let words: Vec<OsString> = line.split_whitespace().map(OsString::from).collect();
        parse(&words).map(|cli| cli.command)
    }

    #[track_caller]
    fn build(line: &str) -> build::Build {
        match read(line) {
            Ok(Command::Build(build)) => *build,
            other => panic!("`{line}` gave {other:?}"),
        }
    }

    #[track_caller]
    fn run(line: &str) -> run::Run {
        match read(line) {
            Ok(Command::Run(run)) => run,
            other => panic!("`{line}` gave {other:?}"),
        }
    }

    #[test]
    fn a_switch_may_have_a_value() {
        for (line, quiet) in [
            ("kapok build -q .", true),
            ("kapok build -q=true .", true),
            ("kapok build -q=0 .", false),
            ("kapok build --quiet=T .", true),
            ("kapok build . --quiet=False", false),
            ("kapok build -q --quiet=false .", false),
            ("kapok build --quiet=false -q .", true),
            ("kapok build --no-cache=1 .", false),
        ] {
            assert_eq!(build(line).quiet, quiet, "for `{line}`");
        }
        assert!(build("kapok build --no-cache=1 .").no_cache);
        assert!(!build("kapok build --no-cache --no-cache=f .").no_cache);
        assert!(build("kapok build --twice=true --pull=false .").twice);
    }

    #[test]
    fn joined_switches_stay_joined() {
        let one = run("kapok run --rm=true -it=false web ls -l=true");
        assert!(one.rm && one.interactive && !one.tty);
        assert_eq!(one.command, ["ls", "-l=true"]);
        let two = run("kapok run -it --read-only=false web");
        assert!(two.interactive && two.tty && !two.read_only);
    }

    #[test]
    fn what_is_wrong_is_told_in_the_words_of_the_flag() {
        let message = |line: &str| read(line).unwrap_err().to_string();
        assert!(message("kapok build --quiet=maybe .").contains("expected `true` or `false`"));
        assert!(message("kapok build -q=maybe .").contains("expected `true` or `false`"));
        assert!(message("kapok build -q= .").contains("expected `true` or `false`"));
        assert!(message("kapok build . --quite=true").contains("--quiet"));
        assert!(message("kapok build --memory=lots .").contains("512m"));
        assert!(!message("kapok run").contains("BOOL"));
    }
}
