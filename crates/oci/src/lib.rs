//! Digests, references, manifests, layers and the store.
//!
//! The vocabulary of images, without network, processes or clock: what a digest, a reference, a platform, a manifest
//! and a configuration are; what a layer says ([`tree`]) and how it goes between a directory, a path index and a tar
//! ([`layer`]); where all of it is kept ([`store`]) and in which files it travels ([`archive`]).

pub mod archive;
pub mod causes;
pub mod config;
pub mod descriptor;
pub mod digest;
pub mod layer;
pub mod lock;
pub mod manifest;
pub mod platform;
pub mod record;
pub mod reference;
mod remove;
pub mod store;
pub mod time;
pub mod tree;
pub mod url;

pub use config::ImageConfig;
pub use descriptor::Descriptor;
pub use digest::{DiffId, Digest, LayerId, SnapshotId};
pub use manifest::{ImageIndex, Manifest, Raw};
pub use platform::Platform;
pub use reference::Reference;
