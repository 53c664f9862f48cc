//! Package managers of Node.

use dockerfile::shell::Value;

use super::{Action, Manager, ManagerCommand, PackageRequest, Pin, RequestKind, kind_of, made, revision_pin};
use crate::facts::commands::options::Arguments;

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

pub(super) fn npm(words: &[Value]) -> Option<ManagerCommand> {
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

pub(super) fn node(
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
pub(super) fn node_package(value: Value) -> PackageRequest {
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

pub(super) fn yarn(words: &[Value]) -> Option<ManagerCommand> {
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

pub(super) fn pnpm(words: &[Value]) -> Option<ManagerCommand> {
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
