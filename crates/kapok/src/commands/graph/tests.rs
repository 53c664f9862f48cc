//! A small project in every form.

use expect_test::{Expect, expect};
use testkit::fixture::directory;

use super::*;

const TREE: &str = "//- /kapok.yaml\nimages:\n  base: {tags: [example.com/t/base:1]}\n  app: {args: {B: base}}\n  odd: {}\n\
    //- /base/Dockerfile\nFROM debian:12\n//- /app/Dockerfile\nARG B\nFROM $B\nCOPY --from=tool:2 /x /\n\
    //- /odd/Dockerfile\nFROM quay.io/other/base:1\n";

fn check(print: fn(&Shown<'_>) -> String, expected: Expect) {
    let tree = directory(TREE);
    let loaded = projects::load(tree.path()).unwrap_or_else(|failure| panic!("{failure}"));
    let shown = Shown::of(&loaded, &[]).unwrap_or_else(|failure| panic!("{failure}"));
    expected.assert_eq(&print(&shown));
}

#[test]
fn as_a_tree() {
    check(
        |shown| tree::text(shown, false),
        expect![[r#"
            project: kapok.yaml; 3 images

            debian:12
            └─ base
               └─ app  + tool:2
            quay.io/other/base:1
            └─ odd

            warning[not-built]: nothing here builds `tool:2`, and Docker Hub has no official image of that name
             ╭▸ app/Dockerfile:3:13
            3│ COPY --from=tool:2 /x /
             │             ━━━━━━

            warning[near-match]: `quay.io/other/base:1` comes from outside, and the project builds `base`
             ╭▸ odd/Dockerfile:1:6
            1│ FROM quay.io/other/base:1
             │      ━━━━━━━━━━━━━━━━━━━━
             ╰ hint: write `FROM base` if the project's own is meant

            2 warnings
        "#]],
    );
}

#[test]
fn for_graphviz() {
    check(
        drawn::dot,
        expect![[r#"
        digraph project {
          node [shape=box];
          n0 [label="app"];
          n1 [label="base"];
          n2 [label="odd"];
          n3 [label="debian:12", style=dashed];
          n4 [label="quay.io/other/base:1", style=dashed];
          n5 [label="tool:2", style=dashed];
          n1 -> n0;
          n3 -> n1;
          n4 -> n2;
          n5 -> n0 [style=dashed, label="copy-from"];
        }
    "#]],
    );
}

#[test]
fn for_mermaid() {
    check(
        drawn::mermaid,
        expect![[r#"
        graph TD
          n0["app"]
          n1["base"]
          n2["odd"]
          n3(["debian:12"])
          n4(["quay.io/other/base:1"])
          n5(["tool:2"])
          n1 --> n0
          n3 --> n1
          n4 --> n2
          n5 -. copy-from .-> n0
    "#]],
    );
}

#[test]
fn for_programs() {
    check(
        json::text,
        expect![[r#"
        {
          "source": "kapok.yaml",
          "nodes": [
            {
              "name": "app",
              "kind": "image",
              "file": "kapok.yaml",
              "line": 3,
              "column": 3,
              "declared-by": "kapok.yaml",
              "context": "app",
              "dockerfile": "app/Dockerfile",
              "outputs": [],
              "wanted": true
            },
            {
              "name": "base",
              "kind": "image",
              "file": "kapok.yaml",
              "line": 2,
              "column": 3,
              "declared-by": "kapok.yaml",
              "context": "base",
              "dockerfile": "base/Dockerfile",
              "outputs": [
                "example.com/t/base:1"
              ],
              "wanted": true
            },
            {
              "name": "odd",
              "kind": "image",
              "file": "kapok.yaml",
              "line": 4,
              "column": 3,
              "declared-by": "kapok.yaml",
              "context": "odd",
              "dockerfile": "odd/Dockerfile",
              "outputs": [],
              "wanted": true
            },
            {
              "name": "debian:12",
              "kind": "external",
              "file": "base/Dockerfile",
              "line": 1,
              "column": 6
            },
            {
              "name": "quay.io/other/base:1",
              "kind": "external",
              "file": "odd/Dockerfile",
              "line": 1,
              "column": 6
            },
            {
              "name": "tool:2",
              "kind": "external",
              "file": "app/Dockerfile",
              "line": 3,
              "column": 13
            }
          ],
          "edges": [
            {
              "from": "base",
              "to": "app",
              "kind": "from",
              "file": "app/Dockerfile",
              "line": 2,
              "reference": "base"
            },
            {
              "from": "tool:2",
              "to": "app",
              "kind": "copy-from",
              "file": "app/Dockerfile",
              "line": 3,
              "reference": "tool:2"
            },
            {
              "from": "debian:12",
              "to": "base",
              "kind": "from",
              "file": "base/Dockerfile",
              "line": 1,
              "reference": "debian:12"
            },
            {
              "from": "quay.io/other/base:1",
              "to": "odd",
              "kind": "from",
              "file": "odd/Dockerfile",
              "line": 1,
              "reference": "quay.io/other/base:1"
            }
          ],
          "waves": [
            [
              "base",
              "odd"
            ],
            [
              "app"
            ]
          ],
          "findings": [
            {
              "code": "not-built",
              "level": "warning",
              "message": "nothing here builds `tool:2`, and Docker Hub has no official image of that name",
              "images": [
                "app"
              ],
              "fix": null,
              "file": "app/Dockerfile",
              "line": 3,
              "column": 13
            },
            {
              "code": "near-match",
              "level": "warning",
              "message": "`quay.io/other/base:1` comes from outside, and the project builds `base`",
              "images": [
                "base",
                "odd"
              ],
              "fix": "write `FROM base` if the project's own is meant",
              "file": "odd/Dockerfile",
              "line": 1,
              "column": 6
            }
          ],
          "unsupported": []
        }
    "#]],
    );
}
