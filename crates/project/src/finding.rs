//! What is wrong or doubtful in a project: a code, a level, a place, words, and what to do.

use std::fmt;

pub use dockerfile::Level;

use crate::place::Place;

/// One thing to say about a project.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Finding {
    /// Which kind of thing it is.
    pub code: Code,
    /// How bad it is.
    pub level: Level,
    /// Where it stands.
    pub place: Place,
    /// One line, lower case, without a full stop; literals in backticks.
    pub message: String,
    /// What to do about it.
    pub fix: Option<String>,
    /// The images that it is about, by name, if it is about images.
    pub images: Vec<String>,
}

macro_rules! codes {
    ($($(#[$meta:meta])* $variant:ident = $name:literal,)*) => {
        /// What a finding is about, by the name that output and settings show.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub enum Code { $($(#[$meta])* $variant,)* }

        impl Code {
            /// All of them.
            pub const ALL: &[Code] = &[$(Code::$variant,)*];

            /// Its name: `near-match`.
            pub fn name(self) -> &'static str {
                match self { $(Code::$variant => $name,)* }
            }
        }
    };
}

codes! {
    /// Text that is not what its file should hold: YAML, a key, a value.
    Syntax = "syntax",
    /// A Dockerfile with errors.
    Dockerfile = "dockerfile",
    /// A file cannot be read.
    Unreadable = "unreadable",
    /// Images that need each other.
    Cycle = "cycle",
    /// One name, several images.
    AmbiguousName = "ambiguous-name",
    /// Two images of the same name.
    DuplicateName = "duplicate-name",
    /// Two images write the same tag.
    DuplicateTag = "duplicate-tag",
    /// A name that no image can have.
    BadName = "bad-name",
    /// A foreign reference that looks like an image of the project.
    NearMatch = "near-match",
    /// An image of the project's own place that nothing here builds.
    NotBuilt = "not-built",
    /// The image is built, but not with this tag.
    TagMismatch = "tag-mismatch",
    /// A base whose name holds a variable without a value.
    UnresolvedBase = "unresolved-base",
    /// The build context is not there.
    MissingContext = "missing-context",
    /// The Dockerfile is not there.
    MissingDockerfile = "missing-dockerfile",
    /// The target is no stage.
    MissingTarget = "missing-target",
    /// A build argument that no ARG declares.
    UnusedArgument = "unused-argument",
    /// Which FROM an override replaced.
    ReplacedFrom = "replaced-from",
    /// An override and the FROM that it replaces name different images, or it replaces a stage.
    OverrideContradicts = "override-contradicts",
    /// A trigger on an image that the build does not use.
    TriggerContradicts = "trigger-contradicts",
    /// Nothing rebuilds the image when its base changes.
    NoTrigger = "no-trigger",
    /// A pipeline's order against that of the images.
    PipelineOrder = "pipeline-order",
    /// A pipeline names a build that is not there.
    PipelineUnknown = "pipeline-unknown",
    /// A pipeline leaves out a build that the others need or that is one of them.
    PipelineMisses = "pipeline-misses",
    /// A Makefile's order against that of the images.
    MakefileOrder = "makefile-order",
    /// The image stream that a build writes to or reads from is not declared.
    MissingImageStream = "missing-image-stream",
    /// A Dockerfile that nothing declared builds.
    Undeclared = "undeclared",
    /// An Application or kustomization points at nothing.
    MissingPath = "missing-path",
    /// A manifest that nobody applies.
    NotApplied = "not-applied",
    /// A manifest that names another revision of this repository than the others.
    OtherRevision = "other-revision",
    /// Manifests that include each other.
    IncludeCycle = "include-cycle",
    /// Two sources of the project disagree about an image.
    SourcesDisagree = "sources-disagree",
    /// Another repository's URL was taken for this one.
    OtherRemote = "other-remote",
}

impl Finding {
    /// A finding without advice.
    pub fn new(code: Code, level: Level, place: Place, message: impl Into<String>) -> Finding {
        Finding { code, level, place, message: message.into(), fix: None, images: Vec::new() }
    }

    /// An error.
    pub fn error(code: Code, place: Place, message: impl Into<String>) -> Finding {
        Finding::new(code, Level::Error, place, message)
    }

    /// A warning.
    pub fn warning(code: Code, place: Place, message: impl Into<String>) -> Finding {
        Finding::new(code, Level::Warning, place, message)
    }

    /// Something worth knowing: what was taken for what.
    pub fn note(code: Code, place: Place, message: impl Into<String>) -> Finding {
        Finding::new(code, Level::Info, place, message)
    }

    /// The same with advice.
    pub fn fix(self, fix: impl Into<String>) -> Finding {
        Finding { fix: Some(fix.into()), ..self }
    }

    /// The same with advice, if there is any.
    pub fn fix_opt(self, fix: Option<String>) -> Finding {
        Finding { fix, ..self }
    }

    /// The same about these images.
    pub fn about<S: Into<String>>(self, images: impl IntoIterator<Item = S>) -> Finding {
        Finding { images: images.into_iter().map(Into::into).collect(), ..self }
    }
}

impl fmt::Display for Code {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

impl fmt::Display for Finding {
    /// `file:line:column: level: message`, for logs; people are shown the place itself.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let level = match self.level {
            Level::Error => "error",
            Level::Warning => "warning",
            Level::Info => "info",
        };
        write!(f, "{}: {level}: {}", self.place, self.message)
    }
}
