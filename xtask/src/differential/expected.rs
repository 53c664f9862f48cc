//! BuildKit's results, checked in beside the cases: one `.expected` file per topic, one section per case.

use std::collections::BTreeMap;
use std::fs;
use std::io;
use std::path::Path;

use super::case::Case;

const HEADING: &str = "=== ";

/// Every case's result, by name.
pub fn load(directory: &Path) -> io::Result<BTreeMap<String, String>> {
    let mut results = BTreeMap::new();
    for entry in fs::read_dir(directory)? {
        let path = entry?.path();
        if path.extension() != Some("expected".as_ref()) {
            continue;
        }
        let mut name = String::new();
        for line in fs::read_to_string(&path)?.split_inclusive('\n') {
            match line.strip_prefix(HEADING) {
                Some(rest) => name = rest.trim_end().to_owned(),
                None => results.entry(name.clone()).or_insert_with(String::new).push_str(line),
            }
        }
    }
    // The blank line between two sections is for the reader.
    for text in results.values_mut() {
        text.truncate(text.trim_end_matches('\n').len());
        text.push('\n');
    }
    Ok(results)
}

/// Writes the results of all cases, in the cases' order.
pub fn save(directory: &Path, cases: &[Case], results: &BTreeMap<String, String>) -> io::Result<()> {
    let mut files: BTreeMap<&str, String> = BTreeMap::new();
    for case in cases {
        if let Some(result) = results.get(&case.name) {
            let text = files.entry(&case.topic).or_default();
            let gap = if text.is_empty() { "" } else { "\n" };
            text.push_str(&format!("{gap}{HEADING}{}\n{result}", case.name));
        }
    }
    for (topic, text) in files {
        fs::write(directory.join(format!("{topic}.expected")), text)?;
    }
    Ok(())
}
