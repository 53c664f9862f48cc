//! Trees: what is in a layer, and what several layers show together.
//!
//! A [`PathIndex`] says everything about one layer except its bytes: path, kind, mode, owner, time, size, content
//! digest, extended attributes. A [`View`] looks at an ordered list of them as a mounted root would.

mod entry;
mod index;
mod path;
mod view;

pub use entry::{Entry, Kind};
pub use index::{IndexError, PathIndex, fuzz_index};
pub use path::{compare, components, file_name, join, parent};
pub use view::{Resolved, View, ViewError};
