//! How the build of an image stands and why: OpenShift's words, which people's scripts and eyes know.

use std::error::Error;
use std::fmt;
use std::io::ErrorKind;

use oci::causes::causes;
use oci::store::StoreError;

use crate::copy::CopyError;
use crate::engine::error::{BuildError, StepError};
use crate::plan::ImageError;

/// How the build of an image stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, serde::Serialize, serde::Deserialize)]
pub enum State {
    /// Nobody has looked at it yet.
    New,
    /// It waits: for an image that it stands on, or for room.
    Pending,
    /// A step of it runs, or has run.
    Running,
    /// The image is there, tested and tagged.
    Complete,
    /// The build failed.
    Failed,
    /// The machine failed, not the build.
    Error,
    /// Somebody stopped it, or what it stands on failed.
    Cancelled,
}

impl State {
    /// The word.
    pub fn name(self) -> &'static str {
        match self {
            State::New => "New",
            State::Pending => "Pending",
            State::Running => "Running",
            State::Complete => "Complete",
            State::Failed => "Failed",
            State::Error => "Error",
            State::Cancelled => "Cancelled",
        }
    }

    /// Whether nothing more will happen.
    pub fn is_final(self) -> bool {
        matches!(self, State::Complete | State::Failed | State::Error | State::Cancelled)
    }
}

impl fmt::Display for State {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.pad(self.name())
    }
}

/// Why a build is not complete. The words are OpenShift's where it has one for the case.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, serde::Serialize, serde::Deserialize)]
pub enum Reason {
    /// A step failed.
    DockerBuildFailed,
    /// The Dockerfile, or what belongs to it, cannot be understood.
    ManageDockerfileFailed,
    /// A base image could not be had.
    PullBuilderImageFailed,
    /// The name of a base image is none, or nobody has it.
    InvalidImageReference,
    /// Something that ADD names, or the build context, could not be had.
    FetchSourceFailed,
    /// A command was killed because it used more memory than it may.
    OutOfMemoryKilled,
    /// The disk is full.
    BuildPodEvicted,
    /// It took longer than it may.
    DeadlineExceeded,
    /// A test of the image failed.
    TestFailed,
    /// The organisation's standards do not allow the image.
    CheckFailed,
    /// The hook after the last step failed.
    PostCommitHookFailed,
    /// The image is built and could not be sent.
    PushImageToRegistryFailed,
    /// What it stands on was not built.
    DependencyFailed,
    /// Somebody stopped it.
    CancelledBuild,
    /// Anything else.
    GenericBuildFailed,
}

impl Reason {
    /// The word.
    pub fn name(self) -> &'static str {
        match self {
            Reason::DockerBuildFailed => "DockerBuildFailed",
            Reason::ManageDockerfileFailed => "ManageDockerfileFailed",
            Reason::PullBuilderImageFailed => "PullBuilderImageFailed",
            Reason::InvalidImageReference => "InvalidImageReference",
            Reason::FetchSourceFailed => "FetchSourceFailed",
            Reason::OutOfMemoryKilled => "OutOfMemoryKilled",
            Reason::BuildPodEvicted => "BuildPodEvicted",
            Reason::DeadlineExceeded => "DeadlineExceeded",
            Reason::TestFailed => "TestFailed",
            Reason::CheckFailed => "CheckFailed",
            Reason::PostCommitHookFailed => "PostCommitHookFailed",
            Reason::PushImageToRegistryFailed => "PushImageToRegistryFailed",
            Reason::DependencyFailed => "DependencyFailed",
            Reason::CancelledBuild => "CancelledBuild",
            Reason::GenericBuildFailed => "GenericBuildFailed",
        }
    }
}

impl fmt::Display for Reason {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.pad(self.name())
    }
}

/// What a failure is, and whether it may be gone the next time.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Verdict {
    /// Failed, or Error where the machine is to blame.
    pub state: State,
    /// Why.
    pub reason: Reason,
    /// Whether trying again makes sense: for networks, registries and full disks; never for what a build did wrong.
    pub passing: bool,
}

impl Verdict {
    fn failed(reason: Reason) -> Verdict {
        Verdict { state: State::Failed, reason, passing: false }
    }

    fn passing(reason: Reason) -> Verdict {
        Verdict { passing: true, ..Verdict::failed(reason) }
    }

    fn error() -> Verdict {
        Verdict { state: State::Error, reason: Reason::GenericBuildFailed, passing: false }
    }

    /// What the engine's error means.
    pub fn of(error: &BuildError) -> Verdict {
        if is_disk_full(error) {
            return Verdict { state: State::Error, ..Verdict::passing(Reason::BuildPodEvicted) };
        }
        match error {
            BuildError::Dockerfile { diagnostics, images } => of_dockerfile(diagnostics, images),
            BuildError::Ignore { .. } => Verdict::failed(Reason::ManageDockerfileFailed),
            BuildError::Step(failure) => of_step(&failure.cause),
            BuildError::Check(failure) if failure.hook => Verdict::failed(Reason::PostCommitHookFailed),
            BuildError::Check(_) => Verdict::failed(Reason::TestFailed),
            BuildError::Denied { .. } => Verdict::failed(Reason::CheckFailed),
            BuildError::Cancelled(_) => {
                Verdict { state: State::Cancelled, ..Verdict::failed(Reason::CancelledBuild) }
            }
            BuildError::Needs { .. } => {
                Verdict { state: State::Cancelled, ..Verdict::failed(Reason::DependencyFailed) }
            }
            BuildError::Upstream { .. } => Verdict::passing(Reason::PullBuilderImageFailed),
            BuildError::Context(_) => Verdict::failed(Reason::FetchSourceFailed),
            BuildError::Store(_) | BuildError::Sandbox(_) | BuildError::Thread(_) => Verdict::error(),
        }
    }
}

fn of_dockerfile(diagnostics: &[dockerfile::Diagnostic], images: &[ImageError]) -> Verdict {
    let mistakes = diagnostics.iter().filter(|found| found.level == dockerfile::Level::Error).count();
    if images.is_empty() || mistakes > images.len() {
        return Verdict::failed(Reason::ManageDockerfileFailed);
    }
    let upstream = |error: &ImageError| match error {
        ImageError::Upstream { source, .. } => !source.is::<StoreError>(),
        _ => false,
    };
    match images.iter().all(upstream) {
        true => Verdict::passing(Reason::PullBuilderImageFailed),
        false => Verdict::failed(Reason::InvalidImageReference),
    }
}

fn of_step(cause: &StepError) -> Verdict {
    match cause {
        StepError::Exit { oom_kills: 1.., .. } => Verdict::failed(Reason::OutOfMemoryKilled),
        // What it asked the network for did not come: that is why it failed, more likely than not.
        StepError::Exit { unreached, .. } if !unreached.is_empty() => {
            Verdict::passing(Reason::DockerBuildFailed)
        }
        StepError::Upstream { .. } => Verdict::passing(Reason::PullBuilderImageFailed),
        StepError::Copy(error) if is_fetch(error) => Verdict::passing(Reason::FetchSourceFailed),
        StepError::Sandbox(error) if error.exit_code().is_none() => Verdict::error(),
        StepError::Store(_) | StepError::Io { .. } => Verdict::error(),
        _ => Verdict::failed(Reason::DockerBuildFailed),
    }
}

fn is_fetch(error: &CopyError) -> bool {
    let own = |error: &(dyn Error + 'static)| {
        error.is::<crate::fetch::FetchError>() || error.is::<crate::copy::GitError>()
    };
    causes(error).any(own)
}

/// Whether the reason is a disk, or a share of it, that is full.
pub fn is_disk_full(error: &(dyn Error + 'static)) -> bool {
    let full = |error: &(dyn Error + 'static)| {
        error
            .downcast_ref::<std::io::Error>()
            .is_some_and(|error| matches!(error.kind(), ErrorKind::StorageFull | ErrorKind::QuotaExceeded))
    };
    let inner = match error.downcast_ref::<BuildError>() {
        Some(BuildError::Step(failure)) => Some(&failure.cause as &(dyn Error + 'static)),
        _ => None,
    };
    causes(error).any(full) || inner.is_some_and(|inner| causes(inner).any(full))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::engine::StepFailure;
    use crate::sandbox::ExitStatus;

    fn step(cause: StepError) -> BuildError {
        BuildError::Step(Box::new(StepFailure {
            step: crate::engine::StepId(0),
            stage: "stage-0".to_owned(),
            text: "RUN true".to_owned(),
            span: dockerfile::Span::default(),
            cause,
            tail: Vec::new(),
            log: None,
            wall: Default::default(),
            report: Default::default(),
        }))
    }

    fn exit(oom_kills: u64, unreached: &[&str]) -> StepError {
        let unreached = unreached.iter().map(|name| (*name).to_owned()).collect();
        StepError::Exit { status: ExitStatus::Code(1), oom_kills, pids_limit_hits: 0, unreached }
    }

    #[test]
    fn what_a_build_did_wrong_is_not_tried_again() {
        let full = || std::io::Error::from(ErrorKind::StorageFull);
        let io = |source| StepError::Io { action: "write".to_owned(), source };
        let all = [
            (step(exit(0, &[])), State::Failed, Reason::DockerBuildFailed, false),
            (step(exit(1, &[])), State::Failed, Reason::OutOfMemoryKilled, false),
            (step(exit(0, &["example.org"])), State::Failed, Reason::DockerBuildFailed, true),
            (step(io(full())), State::Error, Reason::BuildPodEvicted, true),
            (
                step(StepError::Full { status: ExitStatus::Code(1), source: full() }),
                State::Error,
                Reason::BuildPodEvicted,
                true,
            ),
            (step(io(ErrorKind::Other.into())), State::Error, Reason::GenericBuildFailed, false),
            (BuildError::Thread(full()), State::Error, Reason::BuildPodEvicted, true),
            (
                BuildError::Dockerfile { diagnostics: Vec::new(), images: Vec::new() },
                State::Failed,
                Reason::ManageDockerfileFailed,
                false,
            ),
        ];
        for (error, state, reason, passing) in all {
            assert_eq!(Verdict::of(&error), Verdict { state, reason, passing }, "{error:?}");
        }
    }
}
