//! Other people's clients with `kapok serve`: skopeo, crane, Debian's docker, buildah.

use std::fs;
use std::path::Path;
use std::process::Command;

use super::fixture::{Here, LIMIT, PASSWORD, Served, USER};
use super::programs;
use crate::command::must;
use crate::real::{Test, Trouble, World, ensure, needs, needs_root};
use crate::test::interop::Docker;

pub const TESTS: &[Test] = &[
    ("skopeo reads and writes by password", skopeo_basic),
    ("skopeo reads and writes by token", skopeo_token),
    ("crane reads, writes, lists and deletes", crane),
    ("docker pulls, runs and pushes", docker),
    ("buildah pulls", buildah),
];

/// A served store with the image `team/app:1`, which asks for a password; its digest.
fn served<'a>(here: &Here<'a>, auth: &str) -> Result<(Served, String), Trouble> {
    let users = here.htpasswd()?;
    let served = here.serve(&["--htpasswd", &users, "--auth", auth])?;
    let name = served.name("team/app:1");
    let digest = here.image(&[&name])?;
    let login = here.log_in(&served.address, PASSWORD)?;
    ensure(login.success(), || login.tail(10))?;
    ensure(here.ok(&["push", "-q", &name])? == digest, || "another digest was pushed".into())?;
    Ok((served, digest))
}

/// What came by another client is the same image, and the store is sound.
fn came_back(here: &Here<'_>, name: &str, digest: &str) -> Result<(), Trouble> {
    let other = here.other("back");
    ensure(other.ok(&["pull", "-q", name])? == digest, || format!("{name} has another digest"))?;
    ensure(other.ok(&["run", name])? == "small", || format!("{name} does not run"))?;
    other.place.verify()?;
    here.place.verify()
}

fn skopeo_basic(world: &World) -> Result<(), Trouble> {
    skopeo(&Here::new(world.place("skopeo-basic")?), "basic")
}

fn skopeo_token(world: &World) -> Result<(), Trouble> {
    skopeo(&Here::new(world.place("skopeo-token")?), "token")
}

fn skopeo(here: &Here<'_>, auth: &str) -> Result<(), Trouble> {
    needs(&["skopeo"])?;
    let (served, digest) = served(here, auth)?;
    let layout = format!("oci:{}:x", here.path("layout").display());
    let (from, to) = (served.name("team/app:1"), served.name("by/skopeo:2"));
    let credentials = format!("{USER}:{PASSWORD}");
    let copy = |from: &str, to: &str, side: &str| {
        let mut skopeo = Command::new("skopeo");
        skopeo.args(["--insecure-policy", "copy", "--quiet", "--preserve-digests"]);
        skopeo.args([
            &format!("--{side}-tls-verify=false"),
            &format!("--{side}-creds={credentials}"),
            from,
            to,
        ]);
        must(&mut skopeo, LIMIT)
    };
    copy(&format!("docker://{from}"), &layout, "src")?;
    copy(&layout, &format!("docker://{to}"), "dest")?;
    let mut inspect = Command::new("skopeo");
    inspect.args([
        "inspect",
        "--tls-verify=false",
        &format!("--creds={credentials}"),
        "--format",
        "{{.Digest}}",
    ]);
    let seen = must(inspect.arg(format!("docker://{to}")), LIMIT)?.stdout.trim().to_owned();
    ensure(seen == digest, || format!("skopeo sees {seen}, pushed was {digest}"))?;
    // And a layout that Kapok wrote.
    let ours = format!("oci:{}:y", here.path("ours").display());
    here.ok(&["copy", "-q", &from, &ours])?;
    copy(&ours, &format!("docker://{}", served.name("by/skopeo:3")), "dest")?;
    came_back(here, &served.name("by/skopeo:3"), &digest)?;
    came_back(here, &to, &digest)
}

fn crane(world: &World) -> Result<(), Trouble> {
    let program = programs::crane()?;
    let here = Here::new(world.place("crane")?);
    let (served, digest) = served(&here, "token")?;
    let crane = |words: &[&str]| {
        let mut crane = Command::new(&program);
        // What `kapok login` has kept is where others look.
        crane.args(words).arg("--insecure").env("HOME", here.path("home")).env_remove("DOCKER_CONFIG");
        must(&mut crane, LIMIT).map(|outcome| outcome.stdout.trim().to_owned())
    };
    let name = served.name("team/app:1");
    ensure(crane(&["digest", &name])? == digest, || "crane sees another digest".into())?;
    crane(&["validate", "--remote", &name])?;
    crane(&["copy", &name, &served.name("copied:2")])?;
    crane(&["tag", &served.name("copied:2"), "3"])?;
    ensure(crane(&["ls", &served.name("copied")])? == "2\n3", || "crane lists other tags".into())?;
    let layout = here.path("pulled").display().to_string();
    crane(&["pull", "--format", "oci", &name, &layout])?;
    crane(&["push", &layout, &served.name("pushed:4")])?;
    came_back(&here, &served.name("pushed:4"), &digest)?;
    crane(&["delete", &served.name("copied:3")])?;
    here.refused(&["pull", &served.name("copied:3")], 3, "has no")?;
    came_back(&here, &served.name("copied:2"), &digest)
}

fn docker(world: &World) -> Result<(), Trouble> {
    needs_root()?;
    let here = Here::new(world.place("docker-client")?);
    let docker = Docker::start(&here.path("daemon"))?;
    let (served, digest) = served(&here, "token")?;
    let home = here.path("home");
    let run = |words: &[&str]| {
        let mut command = docker.command(words);
        must(command.env("HOME", &home).env_remove("DOCKER_CONFIG"), LIMIT)
    };
    let (name, pushed) = (served.name("team/app:1"), served.name("by/docker:2"));
    let pulled = run(&["pull", &name])?;
    ensure(pulled.stdout.contains(&digest), || pulled.tail(10))?;
    let said = run(&["run", "--rm", "--network=none", &name])?;
    ensure(said.stdout == "small\n", || said.tail(10))?;
    run(&["tag", &name, &pushed])?;
    run(&["push", &pushed])?;
    let mut own = docker.command(&["image", "inspect", "--format", "{{json .RepoDigests}}", &pushed]);
    let listed = must(own.env("HOME", &home), LIMIT)?.stdout;
    let theirs =
        listed.split('"').find_map(|part| part.strip_prefix(&format!("{}@", served.name("by/docker"))));
    let theirs = theirs.ok_or_else(|| Trouble::Failed(format!("docker has no digest: {listed}")))?.to_owned();
    came_back(&here, &pushed, &theirs)?;
    let log = served.said();
    ensure(log.contains(" ali") && log.contains("PUT"), || log)
}

fn buildah(world: &World) -> Result<(), Trouble> {
    needs(&["buildah"])?;
    needs_root()?;
    let here = Here::new(world.place("buildah-client")?);
    let (served, digest) = served(&here, "basic")?;
    let storage = [here.path("buildah-root"), here.path("buildah-run")];
    let buildah = |words: &[&str]| {
        let mut buildah = Command::new("buildah");
        buildah
            .args(["--storage-driver", "vfs", "--root"])
            .arg(&storage[0])
            .arg("--runroot")
            .arg(&storage[1]);
        must(buildah.args(words).env("HOME", here.path("home")).env_remove("REGISTRY_AUTH_FILE"), LIMIT)
    };
    let name = served.name("team/app:1");
    let credentials = format!("{USER}:{PASSWORD}");
    let pulled = buildah(&["pull", "--quiet", "--tls-verify=false", "--creds", &credentials, &name])?;
    let id = pulled.stdout.trim().to_owned();
    let seen = buildah(&["inspect", "--type", "image", "--format", "{{.FromImageDigest}}", &id])?;
    ensure(seen.stdout.contains(&digest), || format!("buildah sees {}", seen.stdout))?;
    let to = served.name("by/buildah:2");
    let target = format!("docker://{to}");
    buildah(&["push", "--quiet", "--tls-verify=false", "--creds", &credentials, &id, &target])?;
    let raw = raw_digest(&here, &to)?;
    came_back(&here, &to, &raw)
}

/// The digest of a manifest, from its bytes as another program fetches them.
fn raw_digest(here: &Here<'_>, name: &str) -> Result<String, Trouble> {
    needs(&["skopeo"])?;
    let mut skopeo = Command::new("skopeo");
    skopeo.args(["inspect", "--raw", "--tls-verify=false", &format!("--creds={USER}:{PASSWORD}")]);
    let raw = must(skopeo.arg(format!("docker://{name}")), LIMIT)?.stdout;
    let file = here.path("raw");
    fs::write(&file, raw)?;
    sum(&file)
}

fn sum(file: &Path) -> Result<String, Trouble> {
    let sum = must(Command::new("sha256sum").arg(file), LIMIT)?.stdout;
    Ok(format!("sha256:{}", sum.split_whitespace().next().unwrap_or_default()))
}
