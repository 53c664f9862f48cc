//! When the key part of a copy changes, and when not.

use super::{NOW, case};
use testkit::fixture::EPOCH;

const TREE: &str = "//- /d/f mode=0644\nx\n//- /d/l -> f\n//- /d/e/\n//- /other\no\n";

#[track_caller]
fn differs(instruction: &str, one: &str, other: &str, expected: bool) {
    let digest = |tree: &str| case(instruction, tree).stage(tree).digest(EPOCH);
    assert_eq!(digest(one) != digest(other), expected, "{instruction}");
}

#[test]
fn what_is_selected_counts() {
    let copy = "COPY d /to";
    differs(copy, TREE, TREE, false);
    for (from, to) in
        [("x\n", "y\n"), ("mode=0644", "mode=0645"), ("-> f", "-> g"), ("/d/e/", "/d/z/"), ("/d/f", "/d/h")]
    {
        differs(copy, TREE, &TREE.replace(from, to), true);
    }
    differs(copy, "//- /d/a\nx\n//- /d/b\nx\n", "//- /d/a\nx\n//- /d/b => d/a\n", true);
}

#[test]
fn what_is_not_selected_does_not() {
    differs("COPY d /to", TREE, &TREE.replace("o\n", "changed\n"), false);
    differs("COPY --exclude=f d /to", TREE, &TREE.replace("x\n", "y\n"), false);
    differs("COPY d/l /to", TREE, &TREE.replace("/d/e/", "/d/z/"), false);
    differs("COPY d /to", TREE, &TREE.replace("//- /d/e/", "//- /d/ mode=0700\n//- /d/e/"), false);
}

#[test]
fn owners_count_from_a_stage_only() {
    let changed = TREE.replace("mode=0644", "mode=0644 owner=3:4");
    differs("COPY d /to", TREE, &changed, false);
    differs("COPY --from=stage d /to", TREE, &changed, true);
}

#[test]
fn names_count_where_they_become_names() {
    differs("COPY *.a /to/", "//- /x.a\nx\n", "//- /y.a\nx\n", true);
}

#[test]
fn times_count_only_before_the_epoch() {
    let case = case("COPY d /to", TREE);
    let before = (case.digest(EPOCH), case.digest(NOW));
    let file = case.context.path().join("d/f");
    let touch = |time: i64| {
        let time = rustix::fs::Timespec { tv_sec: time, tv_nsec: 5 };
        let times = rustix::fs::Timestamps { last_access: time, last_modification: time };
        rustix::fs::utimensat(rustix::fs::CWD, &file, &times, rustix::fs::AtFlags::empty()).unwrap();
    };
    touch(EPOCH + 100);
    assert_eq!(case.digest(EPOCH), before.0);
    assert_ne!(case.digest(NOW), before.1);
}

#[test]
fn text_in_the_dockerfile_and_downloads_count() {
    differs("COPY <<A /to\n1\nA", "", "", false);
    let digest = |text: &str| case(text, "").digest(NOW);
    assert_ne!(digest("COPY <<A /to\n1\nA"), digest("COPY <<A /to\n2\nA"));
    assert_ne!(digest("COPY <<A /to\n1\nA"), digest("COPY <<B /to\n1\nB"));
    let digest = |body: &str| case("ADD http://h/x /to", "").url("http://h/x", body).digest(NOW);
    assert_ne!(digest("1"), digest("2"));
}
