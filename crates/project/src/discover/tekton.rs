//! Tekton Pipelines: the order of builds that somebody wrote down.

use std::collections::BTreeMap;

use super::object::Object;
use crate::model::{Located, Pipeline, PipelineTask};
use crate::place::Place;
use crate::yaml::{Node, Value};

/// A pipeline and its tasks. `tasks` are the repository's Tasks by name, for what their scripts start.
pub fn pipeline(object: &Object, tasks: &BTreeMap<String, Object>) -> Option<Pipeline> {
    let spec = match object.kind() {
        "Pipeline" => object.node.get("spec")?,
        _ => object.node.at("spec.pipelineSpec")?,
    };
    let defaults = parameters(spec.items_at("params"), "default");
    let list = spec.items_at("tasks").iter().chain(spec.items_at("finally"));
    let tasks = list.filter_map(|node| task(object, node, tasks, &defaults)).collect();
    Some(Pipeline { name: object.name().to_owned(), tasks, place: object.named_at() })
}

fn task(
    object: &Object,
    node: &Node,
    known: &BTreeMap<String, Object>,
    pipeline: &BTreeMap<String, String>,
) -> Option<PipelineTask> {
    let name = node.get("name")?;
    let own = parameters(node.items_at("params"), "value");
    let own: BTreeMap<String, String> =
        own.into_iter().map(|(name, value)| (name, filled(&value, pipeline))).collect();
    let referred = node.text_at("taskRef.name").and_then(|name| known.get(name));
    let spec = node.get("taskSpec").or_else(|| referred?.node.get("spec"));
    let mut values = spec.map(|spec| parameters(spec.items_at("params"), "default")).unwrap_or_default();
    values.extend(own.clone());
    let mut builds = Vec::new();
    for step in spec.map(|spec| spec.items_at("steps")).unwrap_or_default() {
        let args = step.items_at("command").iter().chain(step.items_at("args")).filter_map(Node::text);
        let text =
            step.text_at("script").map(str::to_owned).into_iter().chain([args.collect::<Vec<_>>().join(" ")]);
        builds.extend(text.flat_map(|text| started(&filled(&text, &values))));
    }
    // Parameters of a cluster's own task often are the command itself.
    builds.extend(own.values().flat_map(|text| started(text)));
    let named = |name: &str| {
        ["image", "imageurl", "outputimage"].contains(&name.to_lowercase().replace(['-', '_'], "").as_str())
    };
    let image = own.iter().find(|(name, _)| named(name)).map(|(_, value)| value.clone());
    let builds =
        builds.into_iter().map(|value| Located { place: named_at(object, node, &value), value }).collect();
    let mut words: Vec<String> = own.into_values().flat_map(|value| words(&value)).collect();
    words.dedup();
    let mut run_after: Vec<Located> = node
        .items_at("runAfter")
        .iter()
        .filter_map(|after| {
            Some(Located { value: after.text()?.to_owned(), place: object.place(after.span) })
        })
        .collect();
    results(node, object, &mut run_after);
    Some(PipelineTask {
        name: name.text()?.to_owned(),
        image,
        words,
        builds,
        run_after,
        place: object.place(name.span),
    })
}

/// Where a task says which build it starts: the parameter that holds its name, or the task.
fn named_at(object: &Object, task: &Node, build: &str) -> Place {
    let mut values = task.items_at("params").iter().filter_map(|param| param.get("value"));
    let holding = values.find(|value| value.text().is_some_and(|text| text.contains(build)));
    let named = holding.or_else(|| task.get("name")).unwrap_or(task);
    object.place(named.span)
}

/// Names and values of parameters; lists are their items, one a line.
fn parameters(params: &[Node], value: &str) -> BTreeMap<String, String> {
    let text = |node: &Node| match &node.value {
        Value::Sequence(items) => Some(items.iter().filter_map(Node::text).collect::<Vec<_>>().join("\n")),
        _ => node.text().map(str::to_owned),
    };
    params
        .iter()
        .filter_map(|param| Some((param.text_at("name")?.to_owned(), text(param.get(value)?)?)))
        .collect()
}

/// `$(params.NAME)` filled in, and `$(inputs.params.NAME)`; what is not known stays.
fn filled(text: &str, values: &BTreeMap<String, String>) -> String {
    let mut filled = String::new();
    let mut rest = text;
    while let Some(at) = rest.find("$(") {
        let Some(end) = rest[at..].find(')').map(|end| at + end) else { break };
        let inner = &rest[at + 2..end];
        let inner = inner.strip_prefix("inputs.").unwrap_or(inner);
        let value = inner.strip_prefix("params.").and_then(|name| values.get(name.trim_end_matches("[*]")));
        filled.push_str(&rest[..at]);
        filled.push_str(value.map_or(&rest[at..=end], String::as_str));
        rest = &rest[end + 1..];
    }
    filled + rest
}

/// The builds that a script starts: `oc start-build NAME`, with flags anywhere.
fn started(script: &str) -> Vec<String> {
    let mut found = Vec::new();
    for line in script.replace("\\\n", " ").lines() {
        for rest in line.split("start-build").skip(1) {
            let end = rest.find(['&', ';', '|', '#']).unwrap_or(rest.len());
            let mut words = rest[..end].split_whitespace();
            while let Some(word) = words.next() {
                if matches!(word, "-n" | "--namespace" | "-e" | "--env" | "--build-arg" | "--commit") {
                    words.next();
                } else if !word.starts_with('-') {
                    let name = word.trim_matches(['"', '\'', ')']);
                    if !name.contains('$') && !name.is_empty() {
                        found.push(name.to_owned());
                    }
                    break;
                }
            }
        }
    }
    found
}

fn words(value: &str) -> Vec<String> {
    value.split_whitespace().map(|word| word.trim_matches(['"', '\'', ',']).to_owned()).collect()
}

/// A task also waits for those whose results it is given: `$(tasks.NAME.results.…)`.
fn results(node: &Node, object: &Object, run_after: &mut Vec<Located>) {
    match &node.value {
        Value::Scalar { text, .. } => {
            for rest in text.split("$(tasks.").skip(1) {
                let name = rest.split('.').next().unwrap_or_default();
                let is_task = rest[name.len()..].starts_with(".results.");
                if is_task && !run_after.iter().any(|after| after.value == name) {
                    run_after.push(Located { value: name.to_owned(), place: object.place(node.span) });
                }
            }
        }
        Value::Sequence(items) => items.iter().for_each(|item| results(item, object, run_after)),
        Value::Mapping(pairs) => pairs.iter().for_each(|pair| results(&pair.value, object, run_after)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn builds_that_scripts_start_are_found() {
        let check = |script: &str, expected: &[&str]| assert_eq!(started(script), expected, "{script}");
        check("oc start-build airflow --follow", &["airflow"]);
        check(
            "oc -n ci start-build -n ci --wait=true bc/airflow; oc start-build \"spark\" &",
            &["bc/airflow", "spark"],
        );
        check("oc start-build \\\n  --follow \\\n  airflow", &["airflow"]);
        check("oc start-build $NAME", &[]);
        check("echo nothing", &[]);
    }

    #[test]
    fn parameters_are_filled_in() {
        let values = BTreeMap::from([("A".to_owned(), "x".to_owned())]);
        assert_eq!(filled("$(params.A)-$(inputs.params.A) $(params.B) $(", &values), "x-x $(params.B) $(");
    }
}
