//! COPY and ADD.

use super::{check, check_errors};

#[test]
fn sources_and_destination() {
    check(&[
        ("COPY a b", r#"COPY ["a"] -> "b""#),
        ("COPY a b c/", r#"COPY ["a", "b"] -> "c/""#),
        ("COPY  a \t b  c", r#"COPY ["a", "b"] -> "c""#),
        ("COPY \"a b\" c", r#"COPY ["\"a", "b\""] -> "c""#),
        ("COPY a\\ b c", r#"COPY ["a\\", "b"] -> "c""#),
        ("COPY [\"a b\", \"c\"]", r#"COPY ["a b"] -> "c""#),
        ("COPY --link [\"a\", \"b\", \"c\"]", r#"COPY ["a", "b"] -> "c" link"#),
        ("COPY [a] b", r#"COPY ["[a]"] -> "b""#),
        ("COPY [a-c]*.txt $D/", r#"COPY ["[a-c]*.txt"] -> "$D/""#),
        ("ADD https://a/b.tar /c", r#"ADD ["https://a/b.tar"] -> "/c""#),
        ("ADD [\"a\", \"b\"]", r#"ADD ["a"] -> "b""#),
    ]);
    check_errors(&[
        ("COPY", "COPY needs a source and a destination", "COPY"),
        ("COPY a", "COPY needs a source and a destination", "COPY a"),
        ("COPY --link a", "COPY needs a source and a destination", "COPY --link a"),
        ("COPY [\"a\"]", "COPY needs a source and a destination", "COPY [\"a\"]"),
        ("COPY []", "COPY needs a source and a destination", "COPY []"),
        ("COPY [1, 2]", "a JSON array in an instruction may hold strings only", "[1, 2]"),
        ("ADD a", "ADD needs a source and a destination", "ADD a"),
    ]);
}

#[test]
fn flags() {
    check(&[
        ("COPY --from=0x a b", r#"COPY ["a"] -> "b" from="0x""#),
        ("COPY --from=img:tag@sha256:00 a b", r#"COPY ["a"] -> "b" from="img:tag@sha256:00""#),
        (
            "COPY --from=x --chown=1:2 --chmod=0755 --link --parents --exclude=*.a --exclude=b/** c d",
            r#"COPY ["c"] -> "d" from="x" chown="1:2" chmod="0755" link parents exclude="*.a" exclude="b/**""#,
        ),
        ("COPY --chown=$U:$G a b", r#"COPY ["a"] -> "b" chown="$U:$G""#),
        ("COPY --chmod=u=rwX,go=rX a b", r#"COPY ["a"] -> "b" chmod="u=rwX,go=rX""#),
        ("COPY --chmod=$M a b", r#"COPY ["a"] -> "b" chmod="$M""#),
        (
            "ADD --checksum=sha256:00 --keep-git-dir --unpack=false --link --chown=a --chmod=1 --exclude=x b c",
            r#"ADD ["b"] -> "c" chown="a" chmod="1" checksum="sha256:00" link keep-git-dir=true unpack=false exclude="x""#,
        ),
        ("ADD --keep-git-dir=false --unpack b c", r#"ADD ["b"] -> "c" keep-git-dir=false unpack=true"#),
    ]);
    check_errors(&[
        ("COPY --from=$X a b", "variables are not expanded in `--from`", "$X"),
        ("COPY --from=${X} a b", "variables are not expanded in `--from`", "${X}"),
        ("COPY --chmod=abc a b", "invalid mode `abc`", "abc"),
        ("COPY --chmod=888 a b", "invalid mode `888`", "888"),
        ("COPY --chmod=10000 a b", "invalid mode `10000`", "10000"),
        ("ADD --chmod=u+q a b", "invalid mode `u+q`", "u+q"),
    ]);
}

#[test]
fn files_within_the_dockerfile() {
    check(&[
        ("COPY <<a /x\nhi\na", r#"COPY [] <<a "hi\n" -> "/x""#),
        ("COPY <<-a /x\n\t\thi\n\ta", r#"COPY [] <<-a "hi\n" -> "/x""#),
        ("COPY <<'a' /x\n$hi\na", r#"COPY [] <<'a' "$hi\n" -> "/x""#),
        ("COPY <<\"a\" /x\n$hi\na", r#"COPY [] <<'a' "$hi\n" -> "/x""#),
        ("COPY a <<b c <<d /x/\n1\nb\n2\nd", r#"COPY ["a", "c"] <<b "1\n" <<d "2\n" -> "/x/""#),
        ("COPY --chmod=644 <<a /x\na", r#"COPY [] <<a "" -> "/x" chmod="644""#),
        ("ADD <<a.txt /x\nhi\na.txt", r#"ADD [] <<a.txt "hi\n" -> "/x""#),
        ("copy <<a /x\nhi\na", r#"COPY [] <<a "hi\n" -> "/x""#),
        // JSON has no heredocs.
        ("COPY [\"<a\", \"/x\"]", r#"COPY ["<a"] -> "/x""#),
    ]);
    check_errors(&[
        ("COPY a <<b\nx\nb", "the destination of COPY cannot be a heredoc", "<<b"),
        ("COPY << a /x\nhi\na", "heredoc `a` is not a source of COPY", "COPY << a /x"),
        ("COPY <<a it's /x", "heredoc `a` has no content", "<<a"),
        ("COPY <<a <<a /x\n1\na\n2\na", "two heredocs are named `a`", "/x"),
        ("COPY [\"<<a\", \"/x\"]", "heredoc `a` has no content", "\"<<a\""),
    ]);
}
