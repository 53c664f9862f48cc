//! Rules on Dockerfiles that do not do what their author thinks.

use std::collections::BTreeMap;

use dockerfile::{InstructionKind, Span};

use super::base::from_places;
use crate::facts::commands::is_url;
use crate::facts::dockerfile::DockerfileFacts;
use crate::level::{Level, Levels};
use crate::rule::{Example, Family, Foreign, Need, Rule};

/// What the parser refuses.
pub static SYNTAX: Rule = Rule {
    bad: Example("FROM registry.example.com/base:1\nCOPY «--chwon»=app . /srv\n"),
    good: Example("FROM registry.example.com/base:1\nCOPY --chown=app . /srv\n"),
    judge: |facts, sink| {
        for file in &facts.dockerfiles {
            for found in file.diagnostics.iter().filter(|found| found.level == dockerfile::Level::Error) {
                let fix = found.hint.clone().unwrap_or_else(|| "see the reference of Dockerfiles".to_owned());
                sink.find_with(file.place(found.span), found.message.clone(), fix);
            }
        }
    },
    ..Rule::of(
        Family::Correctness,
        "dockerfile-syntax",
        Levels::ERROR,
        "a Dockerfile can be read",
        "Such a file cannot be built.",
        "mend it",
    )
};

/// What docker's own checks say.
pub static DOCKER_CHECKS: Rule = Rule {
    bad: Example("FROM registry.example.com/base:1 «as» build\n"),
    good: Example("FROM registry.example.com/base:1 AS build\n"),
    also: &[
        Foreign::Docker("StageNameCasing"),
        Foreign::Docker("FromAsCasing"),
        Foreign::Docker("NoEmptyContinuation"),
        Foreign::Docker("ConsistentInstructionCasing"),
        Foreign::Docker("DuplicateStageName"),
        Foreign::Docker("ReservedStageName"),
        Foreign::Docker("MaintainerDeprecated"),
        Foreign::Docker("LegacyKeyValueFormat"),
        Foreign::Docker("RedundantTargetPlatform"),
        Foreign::Docker("FromPlatformFlagConstDisallowed"),
        Foreign::Hadolint("DL4000"),
        Foreign::Hadolint("DL3024"),
        Foreign::Hadolint("DL3025"),
        Foreign::Hadolint("DL3029"),
    ],
    judge: |facts, sink| {
        // These have rules of their own here.
        let own = [
            dockerfile::Rule::SecretsUsedInArgOrEnv,
            dockerfile::Rule::MultipleInstructionsDisallowed,
            dockerfile::Rule::JSONArgsRecommended,
        ];
        for file in &facts.dockerfiles {
            let kept = file.diagnostics.iter().filter(|found| found.level == dockerfile::Level::Warning);
            for found in kept.filter(|found| found.rule.is_some_and(|rule| !own.contains(&rule))) {
                let name = found.rule.map(|rule| rule.to_string()).unwrap_or_default();
                let fix = found.hint.clone().unwrap_or_else(|| format!("docker calls this `{name}`"));
                sink.find_with(file.place(found.span), found.message.clone(), fix);
            }
        }
    },
    ..Rule::of(
        Family::Correctness,
        "docker-check",
        Levels::REMARK,
        "docker's own checks have nothing to say",
        "These are the build checks of BuildKit that need nothing but the file's text.",
        "see the check's own words",
    )
};

/// ADD where COPY does.
pub static ADD_FOR_COPY: Rule = Rule {
    bad: Example("FROM registry.example.com/base:1\n«ADD app.py requirements.txt /app/»\n"),
    good: Example(
        "FROM registry.example.com/base:1\nADD rootfs.tar.xz /\nADD https://example.com/x /x\nCOPY app.py /app/\nADD --unpack=true x /y\n",
    ),
    also: &[Foreign::Hadolint("DL3020")],
    judge: |facts, sink| {
        let archives = [
            ".tar", ".tar.gz", ".tgz", ".tar.bz2", ".tbz2", ".tbz", ".tar.xz", ".txz", ".tar.zst", ".gz",
            ".bz2", ".xz",
        ];
        for file in &facts.dockerfiles {
            for (_, own, instruction) in file.each() {
                let InstructionKind::Add(add) = &instruction.kind else { continue };
                if add.unpack.is_some() || add.sources.is_empty() {
                    continue;
                }
                let plain = add.sources.iter().all(|source| {
                    let value = own.scope.expand(source, file.escape());
                    let text = value.text();
                    let archive = archives.iter().any(|end| text.ends_with(end)) || text.ends_with('*');
                    !(is_url(&value)
                        || crate::facts::commands::is_git(&value)
                        || archive
                        || value.known().is_none())
                });
                if plain {
                    sink.find(file.place(instruction.span), "ADD does no more than COPY here");
                }
            }
        }
    },
    ..Rule::of(
        Family::Correctness,
        "add-for-copy",
        Levels::REMARK,
        "files are copied with COPY",
        "ADD unpacks archives and fetches URLs. Where neither is meant, COPY says so, and an archive that is added one day is \
         not unpacked by surprise.",
        "use COPY",
    )
};

/// A source outside the build context.
pub static OUTSIDE: Rule = Rule {
    bad: Example("FROM registry.example.com/base:1\nCOPY «../secret» /x\nADD «a/../../b» /y\n"),
    good: Example("FROM registry.example.com/base:1\nCOPY a/../b ./c /x\nCOPY --from=x ../y /z\n"),
    judge: |facts, sink| {
        for file in &facts.dockerfiles {
            for (_, own, instruction) in file.each() {
                for (source, value) in local_sources(file, own, instruction) {
                    let mut depth = 0i32;
                    let mut lowest = 0;
                    for part in value.split('/') {
                        match part {
                            "" | "." => {}
                            ".." => depth -= 1,
                            _ => depth += 1,
                        }
                        lowest = lowest.min(depth);
                    }
                    if lowest < 0 {
                        sink.find(file.place(source), format!("`{value}` is outside the build context"));
                    }
                }
            }
        }
    },
    ..Rule::of(
        Family::Correctness,
        "copy-outside-context",
        Levels::WARNING,
        "what is copied is in the build context",
        "A build sees nothing but its context. `..` at its root is the root itself, so another file is copied, or none.",
        "build with a larger context, or name a second one with `--build-context`",
    )
};

/// The sources of COPY and ADD that are in the context, where they are known.
pub(super) fn local_sources(
    file: &DockerfileFacts,
    own: &crate::facts::dockerfile::InstructionFacts,
    instruction: &dockerfile::Instruction,
) -> Vec<(Span, String)> {
    let sources = match &instruction.kind {
        InstructionKind::Copy(copy) if copy.from.is_none() => &copy.sources,
        InstructionKind::Add(add) => &add.sources,
        _ => return Vec::new(),
    };
    let expanded = sources.iter().map(|source| (source.span, own.scope.expand(source, file.escape())));
    expanded
        .filter(|(_, value)| !is_url(value) && !crate::facts::commands::is_git(value))
        .filter_map(|(span, value)| value.known().map(|text| (span, text.to_owned())))
        .collect()
}

/// A source that the ignore file leaves out.
pub static IGNORED: Rule = Rule {
    bad: Example(
        "//- .dockerignore\ndist\n*.log\n//- Dockerfile\nFROM registry.example.com/base:1\nCOPY «dist» /app\nCOPY «build.log» /\n",
    ),
    good: Example(
        "//- .dockerignore\ndist\n!dist/app\n//- Dockerfile\nFROM registry.example.com/base:1\nCOPY dist/app /app\nCOPY src *.log /app/\nCOPY --from=b dist /x\n",
    ),
    also: &[Foreign::Docker("CopyIgnoredFile")],
    needs: &[Need::Instructions, Need::Files],
    judge: |facts, sink| {
        for file in &facts.dockerfiles {
            let Some(ignored) = &file.ignored else { continue };
            for (_, own, instruction) in file.each() {
                for (span, value) in local_sources(file, own, instruction) {
                    let path = value.trim_start_matches(['/', '.']).trim_end_matches('/');
                    let path = if value.starts_with("./") || value.starts_with('/') || !value.starts_with('.')
                    {
                        path
                    } else {
                        value.as_str()
                    };
                    if path.is_empty() || path.contains(['*', '?', '[']) {
                        continue;
                    }
                    if ignored.is_ignored(path) && !ignored.may_contain_included(path) {
                        sink.find(file.place(span), format!("the ignore file leaves `{value}` out"));
                    }
                }
            }
        }
    },
    ..Rule::of(
        Family::Correctness,
        "copy-ignored",
        Levels::WARNING,
        "what is copied is not ignored",
        "The ignore file takes it out of the build context, so the build fails, or copies an empty directory.",
        "take it out of the ignore file, or do not copy it",
    )
};

/// A relative WORKDIR with nothing before it.
pub static WORKDIR: Rule = Rule {
    bad: Example("FROM registry.example.com/base:1\nWORKDIR «app»\n"),
    good: Example("FROM registry.example.com/base:1\nARG DIR\nWORKDIR /srv\nWORKDIR app\nWORKDIR $DIR\n"),
    also: &[Foreign::Docker("WorkdirRelativePath"), Foreign::Hadolint("DL3000")],
    judge: |facts, sink| {
        for file in &facts.dockerfiles {
            for (stage, own, instruction) in file.each() {
                let InstructionKind::Workdir(word) = &instruction.kind else { continue };
                let value = own.scope.expand(word, file.escape());
                let relative = value.known().is_some_and(|path| !path.starts_with('/') && !path.is_empty());
                let based = file
                    .chain(stage.index)
                    .iter()
                    .flat_map(|stage| stage.instructions.iter().map(move |own| (stage, own)))
                    .any(|(of, other)| {
                        let before = of.index < stage.index || other.index < own.index;
                        before && matches!(file.instruction(of, other).kind, InstructionKind::Workdir(_))
                    });
                if relative && !based && own.directory.is_none() {
                    sink.find(
                        file.place(word.span),
                        format!("where `{}` is depends on the base", value.text()),
                    );
                }
            }
        }
    },
    ..Rule::of(
        Family::Correctness,
        "workdir-relative",
        Levels::DOUBT,
        "the first WORKDIR is absolute",
        "A relative one begins at the base's own working directory, which may be another one in its next release.",
        "write the whole path",
    )
};

/// Only the last of these counts.
pub static SEVERAL: Rule = Rule {
    bad: Example(
        "FROM registry.example.com/base:1\n«CMD [\"a\"]»\nCMD [\"b\"]\n«ENTRYPOINT x»\nENTRYPOINT y\n«HEALTHCHECK NONE»\nHEALTHCHECK CMD x\n",
    ),
    good: Example("FROM registry.example.com/base:1 AS a\nCMD [\"a\"]\nFROM a\nCMD [\"b\"]\n"),
    also: &[
        Foreign::Hadolint("DL4003"),
        Foreign::Hadolint("DL4004"),
        Foreign::Hadolint("DL3012"),
        Foreign::Docker("MultipleInstructionsDisallowed"),
    ],
    judge: |facts, sink| {
        for file in &facts.dockerfiles {
            for stage in &file.tree.stages {
                let mut last: BTreeMap<&str, Span> = BTreeMap::new();
                for instruction in &stage.instructions {
                    let name = instruction.kind.name();
                    if matches!(name, "CMD" | "ENTRYPOINT" | "HEALTHCHECK")
                        && let Some(before) = last.insert(name, instruction.span)
                    {
                        sink.find(file.place(before), format!("a later {name} replaces this one"));
                    }
                }
            }
        }
    },
    ..Rule::of(
        Family::Correctness,
        "only-last-counts",
        Levels::DOUBT,
        "a stage has one CMD, one ENTRYPOINT, one HEALTHCHECK",
        "Of several only the last one counts.",
        "remove this one",
    )
};

/// A CMD that needs a shell to pass signals on.
pub static SHELL_FORM: Rule = Rule {
    bad: Example("FROM registry.example.com/base:1\nENTRYPOINT «java -jar /app.jar»\n"),
    good: Example(
        "FROM registry.example.com/base:1\nENTRYPOINT [\"java\", \"-jar\", \"/app.jar\"]\nCMD exec serve\n",
    ),
    also: &[Foreign::Hadolint("DL3025"), Foreign::Docker("JSONArgsRecommended")],
    judge: |facts, sink| {
        for file in &facts.dockerfiles {
            for (stage, _, instruction) in file.each() {
                let line = match &instruction.kind {
                    InstructionKind::Cmd(line) | InstructionKind::Entrypoint(line) => line,
                    _ => continue,
                };
                let dockerfile::CommandLine::Shell(text) = line else { continue };
                let shell = file.tree.stages[stage.index]
                    .instructions
                    .iter()
                    .any(|other| matches!(other.kind, InstructionKind::Shell(_)));
                if text.starts_with("exec ") || shell || text.is_empty() {
                    continue;
                }
                let place =
                    dockerfile::shell::script_of(&facts.source(file.source).text, instruction, file.escape());
                let span = place.map_or(instruction.span, |mapped| mapped.span(0, mapped.text.len()));
                sink.find(file.place(span), "a shell stands between the runtime's signals and the program");
            }
        }
    },
    ..Rule::of(
        Family::Correctness,
        "shell-form",
        Levels::REMARK,
        "CMD and ENTRYPOINT are in exec form",
        "In the shell form the first process is a shell, which does not pass on the signal to stop: the container is killed \
         after ten seconds, in the middle of whatever it does. And ENTRYPOINT in shell form ignores CMD.",
        "write a JSON array, or begin with `exec`",
    )
};

/// No HEALTHCHECK.
pub static NO_HEALTHCHECK: Rule = Rule {
    bad: Example("FROM «registry.example.com/base:1»\nCMD [\"serve\"]\n"),
    good: Example("FROM registry.example.com/base:1\nHEALTHCHECK CMD serve --health\nCMD [\"serve\"]\n"),
    also: &[Foreign::Hadolint("DL3057")],
    judge: |facts, sink| {
        for file in &facts.dockerfiles {
            let Some(last) = file.stages.last() else { continue };
            let kinds = || {
                file.chain(last.index)
                    .into_iter()
                    .flat_map(|stage| file.tree.stages[stage.index].instructions.iter())
            };
            let starts = kinds()
                .any(|own| matches!(own.kind, InstructionKind::Cmd(_) | InstructionKind::Entrypoint(_)));
            let checked = kinds().any(|own| matches!(own.kind, InstructionKind::Healthcheck(_)));
            if starts && !checked {
                sink.find(file.place(last.image_span), "nobody can tell whether a container of it works");
            }
        }
    },
    ..Rule::of(
        Family::Correctness,
        "healthcheck-missing",
        Levels::of(None, Some(Level::Info), Some(Level::Info)),
        "an image that is started says how to check it",
        "Docker and podman use it; Kubernetes and OpenShift have probes of their own and ignore it, so this is a remark.",
        "add a HEALTHCHECK, or `HEALTHCHECK NONE`",
    )
};

/// A stage that does not exist.
pub static UNKNOWN_STAGE: Rule = Rule {
    bad: Example(
        "FROM registry.example.com/base:1 AS builder\nFROM registry.example.com/base:1\nCOPY --from=«bilder» /a /a\n",
    ),
    good: Example(
        "FROM registry.example.com/base:1 AS builder\nFROM registry.example.com/base:1\nCOPY --from=builder /a /a\nCOPY --from=0 /a /b\nCOPY --from=registry.example.com/tools:1 /t /t\nCOPY --from=tools /x /x\n",
    ),
    also: &[Foreign::Hadolint("DL3022")],
    judge: |facts, sink| {
        for file in &facts.dockerfiles {
            for (stage, _, instruction) in file.each() {
                for (name, span) in from_places(instruction) {
                    if name.contains(['/', ':', '$', '@']) {
                        continue;
                    }
                    let index = file.tree.stage_index(name);
                    if let Some(index) = index.filter(|index| *index >= stage.index) {
                        let words = if index == stage.index { "the stage itself" } else { "a stage below" };
                        sink.find(file.place(span), format!("`{name}` is {words}"));
                        continue;
                    }
                    let near = dockerfile::suggest::nearest(name, file.tree.stage_names());
                    match near.filter(|_| index.is_none()) {
                        Some(near) => {
                            let fix = format!("did you mean `{near}`?");
                            sink.find_with(file.place(span), format!("no stage is called `{name}`"), fix);
                        }
                        None if index.is_none() && name.bytes().all(|byte| byte.is_ascii_digit()) => {
                            sink.find(file.place(span), format!("there is no stage {name}"));
                        }
                        None => {}
                    }
                }
            }
        }
    },
    ..Rule::of(
        Family::Correctness,
        "stage-unknown",
        Levels::ERROR,
        "COPY --from names a stage above",
        "A name that no stage has is taken for an image or a build context of that name.",
        "name a stage above, an image with its tag, or a build context",
    )
};

/// A stage that nothing uses.
pub static UNUSED_STAGE: Rule = Rule {
    bad: Example(
        "FROM registry.example.com/base:1 AS «builder»\nRUN make\nFROM registry.example.com/base:1\nRUN true\n",
    ),
    good: Example(
        "FROM registry.example.com/base:1 AS builder\nRUN make\nFROM registry.example.com/base:1 AS test\nFROM registry.example.com/base:1\nCOPY --from=builder /a /a\n",
    ),
    judge: |facts, sink| {
        for file in &facts.dockerfiles {
            for stage in file.stages.iter().filter(|stage| !stage.needed) {
                let tree = &file.tree.stages[stage.index];
                // A stage for tests or development is a target of its own.
                let targets = [
                    "test", "dev", "debug", "lint", "check", "prod", "release", "ci", "export", "docs",
                    "final", "runtime", "debugger", "e2e", "bench",
                ];
                let Some(name) = &tree.from.name else { continue };
                let builds = ["build", "compile", "deps", "fetch", "download", "builder"]
                    .iter()
                    .any(|word| name.value.contains(word));
                if builds
                    && !targets.iter().any(|word| name.value.contains(word))
                    && !file.stages.iter().any(|other| {
                        file.chain(other.index).iter().skip(1).any(|own| own.index == stage.index)
                    })
                {
                    sink.find(file.place(name.span), format!("nothing takes anything from `{}`", name.value));
                }
            }
        }
    },
    ..Rule::of(
        Family::Correctness,
        "stage-unused",
        Levels::REMARK,
        "a stage that builds is used",
        "A builder that nothing copies from is not built at all: what it should have made is not in the image.",
        "copy from it, or remove it",
    )
};

/// An EXPOSE that is no port.
pub static EXPOSE: Rule = Rule {
    bad: Example("FROM registry.example.com/base:1\nEXPOSE 80 «99999»\n"),
    good: Example("FROM registry.example.com/base:1\nARG PORT\nEXPOSE 80 443/tcp 7000-8000/udp $PORT\n"),
    also: &[Foreign::Hadolint("DL3011"), Foreign::Docker("ExposeInvalidFormat")],
    judge: |facts, sink| {
        for file in &facts.dockerfiles {
            for (_, own, instruction) in file.each() {
                let InstructionKind::Expose(words) = &instruction.kind else { continue };
                for word in words {
                    let value = own.scope.expand(word, file.escape());
                    let Some(text) = value.known() else { continue };
                    let ports = text.split('/').next().unwrap_or_default();
                    let bad = ports.split('-').any(|port| port.parse::<u32>().is_ok_and(|port| port > 65535));
                    if bad {
                        sink.find(file.place(word.span), format!("`{text}` is no port"));
                    }
                }
            }
        }
    },
    ..Rule::of(
        Family::Correctness,
        "expose-no-port",
        Levels::ERROR,
        "EXPOSE names ports from 0 to 65535",
        "There is no such port.",
        "correct the number",
    )
};

/// Several sources and a destination that is no directory.
pub static COPY_DIRECTORY: Rule = Rule {
    bad: Example("FROM registry.example.com/base:1\nCOPY a.txt b.txt «/dest»\n"),
    good: Example(
        "FROM registry.example.com/base:1\nCOPY a.txt b.txt /dest/\nCOPY a.txt b.txt .\nCOPY a.txt /dest\nARG D\nCOPY a b $D\n",
    ),
    also: &[Foreign::Hadolint("DL3021")],
    judge: |facts, sink| {
        for file in &facts.dockerfiles {
            for (_, own, instruction) in file.each() {
                let (count, destination) = match &instruction.kind {
                    InstructionKind::Copy(copy) => {
                        (copy.sources.len() + copy.inline.len(), &copy.destination)
                    }
                    InstructionKind::Add(add) => (add.sources.len() + add.inline.len(), &add.destination),
                    _ => continue,
                };
                let value = own.scope.expand(destination, file.escape());
                let Some(text) = value.known() else { continue };
                if count > 1 && !text.ends_with('/') && !matches!(text, "." | "..") && !text.ends_with("/.") {
                    sink.find(
                        file.place(destination.span),
                        format!("`{text}` is a directory here, and does not end in `/`"),
                    );
                }
            }
        }
    },
    ..Rule::of(
        Family::Correctness,
        "copy-not-directory",
        Levels::ERROR,
        "several files are copied to a directory with a slash",
        "Docker refuses several sources where the destination does not end in `/`.",
        "end the destination with `/`",
    )
};

/// These rules.
pub const RULES: &[&Rule] = &[
    &SYNTAX,
    &DOCKER_CHECKS,
    &ADD_FOR_COPY,
    &OUTSIDE,
    &IGNORED,
    &WORKDIR,
    &SEVERAL,
    &SHELL_FORM,
    &NO_HEALTHCHECK,
    &UNKNOWN_STAGE,
    &UNUSED_STAGE,
    &EXPOSE,
    &COPY_DIRECTORY,
];
