//! A Makefile's text: lines with their continuations and what they include, variables, and the functions of names.

use std::collections::BTreeMap;
use std::rc::Rc;

use super::functions;
use crate::Files;
use crate::discover::read;
use crate::files::{is_file, join, parent};
use crate::finding::Finding;
use crate::place::{Place, Text};
use dockerfile::Span;

/// The values of variables, as they are written.
pub type Variables = BTreeMap<String, String>;

/// A line with its continuations.
#[derive(Clone, Debug)]
pub struct Line {
    /// The file that it stands in.
    source: Rc<Text>,
    /// The offset of its first word.
    at: usize,
    /// What it says.
    pub text: String,
}

impl Line {
    /// Its place.
    pub fn place(&self) -> Place {
        self.source.place(Span::new(self.at, self.at + self.text.trim_end().len()))
    }

    /// The same with another text at the same place.
    pub fn saying(&self, text: String) -> Line {
        Line { text, ..self.clone() }
    }
}

/// Makefiles may include each other; nobody goes deeper.
const MAX_INCLUDES: usize = 8;

/// The lines of a Makefile, with those of what it includes in their place, and its variables.
pub fn lines(files: &dyn Files, path: &str, findings: &mut Vec<Finding>) -> (Vec<Line>, Variables) {
    let mut variables = Variables::new();
    let lines = with_includes(files, path, parent(path), &mut variables, MAX_INCLUDES, findings);
    (functions::called(lines, &variables), variables)
}

fn with_includes(
    files: &dyn Files,
    path: &str,
    directory: &str,
    variables: &mut Variables,
    depth: usize,
    findings: &mut Vec<Finding>,
) -> Vec<Line> {
    let Some(text) = read(files, path, findings).map(Rc::new) else { return Vec::new() };
    let mut lines = Vec::new();
    for (at, line) in logical_lines(&text.text) {
        if depth > 0
            && let Some(names) = included(&line)
        {
            let names = filled(names, variables, 0);
            for name in names.split_whitespace().filter_map(|name| join(directory, name)) {
                if is_file(files, &name) {
                    lines.extend(with_includes(files, &name, directory, variables, depth - 1, findings));
                }
            }
            continue;
        }
        assign(&line, variables);
        lines.push(Line { source: text.clone(), at, text: line });
    }
    lines
}

/// What a line of `include` names.
pub fn included(line: &str) -> Option<&str> {
    let rest = ["include ", "-include ", "sinclude "].iter().find_map(|word| line.strip_prefix(word))?;
    Some(rest.split('#').next().unwrap_or_default())
}

/// Lines with their continuations, each with the offset of its first word.
fn logical_lines(text: &str) -> Vec<(usize, String)> {
    let mut lines: Vec<(usize, String)> = Vec::new();
    let (mut at, mut joins) = (0, false);
    for line in text.split_inclusive('\n') {
        let content = line.trim_end_matches(['\n', '\r']);
        let continues = content.ends_with('\\');
        let content = content.strip_suffix('\\').unwrap_or(content);
        match lines.last_mut().filter(|_| joins) {
            Some((_, whole)) => {
                whole.push(' ');
                whole.push_str(content.trim_start());
            }
            None => lines.push((at + (line.len() - line.trim_start().len()), content.to_owned())),
        }
        joins = continues;
        at += line.len();
    }
    lines
}

/// `NAME = value` and its kin; the first value of `?=` stays.
fn assign(line: &str, values: &mut Variables) {
    if line.starts_with('\t') {
        return;
    }
    let line = line.split(" #").next().unwrap_or_default();
    let line = line.trim_start().strip_prefix("export ").unwrap_or(line);
    let Some((left, value)) = line.split_once('=') else { return };
    let (name, operator) = match left.trim_end_matches([':', '?', '+']) {
        name if name.len() < left.len() => (name.trim(), left.chars().last()),
        name => (name.trim(), None),
    };
    let is_name =
        !name.is_empty() && name.chars().all(|c| c.is_ascii_alphanumeric() || matches!(c, '_' | '-' | '.'));
    if !is_name {
        return;
    }
    let value = value.trim().to_owned();
    match operator {
        Some('?') => {
            values.entry(name.to_owned()).or_insert(value);
        }
        Some('+') => {
            let entry = values.entry(name.to_owned()).or_default();
            *entry = format!("{entry} {value}").trim().to_owned();
        }
        _ => {
            values.insert(name.to_owned(), value);
        }
    }
}

/// Variables stand for variables; nobody goes deeper, and a loop ends.
const MAX_DEPTH: usize = 16;
/// No command is longer.
const MAX_LINE: usize = 64 << 10;

/// `$(NAME)` and `${NAME}` filled in, for make and then for its shell; what is not known stays.
pub fn filled(text: &str, variables: &Variables, depth: usize) -> String {
    let mut out = String::new();
    let mut rest = text;
    while let Some(at) = rest.find('$') {
        out.push_str(&rest[..at]);
        rest = &rest[at + 1..];
        if rest.starts_with('$') {
            continue;
        }
        let Some(end) = closing(rest) else {
            out.push('$');
            continue;
        };
        let inner = rest[1..end].trim();
        let value = (depth < MAX_DEPTH && out.len() < MAX_LINE)
            .then(|| match variables.get(inner) {
                Some(value) => Some(filled(value, variables, depth + 1)),
                None => functions::value(inner, variables, depth + 1),
            })
            .flatten();
        match value {
            Some(value) => out.push_str(&value),
            None => {
                out.push('$');
                out.push_str(&rest[..=end]);
            }
        }
        rest = &rest[end + 1..];
    }
    out.push_str(rest);
    out
}

/// Where the bracket closes that a text begins with.
pub fn closing(text: &str) -> Option<usize> {
    let (open, close) = match text.chars().next()? {
        '(' => ('(', ')'),
        '{' => ('{', '}'),
        _ => return None,
    };
    let mut deep = 0_usize;
    for (at, character) in text.char_indices() {
        if character == open {
            deep += 1;
        } else if character == close {
            deep -= 1;
            if deep == 0 {
                return Some(at);
            }
        }
    }
    None
}

/// The words of a command as a shell has them; quotes are taken off.
pub fn words(command: &str) -> Vec<String> {
    let mut words = Vec::new();
    let (mut word, mut quote, mut any) = (String::new(), None, false);
    for character in command.chars() {
        match (quote, character) {
            (Some(open), close) if open == close => quote = None,
            (None, '"' | '\'') => {
                quote = Some(character);
                any = true;
            }
            (None, space) if space.is_whitespace() => {
                if any {
                    words.push(std::mem::take(&mut word));
                }
                any = false;
            }
            (_, other) => {
                word.push(other);
                any = true;
            }
        }
    }
    if any {
        words.push(word);
    }
    if let Some(first) = words.first_mut() {
        *first = first.trim_start_matches(['@', '-', '+']).to_owned();
    }
    words.retain(|word| !word.is_empty());
    words
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::files::Memory;

    #[test]
    fn a_variable_that_names_itself_ends() {
        let variables = BTreeMap::from([("A".to_owned(), "$(A)$(A)".to_owned())]);
        assert!(filled("$(A)", &variables, 0).len() < 4 << 20);
    }

    #[test]
    fn what_is_included_stands_in_its_place() {
        let files = Memory::parse(
            "//- /a/Makefile\nD = mk\ninclude $(D)/x.mk\nall:\n//- /a/mk/x.mk\nX = 1\ninclude mk/x.mk\n",
        );
        let (lines, variables) = lines(&files, "a/Makefile", &mut Vec::new());
        assert_eq!(variables.get("X").map(String::as_str), Some("1"));
        let places: Vec<String> = lines.iter().map(|line| line.place().to_string()).collect();
        assert_eq!(
            (places.first().map(String::as_str), places.last().map(String::as_str)),
            (Some("a/Makefile:1:1"), Some("a/Makefile:3:1"))
        );
        assert!(places.len() < 2 * MAX_INCLUDES + 4);
    }
}
