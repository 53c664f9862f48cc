//! What the network of a RUN costs: to set up, with packages that the store has, with a file that it has.

use std::fs;
use std::io::{self, Write};
use std::path::Path;
use std::process::Command;

use testkit::archive::filler;

use super::Figure;
use super::builders::{Builder, Job};
use super::figures::{LIMIT, Measure, Stage, figure};
use super::measure::{median, sample, settle};
use super::registry::Nginx;
use crate::command::{exists, must};

/// In the order of the table.
pub const ALL: &[(&str, Measure)] = &[
    ("the network of a step", set_up),
    ("apt-heavy build, its packages in the store", packages_there),
    ("pip-heavy build, its packages in the store", wheels_there),
    ("a file of 1 GiB in the store, into a RUN", throughput),
];

/// The packages of the apt-heavy build.
pub const PACKAGES: &str = "python3-pip git openssh-client curl build-essential";

/// What the pip-heavy build installs: what a notebook of a science team begins with.
const WHEELS: &str = "jupyterlab==4.4.3 pandas==2.3.0 scikit-learn==1.7.0 matplotlib==3.10.3 pyarrow==20.0.0";

/// The machine's certificate authorities, for the peers' steps: Kapok's gateway sees to its own.
const AUTHORITIES: &str = "/etc/ssl/certs/ca-certificates.crt";

/// The same steps with a gateway each, and with no network.
fn set_up(stage: &Stage) -> io::Result<Figure> {
    let steps = stage.of(40, 2);
    let text = |flags: &str| format!("ARG BASE\nFROM $BASE\n{}", format!("RUN {flags}true\n").repeat(steps));
    let with = stage.context("network-gateway", &text(""))?;
    let without = stage.context("network-none", &text("--network=none "))?;
    let Some(kapok) = stage.builders().iter().find(|builder| matches!(builder, Builder::Kapok(_))) else {
        return Err(io::Error::other("Kapok is not among the builders"));
    };
    let mut times = [Vec::new(), Vec::new()];
    for turn in 0..=stage.of(9, 1) {
        for (context, times) in [&with, &without].into_iter().zip(&mut times) {
            let job = Job { context, base: "base", cached: false, jobs: None };
            let taken = sample(&mut kapok.command(stage.bases(), None, job)?)?.wall;
            if turn > 0 {
                times.push(taken * 1000.0 / steps as f64);
            }
        }
    }
    let [with, without] = times.map(median);
    let costs = with - without;
    let wanted = vec![(format!("at most 5 ms a step (it is {costs:.1})"), Some(costs <= 5.0))];
    Ok(Figure { results: vec![("with", with), ("without", without)], unit: "ms", wanted })
}

/// Against BuildKit with cache mounts, as somebody who knows them writes it, and without.
fn packages_there(stage: &Stage) -> io::Result<Figure> {
    let list = if stage.tiny() { "libcap2-bin" } else { PACKAGES };
    let install = format!("apt-get update && apt-get install -y --no-install-recommends {list}");
    let mounts = "--mount=type=cache,target=/var/cache/apt,sharing=locked --mount=type=cache,target=/var/lib/apt,sharing=locked";
    let keep = "RUN rm -f /etc/apt/apt.conf.d/docker-clean \
                && echo 'Binary::apt::APT::Keep-Downloaded-Packages \"true\";' > /etc/apt/apt.conf.d/keep-cache";
    let fetch = install.replace("install -y", "install -y --download-only");
    there(
        stage,
        stage.debian()?,
        &Recipes {
            name: "apt",
            plain: format!("RUN {install}"),
            fetch: format!("RUN {fetch}"),
            mounted: format!("{keep}\nRUN {mounts} {install}"),
        },
    )
}

/// The same with wheels, on a base with pip and with the machine's certificate authorities.
fn wheels_there(stage: &Stage) -> io::Result<Figure> {
    let list = if stage.tiny() { "idna==3.10" } else { WHEELS };
    let base = stage.debian_with(
        "pip",
        "RUN apt-get update && apt-get install -y --no-install-recommends python3-pip ca-certificates\n\
         COPY ca-certificates.crt /etc/ssl/certs/ca-certificates.crt\n",
        &[(AUTHORITIES, "ca-certificates.crt")],
    )?;
    let install = format!("pip install --break-system-packages {list}");
    there(
        stage,
        &base,
        &Recipes {
            name: "pip",
            plain: format!("RUN {}", install.replace("install ", "install --no-cache-dir ")),
            fetch: format!("RUN pip download --no-cache-dir -d /tmp/wheels {list}"),
            mounted: format!("RUN --mount=type=cache,target=/root/.cache/pip {install}"),
        },
    )
}

/// The same packages by instructions of three kinds.
struct Recipes<'a> {
    name: &'a str,
    /// What everybody writes.
    plain: String,
    /// What brings the packages into Kapok's store, and nothing else.
    fetch: String,
    /// What somebody writes who knows cache mounts.
    mounted: String,
}

/// With a cold cache of layers, while the packages are in Kapok's store and in BuildKit's mounts.
fn there(stage: &Stage, base: &Path, recipes: &Recipes<'_>) -> io::Result<Figure> {
    let context = |kind: &str, text: &str| {
        stage.context(&format!("warm-{}-{kind}", recipes.name), &format!("ARG BASE\nFROM $BASE\n{text}\n"))
    };
    let plain = context("plain", &recipes.plain)?;
    let fetch = context("fetch", &recipes.fetch)?;
    let mounted = context("mounted", &recipes.mounted)?;
    let build = |builder: &Builder, context: &Path| {
        let job = Job { context, base: "debian", cached: false, jobs: None };
        let mut command = builder.command(stage.bases(), Some(base), job)?;
        settle()?;
        sample(&mut command).map(|taken| taken.wall)
    };
    let cold = Job { context: &plain, base: "debian", cached: false, jobs: None };
    let (mut ours, mut theirs, mut bare) = (Vec::new(), Vec::new(), Vec::new());
    for turn in 0..=stage.of(1, 0) {
        for builder in stage.builders() {
            match builder {
                Builder::Kapok(_) => {
                    stage.forget(builder, Some(base), cold)?;
                    build(builder, &fetch)?;
                    ours.push(build(builder, &plain)?);
                }
                // The first turn fills the mounts.
                Builder::BuildKit(_) if turn == 0 => drop(build(builder, &mounted)?),
                Builder::BuildKit(_) => {
                    theirs.push(build(builder, &mounted)?);
                    bare.push(build(builder, &plain)?);
                }
                Builder::Buildah(..) => {}
            }
        }
    }
    let ours = median(ours);
    let mut results = vec![("kapok", ours)];
    let mut wanted = Vec::new();
    for (name, times, limit) in [("with mounts", theirs, 0.8), ("without", bare, 0.5)] {
        if !times.is_empty() {
            let time = median(times);
            results.push((name, time));
            wanted.push((format!("at most {limit} of BuildKit {name}"), Some(ours <= limit * time)));
        }
    }
    Ok(figure(results, wanted))
}

/// The speed that curl tells, from the store into a RUN, and from nginx over loopback; both over https.
fn throughput(stage: &Stage) -> io::Result<Figure> {
    let size = stage.of(1 << 30, 1 << 20);
    let Some(kapok) = stage.builders().iter().find(|builder| matches!(builder, Builder::Kapok(_))) else {
        return Err(io::Error::other("Kapok is not among the builders"));
    };
    if stage.tiny() {
        return Ok(Figure { results: Vec::new(), unit: "MB/s", wanted: Vec::new() });
    }
    let context = stage.path().join("throughput");
    let files = context.join("files");
    fs::create_dir_all(&files)?;
    let piece = filler(1 << 20);
    let mut file = fs::File::create(files.join("big.bin"))?;
    (0..size >> 20).try_for_each(|_| file.write_all(&piece))?;
    fs::write(context.join("kapok.yaml"), "mirrors:\n  files.example.org: ./files\n")?;
    fs::write(context.join(".dockerignore"), "files\n")?;
    let get = "curl -sS -o /dev/null -w 'speed=%{speed_download}\\n' https://files.example.org/big.bin";
    fs::write(
        context.join("Dockerfile"),
        format!(
            "ARG BASE\nFROM $BASE\nRUN apt-get update && apt-get install -y --no-install-recommends curl ca-certificates\n\
             RUN {get} && {get} && {get} && {get}\n"
        ),
    )?;
    let debian = stage.debian()?;
    let job = Job { context: &context, base: "debian", cached: true, jobs: None };
    let said = must(&mut kapok.command(stage.bases(), Some(debian), job)?, LIMIT)?;
    let speeds = said.stdout.lines().chain(said.stderr.lines()).filter_map(|line| line.split_once("speed="));
    let speeds: Vec<f64> = speeds.filter_map(|(_, speed)| speed.trim().parse().ok()).collect();
    // The first one brings the file into the store.
    let ours = median(speeds.into_iter().skip(1).map(|speed| speed / 1e6).collect());
    let mut results = vec![("kapok", ours)];
    let mut wanted = Vec::new();
    if exists("nginx") && exists("openssl") {
        let theirs = nginx_speed(&files)?;
        results.push(("nginx", theirs));
        let part = ours / theirs;
        wanted.push((format!("at least 0.6 of nginx's speed (it is {part:.2})"), Some(part >= 0.6)));
    }
    Ok(Figure { results, unit: "MB/s", wanted })
}

/// Over https, with a certificate that the client does not look at.
fn nginx_speed(files: &Path) -> io::Result<f64> {
    let certificate =
        "req -x509 -newkey rsa:2048 -nodes -days 2 -subj /CN=localhost -keyout own.key -out own.crt";
    must(Command::new("openssl").args(certificate.split(' ')).current_dir(files), LIMIT)?;
    let (_nginx, address) = Nginx::start_with(files, true)?;
    let mut speeds = Vec::new();
    for turn in 0..4 {
        let mut curl = Command::new("curl");
        curl.args(["-sSk", "--noproxy", "*", "-o", "/dev/null", "-w", "%{speed_download}"]);
        let said = must(curl.arg(format!("https://{address}/big.bin")), LIMIT)?;
        if turn > 0 {
            speeds.extend(said.stdout.trim().parse::<f64>().ok().map(|speed| speed / 1e6));
        }
    }
    Ok(median(speeds))
}
