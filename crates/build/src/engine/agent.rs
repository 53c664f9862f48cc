//! An ssh agent as a step sees it: a socket with the owner and mode that the mount asks for, whose every
//! connection goes on to the real agent. The real socket's own mode is nobody's to change.

use std::io;
use std::net::Shutdown;
use std::os::unix::fs::{PermissionsExt, chown};
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::{self, JoinHandle};

use dockerfile::Owner;

/// Of a socket for which the mount says nothing else.
const DEFAULT_MODE: u32 = 0o600;

/// A socket that leads to an agent; it is gone with this value.
pub struct Agent {
    directory: tempfile::TempDir,
    ends: Arc<AtomicBool>,
    acceptor: Option<JoinHandle<()>>,
}

impl Agent {
    /// Offers the agent behind `real` at a new place.
    ///
    /// # Errors
    /// The socket cannot be made, or not for this owner.
    pub fn offer(real: &Path, owner: Owner) -> io::Result<Agent> {
        let directory = tempfile::tempdir()?;
        let path = socket(&directory);
        let listener = UnixListener::bind(&path)?;
        std::fs::set_permissions(&path, PermissionsExt::from_mode(owner.mode.unwrap_or(DEFAULT_MODE)))?;
        chown(&path, Some(owner.uid.unwrap_or(0)), Some(owner.gid.unwrap_or(0)))?;
        let ends = Arc::new(AtomicBool::new(false));
        let (real, ended) = (real.to_owned(), Arc::clone(&ends));
        let acceptor = thread::spawn(move || {
            for step in listener.incoming() {
                if ended.load(Ordering::Acquire) {
                    break;
                }
                if let (Ok(step), Ok(agent)) = (step, UnixStream::connect(&real)) {
                    thread::spawn(move || join(step, agent));
                }
            }
        });
        Ok(Agent { directory, ends, acceptor: Some(acceptor) })
    }

    /// Where it is.
    pub fn path(&self) -> PathBuf {
        socket(&self.directory)
    }
}

impl Drop for Agent {
    fn drop(&mut self) {
        self.ends.store(true, Ordering::Release);
        // A last connection wakes the acceptor; without one it would wait for ever, and so would we.
        if UnixStream::connect(self.path()).is_ok()
            && let Some(acceptor) = self.acceptor.take()
        {
            let _ = acceptor.join();
        }
    }
}

fn socket(directory: &tempfile::TempDir) -> PathBuf {
    directory.path().join("agent")
}

/// Carries bytes both ways until one side is done.
fn join(step: UnixStream, agent: UnixStream) {
    let (Ok(from_step), Ok(to_agent)) = (step.try_clone(), agent.try_clone()) else { return };
    let there = thread::spawn(move || carry(from_step, to_agent));
    carry(agent, step);
    let _ = there.join();
}

fn carry(mut from: UnixStream, mut to: UnixStream) {
    // Whoever hangs up ends the other direction as well.
    let _ = io::copy(&mut from, &mut to);
    let _ = to.shutdown(Shutdown::Write);
    let _ = from.shutdown(Shutdown::Read);
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io::{Read, Write};
    use std::os::unix::fs::MetadataExt;

    #[test]
    fn a_connection_reaches_the_real_agent() {
        let directory = tempfile::tempdir().unwrap();
        let real = directory.path().join("real");
        let listener = UnixListener::bind(&real).unwrap();
        let server = thread::spawn(move || {
            let (mut stream, _) = listener.accept().unwrap();
            let mut question = String::new();
            stream.read_to_string(&mut question).unwrap();
            stream.write_all(question.to_uppercase().as_bytes()).unwrap();
        });
        let owner = Owner { mode: Some(0o640), ..Owner::default() };
        let agent = match Agent::offer(&real, owner) {
            Ok(agent) => agent,
            // Only root gives a socket to root.
            Err(error) if error.kind() == io::ErrorKind::PermissionDenied => return,
            Err(error) => panic!("{error}"),
        };
        assert_eq!(std::fs::metadata(agent.path()).unwrap().mode() & 0o7777, 0o640);
        let mut step = UnixStream::connect(agent.path()).unwrap();
        step.write_all(b"question").unwrap();
        step.shutdown(Shutdown::Write).unwrap();
        let mut answer = String::new();
        step.read_to_string(&mut answer).unwrap();
        server.join().unwrap();
        assert_eq!(answer, "QUESTION");
        let path = agent.path();
        drop(agent);
        assert!(!path.exists());
    }
}
