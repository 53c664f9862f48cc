//! `kapok status`: is every image's latest build complete, and current with what it stands on?

mod print;

use std::collections::BTreeMap;

use build::engine::{Reason, State};
use oci::store::Store;
use oci::{Digest, Platform, Reference};

use crate::cli::status::{Status, StatusFormat};
use crate::clock;
use crate::exit::Exit;
use crate::failure::Failure;
use crate::program::Program;
use crate::projects::{self, Loaded};
use crate::story::{self, BaseUse, Told};

/// Builds of an image that are looked at.
const FEW: usize = 20;

/// How an image stands.
#[derive(Clone, Debug, Default)]
pub struct Standing {
    /// Its name.
    pub name: String,
    /// Its latest build; nothing if there was none.
    pub latest: Option<Told>,
    /// Its latest complete build.
    pub complete: Option<Told>,
    /// What is not as it was when it was built; nothing if it is current.
    pub stale: Option<String>,
    /// Whether that matters to images that stand on it: they do not have its certificates.
    pub holds_up: bool,
}

impl Standing {
    /// The state of its latest build.
    pub fn state(&self) -> State {
        self.latest.as_ref().map_or(State::New, Told::state)
    }

    /// Why that is not complete.
    pub fn reason(&self) -> Option<Reason> {
        self.latest.as_ref()?.report.as_ref()?.reason
    }

    /// Whether everything is as it should be.
    pub fn is_well(&self) -> bool {
        self.state() == State::Complete && self.stale.is_none()
    }
}

/// Looks, and prints.
pub fn run(program: &Program, arguments: &Status) -> Result<Exit, Failure> {
    let loaded = projects::load(&program.environment.directory)?;
    let wanted = loaded.select(&arguments.images)?;
    let store = program.store(&program.settings_for(&loaded.root)?)?;
    let standings = standings(&loaded, &wanted, &store)?;
    let text = match arguments.format {
        StatusFormat::Table => print::table(&standings, clock::now()),
        StatusFormat::Json => print::json(&standings),
        StatusFormat::Prometheus => print::prometheus(&standings),
    };
    program.data(&text)?;
    Ok(if standings.iter().all(Standing::is_well) { Exit::Done } else { Exit::No })
}

/// How the images stand, in the given order; each comes after those that it needs.
fn standings(loaded: &Loaded, wanted: &[usize], store: &Store) -> Result<Vec<Standing>, Failure> {
    let project = loaded.root.display().to_string();
    let authorities = projects::authorities(loaded)?;
    let certificates = (!authorities.is_empty()).then(|| Digest::of(&authorities));
    let mut all: Vec<Standing> = Vec::new();
    for image in wanted {
        let name = loaded.project.images[*image].name.clone();
        let history = story::latest(store, &project, &name, FEW)?;
        let complete = history.iter().find(|told| told.state() == State::Complete).cloned();
        let latest = history.into_iter().next();
        let known: BTreeMap<&str, &Standing> =
            all.iter().map(|standing| (standing.name.as_str(), standing)).collect();
        let stale = match &complete {
            Some(complete) => stale(complete, &known, store)?,
            None => None,
        };
        let holds_up = stale.is_some();
        let report = complete.as_ref().and_then(|complete| complete.report.as_ref());
        let other = report.is_some_and(|report| report.certificates != certificates);
        let stale = stale.or_else(|| other.then(|| "the certificates changed".to_owned()));
        all.push(Standing { name, latest, complete, stale, holds_up });
    }
    Ok(all)
}

/// What a complete build is not current with.
fn stale(
    complete: &Told,
    others: &BTreeMap<&str, &Standing>,
    store: &Store,
) -> Result<Option<String>, Failure> {
    if let Some(image) = complete.build.image
        && store.resolve(&image.to_string())?.is_none()
    {
        return Ok(Some("the image is gone from the store".to_owned()));
    }
    let Some(report) = &complete.report else { return Ok(None) };
    if let Some(image) = complete.build.image {
        for name in &report.names {
            if let Some(why) = lost_name(name, image, store)? {
                return Ok(Some(why));
            }
        }
    }
    for base in &report.bases {
        let why = match &base.image {
            Some(image) => {
                others.get(image.as_str()).and_then(|standing| behind_image(base, image, standing))
            }
            None => behind_name(base, store)?,
        };
        if why.is_some() {
            return Ok(why);
        }
    }
    Ok(None)
}

/// Whether somebody took a name from an image, or gave it to another one.
fn lost_name(name: &str, image: Digest, store: &Store) -> Result<Option<String>, Failure> {
    let Ok(reference) = name.parse::<Reference>() else { return Ok(None) };
    Ok(match store.resolve_reference(&reference)? {
        None => Some(format!("the store has no `{name}` any more")),
        Some(found) if found.digest != image => Some(format!("`{name}` is another image by now")),
        Some(_) => None,
    })
}

/// Whether an image of the project was built anew since.
fn behind_image(base: &BaseUse, image: &str, standing: &Standing) -> Option<String> {
    if standing.holds_up {
        return Some(format!("`{image}` is not current"));
    }
    let now = standing.complete.as_ref()?.report.as_ref()?.plain;
    (now != base.digest).then(|| format!("`{image}` was built anew"))
}

/// Whether a name means another image by now, as far as the store knows.
fn behind_name(base: &BaseUse, store: &Store) -> Result<Option<String>, Failure> {
    let Ok(reference) = base.name.parse::<Reference>() else { return Ok(None) };
    let Some(top) = store.resolve_reference(&reference)? else { return Ok(None) };
    let here = store.image(&top.digest, &Platform::host())?.map(|image| image.descriptor.digest);
    let same =
        base.digest.is_none() || here.is_none() || here == base.digest || Some(top.digest) == base.digest;
    Ok((!same).then(|| format!("`{}` is another image by now", base.name)))
}
