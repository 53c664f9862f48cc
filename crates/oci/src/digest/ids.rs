//! Identities that are digests: each its own type, so that none is taken for another.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

use super::{Digest, DigestError, Hasher};

macro_rules! identity {
    ($(#[$doc:meta])* $name:ident) => {
        $(#[$doc])*
        #[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
        #[serde(transparent)]
        pub struct $name(pub Digest);

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                fmt::Display::fmt(&self.0, f)
            }
        }

        impl fmt::Debug for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                write!(f, "{}({})", stringify!($name), self.0)
            }
        }

        impl FromStr for $name {
            type Err = DigestError;

            fn from_str(text: &str) -> Result<$name, DigestError> {
                text.parse().map($name)
            }
        }
    };
}

identity! {
    /// The digest of a layer's uncompressed tar. (OCI image specification, "Layer DiffID")
    DiffId
}

identity! {
    /// What a layer is, by content: the digest of its encoded [path index](crate::tree::PathIndex). Two tars that
    /// differ only in their form have the same one.
    LayerId
}

identity! {
    /// What a step sees: the digest of an ordered list of layers.
    SnapshotId
}

impl SnapshotId {
    /// The snapshot of these layers, bottom first. No layers: the empty root, `scratch`.
    pub fn of(layers: &[LayerId]) -> SnapshotId {
        let mut hasher = Hasher::default();
        hasher.update(b"kapok snapshot 1\n");
        for layer in layers {
            hasher.update(layer.to_string().as_bytes());
            hasher.update(b"\n");
        }
        SnapshotId(hasher.finish())
    }
}
