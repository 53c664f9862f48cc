//! What indexes told: kept when they pass, and looked up again in the records of earlier steps, whose `apt-get update` may
//! have run in another build.

use std::collections::BTreeMap;
use std::sync::{Arc, PoisonError};

use oci::record::Intake;

use crate::gateway::Shared;
use crate::gateway::step::Step;
use crate::packages::index::{Index, Offer, is_chained, is_signed};
use crate::packages::{Artifact, Kind, Request, recognise};

impl Shared {
    /// Remembers what an index says of files. A list of a distribution says something only if a signed document named it.
    pub(super) fn learn(&self, index: &Artifact, url: &str, offers: &[Offer]) {
        let mut known = self.known();
        let named = is_signed(url)
            || index.digest.is_some()
            || known.of(index, url).is_some_and(|offer| offer.digest.is_some());
        if !is_chained(index.ecosystem) || named {
            known.learn(index, offers);
        }
    }

    /// What an index says that a step was given once. One that the store has no longer says nothing.
    fn learn_again(&self, intake: &Intake) {
        let artifact = recognise(&Request::get(&intake.url));
        let fits = artifact.kind == Kind::Index && is_chained(artifact.ecosystem);
        let Some(digest) = intake.digest.filter(|_| fits && intake.status == Some(200)) else { return };
        let promised = self.known().of(&artifact, &intake.url).and_then(|offer| offer.digest);
        if promised.is_some_and(|promised| promised.algorithm() == digest.algorithm() && promised != digest) {
            return;
        }
        let Ok(body) = self.options.store.read_blob(&digest) else { return };
        let index = Index {
            artifact: &artifact,
            url: &intake.url,
            content_type: "",
            accept: "",
            body: &body,
            times: &BTreeMap::new(),
        };
        if let Ok(filtered) = self.options.gate.filter(&index) {
            self.learn(&artifact, &intake.url, &filtered.offers);
        }
    }
}

impl Step {
    /// Looks through what earlier steps fetched, once. Who comes meanwhile waits.
    pub(super) async fn recall(self: &Arc<Step>) {
        let step = self.clone();
        let looking = tokio::task::spawn_blocking(move || {
            let mut earlier = step.earlier.lock().unwrap_or_else(PoisonError::into_inner);
            // What is signed names the rest, in whatever order they were recorded.
            let (signed, rest): (Vec<_>, Vec<_>) =
                std::mem::take(&mut *earlier).into_iter().partition(|intake| is_signed(&intake.url));
            signed.iter().chain(&rest).for_each(|intake| step.shared.learn_again(intake));
        });
        // What was not found out is not known.
        let _ = looking.await;
    }
}
