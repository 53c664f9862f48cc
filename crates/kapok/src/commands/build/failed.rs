//! What a failed build tells: the place in the Dockerfile, why, the last output, and how to look closer.

use build::engine::{BuildError, StepError, StepFailure};
use build::fetch::FetchError;
use build::plan::ImageError;
use build::sandbox::SandboxError;
use dockerfile::{Diagnostic, Level, Source};
use oci::causes::{causes, in_one_line};
use registry::client::{PullError, RequestError};

use crate::exit::Exit;
use crate::failure::Failure;
use crate::judging::Denial;
use crate::ui::text::{Lines, squeezed};

/// Lines of a step's last output in the message.
const LAST_LINES: usize = 20;

/// A step that failed, ready to be shown.
#[derive(Debug)]
pub struct FailedStep {
    source: Source,
    diagnostic: Diagnostic,
    output: Vec<String>,
    log: Option<String>,
    shell: Option<String>,
    /// The exit code that it deserves.
    pub exit: Exit,
}

impl FailedStep {
    /// Which step, and why, in one line.
    pub fn headline(&self) -> String {
        let label = self.diagnostic.label.as_deref().unwrap_or_default();
        format!("{}: {label}", self.diagnostic.message)
    }

    /// What the user reads.
    pub fn render(&self, colour: bool) -> String {
        let mut text = String::new();
        if !self.output.is_empty() {
            text += "last output:\n";
            self.output.iter().for_each(|line| text += &format!("  {line}\n"));
            text.push('\n');
        }
        text += dockerfile::render(&self.source, std::slice::from_ref(&self.diagnostic), colour).trim_end();
        text += "\n";
        if let Some(log) = &self.log {
            text += &format!("\nlog: {log}\n");
        }
        if let Some(shell) = &self.shell {
            text += &format!("\nhint: `{shell}` opens a shell before this step\n");
        }
        text
    }
}

/// Turns the engine's error into what the user is told.
pub fn explain(error: BuildError, source: &Source) -> Failure {
    match error {
        BuildError::Dockerfile { diagnostics, images } => {
            // As long as the file itself has mistakes, nobody else is to blame.
            let mistakes = diagnostics.iter().filter(|found| found.level == Level::Error).count();
            let upstream = images.iter().any(is_upstream) && mistakes == images.len();
            Failure::Dockerfile { source_text: source.clone(), diagnostics, upstream }
        }
        BuildError::Ignore { source_text, diagnostics } => {
            Failure::Dockerfile { source_text, diagnostics, upstream: false }
        }
        BuildError::Step(failure) => Failure::Step(Box::new(step(*failure, source))),
        BuildError::Check(failure) => Failure::Test {
            output: last_lines(&failure.tail),
            message: BuildError::Check(failure).to_string(),
        },
        BuildError::Denied { denial, report } => match denial.downcast::<Denial>() {
            Ok(denial) => (*denial).into(),
            Err(denial) => BuildError::Denied { denial, report }.into(),
        },
        BuildError::Cancelled(_) => Failure::Interrupted,
        other => other.into(),
    }
}

/// The same of an image of a project, of which others may have failed too.
pub fn explain_of(error: BuildError, source: &Source, image: &str) -> Failure {
    let step = match &error {
        BuildError::Step(failure) => failure.report.failed().map(|step| step.id.number()),
        _ => None,
    };
    let mut failure = explain(error, source);
    if let (Failure::Step(failed), Some(step)) = (&mut failure, step) {
        failed.shell = failed.shell.take().map(|shell| format!("{shell} {image}#{step}"));
    }
    failure
}

/// Whether a step failed for nothing but the want of a spawner; why there is none is then what the user needs to know.
pub fn lacks_spawner(error: &BuildError) -> bool {
    match error {
        BuildError::Step(failure) => matches!(failure.cause, StepError::Sandbox(SandboxError::Gone)),
        BuildError::Sandbox(SandboxError::Gone) => true,
        _ => false,
    }
}

/// Where the chain of an error's causes begins.
pub fn cause(error: &BuildError) -> &(dyn std::error::Error + 'static) {
    match error {
        BuildError::Step(failure) => &failure.cause,
        other => other,
    }
}

fn is_upstream(error: &ImageError) -> bool {
    causes(error).any(is_network)
}

/// Whether an error is of the network, or of who is at its other end.
pub fn is_network(error: &(dyn std::error::Error + 'static)) -> bool {
    let own = |error: &RequestError| matches!(error, RequestError::Io { .. } | RequestError::Store(_));
    if let Some(error) = error.downcast_ref::<RequestError>() {
        return !own(error);
    }
    if let Some(error) = error.downcast_ref::<Box<RequestError>>() {
        return !own(error);
    }
    match error.downcast_ref::<PullError>() {
        Some(error) => !matches!(error, PullError::Place(_) | PullError::Store(_)),
        None => error.is::<FetchError>(),
    }
}

/// Whether asking again would give the same answer: who is asked does not know us, or not what we want.
pub fn is_final(error: &(dyn std::error::Error + 'static)) -> bool {
    causes(error).any(|error| {
        let error = error
            .downcast_ref::<RequestError>()
            .or_else(|| error.downcast_ref::<Box<RequestError>>().map(|error| &**error));
        match error {
            Some(RequestError::Unauthorized { .. } | RequestError::NotFound { .. }) => true,
            Some(RequestError::Status { status, .. }) => (400..429).contains(status),
            _ => false,
        }
    })
}

fn step(failure: StepFailure, source: &Source) -> FailedStep {
    let exit = exit(&failure.cause);
    let message = format!("step `{}` of `{}` failed", squeezed(&failure.text), failure.stage);
    let diagnostic = Diagnostic::error(failure.span, message)
        .label(in_one_line(&failure.cause))
        .hint_opt(hint(&failure.cause));
    // A shell helps where a command ran and failed, not where the machine could not even start it.
    let shell = matches!(failure.cause, StepError::Exit { .. }).then(|| "kapok shell".to_owned());
    FailedStep {
        source: source.clone(),
        diagnostic,
        output: last_lines(&failure.tail),
        log: failure.log.map(|path| path.display().to_string()),
        shell,
        exit,
    }
}

fn hint(cause: &StepError) -> Option<String> {
    match cause {
        StepError::Copy(error) => error.hint().map(str::to_owned),
        other => other.hint(),
    }
}

fn last_lines(tail: &[u8]) -> Vec<String> {
    let mut lines = Lines::default();
    let mut all = lines.take(tail);
    all.extend(lines.finish());
    all.retain(|line| !line.trim().is_empty());
    let skipped = all.len().saturating_sub(LAST_LINES);
    all.split_off(skipped)
}

fn exit(cause: &StepError) -> Exit {
    match cause {
        _ if causes(cause).any(is_network) => Exit::Upstream,
        // The machine cannot make the sandbox that was asked for: nothing is wrong with the step.
        StepError::Sandbox(error) if error.exit_code().is_none() => Exit::Usage,
        StepError::Store(_) | StepError::Io { .. } | StepError::Full { .. } => Exit::Usage,
        _ => Exit::StepFailed,
    }
}
