//! Walking a script's tree: which variables it uses, and which it sets.

use std::collections::BTreeSet;

use super::syntax::*;
use crate::source::Span;

/// The variables of a script.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Names {
    /// Uses, in order: the name, where, and whether it may be unset there (`${V:-x}`).
    pub used: Vec<(String, Span, bool)>,
    /// Names that it sets somewhere.
    pub set: BTreeSet<String>,
}

impl Script {
    /// The variables that the script uses and sets. Scripts within quotes are not looked at.
    pub fn names(&self) -> Names {
        let mut names = Names::default();
        names.list(&self.list);
        names
    }
}

impl Names {
    fn list(&mut self, list: &List) {
        for item in &list.items {
            self.pipeline(&item.first);
            item.rest.iter().for_each(|(_, pipeline)| self.pipeline(pipeline));
        }
    }

    fn pipeline(&mut self, pipeline: &Pipeline) {
        pipeline.commands.iter().for_each(|command| self.command(command));
    }

    fn command(&mut self, command: &Command) {
        match command {
            Command::Function(_, body) => self.command(body),
            Command::Compound(compound, redirects) => {
                redirects.iter().for_each(|redirect| self.word(&redirect.target));
                self.compound(compound);
            }
            Command::Simple(simple) => {
                for assignment in &simple.assignments {
                    assignment.value.iter().for_each(|word| self.word(word));
                    self.set.insert(assignment.name.clone());
                }
                simple.words.iter().for_each(|word| self.word(word));
                simple.redirects.iter().for_each(|redirect| self.word(&redirect.target));
                self.declared(simple);
            }
        }
    }

    /// `export NAME=x`, `read NAME`, `printf -v NAME`, `getopts s NAME`.
    fn declared(&mut self, simple: &Simple) {
        let program = simple.words.first().and_then(Word::bare).unwrap_or_default();
        let declares = [
            "export",
            "local",
            "declare",
            "typeset",
            "readonly",
            "read",
            "mapfile",
            "readarray",
            "getopts",
            "printf",
        ];
        if !declares.contains(&program) {
            return;
        }
        for word in &simple.words[1..] {
            let first = match word.parts.first().map(|part| &part.kind) {
                Some(PartKind::Text(text)) => text.as_str(),
                _ => continue,
            };
            let name = first.split('=').next().unwrap_or_default();
            if name.chars().all(|next| next.is_ascii_alphanumeric() || next == '_') && !name.is_empty() {
                self.set.insert(name.to_owned());
            }
        }
    }

    fn compound(&mut self, compound: &Compound) {
        match compound {
            Compound::Group(list) | Compound::Subshell(list) => self.list(list),
            Compound::If(branches, otherwise) => {
                for (condition, list) in branches {
                    self.list(condition);
                    self.list(list);
                }
                otherwise.iter().for_each(|list| self.list(list));
            }
            Compound::For(name, words, list) => {
                self.set.insert(name.clone());
                words.iter().flatten().for_each(|word| self.word(word));
                self.list(list);
            }
            Compound::While(condition, list) => {
                self.list(condition);
                self.list(list);
            }
            Compound::Case(word, arms) => {
                self.word(word);
                for (patterns, list) in arms {
                    patterns.iter().for_each(|pattern| self.word(pattern));
                    self.list(list);
                }
            }
            Compound::Test(words, _) => words.iter().for_each(|word| self.word(word)),
            Compound::Arithmetic(_) => {}
        }
    }

    fn word(&mut self, word: &Word) {
        for part in &word.parts {
            match &part.kind {
                PartKind::Text(_) | PartKind::Arithmetic => {}
                PartKind::Command(list) => self.list(list),
                PartKind::Parameter(parameter) => {
                    let guarded = matches!(
                        parameter.operator,
                        Operator::Default(_)
                            | Operator::Assign(_)
                            | Operator::Alternative(_)
                            | Operator::Require(_)
                    );
                    self.used.push((parameter.name.clone(), part.span, guarded));
                    if matches!(parameter.operator, Operator::Assign(_)) {
                        self.set.insert(parameter.name.clone());
                    }
                    parameter.word.iter().chain(&parameter.more).for_each(|word| self.word(word));
                }
            }
        }
    }
}
