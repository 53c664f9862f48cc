//! From a syntax tree to a [`Plan`]: names resolved, variables expanded, configurations computed, errors found.
//!
//! Planning is pure but for the [`Images`] that it is handed. Everything that is wrong with a file comes back in one
//! go. What a plan says follows BuildKit's Dockerfile front end, down to the text of the image's history.

mod bases;
mod budget;
mod copy;
mod display;
mod draft;
pub mod git;
mod images;
mod metadata;
mod model;
mod names;
pub mod path;
mod ports;
mod report;
mod request;
mod run;
mod scope;
mod signal;
mod stage;
mod stages;
#[cfg(test)]
mod tests;
mod text;

pub use images::{BaseImage, ImageError, ImageName, Images, NamedContext, NamedContexts};
pub use model::*;
pub use request::{Permissions, PlanError, PlanRequest, Planned};
pub use stages::plan;
