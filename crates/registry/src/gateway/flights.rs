//! One download for everybody: who asks for what is on its way already shares it.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard};

use http::HeaderMap;
use tokio::sync::watch;

use super::kept::Head;
use super::spool::{Broken, Hold, Spool};
use super::upstream::NoAnswer;

/// An answer that has begun.
#[derive(Clone)]
pub(super) struct Source {
    pub head: Head,
    pub spool: Arc<Spool>,
    /// Where it came from, when that is another place than the one asked for.
    pub from: Option<String>,
    /// Headers that are for who asked, and nobody else: cookies.
    pub own: HeaderMap,
    /// Keeps the body coming until somebody reads it.
    #[expect(dead_code, reason = "that there is one is what counts")]
    pub hold: Option<Arc<Hold>>,
}

impl Source {
    /// The same for somebody else; nothing if nobody waits for it any more.
    fn join(&self) -> Option<Source> {
        let hold = Some(Arc::new(self.spool.hold()));
        (self.spool.end() != Some(Err(Broken::Cancelled))).then(|| Source { hold, ..self.clone() })
    }
}

type Landing = Result<Source, NoAnswer>;

/// Downloads that are on their way.
#[derive(Default)]
pub(super) struct Flights(Mutex<HashMap<String, watch::Receiver<Option<Landing>>>>);

/// What somebody who asks is to do.
pub(super) enum Seat {
    /// Fetch it, for all who come after.
    Lead(Lead),
    /// Wait for who fetches it.
    Follow(Follow),
}

/// Waits for who leads a flight.
pub(super) struct Follow(watch::Receiver<Option<Landing>>);

impl Follow {
    /// What came of it; nothing if it has to be fetched anew.
    pub(super) async fn landing(mut self) -> Option<Landing> {
        let landing = self.0.wait_for(Option::is_some).await.ok()?.clone()?;
        match landing {
            Ok(source) => source.join().map(Ok),
            Err(no_answer) => Some(Err(no_answer)),
        }
    }
}

/// Leads a flight. Dropped without an answer, the next one leads.
pub(super) struct Lead {
    flights: Arc<Flights>,
    key: String,
    landing: watch::Sender<Option<Landing>>,
    landed: bool,
}

impl Flights {
    pub(super) fn board(self: &Arc<Flights>, key: &str) -> Seat {
        let mut flights = self.flights();
        if let Some(known) = flights.get(key) {
            return Seat::Follow(Follow(known.clone()));
        }
        let (landing, receiver) = watch::channel(None);
        flights.insert(key.to_owned(), receiver);
        Seat::Lead(Lead { flights: self.clone(), key: key.to_owned(), landing, landed: false })
    }

    /// A flight is over.
    pub(super) fn end(&self, key: &str) {
        self.flights().remove(key);
    }

    fn flights(&self) -> MutexGuard<'_, HashMap<String, watch::Receiver<Option<Landing>>>> {
        self.0.lock().unwrap_or_else(|poisoned| poisoned.into_inner())
    }
}

impl Lead {
    /// Tells those who wait. A body that has begun is shared until [`Flights::end`].
    pub(super) fn land(mut self, landing: &Landing) {
        let landing = landing.clone().map(|source| Source { hold: None, own: HeaderMap::new(), ..source });
        let shared = landing.as_ref().is_ok_and(|source| source.spool.end().is_none());
        if !shared {
            self.flights.end(&self.key);
        }
        self.landed = true;
        self.landing.send_replace(Some(landing));
    }
}

impl Drop for Lead {
    fn drop(&mut self) {
        if !self.landed {
            self.flights.end(&self.key);
        }
    }
}
