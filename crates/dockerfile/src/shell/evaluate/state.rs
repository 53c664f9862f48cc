//! What is known while a script is followed.

use std::collections::BTreeMap;

use super::expand::Lookup;
use super::value::Value;
use super::{Evaluated, Evaluation, Invocation, RedirectTo, ShellOptions, Variables};
use crate::shell::syntax::{Command, List, Script};
use crate::source::Span;

/// Commands looked at in one script, loops and functions counted each time.
const MAX_STEPS: usize = 20_000;

/// Functions within functions, scripts within scripts.
const MAX_DEPTH: usize = 12;

/// One of several ways that a script may go.
pub(super) type Way<'w, 's> = Box<dyn FnOnce(&mut State<'s>) + 'w>;

/// Follows a script.
pub(super) struct State<'s> {
    pub variables: Variables,
    pub options: ShellOptions,
    pub directory: Option<String>,
    pub functions: BTreeMap<String, &'s Command>,
    pub invocations: Vec<Invocation>,
    /// Redirections of the compound commands around.
    pub around: Vec<RedirectTo>,
    pub through: Vec<String>,
    pub pipeline: Pipelines,
    pub conditional: usize,
    pub forgiven: usize,
    pub substituted: usize,
    pub depth: usize,
    pub steps: usize,
    pub truncated: bool,
}

/// The pipeline that is followed.
#[derive(Clone, Copy, Default)]
pub(super) struct Pipelines {
    pub last: usize,
    pub stage: usize,
    pub stages: usize,
    pub current: usize,
    pub span: Span,
    pub fed_by: Option<usize>,
}

impl<'s> State<'s> {
    pub fn new(start: Evaluation) -> State<'s> {
        State {
            variables: start.variables,
            options: start.options,
            directory: start.directory,
            functions: BTreeMap::new(),
            invocations: Vec::new(),
            around: Vec::new(),
            through: Vec::new(),
            pipeline: Pipelines::default(),
            conditional: 0,
            forgiven: 0,
            substituted: 0,
            depth: 0,
            steps: 0,
            truncated: false,
        }
    }

    pub fn finish(self) -> Evaluated {
        Evaluated { invocations: self.invocations, variables: self.variables, truncated: self.truncated }
    }

    /// Whether one more command may be looked at.
    pub fn step(&mut self) -> bool {
        self.steps += 1;
        self.truncated |= self.steps > MAX_STEPS;
        self.steps <= MAX_STEPS
    }

    /// Goes into a function or a script within the script.
    pub fn enter(&mut self) -> bool {
        if self.depth >= MAX_DEPTH {
            self.truncated = true;
            return false;
        }
        self.depth += 1;
        true
    }

    pub fn count(&self) -> usize {
        self.invocations.len()
    }

    pub fn since(&self, first: usize) -> &[Invocation] {
        self.invocations.get(first..).unwrap_or_default()
    }

    pub fn lookup(&self, name: &str) -> Lookup {
        match self.variables.get(name) {
            Some(Some(text)) => Lookup::Known(text.clone()),
            Some(None) => Lookup::Unknown,
            None if name.starts_with(|first: char| first.is_ascii_alphabetic() || first == '_') => {
                Lookup::Unset
            }
            None => Lookup::Unknown,
        }
    }

    pub fn set(&mut self, name: &str, value: Option<String>) {
        if self.variables.len() < 10_000 || self.variables.contains_key(name) {
            self.variables.insert(name.to_owned(), value);
        }
    }

    /// Follows commands in a copy of the shell: what they set is forgotten.
    pub fn in_subshell(&mut self, follow: impl FnOnce(&mut Self)) {
        let (variables, directory, options) = (self.variables.clone(), self.directory.clone(), self.options);
        follow(self);
        (self.variables, self.directory, self.options) = (variables, directory, options);
    }

    pub fn in_substitution(&mut self, list: &'s List, script: &'s Script) {
        let (pipeline, around) = (self.pipeline, std::mem::take(&mut self.around));
        self.substituted += 1;
        self.pipeline.fed_by = None;
        self.in_subshell(|state| state.list(list, script));
        self.substituted -= 1;
        self.around = around;
        self.pipeline = Pipelines { last: self.pipeline.last, ..pipeline };
    }

    /// Follows several ways of which one is taken. What they leave different is not known afterwards.
    pub fn branches(&mut self, ways: Vec<Way<'_, 's>>, or_none: bool) {
        let before = (self.variables.clone(), self.directory.clone());
        let mut ends = Vec::new();
        self.conditional += 1;
        for way in ways {
            (self.variables, self.directory) = before.clone();
            way(self);
            ends.push((std::mem::take(&mut self.variables), self.directory.take()));
        }
        self.conditional -= 1;
        if or_none || ends.is_empty() {
            ends.push(before);
        }
        let mut ends = ends.into_iter();
        let Some((mut variables, mut directory)) = ends.next() else { return };
        for (other, elsewhere) in ends {
            for (name, value) in &mut variables {
                if other.get(name) != Some(value) {
                    *value = None;
                }
            }
            for (name, _) in other {
                variables.entry(name).or_insert(None);
            }
            if directory != elsewhere {
                directory = None;
            }
        }
        (self.variables, self.directory) = (variables, directory);
    }

    /// A command as it would run now.
    pub fn invocation(&self, words: Vec<Value>, span: Span) -> Invocation {
        Invocation {
            assignments: Vec::new(),
            words,
            through: self.through.clone(),
            redirects: self.around.clone(),
            stdin: None,
            span,
            pipeline: self.pipeline.current,
            stage: self.pipeline.stage,
            stages: self.pipeline.stages,
            fed_by: self.pipeline.fed_by,
            pipeline_span: self.pipeline.span,
            options: self.options,
            directory: self.directory.clone(),
            conditional: self.conditional > 0,
            forgiven: self.forgiven > 0,
            substituted: self.substituted > 0,
        }
    }
}
