//! Who else builds the project: its Makefile with `docker build`, and `buildx bake` with a BuildKit of its own. Their daemons
//! run already when time begins, and end with the figure.

use std::fs::{self, File};
use std::io;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal, kill_process};
use serde_json::{Map, Value, json};

use super::supply::{IMAGES, Supply, layout_digest};
use crate::bench::figures::LIMIT;
use crate::command::{self, exists, must};
use crate::differential::BuildKit;
use crate::{peers, workspace};

/// A whole storm.
const STORM: Duration = Duration::from_secs(1500);

/// A peer, ready to build.
pub enum Peer {
    /// `make -j` with `docker build`, in a daemon of its own.
    Docker(Docker),
    /// All at once.
    Bake(Bake),
}

impl Peer {
    /// Those that are there.
    pub fn all(supply: &Supply) -> Vec<Peer> {
        let docker = Docker::start(supply).map(Peer::Docker);
        let bake = Bake::start(supply).map(Peer::Bake);
        let there =
            |peer: io::Result<Peer>| peer.inspect_err(|error| println!("without a peer: {error}")).ok();
        [docker, bake].into_iter().filter_map(there).collect()
    }

    /// As in the table.
    pub fn name(&self) -> &'static str {
        match self {
            Peer::Docker(_) => "docker build",
            Peer::Bake(_) => "buildx bake",
        }
    }

    /// The base is there, unpacked.
    pub fn prime(&self, supply: &Supply) -> io::Result<()> {
        match self {
            Peer::Docker(docker) => docker.load(supply),
            Peer::Bake(bake) => bake.prime(supply),
        }
    }

    /// All images; with every step, or only what changed. Seconds.
    pub fn build(&self, supply: &Supply, anew: bool) -> io::Result<f64> {
        let mut command = match self {
            Peer::Docker(docker) => docker.make(supply, anew),
            Peer::Bake(bake) => bake.command(supply, anew),
        };
        let start = Instant::now();
        must(&mut command, STORM)?;
        Ok(start.elapsed().as_secs_f64())
    }
}

/// A daemon of Debian's.
pub struct Docker {
    daemon: Child,
    host: String,
    engine: PathBuf,
}

impl Docker {
    fn start(supply: &Supply) -> io::Result<Docker> {
        if !exists("dockerd") || !exists("make") {
            return Err(io::Error::other("`dockerd` and `make` are not installed"));
        }
        let state = supply.directory.join("docker");
        fs::create_dir_all(&state)?;
        // A path to a socket may have 108 bytes.
        let host = format!("unix:///run/kapok-bench-{}.sock", std::process::id());
        let daemon = Command::new("dockerd")
            .args(["--host", &host, "--bridge=none", "--iptables=false", "--ip6tables=false"])
            .arg("--data-root")
            .arg(state.join("data"))
            .arg("--exec-root")
            .arg(state.join("exec"))
            .arg("--pidfile")
            .arg(state.join("dockerd.pid"))
            .env_remove("DOCKER_HOST")
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(File::create(state.join("dockerd.log"))?)
            .spawn()?;
        let engine = state.join("engine");
        let mut docker = Docker { daemon, host, engine };
        for _ in 0..200 {
            if docker.daemon.try_wait()?.is_some() {
                break;
            }
            if command::run(docker.docker().arg("version"), Duration::from_secs(10))?.success() {
                docker.write_engine()?;
                return Ok(docker);
            }
            std::thread::sleep(Duration::from_millis(100));
        }
        Err(io::Error::other(format!("dockerd did not start; see {}", state.join("dockerd.log").display())))
    }

    /// Debian's client, which needs no plugin for BuildKit; another one may come first in the path.
    fn program() -> &'static str {
        if Path::new("/usr/bin/docker").exists() { "/usr/bin/docker" } else { "docker" }
    }

    fn docker(&self) -> Command {
        let mut docker = Command::new(Docker::program());
        docker.env("DOCKER_HOST", &self.host).env("DOCKER_BUILDKIT", "1").env_remove("DOCKER_CONTEXT");
        docker
    }

    /// What the Makefile takes for an engine: the daemon has no network but the machine's.
    fn write_engine(&self) -> io::Result<()> {
        let text = format!(
            "#!/bin/sh\nshift\nexec {} build --progress=plain --network=host $ANEW \"$@\"\n",
            Docker::program()
        );
        fs::write(&self.engine, text)?;
        fs::set_permissions(&self.engine, std::os::unix::fs::PermissionsExt::from_mode(0o755))
    }

    fn load(&self, supply: &Supply) -> io::Result<()> {
        for (name, layout) in &supply.bases {
            let tar = layout.with_extension("tar");
            if !tar.exists() {
                let store = supply.directory.join("kapok");
                let mut save = Command::new(workspace::kapok());
                save.env("KAPOK_HOME", store).args(["save", "--format", "docker-archive", "-o"]).arg(&tar);
                must(save.arg(name), LIMIT)?;
            }
            must(self.docker().args(["load", "-i"]).arg(&tar), LIMIT)?;
        }
        let context = supply.directory.join("only-bases");
        must(self.docker().args(["build", "-q", "--network=host"]).arg(context), LIMIT).map(drop)
    }

    fn make(&self, supply: &Supply, anew: bool) -> Command {
        let mut make = Command::new("make");
        let jobs = std::thread::available_parallelism().map_or(1, usize::from);
        make.current_dir(supply.theirs()).arg(format!("-j{jobs}")).arg("--output-sync=target");
        make.arg(format!("ENGINE={}", self.engine.display())).arg("all");
        make.env("DOCKER_HOST", &self.host).env("DOCKER_BUILDKIT", "1").env_remove("DOCKER_CONTEXT");
        make.env("ANEW", if anew { "--no-cache" } else { "" });
        make
    }
}

impl Drop for Docker {
    fn drop(&mut self) {
        // TERM lets it unmount and end the containerd that it started; one that is already gone needs nothing.
        let _ = kill_process(Pid::from_child(&self.daemon), Signal::TERM);
        let _ = self.daemon.wait();
    }
}

/// `buildx bake`, told of a running buildkitd.
pub struct Bake {
    buildkit: BuildKit,
    buildx: PathBuf,
    settings: PathBuf,
}

impl Bake {
    fn start(supply: &Supply) -> io::Result<Bake> {
        let programs = peers::buildkit()?;
        let buildx = peers::buildx()?.join("buildx");
        let buildkit = BuildKit::start(&programs, &supply.directory.join("buildkit"))?;
        let settings = supply.directory.join("buildx");
        if settings.exists() {
            fs::remove_dir_all(&settings)?;
        }
        let bake = Bake { buildkit, buildx, settings };
        let mut create = bake.buildx();
        create.args(["create", "--name", "storm", "--driver", "remote", bake.buildkit.address()]);
        must(&mut create, LIMIT)?;
        Ok(bake)
    }

    fn buildx(&self) -> Command {
        let mut buildx = Command::new(&self.buildx);
        buildx.env("BUILDX_CONFIG", &self.settings).env("BUILDX_BUILDER", "storm");
        buildx
    }

    fn prime(&self, supply: &Supply) -> io::Result<()> {
        fs::write(supply.directory.join("bake.json"), bake_file(supply)?)?;
        let mut build = self.buildx();
        build.args(["build", "--progress=plain"]);
        for (name, layout) in &supply.bases {
            build.arg("--build-context").arg(format!("{name}={}", address(layout)?));
        }
        must(build.arg(supply.directory.join("only-bases")), LIMIT).map(drop)
    }

    fn command(&self, supply: &Supply, anew: bool) -> Command {
        let mut bake = self.buildx();
        bake.current_dir(supply.theirs()).args(["bake", "--progress=plain", "--allow=fs=*", "--file"]);
        bake.arg(supply.directory.join("bake.json"));
        if anew {
            bake.arg("--no-cache");
        }
        bake
    }
}

/// A layout, as BuildKit wants to be told of it.
fn address(layout: &Path) -> io::Result<String> {
    Ok(format!("oci-layout://{}@{}", layout.display(), layout_digest(layout)?))
}

/// The same images, each told which of its names are others of them.
fn bake_file(supply: &Supply) -> io::Result<String> {
    let mut targets = Map::new();
    for image in IMAGES {
        let context = supply.theirs().join("supply-chain").join(image);
        let text = fs::read_to_string(context.join("Dockerfile"))?;
        let words = text.lines().filter_map(|line| line.split_whitespace().nth(1));
        let named = |name: &str| words.clone().any(|word| word.trim_start_matches("UBI=") == name);
        let mut contexts = Map::new();
        for other in IMAGES.into_iter().filter(|other| named(other)) {
            contexts.insert(other.to_owned(), json!(format!("target:{other}")));
        }
        for (name, layout) in supply.bases.iter().filter(|(name, _)| named(name)) {
            contexts.insert((*name).to_owned(), json!(address(layout)?));
        }
        let output = format!("type=image,name={image},push=false");
        let target = json!({"context": context, "contexts": contexts, "output": [output]});
        targets.insert(image.to_owned(), target);
    }
    let file: Value = json!({"group": {"default": {"targets": IMAGES}}, "target": targets});
    serde_json::to_string_pretty(&file).map_err(io::Error::other)
}
