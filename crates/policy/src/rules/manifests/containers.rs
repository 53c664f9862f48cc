//! Containers: resources, images, environment, ports, mounts.

use std::collections::BTreeSet;

use project::yaml::Node;

use super::{containers, image_parts, quantity};
use crate::facts::Facts;
use crate::facts::manifest::{Container, is_template, pod};
use crate::level::{Level, Levels};
use crate::rule::{Example, Family, Foreign, Need, Rule, Sink};

/// Requests and limits.
pub static RESOURCES: Rule = Rule {
    id: "container-resources",
    family: Family::Manifests,
    levels: Levels::WARNING,
    title: "a container has requests and limits",
    why: "Without a request the scheduler packs nodes blindly; without a memory limit one leak takes its neighbours down. A missing \
          limit of CPU alone is only remarked: many leave it out on purpose.",
    fix: "set `resources.requests` and `resources.limits` for cpu and memory",
    bad: Example(
        "//- pod.yaml\napiVersion: v1\nkind: Pod\nmetadata: {name: a}\nspec:\n  containers:\n    - name: «web»\n      image: a/b:1\n",
    ),
    good: Example(
        "//- pod.yaml\napiVersion: v1\nkind: Pod\nmetadata: {name: a}\nspec:\n  containers:\n    - name: web\n      image: a/b:1\n      \
         resources: {requests: {cpu: 1, memory: 1Gi}, limits: {cpu: 1, memory: 1Gi}}\n",
    ),
    also: &[Foreign::KubeScore("container-resources")],
    needs: &[Need::Manifests],
    judge: |facts, sink| {
        for container in containers(facts).filter(|container| !container.partial()) {
            resources(&container, sink);
        }
    },
};

fn resources(container: &Container<'_>, sink: &mut Sink<'_>) {
    // Tekton renamed the key; both are read.
    let resources = container.node.get("resources").or_else(|| container.node.get("computeResources"));
    let has = |path: &str| resources.is_some_and(|resources| resources.at(path).is_some());
    // What has a limit has the same request.
    let missing: Vec<&str> = ["requests.cpu", "requests.memory", "limits.cpu", "limits.memory"]
        .into_iter()
        .filter(|path| !has(path) && !has(&path.replace("requests", "limits")))
        .collect();
    if missing.is_empty() || resources.is_some_and(|resources| resources.text().is_some_and(is_template)) {
        return;
    }
    let place = container.place();
    let words = missing.iter().map(|path| format!("`{path}`")).collect::<Vec<_>>().join(", ");
    sink.find(place, format!("container `{}` has no {words}", container.name()));
    let mild = missing == ["limits.cpu"] || container.init || container.object.group == "tekton.dev";
    if mild {
        sink.at_most(Level::Info);
    }
}

/// Requests that are limits.
pub static REQUESTS_EQUAL_LIMITS: Rule = Rule {
    id: "container-requests-equal-limits",
    family: Family::Manifests,
    levels: Levels::of(None, Some(Level::Info), Some(Level::Info)),
    title: "a container requests what it may use",
    why: "Where requests equal limits the pod is of the class Guaranteed: it is the last to be evicted, and its node cannot be promised twice.",
    fix: "give requests and limits the same values",
    bad: Example(
        "//- kapok.yaml\ncheck: {profile: strict}\n//- pod.yaml\napiVersion: v1\nkind: Pod\nmetadata: {name: a}\nspec:\n  containers:\n    - name: web\n      image: a/b:1\n      \
         resources: {requests: {memory: «1Gi»}, limits: {memory: 2Gi}}\n",
    ),
    good: Example(
        "//- kapok.yaml\ncheck: {profile: strict}\n//- pod.yaml\napiVersion: v1\nkind: Pod\nmetadata: {name: a}\nspec:\n  containers:\n    - name: web\n      image: a/b:1\n      \
         resources: {requests: {memory: 1Gi}, limits: {memory: 1024Mi}}\n",
    ),
    also: &[
        Foreign::KubeScore("container-resource-requests-equal-limits"),
        Foreign::KubeScore("container-cpu-requests-equal-limits"),
        Foreign::KubeScore("container-memory-requests-equal-limits"),
        Foreign::KubeScore("container-ephemeral-storage-request-equals-limit"),
    ],
    needs: &[Need::Manifests],
    judge: |facts, sink| {
        for container in containers(facts) {
            each_resource(&container, |name, request, limit, node| {
                if request < limit {
                    sink.find(
                        container.object.place(node.span),
                        format!("container `{}` requests less {name} than its limit", container.name()),
                    );
                }
            });
        }
    },
};

/// Calls back with the resources that have both, as numbers, and the request's node.
fn each_resource(container: &Container<'_>, mut call: impl FnMut(&str, f64, f64, &Node)) {
    for name in ["cpu", "memory", "ephemeral-storage"] {
        let value = |which: &str| container.node.get("resources")?.get(which)?.get(name);
        let (Some(request), Some(limit)) = (value("requests"), value("limits")) else { continue };
        if let (Some(least), Some(most)) =
            (request.text().and_then(quantity), limit.text().and_then(quantity))
        {
            call(name, least, most, request);
        }
    }
}

/// A request above its limit.
pub static REQUEST_ABOVE_LIMIT: Rule = Rule {
    id: "container-request-above-limit",
    family: Family::Manifests,
    levels: Levels::ERROR,
    title: "a request is not above its limit",
    why: "The API server refuses such a pod.",
    fix: "raise the limit or lower the request",
    bad: Example(
        "//- pod.yaml\napiVersion: v1\nkind: Pod\nmetadata: {name: a}\nspec:\n  containers:\n    - name: web\n      image: a/b:1\n      \
         resources: {requests: {cpu: «2», memory: 1Gi}, limits: {cpu: 500m, memory: 1Gi}}\n",
    ),
    good: RESOURCES.good,
    also: &[],
    needs: &[Need::Manifests],
    judge: |facts, sink| {
        for container in containers(facts) {
            each_resource(&container, |name, request, limit, node| {
                if request > limit {
                    sink.find(
                        container.object.place(node.span),
                        format!("container `{}` requests more {name} than its limit", container.name()),
                    );
                }
            });
        }
    },
};

/// Quantities that are none.
pub static QUANTITY: Rule = Rule {
    id: "container-quantity-invalid",
    family: Family::Manifests,
    levels: Levels::ERROR,
    title: "a container's resources are quantities",
    why: "The API server refuses what it cannot read: units are `m` for thousandths, `Ki`, `Mi`, `Gi` and `k`, `M`, `G`.",
    fix: "write `500m`, `512Mi`, `1Gi`",
    bad: Example(
        "//- pod.yaml\napiVersion: v1\nkind: Pod\nmetadata: {name: a}\nspec:\n  containers:\n    - name: web\n      image: a/b:1\n      \
         resources: {requests: {memory: «512mb»}, limits: {memory: «1GB», cpu: 2}}\n",
    ),
    good: RESOURCES.good,
    also: &[],
    needs: &[Need::Manifests],
    judge: |facts, sink| {
        for container in containers(facts) {
            for list in ["resources.requests", "resources.limits"] {
                for pair in container.node.at(list).map_or(&[][..], Node::pairs) {
                    let text = pair.value.text().unwrap_or_default();
                    if !text.is_empty()
                        && !is_template(text)
                        && !text.contains('$')
                        && quantity(text).is_none()
                    {
                        sink.find(
                            container.object.place(pair.value.span),
                            format!("`{text}` is no quantity of {}", pair.key),
                        );
                    }
                }
            }
        }
    },
};

/// Ephemeral storage.
pub static EPHEMERAL_STORAGE: Rule = Rule {
    id: "container-ephemeral-storage",
    family: Family::Manifests,
    levels: Levels::REMARK,
    title: "a container bounds its ephemeral storage",
    why: "Logs and scratch files of one pod can fill the node's disk; its neighbours are evicted with it.",
    fix: "set `ephemeral-storage` in requests and limits",
    bad: Example(
        "//- pod.yaml\napiVersion: v1\nkind: Pod\nmetadata: {name: a}\nspec:\n  containers:\n    - name: «web»\n      image: a/b:1\n      \
         resources: {requests: {cpu: 1, memory: 1Gi}, limits: {cpu: 1, memory: 1Gi}}\n",
    ),
    good: Example(
        "//- pod.yaml\napiVersion: v1\nkind: Pod\nmetadata: {name: a}\nspec:\n  containers:\n    - name: web\n      image: a/b:1\n      \
         resources: {requests: {ephemeral-storage: 1Gi}, limits: {ephemeral-storage: 1Gi}}\n",
    ),
    also: &[Foreign::KubeScore("container-ephemeral-storage-request-and-limit")],
    needs: &[Need::Manifests],
    judge: |facts, sink| {
        for container in
            containers(facts).filter(|container| !container.partial() && pod(container.object).is_some())
        {
            if container.node.at("resources.limits.ephemeral-storage").is_none() {
                sink.find(
                    container.place(),
                    format!("container `{}` has no limit of ephemeral storage", container.name()),
                );
            }
        }
    },
};

/// Images without a fixed tag.
pub static IMAGE_TAG: Rule = Rule {
    id: "manifest-image-tag",
    family: Family::Manifests,
    levels: Levels::WARNING,
    title: "an image that is deployed has a tag that stays",
    why: "`latest`, or no tag at all, is another image tomorrow: two pods of one workload may run different code, and going back is impossible.",
    fix: "name a version, or better a digest",
    bad: Example(
        "//- pod.yaml\napiVersion: v1\nkind: Pod\nmetadata: {name: a}\nspec:\n  containers:\n    - name: web\n      image: «quay.io/example/web:latest»\n    - name: side\n      image: «quay.io/example/side»\n",
    ),
    good: Example(
        "//- pod.yaml\napiVersion: v1\nkind: Pod\nmetadata: {name: a}\nspec:\n  containers:\n    - name: web\n      image: quay.io/example/web:1.2.0\n",
    ),
    also: &[Foreign::KubeScore("container-image-tag")],
    needs: &[Need::Manifests],
    judge: |facts, sink| {
        let settled = super::kustomize::settled_images(facts);
        super::images(facts, |place, image, _| {
            let (name, tag, digest) = image_parts(image);
            if digest || name.is_empty() || image.trim() == "" || settled.contains(name) {
                return;
            }
            match tag {
                Some("latest") => sink.find(place, format!("`{name}` is taken at `latest`")),
                // A name that a template completes may get its tag there.
                None if !is_template(image) => {
                    sink.find(place, format!("`{name}` has no tag, so it is taken at `latest`"))
                }
                _ => return,
            };
        });
    },
};

/// Images without a digest.
pub static IMAGE_DIGEST: Rule = Rule {
    id: "manifest-image-digest",
    family: Family::Manifests,
    levels: Levels::of(None, Some(Level::Info), Some(Level::Warning)),
    title: "an image that is deployed has a digest",
    why: "Whoever may push to the registry may move a tag; a digest is of the bytes.",
    fix: "append the digest: `name:tag@sha256:...`",
    bad: Example(
        "//- kapok.yaml\ncheck: {profile: strict}\n//- pod.yaml\napiVersion: v1\nkind: Pod\nmetadata: {name: a}\nspec:\n  containers:\n    - name: web\n      image: «quay.io/example/web:1.2.0»\n",
    ),
    good: Example(
        "//- kapok.yaml\ncheck: {profile: strict}\n//- pod.yaml\napiVersion: v1\nkind: Pod\nmetadata: {name: a}\nspec:\n  containers:\n    - name: web\n      \
         image: quay.io/example/web:1.2.0@sha256:4f2c3a5de1b6a9c57b0e4a1d0f2ce7a6b83a5d9e1c04c9d7f11ab8e2f6d37c90\n",
    ),
    also: &[],
    needs: &[Need::Manifests],
    judge: |facts, sink| {
        super::images(facts, |place, image, _| {
            let (name, tag, digest) = image_parts(image);
            if !digest && tag.is_some_and(|tag| tag != "latest") && !is_template(image) {
                sink.find(place, format!("`{name}` has no digest"));
            }
        });
    },
};

/// Names that a node's settings complete.
pub static IMAGE_UNQUALIFIED: Rule = Rule {
    id: "manifest-image-unqualified",
    family: Family::Manifests,
    levels: Levels::INFO,
    title: "an image that is deployed names its registry",
    why: "`team/app` comes from whatever registry a node tries first, usually a public one where anybody may own that name.",
    fix: "write the registry's name before it",
    bad: Example(
        "//- pod.yaml\napiVersion: v1\nkind: Pod\nmetadata: {name: a}\nspec:\n  containers:\n    - name: web\n      image: «grafana/grafana:10.4.1»\n",
    ),
    good: IMAGE_TAG.good,
    also: &[],
    needs: &[Need::Manifests],
    judge: |facts, sink| {
        super::images(facts, |place, image, of_pod| {
            let (name, ..) = image_parts(image);
            let first = name.split('/').next().unwrap_or_default();
            let qualified = name.contains('/') && (first.contains(['.', ':']) || first == "localhost");
            // A bare word may be a stream of images, or the name that kustomize replaces.
            if of_pod && !qualified && name.contains('/') && !is_template(image) {
                sink.find(place, format!("`{name}` names no registry"));
            }
        });
    },
};

/// Pull policies.
pub static PULL_POLICY: Rule = Rule {
    id: "image-pull-policy",
    family: Family::Manifests,
    levels: Levels::REMARK,
    title: "an image without a digest is always pulled",
    why: "With `IfNotPresent` a node runs whatever it once pulled under this tag, and whoever can schedule onto it uses images that he has no \
          credentials for.",
    fix: "set `imagePullPolicy: Always`, or name a digest",
    bad: Example(
        "//- pod.yaml\napiVersion: v1\nkind: Pod\nmetadata: {name: a}\nspec:\n  containers:\n    - name: web\n      image: quay.io/example/web:1\n      imagePullPolicy: «IfNotPresent»\n",
    ),
    good: Example(
        "//- pod.yaml\napiVersion: v1\nkind: Pod\nmetadata: {name: a}\nspec:\n  containers:\n    - name: web\n      image: quay.io/example/web:1\n      imagePullPolicy: Always\n",
    ),
    also: &[Foreign::KubeScore("container-image-pull-policy")],
    needs: &[Need::Manifests],
    judge: |facts, sink| {
        for container in
            containers(facts).filter(|container| !container.partial() && pod(container.object).is_some())
        {
            let (_, tag, digest) = image_parts(container.node.text_at("image").unwrap_or_default());
            let policy = container.node.text_at("imagePullPolicy");
            if digest || policy == Some("Always") || policy.is_none() && tag.is_none_or(|tag| tag == "latest")
            {
                continue;
            }
            let word = policy.unwrap_or("IfNotPresent");
            sink.find(
                container.place_at("imagePullPolicy"),
                format!("container `{}` is pulled `{word}`", container.name()),
            );
        }
    },
};

/// Variables that are set twice.
pub static ENVIRONMENT_TWICE: Rule = Rule {
    id: "environment-key-twice",
    family: Family::Manifests,
    levels: Levels::WARNING,
    title: "a variable is set once",
    why: "The last one wins, and `kubectl apply` merges such a list in surprising ways: a later change of one value may drop the other.",
    fix: "remove one of them",
    bad: Example(
        "//- pod.yaml\napiVersion: v1\nkind: Pod\nmetadata: {name: a}\nspec:\n  containers:\n    - name: web\n      image: a/b:1\n      env:\n        - {name: LEVEL, value: info}\n        - {name: «LEVEL», value: debug}\n",
    ),
    good: Example(
        "//- pod.yaml\napiVersion: v1\nkind: Pod\nmetadata: {name: a}\nspec:\n  containers:\n    - name: web\n      image: a/b:1\n      env:\n        - {name: LEVEL, value: info}\n",
    ),
    also: &[Foreign::KubeScore("environment-variable-key-duplication")],
    needs: &[Need::Manifests],
    judge: |facts, sink| {
        let builds =
            facts.objects.iter().filter_map(|object| Some((object, object.node.at("spec.strategy")?)));
        let builds = builds.flat_map(|(object, strategy)| {
            let strategies = ["dockerStrategy", "sourceStrategy", "customStrategy"].into_iter();
            strategies.flat_map(|key| strategy.get(key)).map(|node| (object, node)).collect::<Vec<_>>()
        });
        for (object, node) in
            containers(facts).map(|container| (container.object, container.node)).chain(builds)
        {
            let mut seen = BTreeSet::new();
            for name in node.items_at("env").iter().filter_map(|variable| variable.get("name")) {
                let text = name.text().unwrap_or_default();
                if !seen.insert(text) {
                    sink.find(object.place(name.span), format!("`{text}` is set twice"));
                }
            }
        }
    },
};

/// Ports that cannot be.
pub static PORTS: Rule = Rule {
    id: "container-ports",
    family: Family::Manifests,
    levels: Levels::ERROR,
    title: "a container's ports are ports",
    why: "The API server refuses numbers outside 1 to 65535, names longer than 15 characters and names that stand there twice.",
    fix: "mend the port",
    bad: Example(
        "//- pod.yaml\napiVersion: v1\nkind: Pod\nmetadata: {name: a}\nspec:\n  containers:\n    - name: web\n      image: a/b:1\n      ports:\n        - {containerPort: «80800»}\n        - {containerPort: 81, name: «a-very-long-port-name»}\n",
    ),
    good: Example(
        "//- pod.yaml\napiVersion: v1\nkind: Pod\nmetadata: {name: a}\nspec:\n  containers:\n    - name: web\n      image: a/b:1\n      ports:\n        - {containerPort: 8080, name: http}\n",
    ),
    also: &[Foreign::KubeScore("container-ports-check")],
    needs: &[Need::Manifests],
    judge: |facts, sink| {
        for container in containers(facts) {
            ports(&container, sink);
        }
    },
};

fn ports(container: &Container<'_>, sink: &mut Sink<'_>) {
    let mut seen = BTreeSet::new();
    for port in container.node.items_at("ports") {
        if let Some(number) = port.get("containerPort")
            && let Some(value) = number.text().and_then(|text| text.parse::<i64>().ok())
            && !(1..=65535).contains(&value)
        {
            sink.find(
                container.object.place(number.span),
                format!("`{value}` is no port: they go from 1 to 65535"),
            );
        }
        let Some(name) = port.get("name") else { continue };
        let text = name.text().unwrap_or_default();
        if is_template(text) {
            continue;
        }
        if text.len() > 15 {
            sink.find(
                container.object.place(name.span),
                format!("the port's name `{text}` is longer than 15 characters"),
            );
        } else if !seen.insert(text) {
            sink.find(container.object.place(name.span), format!("two ports are named `{text}`"));
        }
    }
}

/// Mounts of nothing.
pub static MOUNTS: Rule = Rule {
    id: "volume-mount-unknown",
    family: Family::Manifests,
    levels: Levels::ERROR,
    title: "what is mounted is a volume",
    why: "The API server refuses a mount of a volume that the pod does not have.",
    fix: "declare the volume, or mend the name",
    bad: Example(
        "//- pod.yaml\napiVersion: v1\nkind: Pod\nmetadata: {name: a}\nspec:\n  containers:\n    - name: web\n      image: a/b:1\n      volumeMounts: [{name: «dta», mountPath: /data}]\n  volumes: [{name: data, emptyDir: {}}]\n",
    ),
    good: Example(
        "//- pod.yaml\napiVersion: v1\nkind: Pod\nmetadata: {name: a}\nspec:\n  containers:\n    - name: web\n      image: a/b:1\n      volumeMounts: [{name: data, mountPath: /data}]\n  volumes: [{name: data, emptyDir: {}}]\n",
    ),
    also: &[],
    needs: &[Need::Manifests],
    judge: mounts,
};

fn mounts(facts: &Facts, sink: &mut Sink<'_>) {
    for pod in facts.objects.iter().filter(|object| !object.partial).filter_map(pod) {
        let claims = pod
            .object
            .node
            .items_at("spec.volumeClaimTemplates")
            .iter()
            .filter_map(|claim| claim.text_at("metadata.name"));
        let volumes = pod.spec.items_at("volumes").iter().filter_map(|volume| volume.text_at("name"));
        let known: BTreeSet<&str> = claims.chain(volumes).collect();
        for container in pod.containers().iter().filter(|container| !container.partial()) {
            for name in container.node.items_at("volumeMounts").iter().filter_map(|mount| mount.get("name")) {
                let text = name.text().unwrap_or_default();
                if !known.contains(text) && !is_template(text) {
                    let near = dockerfile::suggest::nearest(text, known.iter().copied());
                    let place = pod.object.place(name.span);
                    let message = format!("{} has no volume `{text}`", pod.object.title());
                    match near {
                        Some(near) => sink.find_with(place, message, format!("did you mean `{near}`?")),
                        None => sink.find(place, message),
                    };
                }
            }
        }
    }
}

/// These rules.
pub const RULES: &[&Rule] = &[
    &RESOURCES,
    &REQUESTS_EQUAL_LIMITS,
    &REQUEST_ABOVE_LIMIT,
    &QUANTITY,
    &EPHEMERAL_STORAGE,
    &IMAGE_TAG,
    &IMAGE_DIGEST,
    &IMAGE_UNQUALIFIED,
    &PULL_POLICY,
    &ENVIRONMENT_TWICE,
    &PORTS,
    &MOUNTS,
];
