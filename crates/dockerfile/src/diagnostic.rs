//! What is wrong, or doubtful, in a text: where, and what to do about it.

use std::borrow::Cow;

use crate::check::Rule;
use crate::source::Span;

/// How bad it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Level {
    /// The file cannot be built.
    Error,
    /// The file can be built, and perhaps does not do what its author thinks.
    Warning,
    /// Worth knowing. Only judges of standards say so.
    Info,
}

/// One thing to say about a text. [`crate::render`] prints it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Diagnostic {
    /// Error or warning.
    pub level: Level,
    /// One line, lower case, without a full stop; literals in backticks.
    pub message: String,
    /// Where.
    pub span: Span,
    /// A few words to stand beside the place.
    pub label: Option<String>,
    /// What to do about it.
    pub hint: Option<String>,
    /// The check rule that a warning belongs to, by which `# check=skip=` turns it off.
    pub rule: Option<Rule>,
    /// The id that is shown in place of a check rule's name: a rule that is none of BuildKit's.
    pub code: Option<Cow<'static, str>>,
}

impl Diagnostic {
    /// An error at a place.
    pub fn error(span: Span, message: impl Into<String>) -> Diagnostic {
        Diagnostic {
            level: Level::Error,
            message: message.into(),
            span,
            label: None,
            hint: None,
            rule: None,
            code: None,
        }
    }

    /// A warning that no check rule governs.
    pub fn warning(span: Span, message: impl Into<String>) -> Diagnostic {
        Diagnostic { level: Level::Warning, ..Diagnostic::error(span, message) }
    }

    /// A warning of a check rule.
    pub fn check(rule: Rule, span: Span, message: impl Into<String>) -> Diagnostic {
        Diagnostic { rule: Some(rule), ..Diagnostic::warning(span, message) }
    }

    /// The same with words beside the place.
    pub fn label(self, label: impl Into<String>) -> Diagnostic {
        Diagnostic { label: Some(label.into()), ..self }
    }

    /// The same with advice.
    pub fn hint(self, hint: impl Into<String>) -> Diagnostic {
        Diagnostic { hint: Some(hint.into()), ..self }
    }

    /// The same under a rule's id.
    pub fn code(self, code: impl Into<Cow<'static, str>>) -> Diagnostic {
        Diagnostic { code: Some(code.into()), ..self }
    }

    /// The same with advice, if there is any.
    pub fn hint_opt(self, hint: Option<String>) -> Diagnostic {
        Diagnostic { hint, ..self }
    }
}
