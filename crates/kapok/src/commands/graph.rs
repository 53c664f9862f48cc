//! `kapok graph`: the project's images, what they are built on, and what does not fit together.

mod drawn;
mod json;
#[cfg(test)]
mod tests;
mod tree;

use std::collections::BTreeSet;

use dockerfile::Level;
use project::{Finding, NodeId};

use crate::cli::project::{Graph, GraphFormat};
use crate::exit::Exit;
use crate::failure::Failure;
use crate::program::Program;
use crate::projects::{self, Loaded};

/// Prints the graph.
pub fn run(program: &Program, arguments: &Graph) -> Result<Exit, Failure> {
    let loaded = projects::load(&program.environment.directory)?;
    let shown = Shown::of(&loaded, &arguments.images)?;
    let colour = program.terminal.colour;
    match arguments.format {
        GraphFormat::Tree => program.data(&tree::text(&shown, colour))?,
        GraphFormat::Dot => program.data(&drawn::dot(&shown))?,
        GraphFormat::Mermaid => program.data(&drawn::mermaid(&shown))?,
        GraphFormat::Json => program.data(&json::text(&shown))?,
    }
    if matches!(arguments.format, GraphFormat::Dot | GraphFormat::Mermaid) {
        program.say(&tree::findings(&shown, colour));
    }
    let limit = if arguments.strict { Level::Warning } else { Level::Error };
    let bad = shown.findings.iter().any(|finding| finding.level <= limit);
    Ok(if bad { Exit::No } else { Exit::Done })
}

/// The part of a project that is shown.
pub struct Shown<'l> {
    /// The project.
    pub loaded: &'l Loaded,
    /// The nodes that are shown.
    pub nodes: BTreeSet<NodeId>,
    /// The findings about them.
    pub findings: Vec<&'l Finding>,
    /// Whether all of it is shown.
    pub whole: bool,
}

impl<'l> Shown<'l> {
    /// Some images with what they need, or everything.
    pub fn of(loaded: &'l Loaded, images: &[String]) -> Result<Shown<'l>, Failure> {
        let graph = &loaded.graph;
        if images.is_empty() {
            let nodes = (0..graph.nodes.len()).map(NodeId).collect();
            return Ok(Shown { loaded, nodes, findings: loaded.findings(), whole: true });
        }
        let chosen: BTreeSet<NodeId> =
            loaded.select(images)?.into_iter().map(|image| graph.node_of(image)).collect();
        let below = chosen.iter().flat_map(|node| graph.needs(*node).map(|edge| edge.from));
        let nodes: BTreeSet<NodeId> = chosen.iter().copied().chain(below).collect();
        let names: BTreeSet<&str> = chosen.iter().map(|node| graph.nodes[node.0].name.as_str()).collect();
        let mut findings = loaded.findings();
        findings.retain(|finding| finding.images.iter().any(|image| names.contains(image.as_str())));
        Ok(Shown { loaded, nodes, findings, whole: false })
    }

    /// The edges between the nodes that are shown.
    pub fn edges(&self) -> impl Iterator<Item = &'l project::Edge> {
        let shown = |edge: &&project::Edge| self.nodes.contains(&edge.from) && self.nodes.contains(&edge.to);
        self.loaded.graph.edges.iter().filter(shown)
    }

    /// The edges between them that would close a cycle.
    pub fn closing(&self) -> impl Iterator<Item = &'l project::Edge> {
        let shown = |edge: &&project::Edge| self.nodes.contains(&edge.from) && self.nodes.contains(&edge.to);
        self.loaded.graph.closing.iter().filter(shown)
    }

    /// A node's name.
    pub fn name(&self, node: NodeId) -> &'l str {
        &self.loaded.graph.nodes[node.0].name
    }
}
