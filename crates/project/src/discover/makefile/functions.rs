//! Make's functions of names, and recipes that are made with `define`, `call` and `foreach`.

use std::collections::BTreeMap;

use super::text::{Line, Variables, closing, filled};

/// Of all templates so many lines are made.
const MAX_LINES: usize = 4096;
/// A `foreach` goes over so many words, and so deep one stands in another.
const MAX_ROUNDS: usize = 64;
const MAX_NESTED: usize = 3;

/// The value of a function's call, `addprefix build-,$(IMAGES)`; nothing where it is none that is known here.
pub fn value(call: &str, variables: &Variables, depth: usize) -> Option<String> {
    if let Some((name, change)) = call.split_once(':')
        && let (Some(value), Some((from, to))) = (variables.get(name), change.split_once('='))
    {
        let value = filled(value, variables, depth);
        let (from, to) = match from.contains('%') {
            true => (from.to_owned(), to.to_owned()),
            false => (format!("%{from}"), format!("%{to}")),
        };
        return known(each(&value, |word| pattern(word, &from, &to)));
    }
    let (name, rest) = call.split_once([' ', '\t'])?;
    let arguments: Vec<&str> = arguments(rest);
    if name == "foreach" {
        let [variable, words, body] = arguments.as_slice() else { return None };
        if depth > MAX_NESTED {
            return None;
        }
        let words = known(filled(words, variables, depth))?;
        let mut within = variables.clone();
        let rounds = words.split_whitespace().take(MAX_ROUNDS).map(|word| {
            within.insert(variable.trim().to_owned(), word.to_owned());
            filled(body, &within, depth)
        });
        return known(rounds.collect::<Vec<_>>().join(" "));
    }
    let arguments: Vec<String> =
        arguments.into_iter().map(|argument| filled(argument, variables, depth)).collect();
    let texts: Vec<&str> = arguments.iter().map(String::as_str).collect();
    let value = match (name, texts.as_slice()) {
        ("addprefix", [before, words]) => each(words, |word| format!("{before}{word}")),
        ("addsuffix", [after, words]) => each(words, |word| format!("{word}{after}")),
        ("patsubst", [from, to, words]) => each(words, |word| pattern(word, from.trim(), to.trim())),
        ("subst", [from, to, text]) if !from.is_empty() => text.replace(from, to),
        ("strip", [text]) => each(text, str::to_owned),
        ("sort", [words]) => {
            let sorted: std::collections::BTreeSet<&str> = words.split_whitespace().collect();
            sorted.into_iter().collect::<Vec<_>>().join(" ")
        }
        ("notdir", [words]) => each(words, |word| word.rsplit('/').next().unwrap_or_default().to_owned()),
        ("dir", [words]) => each(words, |word| {
            word.rsplit_once('/').map_or("./".to_owned(), |(directory, _)| format!("{directory}/"))
        }),
        _ => return None,
    };
    known(value)
}

/// A text in which nothing is unknown.
fn known(text: String) -> Option<String> {
    (!text.contains('$')).then_some(text)
}

fn each(words: &str, change: impl Fn(&str) -> String) -> String {
    words.split_whitespace().map(change).collect::<Vec<_>>().join(" ")
}

fn pattern(word: &str, from: &str, to: &str) -> String {
    let Some((before, after)) = from.split_once('%') else {
        return if word == from { to.to_owned() } else { word.to_owned() };
    };
    let stem = word.strip_prefix(before).and_then(|rest| rest.strip_suffix(after));
    stem.map_or_else(|| word.to_owned(), |stem| to.replacen('%', stem, 1))
}

/// Arguments by commas that stand in no bracket.
fn arguments(text: &str) -> Vec<&str> {
    let (mut parts, mut start, mut deep) = (Vec::new(), 0, 0_i32);
    for (at, character) in text.char_indices() {
        match character {
            '(' | '{' => deep += 1,
            ')' | '}' => deep -= 1,
            ',' if deep == 0 => {
                parts.push(&text[start..at]);
                start = at + 1;
            }
            _ => {}
        }
    }
    parts.push(&text[start..]);
    parts
}

/// The lines with those that `$(eval $(call TEMPLATE,…))` makes of a `define`, in place of the template.
pub fn called(lines: Vec<Line>, variables: &Variables) -> Vec<Line> {
    let mut templates: BTreeMap<String, Vec<Line>> = BTreeMap::new();
    let mut plain = Vec::new();
    let mut open: Option<String> = None;
    for line in lines {
        let text = line.text.trim();
        match (&open, text.strip_prefix("define ")) {
            (Some(_), _) if text == "endef" => open = None,
            (Some(name), _) => templates.entry(name.clone()).or_default().push(line),
            (None, Some(name)) => {
                open = Some(name.trim_end_matches(['=', ':', '?', ' ']).trim().to_owned());
            }
            (None, None) => plain.push(line),
        }
    }
    if templates.is_empty() {
        return plain;
    }
    let mut made = Vec::new();
    for line in plain {
        if line.text.trim_start().starts_with("$(")
            && line.text.contains("eval")
            && !line.text.starts_with('\t')
        {
            evaluate(line.text.trim(), variables, &templates, &mut made, 0);
        } else {
            made.push(line);
        }
    }
    made
}

/// `$(foreach V,WORDS,$(eval $(call NAME,…)))`, in any depth of `foreach`.
fn evaluate(
    text: &str,
    variables: &Variables,
    templates: &BTreeMap<String, Vec<Line>>,
    made: &mut Vec<Line>,
    depth: usize,
) {
    let inner = |text: &str| {
        let text = text.trim().strip_prefix('$')?.to_owned();
        let end = closing(&text)?;
        Some(text[1..end].trim().to_owned())
    };
    let Some(call) = inner(text).filter(|_| depth < 2 * MAX_NESTED && made.len() < MAX_LINES) else { return };
    let Some((name, rest)) = call.split_once([' ', '\t']) else { return };
    match name {
        "eval" => evaluate(rest, variables, templates, made, depth + 1),
        "foreach" => {
            let parts = arguments(rest);
            let [variable, words, body] = parts.as_slice() else { return };
            let words = filled(words, variables, 0);
            let mut within = variables.clone();
            for word in words.split_whitespace().filter(|word| !word.contains('$')).take(MAX_ROUNDS) {
                within.insert(variable.trim().to_owned(), word.to_owned());
                evaluate(body, &within, templates, made, depth + 1);
            }
        }
        "call" => {
            let parts = arguments(rest);
            let Some((template, given)) = parts.split_first() else { return };
            for line in templates.get(template.trim()).into_iter().flatten() {
                let mut text = line.text.clone();
                for (at, argument) in given.iter().enumerate() {
                    let argument = filled(argument, variables, 0);
                    for form in [format!("$({})", at + 1), format!("${{{}}}", at + 1), format!("${}", at + 1)]
                    {
                        text = text.replace(&form, argument.trim());
                    }
                }
                made.push(line.saying(text.replace("$$", "$")));
            }
        }
        _ => {}
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn functions_of_names() {
        let variables = Variables::from([("I".to_owned(), "a b/c".to_owned())]);
        let check = |call: &str, expected: &str| assert_eq!(filled(call, &variables, 0), expected, "{call}");
        check("$(addprefix build-,$(I))", "build-a build-b/c");
        check("$(addsuffix .x, $(I))", "a.x b/c.x");
        check("$(I:%=x-%) $(I:c=d)", "x-a x-b/c a b/d");
        check("$(patsubst a%,z%,a1 $(I))", "z1 z b/c");
        check("$(foreach i,$(I),$(i).$(notdir $(i)))", "a.a b/c.c");
        check("$(subst /,-,$(I)) $(sort b a b) $(dir $(I))", "a b-c a b ./ b/");
        let mut deep = "x".to_owned();
        for _ in 0..40 {
            deep = format!("$(foreach i,1 2 3 4 5 6 7 8 9,{deep})");
        }
        check(&deep, &deep);
        check("$(addprefix x,$(shell ls)) $(wildcard *)", "$(addprefix x,$(shell ls)) $(wildcard *)");
    }
}
