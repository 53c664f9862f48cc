//! Snapshots as overlay mounts.

use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::path::Path;

use rustix::fs::{Mode, OFlags, StatVfsMountFlags};
use rustix::mount::{FsOpenFlags, fsconfig_set_fd, fsconfig_set_flag, fsconfig_set_string, fsopen};

use super::error::Doing;
use super::ids::IdPlan;
use super::scratch::Scratch;
use super::tree::{self, Tree};
use super::{Errno, SandboxError};

/// Said explicitly, because distributions set other defaults: without them the upper holds whole files and nothing that
/// refers to other directories, so that it can be read as a layer.
const PLAIN: [(&str, &str); 4] =
    [("redirect_dir", "nofollow"), ("metacopy", "off"), ("index", "off"), ("xino", "off")];

/// The number by which `statfs` knows an overlay.
const OVERLAYFS: libc::__fsword_t = 0x794c_7630;

/// Where an overlay's writes go.
#[derive(Clone, Copy)]
pub(super) struct Writes<'a> {
    pub upper: &'a Path,
    pub work: &'a Path,
}

/// A layer's directory as a step shall see it.
pub(super) fn layer(path: &Path, ids: &IdPlan) -> Result<Tree, SandboxError> {
    mapped(path, ids).map_err(|source| refused(path, source))
}

fn mapped(path: &Path, ids: &IdPlan) -> Result<Tree, Errno> {
    let tree = Tree::of_path(path, false)?;
    if let Some(mapping) = ids.mapping() {
        tree.map_ids(mapping, false)?;
    }
    Ok(tree)
}

/// Mounts layers (bottom to top) over each other.
pub(super) fn mount(
    layers: &[&Tree],
    writes: Option<Writes<'_>>,
    ids: &IdPlan,
) -> Result<Tree, SandboxError> {
    let upper = writes.map(|writes| Upper::open(writes, ids)).transpose()?;
    // The kernel wants one layer below a writable one, and two without.
    let mut layers = layers.to_vec();
    let empty;
    if layers.is_empty() || (upper.is_none() && layers.len() < 2) {
        empty = Tree::new("tmpfs", &["mode=755"], 0).doing("mount an empty layer")?;
        layers.insert(0, &empty);
    }
    let tree = match by_file(&layers, upper.as_ref(), ids) {
        // Linux before 6.13 does not take layers as open files.
        Err(Errno(libc::EINVAL | libc::EBADF | libc::ENOENT)) => by_name(&layers, upper.as_ref(), ids),
        other => other,
    }
    .map_err(|source| refused(writes.map_or(Path::new("/"), |writes| writes.upper), source))?;
    if let Some(writes) = writes {
        let flags = rustix::fs::fstatvfs(&tree).doing("look at the overlay")?.f_flag;
        if flags.contains(StatVfsMountFlags::RDONLY) {
            return Err(refused(writes.upper, Errno(libc::EROFS)));
        }
    }
    Ok(tree)
}

/// The two directories that an overlay writes to; the kernel wants both in the same mount.
struct Upper {
    parent: Tree,
    upper: OwnedFd,
    work: OwnedFd,
    names: [std::ffi::OsString; 2],
}

impl Upper {
    fn open(writes: Writes<'_>, ids: &IdPlan) -> Result<Upper, SandboxError> {
        let (Some(parent), Some(upper), Some(work)) =
            (writes.upper.parent(), writes.upper.file_name(), writes.work.file_name())
        else {
            return Err(refused(writes.upper, Errno(libc::EINVAL)));
        };
        if writes.work.parent() != Some(parent) {
            return Err(refused(writes.upper, Errno(libc::EXDEV)));
        }
        let tree = mapped(parent, ids).map_err(|source| refused(writes.upper, source))?;
        let open = |name| {
            rustix::fs::openat(&tree, name, OFlags::PATH | OFlags::DIRECTORY | OFlags::CLOEXEC, Mode::empty())
                .map_err(|source| refused(writes.upper, source.into()))
        };
        Ok(Upper {
            upper: open(upper)?,
            work: open(work)?,
            names: [upper.to_owned(), work.to_owned()],
            parent: tree,
        })
    }
}

/// With layers given as open files: no limit on their number or the length of their names.
fn by_file(layers: &[&Tree], upper: Option<&Upper>, ids: &IdPlan) -> Result<Tree, Errno> {
    let context = fsopen("overlay", FsOpenFlags::FSOPEN_CLOEXEC)?;
    for layer in layers.iter().rev() {
        set_file(&context, "lowerdir+", layer.as_fd())?;
    }
    if let Some(upper) = upper {
        set_file(&context, "upperdir", upper.upper.as_fd())?;
        set_file(&context, "workdir", upper.work.as_fd())?;
        fsconfig_set_flag(context.as_fd(), "volatile")?;
    }
    for (key, value) in PLAIN {
        fsconfig_set_string(context.as_fd(), key, value)?;
    }
    if ids.mapping().is_none() {
        fsconfig_set_flag(context.as_fd(), "userxattr")?;
    }
    Tree::create(context, tree::NO_DEVICES)
}

fn set_file(context: &OwnedFd, key: &str, file: BorrowedFd<'_>) -> Result<(), Errno> {
    Ok(fsconfig_set_fd(context.as_fd(), key, file)?)
}

/// With layers attached under short names in a mount namespace of this process' own: 500 fit into mount(2)'s page.
fn by_name(layers: &[&Tree], upper: Option<&Upper>, ids: &IdPlan) -> Result<Tree, Errno> {
    let mut scratch = Scratch::enter()?;
    let names = layers.iter().rev().map(|layer| scratch.attach(layer)).collect::<Result<Vec<_>, _>>()?;
    let mut options = format!("lowerdir={}", names.join(":"));
    if let Some(upper) = upper {
        let parent = scratch.attach(&upper.parent)?;
        let [upper, work] = &upper.names;
        options += &format!(
            ",upperdir={parent}/{},workdir={parent}/{},volatile",
            upper.to_string_lossy(),
            work.to_string_lossy()
        );
    }
    for (key, value) in PLAIN {
        options += &format!(",{key}={value}");
    }
    if ids.mapping().is_none() {
        options += ",userxattr";
    }
    scratch.mount_overlay(&options)
}

/// The error for an overlay that cannot be mounted, with what is usually the matter.
fn refused(path: &Path, source: Errno) -> SandboxError {
    let on_overlay = rustix::fs::statfs(path).is_ok_and(|stat| stat.f_type == OVERLAYFS);
    let hint = if on_overlay {
        "the store lies on an overlay file system (inside a container); put it on a volume with `KAPOK_HOME`"
    } else {
        match source {
            Errno(libc::EINVAL | libc::ENOSYS | libc::EPERM) => {
                "the store needs Linux 5.19 (5.11 for an ordinary user) and a file system such as ext4, xfs or btrfs; choose another with `KAPOK_HOME`"
            }
            Errno(libc::EROFS) => {
                "the store lies on a file system that overlays cannot write to; choose another with `KAPOK_HOME`"
            }
            _ => "",
        }
    };
    SandboxError::Overlay { path: path.to_owned(), hint: hint.to_owned(), source }
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::super::sys::Forked;
    use super::super::{Privilege, sys};
    use super::*;

    /// Only root can try this outside of a sandbox; the way with open files is tried by every test of sandboxes.
    #[test]
    fn mounts_by_name_as_older_kernels_want_it() {
        if !rustix::process::geteuid().is_root() {
            println!("SKIPPED: not root");
            return;
        }
        let place = tempfile::tempdir_in("/var/tmp").expect("a directory");
        let at = |name: String| {
            let path = place.path().join(name);
            fs::create_dir(&path).map(|()| path).expect("a directory")
        };
        let layers: Vec<_> = (0..200).map(|number| at(number.to_string())).collect();
        fs::write(layers[7].join("file"), "x").expect("a file");
        let (upper, work) = (at("upper".to_owned()), at("work".to_owned()));
        let attempt = || -> Result<(), SandboxError> {
            let ids = IdPlan::new(&Privilege::Root)?;
            let layers = layers.iter().map(|path| layer(path, &ids)).collect::<Result<Vec<_>, _>>()?;
            let layers: Vec<&Tree> = layers.iter().collect();
            let upper = Upper::open(Writes { upper: &upper, work: &work }, &ids)?;
            let overlay = by_name(&layers, Some(&upper), &ids).doing("mount by name")?;
            overlay.open(Path::new("file")).doing("open").map(drop)?;
            let flags = OFlags::CREATE | OFlags::WRONLY;
            rustix::fs::openat(&overlay, "new", flags, Mode::from_raw_mode(0o644)).doing("write").map(drop)
        };
        let child = match sys::fork().expect("a child") {
            Forked::Child => sys::exit(match attempt() {
                Ok(()) => 0,
                Err(error) => {
                    println!("{error:?}");
                    1
                }
            }),
            Forked::Parent(child) => child,
        };
        let (status, _) = sys::wait_with_usage(child).expect("an end");
        assert!(status.success());
        assert!(upper.join("new").exists());
    }
}
