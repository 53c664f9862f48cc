//! Facts: what rules judge. Typed, each with its place; what is not known says so.

mod base_image;
pub mod built;
mod certificate;
pub mod commands;
mod declared;
pub mod dockerfile;
mod files;
mod inside;
pub mod manifest;
mod pem;
mod repository;
pub mod requirements;
pub mod scripts;
pub mod settings;

use std::borrow::Cow;

use ::dockerfile::{Source, Span};

use crate::finding::Place;

pub use certificate::{Certificate, Content, PrivateKey, fuzz_certificates};
pub use declared::DeclaredVersion;
pub use dockerfile::BuildInput;
pub use files::{CommittedFile, Files};
pub use inside::fuzz_inside;
pub use repository::{Binary, ProjectFinding};

/// A text among the facts.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct SourceId(pub(crate) usize);

/// Something that may not be known. Unknown is never taken for good.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Known<T> {
    /// It is known.
    Known(T),
    /// It is missing or was not observed; why, in lower case.
    Unknown(Cow<'static, str>),
}

impl<T> Known<T> {
    /// The value, where it is known.
    pub fn known(&self) -> Option<&T> {
        match self {
            Known::Known(value) => Some(value),
            Known::Unknown(_) => None,
        }
    }

    /// Why it is not known, where it is not.
    pub fn why_unknown(&self) -> Option<&str> {
        match self {
            Known::Known(_) => None,
            Known::Unknown(why) => Some(why),
        }
    }
}

/// Everything known of a repository, and after a build of what came of it.
#[derive(Debug)]
pub struct Facts {
    sources: Vec<Source>,
    /// The repository's files, by path.
    pub files: Vec<CommittedFile>,
    /// The names of the images that the repository builds, without registry and tag.
    pub image_names: std::collections::BTreeSet<String>,
    /// Where the repository puts the images that it builds: registry and namespace.
    pub output_namespaces: std::collections::BTreeSet<(String, String)>,
    /// Names of images, as Dockerfiles have them, that mean an image or a declared base of this repository.
    pub own_references: std::collections::BTreeSet<String>,
    /// Requirement files in which every line has a digest.
    pub hashed_requirements: std::collections::BTreeSet<String>,
    /// Packages that the projects' own files ask for.
    pub requirements: Vec<requirements::Requirement>,
    /// Versions of languages that the projects' own files ask for.
    pub declared_versions: Vec<DeclaredVersion>,
    /// Dockerfiles, by path.
    pub dockerfiles: Vec<dockerfile::DockerfileFacts>,
    /// Objects of manifests, by file.
    pub objects: Vec<manifest::Object>,
    /// Other YAML documents.
    pub documents: Vec<manifest::Document>,
    /// Manifests that are no YAML: where, and why.
    pub broken_manifests: Vec<(Place, String)>,
    /// Scripts outside Dockerfiles.
    pub scripts: Vec<scripts::ScriptFacts>,
    /// Certificates, in files of their own and inside others.
    pub certificates: Vec<Certificate>,
    /// Private keys, likewise.
    pub private_keys: Vec<PrivateKey>,
    /// Settings of package managers, likewise.
    pub settings: Vec<settings::Settings>,
    /// What the repository builds.
    pub project: project::Project,
    /// What is wrong with that.
    pub project_findings: Vec<ProjectFinding>,
    /// Makefiles.
    pub makefiles: Vec<SourceId>,
    /// Files that nobody wrote.
    pub binaries: Vec<Binary>,
    /// What a build fetched.
    pub intakes: Known<Vec<oci::record::Intake>>,
    /// Images that Dockerfiles name and that are at hand, by reference.
    pub base_images: std::collections::BTreeMap<String, built::BaseImage>,
}

impl Facts {
    /// The facts of a repository, before any build.
    pub fn gather(files: &dyn Files) -> Facts {
        let unbuilt = "nothing was built yet";
        let mut facts = Facts {
            sources: Vec::new(),
            files: Vec::new(),
            dockerfiles: Vec::new(),
            declared_versions: Vec::new(),
            requirements: Vec::new(),
            hashed_requirements: files::hashed_requirements(files),
            image_names: std::collections::BTreeSet::new(),
            output_namespaces: std::collections::BTreeSet::new(),
            own_references: std::collections::BTreeSet::new(),
            objects: Vec::new(),
            documents: Vec::new(),
            broken_manifests: Vec::new(),
            scripts: Vec::new(),
            certificates: Vec::new(),
            private_keys: Vec::new(),
            settings: Vec::new(),
            project: project::Project::default(),
            project_findings: Vec::new(),
            makefiles: Vec::new(),
            binaries: Vec::new(),
            intakes: Known::Unknown(unbuilt.into()),
            base_images: std::collections::BTreeMap::new(),
        };
        files::gather(&mut facts, files);
        manifest::gather(&mut facts, files);
        settings::gather(&mut facts, files);
        repository::gather(&mut facts, files);
        dockerfile::gather(&mut facts, files);
        settings::inside_dockerfiles(&mut facts);
        declared::gather(&mut facts, files);
        requirements::gather(&mut facts, files);
        scripts::gather(&mut facts, files);
        certificate::gather(&mut facts, files);
        facts
    }

    /// The facts of one Dockerfile that is about to be built, whatever its name.
    pub fn of_dockerfile(name: &str, text: &str, args: &std::collections::BTreeMap<String, String>) -> Facts {
        Facts::of_build(name, text, BuildInput { args: args.clone(), ..BuildInput::default() })
    }

    /// The same, of an image of a project.
    pub fn of_build(name: &str, text: &str, input: BuildInput) -> Facts {
        let nothing = project::files::Memory::default();
        let mut facts = Facts::gather(&nothing);
        dockerfile::add(&mut facts, &nothing, name.to_owned(), text.to_owned(), input);
        settings::inside_dockerfiles(&mut facts);
        facts
    }

    /// Keeps a text, so that places can be in it.
    pub fn add_source(&mut self, name: impl Into<String>, text: impl Into<String>) -> SourceId {
        self.sources.push(Source::new(name, text));
        SourceId(self.sources.len() - 1)
    }

    /// The text that a place is in.
    pub fn source(&self, id: SourceId) -> &Source {
        &self.sources[id.0]
    }

    /// The text of a file, if it is among the facts.
    pub fn source_named(&self, name: &str) -> Option<SourceId> {
        self.sources.iter().position(|source| source.name == name).map(SourceId)
    }

    /// The Dockerfile that a place is in.
    pub fn dockerfile_at(&self, place: crate::Place) -> Option<&dockerfile::DockerfileFacts> {
        let holds = |span: Span| span.start <= place.span.start && place.span.end <= span.end;
        self.dockerfiles.iter().find(|file| file.source == place.source && holds(file.span))
    }

    /// All texts.
    pub fn sources(&self) -> impl Iterator<Item = (SourceId, &Source)> {
        self.sources.iter().enumerate().map(|(index, source)| (SourceId(index), source))
    }

    /// The spans of a Dockerfile's instructions, FROM included, in order; nothing for other files.
    pub fn instruction_spans(&self, id: SourceId) -> Option<Vec<Span>> {
        let found = self.dockerfiles.iter().find(|file| file.source == id)?;
        Some(found.instruction_spans())
    }

    /// The words at a place.
    pub fn text(&self, place: Place) -> &str {
        self.source(place.source).text.get(place.span.range()).unwrap_or_default()
    }
}
