//! Documents of JSON and YAML, for policies.

use dockerfile::Span;
use project::yaml::{self, Node, Value as Yaml};
use serde_json::{Map, Number, Value};

use super::RegoError;

/// A document and where it stands in its file.
#[derive(Clone, Debug)]
pub struct Document {
    /// What it holds.
    pub value: Value,
    /// Its first line.
    pub span: Span,
}

/// The documents of a file: one of JSON, any number of YAML.
pub fn documents(name: &str, text: &str) -> Result<Vec<Document>, RegoError> {
    let first = text.split('\n').next().unwrap_or_default().trim_end().len();
    if let Ok(value) = serde_json::from_str(text) {
        return Ok(vec![Document { value, span: Span::new(0, first) }]);
    }
    let found = yaml::parse(text);
    if let Some(diagnostic) = found.diagnostics.first() {
        let at = dockerfile::line_column(text, diagnostic.span.start);
        let message = format!("line {}: {}", at.line, diagnostic.message);
        return Err(RegoError::Data { path: name.to_owned(), message });
    }
    let line = |node: &Node| {
        let end = text[node.span.start..].find('\n').map_or(text.len(), |length| node.span.start + length);
        Span::new(node.span.start, end.min(node.span.end.max(node.span.start)))
    };
    Ok(found.documents.iter().map(|node| Document { value: json(node), span: line(node) }).collect())
}

/// A YAML tree as JSON; plain scalars are what YAML's core schema says. Of two equal keys the last counts.
pub(super) fn json(node: &Node) -> Value {
    match &node.value {
        Yaml::Mapping(pairs) => Value::Object(
            pairs.iter().map(|pair| (pair.key.clone(), json(&pair.value))).collect::<Map<_, _>>(),
        ),
        Yaml::Sequence(items) => Value::Array(items.iter().map(json).collect()),
        Yaml::Scalar { .. } if node.is_null() => Value::Null,
        Yaml::Scalar { text, plain: true } => {
            node.flag().map(Value::Bool).or_else(|| number(text)).unwrap_or_else(|| text.clone().into())
        }
        Yaml::Scalar { text, .. } => text.clone().into(),
    }
}

fn number(text: &str) -> Option<Value> {
    let digits = text.strip_prefix(['-', '+']).unwrap_or(text);
    if let Some(hex) = digits.strip_prefix("0x") {
        return i64::from_str_radix(hex, 16).ok().map(Value::from);
    }
    let shaped = digits.starts_with(|first: char| first.is_ascii_digit() || first == '.')
        && digits.contains(|c: char| c.is_ascii_digit());
    if !shaped || !digits.chars().all(|c| c.is_ascii_digit() || matches!(c, '.' | 'e' | 'E' | '+' | '-')) {
        return None;
    }
    let plain = text.strip_prefix('+').unwrap_or(text);
    plain
        .parse::<i64>()
        .map(Value::from)
        .ok()
        .or_else(|| Number::from_f64(plain.parse().ok()?).map(Value::Number))
}
