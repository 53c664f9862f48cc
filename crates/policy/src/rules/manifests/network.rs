//! Services, ingresses, routes, network policies.

use project::yaml::Node;

use super::pods;
use crate::facts::Facts;
use crate::facts::manifest::{Object, Pod, Selector, is_template};
use crate::level::{Level, Levels};
use crate::rule::{Example, Family, Foreign, Need, Rule, Sink};

/// The pods that a service selects among all; nothing where it selects none by intention.
fn selected<'f>(all: &[Pod<'f>], service: &'f Object) -> Option<Vec<Pod<'f>>> {
    let selector = Selector::map(service.node.at("spec.selector")?);
    let plain =
        !selector.is_empty() && service.node.text_at("spec.type") != Some("ExternalName") && !service.partial;
    plain.then(|| {
        all.iter()
            .filter(|pod| pod.object.shares_namespace(service) && selector.matches(pod.labels()))
            .copied()
            .collect()
    })
}

/// Services of nothing.
pub static SERVICE_TARGET: Rule = Rule {
    id: "service-targets-nothing",
    family: Family::Manifests,
    levels: Levels::REMARK,
    title: "a service selects pods that are here",
    why: "A selector that is misspelt is accepted and reaches nobody. Pods that a chart or an operator makes are not seen, so this is only a remark.",
    fix: "compare the selector with the labels of the pods",
    bad: Example(
        "//- service.yaml\napiVersion: v1\nkind: Service\nmetadata: {name: «web»}\nspec: {selector: {app: web}, ports: [{port: 80}]}\n",
    ),
    good: deployment_example!(
        "  template: {metadata: {labels: {app: web}}, spec: {containers: []}}\n---\napiVersion: v1\nkind: Service\nmetadata: {name: web}\nspec: {selector: {app: web}, ports: [{port: 80}]}\n"
    ),
    also: &[Foreign::KubeScore("service-targets-pod")],
    needs: &[Need::Manifests],
    judge: |facts, sink| {
        let all: Vec<Pod<'_>> = pods(facts).collect();
        for service in facts.objects_of("", "Service") {
            if selected(&all, service).is_some_and(|pods| pods.is_empty()) {
                sink.find(
                    service.place_of_name(),
                    format!("{} selects no pod that is here", service.title()),
                );
            }
        }
    },
};

/// Named ports that no container has.
pub static SERVICE_PORT: Rule = Rule {
    id: "service-port-unknown",
    family: Family::Manifests,
    levels: Levels::of(Some(Level::Warning), Some(Level::Warning), Some(Level::Warning)),
    title: "a service's named target port is one of its pods'",
    why: "A name that no container declares leads nowhere: connections are refused.",
    fix: "mend the name, or declare the port",
    bad: deployment_example!(
        "  template: {metadata: {labels: {app: web}}, spec: {containers: [{name: web, ports: [{name: http, containerPort: 8080}]}]}}\n---\napiVersion: v1\nkind: Service\nmetadata: {name: web}\nspec: {selector: {app: web}, ports: [{port: 80, targetPort: «htpt»}]}\n"
    ),
    good: deployment_example!(
        "  template: {metadata: {labels: {app: web}}, spec: {containers: [{name: web, ports: [{name: http, containerPort: 8080}]}]}}\n---\napiVersion: v1\nkind: Service\nmetadata: {name: web}\nspec: {selector: {app: web}, ports: [{port: 80, targetPort: http}]}\n"
    ),
    also: &[],
    needs: &[Need::Manifests],
    judge: |facts, sink| {
        let all: Vec<Pod<'_>> = pods(facts).collect();
        for service in facts.objects_of("", "Service") {
            let Some(pods) = selected(&all, service).filter(|pods| !pods.is_empty()) else { continue };
            for target in service.node.items_at("spec.ports").iter().filter_map(|port| port.get("targetPort"))
            {
                let name = target.text().unwrap_or_default();
                let named = name.parse::<u32>().is_err() && !is_template(name);
                if named
                    && !pods
                        .iter()
                        .any(|pod| pod.containers().iter().any(|container| container.has_port(name)))
                {
                    sink.find(
                        service.place(target.span),
                        format!("no container behind {} has a port `{name}`", service.title()),
                    );
                }
            }
        }
    },
};

/// Ports on every node.
pub static SERVICE_TYPE: Rule = Rule {
    id: "service-type",
    family: Family::Manifests,
    levels: Levels::INFO,
    title: "a service is not opened on every node",
    why: "A NodePort is reachable on every node, past ingress, its TLS and its logs; with `externalIPs` a service takes over traffic of other hosts.",
    fix: "use `ClusterIP` with an Ingress or a Route",
    bad: Example(
        "//- service.yaml\napiVersion: v1\nkind: Service\nmetadata: {name: web}\nspec: {type: «NodePort», ports: [{port: 80}]}\n",
    ),
    good: Example(
        "//- service.yaml\napiVersion: v1\nkind: Service\nmetadata: {name: web}\nspec: {type: ClusterIP, ports: [{port: 80}]}\n",
    ),
    also: &[Foreign::KubeScore("service-type")],
    needs: &[Need::Manifests],
    judge: |facts, sink| {
        for service in facts.objects_of("", "Service") {
            if service.node.text_at("spec.type") == Some("NodePort") {
                sink.find(
                    service.place_at("spec.type"),
                    format!("{} is open on every node", service.title()),
                );
            }
            for address in service.node.items_at("spec.externalIPs") {
                sink.find(service.place(address.span), format!("{} takes over an address", service.title()));
            }
        }
    },
};

/// Ingresses and routes to nothing.
pub static INGRESS_TARGET: Rule = Rule {
    id: "ingress-targets-nothing",
    family: Family::Manifests,
    levels: Levels::of(Some(Level::Warning), Some(Level::Warning), Some(Level::Warning)),
    title: "an ingress or a route leads to a service",
    why: "Requests to a service or a port that does not exist are answered with an error page.",
    fix: "mend the name or the port of the backend",
    bad: Example(
        "//- ingress.yaml\napiVersion: networking.k8s.io/v1\nkind: Ingress\nmetadata: {name: web}\nspec: {tls: [{}], rules: [{http: {paths: [{backend: {service: {name: web, port: {number: «8081»}}}}]}}]}\n\
         ---\napiVersion: v1\nkind: Service\nmetadata: {name: web}\nspec: {ports: [{port: 80}]}\n",
    ),
    good: Example(
        "//- ingress.yaml\napiVersion: networking.k8s.io/v1\nkind: Ingress\nmetadata: {name: web}\nspec: {tls: [{}], rules: [{http: {paths: [{backend: {service: {name: web, port: {number: 80}}}}]}}]}\n\
         ---\napiVersion: v1\nkind: Service\nmetadata: {name: web}\nspec: {ports: [{port: 80}]}\n",
    ),
    also: &[Foreign::KubeScore("ingress-targets-service")],
    needs: &[Need::Manifests],
    judge: |facts, sink| {
        for object in facts.objects.iter().filter(|object| !object.partial) {
            for (name, port) in backends(object) {
                backend(facts, object, name, port, sink);
            }
        }
    },
};

/// The names of services that an ingress or a route leads to, each with its port.
fn backends(object: &Object) -> Vec<(&Node, Option<&Node>)> {
    match object.kind.as_str() {
        "Route" if object.is("route.openshift.io", "Route") => {
            let others = object.node.items_at("spec.alternateBackends").iter();
            let targets = object.node.at("spec.to").into_iter().chain(others);
            targets.filter_map(|target| Some((target.get("name")?, None))).collect()
        }
        "Ingress" => {
            let rules =
                object.node.items_at("spec.rules").iter().flat_map(|rule| rule.items_at("http.paths"));
            let backends = rules.filter_map(|path| path.get("backend"));
            let default =
                ["spec.defaultBackend", "spec.backend"].into_iter().filter_map(|path| object.node.at(path));
            backends
                .chain(default)
                .filter_map(|backend| match backend.get("service") {
                    Some(service) => Some((
                        service.get("name")?,
                        service.at("port.number").or_else(|| service.at("port.name")),
                    )),
                    None => Some((backend.get("serviceName")?, backend.get("servicePort"))),
                })
                .collect()
        }
        _ => Vec::new(),
    }
}

fn backend(facts: &Facts, object: &Object, name: &Node, port: Option<&Node>, sink: &mut Sink<'_>) {
    let text = name.text().unwrap_or_default();
    if is_template(text) {
        return;
    }
    let service = facts
        .objects_of("", "Service")
        .find(|service| service.name == text && service.shares_namespace(object) && !service.partial);
    let Some(service) = service else {
        sink.find(object.place(name.span), format!("no Service here is named `{text}`")).at_most(Level::Info);
        return;
    };
    let Some(port) = port else { return };
    let wanted = port.text().unwrap_or_default();
    let known = service
        .node
        .items_at("spec.ports")
        .iter()
        .any(|port| port.text_at("port") == Some(wanted) || port.text_at("name") == Some(wanted));
    if !known && !is_template(wanted) {
        sink.find(object.place(port.span), format!("{} has no port `{wanted}`", service.title()));
    }
}

/// Plain text over the network.
pub static NO_TLS: Rule = Rule {
    id: "ingress-without-tls",
    family: Family::Manifests,
    levels: Levels::INFO,
    title: "what is reached from outside has TLS",
    why: "Logins and data cross the network readably.",
    fix: "set `spec.tls`",
    bad: Example(
        "//- route.yaml\napiVersion: route.openshift.io/v1\nkind: Route\nmetadata: {name: «web»}\nspec: {to: {kind: Service, name: web}}\n",
    ),
    good: Example(
        "//- route.yaml\napiVersion: route.openshift.io/v1\nkind: Route\nmetadata: {name: web}\nspec: {to: {kind: Service, name: web}, tls: {termination: edge}}\n",
    ),
    also: &[],
    needs: &[Need::Manifests],
    judge: |facts, sink| {
        for object in facts.objects.iter().filter(|object| !object.partial) {
            let of_kind = object.kind == "Ingress" || object.is("route.openshift.io", "Route");
            let tls = object.node.at("spec.tls").is_some_and(|tls| !tls.is_null());
            let annotated = object.node.at("metadata.annotations").is_some_and(|node| {
                node.pairs()
                    .iter()
                    .any(|pair| pair.key.contains("certificate") || pair.key.contains("cert-manager"))
            });
            if of_kind && !tls && !annotated && object.node.get("spec").is_some() {
                sink.find(object.place_of_name(), format!("{} has no TLS", object.title()));
            }
        }
    },
};

/// Pods without a network policy.
pub static POLICY_MISSING: Rule = Rule {
    id: "network-policy-missing",
    family: Family::Manifests,
    levels: Levels::REMARK,
    title: "a pod's network is bounded by a policy",
    why: "A pod that no policy selects may be reached by, and may reach, everything in the cluster.",
    fix: "add a NetworkPolicy that selects its labels",
    bad: Example(
        "//- deploy.yaml\napiVersion: apps/v1\nkind: Deployment\nmetadata: {name: «web»}\nspec: {template: {metadata: {labels: {app: web}}, spec: {containers: []}}}\n",
    ),
    good: deployment_example!(
        "  template: {metadata: {labels: {app: web}}, spec: {containers: []}}\n---\napiVersion: networking.k8s.io/v1\nkind: NetworkPolicy\nmetadata: {name: web}\nspec: {podSelector: {}, policyTypes: [Ingress, Egress]}\n"
    ),
    also: &[Foreign::KubeScore("pod-networkpolicy")],
    needs: &[Need::Manifests],
    judge: |facts, sink| {
        for pod in pods(facts) {
            let policies: Vec<&Object> = facts
                .objects_of("networking.k8s.io", "NetworkPolicy")
                .filter(|policy| policy.shares_namespace(pod.object))
                .filter(|policy| {
                    let selector = policy.node.at("spec.podSelector");
                    selector.is_some_and(|selector| Selector::of(selector).matches(pod.labels()))
                })
                .collect();
            let title = pod.object.title();
            if policies.is_empty() {
                sink.find(pod.object.place_of_name(), format!("no network policy selects {title}"));
            } else if !policies.iter().any(|policy| bounds_egress(policy)) {
                sink.find(
                    pod.object.place_of_name(),
                    format!("no network policy bounds what {title} may reach"),
                );
            }
        }
    },
};

/// Whether a policy is about what pods may reach: it says so, or has rules about it.
fn bounds_egress(policy: &Object) -> bool {
    match policy.node.at("spec.policyTypes") {
        Some(types) => types.items().iter().any(|kind| kind.text() == Some("Egress")),
        None => policy.node.at("spec.egress").is_some(),
    }
}

/// Policies of nothing.
pub static POLICY_TARGET: Rule = Rule {
    id: "network-policy-targets-nothing",
    family: Family::Manifests,
    levels: Levels::REMARK,
    title: "a network policy selects pods that are here",
    why: "A selector that is misspelt bounds nobody, and everybody believes that it does.",
    fix: "compare the selector with the labels of the pods",
    bad: Example(
        "//- policy.yaml\napiVersion: networking.k8s.io/v1\nkind: NetworkPolicy\nmetadata: {name: «web»}\nspec: {podSelector: {matchLabels: {app: web}}}\n",
    ),
    good: POLICY_MISSING.good,
    also: &[Foreign::KubeScore("networkpolicy-targets-pod")],
    needs: &[Need::Manifests],
    judge: |facts, sink| {
        for policy in facts.objects_of("networking.k8s.io", "NetworkPolicy").filter(|policy| !policy.partial)
        {
            let Some(selector) = policy.node.at("spec.podSelector").map(Selector::of) else { continue };
            let mut pods = pods(facts).filter(|pod| pod.object.shares_namespace(policy));
            if !selector.is_empty() && !pods.any(|pod| selector.matches(pod.labels())) {
                sink.find(policy.place_of_name(), format!("{} selects no pod that is here", policy.title()));
            }
        }
    },
};

/// Policies that allow everything.
pub static POLICY_OPEN: Rule = Rule {
    id: "network-policy-open",
    family: Family::Manifests,
    levels: Levels::INFO,
    title: "a network policy forbids something",
    why: "An empty rule allows every peer and port; for all pods of a namespace it undoes what other policies forbid.",
    fix: "name the peers with `from`, or remove the policy",
    bad: Example(
        "//- policy.yaml\napiVersion: networking.k8s.io/v1\nkind: NetworkPolicy\nmetadata: {name: web}\nspec: {podSelector: {}, ingress: [«{}»]}\n---\napiVersion: networking.k8s.io/v1\nkind: NetworkPolicy\nmetadata: {name: out}\nspec: {podSelector: {matchLabels: {app: web}}, policyTypes: [Egress], egress: [«{}»]}\n",
    ),
    good: Example(
        "//- policy.yaml\napiVersion: networking.k8s.io/v1\nkind: NetworkPolicy\nmetadata: {name: web}\nspec: {podSelector: {}, ingress: [{from: [{podSelector: {}}]}]}\n",
    ),
    also: &[],
    needs: &[Need::Manifests],
    judge: |facts, sink| {
        for policy in facts.objects_of("networking.k8s.io", "NetworkPolicy") {
            let everybody =
                policy.node.at("spec.podSelector").is_some_and(|selector| Selector::of(selector).is_empty());
            for rule in policy
                .node
                .items_at("spec.ingress")
                .iter()
                .filter(|rule| rule.is_mapping() && rule.pairs().is_empty())
            {
                if everybody {
                    sink.find(policy.place(rule.span), format!("{} lets everybody in", policy.title()));
                }
            }
            for rule in policy
                .node
                .items_at("spec.egress")
                .iter()
                .filter(|rule| rule.is_mapping() && rule.pairs().is_empty())
            {
                sink.find(policy.place(rule.span), format!("{} lets everything out", policy.title()))
                    .at_most(Level::Info);
            }
        }
    },
};

/// These rules.
pub const RULES: &[&Rule] = &[
    &SERVICE_TARGET,
    &SERVICE_PORT,
    &SERVICE_TYPE,
    &INGRESS_TARGET,
    &NO_TLS,
    &POLICY_MISSING,
    &POLICY_TARGET,
    &POLICY_OPEN,
];
