//! The instructions that only change an image's configuration.

use std::time::Duration;

use dockerfile::expand::{Options, expand};
use dockerfile::{
    ArgDeclaration, CommandLine, Diagnostic, Healthcheck, InstructionKind, KeyValue, Rule, Word,
};

use super::draft::Draft;
use super::run::with_shell;
use super::{ports, signal, text};

/// Arguments that tell the builder something and are no variables.
const NOT_VARIABLES: [&str; 2] = ["BUILDKIT_SBOM_SCAN_CONTEXT", "BUILDKIT_SBOM_SCAN_STAGE"];

/// Carries out an instruction on the draft's configuration.
pub fn apply(draft: &mut Draft<'_, '_>, kind: &InstructionKind) {
    match kind {
        InstructionKind::Env(pairs) => env(draft, pairs),
        InstructionKind::Label(pairs) => label(draft, pairs),
        InstructionKind::Arg(declarations) => arg(draft, declarations),
        InstructionKind::User(word) => user(draft, word),
        InstructionKind::Cmd(command) => cmd(draft, command),
        InstructionKind::Entrypoint(command) => entrypoint(draft, command),
        InstructionKind::Shell(shell) => {
            draft.config.config.shell = Some(shell.clone());
            draft.commit(format!("SHELL {}", text::list(shell)), false);
        }
        InstructionKind::Expose(words) => expose(draft, words),
        InstructionKind::Volume(words) => volume(draft, words),
        InstructionKind::StopSignal(word) => stop_signal(draft, word),
        InstructionKind::Healthcheck(check) => healthcheck(draft, check),
        InstructionKind::Onbuild(onbuild) => draft.config.config.on_build.push(onbuild.expression.clone()),
        InstructionKind::Maintainer(name) => {
            draft.config.author = Some(name.clone());
            draft.commit(format!("MAINTAINER {name}"), false);
        }
        // These have actions of their own.
        InstructionKind::Run(_)
        | InstructionKind::Copy(_)
        | InstructionKind::Add(_)
        | InstructionKind::Workdir(_) => {}
    }
}

/// All pairs are expanded before the first is set: `ENV a=1 b=$a` does not see its own `a`.
fn expand_pairs(draft: &mut Draft<'_, '_>, pairs: &[KeyValue]) -> Vec<(String, String)> {
    let expanded = pairs.iter().map(|pair| (draft.expand(&pair.key), draft.expand(&pair.value)));
    expanded.collect::<Vec<_>>().into_iter().filter_map(|(key, value)| Some((key?, value?))).collect()
}

fn history_pairs(name: &str, pairs: &[(String, String)]) -> String {
    pairs.iter().fold(name.to_owned(), |line, (key, value)| line + " " + key + "=" + value)
}

fn env(draft: &mut Draft<'_, '_>, pairs: &[KeyValue]) {
    let expanded = expand_pairs(draft, pairs);
    for (key, value) in &expanded {
        draft.variables.set(key, value);
        let entry = format!("{key}={value}");
        let env = &mut draft.config.config.env;
        match draft.places.get(key) {
            Some(&place) => env[place] = entry,
            None => {
                draft.places.insert(key.clone(), env.len());
                env.push(entry);
            }
        }
    }
    draft.commit(history_pairs("ENV", &expanded), false);
}

fn label(draft: &mut Draft<'_, '_>, pairs: &[KeyValue]) {
    let expanded = expand_pairs(draft, pairs);
    draft.config.config.labels.extend(expanded.iter().cloned());
    draft.commit(history_pairs("LABEL", &expanded), false);
}

/// A `--build-arg` comes before the default, which comes before the global scope. What has a value is a variable from
/// here on, also where an ENV had set one of that name.
fn arg(draft: &mut Draft<'_, '_>, declarations: &[ArgDeclaration]) {
    let mut line = "ARG".to_owned();
    for declaration in declarations {
        let name = &declaration.key.raw;
        let value = match (draft.planner.request.build_args.get(name), &declaration.default) {
            (Some(value), _) => Some(value.clone()),
            (None, Some(word)) => match arg_default(draft, word) {
                Some(value) => Some(value),
                None => continue,
            },
            (None, None) => draft.planner.globals.variables.get(name).map(ToOwned::to_owned),
        };
        line = line + " " + name;
        if let Some(value) = &value {
            line = line + "=" + value;
            if !NOT_VARIABLES.contains(&name.as_str()) {
                draft.variables.set(name, value);
            }
        }
        draft.declared.set(name, value);
    }
    draft.commit(line, false);
}

/// `ARG A=${A}` may name itself: then the value from outside is meant, and there is none.
fn arg_default(draft: &mut Draft<'_, '_>, word: &Word) -> Option<String> {
    let options = Options::new(draft.planner.request.dockerfile.directives.escape);
    match expand(&word.raw, options, &draft.variables) {
        Ok(expanded) => {
            draft.warn_undefined(&expanded.unmatched, word.span);
            Some(expanded.word)
        }
        Err(error) => {
            draft.error(Diagnostic::error(word.span, error.to_string()));
            None
        }
    }
}

fn user(draft: &mut Draft<'_, '_>, word: &Word) {
    if let Some(user) = draft.expand(word) {
        draft.commit(format!("USER {user}"), false);
        draft.config.config.user = user;
    }
}

fn resolve_command(draft: &mut Draft<'_, '_>, command: &CommandLine) -> Vec<String> {
    match command {
        CommandLine::Exec(args) => args.clone(),
        CommandLine::Shell(text) => with_shell(draft, text.clone()),
    }
}

fn cmd(draft: &mut Draft<'_, '_>, command: &CommandLine) {
    let args = resolve_command(draft, command);
    draft.commit(format!("CMD {}", text::quoted_list(&args)), false);
    draft.config.config.cmd = Some(args).filter(|args| !args.is_empty());
    draft.config.config.args_escaped = true;
    draft.cmd_set = true;
}

/// An ENTRYPOINT takes the base image's CMD away, for that was meant for another program.
fn entrypoint(draft: &mut Draft<'_, '_>, command: &CommandLine) {
    let args = resolve_command(draft, command);
    draft.commit(format!("ENTRYPOINT {}", text::quoted_list(&args)), false);
    draft.config.config.entrypoint = Some(args).filter(|args| !args.is_empty());
    if !draft.cmd_set {
        draft.config.config.cmd = None;
    }
}

fn expose(draft: &mut Draft<'_, '_>, words: &[Word]) {
    let options = Options::new(draft.planner.request.dockerfile.directives.escape);
    let mut all = Vec::new();
    for word in words {
        let Some(expanded) = draft.expand_text(&word.raw, word.span, options) else { continue };
        for port in expanded.words {
            if let Some((_, protocol)) =
                port.split_once('/').filter(|(_, protocol)| *protocol != protocol.to_lowercase())
            {
                let message = format!("write the protocol `{protocol}` in small letters");
                draft.warn(Rule::ExposeProtoCasing, word.span, message);
            }
            match ports::parse(&port) {
                Ok(ports) => {
                    if port.contains(':') {
                        let message = format!("EXPOSE takes no address and no host port: `{port}`");
                        draft.warn(Rule::ExposeInvalidFormat, word.span, message);
                    }
                    all.extend(ports);
                }
                Err(message) => draft.error(Diagnostic::error(word.span, message)),
            }
        }
    }
    draft.commit(format!("EXPOSE {}", text::list(&all)), false);
    draft.config.config.exposed_ports.extend(all);
}

fn volume(draft: &mut Draft<'_, '_>, words: &[Word]) {
    let mut volumes = Vec::new();
    for word in words {
        match draft.expand(word) {
            Some(volume) if volume.is_empty() => {
                draft.error(Diagnostic::error(word.span, "a volume's path cannot be empty"));
            }
            volume => volumes.extend(volume),
        }
    }
    draft.commit(format!("VOLUME {}", text::list(&volumes)), false);
    draft.config.config.volumes.extend(volumes);
}

fn stop_signal(draft: &mut Draft<'_, '_>, word: &Word) {
    let Some(signal) = draft.expand(word) else { return };
    if !signal::is_valid(&signal) {
        let hint = "name it as in `SIGTERM`, or by its number";
        draft.error(Diagnostic::error(word.span, format!("there is no signal `{signal}`")).hint(hint));
        return;
    }
    draft.commit(format!("STOPSIGNAL {signal}"), false);
    draft.config.config.stop_signal = Some(signal);
}

fn healthcheck(draft: &mut Draft<'_, '_>, check: &Healthcheck) {
    let zero = Duration::ZERO;
    let (test, interval, timeout, start_period, start_interval, retries) = match check {
        Healthcheck::None => (vec!["NONE".to_owned()], zero, zero, zero, zero, 0),
        Healthcheck::Cmd { command, interval, timeout, start_period, start_interval, retries } => {
            let test = match command {
                CommandLine::Shell(text) => vec!["CMD-SHELL".to_owned(), text.clone()],
                CommandLine::Exec(args) => [&["CMD".to_owned()], args.as_slice()].concat(),
            };
            (test, *interval, *timeout, *start_period, *start_interval, *retries)
        }
    };
    let line = format!(
        "HEALTHCHECK {{Test:{} Interval:{} Timeout:{} StartPeriod:{} StartInterval:{} Retries:{retries}}}",
        text::list(&test),
        text::duration(interval),
        text::duration(timeout),
        text::duration(start_period),
        text::duration(start_interval),
    );
    let nanos = |duration: Duration| i64::try_from(duration.as_nanos()).unwrap_or(i64::MAX);
    draft.config.config.healthcheck = Some(oci::config::Healthcheck {
        test,
        interval: nanos(interval),
        timeout: nanos(timeout),
        start_period: nanos(start_period),
        start_interval: nanos(start_interval),
        retries: i64::from(retries),
    });
    draft.commit(line, false);
}
