//! Kapok: builds an organisation's container images, and can prove what went into each.
//!
//! The start is single-threaded: arguments first, so that a mistyped flag costs nothing; then the user namespace and
//! the spawner, for commands that need them; then the command, which may start threads.

mod apt;
mod changes;
mod cli;
mod clock;
mod commands;
mod environment;
mod exit;
mod export;
mod failure;
mod fetch;
mod files;
mod foreground;
mod gated;
mod gateway;
mod git;
mod history;
mod judging;
mod lock;
mod program;
mod projects;
mod randomness;
mod refresh;
mod registry;
mod repository;
mod settings;
mod signals;
mod snapshot;
mod ssh_agent;
mod story;
mod ui;

use std::process::ExitCode;

use environment::Environment;
use exit::Exit;
use program::Program;
use ui::Terminal;

fn main() -> ExitCode {
    std::panic::set_hook(Box::new(ui::terminal::say_bug));
    let outcome = std::panic::catch_unwind(start);
    outcome.unwrap_or(Exit::Bug).into()
}

fn start() -> Exit {
    let environment = Environment::capture();
    let arguments: Vec<_> = std::env::args_os().collect();
    let cli = match cli::switches::parse(&arguments) {
        Ok(cli) => cli,
        Err(error) => return refuse(&error, &environment),
    };
    let terminal = Terminal::detect(&environment, cli.colour);
    let program = Program::prepare(environment, terminal, commands::needs(&cli.command));
    match commands::run(&program, cli.command) {
        Ok(exit) => exit,
        Err(failure) => {
            let failure = program.explain(failure);
            program.terminal.say(&failure.render(program.terminal.colour));
            failure.exit()
        }
    }
}

/// Answers a command line that is none, and `--help` and `--version`.
fn refuse(error: &clap::Error, environment: &Environment) -> Exit {
    let terminal = Terminal::detect(environment, cli::Colour::Auto);
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    if let Some(answer) = cli::dialect::explain(error, &arguments) {
        let failure = failure::Failure::usage_with(answer.message, answer.hint);
        terminal.say(&failure.render(terminal.colour));
        return Exit::Usage;
    }
    // A pipe that was closed early is the reader's choice.
    let _ = error.print();
    if error.use_stderr() { Exit::Usage } else { Exit::Done }
}
