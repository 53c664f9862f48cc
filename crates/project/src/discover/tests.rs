//! Whole repositories as texts: what is found in them.

use expect_test::{Expect, expect};

use super::*;
use crate::files::Memory;
use crate::graph;
use crate::model::{CommandForm, InputKind, RunPolicy, TestKind};

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
    for edge in &graph.closing {
        let name = |node: crate::NodeId| &graph.nodes[node.0].name;
        shown += &format!("{} -> {} closes a cycle at {}\n", name(edge.from), name(edge.to), edge.place);
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
pub fn check(tree: &str, given: &Given, expected: Expect) {
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
                the BuildConfig is at supply-chain/builds/airflow-base.yaml:4:9
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
            [pipeline-unknown] supply-chain/pipeline.yaml:25:18: warning: task `airflow-scheduler` of pipeline `build-storm` runs after `airflow-bas`, which is no task of it
                did you mean `airflow-base`?
            not supported: Application `nexus`: Helm chart `nexus` (gitops/apps/nexus.yaml:8:12)
        "#]],
    );
}

/// A BuildConfig of the working tree, with what differs.
fn config(name: &str, source: &str, strategy: &str, rest: &str) -> String {
    format!(
        "apiVersion: build.openshift.io/v1\nkind: BuildConfig\nmetadata:\n  name: {name}\nspec:\n  source:\n    git: {{uri: 'https://git.example.com/forest/forest.git'}}\n{source}  strategy:\n{strategy}  output:\n    to: {{kind: ImageStreamTag, name: '{name}:1'}}\n{rest}"
    )
}

#[test]
fn everything_that_a_build_config_may_say() {
    let source = "    contextDir: app\n    dockerfile: |\n      FROM b:1\n      COPY --from=nginx:latest /x /\n    secrets: [{secret: {name: s}, destinationDir: in}]\n    configMaps: [{configMap: {name: m}}]\n    images:\n      - from: {kind: ImageStreamTag, name: 'tool:1', namespace: other}\n        as: ['nginx:latest']\n    binary: {}\n";
    let strategy = "    dockerStrategy:\n      env: [{name: A, value: '1'}, {name: P, valueFrom: {secretKeyRef: {name: x}}}]\n      buildArgs: [{name: B}]\n      volumes: []\n      pullSecret: {name: x}\n";
    let rest = "  postCommit: {command: [a], args: [b]}\n  runPolicy: SerialLatestOnly\n  nodeSelector: {x: y}\n  failedBuildsHistoryLimit: 3\n  resources: {requests: {cpu: 500m, memory: 1Gi}}\n  triggers: [{type: Generic, generic: {}}]\n";
    let map = "---\napiVersion: v1\nkind: ConfigMap\nmetadata: {name: m}\ndata: {k: v}\n";
    let tree = format!("//- /build.yaml\n{}{map}//- /app/x\n", config("c", source, strategy, rest));
    let project = load(&Memory::parse(&tree), &given());
    let image = &project.images[0];
    let test = TestKind::PostCommit(CommandForm::Exec(vec!["a".into(), "b".into()]));
    assert_eq!(
        (&image.tests[0].kind, image.run_policy, image.history.failed),
        (&test, RunPolicy::SerialLatestOnly, Some(3))
    );
    assert_eq!((image.limits.milli_cpus_expected, image.limits.memory_expected), (Some(500), Some(1 << 30)));
    let env: Vec<_> = image.env.iter().map(|arg| (arg.name.as_str(), arg.value.as_deref())).collect();
    assert_eq!(env, [("A", Some("1")), ("P", None)]);
    let inputs: Vec<_> = image.inputs.iter().map(|input| (&input.kind, input.destination.as_str())).collect();
    assert_eq!(inputs[0], (&InputKind::Secret("s".into()), "in"));
    assert_eq!(
        inputs[1],
        (&InputKind::ConfigMap { name: "m".into(), data: vec![("k".into(), "v".into())] }, "")
    );
    check(
        &tree,
        &given(),
        expect![[r#"
            1 BuildConfig
              c
            b:1 -> c from build.yaml:10:12
            other/tool:1 -> c copy-from build.yaml:11:19
            [not-built] build.yaml:10:12: warning: nothing here builds `b:1`, and Docker Hub has no official image of that name
            [not-built] build.yaml:11:19: warning: nothing here builds or imports the image stream tag `other/tool:1`
            [unused-argument] build.yaml:21:26: warning: the Dockerfile of `c` declares no argument `B`
                add `ARG B` to it, or remove it here
            not supported: BuildConfig `c`: env: the value of `P` comes from the cluster; the environment's is taken (build.yaml:20:57)
            not supported: BuildConfig `c`: strategy.dockerStrategy.volumes (build.yaml:22:7)
            not supported: BuildConfig `c`: strategy.dockerStrategy.pullSecret (build.yaml:23:7)
            not supported: BuildConfig `c`: nodeSelector (build.yaml:28:3)
        "#]],
    );
}

#[test]
fn manifests_come_in_every_form() {
    let docker = "    dockerStrategy: {from: {kind: DockerImage, name: 'quay.io/x/y:1'}}\n";
    let list = "apiVersion: v1\nkind: List\nitems:\n- apiVersion: build.openshift.io/v1\n  kind: BuildConfig\n  metadata: {name: one}\n  spec: {source: {contextDir: one}, strategy: {dockerStrategy: {}}}\n";
    let template = "apiVersion: template.openshift.io/v1\nkind: Template\nmetadata: {name: t}\nparameters: [{name: NAME, value: two}, {name: TAG}]\nobjects:\n- apiVersion: v1\n  kind: BuildConfig\n  metadata: {name: '${NAME}'}\n  spec:\n    source: {contextDir: '${NAME}'}\n    strategy: {dockerStrategy: {from: {kind: ImageStreamTag, name: 'one:latest'}}}\n    output: {to: {kind: ImageStreamTag, name: '${NAME}:${TAG}'}}\n";
    let source = config(
        "s2i",
        "    contextDir: one\n",
        "    sourceStrategy: {from: {kind: ImageStreamTag, name: 'python:3.9', namespace: openshift}}\n",
        "",
    );
    let helm =
        "kind: BuildConfig\napiVersion: build.openshift.io/v1\nmetadata:\n  name: {{ .Values.name }}\n";
    let remote = config("far", "", docker, "").replace("forest/forest", "other/repository");
    let tree = format!(
        "//- /list.yaml\n{list}//- /template.yml\n{template}//- /s2i.yaml\n{source}---\n{remote}//- /chart/Chart.yaml\nname: x\n//- /chart/templates/b.yaml\n{helm}//- /one/Dockerfile\nFROM scratch\n//- /two/Dockerfile\nFROM x\n//- /three/Dockerfile.j2\nFROM x\n"
    );
    check(
        &tree,
        &given(),
        expect![[r#"
            4 BuildConfigs
              far one two
            quay.io/x/y:1 -> far from s2i.yaml:22:54
            one:latest -> two from template.yml:11:68
            [other-remote] s2i.yaml:20:16: info: `far` is built from another repository, `https://git.example.com/other/repository.git`
            [not-built] template.yml:11:68: warning: nothing here builds or imports the image stream tag `one:latest`
                the project builds `one`
            [override-contradicts] template.yml:11:68: warning: `dockerStrategy.from` replaces the last FROM of `two`, `x` in line 1, with `one:latest`: other builds of this Dockerfile have another base
            not supported: a template that is not YAML, with `BuildConfig` (chart/templates/b.yaml:4:10)
            not supported: BuildConfig `s2i`: sourceStrategy (s2i.yaml:10:5)
            not supported: Template `t`: parameter `TAG` has no value of its own (template.yml:4:40)
            not supported: a template of a Dockerfile (three/Dockerfile.j2:1:1)
        "#]],
    );
}

#[test]
fn kustomizations_change_what_they_take_in() {
    let base = config(
        "app",
        "    contextDir: app\n",
        "    dockerStrategy: {from: {kind: ImageStreamTag, name: 'base:1'}}\n",
        "",
    );
    let tree = format!(
        "//- /k/base/kustomization.yaml\nresources: [app.yaml, missing.yaml, 'https://git.example.com/x//y?ref=1']\n//- /k/base/app.yaml\n{base}\
        //- /k/dev/kustomization.yaml\nresources: [../base]\nnamePrefix: dev-\nnamespace: dev\npatches:\n- path: patch.yaml\n- target: {{kind: BuildConfig}}\n  patch: |-\n    - op: replace\n      path: /spec/output/to/name\n      value: app:dev\n\
        //- /k/dev/patch.yaml\napiVersion: build.openshift.io/v1\nkind: BuildConfig\nmetadata: {{name: app}}\nspec: {{strategy: {{dockerStrategy: {{from: {{name: 'base:2'}}}}}}}}\n\
        //- /k/prod/kustomization.yml\nbases: [../base]\nnamespace: prod\ngenerators: [x.yaml]\n\
        //- /app/Dockerfile\nFROM x\n"
    );
    check(
        &tree,
        &given(),
        expect![[r#"
            1 BuildConfig
              dev-app
            dev/base:2 -> dev-app from k/base/app.yaml:10:57
            [missing-path] k/base/kustomization.yaml:1:23: warning: the kustomization takes in `missing.yaml`, which is not there
            [sources-disagree] k/prod/kustomization.yml:1:1: info: another variant of what `k/dev/kustomization.yaml` makes: `app`; that of `k/dev/kustomization.yaml` is taken
            [not-built] k/base/app.yaml:10:57: warning: nothing here builds or imports the image stream tag `base:2`
            [override-contradicts] k/base/app.yaml:10:57: warning: `dockerStrategy.from` replaces the last FROM of `dev-app`, `x` in line 1, with `base:2`: other builds of this Dockerfile have another base
            not supported: kustomization: `https://git.example.com/x//y?ref=1`, of another repository (k/base/kustomization.yaml:1:37)
            not supported: kustomization: generators (k/prod/kustomization.yml:3:1)
        "#]],
    );
}

#[test]
fn applications_lead_to_manifests() {
    let app = |name: &str, source: &str| {
        format!(
            "---\napiVersion: argoproj.io/v1alpha1\nkind: Application\nmetadata: {{name: {name}}}\nspec:\n  source: {source}\n  destination: {{namespace: ci}}\n"
        )
    };
    let build = config("app", "    contextDir: app\n", "    dockerStrategy: {}\n", "");
    let user = config(
        "user",
        "    contextDir: user\n",
        "    dockerStrategy: {from: {kind: ImageStreamTag, name: 'app:1', namespace: ci}}\n",
        "  triggers: [{type: ImageChange}]\n",
    );
    let own = "https://example.org/mirror/forest.git";
    let tree = format!(
        "//- /apps.yaml\n{}{}{}{}{}//- /d/app.yaml\n{build}//- /d/deep/user.yaml\n{user}//- /chart/Chart.yaml\nname: x\n//- /app/Dockerfile\nFROM scratch\n//- /user/Dockerfile\nFROM x\n",
        app("flat", &format!("{{repoURL: '{own}', path: d}}")),
        app("gone", &format!("{{repoURL: '{own}', path: e}}")),
        app("helm", &format!("{{repoURL: '{own}', path: chart}}")),
        app("far", "{repoURL: 'https://example.org/x/other', path: d}"),
        "---\napiVersion: argoproj.io/v1alpha1\nkind: ApplicationSet\nmetadata: {name: set}\nspec: {}\n",
    );
    check(
        &tree,
        &given(),
        expect![[r#"
        2 BuildConfigs from 2 Argo CD Applications
          app
          user
        app -> user from d/deep/user.yaml:10:57
        [missing-path] apps.yaml:13:68: warning: Application `gone` points at `e`, which is not there
        [not-applied] d/deep/user.yaml:4:9: info: no Application applies BuildConfig `user`
        [override-contradicts] d/deep/user.yaml:10:57: warning: `dockerStrategy.from` replaces the last FROM of `user`, `x` in line 1, with `ci/app:1`: other builds of this Dockerfile have another base
        not supported: Application `helm`: Helm chart `chart` (apps.yaml:20:68)
        not supported: Application `far`: `https://example.org/x/other`, another repository (apps.yaml:27:21)
        not supported: ApplicationSet `set` (apps.yaml:32:18)
    "#]],
    );
}

#[test]
fn without_remotes_what_is_here_decides() {
    let build = config("app", "    contextDir: /chain/app\n", "    dockerStrategy: {}\n", "");
    let far = config("far", "", "    dockerStrategy: {}\n", "").replace("forest/forest", "other/other");
    // A part of the repository: what stands above is missing from its paths.
    let tree = format!(
        "//- /b.yaml\n{build}---\n{far}//- /app/Dockerfile\nFROM scratch\n//- /Dockerfile\nFROM scratch\n"
    );
    check(
        &tree,
        &Given::default(),
        expect![[r#"
            2 BuildConfigs
              app far
            [other-remote] b.yaml:20:16: info: `far` is built from another repository, `https://git.example.com/other/other.git`
        "#]],
    );
}

#[test]
fn a_copy_in_somebody_s_repository_is_still_what_it_is() {
    let build = config("app", "    contextDir: /chain/app\n", "    dockerStrategy: {}\n", "");
    let user = config(
        "user",
        "",
        "    dockerStrategy: {from: {kind: ImageStreamTag, name: 'app:1'}}\n",
        "  triggers: [{type: ImageChange}]\n",
    )
    .replace("    git:", "    dockerfile: FROM x\n    git:");
    let late = config("late", "    contextDir: chain/app\n", "    dockerStrategy: {}\n", "")
        .replace("https://git.example.com/forest/forest.git", "${REPOSITORY}");
    let tree = format!("//- /b.yaml\n{build}---\n{user}---\n{late}//- /chain/app/Dockerfile\nFROM scratch\n");
    let given = Given { name: "x".into(), remotes: vec!["https://git.example.com/me/work.git".into()] };
    check(
        &tree,
        &given,
        expect![[r#"
        3 BuildConfigs
          app late
          user
        app -> user from b.yaml:23:57
        [other-remote] b.yaml:7:16: info: `https://git.example.com/forest/forest.git` is taken for this repository
        [other-remote] b.yaml:34:16: info: `${REPOSITORY}` is taken for this repository
        [override-contradicts] b.yaml:23:57: warning: `dockerStrategy.from` replaces the last FROM of `user`, `x` in line 20, with `app:1`: other builds of this Dockerfile have another base
    "#]],
    );
}

#[test]
fn a_makefile_has_names_of_its_own() {
    let base = config(
        "base",
        "    contextDir: base\n",
        "    dockerStrategy: {from: {kind: DockerImage, name: 'debian:12'}}\n",
        "",
    );
    let child = config("child", "    contextDir: child\n", "    dockerStrategy: {}\n", "");
    let tree = format!(
        "//- /b.yaml\n{base}---\n{child}//- /base/Dockerfile\nFROM golang AS go\nFROM debian:11\nCOPY --from=go / /\n\
        //- /child/Dockerfile\nFROM quay.io/o/base:1\n//- /extra/Dockerfile\nFROM quay.io/o/base:1\n\
        //- /Makefile\nall:\n\tpodman build --from debian:12 -t quay.io/o/base:1 base\n\tpodman build -t quay.io/o/extra:1 extra\n"
    );
    check(
        &tree,
        &given(),
        expect![[r#"
        2 BuildConfigs
          base child
          extra
        debian:12 -> base from b.yaml:10:54
        golang:latest -> base stage-from base/Dockerfile:1:6
        quay.io/o/base:1 -> child from child/Dockerfile:1:6
        base -> extra from extra/Dockerfile:1:6
        [sources-disagree] Makefile:2:2: warning: the Makefile builds `base` with `--from`, which replaces the first FROM (line 1), and its BuildConfig replaces the last (line 2)
            the BuildConfig is at b.yaml:4:9
        [override-contradicts] b.yaml:10:54: warning: `dockerStrategy.from` replaces the last FROM of `base`, `debian:11` in line 2, with `debian:12`: another tag, `12` for `11`
            `--from` of Podman would replace the first FROM, `golang`
        [near-match] child/Dockerfile:1:6: warning: `quay.io/o/base:1` comes from outside, and the project builds `base`
            write `FROM base` if the project's own is meant
    "#]],
    );
}

#[test]
fn image_streams_are_compared_with_builds() {
    let base = config("base", "    contextDir: /chian/base\n", "    dockerStrategy: {}\n", "");
    let stream = |name: &str, tag: &str, from: &str| {
        format!(
            "---\napiVersion: image.openshift.io/v1\nkind: ImageStream\nmetadata: {{name: {name}}}\nspec: {{tags: [{{name: '{tag}', from: {{kind: DockerImage, name: {from}}}}}]}}\n"
        )
    };
    let streams = [
        stream("base", "1", "quay.io/o/x:1"),
        stream("notebook", "3", "quay.io/o/base:3"),
        stream("ubi", "8", "example.com/ubi8:8"),
    ];
    let tree = format!("//- /b.yaml\n{base}{}//- /chain/base/Dockerfile\nFROM scratch\n", streams.concat());
    check(
        &tree,
        &Given::default(),
        expect![[r#"
        1 BuildConfig
          base chain-base
        [undeclared] chain/base/Dockerfile:1:1: info: no BuildConfig builds `chain/base/Dockerfile`
        [missing-context] b.yaml:8:17: error: the build context `chian/base` of `base` is not there
            there is `chain/base`
        [duplicate-tag] b.yaml:17:22: warning: `base:1` is imported from `quay.io/o/x:1`, and `base` writes it
            the later of the two is what everybody gets
        [near-match] b.yaml:22:22: warning: the image stream tag `notebook:3` is imported from `quay.io/o/base:3`, and the project builds `base`
            what `base` builds does not reach it unless somebody sends it there
    "#]],
    );
}
