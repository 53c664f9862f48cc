//! Images that need each other: found, told with their path, and cut, so that everything after works on a graph without
//! cycles.

use super::build::{Draft, DraftEdge, End};
use crate::finding::{Code, Finding};

/// Removes edges that close a cycle, with a finding for each.
pub fn cut(draft: &mut Draft<'_>) {
    let count = draft.project.images.len();
    let mut needs: Vec<Vec<usize>> = vec![Vec::new(); count];
    for (number, edge) in draft.edges.iter().enumerate() {
        if matches!(edge.from, End::Image(_)) {
            needs[edge.to].push(number);
        }
    }
    let mut search =
        Search { edges: &draft.edges, needs: &needs, state: vec![State::New; count], closing: Vec::new() };
    for image in 0..count {
        search.visit(image);
    }
    let closing = search.closing;
    let mut findings = Vec::new();
    let mut told: Vec<Vec<usize>> = Vec::new();
    for path in closing.iter().map(|(_, path)| path) {
        let mut images: Vec<usize> = path.iter().map(|edge| draft.edges[*edge].to).collect();
        findings.push(finding(draft, path));
        images.sort_unstable();
        // Two lines of a Dockerfile may close the same cycle.
        if told.contains(&images) {
            findings.pop();
        }
        told.push(images);
    }
    draft.findings.extend(findings);
    let mut gone: Vec<usize> = closing.into_iter().map(|(edge, _)| edge).collect();
    gone.sort_unstable();
    for edge in gone.into_iter().rev() {
        let edge = draft.edges.remove(edge);
        draft.closing.push(edge);
    }
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum State {
    New,
    Open,
    Done,
}

struct Search<'e> {
    edges: &'e [DraftEdge],
    needs: &'e [Vec<usize>],
    state: Vec<State>,
    /// Edges that close a cycle, each with the edges of the cycle.
    closing: Vec<(usize, Vec<usize>)>,
}

impl Search<'_> {
    /// Depth first, without recursion: chains may be long.
    fn visit(&mut self, start: usize) {
        if self.state[start] != State::New {
            return;
        }
        let mut way: Vec<usize> = Vec::new();
        let mut stack = vec![(start, 0)];
        self.state[start] = State::Open;
        while let Some((image, next)) = stack.last_mut() {
            let image = *image;
            let Some(edge) = self.needs[image].get(*next).copied() else {
                self.state[image] = State::Done;
                stack.pop();
                way.pop();
                continue;
            };
            *next += 1;
            let End::Image(needed) = self.edges[edge].from else { continue };
            match self.state[needed] {
                State::New => {
                    self.state[needed] = State::Open;
                    stack.push((needed, 0));
                    way.push(edge);
                }
                State::Open => {
                    let first = way.iter().position(|edge| self.edges[*edge].to == needed);
                    let mut cycle = first.map_or(Vec::new(), |first| way[first..].to_vec());
                    cycle.push(edge);
                    self.closing.push((edge, cycle));
                }
                State::Done => {}
            }
        }
    }
}

fn finding(draft: &Draft<'_>, path: &[usize]) -> Finding {
    let edges: Vec<&DraftEdge> = path.iter().map(|edge| &draft.edges[*edge]).collect();
    let name = |edge: &DraftEdge| draft.project.images[edge.to].name.as_str();
    let mut names: Vec<&str> = edges.iter().map(|edge| name(edge)).collect();
    // The cycle begins with the first name, however the search came upon it.
    let first = (0..names.len()).min_by_key(|at| names[*at]).unwrap_or(0);
    names.rotate_left(first);
    let mut ordered = edges.clone();
    ordered.rotate_left(first);
    let place = ordered[0].place.clone();
    let message = match names.as_slice() {
        [one] => format!("`{one}` needs itself, as `{}`", ordered[0].reference),
        names => {
            let way: Vec<String> = names.iter().chain([&names[0]]).map(|name| format!("`{name}`")).collect();
            format!("images need each other: {}", way.join(" needs "))
        }
    };
    let places: Vec<String> =
        ordered.iter().skip(1).map(|edge| format!("`{}` at {}", edge.reference, edge.place)).collect();
    let fix = (!places.is_empty()).then(|| format!("the cycle goes on with {}", places.join(", ")));
    Finding::error(Code::Cycle, place, message).fix_opt(fix).about(names)
}
