//! The instructions that only change an image's configuration.

use super::{check, check_errors};

#[test]
fn env_and_label() {
    check(&[
        ("ENV A=b", r#"ENV "A"="b""#),
        ("ENV A=b C=d", r#"ENV "A"="b" "C"="d""#),
        ("ENV A=", r#"ENV "A"="""#),
        ("ENV A=b=c", r#"ENV "A"="b=c""#),
        ("ENV A=\"b c\"", r#"ENV "A"="\"b c\"""#),
        ("ENV A='b c'", r#"ENV "A"="'b c'""#),
        ("ENV A=b\\ c D=e", r#"ENV "A"="b\\ c" "D"="e""#),
        ("ENV A=\"b\\\" c\" D=e", r#"ENV "A"="\"b\\\" c\"" "D"="e""#),
        ("ENV A='b\\' C=d", r#"ENV "A"="'b\\'" "C"="d""#),
        ("ENV A=b\"c d\"e'f g' H=i", r#"ENV "A"="b\"c d\"e'f g'" "H"="i""#),
        ("ENV A=\"it's\" B='\"'", r#"ENV "A"="\"it's\"" "B"="'\"'""#),
        ("ENV A=$B C=${D:-e}", r#"ENV "A"="$B" "C"="${D:-e}""#),
        ("ENV \"A B\"=c", r#"ENV "\"A B\""="c""#),
        ("ENV A=b\\", r#"ENV "A"="b""#),
        ("ENV A=b \\\n  C=d", r#"ENV "A"="b" "C"="d""#),
        ("ENV A=\"b", r#"ENV "A"="\"b""#),
        ("ENV Ä=ö\u{2003}C=d", r#"ENV "Ä"="ö" "C"="d""#),
        ("LABEL a.b-c/d=e \"x y\"=z", r#"LABEL "a.b-c/d"="e" "\"x y\""="z""#),
        // The old form: everything after the first blank is the value.
        ("ENV A b", r#"ENV "A"="b""#),
        ("ENV A b c  d", r#"ENV "A"="b c  d""#),
        ("ENV A \t b=c", r#"ENV "A"="b=c""#),
        ("ENV A \"b c\"", r#"ENV "A"="\"b c\"""#),
        ("ENV \"A B\" c", r#"ENV "\"A"="B\" c""#),
        ("LABEL a b c", r#"LABEL "a"="b c""#),
    ]);
    check_errors(&[
        ("ENV", "ENV needs a name and a value", "ENV"),
        ("ENV A", "ENV needs a name and a value", "A"),
        ("ENV A=b C", "`C` has no `=`", "C"),
        ("ENV A=b \"c d\"", "`\"c d\"` has no `=`", "\"c d\""),
        ("ENV =b", "ENV needs a name before `=`", "=b"),
        ("LABEL", "LABEL needs a name and a value", "LABEL"),
        ("LABEL a=b =c", "LABEL needs a name before `=`", "=c"),
    ]);
}

#[test]
fn arg() {
    check(&[
        ("ARG A", r#"ARG "A""#),
        ("ARG A=b", r#"ARG "A"="b""#),
        ("ARG A=", r#"ARG "A"="""#),
        ("ARG A B=c D=\"e f\" G", r#"ARG "A" "B"="c" "D"="\"e f\"" "G""#),
        ("ARG A=$B", r#"ARG "A"="$B""#),
    ]);
    check_errors(&[
        ("ARG", "ARG needs a name", "ARG"),
        ("ARG =a", "ARG needs a name before `=`", "=a"),
        ("ARG A =b", "ARG needs a name before `=`", "=b"),
    ]);
}

#[test]
fn single_words() {
    check(&[
        ("USER a:b", r#"USER "a:b""#),
        ("USER $A", r#"USER "$A""#),
        ("USER \"a b\"", r#"USER "\"a b\"""#),
        ("WORKDIR /a b/c", r#"WORKDIR "/a b/c""#),
        ("WORKDIR [\"/a\"]", r#"WORKDIR "[\"/a\"]""#),
        ("STOPSIGNAL SIGTERM", r#"STOPSIGNAL "SIGTERM""#),
        ("STOPSIGNAL $S", r#"STOPSIGNAL "$S""#),
        ("MAINTAINER A B <a@b.c>", r#"MAINTAINER "A B <a@b.c>""#),
    ]);
    check_errors(&[
        ("USER", "USER needs a user", "USER"),
        ("WORKDIR", "WORKDIR needs a directory", "WORKDIR"),
        ("STOPSIGNAL", "STOPSIGNAL needs a signal", "STOPSIGNAL"),
        ("MAINTAINER", "MAINTAINER needs a name", "MAINTAINER"),
    ]);
}

#[test]
fn lists() {
    check(&[
        ("EXPOSE 80", r#"EXPOSE ["80"]"#),
        ("EXPOSE 80 22/tcp  5000-6000/udp", r#"EXPOSE ["22/tcp", "5000-6000/udp", "80"]"#),
        ("EXPOSE $P \"8 0\"", r#"EXPOSE ["\"8", "$P", "0\""]"#),
        ("VOLUME /a /b", r#"VOLUME ["/a", "/b"]"#),
        ("VOLUME [\"/a b\", \" /c \"]", r#"VOLUME ["/a b", "/c"]"#),
        ("VOLUME [\"/a\"", r#"VOLUME ["[\"/a\""]"#),
    ]);
    check_errors(&[
        ("EXPOSE", "EXPOSE needs a port", "EXPOSE"),
        ("VOLUME", "VOLUME needs a path", "VOLUME"),
        ("VOLUME []", "VOLUME needs a path", "VOLUME []"),
        ("VOLUME [\"/a\", \"\"]", "the path of a volume cannot be empty", "\"\""),
        ("VOLUME [1]", "a JSON array in an instruction may hold strings only", "[1]"),
    ]);
}

#[test]
fn cmd_entrypoint_and_shell() {
    check(&[
        ("CMD a b", r#"CMD sh "a b""#),
        ("CMD [\"a\", \"b c\"]", r#"CMD ["a", "b c"]"#),
        ("CMD [ \"a\" \\\n , \"b\" ]", r#"CMD ["a", "b"]"#),
        ("CMD []", "CMD []"),
        ("CMD", r#"CMD sh """#),
        ("CMD [a]", r#"CMD sh "[a]""#),
        ("CMD ['a']", r#"CMD sh "['a']""#),
        ("CMD [\"a\"] b", r#"CMD sh "[\"a\"] b""#),
        ("CMD [\"a\",]", r#"CMD sh "[\"a\",]""#),
        ("CMD [\"\\u00e9\\n\"]", r#"CMD ["é\n"]"#),
        ("ENTRYPOINT []", "ENTRYPOINT []"),
        ("ENTRYPOINT exec a", r#"ENTRYPOINT sh "exec a""#),
        ("ENTRYPOINT [\"a\"]", r#"ENTRYPOINT ["a"]"#),
        ("SHELL [\"/bin/bash\", \"-c\"]", r#"SHELL ["/bin/bash", "-c"]"#),
    ]);
    check_errors(&[
        ("CMD [1]", "a JSON array in an instruction may hold strings only", "[1]"),
        ("CMD [\"a\", null]", "a JSON array in an instruction may hold strings only", "[\"a\", null]"),
        ("ENTRYPOINT [[]]", "a JSON array in an instruction may hold strings only", "[[]]"),
        ("SHELL", "SHELL needs a program", "SHELL"),
        ("SHELL []", "SHELL needs a program", "SHELL []"),
        ("SHELL /bin/sh -c", "SHELL takes a JSON array only", "/bin/sh -c"),
        ("SHELL [1]", "a JSON array in an instruction may hold strings only", "[1]"),
    ]);
}

#[test]
fn healthcheck() {
    check(&[
        ("HEALTHCHECK NONE", "HEALTHCHECK NONE"),
        ("HEALTHCHECK none", "HEALTHCHECK NONE"),
        ("HEALTHCHECK CMD a b", r#"HEALTHCHECK sh "a b""#),
        ("HEALTHCHECK cmd [\"a\", \"b\"]", r#"HEALTHCHECK ["a", "b"]"#),
        (
            "HEALTHCHECK --interval=5s --timeout=1m30s --start-period=2h --start-interval=100ms --retries=3 \\\n CMD a",
            r#"HEALTHCHECK sh "a" interval=5s timeout=90s start=7200s each=100ms retries=3"#,
        ),
        ("HEALTHCHECK --interval=0 --retries=0 CMD a", r#"HEALTHCHECK sh "a""#),
        ("HEALTHCHECK --interval= CMD a", r#"HEALTHCHECK sh "a""#),
        ("HEALTHCHECK --interval=1ms CMD a", r#"HEALTHCHECK sh "a" interval=1ms"#),
    ]);
    check_errors(&[
        ("HEALTHCHECK", "HEALTHCHECK needs `CMD` or `NONE`", "HEALTHCHECK"),
        ("HEALTHCHECK NONE a", "HEALTHCHECK NONE takes nothing more", "a"),
        ("HEALTHCHECK CMD", "HEALTHCHECK needs a command after `CMD`", "HEALTHCHECK CMD"),
        ("HEALTHCHECK CMD []", "HEALTHCHECK needs a command after `CMD`", "HEALTHCHECK CMD []"),
        ("HEALTHCHECK curl x", "unknown kind of HEALTHCHECK `curl`", "curl"),
        ("HEALTHCHECK --interval=5 CMD a", "invalid duration `5`", "5"),
        ("HEALTHCHECK --interval=x CMD a", "invalid duration `x`", "x"),
        ("HEALTHCHECK --timeout=10us CMD a", "duration `10us` is less than a millisecond", "10us"),
        ("HEALTHCHECK --timeout=-1s CMD a", "duration `-1s` is less than a millisecond", "-1s"),
        ("HEALTHCHECK --retries=-1 CMD a", "invalid number of retries `-1`", "-1"),
        ("HEALTHCHECK --retries=x CMD a", "invalid number of retries `x`", "x"),
        ("HEALTHCHECK CMD [1]", "a JSON array in an instruction may hold strings only", "[1]"),
    ]);
}

#[test]
fn onbuild() {
    check(&[
        ("ONBUILD RUN a", r#"ONBUILD "RUN a" RUN sh "a""#),
        ("onbuild   run a", r#"ONBUILD "run a" RUN sh "a""#),
        (
            "ONBUILD COPY --from=x [\"a\", \"b\"]",
            r#"ONBUILD "COPY --from=x [\"a\", \"b\"]" COPY ["a"] -> "b" from="x""#,
        ),
        ("ONBUILD \\\n USER a", r#"ONBUILD "USER a" USER "a""#),
        ("ONBUILD RUN <<E\nx\nE", r#"ONBUILD "RUN <<E\nx\nE" RUN sh "<<E" <<E "x\n" runs "x\n""#),
        (
            "ONBUILD COPY <<a <<b /\nx\na\ny\nb",
            r#"ONBUILD "COPY <<a <<b /\nx\na\ny\nb" COPY [] <<a "x\n" <<b "y\n" -> "/""#,
        ),
    ]);
    check_errors(&[
        ("ONBUILD", "ONBUILD needs an instruction", "ONBUILD"),
        ("ONBUILD ONBUILD RUN a", "ONBUILD may not trigger ONBUILD", "ONBUILD"),
        ("ONBUILD from a", "FROM may not be triggered by ONBUILD", "from"),
        ("ONBUILD MAINTAINER a", "MAINTAINER may not be triggered by ONBUILD", "MAINTAINER"),
        ("ONBUILD COPY a", "COPY needs a source and a destination", "COPY a"),
    ]);
}

#[test]
fn triggers_parse_alone() {
    for (text, expected) in [
        ("RUN a", Some(r#"RUN sh "a""#)),
        ("RUN <<E\nx\nE", Some(r#"RUN sh "<<E" <<E "x\n" runs "x\n""#)),
        ("COPY <<a <<b /\nx\na\ny\nb", Some(r#"COPY [] <<a "x\n" <<b "y\n" -> "/""#)),
        ("", None),
        ("# only a comment", None),
        ("FROM a", None),
        ("NO a", None),
    ] {
        let (found, diagnostics) = crate::parse_trigger(text);
        assert_eq!(found.as_ref().map(super::dump::instruction).as_deref(), expected, "{text}");
        assert_eq!(diagnostics.is_empty(), expected.is_some(), "{text}");
    }
    assert_eq!(
        crate::parse_trigger("USER a\nUSER b").1[0].message,
        "a trigger of ONBUILD is one instruction"
    );
}
