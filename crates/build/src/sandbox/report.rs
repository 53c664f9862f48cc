//! What init and the command tell the supervisor.

use serde::{Deserialize, Serialize};

use super::{ExitStatus, Outcome, SandboxError};

/// From inside the sandbox to the supervisor.
#[derive(Debug, Serialize, Deserialize)]
pub(super) enum Report {
    /// The controlling side of the command's terminal comes with this message.
    Terminal,
    /// The files of [`super::GatewayNetwork`] come with this message.
    Gateway,
    /// The sandbox or its command could not be started.
    Failed(SandboxError),
    /// The command has ended.
    Ended(ExitStatus),
}

/// From the supervisor to the main process.
#[derive(Debug, Serialize, Deserialize)]
pub(super) enum Answer {
    /// As [`Report::Terminal`].
    Terminal,
    /// As [`Report::Gateway`].
    Gateway,
    /// All is over.
    Done(Result<Outcome, SandboxError>),
}
