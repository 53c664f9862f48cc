//! What is written says the same as what it was written from.

use super::*;
use testkit::fixture::directory;

/// Who uses whom, and how.
fn edges(loaded: &projects::Loaded) -> Vec<String> {
    let name = |node: project::NodeId| &loaded.graph.nodes[node.0].name;
    let mut edges: Vec<String> = loaded
        .graph
        .edges
        .iter()
        .map(|edge| format!("{} {} {}", name(edge.from), edge.kind.name(), name(edge.to)))
        .collect();
    edges.sort();
    edges
}

#[test]
fn the_graph_stays_the_same() {
    let tree = directory(include_str!("../../../../project/fixtures/forest.txt"));
    let show = |failure: Failure| panic!("{failure}");
    let before = projects::discover(tree.path()).unwrap_or_else(show);
    std::fs::write(tree.path().join("kapok.yaml"), written::text(&before)).expect("it is written");
    let after = projects::load(tree.path()).unwrap_or_else(show);
    assert_eq!(after.project.source.to_string(), "kapok.yaml");
    let errors: Vec<String> = after.project.findings.iter().map(ToString::to_string).collect();
    assert_eq!(errors, Vec::<String>::new());
    // Files of another image in the build context are the one thing that cannot be said.
    let mut wanted = edges(&before);
    wanted.retain(|edge| !edge.contains(" input "));
    assert_eq!(edges(&after), wanted);
    let image = |loaded: &projects::Loaded| loaded.project.image("python-base").expect("it is there").clone();
    let (old, new) = (image(&before), image(&after));
    assert_eq!(
        (old.limits.milli_cpus, old.limits.memory, old.no_cache),
        (new.limits.milli_cpus, new.limits.memory, new.no_cache)
    );
    assert_eq!((old.timeout, old.history), (new.timeout, new.history));
    assert_eq!(old.args[0].value, new.args[0].value);
}
