//! Python's versions, as far as it takes to know one. (PEP 440, appendix B)

/// Whether a text is a version, in normal form or not.
pub(in crate::packages) fn is_version(text: &str) -> bool {
    let lower = text.to_ascii_lowercase();
    let mut rest = lower.strip_prefix('v').unwrap_or(&lower);
    if let Some((epoch, after)) = rest.split_once('!') {
        if !is_number(epoch) {
            return false;
        }
        rest = after;
    }
    let Some(after) = number(rest) else { return false };
    rest = after;
    while let Some(after) = rest.strip_prefix('.').and_then(number) {
        rest = after;
    }
    rest = suffix(rest, &["alpha", "beta", "preview", "pre", "rc", "a", "b", "c"]);
    rest = match rest.strip_prefix('-').and_then(number) {
        Some(after) => after,
        None => suffix(rest, &["post", "rev", "r"]),
    };
    rest = suffix(rest, &["dev"]);
    match rest.strip_prefix('+') {
        Some(local) => local
            .split(['-', '_', '.'])
            .all(|part| !part.is_empty() && part.bytes().all(|byte| byte.is_ascii_alphanumeric())),
        None => rest.is_empty(),
    }
}

fn is_number(text: &str) -> bool {
    number(text) == Some("")
}

/// What follows the digits that a text begins with.
fn number(text: &str) -> Option<&str> {
    let rest = text.trim_start_matches(|c: char| c.is_ascii_digit());
    (rest.len() < text.len()).then_some(rest)
}

/// What follows a word and its number, each with an optional separator before it; the text itself without the word.
fn suffix<'a>(text: &'a str, words: &[&str]) -> &'a str {
    let bare = text.strip_prefix(['-', '_', '.']).unwrap_or(text);
    let Some(rest) = words.iter().find_map(|word| bare.strip_prefix(word)) else { return text };
    let numbered = rest.strip_prefix(['-', '_', '.']).and_then(number);
    numbered.or_else(|| number(rest)).unwrap_or(rest)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn versions_and_others() {
        for version in [
            "1",
            "1.0",
            "v1.0",
            "1!2.0",
            "2024.1.15",
            "1.0a1",
            "1.0.alpha-1",
            "1.0rc1",
            "1.0-1",
            "1.0.post2",
            "1.0.dev3",
            "1.0b2.post345.dev456",
            "2.3.0+cu121",
            "1.0+ubuntu-1.2",
            "1.0RC1",
            "1.0c",
        ] {
            assert!(is_version(version), "{version}");
        }
        for other in ["", "v", "latest", "1.", "1.0-", "1.0+", "1.0+a..b", "1.0x", "3d", "1.0-py3", "é"] {
            assert!(!is_version(other), "{other}");
        }
    }
}
