//! What these tests share: one store with a base on which clients can be installed, and a way to look at records.

use std::path::PathBuf;
use std::time::Duration;

use serde_json::Value;

use crate::command::{self, Outcome};
use crate::real::{Place, Trouble, World, ensure};

/// A client with its compiler takes its time to install.
pub const LIMIT: Duration = Duration::from_secs(420);

/// The base of most tests; `apt-get install` works on it at once.
pub const BASE: &str = "gateway:base";

/// Documentation is half of what the clients bring along, and nobody reads it here.
const SHARED: &str = "\
//- /Dockerfile
FROM debian
RUN printf 'path-exclude=/usr/share/%s/*\\n' doc man locale info > /etc/dpkg/dpkg.cfg.d/lean
RUN apt-get update
";

/// A place in the store of this section.
pub struct Here<'a> {
    pub place: Place<'a>,
    debian: PathBuf,
}

/// Makes the base. Where there is no way to packages, nothing of this can be tried.
pub fn prepare(world: &World) -> Result<(), Trouble> {
    let here = Here::new(world, "gateway-base")?;
    let outcome = here.build(SHARED, &["--tag", BASE])?;
    ensure(outcome.success(), || outcome.tail(20))?;
    let purls = here.explain(BASE)?;
    ensure(!purls.intakes.is_empty(), || "apt-get update left no intake".into())
}

impl<'a> Here<'a> {
    pub fn new(world: &'a World, name: &str) -> Result<Here<'a>, Trouble> {
        let debian = world.debian()?;
        let store = world.place("gateway")?.path.join("store");
        let mut place = world.place(name)?;
        place.store = store;
        Ok(Here { place, debian })
    }

    /// The same place with a store of its own.
    pub fn with_store(&self, name: &str) -> Here<'_> {
        Here { place: self.place.with_store(self.place.path.join(name)), debian: self.debian.clone() }
    }

    /// The flags with which a build finds Debian under this name.
    pub fn debian(&self) -> [String; 2] {
        ["--build-context".to_owned(), format!("debian=oci-layout://{}", self.debian.display())]
    }

    /// The same under Debian's usual name.
    pub fn debian_bookworm(&self) -> [String; 2] {
        let layout = self.debian.display();
        ["--build-context".to_owned(), format!("debian:bookworm=oci-layout://{layout}")]
    }

    pub fn build(&self, fixture: &str, flags: &[&str]) -> Result<Outcome, Trouble> {
        let context = self.place.context(fixture)?;
        let debian = self.debian();
        let mut words = vec!["--compression", "zstd"];
        words.extend(debian.iter().map(String::as_str));
        words.extend(flags);
        Ok(command::run(&mut self.place.plain_build(&context, &words), LIMIT)?)
    }

    /// Builds, which must work, and says what the steps fetched.
    pub fn explained(&self, fixture: &str, tag: &str) -> Result<Explained, Trouble> {
        let outcome = self.build(fixture, &["--tag", tag])?;
        ensure(outcome.success(), || outcome.tail(30))?;
        self.explain(tag)
    }

    pub fn explain(&self, image: &str) -> Result<Explained, Trouble> {
        let outcome = self.place.kapok(&["explain", "--format", "json", image])?;
        ensure(outcome.success(), || format!("kapok explain {image}: {}", outcome.tail(10)))?;
        let value: Value = serde_json::from_str(&outcome.stdout)
            .map_err(|error| Trouble::Failed(format!("kapok explain: {error}: {}", outcome.stdout)))?;
        Ok(Explained { intakes: value["intakes"].as_array().cloned().unwrap_or_default() })
    }
}

/// What an image's steps fetched.
pub struct Explained {
    pub intakes: Vec<Value>,
}

impl Explained {
    /// There is an intake of this ecosystem, with a purl that starts so, over https, of which the bytes are known.
    pub fn has(&self, ecosystem: &str, purl: &str) -> Result<(), Trouble> {
        let text = |intake: &Value, key: &str| intake[key].as_str().unwrap_or_default().to_owned();
        let fits = |intake: &&Value| {
            text(intake, "ecosystem") == ecosystem
                && text(intake, "purl").starts_with(purl)
                && text(intake, "url").starts_with("https://")
                && text(intake, "digest").starts_with("sha256:")
                && intake["verdict"].is_null()
        };
        ensure(self.intakes.iter().any(|intake| fits(&intake)), || {
            format!("no intake of {ecosystem} with `{purl}` by https among\n{}", self.print())
        })
    }

    /// There is an intake at a URL that contains this.
    pub fn at(&self, part: &str) -> Result<&Value, Trouble> {
        let found =
            self.intakes.iter().find(|intake| intake["url"].as_str().is_some_and(|url| url.contains(part)));
        found.ok_or_else(|| Trouble::Failed(format!("no intake at `{part}` among\n{}", self.print())))
    }

    fn print(&self) -> String {
        let lines = self.intakes.iter().rev().take(30).map(|intake| format!("{intake}\n"));
        lines.collect()
    }
}
