//! `kapok copy`: between registries, layouts, archives and the store.

mod spot;

use std::fs::File;
use std::io::BufReader;
use std::time::Instant;

use oci::archive::{self, ArchiveError, Export, Loaded};
use oci::store::{Batch, Document, Store, StoreError};
use oci::{Digest, Platform, Reference};
use registry::client::{Platforms, PushOptions};

use super::moving::{self, Moving};
use super::push;
use crate::cli::registry::Copy;
use crate::exit::Exit;
use crate::failure::Failure;
use crate::files;
use crate::program::{Program, find_image};
use crate::registry::Registries;
use crate::registry::transfers::Transfers;
use crate::ui::{format, json};
use spot::{Form, Spot};

/// Copies an image.
pub fn run(program: &Program, arguments: &Copy) -> Result<Exit, Failure> {
    moving::told(program, &arguments.show, |begun| copy(program, arguments, begun))
}

/// What a copy needs at both ends.
struct Ends<'a> {
    registries: &'a Registries,
    /// All platforms, or the one.
    platform: Option<Platform>,
    transfers: &'a Transfers<'a>,
}

fn copy(program: &Program, arguments: &Copy, begun: Instant) -> Result<Exit, Failure> {
    let settings = program.settings()?;
    let registries = program.registries(&settings);
    let directory = &program.environment.directory;
    let from = Spot::parse(&arguments.from, directory, &registries)?;
    let to = Spot::parse(&arguments.to, directory, &registries)?;
    if let Spot::Registry(reference) = &to {
        push::target(reference)?;
    }
    let between_registries = matches!((&from, &to), (Spot::Registry(_), Spot::Registry(_)));
    if arguments.referrers && !between_registries {
        return Err(Failure::usage("`--referrers` is for copies from one registry to another"));
    }
    let platform = match arguments.all {
        true => None,
        false => Some(moving::platform(arguments.platform.as_deref())?),
    };
    let moving = Moving::start(program, &arguments.show, format!("copying {from} to {to}"));
    let transfers = moving.transfers();
    let ends = Ends { registries: &registries, platform, transfers: &transfers };
    let chosen = !arguments.all && arguments.platform.is_none();
    let copied = match (&from, &to) {
        (Spot::Registry(from), Spot::Registry(to)) => ends.directly(from, to, arguments.referrers, chosen),
        _ => program.store(&settings).and_then(|store| ends.by_store(&store, &from, &to)),
    };
    if let Ok((_, 2..)) = copied
        && chosen
    {
        let platform = ends.platform.as_ref().map(ToString::to_string).unwrap_or_default();
        moving.note(&format!(
            "`{from}` has images for several platforms; the one for {platform} is copied, `--all` copies all"
        ));
    }
    moving.end();
    let (digest, _) = copied?;
    let (said, digest) = (to.to_string(), digest.to_string());
    moving.tell(
        &digest,
        || json::copied(begun.elapsed(), &said, &digest),
        || {
            let time = format::duration(moving.elapsed());
            format!("copied {from} to {said}\n  digest   {digest}\n  in       {time}")
        },
    )?;
    Ok(Exit::Done)
}

impl Ends<'_> {
    fn platforms(&self) -> Platforms {
        self.platform.clone().map_or(Platforms::All, Platforms::One)
    }

    /// From registry to registry; nothing is kept here. What was copied, and of how many platforms.
    fn directly(
        &self,
        from: &Reference,
        to: &Reference,
        with_referrers: bool,
        count: bool,
    ) -> Result<(Digest, usize), Failure> {
        let client = self.registries.client()?;
        let options = PushOptions { with_referrers, ..PushOptions::default() };
        let several = if count && client.resolve(from)?.is_index() { 2 } else { 1 };
        let pushed = client.copy(from, to, &self.platforms(), &options, self.transfers)?;
        Ok((pushed.top.digest, several))
    }

    /// Through the store, where the image has no name and goes with the next collection unless the store is where it was
    /// to go.
    fn by_store(&self, store: &Store, from: &Spot, to: &Spot) -> Result<(Digest, usize), Failure> {
        let whole = self.read(store, from)?;
        let count = match store.document(&whole)? {
            Document::Index(index) => index.value().manifests.len(),
            Document::Manifest(_) => 1,
        };
        let name = from.to_string();
        let digest = match &self.platform {
            Some(platform) if count > 1 => push::sendable(store, &name, &whole, Some(platform))?.digest,
            _ => whole,
        };
        self.write(store, &digest, from, to)?;
        Ok((digest, count))
    }

    /// Brings what is at a spot into the store.
    fn read(&self, store: &Store, from: &Spot) -> Result<Digest, Failure> {
        let (path, wanted, loaded) = match from {
            Spot::Registry(reference) => {
                let pulled =
                    self.registries.client()?.pull(reference, &self.platforms(), store, self.transfers)?;
                return Ok(pulled.top.digest);
            }
            Spot::Store(name) => {
                let digest = find_image(store, name)?.digest;
                self.registries.bring(store, &digest, self.transfers)?;
                return Ok(digest);
            }
            Spot::Layout { path, name } => (path, name, archive::load_layout(path, store)?),
            Spot::Archive { path, name, .. } => {
                let file = File::open(path).map_err(Failure::file("read", path))?;
                (path, name, archive::load(&mut BufReader::with_capacity(1 << 20, file), store)?)
            }
        };
        choose(&loaded, wanted.as_deref(), &path.display().to_string())
    }

    fn write(&self, store: &Store, digest: &Digest, from: &Spot, to: &Spot) -> Result<(), Failure> {
        match to {
            Spot::Registry(reference) => {
                let client = self.registries.client()?;
                client.push(store, digest, reference, &PushOptions::default(), self.transfers)?;
            }
            Spot::Store(name) => {
                let name = crate::program::image_name(name)?;
                let tags = vec![(name, *digest)];
                store.commit(&Batch { tags, images: vec![*digest], ..Batch::default() })?;
            }
            Spot::Layout { path, name } => {
                let name = name.as_deref().or(from.tag());
                archive::save_layout_as(path, digest, name, store)?;
            }
            Spot::Archive { path, name, form } => {
                let references = match (name, from.reference()) {
                    (Some(name), _) => vec![self.registries.reference(name)?],
                    (None, known) => known.into_iter().collect(),
                };
                let images = [Export { digest: *digest, references }];
                files::replace(path, |out| match form {
                    Form::Oci => Ok(archive::save_oci(out, &images, store)?),
                    Form::Docker => Ok(archive::save_docker(out, &images, store)?),
                })?;
            }
        }
        Ok(())
    }
}

/// The image of a layout or an archive that is meant: by its name there, or the only one.
fn choose(loaded: &[Loaded], wanted: Option<&str>, place: &str) -> Result<Digest, Failure> {
    let Some(wanted) = wanted else {
        return match loaded {
            [only] => Ok(only.digest),
            [] => Err(ArchiveError::NoImage.into()),
            several => {
                let names: Vec<String> = several.iter().flat_map(|image| image.names.clone()).collect();
                let hint = format!("name one of them behind a colon: {}", names.join(", "));
                Err(Failure::usage_with(format!("`{place}` holds {} images", several.len()), hint))
            }
        };
    };
    let reference: Option<Reference> = wanted.parse().ok();
    let named = |image: &&Loaded| {
        image.names.iter().any(|name| name == wanted)
            || reference.as_ref().is_some_and(|reference| image.references.contains(reference))
            || image.digest.to_string() == wanted
    };
    let found = loaded.iter().find(named);
    found.map(|image| image.digest).ok_or_else(|| StoreError::NoImage(format!("{place}:{wanted}")).into())
}
