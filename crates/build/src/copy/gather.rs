//! Finding what a COPY or ADD selects.

use std::collections::HashMap;
use std::path::Path;

use oci::Digest;
use oci::record::Intake;

use super::digest::SelectionDigest;
use super::remote::{Download, download};
use super::select::{Filter, Selected, has_wildcard, matches};
use super::tree::{Item, LinkKey, Tree};
use super::{Applied, CopyError, Sources, Target, apply};
use crate::context::{Context, ContextOptions};
use crate::plan::{CopyAction, CopySource, path};

/// What a COPY or ADD selects, all of it at hand.
pub struct Gathered<'a> {
    pub(super) action: &'a CopyAction,
    pub(super) inputs: Vec<Input<'a>>,
    pub(super) warnings: Vec<String>,
    intakes: Vec<Intake>,
}

/// What one source selects.
pub(super) enum Input<'a> {
    /// Files of a tree. Of directories only the content is meant.
    Selected(Tree<'a>, Vec<Selected>),
    /// A file written in the Dockerfile: its name and text.
    Inline(&'a str, &'a str),
    /// A file from a URL, and its name.
    Download(Download, &'a str),
    /// A git repository.
    Git(Box<Context>, Selected),
}

/// Finds what an action selects; what has to be fetched goes below `scratch`, a directory
/// that lives as long as the result.
pub fn gather<'a>(
    action: &'a CopyAction,
    sources: &'a dyn Sources,
    scratch: &Path,
) -> Result<Gathered<'a>, CopyError> {
    let mut gathered = Gathered { action, inputs: Vec::new(), warnings: Vec::new(), intakes: Vec::new() };
    for (number, source) in action.sources.iter().enumerate() {
        let input = match source {
            CopySource::Path { from, path } => {
                let tree = sources.tree(from)?;
                let selected = select_path(action, tree, path)?;
                if selected.is_empty() {
                    gathered.warnings.push(format!("`{path}` matches nothing in {}", tree.describe()));
                }
                Input::Selected(tree, selected)
            }
            CopySource::Inline { name, content } => Input::Inline(name, content),
            CopySource::Url { url, file_name, checksum } => {
                let file = scratch.join(format!("download-{number}"));
                let (download, intake) = download(sources.fetch(), url, checksum.as_ref(), &file)?;
                gathered.intakes.push(intake);
                Input::Download(download, file_name)
            }
            CopySource::Git { reference, keep_git_dir } => {
                let directory = scratch.join(format!("repository-{number}"));
                let created = std::fs::create_dir(&directory);
                created.map_err(|error| CopyError::io("create", b"repository", error))?;
                let commit = sources.git(reference, *keep_git_dir, &directory)?;
                let from = Some(commit);
                let url = reference.to_string();
                gathered.intakes.push(Intake { url, from, ..Intake::default() });
                let options = ContextOptions { ignore: Default::default(), cache: None, threads: 2 };
                let context = Box::new(Context::open(&directory, options)?);
                let selected = select_all(&context, &filter(action, None)?)?;
                Input::Git(context, selected)
            }
        };
        gathered.inputs.push(input);
    }
    Ok(gathered)
}

impl Gathered<'_> {
    /// What was downloaded.
    pub fn intakes(&self) -> &[Intake] {
        &self.intakes
    }

    /// The digest of exactly what is selected: names, kinds, modes, owners, content, and times as far as they reach
    /// the image. Where it lies does not count.
    pub fn digest(&self, epoch: i64) -> Result<Digest, CopyError> {
        let mut digest = SelectionDigest::new(epoch);
        for input in &self.inputs {
            match input {
                Input::Selected(tree, all) => {
                    for selected in all {
                        digest.selection(*tree, selected, true)?;
                    }
                }
                Input::Inline(name, content) => {
                    digest.text("inline", name.as_bytes());
                    digest.text("content", content.as_bytes());
                }
                Input::Download(download, name) => {
                    digest.text("download", name.as_bytes());
                    digest.text("content", download.digest.to_string().as_bytes());
                    let mtime = download.mtime.unwrap_or(epoch).min(epoch);
                    digest.text("time", &mtime.to_le_bytes());
                }
                Input::Git(context, selected) => digest.selection(Tree::Context(context), selected, false)?,
            }
        }
        Ok(digest.finish())
    }

    /// Writes it into an upper.
    pub fn apply(&self, target: &Target<'_>) -> Result<Applied, CopyError> {
        apply::apply(self, target)
    }
}

/// What a path of a tree selects: one thing, or as many as a wildcard matches.
fn select_path(action: &CopyAction, tree: Tree<'_>, source: &str) -> Result<Vec<Selected>, CopyError> {
    let (source, include) = if action.parents { pivot(tree, source)? } else { (source.to_owned(), None) };
    let filter = filter(action, include.as_deref())?;
    let mut all = Vec::new();
    for matched in matches(tree, &source)? {
        let followed = tree.resolve(&matched, true)?;
        let Some(root) = tree.lookup(&followed)? else {
            let matched = String::from_utf8_lossy(&matched).into_owned();
            return Err(CopyError::not_found(tree, &matched));
        };
        let name = oci::tree::file_name(&matched).to_vec();
        all.push(select(tree, root, name, &filter)?);
    }
    Ok(all)
}

/// The two parts of a source of `--parents`: what is left out of the kept path, which a `/./` ends, and the pattern of
/// what is copied below it. A path without wildcards must exist.
fn pivot(tree: Tree<'_>, source: &str) -> Result<(String, Option<String>), CopyError> {
    let (root, pattern) = source.split_once("/./").unwrap_or(("/", source));
    let pattern = path::join("/", pattern);
    if !has_wildcard(root) && !has_wildcard(&pattern) {
        let whole = path::join("/", &format!("{root}/{pattern}"));
        let found = tree.resolve(whole.as_bytes(), true)?;
        if tree.lookup(&found)?.is_none() {
            return Err(CopyError::not_found(tree, &whole));
        }
    }
    Ok((
        root.to_owned(),
        Some(pattern.trim_start_matches('/').to_owned()).filter(|pattern| !pattern.is_empty()),
    ))
}

fn filter(action: &CopyAction, include: Option<&str>) -> Result<Filter, CopyError> {
    let include: Vec<String> = include.map(ToOwned::to_owned).into_iter().collect();
    Filter::new(&include, &action.exclude).map_err(|_| {
        let patterns: Vec<&str> = include.iter().chain(&action.exclude).map(String::as_str).collect();
        CopyError::Pattern { patterns: patterns.join("`, `") }
    })
}

/// Everything in a context.
fn select_all(context: &Context, filter: &Filter) -> Result<Selected, CopyError> {
    let tree = Tree::Context(context);
    let root = tree.lookup(b"")?.ok_or_else(|| CopyError::not_found(tree, "/"))?;
    select(tree, root, Vec::new(), filter)
}

/// Something and what is below it.
pub(super) fn select(
    tree: Tree<'_>,
    root: Item,
    name: Vec<u8>,
    filter: &Filter,
) -> Result<Selected, CopyError> {
    let mut below = if root.is_directory() { filter.below(tree, &root.path)? } else { Vec::new() };
    let mut first: HashMap<LinkKey, usize> = HashMap::new();
    for (position, below) in below.iter_mut().enumerate() {
        if let Some(key) = below.item.link.take() {
            let known = *first.entry(key).or_insert(position);
            below.same_as = (known != position).then_some(known);
        }
    }
    Ok(Selected { name, root, below })
}
