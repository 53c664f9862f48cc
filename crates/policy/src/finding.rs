//! What a rule found, and where.

use std::borrow::Cow;

use dockerfile::Span;

use crate::facts::SourceId;
use crate::level::Level;

/// A stretch of a file.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Place {
    /// The file.
    pub source: SourceId,
    /// The bytes in it; `0..0` means the file as a whole.
    pub span: Span,
}

impl Place {
    /// A stretch of a file.
    pub fn new(source: SourceId, span: Span) -> Place {
        Place { source, span }
    }

    /// A file as a whole.
    pub fn file(source: SourceId) -> Place {
        Place { source, span: Span::new(0, 0) }
    }
}

/// One thing to say about a place. Where its file, line and column are is known by the [`crate::Facts`] it came from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Finding {
    /// The rule's id; a user's rule has one too.
    pub rule: Cow<'static, str>,
    /// How bad it is, after profile and overrides.
    pub level: Level,
    /// Where.
    pub place: Place,
    /// One line, lower case, without a full stop; literals in backticks.
    pub message: String,
    /// What to do about it.
    pub fix: String,
    /// The image that it is about, by name, where one is known; waivers may name it.
    pub image: Option<String>,
}
