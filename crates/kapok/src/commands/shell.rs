//! `kapok shell`: a shell where a step stands.

use std::ffi::OsString;
use std::io::IsTerminal;

use build::engine::{Snapshot, StepReport};
use oci::LayerId;
use oci::store::{Store, StoreError};

use super::run::{Place, find, split};
use crate::cli::steps::Shell;
use crate::cli::values::StepAddress;
use crate::exit::Exit;
use crate::failure::Failure;
use crate::foreground;
use crate::history;
use crate::program::Program;
use crate::snapshot;

/// Opens the shell; what is written in it is discarded.
pub fn run(program: &Program, arguments: &Shell) -> Result<Exit, Failure> {
    let store = program.store(&program.settings()?)?;
    let (snapshot, mut place) = match &arguments.address {
        None => before_failure(program, &store)?,
        Some(address) if address.step.is_some() || address.image.is_empty() => {
            after_step(program, &store, address)?
        }
        Some(address) => in_image(program, &store, address)?,
    };
    if !arguments.command.is_empty() {
        place.args = arguments.command.clone();
    }
    let typed = std::io::stdin().is_terminal();
    place.terminal = typed && program.terminal.stdout_is_terminal;
    if let (true, Some(term)) = (place.terminal, program.environment.text("TERM")) {
        place.env.push(("TERM".into(), term.into()));
    }
    let work = snapshot.work_dir(&store, 0)?;
    let spec = place.spec(&snapshot, &work)?;
    foreground::run(program, &spec, true)
}

fn before_failure(program: &Program, store: &Store) -> Result<(Snapshot, Place), Failure> {
    let step = history::last_failure(store)?;
    program.say(&format!("before #{} {}", step.id.number(), step.text));
    Ok((layers(store, &step.below)?, place(&step)))
}

fn after_step(program: &Program, store: &Store, address: &StepAddress) -> Result<(Snapshot, Place), Failure> {
    let past = history::find_here(program, store, Some(address))?;
    let step = match address.step {
        Some(number) => past.step(number)?,
        None => past.report.steps.last().ok_or_else(|| Failure::usage("the build has no steps"))?,
    };
    Ok((layers(store, &past.snapshot_after(step)?)?, place(step)))
}

fn in_image(program: &Program, store: &Store, address: &StepAddress) -> Result<(Snapshot, Place), Failure> {
    let image = find(store, &address.image, None)?;
    let execution = &image.config.value().config;
    let shell = execution.shell.iter().flatten().next().map_or("/bin/sh", String::as_str);
    let place = Place {
        args: vec![shell.into()],
        env: split(&execution.env),
        cwd: execution.working_dir.clone(),
        user: execution.user.clone(),
        terminal: false,
    };
    Ok((Snapshot::new(snapshot::of_image(program, store, &image)?), place))
}

fn layers(store: &Store, ids: &[LayerId]) -> Result<Snapshot, Failure> {
    let layer = |id: &LayerId| Ok(store.layer(id)?.ok_or(StoreError::NoLayer(*id))?);
    Ok(Snapshot::new(ids.iter().map(layer).collect::<Result<Vec<_>, Failure>>()?))
}

/// As the step's own command would be started; a step that runs none gets root's place.
fn place(step: &StepReport) -> Place {
    let (env, cwd, user) = match &step.run {
        Some(run) => {
            let text = |text: &String| OsString::from(text);
            let env = run.env.iter().map(|(name, value)| (text(name), text(value))).collect();
            (env, run.cwd.clone(), run.user.clone())
        }
        None => (Vec::new(), String::new(), String::new()),
    };
    Place { args: vec!["/bin/sh".into()], env, cwd, user, terminal: false }
}
