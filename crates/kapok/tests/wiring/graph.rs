//! graph, init and affected.

use serde_json::Value;

use crate::environment::TestEnvironment;

/// A BuildConfig on a base that only a Dockerfile declares.
fn repository() -> TestEnvironment {
    let here = TestEnvironment::new();
    here.write(
        "build.yaml",
        "apiVersion: build.openshift.io/v1
kind: BuildConfig
metadata: {name: app}
spec:
  source: {contextDir: app}
  strategy: {dockerStrategy: {}}
  output: {to: {kind: ImageStreamTag, name: 'app:1'}}
",
    );
    here.write("app/Dockerfile", "FROM base\nCOPY file /\n");
    here.write("app/file", "x");
    here.write("base/Dockerfile", "FROM debian:12\n");
    here
}

#[test]
fn a_repository_is_shown_and_written_down() {
    let here = repository();
    let shown = here.kapok("graph").ok().stdout;
    assert!(
        shown.starts_with(
            "project: 1 BuildConfig; 2 images\n\ndebian:12\n└─ base  (only a Dockerfile)\n   └─ app\n"
        ),
        "{shown}"
    );
    let json: Value = serde_json::from_str(&here.kapok("graph --format json").ok().stdout).expect("JSON");
    assert_eq!(json["edges"][0]["from"], "base");
    assert_eq!((&json["edges"][0]["file"], &json["edges"][0]["line"]), (&"app/Dockerfile".into(), &1.into()));
    here.kapok("graph --strict").code(1);

    here.kapok("init").ok();
    assert!(here.read("kapok.yaml").contains("  base:\n    context: base\n"));
    let again = here.kapok("init").code(2).stderr;
    assert!(again.contains("`kapok.yaml` is there already"), "{again}");
    here.kapok("init --force").ok();
    assert!(here.kapok("graph").ok().stdout.starts_with("project: kapok.yaml; 2 images\n"));
    let unknown = here.kapok("graph bse").code(2).stderr;
    assert!(unknown.contains("did you mean `base`?"), "{unknown}");
}

#[test]
fn what_a_change_touches_is_listed() {
    let here = repository();
    let touched = here.kapok("affected --file app/file").ok().stdout;
    assert_eq!(touched, "IMAGE  WHY\napp    `app/file` changed, and it copies `file`\n");
    let json: Value =
        serde_json::from_str(&here.kapok("affected --base debian --format json").ok().stdout).expect("JSON");
    assert_eq!(
        (&json["affected"][0]["image"], &json["affected"][1]["image"]),
        (&"base".into(), &"app".into())
    );
    here.kapok("affected --file ../outside").code(2);
}

#[test]
fn a_wrong_project_is_one_message_with_its_place() {
    let here = TestEnvironment::new();
    here.write("kapok.yaml", "images:\n  app: {contxt: .}\n");
    here.write("app/Dockerfile", "FROM scratch\n");
    let said = here.kapok("graph").code(1).stdout;
    assert!(
        said.contains("error[syntax]: unknown key `contxt` in `images.app`\n ╭▸ kapok.yaml:2:9\n"),
        "{said}"
    );
    here.write("kapok.yaml", "images:\n  a: {}\n  b: {}\n");
    here.write("a/Dockerfile", "FROM b\n");
    here.write("b/Dockerfile", "FROM a\n");
    let said = here.kapok("build").code(2).stderr;
    assert!(
        said.contains("images need each other: `a` needs `b` needs `a`\n ╭▸ a/Dockerfile:1:6\n"),
        "{said}"
    );
}
