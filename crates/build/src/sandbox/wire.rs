//! How requests and answers travel between the processes: bytes of one program talking to itself.

use std::ffi::OsString;
use std::os::unix::ffi::{OsStrExt, OsStringExt};
use std::path::{Path, PathBuf};

use serde::{Deserialize, Deserializer, Serialize, Serializer};

/// A path of any bytes; serde's own form refuses those that are not UTF-8.
pub(super) mod path {
    use super::*;

    pub(in super::super) fn serialize<S: Serializer>(path: &Path, to: S) -> Result<S::Ok, S::Error> {
        path.as_os_str().as_bytes().serialize(to)
    }

    pub(in super::super) fn deserialize<'de, D: Deserializer<'de>>(from: D) -> Result<PathBuf, D::Error> {
        Vec::<u8>::deserialize(from).map(from_bytes)
    }
}

/// Several of them.
pub(super) mod paths {
    use super::*;

    pub(in super::super) fn serialize<S: Serializer>(paths: &[PathBuf], to: S) -> Result<S::Ok, S::Error> {
        to.collect_seq(paths.iter().map(|path| path.as_os_str().as_bytes()))
    }

    pub(in super::super) fn deserialize<'de, D: Deserializer<'de>>(
        from: D,
    ) -> Result<Vec<PathBuf>, D::Error> {
        Ok(Vec::<Vec<u8>>::deserialize(from)?.into_iter().map(from_bytes).collect())
    }
}

/// Perhaps one.
pub(super) mod optional_path {
    use super::*;

    pub(in super::super) fn serialize<S: Serializer>(
        path: &Option<PathBuf>,
        to: S,
    ) -> Result<S::Ok, S::Error> {
        path.as_ref().map(|path| path.as_os_str().as_bytes()).serialize(to)
    }

    pub(in super::super) fn deserialize<'de, D: Deserializer<'de>>(
        from: D,
    ) -> Result<Option<PathBuf>, D::Error> {
        Ok(Option::<Vec<u8>>::deserialize(from)?.map(from_bytes))
    }
}

/// A file's content as one piece; serde's own form goes byte by byte, which is slow for hundreds of kilobytes.
pub(super) mod content {
    use super::*;

    pub(in super::super) fn serialize<S: Serializer>(content: &[u8], to: S) -> Result<S::Ok, S::Error> {
        to.serialize_bytes(content)
    }

    pub(in super::super) fn deserialize<'de, D: Deserializer<'de>>(from: D) -> Result<Vec<u8>, D::Error> {
        from.deserialize_bytes(Piece)
    }

    struct Piece;

    impl serde::de::Visitor<'_> for Piece {
        type Value = Vec<u8>;

        fn expecting(&self, out: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
            out.write_str("bytes")
        }

        fn visit_bytes<E: serde::de::Error>(self, bytes: &[u8]) -> Result<Vec<u8>, E> {
            Ok(bytes.to_vec())
        }
    }
}

/// Several files with their names.
pub(super) mod files {
    use super::*;

    #[derive(Serialize)]
    struct Given<'a>(&'a str, #[serde(with = "content")] &'a [u8]);

    #[derive(Deserialize)]
    struct Taken(String, #[serde(with = "content")] Vec<u8>);

    pub(in super::super) fn serialize<S: Serializer>(
        files: &[(String, Vec<u8>)],
        to: S,
    ) -> Result<S::Ok, S::Error> {
        to.collect_seq(files.iter().map(|(name, content)| Given(name, content)))
    }

    pub(in super::super) fn deserialize<'de, D: Deserializer<'de>>(
        from: D,
    ) -> Result<Vec<(String, Vec<u8>)>, D::Error> {
        Ok(Vec::<Taken>::deserialize(from)?.into_iter().map(|Taken(name, content)| (name, content)).collect())
    }
}

fn from_bytes(bytes: Vec<u8>) -> PathBuf {
    OsString::from_vec(bytes).into()
}
