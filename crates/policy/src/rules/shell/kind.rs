//! Which shell reads a script.

use crate::facts::dockerfile::{DockerfileFacts, InstructionFacts, StageFacts};

/// Which shell reads the scripts of an instruction.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Shell {
    /// bash, by SHELL, or where `/bin/sh` is bash.
    Bash,
    /// A shell that knows POSIX alone: dash, busybox.
    Posix,
    /// Not known.
    Unknown,
}

/// By SHELL, else by the base's name: `/bin/sh` is dash on Debian, busybox on Alpine, bash on Red Hat's.
pub(super) fn shell_of(file: &DockerfileFacts, stage: &StageFacts, own: &InstructionFacts) -> Shell {
    let is_bash = |word: &str| matches!(word.rsplit('/').next(), Some("bash" | "zsh" | "ksh"));
    if let Some(shell) = &own.shell {
        return match shell
            .iter()
            .find(|word| !word.starts_with('-') && word.rsplit('/').next() != Some("env"))
        {
            Some(word) if is_bash(word) => Shell::Bash,
            Some(word) if matches!(word.rsplit('/').next(), Some("dash" | "ash" | "busybox")) => Shell::Posix,
            _ => Shell::Unknown,
        };
    }
    let Some(reference) = file.root(stage.index).and_then(|name| name.reference.as_ref()) else {
        return Shell::Unknown;
    };
    let name = reference.path().rsplit('/').next().unwrap_or_default();
    let tag = reference.tag().unwrap_or_default();
    let official = reference.domain() == "docker.io" && reference.path().starts_with("library/");
    let debian = [
        "debian",
        "ubuntu",
        "python",
        "node",
        "golang",
        "ruby",
        "php",
        "rust",
        "openjdk",
        "eclipse-temurin",
        "buildpack-deps",
        "nginx",
        "httpd",
        "maven",
        "perl",
        "postgres",
        "redis",
    ];
    if official && (name == "alpine" || name == "busybox" || tag.contains("alpine") || debian.contains(&name))
    {
        // Images of these names on Oracle Linux or UBI say so in their tags.
        return if tag.contains("oracle") || tag.contains("ubi") { Shell::Bash } else { Shell::Posix };
    }
    if super::super::base::is_ubi(reference)
        || ["fedora", "centos", "rockylinux", "almalinux"].contains(&name)
    {
        Shell::Bash
    } else {
        Shell::Unknown
    }
}

/// Whether a base's `/bin/sh` is dash: Debian's and Ubuntu's.
pub(super) fn is_dash(file: &DockerfileFacts, stage: &StageFacts) -> bool {
    let reference = file.root(stage.index).and_then(|name| name.reference.as_ref());
    reference.is_some_and(|reference| {
        let tag = reference.tag().unwrap_or_default();
        !tag.contains("alpine")
            && !["alpine", "busybox"].contains(&reference.path().rsplit('/').next().unwrap_or_default())
    })
}
