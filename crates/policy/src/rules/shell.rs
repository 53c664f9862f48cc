//! Rules on the scripts of RUN: what the shell does with them.

mod kind;

use dockerfile::InstructionKind;
use dockerfile::shell::{self, Invocation, Value};

use crate::level::{Level, Levels};
use crate::rule::{Example, Family, Foreign, Need, Rule};
use kind::{Shell, is_dash, shell_of};

/// A pipe whose first commands may fail unseen.
pub static PIPEFAIL: Rule = Rule {
    bad: Example(
        "FROM registry.example.com/base:1\nRUN «curl -fsSL https://example.com/x | grep foo > /y»\n",
    ),
    good: Example(
        "FROM registry.example.com/base:1\nRUN set -o pipefail; curl -fsSL https://example.com/x | grep foo > /y\nRUN echo a | cat > /x && yes | apt-get install -y x\nSHELL [\"/bin/bash\", \"-o\", \"pipefail\", \"-c\"]\nRUN curl -fsSL https://example.com/x | grep foo > /y\n",
    ),
    also: &[Foreign::Hadolint("DL4006")],
    needs: &[Need::Commands],
    judge: |facts, sink| {
        for file in &facts.dockerfiles {
            for stage in &file.stages {
                for own in &stage.instructions {
                    let mut said = None;
                    for command in &own.commands {
                        let first = command.stage + 1 < command.stages && !command.options.pipefail;
                        if first
                            && can_fail(command)
                            && !command.substituted
                            && said != Some(command.pipeline_span)
                            && !command.forgiven
                        {
                            said = Some(command.pipeline_span);
                            let program = command.program().unwrap_or("a command");
                            sink.find(
                                file.place(command.pipeline_span),
                                format!("if `{program}` fails, nobody notices"),
                            );
                        }
                    }
                }
            }
        }
    },
    ..Rule::of(
        Family::Correctness,
        "pipefail-missing",
        Levels::INFO,
        "a pipeline fails with any of its commands",
        "A shell takes the exit code of a pipeline's last command. A download that fails in front of `tar` or `grep` goes \
         unnoticed.",
        "set `SHELL [\"/bin/bash\", \"-o\", \"pipefail\", \"-c\"]`, or begin with `set -o pipefail` where the shell knows it",
    )
};

/// Commands that print what they are told, and those whose failure is common and harmless.
fn can_fail(command: &Invocation) -> bool {
    !matches!(
        command.program(),
        Some("echo" | "printf" | "yes" | "cat" | "true" | "env" | "find" | "ls" | "sort" | "tee" | "uname")
            | None
    )
}

/// The syntax of another shell.
pub static BASHISM: Rule = Rule {
    bad: Example(
        "FROM docker.io/library/debian:13\nRUN «[[ -f /x ]]» && echo yes\nRUN «source /etc/profile» && make\n",
    ),
    good: Example(
        "FROM docker.io/library/debian:13\nRUN [ -f /x ] && . /etc/profile\nRUN bash -c '[[ -f /x ]]'\nSHELL [\"/bin/bash\", \"-c\"]\nRUN [[ -f /x ]] && source /etc/profile\nFROM registry.access.redhat.com/ubi9/ubi:9.6\nRUN [[ -f /x ]]\n",
    ),
    also: &[
        Foreign::Hadolint("DL4005"),
        Foreign::Hadolint("SC3010"),
        Foreign::Hadolint("SC3037"),
        Foreign::Hadolint("SC3040"),
        Foreign::Hadolint("SC3044"),
        Foreign::Hadolint("SC3046"),
    ],
    needs: &[Need::Commands],
    judge: |facts, sink| {
        for file in &facts.dockerfiles {
            for (stage, own, instruction) in file.each() {
                if !matches!(instruction.kind, InstructionKind::Run(_))
                    || shell_of(file, stage, own) != Shell::Posix
                {
                    continue;
                }
                for command in own.commands.iter().filter(|command| {
                    !command.through.iter().any(|through| ["bash", "zsh", "ksh"].contains(&through.as_str()))
                }) {
                    let words = match command.words.first().and_then(Value::known) {
                        Some(name @ ("source" | "pushd" | "popd" | "shopt" | "declare" | "mapfile")) => name,
                        Some("echo")
                            if command
                                .arguments()
                                .first()
                                .is_some_and(|word| matches!(word.known(), Some("-e" | "-ne")))
                                && is_dash(file, stage) =>
                        {
                            "echo -e"
                        }
                        Some("set")
                            if !command.forgiven
                                && command
                                    .arguments()
                                    .iter()
                                    .any(|word| word.known() == Some("pipefail"))
                                && is_dash(file, stage) =>
                        {
                            "pipefail"
                        }
                        _ => continue,
                    };
                    sink.find(file.place(command.span), format!("`/bin/sh` of this base knows no `{words}`"));
                }
                let Some(mapped) =
                    shell::script_of(&facts.source(file.source).text, instruction, file.escape())
                else {
                    continue;
                };
                if mapped.text.starts_with("#!") {
                    continue;
                }
                let script = shell::parse(&mapped);
                for span in tests_of(&script.list) {
                    sink.find(file.place(span), "`/bin/sh` of this base knows no `[[`");
                }
            }
        }
    },
    ..Rule::of(
        Family::Correctness,
        "shell-unknown-syntax",
        Levels::of(Some(Level::Warning), Some(Level::Error), Some(Level::Error)),
        "scripts are in the language of the shell that reads them",
        "On Debian and Ubuntu `/bin/sh` is dash, on Alpine busybox. What is bash's own is a syntax error or an unknown command \
         there; behind `&&` and `||` it may pass unseen.",
        "write it as POSIX has it, or set `SHELL [\"/bin/bash\", \"-c\"]`",
    )
};

/// The places of `[[ ... ]]`.
fn tests_of(list: &shell::syntax::List) -> Vec<dockerfile::Span> {
    use shell::syntax::{Command, Compound};
    let mut found = Vec::new();
    let mut waiting = vec![list];
    while let Some(list) = waiting.pop() {
        for item in &list.items {
            let pipelines =
                std::iter::once(&item.first).chain(item.rest.iter().map(|(_, pipeline)| pipeline));
            for command in pipelines.flat_map(|pipeline| &pipeline.commands) {
                let Command::Compound(compound, _) = command else { continue };
                match compound {
                    Compound::Test(_, span) => found.push(*span),
                    Compound::Group(list) | Compound::Subshell(list) | Compound::For(_, _, list) => {
                        waiting.push(list)
                    }
                    Compound::If(branches, otherwise) => {
                        waiting.extend(branches.iter().flat_map(|(condition, list)| [condition, list]));
                        waiting.extend(otherwise);
                    }
                    Compound::While(condition, list) => waiting.extend([condition, list]),
                    Compound::Case(_, arms) => waiting.extend(arms.iter().map(|(_, list)| list)),
                    Compound::Arithmetic(_) => {}
                }
            }
        }
    }
    found.sort();
    found
}

/// What no shell can read.
pub static SCRIPT_SYNTAX: Rule = Rule {
    bad: Example("FROM registry.example.com/base:1\nRUN if [ -f /x ]; then make«»\nRUN echo «\"»a && make\n"),
    good: Example(
        "FROM registry.example.com/base:1\nRUN if [ -f /x ]; then make; fi\nRUN echo \"a\" && case x in (a|b) c;; esac\n",
    ),
    also: &[Foreign::Hadolint("SC1073"), Foreign::Hadolint("SC1009"), Foreign::Hadolint("SC1072")],
    needs: &[Need::Commands],
    judge: |facts, sink| {
        for file in &facts.dockerfiles {
            for (_, own, _) in file.each() {
                if let Some(error) = own.script_errors.first() {
                    sink.find(file.place(error.span), format!("no shell can read this: {}", error.message));
                }
            }
        }
    },
    ..Rule::of(
        Family::Correctness,
        "script-syntax",
        Levels::DOUBT,
        "a RUN's script can be read",
        "The shell stops at its first mistake of syntax, and so does the build.",
        "mend the script",
    )
};

/// A directory that is left at the end of the RUN.
pub static CD_ALONE: Rule = Rule {
    bad: Example("FROM registry.example.com/base:1\nRUN «cd /opt»\nRUN make && «cd /srv»\n"),
    good: Example("FROM registry.example.com/base:1\nRUN cd /opt && make\nRUN (cd /a; make)\nWORKDIR /opt\n"),
    also: &[Foreign::Hadolint("DL3003")],
    needs: &[Need::Commands],
    judge: |facts, sink| {
        for file in &facts.dockerfiles {
            for (_, own, instruction) in file.each() {
                let last =
                    own.commands.last().filter(|_| matches!(instruction.kind, InstructionKind::Run(_)));
                if let Some(last) = last.filter(|last| {
                    last.words.first().and_then(Value::known) == Some("cd")
                        && !last.conditional
                        && last.through.is_empty()
                }) {
                    sink.find(
                        file.place(last.span),
                        "the next instruction begins in the old directory again",
                    );
                }
            }
        }
    },
    ..Rule::of(
        Family::Correctness,
        "cd-lost",
        Levels::WARNING,
        "a change of directory is for something",
        "Each RUN begins in the working directory that WORKDIR set; a `cd` at its end does nothing.",
        "use WORKDIR",
    )
};

/// A variable that is set at the end of the RUN.
pub static EXPORT_LOST: Rule = Rule {
    bad: Example("FROM registry.example.com/base:1\nRUN «export JAVA_HOME=/usr/lib/jvm»\n"),
    good: Example(
        "FROM registry.example.com/base:1\nRUN export JAVA_HOME=/usr/lib/jvm && make\nENV JAVA_HOME=/usr/lib/jvm\n",
    ),
    needs: &[Need::Commands],
    judge: |facts, sink| {
        for file in &facts.dockerfiles {
            for (_, own, instruction) in file.each() {
                if !matches!(instruction.kind, InstructionKind::Run(_)) || own.commands.is_empty() {
                    continue;
                }
                let sets = |command: &Invocation| {
                    command.words.is_empty() && !command.assignments.is_empty()
                        || matches!(
                            command.words.first().and_then(Value::known),
                            Some("export" | "unset" | "alias")
                        )
                };
                if own.commands.iter().all(|command| sets(command) && command.redirects.is_empty()) {
                    let span =
                        own.commands.iter().fold(own.commands[0].span, |span, command| span.to(command.span));
                    sink.find(file.place(span), "what a RUN sets is forgotten when it ends");
                }
            }
        }
    },
    ..Rule::of(
        Family::Correctness,
        "export-lost",
        Levels::WARNING,
        "a variable is set for something",
        "A variable that a RUN sets is gone when the RUN ends. What later instructions and containers shall have is set with ENV.",
        "use ENV",
    )
};

/// A path that is almost one that everybody knows.
pub static MISSPELT_PATH: Rule = Rule {
    bad: Example(
        "FROM registry.example.com/base:1\nRUN apt-get update && rm -rf «/var/lib/apt/list/*»\nCOPY x.repo «/etc/yum.repo.d/»\n",
    ),
    good: Example(
        "FROM registry.example.com/base:1\nRUN rm -rf /var/lib/apt/lists/* /var/cache/apt/archives\nCOPY x.repo /etc/yum.repos.d/\n",
    ),
    needs: &[Need::Commands],
    judge: |facts, sink| {
        for file in &facts.dockerfiles {
            for (_, own, instruction) in file.each() {
                for command in &own.commands {
                    for word in command.arguments() {
                        if let Some(right) = misspelt(&word.text()) {
                            sink.find_with(
                                file.place(word.inner_span()),
                                "there is no such directory",
                                format!("did you mean `{right}`?"),
                            );
                        }
                    }
                    for redirect in &command.redirects {
                        if let Some(right) = misspelt(&redirect.target.text()) {
                            sink.find_with(
                                file.place(redirect.target.inner_span()),
                                "there is no such directory",
                                format!("did you mean `{right}`?"),
                            );
                        }
                    }
                }
                let destination = match &instruction.kind {
                    InstructionKind::Copy(copy) => &copy.destination,
                    InstructionKind::Add(add) => &add.destination,
                    _ => continue,
                };
                if let Some(right) = misspelt(&destination.raw) {
                    sink.find_with(
                        file.place(destination.span),
                        "nothing looks there",
                        format!("did you mean `{right}`?"),
                    );
                }
            }
        }
    },
    ..Rule::of(
        Family::Correctness,
        "path-misspelt",
        Levels::WARNING,
        "well-known paths are spelt right",
        "A file in the wrong directory is read by nobody, and a wrong path is removed without a word.",
        "correct the path",
    )
};

/// Well-known directories, and how they are misspelt.
fn misspelt(path: &str) -> Option<&'static str> {
    let known: [(&str, &str); 14] = [
        ("/var/lib/apt/list/", "/var/lib/apt/lists/"),
        ("/var/lib/apt/lits/", "/var/lib/apt/lists/"),
        ("/var/lib/apt/list*", "/var/lib/apt/lists/"),
        ("/var/apt/lists/", "/var/lib/apt/lists/"),
        ("/etc/yum.repo.d/", "/etc/yum.repos.d/"),
        ("/etc/yum/repos.d/", "/etc/yum.repos.d/"),
        ("/etc/apt/source.list", "/etc/apt/sources.list"),
        ("/etc/apt/sources.lists", "/etc/apt/sources.list"),
        ("/etc/apt/source.list.d/", "/etc/apt/sources.list.d/"),
        ("/etc/pki/ca-trust/source/anchor/", "/etc/pki/ca-trust/source/anchors/"),
        ("/etc/pki/ca-trust/sources/anchors/", "/etc/pki/ca-trust/source/anchors/"),
        ("/usr/local/share/ca-certificate/", "/usr/local/share/ca-certificates/"),
        ("/usr/share/keyring/", "/usr/share/keyrings/"),
        ("/var/cahce/", "/var/cache/"),
    ];
    let with_slash = format!("{path}/");
    known
        .iter()
        .find(|(wrong, _)| path.starts_with(wrong) || (wrong.ends_with('/') && with_slash == **wrong))
        .map(|(_, right)| *right)
        .filter(|right| !path.starts_with(right))
}

/// These rules.
pub const RULES: &[&Rule] = &[&PIPEFAIL, &BASHISM, &SCRIPT_SYNTAX, &CD_ALONE, &EXPORT_LOST, &MISSPELT_PATH];
