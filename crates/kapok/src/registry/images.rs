//! Images of registries, for builds: named by a FROM, fetched when a step needs their files.

use build::engine::{Cancel, Events, Resolved, Upstream, UpstreamError};
use build::plan::ImageError;
use oci::causes::causes;
use oci::store::Store;
use oci::{Descriptor, Platform, Reference};
use registry::client::{Progress, PullError, RequestError, Transfer};

use super::transfers::Transfers;
use super::{Registries, hints};

/// Where a build finds images that the store lacks.
pub struct RegistryImages<'a> {
    registries: &'a Registries,
    store: &'a Store,
    events: &'a dyn Events,
    cancel: Cancel,
}

impl<'a> RegistryImages<'a> {
    /// Images by these settings, into this store. Nothing is asked yet.
    pub fn new(
        registries: &'a Registries,
        store: &'a Store,
        events: &'a dyn Events,
        cancel: Cancel,
    ) -> RegistryImages<'a> {
        RegistryImages { registries, store, events, cancel }
    }
}

impl Upstream for RegistryImages<'_> {
    fn resolve(
        &self,
        name: &str,
        reference: &Reference,
        platform: &Platform,
    ) -> Result<Resolved, ImageError> {
        let refused = |error: super::RegistryError| ImageError::Upstream {
            name: name.to_owned(),
            hint: hints::hint_for(&error),
            source: Box::new(error),
        };
        self.registries.permit(name, reference).map_err(refused)?;
        let client = self.registries.client().map_err(refused)?;
        let image = client.image(reference, platform).map_err(|error| explain(name, platform, error))?;
        client.store_documents(&image, self.store).map_err(|error| explain(name, platform, error))?;
        let place = image.places.first().map_or_else(|| reference.domain().to_owned(), ToString::to_string);
        Ok(Resolved { top: image.top().digest, manifest: image.descriptor.digest, place })
    }

    fn fetch(
        &self,
        repository: &Reference,
        blobs: &[Descriptor],
        arrived: &(dyn Fn(&Descriptor) + Sync),
    ) -> Result<(), UpstreamError> {
        let arrivals = Arrivals { transfers: Transfers::new(self.events), arrived, cancel: &self.cancel };
        let client = self.registries.client()?;
        Ok(client.fetch_from(repository, blobs, self.store, &arrivals)?)
    }
}

/// Shows transfers, and tells of blobs that are there.
pub struct Arrivals<'a> {
    /// Shows them.
    pub transfers: Transfers<'a>,
    /// Is told.
    pub arrived: &'a (dyn Fn(&Descriptor) + Sync),
    /// Ends them.
    pub cancel: &'a Cancel,
}

impl Progress for Arrivals<'_> {
    fn transfer(&self, blob: &Descriptor, transfer: Transfer) {
        self.transfers.transfer(blob, transfer);
        if matches!(transfer, Transfer::Done | Transfer::Skipped) {
            (self.arrived)(blob);
        }
    }

    fn is_stopped(&self) -> bool {
        self.cancel.is_cancelled()
    }
}

/// What a plan says of an image that is not to be had.
fn explain(name: &str, platform: &Platform, error: PullError) -> ImageError {
    let name = name.to_owned();
    match error {
        PullError::Platform { available, .. } => ImageError::Platform {
            name,
            platform: platform.to_string(),
            available: available.split(", ").filter(|word| !word.is_empty()).map(str::to_owned).collect(),
        },
        PullError::Nowhere { last, attempts, .. } if last.is_not_found() => {
            let asked = attempts.iter().map(|(place, _)| place.clone());
            let mut hint = innermost(&last);
            for place in asked {
                hint = format!("{hint}, nor has `{place}`");
            }
            ImageError::NotFound { name, hint: Some(hint) }
        }
        PullError::Place(refused) => {
            let hint = hints::hint_for(&refused);
            ImageError::Upstream { name, source: Box::new(refused), hint }
        }
        PullError::Nowhere { last, attempts, .. } if attempts.is_empty() => {
            let hint = hints::hint_for(&*last);
            ImageError::Upstream { name, source: last, hint }
        }
        error => {
            let hint = causes(&error).find_map(hints::hint_for);
            ImageError::Upstream { name, source: Box::new(error), hint }
        }
    }
}

fn innermost(error: &RequestError) -> String {
    match error {
        RequestError::GaveUp { last, .. } => innermost(last),
        other => other.to_string(),
    }
}
