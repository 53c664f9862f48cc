//! `.dockerignore` files and `--exclude`: which paths of a build context stay out, as moby's pattern matcher has it.

mod pattern;
#[cfg(test)]
mod tests;

use crate::diagnostic::Diagnostic;
use crate::source::Span;
use crate::wildcard::BadPattern;
use pattern::Pattern;

/// An ordered list of patterns; the last one that matches decides.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Patterns {
    patterns: Vec<Pattern>,
    /// Whether there are patterns with `!`, and whether one of those can match in any directory.
    exceptions: bool,
    exceptions_anywhere: bool,
}

/// Which patterns matched a directory: they hold for what is in it (see [`Patterns::enter`]).
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct ParentMatches(Vec<bool>);

impl Patterns {
    /// Reads an ignore file: a pattern a line, `#` begins a comment. Patterns that cannot be read are reported and
    /// left out.
    pub fn parse(text: &str) -> (Patterns, Vec<Diagnostic>) {
        let mut patterns = Patterns::default();
        let mut diagnostics = Vec::new();
        let mark = if text.starts_with('\u{feff}') { '\u{feff}'.len_utf8() } else { 0 };
        let mut start = mark;
        for line in text[mark..].split_inclusive('\n') {
            let written = line.trim();
            let at = start + (line.len() - line.trim_start().len());
            start += line.len();
            if line.starts_with('#') || written.is_empty() {
                continue;
            }
            if let Err(error) = patterns.add(&relative(written)) {
                let span = Span::new(at, at + written.len());
                let found = Diagnostic::error(span, format!("invalid pattern `{written}`"));
                diagnostics.push(found.label(error.to_string()));
            }
        }
        (patterns, diagnostics)
    }

    /// From a list, as `--exclude` gives it. The error is that of the first pattern that cannot be read.
    pub fn from_list<S: AsRef<str>>(list: &[S]) -> Result<Patterns, BadPattern> {
        let mut patterns = Patterns::default();
        for pattern in list {
            patterns.add(pattern.as_ref())?;
        }
        Ok(patterns)
    }

    fn add(&mut self, pattern: &str) -> Result<(), BadPattern> {
        let pattern = pattern.trim();
        if pattern.is_empty() {
            return Ok(());
        }
        let pattern = Pattern::parse(&clean(pattern))?;
        if pattern.is_exception() {
            self.exceptions = true;
            self.exceptions_anywhere |= !pattern.has_fixed_directory();
        }
        self.patterns.push(pattern);
        Ok(())
    }

    /// No patterns at all: nothing is ignored.
    pub fn is_empty(&self) -> bool {
        self.patterns.is_empty()
    }

    /// Whether there are patterns with `!`.
    pub fn has_exceptions(&self) -> bool {
        self.exceptions
    }

    /// Whether a path stays out: `/`-separated, relative, no trailing slash. A path below an ignored directory is
    /// ignored unless a later `!` takes it, or a parent of it, back in.
    pub fn is_ignored(&self, path: impl AsRef<[u8]>) -> bool {
        let path = path.as_ref();
        let mut parent = ParentMatches::default();
        for (slash, _) in path.iter().enumerate().filter(|(_, byte)| **byte == b'/') {
            parent = self.enter(&path[..slash], &parent).1;
        }
        self.enter(path, &parent).0
    }

    /// The same for a walk that goes from directory to entry: `parent` is what the directory's own call gave, or the
    /// default at the root.
    pub fn enter(&self, path: impl AsRef<[u8]>, parent: &ParentMatches) -> (bool, ParentMatches) {
        let path = path.as_ref();
        let mut matches = Vec::with_capacity(self.patterns.len());
        let mut ignored = false;
        for (index, pattern) in self.patterns.iter().enumerate() {
            let inherited = parent.0.get(index).copied().unwrap_or(false);
            // A pattern that would change nothing is not tried, and then is not known to match the directory either:
            // so it does not hold for what is in it.
            let found = inherited || (pattern.is_exception() == ignored && pattern.matches(path));
            matches.push(found);
            if found {
                ignored = !pattern.is_exception();
            }
        }
        (ignored, ParentMatches(matches))
    }

    /// Whether something below an ignored directory may be taken back in: if not, a walk need not go there.
    pub fn may_contain_included(&self, directory: impl AsRef<[u8]>) -> bool {
        let directory = directory.as_ref();
        let exceptions = self.patterns.iter().filter(|pattern| pattern.is_exception());
        self.exceptions_anywhere || exceptions.into_iter().any(|pattern| pattern.is_below(directory))
    }
}

/// A line of an ignore file as a path: cleaned, and without the slash at its beginning.
fn relative(line: &str) -> String {
    let (mark, path) = line.strip_prefix('!').map_or(("", line), |path| ("!", path.trim()));
    if path.is_empty() {
        return mark.to_owned();
    }
    let path = clean(path);
    let path = path.strip_prefix('/').filter(|path| !path.is_empty()).unwrap_or(&path);
    format!("{mark}{path}")
}

/// Go's `filepath.Clean`: no empty components, no `.`, and no `..` that another component precedes.
fn clean(path: &str) -> String {
    let root = if path.starts_with('/') { "/" } else { "" };
    let mut components: Vec<&str> = Vec::new();
    for component in path.split('/') {
        match component {
            "" | "." => {}
            ".." if components.last().is_some_and(|last| *last != "..") => {
                components.pop();
            }
            ".." if !root.is_empty() => {}
            other => components.push(other),
        }
    }
    let cleaned = format!("{root}{}", components.join("/"));
    if cleaned.is_empty() { ".".to_owned() } else { cleaned }
}
