//! The verbs, one file each: arguments in, effects and an exit code out.

mod affected;
mod archive;
mod base;
pub mod build;
pub mod check;
mod completion;
mod copy;
mod diff;
mod doctor;
mod explain;
mod gc;
mod graph;
mod images;
mod init;
mod inspect;
mod login;
mod logs;
mod moving;
mod names;
mod plan;
mod pull;
mod push;
mod run;
pub mod serve;
mod shell;
mod status;
pub mod vendor;

use crate::cli::Command;
use crate::exit::Exit;
use crate::failure::Failure;
use crate::program::{Needs, Program};

/// What a verb needs of the machine.
pub fn needs(command: &Command) -> Needs {
    match command {
        Command::Completion(_)
        | Command::Check(_)
        | Command::Reference(_)
        | Command::Doctor(_)
        | Command::Login(_)
        | Command::Graph(_)
        | Command::Init(_)
        | Command::Logout(_) => Needs::Nothing,
        Command::Affected(arguments) if arguments.package.is_empty() => Needs::Nothing,
        Command::Build(_) | Command::Base(_) | Command::Run(_) | Command::Shell(_) => Needs::Sandboxes,
        Command::Plan(_)
        | Command::Status(_)
        | Command::Logs(_)
        | Command::Explain(_)
        | Command::Images(_)
        | Command::Inspect(_)
        | Command::Diff(_)
        | Command::Tag(_)
        | Command::Rmi(_)
        | Command::Load(_)
        | Command::Save(_)
        | Command::Pull(_)
        | Command::Push(_)
        | Command::Copy(_)
        | Command::Serve(_)
        | Command::Vendor(_)
        | Command::Affected(_)
        | Command::Gc(_) => Needs::Store,
    }
}

/// Carries a verb out.
pub fn run(program: &Program, command: Command) -> Result<Exit, Failure> {
    match command {
        Command::Build(arguments) => build::run(program, &arguments),
        Command::Plan(arguments) => plan::run(program, &arguments),
        Command::Status(arguments) => status::run(program, &arguments),
        Command::Logs(arguments) => logs::run(program, &arguments),
        Command::Shell(arguments) => shell::run(program, &arguments),
        Command::Explain(arguments) => explain::run(program, &arguments),
        Command::Run(arguments) => run::run(program, &arguments),
        Command::Images(arguments) => images::run(program, &arguments),
        Command::Inspect(arguments) => inspect::run(program, &arguments),
        Command::Diff(arguments) => diff::run(program, &arguments),
        Command::Tag(arguments) => names::tag(program, &arguments),
        Command::Rmi(arguments) => names::remove(program, &arguments),
        Command::Load(arguments) => archive::load(program, &arguments),
        Command::Save(arguments) => archive::save(program, &arguments),
        Command::Pull(arguments) => pull::run(program, &arguments),
        Command::Push(arguments) => push::run(program, &arguments),
        Command::Copy(arguments) => copy::run(program, &arguments),
        Command::Login(arguments) => login::login(program, &arguments),
        Command::Logout(arguments) => login::logout(program, &arguments),
        Command::Serve(arguments) => serve::run(program, &arguments),
        Command::Gc(arguments) => gc::run(program, &arguments),
        Command::Doctor(arguments) => doctor::run(program, &arguments),
        Command::Completion(arguments) => completion::run(program, &arguments),
        Command::Reference(arguments) => completion::page(program, &arguments),
        Command::Graph(arguments) => graph::run(program, &arguments),
        Command::Affected(arguments) => affected::run(program, &arguments),
        Command::Init(arguments) => init::run(program, &arguments),
        Command::Base(arguments) => base::run(program, &arguments),
        Command::Vendor(arguments) => vendor::run(program, &arguments),
        Command::Check(arguments) => check::run(program, &arguments),
    }
}
