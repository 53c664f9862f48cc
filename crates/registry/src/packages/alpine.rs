//! Alpine's packages: `…/ARCHITECTURE/APKINDEX.tar.gz` and `NAME-VERSION-rRELEASE.apk` beside it.

use super::artifact::{Artifact, Ecosystem};
use super::request::{Address, Request};

/// Directories that packages stand in; an `.apk` elsewhere is an Android program.
const ARCHITECTURES: &[&str] =
    &["x86_64", "aarch64", "armhf", "armv7", "x86", "ppc64le", "s390x", "riscv64", "loongarch64", "noarch"];

pub(super) fn recognise(_: &Request<'_>, address: &Address) -> Option<Artifact> {
    let segments = address.segments();
    let [.., architecture, last] = segments[..] else { return None };
    if !ARCHITECTURES.contains(&architecture) || address.is_directory() {
        return None;
    }
    if last == "APKINDEX.tar.gz" {
        return Some(Artifact::index(Ecosystem::Alpine));
    }
    let stem = last.strip_suffix(".apk")?;
    let (rest, release) = stem.rsplit_once("-r")?;
    let (name, version) = rest.rsplit_once('-')?;
    let numbered = !release.is_empty() && release.bytes().all(|byte| byte.is_ascii_digit());
    if !numbered || !version.starts_with(|c: char| c.is_ascii_digit()) || name.is_empty() {
        return None;
    }
    let package = Artifact::package(Ecosystem::Alpine, name, &format!("{version}-r{release}"));
    Some(package.below("alpine").qualified("arch", architecture))
}
