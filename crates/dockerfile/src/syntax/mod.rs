//! The syntax tree of a Dockerfile. Words are unexpanded; whoever plans a build expands them.

mod copy;
mod instruction;
mod metadata;
mod mount;
mod run;

pub use copy::*;
pub use instruction::*;
pub use metadata::*;
pub use mount::*;
pub use run::*;

use crate::check::CheckOptions;
use crate::source::{Span, Spanned};

/// A whole file.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Dockerfile {
    /// What stands in the comments at the very top.
    pub directives: Directives,
    /// The ARG instructions before the first FROM. All are [`InstructionKind::Arg`].
    pub global_args: Vec<Instruction>,
    /// The stages in the order of the file.
    pub stages: Vec<Stage>,
}

/// The parser directives.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Directives {
    /// `# syntax=`: the frontend that the author asks for. Kapok reads the file itself.
    pub syntax: Option<Spanned<String>>,
    /// `# escape=`: a backslash or a backtick.
    pub escape: char,
    /// `# check=`.
    pub check: CheckOptions,
}

impl Default for Directives {
    fn default() -> Directives {
        Directives { syntax: None, escape: '\\', check: CheckOptions::default() }
    }
}

/// A stage: a FROM and what follows it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Stage {
    /// The FROM.
    pub from: From,
    /// The FROM instruction's place.
    pub span: Span,
    /// The FROM as one logical line.
    pub text: String,
    /// The instructions after it.
    pub instructions: Vec<Instruction>,
    /// Check options that hold for the FROM alone.
    pub check: Option<Box<CheckOptions>>,
}

/// `FROM [--platform=P] IMAGE [AS NAME]`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct From {
    /// An image, an earlier stage, a named context or `scratch`.
    pub image: Word,
    /// `--platform`.
    pub platform: Option<Word>,
    /// The stage's name in lower case.
    pub name: Option<Spanned<String>>,
}

/// Text that has variables, quotes and escapes still in it, ready for [`crate::expand`].
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Word {
    /// The unexpanded text. Of a flag's value BuildKit takes quotes and escapes away before it expands, and so
    /// does this.
    pub raw: String,
    /// Where it was written; longer than `raw` where a continuation runs through it.
    pub span: Span,
}

impl Word {
    /// Whether there is nothing to expand.
    pub fn is_literal(&self, escape: char) -> bool {
        !self.raw.contains(['$', '\'', '"', escape])
    }
}

impl Dockerfile {
    /// The index of the stage with this name, or of this number, as `--target` and `--from` name it. A name that
    /// several stages have means the last of them. Names are case-insensitive.
    ///
    /// Nothing does not mean an error: a `--from` may also name an image or a build context.
    pub fn stage_index(&self, name: &str) -> Option<usize> {
        let by_name = self.stages.iter().rposition(|stage| {
            stage.from.name.as_ref().is_some_and(|own| own.value.eq_ignore_ascii_case(name))
        });
        by_name.or_else(|| name.parse().ok().filter(|index| *index < self.stages.len()))
    }

    /// The names of the stages, for hints.
    pub fn stage_names(&self) -> impl Iterator<Item = &str> {
        self.stages.iter().filter_map(|stage| stage.from.name.as_ref().map(|name| name.value.as_str()))
    }
}
