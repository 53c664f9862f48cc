//! Files that look otherwise for the time of a step.

use std::fs;
use std::os::unix::fs::{MetadataExt, PermissionsExt};
use std::path::PathBuf;

use build::sandbox::{MountSource, StandIn};

use crate::Test;
use crate::lab::{Lab, Step};

pub const TESTS: &[Test] = &[
    ("stand_ins::a_file_looks_otherwise_without_a_trace", a_file_looks_otherwise_without_a_trace),
    ("stand_ins::what_is_not_there_stays_away", what_is_not_there_stays_away),
    ("stand_ins::may_be_renamed_over_removed_and_written", may_be_renamed_over_removed_and_written),
    ("stand_ins::a_directory_of_files_is_the_steps", a_directory_of_files_is_the_steps),
];

/// A step over a layer with `etc/ssl/bundle` and a link to it.
fn step<'a>(lab: &'a Lab, script: &str, stand_ins: &[(&str, Option<u32>)]) -> (Step<'a>, PathBuf) {
    let layer = lab.layer(&[("etc/ssl/bundle", "old"), ("etc/ssl/hooks.d/one", "1")]);
    fs::set_permissions(layer.join("etc/ssl/bundle"), PermissionsExt::from_mode(0o640)).expect("a mode");
    fs::set_permissions(layer.join("etc/ssl"), PermissionsExt::from_mode(0o751)).expect("a mode");
    std::os::unix::fs::symlink("/etc/ssl/bundle", layer.join("etc/link")).expect("a link");
    let stand_ins =
        stand_ins.iter().map(|(path, new)| StandIn { path: path.into(), content: b"new".into(), new: *new });
    let step = lab.step(script).with(|spec| {
        spec.layers.push(layer.clone());
        spec.stand_ins = stand_ins.collect();
    });
    (step, layer)
}

fn a_file_looks_otherwise_without_a_trace(lab: &Lab) {
    let script = "cat /etc/ssl/bundle; echo; stat -c '%a %u %Y' /etc/ssl/bundle /etc/ssl; ls /etc/ssl";
    let (step, layer) = step(lab, script, &[("/etc/link", None)]);
    let time = |path: &str| fs::metadata(layer.join(path)).expect("it is there").mtime();
    let expected =
        format!("new\n640 0 {}\n751 0 {}\nbundle\nhooks.d\n", time("etc/ssl/bundle"), time("etc/ssl"));
    assert_eq!(step.run().success(), expected);
    assert_eq!(fs::read_dir(&step.spec.upper).expect("an upper").count(), 0);
}

fn what_is_not_there_stays_away(lab: &Lab) {
    let stand_ins = [
        ("/etc/ssl/absent", None),
        ("/etc/absent/new", Some(0o755)),
        ("/etc/ssl", None),
        ("/etc/ssl/bundle/x", Some(0o644)),
        ("/etc/ssl/hooks.d/two", Some(0o755)),
    ];
    let (step, _) = step(
        lab,
        "cat /etc/ssl/bundle; ls -d /etc/absent; ls /etc/ssl /etc/ssl/hooks.d; stat -c %a /etc/ssl/hooks.d/two",
        &stand_ins,
    );
    let ran = step.run();
    let expected = "/etc/ssl:\nbundle\nhooks.d\n\n/etc/ssl/hooks.d:\none\ntwo\n755\n";
    assert!(ran.success().starts_with("old") && ran.output.ends_with(expected), "{}", ran.output);
    let empty = lab.step("").with(|spec| {
        spec.layers.clear();
        spec.stand_ins = vec![StandIn { path: "/x".into(), content: Vec::new(), new: Some(0o644) }];
    });
    assert!(empty.run().result.is_err());
    assert_eq!(fs::read_dir(&empty.spec.upper).expect("an upper").count(), 0);
}

fn may_be_renamed_over_removed_and_written(lab: &Lab) {
    let stand_ins = [("/etc/ssl/bundle", None), ("/etc/ssl/hooks.d/two", Some(0o755))];
    let script = "echo more >> /etc/ssl/bundle; rm /etc/ssl/hooks.d/two";
    let (written, _) = step(lab, script, &stand_ins);
    written.run().success();
    assert_eq!(fs::read(written.written("etc/ssl/bundle")).expect("a copy"), b"newmore\n");
    assert_eq!(fs::metadata(written.written("etc/ssl/bundle")).expect("a copy").mode() & 0o7777, 0o640);
    let (renamed, _) = step(lab, "echo other > /x; mv /x /etc/ssl/bundle; cat /etc/ssl/bundle", &stand_ins);
    assert_eq!(renamed.run().success(), "other\n");
}

fn a_directory_of_files_is_the_steps(lab: &Lab) {
    let files = vec![("a".to_owned(), b"1".to_vec()), ("b".to_owned(), b"2".to_vec())];
    let script = "ls /run/kapok; cat /run/kapok/a; chown -R 7:7 /run; chmod -R g=u /run; rm /run/kapok/a; stat -c %u /run/kapok/b";
    let step = lab.step(script).mount("/run/kapok", MountSource::Files { files }, false);
    assert_eq!(step.run().success(), "a\nb\n17\n");
}
