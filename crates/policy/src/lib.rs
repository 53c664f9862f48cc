//! An organisation's standards: rules as data, judged over typed facts.
//!
//! [`Facts`] are gathered from the files of a repository, and after a build from what it fetched and wrote. [`judge`]
//! asks every [`Rule`] of the registry ([`rules::all`]) and takes profile, overrides, remarks in the files and waivers
//! into account; what is left are [`Finding`]s, each with its place. A fact that is missing or was not observed makes a
//! verdict [`Verdict::Unknown`], never a pass.
//!
//! Pure: files come through a loader, the day through [`Standards`]; nothing here reads a disk, a clock or a network.

mod again;
mod ask;
mod date;
pub mod facts;
mod finding;
mod ignore;
mod judge;
mod level;
pub mod lifecycle;
pub mod rego;
pub mod render;
mod rule;
pub mod rules;
mod standards;
mod waiver;

pub use again::{Again, asks_for_bases, judge_built, needs_tree};
pub use date::Date;
pub use facts::{Facts, Known, SourceId};
pub use finding::{Finding, Place};
pub use judge::{Judgement, Unjudged, Verdict, judge};
pub use level::{Level, Levels, Profile};
pub use rule::{Example, Family, Foreign, Need, Rule, Sink};
pub use standards::Standards;
pub use waiver::{WAIVERS_FILE, Waiver, Waivers};
