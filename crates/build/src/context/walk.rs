//! Listing a whole tree with several threads.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Condvar, Mutex, PoisonError};

use oci::tree;

use super::{Context, ContextError, NodeKind};

/// An ignore file with exceptions makes a listing look at those below it, as deep as a path can be.
const STACK: usize = 16 << 20;

/// The directories that are still to be listed, and how many are being listed now.
struct Queue {
    state: Mutex<(Vec<Vec<u8>>, usize)>,
    changed: Condvar,
    stop: AtomicBool,
}

/// Lists `directory` and everything below it.
pub(super) fn prefetch(context: &Context, directory: &[u8]) -> Result<(), ContextError> {
    let queue = Queue {
        state: Mutex::new((vec![directory.to_vec()], 0)),
        changed: Condvar::new(),
        stop: AtomicBool::new(false),
    };
    let failed = Mutex::new(None);
    let work = || {
        while let Some(directory) = queue.take() {
            match context.list(&directory) {
                Ok(listing) => {
                    let below = listing.iter().filter(|(_, node)| node.kind == NodeKind::Directory);
                    queue.done(below.map(|(name, _)| tree::join(&directory, name)));
                }
                Err(error) => {
                    failed.lock().unwrap_or_else(PoisonError::into_inner).get_or_insert(error);
                    queue.stop.store(true, Ordering::Relaxed);
                    queue.done(std::iter::empty());
                }
            }
        }
    };
    std::thread::scope(|scope| {
        for _ in 1..context.options.threads.max(1) {
            // Where no further thread can be had, this one does it all.
            drop(std::thread::Builder::new().stack_size(STACK).spawn_scoped(scope, work));
        }
        work();
    });
    failed.into_inner().unwrap_or_else(PoisonError::into_inner).map_or(Ok(()), Err)
}

impl Queue {
    /// The next directory; nothing when all are listed.
    fn take(&self) -> Option<Vec<u8>> {
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        loop {
            if self.stop.load(Ordering::Relaxed) {
                return None;
            }
            if let Some(directory) = state.0.pop() {
                state.1 += 1;
                return Some(directory);
            }
            if state.1 == 0 {
                return None;
            }
            state = self.changed.wait(state).unwrap_or_else(PoisonError::into_inner);
        }
    }

    /// A directory is listed; these are below it.
    fn done(&self, below: impl Iterator<Item = Vec<u8>>) {
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        state.0.extend(below);
        state.1 -= 1;
        self.changed.notify_all();
    }
}
