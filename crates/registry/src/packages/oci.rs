//! OCI distribution, which a RUN speaks when it copies images: `v2/NAME/manifests/…`, `v2/NAME/blobs/…`.

use ::oci::Digest;

use super::artifact::{Artifact, Ecosystem, Kind, Mutability};
use super::request::{Address, Request};

pub(super) fn recognise(_: &Request<'_>, address: &Address) -> Option<Artifact> {
    let segments = address.segments();
    let start = segments.iter().position(|part| *part == "v2")?;
    match &segments[start + 1..] {
        [] if start == 0 => Some(Artifact::new(Ecosystem::Oci, Kind::Question, Mutability::Mutable)),
        ["_catalog"] => Some(Artifact::index(Ecosystem::Oci)),
        [repository @ .., "tags", "list"] => Some(named(Artifact::index(Ecosystem::Oci), repository)),
        [repository @ .., kind @ ("manifests" | "blobs" | "referrers"), reference]
            if !repository.is_empty() =>
        {
            let digest = reference.parse::<Digest>().ok();
            let mutability = match (digest, *kind) {
                (None, _) | (_, "referrers") => Mutability::Mutable,
                _ => Mutability::Immutable,
            };
            let kind = match *kind {
                "manifests" => Kind::Package,
                "blobs" => Kind::File,
                _ => Kind::Index,
            };
            let found =
                named(Artifact::new(Ecosystem::Oci, kind, mutability).versioned(reference), repository);
            let url = format!("{}/{}", address.authority(), repository.join("/"));
            let promised = if kind == Kind::Index { None } else { digest };
            Some(found.qualified("repository_url", &url).promised(promised))
        }
        _ => None,
    }
}

fn named(artifact: Artifact, repository: &[&str]) -> Artifact {
    match repository.last() {
        Some(name) => artifact.named(name),
        None => artifact,
    }
}
