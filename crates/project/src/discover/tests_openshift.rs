//! What OpenShift repositories do besides: sent files, environments, generated config maps, pins, pipelines of buildah.

use expect_test::expect;

use super::tests::check;
use super::*;
use crate::files::Memory;
use crate::model::InputKind;

const APP: &str = "apiVersion: build.openshift.io/v1\nkind: BuildConfig\nmetadata: {name: app, labels: {tier: top}}\nspec:\n  source: {contextDir: app, configMaps: [{configMap: {name: ca}, destinationDir: certs}]}\n  strategy: {dockerStrategy: {}}\n  output: {to: {kind: DockerImage, name: 'quay.io/o/app:1'}}\n";

#[test]
fn files_that_are_sent_are_looked_for() {
    let config = |name: &str| {
        format!(
            "apiVersion: build.openshift.io/v1\nkind: BuildConfig\nmetadata: {{name: {name}}}\nspec:\n  source: {{type: Binary, binary: {{}}}}\n  strategy: {{type: Docker}}\n---\n"
        )
    };
    let tree = format!(
        "//- /b.yaml\n{}{}{}//- /ci/go.sh\noc start-build sent --from-dir=../x/y --follow\n//- /x/y/Dockerfile\nFROM scratch\n//- /z/named/Dockerfile\nFROM scratch\n",
        config("sent"),
        config("named"),
        config("unknown")
    );
    check(
        &tree,
        &Given::default(),
        expect![[r#"
        3 BuildConfigs
          named sent unknown
        [other-remote] b.yaml:5:34: info: `sent` is sent its files by whoever starts it: those of `x/y` are taken
        [other-remote] b.yaml:12:34: info: `named` is sent its files by whoever starts it: those of `z/named` are taken
        not supported: BuildConfig `unknown`: source.binary: its files come from whoever starts it (b.yaml:19:34)
    "#]],
    );
}

#[test]
fn of_several_environments_one_is_taken() {
    let tree = format!(
        "//- /k/base/app.yaml\n{APP}//- /k/base/kustomization.yaml\nresources: [app.yaml]\nconfigMapGenerator: [{{name: ca, files: [ca.crt], literals: [a=b]}}]\n//- /k/base/ca.crt\nCERT\n\
         //- /k/dev/kustomization.yaml\nresources: [../base]\nnamespace: dev\npatches:\n- target: {{labelSelector: tier=top, name: x|app}}\n  patch: '[{{op: add, path: /spec/completionDeadlineSeconds, value: 60}}]'\n- target: {{labelSelector: tier=low}}\n  patch: '[{{op: add, path: /spec/completionDeadlineSeconds, value: 90}}]'\n\
         //- /k/prod/kustomization.yaml\nresources: [../base]\nnamePrefix: prod-\n//- /app/Dockerfile\nFROM scratch\n"
    );
    check(
        &tree,
        &Given::default(),
        expect![[r#"
        1 BuildConfig
          app
        [sources-disagree] k/prod/kustomization.yaml:1:1: info: another variant of what `k/dev/kustomization.yaml` makes: `prod-app`; that of `k/dev/kustomization.yaml` is taken
    "#]],
    );
    let project = load(&Memory::parse(&tree), &Given::default());
    assert_eq!(project.images[0].timeout, Some(60));
    let InputKind::ConfigMap { data, .. } = &project.images[0].inputs[0].kind else { panic!("a config map") };
    let texts: Vec<(&str, &str)> = data.iter().map(|(name, text)| (name.as_str(), text.as_str())).collect();
    assert_eq!(texts, [("a", "b"), ("ca.crt", "CERT\n")]);
}

#[test]
fn pins_and_triggers_that_never_fire() {
    let tree = "//- /b.yaml\napiVersion: image.openshift.io/v1\nkind: ImageStream\nmetadata: {name: py}\nspec: {tags: [{name: '1', from: {kind: DockerImage, name: 'quay.io/x/py:1'}}]}\n---\n\
        apiVersion: image.openshift.io/v1\nkind: ImageStream\nmetadata: {name: lib}\n---\n\
        apiVersion: build.openshift.io/v1\nkind: BuildConfig\nmetadata: {name: lib}\nspec:\n  source: {dockerfile: FROM py}\n  strategy: {dockerStrategy: {from: {kind: ImageStreamImage, name: 'py@sha256:aa'}}}\n  output: {to: {kind: ImageStreamTag, name: 'lib:1'}}\n---\n\
        apiVersion: build.openshift.io/v1\nkind: BuildConfig\nmetadata: {name: old}\nspec:\n  source: {dockerfile: FROM lib:1}\n  strategy: {dockerStrategy: {from: {kind: ImageStreamImage, name: 'lib@sha256:bb'}}}\n---\n\
        apiVersion: build.openshift.io/v1\nkind: BuildConfig\nmetadata: {name: idle}\nspec:\n  source: {dockerfile: FROM quay.io/o/app:1}\n  strategy: {dockerStrategy: {from: {kind: DockerImage, name: 'quay.io/o/app:1'}}}\n  triggers: [{type: ImageChange, imageChange: {}}]\n";
    check(
        tree,
        &Given::default(),
        expect![[r#"
        3 BuildConfigs
          idle lib old
        quay.io/o/app:1 -> idle from b.yaml:30:63
        quay.io/x/py@sha256:aa -> lib from b.yaml:15:68
        lib@sha256:bb -> old from b.yaml:23:68
        [replaced-from] b.yaml:15:68: info: `dockerStrategy.from` replaces the last FROM of `lib`, `py` in line 14, with `py@sha256:aa`
        [tag-mismatch] b.yaml:23:68: warning: `lib@sha256:bb` is one image that `lib` wrote: what is built later does not reach it
            name a tag of the image stream instead
        [replaced-from] b.yaml:23:68: info: `dockerStrategy.from` replaces the last FROM of `old`, `lib:1` in line 22, with `lib@sha256:bb`
        [replaced-from] b.yaml:30:63: info: `dockerStrategy.from` replaces the last FROM of `idle`, `quay.io/o/app:1` in line 29, with `quay.io/o/app:1`
        [no-trigger] b.yaml:31:21: warning: the ImageChange trigger of `idle` is on `quay.io/o/app:1`, which is no image stream tag: it never fires
            import it as a tag of an image stream, and name that
    "#]],
    );
}

#[test]
fn tasks_of_buildah_are_builds_of_images() {
    let tree = "//- /b.yaml\nkind: List\napiVersion: v1\nitems:\n- {apiVersion: build.openshift.io/v1, kind: BuildConfig, metadata: {name: base}, spec: {source: {contextDir: base}, strategy: {dockerStrategy: {}}, output: {to: {kind: ImageStreamTag, name: 'base:1'}}}}\n\
        - {apiVersion: build.openshift.io/v1, kind: BuildConfig, metadata: {name: web}, spec: {source: {contextDir: web}, strategy: {dockerStrategy: {}}, output: {to: {kind: ImageStreamTag, name: 'web:1'}}, triggers: [{type: ImageChange, imageChange: {from: {kind: ImageStreamTag, name: 'base:1'}}}]}}\n\
        //- /p.yaml\napiVersion: tekton.dev/v1\nkind: Pipeline\nmetadata: {name: all}\nspec:\n  tasks:\n  - {name: one, taskRef: {name: buildah}, params: [{name: IMAGE, value: 'image-registry.openshift-image-registry.svc:5000/ci/base:1'}]}\n\
        \x20 - {name: two, runAfter: [other], taskRef: {name: buildah}, params: [{name: IMAGE, value: 'r/web:$(params.tag)'}, {name: CONTEXT, value: ./web}]}\n  - {name: other, taskRef: {name: lint}}\n\
        //- /base/Dockerfile\nFROM web:1\n//- /web/Dockerfile\nFROM base:1\n";
    check(
        tree,
        &Given::default(),
        expect![[r#"
        2 BuildConfigs
          web
          base
        web -> base from base/Dockerfile:1:6
        base -> web closes a cycle at web/Dockerfile:1:6
        [no-trigger] b.yaml:4:75: warning: nothing rebuilds `base` when its base `web` is rebuilt
            add an ImageChange trigger for it
        [cycle] base/Dockerfile:1:6: error: images need each other: `base` needs `web` needs `base`
            the cycle goes on with `base:1` at web/Dockerfile:1:6
        [pipeline-order] p.yaml:6:12: warning: pipeline `all` does not wait for `web` before it builds `base`, which needs it
            task `one` should have `runAfter: [two]`
    "#]],
    );
}

#[test]
fn what_another_strategy_builds_is_nobody_s_mistake() {
    let tree = "//- /b.yaml\napiVersion: build.openshift.io/v1\nkind: BuildConfig\nmetadata: {name: made}\nspec: {strategy: {sourceStrategy: {}}, output: {to: {kind: ImageStreamTag, name: 'made:1'}}}\n---\n\
        apiVersion: build.openshift.io/v1\nkind: BuildConfig\nmetadata: {name: app}\nspec: {source: {dockerfile: 'FROM made:1'}, strategy: {dockerStrategy: {}}}\n";
    check(
        tree,
        &Given::default(),
        expect![[r#"
        2 BuildConfigs
          app
        made:1 -> app from b.yaml:9:29
        not supported: BuildConfig `made`: sourceStrategy (b.yaml:4:19)
    "#]],
    );
}

#[test]
fn another_tag_is_another_base() {
    let tree = "//- /b.yaml\napiVersion: build.openshift.io/v1\nkind: BuildConfig\nmetadata: {name: app}\nspec:\n  source: {contextDir: app}\n  strategy: {dockerStrategy: {from: {kind: DockerImage, name: 'quay.io/o/ubi:8.6'}}}\n---\n\
        apiVersion: build.openshift.io/v1\nkind: BuildConfig\nmetadata: {name: set-dev}\nspec:\n  source: {dockerfile: 'FROM quay.io/x/set:1'}\n  strategy: {dockerStrategy: {}}\n  output: {to: {kind: DockerImage, name: 'quay.io/o/set:1'}}\n  triggers: [{type: ImageChange, imageChange: {from: {kind: ImageStreamTag, name: 'far:1'}}}]\n\
        //- /app/Dockerfile\nFROM quay.io/o/ubi:8.5\n";
    check(
        tree,
        &Given::default(),
        expect![[r#"
        2 BuildConfigs
          app set-dev
        quay.io/o/ubi:8.6 -> app from b.yaml:6:63
        quay.io/x/set:1 -> set-dev from b.yaml:12:24
        [not-built] b.yaml:6:63: warning: nothing here builds `quay.io/o/ubi:8.6`, and the project's own images go to `quay.io/o`
        [override-contradicts] b.yaml:6:63: warning: `dockerStrategy.from` replaces the last FROM of `app`, `quay.io/o/ubi:8.5` in line 1, with `quay.io/o/ubi:8.6`: another tag, `8.6` for `8.5`
        [trigger-contradicts] b.yaml:15:83: warning: `set-dev` is triggered by `far:1`, which it does not use: it is built on `quay.io/x/set:1`
            no image stream `far` is declared: import the base as a tag of one, and name that in `dockerStrategy.from` too
    "#]],
    );
}

#[test]
fn a_build_that_is_not_there_is_told_where_it_is_named() {
    let tree = "//- /b.yaml\napiVersion: build.openshift.io/v1\nkind: BuildConfig\nmetadata: {name: base}\nspec: {source: {dockerfile: FROM scratch}, strategy: {dockerStrategy: {}}}\n\
        //- /p.yaml\napiVersion: tekton.dev/v1\nkind: Pipeline\nmetadata: {name: all}\nspec:\n  tasks:\n  - name: one\n    taskRef: {name: start}\n    params:\n    - name: bc\n      value: baes\n---\n\
        apiVersion: tekton.dev/v1\nkind: Task\nmetadata: {name: start}\nspec:\n  params: [{name: bc}]\n  steps:\n  - script: oc start-build $(params.bc)\n";
    check(
        tree,
        &Given::default(),
        expect![[r#"
        1 BuildConfig
          base
        [pipeline-unknown] p.yaml:10:14: warning: pipeline `all` starts the build `baes`, which is not declared
            did you mean `base`?
    "#]],
    );
}
