//! Everything that manifests and Dockerfiles say, put together.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use super::object::{Object, objects};
use super::remote::{Same, normal, same};
use super::{
    FILE, Given, applications, build_config, dockerfiles, image_stream, kustomize, left_out, makefile, read,
    revision, tekton,
};
use crate::Files;
use crate::files::{file_name, is_directory, join, parent};
use crate::finding::{Code, Finding};
use crate::model::{DeclaredBy, Image, ImageName, Located, Output, Project, ProjectSource, Unsupported};
use crate::place::Place;

/// What is known while a repository is read.
pub struct World<'f> {
    /// The repository.
    pub files: &'f dyn Files,
    given: &'f Given,
    /// What is wrong.
    pub findings: Vec<Finding>,
    /// What is not supported.
    pub unsupported: Vec<Unsupported>,
    /// URLs of which something was said already.
    pub told: BTreeSet<String>,
    /// URLs of which the repository shows by its files that they are its own.
    own: Evidence,
    /// What builds write that are not supported.
    pub written: Vec<Located>,
    /// Texts of ConfigMaps that kustomizations generate.
    pub generated: BTreeMap<String, Vec<(String, String)>>,
    objects: BTreeMap<String, Vec<Object>>,
}

impl<'f> World<'f> {
    fn new(files: &'f dyn Files, given: &'f Given) -> World<'f> {
        let mut world = World {
            files,
            given,
            findings: Vec::new(),
            unsupported: Vec::new(),
            told: BTreeSet::new(),
            own: Evidence::default(),
            written: Vec::new(),
            generated: BTreeMap::new(),
            objects: BTreeMap::new(),
        };
        for path in files.list().iter().filter(|path| is_manifest(path)) {
            let Some(text) = read(files, path, &mut world.findings) else { continue };
            let words = ["BuildConfig", "ImageStream", "argoproj.io", "tekton.dev", "ConfigMap"];
            if words.iter().any(|word| text.text.contains(word)) {
                let found = objects(&text, &mut world.findings, &mut world.unsupported);
                world.objects.insert(path.clone(), found);
            }
        }
        world.find_own();
        world
    }

    /// The objects of a manifest.
    pub fn objects_of(&self, path: &str) -> Vec<Object> {
        self.objects.get(path).cloned().unwrap_or_default()
    }

    /// Whether a URL is that of the repository at hand.
    pub fn own(&self, url: &str) -> Same {
        // What is filled in later is filled in with the repository that it stands in.
        if url.contains(['$', '{', '<']) {
            return Same::Fork;
        }
        let url_known = normal(url);
        match same(url, &self.given.remotes) {
            // The files at hand may be a copy that somebody put into a repository of their own.
            Same::No if self.own.builds.contains(&url_known) => Same::Fork,
            Same::Unknown if self.own.knows(&url_known) => Same::Yes,
            Same::Unknown => Same::No,
            known => known,
        }
    }

    /// The texts of a ConfigMap of the repository.
    pub fn config_map(&self, name: &str) -> Vec<(String, String)> {
        let found = self
            .objects
            .values()
            .flatten()
            .find(|object| object.is("ConfigMap", &[""]) && object.name() == name);
        let generated = || self.generated.get(name).cloned();
        found.map(image_stream::config_map).or_else(generated).unwrap_or_default()
    }

    fn find_own(&mut self) {
        let mut own = Evidence::default();
        if self.files.list().iter().any(|path| dockerfiles::is_dockerfile(file_name(path))) {
            let builds = self.objects.values().flatten().filter(|object| object.is_build_config());
            own.named =
                builds.filter_map(|build| Some(normal(build.node.text_at("spec.source.git.uri")?))).collect();
        }
        for object in self.objects.values().flatten() {
            if object.is_build_config()
                && let Some((url, true)) = build_config::is_here(object, self)
            {
                let directory = object.node.text_at("spec.source.contextDir").and_then(|path| join("", path));
                let root = directory.is_none_or(|directory| directory.is_empty());
                if root {
                    own.roots.insert(normal(&url))
                } else {
                    own.builds.insert(normal(&url))
                };
            } else if object.is_application() {
                for source in applications::sources(object) {
                    let (Some(url), Some(path)) = (source.text_at("repoURL"), source.text_at("path")) else {
                        continue;
                    };
                    if join("", path).is_some_and(|path| !path.is_empty() && is_directory(self.files, &path))
                    {
                        own.applications.insert(normal(url));
                    }
                }
            }
        }
        self.own = own;
    }
}

/// URLs of which something is where it would be if they were the repository's own.
#[derive(Default)]
struct Evidence {
    /// A Dockerfile in a directory that a BuildConfig names.
    builds: BTreeSet<String>,
    /// A directory that an Application names.
    applications: BTreeSet<String>,
    /// A Dockerfile at the root, which says little: many repositories have one.
    roots: BTreeSet<String>,
    /// All URLs of BuildConfigs, if there is a Dockerfile at all.
    named: BTreeSet<String>,
}

impl Evidence {
    fn knows(&self, url: &str) -> bool {
        if !self.builds.is_empty() || !self.applications.is_empty() {
            return self.builds.contains(url) || self.applications.contains(url);
        }
        // Of a single URL, with Dockerfiles here, something else is more likely wrong than the repository.
        self.roots.contains(url)
            || (self.roots.is_empty() && self.named.len() == 1 && self.named.contains(url))
    }
}

fn is_manifest(path: &str) -> bool {
    let name = file_name(path);
    [".yaml", ".yml", ".json"].iter().any(|end| name.ends_with(end))
        && path != FILE
        && name != "package-lock.json"
}

/// See [`super::discover`].
pub fn collect(files: &dyn Files, given: &Given) -> Project {
    let mut world = World::new(files, given);
    let (count, objects) = applied(&mut world);
    let mut project = Project::default();
    let mut collected = Collected::default();
    let mut configs = 0;
    for object in &objects {
        if object.is_build_config() {
            configs += 1;
            if let Some(image) = build_config::image(object, &mut world) {
                collected.add(image);
            }
        } else if object.is_image_stream() {
            let stream = image_stream::stream(object);
            if !project.image_streams.contains(&stream) {
                project.image_streams.push(stream);
            }
        }
    }
    project.images = collected.images;
    project.pipelines = pipelines(&objects);
    add_dockerfiles(&mut world, &mut project);
    project.source = if configs > 0 {
        ProjectSource::Manifests { applications: count, build_configs: configs }
    } else {
        ProjectSource::Dockerfiles(project.images.len())
    };
    project.findings.append(&mut world.findings);
    project.unsupported = world.unsupported;
    project.written_elsewhere = world.written;
    project
}

/// All objects as they are applied: by Applications, else by kustomizations that nobody takes in, else as they stand.
fn applied(world: &mut World<'_>) -> (usize, Vec<Object>) {
    let named = kustomize::named_by_all(world);
    let own = world.objects.iter().filter(|(path, _)| !named.patches.contains(*path));
    let raw: Vec<Object> = own.flat_map(|(_, objects)| objects).cloned().collect();
    let paths: Vec<String> = world.files.list().to_vec();
    let mut variants = Variants::default();
    for path in paths.iter().filter(|path| kustomize::NAMES.contains(&file_name(path))) {
        if !named.directories.contains(parent(path)) {
            variants.add(path, kustomize::render(world, parent(path)));
        }
    }
    let rendered = variants.kept;
    let all: Vec<Object> = best(vec![rendered.clone(), raw.clone()]);
    let applications: Vec<Object> = all.iter().filter(|object| object.is_application()).cloned().collect();
    for object in all.iter().filter(|object| object.is("ApplicationSet", &["argoproj.io"])) {
        let what = format!("ApplicationSet `{}`", object.name());
        world.unsupported.push(Unsupported { what, place: object.named_at() });
    }
    let followed = applications::follow(world, applications);
    for (path, (other, names)) in variants.left {
        let taken = |key: &Key| followed.objects.iter().any(|object| self::key(object) == *key);
        let names: Vec<&str> =
            names.iter().filter(|(key, _)| !taken(key)).map(|(_, name)| name.as_str()).collect();
        if let [first, rest @ ..] = names.as_slice() {
            let more = if rest.is_empty() { String::new() } else { format!(" and {} more", rest.len()) };
            let message = format!(
                "another variant of what `{other}` makes: `{first}`{more}; that of `{other}` is taken"
            );
            world.findings.push(Finding::note(Code::SourcesDisagree, Place::start(&path), message));
        }
    }
    left_out::check(world, &followed.objects, &rendered, &raw);
    let objects = best(vec![followed.objects, rendered, raw]);
    revision::check(world, &objects);
    (followed.count, objects)
}

/// An object of a manifest, whatever was made of it.
pub type Key = (std::sync::Arc<str>, usize);

/// Which object this is.
pub fn key(object: &Object) -> Key {
    (object.text.file.clone(), object.number)
}

/// What kustomizations make that nobody takes in. An environment each is usual: of a build that they make differently, in more
/// than its namespace, the first is taken, for there is one Dockerfile and one image at hand.
#[derive(Default)]
struct Variants {
    kept: Vec<Object>,
    first: HashMap<Key, (String, usize)>,
    /// By kustomization: the one that was taken instead, and what of.
    left: BTreeMap<String, (String, Vec<(Key, String)>)>,
}

impl Variants {
    fn add(&mut self, path: &str, objects: Vec<Object>) {
        for object in objects {
            let several = object.is_build_config() || object.is("Pipeline", &["tekton.dev"]);
            let known = self.first.get(&key(&object)).filter(|(other, _)| several && other != path);
            let Some((other, at)) = known else {
                self.first.entry(key(&object)).or_insert((path.to_owned(), self.kept.len()));
                self.kept.push(object);
                continue;
            };
            let plain = |object: &Object| {
                let mut object = object.clone();
                kustomize::set_namespace(&mut object, "");
                object.node
            };
            if plain(&object) == plain(&self.kept[*at]) {
                self.kept.push(object);
            } else {
                let left = self.left.entry(path.to_owned()).or_insert_with(|| (other.clone(), Vec::new()));
                left.1.push((key(&object), object.name().to_owned()));
            }
        }
    }
}

/// Of several ways in which an object comes, all of the first that has it.
fn best(ways: Vec<Vec<Object>>) -> Vec<Object> {
    let mut seen = BTreeSet::new();
    let mut all: Vec<Object> = Vec::new();
    for way in ways {
        let new: Vec<Object> = way.into_iter().filter(|object| !seen.contains(&key(object))).collect();
        seen.extend(new.iter().map(key));
        for object in new {
            if !all.iter().rev().take(64).any(|known| key(known) == key(&object) && known.node == object.node)
            {
                all.push(object);
            }
        }
    }
    all.sort_by_key(key);
    all
}

/// Images by name while they are collected.
#[derive(Default)]
struct Collected {
    images: Vec<Image>,
    names: HashMap<String, usize>,
}

impl Collected {
    /// Adds an image. The same BuildConfig in several namespaces is one image with several outputs; two of the same name are
    /// told apart by their namespaces where they have any.
    fn add(&mut self, mut image: Image) {
        if let Some(known) = self.names.get(&image.name).map(|at| &mut self.images[*at]) {
            let comparable = |image: &Image| Image { namespace: None, outputs: Vec::new(), ..image.clone() };
            if known.declared == image.declared && comparable(known) == comparable(&image) {
                let namespace = image.namespace.clone();
                let more = image.outputs.into_iter().map(|output| in_namespace(output, &namespace));
                let more: Vec<Output> = more.filter(|output| !known.outputs.contains(output)).collect();
                known.outputs.extend(more);
                return;
            }
            if let (Some(namespace), true) = (&image.namespace, image.namespace != known.namespace) {
                let full = format!("{namespace}/{}", image.name);
                if !self.names.contains_key(&full) {
                    image.name = full;
                }
            }
        }
        self.names.entry(image.name.clone()).or_insert(self.images.len());
        self.images.push(image);
    }
}

fn in_namespace(output: Output, namespace: &Option<String>) -> Output {
    match output.name {
        ImageName::StreamTag { namespace: None, name, tag } => {
            Output { name: ImageName::StreamTag { namespace: namespace.clone(), name, tag }, ..output }
        }
        _ => output,
    }
}

fn pipelines(objects: &[Object]) -> Vec<crate::model::Pipeline> {
    let tasks: BTreeMap<String, Object> = objects
        .iter()
        .filter(|object| object.is("Task", &["tekton.dev"]) || object.is("ClusterTask", &["tekton.dev"]))
        .map(|object| (object.name().to_owned(), object.clone()))
        .collect();
    let pipelines = objects
        .iter()
        .filter(|object| object.is("Pipeline", &["tekton.dev"]) || object.is("PipelineRun", &["tekton.dev"]));
    pipelines.filter_map(|object| tekton::pipeline(object, &tasks)).collect()
}

/// Dockerfiles that no manifest mentions, and what Makefiles say of any.
fn add_dockerfiles(world: &mut World<'_>, project: &mut Project) {
    let declared = !project.images.is_empty();
    let covered: BTreeSet<String> =
        project.images.iter().filter_map(|image| image.dockerfile.path().map(str::to_owned)).collect();
    let taken: BTreeSet<String> = project.images.iter().map(|image| image.name.clone()).collect();
    let mut found = dockerfiles::images(world.files, world.given, &covered, &taken, &mut world.findings);
    world.unsupported.extend(dockerfiles::templates(world.files));
    let made = makefile::read_all(world.files, &mut world.findings);
    makefile::apply(&made.builds, &mut found);
    makefile::compare(world.files, &made.builds, &mut project.images, &mut world.findings);
    project.sequences = made.sequences;
    for image in &mut found {
        image.wanted = !declared;
        if declared && image.declared_by == DeclaredBy::Dockerfile {
            let message = format!("no BuildConfig builds `{}`", image.declared.file);
            let finding = Finding::note(Code::Undeclared, image.declared.clone(), message);
            world.findings.push(finding.about([&image.name]));
        }
    }
    project.images.append(&mut found);
}
