//! What a step asked for, in the order in which it did, and the lines that it hears about it.

use std::collections::{BTreeSet, HashSet};
use std::sync::{Arc, Mutex, MutexGuard};

use oci::record::{Intake, Verdict};
use tokio::sync::watch;

use super::spool::{Broken, Whole};

/// Requests of one step that are recorded one by one; a step with more is told so.
const MOST: usize = 200_000;

/// Lines that a step hears; what repeats itself is said once.
const LINES: usize = 200;

/// Takes a line for the step's output.
pub type Say = Arc<dyn Fn(&str) + Send + Sync>;

/// What happened in one step.
pub(super) struct Ledger {
    say: Say,
    inner: Mutex<Inner>,
    /// Requests that still run.
    open: watch::Sender<usize>,
}

#[derive(Default)]
struct Inner {
    /// Empty places are of requests that still run.
    intakes: Vec<Option<Intake>>,
    more: usize,
    unobserved: BTreeSet<String>,
    warnings: Vec<String>,
    said: HashSet<String>,
}

/// Everything a ledger holds at its end.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Served {
    /// Every request, in the order in which they were made, once.
    pub intakes: Vec<Intake>,
    /// What went through unseen: `tls:example.org`.
    pub unobserved: Vec<String>,
    /// What the user should know.
    pub warnings: Vec<String>,
}

impl Ledger {
    pub(super) fn new(say: Say) -> Arc<Ledger> {
        Arc::new(Ledger { say, inner: Mutex::default(), open: watch::Sender::new(0) })
    }

    /// Begins a line; it is the place in the order that counts.
    pub(super) fn note(self: &Arc<Ledger>, intake: Intake) -> Note {
        let mut inner = self.inner();
        let place = if inner.intakes.len() < MOST {
            inner.intakes.push(None);
            Some(inner.intakes.len() - 1)
        } else {
            inner.more += 1;
            None
        };
        drop(inner);
        self.open.send_modify(|open| *open += 1);
        Note { ledger: self.clone(), place, intake, upstream: None, written: false }
    }

    /// Something went through that nobody looked at.
    pub(super) fn unobserved(&self, what: String) {
        self.inner().unobserved.insert(what);
    }

    /// Tells the step something, once.
    pub(super) fn say(&self, line: &str) {
        let mut inner = self.inner();
        if inner.said.len() < LINES && inner.said.insert(line.to_owned()) {
            drop(inner);
            (self.say)(line);
        }
    }

    /// Tells the step something, and the user at the end.
    pub(super) fn warn(&self, line: String) {
        self.say(&line);
        let mut inner = self.inner();
        if inner.warnings.len() < LINES && !inner.warnings.contains(&line) {
            inner.warnings.push(line);
        }
    }

    /// Waits until no request runs.
    pub(super) async fn quiet(&self) {
        // The sender lives as long as we do.
        let _ = self.open.subscribe().wait_for(|open| *open == 0).await;
    }

    /// Closes it. What still runs is recorded as broken off.
    pub(super) fn close(&self) -> Served {
        let mut inner = std::mem::take(&mut *self.inner());
        if inner.more > 0 {
            let line = format!("{} requests beyond the first {MOST} are not in the record", inner.more);
            inner.warnings.push(line);
            inner.unobserved.insert("network".to_owned());
        }
        let mut seen = HashSet::new();
        let mut intakes: Vec<Intake> = inner.intakes.into_iter().flatten().collect();
        intakes.retain(|intake| seen.insert(serde_json::to_vec(intake).unwrap_or_default()));
        Served { intakes, unobserved: inner.unobserved.into_iter().collect(), warnings: inner.warnings }
    }

    fn inner(&self) -> MutexGuard<'_, Inner> {
        self.inner.lock().unwrap_or_else(|poisoned| poisoned.into_inner())
    }
}

/// A line of the ledger that is being written.
pub(super) struct Note {
    ledger: Arc<Ledger>,
    place: Option<usize>,
    /// What it will say.
    pub intake: Intake,
    /// What the upstream gave, where the step got something else.
    pub upstream: Option<Whole>,
    written: bool,
}

impl Note {
    /// It went as it should.
    pub(super) fn done(mut self) {
        self.write();
    }

    /// It may not be. The step hears of it.
    pub(super) fn refused(mut self, rule: &str, reason: &str) {
        self.ledger.say(&format!("refused: {}: {reason} ({rule})", self.intake.url));
        self.intake.verdict = Verdict::Refused { rule: rule.to_owned(), reason: reason.to_owned() };
        self.write();
    }

    /// It did not come about. The step hears of it.
    pub(super) fn failed(mut self, reason: &str) {
        self.ledger.say(&format!("failed: {}: {reason}", self.intake.url));
        self.intake.verdict = Verdict::Failed { reason: reason.to_owned() };
        self.write();
    }

    /// It did not come about, and the step knows.
    pub(super) fn quietly_failed(mut self, reason: &str) {
        self.intake.verdict = Verdict::Failed { reason: reason.to_owned() };
        self.write();
    }

    /// How a body ended decides.
    pub(super) fn settle(mut self, result: Result<Whole, Broken>) {
        match result {
            Ok(whole) => {
                let whole = self.upstream.unwrap_or(whole);
                (self.intake.digest, self.intake.size) = (Some(whole.digest), whole.size);
                self.done();
            }
            Err(Broken::Failed { reason }) => self.failed(&reason),
            Err(Broken::Refused { rule, reason }) => self.refused(&rule, &reason),
            Err(Broken::Cancelled) => self.abandon(),
        }
    }

    fn abandon(&mut self) {
        let reason = "the client went away before the end".to_owned();
        self.intake.verdict = Verdict::Failed { reason };
        self.write();
    }

    fn write(&mut self) {
        self.written = true;
        let intake = std::mem::take(&mut self.intake);
        if let Some(place) = self.place
            && let Some(place) = self.ledger.inner().intakes.get_mut(place)
        {
            *place = Some(intake);
        }
        self.ledger.open.send_modify(|open| *open = open.saturating_sub(1));
    }
}

impl Drop for Note {
    fn drop(&mut self) {
        if !self.written {
            self.abandon();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn intake(url: &str) -> Intake {
        Intake { url: url.to_owned(), ..Intake::default() }
    }

    #[test]
    fn requests_stand_in_their_order_and_once() {
        let lines = Arc::new(Mutex::new(Vec::new()));
        let heard = lines.clone();
        let ledger = Ledger::new(Arc::new(move |line: &str| heard.lock().unwrap().push(line.to_owned())));
        let (first, second, third) =
            (ledger.note(intake("a")), ledger.note(intake("b")), ledger.note(intake("a")));
        third.done();
        second.refused("network.deny", "no");
        first.done();
        drop(ledger.note(intake("c")));
        ledger.note(intake("b")).refused("network.deny", "no");
        ledger.unobserved("tls:x".to_owned());
        let served = ledger.close();
        let urls: Vec<_> = served.intakes.iter().map(|intake| intake.url.as_str()).collect();
        assert_eq!(urls, ["a", "b", "c"]);
        assert!(served.intakes[1].verdict.is_refused());
        assert!(matches!(served.intakes[2].verdict, Verdict::Failed { .. }));
        assert_eq!(*lines.lock().unwrap(), ["refused: b: no (network.deny)"]);
        assert_eq!(served.unobserved, ["tls:x"]);
    }
}
