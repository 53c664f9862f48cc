//! Programs in Go that distributions do not have: built once, from the versions that `crates/registry/tests/programs`
//! names.

use std::path::PathBuf;
use std::process::Command;
use std::sync::Mutex;
use std::time::Duration;

use crate::command;
use crate::real::{Trouble, needs};
use crate::workspace;

/// Go's compiler takes its time.
const BUILD_LIMIT: Duration = Duration::from_secs(900);

/// One compiler at a time: two that write the same program would meet in the middle.
static TURN: Mutex<()> = Mutex::new(());

/// A client for registries.
pub fn crane() -> Result<PathBuf, Trouble> {
    built("crane", &["build"], "github.com/google/go-containerregistry/cmd/crane")
}

/// The suite of the OCI distribution specification.
pub fn conformance() -> Result<PathBuf, Trouble> {
    built("conformance.test", &["test", "-c"], "github.com/opencontainers/distribution-spec/conformance")
}

/// The program of this machine, or else built from source.
fn built(name: &str, words: &[&str], package: &str) -> Result<PathBuf, Trouble> {
    if command::exists(name) {
        return Ok(PathBuf::from(name));
    }
    needs(&["go"])?;
    let _turn = TURN.lock();
    let program = workspace::scratch("peers")?.join(name);
    if !program.exists() {
        let sources = workspace::root().join("crates/registry/tests/programs");
        let mut go = Command::new("go");
        go.args(words).arg("-o").arg(&program).arg(package);
        let built = command::run(go.current_dir(sources), BUILD_LIMIT)?;
        if !built.success() {
            return Err(Trouble::Skipped(format!("`{name}` cannot be built: {}", built.tail(5))));
        }
    }
    Ok(program)
}
