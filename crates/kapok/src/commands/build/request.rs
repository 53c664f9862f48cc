//! From flags, settings and environment to the engine's request.

use std::collections::BTreeMap;
use std::net::IpAddr;
use std::path::PathBuf;

use build::engine::{Keep, Request, Secret};
use build::plan::{NamedContext, NamedContexts, Network, Permissions};
use build::sandbox::Limits;
use oci::layer::{Compression, Rules};
use oci::{Platform, Reference};

use super::agents::{self, Agents};
use super::context::{Means, Opened, git_reference, is_url};
use super::input::{self, Input};
use crate::cli;
use crate::cli::build::{CompressionFlag, NetworkFlag, Permission};
use crate::cli::limits::LimitFlags;
use crate::cli::values::{HostEntry, SecretFlag, SecretFrom};
use crate::environment::Environment;
use crate::failure::Failure;
use crate::program::{Program, image_name};
use crate::settings::Settings;
use crate::{clock, randomness};

/// BuildKit's bound on a secret.
const MAX_SECRET: usize = 500 << 10;

/// A request, and what must live until the build is over.
pub struct Prepared {
    /// What the engine is asked for.
    pub request: Request,
    /// Keeps contexts that were unpacked.
    _contexts: Vec<Opened>,
}

/// The part that `build` and `plan` share: what is built, from what, under which rules.
pub fn prepare(
    program: &Program,
    flags: &cli::build::Input,
    settings: &Settings,
    means: &Means<'_>,
) -> Result<Prepared, Failure> {
    let environment = &program.environment;
    check_permissions(&flags.allow, settings)?;
    let network = network(flags.network, settings)?;
    let platforms = platforms(&flags.platform)?;
    let build_args = build_args(flags, environment);
    let epoch = epoch(flags.source_date_epoch, &build_args, environment)?;
    let named = named_contexts(&flags.build_context, means)?;
    let Input { source, ignore, context } = input::find(flags, means)?;
    let mut contexts = named.opened;
    let directory = context.directory.clone();
    contexts.push(context);
    let (started, millis) = clock::now_with_millis();
    let request = Request {
        id: randomness::build_id(millis),
        name: if flags.context.is_empty() { ".".to_owned() } else { flags.context.clone() },
        started,
        source,
        context: directory,
        ignore,
        named_contexts: named.contexts,
        named_directories: named.directories,
        // `--target "$STAGE"` of a script without one: as docker takes it.
        target: flags.target.clone().filter(|target| !target.is_empty()),
        platforms,
        build_platform: Platform::host(),
        build_args,
        labels: flags.label.iter().map(|label| (label.0.name.clone(), label.0.value.clone())).collect(),
        from_override: flags.from.clone(),
        last_from_override: None,
        stage_env: Vec::new(),
        tags: Vec::new(),
        no_cache: false,
        pull: flags.pull,
        network,
        permissions: Permissions { host_network: settings.host_network, insecure: settings.insecure },
        resolv_conf: resolv_conf(),
        hosts: Vec::new(),
        secrets: Vec::new(),
        ssh: BTreeMap::new(),
        limits: Limits::default(),
        compression: compression(None, settings),
        rules: Rules::default(),
        epoch,
        jobs: jobs(None, settings),
        twice: false,
        keep: Keep::default(),
        pack_all: false,
        finishing: Default::default(),
        foresee: false,
        project: String::new(),
        empty_caches: false,
        overruled: None,
    };
    Ok(Prepared { request, _contexts: contexts })
}

/// Takes over the flags that only `build` has. The agents must live as long as the build.
pub fn complete(
    request: &mut Request,
    program: &Program,
    flags: &cli::build::Build,
    settings: &Settings,
) -> Result<Agents, Failure> {
    let agents = agents::find(&flags.ssh, &program.environment)?;
    request.tags = names(&flags.tag)?;
    if let Some(first) = request.tags.first() {
        request.name = first.familiar();
    }
    request.no_cache = flags.no_cache;
    request.hosts = hosts(&flags.add_host);
    request.secrets = secrets(&flags.secret, program)?;
    request.ssh = agents.sockets.clone();
    request.limits = limits(&settings.limits_with(&flags.limits));
    request.compression = compression(outputs_compression(flags)?, settings);
    request.rules.keep_logs = flags.keep_logs;
    request.jobs = jobs(flags.jobs, settings);
    request.twice = flags.twice;
    Ok(agents)
}

/// Names for an image, each once.
pub fn names(tags: &[String]) -> Result<Vec<Reference>, Failure> {
    let mut names: Vec<Reference> = Vec::new();
    for tag in tags {
        let name = image_name(tag)?;
        if !names.contains(&name) {
            names.push(name);
        }
    }
    Ok(names)
}

/// Platforms, each once.
pub fn platforms(words: &[String]) -> Result<Vec<Platform>, Failure> {
    let mut platforms: Vec<Platform> = Vec::new();
    for word in words.iter().map(|word| word.trim()).filter(|word| !word.is_empty()) {
        let platform = match word {
            "local" => Platform::host(),
            word => word.parse::<Platform>().map_err(|error| Failure::usage(error.to_string()))?.normalised(),
        };
        if !platforms.contains(&platform) {
            platforms.push(platform);
        }
    }
    Ok(platforms)
}

/// The engine's limits.
pub fn limits(flags: &LimitFlags) -> Limits {
    Limits { cpus: flags.cpus.map(|cpus| cpus.0), memory: flags.memory.map(|size| size.0), pids: flags.pids }
}

/// Lines of `/etc/hosts`.
pub fn hosts(entries: &[HostEntry]) -> Vec<(String, IpAddr)> {
    entries.iter().map(|entry| (entry.name.clone(), entry.address)).collect()
}

/// The machine's resolver configuration, for commands on its network.
pub fn resolv_conf() -> Vec<u8> {
    std::fs::read("/etc/resolv.conf").unwrap_or_default()
}

/// How layers are compressed: flag, settings, gzip.
pub fn compression(flag: Option<CompressionFlag>, settings: &Settings) -> Compression {
    match flag.or(settings.compression) {
        None | Some(CompressionFlag::Gzip) => Compression::Gzip,
        Some(CompressionFlag::Zstd) => Compression::Zstd,
        Some(CompressionFlag::None) => Compression::None,
    }
}

/// What `--compression` and the outputs say. All layers of a build are compressed alike, so they must agree.
fn outputs_compression(flags: &cli::build::Build) -> Result<Option<CompressionFlag>, Failure> {
    let mut asked =
        flags.compression.into_iter().chain(flags.output.iter().filter_map(|one| one.compression));
    let first = asked.next();
    match asked.find(|other| Some(*other) != first) {
        Some(_) => Err(Failure::usage_with(
            "`--output` asks for layers that are compressed in different ways",
            "build once for each; what is the same is found in the cache",
        )),
        None => Ok(first),
    }
}

/// How many steps run at once: flag, settings, the number of processors.
pub fn jobs(flag: Option<u16>, settings: &Settings) -> usize {
    flag.or(settings.jobs)
        .map_or_else(|| std::thread::available_parallelism().map_or(1, usize::from), usize::from)
}

fn network(flag: Option<NetworkFlag>, settings: &Settings) -> Result<Network, Failure> {
    match flag {
        None | Some(NetworkFlag::Default) => Ok(Network::Default),
        Some(NetworkFlag::None) => Ok(Network::None),
        Some(NetworkFlag::Host) if settings.host_network => Ok(Network::Host),
        Some(NetworkFlag::Host) => Err(not_allowed("--network host", "network.host")),
    }
}

/// `--allow` can insist on a permission, never give one.
fn check_permissions(asked: &[Permission], settings: &Settings) -> Result<(), Failure> {
    for permission in asked {
        let (allowed, key) = match permission {
            Permission::NetworkHost => (settings.host_network, "network.host"),
            Permission::SecurityInsecure => (settings.insecure, "security.insecure"),
        };
        if !allowed {
            return Err(not_allowed(&format!("--allow {key}"), key));
        }
    }
    Ok(())
}

fn not_allowed(flag: &str, key: &str) -> Failure {
    Failure::usage_with(
        format!("the settings do not allow `{flag}`"),
        format!("set `{key}: true` in /etc/kapok/kapok.yaml or in the user's kapok.yaml"),
    )
}

/// `--build-arg`: a name without a value takes the environment's, and is left out where that has none.
fn build_args(flags: &cli::build::Input, environment: &Environment) -> BTreeMap<String, String> {
    let value = |argument: &cli::values::Assignment| match &argument.value {
        Some(value) => Some(value.clone()),
        None => environment.variable(&argument.name).map(|value| value.to_string_lossy().into_owned()),
    };
    flags.build_arg.iter().filter_map(|argument| Some((argument.name.clone(), value(argument)?))).collect()
}

/// SOURCE_DATE_EPOCH: the flag, the build argument, the variable.
fn epoch(
    flag: Option<i64>,
    build_args: &BTreeMap<String, String>,
    environment: &Environment,
) -> Result<Option<i64>, Failure> {
    const NAME: &str = "SOURCE_DATE_EPOCH";
    if flag.is_some() {
        return Ok(flag);
    }
    let text = build_args.get(NAME).map(String::as_str).or_else(|| environment.text(NAME));
    let Some(text) = text.filter(|text| !text.is_empty()) else { return Ok(None) };
    match text.parse() {
        Ok(seconds) if seconds >= 0 => Ok(Some(seconds)),
        _ => Err(Failure::usage(format!("{NAME} is `{text}`, not a number of seconds since 1970"))),
    }
}

struct Named {
    contexts: NamedContexts,
    directories: BTreeMap<String, PathBuf>,
    opened: Vec<Opened>,
}

/// `--build-context`: images by their schemes, everything else is a tree. The last of the same name counts.
fn named_contexts(flags: &[cli::values::Pair], means: &Means<'_>) -> Result<Named, Failure> {
    let mut named = Named { contexts: BTreeMap::new(), directories: BTreeMap::new(), opened: Vec::new() };
    for flag in flags {
        let (name, value) = (flag.name.clone(), flag.value.as_str());
        named.directories.remove(&name);
        let context = if let Some(image) = value.strip_prefix("docker-image://") {
            NamedContext::Image(image.to_owned())
        } else if let Some(layout) = value.strip_prefix("oci-layout://") {
            NamedContext::Layout(means.directory.join(layout).display().to_string())
        } else {
            let opened = means.open(value).map_err(|failure| explain(&name, value, failure))?;
            let directory = opened.directory.clone().ok_or_else(|| {
                Failure::usage(format!("the build context `{name}` is neither a directory nor an archive"))
            })?;
            named.directories.insert(name.clone(), directory);
            named.opened.push(opened);
            NamedContext::Tree
        };
        named.contexts.insert(name, context);
    }
    Ok(named)
}

/// A word that is no directory may be meant as an image.
fn explain(name: &str, value: &str, failure: Failure) -> Failure {
    if is_url(value) || git_reference(value).is_some() || !matches!(failure, Failure::Usage { .. }) {
        return failure;
    }
    Failure::usage_with(
        format!("the build context `{name}` names `{value}`, which is not a directory"),
        format!("an image is `--build-context {name}=docker-image://{value}`"),
    )
}

/// Reads the secrets' values, as docker finds them.
fn secrets(flags: &[SecretFlag], program: &Program) -> Result<Vec<Secret>, Failure> {
    flags.iter().map(|flag| Ok(Secret { id: flag.id.clone(), value: secret_value(flag, program)? })).collect()
}

fn secret_value(flag: &SecretFlag, program: &Program) -> Result<Vec<u8>, Failure> {
    let environment = &program.environment;
    let variable = |name: &str| {
        use std::os::unix::ffi::OsStrExt;
        environment.variable(name).map(|value| value.as_bytes().to_vec())
    };
    let file = |path: &std::path::Path| {
        let path = environment.directory.join(path);
        std::fs::read(&path).map_err(Failure::file("read the secret", path))
    };
    let value = match &flag.from {
        SecretFrom::File(path) => file(path)?,
        SecretFrom::Variable(name) => variable(name).ok_or_else(|| {
            Failure::usage(format!("secret `{}`: the variable `{name}` is not set", flag.id))
        })?,
        SecretFrom::Unsaid => match variable(&flag.id) {
            Some(value) => value,
            None => file(std::path::Path::new(&flag.id))?,
        },
    };
    if value.len() > MAX_SECRET {
        return Err(Failure::usage(format!("secret `{}` is larger than 500 KiB", flag.id)));
    }
    Ok(value)
}
