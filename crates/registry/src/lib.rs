//! Speaks OCI distribution both ways: a client and a server.
//!
//! the client resolves, pulls, pushes and copies images; the [`server`] keeps them behind the same protocol. Both
//! work on [`oci::store::Store`] and on digests: what came over the network is compared with its digest before
//! anybody may use it. Nothing here reads settings, environment or wall clock; they are handed in as values.
//!
//! Words are those of the OCI distribution specification 1.1. The one runtime is tokio's, inside [`Runtime`]; the
//! client's callers are ordinary threads.

mod body;
pub mod client;
mod name;
mod redact;
mod runtime;
pub mod server;
mod tls;
mod wire;

pub use name::{NameError, Repository, TagOrDigest};
pub use redact::Redacted;
pub use runtime::Runtime;

/// Entry points for fuzzing: whatever arrives from outside as text goes through one of these.
pub mod fuzz {
    pub use crate::wire::fuzz as wire;
}
