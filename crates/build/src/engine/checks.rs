//! What an image must be before it gets a name: tests and the hook after the last step.
//!
//! They run in the finished image, in the sandbox, and nothing that they write stays. What held once for an image holds for
//! the same image again.

mod files;
mod program;

use std::path::PathBuf;
use std::time::Instant;

use oci::record::{Record, Usage, Written};
use oci::{Digest, ImageConfig};
use regex::Regex;

use super::error::{BuildError, StepError};
use super::event::Event;
use super::finish::Documents;
use super::key::{Inputs, list};
use super::output::Said;
use super::stage::Halt;
use super::world::{StageResult, World};
use super::{BuildReport, StepId};
use crate::plan::{Plan, PlannedStage};

/// What is done with an image between its last step and its name.
#[derive(Debug, Clone, Default)]
pub struct Finishing {
    /// What must hold.
    pub checks: Vec<Check>,
    /// Certificates (PEM) that the image trusts in the end; images that are built on it do not have them from it.
    pub authorities: Vec<u8>,
}

/// Something that must hold.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Check {
    /// What messages call it.
    pub name: String,
    /// What is looked at.
    pub kind: CheckKind,
}

/// What a check looks at.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum CheckKind {
    /// A command, without a network.
    Command {
        /// What runs.
        program: Program,
        /// The exit code that is right.
        exit: i32,
        /// What its output must hold.
        stdout: Vec<Pattern>,
        /// What its other output must hold.
        stderr: Vec<Pattern>,
        /// As whom; nothing means the image's user.
        user: Option<String>,
        /// Variables besides the image's.
        env: Vec<(String, String)>,
    },
    /// A file.
    File {
        /// Its path.
        path: String,
        /// Whether it is there.
        exists: bool,
        /// Its permission bits.
        mode: Option<u32>,
        /// Its owner, `user` or `user:group`, by number or name.
        owner: Option<String>,
        /// What it must hold.
        contains: Vec<Pattern>,
    },
    /// The image's user.
    User(String),
    /// A variable of the image.
    Env(String, String),
    /// The largest size of its files, in bytes.
    Size(u64),
    /// A hook: a command with the network that a RUN has, whose exit code must be 0.
    Hook(Program),
}

/// A command, in the forms that tests and hooks know.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Program {
    /// Text for `/bin/sh -c`, of a hook for `/bin/sh -ic`, with arguments after it.
    Script(String, Vec<String>),
    /// A program in the place of the entrypoint, and its arguments.
    Exec(Vec<String>),
    /// Arguments for the image's own entrypoint.
    Arguments(Vec<String>),
}

/// What a text must hold.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Pattern {
    /// This, somewhere.
    Text(String),
    /// Something that this regular expression finds.
    Expression(String),
}

/// A regular expression that is none.
#[derive(Debug, thiserror::Error)]
#[error("`{expression}` is not a regular expression")]
pub struct PatternError {
    expression: String,
    source: Box<regex::Error>,
}

/// What did not hold.
#[derive(Debug)]
pub struct CheckFailure {
    /// What it is called.
    pub name: String,
    /// Whether it is a hook.
    pub hook: bool,
    /// What is not as it should be.
    pub why: Vec<String>,
    /// The end of what a command said.
    pub tail: Vec<u8>,
    /// The file with all of it.
    pub log: Option<PathBuf>,
    /// The steps that made the image.
    pub report: BuildReport,
}

impl Pattern {
    /// A pattern as declared: between slashes stands a regular expression, anything else is meant as it is.
    ///
    /// # Errors
    /// The expression is none.
    pub fn new(text: &str) -> Result<Pattern, PatternError> {
        let Some(expression) = text.strip_prefix('/').and_then(|rest| rest.strip_suffix('/')) else {
            return Ok(Pattern::Text(text.to_owned()));
        };
        Regex::new(expression)
            .map_err(|source| PatternError { expression: expression.to_owned(), source: Box::new(source) })?;
        Ok(Pattern::Expression(expression.to_owned()))
    }

    /// Whether a text holds it.
    fn holds(&self, text: &str) -> bool {
        match self {
            Pattern::Text(wanted) => text.contains(wanted),
            Pattern::Expression(expression) => Regex::new(expression).is_ok_and(|regex| regex.is_match(text)),
        }
    }

    fn shown(&self) -> String {
        match self {
            Pattern::Text(text) => format!("`{text}`"),
            Pattern::Expression(expression) => format!("`/{expression}/`"),
        }
    }

    /// What of these a text lacks, in words.
    fn missing(patterns: &[Pattern], text: &[u8], what: &str) -> Vec<String> {
        let text = String::from_utf8_lossy(text);
        let lacking = patterns.iter().filter(|pattern| !pattern.holds(&text));
        lacking.map(|pattern| format!("{what} does not hold {}", pattern.shown())).collect()
    }
}

impl CheckFailure {
    pub(super) fn headline(&self) -> String {
        let what = if self.hook { "hook" } else { "test" };
        format!("{what} `{}` failed: {}", self.name, self.why.join("; "))
    }
}

/// What a check came to.
#[derive(Default)]
pub(super) struct Answer {
    /// What is not as it should be.
    why: Vec<String>,
    said: Said,
}

/// A finished image of one platform, to be looked at.
pub(super) struct Subject<'a> {
    world: &'a World<'a>,
    platform: usize,
    stage: &'a PlannedStage,
    result: &'a StageResult,
    config: &'a ImageConfig,
    /// The number that the check has among the steps of the build.
    id: StepId,
}

impl<'a> World<'a> {
    /// Sees that everything holds that must. `None`: the build was stopped.
    pub fn check(&'a self, plans: &'a [Plan], documents: &Documents) -> Result<Option<()>, BuildError> {
        let checks = &self.request.finishing.checks;
        for (number, plan) in plans.iter().enumerate().filter(|_| !checks.is_empty()) {
            let (Some(stage), Some(result)) = (plan.stage(plan.target), documents.results.get(number)) else {
                continue;
            };
            let image = documents.platforms[number].plain;
            for (position, check) in checks.iter().enumerate() {
                let id = StepId((self.progress(|state| state.report.steps.len()) + position) as u32);
                let subject =
                    Subject { world: self, platform: number, stage, result, config: &stage.config, id };
                match subject.passes(check, &image) {
                    Ok(None) => {}
                    Ok(Some(answer)) => return Err(self.refuted(check, answer)),
                    Err(Halt::Stopped | Halt::Due) => return Ok(None),
                    Err(_) if self.board.is_stopped() => return Ok(None),
                    Err(Halt::Failed(StepError::Store(error))) => return Err(BuildError::Store(error)),
                    Err(Halt::Failed(error)) => {
                        let why = oci::causes::in_one_line(&error);
                        let answer = Answer { why: vec![why], ..Answer::default() };
                        return Err(self.refuted(check, answer));
                    }
                    Err(halt @ Halt::CacheFailed(_)) => {
                        self.halt(halt);
                        return Ok(None);
                    }
                }
            }
        }
        Ok(Some(()))
    }

    fn refuted(&self, check: &Check, answer: Answer) -> BuildError {
        BuildError::Check(Box::new(CheckFailure {
            name: check.name.clone(),
            hook: matches!(check.kind, CheckKind::Hook(_)),
            why: answer.why,
            tail: answer.said.tail,
            log: answer.said.log,
            report: self.final_report(),
        }))
    }
}

impl Subject<'_> {
    /// Looks, unless that was done for this image already. Answers what is wrong.
    fn passes(&self, check: &Check, image: &Digest) -> Result<Option<Answer>, Halt> {
        let mut inputs = Inputs::default();
        inputs.add("action", "check");
        inputs.add("image", image.to_string());
        inputs.add("check", list(&[format!("{:?}", check.kind)]));
        inputs.add("platform", self.stage.platform.to_string());
        let key = inputs.key();
        if self.world.results.find(&key)?.is_some() {
            self.tell(check, true, true, std::time::Duration::ZERO);
            return Ok(None);
        }
        let begun = Instant::now();
        let answer = self.look(check)?;
        let passed = answer.why.is_empty();
        self.tell(check, passed, false, begun.elapsed());
        if !passed {
            return Ok(Some(answer));
        }
        self.world.results.add(&Record {
            instruction: format!("test {}", check.name),
            key,
            parent: self.world.snapshot_id(&self.result.layers)?,
            inputs: inputs.into_parts(),
            layer: None,
            written: Written { files: 0, bytes: 0 },
            normalised: Vec::new(),
            unreproducible: Vec::new(),
            unobserved: Vec::new(),
            intakes: Vec::new(),
            reads: None,
            log: None,
            usage: Usage { wall_ms: begun.elapsed().as_millis() as u64, ..Usage::default() },
            limits: Default::default(),
            source_date_epoch: self.stage.epoch,
            warnings: Vec::new(),
        })?;
        Ok(None)
    }

    fn tell(&self, check: &Check, passed: bool, cached: bool, wall: std::time::Duration) {
        self.world.tell(Event::Tested { name: check.name.clone(), passed, cached, wall });
    }

    fn look(&self, check: &Check) -> Result<Answer, Halt> {
        let answer = |why: Vec<String>| Answer { why, ..Answer::default() };
        match &check.kind {
            CheckKind::Command { .. } | CheckKind::Hook(_) => self.command(check),
            CheckKind::File { path, exists, mode, owner, contains } => {
                self.file(path, *exists, (*mode, owner.as_deref()), contains).map(answer)
            }
            CheckKind::User(wanted) => {
                let found = &self.config.config.user;
                let same = found == wanted || (is_root(found) && is_root(wanted));
                Ok(answer(differs(same, "the user", wanted, found)))
            }
            CheckKind::Env(name, wanted) => {
                let has = |entry: &&String| entry.split_once('=').is_some_and(|(known, _)| known == name);
                let found = self.config.config.env.iter().find(has);
                let found = found.and_then(|entry| entry.split_once('=')).map(|(_, value)| value);
                Ok(answer(match found {
                    Some(found) => differs(found == wanted, &format!("the variable `{name}`"), wanted, found),
                    None => vec![format!("there is no variable `{name}`")],
                }))
            }
            CheckKind::Size(most) => {
                let snapshot = self.world.snapshot(&self.result.layers)?;
                let size: u64 = snapshot.layers().iter().map(|layer| layer.index.total_size()).sum();
                Ok(answer(if size <= *most {
                    Vec::new()
                } else {
                    vec![format!("its files have {size} bytes, and {most} are allowed")]
                }))
            }
        }
    }
}

fn is_root(user: &str) -> bool {
    matches!(user, "" | "0" | "root" | "0:0" | "root:root")
}

fn differs(same: bool, what: &str, wanted: &str, found: &str) -> Vec<String> {
    if same { Vec::new() } else { vec![format!("{what} is `{found}`, not `{wanted}`")] }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn patterns_are_texts_or_expressions() {
        let holds = |pattern: &str, text: &str| Pattern::new(pattern).unwrap().holds(text);
        assert!(holds("1.2", "version 1.2\n") && !holds("1.2", "version 1x2"));
        assert!(holds("/1.2/", "version 1x2") && holds("/^a$/", "a") && !holds("/^a$/", "ab"));
        assert!(holds("/usr", "in /usr"));
        assert!(Pattern::new("/(/").is_err());
    }
}
