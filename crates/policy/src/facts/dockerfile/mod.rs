//! What a Dockerfile says, with variables followed from stage to stage and every RUN's script read.

mod arguments;
mod scope;
mod stage;

use std::collections::{BTreeMap, BTreeSet};

use dockerfile::ignore::Patterns;
use dockerfile::shell::{Invocation, Value, syntax::SyntaxError};
use dockerfile::{Diagnostic, Dockerfile, Instruction, Span};
use oci::Reference;
use project::{Context, DockerfileSource, Files, Project, WhichFrom};

use super::commands::{Download, ManagerCommand};
use super::{Facts, SourceId};
use crate::finding::Place;

pub use arguments::{ArgumentFacts, Declaration, Lost, Stray};
pub use scope::{PREDEFINED, Scope};

/// Everything known of one Dockerfile.
#[derive(Debug)]
pub struct DockerfileFacts {
    /// Its text.
    pub source: SourceId,
    /// Its path in the repository.
    pub path: String,
    /// The directory it stands in, which is taken for the build context unless something says otherwise.
    pub context: String,
    /// Where in its source it stands: all of it, or a part of a manifest.
    pub span: Span,
    /// The syntax tree.
    pub tree: Dockerfile,
    /// What the parser and the checks of BuildKit have to say.
    pub diagnostics: Vec<Diagnostic>,
    /// Its stages.
    pub stages: Vec<StageFacts>,
    /// Its ARGs: declared where, used where.
    pub arguments: ArgumentFacts,
    /// What its ignore file leaves out of the context; nothing where there is none.
    pub ignored: Option<Patterns>,
    /// The image's name, if the project names it.
    pub image: Option<String>,
    /// The names that it gets: in full, in their familiar form, and each without its tag.
    pub called: Vec<String>,
}

/// One stage.
#[derive(Debug)]
pub struct StageFacts {
    /// Its number.
    pub index: usize,
    /// Its name.
    pub name: Option<String>,
    /// What it begins with.
    pub base: Base,
    /// The name of what it begins with, as written.
    pub image_span: Span,
    /// The last stage: what a build without a target makes.
    pub last: bool,
    /// The last stage builds on it, or copies from it, perhaps by way of others.
    pub needed: bool,
    /// The last stage is it, or builds on it: what it sets is in the image.
    pub shipped: bool,
    /// Its instructions.
    pub instructions: Vec<InstructionFacts>,
    /// The variables at its end.
    pub scope: Scope,
}

/// What a stage begins with.
#[derive(Debug, Clone)]
pub enum Base {
    /// Nothing.
    Scratch,
    /// An earlier stage.
    Stage(usize),
    /// An image.
    Image(Box<ImageName>),
}

/// The name of an image, with its variables substituted.
#[derive(Debug, Clone)]
pub struct ImageName {
    /// The words; what is not known is a piece of its own.
    pub value: Value,
    /// The reference, where the whole name is known and is one.
    pub reference: Option<Reference>,
    /// The global ARGs that it uses, each with the place of its default.
    pub from_args: Vec<(String, Option<Span>)>,
}

/// One instruction.
#[derive(Debug)]
pub struct InstructionFacts {
    /// Its number in the stage's tree.
    pub index: usize,
    /// The whole of it.
    pub span: Span,
    /// The variables before it.
    pub scope: Scope,
    /// The user before it; nothing where nobody said.
    pub user: Option<Value>,
    /// The working directory before it; nothing where it is not known.
    pub directory: Option<String>,
    /// The shell before it, where a SHELL instruction says.
    pub shell: Option<Vec<String>>,
    /// The commands of a RUN that may run, in order.
    pub commands: Vec<Invocation>,
    /// What package managers are asked for, each with its command's number.
    pub managers: Vec<(usize, ManagerCommand)>,
    /// What is downloaded.
    pub downloads: Vec<Download>,
    /// What is no shell language in it.
    pub script_errors: Vec<SyntaxError>,
    /// The script was too large to be followed to its end.
    pub truncated: bool,
}

impl DockerfileFacts {
    /// The instruction of the tree that facts are about.
    pub fn instruction<'a>(&'a self, stage: &StageFacts, facts: &InstructionFacts) -> &'a Instruction {
        &self.tree.stages[stage.index].instructions[facts.index]
    }

    /// A place in the file.
    pub fn place(&self, span: Span) -> Place {
        Place::new(self.source, span)
    }

    /// The words at a place of the file.
    pub fn text_at<'f>(&self, facts: &'f Facts, span: Span) -> &'f str {
        facts.text(self.place(span))
    }

    /// The file's escape character.
    pub fn escape(&self) -> char {
        self.tree.directives.escape
    }

    /// Every instruction with its stage.
    pub fn each(&self) -> impl Iterator<Item = (&StageFacts, &InstructionFacts, &Instruction)> {
        self.stages.iter().flat_map(move |stage| {
            stage.instructions.iter().map(move |facts| (stage, facts, self.instruction(stage, facts)))
        })
    }

    /// Every command with its stage and instruction.
    pub fn each_command(&self) -> impl Iterator<Item = (&StageFacts, &InstructionFacts, &Invocation)> {
        self.stages.iter().flat_map(|stage| {
            stage
                .instructions
                .iter()
                .flat_map(move |facts| facts.commands.iter().map(move |command| (stage, facts, command)))
        })
    }

    /// The chain of stages that a stage builds on, itself first.
    pub fn chain(&self, stage: usize) -> Vec<&StageFacts> {
        let mut chain = Vec::new();
        let mut next = Some(stage);
        while let Some(index) = next {
            let Some(stage) = self.stages.get(index) else { break };
            chain.push(stage);
            next = match stage.base {
                Base::Stage(base) if base < index => Some(base),
                _ => None,
            };
        }
        chain
    }

    /// The image that a stage builds on in the end, through the stages between.
    pub fn root(&self, stage: usize) -> Option<&ImageName> {
        match &self.chain(stage).last()?.base {
            Base::Image(name) => Some(name),
            _ => None,
        }
    }

    /// The spans of all instructions, FROM included, in order.
    pub fn instruction_spans(&self) -> Vec<Span> {
        let stages = self.tree.stages.iter().flat_map(|stage| {
            std::iter::once(stage.span).chain(stage.instructions.iter().map(|instruction| instruction.span))
        });
        self.tree.global_args.iter().map(|argument| argument.span).chain(stages).collect()
    }
}

/// Whether a path is that of a Dockerfile.
pub fn is_dockerfile(path: &str) -> bool {
    let name = path.rsplit('/').next().unwrap_or(path).to_ascii_lowercase();
    let template = [
        ".j2",
        ".tmpl",
        ".tpl",
        ".template",
        ".erb",
        ".in",
        ".md",
        ".dockerignore",
        ".txt",
        ".bak",
        ".orig",
        ".sh",
        ".yaml",
        ".yml",
        ".json",
    ];
    if template.iter().any(|end| name.ends_with(end)) {
        return false;
    }
    ["dockerfile", "containerfile"].iter().any(|word| {
        name == *word
            || name.strip_prefix(word).is_some_and(|rest| rest.starts_with(['.', '-', '_']))
            || name.strip_suffix(word).is_some_and(|rest| rest.ends_with(['.', '-', '_']))
    })
}

/// Values of ARGs and the base that a project gives to a Dockerfile.
#[derive(Debug, Clone, Default)]
pub struct BuildInput {
    /// The image's name.
    pub image: Option<String>,
    /// The names that it gets.
    pub called: Vec<Reference>,
    /// The build context.
    pub context: Option<String>,
    /// `--build-arg`.
    pub args: BTreeMap<String, String>,
    /// What every stage gets as if by ENV after its FROM: `dockerStrategy.env`.
    pub env: BTreeMap<String, Option<String>>,
    /// What takes the place of the first or the last FROM.
    pub from: Option<(WhichFrom, String)>,
}

pub(super) fn gather(facts: &mut Facts, files: &dyn Files) {
    let inputs = inputs(&facts.project);
    facts.image_names = names(&facts.project);
    facts.output_namespaces = output_namespaces(&facts.project);
    let listed = facts.files.iter().map(|file| file.path.clone()).filter(|path| is_dockerfile(path));
    let paths: BTreeSet<String> = listed.chain(inputs.keys().cloned()).collect();
    for path in paths {
        let Ok(Some(bytes)) = files.read(&path) else { continue };
        let Ok(text) = String::from_utf8(bytes) else { continue };
        let input = inputs.get(&path).cloned().unwrap_or_default();
        add(facts, files, path, text, input);
    }
    inline(facts, files);
}

/// What the project gives to each of its Dockerfiles. Of several images from one Dockerfile only what is the same for all
/// is known.
fn inputs(project: &Project) -> BTreeMap<String, BuildInput> {
    let mut inputs: BTreeMap<String, BuildInput> = BTreeMap::new();
    for image in &project.images {
        let DockerfileSource::Path(path) = &image.dockerfile else { continue };
        let Context::Directory(directory) = &image.context else { continue };
        let own = input_of(image, directory);
        match inputs.get_mut(&path.value) {
            None => {
                inputs.insert(path.value.clone(), own);
            }
            Some(before) => {
                before.args.retain(|name, value| own.args.get(name) == Some(value));
                before.env.retain(|name, value| own.env.get(name) == Some(value));
                before.from = before.from.take().filter(|from| own.from.as_ref() == Some(from));
            }
        }
    }
    inputs
}

fn input_of(image: &project::Image, directory: &str) -> BuildInput {
    let args = image.args.iter().filter_map(|arg| arg.value.clone().map(|value| (arg.name.clone(), value)));
    let from = image.from.as_ref().and_then(|from| match &from.image {
        project::ImageName::Reference(name) => Some((from.which, name.clone())),
        _ => None,
    });
    BuildInput {
        image: Some(image.name.clone()),
        called: image.outputs.iter().filter_map(|output| reference(&output.name)).collect(),
        context: Some(directory.to_owned()),
        args: args.collect(),
        env: image.env.iter().map(|variable| (variable.name.clone(), variable.value.clone())).collect(),
        from,
    }
}

fn reference(name: &project::ImageName) -> Option<Reference> {
    match name {
        project::ImageName::Reference(name) => name.parse().ok(),
        _ => None,
    }
}

/// The forms in which people write names.
fn called(references: &[Reference]) -> Vec<String> {
    let forms = |name: &Reference| [name.to_string(), name.familiar(), name.name(), name.familiar_name()];
    let mut all: Vec<String> = references.iter().flat_map(forms).collect();
    all.sort();
    all.dedup();
    all
}

/// Where the project puts what it builds: registries, and the namespaces there.
fn output_namespaces(project: &Project) -> BTreeSet<(String, String)> {
    let outputs = project.images.iter().flat_map(|image| image.outputs.iter().chain(&image.also_called));
    let references = outputs.filter_map(|output| reference(&output.name));
    // Docker Hub's own images are everybody's.
    let owned = references.filter(|own| own.domain() != "docker.io" || !own.path().starts_with("library/"));
    owned
        .map(|own| {
            let namespace = own.path().rsplit_once('/').map_or("", |(namespace, _)| namespace);
            (own.domain().to_owned(), namespace.to_owned())
        })
        .collect()
}

/// The names of what the project builds, without registry and tag.
fn names(project: &Project) -> BTreeSet<String> {
    let mut names = BTreeSet::new();
    for image in &project.images {
        names.insert(image.name.clone());
        for output in &image.outputs {
            match &output.name {
                project::ImageName::Reference(name) => {
                    let last = name.rsplit('/').next().unwrap_or(name);
                    names.insert(last.split([':', '@']).next().unwrap_or(last).to_owned());
                }
                project::ImageName::StreamTag { name, .. } | project::ImageName::StreamImage { name, .. } => {
                    names.insert(name.clone());
                }
            }
        }
    }
    names.extend(project.bases.iter().map(|base| base.name.clone()));
    names
}

pub(super) fn add(facts: &mut Facts, files: &dyn Files, path: String, text: String, input: BuildInput) {
    let source = facts.source_named(&path).unwrap_or_else(|| facts.add_source(path.clone(), text.clone()));
    let found = read(files, source, path, &text, input);
    facts.dockerfiles.push(found);
}

/// Dockerfiles within manifests: everything else in the manifest is blanked out, so that places are the manifest's.
fn inline(facts: &mut Facts, files: &dyn Files) {
    let mut found = Vec::new();
    for image in &facts.project.images {
        if let DockerfileSource::Inline { place, block: true, .. } = &image.dockerfile {
            found.push((place.file.to_string(), place.span, input_of(image, "")));
        }
    }
    for (path, span, input) in found {
        let Ok(Some(bytes)) = files.read(&path) else { continue };
        let Ok(text) = String::from_utf8(bytes) else { continue };
        let Some(whole) = text.get(span.range()) else { continue };
        let before: String =
            text[..span.start].bytes().map(|byte| if byte == b'\n' { '\n' } else { ' ' }).collect();
        // The block's own head, `|` or `>-`, is no line of it.
        let head = whole.find('\n').filter(|_| whole.trim_start().starts_with(['|', '>'])).unwrap_or(0);
        let blanked = format!("{before}{}{}", " ".repeat(head), &whole[head..]);
        let source =
            facts.source_named(&path).unwrap_or_else(|| facts.add_source(path.clone(), text.clone()));
        let found = read(files, source, path, &blanked, input);
        facts.dockerfiles.push(DockerfileFacts { span, ..found });
    }
}

fn read(files: &dyn Files, source: SourceId, path: String, text: &str, input: BuildInput) -> DockerfileFacts {
    let (tree, diagnostics) = dockerfile::parse(text);
    let directory = path.rsplit_once('/').map_or("", |(directory, _)| directory).to_owned();
    let context = input.context.clone().unwrap_or(directory);
    let ignored = ignore_file(files, &path, &context);
    let (stages, arguments) = stage::read(&tree, text, &input);
    let (image, called) = (input.image, called(&input.called));
    let span = Span::new(0, text.len());
    DockerfileFacts {
        source,
        path,
        context,
        span,
        tree,
        diagnostics,
        stages,
        arguments,
        ignored,
        image,
        called,
    }
}

/// `NAME.dockerignore` beside the Dockerfile, else `.containerignore` or `.dockerignore` at the context's root.
fn ignore_file(files: &dyn Files, path: &str, context: &str) -> Option<Patterns> {
    let within = |name: &str| if context.is_empty() { name.to_owned() } else { format!("{context}/{name}") };
    let names = [format!("{path}.dockerignore"), within(".containerignore"), within(".dockerignore")];
    let text = names.iter().find_map(|name| files.read(name).ok().flatten())?;
    Some(Patterns::parse(&String::from_utf8_lossy(&text)).0)
}
