//! The argument of `--chmod`: octal, or symbolic as `chmod(1)` has it.

/// A parsed mode change.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Mode {
    /// The new permission bits (07777).
    Octal(u32),
    /// Clauses such as `u+rwX`, in order.
    Symbolic(Vec<Clause>),
}

/// One clause of a symbolic mode.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Clause(());

/// A mode that is neither octal nor symbolic.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("invalid mode `{0}`")]
pub struct BadMode(pub String);

impl Mode {
    /// Reads a mode.
    pub fn parse(text: &str) -> Result<Mode, BadMode> {
        let _ = text;
        todo!()
    }

    /// The permission bits (07777) that a file or directory with these bits gets.
    pub fn apply(&self, mode: u32, is_dir: bool) -> u32 {
        let _ = (mode, is_dir);
        todo!()
    }
}
