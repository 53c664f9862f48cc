//! The scheduler under random projects, in virtual time.

use std::collections::BTreeMap;
use std::time::Instant;

use super::*;

/// Marsaglia's xorshift: the same numbers in every run.
struct Random(u64);

impl Random {
    fn next(&mut self) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0
    }

    fn below(&mut self, most: u64) -> u64 {
        self.next() % most.max(1)
    }

    fn unit(&mut self) -> f64 {
        (self.next() >> 11) as f64 / (1u64 << 53) as f64
    }
}

const GIB: u64 = 1 << 30;

/// A project as they are: a few bases, families on them, durations from seconds to an hour, some with limits.
fn project(random: &mut Random, images: usize) -> (Vec<Work>, Budget) {
    let shape = random.below(4);
    let limited = random.below(2) == 0;
    let mut works: Vec<Work> = Vec::with_capacity(images);
    for image in 0..images as u64 {
        let parents = match shape {
            _ if image == 0 => 0,
            0 => random.below(2),
            1 => 1,
            2 => random.below(3),
            _ => u64::from(random.below(10) > 0),
        };
        let reach = match shape {
            1 => 1 + image / 4,
            3 => image.min(12),
            _ => image,
        };
        let needs = (0..parents).map(|_| (image - 1 - random.below(reach.min(image))) as usize).collect();
        // Most take seconds, few take many minutes.
        let millis = (1000.0 * (random.unit() * 7.0).exp()) as u64;
        let need = match limited {
            true => Need { memory: (1 + random.below(4)) * GIB / 2, millicpus: 250 * (1 + random.below(8)) },
            false => Need::default(),
        };
        works.push(Work { needs, millis, need });
    }
    let jobs = 1 + random.below(16) as usize;
    let budget = match limited {
        true => {
            Budget { jobs, memory: Some((2 + jobs as u64) * GIB), millicpus: Some(2000 + jobs as u64 * 1000) }
        }
        false => Budget::jobs(jobs),
    };
    (works, budget)
}

/// What a run in virtual time showed.
struct Run {
    makespan: u64,
    /// The most that went before the one who had waited longest.
    overtaken: usize,
}

/// Runs a project with durations that may differ from the expected ones, and watches the limits at every moment.
fn run(works: &[Work], actual: &[u64], ranks: &[Rank], budget: Budget) -> Run {
    let mut scheduler = Scheduler::new(budget);
    let mut asked: BTreeMap<Ticket, usize> = BTreeMap::new();
    let mut eldest: Option<(Ticket, usize)> = None;
    let mut running: Vec<(u64, usize, Ticket)> = Vec::new();
    let mut missing: Vec<usize> = works.iter().map(|work| unique(&work.needs).len()).collect();
    let mut needed_by = vec![Vec::new(); works.len()];
    for (image, work) in works.iter().enumerate() {
        unique(&work.needs).into_iter().for_each(|need| needed_by[need].push(image));
    }
    let (mut now, mut done, mut overtaken) = (0, 0, 0);
    for image in (0..works.len()).filter(|image| missing[*image] == 0) {
        asked.insert(scheduler.ask(ranks[image], works[image].need), image);
    }
    while done < works.len() {
        while let Some(ticket) = scheduler.grant() {
            let first = *asked.first_key_value().expect("somebody waits").0;
            let passed = eldest.filter(|(known, _)| *known == first).map_or(0, |(_, passed)| passed);
            eldest = Some((first, passed + usize::from(first != ticket)));
            overtaken = overtaken.max(passed + usize::from(first != ticket));
            let image = asked.remove(&ticket).expect("nobody else is granted anything");
            running.push((now + actual[image], image, ticket));
        }
        let memory: u64 = running.iter().map(|(_, image, _)| works[*image].need.memory).sum();
        let millicpus: u64 = running.iter().map(|(_, image, _)| works[*image].need.millicpus).sum();
        assert!(running.len() <= budget.jobs && running.len() == scheduler.running());
        assert!(budget.memory.is_none_or(|most| memory.min(scheduler.used().memory) <= most));
        assert!(budget.memory.is_none_or(|most| memory <= most || running.len() == 1), "memory");
        assert!(budget.millicpus.is_none_or(|most| millicpus <= most || running.len() == 1), "processors");
        let first = running.iter().enumerate().min_by_key(|(_, (end, image, _))| (*end, *image));
        let (position, _) = first.expect("somebody can always run");
        let (end, image, ticket) = running.swap_remove(position);
        (now, done) = (end, done + 1);
        scheduler.release(ticket);
        for next in &needed_by[image] {
            missing[*next] -= 1;
            if missing[*next] == 0 {
                asked.insert(scheduler.ask(ranks[*next], works[*next].need), *next);
            }
        }
    }
    Run { makespan: now, overtaken }
}

fn unique(needs: &[usize]) -> Vec<usize> {
    let mut needs = needs.to_vec();
    needs.sort_unstable();
    needs.dedup();
    needs
}

/// Sizes from 10 to 5,000, the small ones more often.
fn sizes(random: &mut Random, count: usize) -> Vec<usize> {
    let size = |random: &mut Random| (10.0 * (random.unit() * 500f64.ln()).exp()) as usize;
    (0..count).map(|_| size(random)).chain([10, 5000]).collect()
}

fn quantile(values: &mut [f64], part: f64) -> f64 {
    values.sort_by(f64::total_cmp);
    values[((values.len() - 1) as f64 * part).round() as usize]
}

#[test]
fn random_projects_end_early_and_keep_to_the_limits() {
    let mut random = Random(0x5eed);
    let mut ratios = Vec::new();
    for images in sizes(&mut random, 60) {
        let (works, budget) = project(&mut random, images);
        let ahead = forecast(&works, budget);
        let actual: Vec<u64> = works.iter().map(|work| work.millis).collect();
        let ran = run(&works, &actual, &ahead.ranks, budget);
        assert_eq!(ran.makespan, ahead.makespan, "what is foreseen is what happens");
        let first_come = run(&works, &actual, &vec![0; images], budget);
        assert!(ran.makespan <= first_come.makespan, "{images} images: worse than first come");
        ratios.push(ran.makespan as f64 / ahead.bound as f64);
    }
    let (median, p99) = (quantile(&mut ratios, 0.5), quantile(&mut ratios, 0.99));
    assert!(median <= 1.05 && p99 <= 1.3, "median {median:.3}, p99 {p99:.3}");
}

#[test]
fn wrong_expectations_cost_little() {
    let mut random = Random(0xbad);
    let mut against = Vec::new();
    for images in sizes(&mut random, 40) {
        let (works, budget) = project(&mut random, images);
        let ahead = forecast(&works, budget);
        let actual: Vec<u64> =
            works.iter().map(|work| (work.millis as f64 * (0.5 + 1.5 * random.unit())) as u64).collect();
        let ours = run(&works, &actual, &ahead.ranks, budget).makespan as f64;
        against.push(ours / run(&works, &actual, &vec![0; images], budget).makespan as f64);
    }
    assert!(quantile(&mut against, 0.5) <= 1.0);
    assert!(quantile(&mut against, 0.99) <= 1.1);
}

#[test]
fn nobody_starves() {
    // One that wants all the memory and is the least urgent, among many that come and go.
    let budget = Budget { jobs: 2, memory: Some(4 * GIB), millicpus: None };
    let mut scheduler = Scheduler::new(budget);
    let small = Need { memory: GIB, millicpus: 0 };
    let mut running: Vec<Ticket> = (0..2).map(|_| scheduler.ask(100, small)).collect();
    while scheduler.grant().is_some() {}
    let patient = scheduler.ask(1, Need { memory: 4 * GIB, millicpus: 0 });
    for round in 0..10_000 {
        scheduler.ask(100, small);
        scheduler.release(running.remove(0));
        while let Some(ticket) = scheduler.grant() {
            if ticket == patient {
                assert!(round <= TURNS * budget.jobs + 4, "after {round} others");
                return;
            }
            running.push(ticket);
        }
    }
    panic!("it never came to its turn");
}

#[test]
fn who_has_waited_longest_is_next_after_a_bounded_number_of_others() {
    let mut random = Random(7);
    let mut pushed_back = 0;
    for images in [300, 1000].repeat(3) {
        let (works, budget) = project(&mut random, images);
        // Few at once, so that many wait.
        let budget = Budget { jobs: 1 + budget.jobs % 4, ..budget };
        let ahead = forecast(&works, budget);
        let actual: Vec<u64> = works.iter().map(|work| work.millis).collect();
        let ran = run(&works, &actual, &ahead.ranks, budget);
        assert!(ran.overtaken <= TURNS * budget.jobs, "{images} images: {} went before", ran.overtaken);
        pushed_back += usize::from(ran.overtaken == TURNS * budget.jobs);
    }
    assert!(pushed_back > 0, "in none of them did anybody have to wait so long");
}

#[test]
fn the_critical_path_goes_first() {
    // A chain of three beside four that nobody waits for, on two processors.
    let work = |needs: &[usize], millis| Work { needs: needs.to_vec(), millis, need: Need::default() };
    let works = [
        work(&[], 10),
        work(&[], 10),
        work(&[], 10),
        work(&[], 10),
        work(&[], 20),
        work(&[4], 10),
        work(&[5], 10),
    ];
    let ahead = forecast(&works, Budget::jobs(2));
    assert_eq!((ahead.makespan, ahead.bound), (40, 40));
    assert_eq!(ahead.order[0], 4);
}

#[test]
fn planning_is_linear() {
    let time = |images: usize| {
        let mut random = Random(0x11);
        let (works, budget) = project(&mut random, images);
        let begun = Instant::now();
        assert_eq!(forecast(&works, budget).ends.len(), images);
        begun.elapsed().as_secs_f64()
    };
    // The best of several: other tests run beside this one.
    let best = |images| (0..4).map(|_| time(images)).fold(f64::INFINITY, f64::min);
    let (small, large) = (best(1250), best(5000));
    assert!(large <= 1.0, "5,000 images took {large:.2} s");
    // Four times as many; the logarithm and a busy machine have some room.
    assert!(large <= 12.0 * small.max(0.002), "{small:.4} s, then {large:.4} s");
}

#[test]
fn a_circle_is_no_reason_to_hang() {
    let works = [
        Work { needs: vec![1], millis: 5, need: Need::default() },
        Work { needs: vec![0, 7], millis: 5, need: Need::default() },
        Work { needs: vec![2], millis: 5, need: Need::default() },
    ];
    let ahead = forecast(&works, Budget::jobs(1));
    assert_eq!(ahead.order, [2, 0, 1]);
}

#[test]
fn who_waits_no_more_takes_nothing_with_them() {
    let mut scheduler = Scheduler::new(Budget::jobs(1));
    let (first, second, third) = (
        scheduler.ask(1, Need::default()),
        scheduler.ask(9, Need::default()),
        scheduler.ask(5, Need::default()),
    );
    scheduler.release(second);
    assert_eq!(scheduler.grant(), Some(third));
    assert_eq!(scheduler.grant(), None);
    scheduler.release(third);
    assert_eq!(scheduler.grant(), Some(first));
}

#[test]
fn what_is_larger_than_the_machine_runs_alone() {
    let mut scheduler = Scheduler::new(Budget { jobs: 4, memory: Some(GIB), millicpus: Some(1000) });
    let huge = scheduler.ask(1, Need { memory: 64 * GIB, millicpus: 64_000 });
    assert_eq!(scheduler.grant(), Some(huge));
    let other = scheduler.ask(1, Need { memory: 1, millicpus: 0 });
    assert_eq!(scheduler.grant(), None);
    scheduler.release(huge);
    assert_eq!(scheduler.grant(), Some(other));
}
