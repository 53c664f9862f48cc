//! The JSON schema of `kapok.yaml`, for editors: docs/kapok.schema.json.

use serde_json::{Map, Value, json};

use super::keys::{KEYS, Key, Kind};
use super::tree::TREES;

/// The schema as JSON text.
pub fn json() -> String {
    let mut root = Map::new();
    for key in KEYS {
        insert(&mut root, key.path, property(key));
    }
    for tree in TREES {
        let mut property = (tree.schema)();
        property["description"] = json!(tree.meaning);
        insert(&mut root, tree.path, property);
    }
    let schema = json!({
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": "kapok.yaml",
        "type": "object",
        "additionalProperties": false,
        "properties": root,
    });
    let mut text = serde_json::to_string_pretty(&schema).unwrap_or_default();
    text.push('\n');
    text
}

/// Puts a property at its path, making the objects on the way.
fn insert(properties: &mut Map<String, Value>, path: &str, property: Value) {
    let Some((first, rest)) = path.split_once('.') else {
        properties.insert(path.to_owned(), property);
        return;
    };
    let object = properties
        .entry(first)
        .or_insert_with(|| json!({ "type": "object", "additionalProperties": false, "properties": {} }));
    if let Some(inner) = object.get_mut("properties").and_then(Value::as_object_mut) {
        insert(inner, rest, property);
    }
}

fn property(key: &Key) -> Value {
    let mut property = match key.kind {
        Kind::Boolean => json!({ "type": "boolean" }),
        Kind::Count => json!({ "type": "integer", "minimum": 1 }),
        Kind::Cpus => json!({ "type": "number", "minimum": 0.01 }),
        Kind::Size => json!({ "type": ["string", "integer"], "pattern": "^[0-9.]+ *[kKmMgGtT]?[iI]?[bB]?$" }),
        Kind::Path => json!({ "type": "string", "pattern": "^/" }),
        Kind::Choice(words) => json!({ "enum": words }),
    };
    property["description"] = json!(key.meaning);
    property
}

#[cfg(test)]
mod tests {
    use expect_test::expect_file;

    #[test]
    fn the_published_schema_is_current() {
        expect_file!["../../../../docs/kapok.schema.json"].assert_eq(&super::json());
    }
}
