//! From a Dockerfile to an image.

pub mod base;
pub mod fetch;
pub mod sandbox;
