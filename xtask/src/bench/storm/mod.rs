//! A platform's images at once: `kapok build` beside the same project's Makefile with `docker build`, and beside `buildx bake`.

mod peers;
mod supply;

use std::io;

use super::Figure;
use super::figures::{Measure, Stage, at_most_part};
use super::measure::median;
use peers::Peer;
use supply::{Shop, Supply, WITHOUT_BUNDLE};

/// In the order of the table. The first empties all stores, the others go on with what it left.
pub const ALL: &[(&str, Measure)] = &[
    ("storm: nothing there", cold),
    ("storm: only packages there", warm),
    ("storm: nothing changed", unchanged),
    ("storm: one leaf file changed", leaf),
    ("storm: base rebuilt with equal content", same_base),
    ("storm: other certificates", certificates),
];

/// Kapok's shop, and the peers'.
struct Town {
    supply: Supply,
    kapok: Shop,
    peers: Vec<Peer>,
}

/// One build by one of them, in seconds.
type Turn<'t> = dyn Fn(&Town, Option<&Peer>) -> io::Result<f64> + 't;

impl Town {
    /// `None` where this is only a test of the benchmark: the project's packages take minutes.
    fn open(stage: &Stage, empty: bool) -> io::Result<Option<Town>> {
        if stage.tiny() {
            return Ok(None);
        }
        let supply = Supply::open(stage, empty)?;
        let kapok = supply.kapok()?;
        let peers = Peer::all(&supply);
        let town = Town { supply, kapok, peers };
        town.kapok.prime()?;
        town.peers.iter().try_for_each(|peer| peer.prime(&town.supply))?;
        if !empty {
            // What the first figure leaves; made now if somebody asked for another one alone.
            town.kapok.build(&[])?;
            town.peers.iter().try_for_each(|peer| peer.build(&town.supply, false).map(drop))?;
        }
        Ok(Some(town))
    }

    /// Medians of so many turns of each. The turn before them is not counted where there are several.
    fn turns(&self, times: usize, turn: &Turn<'_>) -> io::Result<Vec<(&'static str, f64)>> {
        let warm_up = usize::from(times > 1);
        let mut ours = Vec::new();
        let mut theirs = vec![Vec::new(); self.peers.len()];
        for number in 0..times + warm_up {
            let taken = turn(self, None)?;
            let counts = number >= warm_up;
            ours.extend(counts.then_some(taken));
            for (peer, times) in self.peers.iter().zip(&mut theirs) {
                let taken = turn(self, Some(peer))?;
                times.extend(counts.then_some(taken));
            }
        }
        let peers = self.peers.iter().zip(theirs).map(|(peer, times)| (peer.name(), median(times)));
        Ok([("kapok", median(ours))].into_iter().chain(peers).collect())
    }

    /// The same build by whoever's turn it is.
    fn build(&self, peer: Option<&Peer>, cached: bool) -> io::Result<f64> {
        match peer {
            Some(peer) => peer.build(&self.supply, !cached),
            None => Ok(self.kapok.build(if cached { &[] } else { &["--no-cache"] })?.wall),
        }
    }
}

/// What nobody asked for in a test of the benchmark.
fn nothing() -> Figure {
    Figure { results: Vec::new(), unit: "s", wanted: Vec::new() }
}

fn figure(results: Vec<(&'static str, f64)>, limit: f64) -> Figure {
    let wanted = vec![at_most_part(&results, limit)];
    Figure { results, unit: "s", wanted }
}

/// The base is there, packages are not.
fn cold(stage: &Stage) -> io::Result<Figure> {
    let Some(town) = Town::open(stage, true)? else { return Ok(nothing()) };
    Ok(figure(town.turns(1, &|town, peer| town.build(peer, true))?, 1.0))
}

/// Every step again, with what its network gave the last time: Kapok's store, the peers' cache mounts.
fn warm(stage: &Stage) -> io::Result<Figure> {
    let Some(town) = Town::open(stage, false)? else { return Ok(nothing()) };
    Ok(figure(town.turns(1, &|town, peer| town.build(peer, false))?, 0.8))
}

fn unchanged(stage: &Stage) -> io::Result<Figure> {
    let Some(town) = Town::open(stage, false)? else { return Ok(nothing()) };
    let mut figure = figure(town.turns(7, &|town, peer| town.build(peer, true))?, 0.2);
    let ours = figure.results.first().map_or(f64::NAN, |(_, seconds)| *seconds);
    figure.wanted.push((format!("at most 150 ms (it is {:.0})", ours * 1000.0), Some(ours <= 0.15)));
    Ok(figure)
}

/// A file that one image copies, after its last RUN.
fn leaf(stage: &Stage) -> io::Result<Figure> {
    let Some(town) = Town::open(stage, false)? else { return Ok(nothing()) };
    let turn = std::cell::Cell::new(0);
    let results = town.turns(5, &|town, peer| {
        turn.set(turn.get() + 1);
        let text = format!("print(\"a notebook begins here, {} {}\")\n", std::process::id(), turn.get());
        town.supply.write(peer.is_some(), "notebook-minimal/welcome.py", &text)?;
        town.build(peer, true)
    })?;
    Ok(figure(results, 0.6))
}

/// The command that installs packages into everybody's base is another one, and does the same.
fn same_base(stage: &Stage) -> io::Result<Figure> {
    let Some(town) = Town::open(stage, false)? else { return Ok(nothing()) };
    let id = std::process::id();
    town.supply.edit("company-base/Dockerfile", "useradd ", &format!("echo {id} > /dev/null && useradd "))?;
    let built = town.kapok.build(&[])?;
    let ran = built.ran();
    let wanted =
        vec![(format!("only the base runs (these ran: {})", ran.join(" ")), Some(ran == ["company-base"]))];
    Ok(Figure { results: vec![("kapok", built.wall)], unit: "s", wanted })
}

fn certificates(stage: &Stage) -> io::Result<Figure> {
    let Some(town) = Town::open(stage, false)? else { return Ok(nothing()) };
    let before = town.kapok.digests()?;
    town.supply.other_certificates()?;
    let built = town.kapok.build(&[])?;
    let (ran, after) = (built.ran(), town.kapok.digests()?);
    let with_bundle: Vec<_> = before.iter().filter(|(image, _)| !WITHOUT_BUNDLE.contains(image)).collect();
    let others = with_bundle.iter().filter(|(image, digest)| after.get(*image) != Some(*digest)).count();
    let wanted = vec![
        (format!("no step runs (of these images some did: {})", ran.join(" ")), Some(ran.is_empty())),
        (
            format!("every image that has a bundle is another one ({others} of {})", with_bundle.len()),
            Some(others == with_bundle.len()),
        ),
    ];
    Ok(Figure { results: vec![("kapok", built.wall)], unit: "s", wanted })
}
