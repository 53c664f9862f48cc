//! `kapok tag` and `kapok rmi`.

use oci::store::{Store, StoreError};

use crate::cli::images::{Rmi, Tag};
use crate::exit::Exit;
use crate::failure::Failure;
use crate::program::{Program, find_image, image_name};

/// Gives an image further names.
pub fn tag(program: &Program, arguments: &Tag) -> Result<Exit, Failure> {
    let names = arguments.names.iter().map(|name| image_name(name)).collect::<Result<Vec<_>, _>>()?;
    let store = program.store(&program.settings()?)?;
    let image = find_image(&store, &arguments.image)?;
    for name in &names {
        store.tag(name, &image.digest)?;
    }
    Ok(Exit::Done)
}

/// Removes a name, or all names of an image that is given by its digest or id. An image without names left is forgotten.
/// All are tried; the first one missing is told.
pub fn remove(program: &Program, arguments: &Rmi) -> Result<Exit, Failure> {
    let store = program.store(&program.settings()?)?;
    let mut missing = None;
    for name in &arguments.images {
        if !remove_name(program, &store, name)? && !remove_image(program, &store, name)? {
            missing = missing.or(Some(name.clone()));
        }
    }
    match missing {
        Some(name) if !arguments.force => Err(StoreError::NoImage(name).into()),
        _ => Ok(Exit::Done),
    }
}

fn remove_name(program: &Program, store: &Store, name: &str) -> Result<bool, Failure> {
    let Ok(reference) = image_name(name) else { return Ok(false) };
    let Some(image) = store.resolve_reference(&reference)? else { return Ok(false) };
    store.untag(&reference)?;
    program.data(&format!("untagged: {}\n", reference.familiar()))?;
    if !store.tags()?.iter().any(|tag| tag.image.digest == image.digest) {
        store.remove_image(&image.digest)?;
        program.data(&format!("removed: {}\n", image.digest))?;
    }
    Ok(true)
}

fn remove_image(program: &Program, store: &Store, name: &str) -> Result<bool, Failure> {
    let Some(image) = store.resolve(name)? else { return Ok(false) };
    for reference in store.remove_image(&image.digest)? {
        program.data(&format!("untagged: {}\n", reference.familiar()))?;
    }
    program.data(&format!("removed: {}\n", image.digest))?;
    Ok(true)
}
