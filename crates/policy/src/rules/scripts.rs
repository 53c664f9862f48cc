//! Rules on scripts outside Dockerfiles: files, steps of pipelines, commands of containers.

use dockerfile::shell::Invocation;

use super::downloads::piped_to_shell;
use super::manifests::switch_off;
use super::secrets::command_secrets;
use crate::facts::manifest::{is_placeholder, is_secret_name, known_token};
use crate::finding::Place;
use crate::level::Levels;
use crate::rule::{Example, Family, Need, Rule};

/// A script from the network, run at once.
pub static TO_SHELL: Rule = Rule {
    id: "script-download-to-shell",
    family: Family::Downloads,
    levels: Levels::WARNING,
    title: "no script runs what it has just downloaded",
    why: "Whoever controls the server, or the way to it, runs what he likes with the rights of whoever runs the script; in a \
          pipeline those are rights to push images. A download that breaks off runs half.",
    fix: "download a fixed version, compare its digest, then run it",
    bad: Example(
        "//- task.yaml\napiVersion: tekton.dev/v1\nkind: Task\nmetadata: {name: a}\nspec:\n  steps:\n    - name: go\n      image: registry.example.com/tools:1\n      script: |\n        #!/bin/bash\n        set -e\n        «curl -sSL https://get.example.com/i.sh» \\\n          | bash\n//- setup.sh\n#!/bin/sh\n«wget -qO- https://get.example.com/i.sh» | sudo sh\n",
    ),
    good: Example(
        "//- setup.sh\n#!/bin/sh\ncurl -fsSLo i.sh https://get.example.com/i.sh\necho 'aa  i.sh' | sha256sum -c && sh i.sh\ncurl -s https://example.com/list | grep x\n//- tool.sh\n#!/usr/bin/env python3\nprint('curl https://x | sh')\n",
    ),
    needs: &[Need::Files, Need::Manifests],
    judge: |facts, sink| {
        for script in &facts.scripts {
            for (span, message) in piped_to_shell(&script.run) {
                sink.find(script.place(span), message);
            }
        }
    },
    ..Rule::BLANK
};

/// Secrets in scripts.
pub static SECRET: Rule = Rule {
    id: "script-secret",
    family: Family::Privilege,
    levels: Levels::WARNING,
    title: "a script holds no secret",
    why: "It is in the repository for everybody who may read it, in the history for ever, and in the list of processes of every \
          machine that runs it.",
    fix: "take it from a secret of the cluster or the environment; and change it: it is known",
    bad: Example(
        "//- login.sh\npodman login -u ci -p «S3cretNexus1» registry.example.com\nexport DB_PASSWORD=«hunter2hunter2»\noc login --token=«sha256~abcDEFghiJKLmnoPQRstuVWXyz0123456789abcdEFG» https://api.example.com:6443\n",
    ),
    good: Example(
        "//- login.sh\npodman login -u ci -p \"$NEXUS_PASSWORD\" registry.example.com\nexport DB_PASSWORD=$(cat /run/secrets/db) TOKEN_FILE=/x\nexport PGPASSWORD=${PGPASSWORD:-}\n",
    ),
    needs: &[Need::Files, Need::Manifests],
    judge: |facts, sink| {
        for script in &facts.scripts {
            for command in &script.run.commands {
                let secrets = command_secrets(command).into_iter();
                let found: Vec<_> = secrets.chain(tokens(command)).chain(assigned(command)).collect();
                let mut seen = std::collections::BTreeSet::new();
                for (span, message) in found {
                    if seen.insert(span.end) {
                        sink.find(script.place(span), message);
                    }
                }
            }
        }
    },
    ..Rule::BLANK
};

/// Words that are known by their form.
fn tokens(command: &Invocation) -> Vec<(dockerfile::Span, String)> {
    let words = command.words.iter();
    words
        .filter_map(|word| {
            let (_, _, what) = known_token(&word.text())?;
            Some((word.inner_span(), format!("this is {what}")))
        })
        .collect()
}

/// Variables of the script itself: `PASSWORD=...` on a line of its own.
fn assigned(command: &Invocation) -> Vec<(dockerfile::Span, String)> {
    let pairs = command.assignments.iter().filter(|_| command.words.is_empty());
    pairs
        .filter(|(name, value)| {
            is_secret_name(name) && value.known().is_some_and(|text| !is_placeholder(text))
        })
        .map(|(name, value)| (value.inner_span(), format!("the value of `{name}` is for everybody to read")))
        .collect()
}

/// Verification turned off in files of scripts; in manifests another rule finds it.
pub static TLS: Rule = Rule {
    id: "script-tls-off",
    family: Family::Downloads,
    levels: Levels::DOUBT,
    title: "a script's commands verify whom they speak with",
    why: "Anybody on the way can hand out other files, or take the login that is sent.",
    fix: "verify, and give the tool the authority's certificate",
    bad: Example(
        "//- get.sh\n#!/bin/sh\nif true; then\n  curl «-sk» -o a.tgz https://downloads.example.org/a.tgz\nfi\n",
    ),
    good: Example(
        "//- get.sh\n#!/bin/sh\n# never curl -k\ncurl -fsS -o a.tgz https://downloads.example.org/a.tgz\n",
    ),
    needs: &[Need::Files],
    judge: |facts, sink| {
        for script in facts.scripts.iter().filter(|script| script.own_file) {
            let text = &facts.source(script.source).text;
            let whole = Place::new(script.source, dockerfile::Span::new(0, text.len()));
            for (span, line) in facts.lines(whole) {
                if line.trim_start().starts_with('#') {
                    continue;
                }
                if let Some((at, length, word)) = switch_off(line) {
                    let spot = dockerfile::Span::new(span.start + at, span.start + at + length);
                    sink.find(script.place(spot), format!("`{word}`: nothing is verified"));
                }
            }
        }
    },
    ..Rule::BLANK
};

/// These rules.
pub const RULES: &[&Rule] = &[&TO_SHELL, &SECRET, &TLS];
