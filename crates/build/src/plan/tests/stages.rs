//! Which stages a build needs, and how they refer to each other.

use expect_test::expect;

use super::{NamedContext, case};

#[test]
fn only_what_the_target_needs_is_planned() {
    case("FROM base AS a\nFROM base AS unused\nFROM a AS b\nFROM base\nCOPY --from=b /x /x\n").check(
        expect![[r#"
        stage a for linux/amd64 from image base

        stage b for linux/amd64 from stage 0

        stage stage-3 for linux/amd64 from image base
          1/1 COPY --from=b /x /x
              stage 2:/x -> /x
    "#]],
    );
}

#[test]
fn a_stage_that_is_not_needed_may_have_an_unknown_image() {
    case("FROM nosuch AS a\nFROM base\n").check(expect![[r#"
        stage stage-1 for linux/amd64 from image base
    "#]]);
}

#[test]
fn targets_by_name_number_and_case() {
    let text = "FROM base AS one\nFROM base AS Two\nFROM base\n";
    for (target, expected) in [("one", "one"), ("ONE", "one"), ("0", "one"), ("two", "two"), ("2", "stage-2")]
    {
        assert_eq!(case(text).target(target).result().label(), expected);
    }
}

#[test]
fn an_unknown_target() {
    case("FROM base AS build\nFROM base\n").target("biuld").check(expect![[r#"
        error 2:1: target stage `biuld` does not exist (did you mean `build`?)
    "#]]);
    case("FROM base\nFROM base\n").target("x").check(expect![[r#"
        error 2:1: target stage `x` does not exist (the stages have no names; their numbers are 0 to 1)
    "#]]);
    case("FROM base AS a\nFROM base AS b\n").target("7").check(expect![[r#"
        error 2:1: target stage `7` does not exist (the stages are `a`, `b`)
    "#]]);
}

#[test]
fn sources_by_name_number_image_and_case() {
    case(
        "FROM base AS one\nFROM base\nFROM base\nCOPY --from=ONE a /\nCOPY --from=1 b /\nCOPY --from=full c /\n\
         COPY --from=scratch d /\n",
    )
    .check(expect![[r#"
        stage one for linux/amd64 from image base

        stage stage-1 for linux/amd64 from image base

        stage stage-2 for linux/amd64 from image base
          1/4 COPY --from=ONE a /
              stage 0:a -> /
          2/4 COPY --from=1 b /
              stage 1:b -> /
          3/4 COPY --from=full c /
              image full:c -> /
          4/4 COPY --from=scratch d /
              scratch:d -> /
    "#]]);
}

#[test]
fn a_later_stage_of_the_same_name_counts_for_those_after_it() {
    case("FROM base AS a\nENV X=1\nFROM a AS a\nENV X=2\nFROM a\nRUN x\n").check(expect![[r#"
        stage a for linux/amd64 from image base
          1/1 ENV X=1

        stage a for linux/amd64 from stage 0
          1/1 ENV X=2

        stage stage-2 for linux/amd64 from stage 1
          1/1 RUN x
              args ["/bin/sh" "-c" "x"]
              env X="2"
    "#]]);
}

#[test]
fn a_base_name_before_its_stage_is_an_image() {
    case("FROM base AS base\nFROM base\n").check(expect![[r#"
        stage base for linux/amd64 from image base

        stage stage-1 for linux/amd64 from stage 0
    "#]]);
}

#[test]
fn references_to_itself_and_forwards() {
    case("FROM base AS me\nCOPY --from=me /a /b\n").check(expect![[r#"
        error 2:13: stage `me` refers to itself
    "#]]);
    case("FROM base AS first\nCOPY --from=later /a /b\nFROM base AS later\nFROM first\n").check(expect![[
        r#"
        error 2:13: stage `later` comes later in the file (a stage can use only those above it)
    "#
    ]]);
    case("FROM base\nCOPY --from=3 /a /b\n").check(expect![[r#"
        error 2:13: no stage has the number 3 (stages are counted from 0, and the last is 0)
    "#]]);
    case("FROM base\nRUN --mount=from=later,target=/m x\nFROM base AS later\nFROM base\n").target("0").check(
        expect![[r#"
            error 2:18: stage `later` comes later in the file (a stage can use only those above it)
        "#]],
    );
}

#[test]
fn variables_in_from() {
    case("ARG IMAGE=base\nARG TAG\nFROM ${IMAGE}${TAG:+:$TAG}\n").check(expect![[r#"
        stage stage-0 for linux/amd64 from image base
    "#]]);
    case("ARG IMAGE\nFROM $IMAGE\n").arg("IMAGE", "full").check(expect![[r#"
        stage stage-0 for linux/amd64 from image full
        warning 2:6: with its default arguments, `$IMAGE` is not an image reference
    "#]]);
    case("ARG IMAGE\nFROM $IMAGE\n").check(expect![[r#"
        warning 2:6: with its default arguments, `$IMAGE` is not an image reference
        error 2:6: the base image `$IMAGE` is empty (give the ARG before the first FROM a default, or set it with `--build-arg`)
    "#]]);
    case("ARG IMAGE=base\nFROM ${IMAG:-base}\n").check(expect![[r#"
        stage stage-0 for linux/amd64 from image base
        warning 2:6: `IMAG` is not declared before the first FROM (did you mean `IMAGE`?)
    "#]]);
    case("ARG STAGE=a\nFROM base AS a\nFROM $STAGE\n").check(expect![[r#"
        stage a for linux/amd64 from image base

        stage stage-1 for linux/amd64 from stage 0
    "#]]);
}

#[test]
fn platforms() {
    case("FROM --platform=$BUILDPLATFORM base AS a\nFROM base\nCOPY --from=a /x /x\n")
        .platform("linux/arm64")
        .check(expect![[r#"
            stage a for linux/amd64 from image base

            stage stage-1 for linux/arm64 from image base
              1/1 COPY --from=a /x /x
                  stage 0:/x -> /x
        "#]]);
    case("FROM --platform=linux/nope/x/y base\n").check(expect![[r#"
        error 1:17: `linux/nope/x/y` is not a platform: write `OS/ARCHITECTURE` or `OS/ARCHITECTURE/VARIANT`, as in `linux/arm64`
    "#]]);
    case("FROM --platform=$NOPE base\n").check(expect![[r#"
        warning 1:17: `NOPE` is not declared before the first FROM
        error 1:17: the platform `$NOPE` is empty
    "#]]);
    case("FROM --platform=$TARGETPLATFORM base\n").check(expect![[r#"
        stage stage-0 for linux/amd64 from image base
    "#]]);
}

#[test]
fn a_stage_on_a_stage_has_its_platform() {
    case("FROM --platform=linux/s390x base AS a\nFROM a\n").check(expect![[r#"
        stage a for linux/s390x from image base

        stage stage-1 for linux/s390x from stage 0
    "#]]);
}

#[test]
fn an_image_for_another_platform_is_warned_of() {
    let fixed = |config: &mut oci::ImageConfig| config.os_version = Some("fixed".to_owned());
    case("FROM odd\n").image("odd", fixed).platform("linux/arm64").check(expect![[r#"
        stage stage-0 for linux/arm64 from image odd
        warning 1:6: `odd` is an image for linux/amd64, not for linux/arm64
    "#]]);
}

#[test]
fn unknown_images_and_their_hints() {
    case("FROM base AS builder\nFROM nosuch\nCOPY --from=bulder /a /b\n").check(expect![[r#"
        error 2:6: no image `nosuch` (pull it)
    "#]]);
    case("FROM base AS builder\nFROM base\nCOPY --from=bulder /a /b\n").check(expect![[r#"
        error 3:13: unknown stage `bulder` (the only named stage is `builder`; did you mean `builder`?)
    "#]]);
}

#[test]
fn named_contexts_replace_images_and_stages() {
    let image = || NamedContext::Image("full".to_owned());
    case("FROM debian\n").context("debian", image()).check(expect![[r#"
        stage stage-0 for linux/amd64 from image full
    "#]]);
    case("FROM docker.io/library/debian:latest\n").context("debian", image()).check(expect![[r#"
        stage stage-0 for linux/amd64 from image full
    "#]]);
    case("FROM base AS deps\nRUN never\nFROM base\nCOPY --from=deps /x /x\n").context("deps", image()).check(
        expect![[r#"
            stage deps for linux/amd64 from image full

            stage stage-1 for linux/amd64 from image base
              1/1 COPY --from=deps /x /x
                  stage 0:/x -> /x
        "#]],
    );
    case("FROM base\nCOPY --from=files a /\nRUN --mount=from=files,target=/m x\n")
        .context("files", NamedContext::Tree)
        .check(expect![[r#"
            stage stage-0 for linux/amd64 from image base
              1/2 COPY --from=files a /
                  context files:a -> /
              2/2 RUN --mount=from=files,target=/m x
                  args ["/bin/sh" "-c" "x"]
                  mount bind context files:/ at /m read-only
        "#]]);
    case("FROM files\nRUN x\n").context("files", NamedContext::Tree).check(expect![[r#"
        stage stage-0 for linux/amd64 from context files
          1/1 RUN x
              args ["/bin/sh" "-c" "x"]
    "#]]);
}

#[test]
fn the_first_from_can_be_replaced() {
    case("ARG X\nFROM $X AS a\nFROM base\nCOPY --from=a /a /\n").from("full").check(expect![[r#"
        stage a for linux/amd64 from image full

        stage stage-1 for linux/amd64 from image base
          1/1 COPY --from=a /a /
              stage 0:/a -> /
    "#]]);
    case("FROM base AS a\n").from("scratch").check(expect![[r#"
        stage a for linux/amd64 from scratch
    "#]]);
}

#[test]
fn a_long_chain_and_many_stages_are_no_trouble() {
    let mut text = "FROM base AS s0\n".to_owned();
    for number in 1..2_000 {
        text += &format!("FROM s{} AS s{number}\n", number - 1);
    }
    assert_eq!(case(&text).plan().unwrap().plan.stages.len(), 2_000);
}

#[test]
fn a_file_that_would_make_an_endless_plan_is_refused() {
    let text =
        "FROM base\n".to_owned() + &(0..250).map(|n| format!("ENV A{n}=1\nRUN x\n")).collect::<String>();
    let errors = case(&text).plan().unwrap_err();
    assert!(errors[0].message.starts_with("the plan is too large"), "{}", errors[0].message);
}
