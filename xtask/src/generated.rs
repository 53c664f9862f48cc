//! Pages that are generated from the program's own definitions.

use std::fs;
use std::io;
use std::process::Command;
use std::time::Duration;

use crate::command::must;
use crate::report::Tally;
use crate::workspace;

/// A page as `kapok __reference` calls it, and where it stands.
const PAGES: [(&str, &str); 3] =
    [("reference", "docs/reference.md"), ("schema", "docs/kapok.schema.json"), ("rules", "docs/rules.md")];

/// Writes every page anew, by a program that is built first. That they are current is a test beside the definitions.
pub fn run() -> io::Result<Tally> {
    let mut tally = Tally::default();
    let cargo = std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
    must(Command::new(cargo).args(["build", "--quiet", "-p", "kapok"]), Duration::from_secs(1200))?;
    let program = workspace::target().join("debug/kapok");
    for (page, path) in PAGES {
        let outcome = must(Command::new(&program).args(["__reference", page]), Duration::from_secs(20))?;
        fs::write(workspace::root().join(path), outcome.stdout)?;
        println!("wrote {path}");
        tally.passed += 1;
    }
    Ok(tally)
}
