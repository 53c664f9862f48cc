//! `kapok check`, `kapok explain RULE`, and the check before a build.

use serde_json::Value;

use crate::environment::TestEnvironment;

#[test]
fn a_repository_is_judged_by_its_settings_and_waivers() {
    let here = TestEnvironment::new();
    here.write("kapok.yaml", "check:\n  profile: rainforest\n  bases: [registry.example.internal/**]\n");
    here.write("app/Dockerfile", "FROM docker.io/library/debian:13.1\nUSER 1001\n");
    let found = here.kapok("check --format json").code(1);
    let json: Value = serde_json::from_str(&found.stdout).expect("it is JSON");
    let rules: Vec<&str> =
        json["findings"].as_array().expect("a list").iter().filter_map(|one| one["rule"].as_str()).collect();
    assert!(rules.contains(&"base-not-approved"), "{rules:?}");
    let first = &json["findings"][0];
    assert_eq!(
        (first["file"].as_str(), first["line"].as_u64(), first["column"].as_u64()),
        (Some("app/Dockerfile"), Some(1), Some(6))
    );
    here.kapok("check --profile default").ok();
    here.kapok("check --level none").ok();
    here.kapok("check nowhere").code(2);
    here.write(
        "kapok-waivers.yaml",
        "waivers:\n  - {rule: base-not-approved, path: app/, reason: moves in spring, owner: ada@example.com, expires: 2999-01-31}\n",
    );
    let waived = here.kapok("check").ok();
    assert!(waived.stderr.contains("1 waived"), "{}", waived.stderr);
    let sarif: Value =
        serde_json::from_str(&here.kapok("check --format sarif").ok().stdout).expect("it is JSON");
    assert_eq!(sarif["version"], "2.1.0");
}

#[test]
fn a_rule_has_a_page() {
    let here = TestEnvironment::new();
    let page = here.kapok("explain download-to-shell").ok().stdout;
    assert!(page.starts_with("# download-to-shell\n"), "{page}");
    assert_eq!(here.kapok("explain DL4006").ok().stdout.lines().next(), Some("# download-to-shell"));
}

#[test]
fn a_build_is_stopped_by_errors_before_its_first_step() {
    let here = TestEnvironment::new();
    here.write("Dockerfile", "FROM scratch\nCOPY file /\nENV KEY=AKIAIOSFODNN7EXAMPLE\n");
    here.write("file", "x");
    let stopped = here.kapok("build .").code(1);
    assert!(stopped.stderr.contains("error[secret-token]"), "{}", stopped.stderr);
    assert!(stopped.stderr.contains("nothing was built"), "{}", stopped.stderr);
    let built = here.kapok("build --no-check .").ok();
    assert!(built.stderr.contains("1 error of the check overruled"), "{}", built.stderr);
}
