//! Everything that can end a command other than well, and the one place that turns it into words and an exit code.

use std::error::Error;
use std::path::PathBuf;

use build::base::debian::{BaseError, ConfigureError};
use build::context::ContextError;
use build::copy::GitError;
use build::copy::users::UserError;
use build::engine::{BuildError, StepError};
use build::fetch::FetchError;
use build::sandbox::SandboxError;
use dockerfile::{Diagnostic, Source};
use oci::archive::ArchiveError;
use oci::causes::causes;
use oci::reference::ReferenceError;
use oci::store::StoreError;
use registry::client::{PullError, PushError, RequestError};
use registry::server::StartError;

use crate::apt::AptError;
use crate::commands::build::failed::{FailedStep, is_network};
use crate::commands::serve::access::AccessError;
use crate::exit::Exit;
use crate::judging::Shown;
use crate::registry::logins::LoginError;
use crate::registry::{RegistryError, hints};
use crate::settings::SettingsError;
use crate::ui::line::Tone;

/// Why a command did not end well.
#[derive(Debug, thiserror::Error)]
pub enum Failure {
    /// What was asked for makes no sense, or not here.
    #[error("{message}")]
    Usage {
        /// What is wrong.
        message: String,
        /// What to do instead.
        hint: Option<String>,
    },
    /// A Dockerfile has errors; they are shown at their places.
    #[error("`{}` has errors", source_text.name)]
    Dockerfile {
        /// The file and its text.
        source_text: Source,
        /// What is wrong, and where.
        diagnostics: Vec<Diagnostic>,
        /// Whether an upstream is to blame.
        upstream: bool,
    },
    /// The project has errors; they are shown at their places, file by file.
    #[error("the project has errors")]
    Project(Vec<(Source, Vec<Diagnostic>)>),
    /// A step failed.
    #[error("a step failed")]
    Step(Box<FailedStep>),
    /// A test of a finished image failed.
    #[error("{message}")]
    Test {
        /// Which, and why.
        message: String,
        /// What it said last.
        output: Vec<String>,
    },
    /// The build failed, but no step of it.
    #[error(transparent)]
    Build(Box<BuildError>),
    /// Something could not be fetched.
    #[error(transparent)]
    Fetch(#[from] FetchError),
    /// A git repository could not be had.
    #[error(transparent)]
    Git(#[from] GitError),
    /// The snapshot for a command could not be prepared.
    #[error(transparent)]
    Place(Box<StepError>),
    /// There is no such user in the image.
    #[error(transparent)]
    User(#[from] UserError),
    /// A base could not be assembled.
    #[error(transparent)]
    Base(Box<BaseError>),
    /// This machine's apt configuration does not say where packages come from.
    #[error(transparent)]
    Apt(#[from] AptError),
    /// A build context could not be unpacked.
    #[error(transparent)]
    Context(#[from] ContextError),
    /// `kapok.yaml` cannot be used.
    #[error(transparent)]
    Settings(#[from] SettingsError),
    /// The store refused.
    #[error(transparent)]
    Store(Box<StoreError>),
    /// A registry is not to be asked.
    #[error(transparent)]
    Registry(#[from] RegistryError),
    /// An image cannot be had from a registry.
    #[error(transparent)]
    Pull(Box<PullError>),
    /// An image cannot be brought to a registry.
    #[error(transparent)]
    Push(Box<PushError>),
    /// A registry was asked in vain.
    #[error(transparent)]
    Request(Box<RequestError>),
    /// A registry does not take credentials.
    #[error("`{registry}` does not accept this password of `{user}`")]
    Refused {
        /// Which.
        registry: String,
        /// Whose.
        user: String,
    },
    /// An image is built, and is not where it should be.
    #[error("the image is built and in the store, but not in its registry")]
    Unpushed {
        /// Its names.
        names: Vec<String>,
        /// Why.
        #[source]
        source: Box<PushError>,
    },
    /// Credentials cannot be kept.
    #[error(transparent)]
    Login(#[from] LoginError),
    /// Users, tokens and rights of a registry cannot be read.
    #[error(transparent)]
    Access(#[from] AccessError),
    /// A registry does not come up.
    #[error(transparent)]
    Serve(#[from] StartError),
    /// An archive cannot be read or written.
    #[error(transparent)]
    Archive(Box<ArchiveError>),
    /// A sandbox cannot be had.
    #[error(transparent)]
    Sandbox(#[from] SandboxError),
    /// The check says no.
    #[error("{message}")]
    Denied {
        /// What it found, in one line.
        message: String,
        /// The findings with their places, where they are not said yet.
        findings: Option<Box<Shown>>,
    },
    /// A name is none.
    #[error("`{name}` is not an image name")]
    Name {
        /// As given.
        name: String,
        /// What is wrong with it.
        source: ReferenceError,
    },
    /// A file of the user's cannot be read or written.
    #[error("cannot {action} `{}`", path.display())]
    File {
        /// What was tried, as a verb.
        action: &'static str,
        /// Where.
        path: PathBuf,
        /// The system's answer.
        source: std::io::Error,
    },
    /// Standard output cannot be written.
    #[error("cannot write to standard output")]
    Output(#[source] std::io::Error),
    /// The user stopped it.
    #[error("stopped")]
    Interrupted,
    /// Another failure, which the user was told of already.
    #[error("told already")]
    Told(Exit),
}

// Boxed by hand: these are large, and every command returns them.
impl From<StoreError> for Failure {
    fn from(error: StoreError) -> Failure {
        Failure::Store(Box::new(error))
    }
}

impl From<PullError> for Failure {
    fn from(error: PullError) -> Failure {
        match error {
            PullError::Store(error) => error.into(),
            error => Failure::Pull(Box::new(error)),
        }
    }
}

impl From<PushError> for Failure {
    fn from(error: PushError) -> Failure {
        match error {
            PushError::Store(error) => error.into(),
            PushError::Source(error) => Failure::from(*error),
            error => Failure::Push(Box::new(error)),
        }
    }
}

impl From<BaseError> for Failure {
    fn from(error: BaseError) -> Failure {
        match error {
            BaseError::Store(error) => error.into(),
            error => Failure::Base(Box::new(error)),
        }
    }
}

impl From<StepError> for Failure {
    fn from(error: StepError) -> Failure {
        Failure::Place(Box::new(error))
    }
}

impl From<BuildError> for Failure {
    fn from(error: BuildError) -> Failure {
        match error {
            BuildError::Store(error) => error.into(),
            BuildError::Sandbox(error) => error.into(),
            error => Failure::Build(Box::new(error)),
        }
    }
}

impl From<ArchiveError> for Failure {
    fn from(error: ArchiveError) -> Failure {
        match error {
            ArchiveError::Store(error) => error.into(),
            error => Failure::Archive(Box::new(error)),
        }
    }
}

impl Failure {
    /// A usage error without a hint.
    pub fn usage(message: impl Into<String>) -> Failure {
        Failure::Usage { message: message.into(), hint: None }
    }

    /// A usage error with a hint.
    pub fn usage_with(message: impl Into<String>, hint: impl Into<String>) -> Failure {
        Failure::Usage { message: message.into(), hint: Some(hint.into()) }
    }

    /// For `map_err`: what was done to which file.
    pub fn file(action: &'static str, path: impl Into<PathBuf>) -> impl FnOnce(std::io::Error) -> Failure {
        let path = path.into();
        move |source| Failure::File { action, path, source }
    }

    /// The exit code.
    pub fn exit(&self) -> Exit {
        match self {
            Failure::Interrupted => Exit::Interrupted,
            Failure::Told(exit) => *exit,
            Failure::Step(step) => step.exit,
            Failure::Test { .. } => Exit::StepFailed,
            Failure::Dockerfile { upstream: true, .. } | Failure::Fetch(_) | Failure::Git(_) => {
                Exit::Upstream
            }
            // A reader that has seen enough, such as `head`, is not an error.
            Failure::Output(error) if error.kind() == std::io::ErrorKind::BrokenPipe => Exit::Done,
            Failure::Base(error) => base_exit(error),
            Failure::Pull(error) => hints::pull_exit(error),
            Failure::Push(error) => hints::push_exit(error),
            Failure::Unpushed { .. } => Exit::Upstream,
            Failure::Request(error) => hints::request_exit(error),
            // The answer of somebody who was asked a question.
            Failure::Refused { .. } | Failure::Denied { .. } => Exit::No,
            Failure::Store(error) if matches!(**error, StoreError::NoImage(_)) => Exit::No,
            _ if causes(self).any(is_network) => Exit::Upstream,
            _ => Exit::Usage,
        }
    }

    /// What the user reads, with line ends; empty where there is nothing to say.
    pub fn render(&self, colour: bool) -> String {
        match self {
            Failure::Step(step) => return step.render(colour),
            Failure::Dockerfile { source_text, diagnostics, .. }
            | Failure::Settings(SettingsError::Content { source_text, diagnostics }) => {
                return ended(dockerfile::render(source_text, diagnostics, colour));
            }
            Failure::Project(files) => {
                let files = files.iter();
                let shown =
                    files.map(|(source, diagnostics)| ended(dockerfile::render(source, diagnostics, colour)));
                return shown.collect::<Vec<_>>().join("\n");
            }
            Failure::Told(_) => return String::new(),
            Failure::Denied { findings: Some(shown), .. } => {
                let findings = if colour { &shown.coloured } else { &shown.plain };
                return format!("{}\n{}", findings.trim_end(), self.said(colour));
            }
            Failure::Output(error) if error.kind() == std::io::ErrorKind::BrokenPipe => return String::new(),
            _ => {}
        }
        self.said(colour)
    }

    /// The message, its causes and a hint.
    fn said(&self, colour: bool) -> String {
        let mut text = String::new();
        if let Failure::Test { output, .. } = self
            && !output.is_empty()
        {
            text += "last output:\n";
            output.iter().for_each(|line| text += &format!("  {line}\n"));
            text.push('\n');
        }
        text += &format!("{}: {self}\n", Tone::Bad.paint("error", colour));
        let mut last = self.to_string();
        for cause in causes(self).skip(1) {
            let cause = cause.to_string();
            // `#[error(transparent)]` repeats what it wraps.
            if cause != last {
                text += &format!("  caused by: {cause}\n");
            }
            last = cause;
        }
        if let Some(hint) = self.hint() {
            text += &format!("\n{}: {hint}\n", Tone::Good.paint("hint", colour));
        }
        text
    }

    /// What would help, if that is known.
    pub fn hint(&self) -> Option<String> {
        match self {
            Failure::Usage { hint, .. } => hint.clone(),
            Failure::Denied { .. } => Some(
                "`--no-check` builds all the same; a waiver or `# kapok: ignore=RULE reason` says why".into(),
            ),
            Failure::Sandbox(error) => error.hint(),
            Failure::Apt(error) => error.hint(),
            Failure::Store(error) => store_hint(error),
            Failure::Registry(error) => hint_for(error),
            Failure::Serve(error) => hint_for(error),
            Failure::Login(error) => hint_for(error).or_else(|| causes(error).find_map(hint_for)),
            Failure::Pull(error) => hints::pull_hint(error).or_else(|| causes(self).find_map(hint_for)),
            Failure::Push(error) => hints::push_hint(error).or_else(|| causes(self).find_map(hint_for)),
            Failure::Request(error) => causes(&**error).find_map(hint_for),
            Failure::Unpushed { names, .. } => {
                let again = format!("`kapok push {}` sends it again", names.join(" "));
                let first = causes(self).find_map(hint_for);
                Some(first.map_or(again.clone(), |first| format!("{first}; then {again}")))
            }
            _ => causes(self).find_map(hint_for),
        }
    }
}

fn base_exit(error: &BaseError) -> Exit {
    match error {
        // What cannot be fetched, and what comes but is not vouched for, is the upstream's affair.
        BaseError::Archive(_) | BaseError::Fill(_) => Exit::Upstream,
        BaseError::Configure(ConfigureError::Sandbox(_)) => Exit::Usage,
        BaseError::Configure(_) => Exit::StepFailed,
        _ => Exit::Usage,
    }
}

/// What helps against an error somewhere in a chain.
fn hint_for(error: &(dyn Error + 'static)) -> Option<String> {
    if let Some(error) = error.downcast_ref::<SandboxError>() {
        return error.hint();
    }
    hints::hint_for(error).or_else(|| error.downcast_ref::<StoreError>().and_then(store_hint))
}

fn store_hint(error: &StoreError) -> Option<String> {
    Some(match error {
        StoreError::Unsuitable { .. } => {
            "set KAPOK_HOME, or `store` in kapok.yaml, to a directory on another file system".to_owned()
        }
        StoreError::OtherForm { .. } => {
            "root and ordinary users have stores of their own; leave KAPOK_HOME unset to use yours".to_owned()
        }
        StoreError::NoLayer(_) => "it was collected; build the image again".to_owned(),
        StoreError::NoImage(_) => {
            "`kapok images` lists what is there; `kapok pull` fetches from a registry, `kapok load` from an archive".to_owned()
        }
        StoreError::Io { source, .. } if source.kind() == std::io::ErrorKind::StorageFull => {
            "`kapok gc` frees space in the store".to_owned()
        }
        StoreError::Io { source, .. } if source.kind() == std::io::ErrorKind::PermissionDenied => {
            "set KAPOK_HOME to a directory that you may write".to_owned()
        }
        _ => return None,
    })
}

fn ended(mut text: String) -> String {
    if !text.ends_with('\n') {
        text.push('\n');
    }
    text
}

#[cfg(test)]
mod tests;
