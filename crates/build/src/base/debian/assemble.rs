//! From a list of packages to a tree: downloading and unpacking side by side, then what dpkg would have written.

use super::archive::{Archive, ArchiveError, Source, Suite};
use super::catalog::Package;
use super::database::{self, DatabaseError, Unpacked};
use super::deb::{Deb, DebError};
use super::resolve::Resolved;
use super::sources;
use super::tree::{Brought, Sums, Tree, TreeError, Unpacking};
use oci::record::Intake;
use oci::store::StoreError;
use rustix::fs::{Gid, Uid};
use std::collections::VecDeque;
use std::fs::{self, Permissions};
use std::io;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};
use std::thread;

/// How many packages are fetched at once. An archive's mirror is far and its packages are small: waiting dominates.
const FETCHES: usize = 8;

/// The package that brings the top directories; it comes first, as the first to bring a directory says what it is like.
const FIRST: &str = "base-files";

/// Why a tree was not made.
#[derive(Debug, thiserror::Error)]
pub enum FillError {
    /// A package could not be had.
    #[error("cannot have package `{package}`")]
    Package {
        /// Its name.
        package: String,
        /// Why.
        #[source]
        source: Box<ArchiveError>,
    },
    /// A package's file is right by its digest, but broken.
    #[error("package `{package}` is broken")]
    Broken {
        /// Its name.
        package: String,
        /// How.
        #[source]
        source: DebError,
    },
    /// A package's files do not fit into the tree.
    #[error("cannot unpack package `{package}`{}", other.as_ref().map(|other| format!(" beside `{other}`")).unwrap_or_default())]
    Unpack {
        /// Its name.
        package: String,
        /// The package that it clashes with.
        other: Option<String>,
        /// Why.
        #[source]
        source: TreeError,
    },
    /// The database cannot be written.
    #[error(transparent)]
    Database(#[from] DatabaseError),
    /// Something else cannot be written.
    #[error("cannot write {what}")]
    Write {
        /// What.
        what: &'static str,
        /// Why.
        #[source]
        source: io::Error,
    },
    /// The store refuses.
    #[error(transparent)]
    Store(#[from] StoreError),
}

/// A tree that is ready to be configured.
#[derive(Debug, Default)]
pub struct Filled {
    /// One per package, the system's first.
    pub intakes: Vec<Intake>,
    /// The latest time of anything that a package brought.
    pub newest: i64,
}

/// What is to be put into a tree.
pub struct Filling<'a> {
    /// Where packages come from.
    pub archive: &'a Archive<'a>,
    /// The suites, by the packages' `origin`.
    pub suites: &'a [Suite],
    /// The packages.
    pub resolved: &'a Resolved,
    /// Threads that unpack.
    pub jobs: usize,
}

/// Fills an empty directory with the system's packages, unpacked and listed in dpkg's database, and links the included
/// packages' files as `0.deb`, `1.deb`, ... into `packages`.
pub fn fill(filling: &Filling<'_>, root: &Path, packages: &Path) -> Result<Filled, FillError> {
    fs::set_permissions(root, Permissions::from_mode(0o755)).map_err(write_error("the tree"))?;
    let tree = Tree::open(root).map_err(|source| tree_error("", source))?;
    let merged =
        filling.resolved.system.iter().any(|one| one.name == "usrmerge" || one.name == "usr-is-merged");
    if merged {
        merge_usr(&tree).map_err(|source| tree_error("", source))?;
    }
    let work = Work::new(filling, &tree);
    thread::scope(|scope| {
        for _ in 0..FETCHES {
            scope.spawn(|| work.fetch_packages());
        }
        for _ in 0..filling.jobs.max(1) {
            scope.spawn(|| work.unpack_packages());
        }
    });
    let (unpacked, intakes) = work.result()?;
    let brought: Vec<&Brought> =
        first_first(&filling.resolved.system).map(|at| &unpacked[at].brought).collect();
    tree.finish(&brought).map_err(|source| tree_error("", source))?;
    if merged {
        unmerge_unused(root);
    }
    database::write(root, &unpacked)?;
    database::seed_accounts(root)?;
    link_packages(filling, packages)?;
    Ok(Filled { intakes, newest: unpacked.iter().map(|one| one.brought.newest).max().unwrap_or(0) })
}

/// Directories and sources that a system with apt has from the beginning.
pub fn prepare_apt(root: &Path, name: &str, list: &[Source]) -> Result<(), FillError> {
    let failed = write_error("apt's directories");
    for path in ["var/cache/apt/archives/partial", "var/lib/apt/lists/partial"] {
        let directory = root.join(path);
        fs::create_dir_all(&directory).map_err(&failed)?;
        fs::set_permissions(&directory, Permissions::from_mode(0o700)).map_err(&failed)?;
    }
    sources::write(root, name, list).map_err(write_error("the image's sources"))
}

/// Once the packages are configured there is a user for it.
pub fn give_apt_its_directories(root: &Path) -> Result<(), FillError> {
    let failed = write_error("apt's directories");
    let accounts = fs::read_to_string(root.join("etc/passwd")).map_err(&failed)?;
    let user = accounts.lines().find_map(|line| {
        let mut fields = line.split(':');
        (fields.next() == Some("_apt")).then(|| fields.nth(1).and_then(|uid| uid.parse::<u32>().ok()))?
    });
    for path in ["var/cache/apt/archives/partial", "var/lib/apt/lists/partial"] {
        if let Some(user) = user {
            let owner = (Some(Uid::from_raw(user)), Some(Gid::ROOT));
            rustix::fs::chown(root.join(path), owner.0, owner.1).map_err(io::Error::from).map_err(&failed)?;
        }
    }
    Ok(())
}

fn merge_usr(tree: &Tree) -> Result<(), TreeError> {
    let names = ["bin", "sbin", "lib"].into_iter().chain(OTHER_LIBRARIES);
    names.into_iter().try_for_each(|name| tree.link_directory(name, &format!("usr/{name}")))
}

/// Architectures differ in which of these they have.
const OTHER_LIBRARIES: [&str; 4] = ["lib32", "lib64", "libx32", "libo32"];

fn unmerge_unused(root: &Path) {
    for name in OTHER_LIBRARIES {
        // A directory that something is in is used.
        if fs::remove_dir(root.join("usr").join(name)).is_ok() {
            let _ = fs::remove_file(root.join(name));
        }
    }
}

fn link_packages(filling: &Filling<'_>, packages: &Path) -> Result<(), FillError> {
    let failed = write_error("the included packages");
    fs::create_dir_all(packages).map_err(&failed)?;
    for (number, package) in filling.resolved.included.iter().enumerate() {
        let blob = filling.archive.store.blob_path(&package.digest);
        fs::hard_link(blob, packages.join(format!("{number}.deb"))).map_err(&failed)?;
    }
    Ok(())
}

/// Numbers of packages with [`FIRST`] before the others.
fn first_first(packages: &[Package]) -> impl Iterator<Item = usize> + '_ {
    let first = packages.iter().position(|package| package.name == FIRST);
    first.into_iter().chain((0..packages.len()).filter(move |number| Some(*number) != first))
}

fn tree_error(package: &str, source: TreeError) -> FillError {
    FillError::Unpack { package: package.to_owned(), other: None, source }
}

fn write_error(what: &'static str) -> impl Fn(io::Error) -> FillError {
    move |source| FillError::Write { what, source }
}

/// What the threads share. Packages are numbered through: the system's, then the included ones.
struct Work<'a> {
    filling: &'a Filling<'a>,
    tree: &'a Tree,
    state: Mutex<State>,
    changed: Condvar,
}

struct State {
    to_fetch: VecDeque<usize>,
    to_unpack: VecDeque<usize>,
    /// Packages of the system that are not unpacked yet.
    left: usize,
    /// [`FIRST`] is unpacked; until then nothing else is.
    begun: bool,
    intakes: Vec<Option<Intake>>,
    unpacked: Vec<Option<Unpacked>>,
    failure: Option<FillError>,
}

impl<'a> Work<'a> {
    fn new(filling: &'a Filling<'a>, tree: &'a Tree) -> Self {
        let system = &filling.resolved.system;
        let all = system.len() + filling.resolved.included.len();
        // Large ones first, so that none is left to wait for at the end.
        let mut order: Vec<usize> = first_first(system).chain(system.len()..all).collect();
        let begun = system.iter().all(|package| package.name != FIRST);
        let state = State {
            to_unpack: VecDeque::new(),
            left: system.len(),
            begun,
            intakes: vec![None; all],
            unpacked: (0..system.len()).map(|_| None).collect(),
            failure: None,
            to_fetch: VecDeque::new(),
        };
        let work = Self { filling, tree, state: Mutex::new(state), changed: Condvar::new() };
        let fixed = usize::from(!begun);
        order[fixed..].sort_by_key(|number| std::cmp::Reverse(work.package(*number).size));
        work.lock().to_fetch = order.into();
        work
    }

    fn package(&self, number: usize) -> &Package {
        let system = &self.filling.resolved.system;
        system.get(number).unwrap_or_else(|| &self.filling.resolved.included[number - system.len()])
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn fail(&self, failure: FillError) {
        let mut state = self.lock();
        state.failure.get_or_insert(failure);
        self.changed.notify_all();
    }

    fn fetch_packages(&self) {
        loop {
            let number = {
                let mut state = self.lock();
                if state.failure.is_some() {
                    return;
                }
                match state.to_fetch.pop_front() {
                    Some(number) => number,
                    None => return,
                }
            };
            let package = self.package(number);
            match self.filling.archive.package(&self.filling.suites[package.origin], package) {
                Ok(intake) => {
                    let mut state = self.lock();
                    state.intakes[number] = Some(intake);
                    if number < self.filling.resolved.system.len() {
                        state.to_unpack.push_back(number);
                    }
                    self.changed.notify_all();
                }
                Err(source) => {
                    let package = package.name.clone();
                    return self.fail(FillError::Package { package, source: Box::new(source) });
                }
            }
        }
    }

    fn unpack_packages(&self) {
        while let Some(number) = self.next_to_unpack() {
            match self.unpack(number) {
                Ok(unpacked) => {
                    let mut state = self.lock();
                    state.unpacked[number] = Some(unpacked);
                    state.begun = true;
                    self.changed.notify_all();
                }
                Err(failure) => return self.fail(failure),
            }
        }
    }

    fn next_to_unpack(&self) -> Option<usize> {
        let mut state = self.lock();
        loop {
            if state.failure.is_some() || state.left == 0 {
                return None;
            }
            let begun = state.begun;
            let ready = |number: &usize| begun || self.package(*number).name == FIRST;
            if let Some(at) = state.to_unpack.iter().position(ready) {
                state.left -= 1;
                return state.to_unpack.remove(at);
            }
            state = self.changed.wait(state).unwrap_or_else(PoisonError::into_inner);
        }
    }

    fn unpack(&self, number: usize) -> Result<Unpacked, FillError> {
        let package = self.package(number);
        let broken = |source: DebError| FillError::Broken { package: package.name.clone(), source };
        let file = self.filling.archive.store.open_blob(&package.digest)?;
        let mut deb = Deb::open(file).map_err(broken)?;
        let control = deb.control().map_err(broken)?;
        let own = database::conffiles(&control);
        let is_own = |path: &[u8]| own.iter().any(|own| &own[1..] == path);
        let sums = if control.files.contains_key("md5sums") { Sums::Of(&is_own) } else { Sums::All };
        let system = &self.filling.resolved.system;
        let replaces = |one: usize, other: usize| {
            system[one].replaces.iter().any(|relation| system[other].satisfies(relation))
        };
        let who = Unpacking { number, replaces: &replaces };
        let brought = self.tree.unpack(&mut deb.data().map_err(broken)?, &who, &sums).map_err(|source| {
            let other = match &source {
                TreeError::Clash { other: Some(other), .. } => Some(system[*other].name.clone()),
                _ => None,
            };
            FillError::Unpack { package: package.name.clone(), other, source }
        })?;
        Ok(Unpacked { package: package.clone(), control, brought })
    }

    fn result(self) -> Result<(Vec<Unpacked>, Vec<Intake>), FillError> {
        let state = self.state.into_inner().unwrap_or_else(PoisonError::into_inner);
        match state.failure {
            Some(failure) => Err(failure),
            None => Ok((
                state.unpacked.into_iter().flatten().collect(),
                state.intakes.into_iter().flatten().collect(),
            )),
        }
    }
}
