//! Whole repositories as texts: what is found in them.

use expect_test::{Expect, expect};

use super::*;
use crate::files::Memory;
use crate::graph;

/// A repository as platform teams have them: base images, Airflow's on top, notebooks; BuildConfigs applied by an app of
/// apps; a Makefile; a pipeline; and what goes wrong in such repositories.
const FOREST: &str = include_str!("../../fixtures/forest.txt");

fn given() -> Given {
    Given { name: "forest".into(), remotes: vec!["git@git.example.com:forest/forest.git".into()] }
}

fn show(tree: &str, given: &Given) -> String {
    let files = Memory::parse(tree);
    let project = load(&files, given);
    let graph = graph(&project, &files);
    let mut shown = format!("{}\n", project.source);
    for wave in graph.waves() {
        let names: Vec<&str> = wave.iter().map(|image| project.images[*image].name.as_str()).collect();
        shown += &format!("  {}\n", names.join(" "));
    }
    for edge in &graph.edges {
        let name = |node: crate::NodeId| &graph.nodes[node.0].name;
        shown += &format!("{} -> {} {} {}\n", name(edge.from), name(edge.to), edge.kind.name(), edge.place);
    }
    for finding in project.findings.iter().chain(&graph.findings) {
        shown += &format!("[{}] {finding}\n", finding.code);
        if let Some(fix) = &finding.fix {
            shown += &format!("    {fix}\n");
        }
    }
    for unsupported in &project.unsupported {
        shown += &format!("not supported: {} ({})\n", unsupported.what, unsupported.place);
    }
    shown
}

#[track_caller]
fn check(tree: &str, given: &Given, expected: Expect) {
    expected.assert_eq(&show(tree, given));
}

#[test]
fn a_platform_s_repository() {
    check(
        FOREST,
        &given(),
        expect![[r#"
        9 BuildConfigs from 3 Argo CD Applications
          company-base tool
          notebook-spark python-base spare
          airflow-base notebook-base
          airflow-runner airflow-scheduler airflow-webserver
        python-base -> airflow-base from supply-chain/builds/airflow-base.yaml:19:15
        maven:3 -> airflow-runner stage-from supply-chain/airflow-runner/Dockerfile:1:6
        airflow-base -> airflow-runner from supply-chain/builds/airflow-runner.yaml:19:15
        airflow-base -> airflow-scheduler from supply-chain/builds/airflow-scheduler.yaml:19:15
        airflow-base -> airflow-webserver from supply-chain/builds/airflow-webserver.yaml:19:15
        registry.example.com/ubi8/ubi:8.6 -> company-base from supply-chain/builds/company-base.yaml:19:15
        python-base -> notebook-base from supply-chain/notebook-base/Dockerfile:1:6
        tool -> notebook-spark input supply-chain/builds/notebook-spark.yaml:16:17
        quay.io/forest/notebook-base:latest -> notebook-spark from supply-chain/notebook-spark/Dockerfile:1:6
        company-base -> python-base from supply-chain/builds/python-base.yaml:19:15
        company-base -> spare from supply-chain/spare/Dockerfile:1:6
        golang:1.17 -> tool stage-from supply-chain/tool/Dockerfile:1:6
        [sources-disagree] supply-chain/airflow-base/Makefile:4:2: warning: the Makefile builds `airflow-base` on `quay.io/forest/python-basis:1.0`, and its BuildConfig on `python-base:1.0`
            the BuildConfig's is at supply-chain/builds/airflow-base.yaml:19:15
        [undeclared] supply-chain/spare/Dockerfile:1:1: info: no BuildConfig builds `supply-chain/spare/Dockerfile`
        [replaced-from] supply-chain/builds/airflow-base.yaml:19:15: info: `dockerStrategy.from` replaces the last FROM of `airflow-base`, `quay.io/forest/python-base:1.0` in line 1, with `python-base:1.0`
        [replaced-from] supply-chain/builds/airflow-runner.yaml:19:15: info: `dockerStrategy.from` replaces the last FROM of `airflow-runner`, `airflow-base` in line 3, with `airflow-base:1.0`
            `--from` of Podman would replace the first FROM, `maven:3`
        [replaced-from] supply-chain/builds/airflow-scheduler.yaml:19:15: info: `dockerStrategy.from` replaces the last FROM of `airflow-scheduler`, `airflow-base:1.0` in line 1, with `airflow-base:1.0`
        [replaced-from] supply-chain/builds/airflow-webserver.yaml:19:15: info: `dockerStrategy.from` replaces the last FROM of `airflow-webserver`, `airflow-base:1.0` in line 1, with `airflow-base:1.0`
        [trigger-contradicts] supply-chain/builds/airflow-webserver.yaml:35:17: warning: `airflow-webserver` is triggered by `python-base:1.0`, which it does not use: it is built on `airflow-base`
            the trigger rebuilds it for nothing, and not when its base changes; name the same image in both
        [no-trigger] supply-chain/builds/airflow-webserver.yaml:35:17: warning: nothing rebuilds `airflow-webserver` when its base `airflow-base` is rebuilt
            add an ImageChange trigger for it
        [replaced-from] supply-chain/builds/company-base.yaml:19:15: info: `dockerStrategy.from` replaces the last FROM of `company-base`, `registry.example.com/ubi8/ubi:8.6` in line 1, with `ubi:8.6`
        [no-trigger] supply-chain/builds/notebook-base.yaml:28:13: warning: nothing rebuilds `notebook-base` when its base `python-base` is rebuilt
            add an ImageChange trigger for it
        [no-trigger] supply-chain/builds/notebook-spark.yaml:39:13: warning: nothing rebuilds `notebook-spark` when `tool`, which it copies from, is rebuilt
            add an ImageChange trigger for it
        [replaced-from] supply-chain/builds/python-base.yaml:19:15: info: `dockerStrategy.from` replaces the last FROM of `python-base`, `company-base:1.0` in line 2, with `company-base:1.0`
        [near-match] supply-chain/notebook-spark/Dockerfile:1:6: warning: `quay.io/forest/notebook-base:latest` comes from outside, and the project builds `notebook-base`
            write `FROM notebook-base` if the project's own is meant
        [pipeline-misses] supply-chain/pipeline.yaml:4:9: warning: pipeline `build-storm` does not build `airflow-webserver`, `notebook-spark` and `tool`
        [pipeline-order] supply-chain/pipeline.yaml:20:13: warning: pipeline `build-storm` does not wait for `airflow-base` before it builds `airflow-runner`, which needs it
            task `airflow-runner` should have `runAfter: [airflow-base]`
        [pipeline-order] supply-chain/pipeline.yaml:24:13: warning: pipeline `build-storm` does not wait for `airflow-base` before it builds `airflow-scheduler`, which needs it
            task `airflow-scheduler` should have `runAfter: [airflow-base]`
        [pipeline-unknown] supply-chain/pipeline.yaml:25:18: error: task `airflow-scheduler` of pipeline `build-storm` runs after `airflow-bas`, which is no task of it
            did you mean `airflow-base`?
        not supported: Application `nexus`: Helm chart `nexus` (gitops/apps/nexus.yaml:8:12)
    "#]],
    );
}
