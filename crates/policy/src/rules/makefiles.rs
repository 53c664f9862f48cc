//! Makefiles: what their recipes run.

use super::manifests::switch_off;
use crate::facts::manifest::{is_placeholder, is_secret_name};
use crate::finding::Place;
use crate::level::Levels;
use crate::rule::{Example, Family, Need, Rule};

/// Verification turned off in Makefiles.
pub static TLS: Rule = Rule {
    id: "makefile-tls-off",
    family: Family::Downloads,
    levels: Levels::WARNING,
    title: "a Makefile's commands verify whom they speak with",
    why: "Anybody on the way can hand out other files, or take the image and the login.",
    fix: "verify, and give the tool the authority's certificate",
    bad: Example("//- Makefile\npush:\n\tpodman push «--tls-verify=false» registry.example.com/a:1\n"),
    good: Example("//- Makefile\npush:\n\tpodman push registry.example.com/a:1\n"),
    also: &[],
    needs: &[Need::Files],
    judge: |facts, sink| {
        for recipe in facts.recipes() {
            if let Some((at, length, word)) = switch_off(&recipe.line) {
                let start = recipe.place.span.start + at;
                let place = Place::new(recipe.place.source, dockerfile::Span::new(start, start + length));
                sink.find(place, format!("`{word}`: nothing is verified"));
            }
        }
    },
};

/// Secrets on command lines of Makefiles.
pub static SECRET: Rule = Rule {
    id: "makefile-secret",
    family: Family::Privilege,
    levels: Levels::WARNING,
    title: "a Makefile holds no secret",
    why: "It is in the repository, in the list of processes of every machine that runs it, and as a build argument in the image's history.",
    fix: "take it from a variable of the environment, or a build secret; and change it: it is known",
    bad: Example(
        "//- Makefile\nNEXUS_PASSWORD ?= «admin123»  # of the lab\nbuild:\n\tpodman build --build-arg PASSWORD=«letmein123» .\n",
    ),
    good: Example(
        "//- Makefile\nPASSWORD ?= $(shell cat /run/secrets/p)\nTOKEN :=\nbuild:\n\tpodman build --secret id=password,env=PASSWORD .\n",
    ),
    also: &[],
    needs: &[Need::Files],
    judge: |facts, sink| {
        for (name, value, place) in facts.make_variables() {
            if is_secret_name(&name) && !is_placeholder(&value) {
                sink.find(place, format!("the value of `{name}` stands here readable"));
            }
        }
        for recipe in facts.recipes() {
            for (at, value) in secrets_of(&recipe.line) {
                let start = recipe.place.span.start + at;
                let place =
                    Place::new(recipe.place.source, dockerfile::Span::new(start, start + value.len()));
                sink.find(place, "a secret stands on a command line");
            }
        }
    },
};

/// Secrets of a command: `NAME=value`, `--password value`, `login -p value`. Each with where it begins.
fn secrets_of(line: &str) -> Vec<(usize, &str)> {
    let mut found = Vec::new();
    let mut at = 0;
    let mut before = "";
    let login = line.split_whitespace().any(|word| word == "login");
    for word in line.split(' ') {
        let option = before.trim_start_matches('-');
        let named = before.starts_with("--") && is_secret_name(option) || login && before == "-p";
        let value = match word.split_once('=') {
            Some((name, value)) if is_secret_name(name) => Some((at + name.len() + 1, value)),
            _ if named => Some((at, word)),
            _ => None,
        };
        found.extend(value.filter(|(_, value)| !is_placeholder(value) && !value.starts_with(['-', '`'])));
        at += word.len() + 1;
        if !word.is_empty() {
            before = word;
        }
    }
    found
}

/// Downloads that are run.
pub static PIPE: Rule = Rule {
    id: "makefile-pipe-to-shell",
    family: Family::Downloads,
    levels: Levels::WARNING,
    title: "a Makefile runs nothing that it has just downloaded",
    why: "Whoever controls the server, or the way to it, runs what he likes on the machine; and a download that breaks off runs half.",
    fix: "download a fixed version, compare its digest, then run it",
    bad: Example("//- Makefile\ntools:\n\t«curl -sSL https://get.example.com/install.sh \\\n\t  | sh»\n"),
    good: Example("//- Makefile\ntools:\n\tcurl -sSfLo install.sh https://get.example.com/install.sh\n"),
    also: &[],
    needs: &[Need::Files],
    judge: |facts, sink| {
        for recipe in facts.recipes() {
            let fetches = recipe.line.contains("curl ") || recipe.line.contains("wget ");
            let runs = recipe.line.split('|').skip(1).any(|part| {
                let mut words = part.split_whitespace().filter(|word| *word != "sudo" && !word.contains('='));
                words.next().is_some_and(|word| {
                    matches!(word.rsplit('/').next(), Some("sh" | "bash" | "python" | "python3" | "$(SHELL)"))
                })
            });
            if fetches && runs {
                sink.find(recipe.place, "what is downloaded is run at once");
            }
        }
    },
};

/// These rules.
pub const RULES: &[&Rule] = &[&TLS, &SECRET, &PIPE];
