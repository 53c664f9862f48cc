//! The figures, each with what is wanted of it.

use std::cell::Cell;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::OnceLock;
use std::time::Duration;

use testkit::archive::filler;

use super::Figure;
use super::builders::{Builder, Job};
use super::measure::{median, sample, settle};
use crate::command::{exists, must};
use crate::differential::{self, Bases};
use crate::workspace;

/// A figure's name and how it is measured.
pub type Measure = fn(&Stage) -> io::Result<Figure>;

/// In the order of the table.
pub const ALL: &[(&str, Measure)] = &[
    ("40 x RUN true, cold", many_steps_cold),
    ("40 x RUN true, nothing changed", many_steps_warm),
    ("a context of 100,000 files, nothing changed", large_context),
    ("four CPU-bound stages beside each other", stages),
    ("a 1 GiB layer to an OCI layout", large_layer),
    ("apt-heavy build, cold", packages),
    ("base image", base_image),
];

/// What all figures share.
pub struct Stage {
    directory: tempfile::TempDir,
    bases: Bases,
    builders: Vec<Builder>,
    tiny: bool,
    peak: Cell<u64>,
    debian: OnceLock<PathBuf>,
}

impl Stage {
    pub fn new(tiny: bool) -> io::Result<Stage> {
        // No random letters: buildah makes an image's name of the path, and names have no capitals.
        let name = format!("run-{}", std::process::id());
        let mut builder = tempfile::Builder::new();
        let directory = builder.prefix(&name).rand_bytes(0).tempdir_in(workspace::scratch("bench")?)?;
        let bases = differential::bases(&directory.path().join("bases"))?;
        let builders = Builder::all(directory.path(), tiny)?;
        Ok(Stage { directory, bases, builders, tiny, peak: Cell::new(0), debian: OnceLock::new() })
    }

    /// The largest amount of memory that Kapok's own process had.
    pub fn peak_megabytes(&self) -> f64 {
        self.peak.get() as f64 / 1e6
    }

    /// Takes note of how much memory Kapok's own process had.
    pub fn note_peak(&self, bytes: u64) {
        self.peak.set(self.peak.get().max(bytes));
    }

    /// Whether this is the benchmark as a test of itself.
    pub fn tiny(&self) -> bool {
        self.tiny
    }

    /// A directory that goes with the stage.
    pub fn path(&self) -> &Path {
        self.directory.path()
    }

    /// Kapok first, then the peers that are there.
    pub fn builders(&self) -> &[Builder] {
        &self.builders
    }

    /// The small bases.
    pub fn bases(&self) -> &Bases {
        &self.bases
    }

    /// The layout of a small base.
    pub fn base_layout(&self, name: &str) -> io::Result<&Path> {
        let base = self.bases.all.iter().find(|base| base.name == name);
        base.map(|base| &*base.layout).ok_or_else(|| io::Error::other(format!("no base `{name}`")))
    }

    /// A figure of the full size, or of the tiny one.
    pub fn of(&self, full: usize, tiny: usize) -> usize {
        if self.tiny { tiny } else { full }
    }

    /// A build context with this Dockerfile.
    pub fn context(&self, name: &str, dockerfile: &str) -> io::Result<PathBuf> {
        let context = self.directory.path().join(name);
        fs::create_dir_all(&context)?;
        fs::write(context.join("Dockerfile"), dockerfile)?;
        Ok(context)
    }

    /// A layout of Debian's minimal system.
    pub fn debian(&self) -> io::Result<&Path> {
        if let Some(layout) = self.debian.get() {
            return Ok(layout);
        }
        let layout = self.directory.path().join("debian");
        must(&mut self.kapok(&["base", "debian", "--suite", "bookworm", "-t", "debian:bench"]), LIMIT)?;
        must(
            &mut self.kapok(&[
                "save",
                "--format",
                "oci-dir",
                "-o",
                &layout.to_string_lossy(),
                "debian:bench",
            ]),
            LIMIT,
        )?;
        Ok(self.debian.get_or_init(|| layout))
    }

    /// A layout of Debian's minimal system with more in it, from files of this machine: their paths and names.
    pub fn debian_with(&self, name: &str, instructions: &str, files: &[(&str, &str)]) -> io::Result<PathBuf> {
        let context = self.context(name, &format!("FROM debian\n{instructions}"))?;
        for (path, name) in files {
            fs::copy(path, context.join(name))?;
        }
        self.layout(&context, "debian", &format!("{name}:bench"))
    }

    /// A layout of the image of a context, in which Debian's minimal system has the given name.
    pub fn layout(&self, context: &Path, debian: &str, tag: &str) -> io::Result<PathBuf> {
        let base = format!("{debian}=oci-layout://{}", self.debian()?.display());
        let layout = self.directory.path().join(format!("{}-layout", tag.replace(['/', ':'], "-")));
        must(
            &mut self.kapok(&["build", "--build-context", &base, "-t", tag, &context.to_string_lossy()]),
            LIMIT,
        )?;
        must(&mut self.kapok(&["save", "--format", "oci-dir", "-o", &layout.to_string_lossy(), tag]), LIMIT)?;
        Ok(layout)
    }

    fn kapok(&self, words: &[&str]) -> Command {
        let mut command = Command::new(workspace::kapok());
        command.env("KAPOK_HOME", self.directory.path().join("kapok-store")).args(words);
        command
    }

    /// A cold build of Kapok starts in a store that knows the base and nothing else: it would find a layer that
    /// it writes again, and its compressed form, by content. The peers compress again in any case.
    pub fn forget(&self, builder: &Builder, debian: Option<&Path>, job: Job<'_>) -> io::Result<()> {
        let Builder::Kapok(store) = builder else { return Ok(()) };
        if store.exists() {
            must(Command::new("rm").arg("-rf").arg(store), LIMIT)?;
        }
        let context = self.context("only-base", "ARG BASE\nFROM $BASE\n")?;
        must(
            &mut builder.command(&self.bases, debian, Job { context: &context, cached: true, ..job })?,
            LIMIT,
        )?;
        Ok(())
    }

    /// Medians of the same job by every builder, in turn, so that a busy minute hits all alike.
    fn turns(&self, job: Job<'_>, times: usize) -> io::Result<Vec<(&'static str, f64)>> {
        self.turns_of(&self.builders.iter().collect::<Vec<_>>(), job, times)
    }

    fn turns_of(
        &self,
        builders: &[&Builder],
        job: Job<'_>,
        times: usize,
    ) -> io::Result<Vec<(&'static str, f64)>> {
        let debian = if job.base == "debian" { Some(self.debian()?) } else { None };
        let mut results: Vec<Vec<f64>> = vec![Vec::new(); builders.len()];
        // The first turn fills caches, also for a cold build: the base is unpacked, the program is in memory.
        for turn in 0..=times {
            for (builder, results) in builders.iter().zip(&mut results) {
                if !job.cached {
                    self.forget(builder, debian, job)?;
                }
                let mut command = builder.command(&self.bases, debian, job)?;
                settle()?;
                let taken = sample(&mut command)?;
                if let Builder::Kapok(_) = builder {
                    self.peak.set(self.peak.get().max(taken.peak));
                }
                if turn > 0 {
                    results.push(taken.wall);
                }
            }
        }
        Ok(builders.iter().zip(results).map(|(builder, times)| (builder.name(), median(times))).collect())
    }
}

/// No single command of a benchmark takes longer.
pub const LIMIT: Duration = Duration::from_secs(600);

/// Kapok's own value, and its part of the best peer's.
pub fn ratio(results: &[(&'static str, f64)]) -> (f64, Option<f64>) {
    let ours = results.first().map_or(f64::NAN, |(_, value)| *value);
    let best = results.iter().skip(1).map(|(_, value)| *value).reduce(f64::min);
    (ours, best.map(|best| ours / best))
}

/// A figure in seconds.
pub fn figure(results: Vec<(&'static str, f64)>, wanted: Vec<(String, Option<bool>)>) -> Figure {
    Figure { results, unit: "s", wanted }
}

/// A wish about the best peer.
pub fn at_most_part(results: &[(&'static str, f64)], limit: f64) -> (String, Option<bool>) {
    (format!("at most {limit} of the best peer"), ratio(results).1.map(|part| part <= limit))
}

fn many_steps(stage: &Stage, cached: bool) -> io::Result<Vec<(&'static str, f64)>> {
    let steps = stage.of(40, 3);
    let context =
        stage.context("many-steps", &format!("ARG BASE\nFROM $BASE\n{}", "RUN true\n".repeat(steps)))?;
    stage.turns(Job { context: &context, base: "base", cached, jobs: None }, stage.of(7, 1))
}

fn many_steps_cold(stage: &Stage) -> io::Result<Figure> {
    let results = many_steps(stage, false)?;
    let per_step = ratio(&results).0 / 40.0;
    let wanted = vec![
        (format!("at most 15 ms a step (it is {:.1})", per_step * 1000.0), Some(per_step <= 0.015)),
        at_most_part(&results, 0.15),
    ];
    Ok(figure(results, wanted))
}

fn many_steps_warm(stage: &Stage) -> io::Result<Figure> {
    let results = many_steps(stage, true)?;
    let wanted =
        vec![("at most 40 ms".to_owned(), Some(ratio(&results).0 <= 0.040)), at_most_part(&results, 0.6)];
    Ok(figure(results, wanted))
}

fn large_context(stage: &Stage) -> io::Result<Figure> {
    let context = stage.context("large-context", "ARG BASE\nFROM $BASE\nCOPY . /context\n")?;
    let files = stage.of(100_000, 100);
    for number in 0..files {
        let directory = context.join(format!("{}/{}", number / 10_000, number / 100));
        if number % 100 == 0 {
            fs::create_dir_all(&directory)?;
        }
        fs::write(directory.join(number.to_string()), format!("file {number}\n"))?;
    }
    // Only those who remember digests of files: buildah reads everything again, a minute a turn.
    let remembering: Vec<&Builder> =
        stage.builders.iter().filter(|builder| !matches!(builder, Builder::Buildah(..))).collect();
    let results = stage.turns_of(
        &remembering,
        Job { context: &context, base: "base", cached: true, jobs: None },
        stage.of(5, 1),
    )?;
    let wanted = vec![("at most 0.5 s".to_owned(), Some(ratio(&results).0 <= 0.5))];
    Ok(figure(results, wanted))
}

/// The same four stages side by side and with one job at a time.
fn stages(stage: &Stage) -> io::Result<Figure> {
    let rounds = stage.of(6_000_000, 1000);
    let work = format!("awk 'BEGIN {{ for (i = 0; i < {rounds}; i++) s += i % 7; print s }}' > /result");
    let mut text = "ARG BASE\n".to_owned();
    for name in ["a", "b", "c", "d"] {
        text.push_str(&format!("FROM $BASE AS {name}\nRUN : {name}; {work}\n"));
    }
    text.push_str("FROM $BASE\n");
    for name in ["a", "b", "c", "d"] {
        text.push_str(&format!("COPY --from={name} /result /{name}\n"));
    }
    let context = stage.context("stages", &text)?;
    let job = Job { context: &context, base: "base", cached: false, jobs: Some(2) };
    let mut results = stage.turns(job, stage.of(3, 1))?;
    let row = stage.turns(Job { jobs: Some(1), ..job }, stage.of(3, 1))?;
    let speedup = ratio(&row).0 / ratio(&results).0;
    results.push(("in a row", ratio(&row).0));
    let wanted =
        vec![(format!("at least 1.8 times faster than in a row (it is {speedup:.2})"), Some(speedup >= 1.8))];
    Ok(figure(results, wanted))
}

/// A layer that is half noise and half text, exported; against tar and pigz of the same bytes.
fn large_layer(stage: &Stage) -> io::Result<Figure> {
    let size = stage.of(1 << 30, 1 << 20);
    let context = stage.context("large-layer", "ARG BASE\nFROM $BASE\nCOPY data /data\n")?;
    let data = context.join("data");
    fs::create_dir_all(&data)?;
    let noise = filler(1 << 20);
    let text: Vec<u8> =
        (0..1_u32 << 17).flat_map(|number| format!("{:07}\n", number % 9973).into_bytes()).collect();
    for number in 0..size >> 20 {
        let part = if number % 2 == 0 { &noise } else { &text };
        // Each file is another one.
        let content = [number.to_string().as_bytes(), part].concat();
        fs::write(data.join(number.to_string()), content)?;
    }
    let output = stage.directory.path().join("large-layer.tar");
    let mut ours = Vec::new();
    let mut theirs = Vec::new();
    for _ in 0..stage.of(3, 1) {
        let job = Job { context: &context, base: "base", cached: false, jobs: None };
        stage.forget(&stage.builders[0], None, job)?;
        let mut command = stage.builders[0].command(&stage.bases, None, job)?;
        command.arg("--output").arg(format!("type=oci,dest={}", output.display()));
        let taken = sample(&mut command)?;
        stage.peak.set(stage.peak.get().max(taken.peak));
        ours.push(taken.wall);
        if exists("pigz") {
            let mut shell = Command::new("sh");
            shell.args(["-c", "tar -C \"$0\" -cf - data | pigz > \"$1\""]).arg(&context).arg(&output);
            theirs.push(sample(&mut shell)?.wall);
        }
    }
    fs::remove_file(&output).ok();
    let mut results = vec![("kapok", median(ours))];
    if !theirs.is_empty() {
        results.push(("tar | pigz", median(theirs)));
    }
    let wanted =
        vec![("within 1.5 times of tar | pigz".to_owned(), ratio(&results).1.map(|part| part <= 1.5))];
    Ok(figure(results, wanted))
}

fn packages(stage: &Stage) -> io::Result<Figure> {
    let list = if stage.tiny { "libcap2-bin" } else { super::network::PACKAGES };
    let text = format!(
        "ARG BASE\nFROM $BASE\nRUN apt-get update && apt-get install -y --no-install-recommends {list}\n"
    );
    let context = stage.context("packages", &text)?;
    let results =
        stage.turns(Job { context: &context, base: "debian", cached: false, jobs: None }, stage.of(3, 0))?;
    let wanted = vec![at_most_part(&results, 0.8)];
    Ok(figure(results, wanted))
}

/// Against mmdebstrap's minbase, both into something that can be used as an image.
fn base_image(stage: &Stage) -> io::Result<Figure> {
    let mut ours = Vec::new();
    let mut theirs = Vec::new();
    for turn in 0..stage.of(3, 1) {
        let store = stage.directory.path().join(format!("base-store-{turn}"));
        let mut command = Command::new(workspace::kapok());
        command.env("KAPOK_HOME", &store).args([
            "base",
            "debian",
            "--suite",
            "bookworm",
            "-t",
            "debian:bench",
        ]);
        let taken = sample(&mut command)?;
        stage.peak.set(stage.peak.get().max(taken.peak));
        ours.push(taken.wall);
        if !stage.tiny && exists("mmdebstrap") {
            let to = stage.directory.path().join("mmdebstrap.tar");
            let mut command = Command::new("mmdebstrap");
            theirs.push(sample(command.args(["--quiet", "--variant=minbase", "bookworm"]).arg(&to))?.wall);
        }
    }
    let mut results = vec![("kapok", median(ours))];
    if !theirs.is_empty() {
        results.push(("mmdebstrap", median(theirs)));
    }
    let wanted =
        vec![("at most 0.5 of mmdebstrap's time".to_owned(), ratio(&results).1.map(|part| part <= 0.5))];
    Ok(figure(results, wanted))
}
