//! Scripts in, trees and commands out.

use std::fmt::Write;

use expect_test::{Expect, expect};

use super::*;

/// The commands of a script, one a line: words with `‹›` around what is not known, and what is known of the place.
fn commands(text: &str, variables: &[(&str, Option<&str>)]) -> String {
    let mapped = Mapped::plain(text, 0);
    let script = parse(&mapped);
    let variables =
        variables.iter().map(|(name, value)| ((*name).to_owned(), value.map(str::to_owned))).collect();
    let start = Evaluation { variables, directory: Some("/w".into()), ..Evaluation::default() };
    let evaluated = evaluate(&script, start);
    let mut out = String::new();
    for error in &script.errors {
        let _ = writeln!(out, "error: {} at {:?}", error.message, &text[error.span.range()]);
    }
    for found in &evaluated.invocations {
        let _ = writeln!(out, "{}", line(found));
        assert!(text.get(found.span.range()).is_some());
        assert!(found.words.iter().all(|word| text.get(word.span.range()).is_some()), "{found:?}");
    }
    out
}

fn line(found: &Invocation) -> String {
    let mut out = String::new();
    for (name, value) in &found.assignments {
        let _ = write!(out, "{name}={} ", word(value));
    }
    let words: Vec<String> = found.words.iter().map(word).collect();
    out += &words.join(" ");
    for redirect in &found.redirects {
        let _ = write!(out, " [{:?} {}]", redirect.kind, word(&redirect.target));
    }
    if found.stages > 1 {
        let _ = write!(out, " ({}/{})", found.stage + 1, found.stages);
    } else if found.fed_by.is_some() {
        out += " (fed)";
    }
    for through in &found.through {
        let _ = write!(out, " via {through}");
    }
    let flags = [
        (found.conditional, "maybe"),
        (found.forgiven, "forgiven"),
        (found.substituted, "substituted"),
        (found.options.errexit, "-e"),
        (found.options.pipefail, "pipefail"),
    ];
    for (_, flag) in flags.iter().filter(|(on, _)| *on) {
        let _ = write!(out, " {flag}");
    }
    match found.directory.as_deref() {
        Some("/w") => {}
        directory => {
            let _ = write!(out, " in {}", directory.unwrap_or("?"));
        }
    }
    out
}

fn word(value: &Value) -> String {
    let pieces: String = value
        .pieces
        .iter()
        .map(|piece| match piece {
            Piece::Known(text) => text.clone(),
            Piece::Unknown(text) => format!("‹{text}›"),
        })
        .collect();
    if pieces.is_empty() || pieces.contains(' ') { format!("'{pieces}'") } else { pieces }
}

#[track_caller]
fn check(text: &str, expected: Expect) {
    expected.assert_eq(&commands(text, &[("V", Some("1.2")), ("LIST", Some("a b")), ("ARCH", None)]));
}

#[test]
fn lists_and_pipelines() {
    check(
        "a 1 && b 2 || c 3; d | e | f &\n! g",
        expect![[r#"
            a 1 forgiven
            b 2 forgiven
            c 3 maybe
            d (1/3) forgiven
            e (2/3) forgiven
            f (3/3) forgiven
            g forgiven
        "#]],
    );
    check(
        "apt-get update || exit 1; x || true; y || { echo no; exit 2; }",
        expect![[r#"
            apt-get update
            exit 1 maybe
            x forgiven
            true maybe
            y
            echo no maybe
            exit 2 maybe
        "#]],
    );
}

#[test]
fn quotes_and_variables() {
    check(
        r#"echo 'a $V' "b $V" c\ $V $LIST "$LIST" ${V}x ${ARCH} $NEW ${NEW:-new} ${V:+yes} ${V%.*} ${V#1.} ${V/./_} ${V//[.]/x}"#,
        expect![[r#"
            echo 'a $V' 'b 1.2' 'c 1.2' a b 'a b' 1.2x ‹$ARCH› ‹$NEW› new yes 1 2 1_2 ‹$V›
        "#]],
    );
    check(
        "A=1 B=\"$A$V\"; C=$B-$(uname -m); run $C `id -u` $((1 + 2)) ''",
        expect![[r#"
            A=1 B=11.2 
            uname -m substituted
            C=11.2-‹$(uname)› 
            id -u substituted
            run ‹$C› ‹$(id)› ‹$((…))› ''
        "#]],
    );
}
