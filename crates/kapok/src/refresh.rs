//! `kapok build --refresh`: the oldest trap of image builds is the cached `apt-get update`.
//!
//! A cached step holds only as long as the upstreams say the same as its record. They are asked on conditions, each
//! document once a build, so that a build in which nothing changed transfers next to nothing.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Mutex, MutexGuard, PoisonError};

use build::engine::{Event, Events, Materials};
use oci::record::{Intake, Record};
use oci::{Digest, Platform, Reference};

use crate::gateway::RunGateway;
use crate::lock::Locking;

/// Documents that are asked for at once: upstreams are far away, and an index is a few of them.
const AT_ONCE: usize = 8;

/// A request and the answer that was recorded.
type Asked = (String, Option<Digest>, Option<Digest>);

/// Looks after cached steps.
pub struct Refresh<'a> {
    /// Asks upstreams, as the steps did.
    gateway: &'a RunGateway,
    /// The build's lock, if it writes one.
    locking: Option<&'a Locking>,
    events: &'a dyn Events,
    /// What was found out, and whether it changed.
    known: Mutex<BTreeMap<Asked, bool>>,
}

impl<'a> Refresh<'a> {
    /// Nothing is asked yet.
    pub fn new(gateway: &'a RunGateway, locking: Option<&'a Locking>, events: &'a dyn Events) -> Refresh<'a> {
        Refresh { gateway, locking, events, known: Mutex::default() }
    }

    /// The documents that changed, sorted.
    pub fn changed(&self) -> Vec<String> {
        let known = self.known();
        let changed = known.iter().filter(|(_, changed)| **changed).map(|((url, ..), _)| url.clone());
        changed.collect::<BTreeSet<_>>().into_iter().collect()
    }

    /// What of a record's documents changed.
    pub fn changed_of<'r>(&self, record: &'r Record) -> Vec<&'r Intake> {
        let intakes: Vec<&Intake> = record.intakes.iter().filter(|intake| may_change(intake)).collect();
        self.find_out(&intakes, &commits(record));
        let known = self.known();
        intakes.into_iter().filter(|intake| known.get(&asked(intake)).copied().unwrap_or(false)).collect()
    }

    fn known(&self) -> MutexGuard<'_, BTreeMap<Asked, bool>> {
        self.known.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn ask(&self, intake: &Intake, commits: &[String]) {
        let answer = match is_of_git(intake) {
            true => self.gateway.refs_moved(intake, commits),
            false => self.gateway.changed(intake),
        };
        let changed = match answer {
            Ok(changed) => changed,
            Err(reason) => {
                let message = format!("nobody can say whether {} has changed: {reason}", intake.url);
                self.events.event(Event::Warning { message, step: None });
                false
            }
        };
        self.known().insert(asked(intake), changed);
    }

    /// Finds out what is not known yet.
    fn find_out(&self, intakes: &[&Intake], commits: &[String]) {
        let unknown: BTreeMap<Asked, &Intake> = {
            let known = self.known();
            let new = intakes.iter().map(|intake| (asked(intake), *intake));
            new.filter(|(asked, _)| !known.contains_key(asked)).collect()
        };
        let queue = Mutex::new(unknown.into_values());
        let next = || queue.lock().unwrap_or_else(PoisonError::into_inner).next();
        std::thread::scope(|scope| {
            for _ in 1..AT_ONCE {
                scope.spawn(|| while_some(next, |intake| self.ask(intake, commits)));
            }
            while_some(next, |intake| self.ask(intake, commits));
        });
    }
}

fn while_some<T>(next: impl Fn() -> Option<T>, each: impl Fn(T)) {
    while let Some(item) = next() {
        each(item);
    }
}

fn asked(intake: &Intake) -> Asked {
    (intake.url.clone(), intake.request, intake.digest)
}

/// Whether it is a question of Git's smart http: which objects names mean, or the objects.
fn is_of_git(intake: &Intake) -> bool {
    intake.method == "POST" && intake.url.ends_with("/git-upload-pack")
}

/// The commits that a record's steps fetched.
fn commits(record: &Record) -> Vec<String> {
    let purls =
        record.intakes.iter().filter(|intake| is_of_git(intake)).filter_map(|intake| intake.purl.as_deref());
    let commit = |purl: &str| Some(purl.split('?').next()?.rsplit_once('@')?.1.to_owned());
    purls.filter_map(commit).collect()
}

/// Whether asking again tells something: a document that may change, by a request that has no body, or names in a
/// repository of Git.
fn may_change(intake: &Intake) -> bool {
    intake.mutable
        && intake.verdict.is_allowed()
        && (matches!(intake.method.as_str(), "" | "GET") || is_of_git(intake))
        && intake.url.starts_with("http")
}

impl Materials for Refresh<'_> {
    fn base(&self, reference: &Reference, platform: &Platform) -> Result<Option<Digest>, String> {
        self.locking.map_or(Ok(None), |locking| locking.base(reference, platform))
    }

    fn took(&self, reference: &Reference, platform: &Platform, manifest: Digest) {
        if let Some(locking) = self.locking {
            Materials::took(locking, reference, platform, manifest);
        }
    }

    fn holds(&self, record: &Record) -> bool {
        self.changed_of(record).is_empty()
    }
}

#[cfg(test)]
mod tests {
    use oci::record::Verdict;

    use super::*;

    #[test]
    fn only_documents_that_may_change_are_asked_for() {
        let index = Intake { url: "http://h/InRelease".to_owned(), mutable: true, ..Intake::default() };
        assert!(may_change(&index));
        let refused = Verdict::Refused { rule: String::new(), reason: String::new() };
        for other in [
            Intake { mutable: false, ..index.clone() },
            Intake { method: "POST".to_owned(), ..index.clone() },
            Intake { url: "dns://h".to_owned(), ..index.clone() },
            Intake { verdict: refused, ..index.clone() },
        ] {
            assert!(!may_change(&other), "{other:?}");
        }
        let method = "POST".to_owned();
        let git = Intake { method, url: "http://h/r.git/git-upload-pack".to_owned(), ..index };
        assert!(may_change(&git));
    }
}
