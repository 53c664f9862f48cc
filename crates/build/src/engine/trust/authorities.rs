//! The certificates that a step trusts for a while, as a piece of text that can be put into a bundle and taken out again.

use aho_corasick::AhoCorasick;

use super::pem;
use crate::engine::secrets::base64_core;

/// Stands before the piece where the bundle's last line had no end: without it, nobody could tell later.
const JOINT: &[u8] = b"\n \n";

/// Characters of base64 that are looked for by themselves: of two in a row, at most one is broken by the end of a line.
const PIECE: usize = 24;

/// A key of fewer bytes has no two pieces, and could hide in the lines of a text.
const SHORTEST_KEY: usize = 60;

/// The gateway's authority and those of an organisation.
#[derive(Debug, Clone)]
pub struct Authorities {
    /// The gateway's own certificate as text.
    own: Vec<u8>,
    /// All of them as text, the gateway's first.
    section: Vec<u8>,
    /// Finds the gateway's key in whatever form, and the names of its files.
    search: AhoCorasick,
    /// Patterns from here on are names.
    keys: usize,
    /// Bytes of the longest pattern.
    longest: usize,
}

/// A gateway's certificate that cannot be used.
#[derive(Debug, thiserror::Error)]
#[error("the gateway's certificate cannot be read")]
pub struct AuthorityError;

/// What a piece of a file has of the gateway's.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Found {
    /// The key of its authority.
    pub key: bool,
    /// The name of the directory with its files.
    pub name: bool,
}

impl Authorities {
    /// `authority` has the gateway's certificate, `organisation` any number of others, all PEM.
    ///
    /// # Errors
    /// There is no certificate, or one whose key cannot be found in it.
    pub fn new(authority: &[u8], organisation: &[u8]) -> Result<Authorities, AuthorityError> {
        let certificate = pem::certificates(authority).into_iter().next().ok_or(AuthorityError)?;
        let key = pem::public_key(&certificate).filter(|key| key.len() >= SHORTEST_KEY);
        let mut patterns = forms(key.ok_or(AuthorityError)?);
        let own = pem::write(&certificate).into_bytes();
        let mut section = own.clone();
        for other in pem::certificates(organisation) {
            section.extend(pem::write(&other).into_bytes());
        }
        let keys = patterns.len();
        patterns.push(super::DIRECTORY.into());
        let longest = patterns.iter().map(Vec::len).max().unwrap_or_default();
        // Searched for like this, several patterns are looked for at once by vector instructions: 2 GB a second, not 0.2.
        let search =
            AhoCorasick::builder().match_kind(aho_corasick::MatchKind::LeftmostFirst).build(&patterns);
        let search = search.map_err(|_| AuthorityError)?;
        Ok(Authorities { own, section, search, keys, longest })
    }

    /// The certificates as text.
    pub fn section(&self) -> &[u8] {
        &self.section
    }

    /// A bundle with the certificates at its end.
    pub fn appended_to(&self, bundle: &[u8]) -> Vec<u8> {
        let whole_lines = bundle.is_empty() || bundle.ends_with(b"\n");
        let joint = if whole_lines { &[][..] } else { JOINT };
        [bundle, joint, &self.section].concat()
    }

    /// A text without them, wherever they stand.
    pub fn removed_from(&self, text: &[u8]) -> Vec<u8> {
        let joined = [JOINT, &self.section].concat();
        let pieces: [&[u8]; 3] = [&joined, &self.section, &self.own];
        pieces.iter().fold(text.to_vec(), |text, piece| without(&text, piece))
    }

    /// What of the gateway's is in these bytes.
    pub fn find(&self, bytes: &[u8]) -> Found {
        let mut found = Found::default();
        for place in self.search.find_iter(bytes) {
            match place.pattern().as_usize() < self.keys {
                true => found.key = true,
                false => found.name = true,
            }
            if found.key && found.name {
                break;
            }
        }
        found
    }

    /// Pieces of a file must overlap by so many bytes.
    pub fn overlap(&self) -> usize {
        self.longest - 1
    }
}

/// The forms in which a key is looked for: as it is, and pieces of base64 at each alignment, for it stands in the middle
/// of something longer. The first piece, which is the same for all keys of a kind, is left out.
fn forms(key: &[u8]) -> Vec<Vec<u8>> {
    let mut forms = vec![key.to_vec()];
    for alignment in 0..3 {
        let encoded = base64_core(key, alignment);
        for piece in encoded.chunks_exact(PIECE).skip(1) {
            let url = piece.iter().map(|byte| match byte {
                b'+' => b'-',
                b'/' => b'_',
                other => *other,
            });
            forms.push(url.collect());
            forms.push(piece.to_vec());
        }
    }
    forms.sort();
    forms.dedup();
    forms
}

fn without(text: &[u8], piece: &[u8]) -> Vec<u8> {
    let Ok(search) = AhoCorasick::new([piece]) else { return text.to_vec() };
    let mut kept = Vec::with_capacity(text.len());
    let mut at = 0;
    for place in search.find_iter(text) {
        kept.extend_from_slice(&text[at..place.start()]);
        at = place.end();
    }
    kept.extend_from_slice(&text[at..]);
    kept
}
