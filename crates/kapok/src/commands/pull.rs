//! `kapok pull`.

use std::time::Instant;

use oci::Reference;
use oci::store::{Batch, Store};
use registry::client::{Client, Platforms};

use super::moving::{self, Moving, stored};
use crate::cli::registry::Pull;
use crate::exit::Exit;
use crate::failure::Failure;
use crate::program::Program;
use crate::registry::transfers::Transfers;
use crate::ui::{format, json};

/// Fetches images and gives them the names that they were asked for by.
pub fn run(program: &Program, arguments: &Pull) -> Result<Exit, Failure> {
    moving::told(program, &arguments.show, |begun| pull(program, arguments, begun))
}

fn pull(program: &Program, arguments: &Pull, begun: Instant) -> Result<Exit, Failure> {
    let settings = program.settings()?;
    let registries = program.registries(&settings);
    let names = arguments.names.iter().map(|name| registries.reference(name));
    let names: Vec<Reference> = names.collect::<Result<_, _>>()?;
    let platforms = match arguments.all_platforms {
        true => Platforms::All,
        false => Platforms::One(moving::platform(arguments.platform.as_deref())?),
    };
    let store = program.store(&settings)?;
    let client = registries.client()?;
    for name in &names {
        let moving = Moving::start(program, &arguments.show, format!("pulling {}", name.familiar()));
        let pulled = one(&client, &store, name, &platforms, &moving.transfers());
        moving.end();
        let (digest, tally) = pulled?;
        let (said, digest) = (name.familiar(), digest.to_string());
        moving.tell(
            &digest,
            || json::pulled(begun.elapsed(), &said, &digest, tally.bytes),
            || {
                format!(
                    "pulled {said}\n  digest   {digest}\n  fetched  {} in {}{}",
                    format::size(tally.bytes),
                    format::duration(moving.elapsed()),
                    stored(tally, "here"),
                )
            },
        )?;
    }
    Ok(Exit::Done)
}

/// One image; which it is and what was fetched.
fn one(
    client: &Client,
    store: &Store,
    name: &Reference,
    platforms: &Platforms,
    transfers: &Transfers<'_>,
) -> Result<(oci::Digest, crate::registry::transfers::Tally), Failure> {
    let pulled = client.pull(name, platforms, store, transfers)?;
    let digest = pulled.top.digest;
    // Who asks for a digest gets that image, and no name is moved.
    let tags = name.digest().is_none().then(|| (name.clone(), digest)).into_iter().collect();
    store.commit(&Batch { images: vec![digest], tags, ..Batch::default() })?;
    Ok((digest, transfers.take()))
}
