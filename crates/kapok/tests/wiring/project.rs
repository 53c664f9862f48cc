//! build, status, logs and explain of a whole project.

use std::io::{BufRead, BufReader};
use std::process::{Command, Stdio};

use serde_json::Value;

use crate::environment::TestEnvironment;
use crate::registry::Served;

/// Five images, the second of which fails as long as `middle/needed` is not there.
pub fn project() -> TestEnvironment {
    let here = TestEnvironment::new();
    here.write(
        "kapok.yaml",
        "images:
  base: base
  middle: middle
  top:
    context: top
    tags: [example.org/team/top:1]
    tests:
      - file: /needed
        mode: \"0644\"
        contains: [\"/^need(ed)$/\"]
  side: side
  tool: tool
",
    );
    here.write("base/Dockerfile", "FROM scratch\nCOPY file /base\n");
    here.write("base/file", "base");
    here.write("middle/Dockerfile", "FROM base\nCOPY needed /needed\n");
    here.write("top/Dockerfile", "FROM middle\nCOPY --from=tool /tool /tool\n");
    here.write("side/Dockerfile", "FROM base\nCOPY --from=tool /tool /tool\n");
    here.write("tool/Dockerfile", "FROM scratch\nCOPY file /tool\n");
    here.write("tool/file", "tool");
    here
}

/// Each line of a table, its cells squeezed.
pub fn table(text: &str) -> Vec<String> {
    text.lines().map(|line| line.split_whitespace().collect::<Vec<_>>().join(" ")).collect()
}

#[test]
fn a_failure_stops_only_what_stands_on_it_and_the_next_build_does_the_rest() {
    let here = project();
    let failed = here.kapok("build").code(4).stderr;
    assert!(failed.starts_with("project"), "{failed}");
    let rows = table(&failed);
    let row = |name: &str| {
        let found = rows.iter().rev().find(|row| row.starts_with(&format!("{name} "))).cloned();
        found.unwrap_or_else(|| panic!("no row of {name} in {failed}"))
    };
    assert!(row("base").contains("Complete") && row("side").contains("Complete"), "{failed}");
    assert!(row("middle").contains("Failed") && row("middle").contains("DockerBuildFailed"), "{failed}");
    assert!(row("top").contains("Cancelled") && row("top").contains("it stands on `middle`"), "{failed}");
    assert!(failed.contains("middle/Dockerfile:2:") && failed.contains("3 of 5 images complete"), "{failed}");
    let status = here.kapok("status").code(1).stdout;
    assert!(status.contains("3/5 complete and current"), "{status}");

    here.write("middle/needed", "needed");
    let done = here.kapok("build --progress json").code(0).stderr;
    let events: Vec<Value> = done.lines().map(|line| serde_json::from_str(line).expect("JSON")).collect();
    let of = |name: &str, event: &str| {
        events
            .iter()
            .filter(|line| line["image"] == name && line["event"] == event)
            .cloned()
            .collect::<Vec<_>>()
    };
    assert_eq!(of("base", "finished").len(), 0, "{done}");
    assert_eq!(of("base", "cached").len(), 1, "{done}");
    assert_eq!(of("top", "state").last().expect("an end")["state"], "Complete");
    assert_eq!(of("top", "tested")[0]["passed"], true);
    assert!(here.kapok("status").ok().stdout.contains("5/5 complete and current"));
    assert!(here.kapok("images").ok().stdout.contains("example.org/team/top"));

    let explained = here.kapok("explain middle").ok().stdout;
    assert!(explained.contains("middle Complete"), "{explained}");
    here.kapok("logs top").ok();
}

#[test]
fn what_changed_is_named_and_what_stands_on_it_is_not_current_until_it_is_built() {
    let here = project();
    here.write("middle/needed", "needed");
    here.kapok("build").ok();
    here.write("base/file", "another");
    let planned = table(&here.kapok("plan").ok().stdout);
    let plan = |row: &str| planned.iter().any(|known| known.starts_with(row));
    assert!(plan("base builds 1 due, 0 cached") && plan("tool nothing 0 due, 1 cached"), "{planned:?}");
    assert!(plan("3 of 5 images to build") || plan("4 of 5 images to build"), "{planned:?}");
    let changed = here.kapok("build base").ok().stderr;
    assert!(
        changed.contains("`/base` (was sha256:") && changed.contains("1 of 1 image complete"),
        "{changed}"
    );
    let status: Value =
        serde_json::from_str(&here.kapok("status --format json").code(1).stdout).expect("JSON");
    let current = |name: &str| {
        let images = status["images"].as_array().expect("a list");
        images.iter().find(|image| image["name"] == name).expect("it is there")["current"].clone()
    };
    assert_eq!((current("base"), current("tool")), (true.into(), true.into()));
    assert_eq!((current("middle"), current("top")), (false.into(), false.into()));
    let metrics = here.kapok("status --format prometheus").code(1).stdout;
    assert!(metrics.contains("kapok_image_current{image=\"middle\"} 0"), "{metrics}");
    let explained = here.kapok("explain base#1").ok().stdout;
    assert!(explained.contains("`/base` (was"), "{explained}");

    here.kapok("build").ok();
    here.kapok("status").ok();
    // A test that fails leaves the name where it was.
    let before = here.kapok("inspect example.org/team/top:1").ok().stdout;
    here.write("middle/needed", "something else");
    let failed = here.kapok("build").code(4).stderr;
    assert!(failed.contains("TestFailed") && failed.contains("`/^need(ed)$/`"), "{failed}");
    assert_eq!(here.kapok("inspect example.org/team/top:1").ok().stdout, before);
}

#[test]
fn a_project_with_mistakes_is_not_built() {
    let here = project();
    here.write("base/Dockerfile", "FROM top\n");
    let refused = here.kapok("build").code(2).stderr;
    assert!(refused.contains("base/Dockerfile:1"), "{refused}");
    let here = TestEnvironment::new();
    assert!(here.kapok("build").code(2).stderr.contains("nothing to build"));
    assert!(project().kapok("build nothing-like-it").code(2).stderr.contains("no image `nothing-like-it`"));
    let refused = project().kapok("build -o out").code(2).stderr;
    assert!(
        refused.contains("`--output` is for one image, and this is a project with 5 images"),
        "{refused}"
    );
    // A mistake in one image does not keep others from being built.
    let here = project();
    here.write("tool/Dockerfile", "FROM localhost/nothing\n");
    here.kapok("build").code(2);
    here.kapok("build base").ok();
}

#[test]
fn variables_limits_overrides_and_config_maps_of_manifests_are_what_a_cluster_makes_of_them() {
    let here = TestEnvironment::new();
    here.write(
        "build.yaml",
        "apiVersion: build.openshift.io/v1
kind: BuildConfig
metadata: {name: app}
spec:
  source:
    contextDir: app
    configMaps:
      - configMap: {name: settings}
        destinationDir: etc
  strategy:
    dockerStrategy:
      from: {kind: ImageStreamTag, name: 'base:latest'}
      env: [{name: GREETING, value: 'a \"$word\"'}]
  output: {to: {kind: ImageStreamTag, name: 'app:1'}}
---
apiVersion: build.openshift.io/v1
kind: BuildConfig
metadata: {name: base}
spec:
  source: {contextDir: base}
  strategy: {dockerStrategy: {}}
  output: {to: {kind: ImageStreamTag, name: 'base:latest'}}
---
apiVersion: v1
kind: ConfigMap
metadata: {name: settings}
data: {app.conf: 'listen = 8080'}
",
    );
    here.write("base/Dockerfile", "FROM scratch\nCOPY file /base\n");
    here.write("base/file", "base");
    here.write("app/Dockerfile", "FROM scratch AS one\nCOPY etc/app.conf /x\nFROM somewhere.example.org/else\nCOPY --from=one /x /app.conf\n");
    let built = here.kapok("build").ok().stderr;
    assert!(built.contains("2 BuildConfigs") && built.contains("2 of 2 images complete"), "{built}");
    let inspected = here.kapok("inspect app:1").ok().stdout;
    assert!(inspected.contains(r#"GREETING=a \"$word\""#), "{inspected}");
    let files = here.kapok("explain app").ok().stdout;
    assert!(files.contains("COPY etc/app.conf /x"), "{files}");
    here.kapok("status").ok();
}

#[test]
fn a_storm_that_is_killed_is_completed_by_the_next_build() {
    let here = TestEnvironment::new();
    if !here.shell_image() {
        return;
    }
    std::fs::remove_dir_all(here.work().join("shell")).expect("it was made");
    let busy = |loops: u32, name: &str| {
        format!("RUN i=0; while [ $i -lt {loops} ]; do i=$((i+1)); done; echo {name} > /{name}\n")
    };
    here.write("base/Dockerfile", format!("FROM shell\n{}{}", busy(20_000, "one"), busy(40_000, "two")));
    for number in 1..=3 {
        let own = busy(30_000 * number, "own");
        here.write(
            &format!("app{number}/Dockerfile"),
            format!("FROM base\n{own}ENV X={number}\n{}", busy(9000, "last")),
        );
    }
    for events in [1, 3, 5, 7, 8, 9, 10, 11, 13, 16] {
        let mut storm = here.command("build --progress json");
        let mut storm = storm.stderr(Stdio::piped()).spawn().expect("it starts");
        let told = BufReader::new(storm.stderr.take().expect("a pipe"));
        // One that has no more to tell has ended by itself.
        let last = told.lines().nth(events);
        storm.kill().expect("it is killed, or has ended");
        storm.wait().expect("it has ended");
        drop(last);
    }
    let digests = here.kapok("build -q").ok().stdout;
    assert_eq!(digests.lines().count(), 4, "{digests}");
    let again = here.kapok("build").ok().stderr;
    assert!(again.contains("4 of 4 images complete"), "{again}");
    assert!(!again.contains(" 1 run,") && !again.contains(" 2 run,"), "nothing is left to do: {again}");
    here.kapok("status").ok();
    // What survived is what a build that nobody kills makes.
    assert_eq!(here.kapok("build -q --no-cache").ok().stdout, digests);
}

#[test]
fn files_of_other_images_come_into_the_build_context() {
    let here = TestEnvironment::new();
    here.write(
        "build.yaml",
        "apiVersion: build.openshift.io/v1
kind: BuildConfig
metadata: {name: app}
spec:
  source:
    contextDir: app
    images:
      - from: {kind: ImageStreamTag, name: 'wheels:1'}
        paths:
          - {sourcePath: /wheels, destinationDir: in}
          - {sourcePath: /wheels/., destinationDir: flat}
          - {sourcePath: /wheels/one.whl, destinationDir: .}
      - from: {kind: ImageStreamTag, name: 'wheels:1'}
        as: [elsewhere]
  strategy: {dockerStrategy: {}}
  output: {to: {kind: ImageStreamTag, name: 'app:1'}}
---
apiVersion: build.openshift.io/v1
kind: BuildConfig
metadata: {name: wheels}
spec:
  source: {contextDir: wheels}
  strategy: {dockerStrategy: {}}
  output: {to: {kind: ImageStreamTag, name: 'wheels:1'}}
",
    );
    here.write("wheels/Dockerfile", "FROM scratch\nCOPY one.whl /wheels/\n");
    here.write("wheels/one.whl", "one");
    here.write(
        "app/Dockerfile",
        "FROM scratch\nCOPY in/wheels/one.whl /a\nCOPY flat /b\nCOPY one.whl own /c/\nCOPY --from=elsewhere /wheels/one.whl /d\n",
    );
    here.write("app/own", "own");
    let built = here.kapok("build").ok().stderr;
    assert!(built.contains("2 of 2 images complete"), "{built}");
    let row =
        |text: &str| table(text).into_iter().rev().find(|row| row.starts_with("app ")).unwrap_or_default();
    assert!(row(&here.kapok("build").ok().stderr).ends_with("nothing changed"));
    here.write("wheels/one.whl", "two");
    let again = here.kapok("build").ok().stderr;
    assert!(row(&again).contains("4 run, 0 cached"), "{again}");
    here.kapok("copy -q store:app:1 oci:layout:x").ok();
}

#[test]
fn a_project_is_pushed_where_its_names_say() {
    let (here, there, other) = (TestEnvironment::new(), TestEnvironment::new(), TestEnvironment::new());
    let served = Served::start(&there, "");
    let names = [served.name("team/base:1"), served.name("team/app:2")];
    here.write(
        "kapok.yaml",
        format!(
            "images:\n  base: {{push: ['{}']}}\n  app: {{push: ['{}']}}\n  own: {{tags: [own:1]}}\n",
            names[0], names[1]
        ),
    );
    for (image, from) in [("base", "scratch"), ("app", "base"), ("own", "app")] {
        here.write(&format!("{image}/Dockerfile"), format!("FROM {from}\nCOPY file /{image}\n"));
        here.write(&format!("{image}/file"), image);
    }
    here.kapok("build").ok();
    for name in &names {
        other.kapok(&format!("pull {name}")).code(3);
    }
    let pushed = here.kapok("build --push").ok().stderr;
    for name in &names {
        assert!(pushed.contains(&format!("pushed {name}")), "{pushed}");
        let digest = other.kapok(&format!("pull -q {name}")).ok().stdout;
        assert_eq!(here.kapok(&format!("pull -q {name}")).ok().stdout, digest);
    }
    // Who is not let in hears it at once, and the image stays here.
    there.write("users", crate::registry::USERS);
    let guarded = Served::start(&there, "--htpasswd users");
    let name = guarded.name("team/app:3");
    here.write("kapok.yaml", format!("images:\n  base: {{}}\n  app: {{push: ['{name}']}}\n"));
    let failed = here.kapok("build --push").code(3).stderr;
    assert!(failed.contains("PushImageToRegistryFailed"), "{failed}");
    here.kapok("build").ok();
}

#[test]
fn flags_of_a_build_hold_for_every_image_of_a_project() {
    let (here, other) = (project(), project());
    for environment in [&here, &other] {
        environment.write("middle/needed", "needed");
    }
    here.kapok("build --twice").ok();
    let cache = here.work().join("cache");
    here.kapok(&format!("build --no-cache --cache-to type=local,dest={}", cache.display())).ok();
    let shared = other.kapok(&format!("build --cache-from type=local,src={}", cache.display())).ok().stderr;
    assert!(!shared.contains(" 1 run,"), "{shared}");
    here.kapok("build --refresh").ok();
    here.kapok("build --locked").code(2);
    let locked = here.kapok("build --lock").ok().stderr;
    assert!(locked.contains("in kapok.lock"), "{locked}");
    here.kapok("build --locked --no-cache").ok();
    here.kapok("build --offline --no-cache").ok();

    // Images of one Dockerfile are locked by their own names.
    let here = TestEnvironment::new();
    here.write(
        "kapok.yaml",
        "images:\n  one: {context: app, args: {V: '1'}}\n  two: {context: app, args: {V: '2'}}\n",
    );
    here.write("app/Dockerfile", "FROM scratch\nARG V\nCOPY Dockerfile /$V\n");
    here.kapok("build --lock").ok();
    let lock = here.read("kapok.lock");
    assert!(lock.contains("one") && lock.contains("two") && !lock.contains("app/Dockerfile"), "{lock}");
    here.kapok("build --locked --no-cache two").ok();
}

#[test]
fn an_interrupt_stops_cleanly_and_a_second_one_at_once() {
    let here = TestEnvironment::new();
    if !here.shell_image() {
        return;
    }
    std::fs::remove_dir_all(here.work().join("shell")).expect("it was made");
    here.write("flag/on", "");
    for name in ["one", "two"] {
        here.write(
            &format!("{name}/Dockerfile"),
            "FROM shell\nCOPY flag /flag\nRUN echo begun; while [ -e /flag/on ]; do :; done\n",
        );
    }
    here.write("kapok.yaml", "images:\n  one: {context: ., dockerfile: one/Dockerfile}\n  two: {context: ., dockerfile: two/Dockerfile}\n  on-one: {inline: 'FROM one'}\n");
    for interrupts in [1, 2] {
        let mut storm = here.command("build --progress json");
        let mut storm = storm.stderr(Stdio::piped()).spawn().expect("it starts");
        let mut told = BufReader::new(storm.stderr.take().expect("a pipe")).lines().map_while(Result::ok);
        let runs = told.by_ref().any(|line| {
            line.contains(r#""event":"started""#) && line.contains("RUN")
                || line.contains(r#""event":"started","step":2"#)
        });
        assert!(runs, "a step runs");
        let said = told.by_ref().find(|line| line.contains(r#""event":"output""#)).expect("output");
        let said: Value = serde_json::from_str(&said).expect("JSON");
        let logs = here.kapok(&format!("logs {}", said["image"].as_str().expect("a name"))).ok().stdout;
        assert!(logs.contains("begun"), "{logs}");
        for _ in 0..interrupts {
            let killed = Command::new("kill").args(["-INT", &storm.id().to_string()]).status();
            assert!(killed.expect("kill starts").success() || interrupts == 2);
        }
        let rest: Vec<String> = told.collect();
        assert_eq!(storm.wait().expect("it ends").code(), Some(130), "{rest:?}");
        if interrupts == 1 {
            let cancelled = rest.iter().filter(|line| line.contains(r#""state":"Cancelled""#)).count();
            assert_eq!(cancelled, 3, "{rest:?}");
            assert!(here.kapok("status").code(1).stdout.contains("Cancelled"));
        }
    }
    std::fs::remove_file(here.work().join("flag/on")).expect("it was made");
    here.write("flag/off", "");
    let built = here.kapok("build").ok().stderr;
    assert!(built.contains("3 of 3 images complete"), "{built}");
}
