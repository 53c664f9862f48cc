//! Who Kapok is on this machine, and the user namespace that an ordinary user's Kapok lives in.

use serde::{Deserialize, Serialize};

use super::SandboxError;

/// With which rights sandboxes can be made.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Privilege {
    /// Real root: idmapped mounts, trusted overlays.
    Root,
    /// Root in a user namespace with this many ids: overlays with `user.*` xattrs.
    Rootless {
        /// The ids, counted from 0, that files can have.
        ids: u64,
    },
    /// Root in a user namespace with a single id: no step can run, and no file of another owner be written.
    SingleId {
        /// The user's name.
        user: String,
        /// What is missing for more: `/etc/subuid`, `newuidmap`.
        missing: String,
    },
}

/// Moves this process, which must not have threads yet, to where it can make sandboxes.
///
/// Root stays where it is. An ordinary user's process enters a user namespace of the user's subordinate ids (and a mount
/// namespace of its own) and is uid 0 there; everything that it does afterwards (store, tar, chown) happens inside.
pub fn enter_user_namespace() -> Result<Privilege, SandboxError> {
    todo!()
}
