//! Where things are: the work tree, the built programs, the directory for passing results.

use std::io;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use crate::command::must;

/// The root of the work tree.
pub fn root() -> PathBuf {
    let manifest = Path::new(env!("CARGO_MANIFEST_DIR"));
    manifest.parent().unwrap_or(manifest).to_path_buf()
}

/// Cargo's target directory.
pub fn target() -> PathBuf {
    std::env::var_os("CARGO_TARGET_DIR").map_or_else(|| root().join("target"), PathBuf::from)
}

/// The program under test: what the profile that this chore was built with produces.
pub fn kapok() -> PathBuf {
    std::env::var_os("KAPOK").map_or_else(|| target().join("release/kapok"), PathBuf::from)
}

/// A directory below the target directory for what a chore leaves behind.
pub fn scratch(name: &str) -> io::Result<PathBuf> {
    let path = target().join("xtask").join(name);
    std::fs::create_dir_all(&path)?;
    Ok(path)
}

/// Every file that belongs to the project and is there, relative to the root.
pub fn files() -> io::Result<Vec<PathBuf>> {
    let root = root();
    let mut list = Command::new("git");
    list.current_dir(&root).args(["ls-files", "-z", "--cached", "--others", "--exclude-standard"]);
    match must(&mut list, Duration::from_secs(30)) {
        Ok(outcome) => {
            let names = outcome.stdout.split_terminator('\0').map(PathBuf::from);
            Ok(names.filter(|name| root.join(name).is_file()).collect())
        }
        // An unpacked release has no git.
        Err(_) => walk(&root),
    }
}

fn walk(root: &Path) -> io::Result<Vec<PathBuf>> {
    let mut found = Vec::new();
    let mut directories = vec![root.to_path_buf()];
    while let Some(directory) = directories.pop() {
        for entry in std::fs::read_dir(&directory)? {
            let path = entry?.path();
            let skipped = path.file_name().is_some_and(|name| name == "target" || name == ".git");
            if path.is_dir() && !path.is_symlink() && !skipped {
                directories.push(path);
            } else if let (true, Ok(name)) = (path.is_file(), path.strip_prefix(root)) {
                found.push(name.to_path_buf());
            }
        }
    }
    Ok(found)
}
