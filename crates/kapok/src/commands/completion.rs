//! `kapok completion`.

use clap::CommandFactory;

use crate::cli::{Cli, house};
use crate::exit::Exit;
use crate::failure::Failure;
use crate::program::Program;

/// Prints the script.
pub fn run(program: &Program, arguments: &house::Completion) -> Result<Exit, Failure> {
    let mut script = Vec::new();
    clap_complete::generate(arguments.shell, &mut Cli::command(), "kapok", &mut script);
    program.data(&String::from_utf8_lossy(&script))?;
    Ok(Exit::Done)
}
