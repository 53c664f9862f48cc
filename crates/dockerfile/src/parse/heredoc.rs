//! Heredocs: their markers in an instruction's line, and the lines that follow it.

use super::line::{Lines, Piece};
use super::sink::Sink;
use crate::diagnostic::Diagnostic;
use crate::expand::{ExpandError, Options, expand};
use crate::source::Span;
use crate::syntax::Heredoc;

/// `<<NAME` with what stands around it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Marker {
    pub name: String,
    pub descriptor: u32,
    pub expand: bool,
    pub chomp: bool,
}

/// The marker that a word is, if it is one: a number, `<<`, perhaps `-`, and a word that may be quoted.
pub(crate) fn marker(word: &str) -> Result<Option<Marker>, ExpandError> {
    let digits = word.len() - word.trim_start_matches(|next: char| next.is_ascii_digit()).len();
    let Some(rest) = word[digits..].strip_prefix("<<") else { return Ok(None) };
    let (rest, chomp) = rest.strip_prefix('-').map_or((rest, false), |rest| (rest, true));
    let rest = rest.trim_start_matches(['\t', '\n', '\u{c}', '\r', ' ']);
    if rest.is_empty() || rest.contains('<') {
        return Ok(None);
    }
    let nothing = |_: &str| None;
    let plain = Options { skip_unset: true, ..Options::new('\\') };
    let words = expand(rest, plain, &nothing)?.words;
    let raw = expand(rest, Options { raw_quotes: true, ..plain }, &nothing)?.words;
    let ([name], [raw]) = (words.as_slice(), raw.as_slice()) else { return Ok(None) };
    // A quote that is gone was one: the word is quoted, and the content is taken as it is.
    let quotes = |text: &str| text.matches(['\'', '"']).count();
    let descriptor = word[..digits].parse().unwrap_or(0);
    Ok(Some(Marker { name: name.clone(), descriptor, expand: quotes(name) == quotes(raw), chomp }))
}

/// The markers in an instruction. The shell's quoting rules hold; a line that breaks them has no heredocs.
fn markers(line: &str) -> Result<Vec<Marker>, ExpandError> {
    if !line.contains("<<") {
        return Ok(Vec::new());
    }
    let words = expand(line, Options::display('\\'), &|_: &str| None).map(|expanded| expanded.words);
    let mut found = Vec::new();
    for word in words.unwrap_or_default() {
        found.extend(marker(&word)?);
    }
    Ok(found)
}

/// Reads the heredocs of an instruction from the lines after it; also where the last of them ends.
pub(super) fn read(command: Piece<'_>, lines: &mut Lines<'_>, sink: &mut Sink) -> (Vec<Heredoc>, usize) {
    let markers = match markers(command.text()) {
        Ok(markers) => markers,
        Err(error) => {
            sink.push(Diagnostic::error(command.span(), format!("heredoc cannot be read: {error}")));
            return (Vec::new(), command.span().end);
        }
    };
    let mut heredocs = Vec::new();
    let mut last = command.span().end;
    for marker in markers {
        let start = lines.offset;
        let mut content = String::new();
        let end = loop {
            let Some(line) = lines.next_raw() else {
                // What follows in the file is all in the content: one message will do.
                sink.push(unterminated(command, &marker, &content));
                return (heredocs, lines.offset);
            };
            if marker.is_end(line.text) {
                last = line.start + line.text.trim_end_matches(['\r', '\n']).len();
                break line.start;
            }
            content.push_str(line.text);
        };
        let Marker { name, descriptor, expand, chomp } = marker;
        heredocs.push(Heredoc { name, content, expand, chomp, descriptor, span: Span::new(start, end) });
    }
    (heredocs, last)
}

impl Marker {
    fn is_end(&self, line: &str) -> bool {
        let line = line.trim_end_matches(['\r', '\n']);
        let line = if self.chomp { line.trim_start_matches('\t') } else { line };
        line == self.name
    }
}

fn unterminated(command: Piece<'_>, marker: &Marker, content: &str) -> Diagnostic {
    let name = &marker.name;
    let text = command.text();
    let at = text.find("<<").unwrap_or(0);
    let length = text[at..].find(char::is_whitespace).unwrap_or(text.len() - at);
    let place = command.slice(at, at + length).span();
    let found = Diagnostic::error(place, format!("unterminated heredoc `{name}`"));
    // The commonest mistake is an end that is indented.
    let near = content.split_inclusive('\n').position(|line| line.trim() == name);
    let hint = match near {
        Some(_) if !marker.chomp => {
            format!("`{name}` must stand alone at the beginning of its line; `<<-` allows tabs before it")
        }
        Some(_) => format!("only tabs may stand before `{name}`"),
        None => format!("end it with a line that is nothing but `{name}`"),
    };
    found.label("begins here").hint(hint)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(word: &str, expected: Option<(&str, u32, bool, bool)>) {
        let found = marker(word).unwrap_or_else(|error| panic!("{word}: {error}"));
        let found =
            found.as_ref().map(|found| (found.name.as_str(), found.descriptor, found.expand, found.chomp));
        assert_eq!(found, expected, "{word}");
    }

    #[test]
    fn words_that_are_markers() {
        check("<<EOF", Some(("EOF", 0, true, false)));
        check("<<-EOF", Some(("EOF", 0, true, true)));
        check("3<<EOF", Some(("EOF", 3, true, false)));
        check("<< EOF", Some(("EOF", 0, true, false)));
        check("<<'EOF'", Some(("EOF", 0, false, false)));
        check("<<\"EOF\"", Some(("EOF", 0, false, false)));
        check("<<E'O'F", Some(("EOF", 0, false, false)));
        check("<<-'a b'", Some(("a b", 0, false, true)));
        check("<<\\'EOF", Some(("'EOF", 0, true, false)));
        check("<<$NAME", Some(("$NAME", 0, true, false)));
        check("<<file.txt", Some(("file.txt", 0, true, false)));
    }

    #[test]
    fn words_that_are_not() {
        for word in ["", "<", "<<", "<<-", "EOF", "a<<EOF", "<<<EOF", "<<a<b", "<<''", "<< a b", "'<<EOF'"] {
            check(word, None);
        }
        assert!(marker("<<'EOF").is_err());
    }
}
