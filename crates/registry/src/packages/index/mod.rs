//! What an index offers, and the same index without what a step may not have.
//!
//! [`filter`] is from bytes to bytes: what a judge speaks against vanishes, everything else stays as it was, in the
//! form that the client asked for. What it learns on the way, digests and times, comes back as [`Offer`]s: by them the
//! gateway judges and verifies the files that are fetched next.

mod archives;
mod crates;
mod go;
pub(crate) mod html;
mod known;
mod npm;
mod pypi;
mod rubygems;
#[cfg(test)]
mod tests;
pub mod times;

use std::collections::BTreeMap;

use ::oci::Digest;

use super::artifact::{Artifact, Ecosystem};

pub use archives::is_signed;
pub use known::Known;

/// An index of one package that came from an upstream, decoded.
#[derive(Clone, Copy, Debug)]
pub struct Index<'a> {
    /// What it is.
    pub artifact: &'a Artifact,
    /// Where it came from: what it names may be relative to this.
    pub url: &'a str,
    /// The answer's `Content-Type`.
    pub content_type: &'a str,
    /// The client's own `Accept`.
    pub accept: &'a str,
    /// All of it.
    pub body: &'a [u8],
    /// Times of publication by version, for an index that does not tell them; see [`times::asks`].
    pub times: &'a BTreeMap<String, i64>,
}

/// A version, or a file of one, that an index offers. What an index does not tell is empty.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Offer {
    /// The version.
    pub version: Option<String>,
    /// The file's whole URL.
    pub url: Option<String>,
    /// When it was published, seconds since 1970.
    pub published: Option<i64>,
    /// What its bytes must have.
    pub digest: Option<Digest>,
    /// Somebody compiled it.
    pub prebuilt: bool,
}

/// Something that was taken out, and why.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Removed {
    /// What it was.
    pub offer: Offer,
    /// The rule that speaks against it.
    pub rule: String,
    /// Its words.
    pub reason: String,
}

/// An index without what a step may not have.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Filtered {
    /// The bytes to pass on; `None` where they are the upstream's.
    pub body: Option<Vec<u8>>,
    /// The content type to pass on with them, where it is another one.
    pub content_type: Option<&'static str>,
    /// Nothing is left, and the protocol says that with status 404.
    pub gone: bool,
    /// What was taken out.
    pub removed: Vec<Removed>,
    /// What is left.
    pub offers: Vec<Offer>,
}

/// Why nobody can say what an index offers.
#[derive(Debug, thiserror::Error)]
pub enum IndexError {
    /// It is larger than any index is.
    #[error("the index is larger than {} MiB", LARGEST >> 20)]
    TooLarge,
    /// It is not what its protocol says.
    #[error("the index is not in the form of {ecosystem}: {reason}")]
    Form {
        /// Whose it should be.
        ecosystem: Ecosystem,
        /// What is wrong with it.
        reason: String,
    },
}

/// Rule and words against an offer.
pub type Judge<'a> = dyn FnMut(&Offer) -> Option<(String, String)> + 'a;

/// The largest documents of packages with thousands of versions have 40 MiB; parsed they take some times that.
const LARGEST: usize = 96 << 20;

/// Whether [`filter`] knows the ecosystem's indexes.
pub fn is_filtered(ecosystem: Ecosystem) -> bool {
    use Ecosystem::{Crates, Go, Npm, PyPi, RubyGems};
    matches!(ecosystem, PyPi | Npm | Crates | Go | RubyGems)
}

/// Whether its indexes tell digests of files.
pub fn tells_digests(ecosystem: Ecosystem) -> bool {
    (is_filtered(ecosystem) && ecosystem != Ecosystem::Go) || is_chained(ecosystem)
}

/// Whether a signed document names its lists of packages: what a list says counts if that one named it.
pub fn is_chained(ecosystem: Ecosystem) -> bool {
    matches!(ecosystem, Ecosystem::Debian | Ecosystem::Rpm)
}

/// The `Accept` that brings the form with the most in it.
pub fn form_wanted(ecosystem: Ecosystem) -> Option<&'static str> {
    match ecosystem {
        Ecosystem::PyPi => Some(pypi::ACCEPT),
        // The abbreviated document has no times.
        Ecosystem::Npm => Some("application/json"),
        _ => None,
    }
}

/// Takes out of an index what a judge speaks against.
pub fn filter(index: &Index<'_>, judge: &mut Judge<'_>) -> Result<Filtered, IndexError> {
    if index.body.len() > LARGEST {
        return Err(IndexError::TooLarge);
    }
    match index.artifact.ecosystem {
        Ecosystem::PyPi => pypi::filter(index, judge),
        Ecosystem::Npm => npm::filter(index, judge),
        Ecosystem::Crates => crates::filter(index, judge),
        Ecosystem::Go => go::filter(index, judge),
        Ecosystem::RubyGems => rubygems::filter(index, judge),
        Ecosystem::Debian | Ecosystem::Rpm => Ok(archives::filter(index)),
        _ => Ok(Filtered::default()),
    }
}

impl Filtered {
    /// Judges an offer and keeps account of it; whether it stays.
    fn judged(&mut self, offer: Offer, judge: &mut Judge<'_>) -> bool {
        match judge(&offer) {
            Some((rule, reason)) => {
                self.removed.push(Removed { offer, rule, reason });
                false
            }
            None => {
                self.offers.push(offer);
                true
            }
        }
    }
}

impl IndexError {
    fn form(index: &Index<'_>, reason: impl ToString) -> IndexError {
        IndexError::Form { ecosystem: index.artifact.ecosystem, reason: reason.to_string() }
    }
}

/// The text of an index of lines.
fn text<'a>(index: &Index<'a>) -> Result<&'a str, IndexError> {
    std::str::from_utf8(index.body).map_err(|error| IndexError::form(index, error))
}

/// Feeds every filter with anything.
pub(super) fn fuzz(text: &str) {
    let times = BTreeMap::new();
    for ecosystem in Ecosystem::ALL {
        let artifact = Artifact::index(ecosystem).named("a");
        for content_type in ["application/json", "text/html"] {
            let index = Index {
                artifact: &artifact,
                url: "http://h/simple/a/",
                content_type,
                accept: "",
                body: text.as_bytes(),
                times: &times,
            };
            let mut odd = false;
            let _ = filter(&index, &mut |_| {
                odd = !odd;
                odd.then(|| (String::new(), String::new()))
            });
            let _ = times::asks(&index);
        }
        let _ = times::read(&artifact.clone().versioned("1"), text.as_bytes());
    }
}
