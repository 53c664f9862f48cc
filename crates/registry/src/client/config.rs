//! Where images are had: registries, their mirrors, and what stands in their place. The semantics are those of
//! containers-registries.conf(5).

use std::path::PathBuf;

use oci::Reference;

use crate::Repository;

/// Docker Hub's name in references, and the host that answers for it.
const DOCKER_HUB: (&str, &str) = ("docker.io", "registry-1.docker.io");

/// What is to be done with references that begin with `prefix`.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct RegistryConfig {
    /// A registry, with as much of a repository as is meant: `quay.io`, `quay.io/team`; `*.example.org` for all hosts
    /// below. The longest that fits a reference decides.
    pub prefix: String,
    /// What is asked in its place; the prefix itself if empty.
    pub location: String,
    /// Asked before the location, in this order; for pulling only.
    pub mirrors: Vec<MirrorConfig>,
    /// Plain HTTP and certificates of anybody are taken.
    pub insecure: bool,
    /// Nothing may be had from there.
    pub blocked: bool,
    /// Authorities that are trusted besides the machine's, PEM files.
    pub authorities: Vec<PathBuf>,
    /// What the client shows of itself.
    pub client_certificate: Option<ClientCertificate>,
}

/// A place that has the same images.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct MirrorConfig {
    /// What takes the prefix's place.
    pub location: String,
    /// Plain HTTP and certificates of anybody are taken.
    pub insecure: bool,
    /// For which references it is asked.
    pub pull_from: PullFrom,
    /// Authorities that are trusted besides the machine's, PEM files.
    pub authorities: Vec<PathBuf>,
}

/// For which references a mirror is asked.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum PullFrom {
    /// For all.
    #[default]
    All,
    /// For those with a digest: a mirror that is behind cannot deceive them.
    DigestOnly,
    /// For those without.
    TagOnly,
}

/// A client's certificate and key, PEM files.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ClientCertificate {
    /// The certificate.
    pub certificate: PathBuf,
    /// The key.
    pub key: PathBuf,
}

/// A repository in a registry that can be asked.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Place {
    /// The registry as people name it, with its port: `docker.io`. Credentials and certificates are kept under it.
    pub registry: String,
    /// The repository there.
    pub repository: Repository,
    /// Plain HTTP and certificates of anybody are taken.
    pub insecure: bool,
    pub(crate) authorities: Vec<PathBuf>,
    pub(crate) client_certificate: Option<ClientCertificate>,
}

/// A reference that leads nowhere by configuration.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum PlaceError {
    /// By configuration.
    #[error("the configuration blocks `{0}`")]
    Blocked(String),
    /// The location makes no reference out of it.
    #[error("`{location}` in place of `{prefix}` makes no reference of `{reference}`")]
    Rewrite {
        /// What was asked for.
        reference: String,
        /// The configuration's prefix.
        prefix: String,
        /// The configuration's location.
        location: String,
    },
}

impl Place {
    /// The place that a reference names, without any configuration.
    pub fn of(reference: &Reference) -> Place {
        Place {
            registry: reference.domain().to_owned(),
            repository: Repository::from(reference),
            insecure: false,
            authorities: Vec::new(),
            client_certificate: None,
        }
    }

    /// The host to speak to, with its port if it is not the scheme's own.
    pub(crate) fn host(&self) -> &str {
        if self.registry == DOCKER_HUB.0 { DOCKER_HUB.1 } else { &self.registry }
    }

    /// Whether the host is this machine, by its name.
    pub(crate) fn is_loopback(&self) -> bool {
        let host = match self.registry.strip_prefix('[') {
            Some(rest) => rest.split(']').next().unwrap_or_default(),
            None => self.registry.split(':').next().unwrap_or_default(),
        };
        host == "localhost"
            || host.ends_with(".localhost")
            || host.parse::<std::net::IpAddr>().is_ok_and(|address| address.is_loopback())
    }
}

impl std::fmt::Display for Place {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}/{}", self.registry, self.repository)
    }
}

/// Where a reference may be pulled from, best first.
pub fn pull_places(registries: &[RegistryConfig], reference: &Reference) -> Result<Vec<Place>, PlaceError> {
    let Some(config) = decisive(registries, reference)? else { return Ok(vec![Place::of(reference)]) };
    let mut places = Vec::new();
    for mirror in &config.mirrors {
        let wanted = match mirror.pull_from {
            PullFrom::All => true,
            PullFrom::DigestOnly => reference.digest().is_some(),
            PullFrom::TagOnly => reference.digest().is_none(),
        };
        if wanted {
            let place = rewrite(reference, &config.prefix, &mirror.location)?;
            places.push(Place {
                insecure: mirror.insecure,
                authorities: mirror.authorities.clone(),
                ..place
            });
        }
    }
    places.push(config.apply(rewrite(reference, &config.prefix, &config.location)?));
    Ok(places)
}

/// Where a reference is pushed to. Mirrors and rewrites are for pulling: what is pushed goes where its name says.
pub fn push_place(registries: &[RegistryConfig], reference: &Reference) -> Result<Place, PlaceError> {
    let place = Place::of(reference);
    Ok(match decisive(registries, reference)? {
        Some(config) => config.apply(place),
        None => place,
    })
}

fn decisive<'a>(
    registries: &'a [RegistryConfig],
    reference: &Reference,
) -> Result<Option<&'a RegistryConfig>, PlaceError> {
    let fitting = registries.iter().filter(|config| matched(reference, config.prefix()).is_some());
    match fitting.max_by_key(|config| (config.prefix().len(), config.blocked)) {
        Some(config) if config.blocked => Err(PlaceError::Blocked(reference.familiar())),
        found => Ok(found),
    }
}

impl RegistryConfig {
    fn prefix(&self) -> &str {
        if self.prefix.is_empty() { &self.location } else { &self.prefix }
    }

    fn apply(&self, place: Place) -> Place {
        Place {
            insecure: self.insecure,
            authorities: self.authorities.clone(),
            client_certificate: self.client_certificate.clone(),
            ..place
        }
    }
}

/// How much of the reference's text a prefix covers, if it fits: it ends where a component, the tag or the digest does.
fn matched(reference: &Reference, prefix: &str) -> Option<usize> {
    if let Some(suffix) = prefix.strip_prefix('*') {
        let domain = reference.domain();
        return (suffix.starts_with('.') && domain.len() > suffix.len() && domain.ends_with(suffix))
            .then_some(domain.len());
    }
    let text = full(reference);
    let rest = text.strip_prefix(prefix)?;
    let ends = rest.is_empty() || rest.starts_with(['/', ':', '@']);
    // `localhost` does not cover `localhost:5000`.
    let port = prefix.len() < reference.domain().len();
    (ends && !port && !prefix.is_empty()).then_some(prefix.len())
}

fn rewrite(reference: &Reference, prefix: &str, location: &str) -> Result<Place, PlaceError> {
    let prefix = if prefix.is_empty() { location } else { prefix };
    let covered = matched(reference, prefix).unwrap_or_default();
    if location.is_empty() || covered == 0 {
        return Ok(Place::of(reference));
    }
    let text = full(reference);
    let location = location.trim_end_matches('/');
    let bad = || PlaceError::Rewrite {
        reference: reference.to_string(),
        prefix: prefix.to_owned(),
        location: location.to_owned(),
    };
    // A location with a path in front of nothing, or one without a domain, would be read as a name of Docker Hub.
    let host = location.split('/').next().unwrap_or_default();
    let rewritten: Reference = format!("{location}{}", &text[covered..]).parse().map_err(|_| bad())?;
    if rewritten.domain() != host && host != "index.docker.io" {
        return Err(bad());
    }
    Ok(Place::of(&rewritten))
}

/// The reference in full, as prefixes are compared with it.
fn full(reference: &Reference) -> String {
    let mut text = reference.name();
    if let Some(tag) = reference.tag() {
        text.push_str(&format!(":{tag}"));
    }
    if let Some(digest) = reference.digest() {
        text.push_str(&format!("@{digest}"));
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    fn registry(prefix: &str, location: &str) -> RegistryConfig {
        RegistryConfig {
            prefix: prefix.to_owned(),
            location: location.to_owned(),
            ..RegistryConfig::default()
        }
    }

    #[track_caller]
    fn check(registries: &[RegistryConfig], reference: &str, expected: &str) {
        let found = match pull_places(registries, &reference.parse().unwrap()) {
            Ok(places) => places.iter().map(ToString::to_string).collect::<Vec<_>>().join(" "),
            Err(error) => error.to_string(),
        };
        assert_eq!(found, expected);
    }

    #[test]
    fn the_longest_prefix_decides() {
        let registries = [
            registry("registry.access.redhat.com", "inner.example.org:5000/redhat"),
            registry("registry.access.redhat.com/ubi9", "inner.example.org/ubi"),
            registry("*.example.com", "wild.example.org"),
            registry("docker.io/library", "inner.example.org/hub"),
        ];
        check(&registries, "registry.access.redhat.com/ubi9/ubi", "inner.example.org/ubi/ubi");
        check(&registries, "registry.access.redhat.com/ubi90/x:1", "inner.example.org:5000/redhat/ubi90/x");
        check(&registries, "a.b.example.com/x/y", "wild.example.org/x/y");
        check(&registries, "example.com/x", "example.com/x");
        check(&registries, "debian", "inner.example.org/hub/debian");
        check(&registries, "team/app", "docker.io/team/app");
        check(&[registry("localhost", "other.example.org")], "localhost:5000/x", "localhost:5000/x");
        check(&[registry("", "a.example.org")], "a.example.org/x", "a.example.org/x");
        check(&[registry("*.example.com", "")], "a.example.com/x", "a.example.com/x");
        check(
            &[registry("a.example.org", "nodomain")],
            "a.example.org/x",
            "`nodomain` in place of `a.example.org` makes no reference of `a.example.org/x:latest`",
        );
    }

    #[test]
    fn mirrors_come_first_and_blocked_is_blocked() {
        let mirror = |location: &str, pull_from| MirrorConfig {
            location: location.to_owned(),
            pull_from,
            ..MirrorConfig::default()
        };
        let mut config = registry("quay.io", "");
        config.mirrors = vec![
            mirror("one.example.org/quay", PullFrom::All),
            mirror("two.example.org", PullFrom::DigestOnly),
            mirror("three.example.org", PullFrom::TagOnly),
        ];
        check(
            &[config.clone()],
            "quay.io/a/b:1",
            "one.example.org/quay/a/b three.example.org/a/b quay.io/a/b",
        );
        let digest = oci::Digest::of(b"");
        let by_digest = format!("quay.io/a/b@{digest}");
        check(&[config.clone()], &by_digest, "one.example.org/quay/a/b two.example.org/a/b quay.io/a/b");
        assert_eq!(push_place(&[config.clone()], &"quay.io/a".parse().unwrap()).unwrap().registry, "quay.io");
        config.blocked = true;
        check(&[config.clone()], "quay.io/a", "the configuration blocks `quay.io/a:latest`");
        assert!(push_place(&[config], &"quay.io/a".parse().unwrap()).is_err());
    }

    #[test]
    fn this_machine() {
        let loopback = |text: &str| Place::of(&text.parse().unwrap()).is_loopback();
        assert!(loopback("localhost:5000/x") && loopback("127.0.0.1/x") && loopback("[::1]:5000/x"));
        assert!(!loopback("localhost.example.org/x") && !loopback("debian") && !loopback("10.0.0.1:5000/x"));
        assert_eq!(Place::of(&"debian".parse().unwrap()).host(), "registry-1.docker.io");
    }
}
