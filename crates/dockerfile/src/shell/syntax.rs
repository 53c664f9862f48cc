//! The syntax tree of a shell script.

use super::mapped::Mapped;
use crate::source::Span;

/// A whole script.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Script {
    /// Its commands.
    pub list: List,
    /// The documents that redirections `<<` name, by index.
    pub documents: Vec<Document>,
    /// Quoted texts that do not stand in one stretch of the source, by the place of their part: a script in them still
    /// has places.
    pub quoted: Vec<(Span, Mapped)>,
    /// What is no shell language, and where. The rest is read all the same.
    pub errors: Vec<SyntaxError>,
}

/// A mistake in a script.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SyntaxError {
    /// Where.
    pub span: Span,
    /// What is wrong, lower case.
    pub message: &'static str,
}

/// Commands one after another.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct List {
    /// In order.
    pub items: Vec<AndOr>,
}

/// Pipelines joined by `&&` and `||`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AndOr {
    /// The first.
    pub first: Pipeline,
    /// The others, each with what joins it to those before.
    pub rest: Vec<(Join, Pipeline)>,
    /// `&` follows.
    pub background: bool,
}

/// What joins two pipelines.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Join {
    /// `&&`.
    And,
    /// `||`.
    Or,
}

/// Commands joined by `|`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Pipeline {
    /// `!` stands before.
    pub negated: bool,
    /// In order; at least one.
    pub commands: Vec<Command>,
    /// The whole.
    pub span: Span,
}

/// One command.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Command {
    /// A program and its arguments.
    Simple(Simple),
    /// A compound command with its redirections.
    Compound(Compound, Vec<Redirect>),
    /// The definition of a function.
    Function(String, Box<Command>),
}

/// Assignments, words and redirections.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Simple {
    /// `NAME=value` before the first word.
    pub assignments: Vec<Assignment>,
    /// The program and its arguments.
    pub words: Vec<Word>,
    /// In order.
    pub redirects: Vec<Redirect>,
    /// The whole.
    pub span: Span,
}

/// `NAME=value`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Assignment {
    /// The variable.
    pub name: String,
    /// `+=`.
    pub append: bool,
    /// The value; of an array, its elements.
    pub value: Vec<Word>,
    /// It is an array.
    pub array: bool,
    /// The whole.
    pub span: Span,
}

/// A command made of commands.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Compound {
    /// `{ ...; }`.
    Group(List),
    /// `( ... )`.
    Subshell(List),
    /// `if`: conditions and what they lead to, and what `else` leads to.
    If(Vec<(List, List)>, Option<List>),
    /// `for NAME in WORDS`; without `in`, the script's arguments. `select` too.
    For(String, Option<Vec<Word>>, List),
    /// `while` and `until`: condition and body. `for ((...))` too, with an empty condition.
    While(List, List),
    /// `case WORD in`.
    Case(Word, Vec<(Vec<Word>, List)>),
    /// `[[ ... ]]`: its words, operators among them.
    Test(Vec<Word>, Span),
    /// `(( ... ))`.
    Arithmetic(Span),
}

/// A redirection.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Redirect {
    /// The descriptor before the operator, if given.
    pub descriptor: Option<u32>,
    /// The operator.
    pub kind: RedirectKind,
    /// The file, the descriptor, the here-string; of a document its delimiter.
    pub target: Word,
    /// The operator and its target.
    pub span: Span,
}

/// What a redirection does.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum RedirectKind {
    /// `<`.
    Read,
    /// `>` and `>|`.
    Write,
    /// `>>`.
    Append,
    /// `&>` and `>&` with a file: both output streams.
    WriteBoth,
    /// `&>>`.
    AppendBoth,
    /// `>&` and `<&` with a descriptor.
    Duplicate,
    /// `<>`.
    ReadWrite,
    /// `<<`: the index of the document.
    Document(usize),
    /// `<<<`.
    String,
}

/// A document within the script.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Document {
    /// Its lines; without leading tabs where `<<-` says so.
    pub text: String,
    /// Variables in it are expanded.
    pub expand: bool,
    /// Where it stands.
    pub span: Span,
}

/// A word, before expansion.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Word {
    /// Its parts, in order.
    pub parts: Vec<Part>,
    /// Where it was written.
    pub span: Span,
}

/// A part of a word.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Part {
    /// What it is.
    pub kind: PartKind,
    /// It stands in quotes, or is escaped.
    pub quoted: bool,
    /// Where.
    pub span: Span,
}

/// What a part of a word is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum PartKind {
    /// Text without its quotes.
    Text(String),
    /// `$NAME`, `${NAME...}`.
    Parameter(Parameter),
    /// `$(...)`, backticks, `<(...)`.
    Command(List),
    /// `$((...))`.
    Arithmetic,
}

/// A variable with what is done to it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Parameter {
    /// Its name, or a special one: `@`, `1`, `?`.
    pub name: String,
    /// The operator.
    pub operator: Operator,
    /// The word after the operator; of a replacement the pattern, and the replacement in `more`.
    pub word: Option<Box<Word>>,
    /// The replacement.
    pub more: Option<Box<Word>>,
}

/// What is done to a variable.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Operator {
    /// Nothing.
    None,
    /// `:-`, and `-` with `false`: empty counts as unset.
    Default(bool),
    /// `:=`, `=`.
    Assign(bool),
    /// `:+`, `+`.
    Alternative(bool),
    /// `:?`, `?`.
    Require(bool),
    /// `#`, and with `true` `##`.
    TrimStart(bool),
    /// `%`, and with `true` `%%`.
    TrimEnd(bool),
    /// `/`, and with `true` `//`.
    Replace(bool),
    /// `${#NAME}`, `:offset:length`, case changes, indirection: what comes out is not followed.
    Other,
}

impl Word {
    /// The text, where the word has no expansions.
    pub fn literal(&self) -> Option<String> {
        self.parts
            .iter()
            .map(|part| match &part.kind {
                PartKind::Text(text) => Some(text.as_str()),
                _ => None,
            })
            .collect()
    }

    /// The text, where the word is nothing but unquoted text, as reserved words must be.
    pub fn bare(&self) -> Option<&str> {
        match self.parts.as_slice() {
            [Part { kind: PartKind::Text(text), quoted: false, .. }] => Some(text),
            _ => None,
        }
    }
}
