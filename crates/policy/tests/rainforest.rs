//! The example `rainforest` keeps the standards of the profile that is named after it, and small changes break them at the
//! line that was changed.

use std::path::Path;

use policy::{Facts, Judgement, Level, Profile, Standards, Waivers, judge};
use project::files::Memory;

/// The example's files, by path.
fn example() -> Vec<(String, String)> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../examples/rainforest");
    let mut found = Vec::new();
    let mut waiting = vec![root.clone()];
    while let Some(directory) = waiting.pop() {
        for entry in std::fs::read_dir(&directory).expect("the example is there") {
            let path = entry.expect("it is listed").path();
            if path.is_dir() {
                waiting.push(path);
            } else if let Ok(text) = std::fs::read_to_string(&path) {
                let name = path.strip_prefix(&root).expect("it is below").to_str().expect("a plain name");
                found.push((name.to_owned(), text));
            }
        }
    }
    found
}

fn judged(files: &[(String, String)]) -> (Facts, Judgement) {
    let memory = files.iter().map(|(name, text)| (name.clone(), text.clone().into_bytes()));
    let facts = Facts::gather(&Memory::new(memory));
    let standards = Standards::new(Profile::Rainforest, "2026-11-21".parse().expect("a date"));
    let judgement = judge(&facts, &standards, &Waivers::none(), Vec::new());
    (facts, judgement)
}

/// Errors, as `file:line rule`.
fn errors(files: &[(String, String)]) -> Vec<String> {
    let (facts, judgement) = judged(files);
    let errors = judgement.findings.iter().filter(|finding| finding.level == Level::Error);
    errors
        .map(|finding| {
            let source = facts.source(finding.place.source);
            let line = dockerfile::line_column(&source.text, finding.place.span.start).line;
            format!("{}:{line} {}", source.name, finding.rule)
        })
        .collect()
}

#[test]
fn the_example_passes_its_profile() {
    assert_eq!(errors(&example()), Vec::<String>::new());
}

/// A small change to a copy of the example.
struct Variant {
    name: &'static str,
    file: &'static str,
    /// What is replaced; nothing puts the text at the file's end, and makes the file where there is none.
    old: &'static str,
    new: &'static str,
    expected: &'static str,
}

const SUPPLY_CHAIN: [Variant; 7] = [
    Variant {
        name: "a base of nobody's",
        file: "supply-chain/bucket/Dockerfile",
        old: "FROM ubi-base\n",
        new: "FROM docker.io/somebody/ubi-base:9\n",
        expected: "supply-chain/bucket/Dockerfile:12 base-not-approved",
    },
    Variant {
        name: "the vendor's base without a version",
        file: "supply-chain/ubi-base/Dockerfile",
        old: "ubi9/ubi:9.5",
        new: "ubi9/ubi",
        expected: "supply-chain/ubi-base/Dockerfile:2 base-latest",
    },
    Variant {
        name: "a package in whatever version is newest, on a continued line",
        file: "supply-chain/airflow-runner/Dockerfile",
        old: "RUN pip install --no-binary lxml -r requirements.txt",
        new: "RUN pip install --no-binary lxml \\\n      -r requirements.txt \\\n # what the tests need\n      pytest",
        expected: "supply-chain/airflow-runner/Dockerfile:6 package-unpinned",
    },
    Variant {
        name: "a script from the network, run at once",
        file: "supply-chain/notebook-base/Dockerfile",
        old: " && rm -rf /var/lib/apt/lists/*\n",
        new: " && rm -rf /var/lib/apt/lists/* \\\n && wget -qO- https://get.example.com/notebook.sh | bash -s -- --yes\n",
        expected: "supply-chain/notebook-base/Dockerfile:5 download-to-shell",
    },
    Variant {
        name: "a program that somebody else compiled",
        file: "supply-chain/bucket/Dockerfile",
        old: "WORKDIR /src\n",
        new: "WORKDIR /src\nARG MC=2024.1\nRUN curl --fail --silent --show-error --output /usr/local/bin/mc https://dl.example.com/mc-${MC}-linux-amd64 \\\n && echo '5891b5b522d5df086d0ff0b110fbd9d21bb4fc7163af34d08286a2e846f6be03  /usr/local/bin/mc' | sha256sum --check\n",
        expected: "supply-chain/bucket/Dockerfile:8 prebuilt-fetched",
    },
    Variant {
        name: "Java without long support, and past its end",
        file: "supply-chain/orders/Dockerfile",
        old: "openjdk-17-jre-headless",
        new: "openjdk-16-jre-headless",
        expected: "supply-chain/orders/Dockerfile:13 java-not-lts",
    },
    Variant {
        name: "a language older than the floor",
        file: "supply-chain/bucket/go.mod",
        old: "\ngo 1.",
        new: "\ngo 1.16 // was 1.",
        expected: "supply-chain/bucket/go.mod:3 language-floor",
    },
];

const EVERYWHERE: [Variant; 6] = [
    Variant {
        name: "a certificate nobody verifies",
        file: "supply-chain/orders/Dockerfile",
        old: "RUN mvn --batch-mode",
        new: "ENV MAVEN_OPTS=-Xmx1g\nRUN mvn -Dmaven.wagon.http.ssl.insecure=true --batch-mode",
        expected: "supply-chain/orders/Dockerfile:10 package-insecure",
    },
    Variant {
        name: "a version that the shell takes for a file",
        file: "supply-chain/airflow-worker/Dockerfile",
        old: "-r requirements.txt",
        new: "-r requirements.txt \\\n      six>=1.16",
        expected: "supply-chain/airflow-worker/Dockerfile:4 version-redirected",
    },
    Variant {
        name: "a build context with a typing mistake",
        file: "kapok.yaml",
        old: "    context: supply-chain/orders\n",
        new: "    context: supply-chain/oders\n",
        expected: "kapok.yaml:66 build-path-missing",
    },
    Variant {
        name: "a password in the image's configuration",
        file: "supply-chain/airflow-webserver/Dockerfile",
        old: "USER 1001\n",
        new: "ENV AIRFLOW_HOME=/opt/app \\\n    DB_PASSWORD=Kd93mfQx81\nUSER 1001\n",
        expected: "supply-chain/airflow-webserver/Dockerfile:12 secret-in-env",
    },
    Variant {
        name: "the last user is root",
        file: "supply-chain/notebook-datascience/Dockerfile",
        old: "USER 1001\n",
        new: "",
        expected: "supply-chain/notebook-datascience/Dockerfile:2 user-root",
    },
    Variant {
        name: "a second index beside the central one",
        file: "supply-chain/airflow-scheduler/requirements.txt",
        old: "",
        new: "--extra-index-url https://other.example.com/simple\n",
        expected: "supply-chain/airflow-scheduler/requirements.txt:3 settings-extra-index",
    },
];

fn broken(variant: &Variant) -> Vec<(String, String)> {
    let mut files = example();
    match files.iter_mut().find(|(name, _)| name == variant.file) {
        Some((_, text)) if variant.old.is_empty() => text.push_str(variant.new),
        Some((_, text)) => {
            assert!(text.contains(variant.old), "{}: the example has changed", variant.name);
            // The last place: final stages stand below those that they copy from.
            let at = text.rfind(variant.old).expect("it was found");
            text.replace_range(at..at + variant.old.len(), variant.new);
        }
        None => files.push((variant.file.to_owned(), variant.new.to_owned())),
    }
    files
}

#[test]
fn each_broken_variant_fails_at_its_rule_and_line() {
    let mut wrong = Vec::new();
    for variant in SUPPLY_CHAIN.iter().chain(&EVERYWHERE) {
        let found = errors(&broken(variant));
        if !found.iter().any(|line| line == variant.expected) {
            wrong.push(format!("{}: not `{}` but {found:?}", variant.name, variant.expected));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}
