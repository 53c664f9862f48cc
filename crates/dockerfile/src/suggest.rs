//! "Did you mean": the nearest of some names.

/// Fewer edits than this make a suggestion, as in BuildKit.
const MAX_DISTANCE: usize = 3;

/// The candidate that is nearest to a word, if one is near enough: fewer than three insertions, deletions and
/// substitutions, and something of the word is left. Case counts as no difference. Of several equally near the first is
/// taken.
pub fn nearest<'a>(word: &str, candidates: impl IntoIterator<Item = &'a str>) -> Option<&'a str> {
    let word = word.to_lowercase();
    let distances =
        candidates.into_iter().map(|candidate| (distance(&word, &candidate.to_lowercase()), candidate));
    let best = distances.min_by_key(|(distance, _)| *distance);
    let limit = MAX_DISTANCE.min(word.chars().count());
    best.filter(|(distance, _)| *distance < limit).map(|(_, candidate)| candidate)
}

/// Levenshtein's distance, or [`MAX_DISTANCE`] if it is at least that.
fn distance(one: &str, other: &str) -> usize {
    let one: Vec<char> = one.chars().take(128).collect();
    let other: Vec<char> = other.chars().take(128).collect();
    if one.len().abs_diff(other.len()) >= MAX_DISTANCE {
        return MAX_DISTANCE;
    }
    let mut row: Vec<usize> = (0..=other.len()).collect();
    for (done, left) in one.iter().enumerate() {
        let mut diagonal = row[0];
        row[0] = done + 1;
        for (column, right) in other.iter().enumerate() {
            let substituted = diagonal + usize::from(left != right);
            diagonal = row[column + 1];
            row[column + 1] = substituted.min(diagonal + 1).min(row[column] + 1);
        }
    }
    row[other.len()].min(MAX_DISTANCE)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn finds_what_is_near() {
        let stages = ["base", "builder", "run"];
        for (word, expected) in [
            ("bulder", Some("builder")),
            ("Builder", Some("builder")),
            ("bas", Some("base")),
            ("abse", Some("base")),
            ("rnu", Some("run")),
            ("nothing", None),
            ("", None),
            ("u", None),
            ("buildersss", None),
        ] {
            assert_eq!(nearest(word, stages), expected, "{word}");
        }
        assert_eq!(nearest("a", []), None);
    }
}
