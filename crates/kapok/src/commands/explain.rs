//! `kapok explain`: why a step ran, what it was given and what it wrote. Everything here is a view of its record.

mod allow_list;
mod intakes;

use build::engine::{StepReport, StepState};
use oci::record::{Intake, Record};
use oci::store::Store;
use serde_json::json;

use crate::changes;
use crate::cli::Format;
use crate::cli::steps::Explain;
use crate::clock;
use crate::exit::Exit;
use crate::failure::Failure;
use crate::history::{self, Past};
use crate::judging;
use crate::program::Program;
use crate::ui::format::{counted, duration, size};
use crate::ui::table::table;

/// Explains one step, or lists all of them.
pub fn run(program: &Program, arguments: &Explain) -> Result<Exit, Failure> {
    let rule = policy::rules::find(&arguments.address.image).filter(|_| arguments.address.step.is_none());
    if let Some(rule) = rule {
        program.data(&policy::render::page(rule))?;
        return Ok(Exit::Done);
    }
    let store = program.store(&program.settings()?)?;
    let past = history::find_here(program, &store, Some(&arguments.address))?;
    if arguments.allow_list {
        program.data(&allow_list::yaml(&fetched(&store, &past, arguments.address.step)?))?;
        return Ok(Exit::Done);
    }
    let text = match (arguments.address.step, arguments.format) {
        (None, Format::Table) => {
            let overruled = judging::overruled_words(&past.report).map(|words| words + "\n");
            ending(&past) + &overruled.unwrap_or_default() + &overview(&store, &past)?
        }
        (None, Format::Json) => {
            let intakes = intakes_of_all(&store, &past)?;
            let overruled = judging::overruled_json(&past.report);
            pretty(&json!({
                "build": past.build.id,
                "overruled": overruled,
                "steps": past.report.steps,
                "intakes": intakes,
            }))
        }
        (Some(number), format) => {
            let step = past.step(number)?;
            let record = record(&store, step)?;
            match (format, record) {
                (Format::Json, record) => pretty(&json!({ "step": step, "record": record })),
                (Format::Table, Some(record)) => one(step, &record, &why(&store, &past, step)?, clock::now()),
                (Format::Table, None) => format!("{}\n{}\n", step.text, state(step)),
            }
        }
    };
    program.data(&text)?;
    Ok(Exit::Done)
}

fn pretty(value: &serde_json::Value) -> String {
    serde_json::to_string_pretty(value).unwrap_or_default() + "\n"
}

fn record(store: &Store, step: &StepReport) -> Result<Option<Record>, Failure> {
    Ok(step.record.as_ref().map(|digest| store.record(digest)).transpose()?)
}

/// What one step fetched, or all of them, with their numbers.
fn fetched(store: &Store, past: &Past, number: Option<u32>) -> Result<Vec<(u32, Intake)>, Failure> {
    let mut all = Vec::new();
    for step in past.report.steps.iter().filter(|step| number.is_none_or(|number| step.id.number() == number))
    {
        let intakes = record(store, step)?.map(|record| record.intakes).unwrap_or_default();
        all.extend(intakes.into_iter().map(|intake| (step.id.number(), intake)));
    }
    Ok(all)
}

/// What all steps fetched, each intake with its step's number.
fn intakes_of_all(store: &Store, past: &Past) -> Result<Vec<serde_json::Value>, Failure> {
    let mut all = Vec::new();
    for step in &past.report.steps {
        for intake in record(store, step)?.map(|record| record.intakes).unwrap_or_default() {
            let mut value = serde_json::to_value(&intake).unwrap_or_default();
            value["step"] = step.id.number().into();
            all.push(value);
        }
    }
    Ok(all)
}

fn state(step: &StepReport) -> &'static str {
    match step.state {
        StepState::Pending | StepState::Cancelled => "not reached",
        StepState::Due => "due",
        StepState::Metadata => "configuration",
        StepState::Cached => "cached",
        StepState::Ran => "ran",
        StepState::Failed => "failed",
    }
}

/// How the build of a project's image ended.
fn ending(past: &Past) -> String {
    let told = crate::story::Told::of(past.build.clone());
    let Some(report) = &told.report else { return String::new() };
    let reason = report.reason.map_or_else(String::new, |reason| format!(" ({reason})"));
    let message = if report.message.is_empty() { String::new() } else { format!(": {}", report.message) };
    format!("{} {}{reason}{message}\n\n", past.build.name, report.state)
}

fn overview(store: &Store, past: &Past) -> Result<String, Failure> {
    let mut rows = Vec::new();
    for step in &past.report.steps {
        let record = record(store, step)?;
        let why = match &record {
            Some(_) if step.state == StepState::Ran => {
                let all = why(store, past, step)?;
                let more = match all.len().saturating_sub(changes::FEW) {
                    0 => String::new(),
                    more => format!("; and {more} more"),
                };
                all.iter().take(changes::FEW).cloned().collect::<Vec<_>>().join("; ") + &more
            }
            _ => String::new(),
        };
        let time = std::time::Duration::from_millis(step.wall_ms);
        rows.push(vec![
            format!("#{}", step.id.number()),
            state(step).to_owned(),
            if step.state == StepState::Ran { duration(time) } else { String::new() },
            if step.layer.is_some() { size(step.written) } else { String::new() },
            record.map_or_else(String::new, |record| intakes::summary(&record.intakes)),
            crate::ui::text::cut(&format!("[{} {}/{}] {}", step.stage, step.number, step.of, step.text), 60),
            why,
        ]);
    }
    Ok(table(&["STEP", "STATE", "TIME", "WROTE", "FETCHED", "INSTRUCTION", "WHY"], &rows))
}

/// What changed since the build before, file by file.
fn why(store: &Store, past: &Past, step: &StepReport) -> Result<Vec<String>, Failure> {
    if step.state != StepState::Ran {
        return Ok(vec!["the same inputs were seen before".to_owned()]);
    }
    let Some(before) = history::before(store, past)? else {
        return Ok(vec!["the first build of this name".to_owned()]);
    };
    let Some(old) = changes::same_step(&before.report, step) else {
        return Ok(vec!["it is new".to_owned()]);
    };
    let changes = changes::between(store, usize::MAX, (&before.report, old), (&past.report, step));
    Ok(match changes.as_slice() {
        [] => vec!["nothing changed: `--no-cache`, or its result is gone".to_owned()],
        _ => changes,
    })
}

fn one(step: &StepReport, record: &Record, why: &[String], now: i64) -> String {
    let mut text = format!("{}\n\n", record.instruction);
    let mut line = |title: &str, value: String| text += &format!("{title:<15}{value}\n");
    line("state", state(step).to_owned());
    for (number, reason) in why.iter().enumerate() {
        line(if number == 0 { "why" } else { "" }, reason.clone());
    }
    line("key", record.key.to_string());
    line("below", record.parent.to_string());
    if let Some(layer) = &record.layer {
        line("layer", layer.to_string());
    }
    line("wrote", format!("{}, {}", counted(record.written.files, "path"), size(record.written.bytes)));
    let usage = &record.usage;
    let time = |millis| duration(std::time::Duration::from_millis(millis));
    line(
        "took",
        format!(
            "{} ({} user, {} system), {} of memory at most",
            time(usage.wall_ms),
            time(usage.user_ms),
            time(usage.system_ms),
            size(usage.max_rss_bytes)
        ),
    );
    list(&mut text, "unobserved", &record.unobserved);
    list(&mut text, "unreproducible", &record.unreproducible);
    let fetched: Vec<String> = record.intakes.iter().flat_map(|intake| intakes::lines(intake, now)).collect();
    if !fetched.is_empty() {
        list(&mut text, "fetched", &[intakes::summary(&record.intakes)]);
        list(&mut text, "", &fetched);
    }
    let treated: Vec<String> =
        record.normalised.iter().map(|one| format!("/{}: {}", one.path, one.reason)).collect();
    list(&mut text, "normalised", &treated);
    list(&mut text, "warnings", &record.warnings);
    let inputs: Vec<String> = record.inputs.iter().map(|(name, value)| format!("{name}: {value}")).collect();
    list(&mut text, "inputs", &inputs);
    text
}

fn list(text: &mut String, title: &str, items: &[String]) {
    for (position, item) in items.iter().enumerate() {
        let title = if position == 0 { title } else { "" };
        *text += &format!("{title:<15}{}\n", crate::ui::text::cut(&readable(item), 240));
    }
}

/// A value of several lines, or with escapes, on one line.
fn readable(item: &str) -> String {
    crate::ui::text::readable(item.replace('\n', "⏎").as_bytes())
}
