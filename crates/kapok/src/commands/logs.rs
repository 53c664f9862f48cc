//! `kapok logs`: what steps said, also of steps whose result was cached.

use std::collections::BTreeMap;
use std::io::{Read, Write};
use std::path::{Path, PathBuf};

use build::engine::StepReport;
use oci::store::Store;

use crate::cli::steps::Logs;
use crate::exit::Exit;
use crate::failure::Failure;
use crate::history;
use crate::program::Program;
use crate::ui::text::readable;

/// Prints the output of one step, or of all steps with a heading each.
pub fn run(program: &Program, arguments: &Logs) -> Result<Exit, Failure> {
    let store = program.store(&program.settings()?)?;
    if let Some(build) = history::running_here(program, &store, arguments.address.as_ref())? {
        let files = so_far(&store.logs_dir().join(&build.id));
        if !files.is_empty() {
            let wanted = arguments.address.as_ref().and_then(|address| address.step);
            return print_files(program, files, wanted);
        }
    }
    let past = history::find_here(program, &store, arguments.address.as_ref())?;
    if let Some(wanted) = arguments.address.as_ref().and_then(|address| address.step) {
        let output = output(&store, past.step(wanted)?)?.unwrap_or_default();
        print(program, &output)?;
        return Ok(Exit::Done);
    }
    for step in &past.report.steps {
        if let Some(output) = output(&store, step)? {
            let heading =
                format!("#{} [{} {}/{}] {}\n", step.id.number(), step.stage, step.number, step.of, step.text);
            program.data(&heading)?;
            print(program, &output)?;
        }
    }
    Ok(Exit::Done)
}

/// The files with what the steps of a build that runs have said until now, by number.
fn so_far(logs: &Path) -> BTreeMap<u32, PathBuf> {
    let number = |path: &Path| path.file_stem()?.to_str()?.parse::<u32>().ok();
    // Before the first output there is no directory.
    let entries = std::fs::read_dir(logs).into_iter().flatten().flatten();
    entries.filter_map(|entry| Some((number(&entry.path())?, entry.path()))).collect()
}

/// What the steps are is known when the build has ended; until then they have numbers.
fn print_files(
    program: &Program,
    files: BTreeMap<u32, PathBuf>,
    wanted: Option<u32>,
) -> Result<Exit, Failure> {
    for (number, path) in files {
        if wanted.is_some_and(|wanted| wanted != number) {
            continue;
        }
        if wanted.is_none() {
            program.data(&format!("#{number}\n"))?;
        }
        print(program, &std::fs::read(&path).map_err(Failure::file("read the log", &path))?)?;
    }
    Ok(Exit::Done)
}

/// From the build's own file, else from the record.
fn output(store: &Store, step: &StepReport) -> Result<Option<Vec<u8>>, Failure> {
    if let Some(bytes) = step.log.as_ref().and_then(|path| std::fs::read(path).ok()) {
        return Ok(Some(bytes));
    }
    let Some(record) = &step.record else { return Ok(None) };
    let Some(log) = store.record(record)?.log else { return Ok(None) };
    let mut bytes = Vec::new();
    let failed = Failure::file("read the log", store.blob_path(&log));
    store.open_blob(&log)?.read_to_end(&mut bytes).map_err(failed)?;
    Ok(Some(bytes))
}

/// As it is into files and pipes; a terminal gets no control sequences of somebody else's.
fn print(program: &Program, output: &[u8]) -> Result<(), Failure> {
    if program.terminal.stdout_is_terminal {
        let lines = output.split_inclusive(|byte| *byte == b'\n');
        let text: String = lines.map(|line| readable(line) + "\n").collect();
        return program.data(&text);
    }
    let mut stdout = std::io::stdout().lock();
    stdout.write_all(output).map_err(Failure::Output)?;
    if !output.is_empty() && !output.ends_with(b"\n") {
        stdout.write_all(b"\n").map_err(Failure::Output)?;
    }
    stdout.flush().map_err(Failure::Output)
}
