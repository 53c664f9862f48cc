//! The journeys of `docs/journeys`, as they stand there: files are written, commands are typed, and what the page shows must be
//! among what is said.

use std::fs;
use std::path::Path;
use std::process::Command;
use std::time::Duration;

use crate::command;
use crate::real::{Place, Test, Trouble, World, ensure, needs};
use crate::workspace;

pub const TESTS: &[Test] = &[
    ("journey: a first image", |world| journey(world, "first-image", false)),
    ("journey: my repository", |world| journey(world, "my-repository", true)),
    ("journey: without a network", |world| journey(world, "without-a-network", true)),
    ("journey: why did this rebuild", |world| journey(world, "why-did-this-rebuild", true)),
    ("journey: a failing step", |world| journey(world, "a-failing-step", true)),
];

const LIMIT: Duration = Duration::from_secs(300);

/// What a page does.
#[derive(Debug, PartialEq, Eq)]
enum Deed<'p> {
    /// A file that it shows.
    Write { path: &'p str, content: &'p str },
    /// A command that it types, and lines that are shown then.
    Type { line: &'p str, shown: Vec<&'p str> },
}

/// Goes through a page, in a directory of its own. All but the first begin with its base.
fn journey(world: &World, page: &str, with_base: bool) -> Result<(), Trouble> {
    needs(&["git", "unshare"])?;
    let text = fs::read_to_string(workspace::root().join(format!("docs/journeys/{page}.md")))?;
    let place = world.place(page)?;
    if with_base {
        let layout = world.debian()?.display().to_string();
        let load = place.kapok(&["load", "-i", &layout])?;
        ensure(load.success(), || load.tail(10))?;
        let tag = place.kapok(&[
            "tag",
            load.stdout.trim().rsplit(' ').next().unwrap_or_default(),
            "debian:bookworm",
        ])?;
        ensure(tag.success(), || format!("{}\n{}", load.tail(5), tag.tail(5)))?;
    }
    let here = place.path.join("here");
    fs::create_dir_all(&here)?;
    for deed in deeds(&text) {
        match deed {
            Deed::Write { path, content } => {
                let path = here.join(path);
                fs::create_dir_all(path.parent().unwrap_or(&here))?;
                fs::write(path, content)?;
            }
            Deed::Type { line, shown } => typed(world, &place, &here, line, &shown)?,
        }
    }
    place.verify()
}

fn typed(world: &World, place: &Place<'_>, here: &Path, line: &str, shown: &[&str]) -> Result<(), Trouble> {
    let mut shell = Command::new("sh");
    let path = std::env::var("PATH").unwrap_or_default();
    let program = world.program();
    let directory = program.parent().unwrap_or(Path::new("/")).display();
    for (name, value) in place.command().get_envs() {
        match value {
            Some(value) => shell.env(name, value),
            None => shell.env_remove(name),
        };
    }
    shell.env("PATH", format!("{directory}:{path}")).current_dir(here).args(["-c", line]);
    let outcome = command::run(&mut shell, LIMIT)?;
    ensure(outcome.success(), || format!("$ {line}\nexit {}\n{}", outcome.code(), outcome.tail(30)))?;
    let said: Vec<&str> = outcome.stdout.lines().chain(outcome.stderr.lines()).collect();
    for wanted in shown {
        ensure(said.iter().any(|line| fits(line, wanted)), || {
            format!("$ {line}\nnowhere in what is said: {wanted}\n{}", outcome.tail(40))
        })?;
    }
    Ok(())
}

/// Whether a line is the one of the page, with anything where that has `…`.
fn fits(line: &str, wanted: &str) -> bool {
    let words = |text: &str| text.split_whitespace().collect::<Vec<_>>().join(" ");
    let (line, wanted) = (words(line), words(wanted));
    let mut parts = wanted.split('…');
    let first = parts.next().unwrap_or_default();
    let Some(mut rest) = line.strip_prefix(first) else { return false };
    let parts: Vec<&str> = parts.collect();
    let Some((last, between)) = parts.split_last() else { return rest.is_empty() };
    for part in between {
        match rest.find(part) {
            Some(at) => rest = &rest[at + part.len()..],
            None => return false,
        }
    }
    rest.ends_with(last)
}

/// The blocks of a page: `console` has commands, another language with a path after it is a file.
fn deeds(page: &str) -> Vec<Deed<'_>> {
    let mut deeds = Vec::new();
    for block in page.split("\n```").skip(1).step_by(2) {
        let (head, body) = block.split_once('\n').unwrap_or((block, ""));
        let mut words = head.split_whitespace();
        match (words.next(), words.next()) {
            (Some("console"), _) => {
                for line in body.lines().filter(|line| !line.is_empty()) {
                    match (line.strip_prefix("$ "), deeds.last_mut()) {
                        (Some(line), _) => deeds.push(Deed::Type { line, shown: Vec::new() }),
                        (None, Some(Deed::Type { shown, .. })) => shown.push(line),
                        (None, _) => {}
                    }
                }
            }
            // The line break before the fence belongs to the file.
            (Some(_), Some(path)) => {
                let end = page.len().min(body.as_ptr() as usize - page.as_ptr() as usize + body.len() + 1);
                let start = body.as_ptr() as usize - page.as_ptr() as usize;
                deeds.push(Deed::Write { path, content: &page[start..end] });
            }
            _ => {}
        }
    }
    deeds
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_page_is_files_and_commands() {
        let page = "# Page\n\n```sh run.sh\necho one\n```\n\nWords.\n\n```console\n$ sh run.sh\none\n$ true\n```\n\n```\nnothing\n```\n";
        let expected = [
            Deed::Write { path: "run.sh", content: "echo one\n" },
            Deed::Type { line: "sh run.sh", shown: vec!["one"] },
            Deed::Type { line: "true", shown: vec![] },
        ];
        assert_eq!(deeds(page), expected);
    }

    #[test]
    fn what_differs_is_left_out() {
        assert!(fits("built a:latest in 3.1s", "built a:latest in …"));
        assert!(fits("#1    ran    0.0s  `x` (was 1, is 2)", "#1 ran … `x` (was …, is …)"));
        assert!(!fits("built b:latest in 3.1s", "built a:latest in …"));
        assert!(!fits("one two", "one"));
    }
}
