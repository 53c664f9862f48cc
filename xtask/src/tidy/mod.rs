//! The project's rules about itself, as tests: what may depend on what, who may read the clock, what may stand
//! in files.

mod arrows;
mod links;
mod sources;
mod words;

use std::io;
use std::path::PathBuf;
use std::process::Command;
use std::time::Duration;

use crate::command::must;
use crate::report::Tally;
use crate::workspace;

/// A text file of the project.
pub struct Source {
    /// Relative to the root.
    pub path: String,
    /// Its content.
    pub text: String,
}

impl Source {
    /// `crates/oci/src/...` is of the room `oci`; other files are of none.
    pub fn room(&self) -> Option<&str> {
        self.path.strip_prefix("crates/")?.split('/').next()
    }
}

/// Everything a rule found wrong, one line each.
pub type Findings = Vec<String>;

/// Checks every rule; each counts as one test.
pub fn run() -> io::Result<Tally> {
    let sources = sources()?;
    let metadata = metadata()?;
    let deny = std::fs::read_to_string(workspace::root().join("deny.toml"))?;
    let rules: [(&str, Findings); 15] = [
        ("rooms depend on each other as the design says", arrows::between_rooms(&metadata)),
        ("pure rooms have no runtime, network or processes", arrows::pure_rooms(&metadata)),
        ("no crate needs a system library", arrows::system_libraries(&metadata)),
        ("licences are those of deny.toml", arrows::licences(&metadata, &deny)),
        ("only kapok reads the world", sources::world(&sources)),
        ("only kapok::ui writes to the terminal", sources::terminal(&sources)),
        ("unsafe only in build::sandbox", sources::unsafe_code(&sources)),
        ("files open with their purpose", sources::purpose(&sources)),
        ("files are short", sources::length(&sources)),
        ("no ignored and no sleeping tests", sources::tests(&sources)),
        ("every entry point for fuzzing is fuzzed", sources::fuzzed(&sources)),
        ("no package registry is named", words::registries(&sources)),
        ("no path of one machine", words::machine_paths(&sources)),
        ("one word per thing", words::glossary(&sources)),
        ("links in documents lead somewhere", links::alive(&sources)),
    ];
    let mut tally = Tally::default();
    for (name, findings) in rules {
        if findings.is_empty() {
            tally.passed += 1;
        } else {
            tally.fail(&format!("tidy: {name}"), &findings.join("\n"));
        }
    }
    Ok(tally)
}

/// Every text file of the work tree.
fn sources() -> io::Result<Vec<Source>> {
    let root = workspace::root();
    let read = |name: PathBuf| {
        let text = std::fs::read_to_string(root.join(&name)).ok()?;
        Some(Source { path: name.to_string_lossy().into_owned(), text })
    };
    Ok(workspace::files()?.into_iter().filter_map(read).collect())
}

fn metadata() -> io::Result<serde_json::Value> {
    let mut cargo = Command::new("cargo");
    cargo.current_dir(workspace::root()).args(["metadata", "--format-version=1", "--locked"]);
    let outcome = must(&mut cargo, Duration::from_secs(120))?;
    serde_json::from_str(&outcome.stdout).map_err(io::Error::other)
}
