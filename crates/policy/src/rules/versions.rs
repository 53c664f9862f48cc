//! Rules on versions that stand in more than one place.

use dockerfile::InstructionKind;

use crate::facts::Facts;
use crate::facts::dockerfile::{Base, DockerfileFacts, StageFacts};
use crate::level::Levels;
use crate::rule::{Example, Family, Need, Rule};

/// A version that stands in two places and differs.
pub static VERSION_TWICE: Rule = Rule {
    bad: Example(
        "FROM registry.example.com/base:1\nENV AIRFLOW_VERSION=2.2.0\nRUN pip install apache-airflow==«2.3.0»\nFROM registry.access.redhat.com/ubi9/python-311:1\nARG PYTHON_VERSION=«3.9»\n",
    ),
    good: Example(
        "FROM registry.example.com/base:1\nARG AIRFLOW_VERSION=2.2.0\nRUN pip install apache-airflow==${AIRFLOW_VERSION} other==1.0\nFROM registry.access.redhat.com/ubi9/python-311:1\nARG PYTHON_VERSION=3.11\n",
    ),
    needs: &[Need::Instructions, Need::Packages],
    judge: |facts, sink| judge_versions(facts, sink),
    ..Rule::of(
        Family::Correctness,
        "version-twice",
        Levels::DOUBT,
        "a version that stands twice is the same twice",
        "Of two versions one is wrong, or a lie in the image's own words.",
        "write it once, in an ARG, and use that",
    )
};

fn judge_versions(facts: &Facts, sink: &mut crate::Sink<'_>) {
    for file in &facts.dockerfiles {
        for stage in &file.stages {
            let declared = declared_versions(file, stage);
            for (name, value, span) in &declared {
                let stem = stem(name);
                let base = match &stage.base {
                    Base::Image(image) => image.reference.as_ref(),
                    _ => None,
                };
                let product = crate::lifecycle::product(&stem);
                let of_base = base.map(crate::lifecycle::of_image).unwrap_or_default();
                if let Some(release) = of_base.iter().find(|release| Some(release.product) == product)
                    && !agrees(value, &release.version)
                {
                    sink.find(
                        file.place(*span),
                        format!("the base says {} {}", release.title(), release.version),
                    );
                }
            }
            for own in &stage.instructions {
                for (_, command) in &own.managers {
                    for package in &command.packages {
                        let crate::facts::commands::Pin::Exact(version) = &package.pin else { continue };
                        let name = package.name.to_ascii_lowercase().replace(['_', '.'], "-");
                        let fits = |variable: &str| {
                            let stem = stem(variable).replace('_', "-");
                            !stem.is_empty()
                                && (name == stem
                                    || name == format!("apache-{stem}")
                                    || name == format!("python3-{stem}"))
                        };
                        let other = declared.iter().find(|(variable, value, span)| {
                            fits(variable) && !agrees(value, version) && span.start < own.span.start
                        });
                        // A version that comes from a variable is written once.
                        let written = facts.text(file.place(package.value.span));
                        if let Some((variable, value, _)) =
                            other.filter(|_| written.contains(version.as_str()))
                        {
                            let at = package.value.inner_span().start
                                + written.trim_start_matches(['"', '\'']).find(version.as_str()).unwrap_or(0);
                            let span = dockerfile::Span::new(at, at + version.len());
                            sink.find(file.place(span), format!("`{variable}` says {value}"));
                        }
                    }
                }
            }
        }
    }
}

/// `X_VERSION` with a value, in a stage and before the first FROM.
fn declared_versions(file: &DockerfileFacts, stage: &StageFacts) -> Vec<(String, String, dockerfile::Span)> {
    let mut found = Vec::new();
    for instruction in &file.tree.stages[stage.index].instructions {
        let pairs: Vec<_> = match &instruction.kind {
            InstructionKind::Arg(list) => list
                .iter()
                .filter_map(|own| own.default.as_ref().map(|default| (&own.key.raw, default)))
                .collect(),
            InstructionKind::Env(list) => list.iter().map(|pair| (&pair.key.raw, &pair.value)).collect(),
            _ => continue,
        };
        for (name, word) in pairs {
            let value = word.raw.trim_matches(['"', '\'']);
            if name.ends_with("_VERSION")
                && value.starts_with(|next: char| next.is_ascii_digit())
                && !value.contains('$')
            {
                found.push((name.clone(), value.to_owned(), word.span));
            }
        }
    }
    found
}

/// `AIRFLOW_VERSION` is about airflow.
fn stem(name: &str) -> String {
    let stem = name.strip_suffix("_VERSION").unwrap_or_default().to_ascii_lowercase();
    match stem.as_str() {
        "jdk" | "openjdk" => "java".to_owned(),
        "golang" => "go".to_owned(),
        "nodejs" => "node".to_owned(),
        _ => stem,
    }
}

/// Whether one version is the other, or a part of it.
fn agrees(one: &str, other: &str) -> bool {
    let (one, other) = (one.trim_start_matches('v'), other.trim_start_matches('v'));
    let mut parts = one.split(['.', '-', '+', '_']).zip(other.split(['.', '-', '+', '_']));
    parts.all(|(one, other)| one == other || other.starts_with('$') || one.starts_with('$'))
}

/// These rules.
pub const RULES: &[&Rule] = &[&VERSION_TWICE];
