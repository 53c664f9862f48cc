//! RUN as a step: key, sandbox, output, layer, record.

use std::ffi::OsString;
use std::fs::File;
use std::io::ErrorKind;
use std::os::fd::OwnedFd;
use std::path::{Path, PathBuf};
use std::sync::{Arc, PoisonError};

use oci::record::{Record, Usage};
use oci::store::WorkDir;
use oci::tree::PathIndex;

use super::commit::Committed;
use super::error::StepError;
use super::event::Event;
use super::key::{Inputs, list};
use super::mounts::Mounts;
use super::network::{self, RunNetwork};
use super::output::{Ear, Said, is_full, listen};
use super::request::Difference;
use super::secrets::Needles;
use super::stage::{Halt, Made, Task};
use crate::copy::users::Identity;
use crate::network::{Gateway, Served};
use crate::plan::{Network, RunAction, SCRIPT_DIRECTORY, Security};
use crate::sandbox::{self, Ids, MountSource, Outcome, SandboxError, SandboxMount, SandboxSpec, Stdio};

/// The name that the machine has inside a sandbox: the same everywhere, for some builds write it down.
const HOSTNAME: &str = "kapok";

/// One run of a command over a fresh upper.
pub struct Once {
    work: WorkDir,
    outcome: Outcome,
    said: Said,
    /// What it had from its gateway, if it had one.
    served: Served,
    /// Files that name the directory with what the step was given to trust its gateway.
    naming: Vec<PathBuf>,
}

impl Task<'_> {
    /// A RUN. What the command says is in `said` also when it fails.
    pub fn run(&self, action: &RunAction, said: &mut Said) -> Result<Made, Halt> {
        let mut mounts = Mounts::plan(self, action)?;
        let mut inputs = self.run_inputs(action, &mounts)?;
        let key = inputs.key_after(self.earlier);
        let _claim = self.world.board.claim(&key)?;
        if let Some(found) = self.find(&key, &inputs)? {
            return Ok(found);
        }
        mounts.check_permitted(self)?;
        let user = self.ground()?.identity(&action.user)?;
        mounts.take_caches(self)?;
        let _permit = self.world.board.permit()?;
        self.begin();
        let needles = mounts.needles();
        let once = self.once(action, &user, &mounts, said, true)?;
        let committed = self.commit(once.work, &needles)?;
        if self.world.request.twice {
            self.second_run(action, &user, &mounts, &committed.layer.index)?;
        }
        mounts.release_caches();
        let mut record = self.record(inputs, self.ground()?, &committed);
        self.complete(&mut record, action, &mounts, &once.outcome);
        network::take_in(&mut record, once.served);
        record.warnings.extend(network::naming_warnings(&once.naming, &committed));
        record.log = self.store_log(&once.said)?;
        self.keep(&record, once.said)
    }

    fn run_inputs(&self, action: &RunAction, mounts: &Mounts) -> Result<Inputs, Halt> {
        let mut inputs = self.inputs("run", self.below)?;
        inputs.add("rules", &self.world.rules);
        inputs.add("args", list(&action.args));
        for (name, value) in &action.env {
            inputs.add(format!("env {name}"), value);
        }
        inputs.add("cwd", &action.cwd);
        inputs.add("user", &action.user);
        inputs.add(
            "network",
            match self.gateway(action) {
                Some(gateway) => network::key_part(gateway),
                None => self.network(action).name().to_owned(),
            },
        );
        inputs.add("security", action.security.name());
        if let Some(script) = &action.script {
            inputs.add("script", format!("{}\n{}", script.name, script.content));
        }
        // Their order is the order of the lines of `/etc/hosts`.
        for (position, (name, address)) in self.world.request.hosts.iter().enumerate() {
            inputs.add(format!("host {position}"), format!("{name} {address}"));
        }
        mounts.add_to_key(self, &mut inputs)?;
        Ok(inputs)
    }

    fn network(&self, action: &RunAction) -> Network {
        match action.network {
            Network::Default => self.world.request.network,
            asked => asked,
        }
    }

    /// The gateway through which a step's network goes.
    fn gateway(&self, action: &RunAction) -> Option<&dyn Gateway> {
        self.world.doors.gateway.filter(|_| self.network(action) == Network::Default)
    }

    /// Runs the command once. On failure `said` has what it said.
    pub fn once(
        &self,
        action: &RunAction,
        user: &Identity,
        mounts: &Mounts,
        said: &mut Said,
        show: bool,
    ) -> Result<Once, Halt> {
        let work = self.ground()?.work_dir(self.world.doors.store, self.stage.epoch)?;
        let prepared = mounts.prepare(self)?;
        let mut spec = self.spec(action, user, &work, prepared.mounts.clone(), prepared.env.clone())?;
        let gateway = self.gateway(action);
        let mut network =
            gateway.map(|gateway| RunNetwork::open(self, gateway, action, &spec.env)).transpose()?;
        if let Some(network) = &network {
            network.trust.apply(&mut spec.env);
            spec.stand_ins.clone_from(&network.trust.stand_ins);
            spec.mounts.push(network.trust.mount());
        }
        let spawner = self.world.doors.spawner.ok_or(SandboxError::Gone)?;
        let (reader, stdio) =
            streams().map_err(|source| StepError::Io { action: "open a pipe".into(), source })?;
        let mut handle = spawner.start_run(&spec, stdio)?;
        if let Some(network) = &mut network {
            network.serve(&mut handle)?;
        }
        let handle = Arc::new(handle);
        self.register(&handle);
        let log =
            self.world.logs.join(format!("{}{}.log", self.id.number(), if show { "" } else { "-again" }));
        let mut tell = |bytes| {
            if show {
                self.world.tell(Event::Output { step: self.id, bytes });
            }
        };
        let mut ear = Ear::new(&log, mounts.needles(), &mut tell);
        match &mut network {
            Some(network) => network.listen(reader, &mut ear),
            None => listen(reader, &mut ear),
        }
        let outcome = handle.wait();
        let network = network.map(|network| network.finish(&mut ear));
        *said = ear.finish();
        self.unregister();
        let outcome = outcome?;
        drop(prepared);
        let (served, cleaner) = network.unzip();
        if let Some(trouble) = &said.trouble {
            self.world.warn(self.id, format!("its output could not be kept: {trouble}"));
        }
        if let Some(served) = &served {
            network::check_refusals(served)?;
        }
        if !outcome.status.success() {
            if outcome.oom_kills == 0 && is_full(&work.upper(), said.trouble.as_ref()) {
                let source = ErrorKind::StorageFull.into();
                return Err(StepError::Full { status: outcome.status, source }.into());
            }
            return Err(StepError::Exit {
                status: outcome.status,
                oom_kills: outcome.oom_kills,
                pids_limit_hits: outcome.pids_limit_hits,
                unreached: served.as_ref().map(network::unreached).unwrap_or_default(),
            }
            .into());
        }
        let threads = self.world.request.jobs.max(1);
        let stop = self.world.board.stop_flag();
        let naming = cleaner.map(|cleaner| cleaner.clean(&work.upper(), threads, stop)).transpose()?;
        Ok(Once {
            work,
            outcome,
            said: std::mem::take(said),
            served: served.unwrap_or_default(),
            naming: naming.unwrap_or_default(),
        })
    }

    pub fn spec(
        &self,
        action: &RunAction,
        user: &Identity,
        work: &WorkDir,
        mut mounts: Vec<SandboxMount>,
        secrets: Vec<(OsString, OsString)>,
    ) -> Result<SandboxSpec, Halt> {
        if let Some(script) = &action.script {
            mounts.push(SandboxMount {
                target: format!("{SCRIPT_DIRECTORY}/{}", script.name).into(),
                source: MountSource::File {
                    content: script.content.clone().into_bytes(),
                    mode: 0o755,
                    uid: 0,
                    gid: 0,
                },
                read_only: true,
            });
        }
        let network = match self.network(action) {
            Network::None => sandbox::Network::None,
            Network::Default if self.gateway(action).is_some() => sandbox::Network::Gateway,
            // Without a gateway, a step's own network is the machine's, and its record says so.
            Network::Default | Network::Host => sandbox::Network::Host,
        };
        Ok(SandboxSpec {
            layers: self.ground()?.directories(),
            upper: work.upper(),
            work: work.work(),
            read_only: false,
            stand_ins: Vec::new(),
            mounts,
            args: action.args.iter().map(OsString::from).collect(),
            env: self.environment(action, user, secrets),
            cwd: action.cwd.clone().into(),
            user: Ids { uid: user.uid, gid: user.gid, groups: user.groups.clone() },
            network,
            security: match action.security {
                Security::Sandbox => sandbox::Security::Sandbox,
                Security::Insecure => sandbox::Security::Insecure,
            },
            limits: self.world.request.limits,
            hostname: HOSTNAME.to_owned(),
            hosts: self.world.request.hosts.clone(),
            resolv_conf: match network {
                sandbox::Network::Host => Some(self.world.request.resolv_conf.clone()),
                sandbox::Network::Gateway => Some(RunNetwork::resolv_conf()),
                sandbox::Network::None => None,
            },
            terminal: false,
            timeout: None,
            looks_like_chroot: false,
        })
    }

    /// What the command finds in its environment: the image's and the Dockerfile's, then what the user's files say,
    /// then what Kapok adds where nothing else did.
    fn environment(
        &self,
        action: &RunAction,
        user: &Identity,
        secrets: Vec<(OsString, OsString)>,
    ) -> Vec<(OsString, OsString)> {
        let mut env: Vec<(OsString, OsString)> =
            action.env.iter().map(|(name, value)| (name.into(), value.into())).collect();
        let has = |env: &[(OsString, OsString)], name: &str| env.iter().any(|(known, _)| known == name);
        for (name, value) in &action.proxy {
            if !has(&env, name) {
                env.push((name.into(), value.into()));
            }
        }
        if !has(&env, "HOME") {
            env.push(("HOME".into(), user.home.clone().into()));
        }
        if !has(&env, "SOURCE_DATE_EPOCH") {
            env.push(("SOURCE_DATE_EPOCH".into(), self.stage.epoch.to_string().into()));
        }
        for (name, value) in secrets {
            env.retain(|(known, _)| *known != name);
            env.push((name, value));
        }
        env
    }

    fn commit(&self, work: WorkDir, needles: &Needles) -> Result<Committed, Halt> {
        let rules = self.world.request.rules;
        Ok(self.world.committer(rules, self.stage.epoch, needles).commit(work, self.ground()?.view())?)
    }

    /// Fills in what a RUN's record says beyond what every step's does.
    fn complete(&self, record: &mut Record, action: &RunAction, mounts: &Mounts, outcome: &Outcome) {
        if self.network(action) != Network::None && self.gateway(action).is_none() {
            record.unobserved.push("network".to_owned());
        }
        record.unobserved.extend(mounts.unobserved(self.world.request.empty_caches));
        record.warnings.extend(mounts.warnings());
        if outcome.oom_kills > 0 {
            record.warnings.push(format!(
                "out of memory: {} of its processes {} killed, though the command ended well",
                outcome.oom_kills,
                if outcome.oom_kills == 1 { "was" } else { "were" }
            ));
        }
        record.warnings.extend(outcome.notes.iter().cloned());
        record.usage = Usage {
            wall_ms: self.elapsed().as_millis() as u64,
            user_ms: outcome.usage.user.as_millis() as u64,
            system_ms: outcome.usage.system.as_millis() as u64,
            max_rss_bytes: outcome.usage.max_rss,
            oom_kills: outcome.oom_kills,
        };
        let limits = &self.world.request.limits;
        let given = [
            ("cpus", limits.cpus.map(|cpus| cpus.to_string())),
            ("memory", limits.memory.map(|bytes| bytes.to_string())),
            ("pids", limits.pids.map(|pids| pids.to_string())),
        ];
        for (name, value) in given {
            if let Some(value) = value {
                record.limits.insert(name.to_owned(), value);
            }
        }
    }

    fn store_log(&self, said: &Said) -> Result<Option<oci::Digest>, Halt> {
        let Some(path) = &said.log else { return Ok(None) };
        let io = |source| StepError::Io { action: "keep the step's output".into(), source };
        let mut blob = self.world.doors.store.blob_writer()?;
        std::io::copy(&mut File::open(path).map_err(io)?, &mut blob).map_err(io)?;
        let digest = blob.finish()?.0;
        share(&self.world.doors.store.blob_path(&digest), path);
        Ok(Some(digest))
    }

    /// `--twice`: the same command over the same snapshot, into an upper that is only compared.
    fn second_run(
        &self,
        action: &RunAction,
        user: &Identity,
        mounts: &Mounts,
        first: &PathIndex,
    ) -> Result<(), Halt> {
        let mut said = Said::default();
        let once = self.once(action, user, mounts, &mut said, false)?;
        let none = Needles::default();
        let committer = self.world.committer(self.world.request.rules, self.stage.epoch, &none);
        let (second, _, _) = committer.settle(&once.work.upper(), self.ground()?.view())?;
        let differences = super::twice::differences(first, &second);
        self.world.progress(|mut progress| {
            progress.differences.extend(differences.into_iter().map(|(path, what)| Difference {
                step: self.id,
                path,
                what,
            }));
        });
        Ok(())
    }

    /// Has the command killed when the build stops.
    pub fn register(&self, handle: &Arc<crate::sandbox::Handle>) {
        let mut running = self.world.running.lock().unwrap_or_else(PoisonError::into_inner);
        running.insert(self.id.0, handle.clone());
        drop(running);
        // The build may have been stopped between the permit and this line.
        if self.world.board.is_stopped() {
            handle.kill();
        }
    }

    /// The command has ended.
    pub fn unregister(&self) {
        self.world.running.lock().unwrap_or_else(PoisonError::into_inner).remove(&self.id.0);
    }
}

/// Makes a log another name of its blob: the same bytes need not be there twice. Where that is not possible, they are.
fn share(blob: &Path, log: &Path) {
    let aside = log.with_extension("shared");
    if std::fs::hard_link(blob, &aside).is_ok() && std::fs::rename(&aside, log).is_err() {
        let _ = std::fs::remove_file(&aside);
    }
}

/// Where a command's output is read, and the ends that the command gets.
fn streams() -> std::io::Result<(File, Stdio)> {
    let (reader, writer) = std::io::pipe()?;
    let stdin = File::open("/dev/null")?;
    let stdio = Stdio {
        stdin: stdin.into(),
        stdout: OwnedFd::from(writer.try_clone()?),
        stderr: OwnedFd::from(writer),
    };
    Ok((File::from(OwnedFd::from(reader)), stdio))
}
