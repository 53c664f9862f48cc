//! The OCI distribution specification's own conformance suite, all workflows, against this server.

use std::path::Path;
use std::process::Command;
use std::sync::Arc;

use registry::Runtime;
use registry::server::{Access, Challenge, Limits, Memory, Server, Settings, Storage};

/// The suite's name among Go's modules; which version, `conformance/go.mod` says.
const SUITE: &str = "github.com/opencontainers/distribution-spec/conformance";

#[test]
fn the_whole_suite_passes() {
    let directory = tempfile::tempdir().unwrap();
    let program = directory.path().join("conformance.test");
    let sources = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/conformance");
    let built =
        Command::new("go").args(["test", "-c", "-o"]).arg(&program).arg(SUITE).current_dir(&sources).output();
    match built {
        Ok(output) if output.status.success() => {}
        Ok(output) => {
            eprintln!(
                "SKIPPED: the conformance suite cannot be built: {}",
                String::from_utf8_lossy(&output.stderr)
            );
            return;
        }
        Err(error) => {
            eprintln!("SKIPPED: there is no Go to build the conformance suite with: {error}");
            return;
        }
    }
    let runtime = Runtime::start().unwrap();
    let settings = Settings {
        address: ([127, 0, 0, 1], 0).into(),
        access: Access::default(),
        challenge: Challenge::Basic,
        open_to_all: false,
        tls: None,
        limits: Limits::default(),
        secret: [7; 32],
    };
    let server =
        Server::start(&runtime, settings, Storage::new(Arc::new(Memory::new())), Arc::new(())).unwrap();
    let output = Command::new(&program)
        .arg("-ginkgo.noColor")
        .current_dir(directory.path())
        .env("OCI_ROOT_URL", format!("http://{}", server.address()))
        .env("OCI_NAMESPACE", "team/app")
        .env("OCI_CROSSMOUNT_NAMESPACE", "team/other")
        .env("OCI_AUTOMATIC_CROSSMOUNT", "1")
        .env("OCI_TEST_PULL", "1")
        .env("OCI_TEST_PUSH", "1")
        .env("OCI_TEST_CONTENT_DISCOVERY", "1")
        .env("OCI_TEST_CONTENT_MANAGEMENT", "1")
        .env("OCI_HIDE_SKIPPED_WORKFLOWS", "0")
        .output()
        .unwrap();
    let text = String::from_utf8_lossy(&output.stdout);
    assert!(output.status.success(), "{text}\n{}", String::from_utf8_lossy(&output.stderr));
    let ran = text.lines().find(|line| line.starts_with("Ran ")).unwrap_or_default();
    println!("{ran}");
    assert!(text.contains("| 0 Failed |"), "{text}");
}
