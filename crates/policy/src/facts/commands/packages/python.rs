//! Package managers of Python, and conda.

use dockerfile::shell::Value;

use super::{
    Action, Manager, ManagerCommand, PackageRequest, Pin, RequestKind, file_package, kind_of, made,
    revision_pin,
};
use crate::facts::commands::options::Arguments;

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

pub(super) fn pip(words: &[Value]) -> Option<ManagerCommand> {
    let arguments = Arguments::parse(words, PIP_VALUED);
    pip_command(Manager::Pip, arguments, None)
}

pub(super) fn pip_command(
    manager: Manager,
    arguments: Arguments,
    verb_before: Option<Value>,
) -> Option<ManagerCommand> {
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
pub(in crate::facts) fn python_package(value: Value) -> PackageRequest {
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
pub(super) fn git_pin(url: &str) -> Pin {
    let path = url.split_once("://").map_or(url, |(_, rest)| rest);
    let path = path.split('#').next().unwrap_or_default();
    // The first part may have a user: `ssh://git@host/path`.
    let after_host = path.split_once('/').map_or("", |(_, rest)| rest);
    match after_host.rsplit_once('@') {
        Some((_, revision)) => revision_pin(revision),
        None => Pin::None,
    }
}

pub(super) fn uv(words: &[Value]) -> Option<ManagerCommand> {
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

pub(super) fn project_tool(
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

pub(super) fn conda(words: &[Value]) -> Option<ManagerCommand> {
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
pub(in crate::facts) fn conda_package(value: Value) -> PackageRequest {
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
