//! COPY and ADD.

use std::collections::HashMap;

use super::command::{Command, Flags};
use super::heredoc::marker;
use super::instruction::{ADD_FLAGS, COPY_FLAGS, Parser, not_strings};
use super::json::{self, Json};
use crate::diagnostic::Diagnostic;
use crate::expand;
use crate::mode::Mode;
use crate::syntax::{Add, Copy, Heredoc, Word};

/// Sources and destination.
struct Paths {
    sources: Vec<Word>,
    inline: Vec<Heredoc>,
    destination: Word,
}

pub(super) fn copy(command: &Command<'_>, heredocs: Vec<Heredoc>, parser: &mut Parser<'_>) -> Option<Copy> {
    let mut flags = Flags::read(command, COPY_FLAGS, parser.sink);
    let from = flags.filled("from");
    if let Some(from) = &from {
        check_from(from, parser);
    }
    let chmod = flags.filled("chmod");
    check_mode(chmod.as_ref(), parser);
    let paths = paths(command, "COPY", heredocs, parser)?;
    Some(Copy {
        sources: paths.sources,
        inline: paths.inline,
        destination: paths.destination,
        from,
        chown: flags.filled("chown"),
        chmod,
        link: flags.bool("link").unwrap_or(false),
        parents: flags.bool("parents").unwrap_or(false),
        exclude: flags.values("exclude"),
    })
}

pub(super) fn add(command: &Command<'_>, heredocs: Vec<Heredoc>, parser: &mut Parser<'_>) -> Option<Add> {
    let mut flags = Flags::read(command, ADD_FLAGS, parser.sink);
    let chmod = flags.filled("chmod");
    check_mode(chmod.as_ref(), parser);
    let paths = paths(command, "ADD", heredocs, parser)?;
    Some(Add {
        sources: paths.sources,
        inline: paths.inline,
        destination: paths.destination,
        chown: flags.filled("chown"),
        chmod,
        link: flags.bool("link").unwrap_or(false),
        exclude: flags.values("exclude"),
        checksum: flags.filled("checksum"),
        keep_git_dir: flags.bool("keep-git-dir"),
        unpack: flags.bool("unpack"),
    })
}

/// BuildKit does not expand `--from`, because stages are put in order before variables have values.
fn check_from(from: &Word, parser: &mut Parser<'_>) {
    let unchanged =
        expand::word(&from.raw, parser.escape, &|_: &str| None).is_ok_and(|expanded| expanded == from.raw);
    if !unchanged {
        let found = Diagnostic::error(from.span, "variables are not expanded in `--from`");
        parser.sink.push(found.hint("name a stage with `FROM $IMAGE AS name`, and write `--from=name`"));
    }
}

/// A mode without variables is checked at once.
fn check_mode(mode: Option<&Word>, parser: &mut Parser<'_>) {
    let Some(word) = mode.filter(|word| word.is_literal(parser.escape)) else { return };
    if let Err(error) = Mode::parse(&word.raw) {
        let found = Diagnostic::error(word.span, error.to_string());
        parser.sink.push(found.hint("a mode is octal like `0755`, or symbolic like `u=rwX,go=rX`"));
    }
}

/// The words after the flags: a JSON array, or words between white space, which quotes do not keep together.
fn words(command: &Command<'_>, parser: &mut Parser<'_>) -> Option<Vec<Word>> {
    match json::parse(command.rest.text()) {
        Json::Strings(strings) => {
            let word = |(raw, start, end)| Word { raw, span: command.rest.slice(start, end).span() };
            Some(strings.into_iter().map(word).collect())
        }
        Json::NotStrings => {
            not_strings(command.rest, parser);
            None
        }
        Json::Other => Some(command.rest.split_words().into_iter().map(|piece| piece.word()).collect()),
    }
}

fn paths(
    command: &Command<'_>,
    name: &str,
    heredocs: Vec<Heredoc>,
    parser: &mut Parser<'_>,
) -> Option<Paths> {
    let mut words = words(command, parser)?;
    let Some(destination) = words.pop().filter(|_| !words.is_empty()) else {
        let found = Diagnostic::error(command.span(), format!("{name} needs a source and a destination"));
        parser.sink.push(found.hint(format!("write `{name} SOURCE... DESTINATION`")));
        return None;
    };
    if let Ok(Some(_)) = marker(&destination.raw) {
        let message = format!("the destination of {name} cannot be a heredoc");
        let found = Diagnostic::error(destination.span, message);
        parser.sink.push(found.hint(format!("the destination comes last: `{name} <<EOF /path`")));
        return None;
    }
    let mut unused = by_name(heredocs, &destination, parser)?;
    let mut sources = Vec::new();
    let mut inline = Vec::new();
    let mut complete = true;
    for word in words {
        let Ok(Some(marker)) = marker(&word.raw) else {
            warn_of_flag(command, &word, name, parser);
            sources.push(word);
            continue;
        };
        match unused.remove(&marker.name) {
            Some(heredoc) if marker.chomp => inline.push(Heredoc { content: heredoc.chomped(), ..heredoc }),
            Some(heredoc) => inline.push(heredoc),
            None => {
                complete = false;
                unread(&word, &marker.name, parser);
            }
        }
    }
    if let (true, Some(lost)) = (complete, unused.into_values().min_by_key(|heredoc| heredoc.span)) {
        detached(command, name, &lost.name, parser);
        complete = false;
    }
    complete.then_some(Paths { sources, inline, destination })
}

/// The heredocs by name. Two of one name would be one file twice.
fn by_name(heredocs: Vec<Heredoc>, at: &Word, parser: &mut Parser<'_>) -> Option<HashMap<String, Heredoc>> {
    let mut found = HashMap::new();
    for heredoc in heredocs {
        if let Some(twice) = found.insert(heredoc.name.clone(), heredoc) {
            let found = Diagnostic::error(at.span, format!("two heredocs are named `{}`", twice.name));
            parser.sink.push(found.hint("the name of a heredoc is the name of its file"));
            return None;
        }
    }
    Some(found)
}

/// A marker whose content was not read, because a quote in the line hides it, or the file ends.
fn unread(word: &Word, name: &str, parser: &mut Parser<'_>) {
    let found = Diagnostic::error(word.span, format!("heredoc `{name}` has no content"));
    parser.sink.push(found.hint("a quote in this line may not be closed"));
}

/// A heredoc that is no source: its marker stands apart from its name.
fn detached(command: &Command<'_>, name: &str, lost: &str, parser: &mut Parser<'_>) {
    let found = Diagnostic::error(command.span(), format!("heredoc `{lost}` is not a source of {name}"));
    parser.sink.push(found.hint(format!("write `<<{lost}` without a blank, as a source of its own")));
}

/// A flag after the first source is a source.
fn warn_of_flag(command: &Command<'_>, word: &Word, name: &str, parser: &mut Parser<'_>) {
    let Some(flag) = word.raw.strip_prefix("--") else { return };
    let flag = flag.split('=').next().unwrap_or_default();
    let known = if command.is_named("ADD") { ADD_FLAGS } else { COPY_FLAGS };
    if known.iter().any(|(known, _)| *known == flag) {
        let found = Diagnostic::warning(word.span, format!("`--{flag}` is taken as a source of {name}"));
        parser.sink.push(found.hint("flags come before the first source"));
    }
}
