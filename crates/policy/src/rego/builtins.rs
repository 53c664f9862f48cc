//! Functions of OPA that the interpreter leaves out with its heavier features, as far as policies use them.

use regorus::{Engine, Value};

/// Nanoseconds of a second.
const NANOSECONDS: i64 = 1_000_000_000;

/// Adds `yaml.unmarshal`, `yaml.is_valid`, `time.now_ns`, `time.parse_rfc3339_ns`. `now` is in seconds since 1970.
pub(super) fn add(engine: &mut Engine, now: i64) {
    // Adding fails only for a name that is there already, and then that one serves.
    let _ = engine.add_extension(
        "time.now_ns".to_owned(),
        0,
        Box::new(move |_| Ok(Value::from(now.saturating_mul(NANOSECONDS)))),
    );
    let _ = engine.add_extension(
        "time.parse_rfc3339_ns".to_owned(),
        1,
        Box::new(|arguments| Ok(parsed_time(&arguments))),
    );
    let _ = engine.add_extension(
        "yaml.unmarshal".to_owned(),
        1,
        Box::new(|arguments| Ok(yaml(&arguments).unwrap_or(Value::Undefined))),
    );
    let _ = engine.add_extension(
        "yaml.is_valid".to_owned(),
        1,
        Box::new(|arguments| Ok(Value::from(yaml(&arguments).is_some()))),
    );
}

fn text(arguments: &[Value]) -> Option<&str> {
    arguments.first()?.as_string().ok().map(|text| text.as_ref())
}

fn parsed_time(arguments: &[Value]) -> Value {
    let seconds = text(arguments).and_then(oci::time::parse_rfc3339);
    seconds.map_or(Value::Undefined, |seconds| Value::from(seconds.saturating_mul(NANOSECONDS)))
}

fn yaml(arguments: &[Value]) -> Option<Value> {
    let documents = super::documents("", text(arguments)?).ok()?;
    let first = documents.first().map_or(serde_json::Value::Null, |document| document.value.clone());
    Value::from_json_str(&first.to_string()).ok()
}
