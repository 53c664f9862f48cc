//! The other checkers: how each is had, and what it says of a file.

use std::collections::BTreeSet;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use crate::command::{self, must};
use crate::{peers, workspace};

/// A checker sees one file at a time.
const LIMIT: Duration = Duration::from_secs(60);
const BUILD_LIMIT: Duration = Duration::from_secs(1200);

const KUBE_SCORE: &str = "github.com/zegl/kube-score/cmd/kube-score@v1.20.0";

/// Asks a checker about a file.
type Ask = Box<dyn Fn(&Path) -> io::Result<BTreeSet<String>>>;

/// A checker, by the names of its checks.
pub struct Tool {
    /// As its users call it.
    pub name: &'static str,
    /// Its version.
    pub version: String,
    ask: Ask,
}

impl Tool {
    /// The checks that say something of a file.
    pub fn ask(&self, file: &Path) -> io::Result<BTreeSet<String>> {
        (self.ask)(file)
    }
}

/// hadolint, where its program is on the PATH or beside the other peers. Several registries of packages carry it.
pub fn hadolint() -> io::Result<Tool> {
    let own = workspace::scratch("peers")?.join("hadolint");
    let program = if own.is_file() { own } else { PathBuf::from("hadolint") };
    let said = must(Command::new(&program).arg("--version"), LIMIT)?.stdout;
    let version = said.split_whitespace().last().unwrap_or_default().to_owned();
    let ask = move |file: &Path| {
        let mut run = Command::new(&program);
        run.args(["--no-fail", "--format", "json"]).arg(file);
        names(&must(&mut run, LIMIT)?.stdout, |value| {
            list(value).filter_map(|one| text(&one["code"])).collect()
        })
    };
    Ok(Tool { name: "hadolint", version, ask: Box::new(ask) })
}

/// BuildKit's checks, by a program that calls them without asking any registry for bases.
pub fn buildkit() -> io::Result<Tool> {
    let peers = peers::buildkit()?;
    let version = fs::read_to_string(peers.join("buildkit.version"))?;
    let program = peers.join("buildkit-lint");
    if !program.is_file() {
        build_lint(version.trim(), &program)?;
    }
    let ask = move |file: &Path| {
        let stdout = must(Command::new(&program).arg(file), LIMIT)?.stdout;
        names(&stdout, |value| {
            let broken = value["error"].is_string().then(|| "(the build ends)".to_owned());
            list(&value["findings"]).filter_map(|one| text(&one["rule"])).chain(broken).collect()
        })
    };
    Ok(Tool { name: "docker build --check", version: version.trim().to_owned(), ask: Box::new(ask) })
}

/// In a copy of BuildKit's source, whose packages it uses.
fn build_lint(version: &str, program: &Path) -> io::Result<()> {
    let named = format!("github.com/moby/buildkit@{version}");
    let said = must(Command::new("go").args(["mod", "download", "-json", &named]), BUILD_LIMIT)?.stdout;
    let value: serde_json::Value = serde_json::from_str(&said).map_err(io::Error::other)?;
    let module = value["Dir"].as_str().ok_or_else(|| io::Error::other("the module has no directory"))?;
    let source = tempfile::tempdir()?;
    must(Command::new("cp").args(["-r", &format!("{module}/.")]).arg(source.path()), BUILD_LIMIT)?;
    must(Command::new("chmod").args(["-R", "u+w"]).arg(source.path()), BUILD_LIMIT)?;
    let own = source.path().join("cmd/lint");
    fs::create_dir_all(&own)?;
    fs::write(own.join("main.go"), include_str!("lint.go"))?;
    let mut build = Command::new("go");
    build.current_dir(source.path()).args(["build", "-mod=mod", "-o"]).arg(program).arg("./cmd/lint");
    must(&mut build, BUILD_LIMIT).map(drop)
}

/// kube-score with all its optional checks.
pub fn kube_score() -> io::Result<Tool> {
    let directory = workspace::scratch("peers")?;
    let program = directory.join("kube-score");
    if !program.is_file() {
        let mut install = Command::new("go");
        install.env("GOBIN", &directory).env("GOFLAGS", "-mod=mod").args(["install", KUBE_SCORE]);
        must(&mut install, BUILD_LIMIT)?;
    }
    let listed = must(Command::new(&program).arg("list"), LIMIT)?.stdout;
    let optional: Vec<String> = listed
        .lines()
        .filter(|line| line.ends_with("optional"))
        .filter_map(|line| line.split(',').next().map(str::to_owned))
        .collect();
    let ask = move |file: &Path| {
        let mut run = Command::new(&program);
        run.args(["score", "--output-format", "json"]);
        run.args(optional.iter().flat_map(|id| ["--enable-optional-test", id])).arg(file);
        // Its exit code says that it found something; its output is what there is to read.
        let stdout = command::run(&mut run, LIMIT)?.stdout;
        if stdout.trim().is_empty() {
            return Ok(BTreeSet::new());
        }
        names(&stdout, |value| {
            // 10 is passed; a skipped check was not asked.
            let failed = |check: &&serde_json::Value| {
                check["skipped"] != true && check["grade"].as_u64().is_some_and(|grade| grade < 10)
            };
            let checks = |object: &serde_json::Value| -> Vec<String> {
                let failed = list(&object["checks"]).filter(failed);
                failed.filter_map(|check| text(&check["check"]["id"])).collect()
            };
            list(value).flat_map(checks).collect()
        })
    };
    Ok(Tool { name: "kube-score", version: "1.20.0".to_owned(), ask: Box::new(ask) })
}

fn names(text: &str, read: impl Fn(&serde_json::Value) -> BTreeSet<String>) -> io::Result<BTreeSet<String>> {
    serde_json::from_str(text).map(|value| read(&value)).map_err(io::Error::other)
}

fn list(value: &serde_json::Value) -> impl Iterator<Item = &serde_json::Value> {
    value.as_array().into_iter().flatten()
}

fn text(value: &serde_json::Value) -> Option<String> {
    value.as_str().map(str::to_owned)
}
