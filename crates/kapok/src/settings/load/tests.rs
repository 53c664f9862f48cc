//! What the loader takes, refuses and merges.

use expect_test::{Expect, expect};

use super::*;
use crate::cli::values::Size;

fn check(text: &str, trusted: bool, expected: Expect) {
    let mut settings = Settings::default();
    let diagnostics = apply(text, Path::new("/"), trusted, &mut settings);
    let source = Source::new("kapok.yaml", text);
    expected.assert_eq(&dockerfile::render(&source, &diagnostics, false));
}

#[test]
fn a_key_that_nobody_reads_is_an_error() {
    check(
        "limits:\n  memroy: 2g\nstroe: /x\nmemory: 1g\n",
        true,
        expect![[r#"
        error: unknown key `limits.memroy`
         ╭▸ kapok.yaml:2:3
        2│   memroy: 2g
         │   ━━━━━━
         ╰ hint: did you mean `memory`?

        error: unknown key `stroe`
         ╭▸ kapok.yaml:3:1
        3│ stroe: /x
         │ ━━━━━
         ╰ hint: did you mean `store`?

        error: unknown key `memory`
         ╭▸ kapok.yaml:4:1
        4│ memory: 1g
         │ ━━━━━━
         ╰ hint: did you mean `limits.memory`?
    "#]],
    );
}

#[test]
fn a_project_cannot_loosen_the_machine() {
    check(
        "network:\n  host: true\n",
        false,
        expect![[r#"
        error: a project may not set `network.host`
         ╭▸ kapok.yaml:2:3
        2│   host: true
         │   ━━━━
         ╰ hint: set it in /etc/kapok/kapok.yaml or in the user's kapok.yaml
    "#]],
    );
}

#[test]
fn values_have_forms() {
    check(
        "limits:\n  cpus: many\n  memory: [1]\nbuild: fast\nstore: x\n",
        true,
        expect![[r#"
        error: `limits.cpus`: expected a number of processors such as `2` or `0.5`
         ╭▸ kapok.yaml:2:9
        2│   cpus: many
         │         ━━━━

        error: `limits.memory` must be a single value
         ╭▸ kapok.yaml:3:11
        3│   memory: [1]
         │           ━━━

        error: `build` must be a mapping
         ╭▸ kapok.yaml:4:8
        4│ build: fast
         │        ━━━━

        error: `store`: expected an absolute path
         ╭▸ kapok.yaml:5:8
        5│ store: x
         │        ━
    "#]],
    );
}

#[test]
fn later_places_win_key_by_key() {
    let directory = tempfile::tempdir().expect("a directory");
    let file = |name: &str, text: &str| {
        let path = directory.path().join(name);
        std::fs::write(&path, text).expect("it is written");
        Some(path)
    };
    let settings = merge(
        Path::new("/"),
        &[
            (
                file("machine", "limits: {memory: 1g, pids: 100}\nnetwork: {host: true}\n"),
                Places::MachineAndUser,
            ),
            (Some(directory.path().join("missing")), Places::MachineAndUser),
            (file("project", "limits: {memory: 2g}\n"), Places::All),
        ],
    )
    .expect("all three are right");
    assert_eq!(settings.limits.memory, Some(Size(2 << 30)));
    assert_eq!(settings.limits.pids, Some(100));
    assert!(settings.host_network);
}

#[test]
fn the_nearest_file_above_counts() {
    let directory = tempfile::tempdir().expect("a directory");
    let inner = directory.path().join("a/b");
    std::fs::create_dir_all(&inner).expect("directories");
    std::fs::write(directory.path().join("a/kapok.yaml"), "").expect("it is written");
    let found = nearest(&inner).expect("it is found");
    assert!(found.ends_with("a/kapok.yaml"));
}
