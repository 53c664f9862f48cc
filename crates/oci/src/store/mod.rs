//! The store: blobs, unpacked layers, step results, images and tags, in one directory that several processes share.
//!
//! Nothing is ever half-written: a file appears by rename, and the catalog speaks of it only after one `syncfs` for a
//! whole batch. What a process uses is leased until it ends, so that collection in another one leaves it alone.

mod batch;
mod error;
mod stubs;

pub use batch::{Batch, BuildState, NewBuild, NewStep};
pub use error::StoreError;
pub use stubs::*;
