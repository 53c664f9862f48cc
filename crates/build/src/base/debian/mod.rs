//! Debian and what is made like it: a base image straight from the signed archive.

pub mod catalog;
pub mod database;
pub mod date;
pub mod deb;
pub mod deb822;
pub mod relation;
pub mod release;
pub mod resolve;
pub mod signature;
pub mod tree;
pub mod version;
