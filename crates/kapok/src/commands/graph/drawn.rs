//! The graph for programs that draw: Graphviz and Mermaid.

use project::{EdgeKind, NodeId, NodeKind};

use super::Shown;

/// For Graphviz: bases on top.
pub fn dot(shown: &Shown<'_>) -> String {
    let mut text = String::from("digraph project {\n  node [shape=box];\n");
    for node in &shown.nodes {
        let style = match shown.loaded.graph.nodes[node.0].kind {
            NodeKind::Image(_) => "",
            NodeKind::Base(_) => ", style=rounded",
            NodeKind::External => ", style=dashed",
        };
        text += &format!("  n{} [label={}{style}];\n", node.0, quoted(shown.name(*node)));
    }
    for (from, to, kind) in edges(shown) {
        let style = match kind {
            EdgeKind::From => String::new(),
            other => format!(" [style=dashed, label={}]", quoted(other.name())),
        };
        text += &format!("  n{} -> n{}{style};\n", from.0, to.0);
    }
    for edge in shown.closing() {
        text += &format!("  n{} -> n{} [color=red, label=cycle];\n", edge.from.0, edge.to.0);
    }
    text + "}\n"
}

/// For Mermaid, as Markdown pages show it.
pub fn mermaid(shown: &Shown<'_>) -> String {
    let mut text = String::from("graph TD\n");
    for node in &shown.nodes {
        let (open, close) = match shown.loaded.graph.nodes[node.0].kind {
            NodeKind::Image(_) => ("[", "]"),
            NodeKind::Base(_) => ("(", ")"),
            NodeKind::External => ("([", "])"),
        };
        let name = shown.name(*node).replace('"', "#quot;");
        text += &format!("  n{}{open}\"{name}\"{close}\n", node.0);
    }
    for (from, to, kind) in edges(shown) {
        text += &match kind {
            EdgeKind::From => format!("  n{} --> n{}\n", from.0, to.0),
            other => format!("  n{} -. {} .-> n{}\n", from.0, other.name(), to.0),
        };
    }
    for edge in shown.closing() {
        text += &format!("  n{} -. cycle .-> n{}\n", edge.from.0, edge.to.0);
    }
    text
}

/// Each pair of nodes once for each way in which one uses the other.
fn edges(shown: &Shown<'_>) -> Vec<(NodeId, NodeId, EdgeKind)> {
    let mut edges: Vec<_> = shown.edges().map(|edge| (edge.from, edge.to, edge.kind)).collect();
    edges.sort_unstable();
    edges.dedup();
    edges
}

fn quoted(text: &str) -> String {
    format!("\"{}\"", text.replace('\\', "\\\\").replace('"', "\\\""))
}
