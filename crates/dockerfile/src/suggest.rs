//! "Did you mean": the nearest of some names.

/// The candidate that is nearest to a word, if one is near enough (fewer than three edits, as BuildKit has it).
/// Case counts as no difference.
pub fn nearest<'a>(word: &str, candidates: impl IntoIterator<Item = &'a str>) -> Option<&'a str> {
    let _ = (word, candidates.into_iter().next());
    todo!()
}
