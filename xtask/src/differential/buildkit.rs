//! The peer that decides: a buildkitd of our own on a private socket, and the builds it does.

use std::fs::File;
use std::io;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use super::base::Bases;
use crate::command::{self, Outcome};

/// Longer than any case takes; a build that hangs must not hold up the rest.
const BUILD_LIMIT: Duration = Duration::from_secs(120);

/// A running buildkitd; it ends with this value.
pub struct BuildKit {
    daemon: Child,
    address: String,
    buildctl: PathBuf,
}

impl BuildKit {
    /// Starts the daemon with the runc worker and waits until it answers.
    pub fn start(programs: &Path, state: &Path) -> io::Result<BuildKit> {
        std::fs::create_dir_all(state)?;
        let address = format!("unix://{}", state.join("buildkitd.sock").display());
        let log = File::create(state.join("buildkitd.log"))?;
        let daemon = Command::new(programs.join("buildkitd"))
            .args(["--addr", &address, "--oci-worker=true", "--containerd-worker=false"])
            .args(["--oci-worker-net=host", "--allow-insecure-entitlement=network.host"])
            .args(["--allow-insecure-entitlement=security.insecure"])
            .arg("--root")
            .arg(state.join("root"))
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(log)
            .spawn()?;
        let mut buildkit = BuildKit { daemon, address, buildctl: programs.join("buildctl") };
        for _ in 0..100 {
            if buildkit.daemon.try_wait()?.is_some() {
                break;
            }
            let answer =
                command::run(buildkit.buildctl().args(["debug", "workers"]), Duration::from_secs(10))?;
            if answer.success() {
                return Ok(buildkit);
            }
            std::thread::sleep(Duration::from_millis(100));
        }
        Err(io::Error::other(format!(
            "buildkitd did not start; see {}",
            state.join("buildkitd.log").display()
        )))
    }

    /// Where the daemon listens, as a URL.
    pub fn address(&self) -> &str {
        &self.address
    }

    /// `buildctl` told where the daemon is.
    pub fn buildctl(&self) -> Command {
        let mut command = Command::new(&self.buildctl);
        command.args(["--addr", &self.address]);
        command
    }

    /// Builds a context with the flags of `kapok build`, into an OCI layout tar.
    pub fn build(&self, bases: &Bases, directory: &Path, flags: &[String], to: &Path) -> io::Result<Outcome> {
        let context = directory.join("context");
        let mut command = self.buildctl();
        command.args(["build", "--progress=plain", "--frontend=dockerfile.v0"]);
        // Being told a command line keeps the frontend from fetching another one for a `syntax` directive.
        command.args(["--opt", "cmdline=dockerfile.v0"]);
        command.args(["--output", &format!("type=oci,dest={}", to.display())]);
        command.args(["--local", &format!("context={}", context.display())]);
        command.args(["--local", &format!("dockerfile={}", context.display())]);
        for base in &bases.all {
            let context = format!("context:{}=oci-layout://{}@{}", base.name, base.name, base.digest);
            command.args(["--oci-layout", &format!("{}={}", base.name, base.layout.display())]);
            command.args(["--opt", &context]);
        }
        for (flag, value) in pairs(flags)? {
            translate(&mut command, flag, value)?;
        }
        command::run(command.env_remove("SSH_AUTH_SOCK"), BUILD_LIMIT)
    }
}

impl Drop for BuildKit {
    fn drop(&mut self) {
        // TERM lets it unmount; a daemon that is already gone needs nothing.
        let pid = rustix::process::Pid::from_child(&self.daemon);
        let _ = rustix::process::kill_process(pid, rustix::process::Signal::TERM);
        let _ = self.daemon.wait();
    }
}

/// `--flag value` and `--flag=value` alike.
fn pairs(flags: &[String]) -> io::Result<Vec<(&str, &str)>> {
    let mut pairs = Vec::new();
    let mut words = flags.iter();
    while let Some(word) = words.next() {
        let next = || io::Error::other(format!("`{word}` has no value"));
        pairs.push(match word.split_once('=') {
            Some((flag, value)) => (flag, value),
            None if word == "--no-cache" => (word.as_str(), ""),
            None => (word.as_str(), words.next().ok_or_else(next)?.as_str()),
        });
    }
    Ok(pairs)
}

fn translate(command: &mut Command, flag: &str, value: &str) -> io::Result<()> {
    let mut opt = |text: String| {
        command.arg("--opt").arg(text);
    };
    match flag {
        "-f" | "--file" => opt(format!("filename={value}")),
        "--target" => opt(format!("target={value}")),
        "--build-arg" => opt(format!("build-arg:{value}")),
        "--label" => opt(format!("label:{value}")),
        "--platform" => opt(format!("platform={value}")),
        "--network" => opt(format!("force-network-mode={value}")),
        "--no-cache" => opt("no-cache=".into()),
        "--add-host" => opt(format!("add-hosts={}", value.replacen(':', "=", 1))),
        "--build-context" => {
            let (name, path) = value.split_once('=').ok_or_else(|| io::Error::other("NAME=PATH"))?;
            opt(format!("context:{name}=local:{name}"));
            command.args(["--local", &format!("{name}={path}")]);
        }
        "--secret" | "--ssh" | "--allow" => {
            command.args([flag, value]);
        }
        _ => return Err(io::Error::other(format!("no way to say `{flag}` to buildctl"))),
    }
    Ok(())
}
