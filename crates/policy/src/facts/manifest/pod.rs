//! Pods, wherever a manifest has the template of one, and their containers.

use dockerfile::Span;
use project::yaml::Node;

use super::Object;
use crate::finding::Place;

/// What a workload starts: the template, seen from its object.
#[derive(Clone, Copy, Debug)]
pub struct Pod<'f> {
    /// The workload.
    pub object: &'f Object,
    /// The template: `metadata` and `spec`. Of a Pod itself it is the whole object.
    pub template: &'f Node,
    /// The pod's `spec`.
    pub spec: &'f Node,
}

/// A container of a pod, or a step of a Tekton task.
#[derive(Clone, Copy, Debug)]
pub struct Container<'f> {
    /// The pod's workload.
    pub object: &'f Object,
    /// The container.
    pub node: &'f Node,
    /// Whether it runs before the others and ends.
    pub init: bool,
}

/// The pod that an object starts, if it starts one. Tasks of Tekton are no pods: see [`Object::containers`].
pub fn pod(object: &Object) -> Option<Pod<'_>> {
    let path = match object.kind.as_str() {
        "Pod" if object.group.is_empty() => "",
        "Deployment"
        | "StatefulSet"
        | "DaemonSet"
        | "ReplicaSet"
        | "Job"
        | "ReplicationController"
        | "DeploymentConfig"
        | "Rollout" => "spec.template",
        "CronJob" => "spec.jobTemplate.spec.template",
        _ => return None,
    };
    let template = if path.is_empty() { &object.node } else { object.node.at(path)? };
    Some(Pod { object, template, spec: template.get("spec")? })
}

impl<'f> Pod<'f> {
    /// The template's labels.
    pub fn labels(&self) -> Option<&'f Node> {
        self.template.at("metadata.labels")
    }

    /// Containers, those of `initContainers` first.
    pub fn containers(&self) -> Vec<Container<'f>> {
        let object = self.object;
        let list = |key: &str, init| {
            self.spec.items_at(key).iter().map(move |node| Container { object, node, init })
        };
        list("initContainers", true).chain(list("containers", false)).collect()
    }

    /// Whether it is meant to run until it is stopped.
    pub fn serves(&self) -> bool {
        !matches!(self.object.kind.as_str(), "Job" | "CronJob")
            && !matches!(self.spec.text_at("restartPolicy"), Some("Never" | "OnFailure"))
    }

    /// How many of it there are; nothing where an autoscaler or a template says.
    pub fn replicas(&self) -> Option<u64> {
        match self.object.kind.as_str() {
            "Deployment" | "StatefulSet" | "ReplicaSet" | "DeploymentConfig" | "Rollout" => {
                match self.object.node.at("spec.replicas") {
                    Some(node) => node.text()?.parse().ok(),
                    None => Some(1),
                }
            }
            _ => None,
        }
    }
}

impl Object {
    /// The containers of its pod, or the steps of a task.
    pub fn containers(&self) -> Vec<Container<'_>> {
        if let Some(pod) = pod(self) {
            return pod.containers();
        }
        let tasks: Vec<&Node> = match (self.kind.as_str(), self.group.as_str()) {
            ("Task" | "ClusterTask", "tekton.dev") => self.node.get("spec").into_iter().collect(),
            ("Pipeline", "tekton.dev") => {
                self.node.items_at("spec.tasks").iter().filter_map(|task| task.get("taskSpec")).collect()
            }
            ("TaskRun", "tekton.dev") => self.node.at("spec.taskSpec").into_iter().collect(),
            _ => Vec::new(),
        };
        let steps = tasks.into_iter().flat_map(|task| ["steps", "sidecars"].map(|key| task.items_at(key)));
        steps.flatten().map(|node| Container { object: self, node, init: false }).collect()
    }
}

impl<'f> Container<'f> {
    /// Its name, as messages have it.
    pub fn name(&self) -> &'f str {
        self.node.text_at("name").unwrap_or("?")
    }

    /// Where its name stands, or where it begins.
    pub fn place(&self) -> Place {
        let first = || self.node.pairs().first().map_or(self.node.span, |pair| pair.span);
        self.object.place(self.node.get("name").map_or_else(first, |node| node.span))
    }

    /// Where a value of it stands, or else its name.
    pub fn place_at(&self, path: &str) -> Place {
        self.node.at(path).map_or_else(|| self.place(), |node| self.object.place(node.span))
    }

    /// Whether it is only part of one: a patch, or a container that gets its image elsewhere.
    pub fn partial(&self) -> bool {
        self.object.partial || self.node.get("image").is_none()
    }

    /// A setting of its security context, or else of the pod's.
    pub fn security(&self, key: &str) -> Option<&'f Node> {
        let own = self.node.get("securityContext").and_then(|context| context.get(key));
        own.or_else(|| pod(self.object)?.spec.get("securityContext")?.get(key))
    }

    /// The places of a setting: its value, or the container's name.
    pub fn security_place(&self, key: &str) -> Place {
        self.security(key).map_or_else(|| self.place(), |node| self.object.place(node.span))
    }

    /// A port that it declares, by name.
    pub fn has_port(&self, name: &str) -> bool {
        self.node.items_at("ports").iter().any(|port| port.text_at("name") == Some(name))
    }

    /// Its environment written as text: name, value, where the value stands.
    pub fn environment(&self) -> Vec<(&'f str, &'f str, Span)> {
        let variables = self.node.items_at("env").iter();
        variables
            .filter_map(|variable| {
                let value = variable.get("value")?;
                Some((variable.text_at("name")?, value.text()?, value.span))
            })
            .collect()
    }
}
