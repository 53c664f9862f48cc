//! What this machine can and cannot do: `kapok doctor`.

use std::fs;
use std::io::{Read, Write};
use std::path::Path;

use rustix::mount::MountPropagationFlags;
use rustix::process::geteuid;
use serde::Serialize;

use super::cgroup::{Controller, Hierarchy};
use super::ids::{self, IdPlan};
use super::overlay::{self, Writes};
use super::sys::Forked;
use super::tree::{self, Tree};
use super::{Errno, GatewayNetwork, Privilege, privilege, program, seccomp, sys};

/// One thing that sandboxes need or can use.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Capability {
    /// What it is: "user namespaces".
    pub name: String,
    /// Whether it is there.
    pub ok: bool,
    /// Whether steps cannot run without it.
    pub required: bool,
    /// What was found.
    pub detail: String,
    /// What would enable it, if it is missing.
    pub hint: Option<String>,
}

impl Capability {
    fn new(name: &str, required: bool, found: Result<String, String>, hint: &str) -> Capability {
        let ok = found.is_ok();
        let hint = (!ok && !hint.is_empty()).then(|| hint.to_owned());
        let detail = found.unwrap_or_else(|missing| missing);
        Capability { name: name.to_owned(), ok, required, detail, hint }
    }
}

/// Tries everything that sandboxes are made of, each in a child of its own that leaves no trace. It may be called before or
/// after [`super::enter_user_namespace`].
pub fn probe() -> Vec<Capability> {
    let map = fs::read_to_string("/proc/self/uid_map").unwrap_or_default();
    let root = geteuid().is_root() && ids::parse_map(&map).eq([privilege::ALL_IDS]);
    let mut capabilities = vec![user_namespaces(), overlay(root)];
    if !root {
        capabilities.extend(subordinate_ids(&map));
    }
    capabilities.push(system_call_filter());
    capabilities.extend(control_groups());
    capabilities.push(emulators());
    capabilities.push(gateway_network());
    capabilities
}

fn user_namespaces() -> Capability {
    let found = in_child(|| {
        sys::unshare(libc::CLONE_NEWUSER | libc::CLONE_NEWNS | libc::CLONE_NEWPID | libc::CLONE_NEWNET)
    });
    let refused = privilege::forbidden(Errno(libc::EPERM)).hint().unwrap_or_default();
    Capability::new("user namespaces", true, found.map(|()| kernel()), &refused)
}

fn kernel() -> String {
    format!("Linux {}", rustix::system::uname().release().to_string_lossy())
}

/// Root's overlays are tried on the disk, an ordinary user's in memory.
fn overlay(root: bool) -> Capability {
    let name = if root { "overlays of idmapped mounts" } else { "overlays in user namespaces" };
    let place = tempfile::tempdir_in("/var/tmp").ok();
    let found = in_child(|| {
        let ids = if root { IdPlan::new(&Privilege::Root) } else { enter_own_namespace() };
        let ids = ids.map_err(|_| Errno(libc::EPERM))?;
        let memory;
        let directory = match &place {
            Some(place) if root => rustix::fs::open(place.path(), tree::PATH, rustix::fs::Mode::empty())?,
            _ => {
                memory = Tree::new("tmpfs", &["mode=755"], 0)?;
                memory.attach(rustix::fs::open("/dev", tree::PATH, rustix::fs::Mode::empty())?)?;
                memory.open(Path::new("/"))?
            }
        };
        rustix::process::fchdir(&directory)?;
        let at = std::env::current_dir()?;
        let [lower, upper, work] = ["lower", "upper", "work"].map(|name| at.join(name));
        [&lower, &upper, &work].into_iter().try_for_each(fs::create_dir)?;
        let lower = overlay::layer(&lower, &ids).map_err(|error| error.errno())?;
        let writes = Writes { upper: &upper, work: &work };
        overlay::mount(&[&lower], Some(writes), &ids).map(drop).map_err(|error| error.errno())
    });
    let hint = "Linux 5.19 or newer for root, 5.11 for an ordinary user, with the `overlay` module; the store on ext4, xfs or btrfs";
    Capability::new(name, true, found.map(|()| "tried".to_owned()), hint)
}

/// An ordinary user's own user namespace, unless this process already lives in one.
fn enter_own_namespace() -> Result<IdPlan, super::SandboxError> {
    if !geteuid().is_root() {
        let (uid, gid) = (geteuid().as_raw(), rustix::process::getegid().as_raw());
        let enter = || -> Result<(), Errno> {
            sys::unshare(libc::CLONE_NEWUSER)?;
            fs::write("/proc/self/setgroups", "deny")?;
            ids::write_maps(rustix::process::getpid(), &format!("0 {uid} 1\n"), &format!("0 {gid} 1\n"))
        };
        super::error::Doing::doing(enter(), "enter a user namespace")?;
    }
    let separate = || -> Result<(), Errno> {
        sys::unshare(libc::CLONE_NEWNS)?;
        Ok(rustix::mount::mount_change("/", MountPropagationFlags::PRIVATE | MountPropagationFlags::REC)?)
    };
    super::error::Doing::doing(separate(), "separate the mounts")?;
    IdPlan::new(&Privilege::Rootless { ids: 1 })
}

fn subordinate_ids(map: &str) -> Vec<Capability> {
    // After entering, the user outside is the one that root stands for.
    let uid = ids::parse_map(map)
        .find(|(inside, ..)| geteuid().is_root() && *inside == 0)
        .map_or(geteuid().as_raw(), |(_, outside, _)| outside);
    let user = privilege::user_name(uid);
    let count = |file: &str| -> u64 {
        let ranges = privilege::subordinate_ranges(&fs::read_to_string(file).unwrap_or_default(), &user, uid);
        ranges.iter().map(|(_, count)| u64::from(*count)).sum()
    };
    let (uids, gids) = (count("/etc/subuid"), count("/etc/subgid"));
    let found = format!("`{user}` has {uids} subordinate user ids and {gids} group ids");
    // A map of everything is the host's own: its ids are nobody's to give away.
    let entered = !ids::parse_map(map).eq([privilege::ALL_IDS]);
    let has_ids = entered && ids::contiguous_ids(map) > 1;
    let enough = has_ids || uids > 0 && gids > 0;
    let add = format!("as root: `usermod --add-subuids 100000-165535 --add-subgids 100000-165535 {user}`");
    let programs = ["newuidmap", "newgidmap"].map(privilege::find_program);
    let mapped = match programs {
        [Some(uids), Some(gids)] => Ok(format!("{uids}, {gids}")),
        // As in a container, whose user namespace somebody else has made.
        _ if has_ids => Ok("not needed".to_owned()),
        _ => Err("newuidmap or newgidmap is missing".to_owned()),
    };
    vec![
        Capability::new("subordinate ids", true, if enough { Ok(found) } else { Err(found) }, &add),
        Capability::new(
            "id mapping programs",
            true,
            mapped,
            "install `uidmap` (Debian) or `shadow-utils` (Fedora)",
        ),
    ]
}

fn system_call_filter() -> Capability {
    let actions = fs::read_to_string("/proc/sys/kernel/seccomp/actions_avail").unwrap_or_default();
    let found = match (actions.contains("errno"), seccomp::compile().is_empty()) {
        (true, false) => Ok("Docker's default profile".to_owned()),
        (true, true) => Err(format!("no profile for {}", std::env::consts::ARCH)),
        (false, _) => Err("the kernel has no seccomp filters".to_owned()),
    };
    Capability::new("seccomp", false, found, "a kernel with CONFIG_SECCOMP_FILTER")
}

fn control_groups() -> Vec<Capability> {
    let hierarchy = Hierarchy::find();
    let describe = |controller: Controller| {
        let found = hierarchy
            .parent(controller)
            .map(|(version, parent)| format!("control groups {version}, {}", parent.display()));
        let hint = "an ordinary user needs a delegated group: `systemd-run --user --scope -p Delegate=yes kapok ...`";
        Capability::new(&format!("limit on {}", controller.limit()), false, found, hint)
    };
    Controller::ALL.map(describe).into()
}

/// The programs that run other processors' code.
fn emulators() -> Capability {
    let entries = fs::read_dir(program::HANDLERS).into_iter().flatten().flatten();
    let mut names: Vec<String> =
        entries.map(|entry| entry.file_name().to_string_lossy().into_owned()).collect();
    names.retain(|name| name != "register" && name != "status");
    names.sort_unstable();
    let found =
        if names.is_empty() { Err("no handler is registered".to_owned()) } else { Ok(names.join(", ")) };
    Capability::new(
        "steps of other processors",
        false,
        found,
        "register emulators with binfmt_misc (Debian: `qemu-user-static`)",
    )
}

/// Makes the network that a step with a gateway has.
fn gateway_network() -> Capability {
    let found = in_child(|| {
        let user = if geteuid().is_root() { 0 } else { libc::CLONE_NEWUSER };
        sys::unshare(user | libc::CLONE_NEWNET)?;
        GatewayNetwork::make().map(drop).map_err(|error| error.errno())
    });
    let found = found.map(|()| "every address and port, by nf_tables".to_owned());
    Capability::new("network through the gateway", false, found, super::gateway::HINT)
}

/// Tries something in a copy of this process, which then ends.
fn in_child(attempt: impl FnOnce() -> Result<(), Errno>) -> Result<(), String> {
    let (reader, writer) = std::io::pipe().map_err(|error| error.to_string())?;
    match sys::fork() {
        Ok(Forked::Child) => {
            drop(reader);
            let result = std::panic::catch_unwind(std::panic::AssertUnwindSafe(attempt));
            let code = match result {
                Ok(Ok(())) => 0,
                Ok(Err(Errno(code))) => code,
                Err(_) => libc::EFAULT,
            };
            let _ = (&writer).write_all(&code.to_ne_bytes());
            sys::exit(0)
        }
        Ok(Forked::Parent(child)) => {
            drop(writer);
            let mut code = [0; 4];
            let read = (&reader).read_exact(&mut code);
            let _ = sys::wait_with_usage(child);
            match (read, i32::from_ne_bytes(code)) {
                (Ok(()), 0) => Ok(()),
                (Ok(()), code) => Err(Errno(code).to_string()),
                (Err(error), _) => Err(error.to_string()),
            }
        }
        Err(errno) => Err(errno.to_string()),
    }
}
