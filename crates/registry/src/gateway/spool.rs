//! A body on its way through: one end writes it into the store as it arrives, any number of others read it from there.
//!
//! A client that is slow holds up nobody, and nothing of a body stays in memory. The last bytes are held back until the
//! whole is there and is what it should be, so that nobody takes half a body, or a wrong one, for a whole one. A body too
//! large to be kept passes through a window of the file: the writer waits for its readers, and what they have read is given
//! back to the disk.

mod pump;
mod reader;

use std::collections::HashMap;
use std::fs::File;
use std::sync::{Arc, Mutex};

use oci::Digest;
use tokio::sync::{Notify, watch};

pub(super) use pump::{Finish, Resume, Rules, pump};
pub(super) use reader::{Reader, SpoolBody};

/// Bytes at the end of a body of known size that are held back.
pub(super) const HELD_BACK: u64 = 64 << 10;

/// Why a body did not come to its end.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Broken {
    /// Upstream or machine failed.
    Failed { reason: String },
    /// It is not what it must be.
    Refused { rule: String, reason: String },
    /// Nobody wanted it any more.
    Cancelled,
}

impl Broken {
    pub(super) fn failed(reason: impl Into<String>) -> Broken {
        Broken::Failed { reason: reason.into() }
    }
}

/// A body that is all there.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Whole {
    pub digest: Digest,
    pub size: u64,
}

/// How far a body is.
#[derive(Clone, Debug, Default)]
struct Progress {
    written: u64,
    end: Option<Result<Whole, Broken>>,
}

/// Somebody is going to read a body.
pub(super) struct Hold(
    #[expect(dead_code, reason = "that there is one is what counts")] watch::Receiver<Progress>,
);

/// A body on its way.
pub(super) struct Spool {
    file: File,
    /// Its size, where it was announced.
    total: Option<u64>,
    progress: watch::Sender<Progress>,
    /// Where its readers are.
    positions: Mutex<Positions>,
    /// A reader has moved on, or is gone.
    moved: Notify,
}

#[derive(Default)]
struct Positions {
    next: u64,
    of: HashMap<u64, u64>,
    /// What lies before this is no longer on the disk.
    gone: u64,
}

impl Spool {
    /// A body of which nothing has come. `file`: where the writer writes.
    pub(super) fn new(file: File, total: Option<u64>) -> Arc<Spool> {
        Spool::with(file, total, Progress::default())
    }

    /// A body that is there.
    pub(super) fn complete(file: File, whole: Whole) -> Arc<Spool> {
        let progress = Progress { written: whole.size, end: Some(Ok(whole)) };
        Spool::with(file, Some(whole.size), progress)
    }

    fn with(file: File, total: Option<u64>, progress: Progress) -> Arc<Spool> {
        Arc::new(Spool {
            file,
            total,
            progress: watch::Sender::new(progress),
            positions: Mutex::default(),
            moved: Notify::new(),
        })
    }

    /// Its size, if it is known.
    pub(super) fn size(&self) -> Option<u64> {
        self.total.or_else(|| match &self.progress.borrow().end {
            Some(Ok(whole)) => Some(whole.size),
            _ => None,
        })
    }

    /// How it ended, if it has.
    pub(super) fn end(&self) -> Option<Result<Whole, Broken>> {
        self.progress.borrow().end.clone()
    }

    /// Waits for its end.
    pub(super) async fn ended(&self) -> Result<Whole, Broken> {
        let mut progress = self.progress.subscribe();
        let ended = progress.wait_for(|progress| progress.end.is_some()).await;
        match ended.map(|progress| progress.end.clone()) {
            Ok(Some(end)) => end,
            _ => Err(Broken::Cancelled),
        }
    }

    /// Keeps it coming although nobody reads it yet.
    pub(super) fn hold(&self) -> Hold {
        Hold(self.progress.subscribe())
    }

    fn readable(&self, progress: &Progress) -> u64 {
        match (&progress.end, self.total) {
            (Some(Ok(_)), _) | (_, None) => progress.written,
            // On its way, or not what it must be.
            (_, Some(total)) => progress.written.min(total.saturating_sub(HELD_BACK)),
        }
    }

    fn positions(&self) -> std::sync::MutexGuard<'_, Positions> {
        self.positions.lock().unwrap_or_else(|poisoned| poisoned.into_inner())
    }

    /// How far the slowest reader is; none without readers.
    fn slowest(&self) -> Option<u64> {
        self.positions().of.values().min().copied()
    }

    /// Gives back to the disk what lies before the slowest reader. Where a filesystem cannot, the file is as long as it is.
    fn give_back(&self, before: u64) {
        let mut positions = self.positions();
        let length = before.saturating_sub(positions.gone);
        if length == 0 {
            return;
        }
        let how = rustix::fs::FallocateFlags::PUNCH_HOLE | rustix::fs::FallocateFlags::KEEP_SIZE;
        let _ = rustix::fs::fallocate(&self.file, how, positions.gone, length);
        positions.gone = before;
    }
}
