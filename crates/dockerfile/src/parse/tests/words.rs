//! Lines, words, quotes: what all instructions share.

use super::{check, check_errors, dump, good};

#[test]
fn names_of_instructions_have_no_case() {
    check(&[
        ("user a", r#"USER "a""#),
        ("User a", r#"USER "a""#),
        ("uSeR a", r#"USER "a""#),
        ("\u{a0}USER a\u{a0}", r#"USER "a""#),
        ("USER\ta", r#"USER "a""#),
        ("USER  \t a \t ", r#"USER "a""#),
    ]);
}

#[test]
fn continuations_join_lines() {
    check(&[
        ("USER a\\\nb", r#"USER "ab""#),
        ("USER a \\\nb", r#"USER "a b""#),
        ("USER a\\ \t \nb", r#"USER "ab""#),
        ("USER a\\\n  b", r#"USER "a  b""#),
        ("USER \\\n  b", r#"USER "b""#),
        ("\\\nUSER b", r#"USER "b""#),
        ("USER\\\n b", r#"USER "b""#),
        ("US\\\nER b", r#"USER "b""#),
        ("USER a\\\r\nb\r", r#"USER "ab""#),
        // An escape that is escaped, and one with something after it, continue nothing.
        ("RUN a\\\\\nUSER b", r#"RUN sh "a\\\\"; USER "b""#),
        ("RUN a\\\\\\\nUSER b", r#"RUN sh "a\\\\\\"; USER "b""#),
        ("RUN a\\b\nUSER b", r#"RUN sh "a\\b"; USER "b""#),
        ("RUN a `\nUSER b", r#"RUN sh "a `"; USER "b""#),
        // The last line of the file.
        ("USER a\\", r#"USER "a""#),
        ("USER a \\\n", r#"USER "a""#),
    ]);
}

#[test]
fn comments_and_blank_lines_within_a_continuation_are_gone() {
    check(&[
        ("RUN a \\\n# c\n b", r#"RUN sh "a  b""#),
        ("RUN a \\\n  # c \\\n b", r#"RUN sh "a  b""#),
        ("RUN a \\\n\n b", r#"RUN sh "a  b""#),
        ("RUN a \\\n   \n\t\n b", r#"RUN sh "a  b""#),
        ("RUN a \\\n# c", r#"RUN sh "a""#),
        // A comment stands alone in its line.
        ("RUN a # b", r##"RUN sh "a # b""##),
        ("USER a#b", r##"USER "a#b""##),
        ("  # c\nUSER a", r#"USER "a""#),
        ("#USER b\nUSER a", r#"USER "a""#),
    ]);
}

#[test]
fn the_other_escape_character() {
    let file = good("# escape=`\nFROM scratch\nRUN a `\n b \\\nENV C=d` e\nENV F=g\\ h=i\n");
    let found: Vec<String> = file.stages[0].instructions.iter().map(dump::instruction).collect();
    assert_eq!(found, [r#"RUN sh "a  b \\""#, r#"ENV "C"="d` e""#, r#"ENV "F"="g\\" "h"="i""#]);
}

#[test]
fn the_text_is_the_logical_line() {
    let file = good("FROM  scratch \\\n  AS  a\nRUN a \\\n# c\n  && b  \nRUN <<EOF cat\nx\nEOF\n");
    assert_eq!(file.stages[0].text, "FROM  scratch   AS  a");
    let texts: Vec<&str> = file.stages[0].instructions.iter().map(|each| each.text.as_str()).collect();
    assert_eq!(texts, ["RUN a   && b", "RUN <<EOF cat"]);
}

#[test]
fn spans_are_places_in_the_file() {
    let text = "\u{feff}FROM scratch\nENV A=b \\\n  # c\n  Cé=\"d e\" \\\n\n  F=g\nRUN <<-EOF\n\thi\n\tEOF\nUSER x\n";
    let file = good(text);
    let [env, run, user] = file.stages[0].instructions.as_slice() else { panic!() };
    assert_eq!(&text[file.stages[0].span.range()], "FROM scratch");
    assert_eq!(&text[env.span.range()], "ENV A=b \\\n  # c\n  Cé=\"d e\" \\\n\n  F=g");
    let crate::InstructionKind::Env(pairs) = &env.kind else { panic!() };
    let places: Vec<(&str, &str)> =
        pairs.iter().map(|pair| (&text[pair.key.span.range()], &text[pair.value.span.range()])).collect();
    assert_eq!(places, [("A", "b"), ("Cé", "\"d e\""), ("F", "g")]);
    assert_eq!(&text[run.span.range()], "RUN <<-EOF\n\thi\n\tEOF");
    let crate::InstructionKind::Run(run) = &run.kind else { panic!() };
    assert_eq!(&text[run.heredocs[0].span.range()], "\thi\n");
    assert_eq!(&text[user.span.range()], "USER x");
}

#[test]
fn flags_may_be_quoted_and_end_at_two_dashes() {
    check(&[
        ("COPY --chown=a b c", r#"COPY ["b"] -> "c" chown="a""#),
        ("COPY --chown=\"a b\" c d", r#"COPY ["c"] -> "d" chown="a b""#),
        ("COPY --chown='a b' c d", r#"COPY ["c"] -> "d" chown="a b""#),
        ("COPY --chown=a\\ b c d", r#"COPY ["c"] -> "d" chown="a b""#),
        ("COPY --chown=\"a\\\"b\" c d", r#"COPY ["c"] -> "d" chown="a\"b""#),
        ("COPY \"--chown=a\" b c", r#"COPY ["\"--chown=a\"", "b"] -> "c""#),
        ("COPY --\"chown\"=a b c", r#"COPY ["b"] -> "c" chown="a""#),
        ("COPY --chown=a \\\n --link \\\n b c", r#"COPY ["b"] -> "c" chown="a" link"#),
        ("COPY --chown= b c", r#"COPY ["b"] -> "c""#),
        ("COPY --link -- --from c", r#"COPY ["--from"] -> "c" link"#),
        ("COPY -- b c", r#"COPY ["b"] -> "c""#),
        ("COPY -a b c", r#"COPY ["-a", "b"] -> "c""#),
        ("COPY --link=true b c", r#"COPY ["b"] -> "c" link"#),
        ("COPY --link=TRUE b c", r#"COPY ["b"] -> "c" link"#),
        ("COPY --link=false b c", r#"COPY ["b"] -> "c""#),
        ("COPY --chown=é:ß b c", r#"COPY ["b"] -> "c" chown="é:ß""#),
        ("RUN -- --x", r#"RUN sh "--x""#),
    ]);
}

#[test]
fn mistakes_in_flags() {
    check_errors(&[
        ("COPY --chwon=a b c", "unknown flag `--chwon` for COPY", "--chwon"),
        ("COPY --x b c", "unknown flag `--x` for COPY", "--x"),
        ("copy --X=1 b c", "unknown flag `--X` for COPY", "--X"),
        ("COPY --=1 b c", "unknown flag `--` for COPY", "--"),
        ("COPY --\"chwon=a b\" b c", "unknown flag `--chwon` for COPY", "--\"chwon=a b\""),
        ("COPY --chown b c", "flag `--chown` needs a value", "--chown"),
        ("COPY --link=maybe b c", "flag `--link` is true or false, not `maybe`", "maybe"),
        ("COPY --link= b c", "flag `--link` is true or false, not ``", "--link="),
        ("COPY --link --link b c", "flag `--link` is given twice", "--link"),
        ("COPY --chown=a --chown=b c d", "flag `--chown` is given twice", "--chown"),
        ("ADD --from=a b c", "unknown flag `--from` for ADD", "--from"),
        ("ADD --parents b c", "unknown flag `--parents` for ADD", "--parents"),
        ("COPY --checksum=a b c", "unknown flag `--checksum` for COPY", "--checksum"),
        ("ENV --a b=c", "unknown flag `--a` for ENV", "--a"),
        ("LABEL --a b=c", "unknown flag `--a` for LABEL", "--a"),
        ("USER --a b", "unknown flag `--a` for USER", "--a"),
        ("WORKDIR --a b", "unknown flag `--a` for WORKDIR", "--a"),
        ("CMD --a b", "unknown flag `--a` for CMD", "--a"),
        ("ENTRYPOINT --a b", "unknown flag `--a` for ENTRYPOINT", "--a"),
        ("SHELL --a [\"b\"]", "unknown flag `--a` for SHELL", "--a"),
        ("EXPOSE --a 80", "unknown flag `--a` for EXPOSE", "--a"),
        ("VOLUME --a /b", "unknown flag `--a` for VOLUME", "--a"),
        ("ONBUILD --a RUN b", "unknown flag `--a` for ONBUILD", "--a"),
        ("MAINTAINER --a b", "unknown flag `--a` for MAINTAINER", "--a"),
        ("HEALTHCHECK --a CMD b", "unknown flag `--a` for HEALTHCHECK", "--a"),
        ("FROM --a b", "unknown flag `--a` for FROM", "--a"),
        ("RUN --a b", "unknown flag `--a` for RUN", "--a"),
        ("ONBUILD RUN --a b", "unknown flag `--a` for RUN", "--a"),
    ]);
}

#[test]
fn unknown_instructions() {
    check_errors(&[
        ("RUNN a", "unknown instruction `RUNN`", "RUNN"),
        ("x", "unknown instruction `x`", "x"),
        ("é b", "unknown instruction `é`", "é"),
        ("\\\n", "a continuation that nothing follows", ""),
        ("ONBUILD NO a", "unknown instruction `NO`", "NO"),
    ]);
}
