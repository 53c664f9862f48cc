//! The instructions that only change an image's configuration.

use std::time::Duration;

use super::command::{Command, Flags, Quoted, Takes, quoted_words};
use super::duration::parse_duration;
use super::instruction::{Parser, missing, not_strings, shell_or_exec};
use super::json::{self, Json};
use crate::check::Rule;
use crate::diagnostic::Diagnostic;
use crate::suggest::nearest;
use crate::syntax::{ArgDeclaration, CommandLine, Healthcheck, KeyValue, Word};

/// ENV and LABEL: `name=value ...`, or the old form of one name, white space, and the rest of the line.
pub(super) fn pairs(command: &Command<'_>, name: &str, parser: &mut Parser<'_>) -> Option<Vec<KeyValue>> {
    Flags::read(command, &[], parser.sink);
    let words = quoted_words(command.rest, parser.escape);
    let Some(first) = words.first() else {
        missing(command, "a name and a value", parser);
        return None;
    };
    if !first.raw.contains('=') {
        return legacy_pair(command, name, parser).map(|pair| vec![pair]);
    }
    let mut pairs = Vec::new();
    let mut complete = true;
    for word in words {
        let Some((key, value)) = word.raw.split_once('=') else {
            complete = false;
            let found = Diagnostic::error(word.piece.span(), format!("`{}` has no `=`", word.raw));
            parser.sink.push(found.hint("a value with blanks in it needs quotes"));
            continue;
        };
        if key.is_empty() {
            complete = false;
            parser.sink.push(Diagnostic::error(word.piece.span(), format!("{name} needs a name before `=`")));
            continue;
        }
        let (key, value) = key_and_value(&word, key, value);
        warn_of_secret(name, &key, parser);
        pairs.push(KeyValue { key, value });
    }
    complete.then_some(pairs)
}

/// The two sides of a word's `=`. The word and its piece are the same, but for what was dropped at the end.
fn key_and_value(word: &Quoted<'_>, key: &str, value: &str) -> (Word, Word) {
    let after = word.piece.from(key.len() + 1);
    let key = Word { raw: key.to_owned(), span: word.piece.slice(0, key.len()).span() };
    (key, Word { raw: value.to_owned(), span: after.span() })
}

fn legacy_pair(command: &Command<'_>, name: &str, parser: &mut Parser<'_>) -> Option<KeyValue> {
    let (key, value) = command.rest.split_word();
    let Some(value) = value else {
        let found = Diagnostic::error(command.rest.span(), format!("{name} needs a name and a value"));
        parser.sink.push(found.hint(format!("write `{name} {}=VALUE`", key.text())));
        return None;
    };
    let message = format!("legacy format of {name}, with a blank between name and value");
    let found = Diagnostic::check(Rule::LegacyKeyValueFormat, command.rest.span(), message);
    parser.sink.check_with(found.hint(format!("write `{name} {}=...`", key.text())));
    let key = key.word();
    warn_of_secret(name, &key, parser);
    Some(KeyValue { key, value: value.word() })
}

/// ARG: names, each perhaps with a default.
pub(super) fn arg(command: &Command<'_>, parser: &mut Parser<'_>) -> Option<Vec<ArgDeclaration>> {
    Flags::ignore(command, parser.sink);
    let words = quoted_words(command.rest, parser.escape);
    if words.is_empty() {
        missing(command, "a name", parser);
        return None;
    }
    let mut declarations = Vec::new();
    for word in words {
        let declaration = match word.raw.split_once('=') {
            Some(("", _)) => {
                parser.sink.push(Diagnostic::error(word.piece.span(), "ARG needs a name before `=`"));
                return None;
            }
            Some((key, value)) => {
                let (key, value) = key_and_value(&word, key, value);
                ArgDeclaration { key, default: Some(value) }
            }
            None => {
                let key = Word { raw: word.raw, span: word.piece.span() };
                ArgDeclaration { key, default: None }
            }
        };
        warn_of_secret("ARG", &declaration.key, parser);
        declarations.push(declaration);
    }
    Some(declarations)
}

/// BuildKit's rule about names that sound like secrets.
fn warn_of_secret(instruction: &str, key: &Word, parser: &mut Parser<'_>) {
    const SECRET: [&str; 10] = [
        "apikey",
        "auth",
        "credential",
        "credentials",
        "key",
        "password",
        "pword",
        "passwd",
        "secret",
        "token",
    ];
    const HARMLESS: [&str; 3] = ["public", "file", "version"];
    let has = |words: &[&str]| {
        key.raw.split('_').any(|part| words.iter().any(|word| part.eq_ignore_ascii_case(word)))
    };
    if instruction != "LABEL" && has(&SECRET) && !has(&HARMLESS) {
        let message = format!("{instruction} `{}` looks like a secret, and stays in the image", key.raw);
        let found = Diagnostic::check(Rule::SecretsUsedInArgOrEnv, key.span, message);
        parser.sink.check_with(found.hint("use `RUN --mount=type=secret,id=NAME`"));
    }
}

/// EXPOSE: words, sorted as BuildKit sorts them.
pub(super) fn expose(command: &Command<'_>, parser: &mut Parser<'_>) -> Option<Vec<Word>> {
    Flags::read(command, &[], parser.sink);
    if command.rest.is_empty() {
        missing(command, "a port", parser);
        return None;
    }
    let mut words: Vec<Word> = command.rest.split_words().into_iter().map(|piece| piece.word()).collect();
    words.sort_by(|one, other| one.raw.cmp(&other.raw));
    Some(words)
}

/// VOLUME: a JSON array, or words.
pub(super) fn volume(command: &Command<'_>, parser: &mut Parser<'_>) -> Option<Vec<Word>> {
    Flags::read(command, &[], parser.sink);
    let words: Vec<Word> = match json::parse(command.rest.text()) {
        Json::Strings(strings) => {
            let word = |(raw, start, end): (String, usize, usize)| Word {
                raw: raw.trim().to_owned(),
                span: command.rest.slice(start, end).span(),
            };
            strings.into_iter().map(word).collect()
        }
        Json::NotStrings => {
            not_strings(command.rest, parser);
            return None;
        }
        Json::Other => command.rest.split_words().into_iter().map(|piece| piece.word()).collect(),
    };
    if words.is_empty() {
        missing(command, "a path", parser);
        return None;
    }
    if let Some(empty) = words.iter().find(|word| word.raw.is_empty()) {
        parser.sink.push(Diagnostic::error(empty.span, "the path of a volume cannot be empty"));
        return None;
    }
    Some(words)
}

/// SHELL: a JSON array and nothing else.
pub(super) fn shell(command: &Command<'_>, parser: &mut Parser<'_>) -> Option<Vec<String>> {
    Flags::read(command, &[], parser.sink);
    match json::parse(command.rest.text()) {
        Json::Strings(strings) if !strings.is_empty() => {
            Some(strings.into_iter().map(|(value, ..)| value).collect())
        }
        Json::NotStrings => {
            not_strings(command.rest, parser);
            None
        }
        Json::Other if !command.rest.is_empty() => {
            let found = Diagnostic::error(command.rest.span(), "SHELL takes a JSON array only");
            parser.sink.push(found.hint("write for example `SHELL [\"/bin/bash\", \"-c\"]`"));
            None
        }
        _ => {
            missing(command, "a program", parser);
            None
        }
    }
}

/// HEALTHCHECK: `NONE`, or `CMD` and a command.
pub(super) fn healthcheck(command: &Command<'_>, parser: &mut Parser<'_>) -> Option<Healthcheck> {
    if command.rest.is_empty() {
        missing(command, "`CMD` or `NONE`", parser);
        return None;
    }
    let text = command.rest.text();
    let end = text.find(char::is_whitespace).unwrap_or(text.len());
    let (kind, rest) = (command.rest.slice(0, end), command.rest.from(end).trim());
    if kind.text().eq_ignore_ascii_case("NONE") {
        Flags::ignore(command, parser.sink);
        if !rest.is_empty() {
            parser.sink.push(Diagnostic::error(rest.span(), "HEALTHCHECK NONE takes nothing more"));
            return None;
        }
        return Some(Healthcheck::None);
    }
    let known = [
        ("interval", Takes::Value),
        ("timeout", Takes::Value),
        ("start-period", Takes::Value),
        ("start-interval", Takes::Value),
        ("retries", Takes::Value),
    ];
    let mut flags = Flags::read(command, &known, parser.sink);
    let interval = duration(flags.filled("interval"), parser);
    let timeout = duration(flags.filled("timeout"), parser);
    let start_period = duration(flags.filled("start-period"), parser);
    let start_interval = duration(flags.filled("start-interval"), parser);
    let retries = retries(flags.filled("retries"), parser);
    if !kind.text().eq_ignore_ascii_case("CMD") {
        let found = Diagnostic::error(kind.span(), format!("unknown kind of HEALTHCHECK `{}`", kind.text()));
        let meant = nearest(kind.text(), ["CMD", "NONE"]);
        let meant = meant.map(|meant| format!("did you mean `{meant}`?"));
        parser.sink.push(found.hint(meant.unwrap_or_else(|| "write `HEALTHCHECK CMD COMMAND`".to_owned())));
        return None;
    }
    let line = shell_or_exec(rest, "HEALTHCHECK", parser)?;
    let empty = match &line {
        CommandLine::Shell(text) => text.is_empty(),
        CommandLine::Exec(arguments) => arguments.is_empty(),
    };
    if empty {
        missing(command, "a command after `CMD`", parser);
        return None;
    }
    Some(Healthcheck::Cmd { command: line, interval, timeout, start_period, start_interval, retries })
}

/// A duration as Go writes them. Zero means the runtime's default; less than a millisecond is no time.
fn duration(word: Option<Word>, parser: &mut Parser<'_>) -> Duration {
    let Some(word) = word else { return Duration::ZERO };
    let report = |message: String, hint: &str, parser: &mut Parser<'_>| {
        parser.sink.push(Diagnostic::error(word.span, message).hint(hint));
        Duration::ZERO
    };
    match parse_duration(&word.raw) {
        None => report(
            format!("invalid duration `{}`", word.raw),
            "write for example `30s`, `1m30s` or `500ms`",
            parser,
        ),
        Some(0) => Duration::ZERO,
        Some(nanoseconds) if nanoseconds < 1_000_000 => report(
            format!("duration `{}` is less than a millisecond", word.raw),
            "write for example `30s`",
            parser,
        ),
        Some(nanoseconds) => Duration::from_nanos(nanoseconds.unsigned_abs()),
    }
}

fn retries(word: Option<Word>, parser: &mut Parser<'_>) -> u32 {
    let Some(word) = word else { return 0 };
    match word.raw.parse::<i32>().ok().and_then(|count| u32::try_from(count).ok()) {
        Some(count) => count,
        None => {
            let found = Diagnostic::error(word.span, format!("invalid number of retries `{}`", word.raw));
            parser.sink.push(found.hint("write a whole number that is not negative"));
            0
        }
    }
}
