//! `.dockerignore` files and `--exclude`: which paths of a build context stay out, as moby's pattern matcher has it.

use crate::diagnostic::Diagnostic;

/// An ordered list of patterns; the last one that matches decides.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Patterns {
    exclusions: bool,
}

/// What a directory's patterns said, for its children (see [`Patterns::enter`]).
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct ParentMatches(());

impl Patterns {
    /// Reads an ignore file. Patterns that cannot be read are reported and left out.
    pub fn parse(text: &str) -> (Patterns, Vec<Diagnostic>) {
        let _ = text;
        todo!()
    }

    /// From a list, as `--exclude` gives it. The error is the first pattern that cannot be read.
    pub fn from_list<S: AsRef<str>>(patterns: &[S]) -> Result<Patterns, crate::wildcard::BadPattern> {
        let _ = patterns.len();
        todo!()
    }

    /// No patterns at all: nothing is ignored.
    pub fn is_empty(&self) -> bool {
        todo!()
    }

    /// Whether there are patterns with `!`.
    pub fn has_exceptions(&self) -> bool {
        self.exclusions
    }

    /// Whether a path stays out: `/`-separated, relative, no trailing slash. A path below an ignored directory is
    /// ignored unless a later `!` takes it, or a parent of it, back in.
    pub fn is_ignored(&self, path: impl AsRef<[u8]>) -> bool {
        let _ = path.as_ref();
        todo!()
    }

    /// The same for a walk that goes from parent to child: cheaper, same answers.
    pub fn enter(&self, path: impl AsRef<[u8]>, parent: &ParentMatches) -> (bool, ParentMatches) {
        let _ = (path.as_ref(), parent);
        todo!()
    }

    /// Whether something below an ignored directory may be taken back in: if not, a walk need not go there.
    pub fn may_contain_included(&self, directory: impl AsRef<[u8]>) -> bool {
        let _ = directory.as_ref();
        todo!()
    }
}
