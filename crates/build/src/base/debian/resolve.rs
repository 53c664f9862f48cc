//! Which packages a base consists of: what every system needs, what was asked for, and what those depend on.
//!
//! The set is the one that apt installs into an empty system without recommendations. Where a dependency leaves a
//! choice it is put off until everything that leaves none is in, because then the choice is often made already; what is
//! left takes the first alternative that exists and excludes nothing chosen.

use super::catalog::{BadStanza, Catalog, Package};
use super::relation::{Alternatives, BadRelation, Comparison, Relation};
use std::collections::{BTreeMap, VecDeque};

/// What a base is to consist of.
#[derive(Debug, Clone, Default)]
pub struct Selection {
    /// Names of packages that go without saying, besides those that are essential or required.
    pub always: Vec<String>,
    /// What was asked for: `NAME`, `NAME=VERSION` or `NAME:ARCHITECTURE`.
    pub include: Vec<String>,
}

/// The packages, and how much of them is the system itself.
#[derive(Debug, Clone, Default)]
pub struct Resolved {
    /// Essential and required packages, the `always` ones, and their dependencies; by name.
    pub system: Vec<Package>,
    /// What was included on top, with its dependencies; each after those that it depends on, as far as there is such an order.
    pub included: Vec<Package>,
}

/// Why there is no such set.
#[derive(Debug, Clone, thiserror::Error)]
pub enum ResolveError {
    /// A package that was asked for is not in the archive.
    #[error("the archive has no package `{name}` for {architecture}{}", suggestion.as_ref().map(|name| format!("; did you mean `{name}`?")).unwrap_or_default())]
    Unknown {
        /// As asked for.
        name: String,
        /// Debian's name of the architecture.
        architecture: String,
        /// A package with a similar name.
        suggestion: Option<String>,
    },
    /// It is in the archive, but not in this version.
    #[error("the archive has `{name}` in version {candidate}, not {wanted}")]
    Version {
        /// The package.
        name: String,
        /// The version that was asked for.
        wanted: String,
        /// The version that there is.
        candidate: String,
    },
    /// What was asked for is not the name of a package.
    #[error("cannot include `{0}`")]
    Request(String, #[source] BadRelation),
    /// A dependency that nothing in the archive satisfies.
    #[error("`{package}` depends on `{relation}`, which {}", reason.words())]
    Unsatisfiable {
        /// Who depends.
        package: String,
        /// On what.
        relation: String,
        /// What stands against it.
        reason: Obstacle,
    },
    /// Two packages of the set exclude each other.
    #[error("`{package}` excludes `{other}` by `{relation}`, and both are needed")]
    Conflict {
        /// Who excludes.
        package: String,
        /// Who is excluded.
        other: String,
        /// How.
        relation: String,
    },
    /// The archive has no essential package: it is no archive to make a system from.
    #[error("the archive has no essential package for {0}")]
    NothingEssential(String),
    /// A package that is needed has an index entry that makes no sense.
    #[error(transparent)]
    Stanza(#[from] BadStanza),
}

/// Why a dependency cannot be had.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Obstacle {
    /// No package has or provides the name.
    Absent,
    /// There is one, in another version.
    Version(String),
    /// There is one, but a chosen package stands against it.
    Excluded(String),
}

impl Obstacle {
    fn words(&self) -> String {
        match self {
            Self::Absent => "is not in the archive".to_owned(),
            Self::Version(version) => format!("the archive has in version {version}"),
            Self::Excluded(by) => format!("cannot be installed beside `{by}`"),
        }
    }
}

/// Chooses the packages.
pub fn resolve(catalog: &Catalog<'_>, selection: &Selection) -> Result<Resolved, ResolveError> {
    let mut closure =
        Closure { catalog, chosen: BTreeMap::new(), open: VecDeque::new(), choices: VecDeque::new() };
    let basic = catalog.basic()?;
    if !basic.iter().any(|package| package.essential) {
        return Err(ResolveError::NothingEssential(catalog.architecture().to_owned()));
    }
    for package in basic {
        closure.choose(package)?;
    }
    for name in &selection.always {
        closure.choose(find(catalog, name)?)?;
    }
    closure.close()?;
    let system: Vec<String> = closure.chosen.keys().cloned().collect();
    for word in &selection.include {
        let package = find(catalog, word)?;
        if !closure.chosen.contains_key(&package.name) {
            closure.choose(package)?;
        }
    }
    closure.close()?;
    let mut chosen = closure.chosen;
    let system: Vec<Package> = system.iter().filter_map(|name| chosen.remove(name)).collect();
    Ok(Resolved { included: in_order(chosen), system })
}

struct Closure<'a, 'b> {
    catalog: &'a Catalog<'b>,
    chosen: BTreeMap<String, Package>,
    /// Dependencies not looked at yet, each with the package that has it.
    open: VecDeque<(String, Alternatives)>,
    /// Those that leave a choice.
    choices: VecDeque<(String, Alternatives)>,
}

impl Closure<'_, '_> {
    fn choose(&mut self, package: Package) -> Result<(), ResolveError> {
        if let Some((other, relation, by_new)) = self.conflict(&package) {
            let (package, other) = if by_new { (package.name, other) } else { (other, package.name) };
            return Err(ResolveError::Conflict { package, other, relation });
        }
        for group in package.pre_depends.0.iter().chain(&package.depends.0) {
            self.open.push_back((package.name.clone(), group.clone()));
        }
        self.chosen.insert(package.name.clone(), package);
        Ok(())
    }

    fn close(&mut self) -> Result<(), ResolveError> {
        loop {
            if let Some((package, group)) = self.open.pop_front() {
                if self.is_satisfied(&group) {
                    continue;
                }
                match &group.0[..] {
                    [only] if self.only_name(only)? => self.satisfy(&package, &group)?,
                    _ => self.choices.push_back((package, group)),
                }
            } else if let Some((package, group)) = self.choices.pop_front() {
                if !self.is_satisfied(&group) {
                    self.satisfy(&package, &group)?;
                }
            } else {
                return Ok(());
            }
        }
    }

    /// Whether a relation means one package and no other: it has the name, and nobody else provides it.
    fn only_name(&self, relation: &Relation) -> Result<bool, BadStanza> {
        Ok(self.catalog.candidate(&relation.name)?.is_some_and(|package| package.satisfies(relation))
            && self.catalog.providers(relation)?.is_empty())
    }

    fn is_satisfied(&self, group: &Alternatives) -> bool {
        group.0.iter().filter(|relation| self.is_reachable(relation)).any(|relation| {
            self.chosen.get(&relation.name).is_some_and(|package| package.satisfies(relation))
                || self.chosen.values().any(|package| package.satisfies(relation))
        })
    }

    /// A base has one architecture; `name:other` asks for what it cannot have.
    fn is_reachable(&self, relation: &Relation) -> bool {
        relation.qualifier.as_deref().is_none_or(|qualifier| {
            qualifier == "any" || qualifier == "native" || qualifier == self.catalog.architecture()
        })
    }

    fn satisfy(&mut self, package: &str, group: &Alternatives) -> Result<(), ResolveError> {
        let mut reason = Obstacle::Absent;
        for relation in group.0.iter().filter(|relation| self.is_reachable(relation)) {
            let named = self.catalog.candidate(&relation.name)?;
            if let Some(named) = named.as_ref().filter(|named| !named.satisfies(relation)) {
                reason = Obstacle::Version(named.version.to_string());
            }
            let named = named.filter(|named| named.satisfies(relation));
            for candidate in named.into_iter().chain(self.catalog.providers(relation)?) {
                match self.conflict(&candidate) {
                    Some((other, ..)) => reason = Obstacle::Excluded(other),
                    None => return self.choose(candidate),
                }
            }
        }
        Err(ResolveError::Unsatisfiable { package: package.to_owned(), relation: group.to_string(), reason })
    }

    /// A chosen package that cannot stand beside this one, by which relation, and whether it is this one's.
    fn conflict(&self, package: &Package) -> Option<(String, String, bool)> {
        let excludes = |one: &Package, other: &Package| {
            // A package that conflicts with what it provides itself means everybody else who does.
            let hit =
                one.excludes.iter().find(|relation| one.name != other.name && other.satisfies(relation));
            hit.map(ToString::to_string)
        };
        self.chosen.values().find_map(|other| {
            let mine = excludes(package, other).map(|relation| (other.name.clone(), relation, true));
            mine.or_else(|| excludes(other, package).map(|relation| (other.name.clone(), relation, false)))
        })
    }
}

/// The package that `NAME`, `NAME=VERSION` or `NAME:ARCHITECTURE` means.
fn find(catalog: &Catalog<'_>, word: &str) -> Result<Package, ResolveError> {
    let request = |error| ResolveError::Request(word.to_owned(), error);
    let relation = match word.split_once('=') {
        Some((name, version)) => Relation::parse(&format!("{name} (= {version})")),
        None => Relation::parse(word),
    };
    let relation = relation.map_err(request)?;
    let unknown = || ResolveError::Unknown {
        name: word.to_owned(),
        architecture: catalog.architecture().to_owned(),
        suggestion: similar(catalog, &relation.name),
    };
    let foreign =
        |qualifier: &String| !["any", "native", "all", catalog.architecture()].contains(&qualifier.as_str());
    if relation.qualifier.as_ref().is_some_and(foreign) {
        return Err(unknown());
    }
    let candidate = catalog.candidate(&relation.name)?;
    let Some((Comparison::Equal, wanted)) = &relation.constraint else {
        if let Some(candidate) = candidate {
            return Ok(candidate);
        }
        // The name of something that only one package provides means that package, as it does to apt.
        let mut providers = catalog.providers(&relation)?;
        return if providers.len() == 1 { Ok(providers.remove(0)) } else { Err(unknown()) };
    };
    match (catalog.exactly(&relation.name, wanted)?, candidate) {
        (Some(package), _) => Ok(package),
        (None, Some(candidate)) => Err(ResolveError::Version {
            name: candidate.name,
            wanted: wanted.to_string(),
            candidate: candidate.version.to_string(),
        }),
        (None, None) => Err(unknown()),
    }
}

/// The name with the fewest edits, if they are few.
fn similar(catalog: &Catalog<'_>, name: &str) -> Option<String> {
    let limit = (name.len() / 2).clamp(1, 3);
    let near = |other: &&str| other.len().abs_diff(name.len()) <= limit;
    let ranked = catalog.names().filter(near).map(|other| (edits(name.as_bytes(), other.as_bytes()), other));
    ranked.filter(|(edits, _)| *edits <= limit).min().map(|(_, other)| other.to_owned())
}

/// Levenshtein's distance.
fn edits(left: &[u8], right: &[u8]) -> usize {
    let mut row: Vec<usize> = (0..=right.len()).collect();
    for (at, a) in left.iter().enumerate() {
        let mut diagonal = row[0];
        row[0] = at + 1;
        for (column, b) in right.iter().enumerate() {
            let change = diagonal + usize::from(a != b);
            diagonal = row[column + 1];
            row[column + 1] = change.min(diagonal + 1).min(row[column] + 1);
        }
    }
    row[right.len()]
}

/// Each package behind those it depends on. Pre-Depends count before Depends where the two make a circle.
fn in_order(mut packages: BTreeMap<String, Package>) -> Vec<Package> {
    fn visit(
        name: &str,
        packages: &BTreeMap<String, Package>,
        state: &mut BTreeMap<String, bool>,
        order: &mut Vec<String>,
    ) {
        let Some(package) = packages.get(name) else { return };
        if state.contains_key(name) {
            return;
        }
        state.insert(name.to_owned(), false);
        for group in package.pre_depends.0.iter().chain(&package.depends.0) {
            let wanted =
                packages.values().find(|other| group.0.iter().any(|relation| other.satisfies(relation)));
            if let Some(other) = wanted {
                visit(&other.name, packages, state, order);
            }
        }
        order.push(name.to_owned());
    }
    let (mut state, mut order) = (BTreeMap::new(), Vec::new());
    for name in packages.keys() {
        visit(name, &packages, &mut state, &mut order);
    }
    order.iter().filter_map(|name| packages.remove(name)).collect()
}
