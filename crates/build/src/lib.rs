//! From a Dockerfile to an image.

pub mod base;
pub mod context;
pub mod copy;
pub mod engine;
pub mod fetch;
pub mod network;
pub mod plan;
pub mod sandbox;
pub mod schedule;
