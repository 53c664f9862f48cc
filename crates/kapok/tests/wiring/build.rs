//! build, plan, logs, explain, and what a build leaves.

use serde_json::Value;

use crate::environment::TestEnvironment;

fn simple() -> TestEnvironment {
    let here = TestEnvironment::new();
    here.write(
        "Dockerfile",
        "FROM scratch AS base\nARG WHO=nobody\nLABEL who=$WHO\nCOPY a /\nFROM base\nCOPY b /\n",
    );
    here.write("a", "a");
    here.write("b", "b");
    here
}

#[test]
fn a_build_leaves_what_was_asked_for() {
    let here = simple();
    let built = here
        .kapok("build . -t app -t app:v1 --build-arg WHO=ada --iidfile id --metadata-file meta -o type=oci,dest=x.tar -o out")
        .ok();
    assert!(built.stderr.contains("app:v1") && built.stderr.contains("digest"), "{}", built.stderr);
    assert_eq!(built.stdout, "");
    let metadata: Value = serde_json::from_str(&here.read("meta")).expect("JSON");
    assert_eq!(metadata["containerimage.digest"], here.read("id"));
    assert_eq!(here.read("out/b"), "b");
    let inspected = here.kapok("inspect app:v1").ok().stdout;
    assert!(inspected.contains("\"who\": \"ada\""), "{inspected}");
    here.kapok("load -i x.tar").ok();
}

#[test]
fn the_same_inputs_make_the_same_digest_and_run_nothing() {
    let here = simple();
    let first = here.kapok("build -q .").ok().stdout;
    assert!(first.starts_with("sha256:"), "{first}");
    let again = here.kapok("build -q . --no-cache --jobs 1").ok().stdout;
    assert_eq!(first, again);
    let cached = here.kapok("build . --progress plain").ok().stderr;
    assert!(cached.contains("0 run, 2 cached"), "{cached}");
}

#[test]
fn contexts_and_dockerfiles_come_from_everywhere() {
    let here = simple();
    let digest = here.kapok("build -q .").ok().stdout;
    let dockerfile = here.read("Dockerfile");
    assert_eq!(here.kapok_with_input("build -q -f - .", dockerfile.as_bytes()).ok().stdout, digest);
    let tar = std::process::Command::new("tar")
        .args(["--owner=0", "--group=0", "-c", "Dockerfile", "a", "b"])
        .current_dir(here.work())
        .output()
        .expect("tar starts");
    let piped = here.kapok_with_input("build -q -", &tar.stdout).ok().stdout;
    assert!(piped.starts_with("sha256:"), "{piped}");
    let alone = here.kapok_with_input("build -q -", b"FROM scratch\nLABEL a=b\n").ok().stdout;
    assert!(alone.starts_with("sha256:"), "{alone}");
    std::fs::rename(here.work().join("Dockerfile"), here.work().join("Containerfile")).expect("renamed");
    assert_eq!(here.kapok("build -q .").ok().stdout, digest);
}

#[test]
fn all_mistakes_of_a_dockerfile_are_shown_at_once() {
    let here = simple();
    here.write("Dockerfile", "FROM scratch AS builder\nCOPPY a /\nCOPY --from=bulder /a /\n");
    let refused = here.kapok("build .").code(2).stderr;
    assert!(refused.contains("Dockerfile:2") && refused.contains("Dockerfile:3"), "{refused}");
    assert!(refused.contains("did you mean `builder`?"), "{refused}");
    let missing = here.kapok("build nowhere").code(2).stderr;
    assert!(missing.contains("no image `nowhere`"), "{missing}");
    let missing = here.kapok("build ./nowhere").code(2).stderr;
    assert!(missing.contains("`./nowhere` does not exist"), "{missing}");
}

#[test]
fn a_missing_source_fails_the_step() {
    let here = simple();
    here.write("Dockerfile", "FROM scratch\nCOPY missing /\n");
    let failed = here.kapok("build . --progress plain").code(4).stderr;
    assert!(failed.contains("Dockerfile:2") && failed.contains("missing"), "{failed}");
}

#[test]
fn what_the_settings_do_not_allow_is_refused() {
    let here = simple();
    let refused = here.kapok("build . --network host").code(2).stderr;
    assert!(refused.contains("network.host"), "{refused}");
    here.kapok("build . --allow security.insecure").code(2);
    here.write("../home/.config/kapok/kapok.yaml", "network: { host: true }\nsecurity: { insecure: true }\n");
    here.kapok("build . --network host --allow security.insecure").ok();
    here.write("kapok.yaml", "network:\n  host: true\n");
    let refused = here.kapok("build .").code(2).stderr;
    assert!(refused.contains("a project may not set `network.host`"), "{refused}");
}

#[test]
fn json_progress_is_one_object_a_line() {
    let here = simple();
    let built = here.kapok("build . --progress json -q").ok();
    assert_eq!(built.stderr, "");
    let built = here.kapok("build . --progress json --no-cache").ok();
    here.write("Dockerfile", "FROM scratch\nCOPPY a /\n");
    let failed = here.kapok("build . --progress json").code(2);
    for (text, last) in [(built.stderr, "built"), (failed.stderr, "error")] {
        let events: Vec<Value> =
            text.lines().map(|line| serde_json::from_str(line).expect("only JSON")).collect();
        assert!(events.iter().all(|event| event["at_ms"].is_u64()), "{text}");
        assert_eq!(events.last().map(|event| &event["event"]), Some(&Value::from(last)), "{text}");
    }
}

#[test]
fn a_plan_builds_nothing() {
    let here = simple();
    let plan = here.kapok("plan .").ok().stdout;
    assert!(plan.contains("COPY b /"), "{plan}");
    let json: Value = serde_json::from_str(&here.kapok("plan . --format json").ok().stdout).expect("JSON");
    assert_eq!(json[0]["stages"].as_array().map(Vec::len), Some(2));
    assert_eq!(here.kapok("images -q").ok().stdout, "");
}

#[test]
fn explain_says_why_a_step_ran() {
    let here = simple();
    here.kapok("build -q -t app .").ok();
    here.write("b", "changed");
    here.kapok("build -q -t app .").ok();
    let overview = here.kapok("explain app").ok().stdout;
    assert!(overview.contains("cached") && overview.contains("ran"), "{overview}");
    let json: Value =
        serde_json::from_str(&here.kapok("explain app --format json").ok().stdout).expect("JSON");
    let ran =
        json["steps"].as_array().expect("steps").iter().find(|step| step["state"] == "ran").expect("one ran");
    let number = ran["id"].as_u64().expect("a number") + 1;
    let why = here.kapok(&format!("explain app#{number}")).ok().stdout;
    assert!(why.contains("`/b` (was sha256:"), "{why}");
}

#[test]
fn an_output_may_say_how_its_layers_are_compressed() {
    let here = simple();
    let media_types = |directory: &str| -> Vec<String> {
        let read = |path: &str| -> Value { serde_json::from_str(&here.read(path)).expect("JSON") };
        let blob = |digest: &Value| {
            format!("{directory}/blobs/{}", digest.as_str().expect("a digest").replace(':', "/"))
        };
        let manifest = read(&blob(&read(&format!("{directory}/index.json"))["manifests"][0]["digest"]));
        let layers = manifest["layers"].as_array().expect("layers");
        layers.iter().map(|layer| layer["mediaType"].as_str().expect("a type").to_owned()).collect()
    };
    here.kapok("build . -q=1 -o type=oci,tar=false,dest=zstd,compression=zstd").ok();
    here.kapok("build . -q -o type=oci,tar=false,dest=plain,compression=none --compression=none").ok();
    assert!(media_types("zstd").iter().all(|kind| kind.ends_with("+zstd")), "{:?}", media_types("zstd"));
    assert!(media_types("plain").iter().all(|kind| kind.ends_with(".tar")), "{:?}", media_types("plain"));
    let both = here.kapok("build . --compression gzip -o type=oci,dest=x,compression=zstd").code(2).stderr;
    assert!(both.contains("different ways"), "{both}");
}

#[test]
fn a_source_that_is_ignored_is_warned_of_at_its_place() {
    let here = simple();
    here.write(".dockerignore", "b\n");
    let failed = here.kapok("build . --progress plain").code(4).stderr;
    assert!(failed.contains("CopyIgnoredFile") && failed.contains("Dockerfile:6:6"), "{failed}");
}
