//! The declared list: files that hold nothing but the time or place of a build, and what is done with them.

use serde::{Deserialize, Serialize};

/// What is done with a file.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Action {
    /// It is removed, as if the step had deleted it: one of a lower layer does not show again.
    Remove,
    /// It stays, with its mode and owner, and without content.
    Empty,
}

/// One line of the list.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Rule {
    /// Which files: `*` and `?` do not match `/`.
    pub glob: &'static str,
    /// What is done with them.
    pub action: Action,
    /// Why, for the record.
    pub reason: &'static str,
    /// Whether it is for logs, which can be asked to stay.
    pub log: bool,
}

/// The rules that apply to a step.
#[derive(Clone, Debug, Default)]
pub struct Rules {
    /// No rule about a file's content applies. Times, sockets and attributes are treated in every case.
    pub none: bool,
    /// Logs stay as they are.
    pub keep_logs: bool,
}
