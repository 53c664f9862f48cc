//! The graph as a tree: bases with what is built on them below.

use std::collections::{BTreeMap, BTreeSet};

use dockerfile::Level;
use project::{EdgeKind, NodeId, NodeKind};

use super::Shown;
use crate::ui::format::counted;
use crate::ui::line::Tone;

/// The tree, and below it what there is to say.
pub fn text(shown: &Shown<'_>, colour: bool) -> String {
    let mut text =
        if shown.whole { shown.loaded.headline(shown.loaded.project.images.len()) } else { String::new() };
    if !shown.nodes.is_empty() {
        text.push('\n');
    }
    let mut parents: BTreeMap<NodeId, NodeId> = BTreeMap::new();
    let mut others: BTreeMap<NodeId, Vec<NodeId>> = BTreeMap::new();
    for edge in shown.edges() {
        if edge.kind == EdgeKind::From && !parents.contains_key(&edge.to) {
            parents.insert(edge.to, edge.from);
        } else {
            others.entry(edge.to).or_default().push(edge.from);
        }
    }
    let mut children: BTreeMap<NodeId, Vec<NodeId>> = BTreeMap::new();
    for (child, parent) in &parents {
        children.entry(*parent).or_default().push(*child);
    }
    let mut tree = Tree { shown, parents: &parents, children: &children, others: &others, colour, text };
    let mut roots: Vec<NodeId> =
        shown.nodes.iter().copied().filter(|node| !parents.contains_key(node)).collect();
    // What only gives files to others is named beside them.
    roots.retain(|node| {
        children.contains_key(node) || !matches!(shown.loaded.graph.nodes[node.0].kind, NodeKind::External)
    });
    roots.sort_by_key(|node| {
        (matches!(shown.loaded.graph.nodes[node.0].kind, NodeKind::Image(_)), shown.name(*node))
    });
    for root in roots {
        tree.node(root, "", "");
    }
    let mut text = tree.text;
    let findings = findings(shown, colour);
    if !findings.is_empty() {
        text.push('\n');
        text += &findings;
    }
    text
}

struct Tree<'t> {
    shown: &'t Shown<'t>,
    parents: &'t BTreeMap<NodeId, NodeId>,
    children: &'t BTreeMap<NodeId, Vec<NodeId>>,
    others: &'t BTreeMap<NodeId, Vec<NodeId>>,
    colour: bool,
    text: String,
}

impl Tree<'_> {
    /// A node and what is built on it. `lead` stands before it, `below` before its children.
    fn node(&mut self, node: NodeId, lead: &str, below: &str) {
        let found = &self.shown.loaded.graph.nodes[node.0];
        let name = match found.kind {
            NodeKind::Image(_) => found.name.clone(),
            NodeKind::Base(_) => format!("{} (base)", found.name),
            NodeKind::External => Tone::Dim.paint(&found.name, self.colour),
        };
        let mut also: Vec<&str> = Vec::new();
        for other in self.others.get(&node).into_iter().flatten() {
            let name = self.shown.name(*other);
            if !also.contains(&name) && self.parents.get(&node) != Some(other) {
                also.push(name);
            }
        }
        let also = if also.is_empty() { String::new() } else { format!("  + {}", also.join(", ")) };
        let unwanted = match found.kind {
            NodeKind::Image(image) if !self.shown.loaded.project.images[image].wanted => {
                "  (only a Dockerfile)"
            }
            _ => "",
        };
        self.text += &format!("{lead}{name}{also}{unwanted}\n");
        let children = self.children.get(&node).map(Vec::as_slice).unwrap_or_default();
        for (at, child) in children.iter().enumerate() {
            let last = at + 1 == children.len();
            let (branch, trunk) = if last { ("└─ ", "   ") } else { ("├─ ", "│  ") };
            self.node(*child, &format!("{below}{branch}"), &format!("{below}{trunk}"));
        }
    }
}

/// What there is to say: errors and warnings at their places, notes a line each, what is not supported.
pub fn findings(shown: &Shown<'_>, colour: bool) -> String {
    let (notes, others): (Vec<_>, Vec<_>) =
        shown.findings.iter().copied().partition(|finding| finding.level == Level::Info);
    let mut text = String::new();
    for (source, diagnostics) in shown.loaded.diagnostics(&others) {
        text += &dockerfile::render(&source, &diagnostics, colour);
        text.push('\n');
    }
    for note in &notes {
        text += &format!("note: {} ({}:{})\n", note.message, note.place.file, note.place.line);
    }
    let unsupported = if shown.whole { shown.loaded.project.unsupported.as_slice() } else { &[] };
    let mut told = BTreeSet::new();
    for listed in unsupported {
        let line = format!("not supported: {} ({}:{})\n", listed.what, listed.place.file, listed.place.line);
        if told.insert(line.clone()) {
            text += &line;
        }
    }
    let count = |level| others.iter().filter(|finding| finding.level == level).count() as u64;
    let counts = [(count(Level::Error), "error"), (count(Level::Warning), "warning")];
    let counts: Vec<String> =
        counts.iter().filter(|(count, _)| *count > 0).map(|(count, what)| counted(*count, what)).collect();
    if !counts.is_empty() {
        if !text.ends_with("\n\n") {
            text.push('\n');
        }
        text += &format!("{}\n", counts.join(", "));
    }
    text
}
