//! Package managers' command lines.

mod node;
mod others;
mod python;
mod system;

use dockerfile::Span;
use dockerfile::shell::{Invocation, Value};

use super::options::Arguments;
use node::{npm, pnpm, yarn};
use others::{build_tool, bundle, cargo, composer, gem, go};
use python::{conda, pip, project_tool, uv};
pub(in crate::facts) use python::{conda_package, python_package};
use system::{dpkg, rpm, system};

/// A package manager.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
#[expect(missing_docs, reason = "the names are the programs'")]
pub enum Manager {
    Apt,
    Aptitude,
    Dnf,
    Yum,
    Microdnf,
    Zypper,
    Apk,
    Rpm,
    Dpkg,
    Pip,
    Uv,
    Poetry,
    Pipenv,
    Npm,
    Yarn,
    Pnpm,
    Conda,
    Go,
    Gem,
    Bundle,
    Cargo,
    Composer,
    Maven,
    Gradle,
    R,
}

impl Manager {
    /// Of the operating system's packages.
    pub fn is_system(self) -> bool {
        use Manager::*;
        matches!(self, Apt | Aptitude | Dnf | Yum | Microdnf | Zypper | Apk | Rpm | Dpkg)
    }

    /// dnf, yum and microdnf.
    pub fn is_dnf(self) -> bool {
        matches!(self, Manager::Dnf | Manager::Yum | Manager::Microdnf)
    }
}

/// What it is asked to do.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Action {
    /// Install what is named.
    Install,
    /// Install what a lock says, and nothing else.
    InstallLocked,
    /// Install what the project's own files say, versions open.
    InstallProject,
    /// Refresh the list of packages.
    Update,
    /// Bring everything to its latest version.
    UpgradeAll,
    /// Take packages away.
    Remove,
    /// Empty caches.
    Clean,
    /// Set an option for good: `pip config set`, `npm config set`.
    Configure,
    /// Enable a module stream, add a repository.
    Repository,
    /// Anything else.
    Other,
}

/// How a request names a version.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Pin {
    /// It names none.
    None,
    /// Exactly this one.
    Exact(String),
    /// A range, or a part of a version.
    Range(String),
    /// A name that moves: `latest`, a branch.
    Moving(String),
    /// One that is not known here.
    Unknown,
}

/// One package that is asked for.
#[derive(Debug, Clone)]
pub struct PackageRequest {
    /// The word.
    pub value: Value,
    /// The package's name, without version and extras, where it is known; of a path or URL all of it.
    pub name: String,
    /// The version.
    pub pin: Pin,
    /// What the word is.
    pub kind: RequestKind,
}

/// What a word that asks for a package is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum RequestKind {
    /// A name for the index.
    Named,
    /// A group or a pattern: `@development`.
    Group,
    /// A URL of a file.
    Url,
    /// A git repository.
    Git,
    /// A file or directory.
    Path,
}

/// One call of a package manager.
#[derive(Debug, Clone)]
pub struct ManagerCommand {
    /// Which.
    pub manager: Manager,
    /// The program as called: `apt` or `apt-get`, `pip` or `pip3`.
    pub program: String,
    /// What to do.
    pub action: Action,
    /// The word that says so: `install`.
    pub verb: Option<Value>,
    /// The packages.
    pub packages: Vec<PackageRequest>,
    /// Requirement files: `-r`, `-c`.
    pub requirements: Vec<Value>,
    /// All arguments.
    pub arguments: Arguments,
    /// The whole command.
    pub span: Span,
}

/// Reads a command, if it is a package manager's.
pub(in crate::facts::commands) fn read(command: &Invocation) -> Option<ManagerCommand> {
    let program = command.program()?;
    let arguments = command.arguments();
    let plain = program.trim_end_matches(|next: char| next.is_ascii_digit() || next == '.');
    let found = match program {
        "apt" | "apt-get" => system(Manager::Apt, arguments),
        "aptitude" => system(Manager::Aptitude, arguments),
        "dnf" | "dnf5" | "dnf-3" | "tdnf" => system(Manager::Dnf, arguments),
        "yum" => system(Manager::Yum, arguments),
        "microdnf" => system(Manager::Microdnf, arguments),
        "zypper" => system(Manager::Zypper, arguments),
        "apk" => system(Manager::Apk, arguments),
        "rpm" => rpm(arguments),
        "dpkg" => dpkg(arguments),
        "uv" => uv(arguments),
        "poetry" => project_tool(Manager::Poetry, arguments, &["install", "sync"], &["add"]),
        "pipenv" => project_tool(Manager::Pipenv, arguments, &["sync"], &["install"]),
        "npm" => npm(arguments),
        "yarn" | "yarnpkg" => yarn(arguments),
        "pnpm" => pnpm(arguments),
        "npx" => None,
        "conda" | "mamba" | "micromamba" => conda(arguments),
        "go" => go(arguments),
        "gem" => gem(arguments),
        "bundle" | "bundler" => bundle(arguments),
        "cargo" => cargo(arguments),
        "composer" | "composer.phar" => composer(arguments),
        "mvn" | "mvnw" => Some(build_tool(Manager::Maven, arguments)),
        "gradle" | "gradlew" => Some(build_tool(Manager::Gradle, arguments)),
        _ if plain == "pip" || plain == "pip-" => pip(arguments),
        _ if plain == "python" || plain == "pypy" => match arguments {
            [module, name, rest @ ..] if module.known() == Some("-m") && name.known() == Some("pip") => {
                pip(rest)
            }
            [flag, module, name, rest @ ..]
                if flag.text().starts_with('-')
                    && module.known() == Some("-m")
                    && name.known() == Some("pip") =>
            {
                pip(rest)
            }
            _ => None,
        },
        _ => None,
    }?;
    Some(ManagerCommand { program: program.to_owned(), span: command.span, ..found })
}

fn made(manager: Manager, action: Action, arguments: Arguments) -> ManagerCommand {
    ManagerCommand {
        manager,
        program: String::new(),
        action,
        verb: None,
        packages: Vec::new(),
        requirements: Vec::new(),
        arguments,
        span: Span::default(),
    }
}

fn kind_of(value: &Value, ends: &[&str]) -> RequestKind {
    let text = value.text();
    let lower = text.to_ascii_lowercase();
    if lower.starts_with("git+") || lower.starts_with("git://") || lower.starts_with("git@") {
        return RequestKind::Git;
    }
    if ["http://", "https://", "ftp://"].iter().any(|scheme| lower.starts_with(scheme)) {
        return if lower.split('#').next().is_some_and(|url| url.ends_with(".git")) {
            RequestKind::Git
        } else {
            RequestKind::Url
        };
    }
    let path = text.starts_with(['/', '.', '~'])
        || lower.starts_with("file:")
        || ends.iter().any(|end| lower.ends_with(end));
    if path { RequestKind::Path } else { RequestKind::Named }
}

fn file_package(value: Value, ends: &[&str]) -> PackageRequest {
    let kind = kind_of(&value, ends);
    let kind = if kind == RequestKind::Named { RequestKind::Path } else { kind };
    PackageRequest { name: value.text(), pin: Pin::None, kind, value }
}

/// A commit is exact; everything else may move.
pub(in crate::facts::commands) fn revision_pin(revision: &str) -> Pin {
    if revision.contains('$') {
        return Pin::Unknown;
    }
    let commit = revision.len() >= 40 && revision.bytes().all(|byte| byte.is_ascii_hexdigit());
    if commit { Pin::Exact(revision.to_owned()) } else { Pin::Moving(revision.to_owned()) }
}
