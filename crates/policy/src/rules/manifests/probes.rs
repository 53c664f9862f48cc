//! Probes: whether anybody notices that a container does not answer.

use project::yaml::Node;

use super::pods;
use crate::facts::manifest::{Container, Pod, is_template};
use crate::level::{Level, Levels};
use crate::rule::{Family, Foreign, Need, Rule, Sink};

const PROBES: [&str; 3] = ["startupProbe", "livenessProbe", "readinessProbe"];

/// Missing probes.
pub static MISSING: Rule = Rule {
    id: "probe-missing",
    family: Family::Manifests,
    levels: Levels::of(Some(Level::Warning), Some(Level::Warning), Some(Level::Warning)),
    title: "a container that serves has probes",
    why: "Without a readiness probe requests reach a container that is not up yet; without a liveness probe one that hangs is never restarted.",
    fix: "add a `readinessProbe`, and a `livenessProbe` that asks for less",
    bad: crate::rule::Example(
        "//- pod.yaml\napiVersion: v1\nkind: Pod\nmetadata: {name: shop}\nspec:\n  containers:\n    - name: «web»\n      image: quay.io/example/web:1.2.0\n      ports: [{containerPort: 8080}]\n",
    ),
    good: pod_example!(
        "      ports: [{containerPort: 8080}]\n      readinessProbe: {httpGet: {path: /ready, port: 8080}}\n      livenessProbe: {tcpSocket: {port: 8080}}\n"
    ),
    also: &[Foreign::KubeScore("pod-probes")],
    needs: &[Need::Manifests],
    judge: |facts, sink| {
        for pod in pods(facts).filter(Pod::serves) {
            for container in
                pod.containers().iter().filter(|container| !container.init && !container.partial())
            {
                missing(container, sink);
            }
        }
    },
};

fn missing(container: &Container<'_>, sink: &mut Sink<'_>) {
    let (ready, live) = (container.node.get("readinessProbe"), container.node.get("livenessProbe"));
    let words = match (ready, live) {
        (None, None) => "no readiness and no liveness probe",
        (None, Some(_)) => "no readiness probe",
        (Some(_), None) => "no liveness probe",
        (Some(_), Some(_)) => return,
    };
    sink.find(container.place(), format!("container `{}` has {words}", container.name()));
    // Who listens to nobody needs no readiness, and many do well without liveness.
    if container.node.items_at("ports").is_empty() || ready.is_some() {
        sink.at_most(Level::Info);
    }
}

/// Probes that ask the same.
pub static IDENTICAL: Rule = Rule {
    id: "probes-identical",
    family: Family::Manifests,
    levels: Levels::of(Some(Level::Info), Some(Level::Warning), Some(Level::Warning)),
    title: "readiness and liveness ask for different things",
    why: "A pod that is only too busy to be ready is then killed as well, and its load falls on the others, which are killed next.",
    fix: "let liveness ask for less, or wait longer",
    bad: pod_example!(
        "      readinessProbe: {httpGet: {path: /health, port: 8080}}\n      «livenessProbe»: {httpGet: {path: /health, port: 8080}}\n"
    ),
    good: MISSING.good,
    also: &[Foreign::KubeScore("pod-probes-identical")],
    needs: &[Need::Manifests],
    judge: |facts, sink| {
        for pod in pods(facts) {
            for container in pod.containers() {
                let (Some(ready), Some(live)) =
                    (container.node.get("readinessProbe"), container.node.pair("livenessProbe"))
                else {
                    continue;
                };
                if same(ready, &live.value) {
                    let message =
                        format!("readiness and liveness of container `{}` ask the same", container.name());
                    sink.find(pod.object.place(live.span), message);
                }
            }
        }
    },
};

/// Whether two trees say the same, wherever they stand.
fn same(one: &Node, two: &Node) -> bool {
    let pairs = one.pairs().len() == two.pairs().len()
        && one.pairs().iter().all(|pair| two.get(&pair.key).is_some_and(|other| same(&pair.value, other)));
    let items = one.items().len() == two.items().len()
        && one.items().iter().zip(two.items()).all(|(one, two)| same(one, two));
    one.text() == two.text() && pairs && items
}

/// Probes that nobody runs.
pub static MISPLACED: Rule = Rule {
    id: "probe-misplaced",
    family: Family::Manifests,
    levels: Levels::of(Some(Level::Warning), Some(Level::Warning), Some(Level::Warning)),
    title: "probes stand where something runs them",
    why: "The API server refuses probes of an init container that ends, and a job has no traffic that readiness could hold back.",
    fix: "remove the probe",
    bad: pod_example!(
        "  initContainers:\n    - name: wait\n      image: quay.io/example/wait:1\n      «readinessProbe»: {exec: {command: [\"true\"]}}\n",
        ""
    ),
    good: MISSING.good,
    also: &[],
    needs: &[Need::Manifests],
    judge: |facts, sink| {
        for pod in pods(facts) {
            for container in pod.containers() {
                let sidecar = container.node.text_at("restartPolicy") == Some("Always");
                let ends = container.init && !sidecar;
                if !ends && pod.serves() {
                    continue;
                }
                for pair in PROBES.iter().filter_map(|key| container.node.pair(key)) {
                    let message = format!("`{}` of container `{}`, which ends", pair.key, container.name());
                    sink.find(pod.object.place(pair.span), message);
                    if !ends {
                        sink.at_most(Level::Info);
                    }
                }
            }
        }
    },
};

/// Probes of a port that nobody declares.
pub static PORT: Rule = Rule {
    id: "probe-port-unknown",
    family: Family::Manifests,
    levels: Levels::ERROR,
    title: "a probe's port is one of the container's",
    why: "A port that is named must be declared by the same container; otherwise the probe always fails and the container is restarted for ever.",
    fix: "mend the name, or declare the port",
    bad: pod_example!(
        "      ports: [{name: http, containerPort: 8080}]\n      readinessProbe: {httpGet: {path: /, port: «htp»}}\n"
    ),
    good: pod_example!(
        "      ports: [{name: http, containerPort: 8080}]\n      readinessProbe: {httpGet: {path: /, port: http}}\n"
    ),
    also: &[],
    needs: &[Need::Manifests],
    judge: |facts, sink| {
        for pod in pods(facts) {
            for container in pod.containers().iter().filter(|container| !container.partial()) {
                let probes = PROBES.iter().filter_map(|key| container.node.get(key));
                for port in probes
                    .flat_map(|probe| ["httpGet.port", "tcpSocket.port"].map(|path| probe.at(path)))
                    .flatten()
                {
                    let name = port.text().unwrap_or_default();
                    if name.parse::<u32>().is_err() && !is_template(name) && !container.has_port(name) {
                        let message = format!("container `{}` has no port `{name}`", container.name());
                        sink.find(pod.object.place(port.span), message);
                    }
                }
            }
        }
    },
};

/// These rules.
pub const RULES: &[&Rule] = &[&MISSING, &IDENTICAL, &MISPLACED, &PORT];
