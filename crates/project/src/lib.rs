//! What a repository builds: declarations in; images, their edges and what is wrong with them out.
//!
//! Nothing here reads files, clocks or networks: files are handed in as [`Files`].

mod discover;
pub mod files;
mod finding;
mod graph;
mod model;
mod names;
mod place;
mod quantity;
mod uses;
pub mod yaml;

pub use files::Files;
pub use finding::{Code, Finding, Level};
pub use graph::{Edge, EdgeKind, Graph, Node, NodeId, NodeKind, graph};
pub use model::*;
pub use place::{Place, Text};
