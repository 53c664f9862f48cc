//! From text to the syntax tree.

use crate::diagnostic::Diagnostic;
use crate::syntax::{Dockerfile, Instruction};

/// Parses a Dockerfile. Never fails: what cannot be understood is left out of the tree and reported. Errors are
/// reported in the order of the text.
pub fn parse(text: &str) -> (Dockerfile, Vec<Diagnostic>) {
    let _ = text;
    todo!()
}

/// Parses an ONBUILD trigger as an image's configuration holds it: one instruction, heredocs included. Spans are in
/// the trigger's text.
pub fn parse_trigger(text: &str) -> (Option<Instruction>, Vec<Diagnostic>) {
    let _ = text;
    todo!()
}
