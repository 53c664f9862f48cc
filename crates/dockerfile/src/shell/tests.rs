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

#[test]
fn compound_commands() {
    check(
        "if [ -n \"$X\" ]; then a; elif b; then c; else d; fi; for i in 1 2; do e $i; done; while f; do g; done",
        expect![[r#"
            [ -n ‹$X› ] maybe forgiven
            a maybe
            b maybe forgiven
            c maybe
            d maybe
            e 1
            e 2
            f maybe forgiven
            g maybe
        "#]],
    );
    check(
        "case \"$V\" in 1.1) a;; 1.2|1.3) b;; *) c;; esac; case $ARCH in amd64) S=1;; *) S=2;; esac; run $S",
        expect![[r#"
            b
            S=1  maybe
            S=2  maybe
            run ‹$S›
        "#]],
    );
    check(
        "f() { get \"$1\" -o $2; }; f x y; { g; h; } > /o; (cd /t && i); j",
        expect![[r#"
        get x -o y
        g [Write /o]
        h [Write /o]
        cd /t
        i in /t
        j
    "#]],
    );
    check(
        "curl x | (cd /opt && tar xz); curl y | while read l; do echo $l; done",
        expect![[r#"
        curl x (1/2)
        cd /opt (fed)
        tar xz (fed) in /opt
        curl y (1/2)
        read l (fed) maybe forgiven
        echo ‹$l› (fed) maybe
    "#]],
    );
}

#[test]
fn prefixes_and_scripts_within() {
    check(
        "sudo -u app env A=1 nice -n 5 timeout 10 make -j2",
        expect![[r#"
        A=1 make -j2 via sudo via env via nice via timeout
    "#]],
    );
    check(
        "bash -exo pipefail -c 'a | b; echo $V' && sh -c \"c $V\" && eval d e",
        expect![[r#"
        a (1/2) via bash -e pipefail
        b (2/2) via bash -e pipefail
        echo 1.2 via bash -e pipefail
        c 1.2 via sh
        d e via eval
    "#]],
    );
    check(
        "find / -name x -exec rm -f {} + ; ls | xargs -n1 rm; su - app -c 'pip install y'",
        expect![[r#"
        find / -name x -exec rm -f {} +
        rm -f {} via find
        ls (1/2)
        rm (2/2) via xargs
        pip install y via su
    "#]],
    );
    check(
        "set -euxo pipefail; a | b; cd src; c; cd ..; d; export E=1 && f $E",
        expect![[r#"
        set -euxo pipefail
        a (1/2) -e pipefail
        b (2/2) -e pipefail
        cd src -e pipefail
        c -e pipefail in /w/src
        cd .. -e pipefail in /w/src
        d -e pipefail
        export E=1 -e pipefail
        f 1 -e pipefail
    "#]],
    );
}

#[test]
fn redirections_and_documents() {
    check(
        "pip install a>=1 b<2 2>&1 >/dev/null &>/log",
        expect![[r#"
        pip install a b [Write =1] [Read 2] [Duplicate 1] [Write /dev/null] [WriteBoth /log]
    "#]],
    );
    check(
        "cat > /etc/x <<EOF\nv=$V\nEOF\nbash <<'S'\necho $V\nS\nsha256sum -c <<< \"abc  /x\"",
        expect![[r#"
            cat [Write /etc/x] [Document(0) EOF]
            echo 1.2 [Document(1) S] via bash
            sha256sum -c [String 'abc  /x']
        "#]],
    );
    check(
        "tee /a <<-E\n\tone\n\tE\nnext",
        expect![[r#"
        tee /a [Document(0) E]
        next
    "#]],
    );
}

#[test]
fn mistakes_are_survived() {
    for text in [
        "",
        "(",
        ")",
        "if",
        "fi",
        "a &&",
        "|| b",
        "\"",
        "'",
        "`",
        "$(",
        "${",
        "${a",
        "case",
        "case x in",
        "<<",
        "<<EOF",
        "a <<EOF",
        "f() {",
        "[[ a",
        "((1",
        "$((",
        "for",
        "for i in",
        "while",
        "do",
        "done",
        "esac",
        ";;",
        "&",
        "|",
        "{",
        "}",
        "a=(",
        "a[",
        "$'",
        "!",
        "! !",
        "function",
        "a <",
        "\\",
        "$'\\",
        "${a:-${b:-${c",
        "eval eval eval eval",
        "f() { f; }; f",
        "bash -c 'bash -c \"bash -c x\"'",
    ] {
        crate::fuzz::fuzz_shell(text.as_bytes());
    }
    crate::fuzz::fuzz_shell("(".repeat(5000).as_bytes());
    crate::fuzz::fuzz_shell("$(".repeat(5000).as_bytes());
    crate::fuzz::fuzz_shell("f() { g; g; }; g() { h; h; }; h() { f; f; }; f".as_bytes());
    crate::fuzz::fuzz_shell("for a in 1 2 3 4 5 6 7 8 9; do ".repeat(12).as_bytes());
}

#[test]
fn places_run_through_continuations() {
    let text = "FROM a\nRUN curl -o /x \\\n  # why\n  https://example.com/x \\\n  && bash -c 'tar x; \\\n    rm y'\n";
    let (file, _) = crate::parse(text);
    let instruction = &file.stages[0].instructions[0];
    let script = parse(&script_of(text, instruction, '\\').expect("a script"));
    let evaluated = evaluate(&script, Evaluation::default());
    let words: Vec<&str> = evaluated
        .invocations
        .iter()
        .flat_map(|found| &found.words)
        .map(|word| &text[word.span.range()])
        .collect();
    assert_eq!(words, ["curl", "-o", "/x", "https://example.com/x", "tar", "x", "rm", "y"]);
}
