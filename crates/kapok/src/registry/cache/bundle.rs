//! Many small blobs as one: records and outputs of steps.
//!
//! ```text
//!   kapok bundle 1\n
//!   DIGEST SIZE\n bytes \n
//!   …
//! ```

use std::collections::HashMap;
use std::io::{self, BufRead, BufReader, Read, Write};

use oci::Digest;
use oci::layer::{Compression, Compressor, Decompressor};

const HEAD: &str = "kapok bundle 1\n";

/// Bytes of all blobs in a bundle that is read.
const LIMIT: u64 = 256 << 20;

/// Bytes of a line that announces a blob.
const LINE_LIMIT: u64 = 256;

/// Blobs as a bundle; the same blobs in the same order make the same bytes.
pub fn write<'b>(blobs: impl Iterator<Item = (Digest, &'b [u8])>) -> io::Result<Vec<u8>> {
    let mut out = Compressor::new(Compression::Gzip, None, 1, Vec::new())?;
    out.write_all(HEAD.as_bytes())?;
    for (digest, bytes) in blobs {
        writeln!(out, "{digest} {}", bytes.len())?;
        out.write_all(bytes)?;
        out.write_all(b"\n")?;
    }
    out.finish()
}

/// The blobs of a bundle, each with the digest that it has; the second value counts those that are not what they are
/// called.
pub fn read(compressed: &[u8]) -> io::Result<(HashMap<Digest, Vec<u8>>, usize)> {
    let mut input = BufReader::new(Decompressor::new(compressed)?);
    let (mut blobs, mut wrong, mut left) = (HashMap::new(), 0, LIMIT);
    if line(&mut input)?.as_deref() != Some(HEAD.trim_end()) {
        return Err(io::Error::new(io::ErrorKind::InvalidData, "it does not begin like a bundle"));
    }
    while let Some(line) = line(&mut input)? {
        let bad = || io::Error::new(io::ErrorKind::InvalidData, "a blob of the bundle has no proper heading");
        let (digest, size) = line.split_once(' ').ok_or_else(bad)?;
        let (digest, size): (Digest, u64) =
            (digest.parse().map_err(|_| bad())?, size.parse().map_err(|_| bad())?);
        left = left
            .checked_sub(size)
            .ok_or_else(|| io::Error::new(io::ErrorKind::InvalidData, "it is too large"))?;
        let mut bytes = Vec::new();
        (&mut input).take(size).read_to_end(&mut bytes)?;
        if bytes.len() as u64 != size {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
        input.read_exact(&mut [0])?;
        match Digest::of(&bytes) == digest {
            true => drop(blobs.insert(digest, bytes)),
            false => wrong += 1,
        }
    }
    Ok((blobs, wrong))
}

fn line(input: &mut impl BufRead) -> io::Result<Option<String>> {
    let mut line = Vec::new();
    input.take(LINE_LIMIT).read_until(b'\n', &mut line)?;
    match line.pop() {
        None => Ok(None),
        Some(b'\n') => Ok(Some(String::from_utf8_lossy(&line).into_owned())),
        Some(_) => Err(io::Error::new(io::ErrorKind::InvalidData, "a line of the bundle has no end")),
    }
}

/// Feeds what reads a stranger's bundle.
#[cfg(test)]
mod tests {
    use super::*;

    fn bundle(blobs: &[&[u8]]) -> Vec<u8> {
        write(blobs.iter().map(|bytes| (Digest::of(bytes), *bytes))).expect("memory")
    }

    #[test]
    fn what_goes_in_comes_out() {
        let blobs: [&[u8]; 3] = [b"{\"a\":1}", b"", b"line\nline\xff\n"];
        let (read, wrong) = read(&bundle(&blobs)).expect("a bundle");
        assert_eq!((read.len(), wrong), (3, 0));
        for bytes in blobs {
            assert_eq!(read[&Digest::of(bytes)], bytes);
        }
        assert_eq!(bundle(&blobs), bundle(&blobs));
    }

    #[test]
    fn what_is_not_what_it_is_called_is_left_out() {
        let blobs = [(Digest::of(b"other"), &b"one"[..]), (Digest::of(b"two"), &b"two"[..])];
        let (read, wrong) = read(&write(blobs.into_iter()).expect("memory")).expect("a bundle");
        assert_eq!((read.len(), wrong), (1, 1));
    }

    #[test]
    fn strangers_may_write_anything() {
        let whole = bundle(&[b"one", b"two"]);
        for end in 0..whole.len() {
            let _ = read(&whole[..end]);
        }
        for text in ["", "kapok bundle 1\nx", "kapok bundle 1\nsha256:0 1\n", "kapok bundle 2\n"] {
            assert!(read(text.as_bytes()).is_err(), "{text}");
        }
        let huge = format!("kapok bundle 1\n{} 99999999999999\n", Digest::of(b""));
        assert!(read(huge.as_bytes()).is_err());
    }
}
