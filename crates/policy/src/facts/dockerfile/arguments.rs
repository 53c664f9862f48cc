//! ARG declarations and what becomes of them.

use dockerfile::Span;

/// A declaration of an ARG.
#[derive(Debug, Clone)]
pub struct Declaration {
    /// Its name.
    pub name: String,
    /// Where the name stands.
    pub span: Span,
    /// The stage; nothing before the first FROM.
    pub stage: Option<usize>,
    /// It has a default.
    pub defaulted: bool,
    /// Something uses it.
    pub used: bool,
}

/// A use of a variable that is not set there.
#[derive(Debug, Clone)]
pub struct Stray {
    /// Its name.
    pub name: String,
    /// The word, or the instruction, that uses it.
    pub span: Span,
    /// The stage; nothing in a FROM.
    pub stage: Option<usize>,
    /// It is declared elsewhere: before the first FROM, or in another stage.
    pub lost: Option<Lost>,
}

/// Where a variable is declared that does not reach its use.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Lost {
    /// Before the first FROM.
    Global,
    /// In another stage.
    Stage(usize),
    /// In the same stage, after the use.
    Later,
}

/// The ARGs of a file.
#[derive(Debug, Clone, Default)]
pub struct ArgumentFacts {
    /// All declarations.
    pub declarations: Vec<Declaration>,
    /// Uses of what is not set, in words of instructions (not in scripts).
    pub strays: Vec<Stray>,
    /// Uses in scripts of what is not set there, and is declared elsewhere in the file.
    pub script_strays: Vec<Stray>,
}
