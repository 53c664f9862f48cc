//! Attaches a sandbox's mounts, from inside, where nothing of the host is left to be reached.

use std::io::Write;
use std::os::fd::{AsFd, OwnedFd};
use std::path::{Path, PathBuf};

use rustix::fs::{CWD, Gid, Mode, OFlags, Uid};

use super::error::Doing;
use super::init::Inside;
use super::prepare::{Content, InMemory, PreparedMount};
use super::targets::Shape;
use super::tree::{self, Tree};
use super::{Errno, SandboxError, Security};

/// What Docker hides of /proc and /sys.
const MASKED: [&str; 13] = [
    "/proc/acpi",
    "/proc/asound",
    "/proc/interrupts",
    "/proc/kcore",
    "/proc/keys",
    "/proc/latency_stats",
    "/proc/sched_debug",
    "/proc/scsi",
    "/proc/timer_list",
    "/proc/timer_stats",
    "/sys/devices/virtual/powercap",
    "/sys/firmware",
    "/sys/fs/selinux",
];

/// What Docker makes read-only.
const READ_ONLY: [&str; 5] = ["/proc/bus", "/proc/fs", "/proc/irq", "/proc/sys", "/proc/sysrq-trigger"];

/// The links that programs expect in /dev.
const LINKS: [(&str, &str); 6] = [
    ("/dev/core", "/proc/kcore"),
    ("/dev/fd", "/proc/self/fd"),
    ("/dev/ptmx", "pts/ptmx"),
    ("/dev/stderr", "/proc/self/fd/2"),
    ("/dev/stdin", "/proc/self/fd/0"),
    ("/dev/stdout", "/proc/self/fd/1"),
];

const HARMLESS: u64 = tree::NO_SUID | tree::NO_DEVICES | tree::NO_EXEC;

/// Where programs look for limits on their memory.
const GROUPS: &str = "/sys/fs/cgroup";
/// The number by which `statfs` knows the unified hierarchy.
const CGROUP2: libc::__fsword_t = 0x6367_7270;

/// What only the sandbox's own namespaces could mount.
pub(super) struct Made<'a> {
    mounts: Vec<MadeMount<'a>>,
    /// The sandbox's own part of the unified hierarchy, on hosts that have it at the usual place.
    groups: Option<Tree>,
}

/// A mount that exists, in the order in which it is attached. `/dev` is none: it is filled after it was attached.
struct MadeMount<'a> {
    mount: &'a PreparedMount,
    own: Option<Tree>,
}

/// Mounts what only the sandbox's own namespaces can mount, still detached and with the host still in view.
pub(super) fn materialise<'a>(inside: &Inside<'a>) -> Result<Made<'a>, SandboxError> {
    let mut mounts = Vec::new();
    for (number, mount) in inside.prepared.mounts.iter().enumerate() {
        let own = match &mount.content {
            Content::Tree(_) => {
                let copy = inside.locked.and_then(|locked| locked.mount(number));
                copy.transpose().map_err(|source| at(mount, source))?
            }
            Content::File(_) => None,
            Content::Proc => {
                Some(Tree::new("proc", &[], HARMLESS).map_err(forbidden("a `/proc` of its own"))?)
            }
            Content::Sys => Some(
                Tree::new("sysfs", &[], HARMLESS | tree::READ_ONLY)
                    .map_err(forbidden("a `/sys` of its own"))?,
            ),
            Content::Dev => {
                let attributes = tree::NO_SUID | libc::MOUNT_ATTR_STRICTATIME;
                Some(Tree::new("tmpfs", &["mode=755", "size=65536k"], attributes).doing("mount /dev")?)
            }
            Content::Tmpfs { size, read_only } => {
                Some(tmpfs(*size, *read_only).map_err(|source| at(mount, source))?)
            }
            Content::Files(files) => Some(directory_of(files).map_err(|source| at(mount, source))?),
        };
        mounts.push(MadeMount { mount, own });
    }
    let unified = rustix::fs::statfs(GROUPS).is_ok_and(|stat| stat.f_type == CGROUP2);
    let groups = unified.then(|| Tree::new("cgroup2", &[], HARMLESS | tree::READ_ONLY).ok()).flatten();
    Ok(Made { mounts, groups })
}

/// Attaches everything below the new root.
pub(super) fn attach_all(inside: &Inside<'_>, made: Made<'_>) -> Result<(), SandboxError> {
    let Made { mut mounts, groups } = made;
    make_files(&mut mounts)?;
    for MadeMount { mount, own } in mounts {
        let tree = match (&own, &mount.content) {
            (Some(tree), _) | (None, Content::Tree(tree)) => tree,
            (None, _) => continue,
        };
        attach(tree, mount).map_err(|source| at(mount, source))?;
        if let Content::Dev = mount.content {
            fill_dev(inside)?;
        }
    }
    if let (Some(groups), Ok(root)) = (groups, tree::host_root())
        && let Ok(target) = tree::open_in(root.as_fd(), Path::new(GROUPS), OFlags::PATH)
    {
        let _ = groups.attach(target);
    }
    if inside.spec.security == Security::Sandbox { hide() } else { Ok(()) }
}

/// Puts the files that are kept in memory where only their own mounts show them.
fn make_files(mounts: &mut [MadeMount<'_>]) -> Result<(), SandboxError> {
    let attributes = tree::NO_SUID | tree::NO_DEVICES;
    let files = Tree::new("ramfs", &["mode=755"], attributes).doing("mount memory for files")?;
    let mut attached = false;
    for (number, MadeMount { mount, own }) in mounts.iter_mut().enumerate() {
        let Content::File(file) = &mount.content else { continue };
        let written = write_in_memory(&files, number, file).map_err(|source| at(mount, source))?;
        let tree = match Tree::of(written.as_fd(), false) {
            // Linux before 6.15 copies single files only from what is attached: for a moment, over the root.
            Err(Errno(libc::EINVAL)) if !attached => {
                files.attach(tree::host_root().doing("open the root")?).doing("attach memory for files")?;
                attached = true;
                Tree::of(written.as_fd(), false)
            }
            other => other,
        };
        *own = Some(tree.and_then(|tree| protect(tree, file)).map_err(|source| at(mount, source))?);
    }
    if attached { tree::detach(&files).doing("detach memory for files") } else { Ok(()) }
}

fn attach(tree: &Tree, mount: &PreparedMount) -> Result<(), Errno> {
    let root = tree::host_root()?;
    let target = match tree::open_in(root.as_fd(), &mount.target, OFlags::PATH) {
        Err(Errno(libc::ENOENT)) => make(&root, &mount.target, mount.shape)?,
        other => other?,
    };
    tree.attach(&target)
}

/// Makes a mount point inside another mount, where a stand-in layer cannot reach.
fn make(root: &OwnedFd, path: &Path, shape: Shape) -> Result<OwnedFd, Errno> {
    let (Some(parent), Some(name)) = (path.parent(), path.file_name()) else {
        return Err(Errno(libc::ENOENT));
    };
    let parent = match tree::open_in(root.as_fd(), parent, OFlags::PATH) {
        Err(Errno(libc::ENOENT)) => make(root, parent, Shape::Directory)?,
        other => other?,
    };
    match shape {
        Shape::Directory => rustix::fs::mkdirat(&parent, name, Mode::from_raw_mode(0o755))?,
        Shape::File => {
            let flags = OFlags::CREATE | OFlags::EXCL | OFlags::CLOEXEC;
            rustix::fs::openat(&parent, name, flags, Mode::from_raw_mode(0o644))?;
        }
    }
    tree::open_in(root.as_fd(), path, OFlags::PATH)
}

fn tmpfs(size: Option<u64>, read_only: bool) -> Result<Tree, Errno> {
    let size = size.map(|size| format!("size={size}"));
    let mut options = vec!["mode=1777"];
    options.extend(size.as_deref());
    let attributes = tree::NO_SUID | tree::NO_DEVICES;
    Tree::new("tmpfs", &options, if read_only { attributes | tree::READ_ONLY } else { attributes })
}

/// A small file system with these files.
fn directory_of(files: &[(String, Vec<u8>)]) -> Result<Tree, Errno> {
    let tree = Tree::new("tmpfs", &["mode=755"], tree::NO_SUID | tree::NO_DEVICES)?;
    for (name, content) in files {
        let flags = OFlags::CREATE | OFlags::EXCL | OFlags::WRONLY | OFlags::NOFOLLOW | OFlags::CLOEXEC;
        let file = rustix::fs::openat(&tree, name, flags, Mode::from_raw_mode(0o644))?;
        std::fs::File::from(file).write_all(content)?;
    }
    Ok(tree)
}

/// A file that stays in memory: ramfs, unlike tmpfs, is never swapped to a disk.
fn write_in_memory(files: &Tree, number: usize, file: &InMemory) -> Result<OwnedFd, Errno> {
    let name = PathBuf::from(number.to_string());
    let flags = OFlags::CREATE | OFlags::EXCL | OFlags::WRONLY | OFlags::CLOEXEC;
    let target = rustix::fs::openat(files, &name, flags, Mode::from_raw_mode(0o600))?;
    rustix::fs::fchown(&target, Some(Uid::from_raw(file.uid)), Some(Gid::from_raw(file.gid)))?;
    rustix::fs::fchmod(&target, Mode::from_raw_mode(file.mode & 0o7777))?;
    std::fs::File::from(target).write_all(&file.content)?;
    files.open(&name)
}

/// Nobody writes it any more. A script that a step was given may be executed, a secret not.
fn protect(tree: Tree, file: &InMemory) -> Result<Tree, Errno> {
    let attributes = tree::NO_SUID | tree::NO_DEVICES | tree::READ_ONLY;
    let executable = file.mode & 0o111 != 0;
    tree.restrict(if executable { attributes } else { attributes | tree::NO_EXEC })?;
    Ok(tree)
}

/// The nodes, links and file systems of /dev.
fn fill_dev(inside: &Inside<'_>) -> Result<(), SandboxError> {
    let fill = || -> Result<(), Errno> {
        for (name, node) in &inside.prepared.devices {
            let path = Path::new("/dev").join(name);
            let flags = OFlags::CREATE | OFlags::EXCL | OFlags::CLOEXEC;
            let target = rustix::fs::openat(CWD, &path, flags, Mode::from_raw_mode(0o666))?;
            node.attach(&target)?;
        }
        for (path, target) in LINKS {
            rustix::fs::symlinkat(target, CWD, path)?;
        }
        let pts = ["newinstance", "ptmxmode=0666", "mode=0620", "gid=5"];
        let pts = Tree::new("devpts", &pts, tree::NO_SUID | tree::NO_EXEC)
            // A user namespace without group 5.
            .or_else(|_| Tree::new("devpts", &pts[..3], tree::NO_SUID | tree::NO_EXEC))?;
        attach_new(&pts, "/dev/pts")?;
        attach_new(&Tree::new("tmpfs", &["mode=1777", "size=65536k"], HARMLESS)?, "/dev/shm")?;
        match Tree::new("mqueue", &[], HARMLESS) {
            // A kernel without message queues.
            Err(Errno(libc::ENODEV)) => Ok(()),
            queues => attach_new(&queues?, "/dev/mqueue"),
        }
    };
    fill().doing("fill /dev")
}

fn attach_new(tree: &Tree, path: &str) -> Result<(), Errno> {
    rustix::fs::mkdirat(CWD, path, Mode::from_raw_mode(0o755))?;
    tree.attach(rustix::fs::open(path, OFlags::PATH | OFlags::CLOEXEC, Mode::empty())?)
}

/// Hides and protects what tells of the host, or could change it were this user real root.
fn hide() -> Result<(), SandboxError> {
    let root = tree::host_root().doing("open the root")?;
    let null = tree::open_in(root.as_fd(), Path::new("/dev/null"), OFlags::PATH).doing("open /dev/null")?;
    let mut empty = None;
    for path in MASKED {
        let Ok(target) = tree::open_in(root.as_fd(), Path::new(path), OFlags::PATH) else { continue };
        let directory =
            rustix::fs::fstat(&target).doing(format!("mask {path}"))?.st_mode & libc::S_IFMT == libc::S_IFDIR;
        let mask = if directory {
            match &empty {
                Some(empty) => Tree::of(AsFd::as_fd(empty), false),
                None => Tree::new("tmpfs", &["mode=755", "size=0"], HARMLESS | tree::READ_ONLY),
            }
        } else {
            Tree::of(null.as_fd(), false)
        };
        let mask = mask.doing(format!("mask {path}"))?;
        mask.attach(&target).doing(format!("mask {path}"))?;
        if directory && empty.is_none() {
            empty = Some(mask);
        }
    }
    for path in READ_ONLY {
        let Ok(target) = tree::open_in(root.as_fd(), Path::new(path), OFlags::PATH) else { continue };
        let protected = Tree::of(target.as_fd(), true).doing(format!("protect {path}"))?;
        protected.restrict(HARMLESS | tree::READ_ONLY).doing(format!("protect {path}"))?;
        protected.attach(&target).doing(format!("protect {path}"))?;
    }
    Ok(())
}

fn at(mount: &PreparedMount, source: Errno) -> SandboxError {
    let what = match source {
        Errno(libc::ENOTDIR) if mount.shape == Shape::File => "it is a directory, and the source a file",
        Errno(libc::ENOTDIR) => "it is a file, and the source a directory",
        Errno(libc::EROFS) => "it does not exist, and what is mounted around it is read-only",
        _ => "the kernel refuses",
    };
    SandboxError::Mount { target: mount.target.clone(), what: what.to_owned(), source }
}

fn forbidden(what: &str) -> impl FnOnce(Errno) -> SandboxError {
    let what = what.to_owned();
    move |source| SandboxError::Forbidden {
        what,
        hint: "inside a container, start that one with `--security-opt unmask=ALL` or `--privileged`"
            .to_owned(),
        source,
    }
}
