//! The graph for programs.

use dockerfile::Level;
use project::{DeclaredBy, Image, NodeKind, Place};
use serde_json::{Value, json};

use super::Shown;

/// `source`, `nodes`, `edges`, `waves`, `findings`, `unsupported`.
pub fn text(shown: &Shown<'_>) -> String {
    let project = &shown.loaded.project;
    let nodes: Vec<Value> = shown.nodes.iter().map(|node| self::node(shown, node.0)).collect();
    let edges: Vec<Value> = shown
        .edges()
        .map(|edge| (edge, false))
        .chain(shown.closing().map(|edge| (edge, true)))
        .map(|(edge, closes_cycle)| {
            let mut value = json!({
                "from": shown.name(edge.from),
                "to": shown.name(edge.to),
                "kind": edge.kind.name(),
                "file": edge.place.file,
                "line": edge.place.line,
                "reference": edge.reference,
            });
            if closes_cycle {
                value["closes-cycle"] = json!(true);
            }
            value
        })
        .collect();
    let waves: Vec<Vec<&str>> = shown
        .loaded
        .graph
        .waves()
        .iter()
        .map(|wave| {
            let inside = |image: &&usize| shown.nodes.contains(&shown.loaded.graph.node_of(**image));
            wave.iter().filter(inside).map(|image| project.images[*image].name.as_str()).collect()
        })
        .filter(|wave: &Vec<&str>| !wave.is_empty())
        .collect();
    let findings: Vec<Value> = shown
        .findings
        .iter()
        .map(|finding| {
            with_place(
                json!({
                    "code": finding.code.name(),
                    "level": level(finding.level),
                    "message": finding.message,
                    "images": finding.images,
                    "fix": finding.fix,
                }),
                &finding.place,
            )
        })
        .collect();
    let unsupported: Vec<Value> = project
        .unsupported
        .iter()
        .map(|listed| with_place(json!({ "what": listed.what }), &listed.place))
        .collect();
    let value = json!({
        "source": project.source.to_string(),
        "nodes": nodes,
        "edges": edges,
        "waves": waves,
        "findings": findings,
        "unsupported": unsupported,
    });
    serde_json::to_string_pretty(&value).unwrap_or_default() + "\n"
}

fn node(shown: &Shown<'_>, number: usize) -> Value {
    let node = &shown.loaded.graph.nodes[number];
    let mut value = with_place(json!({ "name": node.name, "kind": node.kind.name() }), &node.place);
    if let NodeKind::Image(image) = node.kind {
        let image: &Image = &shown.loaded.project.images[image];
        value["declared-by"] = json!(match image.declared_by {
            DeclaredBy::KapokYaml => "kapok.yaml",
            DeclaredBy::BuildConfig => "BuildConfig",
            DeclaredBy::Makefile => "Makefile",
            DeclaredBy::Dockerfile => "Dockerfile",
        });
        value["context"] = json!(image.context.directory());
        value["dockerfile"] = json!(image.dockerfile.path());
        value["outputs"] = image.outputs.iter().map(|output| output.name.to_string()).collect();
        value["wanted"] = json!(image.wanted);
    }
    value
}

fn with_place(mut value: Value, place: &Place) -> Value {
    value["file"] = json!(place.file);
    value["line"] = json!(place.line);
    value["column"] = json!(place.column);
    value
}

fn level(level: Level) -> &'static str {
    match level {
        Level::Error => "error",
        Level::Warning => "warning",
        Level::Info => "info",
    }
}
