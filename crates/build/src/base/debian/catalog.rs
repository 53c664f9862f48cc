//! All packages that the archive offers for one architecture, and what each says of itself.
//!
//! An index has tens of thousands of stanzas of which a base needs a hundred. So the first pass looks at the beginnings
//! of lines only; a stanza is parsed when somebody asks for its package.

use super::deb822;
use super::relation::{Relation, Relations};
use super::release;
use super::version::Version;
use oci::Digest;
use std::collections::HashMap;

/// The packages of several indexes; borrows from their texts.
#[derive(Debug, Default)]
pub struct Catalog<'a> {
    architecture: String,
    stanzas: HashMap<&'a str, Vec<Stanza<'a>>>,
    /// By the name that is provided: the names of packages that provide it in some version.
    providers: HashMap<&'a str, Vec<&'a str>>,
    /// Names of packages of which some version is essential or required.
    basic: Vec<&'a str>,
}

#[derive(Debug, Clone, Copy)]
struct Stanza<'a> {
    text: &'a str,
    origin: usize,
}

/// A package as its index describes it.
#[derive(Debug, Clone)]
pub struct Package {
    /// Its name.
    pub name: String,
    /// Its version.
    pub version: Version,
    /// `amd64`, `all`, ...
    pub architecture: String,
    /// Which index it comes from: the number given to [`Catalog::add`].
    pub origin: usize,
    /// `Essential: yes`.
    pub essential: bool,
    /// `Priority`, as a rank: 0 for `required`.
    pub priority: u8,
    /// `Multi-Arch: same`: dpkg then names its files by architecture too.
    pub multi_arch_same: bool,
    /// `Pre-Depends`, as far as it counts on this architecture.
    pub pre_depends: Relations,
    /// `Depends`, likewise.
    pub depends: Relations,
    /// `Conflicts` and `Breaks`, likewise.
    pub excludes: Relations,
    /// `Replaces`, likewise.
    pub replaces: Relations,
    /// `Provides`, likewise.
    pub provides: Relations,
    /// Path of the package file below the archive's root.
    pub path: String,
    /// Bytes of the package file.
    pub size: u64,
    /// Of the package file.
    pub digest: Digest,
}

/// Why a stanza is of no use.
#[derive(Debug, Clone, thiserror::Error)]
#[error("the index entry of `{package}` is malformed: field `{field}`")]
pub struct BadStanza {
    /// The package.
    pub package: String,
    /// The field that is missing or says nothing sensible.
    pub field: &'static str,
}

impl<'a> Catalog<'a> {
    /// A catalog without packages, for one architecture by Debian's name for it.
    pub fn new(architecture: &str) -> Self {
        Self { architecture: architecture.to_owned(), ..Self::default() }
    }

    /// Adds an index. Of equal versions in two indexes, the one that was added first counts, as with apt.
    pub fn add(&mut self, text: &'a str, origin: usize) {
        let mut rest = text;
        while !rest.is_empty() {
            let (stanza, behind) = rest.split_once("\n\n").unwrap_or((rest, ""));
            self.add_stanza(stanza.trim_start_matches('\n'), origin);
            rest = behind;
        }
    }

    fn add_stanza(&mut self, stanza: &'a str, origin: usize) {
        let (mut name, mut provides, mut basic) = (None, None, false);
        for line in stanza.split('\n') {
            match line.as_bytes().first() {
                Some(b'P') => {
                    if let Some(value) = line.strip_prefix("Package:") {
                        name = Some(value.trim());
                    } else if let Some(value) = line.strip_prefix("Provides:") {
                        provides = Some(value);
                    } else if let Some(value) = line.strip_prefix("Priority:") {
                        basic |= value.trim() == "required";
                    }
                }
                Some(b'E') => {
                    basic |= line.strip_prefix("Essential:").is_some_and(|value| value.trim() == "yes");
                }
                _ => {}
            }
        }
        let Some(name) = name else { return };
        self.stanzas.entry(name).or_default().push(Stanza { text: stanza, origin });
        if basic && !self.basic.contains(&name) {
            self.basic.push(name);
        }
        for provided in provides.unwrap_or_default().split(',') {
            let provided = provided.trim();
            let end = provided.find(|c: char| c.is_whitespace() || c == '(').unwrap_or(provided.len());
            let providers = self.providers.entry(&provided[..end]).or_default();
            if end > 0 && providers.last() != Some(&name) {
                providers.push(name);
            }
        }
    }

    /// How many packages there are, by name.
    pub fn len(&self) -> usize {
        self.stanzas.len()
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.stanzas.is_empty()
    }

    /// The architecture, by Debian's name.
    pub fn architecture(&self) -> &str {
        &self.architecture
    }

    /// Every name, in no order.
    pub fn names(&self) -> impl Iterator<Item = &'a str> + '_ {
        self.stanzas.keys().copied()
    }

    /// The version of a package that is meant when only its name is said: the highest.
    pub fn candidate(&self, name: &str) -> Result<Option<Package>, BadStanza> {
        self.newest(name, |_| true)
    }

    /// A package in one version.
    pub fn exactly(&self, name: &str, version: &Version) -> Result<Option<Package>, BadStanza> {
        self.newest(name, |package| package.version == *version)
    }

    fn newest(&self, name: &str, wanted: impl Fn(&Package) -> bool) -> Result<Option<Package>, BadStanza> {
        let mut newest: Option<Package> = None;
        for stanza in self.stanzas.get(name).into_iter().flatten() {
            let package = self.parse(stanza)?;
            let usable = package.architecture == self.architecture || package.architecture == "all";
            if usable && wanted(&package) && newest.as_ref().is_none_or(|best| package.version > best.version)
            {
                newest = Some(package);
            }
        }
        Ok(newest)
    }

    /// Candidates that provide what a relation asks for, without being called so; the most important first.
    pub fn providers(&self, relation: &Relation) -> Result<Vec<Package>, BadStanza> {
        let mut found = Vec::new();
        for name in self.providers.get(relation.name.as_str()).into_iter().flatten() {
            if let Some(package) = self.candidate(name)?
                && package.name != relation.name
                && package.provides(relation)
            {
                found.push(package);
            }
        }
        found.sort_by(|a, b| (!a.essential, a.priority, &a.name).cmp(&(!b.essential, b.priority, &b.name)));
        found.dedup_by(|a, b| a.name == b.name);
        Ok(found)
    }

    /// Candidates that are essential or of priority `required`, by name.
    pub fn basic(&self) -> Result<Vec<Package>, BadStanza> {
        let mut found = Vec::new();
        for name in &self.basic {
            found.extend(self.candidate(name)?.filter(|package| package.essential || package.priority == 0));
        }
        found.sort_by(|a, b| a.name.cmp(&b.name));
        Ok(found)
    }

    fn parse(&self, stanza: &Stanza<'_>) -> Result<Package, BadStanza> {
        let unnamed = |field| BadStanza { package: "?".to_owned(), field };
        let fields = match deb822::paragraphs(stanza.text).next() {
            Some(Ok(fields)) => fields,
            _ => return Err(unnamed("Package")),
        };
        let name = fields.get("Package").ok_or_else(|| unnamed("Package"))?;
        let bad = |field| BadStanza { package: name.chars().take(80).collect(), field };
        let get = |field| fields.get(field).ok_or_else(|| bad(field));
        let relations = |field| match Relations::parse(fields.get(field).unwrap_or_default()) {
            Ok(relations) => Ok(relations.on(&self.architecture)),
            Err(_) => Err(bad(field)),
        };
        let path = get("Filename")?;
        if path.starts_with('/') || path.split('/').any(|part| part == "..") {
            return Err(bad("Filename"));
        }
        let mut excludes = relations("Conflicts")?;
        excludes.0.extend(relations("Breaks")?.0);
        Ok(Package {
            name: name.to_owned(),
            version: Version::parse(get("Version")?).map_err(|_| bad("Version"))?,
            architecture: get("Architecture")?.to_owned(),
            origin: stanza.origin,
            essential: fields.get("Essential") == Some("yes"),
            priority: match fields.get("Priority") {
                Some("required") => 0,
                Some("important") => 1,
                Some("standard") => 2,
                Some("optional") => 3,
                _ => 4,
            },
            multi_arch_same: fields.get("Multi-Arch") == Some("same"),
            pre_depends: relations("Pre-Depends")?,
            depends: relations("Depends")?,
            excludes,
            replaces: relations("Replaces")?,
            provides: relations("Provides")?,
            path: path.to_owned(),
            size: get("Size")?.parse().map_err(|_| bad("Size"))?,
            digest: release::sha256(get("SHA256")?).ok_or_else(|| bad("SHA256"))?,
        })
    }
}

impl Package {
    /// Whether the package is what the relation asks for: by its own name, or by something it provides.
    pub fn satisfies(&self, relation: &Relation) -> bool {
        (self.name == relation.name && relation.accepts(&self.version)) || self.provides(relation)
    }

    /// Whether something that it provides is what the relation asks for. A version is met only by a provided version
    /// (Debian Policy 7.5).
    fn provides(&self, relation: &Relation) -> bool {
        self.provides.iter().filter(|provided| provided.name == relation.name).any(|provided| {
            match (&relation.constraint, &provided.constraint) {
                (None, _) => true,
                (Some(_), Some((_, version))) => relation.accepts(version),
                (Some(_), None) => false,
            }
        })
    }
}
