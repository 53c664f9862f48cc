//! Scripts outside Dockerfiles: files of the repository, steps of pipelines, commands of containers.

use dockerfile::Span;
use dockerfile::shell::{self, Evaluation, Mapped};
use project::yaml::Node;

use super::dockerfile::{InstructionFacts, Scope};
use super::{Facts, Files, SourceId, commands};
use crate::finding::Place;

/// No script is larger.
const MAX_BYTES: usize = 256 << 10;

/// A script, its commands read as those of a RUN are.
#[derive(Debug)]
pub struct ScriptFacts {
    /// The file it stands in.
    pub source: SourceId,
    /// It is a file of its own, and no part of a manifest.
    pub own_file: bool,
    /// What it runs.
    pub run: InstructionFacts,
}

impl ScriptFacts {
    /// A stretch of its file.
    pub fn place(&self, span: Span) -> Place {
        Place::new(self.source, span)
    }
}

pub(super) fn gather(facts: &mut Facts, files: &dyn Files) {
    let mut found = Vec::new();
    for object in &facts.objects {
        for container in object.containers() {
            for node in scripts_of(container.node) {
                if let Some(mapped) = mapped(node, &facts.source(object.source).text) {
                    found.push(read(object.source, false, &mapped));
                }
            }
        }
    }
    let paths: Vec<String> = facts.files.iter().map(|file| file.path.clone()).collect();
    for path in paths.into_iter().filter(|path| is_script(path)) {
        let Ok(Some(bytes)) = files.read(&path) else { continue };
        let Some(text) = String::from_utf8(bytes).ok().filter(|text| text.len() <= MAX_BYTES) else {
            continue;
        };
        if foreign(&text) {
            continue;
        }
        let mapped = Mapped::plain(text.clone(), 0);
        let source = facts.source_named(&path).unwrap_or_else(|| facts.add_source(path, text));
        found.push(read(source, true, &mapped));
    }
    facts.scripts = found;
}

/// Shell scripts by their names, and those of source-to-image.
fn is_script(path: &str) -> bool {
    path.ends_with(".sh") || path.ends_with(".bash") || path.contains("s2i/bin/")
}

/// Whether a first line names an interpreter that is no shell.
fn foreign(text: &str) -> bool {
    let first = text.trim_start().lines().next().unwrap_or_default();
    first.starts_with("#!") && !first.contains("sh")
}

/// A step's `script`, and what `sh -c` is given.
fn scripts_of(container: &Node) -> Vec<&Node> {
    let mut found: Vec<&Node> = container.get("script").into_iter().collect();
    let words: Vec<&Node> = container.items_at("command").iter().chain(container.items_at("args")).collect();
    let texts: Vec<&str> = words.iter().map(|word| word.text().unwrap_or_default()).collect();
    let shell = texts
        .first()
        .is_some_and(|program| matches!(program.rsplit('/').next(), Some("sh" | "bash" | "ash" | "dash")));
    let flag = texts.iter().position(|word| word.starts_with('-') && word.ends_with('c'));
    if let (true, Some(flag)) = (shell, flag) {
        found.extend(words.get(flag + 1).copied());
    }
    found.retain(|node| node.text().is_some_and(|text| !foreign(text) && text.len() <= MAX_BYTES));
    found
}

/// The script of a scalar: the lines of a block without their margin, else its text within the quotes.
fn mapped(node: &Node, source: &str) -> Option<Mapped> {
    let (before, raw) = (source.get(..node.span.start)?, source.get(node.span.range())?);
    let start = node.span.start;
    let head = before.trim_end().rsplit([' ', '\n']).next().unwrap_or_default();
    let block = head.starts_with(['|', '>']) && head.len() <= 3;
    if !block {
        // A text with escapes stands at no certain place.
        let text = node.text()?;
        return Some(match raw.find(text) {
            Some(at) => Mapped::plain(text, start + at),
            None => Mapped::made(text, node.span),
        });
    }
    // The span may begin with the first word or at the margin before it.
    let column = before.len() - before.rfind('\n').map_or(0, |at| at + 1);
    let margin = column + raw.len() - raw.trim_start_matches(' ').len();
    let mut mapped = Mapped::of_parts(String::new(), Vec::new());
    let mut at = start;
    for (number, line) in raw.split_inclusive('\n').enumerate() {
        let own = if number == 0 { margin - column } else { margin };
        let cut = own.min(line.len() - line.trim_start_matches(' ').len());
        let text = &line[cut..];
        match text.strip_suffix('\n').filter(|_| head.starts_with('>')) {
            Some(text) => mapped.push(&format!("{text} "), at + cut),
            None => mapped.push(text, at + cut),
        }
        at += line.len();
    }
    Some(mapped)
}

fn read(source: SourceId, own_file: bool, mapped: &Mapped) -> ScriptFacts {
    let script = shell::parse(mapped);
    let evaluated = shell::evaluate(&script, Evaluation::default());
    let mut run = InstructionFacts {
        index: 0,
        span: mapped.span(0, mapped.text.len()),
        scope: Scope::default(),
        user: None,
        directory: None,
        shell: None,
        commands: evaluated.invocations,
        managers: Vec::new(),
        downloads: Vec::new(),
        script_errors: Vec::new(),
        truncated: evaluated.truncated,
    };
    commands::read(&mut run);
    ScriptFacts { source, own_file, run }
}
