//! Kustomizations: what they name.

use std::collections::BTreeSet;

use project::yaml::Node;

use crate::facts::Facts;
use crate::facts::manifest::{Object, is_template};
use crate::level::Levels;
use crate::rule::{Example, Family, Need, Rule, Sink};

fn kustomizations(facts: &Facts) -> impl Iterator<Item = &Object> {
    facts.objects.iter().filter(|object| {
        matches!(object.kind.as_str(), "Kustomization" | "Component")
            && object.group.contains("kustomize.config")
            || object.kind == "Kustomization" && object.group.is_empty()
    })
}

/// What a kustomization names as a file or a directory, or elsewhere.
fn references(object: &Object) -> Vec<&Node> {
    let node = &object.node;
    let lists = [
        "resources",
        "bases",
        "components",
        "crds",
        "patchesStrategicMerge",
        "configurations",
        "generators",
        "transformers",
        "validators",
    ];
    let mut found: Vec<&Node> = lists.iter().flat_map(|key| node.items_at(key)).collect();
    found.extend(
        ["patches", "patchesJson6902", "replacements"]
            .iter()
            .flat_map(|key| node.items_at(key))
            .filter_map(|item| item.get("path")),
    );
    found.retain(|node| node.text().is_some());
    found
}

fn is_remote(text: &str) -> bool {
    text.contains("://")
        || text.starts_with("git@")
        || text.starts_with("git::")
        || text.contains("?ref=")
        || {
            let first = text.split('/').next().unwrap_or_default();
            first.contains('.')
                && first.contains(|character: char| character.is_alphabetic())
                && text.contains('/')
                && text.split('/').count() > 2
                && first != "."
                && first != ".."
        }
}

/// The names of images whose tag or digest a kustomization sets.
pub(super) fn settled_images(facts: &Facts) -> std::collections::BTreeSet<&str> {
    let images = kustomizations(facts).flat_map(|object| object.node.items_at("images"));
    let set = images.filter(|image| image.get("newTag").or_else(|| image.get("digest")).is_some());
    set.filter_map(|image| image.text_at("name")).collect()
}

/// References to nothing.
pub static MISSING: Rule = Rule {
    id: "kustomize-missing",
    family: Family::Manifests,
    levels: Levels::ERROR,
    title: "a kustomization names files that exist",
    why: "kustomize fails, and Argo CD shows the application as unknown.",
    fix: "mend the path, or commit the file",
    bad: Example(
        "//- base/kustomization.yaml\napiVersion: kustomize.config.k8s.io/v1beta1\nkind: Kustomization\nresources: [«servce.yaml»]\n//- base/service.yaml\napiVersion: v1\nkind: ConfigMap\nmetadata: {name: a}\n",
    ),
    good: Example(
        "//- base/kustomization.yaml\napiVersion: kustomize.config.k8s.io/v1beta1\nkind: Kustomization\nresources: [service.yaml]\n//- base/service.yaml\napiVersion: v1\nkind: ConfigMap\nmetadata: {name: a}\n",
    ),
    also: &[],
    needs: &[Need::Manifests, Need::Files],
    judge: |facts, sink| {
        for object in kustomizations(facts) {
            for node in references(object) {
                let text = node.text().unwrap_or_default();
                // A patch may stand there itself.
                if !is_remote(text) && !text.contains('\n') && !is_template(text) && !text.contains(": ") {
                    missing(facts, object, node, text, sink);
                }
            }
            for (file, secret) in generated(object) {
                let text = file.text().unwrap_or_default();
                let path = text.split_once('=').map_or(text, |(_, path)| path);
                // Files of secrets are rightly not committed.
                if missing(facts, object, file, path, sink) && secret {
                    sink.at_most(crate::Level::Info);
                }
            }
        }
    },
};

/// Files of generators, and whether they are of secrets.
fn generated(object: &Object) -> Vec<(&Node, bool)> {
    let generators = [("configMapGenerator", false), ("secretGenerator", true)].into_iter();
    let generators = generators
        .flat_map(|(key, secret)| object.node.items_at(key).iter().map(move |generator| (generator, secret)));
    let files = generators.flat_map(|(generator, secret)| {
        let lists = generator.items_at("files").iter().chain(generator.items_at("envs"));
        lists.chain(generator.get("env")).map(move |node| (node, secret))
    });
    files.filter(|(node, _)| node.text().is_some()).collect()
}

/// Says that a file is not there; whether it did.
fn missing(facts: &Facts, object: &Object, node: &Node, path: &str, sink: &mut Sink<'_>) -> bool {
    let Some(target) = facts.path_from(object.source, path.trim()) else {
        sink.find(object.place(node.span), format!("`{path}` is outside the repository"));
        sink.at_most(crate::Level::Info);
        return true;
    };
    if facts.has_path(&target) {
        return false;
    }
    let directory = crate::facts::manifest::directory(&target);
    let beside: Vec<&str> = facts
        .files
        .iter()
        .filter_map(|file| file.path.strip_prefix(directory)?.trim_start_matches('/').split('/').next())
        .collect();
    let name = target.rsplit('/').next().unwrap_or(&target);
    match dockerfile::suggest::nearest(name, beside) {
        Some(near) => sink.find_with(
            object.place(node.span),
            format!("there is no `{target}`"),
            format!("did you mean `{near}`?"),
        ),
        None => sink.find(object.place(node.span), format!("there is no `{target}`")),
    };
    true
}

/// Remote bases that move.
pub static REMOTE: Rule = Rule {
    id: "kustomize-remote-floating",
    family: Family::Manifests,
    levels: Levels::WARNING,
    title: "a remote base is at a revision",
    why: "Without `ref` somebody else's push changes what you deploy.",
    fix: "append `?ref=` with a tag or a commit",
    bad: Example(
        "//- kustomization.yaml\napiVersion: kustomize.config.k8s.io/v1beta1\nkind: Kustomization\nresources: [«\"https://git.example.com/a//deploy\"»]\n",
    ),
    good: Example(
        "//- kustomization.yaml\napiVersion: kustomize.config.k8s.io/v1beta1\nkind: Kustomization\nresources: [\"https://git.example.com/a//deploy?ref=v1.2.0\"]\n",
    ),
    also: &[],
    needs: &[Need::Manifests],
    judge: |facts, sink| {
        for object in kustomizations(facts) {
            for node in references(object) {
                let text = node.text().unwrap_or_default();
                let file = text.ends_with(".yaml") || text.ends_with(".yml");
                let named = text
                    .split(['?', '&'])
                    .find_map(|part| part.strip_prefix("ref=").or_else(|| part.strip_prefix("version=")));
                let floating = match named {
                    None => {
                        !file
                            || text.contains("/main/")
                            || text.contains("/master/")
                            || text.contains("/HEAD/")
                            || text.contains("/latest/")
                    }
                    Some(revision) => matches!(revision, "main" | "master" | "HEAD" | "develop"),
                };
                if is_remote(text) && floating && !is_template(text) {
                    sink.find(object.place(node.span), "a remote base without a revision that stays");
                }
            }
        }
    },
};

/// Fields that are going.
pub static DEPRECATED: Rule = Rule {
    id: "kustomize-deprecated",
    family: Family::Manifests,
    levels: Levels::REMARK,
    title: "a kustomization uses fields that stay",
    why: "`bases`, `patchesStrategicMerge`, `patchesJson6902`, `commonLabels` and `vars` are deprecated since kustomize 5.",
    fix: "`kustomize edit fix` moves them to what took their place",
    bad: Example(
        "//- kustomization.yaml\napiVersion: kustomize.config.k8s.io/v1beta1\nkind: Kustomization\n«commonLabels»: {app: a}\n",
    ),
    good: Example(
        "//- kustomization.yaml\napiVersion: kustomize.config.k8s.io/v1beta1\nkind: Kustomization\nlabels: [{pairs: {app: a}}]\n",
    ),
    also: &[],
    needs: &[Need::Manifests],
    judge: |facts, sink| {
        for object in kustomizations(facts) {
            for key in
                ["bases", "patchesStrategicMerge", "patchesJson6902", "commonLabels", "vars", "imageTags"]
            {
                if let Some(pair) = object.node.pair(key) {
                    sink.find(object.place(pair.span), format!("`{key}` is deprecated"));
                }
            }
        }
    },
};

/// Resources that are listed twice.
pub static TWICE: Rule = Rule {
    id: "kustomize-twice",
    family: Family::Manifests,
    levels: Levels::ERROR,
    title: "a kustomization lists a resource once",
    why: "kustomize refuses it: the object's id is registered already.",
    fix: "remove one of them",
    bad: Example(
        "//- kustomization.yaml\napiVersion: kustomize.config.k8s.io/v1beta1\nkind: Kustomization\nresources: [a.yaml, «./a.yaml»]\n//- a.yaml\napiVersion: v1\nkind: ConfigMap\nmetadata: {name: a}\n",
    ),
    good: Example(
        "//- kustomization.yaml\napiVersion: kustomize.config.k8s.io/v1beta1\nkind: Kustomization\nresources: [a.yaml]\n//- a.yaml\napiVersion: v1\nkind: ConfigMap\nmetadata: {name: a}\n",
    ),
    also: &[],
    needs: &[Need::Manifests],
    judge: |facts, sink| {
        for object in kustomizations(facts) {
            let mut seen = BTreeSet::new();
            for node in object.node.items_at("resources").iter().chain(object.node.items_at("bases")) {
                let text = node.text().unwrap_or_default();
                let target = if is_remote(text) {
                    Some(text.to_owned())
                } else {
                    facts.path_from(object.source, text)
                };
                if target.is_some_and(|target| !seen.insert(target)) {
                    sink.find(object.place(node.span), format!("`{text}` is listed twice"));
                }
            }
        }
    },
};

/// Images that a kustomization replaces by what moves.
pub static IMAGE: Rule = Rule {
    id: "kustomize-image-floating",
    family: Family::Manifests,
    levels: Levels::WARNING,
    title: "a kustomization sets tags that stay",
    why: "`latest` is another image tomorrow.",
    fix: "set `newTag` to a version, or `digest`",
    bad: Example(
        "//- kustomization.yaml\napiVersion: kustomize.config.k8s.io/v1beta1\nkind: Kustomization\nimages: [{name: web, newTag: «latest»}]\n",
    ),
    good: Example(
        "//- kustomization.yaml\napiVersion: kustomize.config.k8s.io/v1beta1\nkind: Kustomization\nimages: [{name: web, newTag: 1.2.0}]\n",
    ),
    also: &[],
    needs: &[Need::Manifests],
    judge: |facts, sink| {
        for object in kustomizations(facts) {
            for image in object.node.items_at("images") {
                if let Some(tag) = image.get("newTag").filter(|tag| tag.text() == Some("latest")) {
                    let name = image.text_at("newName").or_else(|| image.text_at("name")).unwrap_or_default();
                    sink.find(object.place(tag.span), format!("`{name}` is taken at `latest`"));
                }
            }
        }
    },
};

/// These rules.
pub const RULES: &[&Rule] = &[&MISSING, &REMOTE, &DEPRECATED, &TWICE, &IMAGE];
