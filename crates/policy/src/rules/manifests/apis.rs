//! What an API server takes: versions, labels, keys, one object for each name.

use std::collections::BTreeMap;

use project::yaml::{Node, Value};

use crate::facts::manifest::{Object, invalid_label, is_template};
use crate::finding::Place;
use crate::level::{Level, Levels};
use crate::rule::{Example, Family, Foreign, Need, Rule, Sink};

/// A version of an API that is gone or going: group, version, kinds (none: all), since which Kubernetes, what took its place.
type Gone = (&'static str, &'static str, &'static [&'static str], &'static str, &'static str);

/// From the deprecation guides of Kubernetes and Tekton.
const GONE: [Gone; 31] = [
    ("extensions", "v1beta1", &["Deployment", "DaemonSet", "ReplicaSet"], "1.16", "apps/v1"),
    ("extensions", "v1beta1", &["NetworkPolicy"], "1.16", "networking.k8s.io/v1"),
    ("extensions", "v1beta1", &["PodSecurityPolicy"], "1.16", ""),
    ("extensions", "v1beta1", &["Ingress"], "1.22", "networking.k8s.io/v1"),
    ("apps", "v1beta1", &[], "1.16", "apps/v1"),
    ("apps", "v1beta2", &[], "1.16", "apps/v1"),
    (
        "admissionregistration.k8s.io",
        "v1beta1",
        &["MutatingWebhookConfiguration", "ValidatingWebhookConfiguration"],
        "1.22",
        "admissionregistration.k8s.io/v1",
    ),
    ("apiextensions.k8s.io", "v1beta1", &[], "1.22", "apiextensions.k8s.io/v1"),
    ("apiregistration.k8s.io", "v1beta1", &[], "1.22", "apiregistration.k8s.io/v1"),
    ("authentication.k8s.io", "v1beta1", &[], "1.22", "authentication.k8s.io/v1"),
    ("authorization.k8s.io", "v1beta1", &[], "1.22", "authorization.k8s.io/v1"),
    ("certificates.k8s.io", "v1beta1", &[], "1.22", "certificates.k8s.io/v1"),
    ("coordination.k8s.io", "v1beta1", &[], "1.22", "coordination.k8s.io/v1"),
    ("networking.k8s.io", "v1beta1", &[], "1.22", "networking.k8s.io/v1"),
    ("rbac.authorization.k8s.io", "v1alpha1", &[], "1.22", "rbac.authorization.k8s.io/v1"),
    ("rbac.authorization.k8s.io", "v1beta1", &[], "1.22", "rbac.authorization.k8s.io/v1"),
    ("scheduling.k8s.io", "v1beta1", &[], "1.22", "scheduling.k8s.io/v1"),
    (
        "storage.k8s.io",
        "v1beta1",
        &["CSIDriver", "CSINode", "StorageClass", "VolumeAttachment"],
        "1.22",
        "storage.k8s.io/v1",
    ),
    ("storage.k8s.io", "v1beta1", &["CSIStorageCapacity"], "1.27", "storage.k8s.io/v1"),
    ("batch", "v1beta1", &[], "1.25", "batch/v1"),
    ("batch", "v2alpha1", &[], "1.21", "batch/v1"),
    ("discovery.k8s.io", "v1beta1", &[], "1.25", "discovery.k8s.io/v1"),
    ("events.k8s.io", "v1beta1", &[], "1.25", "events.k8s.io/v1"),
    ("autoscaling", "v2beta1", &[], "1.25", "autoscaling/v2"),
    ("autoscaling", "v2beta2", &[], "1.26", "autoscaling/v2"),
    ("policy", "v1beta1", &["PodDisruptionBudget"], "1.25", "policy/v1"),
    ("policy", "v1beta1", &["PodSecurityPolicy"], "1.25", ""),
    ("node.k8s.io", "v1beta1", &[], "1.25", "node.k8s.io/v1"),
    ("flowcontrol.apiserver.k8s.io", "v1beta1", &[], "1.26", "flowcontrol.apiserver.k8s.io/v1"),
    ("flowcontrol.apiserver.k8s.io", "v1beta2", &[], "1.29", "flowcontrol.apiserver.k8s.io/v1"),
    ("flowcontrol.apiserver.k8s.io", "v1beta3", &[], "1.32", "flowcontrol.apiserver.k8s.io/v1"),
];

/// Versions that servers no longer know.
pub static REMOVED: Rule = Rule {
    id: "api-removed",
    family: Family::Manifests,
    levels: Levels::WARNING,
    title: "a manifest uses an API that is still served",
    why: "A cluster of the named version or later refuses the object.",
    fix: "use the version that took its place",
    bad: Example(
        "//- job.yaml\napiVersion: «batch/v1beta1»\nkind: CronJob\nmetadata: {name: a}\nspec: {schedule: \"@daily\", concurrencyPolicy: Forbid, startingDeadlineSeconds: 60}\n",
    ),
    good: Example(
        "//- job.yaml\napiVersion: batch/v1\nkind: CronJob\nmetadata: {name: a}\nspec: {schedule: \"@daily\", concurrencyPolicy: Forbid, startingDeadlineSeconds: 60}\n",
    ),
    also: &[Foreign::KubeScore("stable-version")],
    needs: &[Need::Manifests],
    judge: |facts, sink| {
        for object in &facts.objects {
            let gone = GONE.iter().find(|(group, version, kinds, ..)| {
                object.group == *group
                    && object.version == *version
                    && (kinds.is_empty() || kinds.contains(&object.kind.as_str()))
            });
            if let Some((group, version, _, since, instead)) = gone {
                let place = object.place_at("apiVersion");
                let message =
                    format!("{} of `{group}/{version}` is gone since Kubernetes {since}", object.kind);
                match *instead {
                    "" => sink.find_with(
                        place,
                        message,
                        "nothing took its place under this name; see pod security admission",
                    ),
                    instead => sink.find_with(place, message, format!("use `{instead}`")),
                };
            }
        }
    },
};

/// Kinds that are going.
pub static DEPRECATED: Rule = Rule {
    id: "kind-deprecated",
    family: Family::Manifests,
    levels: Levels::INFO,
    title: "a manifest uses kinds that stay",
    why: "What is deprecated gets no more care and is removed one day; OpenShift's first kinds without a group are gone already.",
    fix: "move to what took its place",
    bad: Example(
        "//- dc.yaml\napiVersion: apps.openshift.io/v1\nkind: «DeploymentConfig»\nmetadata: {name: a}\nspec: {}\n",
    ),
    good: Example("//- task.yaml\napiVersion: tekton.dev/v1\nkind: Task\nmetadata: {name: a}\nspec: {}\n"),
    also: &[Foreign::KubeScore("stable-version")],
    needs: &[Need::Manifests],
    judge: |facts, sink| {
        for object in &facts.objects {
            if let Some((path, message, fix)) = deprecated(object) {
                sink.find_with(object.place_at(path), message, fix);
            }
        }
    },
};

fn deprecated(object: &Object) -> Option<(&'static str, String, &'static str)> {
    let kind = object.kind.as_str();
    let openshift = ["Route", "BuildConfig", "ImageStream", "DeploymentConfig", "Template"].contains(&kind)
        && object.group.is_empty();
    match (object.group.as_str(), object.version.as_str(), kind) {
        ("apps.openshift.io", _, "DeploymentConfig") => Some((
            "kind",
            "DeploymentConfig is deprecated since OpenShift 4.14".to_owned(),
            "use a Deployment, with `image.openshift.io/triggers` where images trigger it",
        )),
        ("tekton.dev", _, "PipelineResource") => Some((
            "kind",
            "PipelineResource is gone since Tekton 0.46".to_owned(),
            "use tasks and workspaces",
        )),
        ("tekton.dev", _, "ClusterTask") => {
            Some(("kind", "ClusterTask is deprecated".to_owned(), "refer to tasks with a resolver"))
        }
        ("tekton.dev", "v1alpha1", "Task" | "Pipeline" | "TaskRun" | "PipelineRun") => {
            Some(("apiVersion", format!("{kind} of `tekton.dev/v1alpha1` is gone"), "use `tekton.dev/v1`"))
        }
        ("tekton.dev", "v1beta1", "Task" | "Pipeline" | "TaskRun" | "PipelineRun") => Some((
            "apiVersion",
            format!("{kind} of `tekton.dev/v1beta1` is deprecated"),
            "use `tekton.dev/v1`",
        )),
        ("authorization.openshift.io", _, "Role" | "RoleBinding" | "ClusterRole" | "ClusterRoleBinding") => {
            Some((
                "apiVersion",
                format!("{kind} of `authorization.openshift.io` is deprecated"),
                "use `rbac.authorization.k8s.io/v1`",
            ))
        }
        _ if openshift && object.version == "v1" => Some((
            "apiVersion",
            format!("{kind} without a group is a form of OpenShift 3"),
            "write the group before the version, such as `route.openshift.io/v1`",
        )),
        _ => None,
    }
}

/// Labels that cannot be.
pub static LABEL: Rule = Rule {
    id: "label-invalid",
    family: Family::Manifests,
    levels: Levels::ERROR,
    title: "labels are labels",
    why: "The API server refuses a value with other characters than letters, digits, `-`, `_` and `.`, or with more than 63 of them.",
    fix: "put free text into an annotation",
    bad: Example(
        "//- cm.yaml\napiVersion: v1\nkind: ConfigMap\nmetadata: {name: a, labels: {owner: «data team»}}\ndata: {}\n",
    ),
    good: Example(
        "//- cm.yaml\napiVersion: v1\nkind: ConfigMap\nmetadata: {name: a, labels: {owner: data-team}}\ndata: {}\n",
    ),
    also: &[Foreign::KubeScore("label-values")],
    needs: &[Need::Manifests],
    judge: |facts, sink| {
        for object in &facts.objects {
            let of_pod = crate::facts::manifest::pod(object).and_then(|pod| pod.labels());
            let own = object.node.at("metadata.labels");
            let same = |one: &Node| of_pod.is_some_and(|other| std::ptr::eq(one, other));
            for labels in own.filter(|own| !same(own)).into_iter().chain(of_pod) {
                for pair in labels.pairs() {
                    let text = pair.value.text().unwrap_or_default();
                    if let Some(why) = invalid_label(text).filter(|_| !is_template(text)) {
                        sink.find(
                            object.place(pair.value.span),
                            format!("`{text}` is no value of a label: {why}"),
                        );
                    }
                }
            }
        }
    },
};

/// Keys that stand twice in one mapping.
pub static DUPLICATE_KEY: Rule = Rule {
    id: "duplicate-key",
    family: Family::Manifests,
    levels: Levels::ERROR,
    title: "a key stands once in a mapping",
    why: "YAML forbids it. Some programs take the last value, some the first, and kustomize and Argo CD refuse the file.",
    fix: "remove one of them",
    bad: Example(
        "//- cm.yaml\napiVersion: v1\nkind: ConfigMap\nmetadata: {name: a}\ndata:\n  memory: 4g\n  «memory»: 8g\n",
    ),
    good: Example("//- cm.yaml\napiVersion: v1\nkind: ConfigMap\nmetadata: {name: a}\ndata:\n  memory: 4g\n"),
    also: &[],
    needs: &[Need::Manifests],
    judge: |facts, sink| {
        let objects =
            facts.objects.iter().filter(|object| !object.kind.ends_with("List") && object.kind != "Template");
        let nodes = objects.map(|object| (object.source, &object.node));
        for (source, node) in
            nodes.chain(facts.documents.iter().map(|document| (document.source, &document.node)))
        {
            duplicates(source, node, sink);
        }
    },
};

fn duplicates(source: crate::facts::SourceId, node: &Node, sink: &mut Sink<'_>) {
    match &node.value {
        Value::Mapping(pairs) => {
            let mut seen = std::collections::BTreeSet::new();
            for pair in pairs {
                if !seen.insert(pair.key.as_str()) && pair.key != "<<" {
                    sink.find(Place::new(source, pair.span), format!("`{}` stands there twice", pair.key));
                }
                duplicates(source, &pair.value, sink);
            }
        }
        Value::Sequence(items) => items.iter().for_each(|item| duplicates(source, item, sink)),
        Value::Scalar { .. } => {}
    }
}

/// Objects that stand twice in one file.
pub static DUPLICATE_OBJECT: Rule = Rule {
    id: "duplicate-object",
    family: Family::Manifests,
    levels: Levels::of(Some(Level::Warning), Some(Level::Error), Some(Level::Error)),
    title: "an object stands once in a file",
    why: "The last one wins when the file is applied, and with some tools the first.",
    fix: "remove one of them, or mend its name",
    bad: Example(
        "//- cm.yaml\napiVersion: v1\nkind: ConfigMap\nmetadata: {name: a}\ndata: {}\n---\napiVersion: v1\nkind: ConfigMap\nmetadata: {name: «a»}\ndata: {}\n",
    ),
    good: Example(
        "//- cm.yaml\napiVersion: v1\nkind: ConfigMap\nmetadata: {name: a}\ndata: {}\n---\napiVersion: v1\nkind: ConfigMap\nmetadata: {name: b}\ndata: {}\n",
    ),
    also: &[],
    needs: &[Need::Manifests],
    judge: |facts, sink| {
        let mut seen = BTreeMap::new();
        for object in facts
            .objects
            .iter()
            .filter(|object| !object.name.is_empty() && !object.partial && !is_template(&object.name))
        {
            let key = (object.source, &object.group, &object.kind, &object.name, &object.namespace);
            if seen.insert(key, ()).is_some() {
                sink.find(object.place_of_name(), format!("{} stands in this file twice", object.title()));
            }
        }
    },
};

/// Files that are no YAML.
pub static SYNTAX: Rule = Rule {
    id: "manifest-syntax",
    family: Family::Manifests,
    levels: Levels::ERROR,
    title: "a manifest can be read",
    why: "Nothing can be applied from a file that is not YAML, and no rule can judge it.",
    fix: "mend the file; tabs and missing spaces after colons are the usual causes",
    bad: Example("//- cm.yaml\napiVersion: v1\nkind: ConfigMap\nmetadata: {name: a}\ndata: {a: b«»: c}\n"),
    good: DUPLICATE_KEY.good,
    also: &[],
    needs: &[Need::Manifests],
    judge: |facts, sink| {
        for (place, message) in &facts.broken_manifests {
            sink.find(*place, message.clone());
        }
    },
};

/// These rules.
pub const RULES: &[&Rule] = &[&REMOVED, &DEPRECATED, &LABEL, &DUPLICATE_KEY, &DUPLICATE_OBJECT, &SYNTAX];
