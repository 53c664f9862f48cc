//! The README's own commands, taken from its text.

use std::fs;
use std::io;

use crate::workspace;

/// The commands of the README's first block of code, in order; continued lines joined, comments left out.
pub fn commands() -> io::Result<Vec<String>> {
    let text = fs::read_to_string(workspace::root().join("README.md"))?;
    let found = in_first_block(&text);
    if found.is_empty() { Err(io::Error::other("the README has no block with commands")) } else { Ok(found) }
}

fn in_first_block(text: &str) -> Vec<String> {
    let block = text.split("\n```").nth(1).unwrap_or_default();
    // The rest of the fence's line is the block's language.
    let block = block.split_once('\n').map_or("", |(_, lines)| lines);
    let joined = block.replace("\\\n", " ");
    let lines = joined.lines().map(|line| line.strip_prefix("$ ").unwrap_or(line).trim());
    lines.filter(|line| !line.is_empty() && !line.starts_with('#')).map(str::to_owned).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn comments_and_continuations_are_understood() {
        let text =
            "# Kapok\n\nWords.\n\n```sh\n# first\n$ one \\\n  more\ntwo # three\n```\n\n```\nother\n```\n";
        assert_eq!(in_first_block(text), ["one    more", "two # three"]);
        assert!(in_first_block("no block").is_empty());
    }
}
