//! Instructions as a line of text.

use crate::{CommandLine, Healthcheck, Heredoc, Instruction, InstructionKind, Run, Script, Word};

/// The instruction in a form that shows where words begin and end.
pub fn instruction(instruction: &Instruction) -> String {
    let name = instruction.kind.name();
    let rest = match &instruction.kind {
        InstructionKind::Run(run) => run_parts(run),
        InstructionKind::Copy(copy) => {
            let mut parts = vec![words(&copy.sources)];
            parts.extend(copy.inline.iter().map(heredoc));
            parts.push(format!("-> {:?}", copy.destination.raw));
            for (name, value) in [("from", &copy.from), ("chown", &copy.chown), ("chmod", &copy.chmod)] {
                parts.extend(value.as_ref().map(|word| format!("{name}={:?}", word.raw)));
            }
            parts.extend(copy.link.then(|| "link".to_owned()));
            parts.extend(copy.parents.then(|| "parents".to_owned()));
            parts.extend(copy.exclude.iter().map(|word| format!("exclude={:?}", word.raw)));
            join(parts)
        }
        InstructionKind::Add(add) => {
            let mut parts = vec![words(&add.sources)];
            parts.extend(add.inline.iter().map(heredoc));
            parts.push(format!("-> {:?}", add.destination.raw));
            for (name, value) in [("chown", &add.chown), ("chmod", &add.chmod), ("checksum", &add.checksum)] {
                parts.extend(value.as_ref().map(|word| format!("{name}={:?}", word.raw)));
            }
            parts.extend(add.link.then(|| "link".to_owned()));
            parts.extend(add.keep_git_dir.map(|keep| format!("keep-git-dir={keep}")));
            parts.extend(add.unpack.map(|unpack| format!("unpack={unpack}")));
            parts.extend(add.exclude.iter().map(|word| format!("exclude={:?}", word.raw)));
            join(parts)
        }
        InstructionKind::Env(pairs) | InstructionKind::Label(pairs) => {
            join(pairs.iter().map(|pair| format!("{:?}={:?}", pair.key.raw, pair.value.raw)).collect())
        }
        InstructionKind::Arg(declarations) => join(
            declarations
                .iter()
                .map(|arg| match &arg.default {
                    Some(default) => format!("{:?}={:?}", arg.key.raw, default.raw),
                    None => format!("{:?}", arg.key.raw),
                })
                .collect(),
        ),
        InstructionKind::User(word) | InstructionKind::Workdir(word) | InstructionKind::StopSignal(word) => {
            format!("{:?}", word.raw)
        }
        InstructionKind::Maintainer(name) => format!("{name:?}"),
        InstructionKind::Cmd(line) | InstructionKind::Entrypoint(line) => command_line(line),
        InstructionKind::Shell(arguments) => format!("{arguments:?}"),
        InstructionKind::Expose(list) | InstructionKind::Volume(list) => words(list),
        InstructionKind::Healthcheck(check) => healthcheck(check),
        InstructionKind::Onbuild(onbuild) => {
            format!("{:?} {}", onbuild.expression, self::instruction(&onbuild.trigger))
        }
    };
    format!("{name} {rest}")
}

fn run_parts(run: &Run) -> String {
    let mut parts = vec![command_line(&run.command)];
    parts.extend(run.heredocs.iter().map(heredoc));
    parts.extend(run.network.as_ref().map(|network| format!("network={:?}", network.value)));
    parts.extend(run.security.as_ref().map(|security| format!("security={:?}", security.value)));
    for mount in &run.mounts {
        let fields = mount.fields.iter().map(|field| match &field.value {
            Some(value) => format!("{}={value}", field.key.value),
            None => field.key.value.clone(),
        });
        parts.push(format!("mount({})", join(fields.collect())));
    }
    if !run.heredocs.is_empty() {
        parts.push(match run.script() {
            Script::Shell(text) => format!("runs {text:?}"),
            Script::Exec(arguments) => format!("runs {arguments:?}"),
            Script::File { name, content } => format!("runs file {name} {content:?}"),
        });
    }
    join(parts)
}

fn heredoc(heredoc: &Heredoc) -> String {
    let number = if heredoc.descriptor == 0 { String::new() } else { heredoc.descriptor.to_string() };
    let (dash, quote) = (if heredoc.chomp { "-" } else { "" }, if heredoc.expand { "" } else { "'" });
    format!("{number}<<{dash}{quote}{}{quote} {:?}", heredoc.name, heredoc.content)
}

fn healthcheck(check: &Healthcheck) -> String {
    let Healthcheck::Cmd { command, interval, timeout, start_period, start_interval, retries } = check else {
        return "NONE".to_owned();
    };
    let mut parts = vec![command_line(command)];
    for (name, duration) in
        [("interval", interval), ("timeout", timeout), ("start", start_period), ("each", start_interval)]
    {
        parts.extend((!duration.is_zero()).then(|| format!("{name}={duration:?}")));
    }
    parts.extend((*retries != 0).then(|| format!("retries={retries}")));
    join(parts)
}

fn command_line(line: &CommandLine) -> String {
    match line {
        CommandLine::Shell(text) => format!("sh {text:?}"),
        CommandLine::Exec(arguments) => format!("{arguments:?}"),
    }
}

fn words(words: &[Word]) -> String {
    let raw: Vec<&str> = words.iter().map(|word| word.raw.as_str()).collect();
    format!("{raw:?}")
}

fn join(parts: Vec<String>) -> String {
    parts.join(" ")
}
