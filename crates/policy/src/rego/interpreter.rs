//! The interpreter on a thread of its own: prepared once, asked rule by rule, given up when it panics or takes too long.

use std::collections::BTreeSet;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::mpsc::{Receiver, RecvTimeoutError, Sender, channel};
use std::thread;
use std::time::Duration;

use regorus::{Engine, Value};

use super::prepared::{Prepared, RuleName, finds, one_line, prepare};
use super::{Memory, Policies, RegoError, Report, THREAD, TestResult};
use crate::level::Level;

/// Deep documents and rules need a deep stack; a stack that overflows cannot be caught.
const STACK: usize = 64 << 20;
/// The interpreter looks at the time itself, but not within a function of its own; this much later nobody waits any more.
const GRACE: Duration = Duration::from_secs(1);
/// How long nobody looks at the memory.
const LOOK: Duration = Duration::from_millis(20);

/// Verbs of `sprintf` that the interpreter lacks wholly or in part. What fails for want of them is not undefined.
const LACKING: [&str; 8] = ["%q", "%T", "%p", "%#", "%e", "%E", "%g", "%G"];

/// What the thread is asked.
enum Question {
    Input(String),
    Rule { path: String, failing: Failing },
}

/// What a function does that is given what it cannot work with.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Failing {
    /// The rule fails.
    IsAnError,
    /// The expression is undefined, as it is for OPA.
    IsUndefined,
}

/// What it says: the rule's value as JSON, nothing where it has none.
type Answer = Result<Option<serde_json::Value>, Failure>;

enum Failure {
    Failed(String),
    TooLong,
    TooLarge,
    Panicked(String),
}

pub(super) struct Interpreter {
    rules: Vec<RuleName>,
    questions: Sender<Question>,
    answers: Receiver<Answer>,
    limit: Duration,
    memory: Memory,
    /// Whether a policy wants something that only this interpreter lacks.
    lacking: bool,
}

impl Interpreter {
    /// Reads the policies. Unit tests are read only when they are wanted.
    pub(super) fn start(policies: &Policies, tests: bool) -> Result<Interpreter, RegoError> {
        let (questions, inbox) = channel();
        let (outbox, answers) = channel();
        let (ready, started) = channel();
        let own = policies.clone();
        let run = move || serve(&own, tests, &ready, &inbox, &outbox);
        let failed = |message: String| RegoError::Panicked { rule: "(all)".to_owned(), message };
        thread::Builder::new()
            .name(THREAD.to_owned())
            .stack_size(STACK)
            .spawn(run)
            .map_err(|error| failed(error.to_string()))?;
        let prepared = started.recv_timeout(policies.limit + GRACE).map_err(|error| match error {
            RecvTimeoutError::Timeout => {
                RegoError::TooLong { rule: "(all)".to_owned(), limit: policies.limit }
            }
            RecvTimeoutError::Disconnected => failed("it ended".to_owned()),
        })?;
        Ok(Interpreter {
            rules: prepared?,
            questions,
            answers,
            limit: policies.limit,
            memory: policies.memory,
            lacking: policies.modules.iter().any(|(_, text)| LACKING.iter().any(|verb| text.contains(verb))),
        })
    }

    fn ask(&mut self, question: Question, rule: &str) -> Result<Option<serde_json::Value>, RegoError> {
        let rule = rule.to_owned();
        let ended = || RegoError::Panicked { rule: rule.clone(), message: "it ended".to_owned() };
        self.questions.send(question).map_err(|_| ended())?;
        let answer = self.wait().ok_or_else(ended)?;
        answer.map_err(|failure| match failure {
            Failure::Failed(message) => RegoError::Rule { rule, message },
            Failure::TooLong => RegoError::TooLong { rule, limit: self.limit },
            Failure::TooLarge => RegoError::TooLarge { rule, limit: self.memory.limit },
            Failure::Panicked(message) => RegoError::Panicked { rule, message },
        })
    }

    /// Waits for an answer as long as time and memory allow; nothing where the thread has ended.
    fn wait(&self) -> Option<Answer> {
        let before = (self.memory.used)();
        let mut left = self.limit + GRACE;
        loop {
            let look = left.min(LOOK);
            match self.answers.recv_timeout(look) {
                Ok(answer) => return Some(answer),
                Err(RecvTimeoutError::Disconnected) => return None,
                Err(RecvTimeoutError::Timeout) => left -= look,
            }
            if (self.memory.used)().saturating_sub(before) > self.memory.limit {
                return Some(Err(Failure::TooLarge));
            }
            if left.is_zero() {
                return Some(Err(Failure::TooLong));
            }
        }
    }

    /// A rule's value, and why a part of it is undefined. OPA has no value for a function that fails, and goes on. So do we, but we say
    /// it, and not where the interpreter fails at what OPA can do. What fails all the same, such as a rule with two values, fails for
    /// OPA too.
    fn value(&mut self, rule: &RuleName) -> Result<(Option<serde_json::Value>, Option<String>), RegoError> {
        let question = |failing| Question::Rule { path: rule.path(), failing };
        match self.ask(question(Failing::IsAnError), &rule.title()) {
            Ok(value) => Ok((value, None)),
            Err(RegoError::Rule { message, .. }) if !self.lacking => {
                let value = self.ask(question(Failing::IsUndefined), &rule.title())?;
                Ok((value, Some(message)))
            }
            Err(error) => Err(error),
        }
    }

    /// What the rules say of a document.
    pub(super) fn reports(&mut self, input: &serde_json::Value) -> Result<Vec<Report>, RegoError> {
        self.ask(Question::Input(input.to_string()), "input")?;
        let rules = self.rules.clone();
        let mut reports = Vec::new();
        for package in rules.iter().map(|rule| &rule.package).collect::<BTreeSet<_>>() {
            let of_package = || rules.iter().filter(|rule| rule.package == *package);
            let report = |rule: &RuleName, level, message| Report {
                package: package.clone(),
                rule: rule.rule.clone(),
                level,
                message,
                details: None,
                failed: false,
                policy: rule.policy.clone(),
            };
            let undefined = |rule: &RuleName, why: String| {
                let message = format!("`{}` is undefined where a function fails: {why}", rule.title());
                Report { failed: true, ..report(rule, Level::Warning, message) }
            };
            let mut exempt = BTreeSet::new();
            if let Some(rule) = of_package().find(|rule| rule.rule == "exception") {
                let (value, failed) = self.value(rule)?;
                reports.extend(failed.map(|why| undefined(rule, why)));
                exempt = names(value);
            }
            for rule in of_package() {
                let Some((level, rest)) = finds(&rule.rule) else { continue };
                if exempt.contains(rest) {
                    continue;
                }
                let (value, failed) = self.value(rule)?;
                reports.extend(failed.map(|why| undefined(rule, why)));
                let said = said(value).into_iter();
                reports.extend(
                    said.map(|(message, details)| Report { details, ..report(rule, level, message) }),
                );
            }
        }
        Ok(reports)
    }

    /// How the unit tests go. A test that fails with an error has failed; one that takes too long ends the run.
    pub(super) fn tests(&mut self) -> Result<Vec<TestResult>, RegoError> {
        let rules = self.rules.clone();
        let mut results = Vec::new();
        for rule in rules.iter().filter(|rule| rule.rule.starts_with("test_")) {
            let failed = match self.value(rule) {
                Ok((Some(serde_json::Value::Bool(true)), _)) => None,
                Ok((Some(serde_json::Value::Bool(false)), _)) => Some("it is false".to_owned()),
                Ok((None, None)) => Some("it is undefined".to_owned()),
                Ok((None, Some(why))) => Some(format!("it is undefined: {why}")),
                Ok((Some(value), _)) => Some(format!("it is {value} and not true")),
                Err(RegoError::Rule { message, .. }) => Some(message),
                Err(error) => return Err(error),
            };
            results.push(TestResult { name: rule.title(), policy: rule.policy.clone(), failed });
        }
        Ok(results)
    }
}

/// The names in `exception[rules] { rules = ["run_as_root"] }`.
fn names(value: Option<serde_json::Value>) -> BTreeSet<String> {
    let sets = value.as_ref().and_then(serde_json::Value::as_array).map_or(&[][..], Vec::as_slice);
    let inner = sets.iter().filter_map(serde_json::Value::as_array).flatten();
    inner.filter_map(serde_json::Value::as_str).map(str::to_owned).collect()
}

/// What a rule's value says: a set of texts or of objects with `msg`; one of them; `true`.
fn said(value: Option<serde_json::Value>) -> Vec<(String, Option<serde_json::Value>)> {
    use serde_json::Value as Json;
    let one = |value: Json| match value {
        Json::String(text) => Some((text, None)),
        Json::Object(ref map) => {
            let message = ["msg", "message"].into_iter().find_map(|key| map.get(key)?.as_str());
            Some((message.map_or_else(|| value.to_string(), str::to_owned), Some(value)))
        }
        Json::Bool(true) => Some(("the rule holds".to_owned(), None)),
        _ => None,
    };
    match value {
        Some(Json::Array(values)) => values.into_iter().filter_map(one).collect(),
        // `deny[msg] = x` and partial objects: what is found stands in the keys.
        Some(Json::Object(map)) if !map.contains_key("msg") => map
            .into_iter()
            .filter(|(_, value)| *value != Json::Bool(false))
            .map(|(key, _)| (key, None))
            .collect(),
        Some(value) => one(value).into_iter().collect(),
        None => Vec::new(),
    }
}

/// The thread: prepares the engine, then answers until nobody asks.
fn serve(
    policies: &Policies,
    tests: bool,
    ready: &Sender<Result<Vec<RuleName>, RegoError>>,
    inbox: &Receiver<Question>,
    outbox: &Sender<Answer>,
) {
    let prepared = guarded(|| prepare(policies, tests));
    let Prepared { mut strict, mut lenient, rules } = match prepared {
        Ok(Ok(prepared)) => prepared,
        Ok(Err(error)) => return drop(ready.send(Err(error))),
        Err(message) => {
            return drop(ready.send(Err(RegoError::Panicked { rule: "(all)".to_owned(), message })));
        }
    };
    if ready.send(Ok(rules)).is_err() {
        return;
    }
    while let Ok(question) = inbox.recv() {
        let answer = guarded(|| answer(&mut strict, &mut lenient, question))
            .unwrap_or_else(|message| Err(Failure::Panicked(message)));
        let broken = matches!(answer, Err(Failure::Panicked(_)));
        // After a panic the engine may be in any state.
        if outbox.send(answer).is_err() || broken {
            return;
        }
    }
}

/// Runs what may panic; the message of the panic is the error.
fn guarded<T>(run: impl FnOnce() -> T) -> Result<T, String> {
    catch_unwind(AssertUnwindSafe(run)).map_err(|panic| {
        let text = panic.downcast_ref::<&str>().map(|text| (*text).to_owned());
        text.or_else(|| panic.downcast_ref::<String>().cloned()).unwrap_or_else(|| "it panicked".to_owned())
    })
}

fn answer(strict: &mut Engine, lenient: &mut Engine, question: Question) -> Answer {
    match question {
        Question::Input(text) => {
            let input = Value::from_json_str(&text);
            let input = input.map_err(|error| Failure::Failed(one_line(&error.to_string())))?;
            strict.set_input(input.clone());
            lenient.set_input(input);
            Ok(None)
        }
        Question::Rule { path, failing } => match engine_for(failing, strict, lenient).eval_rule(path) {
            Ok(Value::Undefined) => Ok(None),
            Ok(value) => {
                let text = value.to_json_str().map_err(|error| Failure::Failed(error.to_string()))?;
                serde_json::from_str(&text).map(Some).map_err(|error| Failure::Failed(error.to_string()))
            }
            Err(error) => {
                let late = error.chain().any(|cause| cause.downcast_ref::<regorus::LimitError>().is_some());
                let text = error.to_string();
                let late = late || text.contains("time limit exceeded");
                Err(if late { Failure::TooLong } else { Failure::Failed(one_line(&text)) })
            }
        },
    }
}

fn engine_for<'e>(failing: Failing, strict: &'e mut Engine, lenient: &'e mut Engine) -> &'e mut Engine {
    match failing {
        Failing::IsAnError => strict,
        Failing::IsUndefined => lenient,
    }
}
