//! Go's `filepath.Match`, by which COPY and ADD choose their sources.

/// A pattern that Go would refuse with `syntax error in pattern`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("syntax error in pattern")]
pub struct BadPattern;

/// Whether a name matches a pattern: `*` and `?` stay within a path component, `[a-z]` and `[^a-z]` are classes, `\`
/// takes away a character's meaning. The whole name must match.
pub fn matches(pattern: &str, name: impl AsRef<[u8]>) -> Result<bool, BadPattern> {
    let _ = (pattern, name.as_ref());
    todo!()
}

/// Whether a pattern has anything in it that [`matches`] would not take literally.
pub fn has_wildcard(pattern: &str) -> bool {
    pattern.contains(['*', '?', '[', '\\'])
}
