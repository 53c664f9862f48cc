//! Digests of bytes that pass by.

use std::io::{self, Read, Write};

use sha2::{Digest as _, Sha256, Sha512};

use super::{Algorithm, Digest};

/// Computes a digest piece by piece.
#[derive(Clone)]
pub struct Hasher(Inner);

#[derive(Clone)]
enum Inner {
    Sha256(Sha256),
    Sha512(Sha512),
}

impl Hasher {
    /// A hasher that has seen nothing.
    pub fn new(algorithm: Algorithm) -> Hasher {
        Hasher(match algorithm {
            Algorithm::Sha256 => Inner::Sha256(Sha256::new()),
            Algorithm::Sha512 => Inner::Sha512(Sha512::new()),
        })
    }

    /// Takes more bytes.
    pub fn update(&mut self, bytes: &[u8]) {
        match &mut self.0 {
            Inner::Sha256(hasher) => hasher.update(bytes),
            Inner::Sha512(hasher) => hasher.update(bytes),
        }
    }

    /// The digest of everything taken.
    pub fn finish(self) -> Digest {
        match self.0 {
            Inner::Sha256(hasher) => Digest::Sha256(hasher.finalize().into()),
            Inner::Sha512(hasher) => Digest::Sha512(hasher.finalize().into()),
        }
    }
}

impl Default for Hasher {
    fn default() -> Hasher {
        Hasher::new(Algorithm::Sha256)
    }
}

/// Passes writes on, and knows the digest and the number of all bytes that went through.
pub struct DigestWriter<W> {
    inner: W,
    hasher: Hasher,
    written: u64,
}

impl<W: Write> DigestWriter<W> {
    /// A writer in front of `inner`, with SHA-256.
    pub fn new(inner: W) -> DigestWriter<W> {
        DigestWriter { inner, hasher: Hasher::default(), written: 0 }
    }

    /// How many bytes went through.
    pub fn written(&self) -> u64 {
        self.written
    }

    /// The writer behind.
    pub fn get_ref(&self) -> &W {
        &self.inner
    }

    /// The digest of what went through so far, and how many bytes that were.
    pub fn digest(&self) -> (Digest, u64) {
        (self.hasher.clone().finish(), self.written)
    }

    /// The writer behind, the digest of what it got, and how many bytes that were.
    pub fn finish(self) -> (W, Digest, u64) {
        (self.inner, self.hasher.finish(), self.written)
    }
}

impl<W: Write> Write for DigestWriter<W> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let count = self.inner.write(bytes)?;
        self.hasher.update(&bytes[..count]);
        self.written += count as u64;
        Ok(count)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.inner.flush()
    }
}

/// Passes reads on, and knows the digest and the number of all bytes that came through.
pub struct DigestReader<R> {
    inner: R,
    hasher: Hasher,
    read: u64,
}

impl<R: Read> DigestReader<R> {
    /// A reader behind `inner`, with the algorithm of the digest that is expected.
    pub fn new(inner: R, algorithm: Algorithm) -> DigestReader<R> {
        DigestReader { inner, hasher: Hasher::new(algorithm), read: 0 }
    }

    /// The digest of what came through, and how many bytes that were.
    pub fn finish(self) -> (Digest, u64) {
        (self.hasher.finish(), self.read)
    }
}

impl<R: Read> Read for DigestReader<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let count = self.inner.read(buffer)?;
        self.hasher.update(&buffer[..count]);
        self.read += count as u64;
        Ok(count)
    }
}
