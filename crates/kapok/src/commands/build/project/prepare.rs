//! From an image of a project to what the engine is asked for.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::time::Duration;

use build::engine::Request;
use build::plan::NamedContext;
use build::schedule::Need;
use dockerfile::Source;
use oci::Reference;
use project::{
    BaseKind, Context, DockerfileSource, EdgeKind, Image, ImageName, InputKind, NodeKind, WhichFrom,
};

use super::checks;
use super::inputs::{self, Overlay, Taken};
use crate::cli;
use crate::cli::build::Build;
use crate::cli::values::Assignment;
use crate::commands::build::agents::Agents;
use crate::commands::build::context::Means;
use crate::commands::build::request::{self, Prepared};
use crate::commands::build::sharing::Plans;
use crate::failure::Failure;
use crate::program::Program;
use crate::projects::Loaded;
use crate::registry::Registries;
use crate::settings::Settings;

/// An image that will be built.
pub struct Job {
    /// Its name.
    pub name: String,
    /// What the engine is asked for.
    pub request: Request,
    /// Its Dockerfile, under the name that messages have for it.
    pub shown: Source,
    /// What is exchanged with registries.
    pub plans: Plans,
    /// The other images that it needs, by position among the jobs.
    pub needs: Vec<usize>,
    /// The names that its Dockerfile has for them.
    pub names: BTreeMap<String, usize>,
    /// Its name in a lock, where that is not its Dockerfile's, which other images have too.
    pub lock_name: Option<String>,
    /// Where its tests are declared, by name.
    pub tests: Vec<(String, String)>,
    /// Files of other images in its build context.
    pub taken: Vec<Taken>,
    /// What a step may use.
    pub need: Need,
    /// How long it may take.
    pub timeout: Option<Duration>,
    /// How often it is tried again.
    pub retries: Option<u32>,
    /// How many builds are kept.
    pub history: project::HistoryLimits,
    _agents: Agents,
    _contexts: Prepared,
    _overlay: Option<Overlay>,
}

/// The job that a name in an image's Dockerfile means: as the graph has it, else by the name or a tag that an image gets, for the
/// graph does not know the arguments of the command line.
pub fn find(jobs: &[Job], of: usize, name: &str) -> Option<usize> {
    if let Some(job) = jobs[of].names.get(name) {
        return Some(*job);
    }
    let name = name.strip_prefix("localhost/").unwrap_or(name);
    let name = name.parse::<Reference>().ok()?;
    let tagged = if name.tag().is_some() { name } else { name.with_tag("latest").ok()? };
    let is = |job: &Job| job.request.tags.contains(&tagged);
    jobs.iter().position(is).filter(|job| *job != of)
}

/// An image's Dockerfile for messages: lines of one that stands in another file are not those of the file.
fn shown(image: &Image, source: &Source) -> Source {
    match &image.dockerfile {
        DockerfileSource::Inline { .. } => {
            Source::new(format!("{} (image `{}`)", source.name, image.name), source.text.clone())
        }
        DockerfileSource::Path(_) => source.clone(),
    }
}

/// What making jobs needs.
pub struct Making<'a> {
    /// The process.
    pub program: &'a Program,
    /// Flags.
    pub arguments: &'a Build,
    /// The project.
    pub loaded: &'a Loaded,
    /// Settings.
    pub settings: &'a Settings,
    /// How contexts are opened.
    pub means: &'a Means<'a>,
    /// How registries are spoken to.
    pub registries: &'a Registries,
    /// The organisation's certificates.
    pub authorities: Vec<u8>,
}

impl Making<'_> {
    /// The jobs for images of the project, in an order in which each comes after those that it needs.
    pub fn jobs(&self, wanted: &[usize]) -> Result<Vec<Job>, Failure> {
        wanted.iter().map(|image| self.job(*image, wanted)).collect()
    }

    fn job(&self, number: usize, wanted: &[usize]) -> Result<Job, Failure> {
        let image = &self.loaded.project.images[number];
        let flags = self.flags(image)?;
        let mut prepared = request::prepare(self.program, &flags, self.settings, self.means)
            .map_err(|failure| of_image(&image.name, failure))?;
        let agents = request::complete(&mut prepared.request, self.program, self.arguments, self.settings)?;
        let request = &mut prepared.request;
        request.source = match &image.dockerfile {
            DockerfileSource::Inline { text, place, .. } => Source::new(place.file.to_string(), text.clone()),
            // As the project calls it, wherever the user is.
            DockerfileSource::Path(path) => Source::new(path.value.clone(), request.source.text.clone()),
        };
        let overlay = inputs::overlay(
            self.program,
            self.arguments,
            self.means.store,
            image,
            request.context.as_deref(),
        )?;
        if let Some(overlay) = &overlay {
            request.context = Some(overlay.directory.clone());
        }
        request.project = self.loaded.root.display().to_string();
        request.name.clone_from(&image.name);
        request.no_cache |= image.no_cache;
        request.limits.cpus =
            image.limits.milli_cpus.map(|cpus| cpus as f64 / 1000.0).or(request.limits.cpus);
        request.limits.memory = image.limits.memory.or(request.limits.memory);
        request.labels.extend(image.labels.iter().cloned());
        request.stage_env = image
            .env
            .iter()
            .filter_map(|variable| {
                // What only the cluster knows may be in the environment.
                let given = || self.program.environment.text(&variable.name).map(str::to_owned);
                Some((variable.name.clone(), variable.value.clone().or_else(given)?))
            })
            .collect();
        request.finishing.authorities.clone_from(&self.authorities);
        request.finishing.checks = checks::of(image)?;
        self.bases(image, number, request)?;
        let tags = self.tags(image)?;
        let pushed: Vec<Reference> = match self.arguments.push {
            true => tags.iter().filter(|(_, remote)| *remote).map(|(name, _)| name.clone()).collect(),
            false => Vec::new(),
        };
        request.tags = tags.into_iter().map(|(name, _)| name).collect();
        let plans = Plans::of_image(self.program, self.registries, self.arguments, pushed, request)?.among();
        let need = need(image, request);
        let (needs, names) = self.needs(number, wanted);
        let taken = self.taken(number, wanted);
        Ok(Job {
            name: image.name.clone(),
            request: request.clone(),
            shown: shown(image, &request.source),
            plans,
            needs,
            names,
            lock_name: self.shares_dockerfile(number).then(|| image.name.clone()),
            tests: image.tests.iter().map(|test| (test.name.clone(), test.place.to_string())).collect(),
            taken,
            need,
            timeout: image.timeout.map(Duration::from_secs),
            retries: image.retries,
            history: image.history,
            _agents: agents,
            _contexts: prepared,
            _overlay: overlay,
        })
    }

    /// What the command line would say for the image alone.
    fn flags(&self, image: &Image) -> Result<cli::build::Input, Failure> {
        let given = &self.arguments.input;
        let here = |path: &str| self.loaded.path(path);
        let (context, foreign) = match &image.context {
            Context::Directory(directory) => (here(directory).display().to_string(), false),
            Context::Git { uri, reference, directory, .. } => {
                let reference = reference.clone().unwrap_or_default();
                let directory = if directory.is_empty() { String::new() } else { format!(":{directory}") };
                let fragment = format!("{reference}{directory}");
                let fragment = if fragment.is_empty() { fragment } else { format!("#{fragment}") };
                (format!("{uri}{fragment}"), true)
            }
            Context::Empty => (here("").display().to_string(), false),
        };
        let file = match &image.dockerfile {
            DockerfileSource::Path(path) if foreign => Some(PathBuf::from(&path.value)),
            DockerfileSource::Path(path) => Some(here(&path.value)),
            // Its text comes later; something must be read until then, and it is never looked at.
            DockerfileSource::Inline { place, .. } => Some(here(&place.file)),
        };
        let mut build_arg: Vec<Assignment> = image
            .args
            .iter()
            .map(|argument| Assignment { name: argument.name.clone(), value: argument.value.clone() })
            .collect();
        build_arg.extend(given.build_arg.iter().cloned());
        Ok(cli::build::Input {
            context,
            file,
            target: image.target.as_ref().map(|target| target.value.clone()),
            build_arg,
            build_context: given.build_context.clone(),
            from: None,
            label: given.label.clone(),
            platform: given.platform.clone(),
            allow: given.allow.clone(),
            ..*given
        })
    }

    /// Overrides, and names that the project gives to images from outside.
    fn bases(&self, image: &Image, number: usize, request: &mut Request) -> Result<(), Failure> {
        let graph = &self.loaded.graph;
        let edges: Vec<_> = graph.needs(graph.node_of(number)).collect();
        if let Some(base) = &image.from {
            // As the graph has it: what a stream's tag means is its business.
            let edge = edges.iter().find(|edge| edge.place == base.place);
            let name = match (&base.image, edge) {
                (_, Some(edge)) => edge.reference.clone(),
                (ImageName::Reference(text), None) => text.clone(),
                (ImageName::StreamTag { name, tag, .. }, None) => format!("{name}:{tag}"),
                (ImageName::StreamImage { name, digest, .. }, None) => format!("{name}@{digest}"),
            };
            match base.which {
                WhichFrom::First => request.from_override = Some(name),
                WhichFrom::Last => request.last_from_override = Some(name),
            }
        }
        for edge in edges {
            if let NodeKind::Base(base) = graph.nodes[edge.from.0].kind {
                let base = &self.loaded.project.bases[base];
                let reference = match &base.kind {
                    BaseKind::Reference(reference) => reference.clone(),
                    BaseKind::Debian { .. } => super::bases::name_of(base)?.to_string(),
                };
                let context = NamedContext::Image(reference);
                request.named_contexts.entry(edge.reference.clone()).or_insert(context);
            }
            // What an image stream is imported from, where its name is that of the stream.
            let node = &graph.nodes[edge.from.0];
            if node.kind == NodeKind::External && !is_same(&edge.reference, &node.name) {
                let context = NamedContext::Image(node.name.clone());
                request.named_contexts.entry(edge.reference.clone()).or_insert(context);
            }
        }
        for (alias, meant) in aliases(image) {
            let edge = graph.needs(graph.node_of(number)).find(|edge| edge.reference == meant);
            let from = edge.map(|edge| &graph.nodes[edge.from.0]);
            if let Some(node) = from.filter(|node| node.kind == NodeKind::External) {
                request.named_contexts.entry(alias).or_insert(NamedContext::Image(node.name.clone()));
            }
        }
        Ok(())
    }

    /// Whether another image of the project is the same stage of the same file.
    fn shares_dockerfile(&self, number: usize) -> bool {
        let images = &self.loaded.project.images;
        let of = |image: &Image| {
            (image.dockerfile.place().file, image.target.as_ref().map(|target| target.value.clone()))
        };
        let own = of(&images[number]);
        images.iter().enumerate().any(|(other, image)| other != number && of(image) == own)
    }

    /// Files of other images in the build context.
    fn taken(&self, number: usize, wanted: &[usize]) -> Vec<Taken> {
        let graph = &self.loaded.graph;
        let inputs = self.loaded.project.images[number].inputs.iter();
        inputs
            .filter_map(|input| {
                let InputKind::Image { source, .. } = &input.kind else { return None };
                if source.is_empty() {
                    return None;
                }
                let edge = graph
                    .needs(graph.node_of(number))
                    .find(|edge| edge.kind == EdgeKind::Input && edge.place == input.place)?;
                let image = graph.image_of(edge.from);
                Some(Taken {
                    job: image.and_then(|image| wanted.iter().position(|one| *one == image)),
                    reference: graph.nodes[edge.from.0].name.clone(),
                    source: source.clone(),
                    destination: input.destination.clone(),
                    place: input.place.to_string(),
                })
            })
            .collect()
    }

    /// Which jobs an image needs, and what its Dockerfile calls them.
    fn needs(&self, number: usize, wanted: &[usize]) -> (Vec<usize>, BTreeMap<String, usize>) {
        let graph = &self.loaded.graph;
        let (mut needs, mut names) = (Vec::new(), BTreeMap::new());
        for edge in graph.needs(graph.node_of(number)) {
            let job = graph.image_of(edge.from).and_then(|image| wanted.iter().position(|one| *one == image));
            if let Some(job) = job {
                names.insert(edge.reference.clone(), job);
                for (alias, _) in
                    aliases(&self.loaded.project.images[number]).filter(|(_, of)| *of == edge.reference)
                {
                    names.insert(alias, job);
                }
                if !needs.contains(&job) {
                    needs.push(job);
                }
            }
        }
        (needs, names)
    }

    /// The names that the image gets, and whether each is one of a registry.
    fn tags(&self, image: &Image) -> Result<Vec<(Reference, bool)>, Failure> {
        let mut tags: Vec<(Reference, bool)> = Vec::new();
        let outputs = image.outputs.iter().map(|output| (text(&output.name), output.push));
        let own = image.outputs.is_empty().then(|| (image.name.clone(), false));
        for (text, push) in outputs.chain(own) {
            let text = text.strip_prefix("localhost/").map_or(text.clone(), str::to_owned);
            let name = crate::program::image_name(&text).map_err(|failure| of_image(&image.name, failure))?;
            let name = match name.tag() {
                Some(_) => name,
                None => name.with_tag("latest").unwrap_or(name),
            };
            if tags.iter().all(|(known, _)| *known != name) {
                tags.push((name, push || text.contains('/')));
            }
        }
        Ok(tags)
    }
}

/// The names in a Dockerfile that mean images of its build context, and which.
fn aliases(image: &Image) -> impl Iterator<Item = (String, String)> + '_ {
    image.inputs.iter().flat_map(|input| match &input.kind {
        InputKind::Image { image, aliases, .. } => {
            aliases.iter().map(|alias| (alias.clone(), image.to_string())).collect::<Vec<_>>()
        }
        _ => Vec::new(),
    })
}

/// Whether two names are one reference.
fn is_same(one: &str, other: &str) -> bool {
    match (one.parse::<Reference>(), other.parse::<Reference>()) {
        (Ok(one), Ok(other)) => one.familiar() == other.familiar(),
        _ => one == other,
    }
}

/// An output as a name that an image can have here.
fn text(name: &ImageName) -> String {
    match name {
        ImageName::Reference(text) => text.clone(),
        ImageName::StreamTag { name, tag, .. } => format!("{name}:{tag}"),
        ImageName::StreamImage { name, .. } => name.clone(),
    }
}

/// What a step may use; what it is expected to use counts where no limit is set.
fn need(image: &Image, request: &Request) -> Need {
    let limits = &image.limits;
    let cpus = request.limits.cpus.map(|cpus| (cpus * 1000.0) as u64);
    Need {
        memory: request.limits.memory.or(limits.memory_expected).unwrap_or(0),
        millicpus: cpus.or(limits.milli_cpus_expected).unwrap_or(0),
    }
}

/// The failure, with the image that it is about.
fn of_image(name: &str, failure: Failure) -> Failure {
    match failure {
        Failure::Usage { message, hint } => {
            Failure::Usage { message: format!("image `{name}`: {message}"), hint }
        }
        other => other,
    }
}

/// Whether a path is a directory or a Dockerfile of somebody's own, rather than a word for an image.
pub fn is_path(word: &str) -> bool {
    word.is_empty()
        || word == "-"
        || word == "."
        || word == ".."
        || word.contains('/')
        || Path::new(word).is_absolute()
}
