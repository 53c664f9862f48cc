//! Fuzzing's entries: any bytes as files of a repository.

use crate::files::Memory;
use crate::{Given, graph, load};

pub use crate::yaml::fuzz_yaml;

/// A repository whose files are the parts of a text with headings; without any, one manifest that is all of it.
pub fn fuzz_project(data: &[u8]) {
    let text = String::from_utf8_lossy(data);
    let files = if text.contains("//- /") {
        Memory::parse(&text)
    } else {
        let content = text.as_bytes().to_vec();
        let names = ["kapok.yaml", "build.yaml", "kustomization.yaml", "Makefile", "Dockerfile"];
        Memory::new(names.map(|name| (name.to_owned(), content.clone())))
    };
    let project = load(&files, &Given::default());
    let graph = graph(&project, &files);
    let waves: usize = graph.waves().iter().map(Vec::len).sum();
    assert_eq!(waves, project.images.len(), "every image is in a wave");
}
