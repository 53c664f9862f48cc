//! What the catalog knows of a project's images: how their latest builds ended, from what they were made, how long that took.

use std::time::Duration;

use build::engine::{BuildReport, Reason, State};
use oci::Digest;
use oci::store::{BuildState, NewBuild, Store};
use serde::{Deserialize, Serialize};

use crate::failure::Failure;

/// An image's build, beside the steps of its report.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct ImageReport {
    /// How it ended.
    pub state: State,
    /// Why it is not complete.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reason: Option<Reason>,
    /// In words: what went wrong, or why steps ran.
    pub message: String,
    /// How often it was tried.
    pub attempts: u32,
    /// How long it was at work, in milliseconds.
    pub wall_ms: u64,
    /// How long it takes when it has to run: the most of this build and the ones before.
    pub takes_ms: u64,
    /// Steps that ran.
    pub ran: usize,
    /// Steps whose result was there.
    pub cached: usize,
    /// The digest that its manifest has without the organisation's certificates.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub plain: Option<Digest>,
    /// What it stands on.
    #[serde(default)]
    pub bases: Vec<BaseUse>,
    /// The organisation's certificates in it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub certificates: Option<Digest>,
    /// Its names.
    #[serde(default)]
    pub names: Vec<String>,
}

/// An image that another was built from.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct BaseUse {
    /// The name in the Dockerfile.
    pub name: String,
    /// What the project calls it, if it is the project's.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub image: Option<String>,
    /// The digest that it had.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub digest: Option<Digest>,
}

/// The detail of a build's line: what the engine reports, and what is known of the image.
#[derive(Serialize)]
struct Detail<'a> {
    #[serde(flatten)]
    report: &'a BuildReport,
    image: &'a ImageReport,
}

/// The part of a line that is about the image: the steps are passed over.
#[derive(Deserialize)]
struct Part {
    image: Option<ImageReport>,
}

/// A line of an image's history.
#[derive(Clone, Debug)]
pub struct Told {
    /// The line.
    pub build: NewBuild,
    /// What is known; nothing of a build that runs, or whose process died.
    pub report: Option<ImageReport>,
}

impl Told {
    /// What a line of the catalog says.
    pub fn of(build: NewBuild) -> Told {
        // What another version wrote may not be understood; it is then a build of which nothing is known.
        let report = serde_json::from_str(&build.detail).ok().and_then(|part: Part| part.image);
        Told { build, report }
    }

    /// How it stands.
    pub fn state(&self) -> State {
        match (&self.report, self.build.state) {
            (Some(report), _) => report.state,
            (None, BuildState::Running) => State::Running,
            (None, BuildState::Succeeded) => State::Complete,
            (None, BuildState::Failed) => State::Failed,
            (None, BuildState::Cancelled) => State::Cancelled,
        }
    }
}

/// The detail of a line.
pub fn detail(report: &BuildReport, image: &ImageReport) -> String {
    serde_json::to_string(&Detail { report, image }).unwrap_or_default()
}

/// The latest builds of an image, the newest first.
pub fn latest(store: &Store, project: &str, image: &str, limit: usize) -> Result<Vec<Told>, Failure> {
    Ok(store.builds_of(project, image, limit)?.into_iter().map(Told::of).collect())
}

/// How long an image takes when it has to run, as far as somebody knows.
pub fn takes(history: &[Told]) -> Option<Duration> {
    let known = history.iter().find_map(|told| told.report.as_ref());
    known.map(|report| Duration::from_millis(report.takes_ms)).filter(|time| !time.is_zero())
}

/// The catalog's word for a state.
pub fn build_state(state: State) -> BuildState {
    match state {
        State::Complete => BuildState::Succeeded,
        State::Cancelled => BuildState::Cancelled,
        State::Failed | State::Error => BuildState::Failed,
        State::New | State::Pending | State::Running => BuildState::Running,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_written_is_understood_also_by_who_knows_steps_alone() {
        let image = ImageReport {
            state: State::Failed,
            reason: Some(Reason::TestFailed),
            message: "no".to_owned(),
            attempts: 2,
            wall_ms: 5,
            takes_ms: 7,
            ran: 1,
            cached: 0,
            plain: None,
            bases: vec![BaseUse { name: "base".to_owned(), image: None, digest: None }],
            certificates: None,
            names: Vec::new(),
        };
        let detail = detail(&BuildReport::default(), &image);
        assert_eq!(serde_json::from_str::<BuildReport>(&detail).expect("a report"), BuildReport::default());
        let build = NewBuild {
            id: "0".to_owned(),
            project: "/p".to_owned(),
            name: "app".to_owned(),
            started: 0,
            finished: None,
            state: BuildState::Failed,
            image: None,
            detail,
        };
        let told = Told::of(build);
        assert_eq!(
            (told.state(), takes(std::slice::from_ref(&told))),
            (State::Failed, Some(Duration::from_millis(7)))
        );
        assert_eq!(told.report, Some(image));
    }
}
