//! Wrong projects: each one clear message with its place. And large ones: in time.

use dockerfile::Level;

use super::*;
use crate::files::Memory;
use crate::{Given, load};

fn said(tree: &str) -> Vec<String> {
    let files = Memory::parse(tree);
    let given = Given { name: "project".into(), remotes: vec!["https://git.example.com/t/r".into()] };
    let project = load(&files, &given);
    let graph = graph(&project, &files);
    let all = project.findings.iter().chain(&graph.findings).filter(|finding| finding.level != Level::Info);
    all.map(|finding| match &finding.fix {
        Some(fix) => format!("{} {finding}; {fix}", finding.code),
        None => format!("{} {finding}", finding.code),
    })
    .collect()
}

/// A project with one mistake is told one thing.
#[track_caller]
fn check(tree: &str, expected: &str) {
    assert_eq!(said(tree), [expected], "{tree}");
}

/// Dockerfiles of images `a` and `b`, and a `kapok.yaml`.
fn with(yaml: &str) -> String {
    format!("//- /kapok.yaml\n{yaml}\n//- /a/Dockerfile\nFROM scratch\n//- /b/Dockerfile\nFROM a\n")
}

#[test]
fn wrong_declarations() {
    check(
        &with("images:\n  a: {}\n  b: {contxt: b}"),
        "syntax kapok.yaml:3:7: error: unknown key `contxt` in `images.b`; did you mean `context`?",
    );
    check(
        &with("images: [a"),
        "syntax kapok.yaml:2:1: error: this is not YAML: while parsing a flow sequence, expected ',' or ']'",
    );
    check(&with("images:\n  a: {}\n  a: {}"), "syntax kapok.yaml:3:3: error: `a` stands here twice");
    check(
        &with("images:\n  a: {limits: {memory: lots}}"),
        "syntax kapok.yaml:2:24: error: `limits.memory`: `lots` is not a size such as `2g`",
    );
    check(
        &with("images:\n  a: {timeout: soon}"),
        "syntax kapok.yaml:2:16: error: `timeout`: `soon` is not a length of time: write `90s`, `30m` or `1h30m`",
    );
    check(
        &with("images:\n  a: {tests: [{rn: x}]}"),
        "syntax kapok.yaml:2:15: error: a test has one of `run`, `file`, `user`, `env`, `size`",
    );
    check(
        &with("images:\n  a: {tags: ['a:b:c']}"),
        "syntax kapok.yaml:2:14: error: `a:b:c` is not an image reference: a tag has at most 128 letters, digits, `_`, `.` and `-`",
    );
    check(
        &with("images:\n  a: {context: ../x, dockerfile: Dockerfile}\n"),
        "syntax kapok.yaml:2:16: error: `context`: `../x` is outside of the project",
    );
    check(
        &with("images: {a: {}}\ninclude: more/*.yaml"),
        "missing-path kapok.yaml:2:10: error: `include`: there is no file `more/*.yaml`",
    );
    check(
        &with("images: {a: {}}\nca: ca.pem"),
        "missing-path kapok.yaml:2:5: error: `ca`: there is no file `ca.pem`",
    );
}

#[test]
fn wrong_names() {
    check(
        "//- /kapok.yaml\nimages:\n  Bad: {context: a}\n//- /a/Dockerfile\nFROM scratch\n",
        "syntax kapok.yaml:2:3: error: `Bad` is not an image reference: the repository must be lower case",
    );
    check(
        &with("images:\n  a: {tags: [x:1]}\n  b: {tags: ['docker.io/library/x:1']}"),
        "duplicate-tag kapok.yaml:3:14: error: `a` and `b` both write `docker.io/library/x:1`; the other is declared at kapok.yaml:2:3",
    );
    check(
        "//- /kapok.yaml\nimages: {a: {}}\ninclude: more\n//- /more/kapok.yaml\nimages: {a: {context: x}}\n//- /a/Dockerfile\nFROM scratch\n//- /more/x/Dockerfile\nFROM scratch\n",
        "duplicate-name more/kapok.yaml:1:10: error: an image `a` is declared at kapok.yaml:1:10 too; give one of them another name",
    );
    check(
        "//- /kapok.yaml\nimages: {a: {}}\n//- /a/Dockerfile\nFROM Debian\n",
        "bad-name a/Dockerfile:1:6: error: `Debian` is not an image reference: the repository must be lower case",
    );
}

#[test]
fn what_is_missing() {
    check(
        &with("images:\n  a: {context: c}"),
        "missing-context kapok.yaml:2:16: error: the build context `c` of `a` is not there",
    );
    check(
        &with("images:\n  a: {dockerfile: Dockerfile.web}"),
        "missing-dockerfile kapok.yaml:2:19: error: the Dockerfile `a/Dockerfile.web` of `a` is not there; in that directory there is `Dockerfile`",
    );
    check(
        "//- /kapok.yaml\nimages: {a: {target: bulid}}\n//- /a/Dockerfile\nFROM scratch AS build\n",
        "missing-target kapok.yaml:1:22: error: the Dockerfile of `a` has no stage `bulid`; did you mean `build`?",
    );
    check(
        "//- /kapok.yaml\nimages: {a: {}}\n//- /a/Dockerfile\nFROM scratch\nCPY a b\n",
        "dockerfile a/Dockerfile:2:1: error: unknown instruction `CPY`; did you mean `COPY`?",
    );
    check(
        "//- /a/Dockerfile\nARG B\nFROM $B\n",
        "unresolved-base a/Dockerfile:2:6: warning: `$B` is not known: `B` has no value; give the ARG before the first FROM a default, or set it for the image",
    );
    check(
        "//- /a/Dockerfile\nFROM localhost/tool\n",
        "not-built a/Dockerfile:1:6: error: nothing here builds `localhost/tool`",
    );
    check(
        &with("images:\n  a: {args: {VERSION: 1}}"),
        "unused-argument kapok.yaml:2:14: warning: the Dockerfile of `a` declares no argument `VERSION`; add `ARG VERSION` to it, or remove it here",
    );
}

#[test]
fn cycles() {
    check(
        "//- /a/Dockerfile\nFROM c\n//- /b/Dockerfile\nFROM scratch\nCOPY --from=a / /\n//- /c/Dockerfile\nFROM b\n",
        "cycle a/Dockerfile:1:6: error: images need each other: `a` needs `c` needs `b` needs `a`; the cycle goes on with `b` at c/Dockerfile:1:6, `a` at b/Dockerfile:2:13",
    );
    check(
        "//- /kapok.yaml\nimages: {a: {tags: [example.com/a:1]}}\n//- /a/Dockerfile\nFROM example.com/a:1\n",
        "cycle a/Dockerfile:1:6: error: `a` needs itself, as `example.com/a:1`",
    );
}

#[test]
fn names_that_nearly_match() {
    check(
        "//- /tool-base/Dockerfile\nFROM scratch\n//- /app/Dockerfile\nFROM quay.io/org/tool-base\n",
        "near-match app/Dockerfile:1:6: warning: `quay.io/org/tool-base` comes from outside, and the project builds `tool-base`; write `FROM tool-base` if the project's own is meant",
    );
    check(
        "//- /tool-base/Dockerfile\nFROM scratch\n//- /app/Dockerfile\nFROM tool-bsae\n",
        "near-match app/Dockerfile:1:6: warning: `tool-bsae` comes from outside, and has nearly the name of an image of the project; did you mean `tool-base`?",
    );
    check(
        "//- /tool-base/Dockerfile\nFROM scratch\n//- /app/Dockerfile\nFROM tool_base\n",
        "near-match app/Dockerfile:1:6: warning: `tool_base` comes from outside, and the project builds `tool-base`; write `FROM tool-base` if the project's own is meant",
    );
    check(
        "//- /kapok.yaml\nimages: {a: {tags: [quay.io/o/a:2]}, b: {}}\n//- /a/Dockerfile\nFROM scratch\n//- /b/Dockerfile\nFROM quay.io/o/a:1\n",
        "tag-mismatch b/Dockerfile:1:6: warning: `a` is built here as `2`, not as `quay.io/o/a:1`: that comes from outside",
    );
    check(
        "//- /kapok.yaml\nimages: {a: {tags: [quay.io/o/a:2]}, b: {}}\n//- /a/Dockerfile\nFROM scratch\n//- /b/Dockerfile\nFROM quay.io/o/c:1\n",
        "not-built b/Dockerfile:1:6: warning: nothing here builds `quay.io/o/c:1`, and the project's own images go to `quay.io/o`",
    );
    // Names that mean what is outside are no mistakes.
    assert_eq!(
        said(
            "//- /python/Dockerfile\nFROM python:3.9\n//- /debian/Dockerfile\nFROM registry.example.com/debian\n"
        ),
        Vec::<String>::new()
    );
    assert_eq!(said("//- /nginx3/Dockerfile\nFROM nginx\n"), Vec::<String>::new());
}

#[test]
fn what_is_meant_by_names() {
    let edges = |tree: &str| -> Vec<String> {
        let files = Memory::parse(tree);
        let project = load(&files, &Given::default());
        let graph = graph(&project, &files);
        let name = |node: NodeId| graph.nodes[node.0].name.clone();
        graph
            .edges
            .iter()
            .map(|edge| format!("{} {} {}", name(edge.from), edge.kind.name(), name(edge.to)))
            .collect()
    };
    let two = |yaml: &str, from: &str| {
        edges(&format!(
            "//- /kapok.yaml\nimages: {{a: {{{yaml}}}, b: {{}}}}\nbases: {{c: quay.io/x/y}}\n//- /a/Dockerfile\nFROM scratch\n//- /b/Dockerfile\nFROM {from}\n"
        ))
    };
    for (yaml, from) in [
        ("", "a"),
        ("", "a:latest"),
        ("", "localhost/a"),
        ("", "localhost/a:7"),
        ("tags: [quay.io/o/a:1]", "quay.io/o/a:1"),
        ("tags: [quay.io/o/a]", "quay.io/o/a:latest"),
        ("tags: [quay.io/o/a:1]", "a:1"),
        ("tags: ['x:1']", "x:1"),
        ("tags: ['localhost/x:1']", "x:1"),
        (
            "tags: ['image-registry.openshift-image-registry.svc:5000/ns/x:1']",
            "image-registry.openshift-image-registry.svc:5000/ns/x:1",
        ),
        ("push: [quay.io/o/a:1]", "quay.io/o/a:1"),
    ] {
        assert_eq!(two(yaml, from), ["a from b"], "{yaml} {from}");
    }
    assert_eq!(two("", "c"), ["c from b"]);
    assert_eq!(two("tags: [quay.io/o/a:1]", "quay.io/o/a:2"), ["quay.io/o/a:2 from b"]);
    assert_eq!(two("", "a@sha256:0000000000000000000000000000000000000000000000000000000000000000").len(), 1);
    // A name with its registry means what is there.
    assert_eq!(two("", "docker.io/library/a"), ["a:latest from b"]);
    // ONBUILD of a base is for those who build on it.
    assert_eq!(
        edges(
            "//- /a/Dockerfile\nFROM scratch\nONBUILD COPY --from=t /x /\n//- /b/Dockerfile\nFROM a\n//- /t/Dockerfile\nFROM scratch\n"
        ),
        ["t onbuild b", "a from b"]
    );
}

#[test]
fn thousands_of_images_take_no_time() {
    let mut tree = String::from("//- /kapok.yaml\nimages:\n");
    for number in 0..5000 {
        tree += &format!("  i{number}: {{tags: [example.com/t/i{number}:1]}}\n");
    }
    for number in 0..5000 {
        let base = if number < 10 { "debian".to_owned() } else { format!("example.com/t/i{}:1", number / 3) };
        tree += &format!("//- /i{number}/Dockerfile\nFROM {base}\nRUN true\n");
    }
    let files = Memory::parse(&tree);
    let begun = std::time::Instant::now();
    let project = load(&files, &Given::default());
    let graph = graph(&project, &files);
    let waves = graph.waves();
    let took = begun.elapsed();
    assert_eq!((graph.edges.len(), waves.iter().map(Vec::len).sum::<usize>()), (5000, 5000));
    assert_eq!((waves.len(), graph.findings.len()), (7, 0));
    // A second is the promise of an optimised program.
    assert!(took.as_secs() < 10, "{took:?}");
}

#[test]
fn thousands_of_build_configs_take_no_time() {
    let mut tree = String::new();
    for number in 0..2000 {
        let base = if number < 10 { "tool-x:1".to_owned() } else { format!("i{}:1", number / 3) };
        tree += &format!(
            "//- /b/{number}.yaml\napiVersion: build.openshift.io/v1\nkind: BuildConfig\nmetadata: {{name: i{number}}}\nspec:\n  source: {{contextDir: i{number}}}\n  \
             strategy: {{dockerStrategy: {{from: {{kind: ImageStreamTag, name: '{base}'}}}}}}\n  output: {{to: {{kind: ImageStreamTag, name: 'i{number}:1'}}}}\n  \
             triggers: [{{type: ImageChange}}]\n---\napiVersion: image.openshift.io/v1\nkind: ImageStream\nmetadata: {{name: i{number}}}\n//- /i{number}/Dockerfile\nFROM unknown{number}-base\n"
        );
    }
    let files = Memory::parse(&tree);
    let begun = std::time::Instant::now();
    let project = load(&files, &Given::default());
    let graph = graph(&project, &files);
    let took = begun.elapsed();
    assert_eq!((project.images.len(), graph.edges.len()), (2000, 2000));
    assert!(took.as_secs() < 10, "{took:?}");
}
