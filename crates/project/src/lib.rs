//! What a repository builds: declarations in; images, their edges and what is wrong with them out.
//!
//! [`load`] takes what a repository has, in this order: `kapok.yaml`; Argo CD Applications and OpenShift BuildConfigs;
//! Dockerfiles. [`graph`] says what is built on what, in which order, and where declarations and Dockerfiles disagree.
//! [`affected`] says what a change touches. Nothing here reads files, clocks or networks: files are handed in as [`Files`].

pub mod affected;
pub mod declaration;
mod discover;
pub mod files;
mod finding;
pub mod fuzz;
mod graph;
mod model;
mod names;
mod place;
mod quantity;
mod uses;
pub mod yaml;

pub use discover::{Given, discover, load};
pub use files::Files;
pub use finding::{Code, Finding, Level};
pub use graph::{Edge, EdgeKind, Graph, Node, NodeId, NodeKind, graph};
pub use model::*;
pub use names::Registries;
pub use place::{Place, Text};
