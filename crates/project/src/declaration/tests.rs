//! What `kapok.yaml` may say.

use crate::files::Memory;
use crate::model::{BaseKind, CommandForm, Context, TestKind, WhichFrom};
use crate::{Given, load};

/// The page that users read shows one of everything.
const PAGE: &str = include_str!("../../../../docs/project.md");

#[test]
fn the_example_of_the_page_is_right() {
    let example =
        PAGE.split("```yaml\n").nth(1).and_then(|rest| rest.split("```").next()).expect("there is one");
    let files = Memory::parse(&format!(
        "//- /certs/company.pem\n//- /services/x/kapok.yaml\nimages: {{x: .}}\n//- /kapok.yaml\n{example}"
    ));
    let project = load(&files, &Given::default());
    let findings: Vec<String> = project.findings.iter().map(ToString::to_string).collect();
    assert_eq!(findings, Vec::<String>::new());
    let names: Vec<&str> = project.images.iter().map(|image| image.name.as_str()).collect();
    assert_eq!(names, ["company-base", "notes", "python", "tool", "x"]);
    let image = |name: &str| project.image(name).expect("it is there");

    let python = image("python");
    let from = python.from.as_ref().expect("it has one");
    assert_eq!((from.which, from.image.to_string().as_str()), (WhichFrom::First, "company-base"));
    assert_eq!((python.limits.milli_cpus, python.limits.memory), (Some(2000), Some(4 << 30)));
    assert_eq!((python.timeout, python.retries, python.no_cache), (Some(1800), Some(2), true));
    assert_eq!(python.tests.len(), 7);
    assert!(
        matches!(&python.tests[1].kind, TestKind::Command { run: CommandForm::Exec(words), exit: 0, .. } if words.len() == 3)
    );
    assert!(matches!(&python.tests[2].kind, TestKind::File { mode: Some(0o644), .. }));
    assert!(matches!(&python.tests[6].kind, TestKind::PostCommit(CommandForm::Script(..))));
    assert_eq!(image("company-base").context, Context::Directory("images/base".into()));
    assert_eq!(image("tool").context, Context::Directory("cmd/tool".into()));
    assert_eq!(image("x").context, Context::Directory("services/x".into()));
    assert_eq!((&image("notes").context, image("notes").wanted), (&Context::Empty, false));
    assert!(matches!(&project.bases[0].kind, BaseKind::Debian { suite, .. } if suite == "bookworm"));
    assert_eq!(project.ca.map(|ca| ca.value).as_deref(), Some("certs/company.pem"));
}

#[test]
fn push_and_tags_are_names() {
    let pushed = |yaml: &str| -> Vec<(String, bool)> {
        let files = Memory::parse(&format!("//- /kapok.yaml\nimages: {{a: {{{yaml}}}}}\n"));
        let project = load(&files, &Given::default());
        project.images[0].outputs.iter().map(|output| (output.name.to_string(), output.push)).collect()
    };
    assert_eq!(pushed("tags: [x, y], push: true"), [("x".to_owned(), true), ("y".to_owned(), true)]);
    assert_eq!(pushed("push: [e.com/z], tags: x"), [("x".to_owned(), false), ("e.com/z".to_owned(), true)]);
    assert_eq!(pushed("args: [A=1]"), []);
}

#[test]
fn files_that_include_each_other_are_read_once() {
    let files = Memory::parse(
        "//- /kapok.yaml\nimages: {a: {}}\ninclude: b\n//- /b/kapok.yaml\nimages: {c: {}}\ninclude: ../kapok.yaml\nlimits: {}\n",
    );
    let project = load(&files, &Given::default());
    assert_eq!(project.images.len(), 2);
    let findings: Vec<String> = project.findings.iter().map(ToString::to_string).collect();
    assert_eq!(findings, ["b/kapok.yaml:3:1: error: unknown key `limits` in a file that is included"]);
}
