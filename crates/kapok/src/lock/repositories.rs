//! ADD of a Git repository under a lock: the commit is pinned, and its tree stays in the store.

use std::fs::File;
use std::io::{self, BufReader};
use std::path::Path;

use build::copy::GitError;
use build::engine::Git;
use build::plan::git::GitReference;
use oci::layer::{UnpackLimits, UnpackOptions, index_directory, unpack, write_tar};
use oci::lock::{Content, Source};
use oci::store::{Download, Store};
use oci::tree::{Entry, PathIndex};

use super::{LockMode, Locking};

/// The time of everything in a kept tree. When a tree was checked out says nothing of it; later than any build, because
/// a build takes the earlier of a file's time and its own.
const TIME: i64 = 4_102_444_800;

/// Threads that read a tree.
const THREADS: usize = 2;

/// Git repositories at the commits that a lock says.
pub struct LockedGit<'a> {
    /// The lock.
    pub locking: &'a Locking,
    /// Asks upstreams.
    pub git: &'a dyn Git,
    /// Has and keeps trees.
    pub store: &'a Store,
    /// Now, seconds since 1970.
    pub now: i64,
}

impl Git for LockedGit<'_> {
    fn fetch(
        &self,
        reference: &GitReference,
        keep_git_dir: bool,
        directory: &Path,
    ) -> Result<String, GitError> {
        let asked = reference.revision.as_deref().unwrap_or("HEAD");
        let failed =
            |message| GitError::Failed { action: "fetch", remote: reference.remote.clone(), message };
        if self.locking.mode == LockMode::Write {
            let commit = self.git.fetch(reference, keep_git_dir, directory)?;
            let url = name(reference, keep_git_dir, &commit);
            let content = self.keep(&url, directory).map_err(failed)?;
            self.locking.took().commit(&reference.remote, asked, &commit);
            self.locking.took().source(&url, Source { content, modified: None, name: None });
            return Ok(commit);
        }
        let key = (reference.remote.clone(), asked.to_owned());
        let Some(commit) = self.locking.image.commits.get(&key) else {
            return Err(failed(self.locking.lacking(&format!("`{asked}` of it"))));
        };
        let url = oci::lock::normalised_url(&name(reference, keep_git_dir, commit));
        let kept = self.locking.image.sources.get(&url).map(|source| source.content.digest);
        if let Some(digest) = kept.filter(|digest| self.store.has_blob(digest).unwrap_or(false)) {
            let file = self.store.open_blob(&digest).map_err(|error| failed(error.to_string()))?;
            give(file, directory).map_err(failed)?;
            return Ok(commit.clone());
        }
        if self.locking.mode == LockMode::Offline {
            return Err(failed(format!(
                "the store has no copy of commit {commit}, which the lock names; take it in with \
                 `kapok build --lock`, where there is a network"
            )));
        }
        let pinned = GitReference {
            revision: Some(commit.clone()),
            commit: Some(reference.commit.clone().unwrap_or_else(|| commit.clone())),
            ..reference.clone()
        };
        self.git.fetch(&pinned, keep_git_dir, directory)
    }
}

impl LockedGit<'_> {
    /// Keeps a tree as a tar, which is the same wherever and whenever it was checked out.
    fn keep(&self, url: &str, directory: &Path) -> Result<Content, String> {
        let words = |error: &dyn std::error::Error| format!("its tree cannot be kept: {error}");
        let index = index_directory(directory, self.store.form(), THREADS).map_err(|error| words(&error))?;
        let plain = |entry: Entry| Entry { uid: 0, gid: 0, xattrs: Vec::new(), mtime: TIME, ..entry };
        let root = |entry: Entry| if entry.path.is_empty() { Entry { mtime: 0, ..entry } } else { entry };
        let entries: Vec<Entry> = index.iter().map(|entry| root(plain(entry))).collect();
        let index = PathIndex::build(entries).map_err(|error| words(&error))?;
        let mut body = self.store.blob_writer().map_err(|error| words(&error))?;
        write_tar(directory, &index, &mut body).map_err(|error| words(&error))?;
        let (digest, size) = body.finish().map_err(|error| words(&error))?;
        let request = format!("ADD {}", oci::lock::normalised_url(url));
        self.store.keep_download(Download {
            request,
            digest,
            size,
            answer: String::new(),
            fetched: self.now,
        });
        Ok(Content { digest, size })
    }
}

/// Unpacks a kept tree into a fresh directory.
fn give(tar: File, directory: &Path) -> Result<(), String> {
    let own = (rustix::process::geteuid().as_raw(), rustix::process::getegid().as_raw());
    let plain = UnpackOptions::plain(oci::layer::OverlayForm::User, UnpackLimits::default());
    let options = UnpackOptions { owner: Some(own), existing: true, ..plain };
    let unpacked = unpack(BufReader::new(tar), directory, &options);
    unpacked
        .map(drop)
        .map_err(|error| format!("its tree in the store cannot be read: {}", io::Error::other(error)))
}

/// What a tree is called among the sources of a lock: everything that decides what is in it.
fn name(reference: &GitReference, keep_git_dir: bool, commit: &str) -> String {
    let remote = match reference.remote.contains("://") {
        true => reference.remote.clone(),
        // `user@host:path`
        false => format!("ssh://{}", reference.remote.replacen(':', "/", 1)),
    };
    let mut name = format!("git+{remote}?commit={commit}");
    if let Some(directory) = reference.directory.as_deref().filter(|directory| !directory.is_empty()) {
        name += &format!("&directory={directory}");
    }
    if reference.submodules == Some(false) {
        name += "&submodules=false";
    }
    if keep_git_dir {
        name += "&keep-git-dir=true";
    }
    name
}
