//! Policies made ready for the interpreter: modules of both versions, data, and the rules that somebody asks for.

use std::num::NonZeroU32;

use regorus::utils::limits::ExecutionTimerConfig;
use regorus::{Engine, Value};

use super::{Policies, RegoError, builtins, documents, imports, recursion};
use crate::level::Level;

/// Nobody nests brackets deeper; the parser takes exponentially long, and recurses.
const MAX_DEPTH: usize = 100;
/// How many steps go by between two looks at the time.
const INTERVAL: NonZeroU32 = NonZeroU32::new(256).unwrap();

/// The policies twice, once for each way to fail, and the rules in them.
pub(super) struct Prepared {
    /// A function that fails is an error.
    pub strict: Engine,
    /// A function that fails is undefined.
    pub lenient: Engine,
    /// What they are asked.
    pub rules: Vec<RuleName>,
}

/// A rule of a policy.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct RuleName {
    /// Its package, without `data.`.
    pub package: String,
    /// Its name in it.
    pub rule: String,
    /// The policy it stands in, and its line.
    pub policy: (String, usize),
}

impl RuleName {
    /// What the interpreter calls it.
    pub fn path(&self) -> String {
        format!("data.{}.{}", self.package, self.rule)
    }

    /// What people call it.
    pub fn title(&self) -> String {
        format!("{}.{}", self.package, self.rule)
    }
}

/// Reads the policies and their data.
pub(super) fn prepare(policies: &Policies, tests: bool) -> Result<Prepared, RegoError> {
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
    let mut lenient = engine.clone();
    lenient.set_strict_builtin_errors(false);
    Ok(Prepared { strict: engine, lenient, rules })
}

/// The level of a rule that finds things, and its name without that beginning.
pub(super) fn finds(rule: &str) -> Option<(Level, &str)> {
    let kinds = [("deny", Level::Error), ("violation", Level::Error), ("warn", Level::Warning)];
    kinds.into_iter().find_map(|(kind, level)| match rule.strip_prefix(kind)? {
        "" => Some((level, "")),
        rest => rest.strip_prefix('_').map(|rest| (level, rest)),
    })
}

/// The interpreter draws the place over several lines; the last says what is wrong.
pub(super) fn one_line(message: &str) -> String {
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
