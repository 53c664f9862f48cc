//! What a request asks for: whose it is, which package, and whether it can change.

use std::fmt;
use std::str::FromStr;

use ::oci::Digest;

use super::purl::Purl;
use super::request::Address;

/// Whose protocol a request speaks.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Ecosystem {
    /// Debian archives and those of its children.
    Debian,
    /// Repositories of RPM packages.
    Rpm,
    /// Alpine's packages.
    Alpine,
    /// The Python package index's simple API.
    PyPi,
    /// The npm registry.
    Npm,
    /// Cargo's sparse index and crates.
    Crates,
    /// The Go module proxy and checksum database.
    Go,
    /// Maven repositories.
    Maven,
    /// R's archive network, and others of its shape.
    Cran,
    /// Ruby's gems.
    RubyGems,
    /// Conda channels.
    Conda,
    /// Git over http.
    Git,
    /// OCI distribution.
    Oci,
    /// Anything else: a file with an address.
    Generic,
}

/// What a document is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Kind {
    /// Tells what there is: a list of packages or of a package's versions.
    Index,
    /// A package, or the source of one.
    Package,
    /// Tells something about one package: `.pom`, `.metadata`, `.info`.
    Metadata,
    /// A signature or digest of another document.
    Signature,
    /// A question of the protocol with an answer of its own: a search, an audit, a negotiation.
    Question,
    /// Nothing that a protocol knows.
    File,
}

/// Whether the same request may have another answer tomorrow.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Mutability {
    /// Never, by the rules of its ecosystem: it may be kept and served without asking again.
    Immutable,
    /// It may: it is revalidated.
    Mutable,
}

/// What a request asks for. Names are in the ecosystem's normal form.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Artifact {
    /// Whose protocol it is.
    pub ecosystem: Ecosystem,
    /// What it is for.
    pub kind: Kind,
    /// Whether it can change.
    pub mutability: Mutability,
    /// The purl's namespace: a Maven group, an npm scope, a distribution.
    pub namespace: Option<String>,
    /// The package's name; also of an index that is about one package.
    pub name: Option<String>,
    /// The package's version.
    pub version: Option<String>,
    /// The purl's qualifiers, sorted by key: `arch`, `classifier`, `type`.
    pub qualifiers: Vec<(&'static str, String)>,
    /// Somebody compiled it: a wheel, a gem for a platform, a jar. What a distribution built is its vendor's.
    pub prebuilt: bool,
    /// The digest that the address itself promises, as `by-hash/` and OCI's blobs do.
    pub digest: Option<Digest>,
}

/// A word that names no ecosystem.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("`{word}` is no ecosystem; there are {}", Ecosystem::names())]
pub struct UnknownEcosystem {
    /// The word.
    pub word: String,
}

impl Ecosystem {
    /// All of them.
    pub const ALL: [Ecosystem; 14] = [
        Ecosystem::Debian,
        Ecosystem::Rpm,
        Ecosystem::Alpine,
        Ecosystem::PyPi,
        Ecosystem::Npm,
        Ecosystem::Crates,
        Ecosystem::Go,
        Ecosystem::Maven,
        Ecosystem::Cran,
        Ecosystem::RubyGems,
        Ecosystem::Conda,
        Ecosystem::Git,
        Ecosystem::Oci,
        Ecosystem::Generic,
    ];

    /// Its name in settings, records and messages.
    pub fn name(self) -> &'static str {
        match self {
            Ecosystem::Debian => "debian",
            Ecosystem::Rpm => "rpm",
            Ecosystem::Alpine => "alpine",
            Ecosystem::PyPi => "pypi",
            Ecosystem::Npm => "npm",
            Ecosystem::Crates => "crates",
            Ecosystem::Go => "go",
            Ecosystem::Maven => "maven",
            Ecosystem::Cran => "cran",
            Ecosystem::RubyGems => "rubygems",
            Ecosystem::Conda => "conda",
            Ecosystem::Git => "git",
            Ecosystem::Oci => "oci",
            Ecosystem::Generic => "generic",
        }
    }

    /// The type in a package URL. (ECMA-427, "Registered purl types")
    pub fn purl_type(self) -> &'static str {
        match self {
            Ecosystem::Debian => "deb",
            Ecosystem::Alpine => "apk",
            Ecosystem::Crates => "cargo",
            Ecosystem::Go => "golang",
            Ecosystem::RubyGems => "gem",
            Ecosystem::Git | Ecosystem::Generic => "generic",
            Ecosystem::Rpm
            | Ecosystem::PyPi
            | Ecosystem::Npm
            | Ecosystem::Maven
            | Ecosystem::Cran
            | Ecosystem::Conda
            | Ecosystem::Oci => self.name(),
        }
    }

    fn names() -> String {
        let names: Vec<String> = Ecosystem::ALL.iter().map(|known| format!("`{known}`")).collect();
        names.join(", ")
    }
}

impl fmt::Display for Ecosystem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

impl FromStr for Ecosystem {
    type Err = UnknownEcosystem;

    /// Takes the names of [`Ecosystem::name`] and the types of package URLs.
    fn from_str(word: &str) -> Result<Ecosystem, UnknownEcosystem> {
        let is = |known: &&Ecosystem| known.name() == word;
        let also = |known: &&Ecosystem| known.purl_type() == word;
        let found = Ecosystem::ALL.iter().find(is).or_else(|| Ecosystem::ALL.iter().find(also));
        found.copied().ok_or_else(|| UnknownEcosystem { word: word.chars().take(60).collect() })
    }
}

impl Artifact {
    /// Something of an ecosystem, with nothing known of a package.
    pub fn new(ecosystem: Ecosystem, kind: Kind, mutability: Mutability) -> Artifact {
        Artifact {
            ecosystem,
            kind,
            mutability,
            namespace: None,
            name: None,
            version: None,
            qualifiers: Vec::new(),
            prebuilt: false,
            digest: None,
        }
    }

    /// An index: it may change.
    pub(super) fn index(ecosystem: Ecosystem) -> Artifact {
        Artifact::new(ecosystem, Kind::Index, Mutability::Mutable)
    }

    /// A package, which never changes.
    pub(super) fn package(ecosystem: Ecosystem, name: &str, version: &str) -> Artifact {
        Artifact::new(ecosystem, Kind::Package, Mutability::Immutable).named(name).versioned(version)
    }

    /// A file that no protocol knows, by the last part of its path.
    pub(super) fn generic(address: &Address) -> Artifact {
        let artifact = Artifact::new(Ecosystem::Generic, Kind::File, Mutability::Mutable);
        match address.last() {
            Some(name) if !address.is_directory() => artifact.named(name),
            _ => artifact,
        }
    }

    pub(super) fn named(self, name: &str) -> Artifact {
        Artifact { name: Some(name.to_owned()), ..self }
    }

    pub(super) fn versioned(self, version: &str) -> Artifact {
        Artifact { version: Some(version.to_owned()), ..self }
    }

    pub(super) fn below(self, namespace: &str) -> Artifact {
        Artifact { namespace: Some(namespace.to_owned()), ..self }
    }

    pub(crate) fn kind(self, kind: Kind) -> Artifact {
        Artifact { kind, ..self }
    }

    pub(super) fn mutable(self) -> Artifact {
        Artifact { mutability: Mutability::Mutable, ..self }
    }

    pub(super) fn prebuilt(self, prebuilt: bool) -> Artifact {
        Artifact { prebuilt, ..self }
    }

    pub(super) fn promised(self, digest: Option<Digest>) -> Artifact {
        Artifact { digest, ..self }
    }

    pub(super) fn qualified(mut self, key: &'static str, value: &str) -> Artifact {
        if !value.is_empty() {
            self.qualifiers.push((key, value.to_owned()));
            self.qualifiers.sort();
        }
        self
    }

    /// Whether the same request may have another answer tomorrow.
    pub fn is_mutable(&self) -> bool {
        self.mutability == Mutability::Mutable
    }

    /// The name as people and settings write it: `requests`, `@types/node`, `org.slf4j:slf4j-api`,
    /// `example.org/a/b`.
    pub fn full_name(&self) -> Option<String> {
        let name = self.name.as_deref()?;
        Some(match (&self.namespace, self.ecosystem) {
            (Some(group), Ecosystem::Maven) => format!("{group}:{name}"),
            (Some(scope), Ecosystem::Npm | Ecosystem::Go) => format!("{scope}/{name}"),
            _ => name.to_owned(),
        })
    }

    /// The package URL, for a package or something about one version of it. A file of no ecosystem has one only
    /// together with its digest; see [`Purl::generic`].
    pub fn purl(&self) -> Option<Purl> {
        let known = matches!(self.kind, Kind::Package | Kind::Metadata);
        let packaged = !matches!(self.ecosystem, Ecosystem::Generic | Ecosystem::Git);
        if !known || !packaged {
            return None;
        }
        Some(Purl::of(self, self.name.as_deref()?, self.version.as_deref()?))
    }
}

/// `pypi package requests 2.32.0`, for messages.
impl fmt::Display for Artifact {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let what = match self.kind {
            Kind::Index => "index",
            Kind::Package => "package",
            Kind::Metadata => "metadata",
            Kind::Signature => "signature",
            Kind::Question => "question",
            Kind::File => "file",
        };
        write!(f, "{} {what}", self.ecosystem)?;
        if let Some(name) = self.full_name() {
            write!(f, " {name}")?;
        }
        match &self.version {
            Some(version) => write!(f, " {version}"),
            None => Ok(()),
        }
    }
}
