//! Asks the rules: of a large repository on several threads, with the same answer in the same order.

use std::num::NonZeroUsize;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;

use crate::facts::Facts;
use crate::rule::{Rule, Sink};
use crate::standards::Standards;

/// So few texts are judged before other threads have begun.
const FEW_FILES: usize = 100;
/// Some rules take much longer than others; more threads would wait for those.
const MAX_THREADS: usize = 8;

/// What every rule says, in the order of the rules. A large repository's are asked on all processors: each looks at all facts and
/// changes none.
pub(crate) fn all<'s>(
    facts: &Facts,
    standards: &'s Standards,
    asked: &[(&'static Rule, crate::Level)],
) -> Vec<Sink<'s>> {
    let ask = |rule: &Rule| {
        let mut sink = Sink::new(standards);
        (rule.judge)(facts, &mut sink);
        sink
    };
    let threads = thread::available_parallelism().map_or(1, NonZeroUsize::get).min(MAX_THREADS);
    if threads == 1 || facts.sources().nth(FEW_FILES).is_none() {
        return asked.iter().map(|(rule, _)| ask(rule)).collect();
    }
    let next = AtomicUsize::new(0);
    let work = || {
        let mut own = Vec::new();
        loop {
            let index = next.fetch_add(1, Ordering::Relaxed);
            let Some((rule, _)) = asked.get(index) else { break own };
            own.push((index, ask(rule)));
        }
    };
    let mut all: Vec<(usize, Sink<'s>)> = thread::scope(|scope| {
        let helpers: Vec<_> = (1..threads).map(|_| scope.spawn(work)).collect();
        let mut all = work();
        for helper in helpers {
            // A rule's panic is this thread's, as it would be without helpers.
            all.extend(helper.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic)));
        }
        all
    });
    all.sort_by_key(|(index, _)| *index);
    all.into_iter().map(|(_, sink)| sink).collect()
}
