//! Rules on base images.

use dockerfile::Span;
use oci::Reference;

use crate::facts::Facts;
use crate::facts::built::{BaseImage, Ubi};
use crate::facts::dockerfile::{Base, DockerfileFacts, ImageName, StageFacts};
use crate::finding::Place;
use crate::level::{Level, Levels};
use crate::rule::{Example, Family, Foreign, Rule, Sink};
use crate::waiver::matches_name;

/// Every image that a file names: bases, and what COPY and RUN take files from.
pub(super) fn each_image(
    facts: &Facts,
    mut say: impl FnMut(&DockerfileFacts, &StageFacts, &ImageName, Place, bool),
) {
    for file in &facts.dockerfiles {
        for stage in &file.stages {
            if let Base::Image(name) = &stage.base {
                say(file, stage, name, file.place(stage.image_span), true);
            }
        }
        for (stage, _, instruction) in file.each() {
            for (name, span) in from_places(instruction) {
                let is_stage = file.tree.stage_index(name).is_some();
                // A single word is a build context or a misspelt stage.
                if is_stage || !name.contains(['/', ':']) || name.contains('$') {
                    continue;
                }
                let value = dockerfile::shell::Value::known_text(name, span);
                let image = ImageName { value, reference: name.parse().ok(), from_args: Vec::new() };
                say(file, stage, &image, file.place(span), false);
            }
        }
    }
}

/// What an instruction takes files from, by name and place.
pub(super) fn from_places(instruction: &dockerfile::Instruction) -> Vec<(&str, Span)> {
    match &instruction.kind {
        dockerfile::InstructionKind::Copy(copy) => {
            copy.from.iter().map(|from| (from.raw.as_str(), from.span)).collect()
        }
        dockerfile::InstructionKind::Run(run) => {
            run.mounts.iter().filter_map(|mount| mount.from_field()).collect()
        }
        _ => Vec::new(),
    }
}

/// The place to blame for a name: where an ARG gives all of it, the ARG's default.
fn blame(file: &DockerfileFacts, name: &ImageName, place: Place) -> Place {
    match name.from_args.as_slice() {
        [(_, Some(default))]
            if file.tree.stages.iter().any(|stage| {
                is_only_variable(&stage.from.image.raw) && stage.from.image.span == place.span
            }) =>
        {
            file.place(*default)
        }
        _ => place,
    }
}

fn is_only_variable(raw: &str) -> bool {
    let name =
        raw.strip_prefix("${").and_then(|rest| rest.strip_suffix('}')).or_else(|| raw.strip_prefix('$'));
    name.is_some_and(|name| name.chars().all(|next| next.is_ascii_alphanumeric() || next == '_'))
}

/// `latest`, or no tag at all.
pub static LATEST: Rule = Rule {
    id: "base-latest",
    family: Family::Base,
    levels: Levels::of(Some(Level::Warning), Some(Level::Error), Some(Level::Error)),
    title: "a base image has a tag that says which release it is",
    why: "Without a tag, and with `latest`, the next build may begin with another release, and nobody can say which one the \
          last build had.",
    fix: "name a release, best with a digest: `IMAGE:1.2.3@sha256:...`",
    bad: Example(
        "FROM «registry.example.com/base:latest»\nRUN true\nFROM «registry.example.com/other»\nFROM «registry.example.com/node:lts-slim»\n",
    ),
    good: Example("ARG TAG=1.2\nFROM registry.example.com/base:${TAG} AS base\nFROM base\nFROM scratch\n"),
    also: &[
        Foreign::Hadolint("DL3006"),
        Foreign::Hadolint("DL3007"),
        Foreign::KubeScore("container-image-tag"),
    ],
    judge: |facts, sink| {
        each_image(facts, |file, _, name, place, _| {
            let Some(reference) = &name.reference else { return };
            if reference.digest().is_some() || is_project_image(facts, reference) {
                return;
            }
            let written = name.value.text();
            match reference.tag() {
                Some("latest") if written.ends_with(":latest") => {
                    sink.find(blame(file, name, place), format!("`{written}` is whatever was pushed last"));
                }
                Some(tag) if moves(tag) => {
                    sink.find(blame(file, name, place), format!("`{tag}` is another release next year"));
                }
                Some("latest") | None => {
                    sink.find(
                        blame(file, name, place),
                        format!("`{written}` has no tag, which means `latest`"),
                    );
                }
                _ => {}
            }
        });
    },
    ..Rule::BLANK
};

/// Whether a tag names what is current, and no release: `lts`, `stable-slim`.
fn moves(tag: &str) -> bool {
    let words = [
        "lts",
        "stable",
        "current",
        "edge",
        "nightly",
        "mainline",
        "main",
        "master",
        "dev",
        "devel",
        "develop",
        "snapshot",
        "rolling",
        "testing",
        "unstable",
        "oldstable",
    ];
    let head = tag.split(['-', '_']).next().unwrap_or(tag);
    words.contains(&head) && !tag.contains(|next: char| next.is_ascii_digit())
}

/// A tag without a digest.
pub static DIGEST: Rule = Rule {
    id: "base-digest",
    family: Family::Base,
    levels: Levels::of(None, Some(Level::Warning), Some(Level::Warning)),
    title: "a base image is named by digest too",
    why: "A tag can be pushed again. With a digest the bytes are those that were looked at.",
    fix: "add the digest (`IMAGE:TAG@sha256:...`), or keep a `kapok.lock`, which pins it for every build",
    bad: Example("FROM «registry.example.com/base:1.2»\n"),
    good: Example(
        "FROM registry.example.com/base:1.2@sha256:aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa\n",
    ),
    judge: |facts, sink| {
        if facts.files.iter().any(|file| file.path == "kapok.lock" || file.path.ends_with("/kapok.lock")) {
            return;
        }
        each_image(facts, |file, _, name, place, _| {
            let Some(reference) = &name.reference else { return };
            let tagged = reference.tag().is_some_and(|tag| tag != "latest");
            if tagged && reference.digest().is_none() && !is_project_image(facts, reference) {
                sink.find(blame(file, name, place), format!("`{}` has no digest", name.value.text()));
            }
        });
    },
    ..Rule::BLANK
};

/// A tag that somebody meant to fill in.
pub static PLACEHOLDER: Rule = Rule {
    id: "base-placeholder",
    family: Family::Base,
    levels: Levels::ERROR,
    title: "a base image's name is filled in",
    why: "A placeholder that was left in a name cannot be pulled, or worse, can.",
    fix: "write the image that is meant",
    bad: Example("FROM «registry.example.com/base:TODO»\nFROM «registry.example.com/app:changeme»\n"),
    good: Example("FROM registry.example.com/base:1.0\nARG TAG\nFROM registry.example.com/app:${TAG}\n"),
    judge: |facts, sink| {
        each_image(facts, |file, _, name, place, _| {
            let text = name.value.text();
            let after = text.rsplit('/').next().unwrap_or_default();
            let tag = after.split('@').next().unwrap_or_default().split_once(':').map_or("", |(_, tag)| tag);
            let words = [
                "todo",
                "tbd",
                "fixme",
                "changeme",
                "change-me",
                "placeholder",
                "replaceme",
                "replace-me",
                "x.y.z",
                "x.y",
                "version",
                "tag",
                "xxx",
                "yourtag",
            ];
            let holes = text.contains(['<', '>'])
                || text.contains("{{")
                || text.contains("your-registry")
                || text.contains("your_registry");
            if words.contains(&tag.to_ascii_lowercase().as_str()) || holes {
                sink.find(blame(file, name, place), format!("`{text}` is a placeholder"));
            }
        });
    },
    ..Rule::BLANK
};

/// A release that has ended.
pub static ENDED: Rule = Rule {
    id: "base-end-of-life",
    family: Family::Base,
    levels: Levels::of(Some(Level::Warning), Some(Level::Error), Some(Level::Error)),
    title: "a base image's release is still supported",
    why: "Past its end of life a release gets no more security fixes; often its packages cannot be installed any more either.",
    fix: "move to a release that is supported",
    bad: Example("FROM «debian:9»\nFROM «ubuntu:18.04» AS other\n"),
    good: Example("FROM debian:13\nFROM registry.example.com/own:9\n"),
    judge: |facts, sink| {
        let today = sink.standards.today;
        each_image(facts, |file, _, name, place, _| {
            let Some(reference) = &name.reference else { return };
            let systems = ["debian", "ubuntu", "alpine", "rhel", "fedora", "centos"];
            let releases = crate::lifecycle::of_image(reference);
            for release in releases.iter().filter(|release| systems.contains(&release.product)) {
                if let Some(day) = release.ended(today) {
                    let message = format!("{} {} ended on {day}", release.title(), release.version);
                    sink.find(blame(file, name, place), message);
                }
            }
        });
    },
    ..Rule::BLANK
};

/// Not one of the approved bases.
pub static NOT_APPROVED: Rule = Rule {
    id: "base-not-approved",
    family: Family::Base,
    levels: Levels::STANDARD,
    title: "what is shipped is built on an approved base",
    why: "An organisation answers for what is in its images. It can do so for bases that it chose: Red Hat's UBI, and its own \
          (`check.bases`, and the images of the project itself). Whether an image is UBI is decided by its labels, its \
          os-release and the keys of its package manager where it is at hand, else by its name, and then the finding says so.",
    fix: "build on an approved base, or add this one to `check.bases`",
    bad: Example("FROM «docker.io/library/debian:13»\n"),
    good: Example(
        "FROM registry.access.redhat.com/ubi9/ubi:9.6\nFROM registry.example.internal/base:1.0\nFROM scratch\n",
    ),
    also: &[Foreign::Conforma("base_image_registries.base_image_permitted"), Foreign::Hadolint("DL3026")],
    judge: |facts, sink| judge_approved(facts, sink, true),
    ..Rule::BLANK
};

/// The same for stages that are not shipped.
pub static BUILDER_NOT_APPROVED: Rule = Rule {
    id: "base-builder-not-approved",
    family: Family::Base,
    levels: Levels::of(None, Some(Level::Info), Some(Level::Warning)),
    title: "stages that only build begin with an approved base too",
    why: "What a builder compiles ends in the image, and a builder that somebody else controls can put in it what it likes.",
    fix: "build on an approved base, or add this one to `check.bases`",
    bad: Example(
        "FROM «golang:1.27» AS build\nFROM registry.access.redhat.com/ubi9/ubi:9.6\nCOPY --from=build /a /a\n",
    ),
    good: NOT_APPROVED.good,
    also: &[Foreign::Conforma("base_image_registries.base_image_permitted"), Foreign::Hadolint("DL3026")],
    judge: |facts, sink| judge_approved(facts, sink, false),
    ..Rule::BLANK
};

fn judge_approved(facts: &Facts, sink: &mut Sink<'_>, shipped: bool) {
    each_image(facts, |file, stage, name, place, from| {
        if (from && stage.shipped) != shipped {
            return;
        }
        let Some(reference) = &name.reference else {
            sink.unknown(Some(place), format!("what `{}` means is given at build time", name.value.text()));
            return;
        };
        let known = facts.base_images.get(&reference.to_string()).map(BaseImage::ubi);
        let why = match (standing(facts, reference, sink.standards), known) {
            (Standing::Approved, _) | (_, Some(Ubi::Yes)) => return,
            (Standing::Named, Some(Ubi::No(why))) => format!("has the name of an approved base, but {why}"),
            (Standing::Named, Some(Ubi::Open(why))) => {
                sink.unknown(Some(place), format!("`{}`: {why}", name.value.text()));
                return;
            }
            (Standing::Named, None) => return,
            (Standing::Foreign, Some(Ubi::No(why) | Ubi::Open(why))) => {
                format!("is not an approved base: {why}")
            }
            (Standing::Foreign, None) => "is not an approved base, by its name".to_owned(),
        };
        let message = format!("`{}` {why}", name.value.text());
        sink.find(blame(file, name, place), message).about(file.image.as_deref());
    });
}

/// What a base's name says of its approval.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Standing {
    /// The standards name it or its registry, or the project builds it.
    Approved,
    /// It is called what UBI is called.
    Named,
    /// It is none of these.
    Foreign,
}

/// Whether a base is approved, as far as its name goes.
pub(super) fn standing(facts: &Facts, reference: &Reference, standards: &crate::Standards) -> Standing {
    if is_listed(reference, standards) || is_project_image(facts, reference) {
        return Standing::Approved;
    }
    if is_ubi(reference) { Standing::Named } else { Standing::Foreign }
}

/// UBI, or one of the standards' bases and registries.
fn is_approved(reference: &Reference, standards: &crate::Standards) -> bool {
    is_listed(reference, standards) || is_ubi(reference)
}

/// One of the standards' bases and registries.
fn is_listed(reference: &Reference, standards: &crate::Standards) -> bool {
    let name = reference.name();
    let by_pattern = standards.bases.iter().any(|pattern| {
        let pattern = pattern.split('@').next().unwrap_or(pattern);
        matches_name(pattern, &name)
            || matches_name(pattern, &reference.familiar())
            || matches_name(pattern, &format!("{name}:{}", reference.tag().unwrap_or_default()))
    });
    by_pattern || standards.registries.iter().any(|registry| registry == reference.domain())
}

/// Red Hat's universal base images and what is built on them there, by name.
pub(super) fn is_ubi(reference: &Reference) -> bool {
    let red_hat = ["registry.access.redhat.com", "registry.redhat.io"].contains(&reference.domain());
    let ubi = |part: &str| {
        part.starts_with("ubi")
            && part[3..].chars().next().is_none_or(|next| next.is_ascii_digit() || next == '-')
    };
    let hub = reference.domain() == "docker.io" && reference.path().starts_with("redhat/");
    (red_hat || hub) && reference.path().split('/').any(ubi)
}

/// Whether a name is that of an image that this repository builds: the project's graph says so, or it is an image's name
/// where the project puts its images. A stranger's image of the same name is not the project's.
fn is_project_image(facts: &Facts, reference: &Reference) -> bool {
    let path = reference.path();
    let (namespace, name) = path.rsplit_once('/').unwrap_or(("", path));
    is_own(facts, reference)
        || facts.image_names.contains(name)
            && (is_cluster_registry(reference.domain())
                || facts.output_namespaces.contains(&(reference.domain().to_owned(), namespace.to_owned())))
}

/// The registry of an OpenShift cluster, which holds what its builds made.
fn is_cluster_registry(domain: &str) -> bool {
    [
        "image-registry.openshift-image-registry.svc",
        "default-route-openshift-image-registry.",
        "docker-registry.default.svc",
    ]
    .iter()
    .any(|start| domain.starts_with(start))
}

/// Whether a name means an image of the project, or a base that it declares: no registry is asked for it.
fn is_own(facts: &Facts, reference: &Reference) -> bool {
    facts.own_references.contains(&reference.to_string())
}

/// A name without a registry.
pub static UNQUALIFIED: Rule = Rule {
    id: "base-unqualified",
    family: Family::Base,
    levels: Levels::of(Some(Level::Info), Some(Level::Warning), Some(Level::Warning)),
    title: "a base image's name says its registry",
    why: "Docker takes a name without a registry for one of Docker Hub; podman and OpenShift ask a list of registries, and \
          the first one that has the name wins.",
    fix: "write the registry: `docker.io/library/debian`",
    bad: Example("FROM «debian:13»\n"),
    good: Example(
        "//- kapok.yaml\nimages:\n  base: base\n  app: app\n//- base/Dockerfile\nFROM docker.io/library/debian:13\nFROM localhost:5000/x:1\nFROM scratch\n//- app/Dockerfile\nFROM base\n",
    ),
    judge: |facts, sink| {
        each_image(facts, |file, _, name, place, _| {
            let text = name.value.prefix();
            let Some(reference) = &name.reference else { return };
            if name.value.is_unknown() || text.is_empty() || is_own(facts, reference) {
                return;
            }
            let first = text.split('/').next().unwrap_or_default();
            let domain = text.contains('/') && (first.contains(['.', ':']) || first == "localhost");
            if !domain {
                sink.find(blame(file, name, place), format!("`{}` names no registry", name.value.text()));
            }
        });
    },
    ..Rule::BLANK
};

/// Somebody's own images on a public registry.
pub static PERSONAL: Rule = Rule {
    id: "base-third-party",
    family: Family::Base,
    levels: Levels::of(Some(Level::Info), Some(Level::Warning), Some(Level::Error)),
    title: "a base image is not a stranger's",
    why: "On a public registry anybody may publish. An image of a person or project that your organisation does not know can \
          change hands, and its tags can change.",
    fix: "copy it to your own registry after a look, or build it from source",
    bad: Example("FROM «docker.io/someuser/tools:v1»\nFROM «quay.io/someone/openjdk:11»\n"),
    good: Example(
        "FROM docker.io/library/debian:13\nFROM registry.example.internal/tools:1\nFROM registry.access.redhat.com/ubi9/ubi:9.6\n",
    ),
    also: &[Foreign::Conforma("base_image_registries.allowed_registries_provided")],
    judge: |facts, sink| {
        let public = ["docker.io", "quay.io", "ghcr.io", "registry.gitlab.com", "public.ecr.aws"];
        each_image(facts, |file, _, name, place, _| {
            let Some(reference) = &name.reference else { return };
            let official = reference.path().starts_with("library/");
            if public.contains(&reference.domain())
                && !official
                && !is_approved(reference, sink.standards)
                && !is_project_image(facts, reference)
            {
                let owner = reference.path().split('/').next().unwrap_or_default();
                sink.find(
                    blame(file, name, place),
                    format!("`{}` is an image of `{owner}` on {}", name.value.text(), reference.domain()),
                );
            }
        });
    },
    ..Rule::BLANK
};

/// A base ARG without a default.
pub static ARG_DEFAULT: Rule = Rule {
    id: "base-arg-default",
    family: Family::Base,
    levels: Levels::DOUBT,
    title: "an ARG that names a base has a default",
    why: "Without a default the file builds only for those who know which value to give; without the value the name is \
          broken, and no tool can tell what the image is built on.",
    fix: "give the ARG a default, or the value in kapok.yaml",
    bad: Example("ARG TAG\nFROM «registry.example.com/base:${TAG}»\n"),
    good: Example("ARG TAG=1.2\nFROM registry.example.com/base:${TAG}\nARG TARGETARCH\n"),
    also: &[Foreign::Docker("InvalidDefaultArgInFrom")],
    judge: |facts, sink| {
        for file in &facts.dockerfiles {
            for stage in &file.stages {
                let Base::Image(name) = &stage.base else { continue };
                let declared = |arg: &String| {
                    file.arguments.declarations.iter().any(|own| own.stage.is_none() && own.name == *arg)
                };
                let missing = name.from_args.iter().find(|(arg, default)| {
                    default.is_none()
                        && declared(arg)
                        && !crate::facts::dockerfile::PREDEFINED.contains(&arg.as_str())
                });
                if let (Some((arg, _)), None) = (missing, name.value.known()) {
                    let message =
                        format!("`{arg}` has no default, so the base is not known without a build argument");
                    sink.find(file.place(stage.image_span), message);
                }
            }
        }
    },
    ..Rule::BLANK
};

/// A variable in FROM that nobody declares.
pub static ARG_UNDECLARED: Rule = Rule {
    id: "base-arg-undeclared",
    family: Family::Base,
    levels: Levels::ERROR,
    title: "a variable in FROM is declared before the first FROM",
    why: "FROM sees only ARGs before the first FROM. Another variable is empty there, whatever is given on the command line.",
    fix: "declare it with `ARG NAME=...` before the first FROM",
    bad: Example("FROM «registry.example.com/base:${TAG}»\n"),
    good: Example(
        "ARG TAG=1\nFROM registry.example.com/base:${TAG}\nFROM --platform=$BUILDPLATFORM registry.example.com/b:${OTHER:-2}\n",
    ),
    also: &[Foreign::Docker("UndefinedArgInFrom")],
    judge: |facts, sink| {
        for file in &facts.dockerfiles {
            for stray in file.arguments.strays.iter().filter(|stray| stray.stage.is_none()) {
                let in_from = file.stages.iter().any(|stage| stage.image_span == stray.span);
                if in_from {
                    sink.find(
                        file.place(stray.span),
                        format!("`{}` is not declared before the first FROM", stray.name),
                    );
                }
            }
        }
    },
    ..Rule::BLANK
};

/// These rules.
pub const RULES: &[&Rule] = &[
    &LATEST,
    &DIGEST,
    &PLACEHOLDER,
    &ENDED,
    &NOT_APPROVED,
    &BUILDER_NOT_APPROVED,
    &UNQUALIFIED,
    &PERSONAL,
    &ARG_DEFAULT,
    &ARG_UNDECLARED,
];
