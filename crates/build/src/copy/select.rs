//! What a source selects: wildcards resolved, `--exclude` and `--parents` applied, everything below a directory.

use dockerfile::ignore::{ParentMatches, Patterns};
use dockerfile::wildcard::{BadPattern, Wildcard};
use oci::tree;

use super::CopyError;
use super::tree::{Item, Tree};
use crate::plan::path;

/// One thing that is copied, with all that belongs to it.
pub struct Selected {
    /// The name that it gets in a destination that is a directory.
    pub name: Vec<u8>,
    /// The thing itself. Of a directory, usually only the content is copied.
    pub root: Item,
    /// What is below a directory and selected: paths below it, parents before children, sorted.
    pub below: Vec<Below>,
}

/// Something below a selected directory.
pub struct Below {
    /// Its path below the directory.
    pub path: Vec<u8>,
    /// The thing.
    pub item: Item,
    /// A directory that is not selected itself, but has something in it that is. Where it exists it keeps its owner.
    pub implied: bool,
    /// For another name of a file, the position of the name that came first.
    pub same_as: Option<usize>,
}

/// Which of the things below a directory are selected.
#[derive(Default)]
pub struct Filter {
    /// `--parents`: only these.
    pub include: Patterns,
    /// `--exclude`: not these.
    pub exclude: Patterns,
    /// The directories that all of `include` is below.
    within: Vec<String>,
}

/// The paths that a source means, in order. Without a wildcard it is the one path, whether it exists or not.
pub fn matches(tree: Tree<'_>, source: &str) -> Result<Vec<Vec<u8>>, CopyError> {
    let source = path::join("/", source);
    let parts: Vec<&str> = source.split('/').filter(|part| !part.is_empty()).collect();
    let plain = parts.iter().position(|part| has_wildcard(part)).unwrap_or(parts.len());
    let (fixed, patterns) = parts.split_at(plain);
    let fixed = fixed.join("/").into_bytes();
    if patterns.is_empty() {
        return Ok(vec![fixed]);
    }
    let patterns = patterns.iter().map(|pattern| Wildcard::parse(pattern)).collect::<Result<Vec<_>, _>>();
    // As in Go, a pattern that cannot be read matches nothing.
    let Ok(patterns) = patterns else { return Ok(Vec::new()) };
    let start = tree.resolve(&fixed, true)?;
    if tree.lookup(&start)?.is_none() {
        return Err(CopyError::not_found(tree, &source));
    }
    let mut found = vec![start];
    for (position, pattern) in patterns.iter().enumerate() {
        let mut next = Vec::new();
        for directory in found {
            // A walk does not follow links, so only what is a directory itself has something below it.
            let is_directory = tree.lookup(&directory)?.is_some_and(|item| item.is_directory());
            if position > 0 && !is_directory {
                continue;
            }
            let children = tree.list(&directory)?.into_iter();
            next.extend(children.map(|item| item.path).filter(|path| pattern.matches(tree::file_name(path))));
        }
        found = next;
    }
    Ok(found)
}

/// Whether a part of a source path is a pattern. A backslash takes the next character's meaning away, but does not
/// make a pattern by itself.
pub fn has_wildcard(part: &str) -> bool {
    let mut characters = part.chars();
    while let Some(character) = characters.next() {
        match character {
            '*' | '?' | '[' => return true,
            '\\' => drop(characters.next()),
            _ => {}
        }
    }
    false
}

impl Filter {
    /// A filter of these patterns; the error is one that cannot be read.
    pub fn new(include: &[String], exclude: &[String]) -> Result<Filter, BadPattern> {
        let parts = include.first().filter(|_| include.len() == 1).map_or("", String::as_str).split('/');
        let within = parts.take_while(|part| !(part.is_empty() || has_wildcard(part) || part.contains('\\')));
        Ok(Filter {
            within: within.map(ToOwned::to_owned).collect(),
            include: Patterns::from_list(include)?,
            exclude: Patterns::from_list(exclude)?,
        })
    }

    /// Whether something that is selected may be below a directory.
    fn leads_on(&self, directory: &[u8]) -> bool {
        tree::components(directory).zip(&self.within).all(|(name, part)| name == part.as_bytes())
    }

    /// What is below a directory.
    pub fn below(&self, tree: Tree<'_>, directory: &[u8]) -> Result<Vec<Below>, CopyError> {
        if self.within.is_empty() {
            tree.prefetch(directory)?;
        }
        let mut found = Vec::new();
        // Directories on the way down that are not selected themselves and were not needed yet.
        let mut pending: Vec<Below> = Vec::new();
        let mut stack = vec![Level::new(tree.list(directory)?, Verdict::default(), 0)];
        while let Some(level) = stack.last_mut() {
            let Some(item) = level.items.next() else {
                pending.truncate(level.pending);
                stack.pop();
                continue;
            };
            let relative = &item.path[directory.len()..];
            let path = relative.strip_prefix(b"/").unwrap_or(relative).to_vec();
            if !self.leads_on(&path) {
                continue;
            }
            let verdict = self.judge(&path, &level.verdict);
            let (is_directory, inside) = (item.is_directory(), item.path.clone());
            let depth = pending.len();
            if verdict.selected() {
                found.append(&mut pending);
                found.push(Below { path, item, implied: false, same_as: None });
            } else if is_directory {
                pending.push(Below { path, item, implied: true, same_as: None });
            }
            if is_directory && (!verdict.excluded || self.exclude.has_exceptions()) {
                stack.push(Level::new(tree.list(&inside)?, verdict, depth));
            } else {
                pending.truncate(depth);
            }
        }
        Ok(found)
    }

    fn judge(&self, path: &[u8], above: &Verdict) -> Verdict {
        let (excluded, exclude) = self.exclude.enter(path, &above.exclude);
        let (included, include) = match self.include.is_empty() {
            true => (true, ParentMatches::default()),
            false => self.include.enter(path, &above.include),
        };
        Verdict { included, excluded, include, exclude }
    }
}

/// What the patterns say of a path, and need to know for what is below it.
#[derive(Default)]
struct Verdict {
    included: bool,
    excluded: bool,
    include: ParentMatches,
    exclude: ParentMatches,
}

impl Verdict {
    fn selected(&self) -> bool {
        self.included && !self.excluded
    }
}

/// A directory that is being walked.
struct Level {
    items: std::vec::IntoIter<Item>,
    verdict: Verdict,
    /// How many directories were pending before this one.
    pending: usize,
}

impl Level {
    fn new(items: Vec<Item>, verdict: Verdict, pending: usize) -> Level {
        Level { items: items.into_iter(), verdict, pending }
    }
}
