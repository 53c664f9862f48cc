//! Build contexts as the command line names them: a directory, git, an archive behind a URL or on standard input.

use std::io::{BufRead, BufReader, Cursor, Read};
use std::path::{Path, PathBuf};

use build::engine::Git;
use build::fetch::Fetch;
use build::plan::git::GitReference;
use oci::store::{Store, WorkDir};

use crate::failure::Failure;

/// An archive or Dockerfile behind a URL may have this many bytes; a mistaken URL must not fill the disk.
const DOWNLOAD_LIMIT: u64 = 64 << 30;

/// The bytes in which an archive shows itself: a tar header's magic ends at byte 262.
const PEEK: usize = 512;

/// A build context, at hand.
#[derive(Default)]
pub struct Opened {
    /// Its directory; none where a Dockerfile alone was given.
    pub directory: Option<PathBuf>,
    /// The Dockerfile, where it came instead of a context.
    pub dockerfile: Option<Vec<u8>>,
    /// Whether it came from elsewhere: paths are then its own, and links may not lead out of it.
    pub foreign: bool,
    /// Keeps what was unpacked until the build is over.
    _unpacked: Option<WorkDir>,
}

/// What opening a context may use.
pub struct Means<'a> {
    /// Where archives are unpacked.
    pub store: &'a Store,
    /// For URLs.
    pub fetch: &'a dyn Fetch,
    /// For git repositories.
    pub git: &'a dyn Git,
    /// What relative paths are relative to.
    pub directory: &'a Path,
}

impl Means<'_> {
    /// Opens the context that a word names, in docker's order: `-`, a directory, git, a URL.
    pub fn open(&self, word: &str) -> Result<Opened, Failure> {
        if word == "-" {
            return self.stream(&mut BufReader::with_capacity(1 << 20, std::io::stdin().lock()));
        }
        let path = self.directory.join(word);
        if path.is_dir() {
            return Ok(Opened { directory: Some(path), ..Opened::default() });
        }
        if let Some(reference) = git_reference(word) {
            let reference = reference.map_err(|why| Failure::usage(format!("`{word}`: {why}")))?;
            return self.repository(&reference);
        }
        if is_url(word) {
            return self.download(word);
        }
        let what = if path.exists() { "is not a directory" } else { "does not exist" };
        Err(Failure::usage_with(
            format!("the build context `{word}` {what}"),
            "a build context is a directory, a git or archive URL, or `-`; the Dockerfile goes to `--file`",
        ))
    }

    /// The body behind a URL, in memory: a Dockerfile.
    pub fn fetch_text(&self, url: &str, limit: u64) -> Result<Vec<u8>, Failure> {
        let mut bytes = Vec::new();
        self.fetch.fetch(url, &mut bytes, limit)?;
        Ok(bytes)
    }

    fn repository(&self, reference: &GitReference) -> Result<Opened, Failure> {
        let unpacked = self.store.work_dir()?;
        let directory = unpacked.path().join("context");
        std::fs::create_dir(&directory).map_err(Failure::file("make", &directory))?;
        self.git.fetch(reference, reference.keep_git_dir.unwrap_or(false), &directory)?;
        Ok(Opened { directory: Some(directory), foreign: true, _unpacked: Some(unpacked), dockerfile: None })
    }

    fn download(&self, url: &str) -> Result<Opened, Failure> {
        let scratch = self.store.work_dir()?;
        let path = scratch.path().join("download");
        let mut file = std::fs::File::create(&path).map_err(Failure::file("write", &path))?;
        self.fetch.fetch(url, &mut file, DOWNLOAD_LIMIT)?;
        let file = std::fs::File::open(&path).map_err(Failure::file("read", &path))?;
        self.stream(&mut BufReader::with_capacity(1 << 20, file))
    }

    /// What comes in a stream: an archive is a context, anything else a Dockerfile.
    fn stream(&self, input: &mut dyn BufRead) -> Result<Opened, Failure> {
        let mut start = Vec::with_capacity(PEEK);
        let failed = Failure::file("read", "standard input");
        input.take(PEEK as u64).read_to_end(&mut start).map_err(failed)?;
        let archive = is_archive(&start);
        let mut whole = Cursor::new(start).chain(input);
        if !archive {
            let dockerfile = Some(super::input::read_bounded(&mut whole, Path::new("standard input"))?);
            return Ok(Opened { dockerfile, foreign: true, ..Opened::default() });
        }
        let unpacked = self.store.work_dir()?;
        let directory = unpacked.path().join("context");
        std::fs::create_dir(&directory).map_err(Failure::file("make", &directory))?;
        build::context::unpack_archive(whole, &directory)?;
        Ok(Opened { directory: Some(directory), foreign: true, _unpacked: Some(unpacked), dockerfile: None })
    }
}

/// A git reference; docker also takes `github.com/…` without a scheme. A repository of this machine is `file://…`: the
/// command line may name one, a Dockerfile may not.
pub fn git_reference(word: &str) -> Option<Result<GitReference, String>> {
    if let Some(rest) = word.strip_prefix("file://") {
        let local = |reference: GitReference| {
            let path = reference.remote.trim_start_matches("git://");
            GitReference { remote: format!("file://{path}"), ..reference }
        };
        return GitReference::parse(&format!("git://{rest}")).map(|parsed| parsed.map(local));
    }
    if word.starts_with("github.com/") {
        let (address, fragment) = word.split_once('#').unwrap_or((word, ""));
        let suffix = if address.ends_with(".git") { "" } else { ".git" };
        let fragment = if fragment.is_empty() { String::new() } else { format!("#{fragment}") };
        return GitReference::parse(&format!("https://{address}{suffix}{fragment}"));
    }
    GitReference::parse(word)
}

/// Whether a word is a URL that can be downloaded.
pub fn is_url(word: &str) -> bool {
    word.starts_with("http://") || word.starts_with("https://")
}

/// A tar archive, or something compressed, which a Dockerfile never is.
fn is_archive(start: &[u8]) -> bool {
    oci::layer::detect(start) != oci::layer::Format::Plain
        || start.get(257..262) == Some(b"ustar")
        || is_old_tar(start)
}

/// A tar header of before 1988 has no magic: a name, then octal numbers, with a checksum that is right.
fn is_old_tar(start: &[u8]) -> bool {
    let Some(header) = start.get(..512) else { return false };
    let number = |field: &[u8]| {
        let text = std::str::from_utf8(field).ok()?.trim_matches(|c| c == ' ' || c == '\0');
        u32::from_str_radix(text, 8).ok()
    };
    let Some(expected) = number(&header[148..156]) else { return false };
    let sum: u32 = header
        .iter()
        .enumerate()
        .map(|(at, byte)| if (148..156).contains(&at) { u32::from(b' ') } else { u32::from(*byte) })
        .sum();
    header[0] != 0 && sum == expected
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_dockerfile_is_no_archive() {
        assert!(!is_archive(b"FROM scratch\n"));
        assert!(!is_archive(&[b' '; 600]));
        assert!(is_archive(b"\x1f\x8b\x08\x00rest"));
    }

    #[test]
    fn an_old_tar_shows_itself_by_its_checksum() {
        let mut header = [0; 512];
        header[..1].copy_from_slice(b"a");
        header[148..156].copy_from_slice(b"        ");
        let sum: u32 = header.iter().map(|byte| u32::from(*byte)).sum();
        header[148..155].copy_from_slice(format!("{sum:06o}\0").as_bytes());
        assert!(is_archive(&header));
        header[0] = b'b';
        assert!(!is_archive(&header));
    }

    #[test]
    fn dockers_short_form_of_github() {
        let reference = git_reference("github.com/team/app#main:sub").expect("git").expect("right");
        assert_eq!(reference.remote, "https://github.com/team/app.git");
        assert_eq!(reference.directory.as_deref(), Some("sub"));
        assert!(git_reference("./github.com/team/app").is_none());
    }

    #[test]
    fn a_repository_of_this_machine() {
        let reference = git_reference("file:///srv/app#v1:sub").expect("git").expect("right");
        assert_eq!(reference.remote, "file:///srv/app");
        assert_eq!(
            (reference.revision.as_deref(), reference.directory.as_deref()),
            (Some("v1"), Some("sub"))
        );
        assert!(GitReference::parse("file:///srv/app.git").is_none(), "a Dockerfile may not name one");
    }
}
