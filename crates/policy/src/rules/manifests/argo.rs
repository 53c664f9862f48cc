//! Argo CD: what is deployed from where, and who may.

use project::yaml::Node;

use crate::facts::manifest::{Object, is_template};
use crate::level::Levels;
use crate::rule::{Example, Family, Need, Rule, Sink};

/// The `spec` of an application, also where an ApplicationSet makes it.
fn spec(object: &Object) -> Option<&Node> {
    let path = match (object.group.as_str(), object.kind.as_str()) {
        ("argoproj.io", "Application") => "spec",
        ("argoproj.io", "ApplicationSet") => "spec.template.spec",
        _ => return None,
    };
    object.node.at(path)
}

fn sources(spec: &Node) -> Vec<&Node> {
    spec.get("source").into_iter().chain(spec.items_at("sources")).collect()
}

/// Revisions that move.
pub static REVISION: Rule = Rule {
    id: "argo-revision-floating",
    family: Family::Manifests,
    levels: Levels::WARNING,
    title: "an application is at a revision that stays",
    why: "At HEAD or a branch whoever may push deploys, in every environment at once, and what ran yesterday is found only by searching the history.",
    fix: "set `targetRevision` to a tag or a commit, and move it by a commit",
    bad: Example(
        "//- app.yaml\napiVersion: argoproj.io/v1alpha1\nkind: Application\nmetadata: {name: a}\nspec: {project: a, source: {repoURL: \"https://git.example.com/a.git\", path: a, targetRevision: «HEAD»}}\n",
    ),
    good: Example(
        "//- app.yaml\napiVersion: argoproj.io/v1alpha1\nkind: Application\nmetadata: {name: a}\nspec: {project: a, source: {repoURL: \"https://git.example.com/a.git\", path: a, targetRevision: v1.2.0}}\n",
    ),
    also: &[],
    needs: &[Need::Manifests],
    judge: |facts, sink| {
        for object in facts.objects.iter().filter(|object| !object.partial) {
            for source in spec(object).map(sources).unwrap_or_default() {
                revision(object, source, sink);
            }
        }
    },
};

fn revision(object: &Object, source: &Node, sink: &mut Sink<'_>) {
    let chart = source.get("chart").is_some();
    let Some(node) =
        source.get("targetRevision").filter(|node| node.text().is_some_and(|text| !text.is_empty()))
    else {
        let place =
            source.get("repoURL").map_or_else(|| object.place_of_name(), |node| object.place(node.span));
        let words = if chart { "the newest version of its chart" } else { "HEAD, as it names no revision" };
        sink.find(place, format!("{} follows {words}", object.title()));
        return;
    };
    let text = node.text().unwrap_or_default();
    if is_template(text) || !floats(text, chart) {
        return;
    }
    let words = if chart {
        "a range of versions"
    } else if text == "HEAD" {
        "HEAD"
    } else {
        "a branch"
    };
    let name = if text == "HEAD" { String::new() } else { format!(", `{text}`") };
    sink.find(object.place(node.span), format!("{} follows {words}{name}", object.title()));
    // A branch that somebody chose may be how the team deploys; HEAD and ranges are nobody's choice.
    if words == "a branch" {
        sink.at_most(crate::Level::Warning);
    }
}

/// Whether a revision is no commit, no tag, no version: those begin with a digit or `v` and a digit, or have one after a dash.
fn floats(revision: &str, chart: bool) -> bool {
    let range =
        revision.contains(['*', '>', '<', '^', '~', '|']) || revision.split('.').any(|part| part == "x");
    let commit = revision.len() >= 7 && revision.chars().all(|character| character.is_ascii_hexdigit());
    let tag =
        revision.starts_with("refs/tags/") || version(revision) || revision.rsplit(['-', '/']).any(version);
    range || !chart && !commit && !tag
}

fn version(text: &str) -> bool {
    let text = text.strip_prefix(['v', 'V', 'r']).unwrap_or(text);
    text.starts_with(|character: char| character.is_ascii_digit())
        && (text.contains('.') || text.len() >= 6 || text.chars().all(|character| character.is_ascii_digit()))
}

/// Paths of this repository that are not there.
pub static PATH: Rule = Rule {
    id: "argo-path-missing",
    family: Family::Manifests,
    levels: Levels::WARNING,
    title: "an application's path is there",
    why: "Argo CD shows the application as unknown and deploys nothing. Only applications are judged that take another path, \
          which is there, from the same repository.",
    fix: "mend the path, or commit the directory",
    bad: Example(
        "//- app.yaml\napiVersion: argoproj.io/v1alpha1\nkind: Application\nmetadata: {name: a}\nspec: {project: a, source: {repoURL: \"https://git.example.com/a.git\", path: «gitops/ap», targetRevision: v1.2.0}}\n---\napiVersion: argoproj.io/v1alpha1\nkind: Application\nmetadata: {name: b}\nspec: {project: a, source: {repoURL: \"https://git.example.com/a\", path: gitops/b, targetRevision: v1.2.0}}\n//- gitops/b/x.yaml\na: 1\n",
    ),
    good: Example(
        "//- app.yaml\napiVersion: argoproj.io/v1alpha1\nkind: Application\nmetadata: {name: a}\nspec: {project: a, source: {repoURL: \"https://git.example.com/other.git\", path: somewhere, targetRevision: v1.2.0}}\n---\napiVersion: argoproj.io/v1alpha1\nkind: Application\nmetadata: {name: b}\nspec: {project: a, source: {repoURL: \"https://git.example.com/a\", path: ./gitops/b, targetRevision: v1.2.0}}\n//- gitops/b/x.yaml\na: 1\n",
    ),
    also: &[],
    needs: &[Need::Manifests, Need::Files],
    judge: |facts, sink| {
        let all: Vec<(&Object, &Node)> = facts
            .objects
            .iter()
            .filter(|object| !object.partial)
            .flat_map(|object| {
                spec(object).map(sources).unwrap_or_default().into_iter().map(move |own| (object, own))
            })
            .collect();
        let path = |source: &Node| {
            let text = source.text_at("path")?;
            let plain = text.trim_start_matches("./").trim_matches('/').to_owned();
            (!plain.is_empty() && plain != "." && !is_template(text)).then_some(plain)
        };
        let here: std::collections::BTreeSet<String> = all
            .iter()
            .filter(|(_, own)| path(own).is_some_and(|path| facts.has_path(&path)))
            .filter_map(|(_, own)| own.text_at("repoURL").map(repository))
            .collect();
        for (object, own) in all {
            let ours = own.text_at("repoURL").is_some_and(|url| here.contains(&repository(url)));
            if let (true, Some(node), Some(path)) = (ours, own.get("path"), path(own))
                && !facts.has_path(&path)
            {
                sink.find(
                    object.place(node.span),
                    format!("there is no `{path}`, which {} deploys", object.title()),
                );
            }
        }
    },
};

fn repository(url: &str) -> String {
    url.trim_end_matches('/').trim_end_matches(".git").to_ascii_lowercase()
}

/// Projects without bounds.
pub static PROJECT: Rule = Rule {
    id: "argo-project-open",
    family: Family::Manifests,
    levels: Levels::WARNING,
    title: "a project bounds what it may deploy, and where",
    why: "With `*` an application of this project may take anything from anywhere into any namespace: the project is only a name.",
    fix: "list repositories, destinations and kinds",
    bad: Example(
        "//- project.yaml\napiVersion: argoproj.io/v1alpha1\nkind: AppProject\nmetadata: {name: a}\nspec: {sourceRepos: [«'*'»], destinations: [{server: «'*'», namespace: '*'}]}\n",
    ),
    good: Example(
        "//- project.yaml\napiVersion: argoproj.io/v1alpha1\nkind: AppProject\nmetadata: {name: a}\nspec: {sourceRepos: [\"https://git.example.com/*\"], destinations: [{server: \"https://kubernetes.default.svc\", namespace: a}]}\n",
    ),
    also: &[],
    needs: &[Need::Manifests],
    judge: |facts, sink| {
        for project in facts.objects_of("argoproj.io", "AppProject") {
            let star = |node: &&Node| matches!(node.text(), Some("*" | "**"));
            for item in project.node.items_at("spec.sourceRepos").iter().filter(star) {
                sink.find(
                    project.place(item.span),
                    format!("{} takes sources from anywhere", project.title()),
                );
            }
            for destination in project.node.items_at("spec.destinations") {
                let server = destination.get("server").or_else(|| destination.get("name")).filter(star);
                let namespace = destination.get("namespace").filter(star);
                if let Some(node) = server.or(namespace) {
                    let words = if server.is_some() && namespace.is_some() {
                        "anywhere"
                    } else if server.is_some() {
                        "into every cluster"
                    } else {
                        "into every namespace"
                    };
                    sink.find(project.place(node.span), format!("{} deploys {words}", project.title()));
                }
            }
            for kind in project.node.items_at("spec.clusterResourceWhitelist") {
                if let (Some("*"), Some(node)) = (kind.text_at("group"), kind.get("kind").filter(star)) {
                    sink.find(
                        project.place(node.span),
                        format!("{} may make every kind of cluster resource", project.title()),
                    );
                }
            }
        }
    },
};

/// The project that everybody has.
pub static DEFAULT_PROJECT: Rule = Rule {
    id: "argo-project-default",
    family: Family::Manifests,
    levels: Levels::INFO,
    title: "an application belongs to a project of its own",
    why: "The project `default` allows everything, unless somebody bounded it.",
    fix: "make an AppProject with bounds and name it in `spec.project`",
    bad: Example(
        "//- app.yaml\napiVersion: argoproj.io/v1alpha1\nkind: Application\nmetadata: {name: a}\nspec: {project: «default», source: {repoURL: \"https://git.example.com/a.git\", path: a, targetRevision: v1.2.0}}\n",
    ),
    good: REVISION.good,
    also: &[],
    needs: &[Need::Manifests],
    judge: |facts, sink| {
        for object in &facts.objects {
            if let Some(node) = spec(object)
                .and_then(|spec| spec.get("project"))
                .filter(|node| matches!(node.text(), Some("default" | "") | None))
            {
                sink.find(object.place(node.span), format!("{} is in the project `default`", object.title()));
            }
        }
    },
};

/// Pruning without asking.
pub static PRUNE: Rule = Rule {
    id: "argo-auto-prune",
    family: Family::Manifests,
    levels: Levels::REMARK,
    title: "what leaves the repository is removed by intention",
    why: "With automatic pruning a file that is moved or renamed by mistake removes what runs, volumes included.",
    fix: "leave `prune` off where data is kept, or mark those objects with `Prune=false`",
    bad: Example(
        "//- app.yaml\napiVersion: argoproj.io/v1alpha1\nkind: Application\nmetadata: {name: a}\nspec: {project: a, source: {repoURL: \"https://git.example.com/a.git\", path: a, targetRevision: v1.2.0}, syncPolicy: {automated: {prune: «true»}}}\n",
    ),
    good: REVISION.good,
    also: &[],
    needs: &[Need::Manifests],
    judge: |facts, sink| {
        for object in &facts.objects {
            let prune = spec(object).and_then(|spec| spec.at("syncPolicy.automated.prune"));
            if let Some(node) = prune.filter(|node| node.flag() == Some(true)) {
                sink.find(
                    object.place(node.span),
                    format!("{} removes by itself what leaves the repository", object.title()),
                );
            }
        }
    },
};

/// Everybody an administrator.
pub static DEFAULT_ROLE: Rule = Rule {
    id: "argo-default-role",
    family: Family::Manifests,
    levels: Levels::WARNING,
    title: "who is known to nobody is no administrator of Argo CD",
    why: "The default role is that of everybody who can log in.",
    fix: "set `defaultPolicy` to an empty text or `role:readonly`",
    bad: Example(
        "//- argocd.yaml\napiVersion: argoproj.io/v1beta1\nkind: ArgoCD\nmetadata: {name: a}\nspec: {rbac: {defaultPolicy: «'role:admin'»}}\n",
    ),
    good: Example(
        "//- argocd.yaml\napiVersion: argoproj.io/v1beta1\nkind: ArgoCD\nmetadata: {name: a}\nspec: {rbac: {defaultPolicy: 'role:readonly'}}\n",
    ),
    also: &[],
    needs: &[Need::Manifests],
    judge: |facts, sink| {
        for object in &facts.objects {
            let policy = match object.kind.as_str() {
                "ArgoCD" => object.node.at("spec.rbac.defaultPolicy"),
                "ConfigMap" => object.node.get("data").and_then(|data| data.get("policy.default")),
                _ => None,
            };
            if let Some(node) = policy.filter(|node| node.text() == Some("role:admin")) {
                sink.find(object.place(node.span), "everybody who logs in is an administrator");
            }
        }
    },
};

/// These rules.
pub const RULES: &[&Rule] = &[&REVISION, &PATH, &PROJECT, &DEFAULT_PROJECT, &PRUNE, &DEFAULT_ROLE];

#[cfg(test)]
mod tests {
    use super::floats;

    #[test]
    fn revisions() {
        for fixed in ["v1.2.0", "1.2", "6f1d7e2", "refs/tags/x", "release-1.4", "chart-0.3.1", "20240102"] {
            assert!(!floats(fixed, false), "{fixed}");
        }
        for floating in ["HEAD", "main", "master", "develop", "release-candidate", "1.*", "feature/x"] {
            assert!(floats(floating, false), "{floating}");
        }
        assert!(floats(">=1.0.0", true) && floats("*", true) && !floats("5.2.0", true));
    }
}
