//! Builds that are locked, and made again in a network namespace without a route: nobody can be asked.

use std::collections::BTreeMap;
use std::path::Path;
use std::process::Command;

use serde_json::Value;

use super::fixture::{BASE, Explained, Here, LIMIT};
use crate::command::{self, Outcome};
use crate::real::{Test, Trouble, World, ensure, needs, needs_root};

pub const TESTS: &[Test] = &[
    ("upstreams that are directories: locked, and built again offline", swish),
    ("apt, Go and plain downloads: vendored, and the same image from an empty store offline", vendored),
    ("a record says the same when all is cached, and on a machine with a shared cache", record_survives),
    ("ADD of a Git repository is built again offline", git_source),
    ("a plan that asks upstreams lists what changed, and builds nothing", outdated),
    ("a plan that asks upstreams knows which branch of Git has moved", moved),
];

/// A command in a network namespace that has not even a loopback.
pub fn isolated(inner: &Command) -> Command {
    let mut command = Command::new("unshare");
    command.arg("--net").arg(inner.get_program()).args(inner.get_args());
    for (name, value) in inner.get_envs() {
        match value {
            Some(value) => command.env(name, value),
            None => command.env_remove(name),
        };
    }
    if let Some(directory) = inner.get_current_dir() {
        command.current_dir(directory);
    }
    command
}

/// Builds a context without a network.
pub fn offline(here: &Here<'_>, context: &Path, flags: &[&str]) -> Result<Outcome, Trouble> {
    let debian = here.debian();
    let own = ["--offline", "--no-cache", "--compression", "zstd", &debian[0], &debian[1]];
    let words = [&own[..], flags].concat();
    let outcome = command::run(&mut isolated(&here.place.plain_build(context, &words)), LIMIT)?;
    ensure(outcome.success(), || outcome.tail(40))?;
    Ok(outcome)
}

/// What each step fetched: step, method, URL and what else decides, and the digest that came.
pub fn fetched(explained: &Explained) -> BTreeMap<String, String> {
    let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
    let line = |intake: &Value| {
        let key = ["method", "url", "request"].map(|name| text(&intake[name])).join(" ");
        (format!("{} {key}", intake["step"]), text(&intake["digest"]))
    };
    // Names that were asked for and not used depend on how a client hurries.
    explained.intakes.iter().filter(|intake| intake["method"] != "DNS").map(line).collect()
}

/// The two records have the same requests with the same answers, and nothing of them was refused or failed.
pub fn same(first: &Explained, second: &Explained) -> Result<(), Trouble> {
    let (first, second) = (fetched(first), fetched(second));
    let differing = first.iter().filter(|(key, digest)| second.get(*key) != Some(digest));
    let more = second.iter().filter(|(key, _)| !first.contains_key(*key));
    let lines: Vec<_> = differing.chain(more).map(|(key, digest)| format!("{key} {digest}")).collect();
    ensure(!first.is_empty() && lines.is_empty(), || {
        format!("{} and {} requests differ in\n{}", first.len(), second.len(), lines.join("\n"))
    })
}

/// The shape of `examples/swish`, with what it compiles left out: Python's source from its own address and a package from
/// R's, both of which are directories here; requirements from wherever pip asks by itself. R keeps the length of a random
/// name with its help, which is another in one build of many: two builds alike do not foretell the third, so there is none.
const SWISH: &str = "\
//- /Dockerfile
FROM gateway:swish-tools
WORKDIR /swish
COPY requirements.txt /swish/requirements.txt
RUN pip3 install --break-system-packages -r requirements.txt
RUN Rscript -e \"install.packages('kept', INSTALL_opts='--no-docs')\" && Rscript -e 'cat(kept::kept())'
RUN wget https://python.example.org/ftp/python/2.7.18/Python-2.7.18.tgz
RUN tar -xvf Python-2.7.18.tgz && test -f Python-2.7.18/configure
//- /requirements.txt
six==1.16.0
idna==3.4
//- /upstream/python/2.7.18/Python-2.7.18.tgz archive=gzip
Python-2.7.18/ mode=0755
Python-2.7.18/configure mode=0755 text=#!/bin/sh\\n
//- /upstream/cran/src/contrib/PACKAGES
Package: kept
Version: 1.0
NeedsCompilation: no
//- /upstream/cran/src/contrib/kept_1.0.tar.gz archive=gzip
kept/ mode=0755
kept/DESCRIPTION text=DESCRIPTION-TEXT
kept/NAMESPACE text=export(kept)\\n
kept/R/ mode=0755
kept/R/kept.R text=kept=function()\"kept\"\\n
//- /kapok.yaml
mirrors:
  python.example.org/ftp/python: upstream/python
  cloud.r-project.org: upstream/cran
";

const DESCRIPTION: &str = "Package:\\x20kept\\nVersion:\\x201.0\\nTitle:\\x20T\\nDescription:\\x20D.\\nLicense:\\x20GPL-3\\n\
                           Author:\\x20A\\nMaintainer:\\x20A\\x20<a@example.org>\\n";

fn swish(world: &World) -> Result<(), Trouble> {
    needs_root()?;
    needs(&["unshare"])?;
    let here = Here::new(world, "gateway-swish")?;
    let tools = format!(
        "//- /Dockerfile\nFROM {BASE}\nRUN apt-get install --yes --no-install-recommends r-base-core python3-pip wget ca-certificates\n"
    );
    let made = here.build(&tools, &["--tag", "gateway:swish-tools"])?;
    ensure(made.success(), || made.tail(20))?;
    let context = here.place.context(&SWISH.replace("DESCRIPTION-TEXT", DESCRIPTION))?;
    let words = ["--lock", "--twice", "--no-cache", "--compression", "zstd", "--tag", "swish:online"];
    let online = command::run(&mut here.place.plain_build(&context, &words), LIMIT)?;
    // 1: some files differ, which is what is asked for here.
    ensure(matches!(online.code(), 0 | 1), || online.tail(40))?;
    offline(&here, &context, &["--tag", "swish:offline"])?;
    same(&here.explain("swish:online")?, &here.explain("swish:offline")?)?;
    told_of(&here, &online, "swish:online", "swish:offline")
}

/// Whatever differs between two images differed already when the steps of the first ran twice.
pub fn told_of(here: &Here<'_>, online: &Outcome, first: &str, second: &str) -> Result<(), Trouble> {
    let twice = format!("{}{}", online.stdout, online.stderr);
    let diff = here.place.kapok(&["diff", "--ignore-times", "--format", "json", first, second])?;
    let diff: Value = serde_json::from_str(&diff.stdout)
        .map_err(|error| Trouble::Failed(format!("kapok diff: {error}: {}", diff.tail(20))))?;
    let files = diff["files"].as_array().cloned().unwrap_or_default();
    let untold: Vec<&str> =
        files.iter().filter_map(|file| file["what"].as_str()).filter(|path| !twice.contains(*path)).collect();
    ensure(untold.is_empty(), || format!("{}\n`--twice` said nothing of {untold:?}", online.tail(20)))
}

/// Debian packages, a Go module and a file, nothing of which is made at another time otherwise.
fn vendored(world: &World) -> Result<(), Trouble> {
    needs_root()?;
    needs(&["unshare"])?;
    let here = Here::new(world, "gateway-vendored")?;
    let fixture = "\
//- /Dockerfile
FROM debian
RUN apt-get update && apt-get install --yes --no-install-recommends golang-go ca-certificates curl
COPY tool /tool
RUN cd /tool && CGO_ENABLED=0 go build -trimpath -o /usr/local/bin/tool . && rm -rf /root/go /root/.cache && tool
RUN curl -fsSL https://files.example.org/data -o /data
//- /tool/go.mod
module example.org/tool

go 1.19

require github.com/BurntSushi/toml v1.2.0
//- /tool/go.sum
github.com/BurntSushi/toml v1.2.0 h1:Rt8g24XnyGTyglgET/PRUNlrUeu9F5L+7FilkXfZgs0=
github.com/BurntSushi/toml v1.2.0/go.mod h1:CxXYINrC8qIiEnFrOxCa7Jy5BFHlXnUU2pbicEuybxQ=
//- /tool/main.go
package main

import (
\t\"fmt\"

\t\"github.com/BurntSushi/toml\"
)

func main() {
\tvar kept struct{ Name string }
\t_, err := toml.Decode(\"name = 'kept'\", &kept)
\tfmt.Println(kept.Name, err)
}
//- /files/data
a plain file
//- /kapok.yaml
mirrors:
  files.example.org: files
";
    let context = here.place.context(fixture)?;
    let debian = here.debian();
    let words =
        ["--lock", "--compression", "zstd", "--quiet", "--tag", "vendored:online", &debian[0], &debian[1]];
    let online = command::run(&mut here.place.plain_build(&context, &words), LIMIT)?;
    ensure(online.success(), || online.tail(40))?;
    let media = here.place.path.join("media");
    let mut vendor = here.place.command();
    vendor.current_dir(&context).arg("vendor").arg(&media);
    command::must(&mut vendor, LIMIT)?;
    let apart = here.with_store("empty");
    let from = format!("--from-vendor={}", media.display());
    let again = offline(&apart, &context, &["--quiet", "--tag", "vendored:offline", &from])?;
    same(&here.explain("vendored:online")?, &apart.explain("vendored:offline")?)?;
    ensure(online.stdout == again.stdout, || format!("{} online, {} offline", online.stdout, again.stdout))
}

fn record_survives(world: &World) -> Result<(), Trouble> {
    let here = Here::new(world, "gateway-survives")?;
    let fixture = format!(
        "//- /Dockerfile\nFROM {BASE}\nRUN apt-get install --yes --no-install-recommends hello\n\
         RUN apt-get install --yes --no-install-recommends jq\n"
    );
    let cache = here.place.path.join("cache").display().to_string();
    let to = format!("type=local,dest={cache},mode=max");
    let first = here.build(&fixture, &["--no-cache", "--tag", "gateway:survives", "--cache-to", &to])?;
    ensure(first.success(), || first.tail(20))?;
    let recorded = here.explain("gateway:survives")?.intakes;
    ensure(!recorded.is_empty(), || "nothing was recorded".into())?;
    let cached = here.explained(&fixture, "gateway:survives")?.intakes;
    ensure(cached == recorded, || "all was cached, and the record is another".into())?;
    let base = here.place.path.join("base.tar").display().to_string();
    let saved = here.place.kapok(&["save", "-o", &base, BASE])?;
    ensure(saved.success(), || saved.tail(10))?;
    let other = here.with_store("other");
    let loaded = other.place.kapok(&["load", "-i", &base])?;
    ensure(loaded.success(), || loaded.tail(10))?;
    let from = format!("type=local,src={cache}");
    let shared = other.build(&fixture, &["--tag", "gateway:survives", "--cache-from", &from])?;
    ensure(shared.success() && shared.stderr.to_lowercase().contains("cached"), || shared.tail(20))?;
    let shared = other.explain("gateway:survives")?.intakes;
    ensure(shared == recorded, || {
        format!(
            "{} intakes where they were fetched, {} where the layers came from a cache",
            recorded.len(),
            shared.len()
        )
    })
}

/// Served by git itself over loopback, then gone.
fn git_source(world: &World) -> Result<(), Trouble> {
    needs_root()?;
    needs(&["git", "unshare"])?;
    let here = Here::new(world, "gateway-git-source")?;
    super::server::repository(&here.place.path, "tool")?;
    let server = super::server::Server::start(std::net::Ipv4Addr::LOCALHOST.into(), &here.place.path)?;
    let ca = here.place.path.join("ca.pem");
    std::fs::write(&ca, &server.ca)?;
    let fixture = format!("//- /Dockerfile\nFROM scratch\nADD {} /tool\n", server.url("git/tool.git"));
    let context = here.place.context(&fixture)?;
    let mut build = here
        .place
        .plain_build(&context, &["--lock", "--compression", "zstd", "--quiet", "--tag", "git:online"]);
    let online = command::run(build.env("GIT_SSL_CAINFO", &ca), LIMIT)?;
    ensure(online.success(), || online.tail(20))?;
    let asked = server.requests().len();
    let again = offline(&here, &context, &["--quiet", "--tag", "git:offline"])?;
    ensure(asked > 0 && server.requests().is_empty(), || "the server was asked again, or never".into())?;
    ensure(online.stdout == again.stdout, || format!("{} online, {} offline", online.stdout, again.stdout))
}

/// A branch that moves between two builds, and one that does not.
fn moved(world: &World) -> Result<(), Trouble> {
    needs(&["git"])?;
    let here = Here::new(world, "gateway-moved")?;
    super::server::repository(&here.place.path, "moves")?;
    super::server::repository(&here.place.path, "stays")?;
    let server = super::server::Server::start(std::net::Ipv4Addr::LOCALHOST.into(), &here.place.path)?;
    std::fs::write(here.place.path.join("ca.pem"), &server.ca)?;
    let fixture = format!(
        "//- /Dockerfile\nFROM {BASE}\nRUN apt-get install --yes --no-install-recommends git\n\
         RUN git clone --quiet https://code.example.org/moves.git /moves\n\
         RUN git clone --quiet --depth 1 https://code.example.org/stays.git /stays\n\
         //- /kapok.yaml\nnetwork:\n  ca: ../ca.pem\nmirrors:\n  https://code.example.org: {}\n",
        server.url("git")
    );
    here.explained(&fixture, "gateway:moved")?;
    let debian = here.debian();
    let plan = || {
        let mut plan = here.place.command();
        plan.args(["plan", "--refresh", &debian[0], &debian[1]]).arg(here.place.path.join("context"));
        let outcome = command::run(&mut plan, LIMIT)?;
        ensure(outcome.success(), || outcome.tail(20))?;
        Ok::<_, Trouble>(outcome.stdout)
    };
    let before = plan()?;
    ensure(!before.contains("example.org"), || before)?;
    super::server::commit(&here.place.path, "moves")?;
    let after = plan()?;
    let lines = ["changed: https://code.example.org/moves.git", "RUN git clone --quiet https"];
    ensure(lines.iter().all(|line| after.contains(line)) && !after.contains("stays"), || after)
}

/// An index of Python's shape, in a directory that stands in for its host.
fn outdated(world: &World) -> Result<(), Trouble> {
    let here = Here::new(world, "gateway-outdated")?;
    let fixture = format!(
        "//- /Dockerfile\nFROM {BASE}\nRUN apt-get install --yes --no-install-recommends curl\n\
         RUN curl -fsS http://pypi.example.org/simple/kept/ && curl -fsSO http://pypi.example.org/simple/kept/kept-1.0.tar.gz\n\
         RUN curl -fsSO http://pypi.example.org/other\n\
         //- /index/simple/kept/kept-1.0.tar.gz\none\n//- /index/other\nthe same\n\
         //- /kapok.yaml\nmirrors:\n  pypi.example.org: index\n"
    );
    here.explained(&fixture, "gateway:outdated")?;
    let context = here.place.path.join("context");
    let debian = here.debian();
    let plan = |format: &str| {
        let mut plan = here.place.command();
        plan.args(["plan", "--refresh", "--format", format, &debian[0], &debian[1]]).arg(&context);
        let outcome = command::run(&mut plan, LIMIT)?;
        ensure(outcome.success(), || outcome.tail(20))?;
        Ok::<_, Trouble>(outcome.stdout)
    };
    let before = plan("table")?;
    ensure(before.contains("no cached step"), || before)?;
    std::fs::write(context.join("index/simple/kept/kept-1.1.tar.gz"), "two\n")?;
    let builds = here.place.kapok(&["explain", "--format", "json"])?.stdout;
    let after = plan("table")?;
    let lines = ["changed: http://pypi.example.org/simple/kept/", "pkg:pypi/kept -> 1.1", "RUN curl"];
    ensure(lines.iter().all(|line| after.contains(line)) && !after.contains("/other"), || after)?;
    let steps: Value =
        serde_json::from_str(&plan("json")?).map_err(|error| Trouble::Failed(error.to_string()))?;
    ensure(steps.as_array().is_some_and(|steps| steps.len() == 1), || steps.to_string())?;
    let builds_after = here.place.kapok(&["explain", "--format", "json"])?.stdout;
    ensure(builds == builds_after, || "something was built".into())
}
