//! Rules on what RUN and ADD download.

use std::collections::BTreeSet;

use dockerfile::Span;
use dockerfile::shell::{Invocation, Value};

use crate::facts::Facts;
use crate::facts::commands::{Argument, Download, Fetcher, Pin, RequestKind, Target, is_url};
use crate::facts::dockerfile::{DockerfileFacts, InstructionFacts, StageFacts};
use crate::facts::manifest::url_password;
use crate::level::{Level, Levels};
use crate::rule::{Example, Family, Foreign, Need, Rule};

/// Every download with where it stands; those that only ask are left out.
pub(super) fn each_download(
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
    ..Rule::BLANK
};

/// What commands download and run at once: where, and who runs what.
pub(super) fn piped_to_shell(run: &InstructionFacts) -> Vec<(Span, String)> {
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

fn is_digest_program(program: &str) -> bool {
    [
        "sha256sum",
        "sha512sum",
        "sha384sum",
        "sha224sum",
        "sha1sum",
        "md5sum",
        "b2sum",
        "shasum",
        "openssl",
        "gpg",
        "gpg2",
        "gpgv",
        "cosign",
        "minisign",
        "signify",
        "rpmkeys",
        "cksum",
    ]
    .contains(&program)
}

/// A file that nobody checks.
pub static UNCHECKED: Rule = Rule {
    id: "download-unchecked",
    family: Family::Downloads,
    levels: Levels::of(Some(Level::Warning), Some(Level::Warning), Some(Level::Error)),
    title: "a downloaded file's digest or signature is checked",
    why: "A file from the network is what its server sent that day. A digest in the Dockerfile says which one was meant; \
          without it a replaced file goes into the image unseen.",
    fix: "check it before use: `echo \"DIGEST  FILE\" | sha256sum -c -`, `gpg --verify`, or `ADD --checksum=sha256:...`",
    bad: Example(
        "FROM registry.example.com/base:1\nRUN curl -fsSLo /tmp/a.tgz «https://downloads.example.org/a-1.0.tgz» && tar xzf /tmp/a.tgz\nRUN echo 'aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa  /tmp/other' | sha256sum -c -\n",
    ),
    good: Example(
        "FROM registry.example.com/base:1\nARG SUM\nWORKDIR /tmp\nRUN wget https://downloads.example.org/a-1.0.tgz\nRUN echo \"$SUM  a-1.0.tgz\" | sha256sum --check && tar xzf a-1.0.tgz\nRUN curl -fsSLo b.tgz https://downloads.example.org/b.tgz && gpg --verify b.tgz.asc b.tgz\n",
    ),
    needs: &[Need::Commands],
    judge: |facts, sink| {
        each_download(facts, |file, stage, instruction, download| {
            if matches!(download.fetcher, Fetcher::Git | Fetcher::Add | Fetcher::AddGit)
                || download.checked
                || is_companion(download)
            {
                return;
            }
            if matches!(download.target, Target::Output)
                || download.insecure.is_some() && download.url.text().is_empty()
            {
                return;
            }
            let Some(path) = download.file(directory_of(instruction, download)) else { return };
            if !is_checked(stage, instruction, download, &path) {
                sink.find(file.place(download.url_span), format!("nobody checks `{}`", shown(&path)));
            }
        });
    },
    ..Rule::BLANK
};

fn directory_of<'f>(instruction: &'f InstructionFacts, download: &Download) -> Option<&'f str> {
    let command = download.command.and_then(|index| instruction.commands.get(index));
    command.map_or(instruction.directory.as_deref(), |command| command.directory.as_deref())
}

fn shown(path: &str) -> String {
    path.chars().take(80).collect()
}

/// A digest or a signature, which is what checks another file.
fn is_companion(download: &Download) -> bool {
    let name = download.url.text().to_ascii_lowercase();
    let name = name.split(['?', '#']).next().unwrap_or_default().to_owned();
    let ends = [
        ".asc",
        ".sig",
        ".sha256",
        ".sha512",
        ".sha256sum",
        ".sha512sum",
        ".sha1",
        ".md5",
        ".sign",
        ".minisig",
        ".pem",
        ".gpg",
        ".key",
        ".sbom",
        ".crt",
    ];
    let base = name.rsplit('/').next().unwrap_or_default();
    ends.iter().any(|end| base.ends_with(end))
        || base.contains("sha256sum")
        || base.contains("checksums")
        || base.contains("sha512sum")
        || base.starts_with("gpg-key")
        || base.contains("rpm-gpg-key")
}

/// Whether a later command checks the file, in this RUN or another one of the stage.
fn is_checked(stage: &StageFacts, instruction: &InstructionFacts, download: &Download, path: &str) -> bool {
    let name = path.rsplit('/').next().unwrap_or(path);
    let from = stage.instructions.iter().position(|own| std::ptr::eq(own, instruction)).unwrap_or(0);
    let mut files: BTreeSet<String> = BTreeSet::from([path.to_owned(), name.to_owned()]);
    for (number, own) in stage.instructions.iter().enumerate().skip(from) {
        for (index, command) in own.commands.iter().enumerate() {
            let before = number == from && download.command.is_some_and(|own| index < own);
            // A digest may be told to a pipe before the file comes, but not checked.
            if before {
                continue;
            }
            follow(command, &mut files);
            if checks(own, index, command, &files) {
                return true;
            }
        }
    }
    false
}

/// A file that is moved or copied is still the file.
fn follow(command: &Invocation, files: &mut BTreeSet<String>) {
    if matches!(command.program(), Some("mv" | "cp" | "ln" | "install")) && files.len() < 50 {
        let words: Vec<String> = command.arguments().iter().map(Value::text).collect();
        if let [.., source, target] = words.as_slice()
            && files.contains(source)
        {
            files.insert(target.clone());
            files.insert(target.rsplit('/').next().unwrap_or(target).to_owned());
        }
    }
}

/// Whether a command checks one of the files.
fn checks(
    instruction: &InstructionFacts,
    index: usize,
    command: &Invocation,
    files: &BTreeSet<String>,
) -> bool {
    let Some(program) = command.program() else { return false };
    let names = |text: &str| {
        text.split(|next: char| {
            next.is_whitespace() || matches!(next, '*' | '"' | '\'' | '(' | ')' | '=' | '\\')
        })
        .any(|word| files.contains(word) || files.contains(word.trim_start_matches("./")))
    };
    let said = command.arguments().iter().any(|word| names(&word.text()));
    match program {
        "gpg" | "gpg2" | "gpgv" | "cosign" | "minisign" | "signify" | "rpmkeys" | "openssl"
        | "slsa-verifier" => {
            let verifies = command.arguments().iter().any(|word| {
                let text = word.text();
                text.contains("verify")
                    || text == "dgst"
                    || text == "-V"
                    || text.contains("checksig")
                    || text == "-K"
            });
            (verifies || program == "gpgv")
                && (said || command.arguments().iter().any(|word| names_beside(&word.text(), files)))
        }
        "rpm" => {
            command.arguments().iter().any(|word| matches!(word.known(), Some("-K" | "--checksig"))) && said
        }
        "test" | "[" => false,
        _ if is_digest_program(program) => {
            let check = command.arguments().iter().any(|word| {
                let text = word.text();
                text.starts_with("--check")
                    || text == "--status"
                    || text.starts_with("--strict")
                    || (text.starts_with('-') && !text.starts_with("--") && text.contains('c'))
            });
            if !check {
                // `[ "$(sha256sum x)" = ... ]` and `sha256sum x | grep DIGEST` check too.
                return said && (command.substituted || command.stages > 1);
            }
            let stdin = command.stdin.as_ref().is_some_and(|text| names(&text.text()));
            let fed = instruction.commands[..index].iter().any(|other| {
                let feeds = other.pipeline == command.pipeline && other.stage < command.stage;
                feeds
                    && other.arguments().iter().any(|word| {
                        names(&word.text()) || names(&undone(&word.text())) || lists(&word.text())
                    })
            });
            let file =
                command.arguments().iter().any(|word| names_list(&word.text(), instruction, index, files));
            stdin
                || fed
                || file
                || (command.fed_by.is_none() && command.arguments().iter().any(|word| lists(&word.text())))
        }
        _ => false,
    }
}

/// `x.asc` beside `x`.
fn names_beside(text: &str, files: &BTreeSet<String>) -> bool {
    [".asc", ".sig", ".sign"]
        .iter()
        .any(|end| text.strip_suffix(end).is_some_and(|file| files.contains(file)))
}

/// `echo -e "sum  a\nsum  b"`.
fn undone(text: &str) -> String {
    text.replace("\\n", "\n")
}

/// A list of digests that an earlier command of the script wrote, with the file in it.
fn names_list(list: &str, instruction: &InstructionFacts, index: usize, files: &BTreeSet<String>) -> bool {
    instruction.commands[..index].iter().any(|other| {
        other.output().is_some_and(|output| output.text() == list)
            && other
                .arguments()
                .iter()
                .chain(&other.stdin)
                .any(|word| files.iter().any(|file| word.text().contains(file.as_str())))
    })
}

/// A list of digests by its name: what is in it is not known, and it is taken for the file's.
fn lists(text: &str) -> bool {
    let lower = text.to_ascii_lowercase();
    ["sha256", "sha512", "sha1", "checksum", "sums", "digest", ".md5"].iter().any(|word| lower.contains(word))
}

/// ADD with a URL and no digest.
pub static ADD_UNCHECKED: Rule = Rule {
    id: "add-unchecked",
    family: Family::Downloads,
    levels: Levels::of(Some(Level::Warning), Some(Level::Warning), Some(Level::Error)),
    title: "ADD of a URL has a digest",
    why: "ADD takes what the server sends. With `--checksum` the build stops when that is another file than the one meant.",
    fix: "add `--checksum=sha256:...`; of a git repository name a commit",
    bad: Example("FROM registry.example.com/base:1\nADD «https://downloads.example.org/a-1.0.tgz» /tmp/\n"),
    good: Example(
        "FROM registry.example.com/base:1\nADD --checksum=sha256:aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa https://downloads.example.org/a-1.0.tgz /tmp/\nADD rootfs.tar /\n",
    ),
    judge: |facts, sink| {
        each_download(facts, |file, _, _, download| {
            if download.fetcher == Fetcher::Add && !download.checked {
                sink.find(
                    file.place(download.url_span),
                    format!("`{}` is added without a digest", shown(&download.url.text())),
                );
            }
        });
    },
    ..Rule::BLANK
};

/// Plain http.
pub static HTTP: Rule = Rule {
    id: "download-http",
    family: Family::Downloads,
    levels: Levels::WARNING,
    title: "downloads come over https",
    why: "On the way of a plain http download anybody may replace it.",
    fix: "use https",
    bad: Example(
        "FROM registry.example.com/base:1\nRUN curl -fsSLO «http://downloads.example.org/a-1.0.tgz»\nRUN git clone «git://git.example.com/a.git»\n",
    ),
    good: Example(
        "FROM registry.example.com/base:1\nRUN curl -fsSLO https://downloads.example.org/a-1.0.tgz\nHEALTHCHECK CMD curl -f http://localhost/ || exit 1\nRUN curl http://127.0.0.1:80/\n",
    ),
    needs: &[Need::Commands],
    judge: |facts, sink| {
        each_download(facts, |file, _, _, download| {
            let prefix = download.url.prefix().to_ascii_lowercase();
            let host = host(&download.url);
            let plain = ["http://", "ftp://", "git://"].iter().find(|scheme| prefix.starts_with(**scheme));
            if let Some(scheme) = plain.filter(|_| !host.ends_with(".svc") && !host.contains(".svc.")) {
                sink.find(
                    file.place(download.url_span),
                    format!("`{scheme}` is neither encrypted nor authenticated"),
                );
            }
        });
        super::packages::each_manager(facts, |file, _, _, _, command| {
            let values = command.arguments.list.iter().filter_map(|argument| match argument {
                Argument::Option { value, .. } => value.as_ref(),
                Argument::Operand(value) => Some(value),
            });
            for value in values.filter(|value| value.prefix().starts_with("http://")) {
                let own = host(value);
                // A proxy on the way is spoken to in the clear by design.
                if !own.starts_with("localhost") && !own.starts_with("127.") && !own.contains(".svc") {
                    sink.find(
                        file.place(value.inner_span()),
                        "`http://` is neither encrypted nor authenticated",
                    );
                }
            }
        });
    },
    ..Rule::BLANK
};

/// Certificates are not looked at.
pub static INSECURE: Rule = Rule {
    id: "download-insecure",
    family: Family::Downloads,
    levels: Levels::WARNING,
    title: "certificates of servers are verified",
    why: "Without verification https says nothing about who answers. It is mostly there because a company's CA is missing; \
          the CA is what has to be added.",
    fix: "install the CA certificate and drop the option",
    bad: Example(
        "FROM registry.example.com/base:1\nRUN curl «-fsSLk» -o a.tgz https://downloads.example.org/a-1.0.tgz\nRUN wget «--no-check-certificate» https://downloads.example.org/b\nRUN git clone «-c http.sslVerify=false» https://git.example.com/a.git\n",
    ),
    good: Example(
        "FROM registry.example.com/base:1\nRUN curl -fsSLo a.tgz --cacert /etc/ca.pem https://downloads.example.org/a-1.0.tgz\n",
    ),
    needs: &[Need::Commands],
    judge: |facts, sink| {
        each_download(facts, |file, _, _, download| {
            if let Some(span) = download.insecure {
                sink.find(file.place(span), format!("`{}` may be anybody", host(&download.url)));
            }
        });
    },
    ..Rule::BLANK
};

/// An error page, saved as a file.
pub static NO_FAIL: Rule = Rule {
    id: "download-no-fail",
    family: Family::Downloads,
    levels: Levels::DOUBT,
    title: "curl fails where the server says that it failed",
    why: "Without `--fail` curl writes the error page to the file and reports success; the build goes on with a page of HTML \
          that is called a program.",
    fix: "add `--fail` (`-f`)",
    bad: Example(
        "FROM registry.example.com/base:1\nRUN «curl -sSLo /usr/local/bin/tool https://downloads.example.org/tool-1.0»\n",
    ),
    good: Example(
        "FROM registry.example.com/base:1\nRUN curl -fsSLo /usr/local/bin/tool https://downloads.example.org/tool-1.0\nRUN curl -s https://example.com/status\n",
    ),
    needs: &[Need::Commands],
    judge: |facts, sink| {
        each_download(facts, |file, stage, instruction, download| {
            if download.fetcher != Fetcher::Curl || download.fails {
                return;
            }
            let consumed = readers(instruction, download).iter().any(|reader| {
                is_unpacker(reader)
                    || is_interpreter(reader)
                    || matches!(reader.program(), Some("apt-key" | "gpg" | "tee" | "rpm"))
            });
            let written = !matches!(download.target, Target::Output);
            let checked = written
                && download
                    .file(directory_of(instruction, download))
                    .is_some_and(|path| is_checked(stage, instruction, download, &path));
            if (written || consumed) && !checked {
                sink.find(file.place(download.span), "an error page of the server is taken for the file");
            }
        });
    },
    ..Rule::BLANK
};

/// A URL whose content changes.
pub static MUTABLE: Rule = Rule {
    id: "download-mutable",
    family: Family::Downloads,
    levels: Levels::DOUBT,
    title: "a download names a version",
    why: "`latest`, `main` and their like are another file next week: the build cannot be repeated, and nobody can say what \
          it had.",
    fix: "name the version, and check its digest",
    bad: Example(
        "FROM registry.example.com/base:1\nARG V=latest\nRUN curl -fsSLo /x «https://downloads.example.org/tool/${V}/tool.tgz»\nADD --checksum=sha256:aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa «https://git.example.com/a/raw/main/x.sh» /x\n",
    ),
    good: Example(
        "FROM registry.example.com/base:1\nRUN curl -fsSLo /x https://downloads.example.org/tool/1.2/tool-latest-docs-1.2.tgz\n",
    ),
    needs: &[Need::Commands],
    judge: |facts, sink| {
        each_download(facts, |file, _, instruction, download| {
            if matches!(download.fetcher, Fetcher::Git | Fetcher::AddGit) || is_companion(download) {
                return;
            }
            // What is only looked at, to learn which version is current, is no part of the image.
            let substituted = download
                .command
                .and_then(|index| instruction.commands.get(index))
                .is_some_and(|command| command.substituted);
            if let Some(word) = moving_part(&download.url.text()).filter(|_| !substituted) {
                sink.find(file.place(download.url_span), format!("`{word}` is another file tomorrow"));
            }
        });
    },
    ..Rule::BLANK
};

/// The part of a URL's path that moves.
fn moving_part(url: &str) -> Option<String> {
    let path = url.split_once("://").map_or(url, |(_, rest)| rest).split_once('/')?.1;
    let path = path.split(['?', '#']).next().unwrap_or_default();
    let moving = [
        "latest", "stable", "main", "master", "head", "nightly", "trunk", "develop", "current", "edge",
        "snapshot",
    ];
    let parts: Vec<String> = path.split('/').map(str::to_ascii_lowercase).collect();
    for (index, part) in parts.iter().enumerate() {
        let last = index + 1 == parts.len();
        let versioned = |text: &str| text.chars().any(|next| next.is_ascii_digit()) || text.contains('$');
        let channel = part
            .split_once('-')
            .is_some_and(|(name, _)| matches!(name, "latest" | "stable" | "fast" | "candidate"));
        if !last && channel {
            return Some(part.clone());
        }
        if moving.contains(&part.as_str()) {
            // `linux/debian/dists/stable` of a repository, or a version that follows.
            let rest_versioned = parts[index + 1..].iter().any(|rest| has_version(rest));
            if !rest_versioned {
                return Some(part.clone());
            }
        }
        let stem = part.split('.').next().unwrap_or_default();
        let named = stem.split(['-', '_']).any(|word| matches!(word, "latest" | "nightly" | "snapshot"));
        if last && named && !has_version(part) && (!versioned(stem) || stem.contains("latest")) {
            return Some(part.clone());
        }
    }
    None
}

/// Whether a word has a number with a dot in it, or a variable.
fn has_version(text: &str) -> bool {
    let bytes = text.as_bytes();
    text.contains('$')
        || bytes
            .windows(3)
            .any(|three| three[0].is_ascii_digit() && three[1] == b'.' && three[2].is_ascii_digit())
}

/// A repository whose revision moves.
pub static GIT_REVISION: Rule = Rule {
    id: "git-no-commit",
    family: Family::Downloads,
    levels: Levels::of(Some(Level::Info), Some(Level::Warning), Some(Level::Error)),
    title: "a git repository is taken at a commit",
    why: "A branch moves, and a tag can be moved. Only a commit is always the same tree.",
    fix: "check out a commit: `git checkout COMMIT`, `ADD https://...git#COMMIT`",
    bad: Example(
        "FROM registry.example.com/base:1\nRUN git clone --depth 1 -b v1.2 «https://git.example.com/a/b.git»\nADD «https://git.example.com/a/e.git#main» /e\n",
    ),
    good: Example(
        "FROM registry.example.com/base:1\nARG REV=4f2c1de5f3a9c7b1e6d8c0a2b4d6e8f0a1c3e5d7\nRUN git clone https://git.example.com/a/b.git /b && cd /b && git checkout $REV\nADD https://git.example.com/a/e.git#4f2c1de5f3a9c7b1e6d8c0a2b4d6e8f0a1c3e5d7 /e\n",
    ),
    needs: &[Need::Commands],
    judge: |facts, sink| {
        each_download(facts, |file, _, instruction, download| {
            let text = download.url.text();
            match download.fetcher {
                Fetcher::AddGit => {
                    let revision =
                        text.split_once('#').map(|(_, rest)| rest.split(':').next().unwrap_or_default());
                    let commit =
                        revision.is_some_and(|revision| is_commit(revision) || revision.contains('$'));
                    if !commit && !download.checked {
                        sink.find(file.place(download.url_span), moves(revision.unwrap_or_default()));
                    }
                }
                Fetcher::Git => {
                    let from = download.command.unwrap_or(0);
                    let later = instruction
                        .commands
                        .iter()
                        .skip(from + 1)
                        .filter(|command| command.program() == Some("git"));
                    let pinned = later
                        .filter(|command| {
                            command.arguments().iter().any(|word| {
                                matches!(word.known(), Some("checkout" | "reset" | "switch" | "fetch"))
                            })
                        })
                        .any(|command| {
                            command.arguments().iter().any(|word| {
                                is_commit(&word.text())
                                    || word.known().is_none() && !word.text().contains('/')
                            })
                        });
                    if !pinned && !matches!(download.revision, Pin::Exact(_) | Pin::Unknown) {
                        let name = match &download.revision {
                            Pin::Moving(name) => name.as_str(),
                            _ => "",
                        };
                        sink.find(file.place(download.url_span), moves(name));
                    }
                }
                _ => {}
            }
        });
        super::packages::each_manager(facts, |file, _, _, _, command| {
            for package in command.packages.iter().filter(|package| package.kind == RequestKind::Git) {
                let name = match &package.pin {
                    Pin::Moving(name) => name.as_str(),
                    Pin::None => "",
                    _ => continue,
                };
                sink.find(file.place(package.value.inner_span()), moves(name));
            }
        });
    },
    ..Rule::BLANK
};

fn is_commit(text: &str) -> bool {
    (7..=64).contains(&text.len()) && text.bytes().all(|byte| byte.is_ascii_hexdigit())
}

fn moves(name: &str) -> String {
    if name.is_empty() {
        "the default branch moves".to_owned()
    } else {
        format!("`{name}` can be moved to another commit")
    }
}

/// Credentials in a URL.
pub static URL_SECRET: Rule = Rule {
    id: "url-credentials",
    family: Family::Privilege,
    levels: Levels::WARNING,
    title: "no URL holds credentials",
    why: "A password in a URL stands in the Dockerfile, in the image's history, in logs and in `.git/config`.",
    fix: "give it as a secret (`RUN --mount=type=secret`) and change it: it is known now",
    bad: Example(
        "FROM registry.example.com/base:1\nRUN git clone «https://oauth2:glpat-Xk29dLmQpR7sTuVw3yZa@git.example.com/a.git»\nENV http_proxy=«http://proxy:Welcome1@proxy.example.com:3128» \\\n    DB_URL=«postgresql+psycopg2://airflow:airflow@db/airflow»\n",
    ),
    good: Example(
        "FROM registry.example.com/base:1\nARG TOKEN\nENV DB_URL=postgresql://airflow:${TOKEN}@db/airflow PROXY=http://proxy.example.com:3128\nRUN git clone https://git.example.com/a.git\nRUN curl -fsSLO https://user@downloads.example.org/a\n",
    ),
    needs: &[Need::Commands],
    judge: |facts, sink| {
        for file in &facts.dockerfiles {
            super::secrets::each_setting(file, |_, _, span, value| {
                if url_password(&value.text()).is_some() {
                    sink.find(file.place(span), "a password in a URL");
                }
            });
            for (_, _, command) in file.each_command() {
                for word in &command.words {
                    if has_password(word) {
                        sink.find(file.place(word.inner_span()), "a password in a URL");
                    }
                }
            }
            for stage in &file.stages {
                for download in stage.instructions.iter().flat_map(|own| &own.downloads) {
                    if download.command.is_none() && has_password(&download.url) {
                        sink.find(file.place(download.url_span), "a password in a URL");
                    }
                }
            }
        }
    },
    ..Rule::BLANK
};

fn has_password(word: &Value) -> bool {
    let text = word.text();
    let Some((_, rest)) = text.split_once("://") else { return false };
    let authority = rest.split(['/', '?', ' ']).next().unwrap_or_default();
    let Some((user, _)) = authority.rsplit_once('@') else { return false };
    let Some((_, password)) = user.split_once(':') else { return false };
    !password.is_empty() && !password.contains('$') && (is_url(word) || text.contains("://"))
}

/// These rules.
pub const RULES: &[&Rule] = &[
    &PIPE_TO_SHELL,
    &PIPE_TO_TAR,
    &UNCHECKED,
    &ADD_UNCHECKED,
    &HTTP,
    &INSECURE,
    &NO_FAIL,
    &MUTABLE,
    &GIT_REVISION,
    &URL_SECRET,
];
