//! A machine of its own for each test: home, store and working directory; nothing of the caller's environment.

use std::fs;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};

use tempfile::TempDir;

/// Directories and variables of one test.
pub struct TestEnvironment {
    root: TempDir,
}

/// What a run of the program gave.
#[derive(Debug)]
pub struct Ran {
    pub code: i32,
    pub stdout: String,
    pub stderr: String,
}

impl Ran {
    /// Fails the test unless the program ended well.
    #[track_caller]
    pub fn ok(self) -> Ran {
        self.code(0)
    }

    /// Fails the test unless the program ended with this code.
    #[track_caller]
    pub fn code(self, code: i32) -> Ran {
        assert_eq!(self.code, code, "stdout:\n{}\nstderr:\n{}", self.stdout, self.stderr);
        self
    }
}

impl TestEnvironment {
    /// A fresh one. Its store is on the file system of the build, which can hold overlays where `/tmp` may not.
    pub fn new() -> TestEnvironment {
        let place = env!("CARGO_TARGET_TMPDIR");
        let root = tempfile::Builder::new().prefix("kapok-").tempdir_in(place).expect("a directory");
        for name in ["home", "work"] {
            fs::create_dir(root.path().join(name)).expect("a directory");
        }
        TestEnvironment { root }
    }

    /// The working directory of the program.
    pub fn work(&self) -> PathBuf {
        self.root.path().join("work")
    }

    /// The store's directory.
    pub fn store(&self) -> PathBuf {
        self.root.path().join("store")
    }

    /// Writes a file of the working directory, with the directories above it.
    pub fn write(&self, path: &str, content: impl AsRef<[u8]>) -> PathBuf {
        let path = self.work().join(path);
        fs::create_dir_all(path.parent().expect("a parent")).expect("directories");
        fs::write(&path, content).expect("it is written");
        path
    }

    /// Reads a file of the working directory.
    #[track_caller]
    pub fn read(&self, path: &str) -> String {
        let path = self.work().join(path);
        fs::read_to_string(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
    }

    /// The program with this command line.
    pub fn command(&self, line: &str) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_kapok"));
        command
            .args(line.split_whitespace())
            .current_dir(self.work())
            .env_clear()
            .env("PATH", "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin")
            .env("HOME", self.root.path().join("home"))
            .env("KAPOK_HOME", self.store())
            .stdin(Stdio::null());
        command
    }

    /// Runs the program.
    pub fn kapok(&self, line: &str) -> Ran {
        ran(self.command(line).output().expect("the program starts"))
    }

    /// Runs the program with this on its standard input.
    pub fn kapok_with_input(&self, line: &str, input: &[u8]) -> Ran {
        let mut command = self.command(line);
        command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
        let mut child = command.spawn().expect("the program starts");
        // A program that refuses early does not read its input.
        let _ = child.stdin.take().expect("a pipe").write_all(input);
        ran(child.wait_with_output().expect("the program ends"))
    }

    /// Builds an image `shell` that has this machine's `/bin/sh` and what that needs, for commands to run in. `false`
    /// where the machine cannot run sandboxes; the test says so and ends.
    pub fn shell_image(&self) -> bool {
        if self.kapok("doctor").code != 0 {
            eprintln!("skipped: sandboxes do not work on this machine, see `kapok doctor`");
            return false;
        }
        for path in libraries("/bin/sh").into_iter().chain([PathBuf::from("/bin/sh")]) {
            let target = self.work().join("shell").join(path.strip_prefix("/").expect("an absolute path"));
            fs::create_dir_all(target.parent().expect("a parent")).expect("directories");
            fs::copy(&path, &target).expect("it is copied");
        }
        self.write("shell/Dockerfile", "FROM scratch\nCOPY . /\n");
        self.write("shell/.dockerignore", "Dockerfile\n.dockerignore\n");
        self.kapok("build -q -t shell shell").ok();
        true
    }
}

fn ran(output: Output) -> Ran {
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    Ran {
        code: output.status.code().unwrap_or(-1),
        stdout: text(&output.stdout),
        stderr: text(&output.stderr),
    }
}

/// The shared libraries of a program, its loader included.
fn libraries(program: &str) -> Vec<PathBuf> {
    let output = Command::new("ldd").arg(program).output().expect("ldd starts");
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    let paths = text.split_whitespace().filter(|word| word.starts_with('/') && Path::new(word).exists());
    paths.map(PathBuf::from).collect()
}
