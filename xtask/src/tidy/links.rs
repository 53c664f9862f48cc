//! Links inside documents.

use std::path::Path;

use super::{Findings, Source};
use crate::workspace;

/// Every relative link of a Markdown file leads to a file, and its `#part` to a heading.
pub fn alive(sources: &[Source]) -> Findings {
    let mut findings = Vec::new();
    for source in sources.iter().filter(|source| source.path.ends_with(".md")) {
        for (number, line) in source.text.lines().enumerate() {
            for target in targets(line) {
                if let Some(problem) = problem(source, target) {
                    findings.push(format!("{}:{}: {problem}", source.path, number + 1));
                }
            }
        }
    }
    findings
}

fn targets(line: &str) -> impl Iterator<Item = &str> {
    line.split("](").skip(1).filter_map(|rest| rest.split(')').next())
}

fn problem(source: &Source, target: &str) -> Option<String> {
    if target.contains("://") || target.starts_with("mailto:") {
        return None;
    }
    let (file, part) = target.split_once('#').map_or((target, None), |(file, part)| (file, Some(part)));
    let text = if file.is_empty() {
        source.text.clone()
    } else {
        let path = workspace::root().join(Path::new(&source.path).parent()?).join(file);
        if !path.exists() {
            return Some(format!("no `{file}`"));
        }
        std::fs::read_to_string(path).unwrap_or_default()
    };
    let part = part.filter(|_| file.is_empty() || file.ends_with(".md"))?;
    let known = text.lines().filter(|line| line.starts_with('#')).any(|line| anchor(line) == part);
    (!known).then(|| format!("no heading `#{part}`"))
}

/// A heading's anchor as code hosts make it.
fn anchor(heading: &str) -> String {
    let words = heading.trim_start_matches('#').trim().to_lowercase();
    words
        .chars()
        .filter(|character| character.is_alphanumeric() || " -_".contains(*character))
        .map(|character| if character == ' ' { '-' } else { character })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn links_to_nowhere_are_found() {
        let source = |text: &str| Source { path: "README.md".into(), text: text.into() };
        let findings = |text: &str| alive(&[source(text)]).len();
        assert_eq!(findings("# A part\n[x](#a-part) [y](Cargo.toml) [z](https://example.org)"), 0);
        assert_eq!(findings("[x](#b) [y](no-such-file.md)"), 2);
    }
}
