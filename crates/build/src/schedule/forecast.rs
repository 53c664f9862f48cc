//! What a project's images need of each other and how long they took, turned into ranks and expected ends.
//!
//! The critical path goes first: an image is as urgent as the longest way from it to the end of everything. That order is
//! good for almost all graphs and bad for a few, so some others are played through too, and the best is taken; the order in
//! which the images are written is among them, and none is ever worse than that one.

use std::cmp::Reverse;
use std::collections::{BinaryHeap, HashMap};

use super::{Budget, Need, Rank, Scheduler, Ticket};

/// One image, as far as a forecast goes.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Work {
    /// The images that it stands on, by position.
    pub needs: Vec<usize>,
    /// How long it takes, in milliseconds.
    pub millis: u64,
    /// What its steps may use.
    pub need: Need,
}

/// What will happen, if everything takes as long as expected.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Forecast {
    /// How urgent each image is.
    pub ranks: Vec<Rank>,
    /// When each image ends, in milliseconds from the start.
    pub ends: Vec<u64>,
    /// When the last one ends.
    pub makespan: u64,
    /// No order is faster than this: the longest chain, or all work spread evenly.
    pub bound: u64,
    /// The images in an order in which each comes after those that it needs, urgent ones early.
    pub order: Vec<usize>,
}

/// Orders that are tried for graphs of at most so many images; larger ones even out by themselves.
const TRIED_UP_TO: usize = 200;
/// Variations of the order are tried until so many images were played through: the smaller a graph, the further from the
/// bound a bad order can be, and the cheaper it is to look for a better one.
const PLAYED: usize = 10_000;

/// Looks ahead. A need that leads in a circle or nowhere counts for nothing.
pub fn forecast(works: &[Work], budget: Budget) -> Forecast {
    let graph = Graph::of(works);
    let tails = graph.tails(works);
    let heaviness = |work: &Work| {
        let share = |part: u64, most: Option<u64>| most.map_or(0.0, |most| part as f64 / most.max(1) as f64);
        let need = share(work.need.memory, budget.memory).max(share(work.need.millicpus, budget.millicpus));
        (work.millis as f64 * (1.0 + 4.0 * need.min(1.0))) as u64
    };
    let heavy: Vec<Work> =
        works.iter().map(|work| Work { millis: heaviness(work), ..work.clone() }).collect();
    let mut candidates = vec![
        tails.clone(),
        // First come, first served.
        vec![0; works.len()],
        works.iter().map(|work| work.millis).collect(),
        graph.tails(&heavy),
        heavy.iter().map(|work| work.millis).collect(),
    ];
    candidates.push(graph.weights(works));
    let mut best: Option<(u64, Vec<Rank>, Vec<u64>)> = None;
    let bound = bound(works, &tails, budget);
    let mut consider = |ranks: Vec<Rank>| {
        let ends = play(works, &graph, &ranks, budget);
        let makespan = ends.iter().copied().max().unwrap_or(0);
        if best.as_ref().is_none_or(|(known, ..)| makespan < *known) {
            best = Some((makespan, ranks, ends));
        }
        best.as_ref().is_some_and(|(known, ..)| *known <= bound)
    };
    let done = candidates.into_iter().any(&mut consider);
    if !done && works.len() <= TRIED_UP_TO {
        let mut seed = 0x9e37_79b9_7f4a_7c15;
        let variations = PLAYED / works.len().max(1);
        let _ = (0..variations).any(|_| consider(varied(&tails, &mut seed)));
    }
    let (makespan, ranks, ends) = best.unwrap_or_default();
    let order = graph.order(&ranks);
    Forecast { ranks, ends, makespan, bound, order }
}

/// Ranks that differ from the given ones by up to a third: another order of what is about as urgent.
fn varied(ranks: &[Rank], seed: &mut u64) -> Vec<Rank> {
    let mut next = || {
        // Marsaglia's xorshift: what matters is that it is the same every time.
        *seed ^= *seed << 13;
        *seed ^= *seed >> 7;
        *seed ^= *seed << 17;
        *seed
    };
    ranks.iter().map(|rank| rank - (u128::from(*rank) * u128::from(next() % 1000) / 3000) as u64).collect()
}

/// No schedule ends before this.
fn bound(works: &[Work], tails: &[u64], budget: Budget) -> u64 {
    let chain = tails.iter().copied().max().unwrap_or(0);
    let spread = |part: &dyn Fn(&Work) -> u64, most: u64| {
        let all: u128 =
            works.iter().map(|work| u128::from(work.millis) * u128::from(part(work).min(most))).sum();
        u64::try_from(all.div_ceil(u128::from(most.max(1)))).unwrap_or(u64::MAX)
    };
    let mut bound = chain.max(spread(&|_| 1, budget.jobs.max(1) as u64));
    // Of those that need more than half of something, no two run at once.
    let alone = |part: &dyn Fn(&Work) -> u64, most: u64| {
        let large = works.iter().filter(|work| part(work) > most / 2);
        large.fold(0u64, |sum, work| sum.saturating_add(work.millis))
    };
    if let Some(most) = budget.memory {
        let memory = |work: &Work| work.need.memory;
        bound = bound.max(spread(&memory, most)).max(alone(&memory, most));
    }
    if let Some(most) = budget.millicpus {
        let processors = |work: &Work| work.need.millicpus;
        bound = bound.max(spread(&processors, most)).max(alone(&processors, most));
    }
    bound
}

/// Who needs whom, both ways, in an order in which each comes after those that it needs.
struct Graph {
    needed_by: Vec<Vec<usize>>,
    needs: Vec<usize>,
    order: Vec<usize>,
}

impl Graph {
    fn of(works: &[Work]) -> Graph {
        let mut needed_by = vec![Vec::new(); works.len()];
        let mut needs = vec![0; works.len()];
        for (image, work) in works.iter().enumerate() {
            let mut known: Vec<usize> =
                work.needs.iter().copied().filter(|need| *need < works.len() && *need != image).collect();
            known.sort_unstable();
            known.dedup();
            needs[image] = known.len();
            known.into_iter().for_each(|need| needed_by[need].push(image));
        }
        let mut graph = Graph { needed_by, needs, order: Vec::with_capacity(works.len()) };
        graph.order = graph.order(&vec![0; works.len()]);
        graph
    }

    /// An order that keeps what is needed before what needs it, of several that could come next the most urgent first,
    /// else the first one. Images in a circle come last, as they stand.
    fn order(&self, ranks: &[Rank]) -> Vec<usize> {
        let mut missing = self.needs.clone();
        let key = |image: usize| (ranks.get(image).copied().unwrap_or(0), Reverse(image));
        let ready = missing.iter().enumerate().filter(|(_, missing)| **missing == 0);
        let mut ready: BinaryHeap<(Rank, Reverse<usize>)> = ready.map(|(image, _)| key(image)).collect();
        let mut order = Vec::with_capacity(missing.len());
        while let Some((_, Reverse(image))) = ready.pop() {
            order.push(image);
            for next in &self.needed_by[image] {
                missing[*next] -= 1;
                if missing[*next] == 0 {
                    ready.push(key(*next));
                }
            }
        }
        order.extend(missing.iter().enumerate().filter(|(_, missing)| **missing > 0).map(|(image, _)| image));
        order
    }

    /// For each image the longest way to the end, its own time included.
    fn tails(&self, works: &[Work]) -> Vec<u64> {
        let mut tails: Vec<u64> = works.iter().map(|work| work.millis).collect();
        for image in self.order.iter().rev() {
            let after = self.needed_by[*image].iter().map(|next| tails[*next]).max().unwrap_or(0);
            tails[*image] = works[*image].millis.saturating_add(after);
        }
        tails
    }

    /// Like tails, but what an image holds up counts in all its branches, the smaller ones less.
    fn weights(&self, works: &[Work]) -> Vec<u64> {
        let mut weights: Vec<u64> = works.iter().map(|work| work.millis).collect();
        for image in self.order.iter().rev() {
            let after = self.needed_by[*image].iter().map(|next| weights[*next]);
            let (most, all) =
                after.fold((0u64, 0u64), |(most, all), one| (most.max(one), all.saturating_add(one)));
            weights[*image] = works[*image].millis.saturating_add(most).saturating_add((all - most) / 8);
        }
        weights
    }
}

/// Plays a project through in virtual time; answers when each image ends.
fn play(works: &[Work], graph: &Graph, ranks: &[Rank], budget: Budget) -> Vec<u64> {
    let mut scheduler = Scheduler::new(budget);
    let mut missing = graph.needs.clone();
    let mut ends = vec![0; works.len()];
    let mut asked: HashMap<Ticket, usize> = HashMap::new();
    let mut running: BinaryHeap<Reverse<(u64, usize, Ticket)>> = BinaryHeap::new();
    let mut now = 0;
    for (image, work) in works.iter().enumerate().filter(|(image, _)| graph.needs[*image] == 0) {
        asked.insert(scheduler.ask(ranks[image], work.need), image);
    }
    loop {
        while let Some(ticket) = scheduler.grant() {
            if let Some(image) = asked.remove(&ticket) {
                running.push(Reverse((now + works[image].millis, image, ticket)));
            }
        }
        let Some(Reverse((end, image, ticket))) = running.pop() else { return ends };
        now = end;
        ends[image] = end;
        scheduler.release(ticket);
        for next in &graph.needed_by[image] {
            missing[*next] -= 1;
            if missing[*next] == 0 {
                asked.insert(scheduler.ask(ranks[*next], works[*next].need), *next);
            }
        }
    }
}
