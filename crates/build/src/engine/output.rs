//! What a step says: passed on as it comes, kept in a file, its end remembered for the error message.

use std::fs::File;
use std::io::{Read, Write};
use std::path::{Path, PathBuf};

use super::secrets::{Masker, Needles};

/// How much of the end is kept for messages.
const TAIL: usize = 8 << 10;

/// What was said.
#[derive(Debug, Default)]
pub struct Said {
    /// The end of it.
    pub tail: Vec<u8>,
    /// The file with all of it; none when nothing was said.
    pub log: Option<PathBuf>,
    /// Writing the file failed, which must not fail the step.
    pub trouble: Option<std::io::Error>,
}

/// Reads a step's output to its end. Secrets are masked before anybody sees a byte.
pub fn listen(mut output: impl Read, log: &Path, needles: Needles, mut show: impl FnMut(Vec<u8>)) -> Said {
    let mut masker = Masker::new(needles);
    let mut said = Said::default();
    let mut file: Option<File> = None;
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
            keep(&bytes, log, &mut file, &mut said);
            show(bytes);
        }
        if read == 0 {
            return said;
        }
    }
}

fn keep(bytes: &[u8], log: &Path, file: &mut Option<File>, said: &mut Said) {
    said.tail.extend_from_slice(bytes);
    if said.tail.len() > 2 * TAIL {
        let cut = said.tail.len() - TAIL;
        said.tail.drain(..cut);
    }
    if said.trouble.is_some() {
        return;
    }
    if let Err(error) = append(bytes, log, file) {
        said.trouble = Some(error);
    } else {
        said.log = Some(log.to_owned());
    }
}

fn append(bytes: &[u8], log: &Path, file: &mut Option<File>) -> std::io::Result<()> {
    if file.is_none() {
        if let Some(directory) = log.parent() {
            std::fs::create_dir_all(directory)?;
        }
        *file = Some(File::create(log)?);
    }
    match file {
        Some(file) => file.write_all(bytes),
        None => Ok(()),
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
