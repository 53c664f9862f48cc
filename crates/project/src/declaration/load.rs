//! `kapok.yaml` with all that it includes, as a project.

use dockerfile::Diagnostic;

use super::{Declaration, KEYS, read};
use crate::Files;
use crate::files::{file_name, is_directory, is_file, join, parent};
use crate::finding::{Code, Finding};
use crate::model::{Located, Project, ProjectSource};
use crate::place::{Place, Text};
use crate::yaml;

/// More files than anybody includes.
const MAX_FILES: usize = 10_000;

/// The project that `kapok.yaml` declares; nothing where it is not there. Without images of its own it has no source
/// either: what it says besides, of bases and certificates, is said of images that are found elsewhere.
pub fn load(files: &dyn Files, path: &str) -> Option<Project> {
    let mut loader = Loader { files, project: Project::default(), seen: Vec::new() };
    let declares = loader.file(path, None)?;
    let mut project = loader.project;
    if declares {
        project.source = ProjectSource::KapokYaml(path.to_owned());
        project.images.sort_by(|one, other| one.name.cmp(&other.name));
    }
    Some(project)
}

struct Loader<'f> {
    files: &'f dyn Files,
    project: Project,
    seen: Vec<String>,
}

impl Loader<'_> {
    /// Takes a file in, and says whether it declares images; nothing where it is not there.
    fn file(&mut self, path: &str, from: Option<&Place>) -> Option<bool> {
        if self.seen.iter().any(|seen| seen == path) || self.seen.len() >= MAX_FILES {
            return Some(true);
        }
        self.seen.push(path.to_owned());
        let bytes = match self.files.read(path) {
            Ok(bytes) => bytes?,
            Err(error) => {
                let message = format!("`{path}` cannot be read: {error}");
                let place = from.cloned().unwrap_or_else(|| Place::start(path));
                self.project.findings.push(Finding::error(Code::Unreadable, place, message));
                return Some(true);
            }
        };
        let text = Text::new(path, &String::from_utf8_lossy(&bytes));
        let root = match yaml::parse_one(&text.text) {
            Ok(root) => root,
            Err(diagnostic) => {
                self.say(&text, vec![diagnostic]);
                return Some(true);
            }
        };
        let declares = root.pairs().iter().any(|pair| matches!(pair.key.as_str(), "images" | "include"));
        if from.is_some() {
            self.only_project_keys(&text, &root);
        }
        let (declaration, diagnostics) = read(&text, &root, parent(path));
        self.say(&text, diagnostics);
        self.take(path, declaration);
        Some(declares)
    }

    /// A file that is included says nothing of the machine and the network.
    fn only_project_keys(&mut self, text: &Text, root: &yaml::Node) {
        let mut diagnostics = Vec::new();
        for pair in root.pairs().iter().filter(|pair| !KEYS.contains(&pair.key.as_str())) {
            let near = dockerfile::suggest::nearest(&pair.key, KEYS);
            let hint = near.map(|near| format!("did you mean `{near}`?"));
            let message = format!("unknown key `{}` in a file that is included", pair.key);
            diagnostics.push(Diagnostic::error(pair.span, message).hint_opt(hint));
        }
        self.say(text, diagnostics);
    }

    fn say(&mut self, text: &Text, diagnostics: Vec<Diagnostic>) {
        for diagnostic in diagnostics {
            let place = text.place(diagnostic.span);
            let finding = Finding::error(Code::Syntax, place, diagnostic.message).fix_opt(diagnostic.hint);
            self.project.findings.push(finding);
        }
    }

    fn take(&mut self, path: &str, declaration: Declaration) {
        self.project.images.extend(declaration.images);
        self.project.bases.extend(declaration.bases);
        if let Some(ca) = declaration.ca {
            if !is_file(self.files, &ca.value) {
                let message = format!("`ca`: there is no file `{}`", ca.value);
                self.project.findings.push(Finding::error(Code::MissingPath, ca.place.clone(), message));
            }
            self.project.ca.get_or_insert(ca);
        }
        for entry in declaration.include {
            self.include(path, &entry);
        }
    }

    fn include(&mut self, from: &str, entry: &Located) {
        let found = self.included(from, &entry.value);
        if found.is_empty() {
            let message = format!("`include`: there is no file `{}`", entry.value);
            self.project.findings.push(Finding::error(Code::MissingPath, entry.place.clone(), message));
        }
        for path in found {
            if path == from || self.seen.contains(&path) {
                continue;
            }
            self.file(&path, Some(&entry.place));
        }
    }

    /// The files that an entry means: a file, a directory's `kapok.yaml`, or a pattern over paths.
    fn included(&self, from: &str, written: &str) -> Vec<String> {
        let Some(path) = join(parent(from), written) else { return Vec::new() };
        if is_file(self.files, &path) {
            return vec![path];
        }
        if !written.contains(['*', '?', '[']) {
            let inside = join(&path, crate::discover::FILE).filter(|inside| is_file(self.files, inside));
            return inside.filter(|_| is_directory(self.files, &path)).into_iter().collect();
        }
        let mut found = Vec::new();
        for known in self.files.list() {
            let own = dockerfile::wildcard::matches(&path, known).unwrap_or(false);
            let of_directory = file_name(known) == crate::discover::FILE
                && dockerfile::wildcard::matches(&path, parent(known)).unwrap_or(false);
            if own || of_directory {
                found.push(known.clone());
            }
        }
        found
    }
}
