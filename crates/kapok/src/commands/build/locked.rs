//! `--lock`, `--locked`, `--offline` and `--from-vendor`: what they change in a build.

use build::engine::{Git, Request};
use build::fetch::Fetch;
use build::plan::Network;
use oci::lock::Lock;
use oci::store::Store;

use super::settings_directory;
use crate::cli::build::Build;
use crate::clock;
use crate::failure::Failure;
use crate::lock::{LockMode, LockedFetch, LockedGit, Locking, Place};
use crate::program::Program;

/// The build's lock, if the flags ask for one, and what a request must be then. `image` is what the project calls an image
/// whose Dockerfile others have too: then that is its name in the lock.
pub fn open(
    program: &Program,
    flags: &Build,
    request: &mut Request,
    vendored: Option<Lock>,
    image: Option<&str>,
) -> Result<Option<Locking>, Failure> {
    let mode = match (flags.lock, flags.offline, flags.locked, flags.from_vendor.is_some()) {
        (true, ..) => LockMode::Write,
        (_, true, ..) | (_, _, false, true) => LockMode::Offline,
        (_, _, true, _) => LockMode::Locked,
        _ => return Ok(None),
    };
    // What comes from a cache directory or the machine's network, no lock knows.
    request.empty_caches = true;
    if mode != LockMode::Write {
        if request.network == Network::Host {
            return Err(Failure::usage("`--network host` goes past the lock"));
        }
        request.permissions.host_network = false;
    }
    let context = settings_directory(program, &flags.input.context);
    let directory = &program.environment.directory;
    let place = Place::of(directory, &context, &request.source.name, request.target.as_deref());
    let place = Place { name: image.map_or(place.name, str::to_owned), ..place };
    Locking::open(mode, place, vendored).map(Some)
}

/// The doors to ADD's sources, with the lock before them.
pub fn doors<'a>(
    locking: &'a Locking,
    fetch: &'a dyn Fetch,
    git: &'a dyn Git,
    store: &'a Store,
) -> (LockedFetch<'a>, LockedGit<'a>) {
    let now = clock::now();
    (LockedFetch { locking, fetch, store, now }, LockedGit { locking, git, store, now })
}
