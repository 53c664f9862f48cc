//! Copies of small trees: a Dockerfile's instructions in, what the upper then holds out.

mod archives;
mod destinations;
mod digests;
mod flags;
mod selection;

use std::collections::BTreeMap;
use std::io::Write;
use std::path::Path;
use std::sync::Arc;

use dockerfile::ignore::Patterns;
use expect_test::Expect;
use oci::layer::index_directory;
use oci::tree::{Kind, PathIndex, View};
use oci::{Digest, Platform};
use tempfile::TempDir;
use testkit::fixture::{self, EPOCH};

use super::*;
use crate::context::{Context, ContextOptions};
use crate::fetch::{FetchError, Fetched};
use crate::plan::{self, Action, BaseImage, ImageError, ImageName, Images, PlanRequest};

/// What the stage below has.
const BASE: &str = "
//- /etc/passwd
root:x:0:0::/root:/bin/sh
app:x:1000:1000::/home/app:/bin/sh
//- /etc/group
root:x:0:
staff:x:50:
//- /tmp/ mode=1777
//- /usr/lib/libc
c
//- /lib -> usr/lib
//- /var/run -> /run
//- /run/
//- /home/app/ mode=0750 owner=1000:1000
//- /shared/ mode=2775 owner=0:50
//- /to/kept
kept
//- /to/dir/old
old
//- /target
target
//- /link -> target
//- /loop -> loop
";

/// Time of the build: a day after the fixtures'.
const NOW: i64 = EPOCH + 86_400;

/// A build of one stage.
pub(super) struct Case {
    instructions: String,
    context: TempDir,
    stage: TempDir,
    base: TempDir,
    ignore: Patterns,
    urls: BTreeMap<String, Vec<u8>>,
    bare: bool,
}

/// A case of these instructions over [`BASE`], with this build context.
pub(super) fn case(instructions: &str, context: &str) -> Case {
    Case {
        instructions: instructions.to_owned(),
        context: fixture::directory(context),
        stage: fixture::directory("//- /nothing\n"),
        base: fixture::directory(BASE),
        ignore: Patterns::default(),
        urls: BTreeMap::new(),
        bare: false,
    }
}

impl Case {
    /// What `--from=stage` copies from.
    pub fn stage(mut self, text: &str) -> Case {
        self.stage = fixture::directory(text);
        self
    }

    /// Nothing is below.
    pub fn bare(mut self) -> Case {
        self.bare = true;
        self
    }

    pub fn ignore(mut self, text: &str) -> Case {
        self.ignore = Patterns::parse(text).0;
        self
    }

    pub fn url(mut self, url: &str, content: impl Into<Vec<u8>>) -> Case {
        self.urls.insert(url.to_owned(), content.into());
        self
    }

    fn actions(&self) -> Vec<Action> {
        let text = format!("FROM scratch AS stage\nFROM scratch\n{}\n", self.instructions);
        let (dockerfile, parsed) = dockerfile::parse(&text);
        let request =
            PlanRequest { parsed: &parsed, ..PlanRequest::new(&dockerfile, Platform::linux("amd64")) };
        let planned =
            plan::plan(&request, &NoImages).unwrap_or_else(|error| panic!("{:?}", error.diagnostics));
        let steps = planned.plan.stages.into_iter().next_back().expect("a stage").steps;
        steps.into_iter().map(|step| step.action).collect()
    }

    fn world(&self) -> World {
        let options = ContextOptions { ignore: self.ignore.clone(), cache: None, threads: 2 };
        World {
            context: Context::open(self.context.path(), options).unwrap(),
            stage: snapshot(&[self.stage.path()]),
            urls: self.urls.clone(),
        }
    }

    /// Carries the instructions out one after another, each over what the earlier ones left.
    pub fn apply(&self) -> Result<(Vec<TempDir>, Vec<String>), CopyError> {
        let world = self.world();
        let mut layers: Vec<TempDir> = Vec::new();
        let mut warnings = Vec::new();
        for action in self.actions() {
            let base = (!self.bare).then_some(self.base.path());
            let below: Vec<&Path> =
                base.into_iter().chain(layers.iter().map(TempDir::path)).collect::<Vec<_>>();
            let below: Vec<_> = below
                .iter()
                .enumerate()
                .map(
                    |(number, path)| {
                        if number == 0 && !self.bare { path.to_path_buf() } else { path.join("upper") }
                    },
                )
                .collect();
            let parent = snapshot(&below.iter().map(|path| path.as_path()).collect::<Vec<_>>());
            let layer = tempfile::tempdir().unwrap();
            let (upper, scratch) = (layer.path().join("upper"), layer.path().join("scratch"));
            std::fs::create_dir(&upper).unwrap();
            std::fs::create_dir(&scratch).unwrap();
            let target =
                Target { parent: &parent, upper: &upper, form: OverlayForm::Trusted, epoch: NOW, threads: 2 };
            let applied = match &action {
                Action::Copy(copy) => gather(copy, &world, &scratch)?.apply(&target)?,
                Action::Workdir(action) => workdir(action, &target)?,
                _ => continue,
            };
            warnings.extend(applied.warnings);
            layers.push(layer);
        }
        Ok((layers, warnings))
    }

    /// What all instructions together wrote, as text.
    #[track_caller]
    pub fn check(&self, expected: Expect) {
        expected.assert_eq(&match self.apply() {
            Ok((layers, warnings)) => {
                let uppers: Vec<_> = layers.iter().map(|layer| layer.path().join("upper")).collect();
                let snapshot = snapshot(&uppers.iter().map(|path| path.as_path()).collect::<Vec<_>>());
                let warnings = warnings.iter().map(|warning| format!("warning: {warning}\n"));
                print(&snapshot) + &warnings.collect::<String>()
            }
            Err(error) => {
                let mut text = format!("error: {error}\n");
                let mut source = std::error::Error::source(&error);
                while let Some(cause) = source {
                    text += &format!("  caused by: {cause}\n");
                    source = cause.source();
                }
                text + &error.hint().map(|hint| format!("  hint: {hint}\n")).unwrap_or_default()
            }
        });
    }

    /// The key part of the only instruction.
    pub fn digest(&self, epoch: i64) -> Digest {
        let world = self.world();
        let scratch = tempfile::tempdir().unwrap();
        match &self.actions()[..] {
            [Action::Copy(copy)] => gather(copy, &world, scratch.path()).unwrap().digest(epoch).unwrap(),
            other => panic!("{other:?}"),
        }
    }
}

fn index(directory: &Path) -> PathIndex {
    index_directory(directory, OverlayForm::Trusted, 1).unwrap()
}

fn snapshot(directories: &[&Path]) -> Snapshot {
    let indexes = directories.iter().map(|directory| Arc::new(index(directory))).collect();
    Snapshot {
        view: View::new(indexes),
        directories: directories.iter().map(|path| path.to_path_buf()).collect(),
    }
}

/// One line for each path: kind, mode, owner, content; the time where it is not the build's.
fn print(snapshot: &Snapshot) -> String {
    let mut text = String::new();
    let mut names: BTreeMap<Digest, String> = BTreeMap::new();
    for (layer, entry) in snapshot.view.walk(b"") {
        if entry.path.is_empty() {
            continue;
        }
        let path = String::from_utf8_lossy(&entry.path).into_owned();
        let raw = snapshot.view.layers()[layer].get(&entry.path).map(|raw| raw.kind);
        let (kind, content) = match (&entry.kind, raw) {
            (_, Some(Kind::Hardlink { to })) => ("file", format!("= {}", String::from_utf8_lossy(&to))),
            (Kind::File { digest }, _) => {
                let read =
                    || std::fs::read_to_string(snapshot.directories[layer].join(&path)).unwrap_or_default();
                ("file", names.entry(*digest).or_insert_with(|| format!("{:?}", read())).clone())
            }
            (Kind::Directory { .. }, Some(Kind::Directory { opaque: true })) => ("dir", "opaque".to_owned()),
            (Kind::Directory { .. }, _) => ("dir", String::new()),
            (Kind::Symlink { target }, _) => ("link", format!("-> {}", String::from_utf8_lossy(target))),
            (Kind::Fifo, _) => ("fifo", String::new()),
            (Kind::CharDevice { major, minor }, _) => ("char", format!("{major}:{minor}")),
            (other, _) => ("?", format!("{other:?}")),
        };
        let mode = if kind == "link" { "    ".to_owned() } else { format!("{:04o}", entry.mode) };
        let time = match entry.mtime {
            NOW => String::new(),
            EPOCH => " old".to_owned(),
            other => format!(" @{other}"),
        };
        let xattrs = entry.xattrs.iter().map(|(name, value)| {
            format!(" {}={}", String::from_utf8_lossy(name), String::from_utf8_lossy(value))
        });
        let line = format!("/{path} {kind} {mode} {}:{}{time} {content}", entry.uid, entry.gid);
        text += &format!("{}{}\n", line.trim_end(), xattrs.collect::<String>());
    }
    text
}

struct World {
    context: Context,
    stage: Snapshot,
    urls: BTreeMap<String, Vec<u8>>,
}

impl Sources for World {
    fn tree(&self, source: &TreeSource) -> Result<Tree<'_>, CopyError> {
        Ok(match source {
            TreeSource::MainContext | TreeSource::Context(_) => Tree::Context(&self.context),
            TreeSource::Stage(_) | TreeSource::Image(_) => Tree::Snapshot(&self.stage),
            TreeSource::Empty => Tree::Empty,
        })
    }

    fn fetch(&self) -> &dyn Fetch {
        self
    }

    fn git(&self, _: &GitReference, keep_git_dir: bool, directory: &Path) -> Result<String, GitError> {
        std::fs::write(directory.join("file"), "from git\n").unwrap();
        std::fs::create_dir(directory.join("sub")).unwrap();
        if keep_git_dir {
            std::fs::create_dir(directory.join(".git")).unwrap();
        }
        Ok("0123456789".to_owned())
    }
}

impl Fetch for World {
    fn fetch(&self, url: &str, out: &mut dyn Write, _: u64) -> Result<Fetched, FetchError> {
        let not_found = || FetchError::Status { url: url.to_owned(), status: 404 };
        let body = self.urls.get(url).ok_or_else(not_found)?;
        out.write_all(body).unwrap();
        Ok(Fetched {
            final_url: url.to_owned(),
            size: body.len() as u64,
            last_modified: Some(EPOCH),
            ..Fetched::default()
        })
    }
}

struct NoImages;

impl Images for NoImages {
    fn image(&self, name: ImageName<'_>, _: &Platform) -> Result<BaseImage, ImageError> {
        Err(ImageError::NotFound { name: format!("{name:?}"), hint: None })
    }
}
