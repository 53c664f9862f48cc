//! Everything a sandbox mounts that comes from the host, as detached mounts.

use std::os::fd::AsFd;
use std::path::{Path, PathBuf};

use rustix::fs::{FileType, Gid, Mode, OFlags, Uid};

use super::error::Doing;
use super::ids::IdPlan;
use super::overlay::{self, Writes};
use super::scratch::Scratch;
use super::targets::{Shape, Targets};
use super::tree::{self, Tree};
use super::{Errno, MountSource, Network, SandboxError, SandboxMount, SandboxSpec};

/// Nodes of the host's `/dev` that a step may use: those of Docker.
pub(super) const DEVICES: [&str; 6] = ["null", "zero", "full", "random", "urandom", "tty"];

/// A sandbox's mounts, ready to be attached by init.
pub(super) struct Prepared {
    pub root: Tree,
    /// In the order in which they are attached.
    pub mounts: Vec<PreparedMount>,
    pub devices: Vec<(&'static str, Tree)>,
}

/// Something to mount and where.
pub(super) struct PreparedMount {
    /// Absolute, in the sandbox; whatever of it is missing is made.
    pub target: PathBuf,
    pub shape: Shape,
    pub content: Content,
}

/// What init attaches.
pub(super) enum Content {
    Tree(Tree),
    Tmpfs {
        size: Option<u64>,
        read_only: bool,
    },
    Files(Vec<(String, Vec<u8>)>),
    File(InMemory),
    Proc,
    /// A fresh sysfs; only the owner of a network namespace may mount one.
    Sys,
    Dev,
}

/// A small file that is kept in memory.
pub(super) struct InMemory {
    pub content: Vec<u8>,
    pub mode: u32,
    pub uid: u32,
    pub gid: u32,
}

impl Prepared {
    pub(super) fn new(spec: &SandboxSpec, ids: &IdPlan) -> Result<Prepared, SandboxError> {
        let layers =
            spec.layers.iter().map(|path| overlay::layer(path, ids)).collect::<Result<Vec<_>, _>>()?;
        let mut layers: Vec<&Tree> = layers.iter().collect();
        let kept;
        match used_upper(spec, ids)? {
            Some(upper) => {
                kept = upper;
                layers.push(&kept);
            }
            None => copy_root(spec)?,
        }
        let view;
        let view = match layers[..] {
            [] => None,
            [only] => Some(only),
            _ => {
                view = overlay::mount(&layers, None, ids)?;
                Some(&view)
            }
        };
        let mut targets = Targets::new(view, ids);
        let mut mounts = Vec::new();
        for planned in standard_mounts(spec)?.into_iter().map(Ok).chain(asked_mounts(spec, ids)) {
            let (target, shape, content) = planned?;
            let target = targets.place(&target, shape)?;
            mounts.push(PreparedMount { target, shape, content });
        }
        for stand_in in &spec.stand_ins {
            targets.stand_in(stand_in)?;
        }
        let stubs = targets.into_stubs()?;
        let mut layers = spec_layers(&layers, spec);
        layers.extend(&stubs);
        let writes = (!spec.read_only).then_some(Writes { upper: &spec.upper, work: &spec.work });
        let root = overlay::mount(&layers, writes, ids)?;
        if spec.read_only {
            root.restrict(tree::READ_ONLY).doing("make the root read-only")?;
        }
        let devices = DEVICES.into_iter().map(|name| {
            let path = Path::new("/dev").join(name);
            Ok((name, Tree::of_path(&path, false).doing(format!("use {}", path.display()))?))
        });
        Ok(Prepared { root, mounts, devices: devices.collect::<Result<_, SandboxError>>()? })
    }
}

/// An upper that holds something already belongs to what the step sees.
fn used_upper(spec: &SandboxSpec, ids: &IdPlan) -> Result<Option<Tree>, SandboxError> {
    let used =
        !spec.read_only && std::fs::read_dir(&spec.upper).is_ok_and(|mut entries| entries.next().is_some());
    used.then(|| overlay::layer(&spec.upper, ids)).transpose()
}

/// The uppermost directory is the one whose mode and owner are seen as those of `/`.
fn copy_root(spec: &SandboxSpec) -> Result<(), SandboxError> {
    let Some(top) = spec.layers.last().filter(|_| !spec.read_only) else { return Ok(()) };
    let copy = || -> Result<(), Errno> {
        let (wanted, found) = (rustix::fs::stat(top)?, rustix::fs::stat(&spec.upper)?);
        if (wanted.st_uid, wanted.st_gid) != (found.st_uid, found.st_gid) {
            rustix::fs::chown(
                &spec.upper,
                Some(Uid::from_raw(wanted.st_uid)),
                Some(Gid::from_raw(wanted.st_gid)),
            )?;
        }
        if wanted.st_mode != found.st_mode {
            rustix::fs::chmod(&spec.upper, Mode::from_raw_mode(wanted.st_mode & 0o7777))?;
        }
        Ok(())
    };
    copy().doing("give the root its mode")
}

/// The layers without the upper that was put on top of them for the view.
fn spec_layers<'a>(layers: &[&'a Tree], spec: &SandboxSpec) -> Vec<&'a Tree> {
    layers.iter().copied().take(spec.layers.len()).collect()
}

type Planned = (PathBuf, Shape, Content);

/// What every sandbox has, as Docker's have it.
fn standard_mounts(spec: &SandboxSpec) -> Result<Vec<Planned>, SandboxError> {
    let sys = match spec.network {
        Network::None | Network::Gateway => Content::Sys,
        Network::Host => {
            let sys = Tree::of_path(Path::new("/sys"), true).doing("use /sys")?;
            sys.restrict(tree::READ_ONLY | tree::NO_SUID | tree::NO_DEVICES | tree::NO_EXEC)
                .doing("make /sys read-only")?;
            Content::Tree(sys)
        }
    };
    let mut mounts = vec![
        ("/proc".into(), Shape::Directory, Content::Proc),
        ("/dev".into(), Shape::Directory, Content::Dev),
        ("/sys".into(), Shape::Directory, sys),
        ("/etc/hosts".into(), Shape::File, readable(hosts(spec).into_bytes())),
    ];
    if let Some(resolv_conf) = &spec.resolv_conf {
        mounts.push(("/etc/resolv.conf".into(), Shape::File, readable(resolv_conf.clone())));
    }
    Ok(mounts)
}

fn readable(content: Vec<u8>) -> Content {
    Content::File(InMemory { content, mode: 0o644, uid: 0, gid: 0 })
}

fn hosts(spec: &SandboxSpec) -> String {
    let mut hosts =
        format!("127.0.0.1\tlocalhost {}\n::1\tlocalhost ip6-localhost ip6-loopback\n", spec.hostname);
    for (name, address) in &spec.hosts {
        hosts += &format!("{address}\t{name}\n");
    }
    hosts
}

/// What the specification asks for, parents before children.
fn asked_mounts(spec: &SandboxSpec, ids: &IdPlan) -> impl Iterator<Item = Result<Planned, SandboxError>> {
    let mut mounts: Vec<&SandboxMount> = spec.mounts.iter().collect();
    mounts.sort_by(|a, b| a.target.cmp(&b.target));
    mounts.into_iter().map(move |mount| {
        let (shape, content) = content(mount, ids)?;
        Ok((mount.target.clone(), shape, content))
    })
}

fn content(mount: &SandboxMount, ids: &IdPlan) -> Result<(Shape, Content), SandboxError> {
    let read_only = mount.read_only;
    Ok(match &mount.source {
        MountSource::Bind { source, subpath } => from_host(mount, source, subpath.as_deref(), ids)?,
        MountSource::Socket { path } => from_host(mount, path, None, ids)?,
        MountSource::Snapshot { layers, upper, work, subpath } => {
            let layers =
                layers.iter().map(|path| overlay::layer(path, ids)).collect::<Result<Vec<_>, _>>()?;
            let layers: Vec<&Tree> = layers.iter().collect();
            let writes = (!read_only).then_some(Writes { upper, work });
            let whole = overlay::mount(&layers, writes, ids)?;
            let tree = match subpath {
                Some(subpath) => {
                    below(&whole, subpath).map_err(|source| failed(mount, "its source is missing", source))?
                }
                None => whole,
            };
            finish(mount, tree)?
        }
        MountSource::Tmpfs { size } => (Shape::Directory, Content::Tmpfs { size: *size, read_only }),
        MountSource::Files { files } => (Shape::Directory, Content::Files(files.clone())),
        MountSource::File { content, mode, uid, gid } => {
            ids.check(*uid)?;
            ids.check(*gid)?;
            let file = InMemory { content: content.clone(), mode: *mode, uid: *uid, gid: *gid };
            (Shape::File, Content::File(file))
        }
    })
}

/// A file or directory of the host whose ids are taken as the image's.
fn from_host(
    mount: &SandboxMount,
    source: &Path,
    subpath: Option<&Path>,
    ids: &IdPlan,
) -> Result<(Shape, Content), SandboxError> {
    let missing = |source: Errno| failed(mount, "its source cannot be used", source);
    let root = rustix::fs::open(source, OFlags::PATH | OFlags::CLOEXEC, Mode::empty())
        .map_err(|errno| missing(errno.into()))?;
    let file = match subpath {
        Some(subpath) => tree::open_in(root.as_fd(), subpath, OFlags::PATH).map_err(missing)?,
        None => root,
    };
    let mut tree = Tree::of(file.as_fd(), true).map_err(missing)?;
    if let Some(mapping) = ids.mapping()
        && tree.map_ids(mapping, true).is_err()
    {
        // Something mounted below may not take a mapping, or this file system may not.
        tree = Tree::of(file.as_fd(), false).map_err(missing)?;
        if let Err(errno) = tree.map_ids(mapping, false)
            && !mount.read_only
        {
            return Err(failed(mount, "its file system does not take idmapped mounts", errno));
        }
    }
    finish(mount, tree)
}

fn finish(mount: &SandboxMount, tree: Tree) -> Result<(Shape, Content), SandboxError> {
    let mut attributes = tree::NO_DEVICES | tree::NO_SUID;
    if mount.read_only {
        attributes |= tree::READ_ONLY;
    }
    tree.restrict(attributes).map_err(|source| failed(mount, "its source cannot be restricted", source))?;
    let stat =
        rustix::fs::fstat(&tree).map_err(|errno| failed(mount, "its source cannot be used", errno.into()))?;
    let directory = FileType::from_raw_mode(stat.st_mode) == FileType::Directory;
    Ok((if directory { Shape::Directory } else { Shape::File }, Content::Tree(tree)))
}

/// A part of a detached mount. Linux before 6.15 copies only what is attached.
fn below(whole: &Tree, subpath: &Path) -> Result<Tree, Errno> {
    let part = whole.open(subpath)?;
    match Tree::of(part.as_fd(), false) {
        Err(Errno(libc::EINVAL)) => {
            let name = Scratch::enter()?.attach(whole)?;
            let whole = rustix::fs::open(&name, OFlags::PATH | OFlags::CLOEXEC, Mode::empty())?;
            Tree::of(tree::open_in(whole.as_fd(), subpath, OFlags::PATH)?.as_fd(), false)
        }
        other => other,
    }
}

fn failed(mount: &SandboxMount, what: &str, source: Errno) -> SandboxError {
    SandboxError::Mount { target: mount.target.clone(), what: what.to_owned(), source }
}
