//! Secrets must not reach a layer or a log: their values are searched for in what a step wrote and masked in what it said.
//!
//! A value is looked for as it is, in base64 (standard and URL alphabet, at each of the three alignments, so that it is found
//! inside a longer encoded text such as `user:password`), URL-encoded and JSON-escaped.

use std::io::Read;
use std::path::{Path, PathBuf};

use aho_corasick::AhoCorasick;

/// Shorter values would be found everywhere; they are named instead of searched for.
pub const SHORTEST_SEARCHED: usize = 6;

/// Characters of base64 that are looked for by themselves where a value has many: 18 bytes of it.
const PIECE: usize = 24;

/// A secret as it is given to a build.
#[derive(Clone)]
pub struct Secret {
    /// The name by which `RUN --mount=type=secret` asks for it.
    pub id: String,
    /// Its value. Never printed, recorded or hashed into a key.
    pub value: Vec<u8>,
}

impl std::fmt::Debug for Secret {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Secret({}, {} bytes)", self.id, self.value.len())
    }
}

/// What to look for, for the secrets of one step.
#[derive(Clone, Default)]
pub struct Needles {
    /// (secret's id, pattern); longest first, so that masking replaces the largest match.
    patterns: Vec<(String, Vec<u8>)>,
    /// All patterns at once: a layer of a gigabyte is read once, not once per pattern.
    automaton: Option<AhoCorasick>,
    too_short: Vec<String>,
}

impl Needles {
    /// Prepares the search for these secrets.
    pub fn new<'a>(secrets: impl IntoIterator<Item = &'a Secret>) -> Needles {
        let mut needles = Needles::default();
        for secret in secrets {
            // A file's last newline is rarely part of the secret: `echo $TOKEN > file` writes it.
            let value = secret.value.strip_suffix(b"\n").unwrap_or(&secret.value);
            let value = value.strip_suffix(b"\r").unwrap_or(value);
            if value.len() < SHORTEST_SEARCHED {
                needles.too_short.push(secret.id.clone());
                continue;
            }
            for pattern in forms(value) {
                needles.patterns.push((secret.id.clone(), pattern));
            }
            for line in key_lines(value) {
                needles.patterns.push((secret.id.clone(), line.to_vec()));
            }
        }
        needles.patterns.sort_by(|a, b| b.1.len().cmp(&a.1.len()).then_with(|| a.cmp(b)));
        needles.patterns.dedup();
        if !needles.patterns.is_empty() {
            needles.automaton = AhoCorasick::new(needles.patterns.iter().map(|(_, pattern)| pattern)).ok();
        }
        needles
    }

    /// True when there is nothing to look for.
    pub fn is_empty(&self) -> bool {
        self.patterns.is_empty()
    }

    /// Ids of secrets whose values are too short to be searched for.
    pub fn too_short(&self) -> &[String] {
        &self.too_short
    }

    /// The id of the first secret found in the bytes.
    pub fn find(&self, bytes: &[u8]) -> Option<&str> {
        let found = self.automaton.as_ref()?.find(bytes)?;
        Some(self.patterns[found.pattern().as_usize()].0.as_str())
    }

    /// The bytes with every value masked.
    pub fn mask(&self, bytes: &[u8]) -> Vec<u8> {
        let mut masker = Masker::new(self.clone());
        let mut shown = masker.push(bytes);
        shown.extend(masker.finish());
        shown
    }

    /// Searches a file's content as a stream: memory stays small whatever its size.
    ///
    /// # Errors
    /// Reading the file failed.
    pub fn find_in(&self, input: impl Read) -> std::io::Result<Option<&str>> {
        let Some(automaton) = &self.automaton else { return Ok(None) };
        match automaton.stream_find_iter(input).next() {
            Some(found) => Ok(Some(self.patterns[found?.pattern().as_usize()].0.as_str())),
            None => Ok(None),
        }
    }
}

/// A leak: where a secret's value was found in what a step wrote.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Leak {
    /// The secret's id.
    pub secret: String,
    /// The path inside the image, masked: it is shown, and the name itself may be the leak.
    pub path: PathBuf,
}

/// Searches every new file, link target, name and attribute of an upper directory.
///
/// # Errors
/// A file of the upper could not be read.
pub fn search_upper(
    needles: &Needles,
    upper: &Path,
    index: &oci::tree::PathIndex,
) -> std::io::Result<Option<Leak>> {
    use std::os::unix::ffi::{OsStrExt, OsStringExt};
    if needles.is_empty() {
        return Ok(None);
    }
    for entry in index.iter() {
        let path = Path::new(std::ffi::OsStr::from_bytes(&entry.path));
        let leak = |id: &str| {
            let shown = std::ffi::OsString::from_vec(needles.mask(&entry.path));
            Some(Leak { secret: id.to_owned(), path: Path::new("/").join(shown) })
        };
        if let Some(id) = needles.find(&entry.path) {
            return Ok(leak(id));
        }
        for (name, value) in &entry.xattrs {
            if let Some(id) = needles.find(name).or_else(|| needles.find(value)) {
                return Ok(leak(id));
            }
        }
        match &entry.kind {
            oci::tree::Kind::File { .. } => {
                let file = std::fs::File::open(upper.join(path))?;
                if let Some(id) = needles.find_in(file)? {
                    return Ok(leak(id));
                }
            }
            oci::tree::Kind::Symlink { target } => {
                if let Some(id) = needles.find(target) {
                    return Ok(leak(id));
                }
            }
            _ => {}
        }
    }
    Ok(None)
}

/// Masks secrets in a stream. It holds back only as many bytes as could be the beginning of a value.
pub struct Masker {
    needles: Needles,
    pending: Vec<u8>,
}

impl Masker {
    /// A masker for these values.
    pub fn new(needles: Needles) -> Masker {
        Masker { needles, pending: Vec::new() }
    }

    /// Takes what was said, gives back what may be shown now.
    pub fn push(&mut self, bytes: &[u8]) -> Vec<u8> {
        if self.needles.is_empty() {
            return bytes.to_vec();
        }
        self.pending.extend_from_slice(bytes);
        self.drain(false)
    }

    /// Gives back the rest.
    pub fn finish(&mut self) -> Vec<u8> {
        self.drain(true)
    }

    fn drain(&mut self, last: bool) -> Vec<u8> {
        let mut shown = Vec::with_capacity(self.pending.len());
        let mut at = 0;
        'bytes: while at < self.pending.len() {
            let rest = &self.pending[at..];
            for (id, pattern) in &self.needles.patterns {
                if rest.starts_with(pattern) {
                    shown.extend_from_slice(format!("[secret {id}]").as_bytes());
                    at += pattern.len();
                    continue 'bytes;
                }
                if !last && pattern.len() > rest.len() && pattern.starts_with(rest) {
                    break 'bytes;
                }
            }
            shown.push(rest[0]);
            at += 1;
        }
        self.pending.drain(..at);
        shown
    }
}

/// The lines of keys in PEM blocks: a key may be printed or copied with other line ends. The first line of a block is the
/// same in many keys, and lines of other files need not be secret at all.
fn key_lines(value: &[u8]) -> Vec<&[u8]> {
    let mut since_begin = None;
    let mut found = Vec::new();
    for line in value.split(|byte| *byte == b'\n').map(<[u8]>::trim_ascii) {
        if line.starts_with(b"-----") {
            since_begin = line.starts_with(b"-----BEGIN ").then_some(0);
        } else if let Some(number) = &mut since_begin {
            if *number > 0 && line.len() >= 16 {
                found.push(line);
            }
            *number += 1;
        }
    }
    found
}

/// The forms in which a value is looked for.
fn forms(value: &[u8]) -> Vec<Vec<u8>> {
    let mut forms = vec![value.to_vec(), percent(value, b"-_.~"), percent(value, b"-_.~!*'()"), json(value)];
    for alignment in 0..3 {
        let encoded = base64_core(value, alignment);
        // Two characters at each border depend on the neighbours and are left out.
        if encoded.len() >= 8 {
            let url = encoded.iter().map(|byte| match byte {
                b'+' => b'-',
                b'/' => b'_',
                other => *other,
            });
            let url: Vec<u8> = url.collect();
            // A long one is broken into lines of 64 or 76 characters, and nobody knows where: pieces much shorter than a
            // line are whole in any case.
            // What many values begin with, such as the header of a token, is no secret.
            if encoded.len() >= 2 * PIECE && !value.contains(&b'\n') {
                forms.extend(encoded.chunks_exact(PIECE).skip(1).map(<[u8]>::to_vec));
                forms.extend(url.chunks_exact(PIECE).skip(1).map(<[u8]>::to_vec));
            }
            forms.push(url);
            forms.push(encoded);
        }
    }
    forms.sort();
    forms.dedup();
    forms
}

fn percent(value: &[u8], plain: &[u8]) -> Vec<u8> {
    let mut out = Vec::new();
    for byte in value {
        if byte.is_ascii_alphanumeric() || plain.contains(byte) {
            out.push(*byte);
        } else {
            out.extend_from_slice(format!("%{byte:02X}").as_bytes());
        }
    }
    out
}

fn json(value: &[u8]) -> Vec<u8> {
    match std::str::from_utf8(value) {
        Ok(text) => serde_json::to_string(text)
            .map(|quoted| quoted.as_bytes()[1..quoted.len() - 1].to_vec())
            .unwrap_or_else(|_| value.to_vec()),
        Err(_) => value.to_vec(),
    }
}

/// The characters of base64 that depend on the value alone when it starts `alignment` bytes into a group of three.
pub(super) fn base64_core(value: &[u8], alignment: usize) -> Vec<u8> {
    const ALPHABET: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    let mut padded = vec![0u8; alignment];
    padded.extend_from_slice(value);
    let bits = padded.len() * 8;
    let first = (alignment * 8).div_ceil(6);
    let end = bits / 6;
    (first..end)
        .map(|index| {
            let bit = index * 6;
            let high = u16::from(padded[bit / 8]) << 8;
            let low = u16::from(padded.get(bit / 8 + 1).copied().unwrap_or(0));
            let sextet = ((high | low) >> (10 - bit % 8)) & 0x3f;
            ALPHABET[usize::from(sextet)]
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn needles(value: &str) -> Needles {
        Needles::new(&[Secret { id: "token".into(), value: value.into() }])
    }

    fn check_found(value: &str, text: &str, expected: bool) {
        assert_eq!(needles(value).find(text.as_bytes()).is_some(), expected, "{value:?} in {text:?}");
    }

    #[test]
    fn a_value_is_found_in_every_form() {
        check_found("s3cr3t/p+ss", "x=s3cr3t/p+ss;", true);
        check_found("s3cr3t/p+ss\n", "x=s3cr3t/p+ss;", true);
        check_found("s3cr3t/p+ss", "x=s3cr3t%2Fp%2Bss;", true);
        check_found("a\"quote\"d", r#"{"x":"a\"quote\"d"}"#, true);
        check_found("hunter2hunter2", "Authorization: Basic dXNlcjpodW50ZXIyaHVudGVyMg==", true);
        check_found("hunter2hunter2", "aHVudGVyMmh1bnRlcjI=", true);
        check_found("hunter2hunter2", "eGh1bnRlcjJodW50ZXIy", true);
        check_found("hunter2hunter2", "hunter3hunter3", false);
        let long = "0a1b2c3d4e5f6g7h8i9j0k1l2m3n4o5p6q7r8s9t0u1v2w3x4y5z";
        let lines = "eDowYTFiMmMzZDRlNWY2Zzdo\nOGk5ajBrMWwybTNuNG81cDZxN3I4czl0MHUxdjJ3M3g0eTV6\n";
        check_found(long, lines, true);
    }

    #[test]
    fn of_a_file_of_lines_only_what_is_a_key_counts_by_itself() {
        let key = "-----BEGIN KEY-----\nthe same in many keys\nMIIEowIBAAKCAQEA7s\n-----END KEY-----\n";
        check_found(key, "MIIEowIBAAKCAQEA7s", true);
        check_found(key, "MIIEowIBAAKCAQEA7s\r\n", true);
        check_found(key, "the same in many keys", false);
        check_found(key, "LS0tLS1CRUdJTiBLRVktLS0tLQp0aGUgc2FtZSBpbiBtYW55IGtleXM=", false);
        check_found("registry=https://example.org\ntoken=0123456789", "registry=https://example.org", false);
    }

    #[test]
    fn short_values_are_named() {
        let needles = needles("abc12");
        assert!(needles.is_empty());
        assert_eq!(needles.too_short(), ["token"]);
    }

    #[test]
    fn a_value_across_two_pieces_is_found() {
        struct Slow<'a>(&'a [u8]);
        impl Read for Slow<'_> {
            fn read(&mut self, buffer: &mut [u8]) -> std::io::Result<usize> {
                let count = self.0.len().min(3).min(buffer.len());
                buffer[..count].copy_from_slice(&self.0[..count]);
                self.0 = &self.0[count..];
                Ok(count)
            }
        }
        let found = needles("abcdefghij").find_in(Slow(b"....abcdefghij....")).unwrap().map(str::to_owned);
        assert_eq!(found.as_deref(), Some("token"));
        assert_eq!(needles("abcdefghij").find_in(Slow(b"....abcdefghi....")).unwrap(), None);
    }

    #[test]
    fn masking_works_however_the_stream_is_cut() {
        let text = b"key=abcdefghij and abcdefgh!";
        for cut in 0..text.len() {
            let mut masker = Masker::new(needles("abcdefghij"));
            let mut shown = masker.push(&text[..cut]);
            shown.extend(masker.push(&text[cut..]));
            shown.extend(masker.finish());
            assert_eq!(String::from_utf8(shown).unwrap(), "key=[secret token] and abcdefgh!", "cut at {cut}");
        }
    }

    #[test]
    fn a_leak_in_a_name_is_not_repeated() {
        let directories = [&b""[..], b"tmp", b"xabcdefghij"];
        let entries = directories.map(oci::tree::Entry::implied_directory);
        let index = oci::tree::PathIndex::build(entries.to_vec()).unwrap();
        let leak = search_upper(&needles("abcdefghij"), Path::new("/"), &index).unwrap().unwrap();
        assert_eq!(leak.path, Path::new("/x[secret token]"));
    }
}
