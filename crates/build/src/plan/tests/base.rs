//! What a stage takes over from its base, and ONBUILD.

use expect_test::expect;

use super::case;

#[test]
fn an_image_brings_its_configuration() {
    case("FROM full\n").check_config(expect![[r#"
        for linux/amd64
        User: "app"
        Env: ["PATH=/bin","A=base"]
        Entrypoint: ["/entry"]
        Cmd: ["arg"]
        WorkingDir: "/work/"
        Labels: {"from":"base"}
        StopSignal: "SIGINT"
        Shell: ["/bin/bash","-c"]
    "#]]);
}

#[test]
fn scratch_has_a_path_and_a_directory() {
    case("FROM scratch\n").check_config(expect![[r#"
        for linux/amd64
        Env: ["PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"]
        WorkingDir: "/"
    "#]]);
}

#[test]
fn a_path_is_added_where_there_is_none() {
    let bare = |config: &mut oci::ImageConfig| config.config.env = vec!["X=1".to_owned()];
    case("FROM bare\n").image("bare", bare).check_config(expect![[r#"
        for linux/amd64
        Env: ["X=1","PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"]
    "#]]);
}

#[test]
fn run_sees_environment_user_directory_and_shell_of_the_base() {
    case("FROM full\nRUN x\n").check(expect![[r#"
        stage stage-0 for linux/amd64 from image full
          1/1 RUN x
              args ["/bin/bash" "-c" "x"]
              env A="base"
              in /work
              as app
    "#]]);
}

#[test]
fn a_stage_takes_over_from_a_stage() {
    case("FROM full AS a\nUSER root\nWORKDIR sub\nCMD [\"x\"]\nONBUILD ENV O=1\nFROM a AS b\nFROM b\n")
        .check_config(expect![[r#"
            for linux/amd64
            User: "root"
            Env: ["PATH=/bin","A=base","O=1"]
            Entrypoint: ["/entry"]
            Cmd: ["x"]
            WorkingDir: "/work/sub"
            Labels: {"from":"base"}
            StopSignal: "SIGINT"
            ArgsEscaped: true
            Shell: ["/bin/bash","-c"]
        "#]]);
}

#[test]
fn triggers_of_an_image_run_first_and_end_there() {
    let case = case("FROM trigger\nRUN own\n");
    case.check(expect![[r#"
        stage stage-0 for linux/amd64 from image trigger
          1/3 ONBUILD RUN echo triggered
              args ["/bin/sh" "-c" "echo triggered"]
          2/3 ONBUILD COPY . /src
              the context:. -> /src
          3/3 RUN own
              args ["/bin/sh" "-c" "own"]
    "#]]);
    assert!(case.result().config.config.on_build.is_empty());
    case.check_history(expect![[r#"
        + RUN /bin/sh -c echo triggered # buildkit
        + COPY . /src # buildkit
        + RUN /bin/sh -c own # buildkit
    "#]]);
}

#[test]
fn triggers_of_a_stage_run_in_the_next_one_only() {
    case("FROM base AS a\nONBUILD RUN t\nRUN a\nFROM a AS b\nRUN b\nFROM b\nRUN c\n").check(expect![[r#"
        stage a for linux/amd64 from image base
          1/2 ONBUILD RUN t
          2/2 RUN a
              args ["/bin/sh" "-c" "a"]

        stage b for linux/amd64 from stage 0
          1/2 ONBUILD RUN t
              args ["/bin/sh" "-c" "t"]
          2/2 RUN b
              args ["/bin/sh" "-c" "b"]

        stage stage-2 for linux/amd64 from stage 1
          1/1 RUN c
              args ["/bin/sh" "-c" "c"]
    "#]]);
}

#[test]
fn triggers_see_build_args_and_later_words() {
    let image = |config: &mut oci::ImageConfig| {
        config.config.on_build = vec!["ARG V=d".into(), "ENV W=$V".into(), "RUN x".into()];
    };
    case("FROM t\n").image("t", image).arg("V", "given").check_history(expect![[r#"
        - ARG V=given
        - ENV W=given
        + RUN |1 V=given /bin/sh -c x # buildkit
    "#]]);
}

#[test]
fn a_trigger_may_need_another_stage() {
    let image =
        |config: &mut oci::ImageConfig| config.config.on_build = vec!["COPY --from=tools /t /t".into()];
    case("FROM base AS tools\nRUN make\nFROM t\n").image("t", image).check(expect![[r#"
        stage tools for linux/amd64 from image base
          1/1 RUN make
              args ["/bin/sh" "-c" "make"]

        stage stage-1 for linux/amd64 from image t
          1/1 ONBUILD COPY --from=tools /t /t
              stage 0:/t -> /t
    "#]]);
}

#[test]
fn a_broken_trigger_is_reported_at_the_from() {
    let image =
        |config: &mut oci::ImageConfig| config.config.on_build = vec!["COPY --from=nosuch /t /t".into()];
    case("FROM base\nFROM t\n").image("t", image).check(expect![[r#"
        error 2:6: ONBUILD trigger of `t`: no image `nosuch` (pull it)
    "#]]);
}

#[test]
fn epochs() {
    let epoch = |case: super::Case| case.result().epoch;
    assert_eq!(epoch(case("FROM scratch\n")), 315_532_800);
    assert_eq!(epoch(case("FROM base\n")), 1_704_067_200);
    assert_eq!(epoch(case("FROM base\n").epoch(7)), 7);
    assert_eq!(epoch(case("FROM base\n").arg("SOURCE_DATE_EPOCH", "8")), 8);
    assert_eq!(epoch(case("FROM base\n").arg("SOURCE_DATE_EPOCH", "8").epoch(7)), 7);
    assert_eq!(epoch(case("ARG SOURCE_DATE_EPOCH=9\nFROM base\n")), 9);
    assert!(case("FROM base\n").arg("SOURCE_DATE_EPOCH", "soon").plan().is_err());
    assert_eq!(epoch(case("FROM base AS a\nFROM a\n")), 1_704_067_200);
    assert_eq!(epoch(case("FROM bare\n").image("bare", |_| ())), 315_532_800);
    assert_eq!(case("FROM base\n").result().config.created.as_deref(), Some("2024-01-01T00:00:00Z"));
}
