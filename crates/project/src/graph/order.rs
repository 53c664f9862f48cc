//! Orders of a graph: waves, what images need, who needs them. All of it is linear in nodes and edges.

use super::{Graph, NodeId, NodeKind};

/// See [`Graph::waves`].
pub fn waves(graph: &Graph) -> Vec<Vec<usize>> {
    let mut waves: Vec<Vec<usize>> = Vec::new();
    for (node, depth) in depths(graph).into_iter().enumerate() {
        let NodeKind::Image(image) = graph.nodes[node].kind else { continue };
        if waves.len() <= depth {
            waves.resize_with(depth + 1, Vec::new);
        }
        waves[depth].push(image);
    }
    waves
}

/// See [`Graph::closure`].
pub fn closure(graph: &Graph, images: &[usize]) -> Vec<usize> {
    let mut reached = vec![false; graph.nodes.len()];
    let mut waiting: Vec<NodeId> = images.iter().map(|image| graph.node_of(*image)).collect();
    while let Some(node) = waiting.pop() {
        if std::mem::replace(&mut reached[node.0], true) {
            continue;
        }
        waiting.extend(graph.needs(node).map(|edge| edge.from));
    }
    ordered(graph, &reached)
}

/// See [`Graph::dependents`].
pub fn dependents(graph: &Graph, nodes: &[NodeId]) -> Vec<usize> {
    let users = users(graph);
    let mut reached = vec![false; graph.nodes.len()];
    let mut waiting: Vec<NodeId> = nodes.iter().flat_map(|node| users[node.0].iter().copied()).collect();
    while let Some(node) = waiting.pop() {
        if std::mem::replace(&mut reached[node.0], true) {
            continue;
        }
        waiting.extend(&users[node.0]);
    }
    for node in nodes {
        reached[node.0] = false;
    }
    ordered(graph, &reached)
}

/// Who uses each node.
pub fn users(graph: &Graph) -> Vec<Vec<NodeId>> {
    let mut users: Vec<Vec<NodeId>> = vec![Vec::new(); graph.nodes.len()];
    for edge in &graph.edges {
        if users[edge.from.0].last() != Some(&edge.to) {
            users[edge.from.0].push(edge.to);
        }
    }
    users
}

fn ordered(graph: &Graph, reached: &[bool]) -> Vec<usize> {
    waves(graph).into_iter().flatten().filter(|image| reached[graph.node_of(*image).0]).collect()
}

/// How many of the project's images stand below each node, on the longest way down.
fn depths(graph: &Graph) -> Vec<usize> {
    let users = users(graph);
    let mut missing = vec![0usize; graph.nodes.len()];
    for user in users.iter().flatten() {
        missing[user.0] += 1;
    }
    let mut depths = vec![0; graph.nodes.len()];
    let mut ready: Vec<usize> = (0..missing.len()).filter(|node| missing[*node] == 0).collect();
    while let Some(node) = ready.pop() {
        let below = depths[node] + usize::from(matches!(graph.nodes[node].kind, NodeKind::Image(_)));
        for user in &users[node] {
            depths[user.0] = depths[user.0].max(below);
            missing[user.0] -= 1;
            if missing[user.0] == 0 {
                ready.push(user.0);
            }
        }
    }
    depths
}
