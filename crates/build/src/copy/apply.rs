//! Carrying out what was gathered.

use std::fs::File;
use std::io::Write;

use dockerfile::mode::Mode;

use super::archive::{is_archive, unpack_into};
use super::attributes::{Attributes, apply_file};
use super::gather::{Gathered, Input, select};
use super::select::{Filter, Selected};
use super::transfer::{Finish, create, transfer};
use super::tree::{ItemKind, Tree};
use super::upper::{Existing, Upper};
use super::users::{needs_lookup, owner};
use super::{Applied, CopyError, Snapshot, Target};
use crate::plan::{WorkdirAction, path};

/// The mode of a file that the Dockerfile itself contains.
const INLINE_MODE: u32 = 0o644;

/// The mode of a file that was downloaded.
const DOWNLOAD_MODE: u32 = 0o600;

/// Writes what was gathered into an upper.
pub(super) fn apply(gathered: &Gathered<'_>, target: &Target<'_>) -> Result<Applied, CopyError> {
    let action = gathered.action;
    let mut warnings = gathered.warnings.clone();
    let owner = match &action.chown {
        None => None,
        Some(spec) if action.link && needs_lookup(spec) => {
            let why = "`--link` makes a layer that does not look at the image below it";
            return Err(CopyError::NoUsers { owner: spec.clone(), why });
        }
        Some(spec) => Some(look_up(spec, target.parent, &mut warnings)?),
    };
    let (epoch, threads) = (target.epoch, target.threads);
    let finish = Finish { owner, mode: action.chmod.clone(), epoch, threads };
    let below = (!action.link).then_some(&target.parent.view);
    let upper = Upper::new(target.upper, below, target.form, epoch);
    let mut copier = Copier { upper, finish, target, destination: &action.destination, files: 0 };
    for input in &gathered.inputs {
        match input {
            Input::Selected(tree, all) => {
                for selected in all {
                    copier.selected(*tree, selected, action.unpack.local)?;
                }
            }
            Input::Inline(name, content) => copier.inline(name, content)?,
            Input::Download(download, name) => {
                let file = File::open(&download.file);
                let file = file.map_err(|error| CopyError::io("read", name.as_bytes(), error))?;
                copier.download(file, name, download.mtime, action.unpack.remote)?;
            }
            Input::Git(context, selected) => {
                let to = copier.destination()?;
                transfer(&mut copier.upper, Tree::Context(context), selected, &to, false, &copier.finish)?;
            }
        }
    }
    if copier.files > 1 && !copier.is_directory()? {
        warnings.push(format!(
            "several files are copied to `{}`, which is no directory, so only the last one is there; end it with a slash",
            action.destination
        ));
    }
    copier.upper.finish()?;
    Ok(Applied { warnings })
}

/// Creates a working directory. What is missing belongs to the user of the stage; what exists stays as it is.
pub fn workdir(action: &WorkdirAction, target: &Target<'_>) -> Result<Applied, CopyError> {
    let mut warnings = Vec::new();
    let owner = match action.user.as_str() {
        "" => None,
        spec => Some(look_up(spec, target.parent, &mut warnings)?),
    };
    let mut upper = Upper::new(target.upper, Some(&target.parent.view), target.form, target.epoch);
    let to = upper.resolve(action.path.as_bytes())?;
    upper.make_all(&to, 0o755, owner)?;
    upper.finish()?;
    Ok(Applied { warnings })
}

/// Copies one path of a tree and everything below it to the same place in an upper that is over nothing. Links on the
/// way are followed; no character of the path is a wildcard. What is not there makes nothing.
pub fn copy_path(tree: Tree<'_>, path: &str, target: &Target<'_>) -> Result<(), CopyError> {
    let from = tree.resolve(path.as_bytes(), true)?;
    let mut upper = Upper::new(target.upper, None, target.form, target.epoch);
    if let Some(root) = tree.lookup(&from)? {
        let finish = Finish { owner: None, mode: None, epoch: target.epoch, threads: target.threads };
        let selected = select(tree, root, Vec::new(), &Filter::default())?;
        let to = path::join("/", path);
        let to = to.trim_start_matches('/').as_bytes();
        if to.is_empty() {
            let attributes = finish.attributes(&selected.root);
            upper.set(b"", |own| *own = attributes);
        }
        transfer(&mut upper, tree, &selected, to, false, &finish)?;
    }
    upper.finish()
}

fn look_up(spec: &str, parent: &Snapshot, warnings: &mut Vec<String>) -> Result<(u32, u32), CopyError> {
    let file = |name: &str| {
        let read = parent.read_file(name).map_err(|error| CopyError::io("read", name.as_bytes(), error));
        read.map(Option::unwrap_or_default)
    };
    let (passwd, group) = match needs_lookup(spec) {
        false => (Vec::new(), Vec::new()),
        true if parent.view.layers().is_empty() => {
            let why = "the stage is still empty, so it has no /etc/passwd";
            return Err(CopyError::NoUsers { owner: spec.to_owned(), why });
        }
        true => (file("etc/passwd")?, file("etc/group")?),
    };
    let found = owner(spec, &passwd, &group);
    for name in &found.unknown {
        warnings.push(format!(
            "`{name}` is neither in /etc/passwd nor in /etc/group of the image; root is taken"
        ));
    }
    Ok((found.uid, found.gid))
}

/// An upper being filled by one instruction.
struct Copier<'t> {
    upper: Upper<'t>,
    finish: Finish,
    target: &'t Target<'t>,
    destination: &'t str,
    /// How many things that are no directories were copied.
    files: usize,
}

impl Copier<'_> {
    /// Where the destination leads. Directories above it are made; so is the destination itself, if the Dockerfile says
    /// that it is a directory.
    fn destination(&mut self) -> Result<Vec<u8>, CopyError> {
        let says_directory = self.destination.ends_with('/') || self.destination.ends_with("/.");
        let clean = path::clean(self.destination);
        let directory = if says_directory {
            clean.as_str()
        } else {
            clean.rsplit_once('/').map_or("", |(above, _)| above)
        };
        let directory = self.upper.resolve(directory.as_bytes())?;
        self.upper.make_all(&directory, self.finish.directory_mode(), self.finish.owner)?;
        self.upper.resolve(clean.as_bytes())
    }

    fn is_directory(&self) -> Result<bool, CopyError> {
        let to = self.upper.resolve(path::clean(self.destination).as_bytes())?;
        Ok(self.upper.look(&to)? == Some(Existing { kind: ItemKind::Directory }))
    }

    fn selected(&mut self, tree: Tree<'_>, selected: &Selected, unpack: bool) -> Result<(), CopyError> {
        if unpack && selected.root.kind == ItemKind::File {
            let mut file = tree.open(&selected.root)?;
            let path = &selected.root.path;
            if is_archive(&mut file).map_err(|error| CopyError::io("read", path, error))? {
                return self.archive(file);
            }
        }
        self.files += usize::from(!selected.root.is_directory());
        let to = self.destination()?;
        transfer(&mut self.upper, tree, selected, &to, true, &self.finish)
    }

    fn archive(&mut self, file: File) -> Result<(), CopyError> {
        let to = self.upper.resolve(path::clean(self.destination).as_bytes())?;
        // The mode of `--chmod` is for files that are copied, not for what an archive makes.
        self.upper.make_all(&to, 0o755, self.finish.owner)?;
        let room = self.target.upper.parent().unwrap_or(self.target.upper);
        unpack_into(&mut self.upper, file, &to, self.finish.owner, self.target.form, room)
    }

    fn inline(&mut self, name: &str, content: &str) -> Result<(), CopyError> {
        self.file(name, INLINE_MODE, None, &mut content.as_bytes())
    }

    fn download(
        &mut self,
        mut file: File,
        name: &str,
        mtime: Option<i64>,
        unpack: bool,
    ) -> Result<(), CopyError> {
        if unpack && is_archive(&mut file).map_err(|error| CopyError::io("read", name.as_bytes(), error))? {
            return self.archive(file);
        }
        self.file(name, DOWNLOAD_MODE, mtime, &mut file)
    }

    /// Writes a file that comes from no tree.
    fn file(
        &mut self,
        name: &str,
        mode: u32,
        mtime: Option<i64>,
        content: &mut dyn std::io::Read,
    ) -> Result<(), CopyError> {
        self.files += 1;
        let mut to = self.destination()?;
        if self.upper.look(&to)? == Some(Existing { kind: ItemKind::Directory }) {
            to = oci::tree::join(&to, name.as_bytes());
        }
        self.upper.make_room(&to)?;
        let (uid, gid) = self.finish.owner.unwrap_or((0, 0));
        let mode = self.finish.mode.as_ref().map_or(mode, |change: &Mode| change.apply(mode, false));
        let mtime = mtime.unwrap_or(self.finish.epoch).min(self.finish.epoch);
        let attributes = Attributes { mode, uid, gid, mtime, xattrs: Vec::new() };
        let written = create(&self.upper.on_disk(&to)).and_then(|mut out| {
            std::io::copy(content, &mut out)?;
            out.flush()?;
            apply_file(&out, &attributes)
        });
        written.map_err(|error| CopyError::io("write", &to, error))
    }
}
