//! What overlayfs writes into an upper, and what of it a layer keeps.

use serde::{Deserialize, Serialize};

/// Under which prefix an overlay keeps its attributes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum OverlayForm {
    /// `trusted.overlay.`: mounted by root.
    Trusted,
    /// `user.overlay.`: mounted with `userxattr` inside a user namespace.
    User,
}
