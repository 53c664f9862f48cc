//! Who runs next, and how long all of it will take: decisions without threads and without a clock.
//!
//! ```text
//!   Work of each image ── forecast ──> ranks, expected ends
//!                                        │
//!   ask(rank, need) ──> Scheduler ── grant ──> tickets ── release
//! ```
//! The engine's builds ask for a permit for every step that runs; a forecast plays the same scheduler through with the
//! durations of earlier builds. So what is planned and what is done follow one rule.

mod forecast;
#[cfg(test)]
mod tests;

use std::cmp::Reverse;
use std::collections::{BTreeMap, HashMap};

pub use forecast::{Forecast, Work, forecast};

/// What all steps together may use.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Budget {
    /// Steps that run at once; at least one.
    pub jobs: usize,
    /// Bytes of memory, where that is bounded.
    pub memory: Option<u64>,
    /// Thousandths of a processor, where that is bounded.
    pub millicpus: Option<u64>,
}

impl Budget {
    /// So many steps at once, and no other bound.
    pub fn jobs(jobs: usize) -> Budget {
        Budget { jobs: jobs.max(1), memory: None, millicpus: None }
    }
}

/// What one step may use: its image's limits. A step without limits counts for nothing but a job.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Need {
    /// Bytes of memory.
    pub memory: u64,
    /// Thousandths of a processor.
    pub millicpus: u64,
}

/// How urgent a step is; the larger goes first.
pub type Rank = u64;

/// Somebody who waits or runs, numbered as they came.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Ticket(u64);

/// Of those that wait, so many of the most urgent are looked at for one that fits.
const LOOKED_AT: usize = 64;

/// So many times as many grants as there are jobs may go to others before the one that has waited longest is next.
const TURNS: usize = 16;

/// So many may go past the most urgent one when there is no room for it; then room is made.
const PAST: usize = 4;

/// Gives permits to those who wait: the most urgent first, as far as there is room.
///
/// Nobody starves. Whoever has waited longest goes next after a bounded number of others, and if there is no room for it,
/// nobody else goes until there is.
#[derive(Debug)]
pub struct Scheduler {
    budget: Budget,
    running: HashMap<Ticket, Need>,
    used: Need,
    /// By age.
    waiting: BTreeMap<Ticket, (Rank, Need)>,
    /// By urgency, then age.
    urgent: BTreeMap<(Reverse<Rank>, Ticket), Need>,
    next: u64,
    /// Who has waited longest, and how many have gone before it since.
    eldest: Option<(Ticket, usize)>,
    /// The most urgent one that there was no room for, and how many have gone past it since.
    held_up: Option<(Ticket, usize)>,
}

impl Scheduler {
    /// Nobody runs and nobody waits.
    pub fn new(budget: Budget) -> Scheduler {
        Scheduler {
            budget: Budget { jobs: budget.jobs.max(1), ..budget },
            running: HashMap::new(),
            used: Need::default(),
            waiting: BTreeMap::new(),
            urgent: BTreeMap::new(),
            next: 0,
            eldest: None,
            held_up: None,
        }
    }

    /// Somebody comes to wait. Who needs more than there is, gets all there is.
    pub fn ask(&mut self, rank: Rank, need: Need) -> Ticket {
        let need = Need {
            memory: need.memory.min(self.budget.memory.unwrap_or(u64::MAX)),
            millicpus: need.millicpus.min(self.budget.millicpus.unwrap_or(u64::MAX)),
        };
        let ticket = Ticket(self.next);
        self.next += 1;
        self.waiting.insert(ticket, (rank, need));
        self.urgent.insert((Reverse(rank), ticket), need);
        ticket
    }

    /// The next one that may run. To be called until it answers `None`, whenever somebody came or went.
    pub fn grant(&mut self) -> Option<Ticket> {
        if self.running.len() >= self.budget.jobs {
            return None;
        }
        let (&eldest, &(_, need)) = self.waiting.first_key_value()?;
        let passed = match self.eldest {
            Some((known, passed)) if known == eldest => passed,
            _ => 0,
        };
        self.eldest = Some((eldest, passed));
        if passed >= TURNS * self.budget.jobs {
            return self.fits(need).then(|| self.give(eldest));
        }
        let (chosen, held_up) = self.most_urgent();
        match (chosen, held_up) {
            (Some(chosen), Some(first)) => {
                let past = match self.held_up {
                    Some((known, past)) if known == first => past,
                    _ => 0,
                };
                if past >= PAST * self.budget.jobs {
                    return None;
                }
                self.held_up = Some((first, past + 1));
                Some(self.give(chosen))
            }
            (Some(chosen), None) => Some(self.give(chosen)),
            (None, _) => None,
        }
    }

    /// Somebody who ran has ended, or one who waits does so no more.
    pub fn release(&mut self, ticket: Ticket) {
        if let Some(need) = self.running.remove(&ticket) {
            self.used.memory -= need.memory;
            self.used.millicpus -= need.millicpus;
        } else if let Some((rank, _)) = self.waiting.remove(&ticket) {
            self.urgent.remove(&(Reverse(rank), ticket));
        }
    }

    /// How many run.
    pub fn running(&self) -> usize {
        self.running.len()
    }

    /// What those that run may use together.
    pub fn used(&self) -> Need {
        self.used
    }

    /// The most urgent one that there is room for, and the one before it that there is none for.
    fn most_urgent(&self) -> (Option<Ticket>, Option<Ticket>) {
        let mut held_up = None;
        for (&(_, ticket), &need) in self.urgent.iter().take(LOOKED_AT) {
            if self.fits(need) {
                return (Some(ticket), held_up);
            }
            held_up.get_or_insert(ticket);
        }
        (None, held_up)
    }

    fn fits(&self, need: Need) -> bool {
        let within = |used: u64, more: u64, most: Option<u64>| {
            most.is_none_or(|most| used.checked_add(more).is_some_and(|sum| sum <= most))
        };
        within(self.used.memory, need.memory, self.budget.memory)
            && within(self.used.millicpus, need.millicpus, self.budget.millicpus)
    }

    fn give(&mut self, ticket: Ticket) -> Ticket {
        if let Some((rank, need)) = self.waiting.remove(&ticket) {
            self.urgent.remove(&(Reverse(rank), ticket));
            // Without a bound nothing is counted, so nothing overflows.
            let need = Need {
                memory: self.budget.memory.map_or(0, |_| need.memory),
                millicpus: self.budget.millicpus.map_or(0, |_| need.millicpus),
            };
            self.used.memory += need.memory;
            self.used.millicpus += need.millicpus;
            self.running.insert(ticket, need);
        }
        if let Some((eldest, passed)) = &mut self.eldest
            && *eldest != ticket
        {
            *passed += 1;
        }
        ticket
    }
}
