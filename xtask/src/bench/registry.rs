//! Registries: images to and from one, a blob out of one, and how long a push outlasts its build.

use std::fs;
use std::io::{self, Write};
use std::net::TcpListener;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use serde_json::Value;
use testkit::archive::filler;

use super::Figure;
use super::builders::Builder;
use super::figures::{LIMIT, Measure, Stage, at_most_part, figure, ratio};
use super::measure::{median, sample};
use crate::command::{exists, must};
use crate::differential::BuildKit;
use crate::registry::fixture::{DockerRegistry, Served};
use crate::registry::programs;
use crate::workspace;

/// In the order of the table.
pub const ALL: &[(&str, Measure)] = &[
    ("pull of a 1 GiB image of 20 layers", pull),
    ("push of a 1 GiB image of 20 layers", push),
    ("serving a blob of 512 MiB", serving),
    ("500 MB of new layers, from the end of the last step to the end of the push", overlap),
];

/// Bytes of the image for pull and push, and its layers.
const SIZE: usize = 1 << 30;
const LAYERS: usize = 20;

/// A program that copies between an OCI layout, or its own store, and a registry. Docker, which unpacks what it pulls and
/// compresses what it pushes again, is never the fastest, and left out.
enum Copier {
    Kapok,
    Skopeo,
    Crane(PathBuf),
}

impl Copier {
    fn all(stage: &Stage) -> Vec<Copier> {
        let mut all = vec![Copier::Kapok];
        if !stage.tiny() {
            if exists("skopeo") {
                all.push(Copier::Skopeo);
            }
            match programs::crane() {
                Ok(program) => all.push(Copier::Crane(program)),
                Err(_) => println!("without crane: it is neither installed nor can it be built"),
            }
        }
        all
    }

    fn name(&self) -> &'static str {
        match self {
            Copier::Kapok => "kapok",
            Copier::Skopeo => "skopeo",
            Copier::Crane(_) => "crane",
        }
    }

    /// From the store, or from the layout, to the registry.
    fn push(&self, image: &Image, to: &str) -> Command {
        match self {
            Copier::Kapok => kapok(&image.store, &["push", "-q", to]),
            Copier::Skopeo => {
                skopeo(&format!("oci:{}", image.layout.display()), &format!("docker://{to}"), "dest")
            }
            Copier::Crane(program) => {
                let mut crane = Command::new(program);
                crane.args(["push", "--insecure"]).arg(&image.layout).arg(to);
                crane
            }
        }
    }

    /// From the registry to an empty store, or to a layout.
    fn pull(&self, from: &str, to: &Path) -> Command {
        match self {
            Copier::Kapok => kapok(to, &["pull", "-q", from]),
            Copier::Skopeo => skopeo(&format!("docker://{from}"), &format!("oci:{}", to.display()), "src"),
            Copier::Crane(program) => {
                let mut crane = Command::new(program);
                crane.args(["pull", "--insecure", "--format", "oci", from]).arg(to);
                crane
            }
        }
    }
}

fn kapok(store: &Path, words: &[&str]) -> Command {
    let mut command = Command::new(workspace::kapok());
    command.env("KAPOK_HOME", store).args(words);
    command
}

fn skopeo(from: &str, to: &str, side: &str) -> Command {
    let mut command = Command::new("skopeo");
    command.args(["--insecure-policy", "copy", "--quiet", &format!("--{side}-tls-verify=false"), from, to]);
    command
}

/// An image in a store and in a layout.
struct Image {
    store: PathBuf,
    layout: PathBuf,
}

impl Image {
    /// Layers that no compression makes smaller, so that all programs move the same bytes.
    fn make(stage: &Stage, size: usize, layers: usize) -> io::Result<Image> {
        let lines: String = (0..layers).map(|number| format!("COPY {number} /\n")).collect();
        let context = stage.context("image", &format!("FROM scratch\n{lines}"))?;
        for number in 0..layers {
            let mut file = fs::File::create(context.join(number.to_string()))?;
            writeln!(file, "{number}")?;
            file.write_all(&filler(size / layers))?;
        }
        let path = stage.path().join("image-of-layers");
        let image = Image { store: path.join("store"), layout: path.join("layout") };
        fs::create_dir_all(&path)?;
        must(kapok(&image.store, &["build", "-q", "-t", "image"]).arg(&context), LIMIT)?;
        let mut save = kapok(&image.store, &["save", "--format", "oci-dir", "image", "-o"]);
        must(save.arg(&image.layout), LIMIT)?;
        Ok(image)
    }
}

/// Debian's registry, empty.
fn registry(stage: &Stage, name: &str) -> io::Result<DockerRegistry> {
    let directory = stage.path().join(name);
    remove(&directory)?;
    DockerRegistry::start(&directory, "").map_err(|trouble| io::Error::other(format!("{trouble:?}")))
}

fn remove(path: &Path) -> io::Result<()> {
    must(Command::new("rm").arg("-rf").arg(path), LIMIT).map(drop)
}

/// Every program in turn does the same; `prepare` makes what it does, and keeps what that needs while it runs.
fn in_turns<T>(
    stage: &Stage,
    mut prepare: impl FnMut(&Copier) -> io::Result<(Command, T)>,
) -> io::Result<Figure> {
    let copiers = Copier::all(stage);
    let mut results: Vec<Vec<f64>> = vec![Vec::new(); copiers.len()];
    for _ in 0..stage.of(3, 1) {
        for (copier, results) in copiers.iter().zip(&mut results) {
            let (mut command, _needed) = prepare(copier)?;
            let taken = sample(&mut command)?;
            if matches!(copier, Copier::Kapok) {
                stage.note_peak(taken.peak);
            }
            results.push(taken.wall);
        }
    }
    let results: Vec<_> =
        copiers.iter().zip(results).map(|(copier, times)| (copier.name(), median(times))).collect();
    let wanted = vec![at_most_part(&results, 0.8)];
    Ok(figure(results, wanted))
}

fn push(stage: &Stage) -> io::Result<Figure> {
    let image = Image::make(stage, stage.of(SIZE, 1 << 20), stage.of(LAYERS, 2))?;
    in_turns(stage, |copier| {
        // A registry that has nothing yet, on a port that nobody remembers.
        let registry = registry(stage, "push-registry")?;
        let to = registry.name("bench/image:1");
        must(&mut kapok(&image.store, &["tag", "image", &to]), LIMIT)?;
        Ok((copier.push(&image, &to), registry))
    })
}

fn pull(stage: &Stage) -> io::Result<Figure> {
    let image = Image::make(stage, stage.of(SIZE, 1 << 20), stage.of(LAYERS, 2))?;
    let registry = registry(stage, "pull-registry")?;
    let name = registry.name("bench/image:1");
    must(&mut kapok(&image.store, &["tag", "image", &name]), LIMIT)?;
    must(&mut kapok(&image.store, &["push", "-q", &name]), LIMIT)?;
    in_turns(stage, |copier| {
        let to = stage.path().join("pulled");
        remove(&to)?;
        Ok((copier.pull(&name, &to), ()))
    })
}

/// A web server that runs; ended with this value.
/// A server of files; it ends with this value.
pub struct Nginx(Child);

impl Drop for Nginx {
    fn drop(&mut self) {
        // Asked, not killed: a killed master leaves its workers behind.
        let master = rustix::process::Pid::from_child(&self.0);
        if rustix::process::kill_process(master, rustix::process::Signal::TERM).is_err() {
            let _ = self.0.kill();
        }
        let _ = self.0.wait();
    }
}

impl Nginx {
    /// Serves a directory; its address.
    fn start(directory: &Path) -> io::Result<(Nginx, String)> {
        Nginx::start_with(directory, false)
    }

    /// The same over TLS, with `own.crt` and `own.key` of the directory.
    pub fn start_with(directory: &Path, tls: bool) -> io::Result<(Nginx, String)> {
        let address = TcpListener::bind("127.0.0.1:0")?.local_addr()?;
        let config = directory.join("nginx.conf");
        let root = directory.display();
        let tls = match tls {
            true => {
                format!(" ssl;\n    ssl_certificate {root}/own.crt;\n    ssl_certificate_key {root}/own.key")
            }
            false => String::new(),
        };
        fs::write(
            &config,
            format!(
                "daemon off;\nuser root;\nworker_processes auto;\npid {root}/nginx.pid;\nerror_log {root}/nginx.log;\n\
                 events {{}}\nhttp {{\n  access_log off;\n  sendfile on;\n  tcp_nopush on;\n  server {{\n    listen {address}{tls};\n    root {root};\n  }}\n}}\n"
            ),
        )?;
        let mut command = Command::new("nginx");
        command.arg("-c").arg(&config).arg("-e").arg(directory.join("nginx.log"));
        let child = command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null()).spawn()?;
        let nginx = Nginx(child);
        let deadline = Instant::now() + Duration::from_secs(10);
        while std::net::TcpStream::connect(address).is_err() {
            if Instant::now() > deadline {
                return Err(io::Error::other("nginx does not start"));
            }
            std::thread::sleep(Duration::from_millis(20));
        }
        Ok((nginx, address.to_string()))
    }
}

fn curl(url: &str, to: &Path) -> Command {
    let mut curl = Command::new("curl");
    curl.args(["--silent", "--show-error", "--fail", "--noproxy", "*", "--output"]).arg(to).arg(url);
    curl
}

/// The same file by the same client, from `kapok serve` and from nginx.
fn serving(stage: &Stage) -> io::Result<Figure> {
    let image = Image::make(stage, stage.of(SIZE / 2, 1 << 20), 1)?;
    let mut serve =
        kapok(&stage.path().join("served-store"), &["serve", "--quiet", "--registry", "127.0.0.1:0"]);
    serve.current_dir(stage.path());
    let served = Served::start(serve).map_err(|trouble| io::Error::other(format!("{trouble:?}")))?;
    let name = served.name("bench/image:1");
    must(&mut kapok(&image.store, &["tag", "image", &name]), LIMIT)?;
    must(&mut kapok(&image.store, &["push", "-q", &name]), LIMIT)?;
    let directory = stage.path().join("nginx");
    fs::create_dir_all(&directory)?;
    let manifest = directory.join("manifest");
    must(&mut curl(&format!("http://{}/v2/bench/image/manifests/1", served.address), &manifest), LIMIT)?;
    let manifest: Value = serde_json::from_slice(&fs::read(&manifest)?).map_err(io::Error::other)?;
    let digest = manifest["layers"][0]["digest"].as_str().unwrap_or_default().to_owned();
    let ours = format!("http://{}/v2/bench/image/blobs/{digest}", served.address);
    let blob = directory.join("blob");
    must(&mut curl(&ours, &blob), LIMIT)?;

    let nothing = Path::new("/dev/null");
    let nginx = if !stage.tiny() && exists("nginx") { Some(Nginx::start(&directory)?) } else { None };
    let theirs = nginx.as_ref().map(|(_, address)| format!("http://{address}/blob"));
    let (mut us, mut them) = (Vec::new(), Vec::new());
    for turn in 0..=stage.of(7, 1) {
        let taken = sample(&mut curl(&ours, nothing))?.wall;
        let other = theirs.as_ref().map(|url| sample(&mut curl(url, nothing))).transpose()?;
        // The first turn brings the file into memory.
        if turn > 0 {
            us.push(taken);
            them.extend(other.map(|other| other.wall));
        }
    }
    let mut results = vec![("kapok", median(us))];
    if !them.is_empty() {
        results.push(("nginx", median(them)));
    }
    let speed = ratio(&results).1.map(|part| 1.0 / part);
    let said = speed.map_or_else(String::new, |speed| format!(" (it is {speed:.2})"));
    let wanted = vec![(format!("at least 0.8 of nginx's speed{said}"), speed.map(|speed| speed >= 0.8))];
    Ok(figure(results, wanted))
}

/// How long it takes from the end of the last step until the image is in the registry.
fn overlap(stage: &Stage) -> io::Result<Figure> {
    let bytes = stage.of(100_000_000, 100_000);
    let steps: String =
        (0..5).map(|number| format!("RUN head -c {bytes} /dev/urandom > /noise-{number}\n")).collect();
    let context = stage.context("overlap", &format!("ARG BASE\nFROM $BASE\n{steps}"))?;
    let registry = registry(stage, "overlap-registry")?;
    let mut ours = Vec::new();
    let mut theirs = Vec::new();
    for turn in 0..stage.of(3, 1) {
        let name = registry.name(&format!("kapok/image:{turn}"));
        ours.push(our_overlap(stage, &context, &name)?);
        for builder in stage.builders() {
            if let Builder::BuildKit(buildkit) = builder {
                let name = registry.name(&format!("buildkit/image:{turn}"));
                theirs.push(their_overlap(stage, buildkit, &context, &name)?);
            }
        }
    }
    let mut results = vec![("kapok", median(ours))];
    if !theirs.is_empty() {
        results.push(("buildkit", median(theirs)));
    }
    let wanted = vec![at_most_part(&results, 0.3)];
    Ok(figure(results, wanted))
}

fn our_overlap(stage: &Stage, context: &Path, name: &str) -> io::Result<f64> {
    let layout = stage.base_layout("base")?;
    let mut command = kapok(&stage.path().join("overlap-store"), &["build", "--no-cache", "--push"]);
    command.args(["--progress", "json", "--build-arg", "BASE=base", "-t", name, "--build-context"]);
    command.arg(format!("base=oci-layout://{}", layout.display())).arg(context);
    let start = Instant::now();
    let outcome = must(&mut command, LIMIT)?;
    let whole = start.elapsed().as_secs_f64();
    let events = outcome.stderr.lines().filter_map(|line| serde_json::from_str::<Value>(line).ok());
    let ended =
        events.filter(|event| event["event"] == "finished").filter_map(|event| event["at_ms"].as_u64());
    let last = ended.max().ok_or_else(|| io::Error::other("no step ended"))?;
    Ok(whole - last as f64 / 1000.0)
}

fn their_overlap(stage: &Stage, buildkit: &BuildKit, context: &Path, name: &str) -> io::Result<f64> {
    let base = stage.bases().all.iter().find(|base| base.name == "base");
    let base = base.ok_or_else(|| io::Error::other("no base `base`"))?;
    let mut command = buildkit.buildctl();
    command.args(["build", "--progress=rawjson", "--frontend=dockerfile.v0", "--no-cache", "--output"]);
    command.arg(format!("type=image,name={name},push=true,registry.insecure=true"));
    for name in ["context", "dockerfile"] {
        command.arg("--local").arg(format!("{name}={}", context.display()));
    }
    command.arg("--oci-layout").arg(format!("base={}", base.layout.display()));
    command.arg("--opt").arg(format!("context:base=oci-layout://base@{}", base.digest));
    command.args(["--opt", "build-arg:BASE=base"]);
    let outcome = must(&mut command, LIMIT)?;
    let (mut last_step, mut end) = (0.0_f64, 0.0_f64);
    for status in outcome.stderr.lines().filter_map(|line| serde_json::from_str::<Value>(line).ok()) {
        for vertex in status["vertexes"].as_array().into_iter().flatten() {
            let Some(completed) = vertex["completed"].as_str().and_then(seconds_of_day) else { continue };
            end = end.max(completed);
            if vertex["name"].as_str().is_some_and(|name| name.contains("RUN ")) {
                last_step = last_step.max(completed);
            }
        }
    }
    match last_step > 0.0 && end > last_step {
        true => Ok(end - last_step),
        false => Err(io::Error::other(format!("no times in what buildctl says:\n{}", outcome.tail(5)))),
    }
}

/// `2026-11-21T13:48:01.123456789Z` as seconds since midnight.
fn seconds_of_day(text: &str) -> Option<f64> {
    let time = text.split_once('T')?.1;
    let end = time.find(['Z', '+', '-']).unwrap_or(time.len());
    let mut parts = time[..end].split(':');
    let mut next = || parts.next()?.parse::<f64>().ok();
    Some(next()? * 3600.0 + next()? * 60.0 + next()?)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_of_others_are_read() {
        assert_eq!(seconds_of_day("2026-11-21T01:02:03.5Z"), Some(3723.5));
        assert_eq!(seconds_of_day("2026-11-21T01:02:03+01:00"), Some(3723.0));
        assert_eq!(seconds_of_day("yesterday"), None);
    }
}
