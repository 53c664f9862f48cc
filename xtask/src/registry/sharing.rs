//! `kapok build --push`, `--cache-to` and `--cache-from`: between machines, and when registries misbehave.

use std::fs;
use std::process::Command;

use super::fixture::{DockerRegistry, Here, LIMIT};
use super::meddler::{Fault, Meddler};
use crate::command::{self, Outcome};
use crate::real::{Test, Trouble, World, ensure, needs};

pub const TESTS: &[Test] = &[
    ("two machines share a cache, and the records are the same", two_machines),
    ("a build that is pushed sends its layers before it ends, and fetches no base", pushed),
    ("a registry that misbehaves costs time, and nothing wrong is kept", misbehaving),
    ("a cache that is damaged is done without", damaged_cache),
    ("a push that fails leaves the image, and can be done again", failed_push),
];

/// A base with a command in it, in a registry.
fn base(here: &Here<'_>, name: &str) -> Result<(), Trouble> {
    here.image(&[name])?;
    here.ok(&["push", "-q", name])?;
    Ok(())
}

/// Two stages over the base; the second copies from the first, and from the build context.
fn dockerfile(base: &str) -> String {
    format!(
        "FROM {base} AS tools\nRUN head -c 700000 /large > /tool && echo tool >> /tool\nRUN echo more >> /tool\n\
         FROM {base}\nRUN echo runtime > /runtime\nCOPY --from=tools /tool /usr/tool\nCOPY data /data\n\
         ENV A=b\nCMD [\"cat\", \"/data\"]\n"
    )
}

fn context(here: &Here<'_>, name: &str, dockerfile: &str) -> Result<String, Trouble> {
    let context = here.path(name);
    fs::create_dir_all(&context)?;
    fs::write(context.join("Dockerfile"), dockerfile)?;
    fs::write(context.join("data"), "data\n")?;
    Ok(context.display().to_string())
}

/// The records of a build's steps, and what became of them.
fn steps(here: &Here<'_>, name: &str) -> Result<Vec<(String, String)>, Trouble> {
    let text = here.ok(&["explain", "--format", "json", name])?;
    let value: serde_json::Value =
        serde_json::from_str(&text).map_err(|error| Trouble::Failed(format!("{error}: {text}")))?;
    let word = |step: &serde_json::Value, name: &str| step[name].as_str().unwrap_or_default().to_owned();
    let steps = value["steps"].as_array().cloned().unwrap_or_default();
    Ok(steps.iter().map(|step| (word(step, "record"), word(step, "state"))).collect())
}

/// The same address in two network namespaces, each with a way to this machine and to nowhere else.
struct Networks {
    tag: String,
}

/// What the registry is called on both machines.
const ADDRESS: &str = "10.213.0.1";

impl Networks {
    fn make() -> Result<Networks, Trouble> {
        needs(&["ip"])?;
        if !rustix::process::geteuid().is_root() {
            return Err(Trouble::Skipped("network namespaces with a way out need root".into()));
        }
        let networks = Networks { tag: format!("kpk{}", std::process::id() % 100_000) };
        networks
            .ip(&format!("netns add {}", networks.name("try")))
            .map_err(|_| Trouble::Skipped("this machine does not let us make network namespaces".into()))?;
        for (number, side) in ["a", "b"].into_iter().enumerate() {
            let (name, tag) = (networks.name(side), &networks.tag);
            let net = format!("10.213.{}", number + 1);
            for line in [
                format!("netns add {name}"),
                format!("link add {tag}{side} type veth peer name eth0 netns {name}"),
                format!("addr add {net}.1/30 dev {tag}{side}"),
                format!("link set {tag}{side} up"),
                format!("-n {name} addr add {net}.2/30 dev eth0"),
                format!("-n {name} link set eth0 up"),
                format!("-n {name} link set lo up"),
                format!("-n {name} route add default via {net}.1"),
            ] {
                networks.ip(&line)?;
            }
        }
        networks.ip(&format!("addr add {ADDRESS}/32 dev {}a", networks.tag))?;
        Ok(networks)
    }

    fn name(&self, side: &str) -> String {
        format!("{}-{side}", self.tag)
    }

    fn ip(&self, words: &str) -> Result<(), Trouble> {
        let outcome = command::run(Command::new("ip").args(words.split(' ')), LIMIT)?;
        ensure(outcome.success(), || format!("ip {words}: {}", outcome.tail(5)))
    }

    /// The program in one of the networks.
    fn kapok(&self, side: &str, here: &Here<'_>, words: &[&str]) -> Result<Outcome, Trouble> {
        let plain = here.command();
        let mut command = Command::new("ip");
        command.args(["netns", "exec", &self.name(side)]).arg(plain.get_program()).args(words);
        for (name, value) in plain.get_envs() {
            match value {
                Some(value) => command.env(name, value),
                None => command.env_remove(name),
            };
        }
        command.current_dir(&here.place.path);
        Ok(command::run(&mut command, LIMIT)?)
    }
}

impl Drop for Networks {
    fn drop(&mut self) {
        // The other end of a link goes with its namespace.
        for side in ["a", "b", "try"] {
            let _ = self.ip(&format!("netns del {}", self.name(side)));
        }
    }
}

fn two_machines(world: &World) -> Result<(), Trouble> {
    let here = Here::new(world.place("sharing-machines")?);
    let networks = Networks::make()?;
    let mut serve = here.command();
    serve.args(["serve", "--open-to-all", "--registry", &format!("{ADDRESS}:0")]);
    let served = super::fixture::Served::start(serve)?;
    here.settings(&format!("registries:\n  - {{prefix: \"{}\", insecure: true}}\n", served.address))?;
    let base_name = served.name("team/base:1");
    base(&here, &base_name)?;
    let context = context(&here, "context", &dockerfile(&base_name))?;
    let (one, two) = (here.other("machine-one"), here.other("machine-two"));
    let cache = format!("type=registry,ref={},mode=max", served.name("team/cache:main"));
    let from = format!("type=registry,ref={}", served.name("team/cache:main"));
    let image = served.name("team/app:1");

    let built =
        networks.kapok("a", &one, &["build", "-t", &image, "--push", "--cache-to", &cache, &context])?;
    ensure(built.success() && built.stderr.contains("5 run, 0 cached"), || built.tail(20))?;
    let again =
        networks.kapok("b", &two, &["build", "-t", &image, "--push", "--cache-from", &from, &context])?;
    ensure(again.success() && again.stderr.contains("0 run, 5 cached"), || again.tail(30))?;

    let records =
        |steps: Vec<(String, String)>| steps.into_iter().map(|(record, _)| record).collect::<Vec<_>>();
    let (first, second) = (steps(&one, &image)?, steps(&two, &image)?);
    ensure(second.iter().all(|(_, state)| state != "ran"), || format!("{second:?}"))?;
    let (first, second) = (records(first), records(second));
    ensure(first == second && first.iter().filter(|record| !record.is_empty()).count() == 5, || {
        format!("the records differ:\n{first:?}\n{second:?}")
    })?;
    for number in 1..=5 {
        let step = format!("{image}#{number}");
        let record = |here: &Here<'_>| -> Result<serde_json::Value, Trouble> {
            let text = here.ok(&["explain", "--format", "json", &step])?;
            let value: serde_json::Value = serde_json::from_str(&text).unwrap_or_default();
            Ok(value["record"].clone())
        };
        let (first, second) = (record(&one)?, record(&two)?);
        ensure(first == second && first.is_object(), || format!("{step}:\n{first}\n{second}"))?;
    }
    // The layers stayed where they were; a run needs them.
    let ran = networks.kapok("b", &two, &["run", &image])?;
    ensure(ran.success() && ran.stdout.trim() == "data", || ran.tail(10))?;
    one.place.verify()?;
    two.place.verify()
}

fn pushed(world: &World) -> Result<(), Trouble> {
    let here = Here::new(world.place("sharing-pushed")?);
    let registry = DockerRegistry::start(&here.path("debian"), "")?;
    let meddler = Meddler::start(&registry.address)?;
    let base_name = meddler.name("team/base:1");
    base(&here, &base_name)?;
    let builder = here.other("builder");
    drop(meddler.requests());
    // Words alone: the base stays where it is, and its layers are mounted.
    let words = context(&here, "words", &format!("FROM {base_name}\nENV A=b\n"))?;
    let name = meddler.name("other/words:1");
    let digest = builder.ok(&["build", "-q", "--push", "-t", &name, &words])?;
    let asked = meddler.requests();
    let layers = |asked: &[String]| {
        asked.iter().filter(|asked| asked.starts_with("GET") && asked.contains("/blobs/")).count()
    };
    // The base's configuration.
    ensure(layers(&asked) == 1, || asked.join("\n"))?;
    ensure(asked.iter().any(|asked| asked.contains("mount=")), || asked.join("\n"))?;
    ensure(
        asked.last().is_some_and(|last| last.starts_with("PUT") && last.contains("/manifests/1")),
        || asked.join("\n"),
    )?;

    // A layer is over before the last step ends.
    let slow = format!("FROM {base_name}\nRUN head -c 400000 /large > /one\nRUN sleep 2\n");
    let slow = context(&here, "slow", &slow)?;
    let name = meddler.name("team/slow:1");
    let built = builder.run(&["build", "--progress", "json", "--push", "-t", &name, &slow])?;
    ensure(built.success(), || built.tail(20))?;
    let events: Vec<serde_json::Value> =
        built.stderr.lines().filter_map(|line| serde_json::from_str(line).ok()).collect();
    let at = |wanted: &dyn Fn(&serde_json::Value) -> bool| {
        events.iter().rev().find(|event| wanted(event)).and_then(|event| event["at_ms"].as_u64()).unwrap_or(0)
    };
    let ended = at(&|event| event["event"] == "finished" && event["step"] == 2);
    let first = events.iter().position(|event| event["event"] == "finished").unwrap_or(0);
    let sent = events[first..].iter().any(|event| {
        event["event"] == "transfer" && event["at_ms"].as_u64().is_some_and(|at| at + 500 < ended)
    });
    ensure(sent, || format!("nothing was sent before {ended} ms:\n{}", built.stderr))?;

    let other = here.other("other");
    ensure(other.ok(&["pull", "-q", &meddler.name("other/words:1")])? == digest, || {
        "another digest was pulled".into()
    })?;
    other.place.verify()?;
    // Several platforms are one index, with nothing unknown in it.
    let both = meddler.name("team/both:1");
    let scratch = context(&here, "scratch", "FROM scratch\nCOPY data /\n")?;
    let flags = ["build", "-q", "--push", "-t", &both, "--platform", "linux/amd64,linux/arm64", &scratch];
    let index = builder.ok(&flags)?;
    ensure(other.ok(&["pull", "-q", "--all-platforms", &both])? == index, || {
        "another index was pulled".into()
    })?;
    builder.place.verify()
}

fn misbehaving(world: &World) -> Result<(), Trouble> {
    let here = Here::new(world.place("sharing-faults")?);
    let registry = DockerRegistry::start(&here.path("debian"), "")?;
    let meddler = Meddler::start(&registry.address)?;
    let base_name = meddler.name("team/base:1");
    base(&here, &base_name)?;
    let context = context(&here, "context", &format!("FROM {base_name}\nRUN cat /small > /copy\n"))?;
    let build = |store: &Here<'_>| store.run(&["build", "-t", "built", &context]);

    // Passing troubles pass.
    for (number, fault) in
        [Fault::Status(429, "Retry-After: 1"), Fault::Status(503, ""), Fault::Cut(1_000_000), Fault::Silence]
            .into_iter()
            .enumerate()
    {
        let store = here.other(&format!("passing-{number}"));
        meddler.misbehave("GET", "/blobs/", fault.clone(), 2);
        meddler.misbehave("GET", "/manifests/", if number == 2 { Fault::Silence } else { fault.clone() }, 1);
        let built = build(&store)?;
        ensure(built.success(), || format!("{fault:?}: {}", built.tail(20)))?;
        meddler.behave();
        store.place.verify()?;
    }
    // Others do not, and leave nothing.
    let layer = format!("/blobs/{}", layers_of(&here, &base_name)?.swap_remove(0));
    let lasting = [
        ("/blobs/", Fault::Tamper),
        ("/manifests/", Fault::Tamper),
        ("/blobs/", Fault::Status(500, "")),
        (&layer[..], Fault::Tamper),
        (&layer[..], Fault::Status(404, "")),
    ];
    for (number, (path, fault)) in lasting.into_iter().enumerate() {
        let store = here.other(&format!("lasting-{number}"));
        meddler.misbehave("GET", path, fault.clone(), 1_000);
        let failed = build(&store)?;
        ensure(failed.code() == 3, || {
            format!("{path} {fault:?}: exit {}\n{}", failed.code(), failed.tail(20))
        })?;
        store.place.verify()?;
        let names = store.ok(&["images"])?;
        ensure(!names.contains("built"), || format!("{path} {fault:?}: a name was given:\n{names}"))?;
        meddler.behave();
        let built = build(&store)?;
        ensure(built.success(), || built.tail(20))?;
        store.place.verify()?;
    }
    Ok(())
}

fn damaged_cache(world: &World) -> Result<(), Trouble> {
    let here = Here::new(world.place("sharing-damaged")?);
    let registry = DockerRegistry::start(&here.path("debian"), "")?;
    let meddler = Meddler::start(&registry.address)?;
    let base_name = meddler.name("team/base:1");
    base(&here, &base_name)?;
    let context = context(&here, "context", &dockerfile(&base_name))?;
    let (cache, image) = (meddler.name("team/cache:1"), meddler.name("team/app:1"));
    let to = format!("type=registry,ref={cache},mode=max");
    let digest = here.ok(&["build", "-q", "-t", &image, "--push", "--cache-to", &to, &context])?;

    // Everything under the cache's name goes wrong: its manifest, its configuration, its records, its layers.
    let cases = [
        ("/team/cache/manifests/", Fault::Status(500, "")),
        ("/team/cache/manifests/", Fault::Tamper),
        ("/team/cache/blobs/", Fault::Tamper),
        ("/team/cache/blobs/", Fault::Cut(0)),
        ("/team/cache/blobs/", Fault::Status(404, "")),
    ];
    for (number, (path, fault)) in cases.into_iter().enumerate() {
        let store = here.other(&format!("damaged-{number}"));
        meddler.misbehave("GET", path, fault.clone(), 1_000);
        let built = store.run(&["build", "-t", "app", "--cache-from", &cache, &context])?;
        meddler.behave();
        let what = || format!("{path} {fault:?}: exit {}\n{}", built.code(), built.tail(30));
        ensure(built.success() && built.stderr.contains("warning"), what)?;
        ensure(store.ok(&["run", "app", "tail", "-n", "1", "/usr/tool"])? == "more", what)?;
        store.place.verify()?;
    }

    // Layers alone are gone: what was found is done again.
    let store = here.other("gone");
    let first = store.run(&["build", "-q", "-t", "x", "--cache-from", &cache, &context])?;
    ensure(first.success() && first.stdout.trim() == digest, || first.tail(20))?;
    let store = here.other("gone-layers");
    fs::write(here.path("context/Dockerfile"), dockerfile(&base_name) + "RUN echo last\n")?;
    for blob in layers_of(&here, &cache)? {
        meddler.misbehave("GET", &format!("/team/cache/blobs/{blob}"), Fault::Status(404, ""), 1_000);
    }
    let built = store.run(&["build", "-t", "app", "--cache-from", &cache, &context])?;
    ensure(built.success() && built.stderr.contains("goes on without it"), || built.tail(30))?;
    ensure(store.ok(&["run", "app", "tail", "-n", "1", "/usr/tool"])? == "more", || "another file".into())?;
    store.place.verify()
}

/// The layers that a manifest names.
fn layers_of(here: &Here<'_>, name: &str) -> Result<Vec<String>, Trouble> {
    needs(&["skopeo"])?;
    let mut inspect = Command::new("skopeo");
    inspect.args(["inspect", "--raw", "--tls-verify=false", &format!("docker://{name}")]);
    let outcome = command::run(inspect.current_dir(&here.place.path), LIMIT)?;
    ensure(outcome.success(), || outcome.tail(10))?;
    let manifest: serde_json::Value = serde_json::from_str(&outcome.stdout).unwrap_or_default();
    let is_layer = |layer: &&serde_json::Value| {
        layer["mediaType"].as_str().is_some_and(|kind| kind.contains("image.layer"))
    };
    let layers = manifest["layers"].as_array().cloned().unwrap_or_default();
    let layers: Vec<String> = layers
        .iter()
        .filter(is_layer)
        .filter_map(|layer| layer["digest"].as_str().map(str::to_owned))
        .collect();
    ensure(!layers.is_empty(), || format!("the image has no layers: {}", outcome.stdout))?;
    Ok(layers)
}

fn failed_push(world: &World) -> Result<(), Trouble> {
    let here = Here::new(world.place("sharing-failed-push")?);
    let registry = DockerRegistry::start(&here.path("debian"), "")?;
    let meddler = Meddler::start(&registry.address)?;
    let context = context(&here, "context", "FROM scratch\nCOPY data /\n")?;
    let name = meddler.name("team/app:1");
    meddler.misbehave("PUT", "/manifests/", Fault::Status(403, ""), 1_000);
    let failed = here.run(&["build", "--push", "-t", &name, &context])?;
    let again = format!("kapok push {name}");
    ensure(failed.code() == 3 && failed.stderr.contains(&again), || {
        format!("exit {}\n{}", failed.code(), failed.tail(20))
    })?;
    meddler.behave();
    here.ok(&["push", "-q", &name])?;
    let other = here.other("other");
    other.ok(&["pull", "-q", &name])?;
    here.place.verify()?;
    other.place.verify()
}
