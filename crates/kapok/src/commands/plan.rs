//! `kapok plan`: what a build would do.

mod indexes;
mod outdated;
mod project;

use std::sync::Arc;

use build::engine::{self, Cancel, Doors, Event, Events};
use build::plan::Plan;
use serde_json::{Value, json};

use super::build::context::Means;
use super::build::{Meaning, failed, request, settings_directory, words_mean};
use crate::cli::Format;
use crate::cli::build::Plan as Arguments;
use crate::exit::Exit;
use crate::failure::Failure;
use crate::fetch::HttpFetch;
use crate::git::GitCommand;
use crate::program::Program;
use crate::registry::images::RegistryImages;
use crate::ui::plain;

/// Warnings go to the user; there are no other events of a plan.
struct Warnings<'a>(&'a Program);

impl Events for Warnings<'_> {
    fn event(&self, event: Event) {
        if let Event::Warning { message, .. } = event {
            self.0.say(&plain::warning(&message));
        }
    }
}

/// Plans, and prints the plan of each platform.
pub fn run(program: &Program, arguments: &Arguments) -> Result<Exit, Failure> {
    let input = &arguments.input;
    let alone = input.file.is_some() || input.target.is_some() || input.from.is_some() || arguments.refresh;
    if let Meaning::Project(loaded) = words_mean(program, &input.context, alone)? {
        return project::run(program, arguments, &loaded);
    }
    let settings = program.settings_for(&settings_directory(program, &arguments.input.context))?;
    let store = Arc::new(program.store(&settings)?);
    let (fetch, git) = (HttpFetch::new(&program.environment), GitCommand::new(&program.environment));
    let means = Means { store: &store, fetch: &fetch, git: &git, directory: &program.environment.directory };
    let prepared = request::prepare(program, &arguments.input, &settings, &means)?;
    let (registries, warnings) = (program.registries(&settings), Warnings(program));
    let images = RegistryImages::new(&registries, &store, &warnings, Cancel::default());
    let doors = Doors {
        store: &store,
        spawner: None,
        fetch: &fetch,
        git: &git,
        upstream: Some(&images),
        cache: None,
        layers: None,
        gateway: None,
        judge: None,
        materials: None,
        events: &warnings,
        cancel: Cancel::default(),
    };
    let plans = engine::plans(&prepared.request, &doors)
        .map_err(|error| failed::explain(error, &prepared.request.source))?;
    if arguments.refresh {
        let refreshing =
            outdated::Refreshing { program, settings: &settings, store: &store, events: &warnings };
        program.data(&outdated::text(&refreshing, &plans, arguments.format)?)?;
        return Ok(Exit::Done);
    }
    let text = match arguments.format {
        Format::Table => plans.iter().map(ToString::to_string).collect::<Vec<_>>().join("\n"),
        Format::Json => {
            let plans: Vec<Value> = plans.iter().map(as_json).collect();
            serde_json::to_string_pretty(&plans).unwrap_or_default() + "\n"
        }
    };
    program.data(&text)?;
    Ok(Exit::Done)
}

/// Stages and steps; what a step does in detail is in the text form, which is for reading.
fn as_json(plan: &Plan) -> Value {
    let stages: Vec<Value> = plan
        .stages
        .iter()
        .map(|stage| {
            let steps: Vec<Value> = stage
                .steps
                .iter()
                .map(|step| {
                    json!({ "number": step.number, "of": step.of, "text": step.text, "layer": step.makes_layer() })
                })
                .collect();
            json!({
                "name": stage.label(),
                "platform": stage.platform.to_string(),
                "from": stage.base.to_string(),
                "source_date_epoch": stage.epoch,
                "steps": steps,
                "config": stage.config,
            })
        })
        .collect();
    json!({ "platform": plan.platform.to_string(), "stages": stages })
}
