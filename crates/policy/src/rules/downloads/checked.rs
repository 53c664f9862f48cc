//! Whether what is downloaded is compared with a digest or a signature.

use std::collections::BTreeSet;

use dockerfile::shell::{Invocation, Value};

use super::each_download;
use crate::facts::commands::{Download, Fetcher, Target};
use crate::facts::dockerfile::{InstructionFacts, StageFacts};
use crate::level::{Level, Levels};
use crate::rule::{Example, Family, Need, Rule};

pub(super) fn is_digest_program(program: &str) -> bool {
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

pub(super) fn directory_of<'f>(instruction: &'f InstructionFacts, download: &Download) -> Option<&'f str> {
    let command = download.command.and_then(|index| instruction.commands.get(index));
    command.map_or(instruction.directory.as_deref(), |command| command.directory.as_deref())
}

fn shown(path: &str) -> String {
    path.chars().take(80).collect()
}

/// A digest or a signature, which is what checks another file.
pub(super) fn is_companion(download: &Download) -> bool {
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
pub(super) fn is_checked(
    stage: &StageFacts,
    instruction: &InstructionFacts,
    download: &Download,
    path: &str,
) -> bool {
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
