//! What a build exchanges with registries: bases in, the image out, results of steps both ways.

use std::time::Instant;

use build::engine::{Built, Cancel, Doors, Event, Events, Keep, LayerSink, NoEvents, Request, SharedCache};
use oci::causes::in_one_line;
use oci::store::{Batch, Store};
use oci::{Digest, Reference};

use crate::cli::build::Build;
use crate::cli::values::{CacheMode, CacheTo, OutputKind};
use crate::failure::Failure;
use crate::program::{Program, image_name};
use crate::registry::Registries;
use crate::registry::cache::{Exporter, Place, Sources};
use crate::registry::images::RegistryImages;
use crate::registry::pushing::Pusher;
use crate::registry::transfers::Tally;

/// What the flags say of registries, checked before anything runs.
pub struct Plans {
    /// Where the image goes.
    pub names: Vec<Reference>,
    from: Vec<Place>,
    to: Vec<(Place, CacheTo)>,
}

impl Plans {
    /// Reads the flags, and tells the engine what they ask of it.
    pub fn of(
        program: &Program,
        registries: &Registries,
        flags: &Build,
        request: &mut Request,
    ) -> Result<Plans, Failure> {
        let names = names(registries, flags)?;
        Plans::of_image(program, registries, flags, names, request)
    }

    /// The same for an image that is pushed under these names.
    pub fn of_image(
        program: &Program,
        registries: &Registries,
        flags: &Build,
        names: Vec<Reference>,
        request: &mut Request,
    ) -> Result<Plans, Failure> {
        // What is pushed stays here under the same names, so that it can be pushed again.
        for name in &names {
            if !request.tags.contains(name) {
                request.tags.push(name.clone());
            }
        }
        let directory = &program.environment.directory;
        let place = |flag| Place::of(flag, registries, directory);
        let from = flags.cache_from.iter().map(|flag| place(&flag.0)).collect::<Result<_, _>>()?;
        let to = flags.cache_to.iter().map(|flag| Ok((place(&flag.place)?, flag.clone())));
        let to: Vec<(Place, CacheTo)> = to.collect::<Result<_, Failure>>()?;
        request.pack_all = to.iter().any(|(_, flag)| flag.mode == CacheMode::Max);
        request.keep = keep(flags, !names.is_empty());
        Ok(Plans { names, from, to })
    }

    /// The same without caches that are written: those of a project are written when all of it is built.
    pub fn among(self) -> Plans {
        Plans { to: Vec::new(), ..self }
    }
}

/// Leaves the results of a project's builds in its caches, each of which holds all of them.
pub fn leave(
    program: &Program,
    registries: &Registries,
    store: &Store,
    flags: &Build,
    built: &[(&Request, &Built)],
) -> Result<(), Failure> {
    let Some((request, _)) = built.first() else { return Ok(()) };
    let mut asked = (*request).clone();
    let plans = Plans::of_image(program, registries, flags, Vec::new(), &mut asked)?;
    let sources = Sources::new(registries, store, &NoEvents, Cancel::default(), plans.from);
    let exporter = Exporter {
        registries,
        store,
        sources: &sources,
        events: &NoEvents,
        compression: request.compression,
        threads: request.jobs.max(1),
        pushed: &[],
    };
    let all: Vec<&Built> = built.iter().map(|(_, built)| *built).collect();
    for (place, flag) in &plans.to {
        match exporter.write(place, flag.mode, &all) {
            Ok(_) => {}
            Err(failure) if flag.ignore_error == Some(false) => return Err(failure),
            Err(failure) => {
                let why = in_one_line(&failure);
                program.warn(&format!("the results of this build could not be left in `{place}`: {why}"));
            }
        }
    }
    Ok(())
}

/// The names that the image is pushed under, each once.
fn names(registries: &Registries, flags: &Build) -> Result<Vec<Reference>, Failure> {
    let mut wanted: Vec<&String> = Vec::new();
    if flags.push {
        wanted.extend(&flags.tag);
    }
    for output in flags.output.iter().filter(|output| output.push) {
        wanted.extend(if output.names.is_empty() { &flags.tag } else { &output.names });
    }
    if wanted.is_empty() && (flags.push || flags.output.iter().any(|output| output.push)) {
        return Err(Failure::usage_with(
            "an image without a name cannot be pushed",
            "name it with `--tag REGISTRY/NAME:TAG`",
        ));
    }
    let mut names: Vec<Reference> = Vec::new();
    for text in wanted {
        let name = image_name(text)?;
        registries.permit(text, &name)?;
        if !names.contains(&name) {
            names.push(name);
        }
    }
    Ok(names)
}

/// How much of the image somebody wants here.
fn keep(flags: &Build, pushed: bool) -> Keep {
    let kinds = || flags.output.iter().map(|output| output.kind);
    if kinds().any(|kind| matches!(kind, OutputKind::Tar | OutputKind::Local)) {
        return Keep::Files;
    }
    match pushed && kinds().all(|kind| kind == OutputKind::Image) {
        true => Keep::Nothing,
        false => Keep::Blobs,
    }
}

/// The parts that take part in a build.
pub struct Sharing<'a> {
    plans: &'a Plans,
    registries: &'a Registries,
    store: &'a Store,
    events: &'a dyn Events,
    images: RegistryImages<'a>,
    sources: Sources<'a>,
    pusher: Option<Pusher<'a>>,
}

/// What came of the exchange.
#[derive(Default)]
pub struct Shared {
    /// The names under which the image is where it should be, what was sent, and how long that took after the build.
    pub pushed: Option<Pushed>,
    /// What went wrong; the image is in the store nevertheless.
    pub failure: Option<Failure>,
}

/// An image in its registries.
pub struct Pushed {
    /// Its names.
    pub names: Vec<Reference>,
    /// What was sent.
    pub tally: Tally,
    /// From the end of the build to the end of the push.
    pub wall: std::time::Duration,
}

impl<'a> Sharing<'a> {
    /// Nothing is asked yet.
    pub fn new(
        plans: &'a Plans,
        registries: &'a Registries,
        store: &'a Store,
        events: &'a dyn Events,
        cancel: &Cancel,
    ) -> Result<Sharing<'a>, Failure> {
        let pusher = match plans.names.is_empty() {
            true => None,
            false => Some(Pusher::new(registries, store, events, cancel.clone(), plans.names.clone())?),
        };
        Ok(Sharing {
            plans,
            registries,
            store,
            events,
            images: RegistryImages::new(registries, store, events, cancel.clone()),
            sources: Sources::new(registries, store, events, cancel.clone(), plans.from.clone()),
            pusher,
        })
    }

    /// The doors of a build, with those to registries.
    pub fn doors(&'a self, doors: Doors<'a>) -> Doors<'a> {
        let cache = (!self.plans.from.is_empty()).then_some(&self.sources as &dyn SharedCache);
        let layers = self.pusher.as_ref().map(|pusher| pusher as &dyn LayerSink);
        Doors { upstream: Some(&self.images), cache, layers, ..doors }
    }

    /// Builds, and sends meanwhile what is known to be needed.
    pub fn beside<T, E>(&self, build: impl FnOnce() -> Result<T, E>) -> Result<T, E> {
        match &self.pusher {
            Some(pusher) => pusher.beside(build),
            None => build(),
        }
    }

    /// What the image has from a cache, and is not here, is had from where the image is from now on: caches change.
    fn remember(&self, image: &Digest) -> Result<(), Failure> {
        let Some(name) = self.plans.names.first() else { return Ok(()) };
        let caches: Vec<String> = self
            .plans
            .from
            .iter()
            .filter_map(|place| match place {
                Place::Registry(reference) => Some(reference.name()),
                Place::Directory(_) => None,
            })
            .collect();
        let mut origins = Vec::new();
        for layer in crate::registry::blobs(self.store, image)? {
            let origin = self.store.origin(&layer.digest)?;
            if origin.is_some_and(|origin| caches.contains(&origin.name())) {
                origins.push((layer.digest, name.clone()));
            }
        }
        Ok(self.store.commit(&Batch { origins, ..Batch::default() })?)
    }

    /// Sends what names the image, then the results of its steps.
    pub fn finish(&self, request: &Request, built: &Built) -> Shared {
        let begun = Instant::now();
        let mut shared = Shared::default();
        if let Some(pusher) = &self.pusher {
            match pusher.finish(&built.image.digest) {
                Ok(tally) => {
                    if let Err(failure) = self.remember(&built.image.digest) {
                        shared.failure = Some(failure);
                    }
                    let names = pusher.names().to_vec();
                    shared.pushed = Some(Pushed { names, tally, wall: begun.elapsed() });
                }
                Err(failure) => shared.failure = Some(failure),
            }
        }
        let exporter = Exporter {
            registries: self.registries,
            store: self.store,
            sources: &self.sources,
            events: self.events,
            compression: request.compression,
            threads: request.jobs.max(1),
            pushed: if shared.pushed.is_some() { &self.plans.names } else { &[] },
        };
        for (place, flag) in &self.plans.to {
            match exporter.write(place, flag.mode, &[built]) {
                Ok(_) => {}
                Err(failure) if flag.ignore_error == Some(false) => {
                    shared.failure.get_or_insert(failure);
                }
                Err(failure) => {
                    let why = in_one_line(&failure);
                    let message = format!("the results of this build could not be left in `{place}`: {why}");
                    self.events.event(Event::Warning { message, step: None });
                }
            }
        }
        shared
    }
}
