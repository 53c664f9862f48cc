//! RUN.

use super::{check, check_errors};

#[test]
fn forms() {
    check(&[
        ("RUN a b", r#"RUN sh "a b""#),
        ("RUN a  \"b  c\"  $D", r#"RUN sh "a  \"b  c\"  $D""#),
        ("RUN [\"a\", \"$B\"]", r#"RUN ["a", "$B"]"#),
        ("RUN [ -f a ] && b", r#"RUN sh "[ -f a ] && b""#),
        ("RUN [[ -f a ]]", r#"RUN sh "[[ -f a ]]""#),
        ("RUN [\"a\", 'b']", r#"RUN sh "[\"a\", 'b']""#),
        ("RUN", r#"RUN sh """#),
        ("RUN a \\\n  && b \\\n  || c", r#"RUN sh "a   && b   || c""#),
    ]);
    check_errors(&[
        ("RUN []", "RUN needs a command", "RUN []"),
        ("RUN [1]", "a JSON array in an instruction may hold strings only", "[1]"),
    ]);
}

#[test]
fn network_and_security() {
    check(&[
        ("RUN --network=default a", r#"RUN sh "a" network=Default"#),
        ("RUN --network=none a", r#"RUN sh "a" network=None"#),
        ("RUN --network=host a", r#"RUN sh "a" network=Host"#),
        ("RUN --security=sandbox a", r#"RUN sh "a" security=Sandbox"#),
        ("RUN --security=insecure --network=none a", r#"RUN sh "a" network=None security=Insecure"#),
    ]);
    check_errors(&[
        ("RUN --network=hots a", "invalid network mode `hots`", "hots"),
        ("RUN --network=HOST a", "invalid network mode `HOST`", "HOST"),
        ("RUN --network= a", "invalid network mode ``", "--network="),
        ("RUN --network a", "flag `--network` needs a value", "--network"),
        ("RUN --security=none a", "invalid security mode `none`", "none"),
        ("RUN --device=vendor/x a", "`--device` is not supported", "vendor/x"),
    ]);
}
