//! Why a build gave no image.

use std::path::PathBuf;
use std::time::Duration;

use dockerfile::{Diagnostic, Source, Span};
use oci::record::{Intake, Verdict};
use oci::store::StoreError;

use super::StepId;
use super::report::BuildReport;
use crate::plan::ImageError;
use crate::sandbox::{ExitStatus, SandboxError};

/// A build failed. What it had done until then is in the store.
#[derive(Debug, thiserror::Error)]
pub enum BuildError {
    /// The Dockerfile is wrong; every fault of it is named.
    #[error("the Dockerfile cannot be built")]
    Dockerfile {
        /// Errors and warnings in the order of the text.
        diagnostics: Vec<Diagnostic>,
        /// Images that were not to be had, each with its diagnostic above.
        images: Vec<ImageError>,
    },
    /// An ignore file has patterns that cannot be read.
    #[error("`{}` cannot be read", .source_text.name)]
    Ignore {
        /// The file.
        source_text: Source,
        /// Every such pattern.
        diagnostics: Vec<Diagnostic>,
    },
    /// A step failed.
    #[error("{}", .0.headline())]
    Step(Box<StepFailure>),
    /// What was built is not what its tests say.
    #[error("{}", .0.headline())]
    Check(Box<super::checks::CheckFailure>),
    /// What was built may not have a name.
    #[error("the image may not have a name: {denial}")]
    Denied {
        /// Why, in the judge's words.
        denial: super::judging::Denial,
        /// All steps.
        report: Box<BuildReport>,
    },
    /// Another image of the project, which it stands on, was not built.
    #[error("it stands on `{image}`, which was not built")]
    Needs {
        /// What the project calls it.
        image: String,
    },
    /// Somebody stopped the build.
    #[error("the build was cancelled")]
    Cancelled(Box<BuildReport>),
    /// The store failed.
    #[error("the store failed")]
    Store(#[from] StoreError),
    /// There is nothing that could make sandboxes.
    #[error("steps cannot run on this machine")]
    Sandbox(#[source] SandboxError),
    /// The layers of a base image are not to be had.
    #[error("cannot fetch the layers of `{name}`")]
    Upstream {
        /// The repository.
        name: String,
        /// Why.
        #[source]
        source: super::UpstreamError,
    },
    /// Not even one thread could be started.
    #[error("cannot start a thread")]
    Thread(#[source] std::io::Error),
    /// A context's file could not be read.
    #[error("cannot read the build context")]
    Context(#[source] Box<dyn std::error::Error + Send + Sync>),
}

/// The step that failed, and everything that helps to understand it.
#[derive(Debug)]
pub struct StepFailure {
    /// Its number in the build.
    pub step: StepId,
    /// Its stage.
    pub stage: String,
    /// The instruction.
    pub text: String,
    /// Its place in the Dockerfile.
    pub span: Span,
    /// Why.
    pub cause: StepError,
    /// The end of its output.
    pub tail: Vec<u8>,
    /// The file with all of its output.
    pub log: Option<PathBuf>,
    /// How long it ran.
    pub wall: Duration,
    /// All steps.
    pub report: BuildReport,
}

impl StepFailure {
    fn headline(&self) -> String {
        format!("step `{}` of `{}` failed", self.text, self.stage)
    }
}

/// Why a step failed.
#[derive(Debug, thiserror::Error)]
pub enum StepError {
    /// The command ended with a code other than 0, or by a signal.
    #[error("{}", describe(.status, *.oom_kills))]
    Exit {
        /// How it ended.
        status: ExitStatus,
        /// How many of its processes were killed for memory.
        oom_kills: u64,
        /// Whether its limit on processes was reached.
        pids_limit_hits: u64,
        /// What it asked the network for in vain, and why there was no answer.
        unreached: Vec<String>,
    },
    /// The command ended so, and nothing more can be written where its files go.
    #[error("{} on a full disk", describe(.status, 0))]
    Full {
        /// How it ended.
        status: ExitStatus,
        /// What a write there is answered.
        source: std::io::Error,
    },
    /// It was refused something from the network.
    #[error("{}", list_refusals(.0))]
    Refused(Vec<Refusal>),
    /// Its gateway could not be had.
    #[error(transparent)]
    Gateway(#[from] crate::network::GatewayError),
    /// Its gateway's certificate is of no use.
    #[error(transparent)]
    Authority(#[from] super::trust::AuthorityError),
    /// Something of its gateway's would be in the layer.
    #[error(transparent)]
    Clean(#[from] super::trust::CleanError),
    /// The sandbox could not be made, or the command not be started.
    #[error(transparent)]
    Sandbox(#[from] SandboxError),
    /// There is no such user or group in the image.
    #[error(transparent)]
    User(#[from] crate::copy::users::UserError),
    /// Files could not be copied.
    #[error(transparent)]
    Copy(#[from] crate::copy::CopyError),
    /// Something that a mount needs is not there.
    #[error("{what}")]
    Mount {
        /// What, in words.
        what: String,
        /// What would help.
        hint: Option<String>,
    },
    /// A secret's value stands in what the step wrote.
    #[error("the value of secret `{secret}` is in `{}`", path.display())]
    Leak {
        /// Whose.
        secret: String,
        /// In which file of the image.
        path: PathBuf,
    },
    /// More layers than the kernel stacks.
    #[error("the snapshot has {layers} layers, and an overlay takes {limit}")]
    TooManyLayers {
        /// How many it would have.
        layers: usize,
        /// How many there may be.
        limit: usize,
    },
    /// An image's layers are not to be had.
    #[error("cannot fetch the layers of `{name}`")]
    Upstream {
        /// The repository.
        name: String,
        /// Why.
        #[source]
        source: super::UpstreamError,
    },
    /// The store failed.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// The layer could not be read or treated.
    #[error(transparent)]
    Tree(#[from] oci::layer::TreeError),
    /// The system refused something.
    #[error("cannot {action}")]
    Io {
        /// What was tried.
        action: String,
        /// The system's answer.
        #[source]
        source: std::io::Error,
    },
}

impl StepError {
    /// What would help, if that is known.
    pub fn hint(&self) -> Option<String> {
        match self {
            StepError::Sandbox(error) => error.hint(),
            StepError::Mount { hint, .. } => hint.clone(),
            StepError::Leak { .. } => Some(
                "a layer is for everybody who gets the image; mount the secret where the command needs it instead of copying it"
                    .to_owned(),
            ),
            StepError::Full { .. } => Some("make room; `kapok gc` frees what no image needs".to_owned()),
            StepError::Exit { oom_kills: 1.., .. } => {
                Some(
                    "raise the limit (`--memory`, in kapok.yaml `limits`), or let the command do less at once"
                        .to_owned(),
                )
            }
            StepError::Exit { pids_limit_hits: 1.., .. } => {
                Some("it reached its limit of processes; raise it with `--pids`".to_owned())
            }
            StepError::Exit { unreached, .. } if !unreached.is_empty() => {
                Some(format!("its network gave no answer to {}", some(unreached)))
            }
            StepError::Clean(super::trust::CleanError::Found { .. }) => Some(
                "a step's network has an authority of its own, which no image may trust; a program has put it into a file that cannot be restored: let it read the system's bundle where it is, instead of a copy, or import only the certificates that are meant"
                    .to_owned(),
            ),
            StepError::TooManyLayers { .. } => {
                Some("join RUN instructions, or copy the result into a new stage".to_owned())
            }
            _ => None,
        }
    }
}

/// A request that a rule or the lock refused.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Refusal {
    /// What was asked for: the method, where it is not the usual one, and the URL.
    pub request: String,
    /// The package, where it is one.
    pub purl: Option<String>,
    /// Which rule, as the settings call it.
    pub rule: String,
    /// Why, and what would allow it.
    pub reason: String,
}

impl Refusal {
    /// The refusal that an intake is, if it is one.
    pub fn of(intake: &Intake) -> Option<Refusal> {
        let Verdict::Refused { rule, reason } = &intake.verdict else { return None };
        let request = match intake.method.as_str() {
            "" | "GET" => intake.url.clone(),
            method => format!("{method} {}", intake.url),
        };
        Some(Refusal { request, purl: intake.purl.clone(), rule: rule.clone(), reason: reason.clone() })
    }
}

impl std::fmt::Display for Refusal {
    fn fmt(&self, out: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(out, "`{}`", self.request)?;
        if let Some(purl) = &self.purl {
            write!(out, " ({purl})")?;
        }
        write!(out, " is refused by `{}`: {}", self.rule, self.reason)
    }
}

/// Messages name so many of a list; the log and the record have all.
const NAMED: usize = 3;

fn list_refusals(refusals: &[Refusal]) -> String {
    let mut lines: Vec<String> = refusals.iter().map(ToString::to_string).collect();
    lines.dedup();
    some(&lines)
}

/// The first few of a list.
fn some(lines: &[String]) -> String {
    let named = lines.iter().take(NAMED).cloned().collect::<Vec<_>>().join("; ");
    match lines.len().saturating_sub(NAMED) {
        0 => named,
        more => format!("{named}; and {more} more"),
    }
}

fn describe(status: &ExitStatus, oom_kills: u64) -> String {
    let end = match status {
        ExitStatus::Code(127) => "exit code 127 (a command was not found)".to_owned(),
        ExitStatus::Code(126) => "exit code 126 (a command could not be executed)".to_owned(),
        ExitStatus::Code(code) => format!("exit code {code}"),
        ExitStatus::Signal(signal) => format!("ended by signal {signal}"),
    };
    match oom_kills {
        0 => end,
        1 => format!("out of memory: one process was killed; {end}"),
        many => format!("out of memory: {many} processes were killed; {end}"),
    }
}
