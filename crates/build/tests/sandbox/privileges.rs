//! Users and containers that cannot make sandboxes are told so, at once.

use std::process::Command;

use crate::Test;
use crate::lab::Lab;

pub const TESTS: &[Test] = &[("privileges::says_what_is_missing", says_what_is_missing)];

/// What this program says when it is started by another one.
fn said_under(wrapper: &[&str]) -> Option<String> {
    let program = std::env::current_exe().expect("this program");
    let mut command = Command::new(wrapper[0]);
    command.args(&wrapper[1..]).arg(program).arg("no test has this name").env_clear();
    let output = command.output().ok()?;
    Some(String::from_utf8_lossy(&output.stdout).into_owned())
}

fn says_what_is_missing(lab: &Lab) {
    let check = |wrapper: &[&str], expected: &str| match said_under(wrapper) {
        Some(said) => assert!(said.contains(expected), "{wrapper:?}: {said}"),
        None => println!("  SKIPPED: no `{}`", wrapper[0]),
    };
    check(&["unshare", "-Ur"], "lacks a user namespace with more than one id");
    if lab.is_root() {
        check(&["setpriv", "--bounding-set=-sys_admin", "--inh-caps=-sys_admin"], "lacks CAP_SYS_ADMIN");
        check(&["setpriv", "--reuid=54321", "--regid=54321", "--clear-groups"], "`54321` in /etc/subuid");
    }
}
