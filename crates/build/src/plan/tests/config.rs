//! What instructions make of the configuration.

use expect_test::expect;

use super::case;

#[test]
fn env_keeps_its_place() {
    case("FROM full\nENV B=1 A=2\nENV C three words\nENV D=\"q u\" E='s' F=a\\ b\nENV B=\n").check_config(
        expect![[r#"
            for linux/amd64
            User: "app"
            Env: ["PATH=/bin","A=2","B=","C=three words","D=q u","E=s","F=a b"]
            Entrypoint: ["/entry"]
            Cmd: ["arg"]
            WorkingDir: "/work/"
            Labels: {"from":"base"}
            StopSignal: "SIGINT"
            Shell: ["/bin/bash","-c"]
        "#]],
    );
}

#[test]
fn entrypoint_takes_the_base_cmd_away_but_not_an_own_one() {
    let cmd = |text: &str| case(text).result().config.config.cmd;
    assert_eq!(cmd("FROM full\nENTRYPOINT [\"e\"]\n"), None);
    assert_eq!(cmd("FROM full\nCMD [\"c\"]\nENTRYPOINT [\"e\"]\n"), Some(vec!["c".to_owned()]));
    assert_eq!(cmd("FROM full\nENTRYPOINT [\"e\"]\nCMD [\"c\"]\n"), Some(vec!["c".to_owned()]));
    assert_eq!(cmd("FROM full AS a\nCMD [\"c\"]\nFROM a\nENTRYPOINT [\"e\"]\n"), None);
    assert_eq!(cmd("FROM full\nCMD []\n"), None, "an empty list is written as none");
}

#[test]
fn shell_forms_use_the_shell_of_the_moment() {
    case("FROM base\nCMD a b\nSHELL [\"/bin/ash\", \"-eo\", \"pipefail\", \"-c\"]\nENTRYPOINT c  d\nRUN e\n")
        .check_config(expect![[r#"
            for linux/amd64
            Env: ["PATH=/bin"]
            Entrypoint: ["/bin/ash","-eo","pipefail","-c","c  d"]
            Cmd: ["/bin/sh","-c","a b"]
            ArgsEscaped: true
            Shell: ["/bin/ash","-eo","pipefail","-c"]
        "#]]);
}

#[test]
fn sets_and_maps_grow() {
    case("FROM full\nEXPOSE 80 443/tcp 53/udp 8000-8002\nVOLUME /a /b\nVOLUME [\"/c d\"]\nLABEL a=1 \"b c\"='2 3'\nLABEL from=here\n")
        .label("cli", "yes")
        .label("a", "cli")
        .check_config(expect![[r#"
            for linux/amd64
            User: "app"
            ExposedPorts: {"443/tcp":{},"53/udp":{},"80/tcp":{},"8000/tcp":{},"8001/tcp":{},"8002/tcp":{}}
            Env: ["PATH=/bin","A=base"]
            Entrypoint: ["/entry"]
            Cmd: ["arg"]
            Volumes: {"/a":{},"/b":{},"/c d":{}}
            WorkingDir: "/work/"
            Labels: {"a":"cli","b c":"2 3","cli":"yes","from":"here"}
            StopSignal: "SIGINT"
            Shell: ["/bin/bash","-c"]
        "#]]);
}

#[test]
fn labels_of_the_command_line_are_for_the_target_only() {
    let planned = case("FROM base AS a\nFROM a\n").label("x", "1").plan().unwrap();
    let labels: Vec<usize> =
        planned.plan.stages.iter().map(|stage| stage.config.config.labels.len()).collect();
    assert_eq!(labels, [0, 1]);
}

#[test]
fn healthchecks() {
    let check = |text: &str| {
        let check =
            case(&format!("FROM base\nHEALTHCHECK {text}\n")).result().config.config.healthcheck.unwrap();
        serde_json::to_string(&check).unwrap()
    };
    assert_eq!(check("NONE"), r#"{"Test":["NONE"]}"#);
    assert_eq!(check("CMD curl -f x"), r#"{"Test":["CMD-SHELL","curl -f x"]}"#);
    assert_eq!(
        check(
            "--interval=1m30s --timeout=3s --start-period=1.5s --start-interval=100ms --retries=4 CMD [\"a\", \"b\"]"
        ),
        r#"{"Test":["CMD","a","b"],"Interval":90000000000,"Timeout":3000000000,"StartPeriod":1500000000,"StartInterval":100000000,"Retries":4}"#
    );
}

#[test]
fn workdir_and_user() {
    case("FROM base\nWORKDIR a\nWORKDIR ../b/./c/\nUSER 1000:50\nWORKDIR /x//y\nWORKDIR z\nRUN x\n").check(
        expect![[r#"
        stage stage-0 for linux/amd64 from image base
          1/6 WORKDIR a
              create /a for root
          2/6 WORKDIR ../b/./c/
              create /b/c for root
          3/6 USER 1000:50
          4/6 WORKDIR /x//y
              create /x/y for 1000:50
          5/6 WORKDIR z
              create /x/y/z for 1000:50
          6/6 RUN x
              args ["/bin/sh" "-c" "x"]
              in /x/y/z
              as 1000:50
        warning 2:9: the working directory `a` depends on that of the base image
    "#]],
    );
}

#[test]
fn the_root_as_workdir_makes_no_layer() {
    case("FROM full\nWORKDIR /\nRUN x\n").check_history(expect![[r#"
        - WORKDIR /
        + RUN /bin/bash -c x # buildkit
    "#]]);
}

#[test]
fn onbuild_and_maintainer() {
    case("FROM base\nONBUILD RUN a   b\nONBUILD COPY . /x\nMAINTAINER Ann <ann@example.org>\n").check_config(
        expect![[r#"
        for linux/amd64
        author: Ann <ann@example.org>
        Env: ["PATH=/bin"]
        OnBuild: ["RUN a   b","COPY . /x"]
    "#]],
    );
}

#[test]
fn the_result_is_declared_for_the_platform_that_was_asked_for() {
    case("FROM --platform=linux/amd64 base\n").platform("linux/arm/v7").check_config(expect![[r#"
        for linux/arm/v7
        Env: ["PATH=/bin"]
    "#]]);
    case("FROM --platform=linux/s390x base\n").check_config(expect![[r#"
        for linux/s390x
        Env: ["PATH=/bin"]
    "#]]);
}
