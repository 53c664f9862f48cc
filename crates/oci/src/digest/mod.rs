//! Digests of bytes, and the identities that are digests.
//!
//! A digest is of bytes, always: what was received keeps its raw bytes and is never serialised again to be named.
//! (OCI image specification, "Digests")

mod ids;
mod stream;

use std::fmt;
use std::str::FromStr;

use serde::de::Error as _;
use serde::{Deserialize, Deserializer, Serialize, Serializer};
use sha2::{Digest as _, Sha256};

pub use ids::{DiffId, LayerId, SnapshotId};
pub use stream::{DigestReader, DigestWriter, Hasher};

/// The digest of some bytes: `sha256:…` or `sha512:…`. What Kapok itself names is always SHA-256.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Digest {
    /// `sha256:` and 64 lower-case hexadecimal digits.
    Sha256([u8; 32]),
    /// `sha512:` and 128 lower-case hexadecimal digits.
    Sha512([u8; 64]),
}

/// Which function made a digest.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Algorithm {
    /// SHA-256, what everybody writes.
    Sha256,
    /// SHA-512, which the specification also registers.
    Sha512,
}

/// A text that is no digest.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum DigestError {
    /// No `algorithm:` in front.
    #[error("`{0}` is not a digest: it lacks the algorithm in front, as in `sha256:…`")]
    NoAlgorithm(String),
    /// An algorithm that is not one of the two.
    #[error("`{0}` is not a digest: its algorithm is neither sha256 nor sha512")]
    UnknownAlgorithm(String),
    /// The wrong number of digits, upper case, or other characters.
    #[error("`{text}` is not a digest: {algorithm} has {digits} lower-case hexadecimal digits")]
    BadHex {
        /// What was given.
        text: String,
        /// Its algorithm.
        algorithm: Algorithm,
        /// How many digits it should have.
        digits: usize,
    },
}

impl Digest {
    /// The SHA-256 digest of `bytes`.
    pub fn of(bytes: &[u8]) -> Digest {
        Digest::Sha256(Sha256::digest(bytes).into())
    }

    /// The digest of `bytes` by the given algorithm.
    pub fn of_with(algorithm: Algorithm, bytes: &[u8]) -> Digest {
        let mut hasher = Hasher::new(algorithm);
        hasher.update(bytes);
        hasher.finish()
    }

    /// The function that made it.
    pub fn algorithm(&self) -> Algorithm {
        match self {
            Digest::Sha256(_) => Algorithm::Sha256,
            Digest::Sha512(_) => Algorithm::Sha512,
        }
    }

    /// The raw bytes, 32 or 64 of them.
    pub fn as_bytes(&self) -> &[u8] {
        match self {
            Digest::Sha256(bytes) => bytes,
            Digest::Sha512(bytes) => bytes,
        }
    }

    /// The hexadecimal digits, without the algorithm.
    pub fn hex(&self) -> String {
        const DIGITS: &[u8; 16] = b"0123456789abcdef";
        let bytes = self.as_bytes();
        let mut text = String::with_capacity(bytes.len() * 2);
        for byte in bytes {
            text.push(DIGITS[usize::from(byte >> 4)] as char);
            text.push(DIGITS[usize::from(byte & 15)] as char);
        }
        text
    }

    /// The first twelve digits, the form people read.
    pub fn short(&self) -> String {
        self.hex()[..12].to_owned()
    }
}

impl Algorithm {
    /// The name in front of the colon.
    pub fn name(self) -> &'static str {
        match self {
            Algorithm::Sha256 => "sha256",
            Algorithm::Sha512 => "sha512",
        }
    }

    /// How many bytes its digests have.
    pub fn size(self) -> usize {
        match self {
            Algorithm::Sha256 => 32,
            Algorithm::Sha512 => 64,
        }
    }
}

impl fmt::Display for Algorithm {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

impl fmt::Display for Digest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}", self.algorithm(), self.hex())
    }
}

impl fmt::Debug for Digest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl FromStr for Digest {
    type Err = DigestError;

    fn from_str(text: &str) -> Result<Digest, DigestError> {
        let (name, hex) = text.split_once(':').ok_or_else(|| DigestError::NoAlgorithm(shown(text)))?;
        let algorithm = match name {
            "sha256" => Algorithm::Sha256,
            "sha512" => Algorithm::Sha512,
            _ => return Err(DigestError::UnknownAlgorithm(shown(text))),
        };
        let bad = || DigestError::BadHex { text: shown(text), algorithm, digits: algorithm.size() * 2 };
        let mut bytes = [0u8; 64];
        let wanted = &mut bytes[..algorithm.size()];
        if hex.len() != wanted.len() * 2 {
            return Err(bad());
        }
        for (byte, pair) in wanted.iter_mut().zip(hex.as_bytes().chunks_exact(2)) {
            *byte = (nibble(pair[0]).ok_or_else(bad)? << 4) | nibble(pair[1]).ok_or_else(bad)?;
        }
        Ok(Digest::from_parts(algorithm, bytes))
    }
}

impl Digest {
    fn from_parts(algorithm: Algorithm, bytes: [u8; 64]) -> Digest {
        match algorithm {
            Algorithm::Sha256 => {
                let mut short = [0u8; 32];
                short.copy_from_slice(&bytes[..32]);
                Digest::Sha256(short)
            }
            Algorithm::Sha512 => Digest::Sha512(bytes),
        }
    }

    /// A digest from its raw bytes: 32 of them are SHA-256, 64 are SHA-512.
    pub fn from_bytes(bytes: &[u8]) -> Option<Digest> {
        match bytes.len() {
            32 => Some(Digest::Sha256(bytes.try_into().ok()?)),
            64 => Some(Digest::Sha512(bytes.try_into().ok()?)),
            _ => None,
        }
    }
}

fn nibble(digit: u8) -> Option<u8> {
    match digit {
        b'0'..=b'9' => Some(digit - b'0'),
        b'a'..=b'f' => Some(digit - b'a' + 10),
        _ => None,
    }
}

/// Input can be megabytes long; messages are not.
fn shown(text: &str) -> String {
    const LIMIT: usize = 160;
    if text.chars().count() <= LIMIT {
        text.to_owned()
    } else {
        text.chars().take(LIMIT).chain("…".chars()).collect()
    }
}

impl Serialize for Digest {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for Digest {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Digest, D::Error> {
        let text = std::borrow::Cow::<'de, str>::deserialize(deserializer)?;
        text.parse().map_err(D::Error::custom)
    }
}

#[cfg(test)]
mod tests {
    use std::io::{self, Write};

    use super::*;

    #[test]
    fn digests_read_back_and_refuse_what_is_none() {
        let digest = Digest::of(b"");
        assert_eq!(
            digest.to_string(),
            "sha256:e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"
        );
        assert_eq!(digest.to_string().parse(), Ok(digest));
        let long = Digest::of_with(Algorithm::Sha512, b"x");
        assert_eq!(long.to_string().parse(), Ok(long));
        for bad in
            ["", "sha256", "sha256:", "md5:00", "sha256:E3", &digest.to_string().to_uppercase(), "sha256:é"]
        {
            assert!(bad.parse::<Digest>().is_err(), "{bad}");
        }
        assert!(digest.to_string().replace('e', "E").parse::<Digest>().is_err());
    }

    #[test]
    fn writer_and_reader_agree_with_the_whole() {
        let data = vec![7u8; 100_000];
        let mut writer = DigestWriter::new(Vec::new());
        writer.write_all(&data).unwrap();
        let (bytes, digest, size) = writer.finish();
        assert_eq!((digest, size), (Digest::of(&data), 100_000));
        let mut reader = DigestReader::new(&bytes[..], Algorithm::Sha256);
        io::copy(&mut reader, &mut io::sink()).unwrap();
        assert_eq!(reader.finish(), (digest, 100_000));
    }

    #[test]
    fn order_of_layers_makes_the_snapshot() {
        let (a, b) = (LayerId(Digest::of(b"a")), LayerId(Digest::of(b"b")));
        assert_ne!(SnapshotId::of(&[a, b]), SnapshotId::of(&[b, a]));
        assert_ne!(SnapshotId::of(&[]), SnapshotId::of(&[a]));
    }
}
