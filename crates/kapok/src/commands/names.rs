//! `kapok tag` and `kapok rmi`.

use oci::store::StoreError;

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

/// Removes a name, or all names of an image that is given by its digest or id. All are tried; the first failure is told.
pub fn remove(program: &Program, arguments: &Rmi) -> Result<Exit, Failure> {
    let store = program.store(&program.settings()?)?;
    let mut missing = None;
    for name in &arguments.images {
        if let Ok(reference) = image_name(name)
            && store.untag(&reference)?
        {
            program.data(&format!("untagged: {}\n", reference.familiar()))?;
            continue;
        }
        match store.resolve(name)? {
            Some(image) => {
                for reference in store.remove_image(&image.digest)? {
                    program.data(&format!("untagged: {}\n", reference.familiar()))?;
                }
                program.data(&format!("removed: {}\n", image.digest))?;
            }
            None => missing = missing.or(Some(name.clone())),
        }
    }
    match missing {
        Some(name) if !arguments.force => Err(StoreError::NoImage(name).into()),
        _ => Ok(Exit::Done),
    }
}
