//! Other places for what a step asks for: another upstream, or a directory.

use std::io;
use std::path::{Component, Path, PathBuf};

use oci::url::decoded_text;

use super::hosts::HostPattern;
use super::percent::encode;
use crate::packages::Address;

/// What is asked in place of URLs that begin with a prefix. The places are asked in their order, the next one when one
/// does not have it or cannot be reached; the URL's own host is asked only if it is among them.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Mirror {
    prefix: Prefix,
    targets: Vec<Target>,
}

/// The beginning of some URLs.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Prefix {
    /// None: http and https.
    scheme: Option<String>,
    authority: String,
    path: String,
}

/// A place.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Target {
    /// A URL in place of the prefix.
    Url(String),
    /// A directory in place of the prefix.
    Directory(PathBuf),
}

/// A place for one URL.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Place {
    /// Another URL.
    Url(String),
    /// A file or a directory of this machine.
    File(PathBuf),
}

/// Settings that make no mirror.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("`{0}` is no URL of http, https or file")]
pub struct MirrorError(String);

impl Mirror {
    /// `prefix`: a URL, or host and path for http and https alike. `targets`: URLs, also of `file`.
    pub fn new(prefix: &str, targets: &[String]) -> Result<Mirror, MirrorError> {
        let bad = |text: &str| MirrorError(crate::Redacted::url(text).to_string());
        let (scheme, url) = match prefix.split_once("://") {
            Some((scheme, _)) => (Some(scheme.to_ascii_lowercase()), prefix.to_owned()),
            None => (None, format!("http://{prefix}")),
        };
        let address = Address::parse(&url).ok_or_else(|| bad(prefix))?;
        let path = address.path.trim_end_matches('/').to_owned();
        let prefix = Prefix { scheme, authority: address.authority(), path };
        let target = |text: &String| match text.strip_prefix("file://") {
            Some(path) if path.starts_with('/') => Ok(Target::Directory(PathBuf::from(decoded_text(path)))),
            Some(_) => Err(bad(text)),
            None => {
                Address::parse(text).ok_or_else(|| bad(text))?;
                Ok(Target::Url(text.trim_end_matches('/').to_owned()))
            }
        };
        Ok(Mirror { prefix, targets: targets.iter().map(target).collect::<Result<_, _>>()? })
    }

    /// The hosts of its places, which are reached wherever they are.
    pub(super) fn hosts(&self) -> Vec<HostPattern> {
        let host = |target: &Target| match target {
            Target::Url(url) => {
                let address = Address::parse(url)?;
                let host =
                    if address.host.contains(':') { format!("[{}]", address.host) } else { address.host };
                format!("{host}:{}", address.port).parse().ok()
            }
            Target::Directory(_) => None,
        };
        self.targets.iter().filter_map(host).collect()
    }

    /// The rest of a URL behind the prefix, if it begins with that.
    fn rest<'a>(&self, address: &'a Address) -> Option<&'a str> {
        let prefix = &self.prefix;
        let scheme = prefix.scheme.as_ref().is_none_or(|scheme| *scheme == address.scheme);
        let rest = address.path.strip_prefix(&prefix.path)?;
        let whole = rest.is_empty() || rest.starts_with('/');
        // Without a scheme, the port is meant that is usual for either.
        let authority = prefix.authority == address.authority();
        (scheme && authority && whole).then_some(rest)
    }

    fn places(&self, address: &Address) -> Vec<Place> {
        let Some(rest) = self.rest(address) else { return Vec::new() };
        let query = address.query.as_ref().map(|query| format!("?{query}")).unwrap_or_default();
        let place = |target: &Target| match target {
            Target::Url(url) => Some(Place::Url(format!("{url}{rest}{query}"))),
            Target::Directory(directory) => Some(Place::File(below(directory, rest)?)),
        };
        self.targets.iter().filter_map(place).collect()
    }
}

/// Where a URL is asked for: what the longest prefix says, or nothing if none fits.
pub fn places(mirrors: &[Mirror], address: &Address) -> Option<Vec<Place>> {
    let fitting = mirrors.iter().filter(|mirror| mirror.rest(address).is_some());
    fitting.max_by_key(|mirror| mirror.prefix.path.len()).map(|mirror| mirror.places(address))
}

/// A path below a directory; nothing that leaves it.
fn below(directory: &Path, rest: &str) -> Option<PathBuf> {
    let rest = PathBuf::from(decoded_text(rest.trim_start_matches('/')));
    let stays = rest.components().all(|part| matches!(part, Component::Normal(_) | Component::CurDir));
    (stays && !rest.as_os_str().to_string_lossy().contains('\0')).then(|| directory.join(rest))
}

/// A page with links to what a directory holds, as web servers make them.
pub(super) fn listing(directory: &Path) -> io::Result<String> {
    let mut names = Vec::new();
    for entry in std::fs::read_dir(directory)? {
        let entry = entry?;
        let slash = if entry.path().is_dir() { "/" } else { "" };
        names.push(format!("{}{slash}", entry.file_name().to_string_lossy()));
    }
    names.sort();
    let links = names.iter().map(|name| format!("<a href=\"{}\">{}</a><br>\n", encode(name), escape(name)));
    Ok(format!("<!DOCTYPE html>\n<html><body>\n{}</body></html>\n", links.collect::<String>()))
}

fn escape(name: &str) -> String {
    name.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(mirrors: &[(&str, &[&str])], url: &str, expected: &str) {
        let mirrors: Vec<Mirror> = mirrors
            .iter()
            .map(|(prefix, targets)| {
                let targets: Vec<String> = targets.iter().map(ToString::to_string).collect();
                Mirror::new(prefix, &targets).unwrap()
            })
            .collect();
        let found = places(&mirrors, &Address::parse(url).unwrap()).map(|places| {
            let text = places.iter().map(|place| match place {
                Place::Url(url) => url.clone(),
                Place::File(path) => path.display().to_string(),
            });
            text.collect::<Vec<_>>().join(" ")
        });
        assert_eq!(found.as_deref().unwrap_or("itself"), expected, "{url}");
    }

    #[test]
    fn the_longest_prefix_decides() {
        let mirrors: &[(&str, &[&str])] = &[
            ("https://a.example.org/", &["https://m.example.org/all/"]),
            ("https://a.example.org/x", &["file:///srv/x", "https://m.example.org/x"]),
            ("b.example.org/simple", &["http://[::1]:8081/py/simple"]),
            ("nexus.inner:8443", &["https://c.example.org"]),
        ];
        check(mirrors, "https://a.example.org/y?z=1", "https://m.example.org/all/y?z=1");
        check(mirrors, "https://a.example.org/", "https://m.example.org/all/");
        check(mirrors, "https://a.example.org/x/f%20g", "/srv/x/f g https://m.example.org/x/f%20g");
        check(mirrors, "https://a.example.org/xy", "https://m.example.org/all/xy");
        check(mirrors, "http://a.example.org/y", "itself");
        check(mirrors, "https://B.example.org/simple/pip/", "http://[::1]:8081/py/simple/pip/");
        check(mirrors, "http://b.example.org/simple", "http://[::1]:8081/py/simple");
        check(mirrors, "https://nexus.inner:8443/r/p", "https://c.example.org/r/p");
        check(
            mirrors,
            "https://a.example.org/x/%2e%2e/%2e%2e/etc",
            "https://m.example.org/x/%2e%2e/%2e%2e/etc",
        );
        assert!(Mirror::new("https://a", &["ftp://b".to_owned()]).is_err());
        assert!(Mirror::new("https://a", &["file://relative".to_owned()]).is_err());
        assert!(Mirror::new("ftp://a", &[]).is_err());
    }
}
