//! What tests of several rooms share: directory trees written as text, images printed as text,
//! a server that misbehaves on purpose, a driver that feeds parsers with mutated input.
//!
//! Nothing here depends on the project's own crates: an image that Kapok wrote is read back by other code.

pub mod archive;
pub mod fixture;
pub mod fuzz;
pub mod http;
pub mod image;
pub mod layout;
pub mod tree;
