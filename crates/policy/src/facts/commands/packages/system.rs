//! Package managers of operating systems.

use dockerfile::shell::Value;

use super::{Action, Manager, ManagerCommand, PackageRequest, Pin, RequestKind, file_package, kind_of, made};
use crate::facts::commands::options::Arguments;

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

pub(super) fn system(manager: Manager, words: &[Value]) -> Option<ManagerCommand> {
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

pub(super) fn system_package(manager: Manager, value: Value) -> PackageRequest {
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
pub(super) fn nevra(text: &str) -> (String, Pin) {
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

pub(super) fn rpm(words: &[Value]) -> Option<ManagerCommand> {
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

pub(super) fn dpkg(words: &[Value]) -> Option<ManagerCommand> {
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
