//! BuildKit's check rules that need the whole file, and references between stages that cannot be right.

use std::collections::{HashMap, HashSet};

use super::line::Physical;
use super::sink::Sink;
use crate::check::Rule;
use crate::diagnostic::Diagnostic;
use crate::source::Span;
use crate::syntax::{CommandLine, Dockerfile, Instruction, InstructionKind, Stage, Word};

/// Looks at a whole file.
pub(super) fn lint(file: &Dockerfile, sink: &mut Sink) {
    stage_names(file, sink);
    casing(file, sink);
    let mut has_shell = HashMap::new();
    let references = References::new(file);
    for (current, stage) in file.stages.iter().enumerate() {
        let inherited = has_shell.get(&stage.from.image.raw.to_lowercase()).copied().unwrap_or(false);
        let has = commands(stage, inherited, sink);
        if let Some(name) = &stage.from.name {
            has_shell.insert(name.value.clone(), has);
        }
        for instruction in &stage.instructions {
            references.instruction(current, instruction, sink);
        }
    }
}

/// A comment above a definition describes it, and begins with its name. An experimental rule.
pub(super) fn description<'a>(
    instruction: &str,
    mut names: impl Iterator<Item = &'a str>,
    comments: &[Physical<'_>],
    sink: &mut Sink,
) {
    let Some(comment) = comments.last() else { return };
    let text = comment.text[1..].trim();
    let first = text.split(' ').next().unwrap_or_default();
    let Some(example) = names.next() else { return };
    if first == example || names.any(|name| name == first) {
        return;
    }
    let span = Span::new(comment.start, comment.start + comment.text.len());
    let message = format!("the comment above {instruction} should be `# {example} DESCRIPTION`");
    let found = Diagnostic::check(Rule::InvalidDefinitionDescription, span, message);
    sink.check_with(found.hint("an empty comment between them says that it is no description"));
}

fn stage_names(file: &Dockerfile, sink: &mut Sink) {
    let mut seen = HashSet::new();
    for stage in &file.stages {
        let Some(name) = &stage.from.name else { continue };
        if matches!(name.value.as_str(), "scratch" | "context") {
            let message = format!("the stage name `{}` is reserved", name.value);
            sink.check(Rule::ReservedStageName, name.span, message);
        }
        if !seen.insert(name.value.as_str()) {
            let message = format!("duplicate stage name `{}`", name.value);
            let found = Diagnostic::check(Rule::DuplicateStageName, name.span, message);
            sink.check_with(
                found.label("an earlier stage has this name").hint("the last of them is meant by the name"),
            );
        }
    }
}

/// All names of instructions should be in capitals, or all in small letters.
fn casing(file: &Dockerfile, sink: &mut Sink) {
    let stages = file.stages.iter();
    let names = stages.flat_map(|stage| {
        let own = (first_word(&stage.text), stage.span, &stage.check);
        let rest = stage.instructions.iter();
        std::iter::once(own).chain(rest.map(|each| (first_word(&each.text), each.span, &each.check)))
    });
    let is_lower = |name: &str| !name.bytes().any(|byte| byte.is_ascii_uppercase());
    let is_upper = |name: &str| !name.bytes().any(|byte| byte.is_ascii_lowercase());
    let lower = names.clone().filter(|(name, ..)| is_lower(name)).count();
    let upper = names.clone().filter(|(name, ..)| is_upper(name)).count();
    let (wanted, fits): (&str, &dyn Fn(&str) -> bool) =
        if lower > upper { ("lower case", &is_lower) } else { ("capitals", &is_upper) };
    for (name, span, check) in names {
        if !fits(name) {
            sink.local.clone_from(check);
            let span = Span::new(span.start, span.start + name.len());
            let message = format!("`{name}` should be in {wanted}, like most instructions here");
            sink.check(Rule::ConsistentInstructionCasing, span, message);
        }
    }
    sink.local = None;
}

fn first_word(text: &str) -> &str {
    text.split(super::line::is_separator).next().unwrap_or_default()
}

/// The rules about CMD, ENTRYPOINT and HEALTHCHECK. Says whether the stage has a SHELL of its own or of its base.
fn commands(stage: &Stage, mut has_shell: bool, sink: &mut Sink) -> bool {
    let mut last: [Option<&Instruction>; 3] = [None; 3];
    for instruction in &stage.instructions {
        let (slot, line) = match &instruction.kind {
            InstructionKind::Shell(_) => {
                has_shell = true;
                continue;
            }
            InstructionKind::Cmd(line) => (0, Some(line)),
            InstructionKind::Entrypoint(line) => (1, Some(line)),
            InstructionKind::Healthcheck(_) => (2, None),
            _ => continue,
        };
        let name = instruction.kind.name();
        sink.local.clone_from(&instruction.check);
        if let Some(earlier) = last[slot].replace(instruction) {
            let message = format!("only the last {name} of a stage counts, and this is not it");
            sink.check(Rule::MultipleInstructionsDisallowed, earlier.span, message);
        }
        if let (Some(CommandLine::Shell(_)), false) = (line, has_shell) {
            let message = format!("{name} without JSON runs in a shell, which does not pass signals on");
            let found = Diagnostic::check(Rule::JSONArgsRecommended, instruction.span, message);
            sink.check_with(found.hint(format!("write `{name} [\"program\", \"argument\"]`")));
        }
    }
    sink.local = None;
    has_shell
}

/// `--from` and `from=` that name their own stage or a later one. Other names may be images or contexts.
struct References<'f> {
    names: HashMap<&'f str, usize>,
    count: usize,
}

impl<'f> References<'f> {
    fn new(file: &'f Dockerfile) -> References<'f> {
        let stages = file.stages.iter().enumerate();
        // Of several with one name the last is meant.
        let names =
            stages.filter_map(|(index, stage)| Some((stage.from.name.as_ref()?.value.as_str(), index)));
        References { names: names.collect(), count: file.stages.len() }
    }

    fn instruction(&self, current: usize, instruction: &Instruction, sink: &mut Sink) {
        match &instruction.kind {
            InstructionKind::Copy(copy) => {
                if let Some(from) = &copy.from {
                    self.copy(current, from, sink);
                }
            }
            InstructionKind::Run(run) => {
                for (from, span) in run.mounts.iter().filter_map(|mount| mount.from_field()) {
                    self.name(current, from, span, sink);
                }
            }
            _ => {}
        }
    }

    /// COPY may name stages by number.
    fn copy(&self, current: usize, from: &Word, sink: &mut Sink) {
        let is_number = from.raw.bytes().all(|byte| byte.is_ascii_digit());
        if !is_number {
            return self.name(current, &from.raw, from.span, sink);
        }
        match from.raw.parse().ok().filter(|index| *index < self.count) {
            Some(index) => order(current, index, &from.raw, from.span, sink),
            None => {
                let found = Diagnostic::error(from.span, format!("no stage has the number {}", from.raw));
                sink.push(
                    found.hint(format!("stages are counted from 0, and the last is {}", self.count - 1)),
                );
            }
        }
    }

    fn name(&self, current: usize, name: &str, span: Span, sink: &mut Sink) {
        if let Some(index) = self.names.get(name.to_lowercase().as_str()) {
            order(current, *index, name, span, sink);
        }
    }
}

fn order(current: usize, index: usize, name: &str, span: Span, sink: &mut Sink) {
    if index == current {
        sink.push(Diagnostic::error(span, format!("stage `{name}` refers to itself")));
    } else if index > current {
        let found = Diagnostic::error(span, format!("stage `{name}` comes later in the file"));
        sink.push(found.hint("a stage can use only those above it"));
    }
}

impl Dockerfile {
    /// What to say where a name is neither a stage, nor a context, nor an image: for whoever has looked for those.
    pub fn unknown_stage(&self, word: &Word) -> Diagnostic {
        let found = Diagnostic::error(word.span, format!("unknown stage `{}`", word.raw));
        let found = found.label("no stage has this name");
        let names: Vec<&str> = self.stage_names().collect();
        let Some(hint) = list(&names) else { return found };
        match crate::suggest::nearest(&word.raw, names.iter().copied()) {
            Some(meant) => found.hint(format!("{hint}; did you mean `{meant}`?")),
            None => found.hint(hint),
        }
    }
}

/// "the stages are `a`, `b` and `c`".
fn list(names: &[&str]) -> Option<String> {
    let quoted: Vec<String> = names.iter().map(|name| format!("`{name}`")).collect();
    match quoted.as_slice() {
        [] => None,
        [one] => Some(format!("the only named stage is {one}")),
        [first @ .., last] => Some(format!("the stages are {} and {last}", first.join(", "))),
    }
}
