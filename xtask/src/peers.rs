//! The programs of others that Kapok is compared with: what is there, and how the rest is installed.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use crate::command::{self, must};
use crate::workspace;

/// Debian packages that the tests of the outer tiers use.
const PACKAGES: [&str; 19] = [
    "attr",
    "buildah",
    "busybox-static",
    "bzip2",
    "curl",
    "docker-registry",
    "docker.io",
    "git",
    "iproute2",
    "mmdebstrap",
    "nginx-light",
    "openssl",
    "pigz",
    "qemu-user-static",
    "runc",
    "skopeo",
    "uidmap",
    "umoci",
    "zstd",
];

/// A program in Go that is built here: of its versions, the newest whose dependencies the module proxy serves.
struct Source {
    name: &'static str,
    module: &'static str,
    programs: &'static [&'static str],
}

const BUILDKIT: Source =
    Source { name: "buildkit", module: "github.com/moby/buildkit", programs: &["buildkitd", "buildctl"] };
const BUILDX: Source = Source { name: "buildx", module: "github.com/docker/buildx", programs: &["buildx"] };

/// How long an installation may take on a slow line.
const INSTALL_LIMIT: Duration = Duration::from_secs(1200);

/// Installs the packages that are missing where that is wanted (root, in CI); returns the names of those that
/// are still missing.
pub fn packages() -> io::Result<Vec<&'static str>> {
    let installed = |name: &&str| {
        let mut query = Command::new("dpkg-query");
        query.args(["--show", "--showformat=${db:Status-Status}", name]);
        command::run(&mut query, Duration::from_secs(20)).is_ok_and(|outcome| outcome.stdout == "installed")
    };
    let missing = || PACKAGES.into_iter().filter(|name| !installed(name)).collect::<Vec<_>>();
    let wanted = missing();
    let ours = rustix::process::geteuid().is_root() && std::env::var_os("CI").is_some();
    if wanted.is_empty() || !ours || !command::exists("apt-get") {
        return Ok(wanted);
    }
    let apt = |arguments: &[&str]| {
        let mut apt = Command::new("apt-get");
        apt.env("DEBIAN_FRONTEND", "noninteractive").args(["--quiet", "--quiet"]).args(arguments);
        must(&mut apt, INSTALL_LIMIT)
    };
    apt(&["update"])?;
    let mut install = vec!["install", "--yes", "--no-install-recommends"];
    install.extend(&wanted);
    apt(&install)?;
    Ok(missing())
}

/// The directory with `buildkitd` and `buildctl`, built if they are not there yet.
pub fn buildkit() -> io::Result<PathBuf> {
    BUILDKIT.built()
}

/// The directory with `buildx`, built if it is not there yet.
pub fn buildx() -> io::Result<PathBuf> {
    BUILDX.built()
}

/// Versions of the programs that were built here, as in a table.
pub fn versions() -> io::Result<String> {
    let directory = workspace::scratch("peers")?;
    let version = |source: &Source| {
        let text = fs::read_to_string(directory.join(format!("{}.version", source.name))).ok()?;
        Some(format!("{} {}", source.name, text.trim()))
    };
    Ok([BUILDKIT, BUILDX].iter().filter_map(version).collect::<Vec<_>>().join(", "))
}

impl Source {
    fn built(&self) -> io::Result<PathBuf> {
        let directory = workspace::scratch("peers")?;
        if self.programs.iter().all(|program| directory.join(program).exists()) {
            return Ok(directory);
        }
        let Source { name, module, .. } = self;
        if !command::exists("go") {
            return Err(io::Error::other(format!("{name} is built from source, and there is no `go`")));
        }
        let listed = must(go().args(["list", "-m", "-versions", module]), INSTALL_LIMIT)?.stdout;
        let mut last = io::Error::other(format!("no version of {name} is offered"));
        let is_release = |word: &&str| word.starts_with('v') && !word.contains('-');
        for version in listed.split_whitespace().rev().filter(is_release).take(8) {
            println!("building {name} {version}");
            match self.build(version, &directory) {
                Ok(()) => return Ok(directory),
                Err(error) => last = error,
            }
        }
        Err(last)
    }

    /// Builds in a copy of the module's source: its `exclude` lines may forbid `go install` from outside.
    fn build(&self, version: &str, to: &Path) -> io::Result<()> {
        let named = format!("{}@{version}", self.module);
        let outcome = must(go().args(["mod", "download", "-json", &named]), INSTALL_LIMIT)?;
        let value: serde_json::Value = serde_json::from_str(&outcome.stdout).map_err(io::Error::other)?;
        let module = value["Dir"].as_str().ok_or_else(|| io::Error::other("the module has no directory"))?;
        let source = tempfile::tempdir()?;
        must(Command::new("cp").args(["-r", &format!("{module}/.")]).arg(source.path()), INSTALL_LIMIT)?;
        must(Command::new("chmod").args(["-R", "u+w"]).arg(source.path()), INSTALL_LIMIT)?;
        let mut build = go();
        build.current_dir(source.path()).args(["build", "-mod=mod", "-o"]).arg(to);
        build.args(self.programs.iter().map(|program| format!("./cmd/{program}")));
        must(&mut build, INSTALL_LIMIT)?;
        fs::write(to.join(format!("{}.version", self.name)), version)
    }
}

fn go() -> Command {
    let mut go = Command::new("nice");
    go.args(["-n", "10", "go"]);
    go
}
