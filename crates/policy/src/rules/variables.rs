//! Rules on ARG and ENV: what is set, where, and for whom.

mod environment;

use dockerfile::{InstructionKind, Span};

use crate::facts::dockerfile::{Base, Declaration, DockerfileFacts, Lost};
use crate::level::{Level, Levels};
use crate::rule::{Example, Family, Foreign, Rule};
use environment::{EMPTY_ELEMENT, ENV_SELF, UNSET_APPENDED};

/// A variable that is not set where it is used.
pub static UNDECLARED: Rule = Rule {
    bad: Example("FROM registry.example.com/base:1\nCOPY a «${TARGET_DIR}/x»\n"),
    good: Example(
        "FROM registry.example.com/base:1\nARG TARGET_DIR=/opt\nCOPY a ${TARGET_DIR}/x\nENV P=${OTHER:-x} PATH=/opt/bin:$PATH LD_LIBRARY_PATH=/x:$LD_LIBRARY_PATH\n",
    ),
    also: &[Foreign::Docker("UndefinedVar")],
    judge: |facts, sink| {
        for file in &facts.dockerfiles {
            for stray in file.arguments.script_strays.iter().filter(|stray| stray.lost.is_none()) {
                let declared = file.arguments.declarations.iter().map(|own| own.name.as_str());
                let declared = declared.filter(|own| own.len() > 4 && *own != stray.name);
                if let Some(near) =
                    dockerfile::suggest::nearest(&stray.name, declared).filter(|_| stray.name.len() > 4)
                {
                    let fix = format!("did you mean `{near}`?");
                    sink.find_with(file.place(stray.span), format!("nothing sets `{}`", stray.name), fix);
                }
            }
            for stray in file.arguments.strays.iter().filter(|stray| stray.lost.is_none()) {
                let Some(stage) = stray.stage else { continue };
                // What the base sets is not known here.
                let inherited =
                    matches!(file.chain(stage).last().map(|first| &first.base), Some(Base::Image(_)));
                let own = ["PATH", "HOME", "HOSTNAME", "USER"];
                let appended = file.text_at(facts, stray.span).contains([':', ' '])
                    || own.contains(&stray.name.as_str());
                if inherited && appended {
                    continue;
                }
                let mut found = sink.find(file.place(stray.span), format!("nothing sets `{}`", stray.name));
                if inherited {
                    found = found.at_most(Level::Info);
                }
                let _ = found;
            }
        }
    },
    ..Rule::of(
        Family::Correctness,
        "variable-undeclared",
        Levels::DOUBT,
        "variables are set where they are used",
        "A variable that nothing sets is empty: a path becomes another path, a version any version. Where the base may set it, \
         this is a remark.",
        "declare it with ARG or ENV, or correct its name",
    )
};

/// An ARG that does not reach its use.
pub static LOST_ARG: Rule = Rule {
    bad: Example(
        "ARG VERSION=1.2\nFROM registry.example.com/base:$VERSION\nRUN echo «$VERSION» > /version\nCOPY a «/opt/$VERSION»\n",
    ),
    good: Example(
        "ARG VERSION=1.2\nFROM registry.example.com/base:$VERSION AS one\nARG VERSION\nRUN echo $VERSION > /version\nFROM one\nCOPY a /opt/$VERSION\n",
    ),
    also: &[Foreign::Docker("UndefinedVar")],
    judge: |facts, sink| {
        for file in &facts.dockerfiles {
            let all = file.arguments.strays.iter().chain(&file.arguments.script_strays);
            for stray in all.filter(|stray| stray.stage.is_some()) {
                let (words, certain) = match stray.lost {
                    Some(Lost::Global) => ("before the first FROM, which only FROM sees".to_owned(), true),
                    Some(Lost::Stage(index)) if Some(index) != stray.stage => {
                        let name = file
                            .stages
                            .get(index)
                            .and_then(|stage| stage.name.clone())
                            .unwrap_or_else(|| index.to_string());
                        (format!("in stage `{name}` alone"), true)
                    }
                    // `ENV PATH=/x:$PATH` takes the base's value.
                    Some(Lost::Later) if !sets_itself(file, &stray.name, stray.span) => {
                        ("only below".to_owned(), false)
                    }
                    _ => continue,
                };
                let message = format!("`{}` is declared {words}", stray.name);
                let found = sink.find(file.place(stray.span), message);
                let of_base = stray.name == "PATH" || stray.name == "HOME" || !certain;
                if of_base {
                    found.at_most(Level::Info);
                }
            }
        }
    },
    ..Rule::of(
        Family::Correctness,
        "arg-lost",
        Levels::DOUBT,
        "an ARG is declared in the stage that uses it",
        "An ARG holds from its declaration to the end of its stage. One before the first FROM is seen by FROM alone, and a \
         stage does not see those of another. The variable is empty, and nobody says so.",
        "repeat `ARG NAME` in the stage, before the use",
    )
};

/// Whether the ENV that uses a name also sets it.
fn sets_itself(file: &DockerfileFacts, name: &str, span: Span) -> bool {
    let pairs = file.each().filter_map(|(_, _, instruction)| match &instruction.kind {
        InstructionKind::Env(pairs) => Some(pairs),
        _ => None,
    });
    let mut pairs = pairs.filter(|pairs| pairs.iter().any(|pair| pair.value.span == span));
    pairs.any(|pairs| pairs.iter().any(|pair| pair.key.raw == name))
}

/// An ARG that nothing uses.
pub static UNUSED_ARG: Rule = Rule {
    bad: Example(
        "ARG «UNUSED»=x\nFROM registry.example.com/base:1\nARG «SUM»=abc\nRUN curl -fsSLO https://downloads.example.org/a && tar xf a\nARG «LATE»=1\n",
    ),
    good: Example(
        "ARG V=1\nFROM registry.example.com/base:$V\nARG DEBIAN_FRONTEND=noninteractive\nARG X\nRUN make\nENV Y=$X\nARG BUILD_DATE\nLABEL date=$BUILD_DATE\n",
    ),
    judge: |facts, sink| {
        for file in &facts.dockerfiles {
            for declaration in file.arguments.declarations.iter().filter(|own| !own.used) {
                let strays = file.arguments.strays.iter().chain(&file.arguments.script_strays);
                // Who uses it where it does not reach is told there.
                let lost = strays.clone().any(|stray| stray.name == declaration.name && stray.lost.is_some());
                if lost || crate::facts::dockerfile::PREDEFINED.contains(&declaration.name.as_str()) {
                    continue;
                }
                // A RUN after it may read it from its environment.
                let run_later = declaration.stage.is_some_and(|stage| {
                    let of_line = file
                        .stages
                        .iter()
                        .filter(|own| file.chain(own.index).iter().any(|other| other.index == stage));
                    of_line.flat_map(|own| file.tree.stages[own.index].instructions.iter()).any(
                        |instruction| {
                            instruction.span.start > declaration.span.start
                                && matches!(
                                    instruction.kind,
                                    InstructionKind::Run(_) | InstructionKind::Onbuild(_)
                                )
                        },
                    )
                });
                if !run_later {
                    sink.find(file.place(declaration.span), format!("nothing uses `{}`", declaration.name));
                } else if only_plain_programs(file, declaration) {
                    sink.find(file.place(declaration.span), format!("nothing uses `{}`", declaration.name))
                        .at_most(Level::Info);
                }
            }
        }
    },
    ..Rule::of(
        Family::Correctness,
        "arg-unused",
        Levels::DOUBT,
        "an ARG is used",
        "An ARG that nothing reads looks as if it could be changed. Often its name is misspelt where it should be used, or the \
         version it holds is written a second time. A RUN below may read it from its environment; then nothing is said.",
        "use it, or remove it",
    )
};

/// Whether all that runs below a declaration are programs that read no variables of one's own, and the name is none of
/// theirs.
fn only_plain_programs(file: &DockerfileFacts, declaration: &Declaration) -> bool {
    let tools = [
        "PIP",
        "UV",
        "NPM",
        "NODE",
        "YARN",
        "GO",
        "CGO",
        "CC",
        "CXX",
        "MAVEN",
        "MVN",
        "JAVA",
        "JDK",
        "DEBIAN",
        "HTTP",
        "HTTPS",
        "NO",
        "CARGO",
        "RUST",
        "GIT",
        "CONDA",
        "PYTHON",
        "LANG",
        "LC",
        "TZ",
        "CURL",
        "SSL",
        "REQUESTS",
        "AWS",
        "GRADLE",
        "R",
        "PATH",
        "HOME",
        "USER",
        "TERM",
        "DNF",
        "YUM",
        "APT",
        "LD",
        "TARGET",
        "BUILD",
        "CFLAGS",
        "LDFLAGS",
        "MAKEFLAGS",
        "PKG",
        "POETRY",
        "PIPENV",
        "GEM",
        "BUNDLE",
    ];
    let head = declaration.name.split('_').next().unwrap_or_default().to_ascii_uppercase();
    if tools.contains(&head.as_str()) {
        return false;
    }
    let plain = [
        "dnf",
        "yum",
        "microdnf",
        "apt-get",
        "apt",
        "apk",
        "rpm",
        "curl",
        "wget",
        "tar",
        "unzip",
        "gzip",
        "echo",
        "printf",
        "cat",
        "mkdir",
        "rm",
        "mv",
        "cp",
        "ln",
        "chmod",
        "chown",
        "chgrp",
        "sed",
        "grep",
        "find",
        "useradd",
        "groupadd",
        "adduser",
        "addgroup",
        "usermod",
        "touch",
        "cd",
        "set",
        "true",
        "test",
        "[",
        "sha256sum",
        "sha512sum",
        "gpg",
        "pip",
        "pip3",
        "git",
        "update-ca-trust",
        "update-ca-certificates",
        "keytool",
        "openssl",
        "ls",
        "export",
        "npm",
        "install",
        "alternatives",
        "ldconfig",
        "patch",
        "sort",
        "head",
        "cut",
        "tee",
        "exit",
        "conda",
    ];
    let Some(stage) = declaration.stage else { return false };
    let below = |own: &&crate::facts::dockerfile::InstructionFacts| own.span.start > declaration.span.start;
    let all = file.stages.iter().filter(|own| file.chain(own.index).iter().any(|other| other.index == stage));
    let mut runs = all.flat_map(|own| {
        own.instructions.iter().filter(below).map(move |facts| (facts, file.instruction(own, facts)))
    });
    runs.all(|(own, instruction)| match &instruction.kind {
        InstructionKind::Run(_) => {
            !own.commands.is_empty()
                && !own.truncated
                && own.script_errors.is_empty()
                && own.commands.iter().all(|command| {
                    command.words.is_empty()
                        || command.program().is_some_and(|program| plain.contains(&program))
                })
        }
        InstructionKind::Onbuild(_) => false,
        _ => true,
    })
}

/// These rules.
pub const RULES: &[&Rule] =
    &[&UNDECLARED, &LOST_ARG, &UNUSED_ARG, &EMPTY_ELEMENT, &UNSET_APPENDED, &ENV_SELF];
