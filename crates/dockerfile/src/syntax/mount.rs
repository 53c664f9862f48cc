//! `RUN --mount`.

use crate::source::{Span, Spanned};

/// A mount as written: a list of `key=value`. Values expand, the type's too, so that its kind is only known
/// after [`Mount::resolve`].
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Mount {
    /// The fields in order; keys are in lower case.
    pub fields: Vec<MountField>,
    /// The whole flag.
    pub span: Span,
}

/// One field of a mount.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct MountField {
    /// The key in lower case.
    pub key: Spanned<String>,
    /// The unexpanded value, if there is a `=`.
    pub value: Option<String>,
    /// The value's place, else the field's.
    pub span: Span,
}

/// A mount with its values expanded.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ResolvedMount {
    /// Where to; may be relative to the working directory. Empty where nothing was said: the place a secret or an ssh
    /// socket then has is in its kind's documentation.
    pub target: String,
    /// No writing.
    pub read_only: bool,
    /// The rest.
    pub kind: MountKind,
}

/// What is mounted.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum MountKind {
    /// A directory or file of a stage, an image or a build context. Writes, where allowed, are discarded.
    Bind {
        /// A stage, image or named context; nothing means the build context.
        from: Option<String>,
        /// The path in it; empty means the root.
        source: String,
    },
    /// A directory that outlives the build.
    Cache {
        /// Which one; nothing means the target's path.
        id: Option<String>,
        /// What is in it at first; nothing means an empty directory.
        from: Option<String>,
        /// The path in `from`.
        source: String,
        /// How several steps share it.
        sharing: Sharing,
        /// Mode, owner and group of a new directory.
        owner: Owner,
    },
    /// An empty directory in memory.
    Tmpfs {
        /// Largest size in bytes; 0 means no limit.
        size: u64,
    },
    /// A secret as a file, an environment variable, or both. Without a target and without `env`, the file is
    /// `/run/secrets/` and the last part of the id.
    Secret {
        /// Which one: `id`, else `source`, else the last part of the target.
        id: String,
        /// The environment variable.
        env: Option<String>,
        /// The step fails where there is no such secret.
        required: bool,
        /// Of the file; 0400, 0 and 0 by default.
        owner: Owner,
    },
    /// A socket of an ssh agent. Without a target it is `/run/buildkit/ssh_agent.` and a number.
    Ssh {
        /// Which one; `default` where not given.
        id: String,
        /// The step fails where there is no such agent.
        required: bool,
        /// Of the socket; 0600, 0 and 0 by default.
        owner: Owner,
    },
}

/// Mode, user id and group id, where given.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Owner {
    /// `mode`, octal.
    pub mode: Option<u32>,
    /// `uid`.
    pub uid: Option<u32>,
    /// `gid`.
    pub gid: Option<u32>,
}

/// `sharing` of a cache mount.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub enum Sharing {
    /// Several at once.
    #[default]
    Shared,
    /// A second one gets a directory of its own.
    Private,
    /// A second one waits.
    Locked,
}

impl Sharing {
    /// The word for it in a Dockerfile.
    pub fn name(self) -> &'static str {
        match self {
            Sharing::Shared => "shared",
            Sharing::Private => "private",
            Sharing::Locked => "locked",
        }
    }
}

impl Mount {
    /// The stage, image or context that the mount reads from, unexpanded: BuildKit does not allow variables in it.
    pub fn from(&self) -> Option<&str> {
        self.from_field().map(|(from, _)| from)
    }

    /// The same with its place.
    pub fn from_field(&self) -> Option<(&str, Span)> {
        let field = self.fields.iter().rev().find(|field| field.key.value == "from")?;
        let from = field.value.as_deref().filter(|from| !from.is_empty())?;
        Some((from, field.span))
    }
}
