//! `kapok diff`: what differs between two images, in files and configuration.

use std::collections::BTreeMap;

use oci::Platform;
use oci::store::{Image, Store};
use oci::tree::{Entry, Kind, View};
use serde::Serialize;
use serde_json::Value;

use crate::cli::{Format, images};
use crate::exit::Exit;
use crate::failure::Failure;
use crate::program::{Program, find_image};
use crate::snapshot;

/// One difference.
#[derive(Debug, PartialEq, Eq, Serialize)]
struct Difference {
    /// A path, or a field of the configuration.
    what: String,
    /// `added`, `removed`, or what changed.
    change: String,
}

/// Compares; the answer is no if there is a difference.
pub fn run(program: &Program, arguments: &images::Diff) -> Result<Exit, Failure> {
    let store = program.store(&program.settings()?)?;
    let (from, to) = (image(&store, &arguments.from)?, image(&store, &arguments.to)?);
    let files =
        compare_trees(&tree(program, &store, &from)?, &tree(program, &store, &to)?, arguments.ignore_times);
    let config = compare_configs(&from, &to);
    let same = files.is_empty() && config.is_empty();
    let text = match arguments.format {
        Format::Json => {
            let value = serde_json::json!({ "config": config, "files": files });
            serde_json::to_string_pretty(&value).unwrap_or_default() + "\n"
        }
        Format::Table => config.iter().chain(&files).map(line).collect(),
    };
    program.data(&text)?;
    Ok(if same { Exit::Done } else { Exit::No })
}

fn line(difference: &Difference) -> String {
    let mark = match difference.change.as_str() {
        "added" => '+',
        "removed" => '-',
        _ => '~',
    };
    match mark {
        '~' => format!("~ {}: {}\n", difference.what, difference.change),
        _ => format!("{mark} {}\n", difference.what),
    }
}

fn image(store: &Store, name: &str) -> Result<Image, Failure> {
    let found = find_image(store, name)?;
    let host = Platform::host();
    store
        .image(&found.digest, &host)?
        .ok_or_else(|| Failure::usage(format!("`{name}` is not there for {host}")))
}

type Tree = BTreeMap<Vec<u8>, Entry>;

fn tree(program: &Program, store: &Store, image: &Image) -> Result<Tree, Failure> {
    let layers = snapshot::of_image(program, store, image)?;
    let view = View::new(layers.into_iter().map(|layer| layer.index).collect());
    Ok(view.walk(b"").map(|(_, entry)| (entry.path.clone(), entry)).collect())
}

fn compare_trees(from: &Tree, to: &Tree, ignore_times: bool) -> Vec<Difference> {
    let mut paths: Vec<&Vec<u8>> = from.keys().chain(to.keys()).collect();
    paths.sort();
    paths.dedup();
    let mut differences = Vec::new();
    for path in paths {
        let change = match (from.get(path), to.get(path)) {
            (Some(_), None) => "removed".to_owned(),
            (None, Some(_)) => "added".to_owned(),
            (Some(a), Some(b)) => match changes(a, b, ignore_times) {
                changes if changes.is_empty() => continue,
                changes => changes.join(", "),
            },
            (None, None) => continue,
        };
        differences.push(Difference { what: format!("/{}", String::from_utf8_lossy(path)), change });
    }
    differences
}

fn changes(a: &Entry, b: &Entry, ignore_times: bool) -> Vec<String> {
    let mut changes = Vec::new();
    match (&a.kind, &b.kind) {
        (Kind::File { digest: old }, Kind::File { digest: new }) if old != new => {
            changes.push(format!("content ({} to {} bytes)", a.size, b.size));
        }
        (Kind::Symlink { target: old }, Kind::Symlink { target: new }) if old != new => {
            let text = |target: &[u8]| String::from_utf8_lossy(target).into_owned();
            changes.push(format!("target `{}` to `{}`", text(old), text(new)));
        }
        // Whether a layer hides what is below says nothing about the merged tree.
        (Kind::Directory { .. }, Kind::Directory { .. }) => {}
        (old, new) if old != new => changes.push(format!("{} to {}", kind(old), kind(new))),
        _ => {}
    }
    if a.mode != b.mode {
        changes.push(format!("mode {:04o} to {:04o}", a.mode, b.mode));
    }
    if (a.uid, a.gid) != (b.uid, b.gid) {
        changes.push(format!("owner {}:{} to {}:{}", a.uid, a.gid, b.uid, b.gid));
    }
    if a.xattrs != b.xattrs {
        changes.push("extended attributes".to_owned());
    }
    if a.mtime != b.mtime && !ignore_times {
        let time = oci::time::format_rfc3339;
        changes.push(format!("time {} to {}", time(a.mtime), time(b.mtime)));
    }
    changes
}

fn kind(kind: &Kind) -> &'static str {
    match kind {
        Kind::File { .. } => "file",
        Kind::Directory { .. } => "directory",
        Kind::Symlink { .. } => "symbolic link",
        Kind::Hardlink { .. } => "hard link",
        Kind::CharDevice { .. } => "character device",
        Kind::BlockDevice { .. } => "block device",
        Kind::Fifo => "named pipe",
        Kind::Whiteout => "whiteout",
    }
}

/// Compares what the configurations say, field by field; layers and history follow from the files.
fn compare_configs(from: &Image, to: &Image) -> Vec<Difference> {
    let fields = |image: &Image| -> BTreeMap<String, Value> {
        let mut value: Value = serde_json::from_slice(image.config.bytes()).unwrap_or_default();
        if let Some(object) = value.as_object_mut() {
            object.retain(|name, _| !matches!(name.as_str(), "rootfs" | "history"));
        }
        let mut fields = BTreeMap::new();
        flatten("", &value, &mut fields);
        fields
    };
    let (from, to) = (fields(from), fields(to));
    let mut names: Vec<&String> = from.keys().chain(to.keys()).collect();
    names.sort();
    names.dedup();
    names
        .into_iter()
        .filter(|name| from.get(*name) != to.get(*name))
        .map(|name| {
            let change = match (from.get(name), to.get(name)) {
                (Some(old), Some(new)) => format!("{old} to {new}"),
                (Some(_), None) => "removed".to_owned(),
                _ => "added".to_owned(),
            };
            Difference { what: name.clone(), change }
        })
        .collect()
}

/// Objects become paths with dots; everything else is a value.
fn flatten(prefix: &str, value: &Value, out: &mut BTreeMap<String, Value>) {
    match value {
        Value::Object(object) => {
            for (name, value) in object {
                let path = if prefix.is_empty() { name.clone() } else { format!("{prefix}.{name}") };
                flatten(&path, value, out);
            }
        }
        Value::Null => {}
        other => {
            out.insert(prefix.to_owned(), other.clone());
        }
    }
}

#[cfg(test)]
mod tests {
    use oci::Digest;

    use super::*;

    fn file(path: &str, content: &str, mode: u32) -> (Vec<u8>, Entry) {
        let kind = Kind::File { digest: Digest::of(content.as_bytes()) };
        let entry =
            Entry { kind, mode, size: content.len() as u64, ..Entry::implied_directory(path.as_bytes()) };
        (path.as_bytes().to_vec(), entry)
    }

    #[test]
    fn files_are_compared_by_what_they_are() {
        let from =
            Tree::from([file("same", "x", 0o644), file("gone", "x", 0o644), file("changed", "x", 0o644)]);
        let mut later = file("same", "x", 0o644);
        later.1.mtime = 60;
        let to = Tree::from([later, file("changed", "xy", 0o755), file("new", "x", 0o644)]);
        let lines: String = compare_trees(&from, &to, true).iter().map(line).collect();
        assert_eq!(lines, "~ /changed: content (1 to 2 bytes), mode 0644 to 0755\n- /gone\n+ /new\n");
        assert_eq!(compare_trees(&from, &to, false).len(), 4);
    }
}
