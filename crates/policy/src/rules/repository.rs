//! The repository as a whole: names and versions that drift, paths that lead nowhere, what is committed and should not be.

mod committed;

use project::Code;

use super::manifests::{image_parts, images};
use crate::facts::manifest::is_template;
use crate::facts::{Facts, ProjectFinding};
use crate::finding::Place;
use crate::level::{Level, Levels};
use crate::rule::{Example, Family, Need, Rule, Sink};
use committed::{BINARY, DOCKERIGNORE};

/// What the project's graph says of these codes.
pub(super) fn of_project(facts: &Facts, codes: &[Code], sink: &mut Sink<'_>) {
    for found in facts.project_findings.iter().filter(|found| codes.contains(&found.finding.code)) {
        let finding = &found.finding;
        // Of an image that needs itself everything else follows from that.
        let cycle = |other: &ProjectFinding| {
            other.finding.code == Code::Cycle
                && other.finding.images.iter().any(|name| finding.images.contains(name))
        };
        if finding.code == Code::TriggerContradicts && facts.project_findings.iter().any(cycle) {
            continue;
        }
        let place = if finding.code == Code::MissingContext {
            context_place(facts, found.place)
        } else {
            found.place
        };
        let alike =
            |other: &&ProjectFinding| other.finding.code == finding.code && other.place == found.place;
        let first = facts.project_findings.iter().find(alike).is_some_and(|first| std::ptr::eq(first, found));
        if !first {
            continue;
        }
        let others = facts.project_findings.iter().filter(alike).count() - 1;
        let more = if others == 0 { String::new() } else { format!(", and {others} more like it") };
        let message = format!("{}{more}", finding.message);
        match &finding.fix {
            Some(fix) => sink.find_with(place, message, fix.clone()),
            None => sink.find(place, message),
        };
        // One line for many images gives each what only some of them want.
        if others > 0 && finding.code == Code::UnusedArgument {
            sink.at_most(Level::Info);
        }
        // Whether a BuildConfig's repository is this one is not certain.
        let another = finding.code == Code::MissingContext && place != found.place;
        if another {
            sink.at_most(Level::Warning);
        }
        // Streams of other projects of the cluster are not seen.
        let elsewhere = finding.code == Code::NotBuilt && finding.message.contains("stream");
        if finding.level == project::Level::Info || elsewhere {
            sink.at_most(Level::Info);
        }
        sink.about(finding.images.first().map(String::as_str));
    }
}

/// Where a BuildConfig whose name stands here says what its context is.
fn context_place(facts: &Facts, place: Place) -> Place {
    let build =
        facts.objects_of("build.openshift.io", "BuildConfig").find(|build| build.place_of_name() == place);
    let node = build.and_then(|build| build.node.at("spec.source.contextDir"));
    node.map_or(place, |node| Place::new(place.source, node.span))
}

/// An example: a BuildConfig with a Dockerfile below `images/a`, from its `source` on.
macro_rules! build_example {
    ($rest:literal) => {
        Example(concat!(
            "//- images/a/Dockerfile\nARG VERSION=1\nFROM registry.example.com/base:1 AS build\n\
             //- bc.yaml\napiVersion: build.openshift.io/v1\nkind: BuildConfig\nmetadata: {name: a}\nspec:\n",
            $rest
        ))
    };
}

/// Contexts and Dockerfiles that are not there.
pub static PATH: Rule = Rule {
    id: "build-path-missing",
    family: Family::Repository,
    levels: Levels::ERROR,
    title: "a build's context and Dockerfile exist",
    why: "The build fails before its first step.",
    fix: "mend the path",
    bad: build_example!(
        "  source: {contextDir: «images/b»}\n  strategy: {dockerStrategy: {}}\n//- Makefile\na:\n\tcd images/a && podman build --squash -t a:$(V) \\\n\t  -f «Containerfile» .\nb:\n\t$(PODMAN) build -t b «images/bb»\n"
    ),
    good: build_example!(
        "  source: {contextDir: images/a}\n  strategy: {dockerStrategy: {}}\n//- Makefile\na:\n\tcd images/a && podman build -t a:$(V) -f Dockerfile .\n\tpodman build --build-arg X=1 -t a images/a\n\tpodman build -f $(F) images/$(N) && go build ./cmd && $(MAKE) build images\n"
    ),
    also: &[],
    needs: &[Need::Files, Need::Edges],
    judge: |facts, sink| {
        of_project(facts, &[Code::MissingContext, Code::MissingDockerfile, Code::MissingTarget], sink);
        near_context(facts, sink);
        let missing = super::makefiles::missing_paths(facts);
        // Of a line of a recipe the word is blamed, where it is known.
        let is_line = |own: &Place, word: &Place| {
            own.source == word.source && own.span.start <= word.span.start && word.span.start <= own.span.end
        };
        sink.found.retain(|found| !missing.iter().any(|(word, _)| is_line(&found.place, word)));
        for (place, message) in missing {
            sink.find(place, message).at_most(Level::Warning);
        }
    },
};

/// A build whose repository is not known to be this one, and whose directory almost is here.
fn near_context(facts: &Facts, sink: &mut Sink<'_>) {
    for build in facts
        .objects_of("build.openshift.io", "BuildConfig")
        .filter(|build| build.node.at("spec.source.git").is_some())
    {
        let Some(node) = build.node.at("spec.source.contextDir") else { continue };
        let text = node.text().unwrap_or_default().trim_matches('/');
        let place = Place::new(build.source, node.span);
        let said = facts.project_findings.iter().any(|found| {
            found.finding.code == Code::MissingContext && context_place(facts, found.place) == place
        });
        let Some((parent, name)) =
            text.rsplit_once('/').filter(|_| !said && !is_template(text) && !facts.has_path(text))
        else {
            continue;
        };
        let under = format!("{parent}/");
        let beside = facts
            .files
            .iter()
            .filter_map(|file| file.path.strip_prefix(&under)?.split_once('/').map(|(first, _)| first));
        if let Some(near) = dockerfile::suggest::nearest(name, beside) {
            sink.find_with(
                place,
                format!("there is no `{text}`"),
                format!("did you mean `{parent}/{near}`?"),
            );
            sink.at_most(Level::Warning);
        }
    }
}

/// Versions that are written twice.
pub static VERSION: Rule = Rule {
    id: "argument-version-drift",
    family: Family::Repository,
    levels: Levels::of(Some(Level::Info), Some(Level::Warning), Some(Level::Warning)),
    title: "a version is written in one place",
    why: "A Dockerfile's default and what the cluster's build gives differ: who builds by hand gets another image than the one that runs.",
    fix: "write the same version, or none as the default",
    bad: build_example!(
        "  source: {contextDir: images/a}\n  strategy: {dockerStrategy: {buildArgs: [{name: VERSION, value: «\"2\"»}]}}\n"
    ),
    good: build_example!(
        "  source: {contextDir: images/a}\n  strategy: {dockerStrategy: {buildArgs: [{name: VERSION, value: \"1\"}]}}\n"
    ),
    also: &[],
    needs: &[Need::Instructions, Need::Edges],
    judge: |facts, sink| {
        for build in facts.objects_of("build.openshift.io", "BuildConfig") {
            let context = build.node.text_at("spec.source.contextDir").unwrap_or_default().trim_matches('/');
            let strategy = build.node.at("spec.strategy.dockerStrategy");
            let name =
                strategy.and_then(|strategy| strategy.text_at("dockerfilePath")).unwrap_or("Dockerfile");
            let path = if context.is_empty() { name.to_owned() } else { format!("{context}/{name}") };
            let Some(file) = facts.dockerfiles.iter().find(|file| file.path == path) else { continue };
            for argument in strategy.map_or(&[][..], |strategy| strategy.items_at("buildArgs")) {
                let (Some(name), Some(value)) = (argument.text_at("name"), argument.get("value")) else {
                    continue;
                };
                let text = value.text().unwrap_or_default();
                let default = defaults(file).find(|(own, _)| *own == name).map(|(_, default)| default);
                let version = |text: &str| {
                    text.trim_start_matches('v').starts_with(|first: char| first.is_ascii_digit())
                };
                if let Some(default) =
                    default.filter(|default| *default != text && version(default) && version(text))
                {
                    sink.find(
                        Place::new(build.source, value.span),
                        format!("`{name}` is {text} here and {default} in `{path}`"),
                    );
                }
            }
        }
    },
};

/// The defaults of a Dockerfile's arguments.
fn defaults(file: &crate::facts::dockerfile::DockerfileFacts) -> impl Iterator<Item = (&str, &str)> {
    let inner = file.tree.stages.iter().flat_map(|stage| &stage.instructions);
    let declared =
        file.tree.global_args.iter().chain(inner).filter_map(|instruction| match &instruction.kind {
            dockerfile::InstructionKind::Arg(declarations) => Some(declarations),
            _ => None,
        });
    declared.flatten().filter_map(|declaration| {
        Some((declaration.key.raw.as_str(), declaration.default.as_ref()?.raw.as_str()))
    })
}

/// Arguments that no Dockerfile declares.
pub static ARGUMENT: Rule = Rule {
    id: "build-argument-unused",
    family: Family::Repository,
    levels: Levels::of(Some(Level::Warning), Some(Level::Warning), Some(Level::Warning)),
    title: "a build's arguments are declared in its Dockerfile",
    why: "An argument without an ARG changes nothing: the version that people think is built is another one.",
    fix: "declare it with ARG, or remove it",
    bad: build_example!(
        "  source: {contextDir: images/a}\n  strategy: {dockerStrategy: {buildArgs: [{name: «VERSOIN», value: \"2\"}]}}\n"
    ),
    good: build_example!(
        "  source: {contextDir: images/a}\n  strategy: {dockerStrategy: {buildArgs: [{name: VERSION, value: \"2\"}]}}\n"
    ),
    also: &[],
    needs: &[Need::Files, Need::Edges],
    judge: |facts, sink| of_project(facts, &[Code::UnusedArgument], sink),
};

/// Names that almost fit.
pub static NAME: Rule = Rule {
    id: "image-name-drift",
    family: Family::Repository,
    levels: Levels::of(Some(Level::Warning), Some(Level::Warning), Some(Level::Warning)),
    title: "images are named alike where they are built and where they are used",
    why: "A name or a tag that nothing here builds is found elsewhere, or an old one is taken for ever.",
    fix: "use the name and tag that the build gives",
    bad: Example(
        "//- base/Dockerfile\nFROM registry.example.com/ubi:9\n//- app/Dockerfile\nFROM «base:2»\n\
         //- kapok.yaml\nimages:\n  base: {context: base, tags: [\"base:1\"]}\n  app: {context: app}\n",
    ),
    good: Example(
        "//- base/Dockerfile\nFROM registry.example.com/ubi:9\n//- app/Dockerfile\nFROM base:1\n\
         //- kapok.yaml\nimages:\n  base: {context: base, tags: [\"base:1\"]}\n  app: {context: app}\n",
    ),
    also: &[],
    needs: &[Need::Files, Need::Edges],
    judge: |facts, sink| {
        of_project(
            facts,
            &[
                Code::NearMatch,
                Code::TagMismatch,
                Code::NotBuilt,
                Code::SourcesDisagree,
                Code::OverrideContradicts,
            ],
            sink,
        )
    },
};

/// Images that need each other.
pub static CYCLE: Rule = Rule {
    id: "build-cycle",
    family: Family::Repository,
    levels: Levels::ERROR,
    title: "no image needs itself",
    why: "None of them can be built first.",
    fix: "break the circle",
    bad: Example(
        "//- kapok.yaml\nimages:\n  a: {context: a}\n  b: {context: b}\n//- a/Dockerfile\nFROM «b»\n//- b/Dockerfile\nFROM a\n",
    ),
    good: Example(
        "//- kapok.yaml\nimages:\n  a: {context: a}\n  b: {context: b}\n//- a/Dockerfile\nFROM registry.example.com/x:1\n//- b/Dockerfile\nFROM a\n",
    ),
    also: &[],
    needs: &[Need::Edges],
    judge: |facts, sink| of_project(facts, &[Code::Cycle], sink),
};

/// Orders that somebody wrote down, and streams that nobody did.
pub static PIPELINE: Rule = Rule {
    id: "pipeline-drift",
    family: Family::Repository,
    levels: Levels::of(Some(Level::Info), Some(Level::Warning), Some(Level::Warning)),
    title: "pipelines and streams know the builds that are there",
    why: "A pipeline that starts what does not exist, in another order than the images need, or a stream that nobody declared, fails when it is needed.",
    fix: "let the pipeline name the builds that are there, in their order",
    bad: build_example!(
        "  source: {contextDir: images/a}\n  strategy: {dockerStrategy: {}}\n  output: {to: {kind: ImageStreamTag, name: «\"a:1\"»}}\n---\napiVersion: image.openshift.io/v1\nkind: ImageStream\nmetadata: {name: b}\n"
    ),
    good: build_example!(
        "  source: {contextDir: images/a}\n  strategy: {dockerStrategy: {}}\n  output: {to: {kind: ImageStreamTag, name: \"a:1\"}}\n---\napiVersion: image.openshift.io/v1\nkind: ImageStream\nmetadata: {name: a}\n"
    ),
    also: &[],
    needs: &[Need::Edges],
    judge: |facts, sink| {
        of_project(
            facts,
            &[Code::PipelineOrder, Code::PipelineUnknown, Code::PipelineMisses, Code::MissingImageStream],
            sink,
        )
    },
};

/// Bases whose change starts nothing.
pub static NO_TRIGGER: Rule = Rule {
    id: "build-base-trigger-missing",
    family: Family::Repository,
    levels: Levels::of(Some(Level::Info), Some(Level::Warning), Some(Level::Warning)),
    title: "an image is built again when its base changes",
    why: "Otherwise the base's fixes do not reach it until somebody thinks of it.",
    fix: "add a trigger of type `ImageChange`",
    bad: Example(
        "//- base/Dockerfile\nFROM registry.example.com/ubi:9\n//- app/Dockerfile\nFROM base:1\n//- bc.yaml\napiVersion: build.openshift.io/v1\nkind: BuildConfig\nmetadata: {name: base}\nspec:\n  source: {contextDir: base}\n  strategy: {dockerStrategy: {}}\n  output: {to: {kind: ImageStreamTag, name: \"base:1\"}}\n  triggers: [{type: ConfigChange}]\n---\napiVersion: build.openshift.io/v1\nkind: BuildConfig\nmetadata: {name: app}\nspec:\n  source: {contextDir: app}\n  strategy: {dockerStrategy: {from: {kind: ImageStreamTag, name: \"base:1\"}}}\n  output: {to: {kind: ImageStreamTag, name: \"app:1\"}}\n  triggers: [{type: «ConfigChange»}]\n",
    ),
    good: Example(
        "//- base/Dockerfile\nFROM registry.example.com/ubi:9\n//- app/Dockerfile\nFROM base:1\n//- bc.yaml\napiVersion: build.openshift.io/v1\nkind: BuildConfig\nmetadata: {name: base}\nspec:\n  source: {contextDir: base}\n  strategy: {dockerStrategy: {}}\n  output: {to: {kind: ImageStreamTag, name: \"base:1\"}}\n  triggers: [{type: ConfigChange}]\n---\napiVersion: build.openshift.io/v1\nkind: BuildConfig\nmetadata: {name: app}\nspec:\n  source: {contextDir: app}\n  strategy: {dockerStrategy: {from: {kind: ImageStreamTag, name: \"base:1\"}}}\n  output: {to: {kind: ImageStreamTag, name: \"app:1\"}}\n  triggers: [{type: ImageChange, imageChange: {}}]\n",
    ),
    also: &[],
    needs: &[Need::Edges],
    judge: |facts, sink| of_project(facts, &[Code::NoTrigger], sink),
};

/// Tags that are deployed and not built.
pub static DEPLOYED: Rule = Rule {
    id: "deployed-tag-drift",
    family: Family::Repository,
    levels: Levels::of(Some(Level::Warning), Some(Level::Warning), Some(Level::Warning)),
    title: "what is deployed is what is built",
    why: "A deployment with a tag that no build of the repository gives runs an image that nobody can find the source of.",
    fix: "deploy a tag that is built, or write the version in one place",
    bad: Example(
        "//- kapok.yaml\nimages:\n  app: {context: app, tags: [\"registry.example.com/app:1.3.0\"]}\n//- app/Dockerfile\nFROM registry.example.com/base:1\n\
         //- pod.yaml\napiVersion: v1\nkind: Pod\nmetadata: {name: a}\nspec: {containers: [{name: app, image: «\"registry.example.com/app:1.2.0\"»}]}\n",
    ),
    good: Example(
        "//- kapok.yaml\nimages:\n  app: {context: app, tags: [\"registry.example.com/app:1.3.0\"]}\n//- app/Dockerfile\nFROM registry.example.com/base:1\n\
         //- pod.yaml\napiVersion: v1\nkind: Pod\nmetadata: {name: a}\nspec: {containers: [{name: app, image: \"registry.example.com/app:1.3.0\"}]}\n",
    ),
    also: &[],
    needs: &[Need::Manifests, Need::Edges],
    judge: |facts, sink| {
        let built = facts.built_tags();
        images(facts, |place, image, _| {
            let (name, tag, _) = image_parts(image);
            let short = name.rsplit('/').next().unwrap_or(name);
            let (Some(tag), Some(tags)) = (tag, built.get(short)) else { return };
            if !tags.iter().any(|built| built == tag)
                && tag != "latest"
                && !is_template(image)
                && tags.iter().all(|built| !is_template(built))
            {
                let known = tags.iter().map(|tag| format!("`{tag}`")).collect::<Vec<_>>().join(", ");
                sink.find(place, format!("`{short}` is deployed at `{tag}` and built as {known}"));
                // Another image of the same last name is somebody else's.
                let own = facts
                    .project
                    .images
                    .iter()
                    .flat_map(|image| &image.outputs)
                    .any(|output| output.name.to_string().starts_with(name));
                if !own {
                    sink.at_most(Level::Info);
                }
            }
        });
    },
};

/// These rules.
pub const RULES: &[&Rule] =
    &[&PATH, &VERSION, &ARGUMENT, &NAME, &CYCLE, &PIPELINE, &NO_TRIGGER, &DEPLOYED, &BINARY, &DOCKERIGNORE];
