//! From a draft to a graph: numbers for nodes, edges and findings in their order.

use std::collections::{BTreeMap, HashMap};

use super::build::{Draft, DraftEdge, End};
use super::{Edge, Graph, Node, NodeId, NodeKind};
use crate::finding::Finding;
use crate::place::Place;

/// The graph of a draft.
pub fn finish(draft: Draft<'_>) -> Graph {
    let project = draft.project;
    let mut external: BTreeMap<&str, &Place> = BTreeMap::new();
    for edge in &draft.edges {
        if let End::External(name) = &edge.from {
            let first = external.entry(name).or_insert(&edge.place);
            *first = (*first).min(&edge.place);
        }
    }
    let node = |name: &str, kind, place: &Place| Node { name: name.to_owned(), kind, place: place.clone() };
    let images = project.images.iter().enumerate();
    let images = images.map(|(at, image)| node(&image.name, NodeKind::Image(at), &image.declared));
    let bases = project.bases.iter().enumerate();
    let bases = bases.map(|(at, base)| node(&base.name, NodeKind::Base(at), &base.place));
    let outside = external.iter().map(|(name, place)| node(name, NodeKind::External, place));
    let nodes: Vec<Node> = images.chain(bases).chain(outside).collect();
    let first = project.images.len() + project.bases.len();
    let numbers: HashMap<&str, usize> =
        external.keys().enumerate().map(|(at, name)| (*name, first + at)).collect();
    let edge = |edge: &DraftEdge| Edge {
        from: NodeId(match &edge.from {
            End::Image(image) => *image,
            End::Base(base) => project.images.len() + base,
            End::External(name) => numbers[name.as_str()],
        }),
        to: NodeId(edge.to),
        kind: edge.kind,
        place: edge.place.clone(),
        reference: edge.reference.clone(),
    };
    let edges = sorted(draft.edges.iter().map(edge).collect());
    let closing = sorted(draft.closing.iter().map(edge).collect());
    Graph { nodes, edges, closing, findings: merged(draft.findings) }
}

fn sorted(mut edges: Vec<Edge>) -> Vec<Edge> {
    edges.sort_by(|one, other| {
        (one.to, &one.place, one.kind, one.from).cmp(&(other.to, &other.place, other.kind, other.from))
    });
    edges.dedup();
    edges
}

/// Findings by place. What is said of one line of a Dockerfile that several images share is said once, about all of them.
fn merged(mut findings: Vec<Finding>) -> Vec<Finding> {
    findings.sort_by(|one, other| {
        (&one.place, one.code, &one.message).cmp(&(&other.place, other.code, &other.message))
    });
    let mut merged: Vec<Finding> = Vec::new();
    for finding in findings {
        match merged.last_mut() {
            Some(last)
                if Finding { images: Vec::new(), ..last.clone() }
                    == Finding { images: Vec::new(), ..finding.clone() } =>
            {
                let more = finding
                    .images
                    .into_iter()
                    .filter(|image| !last.images.contains(image))
                    .collect::<Vec<_>>();
                last.images.extend(more);
            }
            _ => merged.push(finding),
        }
    }
    merged
}
