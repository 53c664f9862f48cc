//! Other people's programs accept what Kapok writes.

use std::fs;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use testkit::image;

use crate::command::{self, must};
use crate::real::{Place, Test, Trouble, World, count, ensure, needs, needs_root};
use crate::report::Tally;

const LIMIT: Duration = Duration::from_secs(120);

/// An image with something of everything.
const FIXTURE: &str = "\
//- /Dockerfile
FROM rich
USER root
RUN seq 1 500000 > /more-than-a-block && rm -r /old && mkfifo /pipe && ln /data/one /data/more && touch '/with space' && chown 1000660000 /pipe
COPY --chown=app:staff dir /dir
LABEL one=1
ENTRYPOINT []
CMD [\"/bin/cat\", \"/dir/file\"]
//- /dir/file
from kapok
";

/// Checks every program that is there; each counts as one test.
pub fn run() -> std::io::Result<Tally> {
    let world = World::new()?;
    let mut tally = Tally::default();
    let tests: [Test; 7] = [
        ("an OCI layout holds what it promises", layout),
        ("all forms of output hold the same image", forms),
        ("skopeo inspects and copies", skopeo),
        ("umoci unpacks", umoci),
        ("buildah pulls", buildah),
        ("docker loads and runs", docker),
        ("kapok loads what skopeo and docker wrote", back),
    ];
    for (name, test) in tests {
        count(&mut tally, "interop", name, test(&world));
    }
    Ok(tally)
}

/// Builds the image into a layout directory and a docker archive beside it.
fn built(place: &Place<'_>) -> Result<(), Trouble> {
    let outputs = [
        format!("type=oci,tar=false,dest={}", place.path.join("layout").display()),
        format!("type=docker,dest={}", place.path.join("docker.tar").display()),
        format!("type=oci,dest={}", place.path.join("oci.tar").display()),
        format!("type=tar,dest={}", place.path.join("tree.tar").display()),
        format!("type=local,dest={}", place.path.join("tree").display()),
    ];
    let mut flags = vec!["-t", "interop:test"];
    for output in &outputs {
        flags.extend(["--output", output.as_str()]);
    }
    let outcome = place.build(FIXTURE, &flags)?;
    ensure(outcome.success(), || outcome.tail(20))
}

/// Checked by code that shares nothing with Kapok's.
fn layout(world: &World) -> Result<(), Trouble> {
    for compression in ["gzip", "zstd", "none"] {
        let place = world.place(&format!("layout-{compression}"))?;
        let image = place.image(FIXTURE, &["--compression", compression])?;
        let expected = match compression {
            "gzip" => "application/vnd.oci.image.layer.v1.tar+gzip",
            "zstd" => "application/vnd.oci.image.layer.v1.tar+zstd",
            _ => "application/vnd.oci.image.layer.v1.tar",
        };
        let last =
            image.manifest["layers"].as_array().and_then(|layers| layers.last()).cloned().unwrap_or_default();
        ensure(last["mediaType"] == expected, || {
            format!("{compression}: a layer of type {}", last["mediaType"])
        })?;
        ensure(image.tree.content("/dir/file") == Some(b"from kapok\n"), || "a file is missing".into())?;
        ensure(image.tree.get("/old").is_none(), || "a removed file is there".into())?;
    }
    Ok(())
}

fn forms(world: &World) -> Result<(), Trouble> {
    let place = world.place("forms")?;
    built(&place)?;
    let from_layout = image::load_one(&place.path.join("layout"))?;
    let from_tar = image::load_one(&place.path.join("oci.tar"))?;
    ensure(from_layout.digest == from_tar.digest, || "layout and tar differ".into())?;
    let mut tree = testkit::tree::Tree::default();
    tree.apply(&fs::read(place.path.join("tree.tar"))?)?;
    let print = |tree: &testkit::tree::Tree| tree.print(None, &Default::default());
    let (one, other) = (print(&from_layout.tree), print(&tree));
    ensure(one == other, || difference(&one, &other))?;
    let local = fs::read_to_string(place.path.join("tree/dir/file"))?;
    ensure(local == "from kapok\n", || "type=local lacks a file".into())
}

fn difference(one: &str, other: &str) -> String {
    let missing = one.lines().filter(|line| !other.lines().any(|other| other == *line));
    let added = other.lines().filter(|line| !one.lines().any(|one| one == *line));
    missing.map(|line| format!("- {line}\n")).chain(added.map(|line| format!("+ {line}\n"))).collect()
}

fn skopeo(world: &World) -> Result<(), Trouble> {
    needs(&["skopeo"])?;
    let place = world.place("skopeo")?;
    built(&place)?;
    let layout = format!("oci:{}", place.path.join("layout").display());
    let copy = place.path.join("copy");
    for source in [
        layout.clone(),
        format!("oci-archive:{}", place.path.join("oci.tar").display()),
        format!("docker-archive:{}", place.path.join("docker.tar").display()),
    ] {
        let outcome = must(Command::new("skopeo").args(["inspect", &source]), LIMIT)?;
        ensure(outcome.stdout.contains("\"one\": \"1\""), || {
            format!("{source}: no label\n{}", outcome.tail(20))
        })?;
        fs::remove_dir_all(&copy).ok();
        let to = format!("dir:{}", copy.display());
        must(Command::new("skopeo").args(["--insecure-policy", "copy", "--quiet", &source, &to]), LIMIT)?;
    }
    Ok(())
}

fn umoci(world: &World) -> Result<(), Trouble> {
    needs(&["umoci"])?;
    needs_root()?;
    let place = world.place("umoci")?;
    built(&place)?;
    let index: serde_json::Value = serde_json::from_slice(&fs::read(place.path.join("layout/index.json"))?)
        .map_err(std::io::Error::other)?;
    let tag = index["manifests"][0]["annotations"]["org.opencontainers.image.ref.name"]
        .as_str()
        .unwrap_or_default();
    // umoci takes the part after the last colon of a name.
    let tag = tag.rsplit(':').next().unwrap_or(tag).to_owned();
    let image = format!("{}:{tag}", place.path.join("layout").display());
    let bundle = place.path.join("bundle");
    let name = index["manifests"][0]["annotations"]["org.opencontainers.image.ref.name"].clone();
    let outcome =
        command::run(Command::new("umoci").args(["unpack", "--image", &image]).arg(&bundle), LIMIT)?;
    ensure(outcome.success(), || format!("the layout's name is {name}; umoci: {}", outcome.tail(10)))?;
    let text = fs::read_to_string(bundle.join("rootfs/dir/file"))?;
    ensure(text == "from kapok\n" && !bundle.join("rootfs/old").exists(), || {
        "the unpacked tree is another".into()
    })
}

fn buildah(world: &World) -> Result<(), Trouble> {
    needs(&["buildah"])?;
    needs_root()?;
    let place = world.place("buildah")?;
    built(&place)?;
    let source = format!("oci-archive:{}", place.path.join("oci.tar").display());
    let root = place.path.join("buildah-root");
    let buildah = |words: &[&str]| {
        let mut buildah = Command::new("buildah");
        buildah
            .args(["--storage-driver", "vfs", "--root"])
            .arg(&root)
            .arg("--runroot")
            .arg(place.path.join("run"));
        must(buildah.args(words), LIMIT)
    };
    let outcome = buildah(&["pull", "--quiet", &source])?;
    let id = outcome.stdout.trim().to_owned();
    let outcome = buildah(&["inspect", "--type", "image", &id])?;
    ensure(outcome.stdout.contains("from.base"), || outcome.tail(20))
}

/// A docker daemon of our own; it ends with this value.
pub struct Docker {
    daemon: Child,
    socket: String,
}

impl Docker {
    /// Starts it with its state in this directory.
    pub fn start(state: &Path) -> Result<Docker, Trouble> {
        needs_root()?;
        needs(&["dockerd", "docker", "containerd", "runc"])?;
        fs::create_dir_all(state)?;
        let socket = format!("unix://{}", state.join("docker.sock").display());
        let log = fs::File::create(state.join("log"))?;
        let daemon = Command::new("dockerd")
            .args(["--host", &socket, "--bridge=none", "--iptables=false", "--ip6tables=false"])
            .args(["--storage-driver=overlay2", "--data-root"])
            .arg(state.join("data"))
            .arg("--exec-root")
            .arg(state.join("exec"))
            .arg("--pidfile")
            .arg(state.join("pid"))
            .stdout(Stdio::null())
            .stderr(log)
            .stdin(Stdio::null())
            .spawn()?;
        let mut docker = Docker { daemon, socket };
        for _ in 0..150 {
            if command::run(&mut docker.command(&["version"]), LIMIT)?.success() {
                return Ok(docker);
            }
            if docker.daemon.try_wait()?.is_some() {
                break;
            }
            std::thread::sleep(Duration::from_millis(200));
        }
        let log = fs::read_to_string(state.join("log")).unwrap_or_default();
        let last = log.lines().last().unwrap_or_default().to_owned();
        Err(Trouble::Skipped(format!("dockerd does not start here: {last}")))
    }

    /// A command for it.
    pub fn command(&self, words: &[&str]) -> Command {
        let mut command = Command::new("docker");
        command.args(["--host", &self.socket]).args(words);
        command
    }
}

impl Drop for Docker {
    fn drop(&mut self) {
        let pid = rustix::process::Pid::from_child(&self.daemon);
        let _ = rustix::process::kill_process(pid, rustix::process::Signal::TERM);
        let _ = self.daemon.wait();
    }
}

fn docker(world: &World) -> Result<(), Trouble> {
    let place = world.place("docker")?;
    let docker = Docker::start(&place.path.join("daemon"))?;
    built(&place)?;
    let archive = place.path.join("docker.tar").to_string_lossy().into_owned();
    let outcome = must(&mut docker.command(&["load", "--input", &archive]), LIMIT)?;
    ensure(outcome.stdout.contains("interop:test"), || outcome.tail(10))?;
    let outcome = must(&mut docker.command(&["run", "--rm", "--network=none", "interop:test"]), LIMIT)?;
    ensure(outcome.stdout == "from kapok\n", || outcome.tail(10))?;
    let list = ["run", "--rm", "--network=none", "interop:test", "ls", "-A", "/data"];
    let outcome = must(&mut docker.command(&list), LIMIT)?;
    ensure(outcome.stdout.contains("more") && !outcome.stdout.contains("two"), || outcome.tail(10))?;
    // And the other way.
    let saved = place.path.join("saved.tar").to_string_lossy().into_owned();
    must(&mut docker.command(&["save", "--output", &saved, "interop:test"]), LIMIT)?;
    let other = place.with_store(place.path.join("other-store"));
    let outcome = other.kapok(&["load", "-i", &saved])?;
    ensure(outcome.success(), || outcome.tail(10))?;
    let outcome = other.kapok(&["run", "interop:test"])?;
    ensure(outcome.stdout == "from kapok\n", || outcome.tail(10))
}

fn back(world: &World) -> Result<(), Trouble> {
    needs(&["skopeo"])?;
    let place = world.place("back")?;
    built(&place)?;
    let source = format!("oci:{}", place.path.join("layout").display());
    for form in ["docker-archive", "oci-archive"] {
        let file = place.path.join(form);
        let to = format!("{form}:{}:back:again", file.display());
        must(Command::new("skopeo").args(["--insecure-policy", "copy", "--quiet", &source, &to]), LIMIT)?;
        let other = place.with_store(place.path.join(format!("store-{form}")));
        let outcome = other.kapok(&["load", "-i", &file.to_string_lossy(), "-t", "back:again"])?;
        ensure(outcome.success(), || format!("{form}: {}", outcome.tail(10)))?;
        let outcome = other.kapok(&["run", "back:again"])?;
        ensure(outcome.stdout == "from kapok\n", || format!("{form}: {}", outcome.tail(10)))?;
    }
    Ok(())
}
