//! Paragraphs of fields, the form of everything an archive says about itself (deb822(5)).

use std::fmt;

/// Fields in the order in which they were written. Values keep their continuation lines, joined by newlines, with the
/// one leading space of each kept, so that a paragraph prints as it was read.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Paragraph<'a> {
    fields: Vec<(&'a str, &'a str)>,
}

/// Why a text is not a list of paragraphs.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("line {line}: {reason}")]
pub struct BadParagraph {
    /// Counted from 1.
    pub line: usize,
    /// What is wrong there.
    pub reason: &'static str,
}

/// No paragraph of any archive has a fifth of this many fields.
const FIELDS_LIMIT: usize = 1000;

impl<'a> Paragraph<'a> {
    /// The value of a field, by any spelling of its name, without surrounding space. Empty fields are absent.
    pub fn get(&self, name: &str) -> Option<&'a str> {
        self.fields
            .iter()
            .find(|(field, _)| field.eq_ignore_ascii_case(name))
            .map(|(_, value)| value.trim())
            .filter(|value| !value.is_empty())
    }

    /// All fields, in order.
    pub fn iter(&self) -> impl Iterator<Item = (&'a str, &'a str)> + '_ {
        self.fields.iter().copied()
    }
}

impl fmt::Display for Paragraph<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.fields.iter().try_for_each(|(name, value)| writeln!(f, "{name}:{value}"))
    }
}

/// Reads paragraphs one after the other, borrowing from the text.
///
/// Comment lines (`#`) are skipped between fields. The text is not bounded here: whoever fetched it bounded it.
pub fn paragraphs(text: &str) -> Paragraphs<'_> {
    Paragraphs { text, at: 0, line: 0 }
}

/// See [`paragraphs`].
#[derive(Debug, Clone)]
pub struct Paragraphs<'a> {
    text: &'a str,
    at: usize,
    line: usize,
}

impl<'a> Paragraphs<'a> {
    /// The next line without its end, not consumed.
    fn peek(&self) -> Option<&'a str> {
        let rest = &self.text[self.at..];
        if rest.is_empty() { None } else { Some(rest.split_once('\n').map_or(rest, |(line, _)| line)) }
    }

    fn consume(&mut self, line: &str) {
        self.at = (self.at + line.len() + 1).min(self.text.len());
        self.line += 1;
    }

    fn error(&mut self, reason: &'static str) -> BadParagraph {
        self.at = self.text.len();
        BadParagraph { line: self.line, reason }
    }

    /// One field; the cursor stands behind its first line, which is `first`.
    fn field(&mut self, first: &'a str, start: usize) -> Result<(&'a str, &'a str), BadParagraph> {
        let Some((name, _)) = first.split_once(':') else {
            return Err(self.error("neither a field nor the continuation of one"));
        };
        let graphic = |byte: u8| byte.is_ascii_graphic();
        if name.is_empty() || !name.bytes().all(graphic) || name.starts_with('-') {
            return Err(self.error("a field's name is empty or not plain text"));
        }
        let mut end = start + first.len();
        while let Some(line) = self.peek() {
            match line.as_bytes().first() {
                Some(b' ' | b'\t') if !line.trim().is_empty() => end = self.at + line.len(),
                Some(b'#') => {}
                _ => break,
            }
            self.consume(line);
        }
        Ok((name, self.text[start + name.len() + 1..end].trim_end_matches('\r')))
    }
}

impl<'a> Iterator for Paragraphs<'a> {
    type Item = Result<Paragraph<'a>, BadParagraph>;

    fn next(&mut self) -> Option<Self::Item> {
        let mut paragraph = Paragraph { fields: Vec::with_capacity(24) };
        while let Some(line) = self.peek() {
            let start = self.at;
            self.consume(line);
            if line.trim().is_empty() {
                if paragraph.fields.is_empty() {
                    continue;
                }
                break;
            }
            if line.starts_with('#') {
                continue;
            }
            if paragraph.fields.len() == FIELDS_LIMIT {
                return Some(Err(self.error("too many fields in one paragraph")));
            }
            match self.field(line, start) {
                Ok(field) => paragraph.fields.push(field),
                Err(error) => return Some(Err(error)),
            }
        }
        if paragraph.fields.is_empty() { None } else { Some(Ok(paragraph)) }
    }
}

/// For the fuzzer: parses anything, and what was parsed prints to a text that parses to the same.
pub fn fuzz_paragraphs(data: &[u8]) {
    let text = String::from_utf8_lossy(data);
    for paragraph in paragraphs(&text).flatten() {
        let printed = paragraph.to_string();
        // A comment inside a value is part of the text that the value borrows; it does not survive a second reading.
        if !printed.contains("\n#") {
            let again: Vec<_> = paragraphs(&printed).collect();
            assert_eq!(again, [Ok(paragraph)]);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use expect_test::{Expect, expect};

    fn check(text: &str, expected: Expect) {
        let mut out = String::new();
        for paragraph in paragraphs(text) {
            match paragraph {
                Ok(paragraph) => {
                    for (name, value) in paragraph.iter() {
                        out += &format!("{name}={value:?}\n");
                    }
                }
                Err(error) => out += &format!("error: {error}\n"),
            }
            out += "--\n";
        }
        expected.assert_eq(&out);
    }

    #[test]
    fn fields_and_continuations() {
        check(
            "\n\nPackage: a\nDescription: short\n long one\n .\n\tmore\n\n\nPackage:b\nEmpty:\n",
            expect![[r#"
                Package=" a"
                Description=" short\n long one\n .\n\tmore"
                --
                Package="b"
                Empty=""
                --
            "#]],
        );
    }

    #[test]
    fn comments_and_crlf() {
        check(
            "# a comment\r\nTypes: deb\r\n# another\nURIs: u v\n \t\nSuites: s",
            expect![[r#"
                Types=" deb"
                URIs=" u v"
                --
                Suites=" s"
                --
            "#]],
        );
    }

    #[test]
    fn broken_text_is_an_error_with_its_line() {
        check(
            "Package: a\nno field\n\nPackage: b\n",
            expect![[r#"
                error: line 2: neither a field nor the continuation of one
                --
            "#]],
        );
        check(
            " continuation of nothing\n",
            expect![[r#"
                error: line 1: neither a field nor the continuation of one
                --
            "#]],
        );
        check(
            ": x\n",
            expect![[r#"
                error: line 1: a field's name is empty or not plain text
                --
            "#]],
        );
    }

    #[test]
    fn names_are_found_in_any_spelling() {
        let paragraph = paragraphs("SHA256:  x \nvalid-until:\n").next().unwrap().unwrap();
        assert_eq!(paragraph.get("sha256"), Some("x"));
        assert_eq!(paragraph.get("Valid-Until"), None);
    }

    #[test]
    fn anything_may_be_parsed() {
        for data in [&b"A: b\n c\n#d\n e\n"[..], b"\xff\xfe:\n\n\n: :", b"A:\rB\n", b"a:#\n \n", b""] {
            fuzz_paragraphs(data);
        }
        let many = "A: b\n".repeat(FIELDS_LIMIT + 1);
        assert!(paragraphs(&many).next().unwrap().is_err());
    }
}
