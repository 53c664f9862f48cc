//! Package managers' command lines.

use dockerfile::Span;
use dockerfile::shell::{Invocation, Value};

use super::options::Arguments;

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
pub(super) fn read(command: &Invocation) -> Option<ManagerCommand> {
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

const APT_VALUED: &[&str] = &[
    "-o",
    "--option",
    "-t",
    "--target-release",
    "--default-release",
    "-c",
    "--config-file",
    "-a",
    "--host-architecture",
    "-P",
    "--build-profiles",
];
const DNF_VALUED: &[&str] = &[
    "--setopt",
    "--releasever",
    "--enablerepo",
    "--disablerepo",
    "--repo",
    "--repoid",
    "--installroot",
    "--exclude",
    "-x",
    "-c",
    "--config",
    "--repofrompath",
    "--forcearch",
    "--disableplugin",
    "--enableplugin",
    "--advisory",
    "--disableexcludes",
    "-d",
    "-e",
    "-R",
    "--rpmverbosity",
    "--downloaddir",
    "--destdir",
    "--comment",
    "--color",
];
const ZYPPER_VALUED: &[&str] =
    &["-r", "--repo", "--root", "-R", "--plus-repo", "-p", "--from", "-t", "--type", "-D", "-C"];
const APK_VALUED: &[&str] = &[
    "-t",
    "--virtual",
    "-X",
    "--repository",
    "-p",
    "--root",
    "--keys-dir",
    "--repositories-file",
    "--wait",
    "--cache-dir",
    "--cache-max-age",
    "--arch",
    "--progress-fd",
];

fn system(manager: Manager, words: &[Value]) -> Option<ManagerCommand> {
    let valued = match manager {
        Manager::Apt | Manager::Aptitude => APT_VALUED,
        Manager::Apk => APK_VALUED,
        Manager::Zypper => ZYPPER_VALUED,
        _ => DNF_VALUED,
    };
    let arguments = Arguments::parse(words, valued);
    let mut operands: Vec<Value> = arguments.operands().cloned().collect();
    if operands.is_empty() {
        return Some(made(manager, Action::Other, arguments));
    }
    let verb = operands.remove(0);
    let action = match (manager, verb.text().as_str()) {
        (_, "install" | "reinstall" | "localinstall" | "groupinstall" | "build-dep" | "add" | "in") => {
            Action::Install
        }
        (Manager::Apt | Manager::Aptitude | Manager::Apk, "update") => Action::Update,
        (Manager::Zypper, "refresh" | "ref") => Action::Update,
        (_, "makecache" | "check-update") => Action::Update,
        (
            _,
            "update" | "upgrade" | "dist-upgrade" | "full-upgrade" | "distro-sync" | "update-minimal"
            | "upgrade-minimal" | "up" | "dup",
        ) => {
            if operands.is_empty() {
                Action::UpgradeAll
            } else {
                Action::Install
            }
        }
        (_, "remove" | "erase" | "purge" | "autoremove" | "autopurge" | "del" | "rm") => Action::Remove,
        (_, "clean" | "autoclean" | "cc" | "cache") => Action::Clean,
        (_, "module" | "config-manager" | "copr" | "addrepo" | "ar") => Action::Repository,
        _ => Action::Other,
    };
    let mut found = made(manager, action, arguments);
    if action == Action::Install {
        found.packages = operands.into_iter().map(|value| system_package(manager, value)).collect();
    }
    found.verb = Some(verb);
    Some(found)
}

fn system_package(manager: Manager, value: Value) -> PackageRequest {
    let text = value.text();
    let kind = kind_of(&value, &[".rpm", ".deb", ".apk"]);
    let kind = if text.starts_with('@') { RequestKind::Group } else { kind };
    if kind != RequestKind::Named {
        return PackageRequest { name: text, pin: Pin::None, kind, value };
    }
    let sign = match manager {
        Manager::Apt | Manager::Aptitude | Manager::Zypper => '=',
        Manager::Apk => '~',
        _ => '\0',
    };
    let (name, pin) = if manager == Manager::Apk {
        let end = text.find(['=', '~', '<', '>', '@']).unwrap_or(text.len());
        let version = text[end..].trim_start_matches(['=', '~', '<', '>']);
        let pin = match &text[end..] {
            "" => Pin::None,
            rest if rest.starts_with('=') => Pin::Exact(version.to_owned()),
            rest if rest.starts_with('@') => Pin::None,
            _ => Pin::Range(version.to_owned()),
        };
        (text[..end].to_owned(), pin)
    } else if sign != '\0' {
        match text.split_once(sign) {
            Some((name, version)) if version.contains('*') => {
                (name.to_owned(), Pin::Range(version.to_owned()))
            }
            Some((name, version)) => (name.to_owned(), Pin::Exact(version.to_owned())),
            None => (text.clone(), Pin::None),
        }
    } else {
        nevra(&text)
    };
    let pin = if value.is_unknown() { Pin::Unknown } else { pin };
    PackageRequest { name, pin, kind, value }
}

/// `name-version-release.arch`, as dnf takes it: a version begins with a digit, or is a variable, after the last dashes.
fn nevra(text: &str) -> (String, Pin) {
    let dashes: Vec<usize> = text.match_indices('-').map(|(at, _)| at).collect();
    for at in dashes.iter().rev().take(2).rev() {
        let version = &text[at + 1..];
        let digits = version.starts_with(|next: char| next.is_ascii_digit() || next == '$');
        // `java-17-openjdk` and `python3-pip` are names: what follows a version is another number, a release.
        let rest_is_version = version
            .split('-')
            .all(|part| part.starts_with(|next: char| next.is_ascii_digit() || next == '$' || next == '*'));
        let dotted =
            version.contains('.') || version.contains('$') || version.contains('-') || version.contains('*');
        if digits && rest_is_version && dotted {
            let pin = if version.contains('*') {
                Pin::Range(version.to_owned())
            } else {
                Pin::Exact(version.to_owned())
            };
            return (text[..*at].to_owned(), pin);
        }
    }
    (text.to_owned(), Pin::None)
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

fn rpm(words: &[Value]) -> Option<ManagerCommand> {
    let arguments = Arguments::parse(
        words,
        &["--root", "--dbpath", "--define", "-D", "--prefix", "--relocate", "--eval", "-E", "--queryformat"],
    );
    let import = arguments.has(&["--import"]);
    let installs = arguments.has(&["-i", "--install", "-U", "--upgrade", "-F", "--freshen"])
        && !arguments.has(&["-q", "--query", "-V"]);
    let action = if installs && !import { Action::Install } else { Action::Other };
    let packages: Vec<PackageRequest> = match action {
        Action::Install => {
            arguments.operands().cloned().map(|value| file_package(value, &[".rpm"])).collect()
        }
        _ => Vec::new(),
    };
    Some(ManagerCommand { packages, ..made(Manager::Rpm, action, arguments) })
}

fn dpkg(words: &[Value]) -> Option<ManagerCommand> {
    let arguments = Arguments::parse(words, &["--root", "--admindir", "--instdir"]);
    let action =
        if arguments.has(&["-i", "--install", "--unpack"]) { Action::Install } else { Action::Other };
    let packages: Vec<PackageRequest> = match action {
        Action::Install => {
            arguments.operands().cloned().map(|value| file_package(value, &[".deb"])).collect()
        }
        _ => Vec::new(),
    };
    Some(ManagerCommand { packages, ..made(Manager::Dpkg, action, arguments) })
}

fn file_package(value: Value, ends: &[&str]) -> PackageRequest {
    let kind = kind_of(&value, ends);
    let kind = if kind == RequestKind::Named { RequestKind::Path } else { kind };
    PackageRequest { name: value.text(), pin: Pin::None, kind, value }
}

const PIP_VALUED: &[&str] = &[
    "-i",
    "--index-url",
    "--pypi-url",
    "--extra-index-url",
    "--trusted-host",
    "-r",
    "--requirement",
    "-c",
    "--constraint",
    "-f",
    "--find-links",
    "-t",
    "--target",
    "--prefix",
    "--root",
    "--src",
    "-e",
    "--editable",
    "--no-binary",
    "--only-binary",
    "--platform",
    "--python-version",
    "--implementation",
    "--abi",
    "--progress-bar",
    "--cache-dir",
    "--timeout",
    "--default-timeout",
    "--retries",
    "--proxy",
    "--cert",
    "--client-cert",
    "--log",
    "--exists-action",
    "--upgrade-strategy",
    "--config-settings",
    "-C",
    "--global-option",
    "--install-option",
    "--report",
    "--root-user-action",
    "--python",
    "--use-feature",
    "-d",
    "--dest",
    "-w",
    "--wheel-dir",
    "--build-constraint",
    "--group",
];

fn pip(words: &[Value]) -> Option<ManagerCommand> {
    let arguments = Arguments::parse(words, PIP_VALUED);
    pip_command(Manager::Pip, arguments, None)
}

fn pip_command(manager: Manager, arguments: Arguments, verb_before: Option<Value>) -> Option<ManagerCommand> {
    let mut operands: Vec<Value> = arguments.operands().cloned().collect();
    if let Some(before) = &verb_before {
        operands.retain(|operand| operand.span != before.span);
    }
    if operands.is_empty() {
        return Some(made(manager, Action::Other, arguments));
    }
    let verb = operands.remove(0);
    let action = match verb.text().as_str() {
        "install" | "download" | "wheel" => Action::Install,
        "sync" => Action::InstallLocked,
        "uninstall" => Action::Remove,
        "config" => Action::Configure,
        "cache" => Action::Clean,
        _ => Action::Other,
    };
    let mut found = made(manager, action, arguments);
    if matches!(action, Action::Install | Action::InstallLocked) {
        let requirements = found.arguments.options(&["-r", "--requirement"]);
        found.requirements = requirements.filter_map(|(value, _)| value.cloned()).collect();
        let editable = found.arguments.options(&["-e", "--editable"]).filter_map(|(value, _)| value.cloned());
        let editable: Vec<PackageRequest> = editable.map(|value| file_package(value, &[])).collect();
        if action == Action::InstallLocked {
            found.requirements.extend(operands);
        } else {
            found.packages = operands.into_iter().map(python_package).chain(editable).collect();
        }
        if found.packages.is_empty()
            && !found.requirements.is_empty()
            && found.arguments.has(&["--require-hashes"])
        {
            found.action = Action::InstallLocked;
        }
    }
    found.verb = Some(verb);
    Some(found)
}

/// `name[extra]==1.2; marker`, `name @ url`, a URL, a path.
fn python_package(value: Value) -> PackageRequest {
    let kind = kind_of(&value, &[".whl", ".tar.gz", ".zip", ".tgz", ".tar.bz2"]);
    let text = value.text();
    if let Some((name, url)) = text.split_once(" @ ") {
        let inner = Value::known_text(url, value.span);
        let kind = match kind_of(&inner, &[]) {
            RequestKind::Named => RequestKind::Path,
            other => other,
        };
        return PackageRequest { name: name.to_owned(), pin: git_pin(url), kind, value };
    }
    match kind {
        RequestKind::Named => {}
        RequestKind::Git => return PackageRequest { pin: git_pin(&text), name: text, kind, value },
        _ => return PackageRequest { name: text, pin: Pin::None, kind, value },
    }
    let requirement = text.split(';').next().unwrap_or_default().trim();
    let end = requirement.find(['=', '<', '>', '!', '~', '[', ' ']).unwrap_or(requirement.len());
    let name = requirement[..end].to_owned();
    let rest = requirement[end..].trim_start();
    let version =
        if rest.starts_with('[') { rest.split_once(']').map_or("", |(_, rest)| rest) } else { rest }.trim();
    let pin = if version.is_empty() {
        if value.pieces.len() > 1 || value.is_unknown() { Pin::Unknown } else { Pin::None }
    } else if let Some(exact) = version.strip_prefix("===").or_else(|| version.strip_prefix("==")) {
        let exact = exact.trim();
        if exact.ends_with(".*") || exact.contains(',') {
            Pin::Range(exact.to_owned())
        } else {
            Pin::Exact(exact.to_owned())
        }
    } else {
        Pin::Range(version.to_owned())
    };
    PackageRequest { name, pin, kind, value }
}

/// The revision after `@` or `#` of a git URL.
fn git_pin(url: &str) -> Pin {
    let path = url.split_once("://").map_or(url, |(_, rest)| rest);
    let path = path.split('#').next().unwrap_or_default();
    // The first part may have a user: `ssh://git@host/path`.
    let after_host = path.split_once('/').map_or("", |(_, rest)| rest);
    match after_host.rsplit_once('@') {
        Some((_, revision)) => revision_pin(revision),
        None => Pin::None,
    }
}

/// A commit is exact; everything else may move.
pub(super) fn revision_pin(revision: &str) -> Pin {
    if revision.contains('$') {
        return Pin::Unknown;
    }
    let commit = revision.len() >= 40 && revision.bytes().all(|byte| byte.is_ascii_hexdigit());
    if commit { Pin::Exact(revision.to_owned()) } else { Pin::Moving(revision.to_owned()) }
}

fn uv(words: &[Value]) -> Option<ManagerCommand> {
    let mut valued: Vec<&str> = PIP_VALUED.to_vec();
    valued.extend([
        "--index",
        "--default-index",
        "--extra",
        "--group",
        "--directory",
        "--project",
        "-p",
        "--python",
        "--allow-insecure-host",
        "--with",
    ]);
    valued.retain(|name| *name != "-C");
    let arguments = Arguments::parse(words, &valued);
    let first = arguments.operands().next().cloned()?;
    match first.text().as_str() {
        "pip" => pip_command(Manager::Uv, arguments, Some(first)),
        verb => {
            let action = match verb {
                "sync" if arguments.has(&["--frozen", "--locked"]) => Action::InstallLocked,
                "sync" => Action::InstallProject,
                "add" => Action::Install,
                "tool" => Action::Install,
                "cache" => Action::Clean,
                _ => Action::Other,
            };
            let skip = if verb == "tool" { 2 } else { 1 };
            let mut found = made(Manager::Uv, action, arguments);
            if action == Action::Install {
                let operands: Vec<Value> = found.arguments.operands().skip(skip).cloned().collect();
                found.packages = operands.into_iter().map(python_package).collect();
            }
            found.verb = Some(first);
            Some(found)
        }
    }
}

fn project_tool(
    manager: Manager,
    words: &[Value],
    locked: &[&str],
    named: &[&str],
) -> Option<ManagerCommand> {
    let arguments = Arguments::parse(
        words,
        &[
            "-C",
            "--directory",
            "--group",
            "--with",
            "--without",
            "--only",
            "-E",
            "--extras",
            "-r",
            "--python",
        ],
    );
    let mut operands: Vec<Value> = arguments.operands().cloned().collect();
    let verb = if operands.is_empty() { return None } else { operands.remove(0) };
    let text = verb.text();
    let action = if locked.contains(&text.as_str()) || arguments.has(&["--deploy", "--ignore-pipfile"]) {
        Action::InstallLocked
    } else if named.contains(&text.as_str()) {
        if operands.is_empty() { Action::InstallProject } else { Action::Install }
    } else {
        Action::Other
    };
    let mut found = made(manager, action, arguments);
    if action == Action::Install {
        found.packages = operands.into_iter().map(python_package).collect();
    }
    found.verb = Some(verb);
    Some(found)
}

const NPM_VALUED: &[&str] = &[
    "--registry",
    "--prefix",
    "-C",
    "--cache",
    "--userconfig",
    "--workspace",
    "-w",
    "--omit",
    "--include",
    "--tag",
    "--loglevel",
    "--network-timeout",
    "--cwd",
    "--filter",
    "-F",
    "--dir",
    "--store-dir",
    "--modules-folder",
    "--cache-folder",
    "--mutex",
];

fn npm(words: &[Value]) -> Option<ManagerCommand> {
    let arguments = Arguments::parse(words, NPM_VALUED);
    let mut operands: Vec<Value> = arguments.operands().cloned().collect();
    let verb = if operands.is_empty() { return None } else { operands.remove(0) };
    let action = match verb.text().as_str() {
        "ci" | "clean-install" | "install-clean" => Action::InstallLocked,
        "install" | "i" | "add" | "in" | "isntall" => {
            if operands.is_empty() {
                Action::InstallProject
            } else {
                Action::Install
            }
        }
        "update" | "up" | "upgrade" => Action::UpgradeAll,
        "config" | "c" | "set" => Action::Configure,
        "cache" => Action::Clean,
        _ => Action::Other,
    };
    Some(node(Manager::Npm, action, arguments, verb, operands))
}

fn node(
    manager: Manager,
    action: Action,
    arguments: Arguments,
    verb: Value,
    operands: Vec<Value>,
) -> ManagerCommand {
    let mut found = made(manager, action, arguments);
    if action == Action::Install {
        found.packages = operands.into_iter().map(node_package).collect();
    }
    found.verb = Some(verb);
    found
}

/// `name@1.2.3`, `@scope/name@^1`, a URL, a path.
fn node_package(value: Value) -> PackageRequest {
    let text = value.text();
    let kind = kind_of(&value, &[".tgz", ".tar.gz"]);
    let kind =
        if text.starts_with("github:") || text.starts_with("gitlab:") { RequestKind::Git } else { kind };
    if kind == RequestKind::Git {
        let pin = text.split_once('#').map_or(Pin::None, |(_, revision)| revision_pin(revision));
        return PackageRequest { name: text, pin, kind, value };
    }
    if kind != RequestKind::Named {
        return PackageRequest { name: text, pin: Pin::None, kind, value };
    }
    let at = text.char_indices().skip(1).find(|(_, next)| *next == '@').map(|(at, _)| at);
    let (name, version) = match at {
        Some(at) => (&text[..at], Some(&text[at + 1..])),
        None => (text.as_str(), None),
    };
    let pin = match version {
        None if value.is_unknown() => Pin::Unknown,
        None => Pin::None,
        Some(version) if version.starts_with('$') => Pin::Exact(version.to_owned()),
        Some(version) => {
            let numbers = version.trim_start_matches('v');
            let exact = numbers.split(['-', '+']).next().is_some_and(|core| core.split('.').count() == 3)
                && numbers.starts_with(|next: char| next.is_ascii_digit())
                && !numbers.contains(['x', '*', ' ']);
            let tag =
                version.starts_with(|next: char| next.is_ascii_alphabetic()) && !version.starts_with('v');
            match (exact, tag) {
                (true, _) => Pin::Exact(version.to_owned()),
                (_, true) => Pin::Moving(version.to_owned()),
                _ => Pin::Range(version.to_owned()),
            }
        }
    };
    PackageRequest { name: name.to_owned(), pin, kind, value }
}

fn yarn(words: &[Value]) -> Option<ManagerCommand> {
    let arguments = Arguments::parse(words, NPM_VALUED);
    let mut operands: Vec<Value> = arguments.operands().cloned().collect();
    let locked = arguments.has(&["--frozen-lockfile", "--immutable"]);
    let bare = if locked { Action::InstallLocked } else { Action::InstallProject };
    if operands.is_empty() {
        let action = if arguments.has(&["--version", "-v", "--help"]) { Action::Other } else { bare };
        return Some(made(Manager::Yarn, action, arguments));
    }
    let mut verb = operands.remove(0);
    if verb.known() == Some("global") && !operands.is_empty() {
        verb = operands.remove(0);
    }
    let action = match verb.text().as_str() {
        "install" => bare,
        "add" => Action::Install,
        "upgrade" | "up" => Action::UpgradeAll,
        "cache" => Action::Clean,
        "config" => Action::Configure,
        _ => Action::Other,
    };
    Some(node(Manager::Yarn, action, arguments, verb, operands))
}

fn pnpm(words: &[Value]) -> Option<ManagerCommand> {
    let arguments = Arguments::parse(words, NPM_VALUED);
    let mut operands: Vec<Value> = arguments.operands().cloned().collect();
    let verb = if operands.is_empty() { return None } else { operands.remove(0) };
    let locked = arguments.has(&["--frozen-lockfile"]);
    let action = match verb.text().as_str() {
        "install" | "i" | "add" => match (operands.is_empty(), locked) {
            (false, _) => Action::Install,
            (true, true) => Action::InstallLocked,
            (true, false) => Action::InstallProject,
        },
        "fetch" => Action::InstallLocked,
        "update" | "up" => Action::UpgradeAll,
        "store" => Action::Clean,
        _ => Action::Other,
    };
    Some(node(Manager::Pnpm, action, arguments, verb, operands))
}

fn conda(words: &[Value]) -> Option<ManagerCommand> {
    let valued = &[
        "-n",
        "--name",
        "-p",
        "--prefix",
        "-c",
        "--channel",
        "-f",
        "--file",
        "--solver",
        "--experimental-solver",
        "-r",
        "--root-prefix",
    ];
    let arguments = Arguments::parse(words, valued);
    let mut operands: Vec<Value> = arguments.operands().cloned().collect();
    let mut verb = if operands.is_empty() { return None } else { operands.remove(0) };
    if verb.known() == Some("env") && !operands.is_empty() {
        verb = operands.remove(0);
    }
    let file = arguments.has(&["-f", "--file"]);
    let action = match verb.text().as_str() {
        "install" | "create" | "update" | "upgrade" if file => Action::InstallProject,
        "update" | "upgrade" if operands.is_empty() || arguments.has(&["--all"]) => Action::UpgradeAll,
        "install" | "create" | "update" | "upgrade" => Action::Install,
        "remove" | "uninstall" => Action::Remove,
        "clean" => Action::Clean,
        "config" => Action::Configure,
        _ => Action::Other,
    };
    let mut found = made(Manager::Conda, action, arguments);
    found.requirements =
        found.arguments.options(&["-f", "--file"]).filter_map(|(value, _)| value.cloned()).collect();
    if action == Action::Install {
        found.packages = operands.into_iter().map(conda_package).collect();
    }
    found.verb = Some(verb);
    Some(found)
}

/// `channel::name=1.2=build`, `name>=1`.
fn conda_package(value: Value) -> PackageRequest {
    let text = value.text();
    let spec = text.rsplit("::").next().unwrap_or(&text);
    let end = spec.find(['=', '<', '>', '!', ' ', '[']).unwrap_or(spec.len());
    let version = spec[end..].trim();
    let pin = match version {
        "" if value.is_unknown() => Pin::Unknown,
        "" => Pin::None,
        version if version.starts_with('=') => {
            let number = version.trim_start_matches('=');
            if number.contains('*') || number.contains(',') {
                Pin::Range(number.to_owned())
            } else {
                Pin::Exact(number.to_owned())
            }
        }
        version => Pin::Range(version.to_owned()),
    };
    PackageRequest { name: spec[..end].to_owned(), pin, kind: RequestKind::Named, value }
}

fn go(words: &[Value]) -> Option<ManagerCommand> {
    let arguments = Arguments::parse(words, &["-ldflags", "-tags", "-o", "-mod", "-modfile", "-C"]);
    let mut operands: Vec<Value> =
        words.iter().filter(|word| !word.text().starts_with('-')).cloned().collect();
    let verb = if operands.is_empty() { return None } else { operands.remove(0) };
    let action = match verb.text().as_str() {
        "install" | "get" | "run" => Action::Install,
        "mod" if operands.first().and_then(Value::known) == Some("download") => Action::InstallLocked,
        "clean" => Action::Clean,
        _ => Action::Other,
    };
    let mut found = made(Manager::Go, action, arguments);
    if action == Action::Install {
        // Only a path with a host is somebody else's module.
        let foreign = |word: &Value| {
            let text = word.text();
            let host = text.split('/').next().unwrap_or_default();
            !text.starts_with(['.', '/']) && host.contains('.') && text.contains('/')
        };
        found.packages = operands.into_iter().filter(foreign).map(go_module).collect();
    }
    found.verb = Some(verb);
    Some(found)
}

fn go_module(value: Value) -> PackageRequest {
    let text = value.text();
    let (name, pin) = match text.split_once('@') {
        None => (text.clone(), Pin::None),
        Some((name, version)) => {
            let exact = version.starts_with('v')
                && version.split(['-', '+']).next().is_some_and(|core| core.split('.').count() == 3)
                || version.contains('$')
                || matches!(revision_pin(version), Pin::Exact(_));
            let pin = if exact { Pin::Exact(version.to_owned()) } else { Pin::Moving(version.to_owned()) };
            (name.to_owned(), pin)
        }
    };
    PackageRequest { name, pin, kind: RequestKind::Named, value }
}

fn gem(words: &[Value]) -> Option<ManagerCommand> {
    let arguments = Arguments::parse(
        words,
        &[
            "-v",
            "--version",
            "-i",
            "--install-dir",
            "-n",
            "--bindir",
            "-s",
            "--source",
            "-P",
            "--trust-policy",
            "--platform",
        ],
    );
    let mut operands: Vec<Value> = arguments.operands().cloned().collect();
    let verb = if operands.is_empty() { return None } else { operands.remove(0) };
    let action = match verb.text().as_str() {
        "install" | "i" => Action::Install,
        "update" => Action::UpgradeAll,
        "sources" => Action::Repository,
        _ => Action::Other,
    };
    let mut found = made(Manager::Gem, action, arguments);
    if action == Action::Install {
        let version =
            found.arguments.option(&["-v", "--version"]).and_then(|(value, _)| value).map(Value::text);
        found.packages = operands
            .into_iter()
            .map(|value| {
                let text = value.text();
                let (name, own) = match text.split_once(':') {
                    Some((name, version)) => (name.to_owned(), Some(version.to_owned())),
                    None => (text.clone(), version.clone()),
                };
                let pin = match own {
                    None => Pin::None,
                    Some(version) if version.contains(['~', '>', '<']) => Pin::Range(version),
                    Some(version) => Pin::Exact(version),
                };
                let kind = kind_of(&value, &[".gem"]);
                PackageRequest { name, pin, kind, value }
            })
            .collect();
    }
    found.verb = Some(verb);
    Some(found)
}

fn bundle(words: &[Value]) -> Option<ManagerCommand> {
    let arguments =
        Arguments::parse(words, &["--gemfile", "--path", "--without", "--with", "-j", "--jobs", "--retry"]);
    let verb = arguments.operands().next().cloned();
    let action = match verb.as_ref().map(Value::text).as_deref() {
        None | Some("install") if arguments.has(&["--deployment", "--frozen"]) => Action::InstallLocked,
        None | Some("install") => Action::InstallProject,
        Some("update") => Action::UpgradeAll,
        Some("config") => Action::Configure,
        _ => Action::Other,
    };
    Some(ManagerCommand { verb, ..made(Manager::Bundle, action, arguments) })
}

fn cargo(words: &[Value]) -> Option<ManagerCommand> {
    let valued = &[
        "--version",
        "--vers",
        "--git",
        "--branch",
        "--tag",
        "--rev",
        "--path",
        "--root",
        "--features",
        "-F",
        "--target",
        "--registry",
        "--index",
        "--profile",
        "-j",
        "--jobs",
        "--manifest-path",
        "--target-dir",
        "-p",
        "--package",
        "--bin",
        "--config",
    ];
    let arguments = Arguments::parse(words, valued);
    let mut operands: Vec<Value> =
        arguments.operands().filter(|word| !word.text().starts_with('+')).cloned().collect();
    let verb = if operands.is_empty() { return None } else { operands.remove(0) };
    let locked = arguments.has(&["--locked", "--frozen"]);
    let action = match verb.text().as_str() {
        "install" | "binstall" if arguments.has(&["--path"]) => Action::Other,
        "install" | "binstall" => Action::Install,
        "build" | "b" if locked => Action::InstallLocked,
        "build" | "b" | "fetch" => Action::InstallProject,
        "update" => Action::UpgradeAll,
        _ => Action::Other,
    };
    let mut found = made(Manager::Cargo, action, arguments);
    if action == Action::Install {
        let version = found
            .arguments
            .option(&["--version", "--vers", "--rev"])
            .and_then(|(value, _)| value)
            .map(Value::text);
        found.packages = operands
            .into_iter()
            .map(|value| {
                let text = value.text();
                let (name, own) = match text.split_once('@') {
                    Some((name, version)) => (name.to_owned(), Some(version.to_owned())),
                    None => (text.clone(), version.clone()),
                };
                let pin = match own {
                    None => Pin::None,
                    Some(version) if version.starts_with(['^', '~', '>', '<', '*']) => Pin::Range(version),
                    Some(version) => Pin::Exact(version),
                };
                PackageRequest { name, pin, kind: RequestKind::Named, value }
            })
            .collect();
        if let Some((Some(url), _)) = found.arguments.option(&["--git"]) {
            let pin = match &version {
                Some(revision) => revision_pin(revision),
                None => Pin::None,
            };
            found.packages =
                vec![PackageRequest { name: url.text(), pin, kind: RequestKind::Git, value: url.clone() }];
        }
    }
    found.verb = Some(verb);
    Some(found)
}

fn composer(words: &[Value]) -> Option<ManagerCommand> {
    let arguments = Arguments::parse(words, &["-d", "--working-dir"]);
    let mut operands: Vec<Value> = arguments.operands().cloned().collect();
    let verb = if operands.is_empty() { return None } else { operands.remove(0) };
    if verb.known() == Some("global") && !operands.is_empty() {
        operands.remove(0);
    }
    let action = match verb.text().as_str() {
        "install" | "i" => Action::InstallLocked,
        "update" | "upgrade" | "u" => Action::UpgradeAll,
        "config" => Action::Configure,
        _ => Action::Other,
    };
    Some(ManagerCommand { verb: Some(verb), ..made(Manager::Composer, action, arguments) })
}

fn build_tool(manager: Manager, words: &[Value]) -> ManagerCommand {
    let arguments = Arguments::parse(
        words,
        &[
            "-D",
            "-s",
            "--settings",
            "-f",
            "--file",
            "-P",
            "-pl",
            "-T",
            "-gs",
            "-p",
            "-b",
            "-I",
            "--init-script",
        ],
    );
    made(manager, Action::InstallProject, arguments)
}
