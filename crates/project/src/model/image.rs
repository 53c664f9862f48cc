//! An image, as it is declared.

use std::fmt;

use super::{Located, Test};
use crate::place::Place;

/// What kind of source says that an image is built.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum DeclaredBy {
    /// `kapok.yaml`.
    KapokYaml,
    /// An OpenShift BuildConfig.
    BuildConfig,
    /// A line of a Makefile.
    Makefile,
    /// Nothing but its Dockerfile.
    Dockerfile,
}

/// Something that is built.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Image {
    /// Its name: unique in the project.
    pub name: String,
    /// Where it is declared.
    pub declared: Place,
    /// By what kind of source.
    pub declared_by: DeclaredBy,
    /// Whether it is built when nobody names it. A Dockerfile that the project's manifests do not mention is not, unless
    /// another image needs it.
    pub wanted: bool,
    /// Where its files are.
    pub context: Context,
    /// Where that is said, if it is.
    pub context_at: Option<Place>,
    /// Its Dockerfile.
    pub dockerfile: DockerfileSource,
    /// The stage to build; nothing means the last.
    pub target: Option<Located>,
    /// Build arguments, in order.
    pub args: Vec<Argument>,
    /// Variables that every stage gets as if by ENV after its FROM, in order: `dockerStrategy.env`.
    pub env: Vec<Argument>,
    /// What takes the place of a FROM.
    pub from: Option<BaseOverride>,
    /// The names that the result gets.
    pub outputs: Vec<Output>,
    /// Names that it has where it is built by other means: by a Makefile, beside its BuildConfig. They hold for images that
    /// are built by such means only.
    pub also_called: Vec<Output>,
    /// Labels that the result gets.
    pub labels: Vec<(String, String)>,
    /// What its steps may use.
    pub limits: Limits,
    /// After how many seconds the build is given up.
    pub timeout: Option<u64>,
    /// How often it is tried again after failures of the infrastructure.
    pub retries: Option<u32>,
    /// Whether earlier results are left alone.
    pub no_cache: bool,
    /// What must hold before the result gets a name.
    pub tests: Vec<Test>,
    /// What comes into the build context besides the repository's files.
    pub inputs: Vec<Input>,
    /// When somebody else's machinery rebuilds it.
    pub triggers: Vec<Trigger>,
    /// How many finished and failed builds are kept.
    pub history: HistoryLimits,
    /// How builds of the same image stand to each other.
    pub run_policy: RunPolicy,
    /// The namespace that it lives in, where it has one.
    pub namespace: Option<String>,
}

/// Where a build's files are.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Context {
    /// A directory of the repository, from its root; the root is the empty path.
    Directory(String),
    /// Another repository, to be fetched at its commit and pinned.
    Git {
        /// Where it is.
        uri: String,
        /// Branch, tag or commit.
        reference: Option<String>,
        /// The directory in it; the root is the empty path.
        directory: String,
        /// Where it is named.
        place: Place,
    },
    /// No files at all.
    Empty,
}

/// A build's Dockerfile.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum DockerfileSource {
    /// A file of the repository, from its root; of a [`Context::Git`], from that repository's.
    Path(Located),
    /// Text in a manifest.
    Inline {
        /// The Dockerfile.
        text: String,
        /// Where it stands in its manifest.
        place: Place,
        /// Whether its lines are lines of the manifest, from that place on.
        block: bool,
    },
}

/// A build argument or a variable.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Argument {
    /// Its name.
    pub name: String,
    /// Its value; nothing where it comes from somewhere that cannot be read here (a Secret, a ConfigMap of the cluster).
    pub value: Option<String>,
    /// Where it stands.
    pub place: Place,
}

/// Which FROM an override replaces. OpenShift and Podman do not agree.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum WhichFrom {
    /// The first of the file, as `--from` of Podman, Buildah and Kapok has it.
    First,
    /// The last of the file, as `dockerStrategy.from` of OpenShift has it.
    Last,
}

/// What takes the place of a FROM.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct BaseOverride {
    /// Which FROM.
    pub which: WhichFrom,
    /// The new base.
    pub image: ImageName,
    /// Where it is said.
    pub place: Place,
}

/// An image, as a declaration names it.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum ImageName {
    /// A reference as in FROM: `quay.io/org/tool:1`, `tool`.
    Reference(String),
    /// A tag of an image stream.
    StreamTag {
        /// Its namespace; nothing means that of whoever names it.
        namespace: Option<String>,
        /// The image stream.
        name: String,
        /// The tag.
        tag: String,
    },
    /// An image of an image stream, by digest.
    StreamImage {
        /// Its namespace; nothing means that of whoever names it.
        namespace: Option<String>,
        /// The image stream.
        name: String,
        /// The digest.
        digest: String,
    },
}

/// A name that a finished image gets.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Output {
    /// The name.
    pub name: ImageName,
    /// Whether it is sent to its registry.
    pub push: bool,
    /// Where it is said.
    pub place: Place,
}

/// What an image's steps may use; what is not said is the machine's business.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Limits {
    /// Thousandths of a processor.
    pub milli_cpus: Option<u64>,
    /// Bytes.
    pub memory: Option<u64>,
    /// Thousandths of a processor that it is expected to use (`requests`).
    pub milli_cpus_expected: Option<u64>,
    /// Bytes that it is expected to use (`requests`).
    pub memory_expected: Option<u64>,
}

/// What comes into a build context besides the repository's files.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Input {
    /// What it is.
    pub kind: InputKind,
    /// Where in the build context, from its root.
    pub destination: String,
    /// Where it is declared.
    pub place: Place,
}

/// What an [`Input`] is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum InputKind {
    /// The keys of a Secret as files.
    Secret(String),
    /// The keys of a ConfigMap as files, with their texts where the repository declares them.
    ConfigMap {
        /// Its name.
        name: String,
        /// File names and contents.
        data: Vec<(String, String)>,
    },
    /// A path of another image.
    Image {
        /// Which.
        image: ImageName,
        /// The path in it.
        source: String,
        /// Names in the Dockerfile that mean this image.
        aliases: Vec<String>,
    },
}

/// When a cluster rebuilds an image.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Trigger {
    /// On what.
    pub kind: TriggerKind,
    /// Where it is declared.
    pub place: Place,
}

/// What a [`Trigger`] waits for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum TriggerKind {
    /// A change of the BuildConfig.
    ConfigChange,
    /// A new image.
    ImageChange {
        /// Which; nothing means that of the strategy.
        from: Option<ImageName>,
        /// Whether it is switched off.
        paused: bool,
    },
    /// A call from outside: `GitHub`, `Generic`, …
    Webhook(String),
}

/// How many builds are kept.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct HistoryLimits {
    /// Of those that succeeded.
    pub successful: Option<u32>,
    /// Of those that failed.
    pub failed: Option<u32>,
}

/// How builds of the same image stand to each other.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum RunPolicy {
    /// One after the other.
    #[default]
    Serial,
    /// One after the other, and of those that wait only the latest.
    SerialLatestOnly,
    /// At once.
    Parallel,
}

impl Context {
    /// The directory of the repository, if it is one.
    pub fn directory(&self) -> Option<&str> {
        match self {
            Context::Directory(directory) => Some(directory),
            Context::Git { .. } | Context::Empty => None,
        }
    }
}

impl DockerfileSource {
    /// Its place: the file's beginning, or that of the text in its manifest.
    pub fn place(&self) -> Place {
        match self {
            DockerfileSource::Path(path) => Place::start(&path.value),
            DockerfileSource::Inline { place, .. } => place.clone(),
        }
    }

    /// The path, where it is a file.
    pub fn path(&self) -> Option<&str> {
        match self {
            DockerfileSource::Path(path) => Some(&path.value),
            DockerfileSource::Inline { .. } => None,
        }
    }
}

impl Image {
    /// An image of which only name and place are known.
    pub fn new(name: &str, declared_by: DeclaredBy, declared: Place, dockerfile: DockerfileSource) -> Image {
        Image {
            name: name.to_owned(),
            declared,
            declared_by,
            wanted: true,
            context: Context::Empty,
            context_at: None,
            dockerfile,
            target: None,
            args: Vec::new(),
            env: Vec::new(),
            from: None,
            outputs: Vec::new(),
            also_called: Vec::new(),
            labels: Vec::new(),
            limits: Limits::default(),
            timeout: None,
            retries: None,
            no_cache: false,
            tests: Vec::new(),
            inputs: Vec::new(),
            triggers: Vec::new(),
            history: HistoryLimits::default(),
            run_policy: RunPolicy::default(),
            namespace: None,
        }
    }
}

impl fmt::Display for ImageName {
    /// As people write it: `name:tag`, `namespace/name:tag`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (namespace, rest) = match self {
            ImageName::Reference(reference) => return f.write_str(reference),
            ImageName::StreamTag { namespace, name, tag } => (namespace, format!("{name}:{tag}")),
            ImageName::StreamImage { namespace, name, digest } => (namespace, format!("{name}@{digest}")),
        };
        match namespace {
            Some(namespace) => write!(f, "{namespace}/{rest}"),
            None => f.write_str(&rest),
        }
    }
}
