//! The Dockerfile language: text in, syntax tree and diagnostics out.
//!
//! [`parse`] reads a whole file and never fails: what is wrong with it comes back as [`Diagnostic`]s, all in one
//! go, each with its place in the text. [`expand`] substitutes variables as BuildKit's shell lexer does,
//! [`ignore`] reads `.dockerignore`, [`wildcard`] matches the sources of COPY, [`mode`] reads `--chmod`.
//!
//! ```
//! use dockerfile::{Source, parse, render};
//!
//! let source = Source::new("Dockerfile", "FROM debian AS base\nCOPY --chwon=app . /srv\n");
//! let (file, diagnostics) = parse(&source.text);
//! assert_eq!(file.stages[0].from.image.raw, "debian");
//! assert!(render(&source, &diagnostics, false).contains("hint: did you mean `--chown`?"));
//! ```
//!
//! The language is that of BuildKit's stable `docker/dockerfile` frontend; where its reference and its behaviour
//! differ, the behaviour decides. Deviations are listed in `docs/dockerfile.md`.

mod check;
mod diagnostic;
pub mod expand;
pub mod fuzz;
mod glob;
pub mod ignore;
pub mod mode;
mod parse;
mod render;
pub mod shell;
mod source;
pub mod suggest;
mod syntax;
pub mod wildcard;

pub use check::{CheckOptions, Rule, Rules};
pub use diagnostic::{Diagnostic, Level};
pub use parse::{parse, parse_trigger};
pub use render::{render, render_json};
pub use source::{LineColumn, Source, Span, Spanned, line_column};
pub use syntax::*;
