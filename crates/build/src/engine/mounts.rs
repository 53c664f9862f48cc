//! What a RUN mounts: what of it is in the key, what the record says of it, and how it gets into the sandbox.

use std::ffi::OsString;

use oci::store::WorkDir;

use super::agent::Agent;
use super::cachemount::{self, CacheDirectory};
use super::error::StepError;
use super::key::Inputs;
use super::secrets::{Needles, SHORTEST_SEARCHED, Secret};
use super::snapshot::Snapshot;
use super::stage::{Halt, Task};
use crate::plan::{RunAction, RunMount, RunMountKind, TreeSource};
use crate::sandbox::{MountSource, SandboxMount};

/// The mounts of one RUN.
pub struct Mounts<'a> {
    action: &'a RunAction,
    secrets: Vec<&'a Secret>,
    needles: Needles,
}

/// Mounts that are ready for one run, and what must live as long as it.
pub struct Prepared {
    /// For the sandbox.
    pub mounts: Vec<SandboxMount>,
    /// Secrets and sockets as environment variables.
    pub env: Vec<(OsString, OsString)>,
    _work: Vec<WorkDir>,
    _caches: Vec<CacheDirectory>,
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
        Ok(Mounts { action, secrets, needles })
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
            let value = match &mount.kind {
                RunMountKind::Bind { from, source } => {
                    format!("bind {source} {}", content(task, from, source)?)
                }
                RunMountKind::Cache { id, from, source, sharing, owner } => {
                    format!("cache {id} {sharing:?} {owner:?} {}", content(task, from, source)?)
                }
                RunMountKind::Tmpfs { size } => format!("tmpfs {size:?}"),
                RunMountKind::Secret { id, env, owner, .. } => format!("secret {id} {env:?} {owner:?}"),
                RunMountKind::Ssh { id, owner, .. } => format!("ssh {id} {owner:?}"),
            };
            inputs.add(name, format!("{value} read_only={}", mount.read_only));
        }
        Ok(())
    }

    /// What of the mounts nobody observes.
    pub fn unobserved(&self) -> Vec<String> {
        let mut names: Vec<String> = self
            .action
            .mounts
            .iter()
            .filter_map(|mount| match &mount.kind {
                RunMountKind::Cache { id, .. } => Some(format!("cache:{id}")),
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

    /// Makes the mounts ready for one run.
    pub fn prepare(&self, task: &Task<'_>) -> Result<Prepared, Halt> {
        let mut prepared = Prepared {
            mounts: Vec::new(),
            env: Vec::new(),
            _work: Vec::new(),
            _caches: Vec::new(),
            _agents: Vec::new(),
        };
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
            RunMountKind::Cache { id, from, source, sharing, owner } => {
                let cache = self.cache(task, id, *sharing, *owner, (from, source))?;
                let mounted = MountSource::Bind { source: cache.path.clone(), subpath: None };
                prepared._caches.push(cache);
                mounted
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

    fn cache(
        &self,
        task: &Task<'_>,
        id: &str,
        sharing: dockerfile::Sharing,
        owner: dockerfile::Owner,
        (from, source): (&TreeSource, &str),
    ) -> Result<CacheDirectory, Halt> {
        let io = |source| StepError::Io { action: format!("open the cache `{id}`"), source };
        let root = task.world.doors.store.cache_dir("mounts")?;
        let cache = cachemount::open(&root, id, sharing).map_err(io)?;
        if cache.new {
            if *from != TreeSource::Empty {
                task.world.fill(task.platform, from, source, &cache.path, task.stage.epoch)?;
            }
            let (uid, gid) = (owner.uid.unwrap_or(0), owner.gid.unwrap_or(0));
            std::os::unix::fs::chown(&cache.path, Some(uid), Some(gid)).map_err(io)?;
            let mode = std::os::unix::fs::PermissionsExt::from_mode(owner.mode.unwrap_or(0o755));
            std::fs::set_permissions(&cache.path, mode).map_err(io)?;
        }
        Ok(cache)
    }
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
