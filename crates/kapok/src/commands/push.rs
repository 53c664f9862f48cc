//! `kapok push`.

use std::time::Instant;

use oci::store::{Document, Store, StoreError};
use oci::{Digest, Platform, Reference};
use registry::Repository;
use registry::client::{PushError, PushOptions};

use super::moving::{self, Moving, stored};
use crate::cli::registry::Push;
use crate::exit::Exit;
use crate::failure::Failure;
use crate::program::Program;
use crate::registry::blobs;
use crate::ui::{format, json};

/// Repositories that are offered as places to mount blobs from; each costs a request for every blob that is not there.
const MOUNTS: usize = 2;

/// Sends images where their names say.
pub fn run(program: &Program, arguments: &Push) -> Result<Exit, Failure> {
    moving::told(program, &arguments.show, |begun| push(program, arguments, begun))
}

fn push(program: &Program, arguments: &Push, begun: Instant) -> Result<Exit, Failure> {
    let settings = program.settings()?;
    let registries = program.registries(&settings);
    let names: Vec<Reference> =
        arguments.names.iter().map(|name| target(&registries.reference(name)?)).collect::<Result<_, _>>()?;
    let platform = arguments.platform.as_deref().map(|flag| moving::platform(Some(flag))).transpose()?;
    let store = program.store(&settings)?;
    // All names are looked up before anything is sent.
    let found = names.iter().map(|name| image(&store, name, platform.as_ref()));
    let found: Vec<Sendable> = found.collect::<Result<_, _>>()?;
    let client = registries.client()?;
    for (name, image) in names.iter().zip(found) {
        let moving = Moving::start(program, &arguments.show, format!("pushing {}", name.familiar()));
        if let Some(note) = image.note {
            moving.note(&note);
        }
        let options =
            PushOptions { mount_from: neighbours(&store, name, &image.digest)?, ..Default::default() };
        let transfers = moving.transfers();
        let send = || client.push(&store, &image.digest, name, &options, &transfers);
        let pushed = match send() {
            // Layers of a base that no step has read yet: they are not here, and not there either.
            Err(PushError::Incomplete { .. }) => {
                registries.bring(&store, &image.digest, &transfers).and_then(|()| Ok(send()?))
            }
            sent => sent.map_err(Failure::from),
        };
        let tally = transfers.take();
        moving.end();
        let pushed = pushed?;
        let (said, digest) = (name.familiar(), pushed.top.digest.to_string());
        moving.tell(
            &digest,
            || json::pushed(begun.elapsed(), &said, &digest, pushed.sent),
            || {
                format!(
                    "pushed {said}\n  digest   {digest}\n  sent     {} in {}{}",
                    format::size(pushed.sent),
                    format::duration(moving.elapsed()),
                    stored(tally, "there"),
                )
            },
        )?;
    }
    Ok(Exit::Done)
}

/// A name that something can be pushed to.
pub fn target(reference: &Reference) -> Result<Reference, Failure> {
    if reference.digest().is_some() {
        let message =
            format!("`{}` has a digest; what is pushed has the digest that it has", reference.familiar());
        return Err(Failure::usage_with(message, "give a tag"));
    }
    Ok(reference.clone())
}

/// What of an image can be sent.
pub struct Sendable {
    /// Manifest or index.
    pub digest: Digest,
    /// What the user should know about it.
    pub note: Option<String>,
}

fn image(store: &Store, name: &Reference, platform: Option<&Platform>) -> Result<Sendable, Failure> {
    let missing = || StoreError::NoImage(name.familiar());
    let digest = store.resolve_reference(name)?.ok_or_else(missing)?.digest;
    sendable(store, &name.familiar(), &digest, platform)
}

/// The image for the platform, if there is one to choose; else the whole. Of an index that has only one platform's image
/// here, that image: that is what a plain `kapok pull` leaves, and what docker pushes then.
pub fn sendable(
    store: &Store,
    name: &str,
    digest: &Digest,
    platform: Option<&Platform>,
) -> Result<Sendable, Failure> {
    if let Some(platform) = platform {
        let image = store.image(digest, platform)?.ok_or_else(|| {
            Failure::usage_with(format!("`{name}` is not there for {platform}"), "name another `--platform`")
        })?;
        return Ok(Sendable { digest: image.descriptor.digest, note: None });
    }
    let whole = Sendable { digest: *digest, note: None };
    let Document::Index(index) = store.document(digest)? else { return Ok(whole) };
    let manifests = &index.value().manifests;
    let mut here = Vec::new();
    for manifest in manifests {
        if store.has_blob(&manifest.digest)? {
            here.push(manifest);
        }
    }
    match here[..] {
        [only] if manifests.len() > 1 => {
            let platform = only.platform.as_ref().map(ToString::to_string).unwrap_or_default();
            let note = format!(
                "`{name}` has {} images, of which only the one for {platform} is here: that is sent, without the index",
                manifests.len()
            );
            Ok(Sendable { digest: only.digest, note: Some(note) })
        }
        _ => Ok(whole),
    }
}

/// Repositories of the same registry that, as far as this store knows, have layers of the image: where they came from, and
/// others of its names.
fn neighbours(store: &Store, name: &Reference, image: &Digest) -> Result<Vec<Repository>, Failure> {
    let own = blobs(store, image)?;
    let mut found: Vec<Repository> = Vec::new();
    let mut add = |other: &Reference| {
        let repository = Repository::from(other);
        let near = other.domain() == name.domain() && other.path() != name.path();
        if near && found.len() < MOUNTS && !found.contains(&repository) {
            found.push(repository);
        }
    };
    for blob in &own {
        store.origin(&blob.digest)?.iter().for_each(&mut add);
    }
    for tag in store.tags()? {
        let near = tag.reference.domain() == name.domain();
        // An image that is damaged is no reason not to push another.
        if near
            && blobs(store, &tag.image.digest).is_ok_and(|blobs| blobs.iter().any(|blob| own.contains(blob)))
        {
            add(&tag.reference);
        }
    }
    Ok(found)
}
