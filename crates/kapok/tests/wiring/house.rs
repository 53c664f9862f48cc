//! doctor, completion, gc.

use crate::environment::TestEnvironment;

#[test]
fn doctor_speaks_to_people_and_programs() {
    let here = TestEnvironment::new();
    let table = here.kapok("doctor");
    assert!(matches!(table.code, 0 | 1), "{table:?}");
    assert!(table.stdout.contains("store"), "{table:?}");
    let json = here.kapok("doctor --format json");
    let value: serde_json::Value = serde_json::from_str(&json.stdout).expect("JSON");
    assert_eq!(value["builds"], table.code == 0);
}

#[test]
fn completion_knows_the_verbs() {
    let here = TestEnvironment::new();
    for shell in ["bash", "zsh", "fish"] {
        assert!(here.kapok(&format!("completion {shell}")).ok().stdout.contains("inspect"));
    }
}

#[test]
fn gc_frees_what_no_name_holds_and_verifies() {
    let here = TestEnvironment::new();
    here.write("Dockerfile", "FROM scratch\nCOPY Dockerfile /\n");
    here.kapok("build -q -t app .").ok();
    here.kapok("gc --verify").ok();
    here.kapok("rmi app").ok();
    let would = here.kapok("gc --keep-storage 0 --dry-run").ok().stdout;
    let freed = here.kapok("gc --keep-storage 0").ok().stdout;
    assert_eq!(would, freed.replace("freed", "would free"));
    here.kapok("gc --verify").ok();
    assert_eq!(here.kapok("images -q").ok().stdout, "");
}

#[test]
fn gc_takes_the_caches_that_were_used_longest_ago() {
    use std::time::{Duration, UNIX_EPOCH};
    let here = TestEnvironment::new();
    here.kapok("images").ok();
    let place = here.store().join("cache/mounts");
    std::fs::create_dir_all(&place).expect("a directory");
    for (name, seconds) in [("old", 1), ("middle", 2), ("new", 3)] {
        std::fs::create_dir(place.join(name)).expect("a directory");
        std::fs::write(place.join(name).join("file"), vec![7; 100_000]).expect("a file");
        let lock = std::fs::File::create(place.join(format!("{name}.lock"))).expect("a lock");
        lock.set_modified(UNIX_EPOCH + Duration::from_secs(seconds)).expect("a time");
    }
    let would = here.kapok("gc --keep-storage 250k --dry-run").ok().stdout;
    assert!(would.contains("1 cache)"), "{would}");
    let freed = here.kapok("gc --keep-storage 250k").ok().stdout;
    assert_eq!(would, freed.replace("freed", "would free"));
    let left = |name: &str| place.join(name).exists();
    assert!(!left("old") && left("middle") && left("new"));
    here.kapok("gc --keep-storage 0").ok();
    assert!(!left("new") && !left("new.lock"));
}
