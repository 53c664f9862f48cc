//! The process's standard streams, and what may be done with them.

use std::io::{IsTerminal, Write};

use build::engine::Cancel;
use rustix::termios::{LocalModes, OptionalActions, Termios, tcgetattr, tcsetattr};

use crate::cli::Colour;
use crate::environment::Environment;
use crate::exit::Exit;

/// The standard streams: stdout takes data, stderr takes talk.
#[derive(Clone, Copy, Debug)]
pub struct Terminal {
    /// Whether talk may have colour.
    pub colour: bool,
    /// Whether a live view can be drawn on stderr.
    pub live: bool,
    /// Whether stdout is a terminal.
    pub stdout_is_terminal: bool,
}

impl Terminal {
    /// Looks at the streams and at what the user asked for.
    pub fn detect(environment: &Environment, colour: Colour) -> Terminal {
        let stderr = std::io::stderr().is_terminal();
        let dumb = environment.text("TERM").is_none_or(|term| term == "dumb");
        Terminal {
            colour: wants_colour(environment, colour, stderr && !dumb),
            live: stderr && !dumb && environment.text("CI").is_none(),
            stdout_is_terminal: std::io::stdout().is_terminal(),
        }
    }

    /// Columns and rows of the terminal on stderr.
    pub fn size(&self) -> (usize, usize) {
        match rustix::termios::tcgetwinsize(rustix::stdio::stderr()) {
            Ok(size) if size.ws_col > 0 && size.ws_row > 0 => (size.ws_col.into(), size.ws_row.into()),
            _ => (80, 24),
        }
    }

    /// Writes data to stdout.
    pub fn data(&self, text: &str) -> std::io::Result<()> {
        let mut stdout = std::io::stdout().lock();
        stdout.write_all(text.as_bytes())?;
        stdout.flush()
    }

    /// Writes talk to stderr. A reader who went away does not stop the work.
    pub fn say(&self, text: &str) {
        let _ = std::io::stderr().lock().write_all(text.as_bytes());
    }
}

/// Asks the user on the terminal; what they type is shown only if `shown`.
pub fn ask(question: &str, shown: bool) -> std::io::Result<String> {
    let stdin = rustix::stdio::stdin();
    let before = if shown { None } else { tcgetattr(stdin).ok() };
    if let Some(mut hidden) = before.clone() {
        restore_on_signal(hidden.clone());
        hidden.local_modes.remove(LocalModes::ECHO);
        hidden.local_modes.insert(LocalModes::ECHONL);
        tcsetattr(stdin, OptionalActions::Flush, &hidden)?;
    }
    let _ = std::io::stderr().lock().write_all(question.as_bytes());
    let mut line = String::new();
    let read = std::io::stdin().read_line(&mut line);
    if let Some(before) = before {
        // Nothing more can be done for a terminal that is gone.
        let _ = tcsetattr(stdin, OptionalActions::Now, &before);
    }
    read?;
    Ok(line.trim_end_matches(['\n', '\r']).to_owned())
}

/// Whoever gives up at a hidden question sees what they type afterwards.
fn restore_on_signal(before: Termios) {
    let cancel = Cancel::default();
    cancel.on_cancel(move || {
        let _ = tcsetattr(rustix::stdio::stdin(), OptionalActions::Now, &before);
        let _ = std::io::stderr().lock().write_all(b"\n");
        std::process::exit(Exit::Interrupted.code().into());
    });
    crate::signals::watch(cancel, |_| {});
}

/// Tells the user of a panic: calmly, and with what a report needs.
pub fn say_bug(panic: &std::panic::PanicHookInfo<'_>) {
    // Rego's interpreter panics on some policies; that is told as an error of the policy.
    if std::thread::current().name() == Some(policy::rego::THREAD) {
        return;
    }
    let payload = panic.payload();
    let text = payload.downcast_ref::<&str>().copied();
    let what = text.or(payload.downcast_ref::<String>().map(String::as_str)).unwrap_or("no message");
    let place = panic.location().map(ToString::to_string).unwrap_or_default();
    let version = env!("CARGO_PKG_VERSION");
    let text = format!(
        "error: this is a bug in Kapok {version}: {what}\n  caused by: {place}\n\n\
         hint: the store is unharmed; please report this text and the command\n"
    );
    let _ = std::io::stderr().lock().write_all(text.as_bytes());
}

/// The conventions of no-color.org and bixense.com/clicolors; the flag wins over both.
fn wants_colour(environment: &Environment, asked: Colour, terminal: bool) -> bool {
    match asked {
        Colour::Always => true,
        Colour::Never => false,
        Colour::Auto if environment.text("NO_COLOR").is_some() => false,
        Colour::Auto if environment.text("CLICOLOR_FORCE").is_some_and(|force| force != "0") => true,
        Colour::Auto => terminal && environment.text("CLICOLOR") != Some("0"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn colour_follows_the_conventions() {
        let wants = |variables: &[(&str, &str)], asked, terminal| {
            wants_colour(&Environment::of(variables, false), asked, terminal)
        };
        assert!(wants(&[], Colour::Auto, true));
        assert!(!wants(&[], Colour::Auto, false));
        assert!(!wants(&[("NO_COLOR", "1")], Colour::Auto, true));
        assert!(wants(&[("NO_COLOR", "")], Colour::Auto, true));
        assert!(wants(&[("NO_COLOR", "1")], Colour::Always, false));
        assert!(wants(&[("CLICOLOR_FORCE", "1")], Colour::Auto, false));
        assert!(!wants(&[("CLICOLOR", "0")], Colour::Auto, true));
        assert!(!wants(&[], Colour::Never, true));
    }
}
