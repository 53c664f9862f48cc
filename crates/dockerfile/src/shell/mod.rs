//! The shell language, as it stands in RUN: read with places, and followed as far as it can be without running it.
//!
//! [`parse`] reads POSIX sh and what people use of bash, and never fails. [`evaluate`] walks the tree with the variables
//! that are known and yields every simple command that may run, its words expanded as far as they are known.
//!
//! ```
//! use dockerfile::shell::{self, Evaluation, Mapped};
//!
//! let script = shell::parse(&Mapped::plain("V=1.2; curl -L https://example.com/tool-$V.tgz | tar xz", 0));
//! let commands = shell::evaluate(&script, Evaluation::default());
//! assert_eq!(commands.invocations[1].words[2].text(), "https://example.com/tool-1.2.tgz");
//! assert_eq!(commands.invocations[2].program(), Some("tar"));
//! ```

mod compound;
mod evaluate;
mod mapped;
mod parser;
mod simple;
pub mod syntax;
#[cfg(test)]
mod tests;
mod walk;
mod word;

pub use evaluate::{
    Evaluated, Evaluation, Invocation, Piece, RedirectTo, ShellOptions, Value, Variables, evaluate,
};
pub use mapped::{Mapped, script_of};
pub use syntax::Script;
pub use walk::Names;

/// The longest script that is read, in bytes; what is longer is no script that a person wrote.
const MAX_SCRIPT: usize = 1 << 20;

/// Reads a script. What cannot be understood is reported in it and passed over.
pub fn parse(mapped: &Mapped) -> Script {
    if mapped.text.len() > MAX_SCRIPT {
        let span = mapped.span(0, 0);
        let errors = vec![syntax::SyntaxError { span, message: "the script is too long" }];
        return Script { errors, ..Script::default() };
    }
    parser::Parser::new(mapped).run()
}
