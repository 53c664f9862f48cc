//! Who may depend on whom, and what may come in from outside.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::Value;

use super::Findings;

/// A room and the rooms it may use; tests of any room may use `testkit`.
const ROOMS: [(&str, &[&str]); 9] = [
    ("dockerfile", &[]),
    ("oci", &[]),
    ("build", &["dockerfile", "oci"]),
    ("registry", &["oci"]),
    ("project", &["dockerfile", "oci"]),
    ("policy", &["dockerfile", "oci", "project"]),
    ("kapok", &["build", "dockerfile", "oci", "policy", "project", "registry"]),
    ("testkit", &[]),
    ("xtask", &["build", "dockerfile", "oci", "policy", "project", "testkit"]),
];

/// Rooms that only compute.
const PURE: [&str; 4] = ["dockerfile", "oci", "policy", "project"];

/// Async runtimes, HTTP clients and servers, and starters of processes.
const NOT_PURE: [&str; 16] = [
    "actix-web",
    "async-std",
    "axum",
    "curl",
    "duct",
    "hyper",
    "isahc",
    "mio",
    "os_pipe",
    "reqwest",
    "rustls",
    "smol",
    "subprocess",
    "tokio",
    "tonic",
    "ureq",
];

/// `-sys` crates that compile what they wrap from sources of their own.
const BUNDLED: [(&str, &str); 4] = [
    ("libdeflate-sys", ""),
    ("libsqlite3-sys", "bundled"),
    ("zstd-sys", ""),
    // A crate of constants and declarations for the kernel; there is no library to find.
    ("linux-raw-sys", ""),
];

/// `-sys` crates that are Rust throughout or belong to other systems.
const PURE_SYS: [&str; 6] = ["libbz2-rs-sys", "windows-sys", "js-sys", "web-sys", "redox_syscall", "wasi"];

/// No arrow that the design does not draw.
pub fn between_rooms(metadata: &Value) -> Findings {
    let mut findings = Vec::new();
    for package in packages(metadata).filter(|package| package["source"].is_null()) {
        let name = text(&package["name"]);
        let Some((_, allowed)) = ROOMS.iter().find(|(room, _)| *room == name) else {
            findings.push(format!("`{name}` is not a room that the design knows"));
            continue;
        };
        for dependency in items(&package["dependencies"]).filter(|dependency| !dependency["path"].is_null()) {
            let to = text(&dependency["name"]);
            let for_tests = dependency["kind"] == "dev" && to == "testkit";
            if !allowed.contains(&to) && !for_tests {
                findings.push(format!("`{name}` depends on `{to}`"));
            }
        }
    }
    findings
}

/// Nothing that reaches outside in the whole dependency tree of a pure room.
pub fn pure_rooms(metadata: &Value) -> Findings {
    let mut findings = Vec::new();
    for room in PURE {
        for name in reached(metadata, room) {
            if NOT_PURE.contains(&name.as_str()) {
                findings.push(format!("`{room}` reaches `{name}`"));
            }
        }
    }
    findings
}

/// Neither bindgen nor a `-sys` crate that looks for a library; pkg-config only where it is never asked,
/// because the sources are bundled.
pub fn system_libraries(metadata: &Value) -> Findings {
    let mut findings = Vec::new();
    let features = features(metadata);
    for package in packages(metadata).filter(|package| !package["source"].is_null()) {
        let name = text(&package["name"]);
        let Some(enabled) = features.get(text(&package["id"])) else { continue };
        if name == "bindgen" {
            findings.push("`bindgen` needs libclang".into());
        }
        let bundled = BUNDLED.iter().find(|(sys, _)| *sys == name);
        if let Some((_, feature)) = bundled {
            if !feature.is_empty() && !enabled.contains(*feature) {
                findings.push(format!("`{name}` without its feature `{feature}`"));
            }
            // libsqlite3-sys has this feature by default and does not ask when it is bundled.
            if feature.is_empty() && ["pkg-config", "dynamic"].iter().any(|asking| enabled.contains(*asking))
            {
                findings.push(format!("`{name}` with its feature `pkg-config`"));
            }
        } else if name.ends_with("-sys") && !PURE_SYS.contains(&name) && !name.starts_with("windows") {
            findings.push(format!("`{name}` wraps a system library"));
        }
        let asks = items(&package["dependencies"]).any(|dependency| {
            ["pkg-config", "vcpkg", "cmake", "bindgen"].contains(&text(&dependency["name"]))
                && dependency["kind"] == "build"
                && dependency["optional"] == false
        });
        if asks && bundled.is_none() {
            findings.push(format!("`{name}` looks for a system library when it is built"));
        }
    }
    findings
}

/// Every crate from outside has a licence that `deny.toml` allows.
pub fn licences(metadata: &Value, allowed: &str) -> Findings {
    let list = allowed.split("allow = [").nth(1).and_then(|rest| rest.split(']').next()).unwrap_or_default();
    let allowed: BTreeSet<&str> = list.split('"').skip(1).step_by(2).collect();
    let used = features(metadata);
    let outside = packages(metadata)
        .filter(|package| !package["source"].is_null() && used.contains_key(text(&package["id"])));
    let fits = |licence: &str| {
        let alternatives = licence.replace(" / ", "/").replace('/', " OR ");
        alternatives
            .split(" OR ")
            .any(|choice| choice.split(" AND ").all(|part| allowed.contains(part.trim_matches(['(', ')']))))
    };
    outside
        .filter(|package| !fits(text(&package["license"])))
        .map(|package| format!("`{}` is under {}", text(&package["name"]), package["license"]))
        .collect()
}

fn packages(metadata: &Value) -> impl Iterator<Item = &Value> {
    items(&metadata["packages"])
}

fn items(value: &Value) -> impl Iterator<Item = &Value> {
    value.as_array().into_iter().flatten()
}

fn text(value: &Value) -> &str {
    value.as_str().unwrap_or_default()
}

/// The features of every package that is really used on this platform, by package id.
fn features(metadata: &Value) -> BTreeMap<&str, BTreeSet<&str>> {
    items(&metadata["resolve"]["nodes"])
        .map(|node| (text(&node["id"]), items(&node["features"]).map(text).collect()))
        .collect()
}

/// The names of all packages that a room needs to be built and run, tests left out.
fn reached(metadata: &Value, room: &str) -> BTreeSet<String> {
    let names: BTreeMap<&str, &str> =
        packages(metadata).map(|package| (text(&package["id"]), text(&package["name"]))).collect();
    let nodes: BTreeMap<&str, &Value> =
        items(&metadata["resolve"]["nodes"]).map(|node| (text(&node["id"]), node)).collect();
    let local = |id: &&str| names.get(id) == Some(&room) && id.contains("path+");
    let mut waiting: Vec<&str> = nodes.keys().copied().filter(local).collect();
    let mut seen = BTreeSet::new();
    while let Some(id) = waiting.pop() {
        let Some(node) = nodes.get(id) else { continue };
        for dependency in items(&node["deps"]) {
            let only_tests = items(&dependency["dep_kinds"]).all(|kind| kind["kind"] == "dev");
            let id = text(&dependency["pkg"]);
            if !only_tests && seen.insert(id) {
                waiting.push(id);
            }
        }
    }
    seen.into_iter().filter_map(|id| names.get(id).map(|name| (*name).to_owned())).collect()
}
