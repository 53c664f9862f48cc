//! The gate: what a step may fetch. The gateway asks, the gate answers; nothing here does input or output.
//!
//! A request meets it up to four times: its address, before anybody is asked ([`Gate::address`]); what must be known
//! first ([`Gate::wants`]); an index, before the step sees it ([`Gate::filter`]); the artifact itself, before its bytes
//! reach the step ([`Gate::artifact`]). [`Rules`] is the gate of the settings, [`Open`] lets everything through.

mod address;
mod exception;
mod private;
mod rules;
#[cfg(test)]
mod tests;

use oci::Digest;
use oci::record::Verdict;

use crate::packages::Artifact;
use crate::packages::index::{Filtered, Index, IndexError};

pub use address::{AddressPattern, AddressPatternError};
pub use exception::{Exception, PackagePattern, PackagePatternError};
pub use private::{PrivateIndex, PrivateIndexError};
pub use rules::{Advisories, Advisory, Rule, Rules};

/// Decides what may reach a step.
pub trait Gate: Send + Sync {
    /// Everything that decides, in one line: it goes into the keys of steps. The date is not in it.
    fn policy(&self) -> String;

    /// Whether what earlier steps fetched may decide: [`crate::gateway::StepOptions::earlier`].
    fn recalls(&self) -> bool {
        false
    }

    /// Whether an address may be asked at all, `method` as in an intake. Asked again for every address that a
    /// redirect or a mirror leads to, and with `CONNECT` and `tcp://host:port` for what goes through unread.
    fn address(&self, method: &str, url: &str) -> Verdict;

    /// What the gateway must find out before it asks further.
    fn wants(&self, artifact: &Artifact, url: &str) -> Wants;

    /// Whether an artifact may reach the step.
    fn artifact(&self, subject: &Subject<'_>) -> Verdict;

    /// Takes out of an index what the step may not have. Asked only for an index of which [`Wants::whole`] was said. An
    /// error means that nobody can say what is in it: the request fails.
    fn filter(&self, index: &Index<'_>) -> Result<Filtered, IndexError>;
}

/// What must be known of a request before its answer may go on.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Wants {
    /// The answer is an index to be filtered: decoded, and complete before a byte of it goes on.
    pub whole: bool,
    /// The form in which the upstream is asked, instead of the client's `Accept`.
    pub accept: Option<&'static str>,
    /// When the artifact was published; [`crate::packages::index::times`] knows whom to ask.
    pub published: bool,
    /// The digest that an index or a lock promises must be known.
    pub digest: bool,
    /// The name is a private index's: an index that is asked for it answers that it does not know it (status 404), and a
    /// file of it is refused. Holds the rule's words.
    pub hidden: Option<Verdict>,
    /// Private indexes that come first.
    pub ask_first: Vec<Probe>,
}

/// A question to a private index. When the answer is a success, `refusal` holds as [`Wants::hidden`] does; where it is
/// neither that nor 404 or 410, nobody knows whose the name is, and the request fails.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Probe {
    /// What is asked for with a GET.
    pub url: String,
    /// What then speaks against anybody else's answer.
    pub refusal: Verdict,
}

/// An artifact whose bytes are about to reach a step.
#[derive(Clone, Copy, Debug)]
pub struct Subject<'a> {
    /// What it is.
    pub artifact: &'a Artifact,
    /// Where it was asked for.
    pub url: &'a str,
    /// When its upstream published it, seconds since 1970; `None` where nobody says.
    pub published: Option<i64>,
    /// The digest by which the bytes will be verified: an index's, the address's or the lock's word.
    pub promised: Option<Digest>,
}

/// Lets everything through.
#[derive(Clone, Copy, Debug, Default)]
pub struct Open;

impl Gate for Open {
    fn policy(&self) -> String {
        String::new()
    }

    fn address(&self, _: &str, _: &str) -> Verdict {
        Verdict::Allowed
    }

    fn wants(&self, _: &Artifact, _: &str) -> Wants {
        Wants::default()
    }

    fn artifact(&self, _: &Subject<'_>) -> Verdict {
        Verdict::Allowed
    }

    fn filter(&self, _: &Index<'_>) -> Result<Filtered, IndexError> {
        Ok(Filtered::default())
    }
}
