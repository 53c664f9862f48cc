//! Package managers of Go, Ruby, Rust and PHP, and Java's build tools.

use dockerfile::shell::Value;

use super::{Action, Manager, ManagerCommand, PackageRequest, Pin, RequestKind, kind_of, made, revision_pin};
use crate::facts::commands::options::Arguments;

pub(super) fn go(words: &[Value]) -> Option<ManagerCommand> {
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

pub(super) fn go_module(value: Value) -> PackageRequest {
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

pub(super) fn gem(words: &[Value]) -> Option<ManagerCommand> {
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

pub(super) fn bundle(words: &[Value]) -> Option<ManagerCommand> {
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

pub(super) fn cargo(words: &[Value]) -> Option<ManagerCommand> {
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

pub(super) fn composer(words: &[Value]) -> Option<ManagerCommand> {
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

pub(super) fn build_tool(manager: Manager, words: &[Value]) -> ManagerCommand {
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
