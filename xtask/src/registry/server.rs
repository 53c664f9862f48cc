//! `kapok serve` as the machine treats it: sudden death, signals, strangers, TLS, rights.

use std::fs;
use std::process::Stdio;
use std::time::{Duration, Instant};

use rustix::process::Signal;

use super::fixture::{Here, LIMIT, PASSWORD, certificates};
use crate::command::must;
use crate::real::{Test, Trouble, World, ensure, needs};

pub const TESTS: &[Test] = &[
    ("a server killed in the middle of a push leaves the store sound", killed),
    ("a server that is told to end ends well", told_to_end),
    ("nobody is served beyond loopback by accident", strangers),
    ("TLS with an authority of one's own", tls),
    ("rights by repository", rights),
    ("a build's image can be pulled without a push", no_push),
];

fn killed(world: &World) -> Result<(), Trouble> {
    let here = Here::new(world.place("serve-killed")?);
    let client = here.other("client");
    let digest = client.image(&["127.0.0.1:1/team/app:1"])?;
    let mut interrupted = 0;
    for round in 0..6u32 {
        let served = here.serve(&[])?;
        let name = served.name(&format!("team/app:{round}"));
        client.ok(&["tag", &digest, &name])?;
        let mut push = client.command();
        push.args(["push", "-q", &name]).stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
        let mut push = push.spawn()?;
        // As soon as the first blobs are on their way, and each time a little later.
        let deadline = Instant::now() + Duration::from_secs(20);
        while !served.said().contains("POST") && Instant::now() < deadline && push.try_wait()?.is_none() {
            std::thread::sleep(Duration::from_millis(1));
        }
        std::thread::sleep(Duration::from_millis(4) * round);
        served.end(Signal::KILL)?;
        let sent = push.try_wait()?.is_some_and(|status| status.success());
        interrupted += u32::from(!sent);
        // What has nobody to speak to any more would try for a while.
        let _ = push.kill();
        push.wait()?;
        here.place.verify()?;
    }
    ensure(interrupted > 0, || "every push was over before its server was killed".into())?;
    let served = here.serve(&[])?;
    let name = served.name("team/app:again");
    client.ok(&["tag", &digest, &name])?;
    ensure(client.ok(&["push", "-q", &name])? == digest, || "another digest was pushed".into())?;
    let other = here.other("other");
    ensure(other.ok(&["pull", "-q", &name])? == digest, || "another digest was pulled".into())?;
    here.ok(&["gc"])?;
    here.place.verify()
}

fn told_to_end(world: &World) -> Result<(), Trouble> {
    let here = Here::new(world.place("serve-ends")?);
    for signal in [Signal::TERM, Signal::INT] {
        let served = here.serve(&[])?;
        let name = served.name("team/app:1");
        here.image(&[&name])?;
        here.ok(&["push", "-q", &name])?;
        let (code, said) = served.end(signal)?;
        ensure(code == Some(0) && said.contains(" 201 PUT /v2/team/app/manifests/1 "), || {
            format!("exit {code:?}: {said}")
        })?;
    }
    here.place.verify()
}

fn strangers(world: &World) -> Result<(), Trouble> {
    let here = Here::new(world.place("serve-strangers")?);
    here.refused(&["serve", "--registry", "0.0.0.0:0"], 2, "--open-to-all")?;
    here.refused(&["serve", "--registry", ":0"], 2, "reachable from other machines")?;
    here.refused(&["serve", "--registry", "nowhere"], 2, "is not an address")?;
    here.refused(&["serve"], 2, "--registry")?;
    let empty = here.path("empty");
    fs::write(&empty, "# nobody\n")?;
    let empty = empty.display().to_string();
    here.refused(&["serve", "--registry", "127.0.0.1:0", "--htpasswd", &empty], 2, "is empty")?;
    here.refused(&["serve", "--registry", "127.0.0.1:0", "--rights", &empty], 2, "is empty")
}

fn tls(world: &World) -> Result<(), Trouble> {
    needs(&["openssl"])?;
    let here = Here::new(world.place("serve-tls")?);
    certificates(&here.place.path)?;
    let served = here.serve(&["--tls-cert", "own.crt", "--tls-key", "own.key"])?;
    let name = served.name("team/app:1");
    let digest = here.image(&[&name])?;
    here.refused(&["push", &name], 3, "certs.d")?;
    // Docker's layout.
    let directory = here.path("settings/docker/certs.d").join(&served.address);
    fs::create_dir_all(&directory)?;
    fs::copy(here.path("ca.crt"), directory.join("ca.crt"))?;
    ensure(here.ok(&["push", "-q", &name])? == digest, || "another digest was pushed".into())?;
    fs::remove_dir_all(here.path("settings/docker"))?;
    // Settings, with a path that begins at their own directory.
    here.refused(&["pull", &name], 3, "certs.d")?;
    here.settings(&format!("registries:\n  - {{prefix: \"{}\", ca: ../../ca.crt}}\n", served.address))?;
    ensure(here.other("other").ok(&["pull", "-q", &name])? == digest, || "another digest was pulled".into())?;
    // Anybody's certificate, where somebody who may says so.
    here.settings(&format!("registries:\n  - {{prefix: \"{}\", insecure: true}}\n", served.address))?;
    ensure(here.other("third").ok(&["pull", "-q", &name])? == digest, || "another digest was pulled".into())
}

fn rights(world: &World) -> Result<(), Trouble> {
    let here = Here::new(world.place("serve-rights")?);
    let users = here.htpasswd()?;
    let (tokens, rights) = (here.path("tokens"), here.path("rights"));
    fs::write(&tokens, "ci:a-token-of-some-length\n")?;
    fs::write(
        &rights,
        "anyone pull public/**\nali pull,push team/*\nci pull team/**\nali push,pull public/**\n",
    )?;
    let (tokens, rights) = (tokens.display().to_string(), rights.display().to_string());
    for auth in ["basic", "token"] {
        let served =
            here.serve(&["--htpasswd", &users, "--tokens", &tokens, "--rights", &rights, "--auth", auth])?;
        let (public, team) = (served.name("public/x:1"), served.name("team/app:1"));
        let elsewhere = served.name("elsewhere/x:1");
        here.image(&[&public, &team, &elsewhere])?;
        here.refused(&["push", &public], 3, "kapok login")?;
        ensure(here.log_in(&served.address, PASSWORD)?.success(), || "ali cannot log in".into())?;
        here.ok(&["push", "-q", &public, &team])?;
        here.refused(&["push", &elsewhere], 3, "does not let us")?;
        here.ok(&["logout", &served.address])?;
        let stranger = here.other("stranger");
        stranger.ok(&["pull", "-q", &public])?;
        stranger.refused(&["pull", &team], 3, "kapok login")?;
        let mut login = here.command();
        login.args(["login", "-u", "ci", "-p", "a-token-of-some-length", &served.address]);
        let warned = must(&mut login, LIMIT)?;
        ensure(warned.stderr.contains("--password-stdin"), || warned.tail(5))?;
        stranger.ok(&["pull", "-q", &team])?;
        here.refused(&["push", &team], 3, "does not let us")?;
        here.ok(&["logout", &served.address])?;
    }
    Ok(())
}

fn no_push(world: &World) -> Result<(), Trouble> {
    let here = Here::new(world.place("serve-own")?);
    let digest = here.image(&["app:1"])?;
    let served = here.serve(&[])?;
    let pulled = here.other("other").ok(&["pull", "-q", &served.name("app:1")])?;
    ensure(pulled == digest, || format!("{pulled} was pulled, {digest} built"))
}
