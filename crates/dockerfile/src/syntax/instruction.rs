//! Instructions.

use super::{Add, ArgDeclaration, CommandLine, Copy, Healthcheck, KeyValue, Run, Word};
use crate::check::CheckOptions;
use crate::source::Span;

/// One instruction of a stage.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Instruction {
    /// What it says.
    pub kind: InstructionKind,
    /// From the first character of its name to the last of its text, heredocs included.
    pub span: Span,
    /// The instruction as one logical line, continuations joined and comments gone as BuildKit does it; without the
    /// content of heredocs.
    pub text: String,
    /// Check options from a `# check=` comment just above.
    pub check: Option<Box<CheckOptions>>,
}

/// The instructions but FROM, which begins a [`super::Stage`]. The large ones are boxed: a file may have a million of
/// them.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum InstructionKind {
    /// `RUN`.
    Run(Box<Run>),
    /// `COPY`.
    Copy(Box<Copy>),
    /// `ADD`.
    Add(Box<Add>),
    /// `ENV`. Names and values expand.
    Env(Vec<KeyValue>),
    /// `LABEL`. Names and values expand.
    Label(Vec<KeyValue>),
    /// `ARG`. Names and values expand.
    Arg(Vec<ArgDeclaration>),
    /// `USER`.
    User(Word),
    /// `WORKDIR`.
    Workdir(Word),
    /// `CMD`.
    Cmd(CommandLine),
    /// `ENTRYPOINT`.
    Entrypoint(CommandLine),
    /// `SHELL`. Does not expand.
    Shell(Vec<String>),
    /// `EXPOSE`. Each word may expand to several.
    Expose(Vec<Word>),
    /// `VOLUME`.
    Volume(Vec<Word>),
    /// `STOPSIGNAL`.
    StopSignal(Word),
    /// `HEALTHCHECK`.
    Healthcheck(Box<Healthcheck>),
    /// `ONBUILD`.
    Onbuild(Box<Onbuild>),
    /// `MAINTAINER`.
    Maintainer(String),
}

/// An instruction for those who build on this image.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Onbuild {
    /// The trigger as the image's configuration keeps it, heredocs included. [`crate::parse_trigger`] reads it.
    pub expression: String,
    /// The trigger, parsed.
    pub trigger: Instruction,
}

impl InstructionKind {
    /// The instruction's name in capitals.
    pub fn name(&self) -> &'static str {
        match self {
            InstructionKind::Run(_) => "RUN",
            InstructionKind::Copy(_) => "COPY",
            InstructionKind::Add(_) => "ADD",
            InstructionKind::Env(_) => "ENV",
            InstructionKind::Label(_) => "LABEL",
            InstructionKind::Arg(_) => "ARG",
            InstructionKind::User(_) => "USER",
            InstructionKind::Workdir(_) => "WORKDIR",
            InstructionKind::Cmd(_) => "CMD",
            InstructionKind::Entrypoint(_) => "ENTRYPOINT",
            InstructionKind::Shell(_) => "SHELL",
            InstructionKind::Expose(_) => "EXPOSE",
            InstructionKind::Volume(_) => "VOLUME",
            InstructionKind::StopSignal(_) => "STOPSIGNAL",
            InstructionKind::Healthcheck(_) => "HEALTHCHECK",
            InstructionKind::Onbuild(_) => "ONBUILD",
            InstructionKind::Maintainer(_) => "MAINTAINER",
        }
    }
}
