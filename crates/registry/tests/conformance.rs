//! The OCI distribution specification's own conformance suite, all workflows, against this server.

mod common;

use std::process::Command;

use registry::server::{Access, Challenge};

/// The suite's name among Go's modules; which version, `programs/go.mod` says.
const SUITE: &str = "github.com/opencontainers/distribution-spec/conformance";

#[test]
fn the_whole_suite_passes() {
    let directory = tempfile::tempdir().unwrap();
    let program = directory.path().join("conformance.test");
    let Some(()) = common::go(&["test", "-c"], SUITE, &program) else { return };
    let (access, _) = common::users();
    for (access, challenge) in [
        (Access::default(), Challenge::Basic),
        (access, Challenge::Bearer { service: "registry".to_owned(), realm: None }),
    ] {
        let served = common::serve(access, challenge);
        let output = Command::new(&program)
            .arg("-ginkgo.noColor")
            .current_dir(directory.path())
            .env("OCI_ROOT_URL", format!("http://{}", served.server.address()))
            .env("OCI_NAMESPACE", "team/app")
            .env("OCI_CROSSMOUNT_NAMESPACE", "team/other")
            .env("OCI_USERNAME", "ali")
            .env("OCI_PASSWORD", "sesame")
            .env("OCI_AUTOMATIC_CROSSMOUNT", "1")
            .env("OCI_TEST_PULL", "1")
            .env("OCI_TEST_PUSH", "1")
            .env("OCI_TEST_CONTENT_DISCOVERY", "1")
            .env("OCI_TEST_CONTENT_MANAGEMENT", "1")
            .output()
            .unwrap();
        let text = String::from_utf8_lossy(&output.stdout);
        assert!(output.status.success(), "{text}\n{}", String::from_utf8_lossy(&output.stderr));
        assert!(text.contains("| 0 Failed |"), "{text}");
        let ran = text.lines().find(|line| line.starts_with("Ran ")).unwrap_or_default();
        // The four that do not run are the other halves of choices that a registry has.
        let numbers: Vec<u32> = ran.split(' ').filter_map(|word| word.parse().ok()).collect();
        assert!(numbers.len() >= 2 && numbers[1] - numbers[0] <= 4, "{ran}");
    }
}
