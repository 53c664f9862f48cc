//! Runs other programs: output captured, ended when they take too long.

use std::io::{self, Read};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::mpsc::{RecvTimeoutError, channel};
use std::thread;
use std::time::Duration;

/// What a program left.
#[derive(Debug)]
pub struct Outcome {
    /// `None` if it was ended for taking too long.
    pub status: Option<ExitStatus>,
    /// Standard output, as text.
    pub stdout: String,
    /// Standard error, as text.
    pub stderr: String,
}

impl Outcome {
    /// Whether it ended by itself with exit code 0.
    pub fn success(&self) -> bool {
        self.status.is_some_and(|status| status.success())
    }

    /// Its exit code, -1 after a signal or a timeout.
    pub fn code(&self) -> i32 {
        self.status.and_then(|status| status.code()).unwrap_or(-1)
    }

    /// The last lines of both streams, for a report.
    pub fn tail(&self, lines: usize) -> String {
        let all: Vec<&str> = self.stdout.lines().chain(self.stderr.lines()).collect();
        all[all.len().saturating_sub(lines)..].join("\n")
    }
}

/// Runs to the end, or for at most `limit`.
pub fn run(command: &mut Command, limit: Duration) -> io::Result<Outcome> {
    let name = command.get_program().to_string_lossy().into_owned();
    let mut child = command
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .map_err(|error| io::Error::new(error.kind(), format!("start `{name}`: {error}")))?;
    let stdout = drain(child.stdout.take());
    let stderr = drain(child.stderr.take());
    let status = wait(&mut child, limit)?;
    let text = |bytes: thread::JoinHandle<Vec<u8>>| {
        String::from_utf8_lossy(&bytes.join().unwrap_or_default()).into_owned()
    };
    Ok(Outcome { status, stdout: text(stdout), stderr: text(stderr) })
}

/// Runs a program that must succeed.
pub fn must(command: &mut Command, limit: Duration) -> io::Result<Outcome> {
    let outcome = run(command, limit)?;
    if outcome.success() {
        return Ok(outcome);
    }
    let name = command.get_program().to_string_lossy().into_owned();
    let what = if outcome.status.is_none() {
        "took too long".to_owned()
    } else {
        format!("exit {}", outcome.code())
    };
    Err(io::Error::other(format!("`{name}`: {what}\n{}", outcome.tail(20))))
}

/// Whether a program of this name is on the PATH.
pub fn exists(name: &str) -> bool {
    let paths = std::env::var_os("PATH").unwrap_or_default();
    std::env::split_paths(&paths).any(|directory| directory.join(name).is_file())
}

fn drain(stream: Option<impl Read + Send + 'static>) -> thread::JoinHandle<Vec<u8>> {
    thread::spawn(move || {
        let mut bytes = Vec::new();
        if let Some(mut stream) = stream {
            // A stream that breaks has been read as far as it goes.
            let _ = stream.read_to_end(&mut bytes);
        }
        bytes
    })
}

/// Waits without polling: a thread that sleeps ends the program by its own id when the time is up.
fn wait(child: &mut Child, limit: Duration) -> io::Result<Option<ExitStatus>> {
    let (done, timer) = channel::<()>();
    let pid = rustix::process::Pid::from_child(child);
    let watch = thread::spawn(move || {
        let late = timer.recv_timeout(limit) == Err(RecvTimeoutError::Timeout);
        if late {
            // It may just have ended; then there is nothing to end.
            let _ = rustix::process::kill_process(pid, rustix::process::Signal::KILL);
        }
        late
    });
    let status = child.wait()?;
    drop(done);
    let late = watch.join().unwrap_or(false);
    Ok((!late).then_some(status))
}
