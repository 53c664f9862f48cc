//! The image's own `dpkg` finishes what unpacking began, in a sandbox.

use super::catalog::Package;
use crate::sandbox::{
    Ids, Limits, MountSource, Network, Outcome, SandboxError, SandboxMount, SandboxSpec, Security, Spawner,
    Stdio,
};
use std::collections::HashMap;
use std::fmt::Write as _;
use std::fs::File;
use std::io::{self, Read};
use std::os::fd::OwnedFd;
use std::path::{Path, PathBuf};

/// Where a base's commands run. The product's is the [`Spawner`]; tests have others.
pub trait Sandbox: Sync {
    /// Runs a command to its end. Its standard output and error go to `output`, its standard input is empty.
    fn run(&self, spec: &SandboxSpec, output: &mut Vec<u8>) -> Result<Outcome, SandboxError>;
}

/// Why the packages were not configured.
#[derive(Debug, thiserror::Error)]
pub enum ConfigureError {
    /// There is no sandbox.
    #[error("cannot run the image's `dpkg`")]
    Sandbox(#[from] SandboxError),
    /// `dpkg` failed, or a package's script did.
    #[error("the image's `dpkg` failed with exit code {code}:\n{output}")]
    Failed {
        /// The exit code, as a shell gives it.
        code: i32,
        /// The end of what it said.
        output: String,
    },
    /// Processes were killed for memory, which scripts do not always notice.
    #[error("{processes} processes of the image's `dpkg` were killed for memory")]
    Memory {
        /// How many.
        processes: u64,
    },
}

/// Where in the sandbox the included packages' files are.
const PACKAGES: &str = "/run/kapok/packages";

/// Scripts that start services ask this program first (Debian's invoke-rc.d): nothing is started.
const POLICY: &[u8] = b"#!/bin/sh\nexit 101\n";

/// As much of the output as an error shows.
const SHOWN: usize = 4000;

/// The tree, and what is to be done in it.
pub struct Configuration<'a> {
    /// The tree: an overlay's upper without anything below.
    pub upper: &'a Path,
    /// The overlay's work directory.
    pub work: &'a Path,
    /// Packages that dpkg itself unpacks, in an order that respects dependencies, and their files in `directory`.
    pub included: &'a [Package],
    /// Where those files are: `0.deb`, `1.deb`, ...
    pub directory: &'a Path,
    /// SOURCE_DATE_EPOCH.
    pub epoch: i64,
}

/// Configures everything. What was said is returned.
pub fn configure(sandbox: &dyn Sandbox, what: &Configuration<'_>) -> Result<Vec<u8>, ConfigureError> {
    let mut output = Vec::new();
    let outcome = sandbox.run(&what.spec(), &mut output)?;
    if !outcome.status.success() {
        let text = String::from_utf8_lossy(&output);
        let mut start = text.len().saturating_sub(SHOWN);
        while !text.is_char_boundary(start) {
            start += 1;
        }
        let output = text[start..].trim_end().to_owned();
        return Err(ConfigureError::Failed { code: outcome.status.code(), output });
    }
    match outcome.oom_kills {
        0 => Ok(output),
        processes => Err(ConfigureError::Memory { processes }),
    }
}

impl Configuration<'_> {
    fn spec(&self) -> SandboxSpec {
        let policy = MountSource::File { content: POLICY.to_vec(), mode: 0o755, uid: 0, gid: 0 };
        let mut mounts = vec![SandboxMount {
            target: PathBuf::from("/usr/sbin/policy-rc.d"),
            source: policy,
            read_only: true,
        }];
        if !self.included.is_empty() {
            let source = MountSource::Bind { source: self.directory.to_owned(), subpath: None };
            mounts.push(SandboxMount { target: PathBuf::from(PACKAGES), source, read_only: true });
        }
        let env = [
            ("PATH", "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"),
            ("HOME", "/root"),
            ("LC_ALL", "C.UTF-8"),
            ("TERM", "dumb"),
            ("DEBIAN_FRONTEND", "noninteractive"),
            ("DEBCONF_NONINTERACTIVE_SEEN", "true"),
            ("SOURCE_DATE_EPOCH", &self.epoch.to_string()),
        ];
        SandboxSpec {
            layers: Vec::new(),
            upper: self.upper.to_owned(),
            work: self.work.to_owned(),
            read_only: false,
            stand_ins: Vec::new(),
            mounts,
            args: ["/bin/sh", "-ec", &script(self.included)].map(Into::into).to_vec(),
            env: env.map(|(name, value)| (name.into(), value.into())).to_vec(),
            cwd: PathBuf::from("/"),
            user: Ids::default(),
            network: Network::None,
            security: Security::Sandbox,
            limits: Limits::default(),
            hostname: "localhost".to_owned(),
            hosts: Vec::new(),
            resolv_conf: None,
            terminal: false,
            timeout: None,
            looks_like_chroot: true,
        }
    }
}

/// Configures the system, then installs what was included. A package that pre-depends on an included one is unpacked
/// only after that one is configured; dpkg refuses otherwise.
fn script(included: &[Package]) -> String {
    const DPKG: &str = "dpkg --force-unsafe-io";
    let mut script = format!("{DPKG} --configure -a\n");
    let mut waiting: Vec<usize> = Vec::new();
    let mut configured = vec![false; included.len()];
    for (number, package) in included.iter().enumerate() {
        let earlier = &included[..number];
        let mut first: Vec<usize> = needed(earlier, package.pre_depends.iter()).collect();
        first.retain(|number| !configured[*number]);
        if !first.is_empty() {
            unpack(&mut script, DPKG, &mut waiting);
            let closure = closure(earlier, first, &configured);
            let names: Vec<&str> = closure.iter().map(|number| included[*number].name.as_str()).collect();
            let _ = writeln!(script, "{DPKG} --configure {}", names.join(" "));
            closure.into_iter().for_each(|number| configured[number] = true);
        }
        waiting.push(number);
    }
    if !included.is_empty() {
        unpack(&mut script, DPKG, &mut waiting);
        let _ = writeln!(script, "{DPKG} --configure -a");
    }
    script
}

fn unpack(script: &mut String, dpkg: &str, waiting: &mut Vec<usize>) {
    if !waiting.is_empty() {
        let files: Vec<String> = waiting.drain(..).map(|number| format!("{PACKAGES}/{number}.deb")).collect();
        let _ = writeln!(script, "{dpkg} --unpack {}", files.join(" "));
    }
}

/// Which of these packages satisfy one of those relations.
fn needed<'a>(
    packages: &'a [Package],
    relations: impl Iterator<Item = &'a super::relation::Relation> + 'a,
) -> impl Iterator<Item = usize> + 'a {
    relations.filter_map(|relation| packages.iter().position(|package| package.satisfies(relation)))
}

/// These packages, and all that they depend on and that is not configured yet.
fn closure(packages: &[Package], first: Vec<usize>, configured: &[bool]) -> Vec<usize> {
    let mut seen: HashMap<usize, ()> = HashMap::new();
    let mut open = first;
    let mut found = Vec::new();
    while let Some(number) = open.pop() {
        if configured[number] || seen.insert(number, ()).is_some() {
            continue;
        }
        found.push(number);
        let package = &packages[number];
        open.extend(needed(packages, package.pre_depends.iter().chain(package.depends.iter())));
    }
    found.sort_unstable();
    found
}

impl Sandbox for Spawner {
    fn run(&self, spec: &SandboxSpec, output: &mut Vec<u8>) -> Result<Outcome, SandboxError> {
        let failed = |doing: &'static str| {
            move |source: io::Error| SandboxError::System { doing: doing.to_owned(), source: source.into() }
        };
        let null = File::open("/dev/null").map_err(failed("open /dev/null"))?;
        let (mut read, write) = io::pipe().map_err(failed("make a pipe"))?;
        let again = write.try_clone().map_err(failed("make a pipe"))?;
        let stdio = Stdio { stdin: null.into(), stdout: OwnedFd::from(write), stderr: OwnedFd::from(again) };
        let handle = self.start_run(spec, stdio)?;
        // The pipe ends when the last process of the sandbox is gone.
        read.read_to_end(output).map_err(failed("read the output"))?;
        handle.wait()
    }
}
