//! Feeds a function with mutated input until a time is up: no panic, no endless loop, no boundless memory.
//!
//! The driver needs no special compiler. It is meant to run in a process of its own, whose memory the caller
//! bounds; the input being tried is always on disk, so that whatever ends the process can be repeated.

use std::fs;
use std::io;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

/// An input that takes longer is a mistake of the function that it was given to.
const INPUT_LIMIT: Duration = Duration::from_secs(5);

/// Inputs grow to about this many bytes.
const SIZE_LIMIT: usize = 64 * 1024;

/// Small repeatable random numbers (xorshift64*); statistics do not matter here.
#[derive(Clone, Debug)]
pub struct Random(u64);

impl Random {
    /// The same seed gives the same numbers; any seed will do.
    pub fn new(seed: u64) -> Random {
        Random(seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1)
    }

    /// The next number.
    pub fn number(&mut self) -> u64 {
        self.0 ^= self.0 >> 12;
        self.0 ^= self.0 << 25;
        self.0 ^= self.0 >> 27;
        self.0.wrapping_mul(0x2545_f491_4f6c_dd1d)
    }

    /// A number below `end`, which is at least one.
    pub fn below(&mut self, end: usize) -> usize {
        (self.number() >> 16) as usize % end.max(1)
    }
}

/// Makes new inputs from old ones.
#[derive(Clone, Debug)]
pub struct Mutator {
    seeds: Vec<Vec<u8>>,
    words: Vec<Vec<u8>>,
    random: Random,
}

impl Mutator {
    /// From seed inputs; words of theirs are used as a dictionary.
    pub fn new(seeds: Vec<Vec<u8>>, seed: u64) -> Mutator {
        let mut words: Vec<Vec<u8>> = seeds
            .iter()
            .flat_map(|seed| seed.split(|byte| !byte.is_ascii_alphanumeric()).filter(|word| word.len() > 1))
            .map(<[u8]>::to_vec)
            .collect();
        words.sort();
        words.dedup();
        words.truncate(4096);
        Mutator { seeds, words, random: Random::new(seed) }
    }

    /// The next input: mostly a seed with a few changes.
    pub fn next_input(&mut self) -> Vec<u8> {
        let mut input = match self.seeds.len() {
            0 => Vec::new(),
            count => self.seeds[self.random.below(count)].clone(),
        };
        for _ in 0..=self.random.below(6) {
            self.change(&mut input);
        }
        input.truncate(SIZE_LIMIT);
        input
    }

    fn change(&mut self, input: &mut Vec<u8>) {
        let at = self.random.below(input.len() + 1);
        let byte = (self.random.number() >> 24) as u8;
        match self.random.below(10) {
            0 if at < input.len() => input[at] ^= 1 << (byte % 8),
            1 if at < input.len() => input[at] = byte,
            2 => input.insert(at, byte),
            3 => {
                let end = (at + 1 + self.random.below(16)).min(input.len());
                input.drain(at.min(end)..end);
            }
            4 => {
                let end = (at + 1 + self.random.below(64)).min(input.len());
                let piece = input[at.min(end)..end].to_vec();
                let times = 1 << self.random.below(8);
                for _ in 0..times {
                    if input.len() < SIZE_LIMIT {
                        input.splice(at..at, piece.iter().copied());
                    }
                }
            }
            5 if !self.seeds.is_empty() => {
                let other = self.random.below(self.seeds.len());
                let other = &self.seeds[other];
                let from = self.random.below(other.len() + 1);
                let end = (from + self.random.below(256)).min(other.len());
                input.splice(at..at, other[from..end].iter().copied());
            }
            6 | 7 if !self.words.is_empty() => {
                let word = self.random.below(self.words.len());
                input.splice(at..at, self.words[word].iter().copied());
            }
            8 => {
                const EDGES: [&[u8]; 12] = [
                    b"\0",
                    b"\n",
                    b"\\",
                    b"\"",
                    b"'",
                    b"$",
                    b"${",
                    b"<<",
                    b"-1",
                    b"18446744073709551616",
                    b"\xff\xff\xff\xff",
                    b"../",
                ];
                let edge = EDGES[self.random.below(EDGES.len())];
                input.splice(at..at, edge.iter().copied());
            }
            _ => input.truncate(at),
        }
    }
}

/// Reads every file of a corpus directory, sorted by name; a missing directory is an empty corpus.
pub fn corpus(directory: &Path) -> io::Result<Vec<Vec<u8>>> {
    let mut paths = match fs::read_dir(directory) {
        Ok(entries) => entries.map(|entry| entry.map(|entry| entry.path())).collect::<Result<Vec<_>, _>>()?,
        Err(error) if error.kind() == io::ErrorKind::NotFound => Vec::new(),
        Err(error) => return Err(error),
    };
    paths.sort();
    paths.into_iter().filter(|path| path.is_file()).map(fs::read).collect()
}

/// Tries the seeds themselves, then mutations of them, until the time is up; returns how many inputs were
/// tried. `current` always holds the input being tried. An input that takes too long ends the process.
pub fn drive(
    target: fn(&[u8]),
    seeds: Vec<Vec<u8>>,
    seed: u64,
    time: Duration,
    current: &Path,
) -> io::Result<u64> {
    let start = Instant::now();
    let tried = Arc::new(AtomicU64::new(0));
    let watched = Arc::clone(&tried);
    std::thread::spawn(move || {
        let mut last = u64::MAX;
        loop {
            std::thread::sleep(INPUT_LIMIT);
            let now = watched.load(Ordering::Relaxed);
            if now == last {
                eprintln!("input {now} takes longer than {} s", INPUT_LIMIT.as_secs());
                std::process::exit(3);
            }
            last = now;
        }
    });
    let mut mutator = Mutator::new(seeds.clone(), seed);
    let mut seeds = seeds.into_iter();
    while start.elapsed() < time {
        let input = seeds.next().unwrap_or_else(|| mutator.next_input());
        fs::write(current, &input)?;
        target(&input);
        tried.fetch_add(1, Ordering::Relaxed);
    }
    Ok(tried.load(Ordering::Relaxed))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_same_seed_gives_the_same_inputs() {
        let seeds = vec![b"FROM base\nRUN true\n".to_vec(), b"COPY a b".to_vec()];
        let inputs = |seed| {
            let mut mutator = Mutator::new(seeds.clone(), seed);
            (0..200).map(|_| mutator.next_input()).collect::<Vec<_>>()
        };
        assert_eq!(inputs(1), inputs(1));
        assert_ne!(inputs(1), inputs(2));
        assert!(inputs(3).iter().any(|input| input.len() > 100), "no input grew");
    }
}
