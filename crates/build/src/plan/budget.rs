//! A bound on how large a plan may grow.

/// How many history entries and variables a plan may hold in all, copies counted. Each stage copies its base's
/// history and each RUN the variables before it, so that a file of a few megabytes could ask for terabytes. Real
/// files stay below some thousands; tests need not wait for so many.
const LARGEST: usize = if cfg!(test) { 20_000 } else { 1_000_000 };

/// Counts what a plan holds.
#[derive(Debug, Default)]
pub struct Budget {
    used: usize,
}

/// The plan would be too large.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the plan is too large: more than {LARGEST} history entries and variables")]
pub struct TooLarge;

impl Budget {
    /// Takes note of so many more entries.
    pub fn spend(&mut self, entries: usize) -> Result<(), TooLarge> {
        self.used = self.used.saturating_add(entries);
        if self.used > LARGEST { Err(TooLarge) } else { Ok(()) }
    }
}
