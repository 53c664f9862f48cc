//! What `kapok pull`, `push` and `copy` share: platforms, the view, what is said at the end.

use std::time::{Duration, Instant};

use build::engine::Cancel;
use oci::Platform;

use crate::cli::build::Progress;
use crate::cli::registry::Show;
use crate::exit::Exit;
use crate::failure::Failure;
use crate::program::Program;
use crate::registry::transfers::{Tally, Transfers};
use crate::signals;
use crate::ui::format::counted;
use crate::ui::{self, View};

/// Runs a command whose failure is an event too where progress is JSON.
pub fn told(
    program: &Program,
    show: &Show,
    command: impl FnOnce(Instant) -> Result<Exit, Failure>,
) -> Result<Exit, Failure> {
    let begun = Instant::now();
    command(begun).map_err(|failure| match show.quiet {
        true => failure,
        false => super::build::tell(program, show.progress, begun, failure),
    })
}

/// The platform of a flag, else this machine's.
pub fn platform(flag: Option<&str>) -> Result<Platform, Failure> {
    match flag {
        None => Ok(Platform::host()),
        Some(text) => {
            Ok(text.parse::<Platform>().map_err(|error| Failure::usage(error.to_string()))?.normalised())
        }
    }
}

/// An image on its way, shown.
pub struct Moving<'a> {
    program: &'a Program,
    show: &'a Show,
    view: Box<dyn View>,
    begun: Instant,
}

impl<'a> Moving<'a> {
    /// Shows it from now on. Nothing has to be undone when it is stopped: the first signal ends the process.
    pub fn start(program: &'a Program, show: &'a Show, title: String) -> Moving<'a> {
        let view = ui::transfers(program.terminal, show.progress, show.quiet, title);
        let cancel = Cancel::default();
        cancel.on_cancel(|| std::process::exit(Exit::Interrupted.code().into()));
        signals::watch(cancel, view.noter());
        Moving { program, show, view, begun: Instant::now() }
    }

    /// What a client tells of its progress.
    pub fn transfers(&self) -> Transfers<'_> {
        Transfers::new(&*self.view)
    }

    /// Takes the view away, before anything else is said.
    pub fn end(&self) {
        drop(self.view.finish());
    }

    /// Since it began.
    pub fn elapsed(&self) -> Duration {
        self.begun.elapsed()
    }

    /// Says what came of it, in the form that was asked for.
    pub fn tell(
        &self,
        digest: &str,
        event: impl FnOnce() -> String,
        text: impl FnOnce() -> String,
    ) -> Result<(), Failure> {
        match self.show.progress {
            _ if self.show.quiet => return self.program.data(&format!("{digest}\n")),
            Progress::Json => self.program.say(&event()),
            _ => self.program.say(&text()),
        }
        Ok(())
    }

    /// Says something of note on the way, unless nothing is to be said.
    pub fn note(&self, text: &str) {
        if !self.show.quiet {
            self.view.noter()(text);
        }
    }
}

/// The end of a line about what was moved: what did not have to be.
pub fn stored(tally: Tally, place: &str) -> String {
    match tally.skipped {
        0 => String::new(),
        skipped => {
            let verb = if skipped == 1 { "was" } else { "were" };
            format!("; {} {verb} {place} already", counted(skipped, "blob"))
        }
    }
}
