//! Normalising: after it, a step's upper says what its layer's tar will say, and nothing of the time or place of the build.
//!
//! The upper becomes a lower of the next step as it is, so it is treated in place, before anything reads it: what the next
//! step sees is then the same after a cold build and after a pull. Four things happen:
//!
//! - times are cut to whole seconds, those after the epoch become the epoch;
//! - extended attributes that no layer keeps are removed (see [`keeps_xattr`]), and sockets;
//! - whiteouts and opaque marks that hide nothing are removed, since whether overlayfs leaves one depends on the way a
//!   step went, not on what it left; a name that begins with `.wh.` becomes what readers of the tar will take it for;
//! - the files of the [declared list](crate::layer::RULES) are removed or emptied. A removed file that a lower layer has
//!   too is hidden by a whiteout: otherwise the lower one would show again, and the result would not be "removed".

use std::ffi::CStr;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::path::Path;

use rustix::fs::{
    AtFlags, FileType, Mode, OFlags, Stat, Timespec, Timestamps, UTIME_OMIT, fstat, ftruncate, major, minor,
    mknodat, openat, statat, unlinkat, utimensat,
};
use serde::{Deserialize, Serialize};

use crate::layer::cursor::{DirCursor, failed};
use crate::layer::overlay::keeps_xattr;
use crate::layer::scan::{check_length, names_in, stat_of};
use crate::layer::{Action, OverlayForm, Rules, TreeError, xattr};
use crate::tree::path::{join, parent, shown};

/// One application of a [rule](crate::layer::Rule) to a file.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Normalised {
    /// The file, as text; bytes that are none are replaced.
    pub path: String,
    /// What was done.
    pub action: Action,
    /// Why.
    pub reason: String,
}

/// Treats an overlay upper in place, and says which files it removed or emptied, in order. `below` says whether the
/// layers under it show anything at a path (a [`View`](crate::tree::View)'s lookup).
pub fn normalise(
    directory: &Path,
    rules: &Rules,
    epoch: i64,
    form: OverlayForm,
    below: &dyn Fn(&[u8]) -> bool,
) -> Result<Vec<Normalised>, TreeError> {
    let cursor = DirCursor::new(directory).map_err(failed("open", b""))?;
    let mut work = Work { cursor, rules, epoch, form, below, done: Vec::new(), directories: Vec::new() };
    let root = stat_of(&mut work.cursor, b"")?;
    let mut todo = vec![Item { path: Vec::new(), stat: root, alone: false }];
    while let Some(item) = todo.pop() {
        if FileType::from_raw_mode(item.stat.st_mode).is_dir() {
            todo.extend(work.directory(item)?);
        } else {
            work.other(&item)?;
        }
    }
    // Removing a name changed its directory's time: directories come last, the deepest first.
    while let Some((path, stat)) = work.directories.pop() {
        let now = stat_of(&mut work.cursor, &path)?;
        let changed = (now.st_mtime, now.st_mtime_nsec) != (stat.st_mtime, stat.st_mtime_nsec);
        work.settle_time(&path, &stat, changed)?;
    }
    work.done.sort();
    Ok(work.done)
}

/// An entry that is still to be treated.
struct Item {
    path: Vec<u8>,
    stat: Stat,
    /// Whether lower layers show nothing here, because a directory above is opaque or stands for something else.
    alone: bool,
}

struct Work<'a> {
    cursor: DirCursor,
    rules: &'a Rules,
    epoch: i64,
    form: OverlayForm,
    below: &'a dyn Fn(&[u8]) -> bool,
    done: Vec<Normalised>,
    directories: Vec<(Vec<u8>, Stat)>,
}

impl Work<'_> {
    /// Treats a directory's attributes, and finds what is in it, the last name first.
    fn directory(&mut self, item: Item) -> Result<Vec<Item>, TreeError> {
        let Item { path, stat, mut alone } = item;
        let handle =
            self.cursor.open(&path, OFlags::RDONLY | OFlags::DIRECTORY).map_err(failed("open", &path))?;
        let names = names_in(&handle).map_err(failed("list", &path))?;
        if names.iter().any(|name| name == b".wh..wh..opq") {
            xattr::set(&handle, self.form.opaque().as_bytes(), b"y").map_err(failed("mark", &path))?;
        }
        if self.filter_xattrs(&path, &handle, alone)? {
            alone = true;
        }
        let mut items = Vec::with_capacity(names.len());
        for name in names {
            let child = join(&path, &name);
            check_length(&child)?;
            if let Some(hidden) = name.strip_prefix(b".wh.") {
                self.reserved_name(&handle, &path, &child, hidden, alone)?;
                continue;
            }
            let stat =
                statat(&handle, &name[..], AtFlags::SYMLINK_NOFOLLOW).map_err(failed("look at", &child))?;
            items.push(Item { path: child, stat, alone });
        }
        self.directories.push((path, stat));
        Ok(items)
    }

    /// Treats what is no directory.
    fn other(&mut self, item: &Item) -> Result<(), TreeError> {
        let Item { path, stat, alone } = item;
        match FileType::from_raw_mode(stat.st_mode) {
            FileType::Socket => {
                self.remove(path, *alone)?;
                self.note(path, Action::Remove, "a socket, which ends with its process");
            }
            FileType::CharacterDevice if (major(stat.st_rdev), minor(stat.st_rdev)) == (0, 0) => {
                if *alone || !(self.below)(path) {
                    self.unlink(path)?;
                }
            }
            FileType::RegularFile => {
                let rule = self.rules.find(path);
                if rule.is_some_and(|rule| rule.action == Action::Remove) {
                    self.remove(path, *alone)?;
                } else {
                    let handle = self.cursor.open(path, OFlags::RDONLY).map_err(failed("open", path))?;
                    self.filter_xattrs(path, &handle, *alone)?;
                    let empties = rule.is_some() && stat.st_size > 0;
                    if empties {
                        let (parent, name) = self.cursor.locate(path).map_err(failed("open", path))?;
                        empty(parent, &name).map_err(failed("empty", path))?;
                    }
                    self.settle_time(path, stat, empties)?;
                    if !empties {
                        return Ok(());
                    }
                }
                if let Some(rule) = rule {
                    self.note(path, rule.action, rule.reason);
                }
            }
            _ => self.settle_time(path, stat, false)?,
        }
        Ok(())
    }

    /// Removes attributes that no layer keeps; says whether lower layers are hidden here.
    fn filter_xattrs(&self, path: &[u8], handle: &OwnedFd, alone: bool) -> Result<bool, TreeError> {
        let opaque_name = self.form.opaque().as_bytes();
        let mut opaque = false;
        for name in xattr::names(handle).map_err(failed("read attributes of", path))? {
            if name == opaque_name
                && xattr::get(handle, &name).map_err(failed("read attributes of", path))?.as_deref()
                    == Some(b"y")
            {
                // The root of the lowest layer hides nothing; elsewhere ask.
                opaque = !alone && (path.is_empty() || (self.below)(path));
                if opaque {
                    continue;
                }
            } else if keeps_xattr(&name) || name == self.form.whiteout().as_bytes() {
                continue;
            }
            // A security module's label is the machine's; it is in no index, and some cannot be removed.
            match xattr::remove(handle, &name) {
                Err(_) if name.starts_with(b"security.") => {}
                other => other.map_err(failed("remove attributes of", path))?,
            }
        }
        Ok(opaque)
    }

    /// A name that begins with `.wh.` cannot be in a tar as what it is: readers take it for a deletion. So it becomes one.
    fn reserved_name(
        &mut self,
        handle: &OwnedFd,
        directory: &[u8],
        child: &[u8],
        hidden: &[u8],
        alone: bool,
    ) -> Result<(), TreeError> {
        let stat = statat(handle, crate::tree::file_name(child), AtFlags::SYMLINK_NOFOLLOW)
            .map_err(failed("look at", child))?;
        if FileType::from_raw_mode(stat.st_mode).is_dir() {
            let why = "it is a directory whose name begins with `.wh.`, which means deletion there";
            return Err(TreeError::Unrepresentable { path: shown(child), why });
        }
        self.unlink(child)?;
        let target = join(directory, hidden);
        let plain = !hidden.is_empty() && !hidden.starts_with(b".wh.") && hidden != b"." && hidden != b"..";
        if plain
            && statat(handle, hidden, AtFlags::SYMLINK_NOFOLLOW).is_err()
            && !alone
            && (self.below)(&target)
        {
            self.whiteout(&target)?;
        }
        self.note(child, Action::Remove, "a name that begins with `.wh.` means deletion in a layer");
        Ok(())
    }

    /// Removes a file, and hides the one that lower layers have in its place.
    fn remove(&mut self, path: &[u8], alone: bool) -> Result<(), TreeError> {
        self.unlink(path)?;
        if !alone && (self.below)(path) { self.whiteout(path) } else { Ok(()) }
    }

    fn unlink(&mut self, path: &[u8]) -> Result<(), TreeError> {
        let (parent, name) = self.cursor.locate(path).map_err(failed("open", path))?;
        unlinkat(parent, &name, AtFlags::empty()).map_err(failed("remove", path))
    }

    fn whiteout(&mut self, path: &[u8]) -> Result<(), TreeError> {
        let (parent, name) = self.cursor.locate(path).map_err(failed("open", path))?;
        mknodat(parent, &name, FileType::CharacterDevice, Mode::empty(), 0).map_err(failed("hide", path))
    }

    /// Cuts the modification time to whole seconds, none after the epoch; as it was before the treatment.
    fn settle_time(&mut self, path: &[u8], stat: &Stat, changed: bool) -> Result<(), TreeError> {
        let seconds = stat.st_mtime.min(self.epoch);
        if !changed && seconds == stat.st_mtime && stat.st_mtime_nsec == 0 {
            return Ok(());
        }
        let times = Timestamps {
            last_access: Timespec { tv_sec: 0, tv_nsec: UTIME_OMIT },
            last_modification: Timespec { tv_sec: seconds, tv_nsec: 0 },
        };
        let (parent, name) = self.cursor.locate(path).map_err(failed("open", path))?;
        utimensat(parent, &name, &times, AtFlags::SYMLINK_NOFOLLOW).map_err(failed("set the time of", path))
    }

    fn note(&mut self, path: &[u8], action: Action, reason: &str) {
        debug_assert!(parent(path).is_some());
        self.done.push(Normalised { path: shown(path), action, reason: reason.to_owned() });
    }
}

fn empty(parent: BorrowedFd<'_>, name: &CStr) -> std::io::Result<()> {
    let flags = OFlags::WRONLY | OFlags::NOFOLLOW | OFlags::CLOEXEC | OFlags::NONBLOCK;
    let handle = openat(parent, name, flags, Mode::empty())?;
    if FileType::from_raw_mode(fstat(handle.as_fd())?.st_mode).is_file() {
        ftruncate(&handle, 0)?;
    }
    Ok(())
}
