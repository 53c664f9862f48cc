//! The project that is built: `examples/rainforest`, once as it is and once as somebody writes it who knows BuildKit's cache
//! mounts.

use std::collections::BTreeMap;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::{Duration, Instant};

use serde_json::Value;

use crate::bench::figures::{LIMIT, Stage};
use crate::command::{self, must};
use crate::workspace;

/// All images, each after those that it stands on.
pub const IMAGES: [&str; 14] = [
    "company-base",
    "ubi-base",
    "python-base",
    "airflow-deps",
    "airflow-scheduler",
    "airflow-webserver",
    "airflow-triggerer",
    "airflow-worker",
    "airflow-runner",
    "notebook-base",
    "notebook-minimal",
    "notebook-datascience",
    "orders",
    "bucket",
];

/// Those on the vendor's base as the example makes it: nothing in it reads certificates.
pub const WITHOUT_BUNDLE: [&str; 2] = ["ubi-base", "bucket"];

/// What the project calls the images from outside.
pub const DEBIAN: &str = "debian:bookworm";
pub const VENDOR: &str = "registry.access.redhat.com/ubi9/ubi:9.5";

/// Where a machine of Debian's kind keeps the authorities that its owner added.
const AUTHORITIES: &str = "/usr/local/share/ca-certificates";

/// The one file that all of them are in, afterwards.
const BUNDLE: &str = "/etc/ssl/certs/ca-certificates.crt";

/// A whole storm.
const STORM: Duration = Duration::from_secs(1500);

/// Both trees, and what is kept between figures.
pub struct Supply {
    /// Kept after the end: the figures go on where another one ended, also in another run.
    pub directory: PathBuf,
    /// Layouts of the images from outside, by name.
    pub bases: [(&'static str, PathBuf); 2],
}

impl Supply {
    pub fn open(stage: &Stage, empty: bool) -> io::Result<Supply> {
        let directory = workspace::scratch("bench-storm")?;
        if empty {
            must(Command::new("rm").arg("-rf").arg(&directory), LIMIT)?;
            fs::create_dir_all(&directory)?;
        }
        let example = workspace::root().join("examples/rainforest");
        let bases = [(DEBIAN, directory.join("debian")), (VENDOR, directory.join("vendor"))];
        for (name, layout) in &bases {
            if !layout.exists() {
                // Made in a store of their own: what that fetched is nobody's lead.
                let made = match *name {
                    DEBIAN => stage.debian()?.to_owned(),
                    vendor => stage.layout(&example.join("vendor/ubi9"), DEBIAN, vendor)?,
                };
                must(Command::new("cp").arg("-r").arg(made).arg(layout), LIMIT)?;
            }
        }
        let supply = Supply { directory, bases };
        for tree in [supply.ours(), supply.theirs()] {
            if !tree.exists() {
                must(Command::new("cp").arg("-r").arg(&example).arg(&tree), LIMIT)?;
            }
        }
        supply.without_bases()?;
        supply.with_mounts()?;
        Ok(supply)
    }

    /// The tree that Kapok builds.
    pub fn ours(&self) -> PathBuf {
        self.directory.join("ours")
    }

    /// The tree that the peers build.
    pub fn theirs(&self) -> PathBuf {
        self.directory.join("theirs")
    }

    /// A file of an image's context, in one tree.
    pub fn write(&self, theirs: bool, file: &str, text: &str) -> io::Result<()> {
        let tree = if theirs { self.theirs() } else { self.ours() };
        fs::write(tree.join("supply-chain").join(file), text)
    }

    /// Changes a file of the tree that Kapok builds.
    pub fn edit(&self, file: &str, from: &str, to: &str) -> io::Result<()> {
        let path = self.ours().join("supply-chain").join(file);
        let text = fs::read_to_string(&path)?;
        fs::write(path, text.replacen(from, to, 1))
    }

    /// Puts another company's certificate where the project names one.
    pub fn other_certificates(&self) -> io::Result<()> {
        let words = "req -x509 -newkey rsa:2048 -nodes -days 30 -subj /CN=Company -addext basicConstraints=critical,CA:TRUE";
        let mut openssl = Command::new("openssl");
        openssl.args(words.split(' ')).arg("-keyout").arg(self.directory.join("company.key"));
        must(openssl.arg("-out").arg(self.ours().join("trust/company-ca.pem")), LIMIT).map(drop)
    }

    pub fn kapok(&self) -> io::Result<Shop> {
        let store = self.directory.join("kapok");
        Ok(Shop { store, project: self.ours(), bases: self.bases.clone() })
    }

    /// The base is there before anybody's time begins.
    fn without_bases(&self) -> io::Result<()> {
        let path = self.ours().join("kapok.yaml");
        let text = fs::read_to_string(&path)?;
        let bases = "bases:\n  debian:bookworm:\n    suite: bookworm\n\n";
        fs::write(path, text.replace(bases, ""))
    }

    /// The peers' Dockerfiles: packages and wheels in cache mounts, as their manuals say, and the machine's own authorities.
    fn with_mounts(&self) -> io::Result<()> {
        for image in IMAGES {
            let path = self.theirs().join("supply-chain").join(image).join("Dockerfile");
            let text = fs::read_to_string(&path)?;
            if !text.contains("--mount") {
                fs::write(&path, mounted(&text))?;
            }
        }
        let to = self.theirs().join("supply-chain/company-base/authorities");
        fs::create_dir_all(&to)?;
        for entry in fs::read_dir(AUTHORITIES).into_iter().flatten().flatten() {
            if entry.path().extension().is_some_and(|extension| extension == "crt") {
                fs::copy(entry.path(), to.join(entry.file_name()))?;
            }
        }
        Ok(())
    }
}

/// A Dockerfile with cache mounts.
fn mounted(text: &str) -> String {
    let mounts = "--mount=type=cache,target=/var/cache/apt,sharing=locked --mount=type=cache,target=/var/lib/apt,sharing=locked";
    let modules = "--mount=type=cache,target=/root/go/pkg/mod";
    let keep = "COPY authorities /usr/local/share/ca-certificates\n\
                RUN rm -f /etc/apt/apt.conf.d/docker-clean \
                && echo 'Binary::apt::APT::Keep-Downloaded-Packages \"true\";' > /etc/apt/apt.conf.d/keep-cache\n";
    text.replace(" \\\n && rm -rf /var/lib/apt/lists/*", "")
        .replace("RUN apt-get", &format!("RUN {mounts} apt-get"))
        .replace("RUN pip", "RUN --mount=type=cache,target=/root/.cache/pip pip")
        .replace("RUN mvn", "RUN --mount=type=cache,target=/root/.m2 mvn")
        .replace("RUN go mod", &format!("RUN {modules} go mod"))
        .replace(
            "RUN CGO_ENABLED",
            &format!("RUN {modules} --mount=type=cache,target=/root/.cache/go-build CGO_ENABLED"),
        )
        .replace(" PIP_NO_CACHE_DIR=1", "")
        .replace(
            "DEBIAN_FRONTEND=noninteractive\n",
            &format!("DEBIAN_FRONTEND=noninteractive PIP_CERT={BUNDLE}\n{keep}"),
        )
}

/// Kapok, with its store.
pub struct Shop {
    store: PathBuf,
    project: PathBuf,
    bases: [(&'static str, PathBuf); 2],
}

/// A build, and what was said.
pub struct Built {
    pub wall: f64,
    table: Vec<String>,
}

impl Built {
    /// Images of which some step ran.
    pub fn ran(&self) -> Vec<&str> {
        let rows = self.table.iter().filter(|row| !row.contains(" 0 run"));
        rows.filter_map(|row| row.split_whitespace().next()).collect()
    }
}

impl Shop {
    fn run(&self, words: &[&str]) -> io::Result<command::Outcome> {
        let mut kapok = Command::new(workspace::kapok());
        must(kapok.env("KAPOK_HOME", &self.store).current_dir(&self.project).args(words), STORM)
    }

    /// The files of what comes from outside are in the store.
    pub fn prime(&self) -> io::Result<()> {
        for (base, layout) in &self.bases {
            let loaded = self.run(&["load", "-i", &layout.to_string_lossy()])?;
            let name = loaded.stdout.trim().rsplit(' ').next().unwrap_or_default();
            self.run(&["tag", name, base])?;
        }
        let context = self.store.with_file_name("only-bases");
        fs::create_dir_all(&context)?;
        let dockerfile = format!(
            "FROM {VENDOR} AS vendor\nRUN true\nFROM {DEBIAN}\nRUN true\nCOPY --from=vendor /etc/os-release /vendor\n"
        );
        fs::write(context.join("Dockerfile"), dockerfile)?;
        self.run(&["build", "-q", "-t", "only-bases", &context.to_string_lossy()]).map(drop)
    }

    pub fn build(&self, flags: &[&str]) -> io::Result<Built> {
        let words = [&["build", "--progress", "plain"], flags].concat();
        let start = Instant::now();
        let outcome = self.run(&words)?;
        let wall = start.elapsed().as_secs_f64();
        let lines = outcome.stderr.lines().skip_while(|line| !line.starts_with("IMAGE ")).skip(1);
        let table: Vec<String> = lines.take_while(|line| !line.is_empty()).map(str::to_owned).collect();
        if table.len() != IMAGES.len() {
            return Err(io::Error::other(format!("{} images: {}", table.len(), outcome.tail(20))));
        }
        Ok(Built { wall, table })
    }

    /// What the images' names mean.
    pub fn digests(&self) -> io::Result<BTreeMap<&'static str, String>> {
        let digest = |image: &'static str| {
            let outcome = self.run(&["inspect", image])?;
            let value: Value = serde_json::from_str(&outcome.stdout).map_err(io::Error::other)?;
            Ok((image, value[0]["Digest"].as_str().unwrap_or_default().to_owned()))
        };
        IMAGES.into_iter().map(digest).collect()
    }
}

/// The digest of the only image of a layout.
pub fn layout_digest(layout: &Path) -> io::Result<String> {
    let index: Value = serde_json::from_slice(&fs::read(layout.join("index.json"))?)?;
    Ok(index["manifests"][0]["digest"].as_str().unwrap_or_default().to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_way_to_packages_gets_its_mount() {
        for image in IMAGES {
            let path =
                workspace::root().join("examples/rainforest/supply-chain").join(image).join("Dockerfile");
            let text = mounted(&fs::read_to_string(path).unwrap());
            let bare = text.lines().find(|line| {
                ["apt-get", "pip", "mvn", "go", "CGO"]
                    .iter()
                    .any(|way| line.starts_with(&format!("RUN {way}")))
            });
            assert_eq!(bare, None, "{image}");
            assert!(!text.contains("NO_CACHE") && !text.contains("lists/*"), "{image}: {text}");
        }
    }
}
