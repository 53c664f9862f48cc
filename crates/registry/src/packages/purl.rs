//! Package URLs: the one way to write which package of which ecosystem. (ECMA-427)

use std::fmt;

use ::oci::Digest;

use super::artifact::{Artifact, Ecosystem};

/// A package URL in its canonical form, as `pkg:pypi/requests@2.32.0`.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Purl(String);

impl Purl {
    /// Of a package that was recognised.
    pub(super) fn of(artifact: &Artifact, name: &str, version: &str) -> Purl {
        let lower = matches!(
            artifact.ecosystem,
            Ecosystem::Debian | Ecosystem::PyPi | Ecosystem::Alpine | Ecosystem::Go | Ecosystem::Oci
        );
        let cased = |text: &str| if lower { text.to_lowercase() } else { text.to_owned() };
        let namespace = artifact.namespace.as_deref().map(cased);
        let qualifiers = artifact.qualifiers.iter().map(|(key, value)| (*key, value.as_str()));
        Purl(write(
            artifact.ecosystem.purl_type(),
            namespace.as_deref(),
            &cased(name),
            Some(version),
            qualifiers,
        ))
    }

    /// Of a file that is no package: its name, its address and its digest.
    pub fn generic(name: &str, url: &str, digest: &Digest) -> Purl {
        let digest = digest.to_string();
        let name = if name.is_empty() { "index" } else { name };
        Purl(write("generic", None, name, None, [("checksum", digest.as_str()), ("download_url", url)]))
    }

    /// Of the content of a Git repository at a commit.
    pub fn git(repository: &str, commit: &str) -> Purl {
        let name = repository.trim_end_matches('/').rsplit('/').next().unwrap_or_default();
        let name = name.strip_suffix(".git").unwrap_or(name);
        let vcs = format!("git+{repository}@{commit}");
        Purl(write("generic", None, name, Some(commit), [("vcs_url", vcs.as_str())]))
    }

    /// The text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for Purl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

fn write<'a>(
    kind: &str,
    namespace: Option<&str>,
    name: &str,
    version: Option<&str>,
    qualifiers: impl IntoIterator<Item = (&'a str, &'a str)>,
) -> String {
    let mut text = format!("pkg:{kind}/");
    for part in namespace.unwrap_or_default().split('/').filter(|part| !part.is_empty()) {
        encode(part, &mut text);
        text.push('/');
    }
    encode(name, &mut text);
    if let Some(version) = version {
        text.push('@');
        encode(version, &mut text);
    }
    for (count, (key, value)) in qualifiers.into_iter().filter(|(_, value)| !value.is_empty()).enumerate() {
        text.push(if count == 0 { '?' } else { '&' });
        text.push_str(key);
        text.push('=');
        encode(value, &mut text);
    }
    text
}

/// Percent-encodes all but letters, digits, `.`, `-`, `_`, `~` and the colon. (ECMA-427, 5.4)
fn encode(text: &str, out: &mut String) {
    for byte in text.bytes() {
        if byte.is_ascii_alphanumeric() || b".-_~:".contains(&byte) {
            out.push(byte as char);
        } else {
            out.push_str(&format!("%{byte:02X}"));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn purl(artifact: Artifact) -> String {
        artifact.purl().map(|purl| purl.to_string()).unwrap_or_default()
    }

    #[test]
    fn canonical_forms() {
        let package = |ecosystem, name, version| Artifact::package(ecosystem, name, version);
        assert_eq!(
            purl(package(Ecosystem::PyPi, "typing-extensions", "4.1")),
            "pkg:pypi/typing-extensions@4.1"
        );
        assert_eq!(
            purl(package(Ecosystem::Npm, "animation", "12.3.1").below("@angular")),
            "pkg:npm/%40angular/animation@12.3.1"
        );
        assert_eq!(
            purl(
                package(Ecosystem::Debian, "libstdc++6", "12.2.0-14+b1")
                    .below("debian")
                    .qualified("arch", "amd64")
            ),
            "pkg:deb/debian/libstdc%2B%2B6@12.2.0-14%2Bb1?arch=amd64"
        );
        assert_eq!(
            purl(
                package(Ecosystem::Maven, "batik", "1.9")
                    .below("org.apache")
                    .qualified("type", "zip")
                    .qualified("classifier", "dist")
            ),
            "pkg:maven/org.apache/batik@1.9?classifier=dist&type=zip"
        );
        assert_eq!(
            purl(package(Ecosystem::Go, "Text", "v0.3").below("Example.org/x")),
            "pkg:golang/example.org/x/text@v0.3"
        );
        assert_eq!(purl(Artifact::index(Ecosystem::PyPi).named("six")), "");
        let digest = Digest::of(b"");
        assert_eq!(
            Purl::generic("a b.tgz", "https://h/a%20b.tgz", &digest).as_str(),
            format!("pkg:generic/a%20b.tgz?checksum={digest}&download_url=https:%2F%2Fh%2Fa%2520b.tgz")
        );
        assert_eq!(
            Purl::git("https://h/o/r.git", "abc").as_str(),
            "pkg:generic/r@abc?vcs_url=git%2Bhttps:%2F%2Fh%2Fo%2Fr.git%40abc"
        );
    }
}
