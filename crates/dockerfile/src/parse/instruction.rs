//! Which instruction it is, and the ones that are little more than a word.

use super::command::{Command, Flags, Takes};
use super::json::{self, Json};
use super::line::Piece;
use super::sink::Sink;
use super::{copy, metadata, run};
use crate::check::Rule;
use crate::diagnostic::Diagnostic;
use crate::suggest::nearest;
use crate::syntax::{CommandLine, Heredoc, Instruction, InstructionKind, Onbuild, Word};

/// The names of all instructions.
pub(super) const NAMES: [&str; 18] = [
    "ADD",
    "ARG",
    "CMD",
    "COPY",
    "ENTRYPOINT",
    "ENV",
    "EXPOSE",
    "FROM",
    "HEALTHCHECK",
    "LABEL",
    "MAINTAINER",
    "ONBUILD",
    "RUN",
    "SHELL",
    "STOPSIGNAL",
    "USER",
    "VOLUME",
    "WORKDIR",
];

/// What the parsers of all instructions have at hand.
pub(super) struct Parser<'a> {
    pub escape: char,
    pub sink: &'a mut Sink,
}

/// Parses any instruction but FROM. Nothing means that it was reported.
pub(super) fn parse(
    command: &Command<'_>,
    heredocs: Vec<Heredoc>,
    parser: &mut Parser<'_>,
) -> Option<Instruction> {
    let name = command.name.text().to_ascii_uppercase();
    let kind = match name.as_str() {
        "ADD" => copy::add(command, heredocs, parser).map(|add| InstructionKind::Add(Box::new(add))),
        "ARG" => metadata::arg(command, parser).map(InstructionKind::Arg),
        "CMD" => command_line(command, &name, parser).map(InstructionKind::Cmd),
        "COPY" => copy::copy(command, heredocs, parser).map(|copy| InstructionKind::Copy(Box::new(copy))),
        "ENTRYPOINT" => command_line(command, &name, parser).map(InstructionKind::Entrypoint),
        "ENV" => metadata::pairs(command, "ENV", parser).map(InstructionKind::Env),
        "EXPOSE" => metadata::expose(command, parser).map(InstructionKind::Expose),
        "HEALTHCHECK" => {
            metadata::healthcheck(command, parser).map(|check| InstructionKind::Healthcheck(Box::new(check)))
        }
        "LABEL" => metadata::pairs(command, "LABEL", parser).map(InstructionKind::Label),
        "MAINTAINER" => maintainer(command, parser),
        "ONBUILD" => {
            onbuild(command, heredocs, parser).map(|onbuild| InstructionKind::Onbuild(Box::new(onbuild)))
        }
        "RUN" => run::run(command, heredocs, parser).map(|run| InstructionKind::Run(Box::new(run))),
        "SHELL" => metadata::shell(command, parser).map(InstructionKind::Shell),
        "STOPSIGNAL" => {
            Flags::ignore(command, parser.sink);
            one_word(command, "a signal", parser).map(InstructionKind::StopSignal)
        }
        "USER" => plain_word(command, "a user", parser).map(InstructionKind::User),
        "VOLUME" => metadata::volume(command, parser).map(InstructionKind::Volume),
        "WORKDIR" => plain_word(command, "a directory", parser).map(InstructionKind::Workdir),
        _ => {
            unknown(command, parser);
            None
        }
    }?;
    let text = command.whole.text().to_owned();
    Some(Instruction { kind, span: command.span(), text, check: parser.sink.local.clone() })
}

fn unknown(command: &Command<'_>, parser: &mut Parser<'_>) {
    let name = command.name;
    parser.sink.push_error(name.span(), || {
        if name.is_empty() {
            return Diagnostic::error(command.span(), "a continuation that nothing follows");
        }
        let text = name.text();
        let shown: String = text.chars().take(40).collect();
        let found = Diagnostic::error(name.span(), format!("unknown instruction `{shown}`"));
        let hint = nearest(text, NAMES).map(|meant| format!("did you mean `{meant}`?"));
        found.hint_opt(hint)
    });
}

/// An instruction that is one word, to the end of the line, without flags.
fn plain_word(command: &Command<'_>, what: &str, parser: &mut Parser<'_>) -> Option<Word> {
    Flags::read(command, &[], parser.sink);
    one_word(command, what, parser)
}

fn one_word(command: &Command<'_>, what: &str, parser: &mut Parser<'_>) -> Option<Word> {
    if command.rest.is_empty() {
        missing(command, what, parser);
        return None;
    }
    Some(command.rest.word())
}

/// Reports that an instruction says too little.
pub(super) fn missing(command: &Command<'_>, what: &str, parser: &mut Parser<'_>) {
    let name = command.name.text().to_ascii_uppercase();
    parser.sink.push(Diagnostic::error(command.span(), format!("{name} needs {what}")));
}

fn maintainer(command: &Command<'_>, parser: &mut Parser<'_>) -> Option<InstructionKind> {
    let word = plain_word(command, "a name", parser)?;
    let found =
        Diagnostic::check(Rule::MaintainerDeprecated, command.name.span(), "MAINTAINER is deprecated");
    let label = word.raw.replace('"', "\\\"");
    parser.sink.check_with(found.hint(format!("write `LABEL org.opencontainers.image.authors=\"{label}\"`")));
    Some(InstructionKind::Maintainer(word.raw))
}

/// CMD and ENTRYPOINT.
fn command_line(command: &Command<'_>, name: &str, parser: &mut Parser<'_>) -> Option<CommandLine> {
    Flags::read(command, &[], parser.sink);
    shell_or_exec(command.rest, name, parser)
}

/// A JSON array of strings, or else text for the shell, empty text too.
pub(super) fn shell_or_exec(text: Piece<'_>, name: &str, parser: &mut Parser<'_>) -> Option<CommandLine> {
    match json::parse(text.text()) {
        Json::Strings(strings) => {
            Some(CommandLine::Exec(strings.into_iter().map(|(value, ..)| value).collect()))
        }
        Json::NotStrings => {
            not_strings(text, parser);
            None
        }
        Json::Other => {
            // `[ -f x ]` is a command; this is not.
            if ["[\"", "['", "[ \"", "[ '"].iter().any(|start| text.text().starts_with(start)) {
                let found = Diagnostic::warning(text.span(), format!("{name} is given to the shell"));
                let hint =
                    "a JSON array has double quotes around each item, commas between, and no backslash alone";
                parser.sink.push(found.label("looks like JSON, but is not").hint(hint));
            }
            Some(CommandLine::Shell(text.text().to_owned()))
        }
    }
}

/// Reports a JSON array that has other things than strings in it.
pub(super) fn not_strings(text: Piece<'_>, parser: &mut Parser<'_>) {
    let found = Diagnostic::error(text.span(), "a JSON array in an instruction may hold strings only");
    parser.sink.push(found.hint("put double quotes around each item"));
}

fn onbuild(command: &Command<'_>, heredocs: Vec<Heredoc>, parser: &mut Parser<'_>) -> Option<Onbuild> {
    Flags::read(command, &[], parser.sink);
    if command.rest.is_empty() {
        missing(command, "an instruction", parser);
        return None;
    }
    let trigger = Command::split(command.rest, parser.escape);
    for (name, message) in [
        ("ONBUILD", "ONBUILD may not trigger ONBUILD"),
        ("MAINTAINER", "MAINTAINER may not be triggered by ONBUILD"),
        ("FROM", "FROM may not be triggered by ONBUILD"),
    ] {
        if trigger.is_named(name) {
            parser.sink.push(Diagnostic::error(trigger.name.span(), message));
            return None;
        }
    }
    let mut expression = command.whole.from(command.name.text().len()).text().trim_start().to_owned();
    for heredoc in &heredocs {
        expression.push('\n');
        expression.push_str(&heredoc.content);
        expression.push_str(&heredoc.name);
    }
    let trigger = parse(&trigger, heredocs, parser)?;
    Some(Onbuild { expression, trigger })
}

/// Whether an instruction may have heredocs: RUN, COPY and ADD in their forms without JSON, alone or in an ONBUILD.
pub(super) fn takes_heredocs(command: &Command<'_>, escape: char) -> bool {
    if !command.whole.text().contains("<<") {
        return false;
    }
    let trigger;
    let command = if command.is_named("ONBUILD") {
        trigger = Command::split(command.rest, escape);
        &trigger
    } else {
        command
    };
    let takes = ["RUN", "COPY", "ADD"].iter().any(|name| command.is_named(name));
    takes && !matches!(json::parse(command.rest.text()), Json::Strings(_))
}

/// The flags that no instruction but these has.
pub(super) const COPY_FLAGS: &[(&str, Takes)] = &[
    ("from", Takes::Value),
    ("chown", Takes::Value),
    ("chmod", Takes::Value),
    ("link", Takes::Bool),
    ("parents", Takes::Bool),
    ("exclude", Takes::Values),
];

/// The flags of ADD.
pub(super) const ADD_FLAGS: &[(&str, Takes)] = &[
    ("chown", Takes::Value),
    ("chmod", Takes::Value),
    ("link", Takes::Bool),
    ("keep-git-dir", Takes::Bool),
    ("checksum", Takes::Value),
    ("unpack", Takes::Bool),
    ("exclude", Takes::Values),
];

/// The flags of RUN.
pub(super) const RUN_FLAGS: &[(&str, Takes)] = &[
    ("mount", Takes::Values),
    ("network", Takes::Value),
    ("security", Takes::Value),
    ("device", Takes::Values),
];
