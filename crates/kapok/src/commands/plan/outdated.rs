//! `kapok plan --refresh`: which cached steps are older than their upstreams.
//!
//! A step is found by its place in the plan and its text, in the latest build that has a result of it which still counts.

use std::collections::BTreeMap;
use std::sync::Arc;

use build::engine::{BuildReport, Events, StepReport};
use build::plan::Plan;
use oci::record::Record;
use oci::store::Store;
use serde_json::{Value, json};

use super::indexes::{self, Change};
use crate::cli::Format;
use crate::failure::Failure;
use crate::gateway::RunGateway;
use crate::program::Program;
use crate::refresh::Refresh;
use crate::settings::Settings;

/// Builds looked through for results.
const LIMIT: usize = 1000;

/// What asking takes.
pub struct Refreshing<'a> {
    pub program: &'a Program,
    pub settings: &'a Settings,
    pub store: &'a Arc<Store>,
    pub events: &'a dyn Events,
}

/// A step of which something changed upstream.
struct Outdated {
    step: StepReport,
    documents: Vec<String>,
    packages: Vec<Change>,
}

/// The steps that `kapok build --refresh` would run again, as a text or as JSON.
pub fn text(refreshing: &Refreshing<'_>, plans: &[Plan], format: Format) -> Result<String, Failure> {
    let found = outdated(refreshing, plans)?;
    Ok(match format {
        Format::Json => {
            let steps: Vec<Value> = found.iter().map(as_json).collect();
            serde_json::to_string_pretty(&steps).unwrap_or_default() + "\n"
        }
        Format::Table if found.is_empty() => "no cached step is older than its upstreams\n".to_owned(),
        Format::Table => found.iter().map(as_text).collect(),
    })
}

fn outdated(refreshing: &Refreshing<'_>, plans: &[Plan]) -> Result<Vec<Outdated>, Failure> {
    let Refreshing { program, settings, store, events } = refreshing;
    let gateway = RunGateway::new(program.runtime().clone(), store, &program.environment, settings)?;
    let refresh = Refresh::new(&gateway, None, *events);
    let mut found = Vec::new();
    for (step, record) in cached(store, plans)? {
        let changed = refresh.changed_of(&record);
        if changed.is_empty() {
            continue;
        }
        let packages = indexes::changes(&changed, &record, &gateway, store);
        let mut documents: Vec<String> = changed.iter().map(|intake| intake.url.clone()).collect();
        documents.sort();
        documents.dedup();
        found.push(Outdated { step, documents, packages });
    }
    // What was fetched is of use to the build that follows.
    store.commit_downloads()?;
    Ok(found)
}

/// The plans' steps with results that still count, in their order.
fn cached(store: &Store, plans: &[Plan]) -> Result<Vec<(StepReport, Record)>, Failure> {
    let place = |platform: String, stage: String, number: usize, text: &str| {
        (platform, stage, number, text.to_owned())
    };
    let mut wanted = Vec::new();
    for plan in plans {
        for stage in &plan.stages {
            let of = |step: &build::plan::Step| {
                place(stage.platform.to_string(), stage.label(), step.number, &step.text)
            };
            wanted.extend(stage.steps.iter().map(of));
        }
    }
    let mut results = BTreeMap::new();
    for build in store.builds(LIMIT)? {
        let report: BuildReport = serde_json::from_str(&build.detail).unwrap_or_default();
        for step in report.steps {
            let key = place(step.platform.to_string(), step.stage.clone(), step.number, &step.text);
            if !wanted.contains(&key) || results.contains_key(&key) {
                continue;
            }
            let (Some(digest), Some(id)) = (step.record, step.key) else { continue };
            if store.step(&id)?.is_some_and(|kept| kept.record == digest) {
                results.insert(key, (step, store.record(&digest)?));
            }
        }
    }
    Ok(wanted.iter().filter_map(|key| results.remove(key)).collect())
}

fn as_text(outdated: &Outdated) -> String {
    let Outdated { step, documents, packages } = outdated;
    let mut text = format!("[{} {}/{}] {}\n", step.stage, step.number, step.of, step.text);
    for document in documents {
        text += &format!("  changed: {document}\n");
    }
    for Change { purl, now } in packages {
        text += &format!("  {purl} -> {now}\n");
    }
    text
}

fn as_json(outdated: &Outdated) -> Value {
    let Outdated { step, documents, packages } = outdated;
    let change = |change: &Change| json!({ "purl": change.purl, "now": change.now });
    json!({
        "stage": step.stage,
        "platform": step.platform.to_string(),
        "number": step.number,
        "of": step.of,
        "text": step.text,
        "documents": documents,
        "packages": packages.iter().map(change).collect::<Vec<_>>(),
    })
}
