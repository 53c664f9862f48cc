//! What the tests share: a root file system, a spawner, and steps that run in them.

use std::fs;
use std::io::Read;
use std::os::fd::OwnedFd;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;

use build::sandbox::{
    ExitStatus, Handle, Ids, Limits, MountSource, Network, Outcome, Privilege, SandboxError, SandboxMount,
    SandboxSpec, Security, Spawner, Stdio,
};

/// The workshop of one test run.
pub struct Lab {
    pub spawner: Spawner,
    pub privilege: Privilege,
    pub root: PathBuf,
    base: tempfile::TempDir,
    count: AtomicUsize,
}

/// What came of a step.
#[derive(Debug)]
pub struct Ran {
    pub result: Result<Outcome, SandboxError>,
    /// Standard output and error, as they came.
    pub output: String,
}

impl Ran {
    /// The outcome of a command that was started.
    pub fn outcome(&self) -> &Outcome {
        self.result.as_ref().unwrap_or_else(|error| panic!("{error:?}\n{}", self.output))
    }

    /// The output of a command that succeeded.
    pub fn success(&self) -> &str {
        assert_eq!(self.outcome().status, ExitStatus::Code(0), "{}", self.output);
        &self.output
    }

    /// Why a command could not be started.
    pub fn error(&self) -> &SandboxError {
        self.result.as_ref().err().unwrap_or_else(|| panic!("no error\n{}", self.output))
    }
}

impl Lab {
    pub fn new(spawner: Spawner, privilege: Privilege) -> Lab {
        // Beside the build's output: `/tmp` may be a file system without xattrs, or an overlay.
        let place = std::env::var_os("CARGO_TARGET_TMPDIR").map(PathBuf::from);
        let place =
            place.filter(|place| fs::create_dir_all(place).is_ok() && tempfile::tempdir_in(place).is_ok());
        let base = tempfile::tempdir_in(place.unwrap_or_else(std::env::temp_dir)).expect("a directory");
        let root = base.path().join("root");
        rootfs_once(&root);
        Lab { spawner, privilege, root, base, count: AtomicUsize::new(0) }
    }

    /// Why no test can run here, if so.
    pub fn unfit(&self) -> Option<String> {
        match self.step("true").run().result {
            Ok(_) => None,
            Err(error @ (SandboxError::Forbidden { .. } | SandboxError::Overlay { .. })) => {
                Some(format!("{error}: {}", error.hint().unwrap_or_default()))
            }
            Err(error) => panic!("{error:?}"),
        }
    }

    pub fn is_root(&self) -> bool {
        self.privilege == Privilege::Root
    }

    /// A fresh directory.
    pub fn directory(&self) -> PathBuf {
        let path = self.base.path().join(self.count.fetch_add(1, Ordering::Relaxed).to_string());
        fs::create_dir(&path).expect("a directory");
        path
    }

    /// A layer with these files, of root's.
    pub fn layer(&self, files: &[(&str, &str)]) -> PathBuf {
        let layer = self.directory();
        for (path, content) in files {
            let path = layer.join(path);
            fs::create_dir_all(path.parent().expect("a parent")).expect("a directory");
            fs::write(path, content).expect("a file");
        }
        layer
    }

    /// A directory for writes and its work directory.
    pub fn writes(&self) -> (PathBuf, PathBuf) {
        let directory = self.directory();
        let (upper, work) = (directory.join("upper"), directory.join("work"));
        fs::create_dir(&upper).expect("a directory");
        fs::create_dir(&work).expect("a directory");
        (upper, work)
    }

    /// A shell script over the root file system.
    pub fn step(&self, script: &str) -> Step<'_> {
        let (upper, work) = self.writes();
        let spec = SandboxSpec {
            layers: vec![self.root.clone()],
            upper,
            work,
            read_only: false,
            stand_ins: Vec::new(),
            mounts: Vec::new(),
            args: ["sh", "-c", script].map(Into::into).into(),
            env: vec![("PATH".into(), "/usr/bin:/bin".into())],
            cwd: "/".into(),
            user: Ids::default(),
            network: Network::None,
            security: Security::Sandbox,
            limits: Limits::default(),
            hostname: "buildkitsandbox".into(),
            hosts: Vec::new(),
            resolv_conf: None,
            terminal: false,
            timeout: None,
            looks_like_chroot: false,
        };
        Step { lab: self, spec }
    }
}

fn rootfs_once(root: &Path) {
    fs::create_dir(root).expect("a directory");
    crate::rootfs::make(root);
}

/// A step about to run.
pub struct Step<'a> {
    lab: &'a Lab,
    pub spec: SandboxSpec,
}

impl Step<'_> {
    /// Changes the specification.
    pub fn with(mut self, change: impl FnOnce(&mut SandboxSpec)) -> Self {
        change(&mut self.spec);
        self
    }

    pub fn mount(self, target: &str, source: MountSource, read_only: bool) -> Self {
        self.with(|spec| spec.mounts.push(SandboxMount { target: target.into(), source, read_only }))
    }

    pub fn user(self, uid: u32, gid: u32) -> Self {
        self.with(|spec| spec.user = Ids { uid, gid, groups: Vec::new() })
    }

    /// The file in the layer that the step has made.
    pub fn written(&self, path: &str) -> PathBuf {
        self.spec.upper.join(path)
    }

    pub fn run(&self) -> Ran {
        let (handle, reader) = self.start();
        let result = handle.and_then(|handle| handle.wait());
        Ran { result, output: reader.join().expect("a reader") }
    }

    /// Starts it; the thread returns what it prints.
    pub fn start(&self) -> (Result<Handle, SandboxError>, thread::JoinHandle<String>) {
        let (mut reader, writer) = std::io::pipe().expect("a pipe");
        let stdin = OwnedFd::from(fs::File::open("/dev/null").expect("/dev/null"));
        let stderr = OwnedFd::from(writer.try_clone().expect("a copy"));
        let stdio = Stdio { stdin, stdout: OwnedFd::from(writer), stderr };
        let handle = self.lab.spawner.start_run(&self.spec, stdio);
        let reader = thread::spawn(move || {
            let mut output = Vec::new();
            reader.read_to_end(&mut output).expect("output");
            String::from_utf8_lossy(&output).into_owned()
        });
        (handle, reader)
    }
}
