//! Rules on the versions of languages: floors, and ends of life by date.

use dockerfile::Span;

use super::base::each_image;
use super::packages::each_manager;
use crate::facts::Facts;
use crate::facts::commands::{Action, Manager, Pin};
use crate::facts::dockerfile::DockerfileFacts;
use crate::level::{Level, Levels};
use crate::lifecycle::{self, Release};
use crate::rule::{Example, Family, Need, Rule, Sink};

/// Languages, as opposed to operating systems.
const LANGUAGES: [&str; 7] = ["python", "java", "go", "node", "ruby", "php", "rust"];

/// Every release of a language that a Dockerfile names: in bases, packages, variables, downloads.
fn each_release(facts: &Facts, mut say: impl FnMut(&DockerfileFacts, Span, Release)) {
    each_image(facts, |file, _, name, place, _| {
        let Some(reference) = &name.reference else { return };
        for release in
            lifecycle::of_image(reference).into_iter().filter(|release| LANGUAGES.contains(&release.product))
        {
            say(file, place.span, release);
        }
    });
    each_manager(facts, |file, _, _, _, command| {
        for package in command.packages.iter().filter(|_| command.manager == Manager::Conda) {
            let product = match package.name.as_str() {
                "python" => "python",
                "openjdk" => "java",
                "nodejs" => "node",
                "go" => "go",
                _ => continue,
            };
            if let Pin::Exact(version) | Pin::Range(version) = &package.pin {
                let version = lifecycle::leading_version(version);
                let release = Release { product, version };
                if !release.version.is_empty() {
                    say(file, package.value.inner_span(), release);
                }
            }
        }
        if !command.manager.is_system() || !matches!(command.action, Action::Install | Action::Repository) {
            return;
        }
        if command.action == Action::Repository {
            let enabled: Vec<_> =
                command.arguments.operands().filter(|word| word.text().contains(':')).cloned().collect();
            for word in enabled {
                if let Some(release) = lifecycle::of_package(&word.text()) {
                    say(file, word.inner_span(), release);
                }
            }
        }
        for package in &command.packages {
            let name = package.name.trim_start_matches('@');
            if let Some(release) = lifecycle::of_package(name) {
                say(file, package.value.inner_span(), release);
            }
        }
    });
    for file in &facts.dockerfiles {
        each_version_variable(file, &mut say);
        for download in
            file.stages.iter().flat_map(|stage| &stage.instructions).flat_map(|own| &own.downloads)
        {
            if let Some(release) = of_url(&download.url.text()) {
                say(file, download.url_span, release);
            }
        }
    }
}

/// `ARG PYTHON_VERSION=3.6`, `ENV GO_VERSION 1.16`, where something uses them.
fn each_version_variable(file: &DockerfileFacts, say: &mut impl FnMut(&DockerfileFacts, Span, Release)) {
    let globals = file.tree.global_args.iter();
    let all = globals.chain(file.tree.stages.iter().flat_map(|stage| &stage.instructions));
    for instruction in all {
        let pairs: Vec<(&str, &str, Span)> = match &instruction.kind {
            dockerfile::InstructionKind::Arg(list) => list
                .iter()
                .filter_map(|own| {
                    own.default
                        .as_ref()
                        .map(|default| (own.key.raw.as_str(), default.raw.as_str(), default.span))
                })
                .collect(),
            dockerfile::InstructionKind::Env(list) => list
                .iter()
                .map(|pair| (pair.key.raw.as_str(), pair.value.raw.as_str(), pair.value.span))
                .collect(),
            _ => continue,
        };
        for (name, value, span) in pairs {
            let stem = name.to_ascii_uppercase();
            let Some(stem) =
                ["_VERSION", "_VER", "_MAJOR_VERSION"].iter().find_map(|end| stem.strip_suffix(end))
            else {
                continue;
            };
            let product = match stem {
                "PYTHON" | "PY" | "PYTHON3" => "python",
                "JAVA" | "JDK" | "JRE" | "OPENJDK" => "java",
                "GO" | "GOLANG" => "go",
                "NODE" | "NODEJS" | "NODE_JS" => "node",
                "RUBY" => "ruby",
                "PHP" => "php",
                "RUST" => "rust",
                _ => continue,
            };
            let value = value.trim_matches(['"', '\'']);
            let mut version = lifecycle::leading_version(value);
            if product == "java" {
                version = version
                    .strip_prefix("1.")
                    .unwrap_or(&version)
                    .split('.')
                    .next()
                    .unwrap_or_default()
                    .to_owned();
            }
            if !version.is_empty() && !value.contains('$') {
                say(file, span, Release { product, version });
            }
        }
    }
}

/// `.../Python-2.7.18.tgz`, `.../go1.16.3.linux-amd64.tar.gz`, `.../node-v12.1.0-linux-x64.tar.xz`.
fn of_url(url: &str) -> Option<Release> {
    let name = url.split(['?', '#']).next()?.rsplit('/').next()?.to_ascii_lowercase();
    let archive = [".tgz", ".tar.gz", ".tar.xz", ".zip", ".tar.bz2"].iter().any(|end| name.ends_with(end));
    let (product, version) = if let Some(rest) = name.strip_prefix("python-") {
        ("python", rest)
    } else if let Some(rest) = name.strip_prefix("node-v") {
        ("node", rest)
    } else if let Some(rest) = name.strip_prefix("ruby-") {
        ("ruby", rest)
    } else if let Some(rest) = name.strip_prefix("php-") {
        ("php", rest)
    } else {
        ("go", name.strip_prefix("go")?)
    };
    let version = lifecycle::leading_version(version);
    (archive && version.contains('.')).then_some(Release { product, version })
}

/// Below the floor.
pub static FLOOR: Rule = Rule {
    id: "language-floor",
    family: Family::Languages,
    levels: Levels::STANDARD,
    title: "languages are at least as new as the standard asks",
    why: "One floor for all images keeps libraries and their fixes usable everywhere. The profile `rainforest` asks for Python \
          3.8, Java 11 and Go 1.17; `check.floors` sets others.",
    fix: "move to a supported release",
    bad: Example(
        "//- Dockerfile\nFROM «python:3.6-slim»\nRUN dnf install -y «java-1.8.0-openjdk» && conda install -y «python=3.7»\nARG GO_VERSION=«1.16.3»\n//- go.mod\nmodule example.com/x\n\ngo «1.15»\n//- pom.xml\n<properties>\n  <maven.compiler.source>«1.8»</maven.compiler.source>\n</properties>\n//- pyproject.toml\n[project]\nrequires-python = \">=«3.6»,<4\"\n//- lib/setup.cfg\n[options]\npython_requires = >=«3.7»\n//- .python-version\n«3.6.15»\n",
    ),
    good: Example(
        "//- Dockerfile\nFROM python:3.14-slim\nRUN dnf install -y java-21-openjdk python3\nARG GO_VERSION=1.27\n//- go.mod\nmodule example.com/x\n\ngo 1.27.1\n//- pom.xml\n<java.version>17</java.version>\n<version>8</version>\n//- pyproject.toml\n[project]\nrequires-python = \">=3.11\"\n[tool.poetry.dependencies]\npython = \"^3.11\"\npython-dateutil = \"^2.8\"\n",
    ),
    needs: &[Need::Instructions, Need::Packages, Need::Files, Need::Tree],
    judge: |facts, sink| {
        let standards = sink.standards;
        each_release(facts, |file, span, release| {
            if let Some(floor) = standards.floors.get(release.product).filter(|floor| release.is_below(floor))
            {
                let message = format!("{} {} is older than {floor}", release.title(), release.version);
                sink.find(file.place(span), message).about(file.image.as_deref());
            }
        });
        for declared in &facts.declared_versions {
            let release = &declared.release;
            if let Some(floor) = standards.floors.get(release.product).filter(|floor| release.is_below(floor))
            {
                let message = format!("{} {} is older than {floor}", release.title(), release.version);
                sink.find(declared.place, message);
            }
        }
    },
    ..Rule::BLANK
};

/// Past its end of life.
pub static ENDED: Rule = Rule {
    id: "language-end-of-life",
    family: Family::Languages,
    levels: Levels::of(Some(Level::Warning), Some(Level::Error), Some(Level::Error)),
    title: "languages are still supported",
    why: "Past its end of life an interpreter or a compiler gets no more security fixes.",
    fix: "move to a supported release",
    bad: Example(
        "FROM «python:3.7»\nFROM «golang:1.20» AS b\nRUN wget «https://downloads.example.org/Python-2.7.18.tgz»\n",
    ),
    good: Example("FROM python:3.14\nFROM golang:1.27 AS b\nFROM eclipse-temurin:21\n"),
    needs: &[Need::Instructions, Need::Packages, Need::Tree],
    judge: |facts, sink| judge_ended(facts, sink),
    ..Rule::BLANK
};

fn judge_ended(facts: &Facts, sink: &mut Sink<'_>) {
    let today = sink.standards.today;
    each_release(facts, |file, span, release| {
        if let Some(day) = release.ended(today) {
            let message = format!("{} {} ended on {day}", release.title(), release.version);
            sink.find(file.place(span), message);
        }
    });
    for declared in facts.declared_versions.iter().filter(|declared| declared.exact) {
        let release = &declared.release;
        if let Some(day) = release.ended(today) {
            let message = format!("{} {} ended on {day}", release.title(), release.version);
            sink.find(declared.place, message);
        }
    }
}

/// Java releases that live for half a year.
pub static NOT_LTS: Rule = Rule {
    id: "java-not-lts",
    family: Family::Languages,
    levels: Levels::of(Some(Level::Info), Some(Level::Warning), Some(Level::Error)),
    title: "Java is a release with long support",
    why: "Other releases of Java get fixes for half a year.",
    fix: "use 17, 21 or 25",
    bad: Example("FROM «eclipse-temurin:22-jre»\n"),
    good: Example("FROM eclipse-temurin:21-jre\nFROM openjdk:17\n"),
    judge: |facts, sink| {
        each_release(facts, |file, span, release| {
            if release.is_short_lived() == Some(true) {
                sink.find(file.place(span), format!("Java {} has no long support", release.version));
            }
        });
    },
    ..Rule::BLANK
};

/// These rules.
pub const RULES: &[&Rule] = &[&FLOOR, &ENDED, &NOT_LTS];
