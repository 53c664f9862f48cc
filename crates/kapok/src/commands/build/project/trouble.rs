//! Why an image of a project was not built.

use build::engine::{BuildError, BuildReport, Reason, State, Verdict};
use dockerfile::{Diagnostic, Level};
use oci::causes::causes;

use crate::commands::build::failed;
use crate::failure::Failure;

/// What went wrong, before it is put into words.
pub enum Trouble {
    /// The engine says so.
    Build(Box<BuildError>),
    /// Something around it.
    Other(Failure),
}

impl From<Failure> for Trouble {
    fn from(failure: Failure) -> Trouble {
        Trouble::Other(failure)
    }
}

impl From<BuildError> for Trouble {
    fn from(error: BuildError) -> Trouble {
        Trouble::Build(Box::new(error))
    }
}

/// Why an image was not built, and how far it came.
pub struct Failed {
    /// In words.
    pub failure: Failure,
    /// Its steps.
    pub report: BuildReport,
}

impl Failed {
    /// The first line of what there is to say.
    pub fn headline(&self) -> String {
        match &self.failure {
            Failure::Step(step) => step.headline(),
            Failure::Dockerfile { diagnostics, source_text, .. } => match first(diagnostics) {
                Some(first) => format!("{}: {}", source_text.name, first.message),
                None => self.failure.to_string(),
            },
            other => {
                causes(other).map(ToString::to_string).fold(String::new(), |all, cause| match all.as_str() {
                    "" => cause,
                    _ if all.ends_with(&cause) => all,
                    _ => format!("{all}: {cause}"),
                })
            }
        }
    }
}

/// What stopped the build; before it may stand what is only doubtful.
fn first(diagnostics: &[Diagnostic]) -> Option<&Diagnostic> {
    diagnostics.iter().find(|found| found.level == Level::Error).or(diagnostics.first())
}

/// What to make of it.
pub fn verdict(trouble: &Trouble) -> Verdict {
    match trouble {
        Trouble::Build(error) => {
            let verdict = Verdict::of(error);
            // Who is not let in, or asks for what is not there, will not be answered otherwise in a while.
            let passing = verdict.passing && !failed::is_final(failed::cause(error));
            Verdict { passing, ..verdict }
        }
        Trouble::Other(failure) => {
            let pushed = matches!(failure, Failure::Unpushed { .. } | Failure::Push(_));
            Verdict {
                state: State::Failed,
                reason: if pushed { Reason::PushImageToRegistryFailed } else { Reason::GenericBuildFailed },
                passing: pushed && causes(failure).any(failed::is_network) && !failed::is_final(failure),
            }
        }
    }
}

/// How far the build came.
pub fn report_of(error: &BuildError) -> BuildReport {
    match error {
        BuildError::Step(failure) => failure.report.clone(),
        BuildError::Check(failure) => failure.report.clone(),
        BuildError::Cancelled(report) | BuildError::Denied { report, .. } => (**report).clone(),
        _ => BuildReport::default(),
    }
}
