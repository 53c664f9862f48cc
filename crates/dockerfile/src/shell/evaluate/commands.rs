//! Lists, pipelines, compound commands, and what the shell's own commands change.

use super::Evaluation;
use super::prefix::{self, Inner};
use super::state::{Pipelines, State, Way};
use super::value::{Piece, Value};
use super::{Invocation, RedirectTo};
use crate::shell::mapped::Mapped;
use crate::shell::parser::Parser;
use crate::shell::syntax::*;

/// Words of a `for` that are followed one by one.
const MAX_ROUNDS: usize = 24;

impl<'s> State<'s> {
    pub fn list(&mut self, list: &'s List, script: &'s Script) {
        for item in &list.items {
            self.and_or(item, script);
        }
    }

    fn and_or(&mut self, item: &'s AndOr, script: &'s Script) {
        // `a || true`: whatever stands before the last `||` may fail, unless what follows gives up too.
        let last_or = item.rest.iter().rposition(|(join, pipeline)| *join == Join::Or && !gives_up(pipeline));
        let pipelines = std::iter::once((Join::And, &item.first))
            .chain(item.rest.iter().map(|(join, next)| (*join, next)));
        let mut after_test = false;
        for (index, (join, pipeline)) in pipelines.enumerate() {
            let forgiven = last_or.is_some_and(|last| index <= last)
                || after_test && join == Join::And && is_test(pipeline);
            let conditional = join == Join::Or || after_test;
            self.forgiven += usize::from(forgiven || item.background);
            self.conditional += usize::from(conditional);
            self.pipeline(pipeline, script);
            self.conditional -= usize::from(conditional);
            self.forgiven -= usize::from(forgiven || item.background);
            after_test = is_test(pipeline);
        }
    }

    fn pipeline(&mut self, pipeline: &'s Pipeline, script: &'s Script) {
        let outer = self.pipeline;
        let number = outer.last + 1;
        self.pipeline.last = number;
        self.forgiven += usize::from(pipeline.negated);
        let stages = pipeline.commands.len();
        for (stage, command) in pipeline.commands.iter().enumerate() {
            let fed_by = if stage > 0 { Some(number) } else { outer.fed_by };
            let last = self.pipeline.last;
            self.pipeline = Pipelines { last, stage, stages, current: number, span: pipeline.span, fed_by };
            if stages > 1 {
                self.in_subshell(|state| state.command(command, script));
            } else {
                self.command(command, script);
            }
        }
        self.forgiven -= usize::from(pipeline.negated);
        self.pipeline = Pipelines { last: self.pipeline.last, ..outer };
    }

    fn command(&mut self, command: &'s Command, script: &'s Script) {
        if !self.step() {
            return;
        }
        match command {
            Command::Simple(simple) => self.simple(simple, script),
            Command::Function(name, body) => {
                self.functions.insert(name.clone(), body);
            }
            Command::Compound(compound, redirects) => {
                let before = self.around.len();
                for redirect in redirects {
                    let redirect = self.redirect(redirect, script);
                    self.around.push(redirect);
                }
                self.compound(compound, script);
                self.around.truncate(before);
            }
        }
    }

    fn compound(&mut self, compound: &'s Compound, script: &'s Script) {
        match compound {
            Compound::Group(list) => self.list(list, script),
            Compound::Subshell(list) => self.in_subshell(|state| state.list(list, script)),
            Compound::If(branches, otherwise) => {
                let mut ways: Vec<Way<'_, 's>> = Vec::new();
                for (condition, list) in branches {
                    ways.push(Box::new(move |state: &mut Self| {
                        state.condition(condition, script);
                        state.list(list, script);
                    }));
                }
                if let Some(list) = otherwise {
                    ways.push(Box::new(move |state: &mut Self| state.list(list, script)));
                }
                self.branches(ways, otherwise.is_none());
            }
            Compound::While(condition, list) => {
                let way = move |state: &mut Self| {
                    state.condition(condition, script);
                    state.list(list, script);
                };
                self.branches(vec![Box::new(way)], true);
            }
            Compound::For(name, words, list) => self.for_loop(name, words.as_deref(), list, script),
            Compound::Case(word, arms) => {
                let value = self.value(word, script);
                let fits: Vec<Option<bool>> =
                    arms.iter().map(|(patterns, _)| self.case_fits(&value, patterns, script)).collect();
                let certain = fits.iter().position(|fits| *fits == Some(true));
                let certain = certain.filter(|at| fits[..*at].iter().all(|fits| *fits == Some(false)));
                if let Some(at) = certain {
                    return self.list(&arms[at].1, script);
                }
                let mut ways: Vec<Way<'_, 's>> = Vec::new();
                for ((_, list), fits) in arms.iter().zip(fits) {
                    if fits != Some(false) {
                        ways.push(Box::new(move |state: &mut Self| state.list(list, script)));
                    }
                }
                let all = arms
                    .iter()
                    .any(|(patterns, _)| patterns.iter().any(|pattern| pattern.bare() == Some("*")));
                self.branches(ways, !all);
            }
            Compound::Test(words, _) => {
                for word in words {
                    self.value(word, script);
                }
            }
            Compound::Arithmetic(_) => {}
        }
    }

    fn condition(&mut self, list: &'s List, script: &'s Script) {
        self.forgiven += 1;
        self.list(list, script);
        self.forgiven -= 1;
    }

    /// Whether a word fits one of the patterns; nothing where that is not known.
    fn case_fits(&mut self, value: &Value, patterns: &'s [Word], script: &'s Script) -> Option<bool> {
        let mut all_known = true;
        for pattern in patterns {
            let pattern = self.value(pattern, script);
            match (value.known(), pattern.known()) {
                (_, Some("*")) => return Some(true),
                (Some(text), Some(pattern)) if !pattern.contains(['*', '?', '[']) => {
                    if text == pattern {
                        return Some(true);
                    }
                }
                _ => all_known = false,
            }
        }
        all_known.then_some(false)
    }

    fn for_loop(&mut self, name: &str, words: Option<&'s [Word]>, list: &'s List, script: &'s Script) {
        let mut rounds = Vec::new();
        for word in words.unwrap_or_default() {
            rounds.extend(self.words(word, script));
        }
        let known: Option<Vec<String>> =
            rounds.iter().map(|round| round.known().map(str::to_owned)).collect();
        let globs = |word: &String| word.contains(['*', '?', '[']);
        match known.filter(|known| words.is_some() && known.len() <= MAX_ROUNDS && !known.iter().any(globs)) {
            Some(known) => {
                for word in known {
                    self.set(name, Some(word));
                    self.list(list, script);
                }
            }
            None => {
                let way = move |state: &mut Self| {
                    state.set(name, None);
                    state.list(list, script);
                };
                self.branches(vec![Box::new(way)], true);
            }
        }
    }

    fn redirect(&mut self, redirect: &'s Redirect, script: &'s Script) -> RedirectTo {
        let target = self.value(&redirect.target, script);
        RedirectTo { descriptor: redirect.descriptor, kind: redirect.kind, target, span: redirect.span }
    }

    fn simple(&mut self, simple: &'s Simple, script: &'s Script) {
        let mut assignments = Vec::new();
        for assignment in &simple.assignments {
            let mut value = Value::empty(assignment.span);
            for (index, word) in assignment.value.iter().enumerate() {
                if index > 0 {
                    value.push(Piece::Known(" ".into()));
                }
                let part = self.value(word, script);
                if !assignment.array {
                    value = part;
                    continue;
                }
                part.pieces.into_iter().for_each(|piece| value.push(piece));
            }
            if simple.words.is_empty() {
                let before = match (assignment.append, self.lookup(&assignment.name)) {
                    (false, _) | (true, super::expand::Lookup::Unset) => Some(String::new()),
                    (true, super::expand::Lookup::Known(text)) => Some(text),
                    (true, super::expand::Lookup::Unknown) => None,
                };
                let joined = before.zip(value.known()).map(|(before, own)| before + own);
                self.set(&assignment.name, joined);
            }
            assignments.push((assignment.name.clone(), value));
        }
        let mut words = Vec::new();
        for word in &simple.words {
            words.extend(self.words(word, script));
        }
        let mut invocation = self.invocation(words, simple.span);
        invocation.assignments = assignments;
        for redirect in &simple.redirects {
            invocation.stdin = self.stdin(redirect, script).or(invocation.stdin);
            let redirect = self.redirect(redirect, script);
            invocation.redirects.push(redirect);
        }
        self.run(invocation, script);
    }

    /// The document or string that a redirection gives to read.
    fn stdin(&mut self, redirect: &'s Redirect, script: &'s Script) -> Option<Value> {
        match redirect.kind {
            RedirectKind::String => Some(self.value(&redirect.target, script)),
            RedirectKind::Document(index) => {
                let document = script.documents.get(index)?;
                if !document.expand || !document.text.contains(['$', '`', '\\']) {
                    return Some(Value::known_text(document.text.clone(), document.span));
                }
                let mapped = Mapped::plain(document.text.clone(), document.span.start);
                let word = Parser::new(&mapped).document();
                let own = Script::default();
                let mut inner =
                    State::new(Evaluation { variables: self.variables.clone(), ..Evaluation::default() });
                let value = inner.value(&word, &own);
                Some(Value { span: document.span, ..value })
            }
            _ => None,
        }
    }

    /// Looks through what only runs other commands, follows the shell's own, and notes the rest.
    fn run(&mut self, mut invocation: Invocation, script: &'s Script) {
        loop {
            match prefix::look(&invocation) {
                Inner::None => break,
                Inner::Command { words, assignments } => {
                    let program = invocation.program().unwrap_or_default().to_owned();
                    invocation.through.push(program);
                    invocation.assignments.extend(assignments);
                    invocation.words = words;
                }
                Inner::Script(text, options) => {
                    // The shell itself is noted too: `curl ... | sh` is about it.
                    let program = invocation.program().unwrap_or_default().to_owned();
                    self.script_within(&invocation, program, text, options, script);
                    return;
                }
                Inner::Also(words) => {
                    let mut other = invocation.clone();
                    other.through.push(invocation.program().unwrap_or_default().to_owned());
                    other.words = words;
                    self.invocations.push(invocation);
                    return self.run(other, script);
                }
            }
            if !self.step() {
                return;
            }
        }
        if let Some(name) = invocation.words.first().and_then(Value::known)
            && let Some(body) = self.functions.get(name).copied()
        {
            return self.call(body, &invocation, script);
        }
        self.builtin(&invocation);
        self.invocations.push(invocation);
    }

    fn call(&mut self, body: &'s Command, invocation: &Invocation, script: &'s Script) {
        if !self.enter() {
            return;
        }
        let saved: Vec<(String, Option<Option<String>>)> = (1..10)
            .map(|index: usize| (index.to_string(), self.variables.get(&index.to_string()).cloned()))
            .collect();
        for (index, (name, _)) in saved.iter().enumerate() {
            let value = invocation.words.get(index + 1);
            let value = value.map_or(Some(String::new()), |value| value.known().map(str::to_owned));
            self.set(name, value);
        }
        let around = self.around.len();
        self.around.extend(invocation.redirects.get(around..).unwrap_or_default().to_vec());
        self.command(body, script);
        self.around.truncate(around);
        for (name, value) in saved {
            match value {
                Some(value) => self.set(&name, value),
                None => drop(self.variables.remove(&name)),
            }
        }
        self.depth -= 1;
    }

    /// `sh -c`: a script of its own, in a shell of its own.
    fn script_within(
        &mut self,
        invocation: &Invocation,
        program: String,
        text: Value,
        options: super::ShellOptions,
        script: &'s Script,
    ) {
        let Some(known) = text.known().filter(|_| self.depth < 8) else {
            self.invocations.push(invocation.clone());
            return;
        };
        if !self.enter() {
            return;
        }
        let place = text.inner_span();
        let broken = script.quoted.iter().find(|(span, mapped)| *span == place && mapped.text == known);
        let mapped = match broken {
            Some((_, mapped)) => mapped.clone(),
            None if place.end - place.start == known.len() => Mapped::plain(known, place.start),
            None => Mapped::made(known, text.span),
        };
        let inner = crate::shell::parse(&mapped);
        let mut variables = self.variables.clone();
        for (name, value) in &invocation.assignments {
            variables.insert(name.clone(), value.known().map(str::to_owned));
        }
        let start = Evaluation { variables, options, directory: self.directory.clone() };
        let mut state = State::new(start);
        state.depth = self.depth;
        state.steps = self.steps;
        state.around = invocation.redirects.clone();
        state.through = invocation.through.clone();
        state.through.push(program.clone());
        state.pipeline = self.pipeline;
        (state.conditional, state.forgiven, state.substituted) =
            (self.conditional, self.forgiven, self.substituted);
        state.list(&inner.list, &inner);
        self.steps = state.steps;
        self.pipeline.last = state.pipeline.last;
        self.truncated |= state.truncated;
        self.invocations.append(&mut state.invocations);
        if program == "eval" {
            (self.variables, self.directory, self.options) =
                (state.variables, state.directory, state.options);
        }
        self.depth -= 1;
    }

    fn builtin(&mut self, invocation: &Invocation) {
        let arguments = invocation.arguments();
        match invocation.words.first().and_then(Value::known) {
            Some("cd" | "pushd" | "chdir") => {
                let target =
                    arguments.iter().find(|word| !word.text().starts_with('-') || word.text() == "-");
                self.directory = match target.map(|target| target.known()) {
                    Some(Some(path)) if path != "-" => joined(self.directory.as_deref(), path),
                    _ => None,
                };
            }
            Some("popd") => self.directory = None,
            Some("export" | "readonly" | "local" | "declare" | "typeset") => {
                for word in arguments {
                    if let Some((name, value)) = word.split_once('=')
                        && let Some(name) = name.known()
                    {
                        self.set(name, value.known().map(str::to_owned));
                    }
                }
            }
            Some("unset") => {
                for name in arguments.iter().filter_map(Value::known) {
                    self.variables.remove(name);
                    self.functions.remove(name);
                }
            }
            Some("read" | "mapfile" | "readarray") => {
                for name in arguments.iter().filter_map(Value::known).filter(|name| !name.starts_with('-')) {
                    self.set(name, None);
                }
            }
            Some("." | "source") => {
                // What the file sets is not known: what is known stays likely.
            }
            Some("set") => self.set_options(arguments),
            Some("shift") => (1..10).for_each(|index: usize| self.set(&index.to_string(), None)),
            _ => {}
        }
    }

    fn set_options(&mut self, arguments: &[Value]) {
        let mut words = arguments.iter().filter_map(Value::known);
        while let Some(word) = words.next() {
            let (on, letters) = match word.as_bytes() {
                [b'-', b'-', ..] | [] => return,
                [b'-', ..] => (true, &word[1..]),
                [b'+', ..] => (false, &word[1..]),
                _ => return,
            };
            for letter in letters.chars() {
                match letter {
                    'e' => self.options.errexit = on,
                    'u' => self.options.nounset = on,
                    'o' => match words.next() {
                        Some("pipefail") => self.options.pipefail = on,
                        Some("errexit") => self.options.errexit = on,
                        Some("nounset") => self.options.nounset = on,
                        _ => {}
                    },
                    _ => {}
                }
            }
        }
    }
}

/// A path from a directory.
fn joined(directory: Option<&str>, path: &str) -> Option<String> {
    if path.starts_with('/') {
        return Some(path.to_owned());
    }
    let mut parts: Vec<&str> = directory?.split('/').filter(|part| !part.is_empty()).collect();
    for part in path.split('/') {
        match part {
            "" | "." => {}
            ".." => drop(parts.pop()),
            other => parts.push(other),
        }
    }
    Some(format!("/{}", parts.join("/")))
}

/// `exit 1`, `false`, `return 1` at the end of what follows `||`.
fn gives_up(pipeline: &Pipeline) -> bool {
    let Some(last) = pipeline.commands.last() else { return false };
    let list = match last {
        Command::Simple(simple) => {
            let words: Vec<Option<&str>> = simple.words.iter().map(Word::bare).collect();
            return match words.first() {
                Some(Some("exit" | "return")) => words.get(1) != Some(&Some("0")),
                Some(Some("false")) => true,
                _ => false,
            };
        }
        Command::Compound(Compound::Group(list) | Compound::Subshell(list), _) => list,
        _ => return false,
    };
    list.items
        .last()
        .is_some_and(|item| gives_up(item.rest.last().map_or(&item.first, |(_, pipeline)| pipeline)))
}

/// `[ ... ]`, `test ...`, `[[ ... ]]`.
fn is_test(pipeline: &Pipeline) -> bool {
    match pipeline.commands.as_slice() {
        [Command::Compound(Compound::Test(..), _)] => true,
        [Command::Simple(simple)] => {
            matches!(simple.words.first().and_then(Word::bare), Some("[" | "test"))
        }
        _ => false,
    }
}
