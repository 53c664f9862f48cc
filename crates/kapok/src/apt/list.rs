//! Lists of sources in both of their forms (sources.list(5)).

use build::base::debian::deb822::{Paragraph, paragraphs};

/// One source: some suites of some archives.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Entry {
    /// Roots of archives; all have the same content.
    pub uris: Vec<String>,
    /// Suites.
    pub suites: Vec<String>,
    /// Components.
    pub components: Vec<String>,
    /// Architectures that it is for; none: all.
    pub architectures: Vec<String>,
    /// Keyrings or fingerprints.
    pub signed_by: Vec<String>,
    /// A key that stands in the list itself, armoured.
    pub inline_key: Option<String>,
    /// Whether a Release file can run out, where the source says so.
    pub check_valid_until: Option<bool>,
}

/// More entries than anybody has; a list is read by root's trust, but not without end.
const ENTRIES_LIMIT: usize = 10_000;

impl Entry {
    /// Whether the source has packages for an architecture.
    pub fn serves(&self, architecture: &str) -> bool {
        self.architectures.is_empty() || self.architectures.iter().any(|one| one == architecture)
    }

    fn set(&mut self, option: &str, value: &str) {
        let words = |value: &str| -> Vec<String> {
            value.split([',', ' ', '\t', '\n']).filter(|word| !word.is_empty()).map(str::to_owned).collect()
        };
        match option.to_ascii_lowercase().as_str() {
            "arch" | "architectures" => self.architectures = words(value),
            "signed-by" if value.contains("-----BEGIN PGP PUBLIC KEY BLOCK-----") => {
                self.inline_key = Some(unfolded(value));
            }
            "signed-by" => self.signed_by = words(value),
            "check-valid-until" => self.check_valid_until = boolean(value),
            _ => {}
        }
    }
}

/// `deb [option=value ...] uri suite component...`, one per line.
pub fn one_line(text: &str) -> Vec<Entry> {
    text.lines().filter_map(parse_line).take(ENTRIES_LIMIT).collect()
}

fn parse_line(line: &str) -> Option<Entry> {
    let line = line.split('#').next().unwrap_or_default().trim();
    let rest = line.strip_prefix("deb").filter(|rest| rest.starts_with([' ', '\t', '[']))?.trim_start();
    let mut entry = Entry::default();
    let rest = match rest.strip_prefix('[') {
        Some(rest) => {
            let (options, rest) = rest.split_once(']')?;
            for option in options.split_whitespace() {
                // `+=` and `-=` change a default that is not known here.
                if let Some((name, value)) =
                    option.split_once('=').filter(|(name, _)| !name.ends_with(['+', '-']))
                {
                    entry.set(name, value);
                }
            }
            rest
        }
        None => rest,
    };
    let mut words = rest.split_whitespace().map(str::to_owned);
    entry.uris.push(words.next()?);
    entry.suites.push(words.next()?);
    entry.components = words.collect();
    Some(entry)
}

/// One paragraph per source. A file that breaks off being a list gives what stood before.
pub fn deb822(text: &str) -> Vec<Entry> {
    let whole = paragraphs(text).map_while(Result::ok).take(ENTRIES_LIMIT);
    whole.filter_map(|paragraph| parse_paragraph(&paragraph)).collect()
}

fn parse_paragraph(paragraph: &Paragraph<'_>) -> Option<Entry> {
    let words = |name: &str| -> Vec<String> {
        paragraph.get(name).unwrap_or_default().split_whitespace().map(str::to_owned).collect()
    };
    let enabled = paragraph.get("Enabled").and_then(boolean).unwrap_or(true);
    if !enabled || !words("Types").iter().any(|kind| kind == "deb") {
        return None;
    }
    let mut entry = Entry {
        uris: words("URIs"),
        suites: words("Suites"),
        components: words("Components"),
        ..Entry::default()
    };
    for (name, value) in paragraph.iter() {
        entry.set(name, value.trim());
    }
    (!entry.uris.is_empty() && !entry.suites.is_empty()).then_some(entry)
}

/// apt's own words (apt.conf(5)).
fn boolean(text: &str) -> Option<bool> {
    match text.trim().to_ascii_lowercase().as_str() {
        "yes" | "true" | "with" | "on" | "enable" | "1" => Some(true),
        "no" | "false" | "without" | "off" | "disable" | "0" => Some(false),
        _ => None,
    }
}

/// A block inside a field: one space before each line, a dot for an empty one.
fn unfolded(value: &str) -> String {
    let lines = value.lines().map(|line| match line.trim() {
        "." => "",
        line => line,
    });
    lines.map(|line| format!("{line}\n")).collect::<String>().trim_start().to_owned()
}

/// For the fuzzer.
#[cfg(test)]
pub fn fuzz_lists(data: &[u8]) {
    let text = String::from_utf8_lossy(data);
    for entry in one_line(&text).into_iter().chain(deb822(&text)) {
        assert!(!entry.uris.is_empty() && !entry.suites.is_empty());
    }
}
