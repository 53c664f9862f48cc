//! The Dockerfile of a build, judged before its first step.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use build::engine::{Events, Overruled, Request};
use oci::store::Store;
use policy::facts::BuildInput;
use policy::{Facts, Judgement, Level, Standards, render};
use project::DockerfileSource;

use crate::cli::build::{Build, Progress};
use crate::commands::build::settings_directory;
use crate::commands::check::standards;
use crate::failure::Failure;
use crate::judging::{self, BuiltJudge, WaiversPlace};
use crate::program::Program;
use crate::projects::Loaded;
use crate::settings::Settings;

/// What the plan of a build says itself, with its own words and exit code.
const OF_THE_PLAN: [&str; 7] = [
    "dockerfile-syntax",
    "docker-check",
    "base-arg-undeclared",
    "stage-unknown",
    "expose-no-port",
    "copy-not-directory",
    "variable-undeclared",
];

/// What a build is judged by: the same before its first step and when it is done.
pub struct Checking<'a> {
    program: &'a Program,
    arguments: &'a Build,
    settings: &'a Settings,
    standards: Standards,
}

impl<'a> Checking<'a> {
    /// The settings' standards, today.
    pub fn new(program: &'a Program, arguments: &'a Build, settings: &'a Settings) -> Checking<'a> {
        Checking { program, arguments, settings, standards: standards(settings, None) }
    }

    /// Judges one Dockerfile; errors of the profile stop the build, warnings are one line. Answers what was overruled.
    ///
    /// # Errors
    /// The check says no.
    pub fn dockerfile(&self, request: &Request, store: &Store) -> Result<Option<Overruled>, Failure> {
        let input = BuildInput {
            called: request.tags.clone(),
            args: request.build_args.clone(),
            ..BuildInput::default()
        };
        let mut facts = Facts::of_build(&request.source.name, &request.source.text, input);
        let (place, names) = self.waivers(request);
        let waivers = place.load(&mut facts, &names);
        judging::look_at_bases(store, &self.standards, &mut facts);
        let mut judgement = policy::judge(&facts, &self.standards, &waivers, Vec::new());
        let name = &request.source.name;
        judgement.findings.retain(|finding| facts.source(finding.place.source).name == *name);
        let mut overruled = self.decide(&facts, judgement)?;
        Ok(overruled.as_mut().map(|files| Overruled { findings: files.remove(name).unwrap_or_default() }))
    }

    /// Judges the Dockerfiles of those images of a project that are built, by its files and waivers. Answers what was overruled, by
    /// file.
    ///
    /// # Errors
    /// The check says no.
    pub fn project(
        &self,
        loaded: &Loaded,
        wanted: &[usize],
        store: &Store,
    ) -> Result<Option<ByFile>, Failure> {
        let files = &loaded.files;
        let images = wanted.iter().filter_map(|image| loaded.project.images.get(*image));
        let dockerfiles: Vec<&str> = images
            .map(|image| match &image.dockerfile {
                DockerfileSource::Path(path) => path.value.as_str(),
                DockerfileSource::Inline { place, .. } => &*place.file,
            })
            .collect();
        let mut facts = Facts::gather(files);
        let waivers = self.waivers_of(&loaded.root).load(&mut facts, &loaded.root);
        judging::look_at_bases(store, &self.standards, &mut facts);
        let mut judgement = policy::judge(&facts, &self.standards, &waivers, Vec::new());
        judgement
            .findings
            .retain(|finding| dockerfiles.contains(&facts.source(finding.place.source).name.as_str()));
        self.decide(&facts, judgement)
    }

    /// Who judges an image that is built alone when its steps are done.
    pub fn built<'j>(&'j self, request: &Request, events: &'j dyn Events) -> BuiltJudge<'j> {
        let (waivers, names) = self.waivers(request);
        self.judge(waivers, names, None, request, events)
    }

    /// Who judges an image of the project at `root`, which calls it so.
    pub fn built_in<'j>(
        &'j self,
        root: &Path,
        image: &str,
        request: &Request,
        events: &'j dyn Events,
    ) -> BuiltJudge<'j> {
        self.judge(self.waivers_of(root), root.to_owned(), Some(image.to_owned()), request, events)
    }

    fn judge<'j>(
        &'j self,
        waivers: WaiversPlace,
        names: PathBuf,
        image: Option<String>,
        request: &Request,
        events: &'j dyn Events,
    ) -> BuiltJudge<'j> {
        BuiltJudge {
            standards: &self.standards,
            waivers,
            names,
            image,
            authorities: self.authorities(request),
            overrule: self.arguments.no_check,
            events,
        }
    }

    /// The waivers' file, found from where the settings are found, and the directory that the Dockerfile's name is a path from: the
    /// working directory, or the build context.
    fn waivers(&self, request: &Request) -> (WaiversPlace, PathBuf) {
        let context = settings_directory(self.program, &self.arguments.input.context);
        let working = &self.program.environment.directory;
        let is_here = working.join(&request.source.name).is_file();
        let names = if is_here { working.clone() } else { context.clone() };
        (self.waivers_of(&context), names)
    }

    fn waivers_of(&self, directory: &Path) -> WaiversPlace {
        WaiversPlace::near(directory, &self.program.environment.directory, self.settings.check.waivers())
    }

    /// The organisation's certificates: those that the image gets, and those that the settings trust.
    fn authorities(&self, request: &Request) -> Vec<u8> {
        let mut all = request.finishing.authorities.clone();
        for path in &self.settings.network.ca {
            // Who needs the file says so when it is not there.
            let more = std::fs::read(path).unwrap_or_default();
            if all != more {
                all.push(b'\n');
                all.extend(more);
            }
        }
        all
    }

    fn decide(&self, facts: &Facts, mut judgement: Judgement) -> Result<Option<ByFile>, Failure> {
        judgement.findings.retain(|finding| !OF_THE_PLAN.contains(&finding.rule.as_ref()));
        let count = |level| judgement.findings.iter().filter(|finding| finding.level == level).count();
        let (errors, warnings) = (count(Level::Error), count(Level::Warning));
        if self.arguments.no_check {
            judgement.findings.retain(|finding| finding.level == Level::Error);
            if errors > 0 {
                self.program
                    .warn(&format!("--no-check: {} of the check overruled", counted(errors, "error")));
            }
            return Ok(Some(by_file(facts, &judgement)));
        }
        if errors > 0 {
            judgement.findings.retain(|finding| finding.level == Level::Error);
            self.program.terminal.say(&render::human(facts, &judgement, self.program.terminal.colour));
            let message = format!("the check found {}; nothing was built", counted(errors, "error"));
            return Err(Failure::Denied { message, findings: None });
        }
        if warnings > 0 && !self.arguments.quiet && self.arguments.progress != Progress::Json {
            let count = counted(warnings, "warning");
            self.program.warn(&format!("the check found {count}; `kapok check` shows them"));
        }
        Ok(None)
    }
}

/// What was overruled in each file.
pub type ByFile = BTreeMap<String, Vec<String>>;

fn by_file(facts: &Facts, judgement: &Judgement) -> ByFile {
    let mut files = ByFile::new();
    for finding in &judgement.findings {
        let name = facts.source(finding.place.source).name.clone();
        files.entry(name).or_default().extend(judging::lines(facts, std::slice::from_ref(finding)));
    }
    files
}

fn counted(count: usize, what: &str) -> String {
    format!("{count} {what}{}", if count == 1 { "" } else { "s" })
}
