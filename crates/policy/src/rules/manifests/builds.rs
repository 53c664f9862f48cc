//! Builds of OpenShift: limits, triggers, sources, what they push.

use std::collections::{BTreeMap, BTreeSet};

use project::Code;
use project::yaml::Node;

use crate::facts::Facts;
use crate::facts::manifest::{Object, is_template};
use crate::level::{Level, Levels};
use crate::rule::{Example, Family, Need, Rule, Sink};
use crate::rules::repository::of_project;

fn builds(facts: &Facts) -> impl Iterator<Item = &Object> {
    facts.objects_of("build.openshift.io", "BuildConfig").filter(|build| !build.partial)
}

/// Builds without limits.
pub static LIMITS: Rule = Rule {
    id: "build-without-limits",
    family: Family::Manifests,
    levels: Levels::WARNING,
    title: "a build has limits",
    why: "Builds come in storms: without limits those of one project take the nodes from everybody else.",
    fix: "set `spec.resources.limits` for cpu and memory",
    bad: Example(
        "//- bc.yaml\napiVersion: build.openshift.io/v1\nkind: BuildConfig\nmetadata: {name: «a»}\nspec: {source: {dockerfile: FROM scratch}, triggers: [{type: ConfigChange}]}\n",
    ),
    good: Example(
        "//- bc.yaml\napiVersion: build.openshift.io/v1\nkind: BuildConfig\nmetadata: {name: a}\nspec: {resources: {limits: {cpu: 1, memory: 1Gi}}, source: {dockerfile: FROM scratch}, triggers: [{type: ConfigChange}]}\n",
    ),
    also: &[],
    needs: &[Need::Manifests],
    judge: |facts, sink| {
        for build in builds(facts) {
            let limits = build.node.at("spec.resources.limits");
            let missing: Vec<&str> = ["cpu", "memory"]
                .into_iter()
                .filter(|key| limits.is_none_or(|limits| limits.get(key).is_none()))
                .collect();
            if !missing.is_empty() {
                let place = if limits.is_some() {
                    build.place(
                        build
                            .node
                            .at("spec.resources")
                            .and_then(|node| node.pair("limits"))
                            .map_or(build.node.span, |pair| pair.span),
                    )
                } else {
                    build.place_of_name()
                };
                sink.find(place, format!("{} has no limit of {}", build.title(), missing.join(" and ")));
                if missing == ["cpu"] {
                    sink.at_most(Level::Info);
                }
            }
        }
    },
};

/// Builds that nothing starts.
pub static TRIGGER_MISSING: Rule = Rule {
    id: "build-trigger-missing",
    family: Family::Manifests,
    levels: Levels::REMARK,
    title: "something starts a build",
    why: "Without a trigger an image is as old as the day when somebody last thought of it, and its base's fixes never reach it.",
    fix: "add a trigger: `ConfigChange`, `ImageChange`, or a webhook",
    bad: Example(
        "//- bc.yaml\napiVersion: build.openshift.io/v1\nkind: BuildConfig\nmetadata: {name: «a»}\nspec: {resources: {limits: {cpu: 1, memory: 1Gi}}, source: {dockerfile: FROM scratch}}\n",
    ),
    good: LIMITS.good,
    also: &[],
    needs: &[Need::Manifests],
    judge: |facts, sink| {
        for build in builds(facts) {
            if build.node.items_at("spec.triggers").is_empty() {
                sink.find(build.place_of_name(), format!("nothing starts {}", build.title()));
            }
        }
    },
};

/// The base that a build's strategy names.
fn base(build: &Object) -> Option<&Node> {
    let strategy = build.node.at("spec.strategy")?;
    ["dockerStrategy", "sourceStrategy", "customStrategy"]
        .into_iter()
        .find_map(|key| strategy.get(key)?.get("from"))
}

fn stream_tag(node: &Node) -> Option<(Option<&str>, &str)> {
    (node.text_at("kind") == Some("ImageStreamTag"))
        .then(|| (node.text_at("namespace"), node.text_at("name").unwrap_or_default()))
}

/// Triggers that contradict the build.
pub static TRIGGER: Rule = Rule {
    id: "build-trigger-contradictory",
    family: Family::Manifests,
    levels: Levels::WARNING,
    title: "a build's triggers fit the build",
    why: "A trigger on an image that the build does not use starts it for nothing; one on its own output starts it for ever; and without a stream there is no image to wait for.",
    fix: "let the trigger name the stream that the build is based on",
    bad: Example(
        "//- bc.yaml\napiVersion: build.openshift.io/v1\nkind: BuildConfig\nmetadata: {name: a}\nspec:\n  resources: {limits: {cpu: 1, memory: 1Gi}}\n  strategy: {dockerStrategy: {from: {kind: DockerImage, name: registry.example.com/a}}}\n  triggers: [{type: «ImageChange», imageChange: {}}]\n",
    ),
    good: Example(
        "//- bc.yaml\napiVersion: build.openshift.io/v1\nkind: BuildConfig\nmetadata: {name: a}\nspec:\n  resources: {limits: {cpu: 1, memory: 1Gi}}\n  strategy: {dockerStrategy: {from: {kind: ImageStreamTag, name: \"python:3.11\"}}}\n  triggers: [{type: ImageChange, imageChange: {}}]\n",
    ),
    also: &[],
    needs: &[Need::Manifests],
    judge: |facts, sink| {
        for build in builds(facts) {
            triggers(build, sink);
        }
        // What a build uses its Dockerfile says, too.
        of_project(facts, &[Code::TriggerContradicts], sink);
    },
};

fn triggers(build: &Object, sink: &mut Sink<'_>) {
    let (base, output) =
        (base(build).and_then(stream_tag), build.node.at("spec.output.to").and_then(stream_tag));
    let mut seen = BTreeSet::new();
    for trigger in build.node.items_at("spec.triggers") {
        let Some(kind) = trigger.get("type") else { continue };
        let name = kind.text().unwrap_or_default();
        let place = build.place(kind.span);
        let from = trigger.at("imageChange.from").and_then(stream_tag);
        if !seen.insert((name, from)) && matches!(name, "ConfigChange" | "ImageChange") {
            sink.find(place, format!("{} has the trigger `{name}` twice", build.title()));
            continue;
        }
        if name != "ImageChange" {
            continue;
        }
        if from.is_none() && base.is_none() {
            sink.find(
                place,
                format!("{} waits for an image, and is based on no stream of images", build.title()),
            );
        }
        if output.is_some() && from.or(base) == output {
            sink.find(place, format!("{} starts itself: it waits for what it pushes", build.title()));
        }
    }
}

/// Sources that move.
pub static SOURCE: Rule = Rule {
    id: "build-source-floating",
    family: Family::Manifests,
    levels: Levels::INFO,
    title: "a build's source is at a revision",
    why: "Without `ref` a build takes whatever the default branch holds at that minute; two builds of one day may differ.",
    fix: "set `spec.source.git.ref` to a tag or a commit",
    bad: Example(
        "//- bc.yaml\napiVersion: build.openshift.io/v1\nkind: BuildConfig\nmetadata: {name: a}\nspec:\n  resources: {limits: {cpu: 1, memory: 1Gi}}\n  source: {git: {uri: \"https://git.example.com/a.git\", ref: «main»}}\n  triggers: [{type: ConfigChange}]\n",
    ),
    good: Example(
        "//- bc.yaml\napiVersion: build.openshift.io/v1\nkind: BuildConfig\nmetadata: {name: a}\nspec:\n  resources: {limits: {cpu: 1, memory: 1Gi}}\n  source: {git: {uri: \"https://git.example.com/a.git\", ref: v1.0.0}}\n  triggers: [{type: ConfigChange}]\n",
    ),
    also: &[],
    needs: &[Need::Manifests],
    judge: |facts, sink| {
        for build in builds(facts) {
            let Some(git) = build.node.at("spec.source.git").filter(|git| git.get("uri").is_some()) else {
                continue;
            };
            match git.text_at("ref") {
                None => sink.find(
                    build.place_at("spec.source.git.uri"),
                    format!("{} names no revision", build.title()),
                ),
                Some(name @ ("main" | "master" | "HEAD" | "develop" | "dev" | "trunk")) => sink.find(
                    build.place_at("spec.source.git.ref"),
                    format!("{} follows the branch `{name}`", build.title()),
                ),
                Some(_) => continue,
            };
        }
    },
};

/// Bases and outputs without a version.
pub static FLOATING: Rule = Rule {
    id: "build-image-floating",
    family: Family::Manifests,
    levels: Levels::WARNING,
    title: "a build is based on, and makes, tags that stay",
    why: "A base at `latest` is another one tomorrow. An output at `latest` overwrites the one before, so that there is no way back; that is only remarked.",
    fix: "name a version, or a digest",
    bad: Example(
        "//- bc.yaml\napiVersion: build.openshift.io/v1\nkind: BuildConfig\nmetadata: {name: a}\nspec:\n  resources: {limits: {cpu: 1, memory: 1Gi}}\n  strategy: {dockerStrategy: {from: {kind: ImageStreamTag, name: «\"python:latest\"»}}}\n  triggers: [{type: ConfigChange}]\n",
    ),
    good: TRIGGER.good,
    also: &[],
    needs: &[Need::Manifests],
    judge: |facts, sink| {
        for build in builds(facts) {
            if let Some(name) = base(build).and_then(|base| base.get("name")) {
                let built = builds(facts).any(|other| {
                    let output = other.node.at("spec.output.to").and_then(stream_tag);
                    output.is_some_and(|(_, own)| Some(own) == name.text())
                });
                // What the repository builds itself moves when its maintainers say so.
                if floating(build, name, "is based on", sink) && built {
                    sink.at_most(Level::Info);
                }
            }
            if let Some(name) = build.node.at("spec.output.to.name")
                && floating(build, name, "pushes", sink)
            {
                sink.at_most(Level::Info);
            }
        }
    },
};

fn floating(build: &Object, name: &Node, verb: &str, sink: &mut Sink<'_>) -> bool {
    let text = name.text().unwrap_or_default();
    let (_, tag, digest) = super::image_parts(text);
    let moves = match tag {
        Some(tag) => tag == "latest",
        None => !is_template(text),
    };
    let found = moves && !digest && !text.is_empty();
    if found {
        sink.find(build.place(name.span), format!("{} {verb} `{text}`", build.title()));
    }
    found
}

/// Two builds of one tag.
pub static SHARED_OUTPUT: Rule = Rule {
    id: "build-output-shared",
    family: Family::Manifests,
    levels: Levels::WARNING,
    title: "one build pushes a tag",
    why: "Of two builds with one output the last one wins, whichever that is.",
    fix: "give each build a tag of its own",
    bad: Example(
        "//- bc.yaml\napiVersion: build.openshift.io/v1\nkind: BuildConfig\nmetadata: {name: a}\nspec: {resources: {limits: {cpu: 1, memory: 1Gi}}, output: {to: {kind: ImageStreamTag, name: \"a:1\"}}, triggers: [{type: ConfigChange}]}\n---\napiVersion: build.openshift.io/v1\nkind: BuildConfig\nmetadata: {name: b}\nspec: {resources: {limits: {cpu: 1, memory: 1Gi}}, output: {to: {kind: ImageStreamTag, name: «\"a:1\"»}}, triggers: [{type: ConfigChange}]}\n",
    ),
    good: LIMITS.good,
    also: &[],
    needs: &[Need::Manifests],
    judge: |facts, sink| {
        let mut seen: BTreeMap<_, &Object> = BTreeMap::new();
        for build in builds(facts) {
            let Some((namespace, name)) = build.node.at("spec.output.to").and_then(stream_tag) else {
                continue;
            };
            if is_template(name) || name.is_empty() {
                continue;
            }
            let key = (namespace.or(build.namespace.as_deref()), name);
            let other = seen.get(&key).filter(|other| other.name != build.name);
            if let Some(other) = other {
                let place = build.place_at("spec.output.to.name");
                sink.find(place, format!("{} pushes `{name}`, and so does {}", build.title(), other.title()));
            }
            seen.entry(key).or_insert(build);
        }
    },
};

/// Streams of images that move.
pub static STREAM: Rule = Rule {
    id: "image-stream-floating",
    family: Family::Manifests,
    levels: Levels::WARNING,
    title: "a stream imports tags that stay",
    why: "Everything that is built on the stream changes when somebody else pushes.",
    fix: "import a version, or a digest",
    bad: Example(
        "//- is.yaml\napiVersion: image.openshift.io/v1\nkind: ImageStream\nmetadata: {name: a}\nspec: {tags: [{name: latest, from: {kind: DockerImage, name: «\"registry.example.com/a:latest\"»}}]}\n",
    ),
    good: Example(
        "//- is.yaml\napiVersion: image.openshift.io/v1\nkind: ImageStream\nmetadata: {name: a}\nspec: {tags: [{name: \"1.2\", from: {kind: DockerImage, name: \"registry.example.com/a:1.2\"}}]}\n",
    ),
    also: &[],
    needs: &[Need::Manifests],
    judge: |facts, sink| {
        for stream in facts.objects_of("image.openshift.io", "ImageStream") {
            for from in stream.node.items_at("spec.tags").iter().filter_map(|tag| tag.get("from")) {
                if from.text_at("kind") == Some("DockerImage")
                    && let Some(name) = from.get("name")
                {
                    floating(stream, name, "imports", sink);
                }
            }
        }
    },
};

/// Builds with the engine's socket.
pub static SOCKET: Rule = Rule {
    id: "build-docker-socket",
    family: Family::Manifests,
    levels: Levels::WARNING,
    title: "a build does not get the engine's socket",
    why: "Who speaks with the engine is root on the node.",
    fix: "remove `exposeDockerSocket`",
    bad: Example(
        "//- bc.yaml\napiVersion: build.openshift.io/v1\nkind: BuildConfig\nmetadata: {name: a}\nspec:\n  resources: {limits: {cpu: 1, memory: 1Gi}}\n  strategy: {customStrategy: {exposeDockerSocket: «true»}}\n  triggers: [{type: ConfigChange}]\n",
    ),
    good: LIMITS.good,
    also: &[],
    needs: &[Need::Manifests],
    judge: |facts, sink| {
        for build in builds(facts) {
            let node = build.node.at("spec.strategy.customStrategy.exposeDockerSocket");
            if let Some(node) = node.filter(|node| node.flag() == Some(true)) {
                sink.find(build.place(node.span), format!("{} gets the engine's socket", build.title()));
            }
        }
    },
};

/// These rules.
pub const RULES: &[&Rule] =
    &[&LIMITS, &TRIGGER_MISSING, &TRIGGER, &SOURCE, &FLOATING, &SHARED_OUTPUT, &STREAM, &SOCKET];
