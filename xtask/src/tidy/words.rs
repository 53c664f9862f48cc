//! What must not be written down anywhere, and which of two words we use.

use super::{Findings, Source};

/// Parts of host names that packages come from, put together here so that this file does not name them
/// either. Upstreams are the machine's own configuration's business.
const REGISTRIES: [(&str, &str); 13] = [
    ("deb.debian", ".org"),
    ("security.debian", ".org"),
    ("snapshot.debian", ".org"),
    ("archive.ubuntu", ".com"),
    ("crates", ".io"),
    ("registry.npmjs", ".org"),
    ("pypi", ".org"),
    ("pythonhosted", ".org"),
    ("proxy.golang", ".org"),
    ("sum.golang", ".org"),
    ("repo1.maven", ".org"),
    ("repo.maven.apache", ".org"),
    ("cran.r-project", ".org"),
];

/// The other word, and ours. Looked for in comments and documents only.
const WORDS: [(&str, &str); 6] = [
    ("whitelist", "waiver, or what it allows"),
    ("blacklist", "what it refuses"),
    ("chroot jail", "sandbox"),
    ("build ctx", "build context"),
    ("checksum of a layer", "digest"),
    ("vertex", "step"),
];

/// Package registries by name.
pub fn registries(sources: &[Source]) -> Findings {
    let mut findings = Vec::new();
    for source in sources.iter().filter(|source| source.path != "Cargo.lock") {
        for (number, line) in source.text.lines().enumerate() {
            if let Some((start, end)) =
                REGISTRIES.iter().find(|(start, end)| line.contains(&format!("{start}{end}")))
            {
                findings.push(format!("{}:{}: names {start}…{end}", source.path, number + 1));
            }
        }
    }
    findings
}

/// Absolute paths below somebody's home or this work tree.
pub fn machine_paths(sources: &[Source]) -> Findings {
    let root = crate::workspace::root();
    let homes =
        [root.to_string_lossy().into_owned(), ["/root", ".cargo"].join("/"), ["/home", "user"].join("/")];
    let mut findings = Vec::new();
    for source in sources {
        for (number, line) in source.text.lines().enumerate() {
            if homes.iter().any(|home| line.contains(home)) {
                findings.push(format!("{}:{}: a path of one machine", source.path, number + 1));
            }
        }
    }
    findings
}

/// Words that we have another one for.
pub fn glossary(sources: &[Source]) -> Findings {
    let mut findings = Vec::new();
    for source in sources.iter().filter(|source| source.path != "xtask/src/tidy/words.rs") {
        let document = source.path.ends_with(".md") && source.path != "GLOSSARY.md";
        for (number, line) in source.text.lines().enumerate() {
            let comment = line.trim_start().starts_with("//") && source.path.ends_with(".rs");
            if !document && !comment {
                continue;
            }
            let lower = line.to_lowercase();
            for (word, ours) in WORDS.iter().filter(|(word, _)| lower.contains(word)) {
                findings.push(format!("{}:{}: `{word}`; we say {ours}", source.path, number + 1));
            }
        }
    }
    findings
}
