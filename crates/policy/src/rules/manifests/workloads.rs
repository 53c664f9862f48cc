//! Workloads as a whole: selectors, replicas, budgets, autoscalers.

use project::yaml::Node;

use super::pods;
use crate::facts::Facts;
use crate::facts::manifest::{Object, Pod, Selector, is_template, pod};
use crate::level::{Level, Levels};
use crate::rule::{Example, Family, Foreign, Need, Rule, Sink};

/// Selectors that miss their own template.
pub static SELECTOR: Rule = Rule {
    id: "selector-mismatch",
    family: Family::Manifests,
    levels: Levels::ERROR,
    title: "a workload selects its own pods",
    why: "The API server refuses a workload whose selector does not match the labels of its template.",
    fix: "give the template the labels that the selector asks for",
    bad: deployment_example!(
        "  selector: {matchLabels: {tier: x, «app: web»}}\n  template: {metadata: {labels: {app: wbe, tier: x}}, spec: {containers: []}}\n"
    ),
    good: deployment_example!(
        "  selector: {matchLabels: {app: web}}\n  template: {metadata: {labels: {app: web}}, spec: {containers: []}}\n"
    ),
    also: &[
        Foreign::KubeScore("deployment-pod-selector-labels-match-template-metadata-labels"),
        Foreign::KubeScore("statefulset-pod-selector-labels-match-template-metadata-labels"),
    ],
    needs: &[Need::Manifests],
    judge: |facts, sink| {
        for pod in pods(facts).filter(|pod| {
            matches!(pod.object.kind.as_str(), "Deployment" | "StatefulSet" | "DaemonSet" | "ReplicaSet")
        }) {
            let Some(selector) = pod.object.node.at("spec.selector") else { continue };
            if !Selector::of(selector).matches(pod.labels()) {
                let node = selector.get("matchLabels").unwrap_or(selector);
                let first = node.pairs().iter().find(|pair| {
                    let held = pod.labels().and_then(|labels| labels.get(&pair.key)).and_then(Node::text);
                    held != pair.value.text()
                });
                let words = first.map_or(String::new(), |pair| format!(": `{}`", pair.key));
                let span = first.map_or_else(|| flow_or_first(node), |pair| pair.span.to(pair.value.span));
                let place = pod.object.place(span);
                sink.find(place, format!("{} does not select its own pods{words}", pod.object.title()));
            }
        }
    },
};

/// A place of one line for a mapping: all of it where it stands on one line, or its first key.
fn flow_or_first(node: &Node) -> dockerfile::Span {
    match (node.pairs().first(), node.pairs().last()) {
        (Some(first), Some(_)) if first.span.start == node.span.start => first.span,
        _ => node.span,
    }
}

/// One replica.
pub static REPLICAS: Rule = Rule {
    id: "deployment-replicas",
    family: Family::Manifests,
    levels: Levels::REMARK,
    title: "a deployment has more than one replica",
    why: "With one replica every drain of a node and every crash is an outage.",
    fix: "set `replicas` to 2 or more, if the program can run twice",
    bad: deployment_example!("  replicas: «1»\n  template: {spec: {containers: []}}\n"),
    good: deployment_example!("  replicas: 2\n  template: {spec: {containers: []}}\n"),
    also: &[Foreign::KubeScore("deployment-replicas")],
    needs: &[Need::Manifests],
    judge: |facts, sink| {
        for pod in pods(facts)
            .filter(|pod| pod.object.kind == "Deployment" && autoscaler(facts, pod.object).is_none())
        {
            let written = pod.object.node.at("spec.replicas").is_some();
            if pod.replicas() == Some(1) && (written || served(facts, &pod)) {
                sink.find(
                    pod.object.place_at("spec.replicas"),
                    format!("{} has one replica", pod.object.title()),
                );
            }
        }
    },
};

/// Updates that stop everything.
pub static STRATEGY: Rule = Rule {
    id: "deployment-strategy",
    family: Family::Manifests,
    levels: Levels::REMARK,
    title: "a deployment behind a service is updated pod by pod",
    why: "With `Recreate` all pods are stopped before the first new one starts; the service answers nobody meanwhile.",
    fix: "use `RollingUpdate`, if two versions can run side by side",
    bad: deployment_example!(
        "  strategy: {type: «Recreate»}\n  template: {metadata: {labels: {app: web}}, spec: {containers: []}}\n---\napiVersion: v1\nkind: Service\nmetadata: {name: web}\nspec: {selector: {app: web}, ports: [{port: 80}]}\n"
    ),
    good: deployment_example!(
        "  strategy: {type: RollingUpdate}\n  template: {metadata: {labels: {app: web}}, spec: {containers: []}}\n---\napiVersion: v1\nkind: Service\nmetadata: {name: web}\nspec: {selector: {app: web}, ports: [{port: 80}]}\n"
    ),
    also: &[Foreign::KubeScore("deployment-strategy")],
    needs: &[Need::Manifests],
    judge: |facts, sink| {
        for pod in pods(facts).filter(|pod| pod.object.kind == "Deployment") {
            let Some(strategy) =
                pod.object.node.at("spec.strategy.type").filter(|node| node.text() == Some("Recreate"))
            else {
                continue;
            };
            if served(facts, &pod) {
                sink.find(
                    pod.object.place(strategy.span),
                    format!("an update of {} stops all its pods first", pod.object.title()),
                );
            }
        }
    },
};

/// Whether a service leads to a pod.
fn served(facts: &Facts, pod: &Pod<'_>) -> bool {
    facts.objects_of("", "Service").any(|service| {
        let selector = service.node.at("spec.selector").map(Selector::map);
        let selector = selector.filter(|selector| !selector.is_empty());
        service.shares_namespace(pod.object)
            && selector.is_some_and(|selector| selector.matches(pod.labels()))
    })
}

/// The autoscaler of a workload.
fn autoscaler<'f>(facts: &'f Facts, object: &Object) -> Option<&'f Object> {
    facts
        .objects
        .iter()
        .filter(|scaler| scaler.kind == "HorizontalPodAutoscaler" || scaler.kind == "ScaledObject")
        .find(|scaler| {
            let target = scaler.node.at("spec.scaleTargetRef");
            let named = |key: &str| target.and_then(|target| target.text_at(key));
            named("name") == Some(&object.name)
                && named("kind").is_none_or(|kind| kind == object.kind)
                && scaler.shares_namespace(object)
                && !object.name.is_empty()
        })
}

/// Deployments and stateful sets of several replicas, as far as they are known.
fn replicated(facts: &Facts) -> impl Iterator<Item = Pod<'_>> {
    pods(facts)
        .filter(|pod| matches!(pod.object.kind.as_str(), "Deployment" | "StatefulSet" | "DeploymentConfig"))
        .filter(|pod| pod.replicas().is_none_or(|count| count > 1) || autoscaler(facts, pod.object).is_some())
}

/// Missing budgets.
pub static BUDGET: Rule = Rule {
    id: "disruption-budget-missing",
    family: Family::Manifests,
    levels: Levels::REMARK,
    title: "replicas are kept by a disruption budget",
    why: "Without a budget a drain may stop all replicas at once.",
    fix: "add a `PodDisruptionBudget` with `maxUnavailable: 1` that selects its pods",
    bad: Example(
        "//- deploy.yaml\napiVersion: apps/v1\nkind: Deployment\nmetadata: {name: «web»}\nspec:\n  replicas: 3\n  template: {metadata: {labels: {app: web}}, spec: {containers: []}}\n",
    ),
    good: deployment_example!(
        "  replicas: 3\n  template: {metadata: {labels: {app: web}}, spec: {containers: []}}\n---\napiVersion: policy/v1\nkind: PodDisruptionBudget\nmetadata: {name: web}\nspec: {maxUnavailable: 1, selector: {matchLabels: {app: web}}}\n"
    ),
    also: &[
        Foreign::KubeScore("deployment-has-poddisruptionbudget"),
        Foreign::KubeScore("statefulset-has-poddisruptionbudget"),
    ],
    needs: &[Need::Manifests],
    judge: |facts, sink| {
        for pod in replicated(facts) {
            let kept = facts.objects_of("policy", "PodDisruptionBudget").any(|budget| {
                let selector = budget.node.at("spec.selector");
                budget.shares_namespace(pod.object)
                    && selector.is_some_and(|selector| Selector::of(selector).matches(pod.labels()))
            });
            if !kept {
                sink.find(
                    pod.object.place_of_name(),
                    format!("no disruption budget keeps {}", pod.object.title()),
                );
            }
        }
    },
};

/// Budgets that say nothing, or stop every drain.
pub static BUDGET_POLICY: Rule = Rule {
    id: "disruption-budget-policy",
    family: Family::Manifests,
    levels: Levels::of(Some(Level::Warning), Some(Level::Warning), Some(Level::Warning)),
    title: "a disruption budget lets some pods go, and not all",
    why: "A budget with neither bound does nothing; one that allows no disruption stops every drain of a node, and so every upgrade of the cluster.",
    fix: "set `maxUnavailable: 1`",
    bad: Example(
        "//- pdb.yaml\napiVersion: policy/v1\nkind: PodDisruptionBudget\nmetadata: {name: web}\nspec: {maxUnavailable: «0», selector: {matchLabels: {app: web}}}\n",
    ),
    good: Example(
        "//- pdb.yaml\napiVersion: policy/v1\nkind: PodDisruptionBudget\nmetadata: {name: web}\nspec: {maxUnavailable: 1, selector: {matchLabels: {app: web}}}\n",
    ),
    also: &[Foreign::KubeScore("poddisruptionbudget-has-policy")],
    needs: &[Need::Manifests],
    judge: |facts, sink| {
        for budget in facts.objects_of("policy", "PodDisruptionBudget").filter(|budget| !budget.partial) {
            budget_policy(facts, budget, sink);
        }
    },
};

fn budget_policy(facts: &Facts, budget: &Object, sink: &mut Sink<'_>) {
    let (least, most) =
        (budget.node.text_at("spec.minAvailable"), budget.node.text_at("spec.maxUnavailable"));
    if least.is_none() && most.is_none() {
        sink.find(
            budget.place_of_name(),
            format!("{} has neither `minAvailable` nor `maxUnavailable`", budget.title()),
        );
    }
    if matches!(most, Some("0" | "0%")) {
        sink.find(budget.place_at("spec.maxUnavailable"), format!("{} lets no pod go", budget.title()));
    }
    if least == Some("100%") {
        sink.find(budget.place_at("spec.minAvailable"), format!("{} lets no pod go", budget.title()));
    }
    let (Some(least), Some(selector)) =
        (least.and_then(|least| least.parse::<u64>().ok()), budget.node.at("spec.selector"))
    else {
        return;
    };
    let kept = pods(facts)
        .filter(|pod| pod.object.shares_namespace(budget) && Selector::of(selector).matches(pod.labels()));
    // Of environments that scale differently none is meant alone.
    let counts: Option<Vec<u64>> =
        kept.map(|pod| if autoscaler(facts, pod.object).is_some() { None } else { pod.replicas() }).collect();
    if let Some(counts) = counts
        && !counts.is_empty()
        && counts.iter().sum::<u64>() <= least
    {
        let message = format!(
            "{} wants {least} pods where there are {}: no node can be drained",
            budget.title(),
            counts.iter().sum::<u64>()
        );
        sink.find(budget.place_at("spec.minAvailable"), message);
    }
}

/// Replicas on one node.
pub static SPREAD: Rule = Rule {
    id: "pod-spread-missing",
    family: Family::Manifests,
    levels: Levels::REMARK,
    title: "replicas are kept apart",
    why: "Nothing keeps the scheduler from putting all replicas on one node, and then that node's end is theirs.",
    fix: "add a `podAntiAffinity` or `topologySpreadConstraints` over `kubernetes.io/hostname`",
    bad: Example(
        "//- deploy.yaml\napiVersion: apps/v1\nkind: Deployment\nmetadata: {name: «web»}\nspec:\n  replicas: 3\n  template: {metadata: {labels: {app: web}}, spec: {containers: []}}\n",
    ),
    good: deployment_example!(
        "  replicas: 3\n  template: {metadata: {labels: {app: web}}, spec: {containers: [], topologySpreadConstraints: [{topologyKey: kubernetes.io/hostname, maxSkew: 1, labelSelector: {matchLabels: {app: web}}}]}}\n"
    ),
    also: &[
        Foreign::KubeScore("deployment-has-host-podantiaffinity"),
        Foreign::KubeScore("statefulset-has-host-podantiaffinity"),
        Foreign::KubeScore("pod-topology-spread-constraints"),
    ],
    needs: &[Need::Manifests],
    judge: |facts, sink| {
        for pod in replicated(facts) {
            let apart = pod.spec.at("affinity.podAntiAffinity").is_some_and(|node| !node.pairs().is_empty())
                || !pod.spec.items_at("topologySpreadConstraints").is_empty();
            if !apart {
                sink.find(
                    pod.object.place_of_name(),
                    format!("replicas of {} may share a node", pod.object.title()),
                );
            }
        }
    },
};

/// Constraints on other pods.
pub static SPREAD_SELECTOR: Rule = Rule {
    id: "pod-spread-selector",
    family: Family::Manifests,
    levels: Levels::of(Some(Level::Warning), Some(Level::Warning), Some(Level::Warning)),
    title: "a spread constraint counts the pod's own kind",
    why: "A constraint whose selector matches other pods spreads over them and leaves this one's replicas where they fall.",
    fix: "let `labelSelector` match the template's labels",
    bad: deployment_example!(
        "  replicas: 3\n  template:\n    metadata: {labels: {app: web}}\n    spec:\n      containers: []\n      topologySpreadConstraints:\n        - «topologyKey»: kubernetes.io/hostname\n          labelSelector: {matchLabels: {app: wbe}}\n"
    ),
    good: SPREAD.good,
    also: &[Foreign::KubeScore("pod-topology-spread-constraints")],
    needs: &[Need::Manifests],
    judge: |facts, sink| {
        for pod in pods(facts) {
            for constraint in pod.spec.items_at("topologySpreadConstraints") {
                let selector = constraint.get("labelSelector");
                if let Some(first) = constraint.pairs().first()
                    && selector.is_some_and(|selector| !Selector::of(selector).matches(pod.labels()))
                {
                    sink.find(
                        pod.object.place(first.span),
                        format!("the constraint of {} counts other pods", pod.object.title()),
                    );
                }
            }
        }
    },
};

/// Stateful sets without a service of their own.
pub static SERVICE_NAME: Rule = Rule {
    id: "stateful-set-service-name",
    family: Family::Manifests,
    levels: Levels::of(Some(Level::Warning), Some(Level::Warning), Some(Level::Warning)),
    title: "a stateful set names its headless service",
    why: "The pods of a stateful set have names of their own only through the service that `serviceName` names.",
    fix: "add a Service with `clusterIP: None` and name it in `spec.serviceName`",
    bad: Example(
        "//- sts.yaml\napiVersion: apps/v1\nkind: StatefulSet\nmetadata: {name: «db»}\nspec: {template: {spec: {containers: []}}}\n",
    ),
    good: Example(
        "//- sts.yaml\napiVersion: apps/v1\nkind: StatefulSet\nmetadata: {name: db}\nspec: {serviceName: db, template: {spec: {containers: []}}}\n\
         ---\napiVersion: v1\nkind: Service\nmetadata: {name: db}\nspec: {clusterIP: None, ports: [{port: 5432}]}\n",
    ),
    also: &[Foreign::KubeScore("statefulset-has-servicename")],
    needs: &[Need::Manifests],
    judge: |facts, sink| {
        for pod in pods(facts).filter(|pod| pod.object.kind == "StatefulSet") {
            service_name(facts, pod.object, sink);
        }
    },
};

fn service_name(facts: &Facts, object: &Object, sink: &mut Sink<'_>) {
    let Some(name) = object.node.text_at("spec.serviceName") else {
        sink.find(object.place_of_name(), format!("{} names no service", object.title()));
        return;
    };
    let place = object.place_at("spec.serviceName");
    let service = facts
        .objects_of("", "Service")
        .find(|service| service.name == name && service.shares_namespace(object));
    match service {
        None if !is_template(name) => {
            sink.find(place, format!("no Service here is named `{name}`")).at_most(Level::Info);
        }
        Some(service) if !service.partial && service.node.text_at("spec.clusterIP") != Some("None") => {
            sink.find(place, format!("the Service `{name}` is not headless")).at_most(Level::Info);
        }
        _ => {}
    }
}

/// Two masters of one count.
pub static SCALER_FIGHTS: Rule = Rule {
    id: "autoscaler-fights-replicas",
    family: Family::Manifests,
    levels: Levels::of(Some(Level::Warning), Some(Level::Warning), Some(Level::Warning)),
    title: "who has an autoscaler names no replicas",
    why: "Every apply sets the count back to what is written, and the autoscaler changes it again.",
    fix: "remove `spec.replicas`",
    bad: deployment_example!(
        "  replicas: «3»\n  template: {spec: {containers: []}}\n---\napiVersion: autoscaling/v2\nkind: HorizontalPodAutoscaler\nmetadata: {name: web}\nspec: {scaleTargetRef: {kind: Deployment, name: web}, minReplicas: 2, maxReplicas: 4}\n"
    ),
    good: deployment_example!(
        "  template: {spec: {containers: []}}\n---\napiVersion: autoscaling/v2\nkind: HorizontalPodAutoscaler\nmetadata: {name: web}\nspec: {scaleTargetRef: {kind: Deployment, name: web}, minReplicas: 2, maxReplicas: 4}\n"
    ),
    also: &[Foreign::KubeScore("deployment-targeted-by-hpa-does-not-have-replicas-configured")],
    needs: &[Need::Manifests],
    judge: |facts, sink| {
        for pod in pods(facts) {
            if let Some(replicas) = pod.object.node.at("spec.replicas")
                && let Some(scaler) = autoscaler(facts, pod.object)
            {
                let message =
                    format!("{} sets the count of {}, and so does this", scaler.title(), pod.object.title());
                sink.find(pod.object.place(replicas.span), message);
            }
        }
    },
};

/// Autoscalers of nothing.
pub static SCALER_TARGET: Rule = Rule {
    id: "autoscaler-target",
    family: Family::Manifests,
    levels: Levels::REMARK,
    title: "an autoscaler scales what is here",
    why: "A name that is misspelt is accepted and scales nothing. What it names may also stand elsewhere, so this is only a remark.",
    fix: "mend `scaleTargetRef`",
    bad: Example(
        "//- hpa.yaml\napiVersion: autoscaling/v2\nkind: HorizontalPodAutoscaler\nmetadata: {name: web}\nspec: {scaleTargetRef: {kind: Deployment, name: «web»}, minReplicas: 2, maxReplicas: 4}\n",
    ),
    good: SCALER_FIGHTS.good,
    also: &[Foreign::KubeScore("horizontalpodautoscaler-has-target")],
    needs: &[Need::Manifests],
    judge: |facts, sink| {
        for scaler in
            facts.objects.iter().filter(|object| object.kind == "HorizontalPodAutoscaler" && !object.partial)
        {
            let target = scaler.node.at("spec.scaleTargetRef");
            let (name, kind) =
                (target.and_then(|node| node.text_at("name")), target.and_then(|node| node.text_at("kind")));
            let Some(name) = name.filter(|name| !is_template(name)) else { continue };
            let known = facts.objects.iter().any(|object| {
                object.name == name
                    && kind.is_none_or(|kind| kind == object.kind)
                    && object.shares_namespace(scaler)
            });
            if !known {
                let message = format!("{} scales `{name}`, which is not here", scaler.title());
                sink.find(scaler.place_at("spec.scaleTargetRef.name"), message);
            }
        }
    },
};

/// Bounds of autoscalers.
pub static SCALER_BOUNDS: Rule = Rule {
    id: "autoscaler-replicas",
    family: Family::Manifests,
    levels: Levels::ERROR,
    title: "an autoscaler's bounds are in order",
    why: "The API server refuses a minimum above the maximum. With a minimum of one, every drain at a quiet hour is an outage; that is only remarked.",
    fix: "set `minReplicas` to 2 or more, and `maxReplicas` above it",
    bad: Example(
        "//- hpa.yaml\napiVersion: autoscaling/v2\nkind: HorizontalPodAutoscaler\nmetadata: {name: web}\nspec: {scaleTargetRef: {kind: Deployment}, minReplicas: «5», maxReplicas: 4}\n",
    ),
    good: SCALER_FIGHTS.good,
    also: &[Foreign::KubeScore("horizontalpodautoscaler-replicas")],
    needs: &[Need::Manifests],
    judge: |facts, sink| {
        for scaler in
            facts.objects.iter().filter(|object| object.kind == "HorizontalPodAutoscaler" && !object.partial)
        {
            let number = |path: &str| scaler.node.text_at(path)?.parse::<u64>().ok();
            let (least, most) = (number("spec.minReplicas"), number("spec.maxReplicas"));
            if least.zip(most).is_some_and(|(least, most)| least > most) {
                sink.find(
                    scaler.place_at("spec.minReplicas"),
                    format!("the minimum of {} is above its maximum", scaler.title()),
                );
            } else if least.unwrap_or(1) < 2 {
                sink.find(
                    scaler.place_at("spec.minReplicas"),
                    format!("{} may go down to one replica", scaler.title()),
                )
                .at_most(Level::Info);
            }
        }
    },
};

/// Pods without a master.
pub static BARE_POD: Rule = Rule {
    id: "pod-bare",
    family: Family::Manifests,
    levels: Levels::REMARK,
    title: "a pod that serves belongs to a workload",
    why: "Nobody starts a bare pod again when its node goes.",
    fix: "use a Deployment",
    bad: Example(
        "//- pod.yaml\napiVersion: v1\nkind: «Pod»\nmetadata: {name: web}\nspec: {containers: []}\n",
    ),
    good: Example(
        "//- pod.yaml\napiVersion: v1\nkind: Pod\nmetadata: {name: web}\nspec: {restartPolicy: Never, containers: []}\n",
    ),
    also: &[],
    needs: &[Need::Manifests],
    judge: |facts, sink| {
        for object in facts.objects_of("", "Pod").filter(|object| !object.partial) {
            if pod(object).is_some_and(|pod| pod.serves()) {
                sink.find(object.place_at("kind"), format!("nobody starts {} again", object.title()));
            }
        }
    },
};

/// These rules.
pub const RULES: &[&Rule] = &[
    &SELECTOR,
    &REPLICAS,
    &STRATEGY,
    &BUDGET,
    &BUDGET_POLICY,
    &SPREAD,
    &SPREAD_SELECTOR,
    &SERVICE_NAME,
    &SCALER_FIGHTS,
    &SCALER_TARGET,
    &SCALER_BOUNDS,
    &BARE_POD,
];
