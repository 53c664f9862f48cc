//! Stages: variables, users, shells and directories followed from instruction to instruction.

use std::collections::{BTreeMap, BTreeSet};

use dockerfile::shell::{self, Evaluation, Mapped, ShellOptions, Value};
use dockerfile::{CommandLine, Dockerfile, Instruction, InstructionKind, Span, Stage, Word};

use project::WhichFrom;

use super::arguments::{ArgumentFacts, Declaration, Lost, Stray};
use super::scope::{PREDEFINED, Scope};
use super::{Base, BuildInput, ImageName, InstructionFacts, StageFacts};
use crate::facts::commands;

/// Reads all stages.
pub(super) fn read(tree: &Dockerfile, text: &str, input: &BuildInput) -> (Vec<StageFacts>, ArgumentFacts) {
    let mut reader = Reader {
        tree,
        text,
        input,
        escape: tree.directives.escape,
        globals: Scope::default(),
        defaults: BTreeMap::new(),
        arguments: ArgumentFacts::default(),
        stages: Vec::new(),
        ends: Vec::new(),
    };
    reader.globals();
    for (index, stage) in tree.stages.iter().enumerate() {
        reader.stage(index, stage);
    }
    reader.needed();
    (reader.stages, reader.arguments)
}

/// What a stage leaves to those built on it.
#[derive(Clone, Default)]
struct State {
    scope: Scope,
    user: Option<Value>,
    directory: Option<String>,
    shell: Option<Vec<String>>,
}

struct Reader<'a> {
    tree: &'a Dockerfile,
    text: &'a str,
    input: &'a BuildInput,
    escape: char,
    globals: Scope,
    /// Where the default of a global ARG stands.
    defaults: BTreeMap<String, Option<Span>>,
    arguments: ArgumentFacts,
    stages: Vec<StageFacts>,
    ends: Vec<State>,
}

impl Reader<'_> {
    fn globals(&mut self) {
        for name in PREDEFINED {
            self.globals.set_arg(name.to_owned(), None);
        }
        for instruction in &self.tree.global_args {
            let InstructionKind::Arg(declarations) = &instruction.kind else { continue };
            for declaration in declarations {
                let name = declaration.key.raw.clone();
                if let Some(default) = &declaration.default {
                    self.uses(default, None, &self.globals.clone());
                }
                let value =
                    declaration.default.as_ref().map(|default| self.globals.expand(default, self.escape));
                let value = match self.input.args.get(&name) {
                    Some(given) => Some(given.clone()),
                    None => value.and_then(|value| value.known().map(str::to_owned)),
                };
                self.globals.set_arg(name.clone(), value);
                self.defaults.insert(name.clone(), declaration.default.as_ref().map(|default| default.span));
                self.declare(name, declaration.key.span, None, declaration.default.is_some());
            }
        }
    }

    fn declare(&mut self, name: String, span: Span, stage: Option<usize>, defaulted: bool) {
        self.arguments.declarations.push(Declaration { name, span, stage, defaulted, used: false });
    }

    /// Notes that a name is used: in a stage and those it builds on, or among the globals.
    fn mark(&mut self, name: &str, stages: &[usize], global: bool) {
        for declaration in &mut self.arguments.declarations {
            let reaches = match declaration.stage {
                Some(stage) => stages.contains(&stage),
                None => global,
            };
            declaration.used |= declaration.name == name && reaches;
        }
    }

    /// The stages from which a stage has its variables, itself first.
    fn line(&self, index: usize) -> Vec<usize> {
        let mut line = vec![index];
        let mut next = index;
        while let Some(Base::Stage(base)) = self.stages.get(next).map(|stage| &stage.base) {
            if *base >= next {
                break;
            }
            next = *base;
            line.push(next);
        }
        line
    }

    /// Notes the variables that a word uses, and those that are not set.
    fn uses(&mut self, word: &Word, stage: Option<usize>, scope: &Scope) {
        for name in Scope::used(&word.raw, self.escape) {
            match stage {
                Some(index) => {
                    let line = self.line(index);
                    self.mark(&name, &line, false);
                }
                None => self.mark(&name, &[], true),
            }
            let set = scope.get(&name).is_some() || PREDEFINED.contains(&name.as_str());
            let guarded = [":-", ":+", "-", "+", ":?", "?"]
                .iter()
                .any(|sign| word.raw.contains(&format!("${{{name}{sign}")));
            if !set && !guarded {
                let lost = self.lost(&name, stage);
                self.arguments.strays.push(Stray { name, span: word.span, stage, lost });
            }
        }
    }

    /// Where a name that is not set here is declared.
    fn lost(&self, name: &str, stage: Option<usize>) -> Option<Lost> {
        let own = self.arguments.declarations.iter().rev().find(|declaration| declaration.name == name);
        let found = own.map(|declaration| declaration.stage.map_or(Lost::Global, Lost::Stage));
        let declares = |instruction: &Instruction| match &instruction.kind {
            InstructionKind::Arg(declarations) => declarations.iter().any(|own| own.key.raw == name),
            InstructionKind::Env(pairs) => pairs.iter().any(|pair| pair.key.raw == name),
            _ => false,
        };
        let of_tree = self.tree.stages.iter().position(|own| own.instructions.iter().any(declares));
        match (found, of_tree) {
            (_, Some(own)) if Some(own) == stage => Some(Lost::Later),
            (Some(found), _) => Some(found),
            (None, other) => other.map(Lost::Stage),
        }
    }

    fn stage(&mut self, index: usize, stage: &Stage) {
        let globals = self.globals.clone();
        self.uses(&stage.from.image, None, &globals);
        let mut image = globals.expand(&stage.from.image, self.escape);
        if let Some((which, name)) = &self.input.from {
            let replaced = match which {
                WhichFrom::First => index == 0,
                WhichFrom::Last => index + 1 == self.tree.stages.len(),
            };
            if replaced {
                image = Value::known_text(name.clone(), stage.from.image.span);
            }
        }
        let base = self.base(index, image, &stage.from.image);
        let mut state = match &base {
            Base::Stage(base) => self.ends.get(*base).cloned().unwrap_or_default(),
            _ => State::default(),
        };
        if matches!(base, Base::Scratch) {
            state.directory = Some("/".into());
        }
        for (name, value) in &self.input.env {
            state.scope.set_env(name.clone(), value.clone());
        }
        self.stages.push(StageFacts {
            index,
            name: stage.from.name.as_ref().map(|name| name.value.clone()),
            base,
            image_span: stage.from.image.span,
            last: index + 1 == self.tree.stages.len(),
            needed: false,
            shipped: false,
            instructions: Vec::new(),
            scope: Scope::default(),
        });
        for (number, instruction) in stage.instructions.iter().enumerate() {
            let facts = self.instruction(index, number, instruction, &mut state);
            self.stages[index].instructions.push(facts);
        }
        self.stages[index].scope = state.scope.clone();
        self.ends.push(state);
    }

    fn base(&self, index: usize, value: Value, word: &Word) -> Base {
        let known = value.known().map(str::to_owned);
        if known.as_deref() == Some("scratch") {
            return Base::Scratch;
        }
        // A stage's name wins; a number is an image here.
        let by_name = known.as_deref().and_then(|name| {
            self.stages[..index.min(self.stages.len())]
                .iter()
                .rposition(|stage| stage.name.as_ref().is_some_and(|own| own.eq_ignore_ascii_case(name)))
        });
        if let Some(stage) = by_name {
            return Base::Stage(stage);
        }
        let from_args = Scope::used(&word.raw, self.escape)
            .into_iter()
            .map(|name| {
                let place = self.defaults.get(&name).copied().flatten();
                (name, place)
            })
            .collect();
        Base::Image(Box::new(ImageName {
            reference: known.and_then(|name| name.parse().ok()),
            value,
            from_args,
        }))
    }

    fn instruction(
        &mut self,
        stage: usize,
        index: usize,
        instruction: &Instruction,
        state: &mut State,
    ) -> InstructionFacts {
        let mut facts = InstructionFacts {
            index,
            span: instruction.span,
            scope: state.scope.clone(),
            user: state.user.clone(),
            directory: state.directory.clone(),
            shell: state.shell.clone(),
            commands: Vec::new(),
            managers: Vec::new(),
            downloads: Vec::new(),
            script_errors: Vec::new(),
            truncated: false,
        };
        self.words_of(stage, instruction, state);
        match &instruction.kind {
            InstructionKind::Arg(declarations) => {
                for declaration in declarations {
                    let name = declaration.key.raw.clone();
                    let default = declaration.default.as_ref();
                    let own = default.map(|default| state.scope.expand(default, self.escape));
                    let value = match (self.input.args.get(&name), own) {
                        (Some(given), _) => Some(given.clone()),
                        (None, Some(own)) => own.known().map(str::to_owned),
                        (None, None) => self.globals.get(&name).flatten().map(str::to_owned),
                    };
                    if default.is_none() {
                        self.mark(&name, &[], true);
                    }
                    state.scope.set_arg(name.clone(), value);
                    self.declare(name, declaration.key.span, Some(stage), default.is_some());
                }
            }
            InstructionKind::Env(pairs) => {
                // All values of one ENV are expanded with what was set before it.
                let before = state.scope.clone();
                for pair in pairs {
                    let value = before.expand(&pair.value, self.escape);
                    state.scope.set_env(pair.key.raw.clone(), value.known().map(str::to_owned));
                }
            }
            InstructionKind::User(word) => state.user = Some(state.scope.expand(word, self.escape)),
            InstructionKind::Shell(words) => state.shell = Some(words.clone()),
            InstructionKind::Workdir(word) => {
                let path = state.scope.expand(word, self.escape);
                state.directory = match (path.known(), &state.directory) {
                    (Some(path), _) if path.starts_with('/') => Some(path.to_owned()),
                    (Some(path), Some(before)) => Some(format!("{}/{path}", before.trim_end_matches('/'))),
                    _ => None,
                };
            }
            InstructionKind::Run(run) => {
                if let CommandLine::Exec(words) = &run.command {
                    self.exec(words, instruction.span, state, &mut facts);
                } else if let Some(script) = shell::script_of(self.text, instruction, self.escape) {
                    self.script(stage, &script, state, &mut facts);
                }
                commands::read(&mut facts);
            }
            InstructionKind::Add(add) => {
                commands::read_add(add, &state.scope, self.escape, &mut facts);
            }
            _ => {}
        }
        facts
    }

    /// Notes the variables of an instruction's words.
    fn words_of(&mut self, stage: usize, instruction: &Instruction, state: &State) {
        let mut words: Vec<&Word> = Vec::new();
        match &instruction.kind {
            InstructionKind::Copy(copy) => {
                words.extend(&copy.sources);
                words.extend(
                    [Some(&copy.destination), copy.chown.as_ref(), copy.chmod.as_ref()].into_iter().flatten(),
                );
            }
            InstructionKind::Add(add) => {
                words.extend(&add.sources);
                let others =
                    [Some(&add.destination), add.chown.as_ref(), add.chmod.as_ref(), add.checksum.as_ref()];
                words.extend(others.into_iter().flatten());
            }
            InstructionKind::Env(pairs) | InstructionKind::Label(pairs) => {
                words.extend(pairs.iter().flat_map(|pair| [&pair.key, &pair.value]));
            }
            InstructionKind::Arg(declarations) => {
                words.extend(declarations.iter().filter_map(|declaration| declaration.default.as_ref()));
            }
            InstructionKind::User(word)
            | InstructionKind::Workdir(word)
            | InstructionKind::StopSignal(word) => words.push(word),
            InstructionKind::Expose(list) | InstructionKind::Volume(list) => words.extend(list),
            InstructionKind::Onbuild(onbuild) => return self.words_of(stage, &onbuild.trigger, state),
            _ => {}
        }
        for word in words {
            self.uses(word, Some(stage), &state.scope.clone());
        }
        if let InstructionKind::Run(run) = &instruction.kind {
            let values =
                run.mounts.iter().flat_map(|mount| &mount.fields).filter_map(|field| field.value.as_ref());
            let names: BTreeSet<String> = values.flat_map(|value| Scope::used(value, self.escape)).collect();
            let line = self.line(stage);
            names.iter().for_each(|name| self.mark(name, &line, false));
        }
        // The content of a document in COPY expands too.
        let documents = match &instruction.kind {
            InstructionKind::Copy(copy) => &copy.inline,
            InstructionKind::Add(add) => &add.inline,
            _ => return,
        };
        for document in documents.iter().filter(|document| document.expand) {
            let line = self.line(stage);
            Scope::used(&document.content, '\\').iter().for_each(|name| self.mark(name, &line, false));
        }
    }

    /// The exec form: one command, or `["sh", "-c", "..."]`.
    fn exec(&self, words: &[String], span: Span, state: &State, facts: &mut InstructionFacts) {
        let quoted: Vec<String> =
            words.iter().map(|word| format!("'{}'", word.replace('\'', r"'\''"))).collect();
        let mapped = Mapped::made(quoted.join(" "), span);
        let script = shell::parse(&mapped);
        let start = Evaluation {
            variables: state.scope.variables(),
            options: ShellOptions::default(),
            directory: state.directory.clone(),
        };
        let evaluated = shell::evaluate(&script, start);
        facts.commands = evaluated.invocations;
        facts.truncated = evaluated.truncated;
    }

    fn script(&mut self, stage: usize, mapped: &Mapped, state: &State, facts: &mut InstructionFacts) {
        let foreign = state.shell.as_ref().and_then(|shell| shell.first()).map(|program| {
            let program = program.rsplit(['/', '\\']).next().unwrap_or(program).to_ascii_lowercase();
            !["sh", "bash", "dash", "ash", "ksh", "zsh", "busybox", "env"].contains(&program.as_str())
        });
        if foreign == Some(true) {
            return;
        }
        let script = shell::parse(mapped);
        self.script_names(stage, &script, state);
        let start = Evaluation {
            variables: state.scope.variables(),
            options: shell_options(state.shell.as_deref()),
            directory: state.directory.clone(),
        };
        let evaluated = shell::evaluate(&script, start);
        facts.commands = evaluated.invocations;
        facts.truncated = evaluated.truncated;
        facts.script_errors = script.errors;
    }

    fn script_names(&mut self, stage: usize, script: &shell::Script, state: &State) {
        let names = script.names();
        let line = self.line(stage);
        let mut seen = BTreeSet::new();
        for (name, span, guarded) in names.used {
            self.mark(&name, &line, false);
            let set = state.scope.get(&name).is_some()
                || names.set.contains(&name)
                || PREDEFINED.contains(&name.as_str());
            if set || guarded || !seen.insert(name.clone()) {
                continue;
            }
            let lost = self.lost(&name, Some(stage));
            self.arguments.script_strays.push(Stray { name, span, stage: Some(stage), lost });
        }
    }

    /// Which stages the last one needs.
    fn needed(&mut self) {
        let Some(last) = self.stages.len().checked_sub(1) else { return };
        let mut waiting = vec![last];
        while let Some(index) = waiting.pop() {
            if std::mem::replace(&mut self.stages[index].needed, true) {
                continue;
            }
            if let Base::Stage(base) = self.stages[index].base {
                waiting.push(base);
            }
            for instruction in &self.tree.stages[index].instructions {
                for name in from_names(instruction) {
                    waiting.extend(self.tree.stage_index(name).filter(|other| *other < index));
                }
            }
        }
        for index in self.line(last) {
            self.stages[index].shipped = true;
        }
    }
}

/// The stages, images and contexts that an instruction copies or mounts from.
pub(crate) fn from_names(instruction: &Instruction) -> Vec<&str> {
    match &instruction.kind {
        InstructionKind::Copy(copy) => copy.from.iter().map(|from| from.raw.as_str()).collect(),
        InstructionKind::Run(run) => run.mounts.iter().filter_map(|mount| mount.from()).collect(),
        _ => Vec::new(),
    }
}

/// The options that SHELL gives: `["/bin/bash", "-eo", "pipefail", "-c"]`.
fn shell_options(shell: Option<&[String]>) -> ShellOptions {
    let mut options = ShellOptions::default();
    let mut words = shell.unwrap_or_default().iter().skip(1);
    while let Some(word) = words.next() {
        let Some(letters) = word.strip_prefix('-') else { continue };
        for letter in letters.chars() {
            match letter {
                'e' => options.errexit = true,
                'u' => options.nounset = true,
                'o' => match words.next().map(String::as_str) {
                    Some("pipefail") => options.pipefail = true,
                    Some("errexit") => options.errexit = true,
                    Some("nounset") => options.nounset = true,
                    _ => {}
                },
                _ => {}
            }
        }
    }
    options
}
