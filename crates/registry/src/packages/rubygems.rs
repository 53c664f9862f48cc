//! Ruby's gems: the compact index (`versions`, `info/NAME`), the older Marshal indexes, `gems/NAME-VERSION.gem`.

use super::artifact::{Artifact, Ecosystem, Kind, Mutability};
use super::request::{Address, Request};

/// How platforms begin; a gem for one holds compiled code. (`Gem::Platform`)
const PLATFORMS: &[&str] = &[
    "x86",
    "x64",
    "i386",
    "i486",
    "i586",
    "i686",
    "arm",
    "aarch64",
    "java",
    "jruby",
    "universal",
    "mswin",
    "mingw",
    "powerpc",
    "ppc",
    "riscv",
    "s390",
    "loongarch",
    "sparc",
    "dalvik",
    "darwin",
    "linux",
];

pub(super) fn recognise(request: &Request<'_>, address: &Address) -> Option<Artifact> {
    let segments = address.segments();
    let (last, before) = segments.split_last()?;
    let ours = request.agent.contains("RubyGems/") || request.agent.contains("bundler/");
    if let Some(stem) = last.strip_suffix(".gem") {
        return gem(stem);
    }
    if let Some(stem) = last.strip_suffix(".gemspec.rz") {
        return gem(stem).map(|gem| gem.kind(Kind::Metadata));
    }
    let marshalled = ["specs.4.8", "latest_specs.4.8", "prerelease_specs.4.8"];
    if marshalled.contains(&last.trim_end_matches(".gz")) {
        return Some(Artifact::index(Ecosystem::RubyGems));
    }
    match before.last() {
        Some(&"info") if ours || is_plain(request) => Some(Artifact::index(Ecosystem::RubyGems).named(last)),
        Some(&"v1") if *last == "dependencies" && address.query_value("gems").is_some() => {
            Some(Artifact::new(Ecosystem::RubyGems, Kind::Question, Mutability::Mutable))
        }
        _ if ours && matches!(*last, "versions" | "names") => Some(Artifact::index(Ecosystem::RubyGems)),
        _ => None,
    }
}

fn is_plain(request: &Request<'_>) -> bool {
    request.content_type.is_some_and(|kind| kind.starts_with("text/plain"))
}

fn gem(stem: &str) -> Option<Artifact> {
    let (name, version, platform) = split(stem)?;
    let gem = Artifact::package(Ecosystem::RubyGems, name, version);
    Some(gem.qualified("platform", platform).prebuilt(!platform.is_empty()))
}

/// Name, version and platform of `nokogiri-1.16.0-x86_64-linux`; the platform of Ruby itself is empty.
pub(super) fn split(stem: &str) -> Option<(&str, &str, &str)> {
    stem.match_indices('-').find_map(|(at, _)| {
        let (name, rest) = (&stem[..at], &stem[at + 1..]);
        let (version, platform) = rest.split_once('-').unwrap_or((rest, ""));
        let numbered = version.starts_with(|c: char| c.is_ascii_digit());
        let plain = version.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'.');
        let known = platform.is_empty() || PLATFORMS.iter().any(|start| platform.starts_with(start));
        (numbered && plain && known && !name.is_empty()).then_some((name, version, platform))
    })
}
