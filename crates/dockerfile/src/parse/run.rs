//! RUN.

use super::command::{Command, Flags};
use super::instruction::{Parser, RUN_FLAGS, shell_or_exec};
use super::mount;
use crate::diagnostic::Diagnostic;
use crate::source::Spanned;
use crate::suggest::nearest;
use crate::syntax::{CommandLine, Heredoc, Network, Run, Security, Word};

pub(super) fn run(command: &Command<'_>, heredocs: Vec<Heredoc>, parser: &mut Parser<'_>) -> Option<Run> {
    let mut flags = Flags::read(command, RUN_FLAGS, parser.sink);
    let networks = [("default", Network::Default), ("none", Network::None), ("host", Network::Host)];
    let network = choice(flags.value("network"), "network", &networks, parser);
    let securities = [("sandbox", Security::Sandbox), ("insecure", Security::Insecure)];
    let security = choice(flags.value("security"), "security", &securities, parser);
    let mounts = flags.values("mount").into_iter().filter_map(|word| mount::parse(word, parser)).collect();
    let devices = flags.values("device");
    for device in &devices {
        let found = Diagnostic::error(device.span, "`--device` is not supported");
        parser.sink.push(found.hint("a step's sandbox has no devices of the machine"));
    }
    let line = shell_or_exec(command.rest, "RUN", parser)?;
    match &line {
        CommandLine::Exec(arguments) if arguments.is_empty() => {
            parser.sink.push(Diagnostic::error(command.span(), "RUN needs a command"));
            return None;
        }
        CommandLine::Shell(text) if text.is_empty() => {
            parser.sink.push(Diagnostic::warning(command.span(), "RUN has no command"));
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
    parser: &mut Parser<'_>,
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
    parser.sink.push(Diagnostic::error(word.span, format!("invalid {flag} mode `{}`", word.raw)).hint(hint));
    None
}
