//! What a RUN mounts: what of it is in the key, what the record says of it, and how it gets into the sandbox.

use std::collections::BTreeMap;
use std::ffi::OsString;
use std::path::{Path, PathBuf};
use std::time::Duration;

use oci::store::WorkDir;

use super::agent::Agent;
use super::board::Stopped;
use super::cachemount::{self, CacheDirectory};
use super::error::StepError;
use super::key::{Inputs, list};
use super::secrets::{Needles, SHORTEST_SEARCHED, Secret};
use super::snapshot::Snapshot;
use super::stage::{Halt, Task};
use crate::plan::{RunAction, RunMount, RunMountKind, TreeSource};
use crate::sandbox::{MountSource, SandboxMount};

/// How often a step looks whether another process has let go of a cache.
const LOOK_EVERY: Duration = Duration::from_millis(100);

/// The mounts of one RUN.
pub struct Mounts<'a> {
    action: &'a RunAction,
    secrets: Vec<&'a Secret>,
    needles: Needles,
    /// By id. A step that mounts a cache twice uses it once.
    caches: BTreeMap<&'a str, CacheDirectory>,
}

/// Mounts that are ready for one run, and what must live as long as it.
#[derive(Default)]
pub struct Prepared {
    /// For the sandbox.
    pub mounts: Vec<SandboxMount>,
    /// Secrets and sockets as environment variables.
    pub env: Vec<(OsString, OsString)>,
    fresh_caches: BTreeMap<String, PathBuf>,
    _work: Vec<WorkDir>,
    _agents: Vec<Agent>,
}

impl<'a> Mounts<'a> {
    /// Looks at the mounts of a RUN.
    ///
    /// # Errors
    /// A required secret or agent was not given.
    pub fn plan(task: &Task<'a>, action: &'a RunAction) -> Result<Mounts<'a>, Halt> {
        let given = &task.world.request.secrets;
        let mut secrets = Vec::new();
        for mount in &action.mounts {
            if let RunMountKind::Secret { id, .. } = &mount.kind
                && let Some(secret) = given.iter().find(|secret| secret.id == *id)
            {
                secrets.push(secret);
            }
        }
        let needles = Needles::new(secrets.iter().copied());
        Ok(Mounts { action, secrets, needles, caches: BTreeMap::new() })
    }

    /// What to look for in the layer and mask in the output.
    pub fn needles(&self) -> Needles {
        self.needles.clone()
    }

    /// What a run needs must be there; a result from the cache needs none of it.
    ///
    /// # Errors
    /// A required secret or agent was not given.
    pub fn check_permitted(&self, task: &Task<'_>) -> Result<(), Halt> {
        for mount in &self.action.mounts {
            match &mount.kind {
                RunMountKind::Secret { id, required: true, .. } if !self.has_secret(id) => {
                    return Err(missing("secret", id, &format!("--secret id={id},src=FILE")).into());
                }
                RunMountKind::Ssh { id, required: true, .. } if !task.world.request.ssh.contains_key(id) => {
                    return Err(missing("ssh agent", id, &format!("--ssh {id}")).into());
                }
                _ => {}
            }
        }
        Ok(())
    }

    fn has_secret(&self, id: &str) -> bool {
        self.secrets.iter().any(|secret| secret.id == id)
    }

    /// Adds the parts of the key: content where a mount has some, names where it has none. Never a secret's value.
    pub fn add_to_key(&self, task: &Task<'_>, inputs: &mut Inputs) -> Result<(), Halt> {
        for (position, mount) in self.action.mounts.iter().enumerate() {
            let name = format!("mount {position} {}", mount.target.as_deref().unwrap_or("-"));
            let mut words = match &mount.kind {
                RunMountKind::Bind { from, source } => {
                    vec!["bind".to_owned(), source.clone(), content(task, from, source)?]
                }
                RunMountKind::Cache { id, from, source, sharing, owner } => {
                    let content = content(task, from, source)?;
                    let sharing = if task.world.request.empty_caches { "empty" } else { sharing.name() };
                    vec!["cache".to_owned(), id.clone(), sharing.to_owned(), owned(*owner), content]
                }
                RunMountKind::Tmpfs { size } => {
                    vec![
                        "tmpfs".to_owned(),
                        size.map_or_else(|| "any size".to_owned(), |size| size.to_string()),
                    ]
                }
                RunMountKind::Secret { id, env, owner, .. } => {
                    vec!["secret".to_owned(), id.clone(), env.clone().unwrap_or_default(), owned(*owner)]
                }
                RunMountKind::Ssh { id, owner, .. } => vec!["ssh".to_owned(), id.clone(), owned(*owner)],
            };
            words.push(if mount.read_only { "read only" } else { "writable" }.to_owned());
            inputs.add(name, list(&words));
        }
        Ok(())
    }

    /// What of the mounts nobody observes. A cache that was empty is nothing to observe.
    pub fn unobserved(&self, empty_caches: bool) -> Vec<String> {
        let mut names: Vec<String> = self
            .action
            .mounts
            .iter()
            .filter_map(|mount| match &mount.kind {
                RunMountKind::Cache { id, .. } if !empty_caches => Some(format!("cache:{id}")),
                RunMountKind::Secret { id, .. } if self.has_secret(id) => Some(format!("secret:{id}")),
                RunMountKind::Ssh { id, .. } => Some(format!("ssh:{id}")),
                _ => None,
            })
            .collect();
        names.sort();
        names.dedup();
        names
    }

    /// What the user should know of them.
    pub fn warnings(&self) -> Vec<String> {
        self.needles
            .too_short()
            .iter()
            .map(|id| {
                format!(
                    "the value of secret `{id}` has fewer than {SHORTEST_SEARCHED} bytes: the layer could not be searched for it"
                )
            })
            .collect()
    }

    /// Takes the caches for this step, and waits for those that others have. Do so before the permit, for whoever holds a
    /// permit must never wait for a cache; all in the order of their ids, so that no two steps wait for each other.
    pub fn take_caches(&mut self, task: &Task<'_>) -> Result<(), Halt> {
        let mut wanted: BTreeMap<&str, &RunMount> = BTreeMap::new();
        for mount in &self.action.mounts {
            if let RunMountKind::Cache { id, .. } = &mount.kind {
                wanted.entry(id).or_insert(mount);
            }
        }
        if task.world.request.empty_caches {
            return Ok(());
        }
        for (id, mount) in wanted {
            if let RunMountKind::Cache { from, source, owner, .. } = &mount.kind {
                let sharing = self.sharing(id);
                let cache = open_cache(task, (id, sharing), *owner, (from, source))?;
                self.caches.insert(id, cache);
            }
        }
        Ok(())
    }

    /// Lets others have the caches.
    pub fn release_caches(&mut self) {
        self.caches.clear();
    }

    /// How a cache is shared; of several mounts of it, the strictest counts.
    fn sharing(&self, wanted: &str) -> dockerfile::Sharing {
        use dockerfile::Sharing::{Locked, Private, Shared};
        let asked: Vec<dockerfile::Sharing> = self
            .action
            .mounts
            .iter()
            .filter_map(|mount| match &mount.kind {
                RunMountKind::Cache { id, sharing, .. } if id == wanted => Some(*sharing),
                _ => None,
            })
            .collect();
        [Locked, Private].into_iter().find(|strict| asked.contains(strict)).unwrap_or(Shared)
    }

    /// Makes the mounts ready for one run.
    pub fn prepare(&self, task: &Task<'_>) -> Result<Prepared, Halt> {
        let mut prepared = Prepared::default();
        for mount in &self.action.mounts {
            self.prepare_one(task, mount, &mut prepared)?;
        }
        Ok(prepared)
    }

    fn prepare_one(&self, task: &Task<'_>, mount: &RunMount, prepared: &mut Prepared) -> Result<(), Halt> {
        let epoch = task.stage.epoch;
        let source = match &mount.kind {
            RunMountKind::Bind { from, source } => {
                let snapshot = task.world.mountable(task.platform, from, source, epoch)?;
                if !snapshot_has(&snapshot, source) {
                    return Err(no_source(mount, source).into());
                }
                let work = snapshot.work_dir(task.world.doors.store, epoch)?;
                let mounted = MountSource::Snapshot {
                    layers: snapshot.directories(),
                    upper: work.upper(),
                    work: work.work(),
                    subpath: Some(source.trim_start_matches('/').into()),
                };
                prepared._work.push(work);
                mounted
            }
            RunMountKind::Cache { id, from, source, owner, .. } if task.world.request.empty_caches => {
                MountSource::Bind {
                    source: fresh_cache(task, prepared, id, (from, source), *owner)?,
                    subpath: None,
                }
            }
            RunMountKind::Cache { id, .. } => {
                let Some(cache) = self.caches.get(id.as_str()) else { return Ok(()) };
                MountSource::Bind { source: cache.path.clone(), subpath: None }
            }
            RunMountKind::Tmpfs { size } => MountSource::Tmpfs { size: *size },
            RunMountKind::Secret { id, env, owner, .. } => {
                let Some(secret) = self.secrets.iter().find(|secret| secret.id == *id) else { return Ok(()) };
                if let Some(name) = env {
                    prepared.env.push((name.into(), bytes(&secret.value)));
                }
                MountSource::File {
                    content: secret.value.clone(),
                    mode: owner.mode.unwrap_or(0o400),
                    uid: owner.uid.unwrap_or(0),
                    gid: owner.gid.unwrap_or(0),
                }
            }
            RunMountKind::Ssh { id, owner, .. } => {
                let Some(path) = task.world.request.ssh.get(id) else { return Ok(()) };
                if let Some(target) = &mount.target
                    && !prepared.env.iter().any(|(name, _)| name == "SSH_AUTH_SOCK")
                {
                    prepared.env.push(("SSH_AUTH_SOCK".into(), target.into()));
                }
                let agent = Agent::offer(path, *owner).map_err(|source| StepError::Io {
                    action: format!("offer the ssh agent `{id}` to the step"),
                    source,
                })?;
                let path = agent.path();
                prepared._agents.push(agent);
                MountSource::Socket { path }
            }
        };
        if let Some(target) = &mount.target {
            prepared.mounts.push(SandboxMount { target: target.into(), source, read_only: mount.read_only });
        }
        Ok(())
    }
}

fn open_cache(
    task: &Task<'_>,
    (id, sharing): (&str, dockerfile::Sharing),
    owner: dockerfile::Owner,
    (from, source): (&TreeSource, &str),
) -> Result<CacheDirectory, Halt> {
    let opening = |error: Trouble| match error {
        Trouble::Halt(halt) => halt,
        Trouble::Io(source) => StepError::Io { action: format!("open the cache `{id}`"), source }.into(),
    };
    let root = task.world.doors.store.cache_dir(cachemount::PLACE)?;
    let fill = |directory: &Path| fill_cache(task, directory, (from, source), owner);
    let wait = || Ok(task.world.board.pause(LOOK_EVERY)?);
    cachemount::open(&root, id, sharing, wait, fill).map_err(opening)
}

/// A directory for a cache that goes with the step. A step that mounts a cache twice finds one directory.
fn fresh_cache(
    task: &Task<'_>,
    prepared: &mut Prepared,
    id: &str,
    from: (&TreeSource, &str),
    owner: dockerfile::Owner,
) -> Result<PathBuf, Halt> {
    if let Some(path) = prepared.fresh_caches.get(id) {
        return Ok(path.clone());
    }
    let work = task.world.doors.store.work_dir()?;
    let path = work.upper();
    fill_cache(task, &path, from, owner).map_err(|trouble| match trouble {
        Trouble::Halt(halt) => halt,
        Trouble::Io(source) => StepError::Io { action: format!("make the cache `{id}`"), source }.into(),
    })?;
    prepared._work.push(work);
    prepared.fresh_caches.insert(id.to_owned(), path.clone());
    Ok(path)
}

/// What a new cache has, and whose it is.
fn fill_cache(
    task: &Task<'_>,
    directory: &Path,
    (from, source): (&TreeSource, &str),
    owner: dockerfile::Owner,
) -> Result<(), Trouble> {
    if *from != TreeSource::Empty {
        task.world.fill(task.platform, from, source, directory, task.stage.epoch)?;
    }
    let (uid, gid) = (owner.uid.unwrap_or(0), owner.gid.unwrap_or(0));
    std::os::unix::fs::chown(directory, Some(uid), Some(gid))?;
    let mode = std::os::unix::fs::PermissionsExt::from_mode(owner.mode.unwrap_or(0o755));
    Ok(std::fs::set_permissions(directory, mode)?)
}

/// Why a cache could not be opened.
enum Trouble {
    Halt(Halt),
    Io(std::io::Error),
}

impl From<Halt> for Trouble {
    fn from(halt: Halt) -> Trouble {
        Trouble::Halt(halt)
    }
}

impl From<Stopped> for Trouble {
    fn from(stopped: Stopped) -> Trouble {
        Trouble::Halt(stopped.into())
    }
}

impl From<std::io::Error> for Trouble {
    fn from(error: std::io::Error) -> Trouble {
        Trouble::Io(error)
    }
}

/// Mode and owner, as far as the mount says them.
fn owned(owner: dockerfile::Owner) -> String {
    let parts = [
        owner.mode.map(|mode| format!("mode {mode:04o}")),
        owner.uid.map(|uid| format!("user {uid}")),
        owner.gid.map(|gid| format!("group {gid}")),
    ];
    let said: Vec<String> = parts.into_iter().flatten().collect();
    if said.is_empty() { "usual owner".to_owned() } else { said.join(" ") }
}

/// The content digest of a mount's source, as text for the key.
fn content(task: &Task<'_>, from: &TreeSource, source: &str) -> Result<String, Halt> {
    if *from == TreeSource::Empty {
        return Ok("empty".to_owned());
    }
    let digest = task.world.digest_of(task.platform, from, source, task.stage.epoch)?;
    Ok(digest.map_or_else(|| "nothing".to_owned(), |digest| digest.to_string()))
}

fn snapshot_has(snapshot: &Snapshot, path: &str) -> bool {
    let path = path.trim_matches('/');
    path.is_empty()
        || snapshot.view().resolve(path.as_bytes(), true).is_ok_and(|resolved| resolved.found.is_some())
}

fn no_source(mount: &RunMount, source: &str) -> StepError {
    StepError::Mount {
        what: format!("nothing is at `{source}` to mount on `{}`", mount.target.as_deref().unwrap_or("-")),
        hint: None,
    }
}

fn missing(kind: &str, id: &str, flag: &str) -> StepError {
    StepError::Mount {
        what: format!("{kind} `{id}` is required and was not given"),
        hint: Some(format!("give it with `{flag}`")),
    }
}

fn bytes(value: &[u8]) -> OsString {
    use std::os::unix::ffi::OsStringExt;
    OsString::from_vec(value.to_vec())
}
