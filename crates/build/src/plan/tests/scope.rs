//! Where variables hold and which one wins.

use expect_test::expect;

use super::{Case, case};

/// What `$V` is in a RUN at the end of the file.
#[track_caller]
fn value(case: &Case, expected: Option<&str>) {
    let runs = case.runs();
    let run = runs.last().expect("a RUN");
    let value = run.env.iter().find(|(name, _)| name == "V").map(|(_, value)| value.as_str());
    assert_eq!(value, expected);
}

#[test]
fn defaults_and_build_args() {
    value(&case("FROM base\nARG V=a\nRUN x"), Some("a"));
    value(&case("FROM base\nARG V=a\nRUN x").arg("V", "b"), Some("b"));
    value(&case("FROM base\nARG V\nRUN x").arg("V", "b"), Some("b"));
    value(&case("FROM base\nARG V\nRUN x"), None);
    value(&case("FROM base\nARG V=\nRUN x"), Some(""));
    value(&case("FROM base\nARG V=a\nRUN x").arg("V", ""), Some(""));
    value(&case("FROM base\nRUN x").arg("V", "b"), None);
    value(&case("FROM base\nARG A V=a B\nRUN x"), Some("a"));
}

#[test]
fn the_global_scope_reaches_a_stage_only_when_it_asks() {
    value(&case("ARG V=a\nFROM base\nRUN x"), None);
    value(&case("ARG V=a\nFROM base\nARG V\nRUN x"), Some("a"));
    value(&case("ARG V=a\nFROM base\nARG V=b\nRUN x"), Some("b"));
    value(&case("ARG V=a\nFROM base\nARG V=b\nRUN x").arg("V", "c"), Some("c"));
    value(&case("ARG V\nFROM base\nARG V\nRUN x"), None);
    value(&case("ARG A=1\nARG V=$A-2\nFROM base\nARG V\nRUN x"), Some("1-2"));
    value(&case("ARG A=1\nARG V=$A-2\nFROM base\nARG V\nRUN x").arg("A", "x"), Some("x-2"));
    value(&case("ARG A=1\nFROM base\nARG V=${A:-none}\nRUN x"), Some("none"));
}

#[test]
fn the_later_of_arg_and_env_counts() {
    value(&case("FROM base\nARG V=arg\nENV V=env\nRUN x"), Some("env"));
    value(&case("FROM base\nARG V=arg\nENV V=env\nRUN x").arg("V", "given"), Some("env"));
    value(&case("FROM base\nENV V=env\nARG V=arg\nRUN x"), Some("arg"));
    value(&case("FROM base\nENV V=env\nARG V\nRUN x"), Some("env"));
    value(&case("FROM base\nENV V=env\nARG V\nRUN x").arg("V", "given"), Some("given"));
    value(&case("FROM base\nARG V=arg\nENV V=${V}-env\nRUN x"), Some("arg-env"));
    value(&case("FROM base\nARG V=1\nARG V=${V}2\nRUN x"), Some("12"));
}

#[test]
fn a_variable_holds_from_its_instruction_on() {
    let case = case("FROM base\nRUN x\nARG V=a\nRUN y");
    let seen: Vec<bool> = case.runs().iter().map(|run| run.env.iter().any(|(name, _)| name == "V")).collect();
    assert_eq!(seen, [false, true]);
}

#[test]
fn pairs_of_one_env_do_not_see_each_other() {
    value(&case("FROM base\nENV A=1\nENV A=2 V=$A\nRUN x"), Some("1"));
    value(&case("FROM base\nENV A=2 V=$A\nRUN x"), Some(""));
}

#[test]
fn declarations_of_one_arg_see_each_other() {
    value(&case("FROM base\nARG A=1 V=${A}2\nRUN x"), Some("12"));
}

#[test]
fn a_stage_inherits_what_its_base_stage_had() {
    value(&case("FROM base AS a\nARG V=arg\nFROM a\nRUN x"), Some("arg"));
    value(&case("FROM base AS a\nENV V=env\nFROM a\nRUN x"), Some("env"));
    value(&case("FROM base AS a\nENV V=env\nFROM base\nRUN x"), None);
    value(&case("FROM base AS a\nARG V=arg\nFROM a AS b\nFROM b\nRUN x").arg("V", "g"), Some("g"));
}

#[test]
fn modifiers() {
    for (word, expected) in [
        ("${A:-d}", "d"),
        ("${E-d}", ""),
        ("${E:-d}", "d"),
        ("${F:-d}", "full"),
        ("${F:+set}", "set"),
        ("${E+set}", "set"),
        ("${A:+set}", ""),
        ("${F#f}", "ull"),
        ("${F%l}", "ful"),
        ("${F/l/L}", "fuLl"),
        ("${F//l/L}", "fuLL"),
        ("\\$F", "$F"),
        ("'$F'", "$F"),
        ("\"$F\"", "full"),
    ] {
        value(&case(&format!("FROM base\nARG E=\nARG F=full\nENV V={word}\nRUN x")), Some(expected));
    }
}

#[test]
fn platform_arguments_need_a_declaration() {
    value(&case("FROM base\nENV V=${TARGETARCH:-unset}\nRUN x"), Some("unset"));
    for (name, expected) in [
        ("TARGETPLATFORM", "linux/arm/v7"),
        ("TARGETOS", "linux"),
        ("TARGETARCH", "arm"),
        ("TARGETVARIANT", "v7"),
        ("TARGETOSVERSION", ""),
        ("BUILDPLATFORM", "linux/amd64"),
        ("BUILDARCH", "amd64"),
        ("BUILDVARIANT", ""),
        ("TARGETSTAGE", "last"),
    ] {
        let case =
            case(&format!("FROM base AS last\nARG {name}\nENV V=${name}\nRUN x")).platform("linux/arm/v7");
        value(&case, Some(expected));
    }
}

#[test]
fn platform_arguments_can_be_overridden_and_have_no_stage_default() {
    value(&case("FROM base\nARG TARGETARCH\nENV V=$TARGETARCH\nRUN x").arg("TARGETARCH", "x"), Some("x"));
    value(&case("FROM base\nARG TARGETARCH=mine\nENV V=$TARGETARCH\nRUN x"), Some("mine"));
    value(&case("FROM base\nARG TARGETSTAGE\nENV V=$TARGETSTAGE\nRUN x"), Some("default"));
    value(
        &case("FROM base AS a\nARG TARGETSTAGE\nENV V=$TARGETSTAGE\nRUN x\nFROM base").target("a"),
        Some("a"),
    );
}

#[test]
fn proxies_reach_run_without_a_declaration_and_nothing_else() {
    let case = case("FROM base\nENV V=$HTTP_PROXY\nRUN x").arg("HTTP_PROXY", "http://p").arg("no_proxy", "h");
    value(&case, Some(""));
    case.check(expect![[r#"
        stage stage-0 for linux/amd64 from image base
          1/2 ENV V=$HTTP_PROXY
          2/2 RUN x
              args ["/bin/sh" "-c" "x"]
              env V=""
              proxy HTTP_PROXY="http://p"
              proxy http_proxy="http://p"
              proxy NO_PROXY="h"
              proxy no_proxy="h"
        warning 2:7: `$HTTP_PROXY` is not set
    "#]]);
    case.check_history(expect![[r#"
        - ENV V=
        + RUN /bin/sh -c x # buildkit
    "#]]);
}

#[test]
fn a_declared_proxy_is_an_argument_like_others() {
    let case = case("FROM base\nARG HTTP_PROXY\nENV V=$HTTP_PROXY\nRUN x").arg("HTTP_PROXY", "http://p");
    value(&case, Some("http://p"));
    case.check_history(expect![[r#"
        - ARG HTTP_PROXY=http://p
        - ENV V=http://p
        + RUN |1 HTTP_PROXY=http://p /bin/sh -c x # buildkit
    "#]]);
}

#[test]
fn what_expands_and_what_does_not() {
    case(
        "FROM base\nENV V=x\nLABEL $V=$V\nWORKDIR /$V\nUSER $V\nEXPOSE 8${NO:-0}\nVOLUME /$V [\"/$V\"]\n\
         STOPSIGNAL ${S:-9}\nCMD $V\nENTRYPOINT [\"$V\"]\nSHELL [\"$V\"]\nHEALTHCHECK CMD $V\nMAINTAINER $V\n\
         ONBUILD RUN $V\nRUN $V\n",
    )
    .check_history(expect![[r#"
        - ENV V=x
        - LABEL x=x
        + WORKDIR /x
        - USER x
        - EXPOSE [80/tcp]
        - VOLUME [/x [/x]]
        - STOPSIGNAL 9
        - CMD ["/bin/sh" "-c" "$V"]
        - ENTRYPOINT ["$V"]
        - SHELL [$V]
        - HEALTHCHECK {Test:[CMD-SHELL $V] Interval:0s Timeout:0s StartPeriod:0s StartInterval:0s Retries:0}
        - MAINTAINER $V
        + RUN $V $V # buildkit
    "#]]);
}

#[test]
fn unused_build_args_are_named() {
    case("ARG A\nFROM base AS a\nARG B\nFROM base\nONBUILD ARG C\n")
        .arg("A", "1")
        .arg("B", "1")
        .arg("C", "1")
        .arg("D", "1")
        .arg("HTTPS_PROXY", "1")
        .arg("BUILDKIT_INLINE_CACHE", "1")
        .arg("SOURCE_DATE_EPOCH", "1")
        .arg("TARGETOS", "linux")
        .check(expect![[r#"
            stage stage-1 for linux/amd64 from image base
              1/1 ONBUILD ARG C
            unused: D
        "#]]);
}

#[test]
fn undefined_variables_are_warned_of_with_a_suggestion() {
    case(
        "FROM base\nARG declared\nENV VERSION=1\nRUN echo $ANYTHING\nCOPY $VERSON ${declared} /to/${NOPE}/\n",
    )
    .check(expect![[r#"
            stage stage-0 for linux/amd64 from image base
              1/4 ARG declared
              2/4 ENV VERSION=1
              3/4 RUN echo $ANYTHING
                  args ["/bin/sh" "-c" "echo $ANYTHING"]
                  env VERSION="1"
              4/4 COPY $VERSON ${declared} /to/${NOPE}/
                  the context: -> /to/
                  the context: -> /to/
            warning 5:6: `$VERSON` is not set (did you mean `VERSION`?)
            warning 5:26: `$NOPE` is not set
        "#]]);
}

#[test]
fn check_directives_silence_warnings() {
    case("# check=skip=UndefinedVar\nFROM base\nENV A=$B\n").check(expect![[r#"
        stage stage-0 for linux/amd64 from image base
          1/1 ENV A=$B
    "#]]);
    case("# check=error=true\nFROM base\nENV A=$B\n").check(expect![[r#"
        error 3:7: `$B` is not set
    "#]]);
}
