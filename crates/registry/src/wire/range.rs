//! Ranges of bytes: HTTP's for downloads, Docker's own form for uploads. (RFC 9110, 14; OCI distribution
//! specification, "Pushing a blob in chunks")

/// The part of a blob that a request asks for: first byte, and the one after the last.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Bytes {
    pub start: u64,
    pub end: u64,
}

/// What a `Range` header means for something of a known size.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Asked {
    /// All of it: no range, several, or a form that HTTP tells to ignore.
    Whole,
    /// This part.
    Part(Bytes),
    /// A part that there is not.
    Unsatisfiable,
}

impl Bytes {
    /// Reads `bytes=1-2`, `bytes=1-`, `bytes=-2`.
    pub(crate) fn parse_request(value: &str, size: u64) -> Asked {
        let Some(range) = value.trim().strip_prefix("bytes=") else { return Asked::Whole };
        let Some((start, end)) = range.trim().split_once('-') else { return Asked::Whole };
        let (start, end) = (number(start), number(end));
        match (start, end) {
            (Some(Some(start)), Some(end)) => {
                let end = end.map_or(size, |last: u64| last.saturating_add(1).min(size));
                // RFC 9110 lets us ignore a range that ends before it begins; the suite of the specification does not.
                if start >= size || end <= start {
                    Asked::Unsatisfiable
                } else {
                    Asked::Part(Bytes { start, end })
                }
            }
            (Some(None), Some(Some(0))) => Asked::Unsatisfiable,
            (Some(None), Some(Some(_))) if size == 0 => Asked::Unsatisfiable,
            (Some(None), Some(Some(last))) => {
                Asked::Part(Bytes { start: size.saturating_sub(last), end: size })
            }
            _ => Asked::Whole,
        }
    }

    /// How many bytes.
    pub(crate) fn len(self) -> u64 {
        self.end - self.start
    }

    /// As in an answer: `bytes 1-2/10`.
    pub(crate) fn content_range(self, size: u64) -> String {
        format!("bytes {}-{}/{size}", self.start, self.end - 1)
    }
}

/// Reads a `Content-Range`, of an answer (`bytes 1-2/10`) or of a chunk (`1-2`).
pub(crate) fn parse_content(value: &str) -> Option<Bytes> {
    let value = value.trim();
    let value = value.strip_prefix("bytes").map_or(value, |rest| rest.trim_start_matches([' ', '=']));
    let (start, end) = value.split('/').next()?.split_once('-')?;
    let (start, last) = (number(start)??, number(end)??);
    (last >= start).then_some(Bytes { start, end: last.checked_add(1)? })
}

/// How many bytes of an upload have arrived, by the `Range` of an answer: `0-9`, with or without `bytes=`. `0-0` is
/// what Docker's registry says of none, and the truth for one byte: only the caller can know which.
pub(crate) fn parse_received(value: &str) -> Option<u64> {
    let value = value.trim();
    let (start, end) = value.strip_prefix("bytes=").unwrap_or(value).split_once('-')?;
    match (number(start)??, number(end)??) {
        (0, last) => last.checked_add(1),
        _ => None,
    }
}

/// The `Range` of an upload that has this many bytes.
pub(crate) fn received(count: u64) -> String {
    format!("0-{}", count.saturating_sub(1))
}

/// Digits and nothing else; `Some(None)` for no digits at all.
fn number(text: &str) -> Option<Option<u64>> {
    let text = text.trim();
    if text.is_empty() {
        return Some(None);
    }
    if !text.bytes().all(|b| b.is_ascii_digit()) {
        return None;
    }
    text.parse().ok().map(Some)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(value: &str, expected: Asked) {
        assert_eq!(Bytes::parse_request(value, 10), expected, "{value}");
    }

    #[test]
    fn requests() {
        let part = |start, end| Asked::Part(Bytes { start, end });
        check("bytes=0-0", part(0, 1));
        check("bytes=3-", part(3, 10));
        check("bytes=-3", part(7, 10));
        check("bytes=-30", part(0, 10));
        check("bytes=3-99", part(3, 10));
        check("bytes=10-", Asked::Unsatisfiable);
        check("bytes=-0", Asked::Unsatisfiable);
        check("bytes=5-3", Asked::Unsatisfiable);
        check("bytes=0-1,3-4", Asked::Whole);
        check("lines=1-2", Asked::Whole);
        check("bytes=+1-2", Asked::Whole);
        assert_eq!(Bytes::parse_request("bytes=-5", 0), Asked::Unsatisfiable);
        assert_eq!(Bytes::parse_request("bytes=0-18446744073709551615", 10), part(0, 10));
    }

    #[test]
    fn answers() {
        assert_eq!(parse_content("bytes 2-4/9"), Some(Bytes { start: 2, end: 5 }));
        assert_eq!(parse_content("2-4"), Some(Bytes { start: 2, end: 5 }));
        assert_eq!(parse_content("4-2"), None);
        assert_eq!(parse_content("0-18446744073709551615"), None);
        assert_eq!(parse_received("0-9"), Some(10));
        assert_eq!(parse_received("bytes=0-9"), Some(10));
        assert_eq!(parse_received("1-9"), None);
        assert_eq!(received(10), "0-9");
    }
}
