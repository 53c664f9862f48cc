//! The project of a directory: its files on disk, what they declare, and its graph.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use dockerfile::{Diagnostic, Level, Source, Span, line_column};
use project::{Files, Finding, Given, Graph, Place, Project};

use crate::failure::Failure;
use crate::repository::Repository;
use crate::ui::format::counted;

/// A project, read.
pub struct Loaded {
    /// The directory that its paths begin at.
    pub root: PathBuf,
    /// Its files.
    pub files: Repository,
    /// What they declare.
    pub project: Project,
    /// What is built on what.
    pub graph: Graph,
}

/// The directory of the nearest `kapok.yaml`, as the settings find it.
pub fn root(directory: &Path) -> Option<PathBuf> {
    let directory = directory.canonicalize().ok()?;
    directory.ancestors().find(|above| above.join("kapok.yaml").is_file()).map(Path::to_owned)
}

/// The project that a directory is in: that of the nearest `kapok.yaml` with images, else what is found below the directory
/// itself.
pub fn load(directory: &Path) -> Result<Loaded, Failure> {
    let directory = directory.canonicalize().map_err(Failure::file("open", directory))?;
    if let Some(root) = root(&directory).filter(|root| *root != directory) {
        let loaded = load_at(&root, project::load)?;
        if matches!(loaded.project.source, project::ProjectSource::KapokYaml(_)) {
            return Ok(loaded);
        }
    }
    load_at(&directory, project::load)
}

/// What manifests and Dockerfiles below a directory declare, whatever its `kapok.yaml` says.
pub fn discover(directory: &Path) -> Result<Loaded, Failure> {
    let directory = directory.canonicalize().map_err(Failure::file("open", directory))?;
    load_at(&directory, project::discover)
}

/// The project's own certificate authorities, as its file has them; nothing where it names none.
pub fn authorities(loaded: &Loaded) -> Result<Vec<u8>, Failure> {
    let Some(ca) = &loaded.project.ca else { return Ok(Vec::new()) };
    let path = loaded.path(&ca.value);
    std::fs::read(&path).map_err(Failure::file("read", path))
}

/// The certificate authorities of the project that a directory is in: the file that its nearest `kapok.yaml` names, and what
/// that holds. An image that is built alone trusts them and has them as one that is built with all others does.
pub fn authorities_near(directory: &Path) -> Result<Option<(PathBuf, Vec<u8>)>, Failure> {
    let Some(root) = root(directory) else { return Ok(None) };
    let files = Repository::unlisted(&root);
    let declared = project::declaration::load(&files, "kapok.yaml").and_then(|project| project.ca);
    let Some(ca) = declared else { return Ok(None) };
    let path = root.join(ca.value);
    let bytes = std::fs::read(&path).map_err(Failure::file("read", &path))?;
    Ok(Some((path, bytes)))
}

fn load_at(root: &Path, read: fn(&dyn Files, &Given) -> Project) -> Result<Loaded, Failure> {
    let files = Repository::open(root, &[]).map_err(Failure::file("list", root))?;
    let name = root.file_name().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default();
    let project = read(&files, &Given { name, remotes: remotes(root) });
    let graph = project::graph(&project, &files);
    Ok(Loaded { root: root.to_owned(), files, project, graph })
}

/// The URLs of the remotes of the repository that a directory is in; none where there is no git.
fn remotes(directory: &Path) -> Vec<String> {
    let mut git = Command::new("git");
    git.args(["config", "--get-regexp", r"^remote\..*\.(push)?url$"]).current_dir(directory);
    for name in ["GIT_DIR", "GIT_WORK_TREE", "GIT_INDEX_FILE"] {
        git.env_remove(name);
    }
    let output = git.stdin(Stdio::null()).stderr(Stdio::null()).output();
    let Some(output) = output.ok().filter(|output| output.status.success()) else { return Vec::new() };
    let text = String::from_utf8_lossy(&output.stdout);
    text.lines().filter_map(|line| line.split_once(' ')).map(|(_, url)| url.to_owned()).collect()
}

impl Loaded {
    /// A path of the project on disk.
    pub fn path(&self, path: &str) -> PathBuf {
        if path.is_empty() { self.root.clone() } else { self.root.join(path) }
    }

    /// The images that words name, with all that they need, in an order to build them in; without words, those that the
    /// project wants.
    pub fn select(&self, words: &[String]) -> Result<Vec<usize>, Failure> {
        if words.is_empty() {
            return Ok(self.graph.wanted(&self.project));
        }
        let mut chosen = Vec::new();
        for word in words {
            chosen.push(self.image(word)?);
        }
        Ok(self.graph.closure(&chosen))
    }

    /// The image that a word names: by its name, or by a name that it gets.
    pub fn image(&self, word: &str) -> Result<usize, Failure> {
        let images = &self.project.images;
        let by_name = images.iter().position(|image| image.name == word);
        let by_output = || {
            images.iter().position(|image| image.outputs.iter().any(|output| output.name.to_string() == word))
        };
        by_name.or_else(by_output).ok_or_else(|| {
            let names = images.iter().map(|image| image.name.as_str());
            let hint = match dockerfile::suggest::nearest(word, names) {
                Some(near) => format!("did you mean `{near}`?"),
                None => "`kapok graph` shows the project's images".to_owned(),
            };
            Failure::usage_with(format!("the project has no image `{word}`"), hint)
        })
    }

    /// What was taken, in one line.
    pub fn headline(&self, images: usize) -> String {
        format!("project: {}; {}\n", self.project.source, counted(images as u64, "image"))
    }

    /// Everything that there is to say about the project, in the order of places.
    pub fn findings(&self) -> Vec<&Finding> {
        let mut findings: Vec<&Finding> = self.project.findings.iter().chain(&self.graph.findings).collect();
        findings.sort_by(|one, other| {
            (one.level, &one.place, one.code).cmp(&(other.level, &other.place, other.code))
        });
        findings
    }

    /// Says what is wrong and doubtful with these images; what is wrong is a failure.
    pub fn tell_findings(&self, wanted: &[usize], colour: bool, tell: &dyn Fn(&str)) -> Result<(), Failure> {
        let names: Vec<&str> = wanted.iter().map(|image| self.project.images[*image].name.as_str()).collect();
        let concerns = |finding: &&Finding| {
            finding.images.is_empty() || finding.images.iter().any(|image| names.contains(&image.as_str()))
        };
        let (errors, others): (Vec<&Finding>, Vec<&Finding>) = self
            .findings()
            .into_iter()
            .filter(concerns)
            .filter(|finding| finding.level != Level::Info)
            .partition(|finding| finding.level == Level::Error);
        if !errors.is_empty() {
            return Err(Failure::Project(self.diagnostics(&errors)));
        }
        for (source, diagnostics) in self.diagnostics(&others) {
            tell(&dockerfile::render(&source, &diagnostics, colour));
        }
        Ok(())
    }

    /// Findings as diagnostics, with the files that they are about.
    pub fn diagnostics(&self, findings: &[&Finding]) -> Vec<(Source, Vec<Diagnostic>)> {
        let mut files: BTreeMap<&str, (Source, Vec<Diagnostic>)> = BTreeMap::new();
        for finding in findings {
            let file = &*finding.place.file;
            let entry = files.entry(file).or_insert_with(|| {
                let bytes = self.files.read(file).ok().flatten().unwrap_or_default();
                (Source::new(file, String::from_utf8_lossy(&bytes)), Vec::new())
            });
            let span = span(&entry.0.text, &finding.place);
            let diagnostic = Diagnostic::error(span, finding.message.clone()).hint_opt(finding.fix.clone());
            entry.1.push(Diagnostic { level: finding.level, ..diagnostic }.code(finding.code.name()));
        }
        files.into_values().collect()
    }
}

/// The bytes of a place. Of a text within a file only the line is known: then it is that line.
fn span(text: &str, place: &Place) -> Span {
    let inside = text.get(place.span.range()).is_some();
    if inside && line_column(text, place.span.start).line == place.line {
        return place.span;
    }
    let mut start = 0;
    for line in text.split_inclusive('\n').take(place.line.saturating_sub(1)) {
        start += line.len();
    }
    let line = text[start..].lines().next().unwrap_or_default();
    let indent = line.len() - line.trim_start().len();
    Span::new(start + indent, start + line.trim_end().len().max(indent))
}

#[cfg(test)]
mod tests {
    use super::*;
    use testkit::fixture::directory;

    #[test]
    fn the_nearest_file_with_images_counts() {
        let tree = directory(
            "//- /kapok.yaml\nimages: {app: {}}\n//- /app/Dockerfile\nFROM scratch\n//- /lib/kapok.yaml\nlimits: {}\n//- /lib/Dockerfile\nFROM scratch\n",
        );
        let names = |path: &str| -> Vec<String> {
            let loaded = load(&tree.path().join(path)).unwrap_or_else(|failure| panic!("{failure}"));
            loaded.project.images.into_iter().map(|image| image.name).collect()
        };
        assert_eq!(names(""), ["app"]);
        assert_eq!(names("app"), ["app"]);
        // Its settings say nothing of images: its Dockerfile does.
        assert_eq!(names("lib"), ["lib"]);
    }

    #[test]
    fn images_are_chosen_with_what_they_need() {
        let tree = directory(
            "//- /a/Dockerfile\nFROM scratch\n//- /b/Dockerfile\nFROM a\n//- /c/Dockerfile\nFROM b\n",
        );
        let loaded = load(tree.path()).unwrap_or_else(|failure| panic!("{failure}"));
        assert_eq!(loaded.select(&["b".to_owned()]).unwrap_or_else(|failure| panic!("{failure}")), [0, 1]);
        let failure = loaded.select(&["d".to_owned()]).err().map(|failure| failure.to_string());
        assert_eq!(failure.as_deref(), Some("the project has no image `d`"));
    }
}
