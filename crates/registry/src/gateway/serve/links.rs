//! Indexes whose links lead to this server.

use serde_json::Value;

use super::route::PackageRepository;
use crate::packages::index::html;
use crate::packages::{Address, Artifact, Ecosystem, Kind};

/// An index in the words of this server, and the hosts that it names: `https://files.example.org`.
pub(super) struct Rewritten {
    pub body: Vec<u8>,
    pub hosts: Vec<String>,
}

/// Whether an answer has links that lead past this server.
pub(super) fn has_links(artifact: &Artifact) -> bool {
    artifact.ecosystem == Ecosystem::PyPi && artifact.kind == Kind::Index
}

/// An index of `url` with links to this server; nothing where it has none, or is no index.
pub(super) fn rewritten(
    repository: &PackageRepository,
    url: &str,
    content_type: &str,
    body: &[u8],
) -> Option<Rewritten> {
    let base = Address::parse(url)?;
    let text = std::str::from_utf8(body).ok()?;
    let mut hosts = Vec::new();
    let mut rewrite = |link: &str| {
        let (address, fragment) = link.split_at(link.find('#').unwrap_or(link.len()));
        let whole = base.join(address)?;
        let to = Address::parse(&whole)?;
        let host = format!("{}://{}", to.scheme, to.authority());
        if !hosts.contains(&host) {
            hosts.push(host);
        }
        Some(repository.path_of(&whole)? + fragment)
    };
    let body = if content_type.to_ascii_lowercase().contains("json") {
        let mut document: Value = serde_json::from_slice(body).ok()?;
        for file in document.get_mut("files").and_then(Value::as_array_mut).into_iter().flatten() {
            if let Some(url) = file.get_mut("url")
                && let Some(path) = url.as_str().and_then(&mut rewrite)
            {
                *url = Value::String(path);
            }
        }
        document.to_string()
    } else {
        html::with_links(text, &mut rewrite)
    };
    Some(Rewritten { body: body.into_bytes(), hosts })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn both_forms_lead_here() {
        let pypi = PackageRepository::new("pypi", "https://packages.example.org").unwrap();
        let url = "https://packages.example.org/simple/six/";
        let page = "<a href=\"https://files.example.org/six-1.whl#sha256=0\">six</a> <a href=\"../../p/six-2.tar.gz\">six</a>";
        let found = rewritten(&pypi, url, "text/html", page.as_bytes()).unwrap();
        assert_eq!(
            String::from_utf8(found.body).unwrap(),
            "<a href=\"/repository/pypi/-/https/files.example.org/six-1.whl#sha256=0\">six</a> \
             <a href=\"/repository/pypi/p/six-2.tar.gz\">six</a>"
        );
        assert_eq!(found.hosts, ["https://files.example.org", "https://packages.example.org"]);
        let json = r#"{"files":[{"filename":"six-1.whl","url":"https://files.example.org/six-1.whl"}],"name":"six"}"#;
        let found = rewritten(&pypi, url, "application/vnd.pypi.simple.v1+json", json.as_bytes()).unwrap();
        assert!(
            String::from_utf8(found.body)
                .unwrap()
                .contains("\"/repository/pypi/-/https/files.example.org/six-1.whl\"")
        );
        assert!(rewritten(&pypi, url, "application/json", b"nonsense").is_none());
    }
}
