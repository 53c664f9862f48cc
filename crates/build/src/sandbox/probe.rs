//! What this machine can and cannot do: `kapok doctor`.

use serde::Serialize;

/// One thing that sandboxes need or can use.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Capability {
    /// What it is: "user namespaces".
    pub name: String,
    /// Whether it is there.
    pub ok: bool,
    /// Whether steps cannot run without it.
    pub required: bool,
    /// What was found.
    pub detail: String,
    /// What would enable it, if it is missing.
    pub hint: Option<String>,
}

/// Tries everything that sandboxes are made of, without leaving a trace.
pub fn probe() -> Vec<Capability> {
    todo!()
}
