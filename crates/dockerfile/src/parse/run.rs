//! RUN.

use super::command::{Command, Flags};
use super::instruction::{Context, RUN_FLAGS, shell_or_exec};
use super::mount;
use crate::diagnostic::Diagnostic;
use crate::source::Spanned;
use crate::suggest::nearest;
use crate::syntax::{CommandLine, Heredoc, Network, Run, Security, Word};

pub(super) fn run(command: &Command<'_>, heredocs: Vec<Heredoc>, cx: &mut Context<'_>) -> Option<Run> {
    let mut flags = Flags::read(command, RUN_FLAGS, cx.sink);
    let networks = [("default", Network::Default), ("none", Network::None), ("host", Network::Host)];
    let network = choice(flags.value("network"), "network", &networks, cx);
    let securities = [("sandbox", Security::Sandbox), ("insecure", Security::Insecure)];
    let security = choice(flags.value("security"), "security", &securities, cx);
    let mounts = flags.values("mount").into_iter().filter_map(|word| mount::parse(word, cx)).collect();
    let devices = flags.values("device");
    for device in &devices {
        let found = Diagnostic::error(device.span, "`--device` is not supported");
        cx.sink.push(found.hint("a step's sandbox has no devices of the machine"));
    }
    let line = shell_or_exec(command.rest, "RUN", cx)?;
    match &line {
        CommandLine::Exec(arguments) if arguments.is_empty() => {
            cx.sink.push(Diagnostic::error(command.span(), "RUN needs a command"));
            return None;
        }
        CommandLine::Shell(text) if text.is_empty() => {
            cx.sink.push(Diagnostic::warning(command.span(), "RUN has no command"));
        }
        _ => {}
    }
    Some(Run { command: line, heredocs, mounts, network, security, devices })
}

/// The value of a flag that has a few words to choose from.
fn choice<T: Copy>(
    word: Option<Word>,
    flag: &str,
    choices: &[(&str, T)],
    cx: &mut Context<'_>,
) -> Option<Spanned<T>> {
    let word = word?;
    if let Some((_, value)) = choices.iter().find(|(name, _)| *name == word.raw) {
        return Some(Spanned::new(*value, word.span));
    }
    let names = choices.iter().map(|(name, _)| *name);
    let list: Vec<String> = names.clone().map(|name| format!("`{name}`")).collect();
    let hint = match nearest(&word.raw, names) {
        Some(meant) => format!("did you mean `{meant}`?"),
        None => format!("it can be {}", list.join(", ")),
    };
    cx.sink.push(Diagnostic::error(word.span, format!("invalid {flag} mode `{}`", word.raw)).hint(hint));
    None
}
