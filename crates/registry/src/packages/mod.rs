//! What a request asks for, by the protocol and shape of its path, never by its host: a mirror, a Nexus or an
//! Artifactory that serves the same packages below another prefix is recognised the same.
//!
//! [`recognise`] is pure and cheap. It is asked twice: before a request goes out (nothing is known of the answer) and
//! when the answer's content type is known, which says more where the path alone is ambiguous.

mod alpine;
mod artifact;
mod conda;
mod cran;
mod crates;
mod debian;
pub mod git;
mod golang;
pub mod index;
mod maven;
mod npm;
mod oci;
mod purl;
mod pypi;
mod request;
mod rpm;
mod rubygems;
#[cfg(test)]
mod tests;

pub use artifact::{Artifact, Ecosystem, Kind, Mutability, UnknownEcosystem};
pub use purl::Purl;
pub use request::{Address, Request};

/// A protocol's test of a request: `None` where it is not this protocol's.
type Recogniser = fn(&Request<'_>, &Address) -> Option<Artifact>;

/// Asked in this order: protocols whose shapes are unmistakable first, those that a path could have by chance last.
const RECOGNISERS: &[Recogniser] = &[
    git::recognise,
    oci::recognise,
    golang::recognise,
    debian::recognise,
    rpm::recognise,
    pypi::recognise,
    npm::recognise_file,
    rubygems::recognise,
    cran::recognise,
    maven::recognise,
    conda::recognise,
    alpine::recognise,
    crates::recognise,
    npm::recognise_index,
];

/// What a request asks for. What no protocol knows is a [`Ecosystem::Generic`] file that may change.
pub fn recognise(request: &Request<'_>) -> Artifact {
    let Some(address) = Address::parse(request.url) else {
        return Artifact::new(Ecosystem::Generic, Kind::File, Mutability::Mutable);
    };
    RECOGNISERS
        .iter()
        .find_map(|recognise| recognise(request, &address))
        .unwrap_or_else(|| Artifact::generic(&address))
}

/// Feeds everything here that reads what a stranger wrote.
pub(crate) fn fuzz(text: &str) {
    let (url, rest) = text.split_once('\n').unwrap_or((text, ""));
    let artifact = recognise(&Request::get(url).accept(rest).agent(rest));
    let _ = (artifact.purl(), artifact.to_string());
    let _ = recognise(&Request { method: "POST", ..Request::get(&format!("https://h/{url}")) });
    let _ = git::fuzz(text.as_bytes());
    index::fuzz(text);
}
