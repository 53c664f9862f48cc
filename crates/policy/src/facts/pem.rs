//! Blocks of PEM in any text: a file of its own, or indented in YAML, or with `\n` in quotes.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use dockerfile::Span;

/// A block between `-----BEGIN X-----` and `-----END X-----`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Block {
    /// What stands after BEGIN.
    pub label: String,
    /// The line that begins it.
    pub begin: Span,
    /// What is inside; nothing where it is not base64.
    pub bytes: Option<Vec<u8>>,
}

const BEGIN: &str = "-----BEGIN ";
const END: &str = "-----END ";
const DASHES: &str = "-----";

/// The blocks of a text. One that does not end is no block: texts speak of PEM, too.
pub(crate) fn blocks(text: &str) -> Vec<Block> {
    let mut found = Vec::new();
    let mut at = 0;
    while let Some(start) = text[at..].find(BEGIN).map(|offset| at + offset) {
        let after = start + BEGIN.len();
        at = after;
        let Some(length) = text[after..].find(DASHES) else { break };
        let label = &text[after..after + length];
        let body = after + length + DASHES.len();
        if label.len() > 40
            || !label.chars().all(|character| {
                character.is_ascii_uppercase() || character.is_ascii_digit() || character == ' '
            })
        {
            continue;
        }
        let end = format!("{END}{label}{DASHES}");
        let Some(stop) = text[body..].find(&end).map(|offset| body + offset) else { continue };
        found.push(Block {
            label: label.to_owned(),
            begin: Span::new(start, body),
            bytes: decode(&text[body..stop]),
        });
        at = stop + end.len();
    }
    found
}

fn decode(body: &str) -> Option<Vec<u8>> {
    let unescaped = body.replace("\\n", "\n").replace("\\r", "");
    // Headers of an encrypted key (`Proc-Type: 4,ENCRYPTED`) end with an empty line.
    let lines = unescaped.lines().filter(|line| !line.contains(':'));
    let plain: String = lines
        .flat_map(str::chars)
        .filter(|character| !character.is_whitespace() && *character != '\\')
        .collect();
    STANDARD.decode(plain).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn blocks_stand_anywhere() {
        let text = "  a: |\n    -----BEGIN X-----\n    AAEC\n    -----END X-----\nb: \"-----BEGIN Y Z-----\\nAw==\\n-----END Y Z-----\"\n-----BEGIN never";
        let found = blocks(text);
        assert_eq!(found.len(), 2);
        assert_eq!((found[0].label.as_str(), found[0].bytes.as_deref()), ("X", Some(&[0u8, 1, 2][..])));
        assert_eq!((found[1].label.as_str(), found[1].bytes.as_deref()), ("Y Z", Some(&[3u8][..])));
        assert_eq!(&text[found[0].begin.range()], "-----BEGIN X-----");
        assert_eq!(blocks("-----BEGIN X-----\n!\n-----END X-----")[0].bytes, None);
    }
}
