//! Text whose bytes stand elsewhere in a source: a shell script between the continuations of a Dockerfile.

use crate::parse::command_text;
use crate::source::Span;
use crate::syntax::{CommandLine, Heredoc, Instruction, InstructionKind, Run};

/// A text, and where in the source each part of it came from.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Mapped {
    /// The text itself.
    pub text: String,
    /// Offsets at which a part begins: in the text, and in the source. Sorted.
    parts: Vec<(usize, usize)>,
    /// The source's stretch, for text that has no places of its own.
    whole: Option<Span>,
}

impl Mapped {
    /// A text that begins at an offset of the source and runs on without a break.
    pub fn plain(text: impl Into<String>, offset: usize) -> Mapped {
        Mapped { text: text.into(), parts: vec![(0, offset)], whole: None }
    }

    /// A text that was made from a stretch of the source: every place in it is that stretch.
    pub fn made(text: impl Into<String>, from: Span) -> Mapped {
        Mapped { text: text.into(), parts: Vec::new(), whole: Some(from) }
    }

    /// From parts of the source.
    pub fn of_parts(text: String, parts: Vec<(usize, usize)>) -> Mapped {
        Mapped { text, parts, whole: None }
    }

    /// Adds text that begins at an offset of the source.
    pub fn push(&mut self, text: &str, offset: usize) {
        if !text.is_empty() {
            self.parts.push((self.text.len(), offset));
            self.text.push_str(text);
        }
    }

    /// A stretch of the text.
    pub fn slice(&self, start: usize, end: usize) -> Mapped {
        let text = self.text.get(start..end).unwrap_or_default().to_owned();
        if self.whole.is_some() {
            return Mapped { text, parts: Vec::new(), whole: self.whole };
        }
        let first = (0, self.offset(start));
        let inner = self.parts.iter().filter(|(at, _)| start < *at && *at < end);
        let parts = std::iter::once(first).chain(inner.map(|(at, source)| (at - start, *source))).collect();
        Mapped { text, parts, whole: None }
    }

    /// The place in the source of a stretch of the text.
    pub fn span(&self, start: usize, end: usize) -> Span {
        if let Some(whole) = self.whole {
            return whole;
        }
        if end <= start {
            let at = if start == 0 { self.offset(0) } else { self.offset(start - 1) + 1 };
            return Span::new(at, at);
        }
        let (start, end) = (self.offset(start), self.offset(end - 1) + 1);
        Span::new(start, end.max(start))
    }

    fn offset(&self, at: usize) -> usize {
        let after = self.parts.partition_point(|(own, _)| *own <= at);
        match self.parts.get(after.saturating_sub(1)) {
            Some((own, source)) => source + at.saturating_sub(*own),
            None => 0,
        }
    }
}

/// What the shell of an instruction reads: the text of a RUN in its shell form, heredocs included. Nothing for the exec
/// form, for other instructions, and for a document that is a program of its own (`#!`).
pub fn script_of(source: &str, instruction: &Instruction, escape: char) -> Option<Mapped> {
    match &instruction.kind {
        InstructionKind::Run(run) => run_script(source, instruction, run, escape),
        InstructionKind::Cmd(CommandLine::Shell(_)) | InstructionKind::Entrypoint(CommandLine::Shell(_)) => {
            command_text(source, instruction.span, escape)
        }
        _ => None,
    }
}

fn run_script(source: &str, instruction: &Instruction, run: &Run, escape: char) -> Option<Mapped> {
    let CommandLine::Shell(command) = &run.command else { return None };
    let mut mapped = command_text(source, instruction.span, escape)?;
    let Some(first) = run.heredocs.first() else { return Some(mapped) };
    if run.is_document() {
        let mut own = Mapped::default();
        push_document(&mut own, first);
        let shebang =
            own.text.strip_prefix("#!").map(|rest| rest.lines().next().unwrap_or_default().to_owned());
        return match shebang {
            // A shell's program is read as one.
            Some(line) if !is_shell(&line) => None,
            _ => Some(own),
        };
    }
    debug_assert!(!command.is_empty());
    for document in &run.heredocs {
        // The line end before the document stands just before it.
        mapped.push("\n", document.span.start.saturating_sub(1));
        mapped.push(&document.content, document.span.start);
        mapped.push(&document.name, document.span.end);
    }
    Some(mapped)
}

/// Whether a `#!` line starts a shell.
fn is_shell(line: &str) -> bool {
    let mut words = line.split_whitespace().map(|word| word.rsplit('/').next().unwrap_or(word));
    let program = words.next().unwrap_or_default();
    let program = if program == "env" {
        words.find(|word| !word.starts_with('-')).unwrap_or_default()
    } else {
        program
    };
    ["sh", "bash", "dash", "ash", "ksh", "zsh"].contains(&program)
}

fn push_document(mapped: &mut Mapped, document: &Heredoc) {
    let mut at = document.span.start;
    for line in document.content.split_inclusive('\n') {
        let kept = if document.chomp { line.trim_start_matches('\t') } else { line };
        mapped.push(kept, at + (line.len() - kept.len()));
        at += line.len();
    }
}
