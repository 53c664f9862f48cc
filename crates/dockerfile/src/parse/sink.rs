//! Where diagnostics gather, and how many of them.

use crate::check::{CheckOptions, Rule};
use crate::diagnostic::{Diagnostic, Level};
use crate::source::Span;

/// More than this many things are wrong only in files that are no Dockerfiles; a file of ten megabytes could
/// otherwise yield gigabytes of messages.
const MAX_DIAGNOSTICS: usize = 1000;

/// Gathers diagnostics. Those of check rules pass only where the options let them.
pub(super) struct Sink {
    found: Vec<Diagnostic>,
    left_out: usize,
    last: Span,
    /// The file's options.
    pub options: CheckOptions,
    /// The options of the instruction at hand, taken together with the file's.
    pub local: Option<Box<CheckOptions>>,
}

impl Sink {
    pub fn new() -> Sink {
        Sink {
            found: Vec::new(),
            left_out: 0,
            last: Span::default(),
            options: CheckOptions::default(),
            local: None,
        }
    }

    /// Takes a diagnostic.
    pub fn push(&mut self, diagnostic: Diagnostic) {
        if self.found.len() == MAX_DIAGNOSTICS {
            self.left_out += 1;
            self.last = diagnostic.span;
            return;
        }
        self.found.push(diagnostic);
    }

    /// Takes a diagnostic that costs something to make.
    pub fn push_with(&mut self, make: impl FnOnce() -> Diagnostic) {
        if self.found.len() == MAX_DIAGNOSTICS {
            self.left_out += 1;
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
        let allowed =
            diagnostic.rule.is_none_or(|rule| self.local.as_deref().unwrap_or(&self.options).allows(rule));
        if allowed {
            let level = if self.options.error { Level::Error } else { Level::Warning };
            self.push(Diagnostic { level, ..diagnostic });
        }
    }

    /// Whether nothing was reported yet.
    pub fn is_empty(&self) -> bool {
        self.found.is_empty()
    }

    /// Everything in the order of the text.
    pub fn finish(mut self) -> Vec<Diagnostic> {
        self.found.sort_by_key(|found| (found.span.start, found.level));
        if self.left_out > 0 {
            let message = format!("{} more errors and warnings are not shown", self.left_out);
            self.found.push(Diagnostic::error(self.last, message));
        }
        self.found
    }
}
