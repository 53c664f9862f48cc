//! The file with a step's output. A step that never stops talking must not fill the disk: of very much, the beginning
//! and the end are kept.

use std::collections::VecDeque;
use std::fs::File;
use std::io::{self, Write};
use std::path::{Path, PathBuf};

/// How much of the beginning is kept: more than any build says that somebody wants to read.
const HEAD: u64 = 60 << 20;

/// How much of the end is kept, in memory until the step has ended.
const TAIL: usize = 4 << 20;

/// A log being written. Without output there is no file.
pub struct Log {
    path: PathBuf,
    file: Option<File>,
    head_left: u64,
    tail: VecDeque<u8>,
    tail_limit: usize,
    left_out: u64,
}

impl Log {
    /// A log that will be at `path`.
    pub fn new(path: &Path) -> Log {
        Log::with_limits(path, HEAD, TAIL)
    }

    fn with_limits(path: &Path, head: u64, tail_limit: usize) -> Log {
        let path = path.to_owned();
        Log { path, file: None, head_left: head, tail: VecDeque::new(), tail_limit, left_out: 0 }
    }

    /// Takes more output.
    pub fn push(&mut self, bytes: &[u8]) -> io::Result<()> {
        let room = usize::try_from(self.head_left).unwrap_or(usize::MAX).min(bytes.len());
        let (head, rest) = bytes.split_at(room);
        if !head.is_empty() {
            self.file()?.write_all(head)?;
            self.head_left -= head.len() as u64;
        }
        self.tail.extend(rest);
        let excess = self.tail.len().saturating_sub(self.tail_limit);
        self.tail.drain(..excess);
        self.left_out += excess as u64;
        Ok(())
    }

    /// Writes the end; where the file is, if there is one.
    pub fn finish(mut self) -> io::Result<Option<PathBuf>> {
        if self.left_out > 0 {
            // The end begins with a whole line.
            let cut = self.tail.iter().position(|byte| *byte == b'\n').map_or(0, |at| at + 1);
            self.tail.drain(..cut);
            self.left_out += cut as u64;
            let line = format!("\n[{} bytes of output are left out here]\n", self.left_out);
            self.file()?.write_all(line.as_bytes())?;
        }
        if !self.tail.is_empty() {
            let tail = std::mem::take(&mut self.tail);
            let (first, second) = tail.as_slices();
            self.file()?.write_all(first)?;
            self.file()?.write_all(second)?;
        }
        Ok(self.file.is_some().then_some(self.path))
    }

    fn file(&mut self) -> io::Result<&mut File> {
        if self.file.is_none()
            && let Some(directory) = self.path.parent()
        {
            std::fs::create_dir_all(directory)?;
        }
        match &mut self.file {
            Some(file) => Ok(file),
            none => Ok(none.insert(File::create(&self.path)?)),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(pieces: &[&str], expected: Option<&str>) {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("build/1.log");
        let mut log = Log::with_limits(&path, 8, 8);
        for piece in pieces {
            log.push(piece.as_bytes()).unwrap();
        }
        assert_eq!(log.finish().unwrap(), expected.map(|_| path.clone()));
        assert_eq!(std::fs::read_to_string(path).ok().as_deref(), expected);
    }

    #[test]
    fn of_much_output_the_beginning_and_the_end_are_kept() {
        check(&[], None);
        check(&["a\n"], Some("a\n"));
        check(&["0123", "4567", "89"], Some("0123456789"));
        check(&["0123456701234567"], Some("0123456701234567"));
        check(
            &["01234567", "xxxx\n", "a\nb\n", "c\n"],
            Some("01234567\n[5 bytes of output are left out here]\na\nb\nc\n"),
        );
        let forever = "y".repeat(100);
        check(&[&forever], Some("yyyyyyyy\n[84 bytes of output are left out here]\nyyyyyyyy"));
    }
}
