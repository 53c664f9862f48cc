//! Downloads that are something else tomorrow.

use super::checked::is_companion;
use super::each_download;
use crate::facts::commands::{Fetcher, Pin, RequestKind};
use crate::level::{Level, Levels};
use crate::rule::{Example, Family, Need, Rule};
use crate::rules::packages;

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
        packages::each_manager(facts, |file, _, _, _, command| {
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
