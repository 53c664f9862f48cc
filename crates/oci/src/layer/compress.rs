//! Compression of layers: the same bytes for any number of threads.

use std::io::{self, Write};

use serde::{Deserialize, Serialize};

/// How a layer's blob is compressed.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Compression {
    /// Not at all.
    None,
    /// gzip, which everybody reads.
    #[default]
    Gzip,
    /// zstd: smaller and faster; Docker before 23 cannot read it.
    Zstd,
}

/// Compresses what is written to it. [`finish`](Compressor::finish) it, or the end is missing.
pub struct Compressor<W: Write> {
    inner: W,
}

impl<W: Write> Compressor<W> {
    /// A compressor in front of `inner`. `level` `None` is the usual one; `threads` changes the time, never the bytes.
    pub fn new(
        _kind: Compression,
        _level: Option<u32>,
        _threads: usize,
        inner: W,
    ) -> io::Result<Compressor<W>> {
        Ok(Compressor { inner })
    }

    /// Writes the end, and gives the inner writer back.
    pub fn finish(self) -> io::Result<W> {
        todo!()
    }
}

impl<W: Write> Write for Compressor<W> {
    fn write(&mut self, _bytes: &[u8]) -> io::Result<usize> {
        todo!()
    }

    fn flush(&mut self) -> io::Result<()> {
        self.inner.flush()
    }
}
