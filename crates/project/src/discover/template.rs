//! OpenShift Templates: objects with parameters in their texts.

use std::collections::BTreeMap;

use super::object::Object;
use crate::model::Unsupported;
use crate::yaml::{Node, Value};

/// The objects of a template with the parameters' own values; parameters without one stay as they are written, and are
/// listed.
pub fn objects(template: &Object, unsupported: &mut Vec<Unsupported>) -> Vec<Node> {
    let mut values = BTreeMap::new();
    for parameter in template.node.items_at("parameters") {
        let Some(name) = parameter.text_at("name") else { continue };
        match parameter.get("value").and_then(Node::text) {
            Some(value) => {
                values.insert(name, value);
            }
            None => {
                let what =
                    format!("Template `{}`: parameter `{name}` has no value of its own", template.name());
                unsupported.push(Unsupported { what, place: template.place(parameter.span) });
            }
        }
    }
    let objects = template.node.items_at("objects");
    objects.iter().map(|object| substituted(object, &values)).collect()
}

fn substituted(node: &Node, values: &BTreeMap<&str, &str>) -> Node {
    let value = match &node.value {
        Value::Scalar { text, plain } => {
            let (text, unquoted) = fill(text, values);
            Value::Scalar { text, plain: *plain || unquoted }
        }
        Value::Sequence(items) => {
            Value::Sequence(items.iter().map(|item| substituted(item, values)).collect())
        }
        Value::Mapping(pairs) => Value::Mapping(
            pairs
                .iter()
                .map(|pair| crate::yaml::Pair { value: substituted(&pair.value, values), ..pair.clone() })
                .collect(),
        ),
    };
    Node { value, span: node.span }
}

/// `${NAME}` within a text, and `${{NAME}}` for a whole value that is then no text.
fn fill(text: &str, values: &BTreeMap<&str, &str>) -> (String, bool) {
    if let Some(name) = text.strip_prefix("${{").and_then(|rest| rest.strip_suffix("}}"))
        && let Some(value) = values.get(name.trim())
    {
        return ((*value).to_owned(), true);
    }
    let mut filled = String::new();
    let mut rest = text;
    while let Some(at) = rest.find("${") {
        filled.push_str(&rest[..at]);
        let end = rest[at..].find('}').map(|end| at + end + 1);
        let Some(end) = end else {
            rest = &rest[at..];
            break;
        };
        match values.get(&rest[at + 2..end - 1]) {
            Some(value) => filled.push_str(value),
            None => filled.push_str(&rest[at..end]),
        }
        rest = &rest[end..];
    }
    filled.push_str(rest);
    (filled, false)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parameters_are_filled_in() {
        let values = BTreeMap::from([("A", "x"), ("N", "3")]);
        for (text, expected) in [
            ("${A}-${A}", ("x-x", false)),
            ("${B}/${A}", ("${B}/x", false)),
            ("${{N}}", ("3", true)),
            ("${", ("${", false)),
            ("${A", ("${A", false)),
            ("a", ("a", false)),
        ] {
            assert_eq!(fill(text, &values), (expected.0.to_owned(), expected.1), "{text}");
        }
    }
}
