//! `kapok gc`.

use crate::cli::house::Gc;
use crate::exit::Exit;
use crate::failure::Failure;
use crate::program::Program;
use crate::ui::format::{counted, size};

/// Results of steps that are kept, where nobody says how much: a working set of some dozens of images.
const DEFAULT_BUDGET: u64 = 20 << 30;

/// Verifies or frees.
pub fn run(program: &Program, arguments: &Gc) -> Result<Exit, Failure> {
    let settings = program.settings()?;
    let store = program.store(&settings)?;
    if arguments.verify {
        return verify(program, &store);
    }
    let budget = arguments.keep_storage.or(settings.keep_storage).map_or(DEFAULT_BUDGET, |size| size.0);
    let report = if arguments.dry_run { store.gc_preview(Some(budget))? } else { store.gc(Some(budget))? };
    let done = if arguments.dry_run { "would free" } else { "freed" };
    program.data(&format!(
        "{done} {} ({}, {}, {}, {}); {} remain\n",
        size(report.freed),
        counted(report.layers, "layer"),
        counted(report.blobs, "blob"),
        counted(report.steps, "result"),
        counted(report.builds, "build"),
        size(report.kept),
    ))?;
    Ok(Exit::Done)
}

fn verify(program: &Program, store: &oci::store::Store) -> Result<Exit, Failure> {
    let threads = std::thread::available_parallelism().map_or(1, usize::from);
    let report = store.verify(threads)?;
    for finding in &report.findings {
        program.data(&format!("{finding}\n"))?;
    }
    program.say(&format!(
        "checked {} and {}: {}",
        counted(report.blobs, "blob"),
        counted(report.layers, "layer"),
        if report.findings.is_empty() {
            "clean".to_owned()
        } else {
            counted(report.findings.len() as u64, "finding")
        },
    ));
    Ok(if report.findings.is_empty() { Exit::Done } else { Exit::No })
}
