//! Removing a directory tree that anybody may have written: of any depth, with directories that nobody may read.

use std::ffi::{CStr, CString};
use std::io;
use std::mem::MaybeUninit;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::path::Path;

use rustix::fs::{AtFlags, Mode, OFlags, RawDir, chmodat, fchmod, openat, renameat_with, unlinkat};
use rustix::io::Errno;

/// As many directories are open at once. What lies deeper is moved up first: no depth needs more handles, or recursion.
const DEPTH: usize = 48;

/// One directory on the way down.
struct Level {
    directory: OwnedFd,
    name: CString,
    /// What is still in it.
    names: Vec<CString>,
}

/// Removes what is at `path`, whatever it is. It is no error if nothing is there.
pub(crate) fn remove_tree(path: &Path) -> io::Result<()> {
    let (Some(parent), Some(name)) = (path.parent(), path.file_name()) else {
        return Err(io::ErrorKind::InvalidInput.into());
    };
    let parent = if parent.as_os_str().is_empty() { Path::new(".") } else { parent };
    let flags = OFlags::PATH | OFlags::DIRECTORY | OFlags::CLOEXEC;
    let parent = match rustix::fs::open(parent, flags, Mode::empty()) {
        Err(Errno::NOENT) => return Ok(()),
        other => other?,
    };
    remove_tree_at(parent.as_fd(), &CString::new(std::os::unix::ffi::OsStrExt::as_bytes(name))?)
}

/// Removes what `name` is in `parent`, whatever it is. It is no error if nothing is there.
pub(crate) fn remove_tree_at(parent: BorrowedFd<'_>, name: &CStr) -> io::Result<()> {
    match unlinkat(parent, name, AtFlags::empty()) {
        Ok(()) | Err(Errno::NOENT) => return Ok(()),
        Err(Errno::ISDIR) => {}
        Err(error) => return Err(error.into()),
    }
    let mut stack = vec![open_level(parent, name)?];
    let mut moved = 0u64;
    while let Some(depth) = stack.len().checked_sub(1) {
        let Some(child) = stack[depth].names.pop() else {
            let Some(done) = stack.pop() else { break };
            let above = stack.last().map_or(parent, |level| level.directory.as_fd());
            ignore_missing(unlinkat(above, &done.name, AtFlags::REMOVEDIR))?;
            continue;
        };
        let here = stack[depth].directory.as_fd();
        if remove_one(here, &child)? {
            continue;
        }
        if stack.len() < DEPTH {
            let level = open_level(here, &child)?;
            stack.push(level);
        } else {
            let name = move_up(here, &child, stack[0].directory.as_fd(), &mut moved)?;
            stack[0].names.push(name);
        }
    }
    Ok(())
}

/// Removes a file or an empty directory; says whether it is gone.
fn remove_one(directory: BorrowedFd<'_>, child: &CStr) -> io::Result<bool> {
    let mut result = unlinkat(directory, child, AtFlags::empty());
    if result == Err(Errno::ACCESS) {
        fchmod(directory, Mode::RWXU)?;
        result = unlinkat(directory, child, AtFlags::empty());
    }
    match result {
        Ok(()) | Err(Errno::NOENT) => Ok(true),
        Err(Errno::ISDIR) => Ok(ignore_missing(unlinkat(directory, child, AtFlags::REMOVEDIR)).is_ok()),
        Err(error) => Err(error.into()),
    }
}

fn open_level(parent: BorrowedFd<'_>, name: &CStr) -> io::Result<Level> {
    let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::NOFOLLOW | OFlags::CLOEXEC;
    let directory = match openat(parent, name, flags, Mode::empty()) {
        Err(Errno::ACCESS) => {
            chmodat(parent, name, Mode::RWXU, AtFlags::empty())?;
            openat(parent, name, flags, Mode::empty())?
        }
        other => other?,
    };
    let mut names = Vec::new();
    let mut buffer = [MaybeUninit::uninit(); 16 * 1024];
    let mut entries = RawDir::new(&directory, &mut buffer);
    while let Some(entry) = entries.next() {
        let entry = entry?;
        if !matches!(entry.file_name().to_bytes(), b"." | b"..") {
            names.push(entry.file_name().to_owned());
        }
    }
    Ok(Level { directory, name: name.to_owned(), names })
}

/// Moves a directory to the top of the tree, under a name that is free there.
fn move_up(from: BorrowedFd<'_>, name: &CStr, top: BorrowedFd<'_>, moved: &mut u64) -> io::Result<CString> {
    loop {
        *moved += 1;
        let new = CString::new(format!(".kapok-remove-{moved}"))?;
        match renameat_with(from, name, top, &new, rustix::fs::RenameFlags::NOREPLACE) {
            Ok(()) => return Ok(new),
            Err(Errno::EXIST) => {}
            Err(Errno::ACCESS) => chmodat(from, name, Mode::RWXU, AtFlags::empty())?,
            Err(error) => return Err(error.into()),
        }
    }
}

fn ignore_missing(result: Result<(), Errno>) -> io::Result<()> {
    match result {
        Ok(()) | Err(Errno::NOENT) => Ok(()),
        Err(error) => Err(error.into()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use rustix::fs::mkdirat;

    /// A chain of directories, made from handles since no path is long enough.
    fn chain(root: &Path, depth: usize) {
        let open = |at: BorrowedFd<'_>, name: &str| {
            openat(at, name, OFlags::PATH | OFlags::DIRECTORY, Mode::empty()).unwrap()
        };
        let mut here = open(rustix::fs::CWD, root.to_str().unwrap());
        for _ in 0..depth {
            mkdirat(&here, "d", Mode::RWXU).unwrap();
            here = open(here.as_fd(), "d");
        }
        rustix::fs::symlinkat("/", &here, "link").unwrap();
    }

    #[test]
    fn deep_trees_unreadable_directories_and_links_go() {
        let directory = tempfile::tempdir().unwrap();
        let outside = directory.path().join("outside");
        std::fs::create_dir_all(outside.join("kept")).unwrap();
        let tree = directory.path().join("tree");
        std::fs::create_dir_all(tree.join("closed/inner")).unwrap();
        std::fs::write(tree.join("closed/inner/file"), "x").unwrap();
        std::os::unix::fs::symlink(&outside, tree.join("link")).unwrap();
        let mode = std::os::unix::fs::PermissionsExt::from_mode(0o000);
        std::fs::set_permissions(tree.join("closed"), mode).unwrap();
        chain(&tree, 10 * DEPTH);
        remove_tree(&tree).unwrap();
        assert!(!tree.exists() && outside.join("kept").exists());
        remove_tree(&tree).unwrap();
    }

    #[test]
    fn a_link_is_removed_not_followed() {
        let directory = tempfile::tempdir().unwrap();
        std::fs::create_dir(directory.path().join("kept")).unwrap();
        std::os::unix::fs::symlink("kept", directory.path().join("link")).unwrap();
        remove_tree(&directory.path().join("link")).unwrap();
        assert!(directory.path().join("kept").exists() && !directory.path().join("link").exists());
    }
}
