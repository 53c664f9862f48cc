//! Orders of Makefiles, what they name that is not there, and manifests that nobody applies.

use expect_test::expect;

use super::tests::check;
use super::*;

#[test]
fn makefiles_build_bases_first() {
    let tree = "//- /Makefile\ninclude mk/vars.mk\nIMAGES = app base\nall: $(addprefix build-,$(IMAGES))\nbuild-%:\n\tpodman build -t $(REG)/$*:1 $*\n\
        other:\n\t$(MAKE) -C sub\n\
        //- /mk/vars.mk\nREG = quay.io/o\n//- /sub/Makefile\nthings: three four\ndefine image\n$(1):\n\tcd $(1) && podman build -t $(1) .\nendef\n$(foreach i,three four,$(eval $(call image,$(i))))\ntwo:\n\tdocker build two\n\
        //- /base/Dockerfile\nFROM scratch\n//- /app/Dockerfile\nFROM quay.io/o/base:1\n\
        //- /sub/two/Dockerfile\nFROM scratch\n//- /sub/three/Dockerfile\nFROM four\nCOPY --from=two / /\n//- /sub/four/Dockerfile\nFROM scratch\n";
    check(
        tree,
        &Given::default(),
        expect![[r#"
        5 Dockerfiles
          base four two
          app three
        base -> app from app/Dockerfile:1:6
        four -> three from sub/three/Dockerfile:1:6
        two -> three copy-from sub/three/Dockerfile:2:13
        [makefile-order] Makefile:5:2: warning: `make all` builds `app` before `base`, which it needs
            `base` is built at Makefile:5: let its target come first
        [makefile-order] sub/Makefile:4:2: warning: `make other` builds `three` before `four`, which it needs
            `four` is built at sub/Makefile:4: let its target come first
        [makefile-order] sub/Makefile:4:2: warning: `make things` builds `three` and not `two`, which it needs and which `make two` builds
    "#]],
    );
}

#[test]
fn makefiles_in_order_are_nobody_s_mistake() {
    let tree = "//- /Makefile\nall: app base\napp: base\n\tpodman build -t quay.io/o/app app\nbase:\n\tpodman build -t quay.io/o/base base\n\
        child:\n\tpodman build -t child child\n//- /base/Dockerfile\nFROM scratch\n//- /app/Dockerfile\nFROM quay.io/o/base\n//- /child/Dockerfile\nFROM quay.io/o/app\n";
    check(
        tree,
        &Given::default(),
        expect![[r#"
        3 Dockerfiles
          base
          app
          child
        base -> app from app/Dockerfile:1:6
        app -> child from child/Dockerfile:1:6
    "#]],
    );
}

#[test]
fn makefiles_name_what_is_not_there() {
    let tree = "//- /Makefile\nall:\n\tpodman build -f app/Dockerfile.ubi app\n\tpodman build apps\n\tpodman build $(OTHER)/x\n\tpodman build -f made/Dockerfile made\n\tpodman build - < x\n\tpodman build app 2>&1 | tee log || true\n\
        made/Dockerfile: made/Dockerfile.in\n\tsed s/a/b/ $< > $@\n//- /made/Dockerfile.in\nFROM x\n//- /app/Dockerfile\nFROM scratch\n";
    check(
        tree,
        &Given::default(),
        expect![[r#"
            1 Dockerfile
              app
            [missing-dockerfile] Makefile:2:2: warning: the Dockerfile `app/Dockerfile.ubi` that the Makefile builds is not there
            [missing-context] Makefile:3:2: warning: the build context `apps` that the Makefile builds is not there
                did you mean `app`?
            not supported: a template of a Dockerfile (made/Dockerfile.in:1:1)
        "#]],
    );
}

#[test]
fn a_makefile_and_its_dockerfile_agree_on_a_base() {
    let tree = "//- /Makefile\nall:\n\tpodman build --from quay.io/o/base:1 --build-arg NAEM=1 -t app:1 app\n//- /app/Dockerfile\nARG NAME\nFROM base:1\n\
        //- /b.yaml\napiVersion: build.openshift.io/v1\nkind: BuildConfig\nmetadata: {name: app}\nspec:\n  source: {contextDir: app}\n  strategy: {dockerStrategy: {}}\n\
        ---\napiVersion: build.openshift.io/v1\nkind: BuildConfig\nmetadata: {name: base}\nspec:\n  source: {dockerfile: FROM scratch}\n  strategy: {dockerStrategy: {}}\n  output: {to: {kind: ImageStreamTag, name: 'base:1'}}\n";
    check(
        tree,
        &Given::default(),
        expect![[r#"
        2 BuildConfigs
          base
          app
        base -> app from app/Dockerfile:2:6
        [unused-argument] Makefile:2:2: warning: the Dockerfile of `app` declares no argument `NAEM`
            add `ARG NAEM` to it, or remove it here
        [no-trigger] b.yaml:3:18: warning: nothing rebuilds `app` when its base `base` is rebuilt
            add an ImageChange trigger for it
    "#]],
    );
}

#[test]
fn what_nobody_applies() {
    let application = |name: &str, path: &str, revision: &str| {
        format!(
            "//- /apps/{name}.yaml\napiVersion: argoproj.io/v1alpha1\nkind: Application\nmetadata: {{name: {name}}}\nspec: {{source: {{path: {path}, repoURL: 'https://git.example.com/t/r', targetRevision: {revision}}}}}\n"
        )
    };
    let build = |path: &str, name: &str, revision: &str| {
        format!(
            "//- /{path}/{name}.yaml\napiVersion: build.openshift.io/v1\nkind: BuildConfig\nmetadata: {{name: {name}}}\nspec: {{source: {{git: {{uri: 'https://git.example.com/t/r', ref: {revision}}}, dockerfile: FROM scratch}}, strategy: {{dockerStrategy: {{}}}}}}\n"
        )
    };
    let tree = format!(
        "//- /root.yaml\napiVersion: argoproj.io/v1alpha1\nkind: Application\nmetadata: {{name: root}}\nspec: {{source: {{path: apps, repoURL: 'https://git.example.com/t/r', targetRevision: HEAD}}}}\n{}{}{}//- /apps/kustomization.yaml\nresources: [one.yaml, two.yaml]\n{}{}{}{}//- /one/kustomization.yaml\nresources: [a.yaml]\npatchesStrategicMerge: ['{{apiVersion: build.openshift.io/v1, kind: BuildConfig, metadata: {{name: z}}}}']\n",
        application("one", "one", "main"),
        application("two", "two", "v1"),
        application("three", "two", "main"),
        build("one", "a", "main"),
        build("one", "b", "dev"),
        build("two", "c", "refs/heads/main"),
        build("loose", "d", "main"),
    );
    let given = Given { remotes: vec!["https://git.example.com/t/r".into()], ..Given::default() };
    check(
        &tree,
        &given,
        expect![[r#"
        4 BuildConfigs from 4 Argo CD Applications
          a b c d
        [not-applied] apps/three.yaml:3:18: warning: Application `three` is not applied: the kustomization beside it does not take it in
            add `three.yaml` to the resources of apps/kustomization.yaml
        [other-revision] apps/two.yaml:4:84: warning: Application `two` takes revision `v1` of this repository, and 5 others `main`
        [not-applied] loose/d.yaml:3:18: info: no Application applies BuildConfig `d`
        [not-applied] one/b.yaml:3:18: warning: BuildConfig `b` is not applied: the kustomization beside it does not take it in
            add `b.yaml` to the resources of one/kustomization.yaml
        [other-revision] one/b.yaml:4:64: warning: BuildConfig `b` builds revision `dev` of this repository, and 5 others `main`
        [missing-path] one/kustomization.yaml:2:25: warning: the kustomization patches BuildConfig `z`, which it does not take in
    "#]],
    );
}

#[test]
fn a_directory_s_name_that_two_dockerfiles_have_is_ambiguous() {
    let tree = "//- /a/base/Dockerfile\nFROM scratch\n//- /b/base/Dockerfile\nFROM scratch\n//- /app/Dockerfile\nFROM localhost/base\n\
        //- /a/python/Dockerfile\nFROM scratch\n//- /b/python/Dockerfile\nFROM python:3\n";
    check(
        tree,
        &Given::default(),
        expect![[r#"
            5 Dockerfiles
              a-base a-python b-base b-python
              app
            a-base -> app from app/Dockerfile:1:6
            python:3 -> b-python from b/python/Dockerfile:1:6
            [ambiguous-name] app/Dockerfile:1:6: warning: `localhost/base` may be `a-base` and `b-base`; `a-base` is taken
                use a name, or a tag, that only one of them has
        "#]],
    );
}

#[test]
fn one_line_for_many_images_gives_all_of_them_its_arguments() {
    let tree = "//- /Makefile\nall: two one\n\tfor i in a b; do podman build --build-arg A=1 --build-arg B=2 -t $$i $$i; done\n\
        one:\n\tpodman build -t quay.io/o/one:1 e\ntwo:\n\tpodman build --from quay.io/o/one:1 -t quay.io/o/two:1 c\n\
        //- /a/Dockerfile\nARG A\nFROM scratch\n//- /b/Dockerfile\nFROM scratch\n//- /e/Dockerfile\nFROM scratch\n//- /c/Dockerfile\nFROM debian:12\n\
        //- /b.yaml\napiVersion: build.openshift.io/v1\nkind: BuildConfig\nmetadata: {name: c}\nspec:\n  source: {contextDir: c}\n  strategy: {dockerStrategy: {from: {kind: ImageStreamTag, name: 'deb:12'}}}\n---\n\
        apiVersion: build.openshift.io/v1\nkind: BuildConfig\nmetadata: {name: d}\nspec:\n  source: {dockerfile: 'FROM deb:13'}\n  strategy: {dockerStrategy: {}}\n---\n\
        apiVersion: image.openshift.io/v1\nkind: ImageStream\nmetadata: {name: deb}\nspec: {tags: [{name: '12', from: {kind: DockerImage, name: 'debian:12'}}]}\n";
    check(
        tree,
        &Given::default(),
        expect![[r#"
            2 BuildConfigs
              a b c d e
            debian:12 -> c from b.yaml:6:66
            deb:13 -> d from b.yaml:12:24
            [sources-disagree] Makefile:6:2: warning: the Makefile builds `c` on `quay.io/o/one:1`, and its BuildConfig on `deb:12`
                the BuildConfig is at b.yaml:3:18
            [unused-argument] Makefile:2:2: warning: the Dockerfile of `a` declares no argument `B`
                add `ARG B` to it, or remove it here
            [makefile-order] Makefile:6:2: warning: `make all` builds `c/Dockerfile` before `quay.io/o/one:1`, which it is built on
                `quay.io/o/one:1` is built at Makefile:4: let its target come first
            [replaced-from] b.yaml:6:66: info: `dockerStrategy.from` replaces the last FROM of `c`, `debian:12` in line 1, with `deb:12`
            [not-built] b.yaml:12:24: warning: nothing here builds `deb:13`, and Docker Hub has no official image of that name
                the image stream `deb` has `12`; name it in `dockerStrategy.from`
        "#]],
    );
}
