//! `RUN`, and command lines in general.

use super::{Mount, Word};
use crate::parse::heredoc::marker;
use crate::source::{Span, Spanned};

/// A command in one of its two forms. Neither is expanded: the shell does that.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum CommandLine {
    /// Text for the shell.
    Shell(String),
    /// A JSON array: the arguments.
    Exec(Vec<String>),
}

/// `RUN`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Run {
    /// The command line, heredocs still to come.
    pub command: CommandLine,
    /// The heredocs in the order of their markers; content as written, with tabs.
    pub heredocs: Vec<Heredoc>,
    /// `--mount`, each one.
    pub mounts: Vec<Mount>,
    /// `--network`.
    pub network: Option<Spanned<Network>>,
    /// `--security`.
    pub security: Option<Spanned<Security>>,
    /// `--device`, each one: CDI names, which Kapok does not offer.
    pub devices: Vec<Word>,
}

/// `--network` of RUN.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Network {
    /// `default`.
    Default,
    /// `none`: loopback only.
    None,
    /// `host`.
    Host,
}

/// `--security` of RUN.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Security {
    /// `sandbox`.
    Sandbox,
    /// `insecure`.
    Insecure,
}

/// A document within the Dockerfile.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Heredoc {
    /// The word that ends it; also the file's name in COPY and ADD.
    pub name: String,
    /// The lines between, with their line ends.
    pub content: String,
    /// Variables are substituted (the word was not quoted).
    pub expand: bool,
    /// `<<-`: leading tabs do not count.
    pub chomp: bool,
    /// The number before `<<`; 0 where there is none.
    pub descriptor: u32,
    /// The content's place.
    pub span: Span,
}

/// What a RUN executes, after its heredocs are taken in.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Script {
    /// Text for the shell.
    Shell(String),
    /// Arguments.
    Exec(Vec<String>),
    /// A file (mode 0755) that begins with `#!`; BuildKit mounts it below `/dev/pipes/` and has the shell run it.
    File {
        /// The file's name.
        name: String,
        /// Its bytes.
        content: String,
    },
}

impl Run {
    /// Whether the RUN is nothing but a heredoc, whose content is what runs.
    pub fn is_document(&self) -> bool {
        match &self.command {
            CommandLine::Shell(text) => !self.heredocs.is_empty() && matches!(marker(text), Ok(Some(_))),
            CommandLine::Exec(_) => false,
        }
    }

    /// The command with its heredocs: a RUN that is nothing but one heredoc runs its content, any other gets them
    /// appended for the shell to read.
    pub fn script(&self) -> Script {
        let text = match &self.command {
            CommandLine::Exec(arguments) => return Script::Exec(arguments.clone()),
            CommandLine::Shell(text) => text,
        };
        let Some(first) = self.heredocs.first() else { return Script::Shell(text.clone()) };
        if self.is_document() {
            let content = if first.chomp { first.chomped() } else { first.content.clone() };
            if content.starts_with("#!") {
                return Script::File { name: first.name.clone(), content };
            }
            return Script::Shell(content);
        }
        let mut script = text.clone();
        for heredoc in &self.heredocs {
            script.push('\n');
            script.push_str(&heredoc.content);
            script.push_str(&heredoc.name);
        }
        Script::Shell(script)
    }
}

impl Heredoc {
    /// The content without the leading tabs that `<<-` takes away.
    pub fn chomped(&self) -> String {
        self.content.split_inclusive('\n').map(|line| line.trim_start_matches('\t')).collect()
    }
}
