//! The suite of the OCI distribution specification against `kapok serve`, all workflows.

use std::process::Command;

use super::fixture::{Here, LIMIT, PASSWORD, Served, USER};
use super::programs;
use crate::command;
use crate::real::{Test, Trouble, World, ensure};

pub const TESTS: &[Test] = &[("the specification's suite passes, open and with tokens", suite)];

/// Tests that a registry cannot run beside their opposites: it mounts by itself or it does not, it deletes or it does not.
const ALTERNATIVES: u32 = 4;

fn suite(world: &World) -> Result<(), Trouble> {
    let here = Here::new(world.place("specification")?);
    let users = here.htpasswd()?;
    // Not with `--auth basic`: asked for a password, the suite's client sends a request again whose body it has used up.
    for flags in [&[][..], &["--htpasswd", &users, "--auth", "token"]] {
        let served = here.serve(flags)?;
        passes(&here, &served).map_err(|trouble| match trouble {
            Trouble::Failed(report) => Trouble::Failed(format!("serve {}: {report}", flags.join(" "))),
            other => other,
        })?;
    }
    here.place.verify()
}

fn passes(here: &Here<'_>, served: &Served) -> Result<(), Trouble> {
    let mut suite = Command::new(programs::conformance()?);
    suite.arg("-ginkgo.noColor").current_dir(&here.place.path);
    suite.env("OCI_ROOT_URL", format!("http://{}", served.address));
    suite.env("OCI_USERNAME", USER).env("OCI_PASSWORD", PASSWORD);
    suite.env("OCI_NAMESPACE", "team/app").env("OCI_CROSSMOUNT_NAMESPACE", "team/other");
    for workflow in [
        "OCI_AUTOMATIC_CROSSMOUNT",
        "OCI_TEST_PULL",
        "OCI_TEST_PUSH",
        "OCI_TEST_CONTENT_DISCOVERY",
        "OCI_TEST_CONTENT_MANAGEMENT",
    ] {
        suite.env(workflow, "1");
    }
    let outcome = command::run(&mut suite, LIMIT)?;
    ensure(outcome.success() && outcome.stdout.contains("| 0 Failed |"), || outcome.tail(40))?;
    let ran = outcome.stdout.lines().find(|line| line.starts_with("Ran ")).unwrap_or_default();
    let numbers: Vec<u32> = ran.split(' ').filter_map(|word| word.parse().ok()).collect();
    let whole = matches!(numbers[..], [ran, all, ..] if ran > 0 && all - ran <= ALTERNATIVES);
    ensure(whole, || format!("not all of it: {ran}"))
}
