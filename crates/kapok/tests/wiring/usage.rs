//! The command line before any command: help, mistakes, exit codes.

use crate::environment::TestEnvironment;

#[test]
fn help_and_version_need_no_store() {
    let here = TestEnvironment::new();
    assert!(here.kapok("--help").ok().stdout.contains("build"));
    assert!(here.kapok("build --help").ok().stdout.contains("--build-arg"));
    assert!(here.kapok("--version").ok().stdout.starts_with("kapok "));
    assert!(!here.store().exists());
}

#[test]
fn mistakes_are_usage_errors_and_cost_nothing() {
    let here = TestEnvironment::new();
    assert!(here.kapok("biuld .").code(2).stderr.contains("build"));
    assert!(here.kapok("build . --bulid-arg X=1").code(2).stderr.contains("--build-arg"));
    here.kapok("").code(2);
    assert!(!here.store().exists());
}

#[test]
fn dockers_words_are_answered_with_the_kapok_way() {
    let here = TestEnvironment::new();
    let detached = here.kapok("run -d web").code(2);
    assert!(
        detached.stderr.contains("hint:") && detached.stderr.contains("foreground"),
        "{}",
        detached.stderr
    );
    assert!(here.kapok("exec web sh").code(2).stderr.contains("kapok shell"));
    assert!(here.kapok("ps").code(2).stderr.contains("hint:"));
}

#[test]
fn a_settings_file_with_a_mistake_is_shown_with_its_place() {
    let here = TestEnvironment::new();
    here.write("kapok.yaml", "limits:\n  memroy: 2g\n");
    let refused = here.kapok("images").code(2);
    assert!(refused.stderr.contains("kapok.yaml:2:3"), "{}", refused.stderr);
    assert!(refused.stderr.contains("did you mean `memory`?"), "{}", refused.stderr);
}
