//! The exit codes of `kapok`: the one place that names them.

use std::process::ExitCode;

/// How a command ended, as the calling process sees it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Exit {
    /// Everything asked for was done.
    Done,
    /// The command did its work and the answer is no: images differ, a digest does not verify, builds cannot work here.
    No,
    /// Usage or settings: the command line, `kapok.yaml`, a Dockerfile or the machine does not allow what was asked.
    Usage,
    /// An upstream or the network failed.
    Upstream,
    /// A step of the build failed.
    StepFailed,
    /// Stopped by an interrupt or a termination signal, as a shell reports it (128 + 2).
    Interrupted,
    /// Kapok itself is at fault.
    Bug,
    /// The exit code of somebody else's program, passed through by `kapok run` and `kapok shell`.
    Program(u8),
}

impl Exit {
    /// The documented codes with their meaning, for the reference.
    pub const DOCUMENTED: &[(Exit, &str)] = &[
        (Exit::Done, "done"),
        (
            Exit::No,
            "the answer is no: images differ, a digest does not verify, builds cannot work on this machine",
        ),
        (
            Exit::Usage,
            "usage or settings: the command line, `kapok.yaml`, the Dockerfile or the machine does not allow it",
        ),
        (Exit::Upstream, "an upstream or the network failed"),
        (Exit::StepFailed, "a build step failed"),
        (Exit::Bug, "a bug in Kapok"),
        (Exit::Interrupted, "stopped by an interrupt or a termination signal"),
    ];

    /// The number given to the calling process.
    pub fn code(self) -> u8 {
        match self {
            Exit::Done => 0,
            Exit::No => 1,
            Exit::Usage => 2,
            Exit::Upstream => 3,
            Exit::StepFailed => 4,
            Exit::Bug => 70,
            Exit::Interrupted => 130,
            Exit::Program(code) => code,
        }
    }
}

impl From<Exit> for ExitCode {
    fn from(exit: Exit) -> ExitCode {
        ExitCode::from(exit.code())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn documented_codes_are_distinct() {
        let mut codes: Vec<u8> = Exit::DOCUMENTED.iter().map(|(exit, _)| exit.code()).collect();
        codes.sort_unstable();
        codes.dedup();
        assert_eq!(codes, [0, 1, 2, 3, 4, 70, 130]);
    }
}
