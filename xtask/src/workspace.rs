//! Where things are: the work tree, the built programs, the directory for passing results.

use std::path::{Path, PathBuf};

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
pub fn scratch(name: &str) -> std::io::Result<PathBuf> {
    let path = target().join("xtask").join(name);
    std::fs::create_dir_all(&path)?;
    Ok(path)
}
