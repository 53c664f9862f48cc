//! Diagnostics as text for people and as JSON lines for programs.

use crate::diagnostic::Diagnostic;
use crate::source::Source;

/// The diagnostics in the form that people read, with an excerpt of the text and a caret under each place.
pub fn render(source: &Source, diagnostics: &[Diagnostic], colour: bool) -> String {
    let _ = (source, diagnostics, colour);
    todo!()
}

/// One JSON object a line for each diagnostic, with line and column.
pub fn render_json(source: &Source, diagnostics: &[Diagnostic]) -> String {
    let _ = (source, diagnostics);
    todo!()
}
