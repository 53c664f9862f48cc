//! images, inspect, tag, rmi, diff, load, save.

use serde_json::Value;

use crate::environment::TestEnvironment;

/// A store with an image `app`.
fn with_image() -> TestEnvironment {
    let here = TestEnvironment::new();
    here.write("Dockerfile", "FROM scratch\nCOPY Dockerfile /\nENV A=1\n");
    here.kapok("build -q -t app .").ok();
    here
}

#[test]
fn names_come_and_go() {
    let here = with_image();
    here.kapok("tag app registry.example:5000/team/app:v1 other").ok();
    let list = here.kapok("images").ok().stdout;
    assert!(list.contains("registry.example:5000/team/app") && list.contains("latest"), "{list}");
    assert_eq!(here.kapok("images -q app").ok().stdout.lines().count(), 1);
    let json: Value = serde_json::from_str(&here.kapok("images --format json").ok().stdout).expect("JSON");
    assert_eq!(json.as_array().map(Vec::len), Some(3));
    here.kapok("rmi other").ok();
    here.kapok("rmi other").code(1);
    here.kapok("rmi -f other").ok();
    here.kapok("inspect app").ok();
    let id = here.kapok("images -q app").ok().stdout;
    here.kapok("rmi registry.example:5000/team/app:v1").ok();
    assert!(here.kapok(&format!("rmi {}", id.trim())).ok().stdout.contains("untagged: app:latest"));
    assert_eq!(here.kapok("images -q").ok().stdout, "");
}

#[test]
fn inspect_speaks_dockers_language() {
    let here = with_image();
    let array: Value = serde_json::from_str(&here.kapok("inspect app").ok().stdout).expect("JSON");
    let image = &array[0];
    assert_eq!(image["RepoTags"][0], "app:latest");
    assert_eq!(image["Config"]["Env"][1], "A=1", "{image}");
    assert_eq!(image["RootFS"]["Layers"].as_array().map(Vec::len), Some(1));
    let size = here.read("Dockerfile").len();
    assert_eq!(image["Size"].as_u64(), Some(size as u64), "as docker counts");
    assert!(image["PackedSize"].as_u64() > Some(0));
    assert!(here.kapok("images app").ok().stdout.contains(&format!("{size} B")));
    let id = image["Id"].as_str().expect("an id").to_owned();
    here.kapok(&format!("inspect {id}")).ok();
    here.kapok("inspect missing").code(1);
}

#[test]
fn diff_says_what_differs() {
    let here = with_image();
    here.write("Dockerfile", "FROM scratch\nCOPY Dockerfile other /\nENV A=2\n");
    here.write("other", "x");
    here.kapok("build -q -t new .").ok();
    here.kapok("diff app app").ok();
    let differs = here.kapok("diff app new").code(1).stdout;
    assert!(differs.contains("+ /other") && differs.contains("~ /Dockerfile"), "{differs}");
    assert!(differs.contains("config.Env"), "{differs}");
}

#[test]
fn an_archive_brings_the_same_image_elsewhere() {
    let here = with_image();
    for (format, path) in [("docker-archive", "a.tar"), ("oci", "b.tar"), ("oci-dir", "layout")] {
        here.kapok(&format!("save app --format {format} -o {path}")).ok();
        let there = TestEnvironment::new();
        let path = here.work().join(path);
        there.kapok(&format!("load -i {}", path.display())).ok();
        let id = |place: &TestEnvironment| place.kapok("images -q --no-trunc").ok().stdout;
        assert_eq!(id(&here), id(&there), "by {format}");
        there.kapok("inspect app:latest").ok();
    }
}
