//! The image's history, letter by letter.

use expect_test::expect;

use super::case;

#[test]
fn every_instruction() {
    case(
        "FROM base\nENV A=b C=\"d e\"\nLABEL l='x y'\nARG P Q=1 R=\nUSER app\nWORKDIR /w\nEXPOSE 80 90-91/udp\n\
         VOLUME [\"/v\", \"/w x\"]\nSTOPSIGNAL SIGTERM\nSHELL [\"/bin/bash\", \"-c\"]\nCMD [\"a\", \"b\\\"c\"]\n\
         ENTRYPOINT e f\nHEALTHCHECK --interval=90s CMD [\"h\", \"i j\"]\nONBUILD RUN never\nMAINTAINER me\n",
    )
    .check_history(expect![[r#"
        - ENV A=b C=d e
        - LABEL l=x y
        - ARG P Q=1 R=
        - USER app
        + WORKDIR /w
        - EXPOSE [80/tcp 90/udp 91/udp]
        - VOLUME [/v /w x]
        - STOPSIGNAL SIGTERM
        - SHELL [/bin/bash -c]
        - CMD ["a" "b\"c"]
        - ENTRYPOINT ["/bin/bash" "-c" "e f"]
        - HEALTHCHECK {Test:[CMD h i j] Interval:1m30s Timeout:0s StartPeriod:0s StartInterval:0s Retries:0}
        - MAINTAINER me
    "#]]);
}

#[test]
fn runs_and_their_arguments() {
    case(
        "FROM base\nRUN a  &&\\\n  b\nRUN [\"x\", \"y z\"]\nARG A=1\nARG B\nENV A=env\nRUN c\nARG A=2 C\nRUN d\n",
    )
    .check_history(expect![[r#"
        + RUN /bin/sh -c a  &&  b # buildkit
        + RUN x y z # buildkit
        - ARG A=1
        - ARG B
        - ENV A=env
        + RUN |2 A=env B= /bin/sh -c c # buildkit
        - ARG A=2 C
        + RUN |3 A=2 B= C= /bin/sh -c d # buildkit
    "#]]);
}

#[test]
fn flags_of_run_are_not_in_it() {
    case("FROM base\nRUN --mount=type=tmpfs,target=/t --network=none x\n").check_history(expect![[r#"
        + RUN /bin/sh -c x # buildkit
    "#]]);
}

#[test]
fn copies() {
    case(
        "FROM base AS s\nFROM base\nENV D=/to U=app\nCOPY a b $D/\nCOPY --from=s --chown=$U:x --chmod=0755 --link a /b\n\
         COPY --parents --exclude=x a/b /c/\nCOPY [\"a b\", \"c d\"]\nADD --checksum=sha256:e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855 --chown=1 http://h/x .\n\
         COPY a <<E1 <<E2 /h/\n1\nE1\n2\nE2\n",
    )
    .check_history(expect![[r#"
        - ENV D=/to U=app
        + COPY a b /to/ # buildkit
        + COPY --chown=app:x --chmod=0755 a /b # buildkit
        + COPY --parents a/b /c/ # buildkit
        + COPY a b c d # buildkit
        + ADD --chown=1 http://h/x . # buildkit
        + COPY a <<E1 <<E2 /h/ # buildkit
    "#]]);
}

#[test]
fn heredocs_of_run() {
    case("FROM base\nRUN <<EOF\na\n\tb\nEOF\nRUN cat <<X >/f\nc\nX\nRUN <<S\n#!/bin/x\nd\nS\n")
        .check_history(expect![[r#"
        + RUN /bin/sh -c a
        	b
         # buildkit
        + RUN /bin/sh -c cat <<X >/f
        c
        X # buildkit
        + RUN /bin/sh -c /dev/pipes/S # buildkit
    "#]]);
}

#[test]
fn the_base_comes_first_and_times_are_the_epoch() {
    let image = |config: &mut oci::ImageConfig| {
        config.history =
            vec![oci::config::History { created_by: Some("older".into()), ..Default::default() }];
    };
    let stage = case("FROM t\nENV A=1\n").image("t", image).epoch(0).result();
    let history = stage.config.history;
    assert_eq!(history.len(), 2);
    assert_eq!(history[0].created_by.as_deref(), Some("older"));
    assert_eq!(history[1].created.as_deref(), Some("1970-01-01T00:00:00Z"));
    assert_eq!(history[1].comment.as_deref(), Some("buildkit.dockerfile.v0"));
}
