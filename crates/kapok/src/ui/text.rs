//! What programs write, made safe and short enough for a line of the terminal.

use unicode_width::UnicodeWidthChar;

/// A line of output is cut here at the latest, so that a program without line ends does not fill memory.
const MAX_LINE: usize = 8 << 10;

/// Cuts a stream of bytes into lines. Of a line that was redrawn with carriage returns only the last form is kept.
#[derive(Clone, Debug, Default)]
pub struct Lines {
    partial: Vec<u8>,
}

impl Lines {
    /// Takes bytes; answers the lines that are complete now.
    pub fn take(&mut self, bytes: &[u8]) -> Vec<String> {
        let mut lines = Vec::new();
        for piece in bytes.split_inclusive(|byte| *byte == b'\n') {
            self.partial.extend_from_slice(piece);
            if piece.ends_with(b"\n") || self.partial.len() >= MAX_LINE {
                lines.push(readable(&std::mem::take(&mut self.partial)));
            }
        }
        lines
    }

    /// The line that has no end yet, if there is one.
    pub fn rest(&self) -> Option<String> {
        (!self.partial.is_empty()).then(|| readable(&self.partial)).filter(|line| !line.is_empty())
    }

    /// The line that has no end, at the end of the stream.
    pub fn finish(&mut self) -> Option<String> {
        let rest = self.rest();
        self.partial.clear();
        rest
    }
}

/// Text as it may stand in somebody's terminal: no escape sequences, no control characters, tabs as spaces.
pub fn readable(bytes: &[u8]) -> String {
    let text = String::from_utf8_lossy(bytes);
    let text = text.trim_end_matches(['\n', '\r']);
    let text = text.rsplit('\r').find(|part| !part.is_empty()).unwrap_or_default();
    let mut out = String::with_capacity(text.len());
    let mut characters = text.chars().peekable();
    while let Some(character) = characters.next() {
        match character {
            '\u{1b}' => skip_escape(&mut characters),
            '\t' => out.push_str(&" ".repeat(8 - width(&out) % 8)),
            other if other.is_control() || is_reordering(other) => {}
            other => out.push(other),
        }
    }
    out
}

/// Skips the rest of an escape sequence (ECMA-48: CSI, OSC and friends, two-character ones).
fn skip_escape(characters: &mut std::iter::Peekable<std::str::Chars<'_>>) {
    match characters.next() {
        Some('[') => while characters.next().is_some_and(|next| !('@'..='~').contains(&next)) {},
        Some(']' | 'P' | '^' | '_' | 'X') => {
            while let Some(next) = characters.next() {
                let terminated = next == '\u{1b}' && characters.next_if_eq(&'\\').is_some();
                if next == '\u{7}' || terminated {
                    break;
                }
            }
        }
        Some(' '..='/') => {
            characters.next();
        }
        _ => {}
    }
}

/// Characters that reorder the text around them, and so could make a line say something else.
fn is_reordering(character: char) -> bool {
    matches!(character, '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}' | '\u{200e}' | '\u{200f}')
}

/// An instruction for one line: its continuation lines' indentation says nothing there.
pub fn squeezed(text: &str) -> String {
    text.split_whitespace().collect::<Vec<_>>().join(" ")
}

/// Columns that a text takes.
pub fn width(text: &str) -> usize {
    text.chars().map(|character| character.width().unwrap_or(0)).sum()
}

/// The text, cut to a number of columns; what was cut is shown by an ellipsis.
pub fn cut(text: &str, columns: usize) -> String {
    if width(text) <= columns {
        return text.to_owned();
    }
    let (mut out, mut used) = (String::new(), 0);
    for character in text.chars() {
        used += character.width().unwrap_or(0);
        if used + 1 > columns {
            break;
        }
        out.push(character);
    }
    if columns > 0 {
        out.push('…');
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn escapes_and_controls_do_not_reach_the_terminal() {
        let all = [
            ("\u{1b}[31mred\u{1b}[0m", "red"),
            ("\u{1b}]0;title\u{7}x", "x"),
            ("\u{1b}]8;;http://x\u{1b}\\link", "link"),
            ("\u{1b}(Bplain", "plain"),
            ("a\u{8}\u{0}b\u{202e}c", "abc"),
            ("a\tb", "a       b"),
            ("\u{1b}[", ""),
            ("10%\r50%\r100%", "100%"),
            ("100%\r", "100%"),
        ];
        for (text, expected) in all {
            assert_eq!(readable(text.as_bytes()), expected, "for {text:?}");
        }
    }

    #[test]
    fn lines_come_whole_however_they_arrive() {
        let mut lines = Lines::default();
        assert_eq!(lines.take(b"one\ntw"), ["one"]);
        assert_eq!(lines.rest().as_deref(), Some("tw"));
        assert_eq!(lines.take(b"o\n\nthree"), ["two", ""]);
        assert_eq!(lines.finish().as_deref(), Some("three"));
        assert_eq!(lines.finish(), None);
    }

    #[test]
    fn a_line_without_end_is_cut() {
        let mut lines = Lines::default();
        assert_eq!(lines.take(&[b'x'; MAX_LINE]).len(), 1);
        assert_eq!(lines.rest(), None);
    }

    #[test]
    fn cutting_counts_columns() {
        assert_eq!(cut("abcdef", 6), "abcdef");
        assert_eq!(cut("abcdef", 4), "abc…");
        assert_eq!(cut("漢字漢字", 5), "漢字…");
        assert_eq!(cut("abc", 0), "");
    }
}
