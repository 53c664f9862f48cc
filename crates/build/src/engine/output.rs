//! What a step says: passed on as it comes, kept in a file, its end remembered for the error message.

use std::io::Read;
use std::path::{Path, PathBuf};

use super::log::Log;
use super::secrets::{Masker, Needles};

/// How much of the end is kept for messages.
const TAIL: usize = 8 << 10;

/// What was said.
#[derive(Debug, Default)]
pub struct Said {
    /// The end of it.
    pub tail: Vec<u8>,
    /// The file with it; none when nothing was said.
    pub log: Option<PathBuf>,
    /// Writing the file failed, which must not fail the step.
    pub trouble: Option<std::io::Error>,
}

/// Reads a step's output to its end. Secrets are masked before anybody sees a byte.
pub fn listen(mut output: impl Read, log: &Path, needles: Needles, mut show: impl FnMut(Vec<u8>)) -> Said {
    let mut masker = Masker::new(needles);
    let mut said = Said::default();
    let mut file = Log::new(log);
    let mut buffer = vec![0u8; 16 << 10];
    loop {
        let read = match output.read(&mut buffer) {
            Err(error) if error.kind() == std::io::ErrorKind::Interrupted => continue,
            // A terminal whose last user is gone answers EIO: that is its end.
            Ok(0) | Err(_) => 0,
            Ok(read) => read,
        };
        let bytes = if read == 0 { masker.finish() } else { masker.push(&buffer[..read]) };
        if !bytes.is_empty() {
            said.remember(&bytes);
            if said.trouble.is_none() {
                said.trouble = file.push(&bytes).err();
            }
            show(bytes);
        }
        if read == 0 {
            match file.finish() {
                Ok(log) => said.log = log,
                Err(error) => said.trouble = said.trouble.or(Some(error)),
            }
            return said;
        }
    }
}

impl Said {
    fn remember(&mut self, bytes: &[u8]) {
        self.tail.extend_from_slice(bytes);
        if self.tail.len() > 2 * TAIL {
            let cut = self.tail.len() - TAIL;
            self.tail.drain(..cut);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::engine::secrets::Secret;

    #[test]
    fn output_is_shown_kept_and_masked() {
        let directory = tempfile::tempdir().unwrap();
        let log = directory.path().join("build/3.log");
        let needles = Needles::new(&[Secret { id: "key".into(), value: b"abcdef123".to_vec() }]);
        let mut shown = Vec::new();
        let said = listen(&b"one abcdef123\ntwo\n"[..], &log, needles, |bytes| shown.extend(bytes));
        assert_eq!(shown, b"one [secret key]\ntwo\n");
        assert_eq!(said.tail, shown);
        assert_eq!(std::fs::read(log).unwrap(), shown);
    }

    #[test]
    fn silence_leaves_no_file() {
        let directory = tempfile::tempdir().unwrap();
        let said = listen(&b""[..], &directory.path().join("1.log"), Needles::default(), |_| {});
        assert_eq!(said.log, None);
        assert_eq!(std::fs::read_dir(directory.path()).unwrap().count(), 0);
    }

    #[test]
    fn only_the_end_is_remembered() {
        let directory = tempfile::tempdir().unwrap();
        let many = "0123456789\n".repeat(10_000);
        let said = listen(many.as_bytes(), &directory.path().join("1.log"), Needles::default(), |_| {});
        assert!(said.tail.len() <= 2 * TAIL && said.tail.ends_with(b"789\n"));
    }
}
