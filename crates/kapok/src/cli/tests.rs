//! Flags and arguments in any order, repeated and joined as docker's.

use clap::{CommandFactory, Parser};

use super::*;

fn build(line: &str) -> build::Build {
    match Cli::try_parse_from(line.split_whitespace()).map(|cli| cli.command) {
        Ok(Command::Build(build)) => *build,
        other => panic!("`{line}` gave {other:?}"),
    }
}

fn run(line: &str) -> run::Run {
    match Cli::try_parse_from(line.split_whitespace()).map(|cli| cli.command) {
        Ok(Command::Run(run)) => run,
        other => panic!("`{line}` gave {other:?}"),
    }
}

#[test]
fn the_definition_is_sound() {
    Cli::command().debug_assert();
}

#[test]
fn the_order_of_flags_and_arguments_does_not_matter() {
    let expected = format!("{:?}", build("kapok build -t a -t b --build-arg X=1 -f F dir"));
    for line in [
        "kapok build dir -t a -t b --build-arg X=1 -f F",
        "kapok build -t a dir --tag b --file F --build-arg X=1",
        "kapok build --build-arg=X=1 -fF --tag=a dir -tb",
    ] {
        assert_eq!(format!("{:?}", build(line)), expected, "for `{line}`");
    }
}

#[test]
fn lists_may_be_joined_or_repeated() {
    let expected = ["linux/amd64", "linux/arm64"];
    assert_eq!(build("kapok build --platform linux/amd64,linux/arm64 .").input.platform, expected);
    assert_eq!(build("kapok build . --platform linux/amd64 --platform linux/arm64").input.platform, expected);
}

#[test]
fn a_dash_is_a_value() {
    let build = build("kapok build -q -o - -f - -");
    assert_eq!(build.input.context, "-");
    assert_eq!(build.input.file.as_deref(), Some(std::path::Path::new("-")));
    assert_eq!(build.output[0].destination, Some(values::Destination::Stdout));
}

#[test]
fn what_follows_the_image_belongs_to_its_command() {
    let one = run("kapok run --rm -it -e A=1 web ls -l --rm -e B");
    assert_eq!(one.image, "web");
    assert_eq!(one.command, ["ls", "-l", "--rm", "-e", "B"]);
    assert!(one.interactive && one.tty && one.rm);
    assert_eq!(one.env.len(), 1);
    assert_eq!(run("kapok run web sh -c x -- a").command, ["sh", "-c", "x", "--", "a"]);
    assert_eq!(run("kapok run web -- --help").command, ["--help"]);
}

#[test]
fn switches_may_be_spelled_out() {
    assert!(build("kapok build --pull .").input.pull && build("kapok build --pull=always .").input.pull);
    assert!(!build("kapok build --pull=never .").input.pull && !build("kapok build .").input.pull);
}

#[test]
fn podmans_words_are_ours_too() {
    assert_eq!(build("kapok build . --pids-limit 5 -m 1g --cpus 0.5").limits.pids, Some(5));
    assert_eq!(
        build("kapok build . --compression uncompressed").compression,
        Some(build::CompressionFlag::None)
    );
    assert_eq!(build("kapok build . --progress tty").progress, build::Progress::Auto);
}

#[test]
fn a_value_that_has_no_form_is_refused_before_anything_happens() {
    for line in [
        "kapok build . --memory lots",
        "kapok build . --pids 0",
        "kapok build . --cpus 0",
        "kapok build . --secret src=x",
        "kapok build . --network bridge",
        "kapok build . --output type=zip,dest=x",
        "kapok build . --source-date-epoch yesterday",
        "kapok build . --add-host nowhere",
        "kapok run",
        "kapok gc --keep-storage x",
    ] {
        let refused = Cli::try_parse_from(line.split_whitespace());
        assert!(refused.is_err(), "`{line}` was taken");
    }
}
