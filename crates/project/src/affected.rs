//! What a change touches: the images, in an order to build them in, each with the reason.

use std::collections::{BTreeMap, BTreeSet};

use dockerfile::expand::{Options, expand};
use dockerfile::ignore::Patterns;
use dockerfile::{Dockerfile, InstructionKind};
use oci::Reference;

use crate::Files;
use crate::files::{is_file, join};
use crate::graph::{EdgeKind, Graph, NodeId};
use crate::model::{Context, DockerfileSource, Image, ImageName, Project};

/// Something that changed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Change {
    /// A file of the repository, from its root; there or no longer there.
    File(String),
    /// An image that others are built on.
    Base(String),
    /// The project's images that something else touches, by number, with the reason.
    Images(Vec<(usize, String)>),
}

/// An image that a change touches.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Affected {
    /// Its number in the project.
    pub image: usize,
    /// Why, one line each.
    pub reasons: Vec<String>,
    /// Whether the change touches the image itself, and not only what it is built on.
    pub direct: bool,
}

/// The images that changes touch, those first that others are built on. The error names what no image has to do with.
pub fn affected(project: &Project, graph: &Graph, files: &dyn Files, changes: &[Change]) -> Vec<Affected> {
    let mut reasons: BTreeMap<usize, Vec<String>> = BTreeMap::new();
    let mut starts: BTreeSet<NodeId> = BTreeSet::new();
    let readers: Vec<Reader> = project.images.iter().map(|image| Reader::new(image, files)).collect();
    for change in changes {
        match change {
            Change::File(path) => {
                for (number, image) in project.images.iter().enumerate() {
                    let why = file_reason(project, image, &readers[number], path, is_file(files, path));
                    reasons.entry(number).or_default().extend(why);
                }
            }
            Change::Base(name) => starts.extend(nodes_of(project, graph, name)),
            Change::Images(images) => {
                for (image, why) in images {
                    reasons.entry(*image).or_default().push(why.clone());
                }
            }
        }
    }
    reasons.retain(|_, reasons| !reasons.is_empty());
    starts.extend(reasons.keys().map(|image| graph.node_of(*image)));
    let starts: Vec<NodeId> = starts.into_iter().collect();
    let dependents = graph.dependents(&starts);
    let mut touched: BTreeSet<NodeId> = starts.iter().copied().collect();
    touched.extend(dependents.iter().map(|image| graph.node_of(*image)));
    let direct: BTreeSet<usize> = reasons.keys().copied().collect();
    for image in dependents {
        let mut own: Vec<String> = Vec::new();
        for edge in graph.needs(graph.node_of(image)).filter(|edge| touched.contains(&edge.from)) {
            let name = &graph.nodes[edge.from.0].name;
            let why = match edge.kind {
                EdgeKind::From => format!("built on `{name}`"),
                EdgeKind::StageFrom => format!("a stage is built on `{name}`"),
                EdgeKind::Copy | EdgeKind::Mount | EdgeKind::Onbuild | EdgeKind::Input => {
                    format!("copies from `{name}`")
                }
            };
            if !own.contains(&why) {
                own.push(why);
            }
        }
        reasons.entry(image).or_default().extend(own);
    }
    let order = graph.closure(&reasons.keys().copied().collect::<Vec<_>>());
    let in_order = order.into_iter().filter_map(|image| {
        let reasons = reasons.remove(&image)?;
        Some(Affected { image, reasons, direct: direct.contains(&image) })
    });
    in_order.collect()
}

/// The nodes that a name means: a name of the project, a tag of an image of it, or an image from outside. A name without tag
/// and digest means all tags.
pub fn nodes_of(project: &Project, graph: &Graph, name: &str) -> Vec<NodeId> {
    let reference = name.parse::<Reference>().ok();
    let exact = name.contains('@') || name.rsplit('/').next().is_some_and(|last| last.contains(':'));
    let same = |other: &str| {
        let Some((wanted, other)) = reference.as_ref().zip(other.parse::<Reference>().ok()) else {
            return false;
        };
        wanted.name() == other.name()
            && (!exact || (wanted.tag() == other.tag() && wanted.digest() == other.digest()))
    };
    let writes = |image: &Image| {
        image.outputs.iter().any(|output| match &output.name {
            ImageName::Reference(text) => same(text),
            other => other.to_string() == name,
        })
    };
    let is_meant = |(at, node): (usize, &crate::graph::Node)| {
        let output = graph.image_of(NodeId(at)).is_some_and(|image| writes(&project.images[image]));
        let outside = graph.image_of(NodeId(at)).is_none() && same(&node.name);
        (node.name == name || output || outside).then_some(NodeId(at))
    };
    graph.nodes.iter().enumerate().filter_map(is_meant).collect()
}

/// Why a file matters to an image.
fn file_reason(project: &Project, image: &Image, reader: &Reader, path: &str, there: bool) -> Option<String> {
    if image.dockerfile.path() == Some(path) && image.context.directory().is_some() {
        return Some(format!("its Dockerfile `{path}` changed"));
    }
    if &*image.declared.file == path {
        return Some(format!("its declaration `{path}` changed"));
    }
    if project.ca.as_ref().is_some_and(|ca| ca.value == path) {
        return Some(format!("the certificate authorities `{path}` changed"));
    }
    let Context::Directory(directory) = &image.context else { return None };
    let relative = within(directory, path)?;
    if reader.ignore_file.as_deref() == Some(path) {
        return Some(format!("its ignore file `{path}` changed"));
    }
    let source = reader.source_of(relative)?;
    let named = if source == "." { "the whole build context".to_owned() } else { format!("`{source}`") };
    let what = if there { "changed" } else { "is gone" };
    Some(format!("`{path}` {what}, and it copies {named}"))
}

/// A path in a directory, from there.
fn within<'p>(directory: &str, path: &'p str) -> Option<&'p str> {
    if directory.is_empty() {
        return Some(path);
    }
    path.strip_prefix(directory)?.strip_prefix('/')
}

/// What an image reads of its build context.
struct Reader {
    ignore_file: Option<String>,
    ignored: Patterns,
    /// Patterns of COPY, ADD and bind mounts, cleaned; `.` is everything.
    sources: Vec<String>,
}

/// The names of ignore files in a build context's root, in the order in which they are looked for.
const IGNORE_FILES: [&str; 2] = [".containerignore", ".dockerignore"];

impl Reader {
    fn new(image: &Image, files: &dyn Files) -> Reader {
        let mut reader = Reader { ignore_file: None, ignored: Patterns::default(), sources: Vec::new() };
        let Context::Directory(directory) = &image.context else { return reader };
        let text = match &image.dockerfile {
            DockerfileSource::Inline { text, .. } => Some(text.clone()),
            DockerfileSource::Path(path) => content(files, &path.value),
        };
        let Some(text) = text else { return reader };
        let own = image.dockerfile.path().map(|path| format!("{path}.dockerignore"));
        let common = IGNORE_FILES.iter().filter_map(|name| join(directory, name));
        for path in own.into_iter().chain(common) {
            if let Some(text) = content(files, &path) {
                reader.ignored = Patterns::parse(&text).0;
                reader.ignore_file = Some(path);
                break;
            }
        }
        reader.sources = sources(&dockerfile::parse(&text).0, image);
        reader
    }

    /// The source that takes a path of the build context in.
    fn source_of(&self, path: &str) -> Option<&str> {
        if self.ignored.is_ignored(path) {
            return None;
        }
        self.sources.iter().map(String::as_str).find(|source| takes(source, path))
    }
}

fn content(files: &dyn Files, path: &str) -> Option<String> {
    let bytes = files.read(path).ok().flatten()?;
    Some(String::from_utf8_lossy(&bytes).into_owned())
}

/// Whether a source of COPY takes a path in: as itself, by its pattern, or as a directory above it.
fn takes(source: &str, path: &str) -> bool {
    if source == "." {
        return true;
    }
    let depth = source.split('/').count();
    let above: Vec<&str> = path.split('/').take(depth).collect();
    above.len() == depth && dockerfile::wildcard::matches(source, above.join("/")).unwrap_or(true)
}

/// What COPY, ADD and bind mounts name of the build context. A source with a variable that has no plain value is everything.
fn sources(dockerfile: &Dockerfile, image: &Image) -> Vec<String> {
    let mut sources = Vec::new();
    let mut add = |raw: &str, values: &BTreeMap<String, String>| {
        if raw.contains("://") || raw.starts_with("git@") {
            return;
        }
        let expanded = expand(raw, Options::new(dockerfile.directives.escape), values).ok();
        let known = expanded.filter(|expanded| expanded.unmatched.is_empty()).map(|expanded| expanded.word);
        let cleaned = known.and_then(|word| join("", &word)).filter(|path| !path.is_empty());
        let cleaned = cleaned.unwrap_or_else(|| ".".to_owned());
        if !sources.contains(&cleaned) {
            sources.push(cleaned);
        }
    };
    for stage in &dockerfile.stages {
        let mut values = BTreeMap::new();
        for instruction in &stage.instructions {
            let kind = match &instruction.kind {
                InstructionKind::Onbuild(onbuild) => &onbuild.trigger.kind,
                kind => kind,
            };
            match kind {
                InstructionKind::Copy(copy) if copy.from.is_none() => {
                    copy.sources.iter().for_each(|source| add(&source.raw, &values));
                }
                InstructionKind::Add(added) => {
                    added.sources.iter().for_each(|source| add(&source.raw, &values))
                }
                InstructionKind::Run(run) => {
                    for mount in run.mounts.iter().filter(|mount| mount.from().is_none()) {
                        let field = |key: &str| {
                            mount
                                .fields
                                .iter()
                                .find(|field| field.key.value == key)
                                .and_then(|field| field.value.as_deref())
                        };
                        if matches!(field("type"), None | Some("bind")) {
                            add(field("source").or(field("src")).unwrap_or("."), &values);
                        }
                    }
                }
                InstructionKind::Arg(declarations) => {
                    for declaration in declarations {
                        let name = &declaration.key.raw;
                        let given = image.args.iter().rev().find(|arg| arg.name == *name);
                        let default = declaration.default.as_ref().filter(|word| word.is_literal('\\'));
                        let value = match given {
                            Some(given) => given.value.clone(),
                            None => default.map(|word| word.raw.clone()),
                        };
                        values.extend(value.map(|value| (name.clone(), value)));
                    }
                }
                _ => {}
            }
        }
    }
    sources
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::files::Memory;
    use crate::{Given, graph, load};

    #[track_caller]
    fn check(tree: &str, change: Change, expected: &[&str]) {
        let files = Memory::parse(tree);
        let project = load(&files, &Given::default());
        let graph = graph(&project, &files);
        let shown = |found: Affected| {
            format!(
                "{}{}: {}",
                if found.direct { "" } else { "> " },
                project.images[found.image].name,
                found.reasons.join("; ")
            )
        };
        let actual: Vec<String> =
            affected(&project, &graph, &files, &[change]).into_iter().map(shown).collect();
        assert_eq!(actual, expected);
    }

    const TREE: &str = "//- /base/Dockerfile\nFROM debian:12\nCOPY etc /etc\n//- /base/etc/a\n//- /base/README\n\
        //- /app/Dockerfile\nFROM base\nARG D=src\nCOPY $D/*.py /\nCOPY --from=tool /x /\n//- /app/src/m.py\n\
        //- /tool/Dockerfile\nFROM scratch\nADD . /\n//- /tool/.dockerignore\n*.md\n//- /tool/x\n//- /tool/y.md\n";

    #[test]
    fn files_touch_those_who_copy_them() {
        check(
            TREE,
            Change::File("base/etc/a".into()),
            &["base: `base/etc/a` changed, and it copies `etc`", "> app: built on `base`"],
        );
        check(TREE, Change::File("base/README".into()), &[]);
        check(
            TREE,
            Change::File("app/src/m.py".into()),
            &["app: `app/src/m.py` changed, and it copies `src/*.py`"],
        );
        check(TREE, Change::File("app/src/m.txt".into()), &[]);
        check(TREE, Change::File("tool/y.md".into()), &[]);
        check(
            TREE,
            Change::File("tool/gone".into()),
            &[
                "tool: `tool/gone` is gone, and it copies the whole build context",
                "> app: copies from `tool`",
            ],
        );
        check(
            TREE,
            Change::File("tool/.dockerignore".into()),
            &["tool: its ignore file `tool/.dockerignore` changed", "> app: copies from `tool`"],
        );
        check(TREE, Change::File("app/Dockerfile".into()), &["app: its Dockerfile `app/Dockerfile` changed"]);
    }

    #[test]
    fn bases_touch_those_who_are_built_on_them() {
        let order = ["> base: built on `debian:12`", "> app: built on `base`"];
        check(TREE, Change::Base("debian".into()), &order);
        check(TREE, Change::Base("docker.io/library/debian:12".into()), &order);
        check(TREE, Change::Base("debian:11".into()), &[]);
        check(TREE, Change::Base("tool".into()), &["> app: copies from `tool`"]);
        check(
            TREE,
            Change::Images(vec![(2, "it has a package".into())]),
            &["tool: it has a package", "> app: copies from `tool`"],
        );
    }
}
