//! The differential suite: each case built by the newest BuildKit and by Kapok, both results printed as text
//! and compared. BuildKit's results are checked in, so that a run needs it only to refresh them.

mod base;
mod buildkit;
mod case;
mod expected;
mod kapok;
mod tolerated;
mod upstream;

use std::collections::BTreeMap;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use testkit::image;

pub use base::Bases;
pub use buildkit::BuildKit;
pub use case::Case;

use crate::command::Outcome;
use crate::parallel::parallel;
use crate::report::Tally;
use crate::{peers, workspace};
use tolerated::Tolerated;
use upstream::Upstream;

/// What the command line asked for.
#[derive(Debug, Default)]
pub struct Options {
    /// Only cases whose name contains this.
    pub case: Option<String>,
    /// Ask BuildKit again and write down what it said.
    pub refresh: bool,
    /// Print each case's two results where they differ.
    pub verbose: bool,
}

/// Runs the suite; the tally counts one test per case.
pub fn run(options: &Options) -> io::Result<Tally> {
    let directory = workspace::root().join("tests/differential");
    let mut cases = case::load(&directory)?;
    let wanted = |case: &Case| options.case.as_deref().is_none_or(|part| case.name.contains(part));
    let scratch = workspace::scratch("differential")?;
    let work = tempfile::Builder::new().prefix("cases").tempdir_in(&scratch)?;
    let bases = base::write(&work.path().join("bases"))?;
    let upstream = Upstream::start(work.path())?;
    let bench = Bench { bases, upstream, work: work.path() };
    let mut results = expected::load(&directory)?;
    let known: Vec<&str> = cases.iter().map(|case| case.name.as_str()).collect();
    results.retain(|name, _| known.contains(&name.as_str()));
    if options.refresh {
        let refreshed = bench.refresh(&cases, &wanted, &scratch)?;
        results.extend(refreshed);
        expected::save(&directory, &cases, &results)?;
    }
    cases.retain(|case| wanted(case));
    if !workspace::kapok().exists() {
        return Err(io::Error::other("there is no `kapok` yet; `cargo build --release` makes it"));
    }
    let tolerated = tolerated::load(&directory.join("tolerated.data"))?;
    let home = work.path().join("home");
    let judged = parallel(threads(), &cases, |case| bench.judge(case, &results, &home, &tolerated));
    let mut tally = Tally::default();
    for (case, verdict) in cases.iter().zip(judged) {
        match verdict? {
            Verdict::Same => tally.passed += 1,
            Verdict::Skipped(why) => tally.skip(&case.name, &why),
            Verdict::Differs(report) => {
                let shown = if options.verbose { report.as_str() } else { first_lines(&report, 12) };
                tally.fail(&format!("differential {}/{}", case.topic, case.name), shown);
            }
        }
    }
    Ok(tally)
}

enum Verdict {
    Same,
    Skipped(String),
    Differs(String),
}

/// What all cases of a run share.
struct Bench<'a> {
    bases: Bases,
    upstream: Upstream,
    work: &'a Path,
}

impl Bench<'_> {
    /// Builds a case with Kapok and compares.
    fn judge(
        &self,
        case: &Case,
        results: &BTreeMap<String, String>,
        home: &Path,
        tolerated: &Tolerated,
    ) -> io::Result<Verdict> {
        let Some(expected) = results.get(&case.name) else {
            return Ok(Verdict::Skipped("no expected result; `--refresh` asks BuildKit for it".into()));
        };
        if let Some(reason) = tolerated.whole_case(&case.name) {
            return Ok(Verdict::Skipped(reason.to_owned()));
        }
        let (directory, flags) = self.write(case, "kapok")?;
        let to = directory.join("image.tar");
        let outcome = kapok::build(&self.bases, &directory, &flags, &to, home)?;
        let actual = self.describe(case, "kapok", &outcome, &to);
        if let (false, Some(message)) = (outcome.success(), &case.message)
            && !outcome.stderr.contains(message)
        {
            return Ok(Verdict::Differs(format!("the message lacks `{message}`:\n{}", outcome.stderr)));
        }
        if !outcome.success() && !matches!(outcome.code(), 1..=4) {
            return Ok(Verdict::Differs(format!("exit code {}:\n{}", outcome.code(), outcome.tail(20))));
        }
        let differences = tolerated.differences(&case.name, expected, &actual);
        fs::remove_dir_all(directory).ok();
        Ok(differences.map_or(Verdict::Same, |mut report| {
            if !outcome.success() {
                report.push_str(&outcome.stderr);
            }
            Verdict::Differs(report)
        }))
    }

    /// Asks BuildKit for every wanted case.
    fn refresh(
        &self,
        cases: &[Case],
        wanted: &dyn Fn(&Case) -> bool,
        scratch: &Path,
    ) -> io::Result<BTreeMap<String, String>> {
        let programs = peers::buildkit()?;
        let buildkit = BuildKit::start(&programs, &scratch.join("buildkit"))?;
        let chosen: Vec<&Case> = cases.iter().filter(|case| wanted(case)).collect();
        let results = parallel(threads(), &chosen, |case| -> io::Result<String> {
            let (directory, flags) = self.write(case, "buildkit")?;
            let to = directory.join("image.tar");
            let outcome = buildkit.build(&self.bases, &directory, &flags, &to)?;
            Ok(self.describe(case, "buildkit", &outcome, &to))
        });
        chosen.iter().zip(results).map(|(case, result)| Ok((case.name.clone(), result?))).collect()
    }

    /// Writes a case's files for one of the two programs; its directory and its flags.
    fn write(&self, case: &Case, program: &str) -> io::Result<(PathBuf, Vec<String>)> {
        let place = format!("{program}/{}", case.name);
        let directory = self.work.join(&place);
        let flags = case.flags.iter().map(|flag| self.upstream.fill(flag, &place)).collect();
        let flags = Case { flags, ..case.clone() }.write(&directory)?;
        Ok((directory, flags))
    }

    fn describe(&self, case: &Case, program: &str, outcome: &Outcome, archive: &Path) -> String {
        let text = describe(outcome.success(), &outcome.stderr, archive, &self.bases);
        self.upstream.scrub(&text, &format!("{program}/{}", case.name))
    }
}

/// A build's result as text: `ok` and the images, or `fails` and the message.
fn describe(success: bool, stderr: &str, archive: &Path, bases: &Bases) -> String {
    if !success {
        let message = stderr.lines().rev().find(|line| line.contains("error: "));
        let message = message.map(|line| line.split("error: ").last().unwrap_or(line)).unwrap_or("");
        return format!("fails: {}\n", scrubbed(message.trim_start_matches("failed to solve: ")));
    }
    let images = match image::load(archive) {
        Ok(images) => images,
        Err(error) => return format!("unreadable: {error}\n"),
    };
    let mut out = String::from("ok\n");
    for image in &images {
        if images.len() > 1 {
            out.push_str(&format!("image {}/{}\n", image.config["os"], image.config["architecture"]));
        }
        out.push_str(&image.print_config());
        // What stands on the base is shown as a change of it, where that is shorter.
        let whole = image.tree.print(None, &bases.names);
        let change = image.tree.print(Some(&bases.plain.tree), &bases.names);
        let (heading, tree) = if change.lines().count() < whole.lines().count() {
            ("base with", change)
        } else {
            ("tree", whole)
        };
        out.push_str(&format!("{heading}\n{tree}"));
    }
    out
}

/// A message without what is of this run only: paths of the machine, names made up for it.
fn scrubbed(message: &str) -> String {
    // What comes after is about names and addresses of this machine's network.
    let message = message.split(": failed to do request").next().unwrap_or(message);
    let root = workspace::root();
    let ours = |word: &&str| word.contains(&*root.to_string_lossy()) || word.contains("::");
    let words = message.split_whitespace().map(|word| if ours(&word) { "…" } else { word });
    words.collect::<Vec<_>>().join(" ")
}

/// A build mostly waits: for its step, for the disk.
fn threads() -> usize {
    2 * std::thread::available_parallelism().map_or(2, usize::from)
}

fn first_lines(text: &str, count: usize) -> &str {
    text.match_indices('\n').nth(count).map_or(text, |(end, _)| &text[..end])
}

/// All cases, for other chores that want their files.
pub fn load_cases() -> io::Result<Vec<Case>> {
    case::load(&workspace::root().join("tests/differential"))
}

/// Whether what the small images are made of is there.
pub fn can_make_bases() -> bool {
    Path::new(base::BUSYBOX).exists()
}

/// Writes the small images that cases build on, for the other chores that need one.
pub fn bases(directory: &Path) -> io::Result<Bases> {
    base::write(directory)
}
