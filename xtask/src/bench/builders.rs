//! The programs that build: how each is told the same thing.

use std::cell::RefCell;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use crate::command::{exists, must};
use crate::differential::{Bases, BuildKit};
use crate::{peers, workspace};

/// A build to be timed.
#[derive(Clone, Copy, Debug)]
pub struct Job<'a> {
    /// The context, whose Dockerfile starts with `ARG BASE` and `FROM $BASE`.
    pub context: &'a Path,
    /// Which base: a name of the small ones, or `debian`.
    pub base: &'a str,
    /// Whether results of earlier builds may be used.
    pub cached: bool,
    /// How many steps may run at once, where a program can be told.
    pub jobs: Option<u32>,
}

/// A program that builds.
pub enum Builder {
    /// The program under test, with its store.
    Kapok(PathBuf),
    /// A daemon that is already running, as in daily use.
    BuildKit(BuildKit),
    /// With its storage; bases that it has pulled.
    Buildah(PathBuf, RefCell<Vec<String>>),
}

impl Builder {
    /// Kapok first, then the peers that are there.
    pub fn all(directory: &Path, tiny: bool) -> io::Result<Vec<Builder>> {
        let mut builders = vec![Builder::Kapok(directory.join("kapok-store"))];
        if !tiny {
            match peers::buildkit()
                .and_then(|programs| BuildKit::start(&programs, &directory.join("buildkit")))
            {
                Ok(buildkit) => builders.push(Builder::BuildKit(buildkit)),
                Err(error) => println!("without BuildKit: {error}"),
            }
            if exists("buildah") {
                builders.push(Builder::Buildah(directory.join("buildah"), RefCell::default()));
            }
        }
        Ok(builders)
    }

    /// As in the table.
    pub fn name(&self) -> &'static str {
        match self {
            Builder::Kapok(_) => "kapok",
            Builder::BuildKit(_) => "buildkit",
            Builder::Buildah(..) => "buildah",
        }
    }

    /// The command that builds and leaves the image in the program's own storage.
    pub fn command(&self, bases: &Bases, debian: Option<&Path>, job: Job<'_>) -> io::Result<Command> {
        let base = bases.all.iter().find(|base| base.name == job.base);
        let layout = base.map(|base| base.layout.clone()).or_else(|| debian.map(Path::to_path_buf));
        let layout = layout.ok_or_else(|| io::Error::other(format!("no base `{}`", job.base)))?;
        match self {
            Builder::Kapok(store) => {
                let mut command = Command::new(workspace::kapok());
                command.env("KAPOK_HOME", store).args(["build", "--progress", "plain", "--build-arg"]);
                command.arg(format!("BASE={}", job.base)).arg("--build-context");
                command.arg(format!("{}=oci-layout://{}", job.base, layout.display()));
                command.args(["-t", "bench:latest"]);
                if !job.cached {
                    command.arg("--no-cache");
                }
                if let Some(jobs) = job.jobs {
                    command.args(["--jobs", &jobs.to_string()]);
                }
                command.arg(job.context);
                Ok(command)
            }
            Builder::BuildKit(buildkit) => {
                let digest = match base {
                    Some(base) => base.digest.clone(),
                    None => layout_digest(&layout)?,
                };
                let mut command = buildkit.buildctl();
                command.args(["build", "--progress=plain", "--frontend=dockerfile.v0"]);
                command.args(["--output", "type=image,name=bench,push=false"]);
                for name in ["context", "dockerfile"] {
                    command.arg("--local").arg(format!("{name}={}", job.context.display()));
                }
                command.arg("--oci-layout").arg(format!("{}={}", job.base, layout.display()));
                command.arg("--opt").arg(format!("context:{0}=oci-layout://{0}@{digest}", job.base));
                command.arg("--opt").arg(format!("build-arg:BASE={}", job.base));
                if !job.cached {
                    command.arg("--no-cache");
                }
                Ok(command)
            }
            Builder::Buildah(storage, pulled) => {
                let base = format!("localhost/{}:latest", job.base);
                let buildah = || {
                    let mut command = Command::new("buildah");
                    command.arg("--root").arg(storage.join("root")).arg("--runroot").arg(storage.join("run"));
                    command.args(["--storage-driver", "overlay"]);
                    command
                };
                if !pulled.borrow().contains(&base) {
                    fs::create_dir_all(storage)?;
                    let source = format!("oci:{}", layout.display());
                    let outcome =
                        must(buildah().args(["pull", "--quiet", &source]), Duration::from_secs(300))?;
                    must(buildah().args(["tag", outcome.stdout.trim(), &base]), Duration::from_secs(60))?;
                    pulled.borrow_mut().push(base.clone());
                }
                let mut command = buildah();
                command.args([
                    "build",
                    "--layers",
                    "--pull=never",
                    "--format=oci",
                    "-t",
                    "bench",
                    "--build-arg",
                ]);
                command.arg(format!("BASE={base}"));
                if !job.cached {
                    command.arg("--no-cache");
                }
                if let Some(jobs) = job.jobs {
                    command.arg(format!("--jobs={jobs}"));
                }
                command.arg(job.context);
                Ok(command)
            }
        }
    }
}

/// The digest of the only image of a layout.
fn layout_digest(layout: &Path) -> io::Result<String> {
    let index: serde_json::Value = serde_json::from_slice(&fs::read(layout.join("index.json"))?)?;
    let digest = index["manifests"][0]["digest"].as_str().unwrap_or_default();
    Ok(digest.to_owned())
}
