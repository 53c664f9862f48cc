//! Commands in a finished image.

use std::cell::{Cell, OnceCell};
use std::fs::File;
use std::io::Read;
use std::os::fd::OwnedFd;
use std::sync::Arc;

use dockerfile::Span;

use super::{Answer, Check, CheckKind, Pattern, Program, Subject};
use crate::engine::StepError;
use crate::engine::mounts::Mounts;
use crate::engine::output::Said;
use crate::engine::stage::{Halt, Task};
use crate::plan::{Action, Network, RunAction, Security, Step};
use crate::sandbox::{SandboxError, Stdio};

/// Of what a command says, so much is looked at.
const MOST_SAID: u64 = 4 << 20;

/// Of which the end is kept for messages.
const TAIL: usize = 8 << 10;

/// The shell of tests.
const SHELL: [&str; 2] = ["/bin/sh", "-c"];

/// The shell of hooks, as OpenShift runs them. Without a terminal it complains of that.
const HOOK_SHELL: [&str; 2] = ["/bin/sh", "-ic"];

impl Subject<'_> {
    /// Runs the command of a check.
    pub(super) fn command(&self, check: &Check) -> Result<Answer, Halt> {
        let (program, user, own, network) = match &check.kind {
            CheckKind::Command { program, user, env, .. } => {
                (program, user.as_deref(), &env[..], Network::None)
            }
            CheckKind::Hook(program) => (program, None, &[][..], Network::Default),
            _ => return Ok(Answer::default()),
        };
        let config = &self.config.config;
        let mut env: Vec<(String, String)> = config
            .env
            .iter()
            .filter_map(|entry| entry.split_once('='))
            .map(|(name, value)| (name.to_owned(), value.to_owned()))
            .collect();
        for (name, value) in own {
            env.retain(|(known, _)| known != name);
            env.push((name.clone(), value.clone()));
        }
        let action = RunAction {
            args: words(program, matches!(check.kind, CheckKind::Hook(_)), config.entrypoint.as_deref()),
            script: None,
            env,
            proxy: Vec::new(),
            cwd: if config.working_dir.is_empty() { "/".to_owned() } else { config.working_dir.clone() },
            user: user.unwrap_or(&config.user).to_owned(),
            mounts: Vec::new(),
            network,
            security: Security::Sandbox,
        };
        let step = Step {
            number: 1,
            of: 1,
            text: check.name.clone(),
            span: Span::default(),
            action: Action::Run(action.clone()),
        };
        let task = Task {
            world: self.world,
            platform: self.platform,
            stage: self.stage,
            step: &step,
            id: self.id,
            below: &self.result.layers,
            ground: OnceCell::new(),
            earlier: &[],
            begun: Cell::new(None),
        };
        let _permit = self.world.board.permit()?;
        match &check.kind {
            CheckKind::Command { exit, stdout, stderr, .. } => apart(&task, &action, *exit, stdout, stderr),
            _ => hook(&task, &action),
        }
    }
}

/// The words of a command, of which an image's entrypoint may be the first.
fn words(program: &Program, hook: bool, entrypoint: Option<&[String]>) -> Vec<String> {
    match program {
        Program::Script(text, rest) => {
            let shell = if hook { HOOK_SHELL } else { SHELL };
            // The word after the script is its `$0`.
            let own = (!rest.is_empty()).then(|| shell[0].to_owned());
            let words = shell.iter().map(|word| (*word).to_owned());
            words.chain([text.clone()]).chain(own).chain(rest.clone()).collect()
        }
        Program::Exec(args) => args.clone(),
        Program::Arguments(rest) => entrypoint.unwrap_or_default().iter().chain(rest).cloned().collect(),
    }
}

/// A hook says everything to one place, like a RUN, and has the same network.
fn hook(task: &Task<'_>, action: &RunAction) -> Result<Answer, Halt> {
    let mounts = Mounts::plan(task, action)?;
    let user = task.ground()?.identity(&action.user)?;
    let mut said = Said::default();
    match task.once(action, &user, &mounts, &mut said, true) {
        Ok(_) => Ok(Answer::default()),
        Err(Halt::Failed(error @ StepError::Exit { .. })) => {
            Ok(Answer { why: vec![error.to_string()], said })
        }
        Err(other) => Err(other),
    }
}

/// Runs a command whose two outputs are heard apart.
fn apart(
    task: &Task<'_>,
    action: &RunAction,
    exit: i32,
    stdout: &[Pattern],
    stderr: &[Pattern],
) -> Result<Answer, Halt> {
    let user = task.ground()?.identity(&action.user)?;
    let work = task.ground()?.work_dir(task.world.doors.store, task.stage.epoch)?;
    let spec = task.spec(action, &user, &work, Vec::new(), Vec::new())?;
    let spawner = task.world.doors.spawner.ok_or(SandboxError::Gone)?;
    let io = |source| StepError::Io { action: "open a pipe".into(), source };
    let (printed, out) = std::io::pipe().map_err(io)?;
    let (complained, err) = std::io::pipe().map_err(io)?;
    let stdin = File::open("/dev/null").map_err(io)?;
    let stdio = Stdio { stdin: stdin.into(), stdout: OwnedFd::from(out), stderr: OwnedFd::from(err) };
    let handle = Arc::new(spawner.start_run(&spec, stdio)?);
    task.register(&handle);
    let (mut said, mut complaint) = (Vec::new(), Vec::new());
    std::thread::scope(|scope| {
        scope.spawn(|| hear(printed, &mut said));
        hear(complained, &mut complaint);
    });
    let outcome = handle.wait();
    task.unregister();
    let outcome = outcome?;
    if task.world.board.is_stopped() {
        return Err(Halt::Stopped);
    }
    let mut why = Vec::new();
    if outcome.status.code() != exit {
        let end = StepError::Exit {
            status: outcome.status,
            oom_kills: outcome.oom_kills,
            pids_limit_hits: outcome.pids_limit_hits,
            unreached: Vec::new(),
        };
        why.push(match exit {
            0 => end.to_string(),
            _ => format!("{end}, not exit code {exit}"),
        });
    }
    why.extend(Pattern::missing(stdout, &said, "its output"));
    why.extend(Pattern::missing(stderr, &complaint, "its error output"));
    said.extend(complaint);
    let tail = said.split_off(said.len().saturating_sub(TAIL));
    Ok(Answer { why, said: Said { tail, ..Said::default() } })
}

/// Reads to the end, and keeps as much as is looked at.
fn hear(mut output: impl Read, kept: &mut Vec<u8>) {
    // A pipe whose writers are gone has an end; any other trouble is one too.
    let _ = (&mut output).take(MOST_SAID).read_to_end(kept);
    let _ = std::io::copy(&mut output, &mut std::io::sink());
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hooks_have_the_forms_that_openshift_knows() {
        let texts = |words: &[&str]| words.iter().map(|word| (*word).to_owned()).collect::<Vec<_>>();
        let entrypoint = texts(&["/entry", "point"]);
        let words = |program, hook| words(&program, hook, Some(&entrypoint));
        let script = |rest: &[&str]| Program::Script("rake $1".to_owned(), texts(rest));
        assert_eq!(words(script(&[]), true), ["/bin/sh", "-ic", "rake $1"]);
        assert_eq!(words(script(&["test"]), true), ["/bin/sh", "-ic", "rake $1", "/bin/sh", "test"]);
        assert_eq!(words(script(&[]), false), ["/bin/sh", "-c", "rake $1"]);
        assert_eq!(words(Program::Exec(texts(&["rake", "test"])), true), ["rake", "test"]);
        assert_eq!(words(Program::Arguments(texts(&["test"])), true), ["/entry", "point", "test"]);
    }
}
