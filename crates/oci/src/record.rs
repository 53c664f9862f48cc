//! The step record: what a step was given, read, fetched and wrote, and how long it took.
//!
//! A record is a content-addressed blob of JSON that stays with the cached result, survives cache hits and travels
//! with a shared cache. Cache keys, explanations, locks, SBOMs and provenance are views of it.

use std::collections::BTreeMap;
use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

use crate::digest::DigestError;
use crate::layer::Normalised;
use crate::{Digest, LayerId, SnapshotId};

/// What decides whether a step must run again: the digest of everything it is given.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Key(pub Digest);

/// What is known of one run of one step. Fields that are empty are not written, so that a later version's field does
/// not change an earlier record's digest.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Record {
    /// The instruction as image history shows it.
    pub instruction: String,
    /// The step's key.
    pub key: Key,
    /// What the step saw when it began.
    pub parent: SnapshotId,
    /// The key's parts by name, each a digest or a short value. `explain` compares them.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub inputs: BTreeMap<String, String>,
    /// The layer that it made; `None` for an instruction that only changes the configuration.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub layer: Option<LayerId>,
    /// How much it wrote.
    #[serde(default)]
    pub written: Written,
    /// Files that were treated at commit, by the declared list.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub normalised: Vec<Normalised>,
    /// Keys and keystores that it wrote: named, never touched, different in every run.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub unreproducible: Vec<String>,
    /// What it used that nobody observed: `network`, a cache mount, an ssh agent. Whatever is derived says so.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub unobserved: Vec<String>,
    /// What it fetched.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub intakes: Vec<Intake>,
    /// Its read set, when it was observed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reads: Option<Digest>,
    /// Its output.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub log: Option<Digest>,
    /// What it cost.
    #[serde(default)]
    pub usage: Usage,
    /// Limits that it ran under, in the words of the command line.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub limits: BTreeMap<String, String>,
    /// SOURCE_DATE_EPOCH, seconds since 1970.
    #[serde(default)]
    pub source_date_epoch: i64,
    /// What the user should know.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub warnings: Vec<String>,
}

/// How much a step wrote.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Written {
    /// Entries of its layer.
    pub files: u64,
    /// Bytes in its layer's files.
    pub bytes: u64,
}

/// Something that a step fetched, or tried to. Fields beyond the first are empty where nothing is known, and then are
/// not written.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Intake {
    /// What was asked for: a URL without user, password and fragment; `tcp://address:port`, `udp://…`, `icmp://…` and
    /// `dns://name` for what is no HTTP.
    pub url: String,
    /// How: `GET`, `HEAD`, `POST`; `CONNECT` for bytes that nobody looked at. Empty where only `GET` is possible.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub method: String,
    /// What came, if something came: the body as it was transferred.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub digest: Option<Digest>,
    /// Its size in bytes.
    #[serde(default)]
    pub size: u64,
    /// Where it came from in the end, when that is another place.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub from: Option<String>,
    /// The answer's status.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub status: Option<u16>,
    /// What else decides the answer: the request's body, with the headers by which answers differ.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub request: Option<Digest>,
    /// Whose package it is, by the shape of the request: `debian`, `pypi`, `git`, `generic`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ecosystem: Option<String>,
    /// The package, where it is one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub purl: Option<String>,
    /// When the upstream published it, by its own word; seconds since 1970.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub published: Option<i64>,
    /// The same request may have another answer tomorrow: an index, a branch.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub mutable: bool,
    /// By which the upstream can say whether it is still the same.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub etag: Option<String>,
    /// The same, by its date in the upstream's words.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub last_modified: Option<String>,
    /// Whether it may be, and whether it was.
    #[serde(default, skip_serializing_if = "Verdict::is_allowed")]
    pub verdict: Verdict,
}

/// What became of a request.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Verdict {
    /// It may be, and there is an answer, be it that there is nothing.
    #[default]
    Allowed,
    /// It may not be. The step fails, whatever its command makes of it.
    Refused {
        /// The rule that says so, as it is called in the settings.
        rule: String,
        /// Why, in words for people.
        reason: String,
    },
    /// It may be, and there was no answer, or half of one.
    Failed {
        /// Why, in words for people.
        reason: String,
    },
}

impl Verdict {
    /// Whether nothing speaks against it.
    pub fn is_allowed(&self) -> bool {
        *self == Verdict::Allowed
    }

    /// Whether it fails the step.
    pub fn is_refused(&self) -> bool {
        matches!(self, Verdict::Refused { .. })
    }
}

/// What a step cost.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Usage {
    /// Wall time in milliseconds.
    pub wall_ms: u64,
    /// Processor time of its processes, in milliseconds.
    #[serde(default)]
    pub user_ms: u64,
    /// Processor time of the kernel for them, in milliseconds.
    #[serde(default)]
    pub system_ms: u64,
    /// The largest resident size of its processes, in bytes.
    #[serde(default)]
    pub max_rss_bytes: u64,
    /// How many of its processes were killed for memory.
    #[serde(default)]
    pub oom_kills: u64,
}

impl fmt::Display for Key {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(&self.0, f)
    }
}

impl FromStr for Key {
    type Err = DigestError;

    fn from_str(text: &str) -> Result<Key, DigestError> {
        text.parse().map(Key)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_an_intake_does_not_know_is_not_written() {
        let plain = Intake { url: "https://example.org/a".to_owned(), size: 3, ..Intake::default() };
        let text = serde_json::to_string(&plain).unwrap();
        assert_eq!(text, r#"{"url":"https://example.org/a","size":3}"#);
        assert_eq!(serde_json::from_str::<Intake>(&text).unwrap(), plain);
        let verdict = Verdict::Refused { rule: "network.allow".to_owned(), reason: "no".to_owned() };
        let refused = Intake { verdict, mutable: true, status: Some(403), ..plain };
        let text = serde_json::to_string(&refused).unwrap();
        assert!(text.contains(r#""verdict":{"refused":{"rule":"network.allow","reason":"no"}}"#), "{text}");
        assert_eq!(serde_json::from_str::<Intake>(&text).unwrap(), refused);
    }
}
