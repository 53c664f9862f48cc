//! What overlayfs writes into an upper, and what of it a layer keeps.
//! (Linux, Documentation/filesystems/overlayfs.rst)

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

impl OverlayForm {
    /// The attribute that makes a directory hide what is below it, when its value is `y`.
    pub fn opaque(self) -> &'static str {
        match self {
            OverlayForm::Trusted => "trusted.overlay.opaque",
            OverlayForm::User => "user.overlay.opaque",
        }
    }

    /// The attribute that makes an empty file a whiteout.
    pub fn whiteout(self) -> &'static str {
        match self {
            OverlayForm::Trusted => "trusted.overlay.whiteout",
            OverlayForm::User => "user.overlay.whiteout",
        }
    }
}

/// Whether a layer keeps an extended attribute: `security.capability` and `user.*` are kept.
///
/// BuildKit keeps only `security.capability` of what a RUN wrote; `user.*` is kept here too, for there is no reason to
/// lose it. `trusted.*`, ACLs, `security.selinux` and the like belong to a machine, not to an image. Attributes of
/// overlayfs are never content, escaped ones (`user.overlay.overlay.*`) neither: whoever could bring them in from
/// outside could hide files of lower layers.
pub fn keeps_xattr(name: &[u8]) -> bool {
    name == b"security.capability" || (name.starts_with(b"user.") && !name.starts_with(b"user.overlay."))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn attributes_that_a_layer_keeps() {
        for (name, kept) in [
            ("security.capability", true),
            ("user.mime_type", true),
            ("user.overlay", true),
            ("user.overlay.opaque", false),
            ("user.overlay.overlay.opaque", false),
            ("trusted.overlay.opaque", false),
            ("trusted.x", false),
            ("system.posix_acl_access", false),
            ("security.selinux", false),
        ] {
            assert_eq!(keeps_xattr(name.as_bytes()), kept, "{name}");
        }
    }
}
