//! The repository as a whole: what it builds, its Makefiles, what is committed that nobody wrote.

use std::collections::BTreeMap;

use project::Given;

use super::{Facts, Files, SourceId};
use crate::finding::Place;

/// No Makefile is larger.
const MAX_BYTES: usize = 1 << 20;

/// A binary among the files, or an archive of such.
#[derive(Clone, Copy, Debug)]
pub struct Binary {
    /// The file.
    pub place: Place,
    /// What it is.
    pub what: &'static str,
    /// An archive, which may hold anything.
    pub archive: bool,
}

/// Something wrong with what the repository builds, as the project's graph finds it.
#[derive(Clone, Debug)]
pub struct ProjectFinding {
    /// Where.
    pub place: Place,
    /// What it is, and how bad.
    pub finding: project::Finding,
}

pub(super) fn gather(facts: &mut Facts, files: &dyn Files) {
    let project = project::load(files, &Given::default());
    let graph = project::graph(&project, files);
    let found: Vec<project::Finding> = project.findings.iter().chain(&graph.findings).cloned().collect();
    for finding in found {
        let Some(source) = source(facts, files, &finding.place.file) else { continue };
        facts
            .project_findings
            .push(ProjectFinding { place: Place::new(source, finding.place.span), finding });
    }
    let own = |edge: &&project::Edge| !matches!(graph.nodes[edge.from.0].kind, project::NodeKind::External);
    let references = graph.edges.iter().filter(own).filter_map(|edge| edge.reference.parse().ok());
    facts.own_references = references.map(|reference: oci::Reference| reference.to_string()).collect();
    facts.project = project;
    let paths: Vec<String> = facts.files.iter().map(|file| file.path.clone()).collect();
    for path in paths {
        if is_makefile(&path) {
            let source = source(facts, files, &path);
            facts.makefiles.extend(source);
        } else if let Some((what, archive)) = binary(files, &path) {
            let source = facts.add_source(path, "");
            facts.binaries.push(Binary { place: Place::file(source), what, archive });
        }
    }
}

/// A file's text among the facts, read where it is not there yet.
fn source(facts: &mut Facts, files: &dyn Files, path: &str) -> Option<SourceId> {
    if let Some(source) = facts.source_named(path) {
        return Some(source);
    }
    let bytes = files.read(path).ok()??;
    let text = String::from_utf8(bytes).ok().filter(|text| text.len() <= MAX_BYTES)?;
    Some(facts.add_source(path, text))
}

fn is_makefile(path: &str) -> bool {
    let name = path.rsplit('/').next().unwrap_or(path);
    matches!(name, "Makefile" | "makefile" | "GNUmakefile")
        || name.ends_with(".mk")
        || name.starts_with("Makefile.")
}

/// What files are by their names' ends.
const KINDS: [(&str, &str, bool); 27] = [
    (".jar", "a Java archive", false),
    (".war", "a Java archive", false),
    (".ear", "a Java archive", false),
    (".class", "a compiled Java class", false),
    (".whl", "a Python wheel", false),
    (".egg", "a Python egg", false),
    (".pyc", "compiled Python", false),
    (".so", "a shared library", false),
    (".dll", "a library of Windows", false),
    (".dylib", "a library of macOS", false),
    (".exe", "a program of Windows", false),
    (".rpm", "an RPM package", false),
    (".deb", "a Debian package", false),
    (".apk", "a package", false),
    (".wasm", "compiled WebAssembly", false),
    (".o", "an object file", false),
    (".a", "a static library", false),
    (".gem", "a Ruby gem", false),
    (".nupkg", "a package", false),
    (".jks", "a Java key store", false),
    (".p12", "a key store", false),
    (".pfx", "a key store", false),
    (".tar.gz", "an archive", true),
    (".tgz", "an archive", true),
    (".tar", "an archive", true),
    (".zip", "an archive", true),
    (".tar.xz", "an archive", true),
];

fn binary(files: &dyn Files, path: &str) -> Option<(&'static str, bool)> {
    let lower = path.to_ascii_lowercase();
    let name = lower.rsplit('/').next().unwrap_or(&lower);
    if let Some((_, what, archive)) = KINDS.iter().find(|(end, ..)| name.ends_with(end)) {
        return Some((what, *archive));
    }
    // `libx.so.1`, and what has no end: a program says what it is in its first bytes.
    let versioned = name.contains(".so.");
    if versioned {
        return Some(("a shared library", false));
    }
    if name.contains('.') && !name.ends_with(".bin") || is_text_name(name) {
        return None;
    }
    // What is listed and not read is too large; no text without an end to its name is.
    let Some(bytes) = files.read(path).ok()? else {
        return Some(("a large file, probably a program,", false));
    };
    match bytes.get(..4)? {
        [0x7f, b'E', b'L', b'F'] => Some(("a program", false)),
        [0xcf, 0xfa, 0xed, 0xfe] | [0xca, 0xfe, 0xba, 0xbe] => Some(("a program of macOS", false)),
        [b'M', b'Z', ..] => Some(("a program of Windows", false)),
        _ => None,
    }
}

fn is_text_name(name: &str) -> bool {
    [
        "license",
        "readme",
        "makefile",
        "dockerfile",
        "containerfile",
        "notice",
        "changelog",
        "jenkinsfile",
        "owners",
        "authors",
    ]
    .contains(&name)
}

/// A command of a Makefile's recipe: its line, variables filled in where the file sets them once, and where it stands.
#[derive(Clone, Debug)]
pub(crate) struct Recipe {
    pub place: Place,
    pub line: String,
}

/// A text whose continued lines are one: backslash and line end are blanks, so that every place stays where it was.
fn joined(text: &str) -> String {
    text.replace("\\\r\n\t", "    ").replace("\\\n\t", "   ").replace("\\\r\n", "   ").replace("\\\n", "  ")
}

impl Facts {
    /// The variables of all Makefiles that are set to a plain value: name, value, where it stands.
    pub(crate) fn make_variables(&self) -> Vec<(String, String, Place)> {
        let mut found = Vec::new();
        for source in &self.makefiles {
            let whole = Place::new(*source, ::dockerfile::Span::new(0, self.source(*source).text.len()));
            for (span, line) in self.lines(whole) {
                if line.starts_with(['\t', '#', ' ']) {
                    continue;
                }
                let Some((before, after)) = line.split_once('=') else { continue };
                let name = before.trim_end_matches([':', '?', '+', '!']).trim();
                let name = name.strip_prefix("export ").unwrap_or(name).trim();
                let value = after.split(" #").next().unwrap_or(after).trim();
                let plain = !name.is_empty() && !name.contains([' ', ':', '$', '(']);
                if plain && !value.is_empty() {
                    let start = span.start + before.len() + 1 + after.find(value).unwrap_or(0);
                    let place = Place::new(*source, ::dockerfile::Span::new(start, start + value.len()));
                    found.push((name.to_owned(), value.to_owned(), place));
                }
            }
        }
        found
    }

    /// The lines of the recipes of all Makefiles. Comments are left out.
    pub(crate) fn recipes(&self) -> Vec<Recipe> {
        let mut found = Vec::new();
        for source in &self.makefiles {
            let text = &self.source(*source).text;
            let joined = joined(text);
            let mut at = 0;
            for line in joined.split('\n') {
                let line = line.trim_end();
                let span = ::dockerfile::Span::new(at, at + line.len());
                at += joined[at..].find('\n').map_or(0, |end| end + 1);
                if let Some(command) =
                    line.strip_prefix('\t').map(|rest| rest.trim_start_matches(['@', '-', '+', ' ', '\t']))
                    && !command.starts_with('#')
                {
                    let start = span.end - command.len();
                    let place = Place::new(*source, ::dockerfile::Span::new(start, span.end));
                    found.push(Recipe { place, line: command.to_owned() });
                }
            }
        }
        found
    }

    /// The tags that the repository's builds give, by the last part of the image's name.
    pub(crate) fn built_tags(&self) -> BTreeMap<String, Vec<String>> {
        let mut tags: BTreeMap<String, Vec<String>> = BTreeMap::new();
        for output in self.project.images.iter().flat_map(|image| &image.outputs) {
            let text = output.name.to_string();
            let rest = text.split('@').next().unwrap_or(&text);
            let after = rest.rfind('/').map_or(0, |slash| slash + 1);
            if let Some((name, tag)) = rest[after..].split_once(':') {
                tags.entry(name.to_owned()).or_default().push(tag.to_owned());
            }
        }
        tags
    }
}
