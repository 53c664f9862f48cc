//! A hundred clients at once, each a process of its own, that pull from one `kapok serve` and push to another.

use std::fs;
use std::sync::Mutex;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use super::fixture::{Here, LIMIT, Served};
use crate::command;
use crate::real::{Test, Trouble, World, ensure};

pub const TESTS: &[Test] = &[("a hundred clients at once", in_ci)];

/// Clients at once.
const CLIENTS: u64 = 100;

/// Kilobytes that a server may have more at the end than at half time: what the allocator keeps.
const GROWTH: u64 = 24 << 10;

fn in_ci(world: &World) -> Result<(), Trouble> {
    crowd(world, Duration::from_secs(30))
}

/// Lets them come again and again for this long: no error, no wrong byte, and memory that stays as it is.
pub fn crowd(world: &World, time: Duration) -> Result<(), Trouble> {
    let here = Here::new(world.place("crowd")?);
    let there = here.other("there");
    let (from, to) = (here.serve(&["-q"])?, there.serve(&["-q"])?);
    let source = from.name("team/app:1");
    let digest = here.image(&[&source])?;
    here.ok(&["push", "-q", &source])?;
    let start = Instant::now();
    let (count, half) = (AtomicU64::new(0), AtomicU64::new(0));
    let trouble = Mutex::new(None);
    std::thread::scope(|scope| {
        for client in 0..CLIENTS {
            let (here, source, digest, to) = (&here, &source, &digest, &to);
            let (count, half, trouble) = (&count, &half, &trouble);
            scope.spawn(move || {
                for round in 0.. {
                    let over =
                        start.elapsed() > time || trouble.lock().is_ok_and(|trouble| trouble.is_some());
                    if over {
                        return;
                    }
                    if start.elapsed() > time / 2 {
                        let _ = half.compare_exchange(0, resident(to), Ordering::Relaxed, Ordering::Relaxed);
                    }
                    let target = to.name(&format!("client-{client}/app:{round}"));
                    if let Err(report) = copy(here, source, &target, digest)
                        && let Ok(mut trouble) = trouble.lock()
                    {
                        *trouble = Some(report);
                    }
                    count.fetch_add(1, Ordering::Relaxed);
                }
            });
        }
    });
    if let Ok(Some(trouble)) = trouble.into_inner() {
        return Err(trouble);
    }
    let (count, half, end) = (count.into_inner(), half.into_inner(), resident(&to));
    println!(
        "{count} images copied by {CLIENTS} clients; the server has {half} kB at half time, {end} kB at the end"
    );
    ensure(count >= CLIENTS, || format!("only {count} images were copied"))?;
    ensure(end <= half + half / 4 + GROWTH, || format!("memory grows from {half} kB to {end} kB"))?;
    drop((from, to));
    here.place.verify()?;
    there.place.verify()
}

fn copy(here: &Here<'_>, source: &str, target: &str, digest: &str) -> Result<(), Trouble> {
    let mut copy = here.command();
    let outcome = command::run(copy.args(["copy", "-q", source, target]), LIMIT)?;
    ensure(outcome.success() && outcome.stdout.trim() == digest, || {
        format!("{target}: exit {}\n{}", outcome.code(), outcome.tail(10))
    })
}

/// Kilobytes of a server that are in memory and in no file.
fn resident(served: &Served) -> u64 {
    let text = fs::read_to_string(format!("/proc/{}/status", served.id())).unwrap_or_default();
    let line = text.lines().find_map(|line| line.strip_prefix("RssAnon:"));
    line.and_then(|line| line.split_whitespace().next()?.parse().ok()).unwrap_or_default()
}
