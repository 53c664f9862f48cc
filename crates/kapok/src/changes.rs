//! Why a step ran: what of its inputs is not as it was when the same step was done before.

use std::collections::BTreeMap;

use build::engine::{BuildReport, StepReport, StepState};
use oci::LayerId;
use oci::record::{Intake, Record};
use oci::store::Store;
use oci::tree::{Entry, Kind, PathIndex};

use crate::ui::text::cut;

/// Columns of an instruction that is no more.
const OLD_TEXT: usize = 40;

/// Files and downloads that one line names; the rest is counted.
pub const FEW: usize = 3;

/// The same step of an earlier build.
pub fn same_step<'r>(before: &'r BuildReport, step: &StepReport) -> Option<&'r StepReport> {
    let place = |other: &StepReport| (other.stage.clone(), other.platform.clone());
    let here = |other: &&StepReport| place(other) == place(step);
    let text = before
        .steps
        .iter()
        .find(|other| here(other) && other.text == step.text && other.number == step.number);
    // An instruction that stands elsewhere now is the same one nevertheless.
    text.or_else(|| before.steps.iter().find(|other| here(other) && other.text == step.text))
        .or_else(|| before.steps.iter().find(|other| here(other) && other.number == step.number))
}

/// What changed since a step was done before, in words. Of files, at most so many are named.
pub fn between(
    store: &Store,
    named: usize,
    (old_report, old): (&BuildReport, &StepReport),
    (new_report, new): (&BuildReport, &StepReport),
) -> Vec<String> {
    let record = |step: &StepReport| step.record.and_then(|digest| store.record(&digest).ok());
    let (Some(old_record), Some(new_record)) = (record(old), record(new)) else {
        return vec![match old.state {
            _ if old.text != new.text => format!("the instruction, which was `{}`", cut(&old.text, OLD_TEXT)),
            StepState::Failed => "it failed the last time".to_owned(),
            _ => "the build before did not get so far".to_owned(),
        }];
    };
    let mut changes = Vec::new();
    let other = old_record.instruction != new_record.instruction;
    if other {
        changes.push(format!("the instruction, which was `{}`", cut(&old.text, OLD_TEXT)));
    }
    if old_record.parent != new_record.parent {
        changes.push(below((old_report, old), (new_report, new)));
    }
    // What another instruction is made of is another thing, too; what it says of itself is enough.
    let words = inputs(&old_record.inputs, &new_record.inputs);
    changes.extend(words.into_iter().filter(|word| !other || word.starts_with("the variable")));
    if old_record.inputs.get("content") != new_record.inputs.get("content") {
        changes.extend(files(store, named, &old_record, &new_record));
    }
    if changes.is_empty() {
        changes.extend(downloads(named, &old_record.intakes, &new_record.intakes));
    }
    changes
}

/// Which layer below is another one.
fn below((_, old): (&BuildReport, &StepReport), (new_report, new): (&BuildReport, &StepReport)) -> String {
    let differs = new.below.iter().zip(&old.below).position(|(new, old)| new != old);
    let layer: Option<&LayerId> = new.below.get(differs.unwrap_or(old.below.len().min(new.below.len())));
    let maker = layer.and_then(|layer| {
        new_report.steps.iter().find(|step| step.layer.as_ref() == Some(layer) && step.id < new.id)
    });
    match (maker, differs) {
        (Some(maker), _) => format!("the result of step #{} below it", maker.id.number()),
        (None, Some(number)) => format!("layer {} of its base", number + 1),
        (None, None) => "the snapshot below".to_owned(),
    }
}

/// The parts of a key, as people call them. What has been said of the snapshot and of files is not said again.
fn inputs(old: &BTreeMap<String, String>, new: &BTreeMap<String, String>) -> Vec<String> {
    let mut names: Vec<&String> = old.keys().chain(new.keys()).collect();
    names.sort();
    names.dedup();
    let changed = names.into_iter().filter(|name| old.get(*name) != new.get(*name));
    let mut words = Vec::new();
    for name in changed.filter(|name| !matches!(name.as_str(), "parent" | "content" | "again")) {
        let show = |value: Option<&String>| value.map_or("nothing".to_owned(), |value| format!("`{value}`"));
        let (before, after) = (show(old.get(name)), show(new.get(name)));
        words.push(match name.strip_prefix("env ") {
            Some(variable) => format!("the variable `{variable}`: {before}, now {after}"),
            None if name == "args" => "the command".to_owned(),
            None if before.len() + after.len() < 120 => format!("`{name}`: {before}, now {after}"),
            None => format!("`{name}`"),
        });
    }
    words
}

/// The files of a copy that are not as they were.
fn files(store: &Store, named: usize, old: &Record, new: &Record) -> Vec<String> {
    let index = |record: &Record| {
        let layer = store.layer(&record.layer?).ok()??;
        Some(layer.index)
    };
    let (Some(old), Some(new)) = (index(old), index(new)) else {
        return vec!["the files that it copies".to_owned()];
    };
    let all = differing(&old, &new);
    let mut words: Vec<String> = all.iter().take(named).cloned().collect();
    match all.len() {
        0 => words.push("the files that it copies".to_owned()),
        count if count > named => words.push(format!("and {} more files", count - named)),
        _ => {}
    }
    words
}

/// Every path that differs, with its digests.
pub fn differing(old: &PathIndex, new: &PathIndex) -> Vec<String> {
    let entries = |index: &PathIndex| -> BTreeMap<Vec<u8>, Entry> {
        index.iter().map(|entry| (entry.path.clone(), entry)).collect()
    };
    let (old, new) = (entries(old), entries(new));
    let mut words = Vec::new();
    for (path, entry) in &new {
        let shown = format!("`/{}`", String::from_utf8_lossy(path));
        match old.get(path) {
            None if !matches!(entry.kind, Kind::Directory { .. }) => words.push(format!("{shown} is new")),
            None => {}
            Some(before) => match (digest(before), digest(entry)) {
                (Some(was), Some(is)) if was != is => words.push(format!("{shown} (was {was}, is {is})")),
                _ if before.mode != entry.mode => {
                    words.push(format!("{shown} (mode was {:04o}, is {:04o})", before.mode, entry.mode));
                }
                _ if before.kind != entry.kind && !matches!(entry.kind, Kind::Directory { .. }) => {
                    words.push(shown)
                }
                _ => {}
            },
        }
    }
    let gone = old
        .iter()
        .filter(|(path, entry)| !new.contains_key(*path) && !matches!(entry.kind, Kind::Directory { .. }));
    words.extend(gone.map(|(path, _)| format!("`/{}` is gone", String::from_utf8_lossy(path))));
    words
}

/// The beginning of a file's digest.
fn digest(entry: &Entry) -> Option<String> {
    match &entry.kind {
        Kind::File { digest } => Some(digest.to_string().chars().take("sha256:".len() + 12).collect()),
        _ => None,
    }
}

/// What came from the network otherwise than before.
fn downloads(named: usize, old: &[Intake], new: &[Intake]) -> Vec<String> {
    let known: BTreeMap<&str, _> = old.iter().map(|intake| (intake.url.as_str(), intake.digest)).collect();
    let changed = new
        .iter()
        .filter(|intake| known.get(intake.url.as_str()).is_some_and(|digest| *digest != intake.digest));
    changed.take(named).map(|intake| format!("the download `{}`", intake.url)).collect()
}

/// Why a step is due, in one line; nothing of it is known but its key.
pub fn foreseen(store: &Store, before: Option<&BuildReport>, now: &BuildReport, step: &StepReport) -> String {
    let title = format!("#{} {}", step.id.number(), crate::ui::text::cut(&step.text, 40));
    let Some(before) = before else { return "first build".to_owned() };
    let Some(old) = same_step(before, step) else { return format!("{title}: new") };
    let Some(record) = old.record.and_then(|digest| store.record(&digest).ok()) else {
        let why =
            if old.state == StepState::Failed { "it failed the last time" } else { "it was not reached" };
        return format!("{title}: {why}");
    };
    let mut changes = Vec::new();
    let other = old.text != step.text;
    if other {
        changes.push(format!("the instruction, which was `{}`", cut(&old.text, OLD_TEXT)));
    }
    if record.inputs.get("parent") != step.inputs.get("parent") {
        changes.push(below((before, old), (now, step)));
    }
    let words = inputs(&record.inputs, &step.inputs);
    changes.extend(words.into_iter().filter(|word| !other || word.starts_with("the variable")));
    if record.inputs.get("content") != step.inputs.get("content") {
        changes.push("the files that it copies".to_owned());
    }
    match changes.as_slice() {
        [] => format!("{title}: its result is gone"),
        changes => format!("{title}: {}", changes.join("; ")),
    }
}

/// Why an image's steps ran, in one line: the first of them that did, and what changed for it.
///
/// `maker` knows which image of the project made a layer.
pub fn summary(
    store: &Store,
    before: Option<&BuildReport>,
    now: &BuildReport,
    maker: &dyn Fn(&LayerId) -> Option<String>,
) -> String {
    let Some(first) = now.steps.iter().find(|step| step.state == StepState::Ran) else {
        return String::new();
    };
    let Some(before) = before else { return "first build".to_owned() };
    let step = format!("#{} {}", first.id.number(), crate::ui::text::cut(&first.text, 40));
    let Some(old) = same_step(before, first) else { return format!("{step}: new") };
    let mut changes = between(store, FEW, (before, old), (now, first));
    let other = first.below.iter().find(|layer| !old.below.contains(layer));
    if let Some(image) = other.and_then(maker)
        && let Some(base) = changes.iter_mut().find(|change| change.ends_with("of its base"))
    {
        *base = format!("`{image}` changed");
    }
    match changes.as_slice() {
        [] => format!("{step}: its result was gone, or was not to be used"),
        changes => format!("{step}: {}", changes.join("; ")),
    }
}
