//! The plan as a value: what a build will do, with every word expanded and every name resolved.
//!
//! Whoever carries it out has no choices left. It prints (see [`super::display`]) and compares.

use std::fmt;

use dockerfile::Span;
use dockerfile::mode::Mode;
use oci::{Digest, ImageConfig, Platform};

use super::git::GitReference;
use super::images::BaseImage;

/// The number of a stage within its Dockerfile, from 0.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct StageId(pub usize);

impl fmt::Display for StageId {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "{}", self.0)
    }
}

/// What one build for one platform does.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Plan {
    /// The stages that the target needs, each after those that it needs itself. The target is the last one.
    pub stages: Vec<PlannedStage>,
    /// The stage whose snapshot and configuration are the result.
    pub target: StageId,
    /// The platform of the result.
    pub platform: Platform,
}

impl Plan {
    /// The stage of this number, if the target needs it.
    pub fn stage(&self, id: StageId) -> Option<&PlannedStage> {
        let found = self.stages.binary_search_by_key(&id, |stage| stage.id);
        found.ok().map(|position| &self.stages[position])
    }

    /// Tells `each` of every image that a stage starts from, copies from or mounts.
    pub fn images(&self, each: &mut dyn FnMut(&BaseImage)) {
        let tree = |source: &TreeSource, each: &mut dyn FnMut(&BaseImage)| {
            if let TreeSource::Image(image) = source {
                each(image);
            }
        };
        for stage in &self.stages {
            if let StageBase::Image(image) = &stage.base {
                each(image);
            }
            for step in &stage.steps {
                match &step.action {
                    Action::Run(run) => run.mounts.iter().for_each(|mount| match &mount.kind {
                        RunMountKind::Bind { from, .. } | RunMountKind::Cache { from, .. } => {
                            tree(from, each)
                        }
                        _ => {}
                    }),
                    Action::Copy(copy) => copy.sources.iter().for_each(|source| {
                        if let CopySource::Path { from, .. } = source {
                            tree(from, each);
                        }
                    }),
                    Action::Workdir(_) | Action::Metadata => {}
                }
            }
        }
    }
}

/// One stage of a plan.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PlannedStage {
    /// Its number in the Dockerfile.
    pub id: StageId,
    /// The name after `AS`, in lower case.
    pub name: Option<String>,
    /// What it is built for.
    pub platform: Platform,
    /// What it starts from.
    pub base: StageBase,
    /// Its instructions in order, ONBUILD triggers of the base first.
    pub steps: Vec<Step>,
    /// The configuration after the last step: history with all steps included, no layers.
    pub config: ImageConfig,
    /// SOURCE_DATE_EPOCH of its steps and of the image: seconds since 1970.
    pub epoch: i64,
}

impl PlannedStage {
    /// What messages call the stage: its name, else `stage-` and its number.
    pub fn label(&self) -> String {
        self.name.clone().unwrap_or_else(|| format!("stage-{}", self.id))
    }
}

/// What a stage starts from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum StageBase {
    /// An empty tree.
    Scratch,
    /// An image.
    Image(Box<BaseImage>),
    /// Another stage of the plan, with its configuration and variables.
    Stage(StageId),
    /// The tree of the named build context, owned by root.
    Context(String),
}

/// One instruction of a stage.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Step {
    /// Its position in the stage, from 1.
    pub number: usize,
    /// How many steps the stage has.
    pub of: usize,
    /// The instruction as written, on one line; `ONBUILD ` stands before a trigger.
    pub text: String,
    /// Its place in the Dockerfile; a trigger of a base image stands at the FROM.
    pub span: Span,
    /// What it does.
    pub action: Action,
}

impl Step {
    /// Whether the step leaves a layer; the others only change the configuration. A layer may turn out empty, and is
    /// then still one: the image's history counts it.
    pub fn makes_layer(&self) -> bool {
        !matches!(self.action, Action::Metadata)
    }
}

/// What a step does.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Action {
    /// Runs a command.
    Run(RunAction),
    /// Copies files: COPY and ADD.
    Copy(CopyAction),
    /// Creates the working directory.
    Workdir(WorkdirAction),
    /// Changes the configuration, which [`PlannedStage::config`] has taken in already.
    Metadata,
}

/// A RUN.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RunAction {
    /// The command line, shell included.
    pub args: Vec<String>,
    /// A file that the command needs: a heredoc that begins with `#!`.
    pub script: Option<ScriptFile>,
    /// The environment from the image and the Dockerfile; names are unique.
    pub env: Vec<(String, String)>,
    /// Proxy variables from `--build-arg`. They go into the environment after `env`, neither into the key nor into
    /// the image.
    pub proxy: Vec<(String, String)>,
    /// The working directory, absolute.
    pub cwd: String,
    /// The user as written: `name`, `uid`, `name:group`; empty means root.
    pub user: String,
    /// `--mount`, in order.
    pub mounts: Vec<RunMount>,
    /// `--network`.
    pub network: Network,
    /// `--security`.
    pub security: Security,
}

/// A file of mode 0755 at `/dev/pipes/NAME`, there only while the command runs.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ScriptFile {
    /// Its name.
    pub name: String,
    /// Its text.
    pub content: String,
}

/// The directory in which a [`ScriptFile`] stands.
pub const SCRIPT_DIRECTORY: &str = "/dev/pipes";

/// The network that a RUN has.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub enum Network {
    /// What the build gives its steps.
    #[default]
    Default,
    /// Loopback only.
    None,
    /// The machine's own.
    Host,
}

impl Network {
    /// The word for it in a Dockerfile.
    pub fn name(self) -> &'static str {
        match self {
            Network::Default => "default",
            Network::None => "none",
            Network::Host => "host",
        }
    }
}

/// The rights that a RUN has.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub enum Security {
    /// Docker's default capabilities and system calls.
    #[default]
    Sandbox,
    /// All of them, inside the user namespace.
    Insecure,
}

impl Security {
    /// The word for it in a Dockerfile.
    pub fn name(self) -> &'static str {
        match self {
            Security::Sandbox => "sandbox",
            Security::Insecure => "insecure",
        }
    }
}

/// A mount of a RUN.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RunMount {
    /// Where, absolute. Nothing only for a secret that is an environment variable alone.
    pub target: Option<String>,
    /// No writing.
    pub read_only: bool,
    /// What.
    pub kind: RunMountKind,
}

/// What a RUN mounts.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum RunMountKind {
    /// A directory or file of a tree. Writes, where allowed, are discarded.
    Bind {
        /// The tree.
        from: TreeSource,
        /// The path in it, absolute.
        source: String,
    },
    /// A directory that outlives the build.
    Cache {
        /// Which one.
        id: String,
        /// What is in it at first.
        from: TreeSource,
        /// The path in `from`, absolute.
        source: String,
        /// How several steps share it.
        sharing: dockerfile::Sharing,
        /// Mode, user and group of a new directory: 0755, 0 and 0 where not given.
        owner: dockerfile::Owner,
    },
    /// An empty directory in memory.
    Tmpfs {
        /// Its largest size in bytes, where there is a limit.
        size: Option<u64>,
    },
    /// A secret, as a file at the target, as an environment variable, or both.
    Secret {
        /// Which one.
        id: String,
        /// The environment variable.
        env: Option<String>,
        /// The step fails where there is no such secret.
        required: bool,
        /// Of the file: 0400, 0 and 0 where not given.
        owner: dockerfile::Owner,
    },
    /// The socket of an ssh agent.
    Ssh {
        /// Which one.
        id: String,
        /// The step fails where there is no such agent.
        required: bool,
        /// Of the socket: 0600, 0 and 0 where not given.
        owner: dockerfile::Owner,
    },
}

/// A tree that steps copy from or mount.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum TreeSource {
    /// The build context, as far as its ignore file lets through.
    MainContext,
    /// A named build context.
    Context(String),
    /// The snapshot of a stage of the plan.
    Stage(StageId),
    /// An image's snapshot.
    Image(Box<BaseImage>),
    /// Nothing at all: `scratch`.
    Empty,
}

/// A COPY or an ADD.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CopyAction {
    /// Whether it is an ADD.
    pub add: bool,
    /// What to copy, in order.
    pub sources: Vec<CopySource>,
    /// Where to, absolute; ends in `/` or `/.` if the Dockerfile says that it is a directory.
    pub destination: String,
    /// `--chown` as written, variables expanded.
    pub chown: Option<String>,
    /// `--chmod`.
    pub chmod: Option<Mode>,
    /// `--link`: the layer does not depend on what is below.
    pub link: bool,
    /// `--parents`.
    pub parents: bool,
    /// `--exclude`, each one.
    pub exclude: Vec<String>,
    /// Whether archives are unpacked: of the context, and downloaded.
    pub unpack: Unpack,
}

/// Which archives an ADD unpacks.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub struct Unpack {
    /// Those that lie in the context.
    pub local: bool,
    /// Those that are downloaded.
    pub remote: bool,
}

/// One thing that a COPY or ADD copies.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum CopySource {
    /// A path, perhaps with wildcards.
    Path {
        /// The tree that it is in.
        from: TreeSource,
        /// The path as written, variables expanded.
        path: String,
    },
    /// A file written in the Dockerfile.
    Inline {
        /// Its name.
        name: String,
        /// Its text.
        content: String,
    },
    /// A file behind a URL.
    Url {
        /// The URL.
        url: String,
        /// The name that the file gets in a destination that is a directory.
        file_name: String,
        /// The digest that the file must have.
        checksum: Option<Digest>,
    },
    /// A git repository, or a directory of one.
    Git {
        /// Where it is.
        reference: GitReference,
        /// Whether `.git` comes along.
        keep_git_dir: bool,
    },
}

impl CopySource {
    /// Whether it has to be fetched.
    pub fn is_remote(&self) -> bool {
        matches!(self, CopySource::Url { .. } | CopySource::Git { .. })
    }
}

/// A WORKDIR.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct WorkdirAction {
    /// The directory, absolute.
    pub path: String,
    /// Who owns what has to be created, as in USER; empty means root.
    pub user: String,
}
