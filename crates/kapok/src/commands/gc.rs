//! `kapok gc`.

use build::engine::{CacheMount, cache_mounts, remove_cache_mounts};
use oci::store::{GcReport, Store};

use crate::cli::house::Gc;
use crate::exit::Exit;
use crate::failure::Failure;
use crate::program::Program;
use crate::ui::format::{counted, size};

/// What is kept where nobody says how much: a working set of some dozens of images.
const DEFAULT_BUDGET: u64 = 20 << 30;

/// The part of the budget that caches have before anything else: they are what is dearest to make again. What results
/// and downloads leave of the rest is theirs too.
const CACHES_SHARE: u64 = 4;

/// Verifies or frees.
pub fn run(program: &Program, arguments: &Gc) -> Result<Exit, Failure> {
    let settings = program.settings()?;
    let store = program.store(&settings)?;
    if arguments.verify {
        return verify(program, &store);
    }
    let budget = arguments.keep_storage.or(settings.keep_storage).map_or(DEFAULT_BUDGET, |size| size.0);
    let report = collect(&store, budget, arguments.dry_run)?;
    let done = if arguments.dry_run { "would free" } else { "freed" };
    program.data(&format!(
        "{done} {} ({}, {}, {}, {}, {}); {} remain\n",
        size(report.store.freed + report.freed_caches.1),
        counted(report.store.layers, "layer"),
        counted(report.store.blobs, "blob"),
        counted(report.store.steps, "result"),
        counted(report.store.builds, "build"),
        counted(report.freed_caches.0, "cache"),
        size(report.store.kept + report.kept_caches),
    ))?;
    Ok(Exit::Done)
}

/// What went and what stayed.
struct Collected {
    store: GcReport,
    /// How many caches, and their bytes.
    freed_caches: (u64, u64),
    kept_caches: u64,
}

/// Frees what exceeds the budget: of everything, what was used longest ago.
fn collect(store: &Store, budget: u64, dry_run: bool) -> Result<Collected, Failure> {
    let caches = cache_mounts(store)?;
    let (first, others) = caches.split_at(fitting(&caches, budget / CACHES_SHARE));
    let rest = Some(budget.saturating_sub(bytes(first)));
    let report = if dry_run { store.gc_preview(rest)? } else { store.gc(rest)? };
    let (_, unwanted) = others.split_at(fitting(others, report.left));
    let freed_caches = match dry_run {
        true => (unwanted.len() as u64, bytes(unwanted)),
        false => remove_cache_mounts(store, unwanted)?,
    };
    let kept_caches = bytes(&caches).saturating_sub(freed_caches.1);
    Ok(Collected { store: report, freed_caches, kept_caches })
}

/// How many of the caches, from the one used last, have room.
fn fitting(caches: &[CacheMount], room: u64) -> usize {
    let mut taken: u64 = 0;
    let fits = |cache: &&CacheMount| {
        taken = taken.saturating_add(cache.bytes);
        taken <= room
    };
    caches.iter().take_while(fits).count()
}

fn bytes(caches: &[CacheMount]) -> u64 {
    caches.iter().map(|cache| cache.bytes).sum()
}

fn verify(program: &Program, store: &Store) -> Result<Exit, Failure> {
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
