//! The whole file: instructions into stages.

use super::command::Command;
use super::directive::{self, Reader};
use super::instruction::{self, NAMES, Parser};
use super::line::{Item, Line, Lines, Physical};
use super::sink::Sink;
use super::{from, heredoc, lint};
use crate::check::{CheckOptions, Rule};
use crate::diagnostic::Diagnostic;
use crate::source::Span;
use crate::suggest::nearest;
use crate::syntax::{Dockerfile, Instruction, InstructionKind, Stage};

/// Parses a Dockerfile. Never fails: what cannot be understood is left out of the tree and reported. Errors are
/// reported in the order of the text.
///
/// Of BuildKit's check rules these are left to whoever plans the build, because they need variables, a base image or a
/// build context: `UndefinedVar`, `UndefinedArgInFrom`, `InvalidDefaultArgInFrom`, `InvalidBaseImagePlatform`,
/// `WorkdirRelativePath`, `CopyIgnoredFile`, `ExposeProtoCasing` and `ExposeInvalidFormat`.
pub fn parse(text: &str) -> (Dockerfile, Vec<Diagnostic>) {
    let mut file = File::default();
    let mut sink = Sink::default();
    let mut reader = Reader::default();
    let mut lines = Lines::new(text);
    let mut comments: Vec<Physical<'_>> = Vec::new();
    while let Some(item) = lines.next_item(reader.directives.escape) {
        match item {
            Item::Blank => reader.finish(),
            Item::Comment(comment) if reader.comment(comment, &mut sink) => {}
            // An empty comment ends what is said about an instruction.
            Item::Comment(comment) if comment.text[1..].trim().is_empty() => comments.clear(),
            Item::Comment(comment) => comments.push(comment),
            Item::Line(line) => {
                reader.finish();
                sink.local = local_options(&comments, &mut sink);
                let mut parser = Parser { escape: reader.directives.escape, sink: &mut sink };
                file.line(&line, &mut lines, &comments, &mut parser);
                sink.local = None;
                comments.clear();
            }
        }
    }
    file.tree.directives = reader.directives;
    if file.tree.stages.is_empty() && !file.lost_stage {
        let end = Span::new(text.len(), text.len());
        let message =
            if file.has_instructions { "no FROM in the file" } else { "no instructions in the file" };
        let found = Diagnostic::error(end, message);
        sink.push(found.hint("a stage begins with `FROM IMAGE`; `FROM scratch` begins with nothing"));
    }
    lint::lint(&file.tree, &mut sink);
    (file.tree, sink.finish())
}

/// Parses an ONBUILD trigger as an image's configuration holds it: one instruction, heredocs included. Spans are in
/// the trigger's text.
pub fn parse_trigger(text: &str) -> (Option<Instruction>, Vec<Diagnostic>) {
    let mut sink = Sink::default();
    let mut lines = Lines::new(text);
    let mut found = None;
    let whole = Span::new(0, text.len());
    while let Some(item) = lines.next_item('\\') {
        let Item::Line(line) = item else { continue };
        if found.is_some() {
            sink.push(Diagnostic::error(whole, "a trigger of ONBUILD is one instruction"));
            break;
        }
        let mut parser = Parser { escape: '\\', sink: &mut sink };
        let command = Command::split(line.piece(), '\\');
        if command.is_named("FROM") {
            parser.sink.push(Diagnostic::error(whole, "FROM may not be triggered by ONBUILD"));
            break;
        }
        found = Some(instruction_of(&command, &mut lines, &mut parser));
    }
    if found.is_none() && sink.is_empty() {
        sink.push(Diagnostic::error(whole, "a trigger of ONBUILD is empty"));
    }
    (found.flatten(), sink.finish())
}

/// The options of a `# check=` comment above an instruction; the first one counts.
fn local_options(comments: &[Physical<'_>], sink: &mut Sink) -> Option<Box<CheckOptions>> {
    let own = comments.iter().find_map(|comment| directive::local_check(*comment, sink))?;
    Some(Box::new(directive::merge(&sink.options, own)))
}

/// Heredocs and all.
fn instruction_of(
    command: &Command<'_>,
    lines: &mut Lines<'_>,
    parser: &mut Parser<'_>,
) -> Option<Instruction> {
    let mut heredocs = Vec::new();
    let mut end = command.span().end;
    if instruction::takes_heredocs(command, parser.escape) {
        (heredocs, end) = heredoc::read(command.whole, lines, parser.sink);
    }
    let mut instruction = instruction::parse(command, heredocs, parser)?;
    instruction.span.end = end;
    Some(instruction)
}

#[derive(Default)]
struct File {
    tree: Dockerfile,
    has_instructions: bool,
    /// A FROM was there, but not understood: what follows it is no mistake of its own.
    lost_stage: bool,
}

impl File {
    fn line(
        &mut self,
        line: &Line,
        lines: &mut Lines<'_>,
        comments: &[Physical<'_>],
        parser: &mut Parser<'_>,
    ) {
        self.has_instructions = true;
        if let Some(blank) = line.blanks {
            parser.sink.check(Rule::NoEmptyContinuation, blank, "empty line within a continued instruction");
        }
        let command = Command::split(line.piece(), parser.escape);
        if command.is_named("FROM") {
            return self.stage(&command, comments, parser);
        }
        let name = command.name.text();
        if self.tree.stages.is_empty() && !self.lost_stage {
            self.lost_stage = nearest(name, NAMES) == Some("FROM");
        }
        let instruction = instruction_of(&command, lines, parser);
        let Some(instruction) = instruction else { return };
        if let InstructionKind::Arg(declarations) = &instruction.kind {
            lint::description(
                "ARG",
                declarations.iter().map(|arg| arg.key.raw.as_str()),
                comments,
                parser.sink,
            );
        }
        match self.tree.stages.last_mut() {
            _ if self.lost_stage => {}
            Some(stage) => stage.instructions.push(instruction),
            None if matches!(instruction.kind, InstructionKind::Arg(_)) => {
                self.tree.global_args.push(instruction)
            }
            None => {
                let message = format!("{} before the first FROM", instruction.kind.name());
                let found = Diagnostic::error(instruction.span, message);
                parser.sink.push(found.hint("only ARG may stand there"));
                // Once is enough.
                self.lost_stage = true;
            }
        }
    }

    fn stage(&mut self, command: &Command<'_>, comments: &[Physical<'_>], parser: &mut Parser<'_>) {
        let Some(from) = from::from(command, parser) else {
            self.lost_stage = true;
            return;
        };
        self.lost_stage = false;
        if let Some(name) = &from.name {
            lint::description("FROM", [name.value.as_str()].into_iter(), comments, parser.sink);
        }
        self.tree.stages.push(Stage {
            from,
            span: command.span(),
            text: command.whole.text().to_owned(),
            instructions: Vec::new(),
            check: parser.sink.local.clone(),
        });
    }
}
