//! `kapok build --push`: blobs go out as soon as they are known, while later steps still run; what names them goes last.

use std::collections::{HashSet, VecDeque};
use std::sync::{Condvar, Mutex, MutexGuard, OnceLock, PoisonError};

use build::engine::{Cancel, Events, LayerSink};
use oci::store::Store;
use oci::{Descriptor, Digest, Reference};
use registry::Repository;
use registry::client::{Client, Progress, PushError, PushOptions, Transfer};

use super::Registries;
use super::transfers::{Tally, Transfers};
use crate::failure::Failure;

/// Repositories that are offered as places to mount a blob from; each costs a request.
const MOUNTS: usize = 2;

/// How many blobs are on their way at once.
pub const SENDERS: usize = 4;

/// Sends an image to registries while it is built.
pub struct Pusher<'a> {
    registries: &'a Registries,
    client: Client,
    store: &'a Store,
    /// The names that it gets.
    names: Vec<Reference>,
    /// Where its layers go, once for each repository.
    repositories: Vec<Reference>,
    transfers: Stoppable<'a>,
    /// Other images of the same registries that have a name here, with their layers.
    neighbours: OnceLock<Vec<(Reference, HashSet<Digest>)>>,
    queue: Mutex<Queue>,
    changed: Condvar,
}

#[derive(Default)]
struct Queue {
    waiting: VecDeque<Descriptor>,
    known: HashSet<Digest>,
    end: Option<End>,
}

/// Why nothing more comes.
#[derive(Clone, Copy, PartialEq, Eq)]
enum End {
    /// The image is there: what waits is sent.
    Done,
    /// There will be no image: what waits is forgotten.
    Never,
}

impl<'a> Pusher<'a> {
    /// Sends to these names, once [`serve`](Self::serve) runs.
    pub fn new(
        registries: &'a Registries,
        store: &'a Store,
        events: &'a dyn Events,
        cancel: Cancel,
        names: Vec<Reference>,
    ) -> Result<Pusher<'a>, Failure> {
        let mut repositories: Vec<Reference> = Vec::new();
        for name in &names {
            if repositories.iter().all(|known| known.name() != name.name()) {
                repositories.push(name.clone());
            }
        }
        Ok(Pusher {
            registries,
            client: registries.client()?,
            store,
            names,
            repositories,
            transfers: Stoppable { transfers: Transfers::new(events), cancel },
            neighbours: OnceLock::new(),
            queue: Mutex::default(),
            changed: Condvar::new(),
        })
    }

    /// Runs `build` while as many threads as are useful send what it tells of. What is on its way when it ends is sent to
    /// its end, what waits only if it ended well.
    pub fn beside<T, E>(&self, build: impl FnOnce() -> Result<T, E>) -> Result<T, E> {
        std::thread::scope(|scope| {
            for _ in 0..SENDERS {
                scope.spawn(|| self.serve());
            }
            // Also when the build panics: nobody may wait for ever.
            let mut ending = Ending { pusher: self, end: End::Never };
            let built = build();
            if built.is_ok() {
                ending.end = End::Done;
            }
            drop(ending);
            built
        })
    }

    /// Sends what is not there yet, then what names it; all names in turn.
    pub fn finish(&self, image: &Digest) -> Result<Tally, Failure> {
        for name in &self.names {
            let push =
                |options: &PushOptions| self.client.push(self.store, image, name, options, &self.transfers);
            let mut pushed = push(&PushOptions::default());
            if matches!(pushed, Err(PushError::Incomplete { .. })) {
                // A layer of a base, or of what a shared cache has, that no step needed.
                let mount_from = self.mounts(name, image)?;
                pushed = push(&PushOptions { mount_from, ..PushOptions::default() });
            }
            if matches!(pushed, Err(PushError::Incomplete { .. })) {
                self.registries.bring(self.store, image, &self.transfers)?;
                pushed = push(&PushOptions::default());
            }
            pushed.map_err(|source| unpushed(&self.names, source))?;
        }
        Ok(self.transfers.transfers.take())
    }

    /// The names that the image gets.
    pub fn names(&self) -> &[Reference] {
        &self.names
    }

    fn serve(&self) {
        while let Some(blob) = self.next() {
            for repository in &self.repositories {
                let mount_from = self.mount(repository, &blob);
                let options = PushOptions { mount_from, ..PushOptions::default() };
                // What fails now is tried again at the end, and told there.
                let blobs = std::slice::from_ref(&blob);
                let _ = self.client.push_blobs(self.store, blobs, repository, &options, &self.transfers);
            }
        }
    }

    fn next(&self) -> Option<Descriptor> {
        let mut queue = self.lock();
        loop {
            match queue.end {
                Some(End::Never) => return None,
                end => match queue.waiting.pop_front() {
                    Some(blob) => return Some(blob),
                    None if end.is_some() => return None,
                    None => queue = self.changed.wait(queue).unwrap_or_else(PoisonError::into_inner),
                },
            }
        }
    }

    /// Repositories of the same registry that are likely to have a blob: where it came from, and where images that have a name
    /// here are.
    fn mount(&self, to: &Reference, blob: &Descriptor) -> Vec<Repository> {
        let origin = self.store.origin(&blob.digest).ok().flatten();
        let neighbours = self.neighbours.get_or_init(|| self.neighbours());
        let near =
            neighbours.iter().filter(|(_, layers)| layers.contains(&blob.digest)).map(|(name, _)| name);
        let mut from: Vec<Repository> = Vec::new();
        for name in origin.iter().chain(near).filter(|name| mountable(name, to)) {
            let repository = Repository::from(name);
            if from.len() < MOUNTS && !from.contains(&repository) {
                from.push(repository);
            }
        }
        from
    }

    fn neighbours(&self) -> Vec<(Reference, HashSet<Digest>)> {
        let near = |name: &Reference| self.repositories.iter().any(|to| mountable(name, to));
        let tags = self.store.tags().unwrap_or_default().into_iter().filter(|tag| near(&tag.reference));
        // An image that is damaged is no reason not to push another.
        tags.filter_map(|tag| {
            let layers = super::blobs(self.store, &tag.image.digest).ok()?;
            Some((tag.reference, layers.into_iter().map(|layer| layer.digest).collect()))
        })
        .collect()
    }

    /// All such repositories of an image, and those that it was sent to.
    fn mounts(&self, to: &Reference, image: &Digest) -> Result<Vec<Repository>, Failure> {
        let mut from: Vec<Repository> = Vec::new();
        for blob in super::blobs(self.store, image)? {
            from.extend(self.mount(to, &blob));
        }
        let sent = self.repositories.iter().filter(|sent| mountable(sent, to)).map(Repository::from);
        from.extend(sent);
        from.sort();
        from.dedup();
        Ok(from)
    }

    fn lock(&self) -> MutexGuard<'_, Queue> {
        self.queue.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Blobs of one repository can be had in another one of the same registry.
pub fn mountable(from: &Reference, to: &Reference) -> bool {
    from.domain() == to.domain() && from.path() != to.path()
}

/// The image is there, and a name of it is not where it should be.
fn unpushed(names: &[Reference], source: PushError) -> Failure {
    Failure::Unpushed { names: names.iter().map(Reference::familiar).collect(), source: Box::new(source) }
}

impl LayerSink for Pusher<'_> {
    fn layer(&self, blob: &Descriptor, of_image: bool) {
        let mut queue = self.lock();
        if of_image && queue.end.is_none() && queue.known.insert(blob.digest) {
            queue.waiting.push_back(blob.clone());
            drop(queue);
            self.changed.notify_all();
        }
    }
}

/// Shows transfers until the build is stopped.
struct Stoppable<'a> {
    transfers: Transfers<'a>,
    cancel: Cancel,
}

impl Progress for Stoppable<'_> {
    fn transfer(&self, blob: &Descriptor, transfer: Transfer) {
        self.transfers.transfer(blob, transfer);
    }

    fn is_stopped(&self) -> bool {
        self.cancel.is_cancelled()
    }
}

/// Says when dropped that nothing more comes.
struct Ending<'p, 'a> {
    pusher: &'p Pusher<'a>,
    end: End,
}

impl Drop for Ending<'_, '_> {
    fn drop(&mut self) {
        self.pusher.lock().end = Some(self.end);
        self.pusher.changed.notify_all();
    }
}
