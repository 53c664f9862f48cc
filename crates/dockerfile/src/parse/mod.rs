//! From text to the syntax tree.
//!
//! Physical lines become logical ones (`line`), a logical line becomes name, flags and rest (`command`), and those
//! become an instruction (`instruction` and what it calls). `file` puts the instructions into stages; `lint` looks at
//! the whole.

mod command;
mod copy;
mod directive;
mod duration;
mod file;
mod from;
pub(crate) mod heredoc;
mod instruction;
mod json;
mod line;
mod lint;
mod metadata;
mod mount;
mod run;
mod sink;

#[cfg(test)]
mod tests;

pub(crate) use command::command_text;
pub use file::{parse, parse_trigger};
