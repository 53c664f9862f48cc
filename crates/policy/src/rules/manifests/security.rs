//! What a pod's processes may do to the node and to their neighbours.

use project::yaml::Node;

use super::{containers, pods};
use crate::facts::manifest::pod;
use crate::level::{Level, Levels};
use crate::rule::{Family, Foreign, Need, Rule};

/// Privileged containers.
pub static PRIVILEGED: Rule = Rule {
    id: "container-privileged",
    family: Family::Manifests,
    levels: Levels::WARNING,
    title: "a container is not privileged",
    why: "A privileged container is root on the node: it sees every device and every other container.",
    fix: "remove `privileged: true`; add the one capability that is needed",
    bad: pod_example!("      securityContext: {privileged: «true»}\n"),
    good: pod_example!("      securityContext: {privileged: false}\n"),
    also: &[
        Foreign::KubeScore("container-security-context-privileged"),
        Foreign::KubeScore("container-security-context"),
    ],
    needs: &[Need::Manifests],
    judge: |facts, sink| {
        for container in containers(facts) {
            if let Some(node) =
                container.node.at("securityContext.privileged").filter(|node| node.flag() == Some(true))
            {
                sink.find(
                    container.object.place(node.span),
                    format!("container `{}` is privileged", container.name()),
                );
            }
        }
    },
};

/// Writable root file systems.
pub static ROOT_FILESYSTEM: Rule = Rule {
    id: "container-root-filesystem",
    family: Family::Manifests,
    levels: Levels::REMARK,
    title: "a container's root is read-only",
    why: "Who breaks into a container with a read-only root cannot leave anything there; what must be written goes to a volume.",
    fix: "set `securityContext.readOnlyRootFilesystem: true` and mount an `emptyDir` where the program writes",
    bad: pod_example!("      securityContext: {readOnlyRootFilesystem: «false»}\n"),
    good: pod_example!("      securityContext: {readOnlyRootFilesystem: true}\n"),
    also: &[Foreign::KubeScore("container-security-context-readonlyrootfilesystem")],
    needs: &[Need::Manifests],
    judge: |facts, sink| {
        for container in
            containers(facts).filter(|container| !container.partial() && pod(container.object).is_some())
        {
            let node = container.node.at("securityContext.readOnlyRootFilesystem");
            if node.and_then(Node::flag) != Some(true) {
                let place = container.place_at("securityContext.readOnlyRootFilesystem");
                sink.find(place, format!("container `{}` can write to its root", container.name()));
            }
        }
    },
};

/// Users and groups with low numbers.
pub static USER: Rule = Rule {
    id: "container-user",
    family: Family::Manifests,
    levels: Levels::REMARK,
    title: "a container runs as a user and group of its own",
    why: "A number above 10000 is nobody on the node, so that a process that gets out has no rights there. OpenShift gives such numbers by itself.",
    fix: "set `runAsUser` and `runAsGroup` above 10000, or leave them to OpenShift",
    bad: pod_example!("      securityContext: {runAsUser: «1000», runAsGroup: 20000}\n"),
    good: pod_example!("      securityContext: {runAsUser: 20000, runAsGroup: 20000}\n"),
    also: &[Foreign::KubeScore("container-security-context-user-group-id")],
    needs: &[Need::Manifests],
    judge: |facts, sink| {
        for container in
            containers(facts).filter(|container| !container.partial() && pod(container.object).is_some())
        {
            let low = ["runAsUser", "runAsGroup"].into_iter().find_map(|key| {
                let node = container.security(key)?;
                let number: i64 = node.text()?.parse().ok()?;
                (number <= 10_000 && number != 0).then_some((key, number, node))
            });
            if let Some((key, number, node)) = low {
                let message = format!(
                    "`{key}` {number} of container `{}` may be somebody on the node",
                    container.name()
                );
                sink.find(container.object.place(node.span), message);
            }
        }
    },
};

/// No word on who runs.
pub static SECURITY_CONTEXT: Rule = Rule {
    id: "security-context-missing",
    family: Family::Manifests,
    levels: Levels::REMARK,
    title: "a container says what it may do",
    why: "Without a security context the image decides who runs, and the runtime's defaults decide the rest.",
    fix: "set `securityContext` with `runAsNonRoot: true`, `allowPrivilegeEscalation: false` and `capabilities: {drop: [ALL]}`",
    bad: crate::rule::Example(
        "//- pod.yaml\napiVersion: v1\nkind: Pod\nmetadata: {name: shop}\nspec:\n  containers:\n    - name: «web»\n      image: quay.io/example/web:1.2.0\n",
    ),
    good: pod_example!("      securityContext: {runAsNonRoot: true}\n"),
    also: &[
        Foreign::KubeScore("container-security-context"),
        Foreign::KubeScore("container-security-context-user-group-id"),
    ],
    needs: &[Need::Manifests],
    judge: |facts, sink| {
        for container in containers(facts).filter(|container| !container.partial()) {
            let Some(pod) = pod(container.object) else { continue };
            let written =
                |node: &Node| node.get("securityContext").is_some_and(|context| !context.pairs().is_empty());
            if !written(container.node) && !written(pod.spec) {
                sink.find(
                    container.place(),
                    format!("container `{}` has no security context", container.name()),
                );
            }
        }
    },
};

/// Root.
pub static ROOT: Rule = Rule {
    id: "container-runs-as-root",
    family: Family::Manifests,
    levels: Levels::WARNING,
    title: "a container does not run as root",
    why: "Root in a container is root on the node for everything that namespaces do not cover: mounted files, kernel flaws.",
    fix: "set `runAsNonRoot: true` and a number above 10000",
    bad: pod_example!("      securityContext: {runAsUser: «0»}\n"),
    good: pod_example!("      securityContext: {runAsUser: 10001}\n"),
    also: &[Foreign::KubeScore("container-security-context-user-group-id")],
    needs: &[Need::Manifests],
    judge: |facts, sink| {
        for object in &facts.objects {
            let of_pod = pod(object).and_then(|pod| pod.spec.get("securityContext"));
            let contexts =
                object.containers().into_iter().filter_map(|container| container.node.get("securityContext"));
            for context in of_pod.into_iter().chain(contexts) {
                if let Some(user) = context.get("runAsUser").filter(|user| user.text() == Some("0")) {
                    let place = object.place(user.span);
                    if context.get("runAsNonRoot").and_then(Node::flag) == Some(true) {
                        sink.find(
                            place,
                            format!(
                                "{} runs as root and forbids it: its containers are never started",
                                object.title()
                            ),
                        );
                    } else {
                        sink.find(place, format!("{} runs as root", object.title()));
                    }
                }
            }
        }
    },
};

/// Rights that are gained later.
pub static ESCALATION: Rule = Rule {
    id: "container-privilege-escalation",
    family: Family::Manifests,
    levels: Levels::WARNING,
    title: "a container's processes cannot gain rights",
    why: "With `allowPrivilegeEscalation: true` a setuid program in the image makes anybody root.",
    fix: "set `allowPrivilegeEscalation: false`",
    bad: pod_example!("      securityContext: {allowPrivilegeEscalation: «true»}\n"),
    good: pod_example!("      securityContext: {allowPrivilegeEscalation: false}\n"),
    also: &[Foreign::KubeScore("container-security-context")],
    needs: &[Need::Manifests],
    judge: |facts, sink| {
        for container in containers(facts) {
            let node = container.node.at("securityContext.allowPrivilegeEscalation");
            if let Some(node) = node.filter(|node| node.flag() == Some(true)) {
                let place = container.object.place(node.span);
                sink.find(place, format!("processes of container `{}` may gain rights", container.name()));
            }
        }
    },
};

/// Capabilities that are as good as root.
const STRONG: [&str; 12] = [
    "ALL",
    "SYS_ADMIN",
    "NET_ADMIN",
    "SYS_PTRACE",
    "SYS_MODULE",
    "SYS_RAWIO",
    "DAC_READ_SEARCH",
    "DAC_OVERRIDE",
    "SYS_BOOT",
    "BPF",
    "SETUID",
    "NET_RAW",
];

/// Strong capabilities.
pub static CAPABILITIES: Rule = Rule {
    id: "container-capabilities",
    family: Family::Manifests,
    levels: Levels::WARNING,
    title: "a container adds no strong capability",
    why: "Capabilities such as SYS_ADMIN are as good as root on the node; NET_RAW lets a pod speak with its neighbours' addresses.",
    fix: "drop `ALL` and add only what the program cannot do without",
    bad: pod_example!("      securityContext: {capabilities: {add: [«SYS_ADMIN», NET_BIND_SERVICE]}}\n"),
    good: pod_example!("      securityContext: {capabilities: {drop: [ALL], add: [NET_BIND_SERVICE]}}\n"),
    also: &[Foreign::KubeScore("container-security-context")],
    needs: &[Need::Manifests],
    judge: |facts, sink| {
        for container in containers(facts) {
            for node in container.node.items_at("securityContext.capabilities.add") {
                let text = node.text().unwrap_or_default();
                let name = text.strip_prefix("CAP_").unwrap_or(text);
                if STRONG.contains(&name) {
                    sink.find(
                        container.object.place(node.span),
                        format!("container `{}` gets `{text}`", container.name()),
                    );
                    // Builders of images cannot do without some of these.
                    if name == "SETUID" || name == "DAC_OVERRIDE" {
                        sink.at_most(Level::Info);
                    }
                }
            }
        }
    },
};

/// System calls.
pub static SECCOMP: Rule = Rule {
    id: "seccomp-profile",
    family: Family::Manifests,
    levels: Levels::of(Some(Level::Warning), Some(Level::Warning), Some(Level::Warning)),
    title: "a container's system calls are filtered",
    why: "Most ways out of a container need a system call that no ordinary program uses.",
    fix: "set `seccompProfile: {type: RuntimeDefault}`",
    bad: pod_example!("      securityContext: {seccompProfile: {type: «Unconfined»}}\n"),
    good: pod_example!("      securityContext: {seccompProfile: {type: RuntimeDefault}}\n"),
    also: &[Foreign::KubeScore("container-seccomp-profile")],
    needs: &[Need::Manifests],
    judge: |facts, sink| {
        for container in containers(facts).filter(|container| pod(container.object).is_some()) {
            match container.security("seccompProfile") {
                Some(node) if node.text_at("type") == Some("Unconfined") => {
                    let span = node.get("type").map_or(node.span, |node| node.span);
                    sink.find(
                        container.object.place(span),
                        format!("system calls of container `{}` are not filtered", container.name()),
                    );
                }
                None if !container.partial() && sink.standards.profile != crate::Profile::Default => {
                    sink.find(
                        container.place(),
                        format!("container `{}` names no seccomp profile", container.name()),
                    )
                    .at_most(Level::Info);
                }
                _ => {}
            }
        }
    },
};

/// Namespaces of the node.
pub static HOST_NAMESPACES: Rule = Rule {
    id: "host-namespace",
    family: Family::Manifests,
    levels: Levels::WARNING,
    title: "a pod has namespaces of its own",
    why: "In the node's namespaces a pod hears its traffic, sees and signals its processes, and is covered by no network policy.",
    fix: "remove `hostNetwork`, `hostPID` and `hostIPC`",
    bad: pod_example!("  hostNetwork: «true»\n", ""),
    good: pod_example!("  hostNetwork: false\n", ""),
    also: &[],
    needs: &[Need::Manifests],
    judge: |facts, sink| {
        for pod in facts.objects.iter().filter_map(pod) {
            for key in ["hostNetwork", "hostPID", "hostIPC"] {
                if let Some(node) = pod.spec.get(key).filter(|node| node.flag() == Some(true)) {
                    sink.find(
                        pod.object.place(node.span),
                        format!("{} uses the node's namespace: `{key}`", pod.object.title()),
                    );
                }
            }
        }
    },
};

/// Directories of the node.
pub static HOST_PATH: Rule = Rule {
    id: "host-path",
    family: Family::Manifests,
    levels: Levels::WARNING,
    title: "a pod mounts nothing of the node",
    why: "A path of the node is shared by all that run there, survives the pod, and with the engine's socket or `/` among them the pod is root on the node.",
    fix: "use a persistent volume, or `emptyDir`",
    bad: pod_example!("  volumes: [{name: data, hostPath: {path: «/var/run/docker.sock»}}]\n", ""),
    good: pod_example!("  volumes: [{name: data, emptyDir: {}}]\n", ""),
    also: &[],
    needs: &[Need::Manifests],
    judge: |facts, sink| {
        for pod in facts.objects.iter().filter_map(pod) {
            for volume in pod.spec.items_at("volumes") {
                let Some(path) = volume.at("hostPath.path") else { continue };
                let text = path.text().unwrap_or_default();
                let socket = text.ends_with(".sock")
                    || matches!(text, "/" | "/etc" | "/var" | "/var/run" | "/run" | "/var/lib/kubelet");
                let words = if socket { ", and with it the node" } else { "" };
                sink.find(
                    pod.object.place(path.span),
                    format!("{} mounts `{text}` of the node{words}", pod.object.title()),
                );
            }
        }
    },
};

/// The account of everybody.
pub static SERVICE_ACCOUNT_TOKEN: Rule = Rule {
    id: "service-account-token",
    family: Family::Manifests,
    levels: Levels::of(None, Some(Level::Info), Some(Level::Info)),
    title: "a pod of the default account gets no token",
    why: "The token of an account that a program never uses serves only who breaks in.",
    fix: "set `automountServiceAccountToken: false`, or name an account of its own",
    bad: crate::rule::Example(
        "//- kapok.yaml\ncheck: {profile: strict}\n//- pod.yaml\napiVersion: v1\nkind: Pod\nmetadata: {name: «shop»}\nspec:\n  containers:\n    - name: web\n      image: a/b:1\n",
    ),
    good: crate::rule::Example(
        "//- kapok.yaml\ncheck: {profile: strict}\n//- pod.yaml\napiVersion: v1\nkind: Pod\nmetadata: {name: shop}\nspec:\n  automountServiceAccountToken: false\n  containers:\n    - name: web\n      image: a/b:1\n",
    ),
    also: &[],
    needs: &[Need::Manifests],
    judge: |facts, sink| {
        for pod in pods(facts) {
            let account = pod
                .spec
                .text_at("serviceAccountName")
                .or_else(|| pod.spec.text_at("serviceAccount"))
                .unwrap_or("default");
            let mounts = pod.spec.get("automountServiceAccountToken").and_then(Node::flag) != Some(false);
            if account == "default" && mounts {
                sink.find(
                    pod.object.place_of_name(),
                    format!("{} gets a token of the default account", pod.object.title()),
                );
            }
        }
    },
};

/// These rules.
pub const RULES: &[&Rule] = &[
    &PRIVILEGED,
    &ROOT_FILESYSTEM,
    &USER,
    &SECURITY_CONTEXT,
    &ROOT,
    &ESCALATION,
    &CAPABILITIES,
    &SECCOMP,
    &HOST_NAMESPACES,
    &HOST_PATH,
    &SERVICE_ACCOUNT_TOKEN,
];
