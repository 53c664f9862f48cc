//! Where diagnostics gather, and how many of them.

use crate::check::{CheckOptions, Rule};
use crate::diagnostic::{Diagnostic, Level};
use crate::source::Span;

/// More than this many errors, or warnings, only files have that are no Dockerfiles; a file of ten megabytes could
/// otherwise yield gigabytes of messages.
const MAX_OF_A_LEVEL: usize = 1000;

/// Gathers diagnostics. Those of check rules pass only where the options let them.
#[derive(Default)]
pub(super) struct Sink {
    errors: Kept,
    warnings: Kept,
    /// The file's options.
    pub options: CheckOptions,
    /// The options of the instruction at hand, taken together with the file's.
    pub local: Option<Box<CheckOptions>>,
}

/// The diagnostics of one level.
#[derive(Default)]
struct Kept {
    found: Vec<Diagnostic>,
    left_out: usize,
    /// Where the last one that was left out stands.
    last: Span,
}

impl Sink {
    /// Takes a diagnostic.
    pub fn push(&mut self, diagnostic: Diagnostic) {
        let kept = if diagnostic.level == Level::Error { &mut self.errors } else { &mut self.warnings };
        if kept.found.len() == MAX_OF_A_LEVEL {
            kept.left_out += 1;
            kept.last = diagnostic.span;
        } else {
            kept.found.push(diagnostic);
        }
    }

    /// Takes an error that costs something to make.
    pub fn push_error(&mut self, span: Span, make: impl FnOnce() -> Diagnostic) {
        if self.errors.found.len() == MAX_OF_A_LEVEL {
            self.errors.left_out += 1;
            self.errors.last = span;
        } else {
            self.push(make());
        }
    }

    /// Takes a warning of a rule, unless the file or the instruction turns the rule off.
    pub fn check(&mut self, rule: Rule, span: Span, message: impl Into<String>) {
        self.check_with(Diagnostic::check(rule, span, message));
    }

    /// The same for a warning with a label or a hint.
    pub fn check_with(&mut self, diagnostic: Diagnostic) {
        let options = self.local.as_deref().unwrap_or(&self.options);
        if diagnostic.rule.is_none_or(|rule| options.allows(rule)) {
            let level = if self.options.error { Level::Error } else { Level::Warning };
            self.push(Diagnostic { level, ..diagnostic });
        }
    }

    /// Whether nothing was reported yet.
    pub fn is_empty(&self) -> bool {
        self.errors.found.is_empty() && self.warnings.found.is_empty()
    }

    /// Everything in the order of the text; at the end how much was left out.
    pub fn finish(self) -> Vec<Diagnostic> {
        let Sink { errors, warnings, .. } = self;
        let mut found: Vec<Diagnostic> = errors.found.into_iter().chain(warnings.found).collect();
        found.sort_by_key(|found| (found.span.start, found.level));
        if errors.left_out > 0 {
            let message = format!("{} more errors are not shown", errors.left_out);
            found.push(Diagnostic::error(errors.last, message));
        }
        if warnings.left_out > 0 {
            let message = format!("{} more warnings are not shown", warnings.left_out);
            found.push(Diagnostic::warning(warnings.last, message));
        }
        found
    }
}
