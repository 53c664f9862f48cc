//! Paths of the server of packages, and the URLs that they stand for.

use std::path::PathBuf;

use crate::packages::Address;

/// Below this path every repository has its name.
const REPOSITORY: &str = "/repository/";

/// Below a repository, what its indexes name on other hosts: `-/https/example.org/file`.
const ELSEWHERE: &str = "-";

/// A name, and what is asked for what is below it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PackageRepository {
    /// As in a path.
    pub name: String,
    pub(super) upstream: Upstream,
}

/// What is behind a repository.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Upstream {
    /// Without a slash at its end.
    Url(String),
    /// Of this machine.
    Directory(PathBuf),
}

/// A name or an upstream that can be none.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum PackageRepositoryError {
    /// The name cannot stand in a path.
    #[error("`{0}` is no name: it has letters, digits and `-`, `_`, `.`")]
    Name(String),
    /// Nothing that can be asked.
    #[error("`{0}` is no URL of http, https or file")]
    Upstream(String),
}

/// What a path asks for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Route<'a> {
    Health,
    Metrics,
    /// The list of repositories.
    List,
    /// A URL of a repository; `elsewhere`: on the host of somebody else.
    Package {
        repository: &'a PackageRepository,
        url: String,
        elsewhere: bool,
    },
    /// Of a repository that is not there, or nothing at all.
    Nothing,
}

impl PackageRepository {
    /// `upstream`: a URL of http or https, or of a directory (`file:///srv/packages`).
    pub fn new(name: &str, upstream: &str) -> Result<PackageRepository, PackageRepositoryError> {
        let plain = |byte: u8| byte.is_ascii_alphanumeric() || b"-_.".contains(&byte);
        let is_name = !name.is_empty() && name.len() <= 100 && name.bytes().all(plain);
        if !is_name || name.starts_with('.') {
            return Err(PackageRepositoryError::Name(name.to_owned()));
        }
        let bad = || PackageRepositoryError::Upstream(crate::Redacted::url(upstream).to_string());
        let upstream = match upstream.strip_prefix("file://") {
            Some(path) if path.starts_with('/') => {
                Upstream::Directory(PathBuf::from(oci::url::decoded_text(path)))
            }
            Some(_) => return Err(bad()),
            None => {
                let address = Address::parse(upstream).filter(|address| address.query.is_none());
                address.ok_or_else(bad)?;
                Upstream::Url(upstream.trim_end_matches('/').to_owned())
            }
        };
        Ok(PackageRepository { name: name.to_owned(), upstream })
    }

    /// The URL that `/repository/NAME` stands for. A directory has one that nobody else can have. (RFC 6761, 6.4)
    pub(super) fn base(&self) -> String {
        match &self.upstream {
            Upstream::Url(url) => url.clone(),
            Upstream::Directory(_) => format!("http://{}.packages.invalid", self.name.to_ascii_lowercase()),
        }
    }

    /// The path of this server that stands for a URL.
    pub(super) fn path_of(&self, url: &str) -> Option<String> {
        let (url, fragment) = url.split_at(url.find('#').unwrap_or(url.len()));
        if let Some(rest) = url.strip_prefix(&self.base()).filter(|rest| rest.starts_with('/')) {
            return Some(format!("{REPOSITORY}{}{rest}{fragment}", self.name));
        }
        let address = Address::parse(url)?;
        let query = address.query.as_ref().map(|query| format!("?{query}")).unwrap_or_default();
        let Address { scheme, path, .. } = &address;
        let place = format!("{ELSEWHERE}/{scheme}/{}{path}{query}", address.authority());
        Some(format!("{REPOSITORY}{}/{place}{fragment}", self.name))
    }
}

impl<'a> Route<'a> {
    /// What `path` and `query` of a request ask for.
    pub(super) fn of(path: &str, query: Option<&str>, repositories: &'a [PackageRepository]) -> Route<'a> {
        match path {
            "/" => return Route::List,
            "/health" => return Route::Health,
            "/metrics" => return Route::Metrics,
            _ => {}
        }
        let Some(rest) = path.strip_prefix(REPOSITORY) else { return Route::Nothing };
        let (name, rest) = rest.split_at(rest.find('/').unwrap_or(rest.len()));
        let found = repositories.iter().find(|repository| repository.name == name);
        let Some(repository) = found else { return Route::Nothing };
        let query = query.map(|query| format!("?{query}")).unwrap_or_default();
        // What leads out of the upstream's own path is no part of it.
        if Address::parse(&format!("http://h{rest}")).is_none_or(|address| climbs(&address)) {
            return Route::Nothing;
        }
        let parts: Vec<&str> = rest.splitn(5, '/').collect();
        if let ["", ELSEWHERE, scheme @ ("http" | "https"), authority, path] = parts[..] {
            let url = format!("{scheme}://{authority}/{path}{query}");
            let plain = Address::parse(&url).is_some_and(|address| address.authority() == authority);
            return match plain {
                true => Route::Package { repository, url, elsewhere: true },
                false => Route::Nothing,
            };
        }
        let url = format!("{}{}{query}", repository.base(), if rest.is_empty() { "/" } else { rest });
        Route::Package { repository, url, elsewhere: false }
    }
}

/// Whether a path has a `..`, however it is written.
fn climbs(address: &Address) -> bool {
    address.segments().iter().any(|segment| segment.split(['/', '\\']).any(|part| part == ".."))
}

/// Feeds the reader with anything; a path that stands for a URL stands for that one.
pub(super) fn fuzz(text: &str) {
    let Ok(repository) = PackageRepository::new("a", "https://packages.example.org/pypi/") else { return };
    let repositories = [repository];
    if let Some(path) = repositories[0].path_of(text) {
        let _ = Route::of(&path, None, &repositories);
    }
    let _ = Route::of(text, Some(text), &repositories);
    let _ = PackageRepository::new(text, text);
}

#[cfg(test)]
mod tests {
    use super::*;

    fn repositories() -> Vec<PackageRepository> {
        let new = |name, upstream| PackageRepository::new(name, upstream).unwrap();
        vec![new("pypi", "https://packages.example.org/py/"), new("files", "file:///srv/files")]
    }

    #[track_caller]
    fn check(path: &str, expected: &str) {
        let repositories = repositories();
        let found = match Route::of(path, Some("x=1"), &repositories) {
            Route::Package { repository, url, elsewhere } => {
                format!("{} {url}{}", repository.name, if elsewhere { " elsewhere" } else { "" })
            }
            other => format!("{other:?}"),
        };
        assert_eq!(found, expected, "{path}");
    }

    #[test]
    fn paths_stand_for_urls() {
        check("/repository/pypi/simple/six/", "pypi https://packages.example.org/py/simple/six/?x=1");
        check("/repository/pypi", "pypi https://packages.example.org/py/?x=1");
        check("/repository/files/a%20b", "files http://files.packages.invalid/a%20b?x=1");
        check(
            "/repository/pypi/-/https/f.example.org:8443/p/a",
            "pypi https://f.example.org:8443/p/a?x=1 elsewhere",
        );
        // npm has such paths.
        check("/repository/pypi/-/v1/search", "pypi https://packages.example.org/py/-/v1/search?x=1");
        for nothing in [
            "/repository/other/x",
            "/repository/pypi/../x",
            "/repository/pypi/%2e%2e/x",
            "/repository/pypi/a%2f..%2fb",
            "/repository/pypi/-/https/u@f.example.org/a",
            "/x",
        ] {
            check(nothing, "Nothing");
        }
        check("/health", "Health");
    }

    #[test]
    fn urls_have_paths() {
        let pypi = &repositories()[0];
        let path = |url: &str| pypi.path_of(url).unwrap_or_default();
        assert_eq!(
            path("https://packages.example.org/py/f/a.whl#sha256=0"),
            "/repository/pypi/f/a.whl#sha256=0"
        );
        assert_eq!(path("https://f.example.org/a?b=c#d"), "/repository/pypi/-/https/f.example.org/a?b=c#d");
        assert_eq!(
            path("https://packages.example.org/pyx"),
            "/repository/pypi/-/https/packages.example.org/pyx"
        );
        assert_eq!(path("ftp://f"), "");
    }

    #[test]
    fn what_can_be_no_repository() {
        for (name, upstream) in
            [("", "http://a"), ("a/b", "http://a"), ("..", "http://a"), ("a", "ftp://a"), ("a", "file://x")]
        {
            assert!(PackageRepository::new(name, upstream).is_err(), "{name} {upstream}");
        }
    }
}
