//! The interpreter on a thread of its own: prepared once, asked rule by rule, given up when it panics or takes too long.

use std::collections::BTreeSet;
use std::num::NonZeroU32;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::mpsc::{Receiver, RecvTimeoutError, Sender, channel};
use std::thread;
use std::time::Duration;

use regorus::utils::limits::ExecutionTimerConfig;
use regorus::{Engine, Value};

use super::{
    Memory, Policies, RegoError, Report, THREAD, TestResult, builtins, documents, imports, recursion,
};
use crate::level::Level;

/// Deep documents and rules need a deep stack; a stack that overflows cannot be caught.
const STACK: usize = 64 << 20;
/// The interpreter looks at the time itself, but not within a function of its own; this much later nobody waits any more.
const GRACE: Duration = Duration::from_secs(1);
/// Nobody nests brackets deeper; the parser takes exponentially long, and recurses.
const MAX_DEPTH: usize = 100;
/// How long nobody looks at the memory.
const LOOK: Duration = Duration::from_millis(20);
/// How many steps go by between two looks at the time.
const INTERVAL: NonZeroU32 = NonZeroU32::new(256).unwrap();

/// What the thread is asked.
enum Question {
    Input(String),
    Rule(String),
}

/// What it says: the rule's value as JSON, nothing where it has none.
type Answer = Result<Option<serde_json::Value>, Failure>;

enum Failure {
    Failed(String),
    TooLong,
    TooLarge,
    Panicked(String),
}

/// A rule of a policy.
#[derive(Clone, Debug, PartialEq, Eq)]
struct RuleName {
    package: String,
    rule: String,
    policy: (String, usize),
}

impl RuleName {
    fn path(&self) -> String {
        format!("data.{}.{}", self.package, self.rule)
    }

    fn title(&self) -> String {
        format!("{}.{}", self.package, self.rule)
    }
}

pub(super) struct Interpreter {
    rules: Vec<RuleName>,
    questions: Sender<Question>,
    answers: Receiver<Answer>,
    limit: Duration,
    memory: Memory,
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

    /// What the rules say of a document.
    pub(super) fn reports(&mut self, input: &serde_json::Value) -> Result<Vec<Report>, RegoError> {
        self.ask(Question::Input(input.to_string()), "input")?;
        let rules = self.rules.clone();
        let mut reports = Vec::new();
        for package in rules.iter().map(|rule| &rule.package).collect::<BTreeSet<_>>() {
            let of_package = || rules.iter().filter(|rule| rule.package == *package);
            let exempt = match of_package().find(|rule| rule.rule == "exception") {
                Some(rule) => names(self.ask(Question::Rule(rule.path()), &rule.title())?),
                None => BTreeSet::new(),
            };
            for rule in of_package() {
                let Some((level, rest)) = finds(&rule.rule) else { continue };
                if exempt.contains(rest) {
                    continue;
                }
                let value = self.ask(Question::Rule(rule.path()), &rule.title())?;
                reports.extend(said(value).into_iter().map(|(message, details)| Report {
                    package: package.clone(),
                    rule: rule.rule.clone(),
                    level,
                    message,
                    details,
                    policy: rule.policy.clone(),
                }));
            }
        }
        Ok(reports)
    }

    /// How the unit tests go. A test that fails with an error has failed; one that takes too long ends the run.
    pub(super) fn tests(&mut self) -> Result<Vec<TestResult>, RegoError> {
        let rules = self.rules.clone();
        let mut results = Vec::new();
        for rule in rules.iter().filter(|rule| rule.rule.starts_with("test_")) {
            let failed = match self.ask(Question::Rule(rule.path()), &rule.title()) {
                Ok(Some(serde_json::Value::Bool(true))) => None,
                Ok(Some(serde_json::Value::Bool(false))) => Some("it is false".to_owned()),
                Ok(None) => Some("it is undefined".to_owned()),
                Ok(Some(value)) => Some(format!("it is {value} and not true")),
                Err(RegoError::Rule { message, .. }) => Some(message),
                Err(error) => return Err(error),
            };
            results.push(TestResult { name: rule.title(), policy: rule.policy.clone(), failed });
        }
        Ok(results)
    }
}

/// The level of a rule that finds things, and its name without that beginning.
fn finds(rule: &str) -> Option<(Level, &str)> {
    let kinds = [("deny", Level::Error), ("violation", Level::Error), ("warn", Level::Warning)];
    kinds.into_iter().find_map(|(kind, level)| match rule.strip_prefix(kind)? {
        "" => Some((level, "")),
        rest => rest.strip_prefix('_').map(|rest| (level, rest)),
    })
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
    let (mut engine, rules) = match prepared {
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
        let answer = guarded(|| answer(&mut engine, question))
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

fn answer(engine: &mut Engine, question: Question) -> Answer {
    match question {
        Question::Input(text) => {
            engine.set_input_json(&text).map_err(|error| Failure::Failed(one_line(&error.to_string())))?;
            Ok(None)
        }
        Question::Rule(path) => match engine.eval_rule(path) {
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

/// The interpreter draws the place over several lines; the last says what is wrong.
fn one_line(message: &str) -> String {
    let lines: Vec<&str> = message
        .lines()
        .map(str::trim)
        .filter(|line| !line.is_empty() && !line.chars().all(|c| "|^ -".contains(c)))
        .collect();
    let place = lines.first().and_then(|line| line.strip_prefix("-->")).map(str::trim);
    let words = lines
        .iter()
        .rev()
        .find_map(|line| line.strip_prefix("error:"))
        .or(lines.last().copied())
        .unwrap_or(message)
        .trim();
    match place {
        Some(place) => format!("{words} ({place})"),
        None => words.to_owned(),
    }
}

fn prepare(policies: &Policies, tests: bool) -> Result<(Engine, Vec<RuleName>), RegoError> {
    let mut engine = Engine::new();
    engine
        .set_execution_timer_config(ExecutionTimerConfig { limit: policies.limit, check_interval: INTERVAL });
    builtins::add(&mut engine, policies.now);
    let mut rules: Vec<RuleName> = Vec::new();
    let mut packages: Vec<(String, String)> = Vec::new();
    for (path, text) in &policies.modules {
        if path.ends_with("_test.rego") && !tests {
            continue;
        }
        let written = imports::written_out(text);
        let package = add_module(&mut engine, path, &written)?;
        let package = package.strip_prefix("data.").unwrap_or(&package).to_owned();
        packages.push((package.clone(), written));
        for (rule, line) in heads(text) {
            let known = rules.iter().any(|known| known.package == package && known.rule == rule);
            if !known && wanted(policies, &package) {
                rules.push(RuleName { package: package.clone(), rule, policy: (path.clone(), line) });
            }
        }
    }
    if let Some(function) =
        recursion::recursive(packages.iter().map(|(package, text)| (package.as_str(), text.as_str())))
    {
        return Err(RegoError::Recursive(function));
    }
    if !tests && !rules.iter().any(|rule| finds(&rule.rule).is_some()) {
        let of = match policies.namespaces.as_slice() {
            [] => String::new(),
            names => {
                format!(" in {}", names.iter().map(|name| format!("`{name}`")).collect::<Vec<_>>().join(", "))
            }
        };
        return Err(RegoError::NoRules(of));
    }
    let data = merged(policies)?;
    let value = Value::from_json_str(&data.to_string())
        .map_err(|error| RegoError::Data { path: "data".to_owned(), message: error.to_string() })?;
    engine
        .add_data(value)
        .map_err(|error| RegoError::Data { path: "data".to_owned(), message: error.to_string() })?;
    Ok((engine, rules))
}

fn wanted(policies: &Policies, package: &str) -> bool {
    policies.namespaces.is_empty()
        || policies.namespaces.iter().any(|name| name.strip_prefix("data.").unwrap_or(name) == package)
}

/// Reads a policy of the second version, or else of the first; of two errors that of the version it is written in counts.
fn add_module(engine: &mut Engine, path: &str, text: &str) -> Result<String, RegoError> {
    if recursion::depth(text) > MAX_DEPTH {
        let message = format!("it nests more than {MAX_DEPTH} deep");
        return Err(RegoError::Syntax { path: path.to_owned(), message });
    }
    engine.set_rego_v0(false);
    let first = match engine.add_policy(path.to_owned(), text.to_owned()) {
        Ok(package) => return Ok(package),
        Err(error) => error,
    };
    engine.set_rego_v0(true);
    engine.add_policy(path.to_owned(), text.to_owned()).map_err(|second| {
        let new = text.contains("import rego.v1")
            || text.contains(" contains ")
            || text.lines().any(|line| line.trim_end().ends_with(" if {"));
        let error = if new { first } else { second };
        RegoError::Syntax { path: path.to_owned(), message: one_line(&error.to_string()) }
    })
}

/// The names at the heads of a policy's rules that anybody asks for, each with its line.
fn heads(text: &str) -> Vec<(String, usize)> {
    let name = |line: &str| {
        let line = line.strip_prefix("default ").unwrap_or(line);
        let end = line.find(|c: char| !c.is_ascii_alphanumeric() && c != '_').unwrap_or(line.len());
        let name = &line[..end];
        let rest = line[end..].trim_start();
        let head = rest.is_empty()
            || rest.starts_with(['[', '{', '=', ':'])
            || rest.starts_with("if")
            || rest.starts_with("contains");
        let asked = finds(name).is_some() || name.starts_with("test_") || name == "exception";
        (head && asked).then(|| name.to_owned())
    };
    text.lines().enumerate().filter_map(|(index, line)| Some((name(line)?, index + 1))).collect()
}

/// The data files as one document: directories are keys.
fn merged(policies: &Policies) -> Result<serde_json::Value, RegoError> {
    let mut root = serde_json::Value::Object(serde_json::Map::new());
    for (path, text) in &policies.data {
        let document = documents(path, text)?.into_iter().next();
        let Some(document) = document else { continue };
        let mut at = &mut root;
        for directory in path
            .split('/')
            .rev()
            .skip(1)
            .collect::<Vec<_>>()
            .into_iter()
            .rev()
            .filter(|part| !part.is_empty() && *part != ".")
        {
            let map = at.as_object_mut().ok_or_else(|| RegoError::Data {
                path: path.clone(),
                message: "another file has a value there".to_owned(),
            })?;
            at = map.entry(directory).or_insert_with(|| serde_json::Value::Object(serde_json::Map::new()));
        }
        merge(at, document.value);
    }
    Ok(root)
}

fn merge(into: &mut serde_json::Value, from: serde_json::Value) {
    match (into, from) {
        (serde_json::Value::Object(into), serde_json::Value::Object(from)) => {
            for (key, value) in from {
                match into.get_mut(&key) {
                    Some(own) => merge(own, value),
                    None => drop(into.insert(key, value)),
                }
            }
        }
        (into, from) => *into = from,
    }
}
