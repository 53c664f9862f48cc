//! `kapok base`: a base image from signed packages.

use std::io::Write;
use std::sync::{Mutex, PoisonError};
use std::time::Instant;

use build::base::debian::{self, Assembled, Progress as Stage, Request};
use build::engine::{BuildReport, Cancel, Event, StepId, StepInfo, StepReport, StepState};
use oci::store::{Batch, BuildState, NewBuild, Store};
use oci::{Digest, Platform, Reference};

use super::build::request;
use crate::apt;
use crate::cli::base::{Base, Debian, Distribution};
use crate::cli::build::Progress;
use crate::exit::Exit;
use crate::failure::Failure;
use crate::fetch::HttpFetch;
use crate::program::Program;
use crate::settings::Settings;
use crate::ui::{self, View, format};
use crate::{clock, files, randomness, signals};

/// Assembles the base of a distribution.
pub fn run(program: &Program, arguments: &Base) -> Result<Exit, Failure> {
    match &arguments.distribution {
        Distribution::Debian(flags) => {
            let begun = Instant::now();
            debian(program, flags, begun).map_err(|failure| match flags.quiet {
                true => failure,
                false => super::build::tell(program, flags.progress, begun, failure),
            })
        }
    }
}

fn debian(program: &Program, flags: &Debian, begun: Instant) -> Result<Exit, Failure> {
    let settings = program.settings()?;
    let store = program.store(&settings)?;
    let Made { assembled, digest } = make(program, flags, &settings, &store)?;
    if let Some(path) = &flags.iidfile {
        let write = |out: &mut dyn Write| {
            out.write_all(digest.to_string().as_bytes()).map_err(Failure::file("write", path))
        };
        files::replace(&program.environment.directory.join(path), write)?;
    }
    if flags.quiet {
        program.data(&format!("{digest}\n"))?;
    } else {
        let names: Vec<String> = request::names(&flags.tag)?.iter().map(Reference::familiar).collect();
        let size = assembled.record.written.bytes;
        let digest = digest.to_string();
        program.say(&match flags.progress {
            Progress::Json => ui::json::built(begun.elapsed(), &digest, &names, Some(size)),
            _ => summary(&assembled, &digest, &names, begun),
        });
    }
    Ok(Exit::Done)
}

/// A base that is in the store now.
pub struct Made {
    assembled: Assembled,
    digest: Digest,
}

/// Assembles a base, shows how, and gives it its names.
pub fn make(program: &Program, flags: &Debian, settings: &Settings, store: &Store) -> Result<Made, Failure> {
    let begun = Instant::now();
    let names = request::names(&flags.tag)?;
    let platform = platform(flags.platform.as_deref())?;
    let request = debian_request(flags, platform.clone(), request::jobs(flags.jobs, settings))?;
    let spawner = program.spawner()?;
    let fetch = HttpFetch::new(&program.environment).with_logins(apt::logins(&flags.mirror));
    let view = ui::view(program.terminal, flags.progress, flags.quiet);
    stop_at_once(view.as_ref());
    let reporter = Reporter::start(view.as_ref(), &flags.suite, &platform);
    let assembled = debian::assemble(&request, store, spawner, &fetch, &|progress| reporter.take(progress));
    reporter.end(assembled.is_ok());
    let assembled = assembled.inspect_err(|_| drop(view.finish()))?;
    let compression = request::compression(flags.compression, settings);
    let digest = debian::store_image(&assembled, store, compression, request.jobs)?;
    let tags = names.iter().map(|name| (name.clone(), digest)).collect();
    let builds = vec![history_line(flags, &assembled, &platform, digest, begun)];
    store.commit(&Batch { tags, images: vec![digest], builds, ..Batch::default() })?;
    view.finish();
    Ok(Made { assembled, digest })
}

/// The command, for the image's history: what decides the content, and nothing of this machine.
pub fn command(flags: &Debian) -> String {
    let mut command = format!("kapok base debian --suite {}", flags.suite);
    if !flags.include.is_empty() {
        command += &format!(" --include {}", flags.include.join(","));
    }
    command
}

/// The assembly as a build of one step, so that `explain` and `logs` find its record.
fn history_line(
    flags: &Debian,
    assembled: &Assembled,
    platform: &Platform,
    image: Digest,
    begun: Instant,
) -> NewBuild {
    let (now, millis) = clock::now_with_millis();
    let wall = begun.elapsed();
    let record = &assembled.record;
    let step = StepReport {
        id: StepId(0),
        stage: flags.suite.clone(),
        platform: platform.clone(),
        number: 1,
        of: 1,
        text: record.instruction.clone(),
        state: if assembled.cached { StepState::Cached } else { StepState::Ran },
        key: Some(record.key),
        record: Some(assembled.stored_record),
        below: Vec::new(),
        layer: record.layer,
        written: record.written.bytes,
        wall_ms: if assembled.cached { 0 } else { u64::try_from(wall.as_millis()).unwrap_or(u64::MAX) },
        log: None,
        inputs: Default::default(),
        run: None,
    };
    NewBuild {
        id: randomness::build_id(millis),
        project: String::new(),
        name: flags.tag.first().unwrap_or(&flags.suite).clone(),
        started: now.saturating_sub_unsigned(wall.as_secs()),
        finished: Some(now),
        state: BuildState::Succeeded,
        image: Some(image),
        detail: serde_json::to_string(&BuildReport { steps: vec![step], overruled: None })
            .unwrap_or_default(),
    }
}

fn platform(flag: Option<&str>) -> Result<Platform, Failure> {
    match flag {
        None => Ok(Platform::host()),
        Some(text) => {
            Ok(text.parse::<Platform>().map_err(|error| Failure::usage(error.to_string()))?.normalised())
        }
    }
}

fn debian_request(flags: &Debian, platform: Platform, jobs: usize) -> Result<Request, Failure> {
    let architecture = debian::architecture(&platform)
        .ok_or_else(|| Failure::usage(format!("Debian has no architecture for platform {platform}")))?;
    let sources = apt::sources(&apt::Wanted {
        suite: &flags.suite,
        components: &flags.components,
        mirrors: &flags.mirror,
        keyrings: &flags.keyring,
        architecture,
    })?;
    Ok(Request {
        platform,
        sources,
        include: flags.include.clone(),
        command: command(flags),
        now: clock::now(),
        jobs,
        no_cache: flags.no_cache,
    })
}

fn summary(assembled: &Assembled, digest: &str, names: &[String], begun: Instant) -> String {
    let names = if names.is_empty() { String::new() } else { format!(" {}", names.join(", ")) };
    let how = if assembled.cached { "found" } else { "assembled" };
    let packages = assembled.packages.len();
    format!(
        "{how}{names} in {}\n  digest   {digest}\n  packages {packages}, as of {}\n  size     {}",
        format::duration(begun.elapsed()),
        oci::time::format_rfc3339(assembled.epoch),
        format::size(assembled.record.written.bytes),
    )
}

/// Nothing has to be undone when an assembly is stopped: the first signal ends the process, the spawner cleans up.
fn stop_at_once(view: &dyn View) {
    let cancel = Cancel::default();
    cancel.on_cancel(|| std::process::exit(Exit::Interrupted.code().into()));
    signals::watch(cancel, view.noter());
}

/// Shows an assembly as the steps of a build.
struct Reporter<'a> {
    view: &'a dyn View,
    now: Mutex<Now>,
}

/// Which step is on, and what has arrived for it.
struct Now {
    step: Option<(StepId, Instant)>,
    arrived: u64,
    expected: Option<u64>,
}

const STEPS: [&str; 4] = ["release files and indexes", "packages", "dpkg --configure -a", "the layer"];

impl<'a> Reporter<'a> {
    fn start(view: &'a dyn View, suite: &str, platform: &Platform) -> Reporter<'a> {
        let step = |(number, text): (usize, &&str)| StepInfo {
            id: StepId(number as u32),
            stage: suite.to_owned(),
            number: number + 1,
            of: STEPS.len(),
            text: (*text).to_owned(),
            platform: platform.clone(),
            line: 0,
            makes_layer: true,
        };
        view.event(Event::Planned { steps: STEPS.iter().enumerate().map(step).collect() });
        Reporter { view, now: Mutex::new(Now { step: None, arrived: 0, expected: None }) }
    }

    fn take(&self, progress: Stage) {
        let mut now = self.now.lock().unwrap_or_else(PoisonError::into_inner);
        match progress {
            Stage::Indexes => self.go(&mut now, Some(0), true),
            Stage::Packages { count, bytes } => {
                self.go(&mut now, Some(1), true);
                (now.arrived, now.expected) = (0, Some(bytes));
                let line = format!("{}, {}\n", format::counted(count as u64, "package"), format::size(bytes));
                self.view.event(Event::Output { step: StepId(1), bytes: line.into_bytes() });
            }
            Stage::Arrived(bytes) => {
                now.arrived += bytes;
                self.view.event(transfer(&now));
            }
            Stage::Configuring => self.go(&mut now, Some(2), true),
            Stage::Committing => self.go(&mut now, Some(3), true),
        }
    }

    fn end(&self, well: bool) {
        self.go(&mut self.now.lock().unwrap_or_else(PoisonError::into_inner), None, well);
    }

    /// Ends the step that is on and begins the next.
    fn go(&self, now: &mut Now, next: Option<u32>, well: bool) {
        if let Some((step, begun)) = now.step.take() {
            let wall = begun.elapsed();
            self.view.event(match well {
                true => Event::Finished { step, wall, written: now.arrived },
                false => Event::Failed { step, wall },
            });
            now.expected = Some(now.arrived);
            self.view.event(transfer(now));
        }
        (now.arrived, now.expected) = (0, None);
        if let Some(next) = next {
            now.step = Some((StepId(next), Instant::now()));
            self.view.event(Event::Started { step: StepId(next) });
        }
    }
}

fn transfer(now: &Now) -> Event {
    Event::Transfer { what: "download".to_owned(), done: now.arrived, total: now.expected }
}
