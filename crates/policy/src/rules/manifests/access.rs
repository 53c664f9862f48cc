//! Who may do what: roles, bindings, security context constraints.

use project::yaml::Node;

use crate::facts::manifest::Object;
use crate::level::{Level, Levels};
use crate::rule::{Example, Family, Need, Rule, Sink};

fn star(rule: &Node, key: &str) -> bool {
    rule.items_at(key).iter().any(|item| item.text() == Some("*"))
}

/// Roles for everything.
pub static WILDCARD: Rule = Rule {
    id: "rbac-wildcard",
    family: Family::Manifests,
    levels: Levels::WARNING,
    title: "a role names what it allows",
    why: "`*` allows also what is installed tomorrow. With all verbs on all resources it is cluster-admin under another name.",
    fix: "list the resources and verbs that are needed",
    bad: Example(
        "//- role.yaml\napiVersion: rbac.authorization.k8s.io/v1\nkind: Role\nmetadata: {name: a}\nrules:\n  - {apiGroups: ['*'], resources: ['*'], verbs: [«'*'»]}\n",
    ),
    good: Example(
        "//- role.yaml\napiVersion: rbac.authorization.k8s.io/v1\nkind: Role\nmetadata: {name: a}\nrules:\n  - {apiGroups: [''], resources: [pods], verbs: [get, list]}\n",
    ),
    also: &[],
    needs: &[Need::Manifests],
    judge: |facts, sink| {
        for role in
            facts.objects.iter().filter(|object| matches!(object.kind.as_str(), "Role" | "ClusterRole"))
        {
            for rule in role.node.items_at("rules") {
                let (resources, verbs) =
                    (star(rule, "resources") || star(rule, "nonResourceURLs"), star(rule, "verbs"));
                let key = if verbs { "verbs" } else { "resources" };
                let Some(item) = rule.items_at(key).iter().find(|item| item.text() == Some("*")) else {
                    continue;
                };
                let words = match (resources, verbs) {
                    (true, true) => "everything",
                    (true, false) => "all resources of a group",
                    _ => "all verbs",
                };
                sink.find(role.place(item.span), format!("{} allows {words}", role.title()));
                if !(resources && verbs) || role.kind == "Role" && !star(rule, "apiGroups") {
                    sink.at_most(Level::Info);
                }
            }
        }
    },
};

/// Cluster roles that read all secrets.
pub static SECRETS: Rule = Rule {
    id: "rbac-all-secrets",
    family: Family::Manifests,
    levels: Levels::INFO,
    title: "a cluster role does not read every secret",
    why: "Who may list secrets everywhere has every other account's rights.",
    fix: "use a Role in the namespaces concerned, or `resourceNames`",
    bad: Example(
        "//- role.yaml\napiVersion: rbac.authorization.k8s.io/v1\nkind: ClusterRole\nmetadata: {name: a}\nrules:\n  - {apiGroups: [''], resources: [«secrets»], verbs: [get, list]}\n",
    ),
    good: Example(
        "//- role.yaml\napiVersion: rbac.authorization.k8s.io/v1\nkind: ClusterRole\nmetadata: {name: a}\nrules:\n  - {apiGroups: [''], resources: [secrets], resourceNames: [ca], verbs: [get]}\n",
    ),
    also: &[],
    needs: &[Need::Manifests],
    judge: |facts, sink| {
        for role in facts.objects.iter().filter(|object| object.kind == "ClusterRole") {
            for rule in role.node.items_at("rules").iter().filter(|rule| rule.get("resourceNames").is_none())
            {
                let reads = rule
                    .items_at("verbs")
                    .iter()
                    .any(|verb| matches!(verb.text(), Some("get" | "list" | "watch" | "*")));
                for item in
                    rule.items_at("resources").iter().filter(|item| reads && item.text() == Some("secrets"))
                {
                    sink.find(
                        role.place(item.span),
                        format!("{} reads every secret of every namespace", role.title()),
                    );
                }
            }
        }
    },
};

fn bindings(facts: &crate::Facts) -> impl Iterator<Item = &Object> {
    facts.objects.iter().filter(|object| matches!(object.kind.as_str(), "RoleBinding" | "ClusterRoleBinding"))
}

/// Bindings to cluster-admin.
pub static CLUSTER_ADMIN: Rule = Rule {
    id: "rbac-cluster-admin",
    family: Family::Manifests,
    levels: Levels::WARNING,
    title: "nobody is bound to cluster-admin by a manifest",
    why: "Whoever gets hold of a token of that account owns the cluster.",
    fix: "bind a role with the rights that are needed, in the namespaces that are needed",
    bad: Example(
        "//- binding.yaml\napiVersion: rbac.authorization.k8s.io/v1\nkind: ClusterRoleBinding\nmetadata: {name: a}\nroleRef: {kind: ClusterRole, name: «cluster-admin»}\nsubjects: [{kind: ServiceAccount, name: a}]\n",
    ),
    good: Example(
        "//- binding.yaml\napiVersion: rbac.authorization.k8s.io/v1\nkind: ClusterRoleBinding\nmetadata: {name: a}\nroleRef: {kind: ClusterRole, name: view}\nsubjects: [{kind: ServiceAccount, name: a}]\n",
    ),
    also: &[],
    needs: &[Need::Manifests],
    judge: |facts, sink| {
        for binding in
            bindings(facts).filter(|binding| binding.node.text_at("roleRef.name") == Some("cluster-admin"))
        {
            let names: Vec<&str> = binding
                .node
                .items_at("subjects")
                .iter()
                .filter_map(|subject| subject.text_at("name"))
                .collect();
            let place = binding.place_at("roleRef.name");
            if binding.kind == "RoleBinding" {
                sink.find(place, format!("{} may do everything in its namespace", words(&names)))
                    .at_most(Level::Info);
            } else {
                sink.find(place, format!("{} may do everything", words(&names)));
            }
        }
    },
};

fn words(names: &[&str]) -> String {
    match names {
        [] => "somebody".to_owned(),
        [one] => format!("`{one}`"),
        [one, rest @ ..] => format!("`{one}` and {} more", rest.len()),
    }
}

/// Bindings of everybody.
pub static EVERYBODY: Rule = Rule {
    id: "rbac-everybody",
    family: Family::Manifests,
    levels: Levels::WARNING,
    title: "no right is given to everybody",
    why: "The groups of all users, of all service accounts and of who is not logged in hold whoever the cluster lets in tomorrow.",
    fix: "name the group or the account",
    bad: Example(
        "//- binding.yaml\napiVersion: rbac.authorization.k8s.io/v1\nkind: RoleBinding\nmetadata: {name: a}\nroleRef: {kind: ClusterRole, name: edit}\nsubjects: [{kind: Group, name: «\"system:authenticated\"»}]\n",
    ),
    good: Example(
        "//- binding.yaml\napiVersion: rbac.authorization.k8s.io/v1\nkind: RoleBinding\nmetadata: {name: a}\nroleRef: {kind: ClusterRole, name: edit}\nsubjects: [{kind: Group, name: data-platform}]\n",
    ),
    also: &[],
    needs: &[Need::Manifests],
    judge: |facts, sink| {
        for binding in bindings(facts) {
            for name in binding.node.items_at("subjects").iter().filter_map(|subject| subject.get("name")) {
                let text = name.text().unwrap_or_default();
                if matches!(
                    text,
                    "system:authenticated"
                        | "system:unauthenticated"
                        | "system:anonymous"
                        | "system:serviceaccounts"
                ) {
                    sink.find(
                        binding.place(name.span),
                        format!("{} holds for everybody in `{text}`", binding.title()),
                    );
                    // All builds of a cluster pull from a shared project this way.
                    let role = binding.node.text_at("roleRef.name").unwrap_or_default();
                    if matches!(role, "system:image-puller" | "view" | "basic-user" | "registry-viewer")
                        || role.ends_with(":scope-impersonation")
                    {
                        sink.at_most(Level::Info);
                    }
                }
            }
        }
    },
};

/// Constraints that constrain nothing.
pub static CONSTRAINTS: Rule = Rule {
    id: "scc-wide",
    family: Family::Manifests,
    levels: Levels::WARNING,
    title: "security context constraints constrain",
    why: "Whoever may use constraints that allow privileged containers, the node's namespaces or its files can become root on the node.",
    fix: "allow the one thing that is needed, and bind it to the one account that needs it",
    bad: Example(
        "//- scc.yaml\napiVersion: security.openshift.io/v1\nkind: SecurityContextConstraints\nmetadata: {name: a}\nallowPrivilegedContainer: «true»\n",
    ),
    good: Example(
        "//- scc.yaml\napiVersion: security.openshift.io/v1\nkind: SecurityContextConstraints\nmetadata: {name: a}\nallowPrivilegedContainer: false\n",
    ),
    also: &[],
    needs: &[Need::Manifests],
    judge: |facts, sink| {
        for object in facts.objects_of("security.openshift.io", "SecurityContextConstraints") {
            constraints(object, sink);
        }
        for binding in bindings(facts) {
            let role = binding.node.text_at("roleRef.name").unwrap_or_default();
            if matches!(
                role,
                "system:openshift:scc:privileged"
                    | "system:openshift:scc:anyuid"
                    | "system:openshift:scc:hostaccess"
                    | "system:openshift:scc:hostmount-anyuid"
            ) {
                let name = role.rsplit(':').next().unwrap_or(role);
                sink.find(
                    binding.place_at("roleRef.name"),
                    format!("{} allows the constraints `{name}`", binding.title()),
                );
            }
        }
    },
};

fn constraints(object: &Object, sink: &mut Sink<'_>) {
    for key in [
        "allowPrivilegedContainer",
        "allowHostNetwork",
        "allowHostPID",
        "allowHostIPC",
        "allowHostDirVolumePlugin",
    ] {
        if let Some(node) = object.node.get(key).filter(|node| node.flag() == Some(true)) {
            sink.find(object.place(node.span), format!("{} has `{key}`", object.title()));
        }
    }
    for item in object.node.items_at("allowedCapabilities").iter().filter(|item| item.text() == Some("*")) {
        sink.find(object.place(item.span), format!("{} allows every capability", object.title()));
    }
    for item in
        object.node.items_at("groups").iter().filter(|item| item.text() == Some("system:authenticated"))
    {
        sink.find(object.place(item.span), format!("{} is for everybody", object.title()));
    }
    if object.node.text_at("runAsUser.type") == Some("RunAsAny") {
        sink.find(object.place_at("runAsUser.type"), format!("{} allows root", object.title()))
            .at_most(Level::Info);
    }
}

/// These rules.
pub const RULES: &[&Rule] = &[&WILDCARD, &SECRETS, &CLUSTER_ADMIN, &EVERYBODY, &CONSTRAINTS];
