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

/// Hears a step. Secrets are masked before anybody sees a byte.
pub struct Ear<'a> {
    masker: Masker,
    file: Log,
    said: Said,
    show: &'a mut dyn FnMut(Vec<u8>),
    /// The last line has no end yet.
    in_line: bool,
}

impl<'a> Ear<'a> {
    /// Output goes to the file `log` and to `show`.
    pub fn new(log: &Path, needles: Needles, show: &'a mut dyn FnMut(Vec<u8>)) -> Ear<'a> {
        let (masker, file) = (Masker::new(needles), Log::new(log));
        Ear { masker, file, said: Said::default(), show, in_line: false }
    }

    /// Takes what the command said.
    pub fn hear(&mut self, bytes: &[u8]) {
        self.in_line = !bytes.ends_with(b"\n");
        let bytes = self.masker.push(bytes);
        self.keep(bytes);
    }

    /// Takes whole lines that are not the command's.
    pub fn aside(&mut self, lines: &[u8]) {
        if self.in_line {
            self.hear(b"\n");
        }
        self.hear(lines);
    }

    fn keep(&mut self, bytes: Vec<u8>) {
        if bytes.is_empty() {
            return;
        }
        self.said.remember(&bytes);
        if self.said.trouble.is_none() {
            self.said.trouble = self.file.push(&bytes).err();
        }
        (self.show)(bytes);
    }

    /// The end of it.
    pub fn finish(mut self) -> Said {
        let rest = self.masker.finish();
        self.keep(rest);
        match self.file.finish() {
            Ok(log) => self.said.log = log,
            Err(error) => self.said.trouble = self.said.trouble.or(Some(error)),
        }
        self.said
    }
}

/// Hears a command's output to its end.
pub fn listen(mut output: impl Read, ear: &mut Ear<'_>) {
    let mut buffer = vec![0u8; 16 << 10];
    loop {
        match output.read(&mut buffer) {
            Err(error) if error.kind() == std::io::ErrorKind::Interrupted => {}
            // A terminal whose last user is gone answers EIO: that is its end.
            Ok(0) | Err(_) => return,
            Ok(read) => ear.hear(&buffer[..read]),
        }
    }
}

/// Bytes with which nobody gets far.
const LITTLE: u64 = 1 << 20;

/// Whether nothing more can be written to a directory: an earlier write said so, or there is next to no room left.
pub fn is_full(directory: &Path, trouble: Option<&std::io::Error>) -> bool {
    let full = |error: &std::io::Error| error.kind() == std::io::ErrorKind::StorageFull;
    // Where nobody can say how much room there is, the command's own word has to do.
    let room = rustix::fs::statvfs(directory).ok();
    trouble.is_some_and(full)
        || room.is_some_and(|room| {
            room.f_bavail.saturating_mul(room.f_frsize) < LITTLE || (room.f_files > 0 && room.f_favail == 0)
        })
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

    fn listen(output: &[u8], log: &Path, needles: Needles, mut show: impl FnMut(Vec<u8>)) -> Said {
        let mut ear = Ear::new(log, needles, &mut show);
        super::listen(output, &mut ear);
        ear.finish()
    }

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
