//! What messages look like.

use expect_test::{Expect, expect};

use super::*;
use crate::Rule;

/// Renders an error at the text between `«` and `»`.
#[track_caller]
fn check(marked: &str, label: &str, expected: Expect) {
    let start = marked.find('«').unwrap_or_else(|| panic!("no place"));
    let end = marked.find('»').unwrap_or_else(|| panic!("no place")) - '«'.len_utf8();
    let text = marked.replace(['«', '»'], "");
    let mut found = Diagnostic::error(Span::new(start, end), "it is wrong");
    if !label.is_empty() {
        found = found.label(label);
    }
    expected.assert_eq(&render(&Source::new("Dockerfile", text), &[found], false));
}

#[test]
fn places_in_a_line() {
    check(
        "FROM a\nCOPY «b» c\n",
        "not there",
        expect![[r#"
            error: it is wrong
             ╭▸ Dockerfile:2:6
            2│ COPY b c
             │      ━ not there
        "#]],
    );
    check(
        "«FROM a»",
        "",
        expect![[r#"
            error: it is wrong
             ╭▸ Dockerfile:1:1
            1│ FROM a
             │ ━━━━━━
        "#]],
    );
    check(
        "FROM a«»\r\n",
        "here",
        expect![[r#"
            error: it is wrong
             ╭▸ Dockerfile:1:7
            1│ FROM a
             │       ━ here
        "#]],
    );
    check(
        "\n\n\n\n\n\n\n\n\n\u{feff}«x»",
        "",
        expect![[r#"
            error: it is wrong
              ╭▸ Dockerfile:10:2
            10│ x
              │ ━
        "#]],
    );
}

#[test]
fn places_where_nothing_is() {
    check(
        "«»",
        "",
        expect![[r#"
            error: it is wrong
             ╭▸ Dockerfile:1:1
            1│
        "#]],
    );
    check(
        "FROM a\n«»",
        "here",
        expect![[r#"
            error: it is wrong
             ╭▸ Dockerfile:2:1
            2│
             │ ━ here
        "#]],
    );
}

#[test]
fn places_of_several_lines() {
    check(
        "FROM a\n«RUN b \\\n  c»\n",
        "",
        expect![[r#"
            error: it is wrong
             ╭▸ Dockerfile:2:1
            2│ ┏ RUN b \
            3│ ┗   c
        "#]],
    );
    check(
        "«1\n2\n3\n4\n5\n6\n7\n8\n9\n10»\n",
        "all of it",
        expect![[r#"
            error: it is wrong
              ╭▸ Dockerfile:1:1
             1│ ┏ 1
             2│ ┃ 2
             3│ ┃ 3
             4│ ┃ 4
              │ ┃ …
            10│ ┗ 10
              │   all of it
        "#]],
    );
}

#[test]
fn tabs_and_wide_characters() {
    check(
        "RUN\ta\t«世界» \u{301}é",
        "wide",
        expect![[r#"
            error: it is wrong
             ╭▸ Dockerfile:1:7
            1│ RUN    a    世界 ́é
             │             ━━━━ wide
        "#]],
    );
}

#[test]
fn what_a_terminal_would_obey_is_a_picture() {
    check(
        "RUN \u{1b}[31m«a\u{7}»\u{202e}b\u{9b}",
        "\u{1b}[0m",
        expect![[r#"
            error: it is wrong
             ╭▸ Dockerfile:1:10
            1│ RUN ␛[31ma␇�b�
             │          ━━ ␛[0m
        "#]],
    );
}

#[test]
fn long_lines_are_cut_around_the_place() {
    let long = "x".repeat(500);
    check(
        &format!("RUN {long} «abc» {long}"),
        "",
        expect![[r#"
            error: it is wrong
             ╭▸ Dockerfile:1:506
            1│ …xxxxxxxxxxxxxxxxxxxxxxxxxxxx abc xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx…
             │                               ━━━
        "#]],
    );
    check(
        &format!("RUN «{long}»"),
        "",
        expect![[r#"
            error: it is wrong
             ╭▸ Dockerfile:1:5
            1│ RUN xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx…
             │     ━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━
        "#]],
    );
}

#[test]
fn several_messages_with_rules_and_hints() {
    let source = Source::new("app/Dockerfile", "FROM a\nCMD b\n");
    let found = [
        Diagnostic::error(Span::new(5, 6), "no such image `a`").hint("build it first"),
        Diagnostic::check(Rule::JSONArgsRecommended, Span::new(7, 12), "no JSON").label("here"),
    ];
    expect![[r#"
        error: no such image `a`
         ╭▸ app/Dockerfile:1:6
        1│ FROM a
         │      ━
         ╰ hint: build it first

        warning[JSONArgsRecommended]: no JSON
         ╭▸ app/Dockerfile:2:1
        2│ CMD b
         │ ━━━━━ here
    "#]]
    .assert_eq(&render(&source, &found, false));
    expect![[r#"
        {"level":"error","message":"no such image `a`","file":"app/Dockerfile","line":1,"column":6,"end_line":1,"end_column":6,"hint":"build it first"}
        {"level":"warning","message":"no JSON","file":"app/Dockerfile","line":2,"column":1,"end_line":2,"end_column":5,"label":"here","rule":"JSONArgsRecommended"}
    "#]]
    .assert_eq(&render_json(&source, &found));
    assert_eq!(render(&source, &[], true), "");
}

#[test]
fn colour_marks_and_changes_nothing_else() {
    let source = Source::new("Dockerfile", "FROM a\nRUN b \\\n c\n");
    let found = [
        Diagnostic::error(Span::new(5, 6), "one").label("two").hint("three"),
        Diagnostic::warning(Span::new(7, 16), "four"),
    ];
    let coloured = render(&source, &found, true);
    assert!(coloured.contains("\x1b[1;31merror\x1b[0m") && coloured.contains("\x1b[1;33mwarning\x1b[0m"));
    let mut plain = coloured;
    for code in ["\x1b[0m", "\x1b[1m", "\x1b[1;31m", "\x1b[1;33m", "\x1b[1;34m"] {
        plain = plain.replace(code, "");
    }
    assert_eq!(plain, render(&source, &found, false));
}

#[test]
fn lines_and_columns() {
    for (text, offset, expected) in [
        ("", 0, (1, 1)),
        ("a\nb", 0, (1, 1)),
        ("a\nb", 1, (1, 2)),
        ("a\nb", 2, (2, 1)),
        ("a\nb", 99, (2, 2)),
        ("éé\n", 4, (1, 3)),
        ("éé\n", 3, (1, 2)),
        ("\u{feff}a", 3, (1, 1)),
        ("\u{feff}a", 4, (1, 2)),
    ] {
        let found = crate::line_column(text, offset);
        assert_eq!((found.line, found.column), expected, "{text:?} {offset}");
    }
}
