//! Sandboxes with real processes, as root and, where there is a user with subordinate ids, as that user.
//!
//! The spawner has to be forked before the first thread, so this has a `main` of its own instead of the usual harness.
//! `cargo test --test sandbox -- WORD` runs the tests whose names contain the word.

mod basics;
mod escapes;
mod gateway;
mod lab;
mod life;
mod limits;
mod mounts;
mod network;
mod privileges;
mod rootfs;
mod speed;
mod stand_ins;

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::Path;
use std::process::{Command, ExitCode};

use build::sandbox::{Privilege, Spawner, enter_user_namespace};
use lab::Lab;

/// A test and its name.
type Test = (&'static str, fn(&Lab));

fn main() -> ExitCode {
    let words: Vec<String> = std::env::args().skip(1).filter(|word| !word.starts_with('-')).collect();
    let privilege = match enter_user_namespace() {
        Ok(Privilege::SingleId { user, missing }) => return skip(&format!("`{user}` lacks {missing}")),
        Ok(privilege) => privilege,
        Err(error) => return skip(&error.to_string()),
    };
    let spawner = Spawner::start(privilege.clone()).expect("a spawner");
    if words.first().is_some_and(|word| word == life::VICTIM) {
        return life::be_victim(&Lab::new(spawner, privilege));
    }
    let lab = Lab::new(spawner, privilege);
    if let Some(reason) = lab.unfit() {
        return skip(&reason);
    }
    let tests = [
        basics::TESTS,
        mounts::TESTS,
        limits::TESTS,
        life::TESTS,
        escapes::TESTS,
        privileges::TESTS,
        network::TESTS,
        gateway::TESTS,
        stand_ins::TESTS,
        speed::TESTS,
    ];
    let chosen =
        tests.into_iter().flatten().filter(|(name, _)| words.iter().all(|word| name.contains(word.as_str())));
    let mut failed = Vec::new();
    let mut count = 0;
    for (name, test) in chosen {
        count += 1;
        let passed = catch_unwind(AssertUnwindSafe(|| test(&lab))).is_ok();
        println!("test {name} ... {}", if passed { "ok" } else { "FAILED" });
        if !passed {
            failed.push(*name);
        }
    }
    println!("\n{count} tests as {:?}, {} failed {}", lab.privilege, failed.len(), failed.join(" "));
    let again = !lab.is_root() || again_as_user(&words);
    if failed.is_empty() && again { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}

/// The same tests as an ordinary user, if this machine has one with subordinate ids. False if they failed.
fn again_as_user(words: &[String]) -> bool {
    let Some(user) = user_with_ids() else {
        println!(
            "SKIPPED: not run as an ordinary user: nobody in /etc/subuid (`useradd -m kapok-tester` makes one)"
        );
        return true;
    };
    // Where this program lies the user may not look.
    let place = tempfile::tempdir_in("/var/tmp").expect("a directory");
    let program = place.path().join("tests");
    fs::set_permissions(place.path(), PermissionsExt::from_mode(0o755)).expect("a mode");
    fs::copy(std::env::current_exe().expect("this program"), &program).expect("a copy");
    let command = format!("{} {}", program.display(), words.join(" "));
    let mut su = Command::new("su");
    su.args([user.as_str(), "-s", "/bin/sh", "-c", &command])
        .env_remove("CARGO_TARGET_TMPDIR")
        .current_dir("/");
    su.status().expect("su runs").success()
}

fn user_with_ids() -> Option<String> {
    let passwd = fs::read_to_string("/etc/passwd").ok()?;
    let subordinate = fs::read_to_string("/etc/subuid").unwrap_or_default();
    let mut users = subordinate.lines().filter_map(|line| line.split(':').next());
    let user = users
        .find(|user| *user != "root" && passwd.lines().any(|line| line.split(':').next() == Some(*user)))?;
    Path::new("/usr/bin/newuidmap").exists().then(|| user.to_owned())
}

/// A machine that cannot make sandboxes is no reason to fail, but it is said aloud.
fn skip(reason: &str) -> ExitCode {
    println!("SKIPPED: no sandbox on this machine: {reason}");
    ExitCode::SUCCESS
}
