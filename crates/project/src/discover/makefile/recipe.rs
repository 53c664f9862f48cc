//! Recipes as a shell gets them: with the automatic variables of their targets, and loops unrolled.

use std::collections::BTreeSet;

use regex::{Captures, Regex};

use super::text::{Variables, filled};
use crate::Files;
use crate::discover::is_dockerfile;
use crate::files::{file_name, parent};

/// Of one rule so many targets are followed, and so many rounds of a loop.
const MAX_ROUNDS: usize = 256;

/// What a line has the shell run: a recipe's line, or what follows the semicolon of a rule.
pub fn recipe(line: &str) -> Option<&str> {
    if line.starts_with('\t') {
        return Some(line);
    }
    let (rule, recipe) = line.split_once(';')?;
    (rule.contains(':') && !rule.contains(['=', '#'])).then_some(recipe)
}

/// The rule that recipes belong to.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Rule {
    /// Each target, with what its `%` stands for where the rule says.
    targets: Vec<(String, Option<String>)>,
    needs: Vec<String>,
}

impl Rule {
    /// The rule that a line begins.
    pub fn of(line: &str, variables: &Variables) -> Option<Rule> {
        let line = line.split([';', '#']).next().unwrap_or_default();
        let (left, right) = line.split_once(':')?;
        if line.starts_with(['\t', '.']) || left.contains('=') || right.starts_with(['=', ':']) {
            return None;
        }
        let filled_right = filled(right, variables, 0);
        let left = filled(left, variables, 0);
        let pattern = filled_right.split_once(':').filter(|(pattern, _)| pattern.contains('%'));
        let stem = |target: &str| {
            let (before, after) = pattern?.0.trim().split_once('%')?;
            Some(target.strip_prefix(before)?.strip_suffix(after)?.to_owned())
        };
        let targets =
            left.split_whitespace().take(MAX_ROUNDS).map(|word| (word.to_owned(), stem(word))).collect();
        let needs = pattern.map_or(filled_right.as_str(), |(_, needs)| needs);
        // `target: NAME = value` gives it a variable.
        let needs = if needs.contains('=') { "" } else { needs };
        let needs = needs.split_whitespace().filter(|need| *need != "|").map(str::to_owned).collect();
        Some(Rule { targets, needs })
    }

    /// The targets, as they are written.
    pub fn targets(&self) -> impl Iterator<Item = &str> {
        self.targets.iter().map(|(target, _)| target.as_str())
    }

    /// What they need, in order.
    pub fn needs(&self) -> &[String] {
        &self.needs
    }

    /// Whether it is for targets that it does not name.
    pub fn is_pattern(&self) -> bool {
        self.targets.iter().any(|(target, stem)| stem.is_none() && target.contains('%'))
    }

    /// A recipe for each target, with that target, where it says which it is for; for a pattern, for each directory with a
    /// Dockerfile.
    pub fn scripts(&self, files: &dyn Files, recipe: &str) -> Vec<(Option<String>, String)> {
        let automatic = ["$@", "$*", "$<", "$(@)", "$(*)", "$(<)", "${@}", "${*}", "${<}"];
        if !automatic.iter().any(|name| recipe.contains(name)) {
            return vec![(None, recipe.to_owned())];
        }
        let mut scripts = Vec::new();
        for (target, stem) in &self.targets {
            let stems: Vec<String> = match stem {
                Some(stem) => vec![stem.clone()],
                None if target.contains('%') => directories(files),
                None => vec![String::new()],
            };
            for stem in stems {
                let values = [
                    ('@', target.replace('%', &stem)),
                    ('*', stem.clone()),
                    ('<', self.needs.first().map_or(String::new(), |need| need.replace('%', &stem))),
                ];
                // `$$` is the shell's own.
                let mut script = recipe.replace("$$", "\u{1}");
                for (name, value) in &values {
                    for form in [format!("$({name})"), format!("${{{name}}}"), format!("${name}")] {
                        script = script.replace(&form, value);
                    }
                }
                scripts.push((Some(target.replace('%', &stem)), script.replace('\u{1}', "$$")));
            }
        }
        scripts.truncate(MAX_ROUNDS);
        scripts
    }
}

/// The names of directories that hold a Dockerfile.
fn directories(files: &dyn Files) -> Vec<String> {
    let holding = files.list().iter().filter(|path| is_dockerfile(file_name(path))).map(|path| parent(path));
    let names: BTreeSet<&str> = holding.map(file_name).filter(|name| !name.is_empty()).collect();
    names.into_iter().take(MAX_ROUNDS).map(str::to_owned).collect()
}

/// A script whose `for NAME in WORDS; do …; done` are written out, each round in a subshell.
pub fn unrolled(script: &str) -> String {
    const LOOP: &str =
        r"(?s)\bfor\s+([A-Za-z_][A-Za-z0-9_]*)\s+in\s+([^;\n]*?)\s*[;\n]\s*do\b(.*?)[;\n]\s*done\b";
    let Some(pattern) = script.contains("for ").then(|| Regex::new(LOOP).ok()).flatten() else {
        return script.to_owned();
    };
    let round = |captures: &Captures<'_>| {
        let (name, body) = (&captures[1], &captures[3]);
        let items = captures[2].split_whitespace().take(MAX_ROUNDS);
        let rounds = items.map(|item| {
            let item = item.trim_matches(['"', '\'']).trim_end_matches('/');
            let braces = body.replace(&format!("${{{name}}}"), item);
            format!("({})", braces.replace(&format!("${name}"), item))
        });
        rounds.collect::<Vec<_>>().join(";")
    };
    pattern.replace_all(script, round).into_owned()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::files::Memory;

    #[test]
    fn recipes_are_for_their_targets() {
        let files = Memory::parse("//- /i/a/Dockerfile\n//- /i/b/Containerfile\n//- /c/x\n");
        let scripts = |rule: &str, recipe: &str| {
            let rule = Rule::of(rule, &Variables::new()).unwrap_or_default();
            rule.scripts(&files, recipe).into_iter().map(|(_, script)| script).collect::<Vec<_>>()
        };
        assert_eq!(
            scripts("x y: base", "build -t $@ $$@ $<"),
            ["build -t x $$@ base", "build -t y $$@ base"]
        );
        assert_eq!(scripts("build-%:", "$(@) i/$*"), ["build-a i/a", "build-b i/b"]);
        assert_eq!(scripts("i-1 i-2: i-%: f-%", "$* $<"), ["1 f-1", "2 f-2"]);
        assert_eq!(scripts("all: a", "make"), ["make"]);
        assert_eq!(Rule::of("A := b", &Variables::new()), None);
        assert_eq!(Rule::of(".PHONY: b", &Variables::new()), None);
    }

    #[test]
    fn loops_are_written_out() {
        assert_eq!(
            unrolled("for i in a b/; do build -t x/$i ${i}; done; push"),
            "( build -t x/a a);( build -t x/b b); push"
        );
        assert_eq!(unrolled("echo for all"), "echo for all");
    }
}
