//! Rules on what COPY and ADD take from the build context, and when.

use dockerfile::{InstructionKind, Span};

use super::base::from_places;
use super::correctness::local_sources;
use crate::facts::Facts;
use crate::facts::dockerfile::{DockerfileFacts, InstructionFacts, StageFacts};
use crate::level::{Level, Levels};
use crate::rule::{Example, Family, Foreign, Need, Rule, Sink};

/// A source that is not in the context.
pub static MISSING: Rule = Rule {
    bad: Example(
        "//- app/Dockerfile\nFROM registry.example.com/base:1\nCOPY main.py \\\n     «requirments.txt» /app/\n//- app/main.py\nx\n//- app/requirements.txt\nx==1\n//- alone/Dockerfile\nFROM registry.example.com/base:1\nCOPY elsewhere.py /\n",
    ),
    good: Example(
        "//- app/Dockerfile\nFROM registry.example.com/base:1\nARG F\nCOPY main.py other/ $F *.toml target/app.jar certs/ca.pem generated.txt /app/\nCOPY --from=registry.example.com/x:1 nothing /x\n//- app/main.py\nx\n//- other/x\nx\n//- Makefile\nprepare:\n\tmake-it > app/generated.txt\n",
    ),
    also: &[],
    needs: &[Need::Instructions, Need::Files],
    judge: |facts, sink| {
        // Without a list of files nobody knows what is there.
        if facts.files.is_empty() {
            return;
        }
        for file in facts.dockerfiles.iter().filter(|file| !is_inline(facts, file)) {
            for (_, own, instruction) in file.each() {
                for (span, value) in local_sources(file, own, instruction) {
                    missing(facts, file, span, &value, sink);
                }
            }
        }
    },
    ..Rule::of(
        Family::Correctness,
        "copy-missing",
        Levels::of(Some(Level::Warning), Some(Level::Warning), Some(Level::Warning)),
        "what is copied is there",
        "A build stops at a COPY of what its context does not have. Files that a program makes before the build, and files \
         that git ignores, are not looked for where their names, a Makefile or a script tell; without a word on the \
         context, the Dockerfile's directory and all above it are.",
        "mend the path, or commit the file",
    )
};

/// Whether a Dockerfile stands inside a manifest: its context is elsewhere.
fn is_inline(facts: &Facts, file: &DockerfileFacts) -> bool {
    let name = &facts.source(file.source).name;
    [".yaml", ".yml", ".json"].iter().any(|end| name.ends_with(end))
}

fn missing(facts: &Facts, file: &DockerfileFacts, span: Span, value: &str, sink: &mut Sink<'_>) {
    let path = value.trim_start_matches("./").trim_matches('/');
    if path.is_empty() || path == "." || path.starts_with("..") || dockerfile::wildcard::has_wildcard(path) {
        return;
    }
    let mut directory = file.context.trim_matches('/');
    let known = context_is_said(facts, file);
    let within = |directory: &str, path: &str| {
        directory.is_empty() || path.strip_prefix(directory).is_some_and(|rest| rest.starts_with('/'))
    };
    // A Dockerfile alone in its directory has its context elsewhere.
    if !facts.files.iter().any(|own| own.path != file.path && within(directory, &own.path)) {
        return;
    }
    loop {
        let target = if directory.is_empty() { path.to_owned() } else { format!("{directory}/{path}") };
        if facts.has_path(&target) {
            return;
        }
        if directory.is_empty() || known {
            break;
        }
        directory = directory.rsplit_once('/').map_or("", |(above, _)| above);
    }
    if is_made(path) || is_mentioned(facts, path) {
        return;
    }
    let prefix = if file.context.is_empty() { String::new() } else { format!("{}/", file.context) };
    let (within, name) =
        path.rsplit_once('/').map_or((String::new(), path), |(within, name)| (format!("{within}/"), name));
    let beside = facts
        .files
        .iter()
        .filter_map(|own| own.path.strip_prefix(&prefix)?.strip_prefix(&within)?.split('/').next());
    let message = format!("there is no `{path}` in the build context");
    match dockerfile::suggest::nearest(name, beside) {
        Some(near) => sink.find_with(file.place(span), message, format!("did you mean `{within}{near}`?")),
        None => sink.find(file.place(span), message),
    };
    if !known {
        sink.at_most(Level::Info);
    }
}

/// Whether the project says which directory is the context, and not the Dockerfile's place alone.
fn context_is_said(facts: &Facts, file: &DockerfileFacts) -> bool {
    let of_file = facts.project.images.iter().filter(
        |image| matches!(&image.dockerfile, project::DockerfileSource::Path(path) if path.value == file.path),
    );
    of_file.into_iter().any(|image| image.declared_by != project::DeclaredBy::Dockerfile)
}

/// Whether a path is of what builds make or of what nobody commits: output directories, archives, keys, certificates.
fn is_made(path: &str) -> bool {
    let directories = [
        "target",
        "dist",
        "build",
        "out",
        "output",
        "bin",
        "_output",
        "node_modules",
        "vendor",
        "artifacts",
        "artifact",
        "wheels",
        "generated",
        "gen",
        "tmp",
        "cache",
        ".git",
        "release",
        "releases",
        "secrets",
        "certs",
        "downloads",
        "binaries",
        "packages",
        "rpms",
        "venv",
        ".venv",
        "public",
        "site",
        "coverage",
    ];
    let ends = [
        ".jar", ".war", ".ear", ".whl", ".tgz", ".gz", ".zip", ".xz", ".tar", ".rpm", ".deb", ".apk", ".so",
        ".exe", ".bin", ".pem", ".crt", ".cer", ".key", ".p12", ".jks", ".env", ".netrc", ".gpg", ".asc",
        ".pyc", ".class", ".o", ".a", ".egg",
    ];
    path.split('/').any(|part| directories.contains(&part)) || ends.iter().any(|end| path.ends_with(end))
}

/// Whether a Makefile or a script speaks of a file: it may make it.
fn is_mentioned(facts: &Facts, path: &str) -> bool {
    let name = path.rsplit('/').next().unwrap_or(path);
    let scripts = facts.scripts.iter().map(|script| script.source);
    facts.makefiles.iter().copied().chain(scripts).any(|source| facts.source(source).text.contains(name))
}

/// A list that is used before it is copied.
pub static LATE: Rule = Rule {
    bad: Example(
        "FROM registry.example.com/base:1\nWORKDIR /app\nRUN pip install --no-cache-dir \\\n      -r «requirements.txt»\nCOPY requirements.txt .\n",
    ),
    good: Example(
        "FROM registry.example.com/base:1\nRUN pip install -r /opt/base-requirements.txt\nCOPY . .\nRUN pip install -r requirements.txt\nRUN --mount=type=bind,source=dev.txt,target=dev.txt pip install -r dev.txt\nRUN echo flask==1 > own.txt\nRUN pip install -r own.txt\nCOPY dev.txt own.txt ./\n",
    ),
    also: &[],
    needs: &[Need::Packages],
    judge: |facts, sink| {
        for file in &facts.dockerfiles {
            for stage in &file.stages {
                for own in &stage.instructions {
                    for requirement in own.managers.iter().flat_map(|(_, command)| &command.requirements) {
                        let Some(text) = requirement.known().filter(|text| !text.contains("://")) else {
                            continue;
                        };
                        let name = text.rsplit('/').next().unwrap_or(text);
                        if !provided(facts, file, stage, own, name) && copied_below(file, stage, own, name) {
                            let message = format!("`{name}` is copied only below");
                            sink.find(file.place(requirement.inner_span()), message);
                        }
                    }
                }
            }
        }
    },
    ..Rule::of(
        Family::Correctness,
        "copy-too-late",
        Levels::WARNING,
        "a file is copied before it is used",
        "Instructions run from top to bottom: what is copied below is not there yet.",
        "copy it first",
    )
};

/// Whether something before an instruction may bring a file: a COPY of it or of a directory, a mount, a command that
/// names it.
fn provided(
    facts: &Facts,
    file: &DockerfileFacts,
    stage: &StageFacts,
    own: &InstructionFacts,
    name: &str,
) -> bool {
    let instruction = file.instruction(stage, own);
    let mounts = matches!(&instruction.kind, InstructionKind::Run(run) if !run.mounts.is_empty());
    let before = file.chain(stage.index).into_iter().flat_map(|other| {
        let until = if other.index == stage.index { own.index } else { usize::MAX };
        other
            .instructions
            .iter()
            .take_while(move |earlier| earlier.index < until)
            .map(move |own| (other, own))
    });
    let mut before = before.map(|(stage, own)| (own, file.instruction(stage, own)));
    mounts
        || before.any(|(earlier, instruction)| match &instruction.kind {
            InstructionKind::Copy(_) | InstructionKind::Add(_) => {
                let raw = facts.text(file.place(instruction.span));
                raw.contains(name) || !from_places(instruction).is_empty() || takes_directory(instruction)
            }
            InstructionKind::Run(_) => facts.text(file.place(earlier.span)).contains(name),
            _ => false,
        })
}

/// Whether a COPY takes more than single files.
fn takes_directory(instruction: &dockerfile::Instruction) -> bool {
    let sources = match &instruction.kind {
        InstructionKind::Copy(copy) => &copy.sources,
        InstructionKind::Add(add) => &add.sources,
        _ => return false,
    };
    sources.iter().any(|source| {
        let last = source.raw.trim_end_matches('/').rsplit('/').next().unwrap_or_default();
        !last.trim_start_matches('.').contains('.') || source.raw.contains(['*', '$', '?'])
    })
}

fn copied_below(file: &DockerfileFacts, stage: &StageFacts, own: &InstructionFacts, name: &str) -> bool {
    let later = stage.instructions.iter().filter(|later| later.index > own.index);
    later.map(|later| file.instruction(stage, later)).any(|instruction| match &instruction.kind {
        InstructionKind::Copy(copy) if copy.from.is_none() => {
            copy.sources.iter().any(|source| source.raw.rsplit('/').next() == Some(name))
        }
        _ => false,
    })
}

/// A path of another stage that is almost one of its directories.
pub static STAGE_PATH: Rule = Rule {
    bad: Example(
        "FROM registry.example.com/go:1 AS build\nWORKDIR /workspace\nRUN make\nFROM registry.example.com/base:1\nCOPY --from=build «/worksapce/manager» /\n",
    ),
    good: Example(
        "FROM registry.example.com/go:1 AS build\nWORKDIR /workspace\nRUN make && mkdir -p /workspaces\nFROM registry.example.com/base:1\nCOPY --from=build /workspace/manager /workspaces/x /opt/y /\n",
    ),
    also: &[Foreign::Hadolint("DL3022")],
    judge: |facts, sink| {
        for file in &facts.dockerfiles {
            for (_, own, instruction) in file.each() {
                let InstructionKind::Copy(copy) = &instruction.kind else { continue };
                let Some(from) = copy.from.as_ref().and_then(|from| file.tree.stage_index(&from.raw)) else {
                    continue;
                };
                let known = directories(facts, file, from);
                for source in &copy.sources {
                    let value = own.scope.expand(source, file.escape());
                    let Some(first) = value.known().and_then(first_part) else { continue };
                    if known.iter().any(|own| own == first) || first.len() < 5 {
                        continue;
                    }
                    if let Some(near) = dockerfile::suggest::nearest(first, known.iter().map(String::as_str))
                    {
                        sink.find_with(
                            file.place(source.span),
                            format!("nothing makes `/{first}` there"),
                            format!("did you mean `/{near}`?"),
                        );
                    }
                }
            }
        }
    },
    ..Rule::of(
        Family::Correctness,
        "copy-path-misspelt",
        Levels::WARNING,
        "a path of another stage is one that it has",
        "A build stops at a COPY of what the other stage does not have.",
        "correct the path",
    )
};

fn first_part(path: &str) -> Option<&str> {
    path.strip_prefix('/')?.split('/').next().filter(|part| !part.is_empty())
}

/// The first parts of paths that a stage speaks of.
fn directories(facts: &Facts, file: &DockerfileFacts, stage: usize) -> Vec<String> {
    let mut found = Vec::new();
    for own in file.chain(stage).into_iter().flat_map(|stage| &stage.instructions) {
        let text = facts.text(file.place(own.span));
        let words = text.split([' ', '\n', '=', '"', '\'', ':', ',']);
        found.extend(words.filter_map(first_part).map(str::to_owned));
        found.extend(own.directory.as_deref().and_then(first_part).map(str::to_owned));
    }
    found
}

/// These rules.
pub const RULES: &[&Rule] = &[&MISSING, &LATE, &STAGE_PATH];
