//! `kapok run`: a command in an image, in the foreground.

use std::ffi::OsString;
use std::os::unix::ffi::OsStrExt;
use std::path::PathBuf;

use build::engine::Snapshot;
use build::sandbox::{Ids, MountSource, Network, SandboxMount, SandboxSpec, Security};
use oci::Platform;
use oci::config::Execution;
use oci::store::{Image, Store};

use super::build::request;
use crate::cli::build::NetworkFlag;
use crate::cli::run::Run;
use crate::environment::Environment;
use crate::exit::Exit;
use crate::failure::Failure;
use crate::foreground;
use crate::program::{Program, find_image};
use crate::snapshot;

/// What a command finds programs by, where the image says nothing: docker's default.
const DEFAULT_PATH: &str = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";

/// Runs the command and passes its exit code on.
pub fn run(program: &Program, arguments: &Run) -> Result<Exit, Failure> {
    if arguments.tty && !std::io::IsTerminal::is_terminal(&std::io::stdin()) {
        return Err(Failure::usage_with("standard input is not a terminal", "leave `--tty` out"));
    }
    let settings = program.settings()?;
    let store = program.store(&settings)?;
    let image = find(&store, &arguments.image, arguments.platform.as_deref())?;
    let snapshot = Snapshot::new(snapshot::of_image(program, &store, &image)?);
    let execution = &image.config.value().config;
    let place = Place {
        args: command(arguments, execution)?,
        env: environment(arguments, execution, &program.environment),
        cwd: arguments.workdir.clone().unwrap_or_else(|| execution.working_dir.clone()),
        user: arguments.user.clone().unwrap_or_else(|| execution.user.clone()),
        terminal: arguments.tty,
    };
    let work = snapshot.work_dir(&store, 0)?;
    let mut spec = place.spec(&snapshot, &work)?;
    spec.mounts = volumes(arguments, program)?;
    spec.network = network(arguments.network);
    spec.resolv_conf = (spec.network == Network::Host).then(request::resolv_conf);
    spec.hosts = request::hosts(&arguments.add_host);
    spec.limits = request::limits(&settings.limits_with(&arguments.limits));
    spec.read_only = arguments.read_only;
    spec.hostname = arguments.hostname.clone().unwrap_or(spec.hostname);
    foreground::run(program, &spec, arguments.interactive)
}

/// An image of the store for a platform, by default the machine's.
pub fn find(store: &Store, name: &str, platform: Option<&str>) -> Result<Image, Failure> {
    let wanted = match platform {
        Some(text) => text.parse::<Platform>().map_err(|error| Failure::usage(error.to_string()))?,
        None => Platform::host(),
    };
    let found = find_image(store, name)?;
    store.image(&found.digest, &wanted)?.ok_or_else(|| {
        Failure::usage_with(format!("`{name}` is not there for {wanted}"), "name another `--platform`")
    })
}

/// Where and as whom a command runs.
pub struct Place {
    /// The command and its arguments.
    pub args: Vec<OsString>,
    /// Its environment; what it lacks is added.
    pub env: Vec<(OsString, OsString)>,
    /// The working directory; empty is the root.
    pub cwd: String,
    /// The user as written.
    pub user: String,
    /// Whether it gets a terminal.
    pub terminal: bool,
}

impl Place {
    /// A sandbox for it over a snapshot, on the machine's network, writing into `work`.
    pub fn spec(mut self, snapshot: &Snapshot, work: &oci::store::WorkDir) -> Result<SandboxSpec, Failure> {
        let user = snapshot.identity(&self.user)?;
        self.add("PATH", DEFAULT_PATH.into());
        self.add("HOME", user.home.clone().into());
        if self.terminal {
            self.add("TERM", "xterm".into());
        }
        let cwd = if self.cwd.is_empty() { PathBuf::from("/") } else { PathBuf::from("/").join(&self.cwd) };
        Ok(SandboxSpec {
            layers: snapshot.directories(),
            upper: work.upper(),
            work: work.work(),
            read_only: false,
            stand_ins: Vec::new(),
            mounts: Vec::new(),
            args: self.args,
            env: self.env,
            cwd,
            user: Ids { uid: user.uid, gid: user.gid, groups: user.groups },
            network: Network::Host,
            security: Security::Sandbox,
            limits: Default::default(),
            hostname: "kapok".to_owned(),
            hosts: Vec::new(),
            resolv_conf: Some(request::resolv_conf()),
            terminal: self.terminal,
            timeout: None,
            looks_like_chroot: false,
        })
    }

    fn add(&mut self, name: &str, value: OsString) {
        if !self.env.iter().any(|(known, _)| known == name) {
            self.env.push((name.into(), value));
        }
    }
}

/// Docker's rules: a new entry point forgets the image's command; arguments replace it.
fn command(arguments: &Run, execution: &Execution) -> Result<Vec<OsString>, Failure> {
    let words = |words: &Option<Vec<String>>| -> Vec<OsString> {
        words.iter().flatten().map(OsString::from).collect()
    };
    let (mut args, replaced) = match arguments.entrypoint.as_deref() {
        None => (words(&execution.entrypoint), false),
        Some("") => (Vec::new(), true),
        Some(command) => (vec![command.into()], true),
    };
    if !arguments.command.is_empty() {
        args.extend(arguments.command.iter().cloned());
    } else if !replaced {
        args.extend(words(&execution.cmd));
    }
    if args.is_empty() {
        return Err(Failure::usage_with(
            format!("`{}` does not say which command to run", arguments.image),
            "give one: `kapok run IMAGE COMMAND`",
        ));
    }
    Ok(args)
}

/// The image's environment with the flags' on top.
fn environment(
    arguments: &Run,
    execution: &Execution,
    environment: &Environment,
) -> Vec<(OsString, OsString)> {
    let mut env = split(&execution.env);
    for flag in &arguments.env {
        let value = match &flag.value {
            Some(value) => Some(value.into()),
            None => environment.variable(&flag.name).map(OsString::from),
        };
        env.retain(|(name, _)| *name != *flag.name);
        env.extend(value.map(|value| (OsString::from(&flag.name), value)));
    }
    if let (true, Some(term)) = (arguments.tty, environment.text("TERM"))
        && !env.iter().any(|(name, _)| name == "TERM")
    {
        env.push(("TERM".into(), term.into()));
    }
    env
}

/// `NAME=VALUE` lines of a configuration; the last of the same name counts.
pub fn split(lines: &[String]) -> Vec<(OsString, OsString)> {
    let mut env: Vec<(OsString, OsString)> = Vec::new();
    for (name, value) in lines.iter().filter_map(|line| line.split_once('=')) {
        env.retain(|(known, _)| known != name);
        env.push((name.into(), value.into()));
    }
    env
}

fn network(flag: NetworkFlag) -> Network {
    match flag {
        NetworkFlag::None => Network::None,
        // Until there is a gateway, the default is the machine's network.
        NetworkFlag::Default | NetworkFlag::Host => Network::Host,
    }
}

fn volumes(arguments: &Run, program: &Program) -> Result<Vec<SandboxMount>, Failure> {
    let mount = |flag: &crate::cli::values::VolumeFlag| {
        let named = flag.host.as_os_str().as_bytes();
        if !named.contains(&b'/') && named != b"." && named != b".." {
            return Err(Failure::usage_with(
                format!("`{}` would be a named volume, and there are none", flag.host.display()),
                "give a path: `-v ./DIRECTORY:INSIDE`",
            ));
        }
        let path = program.environment.directory.join(&flag.host);
        let source = path.canonicalize().map_err(Failure::file("mount", &path))?;
        Ok(SandboxMount {
            target: flag.inside.clone(),
            source: MountSource::Bind { source, subpath: None },
            read_only: flag.read_only,
        })
    };
    arguments.volume.iter().map(mount).collect()
}

#[cfg(test)]
mod tests {
    use clap::Parser;

    use super::*;
    use crate::cli::{Cli, Command};

    fn arguments(line: &str) -> Run {
        let words = std::iter::once("kapok").chain(line.split_whitespace());
        match Cli::try_parse_from(words).expect("a command line").command {
            Command::Run(run) => run,
            other => panic!("{other:?} is no run"),
        }
    }

    fn image() -> Execution {
        Execution {
            entrypoint: Some(vec!["entry".into()]),
            cmd: Some(vec!["default".into()]),
            env: vec!["PATH=/bin".into(), "A=1".into(), "A=2".into()],
            ..Execution::default()
        }
    }

    #[track_caller]
    fn check(line: &str, expected: &[&str]) {
        let args = command(&arguments(line), &image()).expect("a command");
        assert_eq!(args, expected, "for `{line}`");
    }

    #[test]
    fn arguments_replace_the_command_and_an_entry_point_forgets_it() {
        check("run web", &["entry", "default"]);
        check("run web ls -l --color", &["entry", "ls", "-l", "--color"]);
        check("run --rm -it web sh -c x", &["entry", "sh", "-c", "x"]);
        check("run --entrypoint sh web -c x", &["sh", "-c", "x"]);
        check("run --entrypoint= web sh", &["sh"]);
        assert!(command(&arguments("run --entrypoint= web"), &image()).is_err());
    }

    #[test]
    fn flags_win_over_the_image() {
        let host = Environment::of(&[("C", "here")], false);
        let env = environment(&arguments("run -e A=3 -e C -e MISSING -e B= web"), &image(), &host);
        let text: Vec<String> =
            env.iter().map(|(name, value)| format!("{}={}", name.display(), value.display())).collect();
        assert_eq!(text, ["PATH=/bin", "A=3", "C=here", "B="]);
    }
}
