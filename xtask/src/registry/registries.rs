//! Debian's registry, with passwords and with a token server: push, pull, copy, log in and out.

mod tokens;

use std::fs;

use super::fixture::{DockerRegistry, Here, PASSWORD, certificates};
use crate::real::{Test, Trouble, World, ensure, needs};
use tokens::TokenServer;

pub const TESTS: &[Test] = &[
    ("Debian's registry with passwords", passwords),
    ("Debian's registry with a token server", token_server),
    ("Debian's registry with certificates of clients", client_certificates),
];

fn passwords(world: &World) -> Result<(), Trouble> {
    let here = Here::new(world.place("registry-passwords")?);
    let auth = format!("auth: {{htpasswd: {{realm: x, path: {}}}}}\n", here.htpasswd()?);
    let registry = DockerRegistry::start(&here.path("debian"), &auth)?;
    round_trip(&here, &registry)
}

fn token_server(world: &World) -> Result<(), Trouble> {
    needs(&["openssl"])?;
    let here = Here::new(world.place("registry-tokens")?);
    let tokens = TokenServer::start(&here.place.path)?;
    let auth = format!(
        "auth: {{token: {{realm: 'http://{}/token', service: test registry, issuer: tests, rootcertbundle: {}}}}}\n",
        tokens.address,
        tokens.certificate.display()
    );
    let registry = DockerRegistry::start(&here.path("debian"), &auth)?;
    round_trip(&here, &registry)?;
    let asked = tokens.asked();
    // One for each thing that is done, not one for each request.
    ensure((4..=20).contains(&asked.len()), || format!("{} tokens:\n{}", asked.len(), asked.join("\n")))
}

fn client_certificates(world: &World) -> Result<(), Trouble> {
    needs(&["openssl"])?;
    let here = Here::new(world.place("registry-certificates")?);
    certificates(&here.place.path)?;
    let path = |name: &str| here.path(name).display().to_string();
    let http = format!(
        ", tls: {{certificate: {}, key: {}, clientcas: [{}]}}",
        path("own.crt"),
        path("own.key"),
        path("ca.crt")
    );
    let registry = DockerRegistry::start_with(&here.path("debian"), &http, "")?;
    let name = registry.name("team/app:1");
    let digest = here.image(&[&name])?;
    let directory = here.path("settings/containers/certs.d").join(&registry.address);
    fs::create_dir_all(&directory)?;
    fs::copy(here.path("ca.crt"), directory.join("ca.crt"))?;
    here.refused(&["push", &name], 3, "cannot reach")?;
    fs::copy(here.path("client.crt"), directory.join("client.cert"))?;
    fs::copy(here.path("client.key"), directory.join("client.key"))?;
    ensure(here.ok(&["push", "-q", &name])? == digest, || "another digest was pushed".into())?;
    fs::remove_dir_all(&directory)?;
    here.settings(&format!(
        "registries:\n  - prefix: \"{}\"\n    ca: {}\n    client-certificate: {}\n    client-key: {}\n",
        registry.address,
        path("ca.crt"),
        path("client.crt"),
        path("client.key")
    ))?;
    ensure(here.other("other").ok(&["pull", "-q", &name])? == digest, || "another digest was pulled".into())
}

/// Everything that needs credentials, with and without.
fn round_trip(here: &Here<'_>, registry: &DockerRegistry) -> Result<(), Trouble> {
    let (name, again) = (registry.name("team/app:1"), registry.name("team/app:2"));
    let digest = here.image(&[&name, &again])?;
    let hint = format!("kapok login {}", registry.address);
    here.refused(&["push", &name], 3, &hint)?;

    let wrong = here.log_in(&registry.address, "wrong")?;
    ensure(wrong.code() == 1 && wrong.stderr.contains("does not accept"), || wrong.tail(10))?;
    let file = here.path("home/.docker/config.json");
    ensure(!file.exists(), || "a wrong password was kept".into())?;
    let right = here.log_in(&registry.address, PASSWORD)?;
    ensure(right.success(), || right.tail(10))?;
    let mode = std::os::unix::fs::PermissionsExt::mode(&fs::metadata(&file)?.permissions()) & 0o777;
    ensure(mode == 0o600, || format!("the credentials' file has the mode {mode:o}"))?;

    ensure(here.ok(&["push", "-q", &name])? == digest, || "another digest was pushed".into())?;
    let second = here.run(&["push", &again])?;
    ensure(second.success() && second.stderr.contains("sent     0 B"), || second.tail(10))?;

    let other = here.other("other-store");
    ensure(other.ok(&["pull", "-q", &name])? == digest, || "another digest was pulled".into())?;
    let by_digest = format!("{}@{digest}", registry.name("team/app"));
    ensure(other.ok(&["pull", "-q", &by_digest])? == digest, || "another digest was pulled".into())?;
    ensure(other.ok(&["run", &name])? == "small", || "the pulled image does not run".into())?;
    other.place.verify()?;

    // Between repositories, to a layout and back from it.
    let copied = registry.name("elsewhere/app:3");
    ensure(here.ok(&["copy", "-q", "--all", &name, &copied])? == digest, || {
        "another digest was copied".into()
    })?;
    let layout = format!("oci:{}:v3", here.path("layout").display());
    ensure(here.ok(&["copy", "-q", &copied, &layout])? == digest, || "another digest in a layout".into())?;
    let returned = registry.name("returned/app:4");
    ensure(here.ok(&["copy", "-q", &layout, &returned])? == digest, || "another digest came back".into())?;
    ensure(here.ok(&["pull", "-q", &returned])? == digest, || "another digest came back".into())?;

    here.ok(&["logout", &registry.address])?;
    let text = fs::read_to_string(&file)?;
    ensure(!text.contains(&registry.address), || format!("the credentials are still there: {text}"))?;
    other.refused(&["pull", &name], 3, &hint)
}
