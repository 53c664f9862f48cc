//! Tars, compression and digests of new layers, beside the steps that come after them.

use std::collections::{HashMap, VecDeque};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};

use oci::LayerId;
use oci::layer::{Compression, Packing};
use oci::store::{LayerBlob, Store, StoreError};

/// Packs layers in the background. Whoever needs a blob waits for it at the end.
pub struct Packer<'a> {
    store: &'a Store,
    compression: Compression,
    threads: usize,
    desk: Arc<Desk>,
    told: Option<Told<'a>>,
}

/// Called with each layer as soon as it is packed.
pub type Told<'a> = Box<dyn Fn(&LayerId, &LayerBlob) + Sync + 'a>;

/// Where those who ask and those who pack meet.
#[derive(Default)]
struct Desk {
    state: Mutex<State>,
    changed: Condvar,
    /// For what is being packed: nobody waits for it any more.
    stop: AtomicBool,
}

#[derive(Default)]
struct State {
    queue: VecDeque<LayerId>,
    results: HashMap<LayerId, Option<Result<LayerBlob, StoreError>>>,
    closed: bool,
}

impl<'a> Packer<'a> {
    /// A packer that nobody serves yet; [`serve`](Self::serve) does, from as many threads as wanted.
    pub fn new(store: &'a Store, compression: Compression, threads: usize) -> Packer<'a> {
        Packer { store, compression, threads, desk: Arc::default(), told: None }
    }

    /// Has `told` called with each layer that is packed.
    pub fn tell(mut self, told: Option<Told<'a>>) -> Packer<'a> {
        self.told = told;
        self
    }

    /// Asks for a layer's blob. Asking twice is asking once.
    pub fn want(&self, layer: LayerId) {
        let mut state = self.desk.lock();
        if let std::collections::hash_map::Entry::Vacant(slot) = state.results.entry(layer) {
            slot.insert(None);
            state.queue.push_back(layer);
            drop(state);
            self.desk.changed.notify_all();
        }
    }

    /// Waits for a blob that was [wanted](Self::want). `None`: the packer was closed before.
    pub fn blob(&self, layer: &LayerId) -> Result<Option<LayerBlob>, StoreError> {
        self.want(*layer);
        let mut state = self.desk.lock();
        loop {
            match state.results.get(layer) {
                Some(Some(Ok(blob))) => return Ok(Some(blob.clone())),
                // The error goes to the first who asks; the layer can be asked for again.
                Some(Some(Err(_))) => return state.results.remove(layer).flatten().transpose(),
                _ if state.closed => return Ok(None),
                _ => state = self.desk.changed.wait(state).unwrap_or_else(PoisonError::into_inner),
            }
        }
    }

    /// Waits until everything that was [wanted](Self::want) is packed, or the packer closed. Who asks for a blob that could not
    /// be packed hears of it then.
    pub fn settle(&self) {
        let mut state = self.desk.lock();
        while !state.closed && state.results.values().any(Option::is_none) {
            state = self.desk.changed.wait(state).unwrap_or_else(PoisonError::into_inner);
        }
    }

    /// Lets the serving threads return; what is not finished stays undone.
    pub fn close(&self) {
        self.desk.close();
    }

    /// [`close`](Self::close) for somebody who outlives the packer.
    pub fn closer(&self) -> impl Fn() + Send + 'static {
        let desk = Arc::clone(&self.desk);
        move || desk.close()
    }

    /// Packs until [closed](Self::close).
    pub fn serve(&self) {
        let _closing = CloseOnPanic(&self.desk);
        loop {
            let mut state = self.desk.lock();
            let layer = loop {
                if state.closed {
                    return;
                }
                if let Some(layer) = state.queue.pop_front() {
                    break layer;
                }
                state = self.desk.changed.wait(state).unwrap_or_else(PoisonError::into_inner);
            };
            drop(state);
            let packing = Packing {
                compression: self.compression,
                level: None,
                threads: self.threads,
                stop: &self.desk.stop,
            };
            let packed = self.store.pack_layer_unless(&layer, &packing);
            if packed.is_err() && self.desk.stop.load(Ordering::Relaxed) {
                return;
            }
            if let (Some(told), Ok(blob)) = (&self.told, &packed) {
                told(&layer, blob);
            }
            self.desk.lock().results.insert(layer, Some(packed));
            self.desk.changed.notify_all();
        }
    }
}

impl Desk {
    fn close(&self) {
        self.stop.store(true, Ordering::Relaxed);
        self.lock().closed = true;
        self.changed.notify_all();
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Nobody may wait for what a thread that panicked would have made.
struct CloseOnPanic<'a>(&'a Desk);

impl Drop for CloseOnPanic<'_> {
    fn drop(&mut self) {
        if std::thread::panicking() {
            self.0.close();
        }
    }
}
