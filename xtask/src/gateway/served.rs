//! `kapok serve --packages`: people's tools against it, and a Dockerfile of another world that builds with one line.

use std::path::Path;
use std::process::Command;

use super::fixture::{BASE, Here, LIMIT};
use crate::command;
use crate::real::{Test, Trouble, World, ensure, needs};
use crate::registry::fixture::Served;

pub const TESTS: &[Test] = &[
    ("a Dockerfile that names a Nexus that is not there builds unedited with one line of `mirrors`", nexus),
    ("apt, curl and a directory by way of `kapok serve --packages`", tools),
    ("`kapok serve --packages` wants a word before it serves everybody", strangers),
];

/// Clients whose configuration names the proxies of a cluster's Nexus, as the teams have it in their repositories.
const CLIENTS: &str = "\
RUN apt-get install --yes --no-install-recommends python3-pip maven default-jre-headless unzip
RUN python3 -c 'from pip._internal.models.index import PyPI; print(\"pypi\", PyPI.simple_url)' > /upstreams \\
 && unzip -p /usr/share/maven/lib/maven-model-builder-3.x.jar org/apache/maven/model/pom-4.0.0.xml \\
  | sed -n 's,.*<url>\\(http.*\\)</url>.*,maven \\1,p' | head -n 1 >> /upstreams
";

const NEXUS: &str = "\
//- /Dockerfile
FROM gateway:nexus-clients
COPY pip.conf /etc/pip.conf
COPY settings.xml /root/.m2/settings.xml
COPY pom.xml /app/pom.xml
RUN pip install --break-system-packages idna==3.4
RUN cd /app && mvn --quiet --batch-mode clean
//- /pip.conf
[global]
index-url = http://nexus.rainforest.svc:8081/repository/pypi-proxy/simple
trusted-host = nexus.rainforest.svc
//- /settings.xml
<settings>
  <mirrors>
    <mirror>
      <id>nexus</id>
      <mirrorOf>*</mirrorOf>
      <url>http://nexus.rainforest.svc:8081/repository/maven-central/</url>
    </mirror>
  </mirrors>
</settings>
//- /pom.xml
<project>
  <modelVersion>4.0.0</modelVersion>
  <groupId>org.example</groupId>
  <artifactId>app</artifactId>
  <version>1</version>
</project>
//- /kapok.yaml
";

/// Starts the server in a directory with these settings.
fn serve(here: &Here<'_>, directory: &Path, settings: &str) -> Result<Served, Trouble> {
    std::fs::create_dir_all(directory)?;
    std::fs::write(directory.join("kapok.yaml"), settings)?;
    let mut command = here.place.command();
    command.current_dir(directory).args(["serve", "--packages", "127.0.0.1:0"]);
    Served::start(command)
}

fn nexus(world: &World) -> Result<(), Trouble> {
    let here = Here::new(world, "gateway-nexus")?;
    let clients =
        here.build(&format!("//- /Dockerfile\nFROM {BASE}\n{CLIENTS}"), &["--tag", "gateway:nexus-clients"])?;
    ensure(clients.success(), || clients.tail(20))?;
    let upstreams = here.place.kapok(&["run", "gateway:nexus-clients", "cat", "/upstreams"])?.stdout;
    let of = |name: &str| {
        let line = upstreams.lines().find_map(|line| line.strip_prefix(name)).map(str::trim);
        line.map(str::to_owned)
            .ok_or_else(|| Trouble::Failed(format!("no upstream of {name} in {upstreams}")))
    };
    let pypi = of("pypi")?;
    let pypi = pypi.trim_end_matches('/').trim_end_matches("/simple");
    let settings = format!("packages:\n  pypi-proxy: {pypi}\n  maven-central: {}\n", of("maven")?);
    let served = serve(&here, &here.place.path.join("served"), &settings)?;
    // The one line.
    let line = format!(
        "mirrors: {{'nexus.rainforest.svc:8081/repository': 'http://{}/repository'}}\n",
        served.address
    );
    let explained = here.explained(&format!("{NEXUS}{line}"), "gateway:nexus")?;
    let idna = explained.at("nexus.rainforest.svc:8081/repository/pypi-proxy/simple/idna/")?;
    ensure(idna["status"] == 200, || idna.to_string())?;
    let has = |purl: &str| {
        let named = |intake: &serde_json::Value| {
            intake["purl"].as_str().is_some_and(|found| found.starts_with(purl))
                && intake["url"].as_str().is_some_and(|url| url.contains("nexus.rainforest.svc:8081/"))
        };
        ensure(explained.intakes.iter().any(named), || format!("no intake of {purl} by way of the Nexus"))
    };
    has("pkg:pypi/idna@3.4")?;
    has("pkg:maven/org.apache.maven.plugins/maven-clean-plugin@")
}

/// curl of this machine, and apt in a RUN, by way of a mirror.
fn tools(world: &World) -> Result<(), Trouble> {
    needs(&["curl"])?;
    let here = Here::new(world, "gateway-served")?;
    let sources = here.place.kapok(&["run", BASE, "cat", "/etc/apt/sources.list.d/debian.sources"])?.stdout;
    let upstream = sources.lines().find_map(|line| line.strip_prefix("URIs: ")).map(str::trim);
    let upstream = upstream.ok_or_else(|| Trouble::Failed(format!("no upstream in {sources}")))?;
    let directory = here.place.path.join("served");
    std::fs::create_dir_all(directory.join("plain"))?;
    std::fs::write(directory.join("plain/file"), "plain\n")?;
    let served = serve(&here, &directory, &format!("packages:\n  debian: {upstream}\n  files: plain\n"))?;
    let curl = |path: &str| {
        let url = format!("http://{}/{path}", served.address);
        let outcome = command::run(Command::new("curl").args(["-fsS", "--noproxy", "*", &url]), LIMIT)?;
        ensure(outcome.success(), || format!("{url}: {}", outcome.tail(5)))?;
        Ok::<_, Trouble>(outcome.stdout)
    };
    ensure(curl("repository/files/file")? == "plain\n", || "another file".into())?;
    ensure(curl("health")? == "ok\n", || "it is not well".into())?;
    let fixture = format!(
        "//- /Dockerfile\nFROM {BASE}\nRUN rm /etc/apt/sources.list.d/* \\\n\
         && echo 'deb [signed-by=/usr/share/keyrings/debian-archive-keyring.gpg] http://packages.example.org/debian bookworm main' > /etc/apt/sources.list \\\n\
         && apt-get update && apt-get install --yes --no-install-recommends hello\n\
         //- /kapok.yaml\nmirrors:\n  packages.example.org: http://{}/repository\n",
        served.address
    );
    let explained = here.explained(&fixture, "gateway:served")?;
    let hello = explained.at("packages.example.org/debian/pool/main/h/hello/")?;
    ensure(hello["purl"].as_str().is_some_and(|purl| purl.starts_with("pkg:deb/debian/hello@")), || {
        hello.to_string()
    })?;
    let metrics = curl("metrics")?;
    ensure(metrics.contains("kapok_packages_requests_total{repository=\"debian\",status=\"200\"}"), || {
        metrics
    })
}

fn strangers(world: &World) -> Result<(), Trouble> {
    let here = Here::new(world, "gateway-strangers")?;
    let refused = |settings: &str, words: &[&str], reason: &str| {
        std::fs::write(here.place.path.join("kapok.yaml"), settings)?;
        let mut command = here.place.command();
        let outcome = command::run(command.current_dir(&here.place.path).args(words), LIMIT)?;
        ensure(outcome.code() == 2 && outcome.stderr.contains(reason), || {
            format!("{words:?}: exit {}: {}", outcome.code(), outcome.tail(5))
        })
    };
    let some = "packages:\n  a: https://packages.example.org\n";
    refused(some, &["serve", "--packages", "0.0.0.0:0"], "--open-to-all")?;
    refused(some, &["serve"], "--packages")?;
    refused("packages:\n", &["serve", "--packages", "127.0.0.1:0"], "`packages`")
}
