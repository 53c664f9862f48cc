//! Shows what is on its way to and from registries, as events of the view.

use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use build::engine::{Event, Events};
use oci::{Descriptor, Digest};
use registry::client::{Progress, Transfer};

/// Between two events of a blob: as often as a live view is drawn, and no flood where each is a line of JSON.
const PERIOD: Duration = Duration::from_millis(100);

/// Turns what a client tells into events, and counts.
pub struct Transfers<'a> {
    events: &'a dyn Events,
    seen: Mutex<Seen>,
}

#[derive(Default)]
struct Seen {
    under_way: HashMap<Digest, Instant>,
    tally: Tally,
}

/// What was transferred.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Tally {
    /// Blobs that were transferred.
    pub moved: u64,
    /// Their bytes.
    pub bytes: u64,
    /// Blobs that were there already.
    pub skipped: u64,
}

impl<'a> Transfers<'a> {
    /// Tells this.
    pub fn new(events: &'a dyn Events) -> Transfers<'a> {
        Transfers { events, seen: Mutex::default() }
    }

    /// What was transferred since this was asked for last.
    pub fn take(&self) -> Tally {
        std::mem::take(&mut self.seen.lock().unwrap_or_else(PoisonError::into_inner).tally)
    }

    fn tell(&self, blob: &Descriptor, done: u64) {
        let what = name(blob);
        self.events.event(Event::Transfer { what, done, total: Some(blob.size) });
    }
}

impl Progress for Transfers<'_> {
    fn transfer(&self, blob: &Descriptor, transfer: Transfer) {
        let now = Instant::now();
        let mut seen = self.seen.lock().unwrap_or_else(PoisonError::into_inner);
        let last = seen.under_way.get(&blob.digest).copied();
        match transfer {
            Transfer::At(done) => {
                let due = last.is_none_or(|last| now.duration_since(last) >= PERIOD);
                // The end is told when the blob was verified.
                if due && done < blob.size {
                    seen.under_way.insert(blob.digest, now);
                    drop(seen);
                    self.tell(blob, done);
                }
            }
            Transfer::Skipped => seen.tally.skipped += 1,
            Transfer::Done => {
                seen.under_way.remove(&blob.digest);
                seen.tally.moved += 1;
                seen.tally.bytes += blob.size;
                drop(seen);
                if last.is_none() {
                    self.tell(blob, 0);
                }
                self.tell(blob, blob.size);
            }
        }
    }
}

/// A blob as people can tell it from others.
fn name(blob: &Descriptor) -> String {
    let kind =
        if blob.media_type.contains("layer") || blob.media_type.contains(".tar") { "layer" } else { "blob" };
    format!("{kind} {}", blob.digest.short())
}

#[cfg(test)]
mod tests {
    use super::*;
    use oci::descriptor::media_type;

    #[derive(Default)]
    struct Told(Mutex<Vec<String>>);

    impl Events for Told {
        fn event(&self, event: Event) {
            let Event::Transfer { what, done, total } = event else { return };
            let mut told = self.0.lock().expect("nobody panicked");
            told.push(format!("{what} {done}/{}", total.unwrap_or_default()));
        }
    }

    #[test]
    fn a_blob_begins_and_ends_and_is_counted() {
        let told = Told::default();
        let transfers = Transfers::new(&told);
        let blob = Descriptor::of(media_type::OCI_LAYER_GZIP, b"0123456789");
        let name = name(&blob);
        for transfer in [Transfer::At(1), Transfer::At(2), Transfer::At(10), Transfer::Done] {
            transfers.transfer(&blob, transfer);
        }
        let other = Descriptor::of(media_type::OCI_CONFIG, b"{}");
        transfers.transfer(&other, Transfer::Done);
        transfers.transfer(&other, Transfer::Skipped);
        let expected = [
            format!("{name} 1/10"),
            format!("{name} 10/10"),
            format!("blob {} 0/2", other.digest.short()),
            format!("blob {} 2/2", other.digest.short()),
        ];
        assert_eq!(*told.0.lock().expect("nobody panicked"), expected);
        assert_eq!(transfers.take(), Tally { moved: 2, bytes: 12, skipped: 1 });
        assert_eq!(transfers.take(), Tally::default());
    }
}
