//! What a Dockerfile says, with variables followed from stage to stage and every RUN's script read.

mod arguments;
mod scope;
mod stage;

use std::collections::BTreeMap;

use dockerfile::ignore::Patterns;
use dockerfile::shell::{Invocation, Value, syntax::SyntaxError};
use dockerfile::{Diagnostic, Dockerfile, Instruction, Span};
use oci::Reference;
use project::Files;

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
    Image(ImageName),
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
    /// The build context.
    pub context: Option<String>,
    /// `--build-arg`.
    pub args: BTreeMap<String, String>,
}

pub(super) fn gather(facts: &mut Facts, files: &dyn Files, inputs: &BTreeMap<String, BuildInput>) {
    let paths: Vec<String> =
        facts.files.iter().map(|file| file.path.clone()).filter(|path| is_dockerfile(path)).collect();
    for path in paths {
        let Ok(Some(bytes)) = files.read(&path) else { continue };
        let Ok(text) = String::from_utf8(bytes) else { continue };
        let input = inputs.get(&path).cloned().unwrap_or_default();
        let found = read(facts, files, path, text, input);
        facts.dockerfiles.push(found);
    }
}

fn read(
    facts: &mut Facts,
    files: &dyn Files,
    path: String,
    text: String,
    input: BuildInput,
) -> DockerfileFacts {
    let (tree, diagnostics) = dockerfile::parse(&text);
    let directory = path.rsplit_once('/').map_or("", |(directory, _)| directory).to_owned();
    let context = input.context.clone().unwrap_or(directory);
    let ignored = ignore_file(files, &path, &context);
    let (stages, arguments) = stage::read(&tree, &text, &input);
    let source = facts.add_source(path.clone(), text);
    let image = input.image;
    DockerfileFacts { source, path, context, tree, diagnostics, stages, arguments, ignored, image }
}

/// `NAME.dockerignore` beside the Dockerfile, else `.containerignore` or `.dockerignore` at the context's root.
fn ignore_file(files: &dyn Files, path: &str, context: &str) -> Option<Patterns> {
    let within = |name: &str| if context.is_empty() { name.to_owned() } else { format!("{context}/{name}") };
    let names = [format!("{path}.dockerignore"), within(".containerignore"), within(".dockerignore")];
    let text = names.iter().find_map(|name| files.read(name).ok().flatten())?;
    Some(Patterns::parse(&String::from_utf8_lossy(&text)).0)
}
