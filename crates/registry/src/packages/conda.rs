//! Conda channels: `CHANNEL/SUBDIR/repodata.json` and `NAME-VERSION-BUILD.conda` beside it.

use super::artifact::{Artifact, Ecosystem};
use super::request::{Address, Request};

pub(super) fn recognise(_: &Request<'_>, address: &Address) -> Option<Artifact> {
    let segments = address.segments();
    let [.., channel, subdir, last] = segments[..] else { return None };
    if !is_subdir(subdir) || address.is_directory() {
        return None;
    }
    if last.starts_with("repodata") || last.starts_with("current_repodata") {
        return Some(Artifact::index(Ecosystem::Conda));
    }
    let (stem, form) =
        [".conda", ".tar.bz2"].into_iter().find_map(|form| Some((last.strip_suffix(form)?, form)))?;
    let (rest, build) = stem.rsplit_once('-')?;
    let (name, version) = rest.rsplit_once('-')?;
    let package = Artifact::package(Ecosystem::Conda, name, version)
        .qualified("build", build)
        .qualified("channel", channel)
        .qualified("subdir", subdir)
        .qualified("type", &form[1..])
        .prebuilt(subdir != "noarch");
    Some(package)
}

fn is_subdir(text: &str) -> bool {
    const SYSTEMS: &[&str] = &["linux", "osx", "win", "emscripten", "wasi", "freebsd", "zos"];
    text == "noarch" || text.split_once('-').is_some_and(|(system, _)| SYSTEMS.contains(&system))
}
