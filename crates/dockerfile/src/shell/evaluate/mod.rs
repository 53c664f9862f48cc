//! Following a script without running it: which commands it may run, with which words.

mod commands;
mod expand;
mod prefix;
mod state;
mod value;

use std::collections::BTreeMap;

use super::syntax::{RedirectKind, Script};
use crate::source::Span;

pub use value::{Piece, Value};

/// Variables; nothing as a value means that it is set, and not known.
pub type Variables = BTreeMap<String, Option<String>>;

/// What is known when a script begins.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Evaluation {
    /// ARG and ENV.
    pub variables: Variables,
    /// The options that the shell is started with.
    pub options: ShellOptions,
    /// The working directory, where it is known.
    pub directory: Option<String>,
}

/// Options of the shell.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct ShellOptions {
    /// `-e`: the first failure ends the script.
    pub errexit: bool,
    /// `-o pipefail`: a pipeline fails with any of its commands.
    pub pipefail: bool,
    /// `-u`: a variable that is not set is an error.
    pub nounset: bool,
}

/// A simple command that may run.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Invocation {
    /// Assignments that hold for it alone; without words, for the script.
    pub assignments: Vec<(String, Value)>,
    /// The program and its arguments. What stands before a program to run it (`sudo`, `env`, `xargs`) is not among them.
    pub words: Vec<Value>,
    /// What was looked through: `sudo`, `env`, `xargs`, `sh`.
    pub through: Vec<String>,
    /// Redirections, those of the compound commands around it included.
    pub redirects: Vec<RedirectTo>,
    /// A document or here-string that it reads.
    pub stdin: Option<Value>,
    /// The whole command as written.
    pub span: Span,
    /// The pipeline it is in: a number that grows along the script.
    pub pipeline: usize,
    /// Its place in the pipeline.
    pub stage: usize,
    /// How many commands the pipeline has.
    pub stages: usize,
    /// The pipeline whose output it reads, where it reads one: its own, or that around its compound command.
    pub fed_by: Option<usize>,
    /// The pipeline as written.
    pub pipeline_span: Span,
    /// The shell's options at that point.
    pub options: ShellOptions,
    /// The working directory; nothing where it is not known.
    pub directory: Option<String>,
    /// It is in a branch, a loop or after `&&` or `||`, so it may not run.
    pub conditional: bool,
    /// Its failure does not end the script, whatever the options: it is a condition, or `|| true` follows.
    pub forgiven: bool,
    /// It stands in a command substitution.
    pub substituted: bool,
}

/// A redirection, its target expanded.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RedirectTo {
    /// The descriptor before the operator, if given.
    pub descriptor: Option<u32>,
    /// What it does.
    pub kind: RedirectKind,
    /// The file, or the descriptor.
    pub target: Value,
    /// Operator and target.
    pub span: Span,
}

/// What following a script gives.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Evaluated {
    /// The commands in the order in which they would begin.
    pub invocations: Vec<Invocation>,
    /// The variables at the end.
    pub variables: Variables,
    /// Not everything was followed: the script is too large, or calls itself.
    pub truncated: bool,
}

/// Follows a script: every branch, every loop once for each known word.
pub fn evaluate(script: &Script, start: Evaluation) -> Evaluated {
    let mut state = state::State::new(start);
    state.list(&script.list, script);
    state.finish()
}

impl Invocation {
    /// The program's name without its directory, where it is known.
    pub fn program(&self) -> Option<&str> {
        let name = self.words.first()?.known()?;
        Some(name.rsplit('/').next().unwrap_or(name)).filter(|name| !name.is_empty())
    }

    /// Its arguments.
    pub fn arguments(&self) -> &[Value] {
        self.words.get(1..).unwrap_or_default()
    }

    /// Where standard output goes, where it goes to a file.
    pub fn output(&self) -> Option<&Value> {
        let to_file = |redirect: &&RedirectTo| {
            use RedirectKind::{Append, AppendBoth, Write, WriteBoth};
            matches!(redirect.kind, Write | Append | WriteBoth | AppendBoth)
                && redirect.descriptor.is_none_or(|descriptor| descriptor == 1)
        };
        self.redirects.iter().rev().find(to_file).map(|redirect| &redirect.target)
    }
}
