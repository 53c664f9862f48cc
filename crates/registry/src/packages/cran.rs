//! R's archive network, and others of its shape: `src/contrib/PACKAGES` and `NAME_VERSION.tar.gz` beside it.

use super::artifact::{Artifact, Ecosystem};
use super::request::{Address, Request};

pub(super) fn recognise(_: &Request<'_>, address: &Address) -> Option<Artifact> {
    if address.is_directory() {
        return None;
    }
    let segments = address.segments();
    let (last, before) = segments.split_last()?;
    let contrib = before.iter().rposition(|part| *part == "contrib")?;
    let from_source = contrib > 0 && before[contrib - 1] == "src";
    if !from_source && !before[..contrib].contains(&"bin") {
        return None;
    }
    if last.starts_with("PACKAGES") || before[contrib + 1..].contains(&"Meta") {
        return Some(Artifact::index(Ecosystem::Cran));
    }
    let stem = [".tar.gz", ".tgz", ".zip"].into_iter().find_map(|form| last.strip_suffix(form))?;
    let (name, version) = stem.split_once('_')?;
    let plain = name.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'.');
    if !plain || !version.starts_with(|c: char| c.is_ascii_digit()) {
        return None;
    }
    // Archives that serve compiled packages as if they were sources mark them by this directory.
    let compiled = !from_source || before.contains(&"__linux__");
    Some(Artifact::package(Ecosystem::Cran, name, version).prebuilt(compiled))
}
