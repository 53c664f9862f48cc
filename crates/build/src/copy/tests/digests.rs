//! When the key part of a copy changes, and when not.

use proptest::prelude::*;

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
fn times_of_a_context_do_not_count() {
    let case = case("COPY d /to", TREE);
    let before = (case.digest(EPOCH), case.digest(NOW));
    let file = case.context.path().join("d/f");
    let touch = |time: i64| {
        let time = rustix::fs::Timespec { tv_sec: time, tv_nsec: 5 };
        let times = rustix::fs::Timestamps { last_access: time, last_modification: time };
        rustix::fs::utimensat(rustix::fs::CWD, &file, &times, rustix::fs::AtFlags::empty()).unwrap();
    };
    for time in [EPOCH - 100, EPOCH + 100] {
        touch(time);
        assert_eq!((case.digest(EPOCH), case.digest(NOW)), before);
    }
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

/// Lines of a fixture, few enough that two trees are often alike or nearly so.
fn trees() -> impl Strategy<Value = String> {
    let lines = [
        "//- /d/a\nx\n",
        "//- /d/a\ny\n",
        "//- /d/a mode=0755\nx\n",
        "//- /d/a -> b\n",
        "//- /d/a/ mode=0700\n",
        "//- /d/b\nx\n",
        "//- /d/b => d/a\n",
        "//- /d/sub/\n",
        "//- /d/sub/c\nx\n",
        "//- /d/sub/ mode=0700\n",
        "//- /d/p type=fifo\n",
        "//- /d/s type=socket\n",
        "//- /beside\nx\n",
    ];
    prop::collection::vec(prop::sample::select(lines.to_vec()), 0..4).prop_map(|chosen| {
        let mut seen = Vec::new();
        let fresh = chosen.into_iter().filter(|line| {
            let name = line.split([' ', '\n']).nth(1).unwrap_or_default().trim_end_matches('/');
            let new = !seen.contains(&name) && (!line.contains("=>") || seen.contains(&"/d/a"));
            seen.push(name);
            new
        });
        "//- /d/.keep\n".to_owned() + &fresh.collect::<String>()
    })
}

/// The identity of what a copy writes.
fn written(instruction: &str, tree: &str) -> Option<oci::LayerId> {
    let layers = case(instruction, tree).bare().apply().ok()?.0;
    Some(super::index(&layers.first()?.path().join("upper")).id())
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 16, ..ProptestConfig::default() })]

    #[test]
    fn equal_keys_mean_equal_layers_and_the_other_way_round(
        one in trees(),
        other in trees(),
        flags in prop::sample::select(&["", "--chmod=0644 ", "--exclude=b ", "--exclude=sub ", "--parents "][..]),
    ) {
        let instruction = format!("COPY {flags}d /to/");
        // A hard link to what is no file cannot be written; such trees are none.
        let write = |tree: &str| std::panic::catch_unwind(|| written(&instruction, tree)).ok().flatten();
        if let (Some(first), Some(second)) = (write(&one), write(&other)) {
            let digest = |tree: &str| case(&instruction, tree).digest(NOW);
            if digest(&one) == digest(&other) {
                prop_assert_eq!(first, second, "{}\n{}\n{}", instruction, one, other);
            } else if flags != "--chmod=0644 " {
                prop_assert_ne!(first, second, "{}\n{}\n{}", instruction, one, other);
            }
        }
    }
}
