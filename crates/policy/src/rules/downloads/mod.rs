//! Rules on what RUN and ADD download.

mod checked;
mod moving;
mod transport;

use std::collections::BTreeSet;

use dockerfile::Span;
use dockerfile::shell::{Invocation, Value};

use crate::facts::Facts;
use crate::facts::commands::{Download, Target};
use crate::facts::dockerfile::{DockerfileFacts, InstructionFacts, StageFacts};
use crate::level::Levels;
use crate::rule::{Example, Family, Foreign, Need, Rule};

use checked::is_digest_program;
pub(super) use transport::is_index_variable;

/// Every download with where it stands; those that only ask are left out.
pub(in crate::rules) fn each_download(
    facts: &Facts,
    mut say: impl FnMut(&DockerfileFacts, &StageFacts, &InstructionFacts, &Download),
) {
    for file in &facts.dockerfiles {
        for stage in &file.stages {
            for instruction in &stage.instructions {
                let mut seen = BTreeSet::new();
                let real = instruction.downloads.iter().filter(|download| !download.probe);
                // A loop comes by more than once; one line has one fault.
                let once = real.filter(|download| seen.insert((download.span, download.url_span)));
                once.for_each(|download| say(file, stage, instruction, download));
            }
        }
    }
}

/// The commands that read what a download writes to its output.
fn readers<'f>(instruction: &'f InstructionFacts, download: &Download) -> Vec<&'f Invocation> {
    let Some(command) = download.command.and_then(|index| instruction.commands.get(index)) else {
        return Vec::new();
    };
    if !matches!(download.target, Target::Output) {
        return Vec::new();
    }
    let after = instruction.commands.iter();
    if command.substituted {
        // `bash -c "$(curl ...)"`: whoever runs the substitution.
        return Vec::new();
    }
    after
        .filter(|other| {
            let same = other.pipeline == command.pipeline && other.stage > command.stage;
            same || (other.fed_by == Some(command.pipeline) && other.pipeline != command.pipeline)
        })
        .collect()
}

const INTERPRETERS: [&str; 15] = [
    "sh", "bash", "dash", "ash", "zsh", "ksh", "python", "python3", "python2", "perl", "ruby", "node", "php",
    "source", ".",
];

fn is_interpreter(command: &Invocation) -> bool {
    command
        .program()
        .is_some_and(|program| INTERPRETERS.contains(&program) || program.starts_with("python3."))
}

const UNPACKERS: [&str; 9] = ["tar", "bsdtar", "unzip", "cpio", "gunzip", "gzip", "zstd", "xz", "bunzip2"];

fn is_unpacker(command: &Invocation) -> bool {
    command.program().is_some_and(|program| UNPACKERS.contains(&program))
}

/// A script from the network, run at once.
pub static PIPE_TO_SHELL: Rule = Rule {
    id: "download-to-shell",
    family: Family::Downloads,
    levels: Levels::WARNING,
    title: "nothing is run that was just downloaded and not looked at",
    why: "Whoever controls the server, the name or the line to it runs what they like as root in the build. A download that \
          breaks off runs half a script.",
    fix: "download it to a file, check its digest, and then run it; or install a package",
    bad: Example(
        "FROM registry.example.com/base:1\nRUN «curl -fsSL https://get.example.com/install.sh» | sudo -E bash -s -- -y\nRUN sh -c \"$(«wget -qO- https://get.example.com/x.sh»)\"\n",
    ),
    good: Example(
        "FROM registry.example.com/base:1\nRUN curl -fsSLo i.sh https://get.example.com/install.sh && echo \"aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa  i.sh\" | sha256sum -c && sh i.sh\nRUN curl -fsSL https://example.com/list | grep -q x\n",
    ),
    also: &[Foreign::Hadolint("DL4006")],
    needs: &[Need::Commands],
    judge: |facts, sink| {
        for file in &facts.dockerfiles {
            for (_, own, _) in file.each() {
                for (span, message) in piped_to_shell(own) {
                    sink.find(file.place(span), message);
                }
            }
        }
    },
};

/// What commands download and run at once: where, and who runs what.
pub(in crate::rules) fn piped_to_shell(run: &InstructionFacts) -> Vec<(Span, String)> {
    let mut found = Vec::new();
    for download in run.downloads.iter().filter(|download| !download.probe) {
        let Some(command) = download.command.and_then(|index| run.commands.get(index)) else { continue };
        let shell =
            readers(run, download).into_iter().find(|reader| is_interpreter(reader) && reads_program(reader));
        if let Some(shell) = shell {
            let program = shell.program().unwrap_or_default();
            let message = format!("what `{}` sends is run by `{program}`", host(&download.url));
            found.push((download.span, message));
        } else if command.substituted && matches!(download.target, Target::Output) {
            let runs = run.commands.iter().find(|other| {
                !other.substituted
                    && other.span.start <= command.span.start
                    && command.span.end <= other.span.end
            });
            let evaluates = |other: &Invocation| {
                let program = other.program().unwrap_or_default();
                let flag = other.arguments().iter().any(|word| matches!(word.known(), Some("-c" | "-e")));
                program == "eval" || (is_interpreter(other) && flag)
            };
            if runs.is_some_and(evaluates) {
                found.push((download.span, format!("what `{}` sends is run", host(&download.url))));
            }
        }
    }
    found.dedup_by_key(|(span, _)| *span);
    found
}

/// Whether an interpreter reads its program from standard input: `python3 -c '...'` and `sh script` read data.
fn reads_program(command: &Invocation) -> bool {
    for word in command.arguments() {
        let text = word.text();
        match text.as_str() {
            "-" | "-s" | "--" | "/dev/stdin" => return true,
            "-c" | "-m" | "-r" | "-R" => return false,
            "-e" | "-n" | "-p" | "-ne" | "-pe"
                if !matches!(command.program(), Some("sh" | "bash" | "dash" | "ash" | "zsh" | "ksh")) =>
            {
                return false;
            }
            _ if text.starts_with('-') => {}
            _ => return false,
        }
    }
    true
}

fn host(url: &Value) -> String {
    let text = url.text();
    let rest = text.split_once("://").map_or(text.as_str(), |(_, rest)| rest);
    let authority = rest.split('/').next().unwrap_or_default();
    authority.rsplit('@').next().unwrap_or_default().to_owned()
}

/// An archive that is unpacked while it comes.
pub static PIPE_TO_TAR: Rule = Rule {
    id: "download-unpacked-unchecked",
    family: Family::Downloads,
    levels: Levels::DOUBT,
    title: "an archive is checked before it is unpacked",
    why: "What goes straight from the network into `tar` was never there to be checked.",
    fix: "write it to a file, check its digest, then unpack it",
    bad: Example(
        "FROM registry.example.com/base:1\nRUN «curl -fsSL https://downloads.example.org/a-1.0.tar.gz» | tar xz -C /opt\n",
    ),
    good: Example(
        "FROM registry.example.com/base:1\nRUN curl -fsSLo a.tgz https://downloads.example.org/a-1.0.tar.gz && echo 'aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa  a.tgz' | sha256sum -c - && tar xzf a.tgz\nRUN tar c . | tar x -C /opt\n",
    ),
    needs: &[Need::Commands],
    judge: |facts, sink| {
        each_download(facts, |file, _, instruction, download| {
            let readers = readers(instruction, download);
            let checks = readers.iter().any(|reader| {
                reader.program().is_some_and(is_digest_program) || reader.program() == Some("tee")
            });
            if let Some(reader) = readers.iter().find(|reader| is_unpacker(reader)).filter(|_| !checks) {
                let program = reader.program().unwrap_or_default();
                sink.find(
                    file.place(download.span),
                    format!("what `{}` sends goes into `{program}` unchecked", host(&download.url)),
                );
            }
        });
    },
    ..Rule::BLANK
};

/// These rules.
pub const RULES: &[&Rule] = &[
    &PIPE_TO_SHELL,
    &PIPE_TO_TAR,
    &checked::UNCHECKED,
    &checked::ADD_UNCHECKED,
    &transport::HTTP,
    &transport::INSECURE,
    &transport::NO_FAIL,
    &transport::URL_SECRET,
    &moving::MUTABLE,
    &moving::GIT_REVISION,
];
