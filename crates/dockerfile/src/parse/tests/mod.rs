//! Cases of parsing. A case is an instruction and what became of it, or a file and the messages about it.

mod copy;
mod dump;
mod file;
mod heredoc;
mod lint;
mod messages;
mod metadata;
mod mount;
mod properties;
mod run;
mod words;

use crate::diagnostic::Diagnostic;
use crate::source::Source;
use crate::{Dockerfile, Level, render};

/// Parses a file that must be in order, warnings aside.
#[track_caller]
fn good(text: &str) -> Dockerfile {
    let (file, diagnostics) = crate::parse(text);
    let errors: Vec<Diagnostic> =
        diagnostics.into_iter().filter(|found| found.level == Level::Error).collect();
    assert!(errors.is_empty(), "{text}\n{}", render(&Source::new("Dockerfile", text), &errors, false));
    file
}

/// Checks what instructions parse to, each in a file of its own.
#[track_caller]
fn check(cases: &[(&str, &str)]) {
    for (text, expected) in cases {
        let file = good(&format!("FROM scratch\n{text}\n"));
        let found: Vec<String> = file.stages[0].instructions.iter().map(dump::instruction).collect();
        assert_eq!(found.join("; "), *expected, "{text}");
    }
}

/// Checks the first message about instructions, each in a file of its own: what it says, and at which text.
#[track_caller]
fn check_errors(cases: &[(&str, &str, &str)]) {
    for (text, message, place) in cases {
        let text = format!("FROM scratch\n{text}\n");
        let (_, diagnostics) = crate::parse(&text);
        let found = diagnostics.iter().find(|found| found.level == Level::Error);
        let found = found.unwrap_or_else(|| panic!("no error: {text}"));
        assert_eq!((found.message.as_str(), &text[found.span.range()]), (*message, *place), "{text}");
    }
}

/// The messages about a file as they are shown.
fn messages(text: &str) -> String {
    render(&Source::new("Dockerfile", text), &crate::parse(text).1, false)
}
