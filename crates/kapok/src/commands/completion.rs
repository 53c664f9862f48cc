//! `kapok completion`, and the pages that are generated from the definitions.

use clap::CommandFactory;

use crate::cli::house::Page;
use crate::cli::{Cli, house, reference};
use crate::exit::Exit;
use crate::failure::Failure;
use crate::program::Program;
use crate::settings::schema;

/// Prints the script.
pub fn run(program: &Program, arguments: &house::Completion) -> Result<Exit, Failure> {
    let mut script = Vec::new();
    clap_complete::generate(arguments.shell, &mut Cli::command(), "kapok", &mut script);
    program.data(&String::from_utf8_lossy(&script))?;
    Ok(Exit::Done)
}

/// Prints a generated page.
pub fn page(program: &Program, arguments: &house::Reference) -> Result<Exit, Failure> {
    program.data(&match arguments.page {
        Page::Reference => reference::markdown(),
        Page::Schema => schema::json(),
        Page::Rules => policy::render::index(),
    })?;
    Ok(Exit::Done)
}
