//! Names that several Dockerfiles would have after their directories: whoever builds on such a name may mean any of them.

use std::collections::BTreeMap;

use super::is_official;
use crate::files::{file_name, parent};
use crate::model::{DeclaredBy, Image};

/// The names of directories that hold Dockerfiles of several images, with those images by number.
pub fn shared(images: &[Image]) -> BTreeMap<String, Vec<usize>> {
    let mut names: BTreeMap<String, Vec<usize>> = BTreeMap::new();
    for (number, image) in images.iter().enumerate() {
        let by_place = matches!(image.declared_by, DeclaredBy::Dockerfile | DeclaredBy::Makefile);
        let Some(path) = image.dockerfile.path().filter(|_| by_place) else { continue };
        let directory = file_name(parent(path));
        if matches!(file_name(path), "Dockerfile" | "Containerfile") && !directory.is_empty() {
            names.entry(directory.to_owned()).or_default().push(number);
        }
    }
    // The name of an official image means that one.
    names.retain(|name, images| images.len() > 1 && !is_official(name));
    names
}
