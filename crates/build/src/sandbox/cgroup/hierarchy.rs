//! Which controllers this machine has where, and in which directories this process may make groups.

use std::fs;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

use rustix::fs::{Access, AtFlags, CWD};

/// What is limited and counted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in super::super) enum Controller {
    Memory,
    Cpu,
    Pids,
}

impl Controller {
    pub(in super::super) const ALL: [Controller; 3] = [Controller::Memory, Controller::Cpu, Controller::Pids];

    /// As the kernel calls it.
    pub(in super::super) fn name(self) -> &'static str {
        match self {
            Controller::Memory => "memory",
            Controller::Cpu => "cpu",
            Controller::Pids => "pids",
        }
    }

    /// As the limit is called.
    pub(in super::super) fn limit(self) -> &'static str {
        match self {
            Controller::Cpu => "cpus",
            other => other.name(),
        }
    }
}

/// The two forms that the kernel's interface has.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in super::super) enum Version {
    One,
    Two,
}

impl std::fmt::Display for Version {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Version::One => "v1",
            Version::Two => "v2",
        })
    }
}

/// The parent of new groups, per controller; or why there is none.
pub(in super::super) struct Hierarchy {
    parents: [Result<(Version, PathBuf), String>; 3],
    /// Where this process' own memory is counted.
    own_memory: Option<(Version, PathBuf)>,
}

impl Hierarchy {
    pub(in super::super) fn find() -> Hierarchy {
        let mounts = fs::read_to_string("/proc/self/mountinfo").unwrap_or_default();
        let groups = fs::read_to_string("/proc/self/cgroup").unwrap_or_default();
        let memory =
            own_directory(&mounts, &groups, Some(Controller::Memory.name())).map(|own| (Version::One, own));
        let unified = own_directory(&mounts, &groups, None);
        let own_memory = memory.or_else(|| unified.clone().map(|own| (Version::Two, own)));
        let unified = unified.map(|own| unified_parent(&own));
        let parents = Controller::ALL.map(|controller| {
            if let Some(own) = own_directory(&mounts, &groups, Some(controller.name())) {
                return writable(&own).map(|()| (Version::One, own));
            }
            let Some(unified) = &unified else { return Err("no control groups are mounted".to_owned()) };
            let (parent, enabled) = unified.as_ref().map_err(Clone::clone)?;
            if enabled.iter().any(|name| name == controller.name()) {
                Ok((Version::Two, parent.clone()))
            } else {
                Err(format!("{} has no `{}` controller", parent.display(), controller.name()))
            }
        });
        Hierarchy { parents, own_memory }
    }

    pub(in super::super) fn parent(&self, controller: Controller) -> Result<(Version, PathBuf), String> {
        self.parents[controller as usize].clone()
    }

    /// The group that counts the memory of this process and of sandboxes without groups of their own.
    pub(super) fn own_memory(&self) -> Option<(Version, &Path)> {
        self.own_memory.as_ref().map(|(version, own)| (*version, own.as_path()))
    }

    /// All of them, once each.
    pub(super) fn parents(&self) -> Vec<&Path> {
        let mut parents: Vec<&Path> =
            self.parents.iter().flatten().map(|(_, parent)| parent.as_path()).collect();
        parents.sort_unstable();
        parents.dedup();
        parents
    }
}

fn writable(directory: &Path) -> Result<(), String> {
    rustix::fs::accessat(CWD, directory, Access::WRITE_OK, AtFlags::EACCESS)
        .map_err(|errno| format!("{} is not writable: {errno}", directory.display()))
}

/// Where this process' own group is seen: of a v1 controller, or of the unified hierarchy.
fn own_directory(mountinfo: &str, groups: &str, controller: Option<&str>) -> Option<PathBuf> {
    let (mount_root, mount_point) = mountinfo.lines().find_map(|line| {
        let (before, after) = line.split_once(" - ")?;
        let mut before = before.split(' ').skip(3);
        let (root, point) = (before.next()?, before.next()?);
        let mut after = after.split(' ');
        let (kind, options) = (after.next()?, after.nth(1)?);
        let wanted = match controller {
            Some(controller) => kind == "cgroup" && options.split(',').any(|option| option == controller),
            None => kind == "cgroup2",
        };
        wanted.then(|| (root.to_owned(), PathBuf::from(unescape(point))))
    })?;
    let path = groups.lines().find_map(|line| {
        let mut fields = line.splitn(3, ':');
        let (number, names, path) = (fields.next()?, fields.next()?, fields.next()?);
        let wanted = match controller {
            Some(controller) => names.split(',').any(|name| name == controller),
            None => number == "0" && names.is_empty(),
        };
        wanted.then_some(path)
    })?;
    // A mount may show a part of the hierarchy only (containers without a cgroup namespace).
    let below = path.strip_prefix(mount_root.as_str()).unwrap_or(path);
    let below = below.trim_start_matches('/');
    let own = mount_point.join(below);
    Some(if !below.is_empty() && own.is_dir() { own } else { mount_point })
}

/// mountinfo writes blanks and backslashes as three octal digits.
fn unescape(path: &str) -> String {
    path.replace("\\040", " ").replace("\\011", "\t").replace("\\134", "\\")
}

/// The nearest directory of the unified hierarchy, from one's own group upwards, in which groups with controllers can be
/// made, and those controllers.
fn unified_parent(own: &Path) -> Result<(PathBuf, Vec<String>), String> {
    let mut refused = format!("no group above {} can be used", own.display());
    for directory in own.ancestors() {
        let Ok(available) = words(&directory.join("cgroup.controllers")) else { break };
        if let Err(reason) = writable(directory) {
            refused = reason;
            continue;
        }
        let wanted: Vec<&str> = Controller::ALL
            .map(Controller::name)
            .into_iter()
            .filter(|name| available.iter().any(|have| have == name))
            .collect();
        if wanted.is_empty() {
            refused = format!("{} has no controllers", directory.display());
            continue;
        }
        if directory == own && !is_root(own) {
            leave(own);
        }
        let control = directory.join("cgroup.subtree_control");
        let already = words(&control).unwrap_or_default();
        for name in wanted.iter().filter(|name| !already.iter().any(|have| have == *name)) {
            // Refused where processes live in the group itself.
            let _ = fs::write(&control, format!("+{name}"));
        }
        let enabled = words(&control).unwrap_or_default();
        if wanted.iter().any(|name| enabled.iter().any(|have| have == name)) {
            return Ok((directory.to_owned(), enabled));
        }
        refused = format!("processes live in {}", directory.display());
    }
    Err(refused)
}

/// The root of the hierarchy alone may have both processes and controllers.
fn is_root(directory: &Path) -> bool {
    !directory.join("cgroup.type").exists()
}

/// Where the group holds nobody but this program, as in a scope made for it, moves it one level down: a group cannot have
/// both processes and controllers for its children.
fn leave(own: &Path) {
    let ours = [rustix::process::getppid(), Some(rustix::process::getpid())]
        .map(|pid| pid.map(|pid| pid.as_raw_nonzero().to_string()));
    let Ok(processes) = words(&own.join("cgroup.procs")) else { return };
    if processes.is_empty() || !processes.iter().all(|pid| ours.iter().flatten().any(|our| our == pid)) {
        return;
    }
    let leaf = own.join("kapok");
    if fs::create_dir(&leaf).is_ok()
        || fs::metadata(&leaf).is_ok_and(|metadata| metadata.uid() == rustix::process::geteuid().as_raw())
    {
        for pid in processes {
            let _ = fs::write(leaf.join("cgroup.procs"), pid);
        }
    }
}

fn words(file: &Path) -> std::io::Result<Vec<String>> {
    Ok(fs::read_to_string(file)?.split_ascii_whitespace().map(str::to_owned).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    const MOUNTS: &str = "\
30 20 0:26 / /sys/fs/cgroup ro - tmpfs tmpfs ro
31 30 0:27 / /sys/fs/cgroup/unified rw - cgroup2 cgroup2 rw
32 30 0:28 / /sys/fs/cgroup/cpu,cpuacct rw - cgroup cgroup rw,cpu,cpuacct
33 30 0:29 /docker/x /sys/fs/cgroup/mem\\040ory rw - cgroup cgroup rw,memory
";

    fn check(groups: &str, controller: Option<&str>, expected: Option<&str>) {
        assert_eq!(own_directory(MOUNTS, groups, controller).as_deref(), expected.map(Path::new));
    }

    #[test]
    fn finds_the_mount_of_a_controller() {
        // Own groups that are not there fall back to the mount itself.
        let groups = "3:memory:/docker/x/y\n2:cpu,cpuacct:/gone\n0::/gone\n";
        check(groups, Some("cpu"), Some("/sys/fs/cgroup/cpu,cpuacct"));
        check(groups, Some("memory"), Some("/sys/fs/cgroup/mem ory"));
        check(groups, None, Some("/sys/fs/cgroup/unified"));
        check(groups, Some("pids"), None);
        check("", Some("cpu"), None);
    }

    /// A directory that looks like the unified hierarchy, without the kernel's behaviour.
    fn fake(controllers: &str, subtree: &str) -> tempfile::TempDir {
        let directory = tempfile::tempdir().expect("a directory");
        for (file, content) in [
            ("cgroup.controllers", controllers),
            ("cgroup.subtree_control", subtree),
            ("cgroup.procs", "1\n"),
        ] {
            fs::write(directory.path().join(file), content).expect("a file");
        }
        directory
    }

    #[test]
    fn takes_the_nearest_group_with_controllers() {
        let top = fake("cpu memory pids", "cpu memory pids");
        let own = top.path().join("own");
        fs::create_dir(&own).expect("a directory");
        fs::write(own.join("cgroup.controllers"), "hugetlb").expect("a file");
        let (parent, enabled) = unified_parent(&own).expect("a parent");
        assert_eq!(parent, top.path());
        assert!(enabled.iter().any(|name| name == "memory"));
    }

    #[test]
    fn says_why_there_is_none() {
        let top = fake("hugetlb", "");
        let reason = unified_parent(top.path()).expect_err("no controllers");
        assert!(reason.contains("no controllers"), "{reason}");
    }
}
