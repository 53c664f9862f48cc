//! Finds `kapok.yaml` in its three places and merges them key by key.

use std::io::{ErrorKind, Read};
use std::path::{Path, PathBuf};

use dockerfile::{Diagnostic, Source, Span};
use project::yaml::{self, Node, Value};

use super::keys::{KEYS, Key, Places};
use super::tree::{self, TREES, Tree};
use super::{Settings, SettingsError};
use crate::environment::Environment;

const FILE: &str = "kapok.yaml";

/// The larger of the two bounds on a file: what the parser takes, and one byte that shows that there is more.
const READ_LIMIT: u64 = (1 << 20) + 1;

/// The settings for a build in `directory`, or for a command that has none.
pub fn load(environment: &Environment, directory: Option<&Path>) -> Result<Settings, SettingsError> {
    let machine = Path::new("/etc/kapok").join(FILE);
    let user = environment.config_directory().map(|directory| directory.join("kapok").join(FILE));
    let project = directory.and_then(nearest);
    let places =
        [(Some(machine), Places::MachineAndUser), (user, Places::MachineAndUser), (project, Places::All)];
    merge(&environment.directory, &places)
}

/// The nearest `kapok.yaml` in a directory or above it.
fn nearest(directory: &Path) -> Option<PathBuf> {
    let directory = directory.canonicalize().ok()?;
    directory.ancestors().map(|above| above.join(FILE)).find(|path| path.is_file())
}

/// Reads the files that are there, later ones over earlier ones.
fn merge(here: &Path, files: &[(Option<PathBuf>, Places)]) -> Result<Settings, SettingsError> {
    let mut settings = Settings::default();
    for (path, trusted) in files {
        let Some(path) = path else { continue };
        let Some(text) = read(path)? else { continue };
        // As the user sees it, where that is shorter.
        let shown = here.canonicalize().ok().and_then(|here| path.strip_prefix(here).ok());
        let source = Source::new(shown.unwrap_or(path).display().to_string(), text);
        let directory = path.parent().unwrap_or(Path::new("/"));
        let trusted = *trusted == Places::MachineAndUser;
        let diagnostics = apply(&source.text, directory, trusted, &mut settings);
        if !diagnostics.is_empty() {
            return Err(SettingsError::Content { source_text: source, diagnostics });
        }
    }
    Ok(settings)
}

/// A file's text; a file that is not there is no settings.
fn read(path: &Path) -> Result<Option<String>, SettingsError> {
    let error = |source| SettingsError::Read { path: path.to_owned(), source };
    let file = match std::fs::File::open(path) {
        Ok(file) => file,
        Err(missing) if matches!(missing.kind(), ErrorKind::NotFound | ErrorKind::NotADirectory) => {
            return Ok(None);
        }
        Err(other) => return Err(error(other)),
    };
    let mut text = String::new();
    file.take(READ_LIMIT).read_to_string(&mut text).map_err(error)?;
    Ok(Some(text))
}

/// Takes over what a file in `directory` says; everything wrong with it comes back in one go.
pub(super) fn apply(text: &str, directory: &Path, trusted: bool, settings: &mut Settings) -> Vec<Diagnostic> {
    match yaml::parse_one(text) {
        Ok(root) => {
            let mut reader = Reader { trusted, directory, settings, diagnostics: Vec::new() };
            reader.mapping("", &root);
            reader.diagnostics
        }
        Err(diagnostic) => vec![diagnostic],
    }
}

struct Reader<'a> {
    trusted: bool,
    directory: &'a Path,
    settings: &'a mut Settings,
    diagnostics: Vec<Diagnostic>,
}

impl Reader<'_> {
    fn mapping(&mut self, prefix: &str, node: &Node) {
        let Value::Mapping(pairs) = &node.value else {
            let what = if prefix.is_empty() { "a settings file".to_owned() } else { format!("`{prefix}`") };
            return self.say(node.span, format!("{what} must be a mapping"), None);
        };
        if let Some(pair) = yaml::duplicate(pairs) {
            self.say(pair.span, format!("`{}` stands here twice", pair.key), None);
        }
        for pair in pairs {
            let path = if prefix.is_empty() { pair.key.clone() } else { format!("{prefix}.{}", pair.key) };
            if let Some(key) = KEYS.iter().find(|key| key.path == path) {
                self.value(key, pair.span, &pair.value);
            } else if let Some(tree) = TREES.iter().find(|tree| tree.path == path) {
                self.tree(tree, pair.span, &pair.value);
            } else if paths().any(|known| known.strip_prefix(&path).is_some_and(|rest| rest.starts_with('.')))
            {
                if pair.value.value != empty() {
                    self.mapping(&path, &pair.value);
                }
            } else {
                self.say(pair.span, format!("unknown key `{path}`"), suggestion(prefix, &pair.key));
            }
        }
    }

    fn value(&mut self, key: &Key, name: Span, node: &Node) {
        if !self.permits(key.places, key.path, name) {
            return;
        }
        let Value::Scalar { text, .. } = &node.value else {
            return self.say(node.span, format!("`{}` must be a single value", key.path), None);
        };
        if let Err(expected) = (key.set)(self.settings, text) {
            self.say(node.span, format!("`{}`: {expected}", key.path), None);
        }
    }

    fn tree(&mut self, tree: &Tree, name: Span, node: &Node) {
        if !self.permits(tree.places, tree.path, name) {
            return;
        }
        let (trusted, directory) = (self.trusted, self.directory);
        let mut reader = tree::Reader { trusted, directory, diagnostics: &mut self.diagnostics };
        (tree.read)(self.settings, node, &mut reader);
    }

    fn permits(&mut self, places: Places, path: &str, name: Span) -> bool {
        let permitted = places == Places::All || self.trusted;
        if !permitted {
            let hint = "set it in /etc/kapok/kapok.yaml or in the user's kapok.yaml";
            self.say(name, format!("a project may not set `{path}`"), Some(hint.to_owned()));
        }
        permitted
    }

    fn say(&mut self, span: Span, message: String, hint: Option<String>) {
        self.diagnostics.push(Diagnostic::error(span, message).hint_opt(hint));
    }
}

fn empty() -> Value {
    Value::Scalar { text: String::new(), plain: true }
}

/// The paths of all keys.
fn paths() -> impl Iterator<Item = &'static str> {
    KEYS.iter().map(|key| key.path).chain(TREES.iter().map(|tree| tree.path))
}

/// What was meant: a key of the same mapping with a similar name, or that name in another mapping.
fn suggestion(prefix: &str, key: &str) -> Option<String> {
    let siblings: Vec<&str> = paths()
        .filter_map(|known| match prefix {
            "" => Some(known),
            _ => known.strip_prefix(prefix)?.strip_prefix('.'),
        })
        .filter_map(|rest| rest.split('.').next())
        .collect();
    if let Some(close) = dockerfile::suggest::nearest(key, siblings.iter().copied()) {
        return Some(format!("did you mean `{close}`?"));
    }
    let elsewhere = paths().find(|known| known.rsplit('.').next() == Some(key))?;
    Some(format!("did you mean `{elsewhere}`?"))
}

#[cfg(test)]
mod tests;
