//! The Release file: what a suite holds, by digest. Everything else is believed because this names it.

use super::date;
use super::deb822::{self, BadParagraph};
use oci::Digest;
use std::collections::HashMap;

/// A suite's Release file, parsed from its verified text.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Release {
    /// `Origin`: `Debian`, ...
    pub origin: Option<String>,
    /// `Suite`: `stable`, `bookworm-backports`, ...
    pub suite: Option<String>,
    /// `Codename`: `bookworm`, ...
    pub codename: Option<String>,
    /// `Date`, in seconds since 1970.
    pub date: i64,
    /// `Valid-Until`, in seconds since 1970.
    pub valid_until: Option<i64>,
    /// `Architectures`, perhaps with `all`.
    pub architectures: Vec<String>,
    /// `Components`.
    pub components: Vec<String>,
    /// `Acquire-By-Hash`: files can be had under their digest, which no update in mid-flight disturbs.
    pub by_hash: bool,
    /// Packages for every architecture are in each architecture's index, although `all` is an architecture.
    pub all_in_each: bool,
    files: HashMap<String, Listed>,
}

/// A file of the suite, as the Release file lists it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Listed {
    /// Of the file's bytes.
    pub digest: Digest,
    /// Bytes.
    pub size: u64,
}

/// How an index is compressed, in the order of preference where there is a choice.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[expect(missing_docs, reason = "the words say it")]
pub enum Packing {
    Zstd,
    Xz,
    Gzip,
    Plain,
}

/// Why a verified text is not a Release file.
#[derive(Debug, thiserror::Error)]
pub enum BadRelease {
    /// Not in the form of fields.
    #[error("not a list of fields")]
    Form(#[source] BadParagraph),
    /// A field that must be there is not, or does not say what it should.
    #[error("field `{0}` is missing or malformed")]
    Field(&'static str),
}

/// Lines in `SHA256`; the largest suites have some ten thousand.
const FILES_LIMIT: usize = 500_000;

impl Release {
    /// Parses a Release file.
    pub fn parse(text: &str) -> Result<Self, BadRelease> {
        let paragraph = match deb822::paragraphs(text).next() {
            Some(Ok(paragraph)) => paragraph,
            Some(Err(error)) => return Err(BadRelease::Form(error)),
            None => return Err(BadRelease::Field("Date")),
        };
        let words = |name: &str| -> Vec<String> {
            paragraph.get(name).unwrap_or_default().split_whitespace().map(str::to_owned).collect()
        };
        let valid_until = match paragraph.get("Valid-Until") {
            Some(text) => Some(date::parse(text).ok_or(BadRelease::Field("Valid-Until"))?),
            None => None,
        };
        let listed = paragraph.get("SHA256").ok_or(BadRelease::Field("SHA256"))?;
        let files = parse_files(listed).ok_or(BadRelease::Field("SHA256"))?;
        Ok(Self {
            origin: paragraph.get("Origin").map(str::to_owned),
            suite: paragraph.get("Suite").map(str::to_owned),
            codename: paragraph.get("Codename").map(str::to_owned),
            date: paragraph.get("Date").and_then(date::parse).ok_or(BadRelease::Field("Date"))?,
            valid_until,
            architectures: words("Architectures"),
            components: words("Components"),
            by_hash: paragraph.get("Acquire-By-Hash") == Some("yes"),
            all_in_each: paragraph.get("No-Support-for-Architecture-all") == Some("Packages"),
            files,
        })
    }

    /// A file by its path below the suite's directory.
    pub fn file(&self, path: &str) -> Option<&Listed> {
        self.files.get(path)
    }

    /// Whether this is the suite that was asked for, by either of its names. A mirror that answers with another suite,
    /// though rightly signed, must not pass.
    pub fn is_named(&self, suite: &str) -> bool {
        let asked = suite.trim_end_matches('/');
        let names: Vec<&str> =
            [&self.suite, &self.codename].into_iter().flatten().map(String::as_str).collect();
        names.is_empty() || names.contains(&asked)
    }

    /// Whether the suite has packages for an architecture, by its own word.
    pub fn supports(&self, architecture: &str) -> bool {
        self.architectures.is_empty() || self.architectures.iter().any(|name| name == architecture)
    }

    /// The best packing in which an index is listed: its path and how it is packed.
    pub fn packed(&self, path: &str) -> Option<(String, Packing, &Listed)> {
        Packing::ALL.into_iter().find_map(|packing| {
            let path = format!("{path}{}", packing.suffix());
            self.file(&path).map(|listed| (path, packing, listed))
        })
    }
}

impl Packing {
    /// Compressed ones first. gzip before xz: an index is then a third larger and unpacks in a quarter of the time, which
    /// is what an assembly waits for on any line of more than 30 Mbit/s.
    pub const ALL: [Self; 4] = [Self::Zstd, Self::Gzip, Self::Xz, Self::Plain];

    /// What the file's name ends with.
    pub fn suffix(self) -> &'static str {
        match self {
            Self::Zstd => ".zst",
            Self::Xz => ".xz",
            Self::Gzip => ".gz",
            Self::Plain => "",
        }
    }
}

/// ` <digest> <size> <path>` per line; a path that could leave the suite's directory is not taken.
fn parse_files(text: &str) -> Option<HashMap<String, Listed>> {
    let mut files = HashMap::new();
    for line in text.lines().take(FILES_LIMIT) {
        let mut words = line.split_whitespace();
        let (digest, size, path) = (words.next()?, words.next()?, words.next()?);
        if path.starts_with('/') || path.split('/').any(|part| part == "..") {
            return None;
        }
        let listed = Listed { digest: sha256(digest)?, size: size.parse().ok()? };
        files.insert(path.to_owned(), listed);
    }
    Some(files)
}

/// A SHA-256 as archives write it: 64 hexadecimal digits.
pub fn sha256(hex: &str) -> Option<Digest> {
    format!("sha256:{}", hex.to_ascii_lowercase()).parse().ok()
}

/// For the fuzzer.
pub fn fuzz_release(data: &[u8]) {
    if let Ok(release) = Release::parse(&String::from_utf8_lossy(data)) {
        assert!(release.files.keys().all(|path| !path.starts_with('/')));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const RELEASE: &str = "\
Origin: Debian
Suite: stable
Codename: bookworm
Date: Sat, 10 Jun 2023 08:53:54 UTC
Acquire-By-Hash: yes
No-Support-for-Architecture-all: Packages
Architectures: all amd64 arm64
Components: main contrib
MD5Sum:
 0ed6d4c8891eb86358b94bb35d9e4da4  1484322 contrib/Contents-all
SHA256:
 e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855        0 main/binary-amd64/Packages
 E3B0C44298FC1C149AFBF4C8996FB92427AE41E4649B934CA495991B7852B855       32 main/binary-amd64/Packages.gz
 e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855       33 main/binary-amd64/Packages.xz
";

    #[test]
    fn fields_are_read() {
        let release = Release::parse(RELEASE).unwrap();
        assert_eq!(release.date, 1_686_387_234);
        assert_eq!(release.valid_until, None);
        assert!(release.by_hash && release.all_in_each);
        assert!(release.supports("arm64") && !release.supports("s390x"));
        assert_eq!(release.architectures, ["all", "amd64", "arm64"]);
        assert!(release.is_named("bookworm") && release.is_named("stable") && !release.is_named("trixie"));
        let (path, packing, listed) = release.packed("main/binary-amd64/Packages").unwrap();
        assert_eq!(
            (path.as_str(), packing, listed.size),
            ("main/binary-amd64/Packages.gz", Packing::Gzip, 32)
        );
        assert_eq!(release.packed("main/binary-arm64/Packages"), None);
    }

    #[test]
    fn what_is_missing_is_named() {
        let error = |text: &str| Release::parse(text).unwrap_err().to_string();
        assert_eq!(error(""), "field `Date` is missing or malformed");
        assert_eq!(error("no fields at all\n"), "not a list of fields");
        assert_eq!(error(&RELEASE.replace("Date:", "Dade:")), "field `Date` is missing or malformed");
        assert_eq!(error(&RELEASE.replace("SHA256:", "SHA1:")), "field `SHA256` is missing or malformed");
        assert_eq!(error(&RELEASE.replace("e3b0c4", "zzz")), "field `SHA256` is missing or malformed");
        assert_eq!(error(&RELEASE.replace("main/", "../main/")), "field `SHA256` is missing or malformed");
        let dated = RELEASE.replace("Acquire-By-Hash: yes", "Valid-Until: soon");
        assert_eq!(error(&dated), "field `Valid-Until` is missing or malformed");
        fuzz_release(RELEASE.as_bytes());
        fuzz_release(b"\xff");
    }
}
