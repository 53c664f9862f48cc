//! What would make the interpreter run out of stack, which nothing can catch: functions that call themselves, which Rego
//! forbids and the interpreter does not look for, and texts that nest without end.

use std::collections::{BTreeMap, BTreeSet};

/// A function: its package and its name.
type Function = (String, String);

/// The first function that calls itself, perhaps through others: `package.name`. `modules` are packages and texts.
pub(super) fn recursive<'m>(modules: impl IntoIterator<Item = (&'m str, &'m str)>) -> Option<String> {
    let bodies: Vec<(Function, String)> =
        modules.into_iter().flat_map(|(package, text)| functions(package, text)).collect();
    let known: BTreeSet<&Function> = bodies.iter().map(|(function, _)| function).collect();
    let mut calls: BTreeMap<&Function, BTreeSet<&Function>> = BTreeMap::new();
    for (function, body) in &bodies {
        let called = known.iter().copied().filter(|other| calls_to(body, &function.0, other));
        calls.entry(function).or_default().extend(called);
    }
    calls.keys().find(|start| reaches(&calls, start)).map(|(package, name)| format!("{package}.{name}"))
}

/// Whether a function is among those that it reaches.
fn reaches(calls: &BTreeMap<&Function, BTreeSet<&Function>>, start: &Function) -> bool {
    let mut left: Vec<&Function> = calls.get(start).into_iter().flatten().copied().collect();
    let mut seen = BTreeSet::new();
    while let Some(next) = left.pop() {
        if next == start {
            return true;
        }
        if seen.insert(next) {
            left.extend(calls.get(next).into_iter().flatten().copied());
        }
    }
    false
}

/// The functions of a text, each with all that stands up to the next rule. Strings and comments are blanks.
fn functions(package: &str, text: &str) -> Vec<(Function, String)> {
    let plain = blanked(text);
    let mut found: Vec<(Function, String)> = Vec::new();
    let mut open = false;
    for line in plain.lines() {
        let line = line.strip_prefix("default ").unwrap_or(line);
        // A rule begins in the first column; what goes on is indented or closes a bracket.
        if line.starts_with(|first: char| first.is_ascii_alphabetic() || first == '_') {
            let end = line.find(|c: char| !is_word(c)).unwrap_or(line.len());
            let (name, rest) = line.split_at(end);
            open = rest.starts_with('(');
            if open {
                // The head's own name is no call.
                found.push(((package.to_owned(), name.to_owned()), rest.to_owned()));
                continue;
            }
            // `else := f(x)` goes on with the function before it.
            open = name == "else";
        }
        if let Some((_, body)) = found.last_mut().filter(|_| open) {
            body.push('\n');
            body.push_str(line);
        }
    }
    found
}

pub(super) fn is_word(character: char) -> bool {
    character.is_ascii_alphanumeric() || character == '_'
}

/// Whether a body calls a function: `name(` in its own package, `package.name(` in others.
fn calls_to(body: &str, package: &str, (other, name): &Function) -> bool {
    let last = other.rsplit('.').next().unwrap_or(other);
    let call = format!("{name}(");
    body.match_indices(&call).any(|(at, _)| {
        let before = &body[..at];
        match before.chars().next_back() {
            Some('.') => {
                let word = before.trim_end_matches('.').rsplit(|c| !is_word(c)).next().unwrap_or_default();
                word == last
            }
            Some(character) if is_word(character) => false,
            _ => package == other,
        }
    })
}

/// The text with blanks for strings and comments, byte for byte.
pub(super) fn blanked(text: &str) -> String {
    let mut plain = String::with_capacity(text.len());
    let mut inside: Option<char> = None;
    let mut escaped = false;
    for next in text.chars() {
        let keep = match inside {
            _ if next == '\n' => {
                // Only a raw string goes on after the line.
                inside = inside.filter(|quote| *quote == '`');
                true
            }
            Some('"') if escaped => {
                escaped = false;
                false
            }
            Some('"') if next == '\\' => {
                escaped = true;
                false
            }
            Some(quote) if quote == next => {
                inside = None;
                false
            }
            Some(_) => false,
            None if matches!(next, '"' | '`' | '#') => {
                inside = Some(next);
                false
            }
            None => true,
        };
        if keep {
            plain.push(next);
        } else {
            plain.extend(std::iter::repeat_n(' ', next.len_utf8()));
        }
    }
    plain
}

/// How deep the brackets of a text nest.
pub(super) fn depth(text: &str) -> usize {
    let (mut now, mut most) = (0usize, 0usize);
    for next in blanked(text).chars() {
        match next {
            '(' | '[' | '{' => now += 1,
            ')' | ']' | '}' => now = now.saturating_sub(1),
            _ => {}
        }
        most = most.max(now);
    }
    most
}

#[cfg(test)]
mod tests {
    use super::{depth, recursive};

    #[test]
    fn brackets_nest() {
        assert_eq!((depth("a"), depth("[{(\"(((\")}] # ((("), depth("))(")), (0, 3, 1));
    }

    #[test]
    fn functions_that_call_themselves() {
        for bad in [
            "f(x) := f(x)",
            "f(x) := g(x)\ng(x) = y {\n  y := f(x)\n}",
            "f(x) = 1 { x }\nelse = f(x)",
            "f(x) := data.p.f(x)",
        ] {
            assert_eq!(recursive([("p", bad)]), Some("p.f".to_owned()), "{bad}");
        }
        for good in [
            "f(x) := g(x)\ng(x) := 1",
            "f(x) := \"f(x)\" # f(x)",
            "f(x) := other.f(x)",
            "f(x) := xf(x)",
            "f(x) := 1\ndeny { f(1) }",
            "f(x) := `\nf(x)`",
        ] {
            assert_eq!(recursive([("p", good)]), None, "{good}");
        }
        assert_eq!(
            recursive([("a.lib", "f(x) := b.g(x)"), ("b", "g(x) := lib.f(x)")]),
            Some("a.lib.f".to_owned())
        );
    }
}
