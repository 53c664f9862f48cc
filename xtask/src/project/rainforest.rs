//! `examples/rainforest`: from nothing, on a vendor's base behind a mirror; then again in every other way.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use serde_json::Value;

use crate::command::{self, Outcome, must};
use crate::real::{Test, Trouble, World, ensure, needs};
use crate::registry::fixture::{Here, certificates};
use crate::workspace;

pub const TESTS: &[Test] = &[("the platform's images, declared three times", rainforest)];

/// How long the whole may take on a machine that has something else to do.
const LIMIT: Duration = Duration::from_secs(1500);

/// Images that the example declares.
const IMAGES: usize = 14;

/// The remote that the example's manifests name.
const REMOTE: &str = "https://git.example.org/platform/rainforest.git";

/// What `kapok.yaml` says besides its images.
const WITHOUT_IMAGES: &str = "ca: trust/company-ca.pem\nbases:\n  debian:bookworm:\n    suite: bookworm\n";

/// Digests by image.
type Digests = BTreeMap<String, String>;

fn rainforest(world: &World) -> Result<(), Trouble> {
    needs(&["git", "make", "openssl"])?;
    let vendor = Here::new(world.place("rainforest")?);
    let repository = vendor.path("rainforest");
    copy_tree(&workspace::root().join("examples/rainforest"), &repository)?;
    let git = |words: &[&str]| must(Command::new("git").args(words).current_dir(&repository), LIMIT);
    git(&["init", "--quiet"])?;
    git(&["remote", "add", "origin", REMOTE])?;

    let served = vendor.serve(&[])?;
    let base = served.name("vendor/ubi9/ubi:9.5");
    let stand_in = repository.join("vendor/ubi9").display().to_string();
    assemble(&vendor)?;
    vendor.ok(&["build", "-q", "-t", &base, &stand_in])?;
    vendor.ok(&["push", "-q", &base])?;
    vendor.settings(&format!(
        "registries:\n  - prefix: registry.access.redhat.com\n    mirrors: [\"{}/vendor\"]\n",
        served.address
    ))?;

    let shop = Shop { here: vendor.other("platform"), repository };
    let built = shop.build(&[])?;
    complete(&built, |line| !line.contains(" 0 run"))?;
    let first = shop.digests()?;
    again(&shop, &first)?;
    one_leaf(&shop)?;
    certificates_only(&shop, &first)?;
    shop.here.place.verify()
}

/// The base, so that only one of the two stores asks the archive for it.
fn assemble(here: &Here<'_>) -> Result<(), Trouble> {
    here.ok(&["base", "debian", "--suite", "bookworm", "-t", "debian:bookworm", "-q"]).map(drop)
}

/// Nothing changed; then the same images as manifests declare them, and as the Makefile does.
fn again(shop: &Shop<'_>, first: &Digests) -> Result<(), Trouble> {
    complete(&shop.build(&[])?, |line| line.contains(" 0 run"))?;
    ensure(shop.digests()? == *first, || "a second build has other digests".into())?;
    let declared = fs::read_to_string(shop.file("kapok.yaml"))?;
    fs::write(shop.file("kapok.yaml"), WITHOUT_IMAGES)?;
    let graph: Value = parse(&shop.ok(&["graph", "--format", "json"])?)?;
    let findings = graph["findings"].as_array().cloned().unwrap_or_default();
    let wrong: Vec<&Value> = findings.iter().filter(|finding| finding["level"] != "info").collect();
    ensure(wrong.is_empty(), || format!("the manifests' graph has findings: {wrong:?}"))?;
    complete(&shop.build(&[])?, |line| line.contains(" 0 run"))?;
    let manifests = shop.digests()?;
    ensure(manifests == *first, || format!("manifests: {manifests:?}\nkapok.yaml: {first:?}"))?;
    fs::write(shop.file("kapok.yaml"), declared)?;

    let kapok = shop.command();
    let mut make = Command::new("make");
    make.arg("all").arg(format!("ENGINE={}", kapok.get_program().to_string_lossy()));
    make.current_dir(&shop.repository);
    for (name, value) in kapok.get_envs() {
        match value {
            Some(value) => make.env(name, value),
            None => make.env_remove(name),
        };
    }
    let outcome = command::run(&mut make, LIMIT)?;
    ensure(outcome.success(), || format!("make: {}", outcome.tail(20)))?;
    for (image, digest) in first {
        let inspected: Value = parse(&shop.ok(&["inspect", image])?)?;
        let said = inspected.to_string();
        ensure(said.contains(digest.as_str()), || format!("make built another `{image}`: not {digest}"))?;
    }
    Ok(())
}

/// A file of a leaf: one step of one image.
fn one_leaf(shop: &Shop<'_>) -> Result<(), Trouble> {
    let file = shop.file("supply-chain/notebook-minimal/welcome.py");
    let text = fs::read_to_string(&file)?;
    fs::write(&file, format!("{text}print(\"and goes on\")\n"))?;
    let affected = shop.ok(&["affected", "--file", "supply-chain/notebook-minimal/welcome.py"])?;
    ensure(affected.contains("notebook-minimal") && !affected.contains("notebook-datascience"), || affected)?;
    let built = shop.build(&[])?;
    complete(&built, |line| line.contains(" 0 run") != line.starts_with("notebook-minimal "))?;
    ensure(built.stdout.contains("welcome.py") || built.stderr.contains("welcome.py"), || {
        format!("the table does not say why:\n{}", built.tail(20))
    })?;
    fs::write(&file, text)?;
    shop.build(&[]).map(drop)
}

/// Other certificates: no step runs, and every image that has a bundle is another.
fn certificates_only(shop: &Shop<'_>, first: &Digests) -> Result<(), Trouble> {
    let directory = shop.here.path("certificates");
    fs::create_dir_all(&directory)?;
    certificates(&directory)?;
    fs::copy(directory.join("ca.crt"), shop.file("trust/company-ca.pem"))?;
    complete(&shop.build(&[])?, |line| line.contains(" 0 run"))?;
    let now = shop.digests()?;
    ensure(now["orders"] != first["orders"], || "the certificates are not in the image".into())
}

/// The example in a directory of its own, and the store it is built in.
struct Shop<'a> {
    here: Here<'a>,
    repository: PathBuf,
}

impl Shop<'_> {
    fn file(&self, path: &str) -> PathBuf {
        self.repository.join(path)
    }

    fn command(&self) -> Command {
        let mut command = self.here.command();
        command.current_dir(&self.repository);
        command
    }

    fn ok(&self, words: &[&str]) -> Result<String, Trouble> {
        Ok(must(self.command().args(words), LIMIT)?.stdout)
    }

    fn build(&self, flags: &[&str]) -> Result<Outcome, Trouble> {
        let outcome = command::run(self.command().args(["build", "--progress", "plain"]).args(flags), LIMIT)?;
        ensure(outcome.success(), || format!("kapok build: exit {}\n{}", outcome.code(), outcome.tail(60)))?;
        Ok(outcome)
    }

    /// What `kapok status` says is there: all of it, complete and current.
    fn digests(&self) -> Result<Digests, Trouble> {
        let table = self.ok(&["status"])?;
        ensure(table.contains("14/14 complete and current"), || format!("kapok status:\n{table}"))?;
        let status: Value = parse(&self.ok(&["status", "--format", "json"])?)?;
        let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
        let images = status["images"].as_array().cloned().unwrap_or_default();
        Ok(images.iter().map(|image| (text(&image["name"]), text(&image["digest"]))).collect())
    }
}

/// All images are complete, and each one's line of the table is as it should be.
fn complete(outcome: &Outcome, right: impl Fn(&str) -> bool) -> Result<(), Trouble> {
    let all: Vec<&str> = outcome.stdout.lines().chain(outcome.stderr.lines()).collect();
    let table = all.iter().skip_while(|line| !line.starts_with("IMAGE ")).skip(1);
    let rows: Vec<&&str> = table.take_while(|line| !line.is_empty()).collect();
    ensure(rows.len() == IMAGES, || format!("{} images in the table:\n{}", rows.len(), outcome.tail(30)))?;
    let wrong: Vec<&str> =
        rows.iter().filter(|row| !row.contains("Complete") || !right(row)).map(|row| **row).collect();
    ensure(wrong.is_empty(), || format!("not as it should be:\n{}", wrong.join("\n")))
}

fn parse(text: &str) -> Result<Value, Trouble> {
    serde_json::from_str(text).map_err(|error| Trouble::Failed(format!("{error} in {text}")))
}

fn copy_tree(from: &Path, to: &Path) -> Result<(), Trouble> {
    fs::create_dir_all(to)?;
    for entry in fs::read_dir(from)? {
        let entry = entry?;
        let target = to.join(entry.file_name());
        match entry.file_type()?.is_dir() {
            true => copy_tree(&entry.path(), &target)?,
            false => drop(fs::copy(entry.path(), target)?),
        }
    }
    Ok(())
}
