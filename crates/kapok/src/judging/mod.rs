//! An organisation's standards, judged again when an image is built and has no name yet: by what its steps fetched, and by what
//! is in it.

mod look;
mod waivers;

use std::path::PathBuf;

use build::engine::{self, Event, Events, Finished, Inside, Judge};
use oci::Digest;
use policy::facts::BuildInput;
use policy::facts::built::{BuiltImage, Places, Seen};
use policy::{Again, Facts, Finding, Judgement, Level, Place, Standards, render};
use serde_json::json;

use crate::failure::Failure;

pub use look::look_at_bases;
pub use waivers::WaiversPlace;

/// Changes whenever something else is looked at in an image.
const VERSION: u32 = 2;

/// Findings named in one line.
const NAMED: usize = 3;

/// Judges the images of one build.
pub struct BuiltJudge<'a> {
    /// What the organisation wants.
    pub standards: &'a Standards,
    /// Where waivers stand.
    pub waivers: WaiversPlace,
    /// The directory that the Dockerfile's name is a path from.
    pub names: PathBuf,
    /// What the project calls the image.
    pub image: Option<String>,
    /// The organisation's certificates, PEM.
    pub authorities: Vec<u8>,
    /// `--no-check`.
    pub overrule: bool,
    /// Who is told of warnings.
    pub events: &'a dyn Events,
}

/// Findings, ready to be shown.
#[derive(Debug)]
pub struct Shown {
    /// Without colours.
    pub plain: String,
    /// With them.
    pub coloured: String,
}

/// An image that may not have a name.
#[derive(Debug, thiserror::Error)]
#[error("the check found {errors} error{} in what was built; it gets no name", if *.errors == 1 { "" } else { "s" })]
pub struct Denial {
    errors: usize,
    shown: Shown,
}

impl From<Denial> for Failure {
    fn from(denial: Denial) -> Failure {
        Failure::Denied { message: denial.to_string(), findings: Some(Box::new(denial.shown)) }
    }
}

impl Judge for BuiltJudge<'_> {
    fn version(&self) -> String {
        format!("kapok {VERSION} {}", Digest::of(&self.authorities))
    }

    fn insists(&self) -> bool {
        policy::needs_tree(self.standards)
    }

    fn look(&self, image: &Finished<'_>, inside: &Inside) -> Vec<u8> {
        serde_json::to_vec(&look::seen(image, inside, &self.authorities)).unwrap_or_default()
    }

    fn judge(&self, image: &Finished<'_>, seen: &[u8]) -> Result<Vec<String>, engine::Denial> {
        let seen: Seen = serde_json::from_slice(seen)?;
        let (facts, built) = self.facts(image, seen);
        let mut facts = facts;
        let waivers = self.waivers.load(&mut facts, &self.names);
        let again = policy::judge_built(&facts, &built, self.standards, &waivers);
        let (errors, others): (Vec<Finding>, Vec<Finding>) =
            again.findings.iter().cloned().partition(|finding| finding.level == Level::Error);
        self.warn(&facts, &others, &again);
        if errors.is_empty() {
            return Ok(Vec::new());
        }
        if self.overrule {
            let message =
                format!("--no-check: overruled in what was built: {}", in_one_line(&facts, &errors));
            self.events.event(Event::Warning { message, step: None });
            return Ok(lines(&facts, &errors));
        }
        let count = errors.len();
        let judgement = Judgement { findings: errors, ..Judgement::default() };
        let shown = Shown {
            plain: render::human(&facts, &judgement, false),
            coloured: render::human(&facts, &judgement, true),
        };
        Err(Box::new(Denial { errors: count, shown }))
    }
}

impl BuiltJudge<'_> {
    /// The facts of the Dockerfile, and of the image with its places in it.
    fn facts(&self, image: &Finished<'_>, seen: Seen) -> (Facts, BuiltImage) {
        let request = image.request;
        let input = BuildInput {
            image: self.image.clone(),
            called: request.tags.clone(),
            args: request.build_args.clone(),
            ..BuildInput::default()
        };
        let mut facts = Facts::of_build(&request.source.name, &request.source.text, input);
        let stages = facts.dockerfiles.iter().flat_map(|file| &file.stages);
        let stages = stages.map(|stage| (stage.index, stage.image_span)).collect();
        let source = match facts.dockerfiles.first() {
            Some(file) => file.source,
            None => facts.add_source(request.source.name.clone(), request.source.text.clone()),
        };
        let steps = image.steps().map(|(_, step, _)| step.span).collect();
        let places = Places { source, steps, stages, target: image.plan.target.0 };
        (facts, BuiltImage::new(self.image.clone(), seen, places))
    }

    /// One line for everything that does not stop the image, and for what nobody can say although it matters.
    fn warn(&self, facts: &Facts, findings: &[Finding], again: &Again) {
        let warnings: Vec<Finding> =
            findings.iter().filter(|finding| finding.level == Level::Warning).cloned().collect();
        let mut parts = Vec::new();
        if !warnings.is_empty() {
            parts.push(format!("the check of what was built: {}", in_one_line(facts, &warnings)));
        }
        let matters = |rule: &str| {
            policy::rules::find(rule).and_then(|rule| self.standards.level(rule)) == Some(Level::Error)
        };
        let open: Vec<String> = again
            .unknown
            .iter()
            .filter(|one| matters(one.rule))
            .map(|one| match one.place {
                Some(place) => format!("{} {} ({})", one.rule, at(facts, place), one.why),
                None => format!("{} ({})", one.rule, one.why),
            })
            .collect();
        if !open.is_empty() {
            parts.push(format!("the check cannot say: {}", some(&open)));
        }
        if !parts.is_empty() {
            self.events.event(Event::Warning { message: parts.join("; "), step: None });
        }
    }
}

/// Findings as lines: rule, place, message.
pub fn lines(facts: &Facts, findings: &[Finding]) -> Vec<String> {
    let line =
        |finding: &Finding| format!("{} {}: {}", finding.rule, at(facts, finding.place), finding.message);
    findings.iter().map(line).collect()
}

/// A place as file and line.
fn at(facts: &Facts, place: Place) -> String {
    let source = facts.source(place.source);
    format!("{}:{}", source.name, dockerfile::line_column(&source.text, place.span.start).line)
}

fn in_one_line(facts: &Facts, findings: &[Finding]) -> String {
    some(&lines(facts, findings))
}

/// The first few of a list.
fn some(all: &[String]) -> String {
    let named = all.iter().take(NAMED).cloned().collect::<Vec<_>>().join("; ");
    match all.len().saturating_sub(NAMED) {
        0 => named,
        more => format!("{named}; and {more} more"),
    }
}

/// What was overruled in a build, for those who look at it later; nothing where nobody overruled anything.
pub fn overruled_words(report: &engine::BuildReport) -> Option<String> {
    let overruled = report.overruled.as_ref()?;
    let mut text = match overruled.findings.len() {
        0 => "built with --no-check, which overruled nothing\n".to_owned(),
        1 => "built with --no-check, which overruled 1 error of the check:\n".to_owned(),
        count => format!("built with --no-check, which overruled {count} errors of the check:\n"),
    };
    overruled.findings.iter().for_each(|line| text += &format!("  {line}\n"));
    Some(text)
}

/// The same for programs.
pub fn overruled_json(report: &engine::BuildReport) -> serde_json::Value {
    report.overruled.as_ref().map_or(serde_json::Value::Null, |overruled| json!(overruled.findings))
}
