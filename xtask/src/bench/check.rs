//! How long it takes to judge a large repository.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::process::Command;

use super::Figure;
use super::figures::{Measure, Stage};
use super::measure::{median, sample};
use crate::workspace;

/// In the order of the table.
pub const ALL: &[(&str, Measure)] = &[("a check of 1,000 Dockerfiles and 2,000 manifests", large)];

/// The corpus of the rules again and again, each file with something of its own, so that no two are the same.
fn large(stage: &Stage) -> io::Result<Figure> {
    let root = stage.path().join("check");
    let corpus = workspace::root().join("crates/policy/corpus");
    let dockerfiles = files(&corpus.join("dockerfiles"), "Dockerfile")?;
    for (index, text) in (0..stage.of(1000, 10)).zip(dockerfiles.iter().cycle()) {
        let directory = root.join(format!("images/team{}/app{index}", index % 37));
        fs::create_dir_all(&directory)?;
        fs::write(directory.join("Dockerfile"), format!("{text}\nLABEL app.number=\"{index}\"\n"))?;
    }
    let manifests = files(&corpus.join("manifests"), "yaml")?;
    for (index, text) in (0..stage.of(2000, 20)).zip(manifests.iter().cycle()) {
        let directory = root.join(format!("deploy/team{}", index % 53));
        fs::create_dir_all(&directory)?;
        fs::write(directory.join(format!("m{index}.yaml")), renamed(text, index))?;
    }
    let mut times = Vec::new();
    for turn in 0..=stage.of(5, 0) {
        let mut command = Command::new(workspace::kapok());
        command.args(["check", "--profile", "rainforest", "--format", "json", "--level", "none"]);
        let taken = sample(command.current_dir(&root))?;
        stage.note_peak(taken.peak);
        if turn > 0 || stage.tiny() {
            times.push(taken.wall);
        }
    }
    let time = median(times);
    let wanted = vec![("at most 2 s".to_owned(), Some(time <= 2.0))];
    Ok(Figure { results: vec![("kapok", time)], unit: "s", wanted })
}

/// The texts of a directory's files of a kind, in the order of their names.
fn files(directory: &Path, extension: &str) -> io::Result<Vec<String>> {
    let mut paths = all_below(directory)?;
    paths.retain(|path| path.extension().is_some_and(|found| found == extension));
    paths.sort();
    paths.iter().map(fs::read_to_string).collect()
}

fn all_below(directory: &Path) -> io::Result<Vec<PathBuf>> {
    let mut found = Vec::new();
    for entry in fs::read_dir(directory)? {
        let path = entry?.path();
        if path.is_dir() {
            found.extend(all_below(&path)?);
        } else {
            found.push(path);
        }
    }
    Ok(found)
}

/// A manifest whose objects have names of their own.
fn renamed(text: &str, index: usize) -> String {
    let line = |line: &str| match line.split_once("name: ") {
        Some((before, name)) if before.trim().is_empty() && is_plain(name) => format!("{line}-{index}\n"),
        _ => format!("{line}\n"),
    };
    text.lines().map(line).collect()
}

fn is_plain(name: &str) -> bool {
    !name.is_empty()
        && name.bytes().all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-')
}
