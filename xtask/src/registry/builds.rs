//! `kapok build` with bases in registries: private ones, and one that is only reachable by a rewrite.

use std::fs;

use super::fixture::{Here, PASSWORD};
use crate::command;
use crate::real::{Test, Trouble, World, ensure};

pub const TESTS: &[Test] = &[
    ("a base named as UBI is named comes from a place of one's own", rewritten),
    ("a private base needs credentials", private),
];

/// Builds a context in another store, with nothing but the registry to have bases from.
fn build(here: &Here<'_>, dockerfile: &str) -> Result<command::Outcome, Trouble> {
    let context = here.path("build");
    fs::create_dir_all(&context)?;
    fs::write(context.join("Dockerfile"), dockerfile)?;
    here.run(&["build", "--progress", "plain", "-t", "built", &context.display().to_string()])
}

fn rewritten(world: &World) -> Result<(), Trouble> {
    let here = Here::new(world.place("build-rewritten")?);
    let served = here.serve(&[])?;
    let inner = served.name("redhat/ubi9/ubi:9.4");
    here.image(&[&inner])?;
    here.ok(&["push", "-q", &inner])?;
    let from = "FROM registry.access.redhat.com/ubi9/ubi:9.4\nRUN test -s /large && echo built > /built\n";
    for place in [
        format!("location: \"{}/redhat\"", served.address),
        format!("mirrors: [\"{}/redhat\"]", served.address),
    ] {
        here.settings(&format!("registries:\n  - prefix: registry.access.redhat.com\n    {place}\n"))?;
        let fresh = here.other(if place.starts_with("loc") { "builder" } else { "mirrored" });
        let outcome = build(&fresh, from)?;
        ensure(outcome.success(), || outcome.tail(20))?;
        ensure(fresh.ok(&["run", "built", "cat", "/built"])? == "built", || "the image does not run".into())?;
        fresh.place.verify()?;
    }
    here.settings("registries:\n  - {prefix: registry.access.redhat.com, blocked: true}\n")?;
    let blocked = build(&here.other("blocked"), from)?;
    ensure(!blocked.success() && blocked.stderr.contains("the configuration blocks"), || blocked.tail(20))?;
    here.place.verify()
}

fn private(world: &World) -> Result<(), Trouble> {
    let here = Here::new(world.place("build-private")?);
    let users = here.htpasswd()?;
    let served = here.serve(&["--htpasswd", &users, "--auth", "token"])?;
    let base = served.name("private/base:1");
    here.image(&[&base])?;
    ensure(here.log_in(&served.address, PASSWORD)?.success(), || "cannot log in".into())?;
    here.ok(&["push", "-q", &base])?;
    here.ok(&["logout", &served.address])?;
    let builder = here.other("builder");
    let dockerfile = format!("FROM {base}\nRUN cat /small > /copy\nCMD [\"cat\", \"/copy\"]\n");
    let refused = build(&builder, &dockerfile)?;
    ensure(refused.code() == 3 && refused.stderr.contains("kapok login"), || refused.tail(20))?;
    ensure(here.log_in(&served.address, PASSWORD)?.success(), || "cannot log in".into())?;
    let built = build(&builder, &dockerfile)?;
    ensure(built.success(), || built.tail(20))?;
    ensure(builder.ok(&["run", "built"])? == "small", || "the image does not run".into())?;
    builder.place.verify()
}
