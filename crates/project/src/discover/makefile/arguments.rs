//! Build arguments of a line that builds several images: it gives all of them what only some take.

use std::collections::{BTreeMap, BTreeSet};

use super::Build;
use crate::Files;
use crate::model::Argument;
use crate::place::Place;
use crate::uses::{Request, uses};

/// Takes arguments from builds of a shared line that do not declare them, if another of that line does. What none of them
/// declares stays with the first, so that it is said once.
pub fn settle(files: &dyn Files, builds: &mut [Build]) {
    let mut lines: BTreeMap<Place, Vec<usize>> = BTreeMap::new();
    for (number, build) in builds.iter().enumerate() {
        if let Some(place) = build.place.clone().filter(|_| !build.args.is_empty()) {
            lines.entry(place).or_default().push(number);
        }
    }
    for (place, numbers) in lines.into_iter().filter(|(_, numbers)| numbers.len() > 1) {
        let unused: Vec<BTreeSet<String>> =
            numbers.iter().map(|number| unused(files, &builds[*number], &place)).collect();
        for (at, number) in numbers.iter().enumerate() {
            let nobodys = |name: &String| unused.iter().all(|unused| unused.contains(name));
            builds[*number].args.retain(|(name, _)| !unused[at].contains(name) || (at == 0 && nobodys(name)));
        }
    }
}

/// The arguments of a build that its Dockerfile does not declare.
fn unused(files: &dyn Files, build: &Build, place: &Place) -> BTreeSet<String> {
    let Some(bytes) = files.read(&build.dockerfile).ok().flatten() else { return BTreeSet::new() };
    let (dockerfile, _) = dockerfile::parse(&String::from_utf8_lossy(&bytes));
    let argument = |(name, value): &(String, Option<String>)| Argument {
        name: name.clone(),
        value: value.clone(),
        place: place.clone(),
    };
    let args: Vec<Argument> = build.args.iter().map(argument).collect();
    let found = uses(&dockerfile, Request { args: &args, ..Request::default() });
    found.unused_args.iter().map(|number| args[*number].name.clone()).collect()
}
