//! Trees: what is in a layer, and what several layers show together.
//!
//! A [`PathIndex`] says everything about one layer except its bytes: path, kind, mode, owner, time, size, content
//! digest, extended attributes. A [`View`] looks at an ordered list of them as a mounted root would.

mod codec;
mod entry;
mod index;
pub(crate) mod path;
mod view;
mod way;

pub use entry::{Entry, Kind};
pub use index::{IndexError, PathIndex, fuzz_index};
pub use path::{compare, components, file_name, join, parent};
pub(crate) use view::LINK_LIMIT;
pub use view::{Resolved, View, ViewError};
pub use way::Way;

#[cfg(test)]
pub(crate) mod tests;
