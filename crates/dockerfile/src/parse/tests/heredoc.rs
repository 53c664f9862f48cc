//! Heredocs.

use super::{check, check_errors, messages};
use expect_test::expect;

#[test]
fn run_reads_heredocs() {
    check(&[
        ("RUN <<E\na\n b\nE", r#"RUN sh "<<E" <<E "a\n b\n" runs "a\n b\n""#),
        ("RUN <<E\nE", r#"RUN sh "<<E" <<E "" runs """#),
        ("RUN <<'E'\n$a\nE", r#"RUN sh "<<'E'" <<'E' "$a\n" runs "$a\n""#),
        ("RUN <<-E\n\ta\n\t\tb\n\t\tE", r#"RUN sh "<<-E" <<-E "\ta\n\t\tb\n" runs "a\nb\n""#),
        ("RUN <<E cat\na\nE", r#"RUN sh "<<E cat" <<E "a\n" runs "<<E cat\na\nE""#),
        ("RUN cat <<-E\n\ta\n\tE", r#"RUN sh "cat <<-E" <<-E "\ta\n" runs "cat <<-E\n\ta\nE""#),
        (
            "RUN cat <<A - 3<<'B' | x\n1\nA\n2\nB",
            r#"RUN sh "cat <<A - 3<<'B' | x" <<A "1\n" 3<<'B' "2\n" runs "cat <<A - 3<<'B' | x\n1\nA\n2\nB""#,
        ),
        ("RUN 3<<E\na\nE", r#"RUN sh "3<<E" 3<<E "a\n" runs "a\n""#),
        ("RUN << E\na\nE", r#"RUN sh "<< E" <<E "a\n" runs "a\n""#),
        ("RUN <<E\n#!/bin/x\nE", r##"RUN sh "<<E" <<E "#!/bin/x\n" runs file E "#!/bin/x\n""##),
        ("RUN --network=none <<E\na\nE", r#"RUN sh "<<E" <<E "a\n" network=None runs "a\n""#),
        // Nothing in the content is anything else.
        (
            "RUN <<E\n# a\n\nb \\\nFROM c\n <<F\nE",
            r##"RUN sh "<<E" <<E "# a\n\nb \\\nFROM c\n <<F\n" runs "# a\n\nb \\\nFROM c\n <<F\n""##,
        ),
        ("RUN <<E\r\na\r\nE\r\nUSER b", r#"RUN sh "<<E" <<E "a\r\n" runs "a\r\n"; USER "b""#),
        ("RUN a \\\n <<E\nb\nE", r#"RUN sh "a  <<E" <<E "b\n" runs "a  <<E\nb\nE""#),
    ]);
}

#[test]
fn what_is_no_heredoc() {
    check(&[
        ("RUN [\"a\", \"<<E\"]", r#"RUN ["a", "<<E"]"#),
        ("RUN a < b", r#"RUN sh "a < b""#),
        ("RUN a <<< b", r#"RUN sh "a <<< b""#),
        ("RUN \"<<E\"", r#"RUN sh "\"<<E\"""#),
        ("RUN '<<E'", r#"RUN sh "'<<E'""#),
        ("RUN \\<<E", r#"RUN sh "\\<<E""#),
        ("RUN a<<E", r#"RUN sh "a<<E""#),
        ("RUN $((1<<2))", r#"RUN sh "$((1<<2))""#),
        ("RUN echo it's <<E", r#"RUN sh "echo it's <<E""#),
        ("CMD cat <<E", r#"CMD sh "cat <<E""#),
        ("ENV A=<<E", r#"ENV "A"="<<E""#),
        ("USER <<E", r#"USER "<<E""#),
    ]);
}

#[test]
fn content_ends_only_at_its_word() {
    check(&[("RUN <<E\n E\nE E\n\tE\nE", r#"RUN sh "<<E" <<E " E\nE E\n\tE\n" runs " E\nE E\n\tE\n""#)]);
    check_errors(&[
        ("RUN <<E\na", "unterminated heredoc `E`", "<<E"),
        ("RUN cat <<E <<F\na\nE\nb", "unterminated heredoc `F`", "<<E"),
        ("COPY <<E /x\na\n E", "unterminated heredoc `E`", "<<E"),
    ]);
}

#[test]
fn an_end_that_is_indented() {
    expect![[r#"
        error: unterminated heredoc `EOF`
         ╭▸ Dockerfile:2:5
        2│ RUN <<EOF
         │     ━━━━━ begins here
         ╰ hint: `EOF` must stand alone at the beginning of its line; `<<-` allows tabs before it
    "#]]
    .assert_eq(&messages("FROM scratch\nRUN <<EOF\n  a\n  EOF\nUSER b\n"));
}
