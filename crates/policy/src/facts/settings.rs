//! Settings of package managers and their kin: files of the repository, and texts inside manifests that become such files.

use dockerfile::shell::Invocation;
use dockerfile::{InstructionKind, Span};
use project::yaml::Node;

use super::dockerfile::{DockerfileFacts, InstructionFacts};
use super::{Facts, Files, SourceId};
use crate::finding::Place;

/// No settings are larger.
const MAX_BYTES: usize = 1 << 20;

/// Whose settings they are.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Tool {
    /// `pip.conf`, `pip.ini`.
    Pip,
    /// `.npmrc`, `.yarnrc`.
    Npm,
    /// `settings.xml` and `pom.xml`.
    Maven,
    /// `dnf.conf`, `yum.conf`, `*.repo`, `zypp.conf`.
    Dnf,
    /// `apt.conf`, `sources.list` and what stands in their directories.
    Apt,
    /// `.gitconfig`.
    Git,
    /// `.condarc`, `environment.yml` not.
    Conda,
    /// `.curlrc`, `.wgetrc`.
    Curl,
    /// The options in a list of requirements.
    Requirements,
}

/// Settings of one tool.
#[derive(Clone, Copy, Debug)]
pub struct Settings {
    /// Whose they are.
    pub tool: Tool,
    /// Where they stand; inside a manifest, the value.
    pub place: Place,
}

/// Whose settings a file of this name holds.
pub(crate) fn tool(path: &str) -> Option<Tool> {
    let name = path.rsplit('/').next().unwrap_or(path);
    let name = name.strip_suffix(".tmpl").unwrap_or(name);
    let apt = (path.contains("apt/") || path.contains("apt.conf.d") || name.contains("apt"))
        && name.ends_with(".conf");
    match name {
        "pip.conf" | "pip.ini" | ".pip.conf" | "pyproject.toml" | "Pipfile" | "uv.toml" => Some(Tool::Pip),
        ".npmrc" | "npmrc" | ".yarnrc" | ".yarnrc.yml" => Some(Tool::Npm),
        "settings.xml" | "pom.xml" | "settings-security.xml" => Some(Tool::Maven),
        "dnf.conf" | "yum.conf" | "zypp.conf" | "microdnf.conf" => Some(Tool::Dnf),
        "apt.conf" | "sources.list" => Some(Tool::Apt),
        ".gitconfig" | "gitconfig" => Some(Tool::Git),
        ".condarc" | "condarc" => Some(Tool::Conda),
        ".curlrc" | "curlrc" | "_curlrc" | ".wgetrc" | "wgetrc" => Some(Tool::Curl),
        _ if super::requirements::is_requirements(path) => Some(Tool::Requirements),
        _ if name.ends_with(".repo") => Some(Tool::Dnf),
        _ if apt || path.contains("sources.list.d/") => Some(Tool::Apt),
        _ => None,
    }
}

pub(super) fn gather(facts: &mut Facts, files: &dyn Files) {
    let paths: Vec<(String, Tool)> =
        facts.files.iter().filter_map(|file| Some((file.path.clone(), tool(&file.path)?))).collect();
    for (path, tool) in paths {
        if facts.sources.iter().any(|source| source.name == path) {
            continue;
        }
        let Ok(Some(bytes)) = files.read(&path) else { continue };
        let Ok(text) = String::from_utf8(bytes) else { continue };
        if text.len() <= MAX_BYTES {
            let span = Span::new(0, text.len());
            let source = facts.add_source(path, text);
            facts.settings.push(Settings { tool, place: Place::new(source, span) });
        }
    }
    let mut inside = Vec::new();
    for object in &facts.objects {
        for key in ["data", "stringData"] {
            for pair in object.node.get(key).map_or(&[][..], Node::pairs) {
                if let Some(tool) = tool(&pair.key) {
                    inside.push(Settings { tool, place: Place::new(object.source, pair.value.span) });
                }
            }
        }
    }
    facts.settings.extend(inside);
}

/// Settings that a Dockerfile writes: documents of COPY and of RUN, and lines that `echo` and `printf` add.
pub(super) fn inside_dockerfiles(facts: &mut Facts) {
    let mut found = Vec::new();
    for file in &facts.dockerfiles {
        for (_, own, instruction) in file.each() {
            let (destination, documents) = match &instruction.kind {
                InstructionKind::Copy(copy) => (&copy.destination, &copy.inline),
                InstructionKind::Add(add) => (&add.destination, &add.inline),
                _ => {
                    let written = own.commands.iter().flat_map(|command| written(facts, file, own, command));
                    found.extend(written);
                    continue;
                }
            };
            let destination = own.scope.expand(destination, file.escape()).text();
            for document in documents {
                let path = if destination.ends_with('/') {
                    format!("{destination}{}", document.name)
                } else {
                    destination.clone()
                };
                let place = file.place(document.span);
                found.extend(tool(&path).map(|tool| Settings { tool, place }));
            }
        }
    }
    found.sort_by_key(|settings| (settings.place.source, settings.place.span));
    found.dedup_by_key(|settings| settings.place);
    facts.settings.extend(found);
}

/// What a command writes into a file of settings.
fn written(
    facts: &Facts,
    file: &DockerfileFacts,
    own: &InstructionFacts,
    command: &Invocation,
) -> Vec<Settings> {
    let piped = own.commands.iter().find(|other| {
        other.pipeline == command.pipeline
            && other.stage == command.stage + 1
            && other.program() == Some("tee")
    });
    let target = match command.program() {
        Some("cat" | "echo" | "printf") => match (command.output(), piped) {
            (Some(target), _) => Some(target.clone()),
            (None, Some(tee)) => tee.arguments().iter().find(|word| !word.text().starts_with('-')).cloned(),
            (None, None) => None,
        },
        Some("tee") => command.arguments().iter().find(|word| !word.text().starts_with('-')).cloned(),
        _ => None,
    };
    let Some(tool) = target.and_then(|target| tool(&target.text())) else { return Vec::new() };
    let words = match command.program() {
        Some("echo" | "printf") => command.arguments(),
        _ => command.stdin.as_slice(),
    };
    let mut found = Vec::new();
    for word in words {
        let span = word.inner_span();
        let mut start = span.start;
        // Lines of `echo -e` and `printf` end with an escape.
        for line in facts.text(file.place(span)).split(r"\n") {
            let place = file.place(Span::new(start, start + line.len()));
            found.push(Settings { tool, place });
            start += line.len() + 2;
        }
    }
    found
}

/// A line of settings: which section it stands in, its key, its value and where that stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Entry<'t> {
    pub section: &'t str,
    pub key: &'t str,
    pub value: &'t str,
    pub span: Span,
}

impl Settings {
    /// The lines `key = value` and `key: value`, those of continued values with the key above them.
    pub(crate) fn entries<'f>(&self, facts: &'f Facts) -> Vec<Entry<'f>> {
        if self.tool == Tool::Requirements {
            return self.options(facts);
        }
        let mut found = Vec::new();
        let (mut section, mut last) = ("", "");
        let mut margin = None;
        for (span, line) in facts.lines(self.place) {
            let trimmed = line.trim_start();
            let indent = line.len() - trimmed.len();
            if trimmed.is_empty() || trimmed.starts_with(['#', ';']) {
                continue;
            }
            if let Some(name) = trimmed.strip_prefix('[').and_then(|rest| rest.split(']').next()) {
                (section, last) = (name, "");
                continue;
            }
            // Inside a manifest the text begins further right.
            let left = *margin.get_or_insert(indent);
            let start = span.start + indent;
            let split = match self.tool {
                Tool::Npm if trimmed.starts_with("//") => trimmed.find('='),
                Tool::Conda => trimmed.find(':'),
                _ => trimmed.find('=').or_else(|| trimmed.find(": ")),
            };
            let deeper = indent > left && !last.is_empty() && self.tool == Tool::Pip;
            match split.filter(|_| !deeper || trimmed.contains(" = ")) {
                Some(at) => {
                    let key = trimmed[..at].trim();
                    let raw = &trimmed[at + 1..];
                    let value = raw.trim();
                    let begin = start + at + 1 + (raw.len() - raw.trim_start().len());
                    last = key;
                    found.push(Entry { section, key, value, span: Span::new(begin, begin + value.len()) });
                }
                None if deeper => {
                    let value = trimmed.trim_end();
                    found.push(Entry {
                        section,
                        key: last,
                        value,
                        span: Span::new(start, start + value.len()),
                    });
                }
                None => {}
            }
        }
        found
    }

    /// The lines `--name value` and `--name=value`, names without their dashes.
    fn options<'f>(&self, facts: &'f Facts) -> Vec<Entry<'f>> {
        let mut found = Vec::new();
        for (span, line) in facts.lines(self.place) {
            let words = line.split(" #").next().unwrap_or(line).trim_end();
            if !words.starts_with('-') {
                continue;
            }
            let Some(at) = words.find([' ', '=']) else { continue };
            let key = match &words[..at] {
                "-i" => "index-url",
                "-f" => "find-links",
                name => name.trim_start_matches('-'),
            };
            let value = words[at + 1..].trim_start();
            let end = span.start + words.len();
            found.push(Entry { section: "", key, value, span: Span::new(end - value.len(), end) });
        }
        found
    }

    /// The file that they stand in.
    pub(crate) fn source(&self) -> SourceId {
        self.place.source
    }

    /// A stretch of them.
    pub(crate) fn spot(&self, span: Span) -> Place {
        Place::new(self.place.source, span)
    }
}
