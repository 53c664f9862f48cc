//! Debian and what is made like it: a base image straight from the signed archive.

pub mod catalog;
pub mod date;
pub mod deb822;
pub mod relation;
pub mod release;
pub mod signature;
pub mod version;
