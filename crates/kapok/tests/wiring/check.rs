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

/// A project with a waiver for it, in a directory below the working directory.
fn waived_project(waiver: &str) -> TestEnvironment {
    let here = TestEnvironment::new();
    here.write("team/kapok.yaml", "check: {profile: default}\n");
    here.write("team/app/Dockerfile", "FROM scratch\nCOPY file /\nENV KEY=AKIAIOSFODNN7EXAMPLE\n");
    here.write("team/app/file", "x");
    here.write(
        "team/kapok-waivers.yaml",
        format!(
            "waivers:\n  - {{rule: secret-token, {waiver}, reason: it is from a manual, owner: ada@example.com, expires: 2999-01-31}}\n"
        ),
    );
    here
}

#[test]
fn a_build_finds_the_waivers_that_a_check_finds() {
    let here = waived_project("path: app/Dockerfile");
    for directory in ["team", "team/app", "./team/../team/app/"] {
        here.kapok(&format!("check {directory}")).ok();
    }
    here.kapok("check team/app/Dockerfile").code(1);
    here.kapok("build team/app").ok();
    here.kapok("build -f team/app/Dockerfile team/app").ok();
    let elsewhere = here.write("other/Dockerfile", "FROM scratch\n");
    let mut command = here.command("build ../team/app");
    let ran = command.current_dir(elsewhere.parent().expect("a directory")).output().expect("it runs");
    assert!(ran.status.success(), "{}", String::from_utf8_lossy(&ran.stderr));
    // Of another directory's Dockerfile the waivers say nothing.
    here.write("team/two/Dockerfile", "FROM scratch\nCOPY file /\nENV KEY=AKIAIOSFODNN7EXAMPLE\n");
    here.write("team/two/file", "x");
    here.kapok("check team/two").code(1);
    here.kapok("build team/two").code(1);
    // What covers nothing in a part may cover something elsewhere.
    here.write("team/two/Dockerfile", "FROM scratch\n");
    let part = here.kapok("check --level none team/two").ok();
    assert!(!part.stdout.contains("waiver-unused"), "{}", part.stdout);
}

#[test]
fn a_waiver_names_an_image_by_the_name_that_it_gets() {
    let here = waived_project("image: example.org/team/app");
    here.kapok("build team/app").code(1);
    here.kapok("build -t example.org/team/other:1 team/app").code(1);
    for name in ["example.org/team/app:1", "example.org/team/app"] {
        here.kapok(&format!("build -t {name} team/app")).ok();
    }
    let here = waived_project("image: \"app:*\"");
    here.kapok("build -t app:2 team/app").ok();
    // A project's image goes by its own name and by those that it gets.
    for image in ["web", "example.org/team/app"] {
        let here = waived_project(&format!("image: {image}"));
        here.write("team/kapok.yaml", "images:\n  web: {context: app, tags: [example.org/team/app:1]}\n");
        here.kapok("check team").ok();
        let mut command = here.command("build");
        let ran = command.current_dir(here.work().join("team")).output().expect("it runs");
        assert!(ran.status.success(), "{}", String::from_utf8_lossy(&ran.stderr));
    }
}
