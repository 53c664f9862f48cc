//! Remarks that silence rules: `# kapok: ignore=RULE reason`, `# hadolint ignore=`, `# check=skip=`.
//!
//! A remark holds for what stands below it: in a Dockerfile for the instruction, elsewhere for the line. One at the end
//! of a line holds for that line. hadolint's `global ignore` and BuildKit's `# check=` at the top hold for the file.

use std::ops::Range;

use dockerfile::Span;

use crate::facts::{Facts, SourceId};
use crate::finding::Place;
use crate::rule::{Foreign, Rule};

/// Whose words a remark uses.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Dialect {
    Kapok,
    Hadolint,
    Docker,
}

/// One rule, silenced somewhere.
#[derive(Clone, Debug)]
pub(crate) struct Remark {
    /// Where the rule's name stands.
    pub place: Place,
    pub dialect: Dialect,
    /// The rule's name; `all` for BuildKit's.
    pub name: String,
    /// Whether it says why.
    pub reasoned: bool,
    /// The bytes in which findings are silenced.
    pub covers: Range<usize>,
}

impl Remark {
    /// Whether it is about this rule.
    pub fn names(&self, rule: &Rule) -> bool {
        let foreign = |matches: &dyn Fn(Foreign) -> bool| rule.also.iter().any(|also| matches(*also));
        match self.dialect {
            Dialect::Kapok => rule.id == self.name || foreign(&|also| also.words().1 == self.name),
            Dialect::Hadolint => foreign(&|also| matches!(also, Foreign::Hadolint(id) if id == self.name)),
            Dialect::Docker => foreign(&|also| match also {
                Foreign::Docker(id) => self.name == "all" || id == self.name,
                _ => false,
            }),
        }
    }

    /// Whether it silences a finding of this rule at this place.
    pub fn silences(&self, rule: &Rule, place: Place) -> bool {
        let at = place.span.start;
        self.place.source == place.source && self.covers.contains(&at) && self.names(rule)
    }
}

/// The remarks of all files.
pub(crate) fn remarks(facts: &Facts) -> Vec<Remark> {
    let mut remarks = Vec::new();
    for (id, source) in facts.sources() {
        // Cheap for the many files that have none.
        if !["kapok:", "hadolint", "check"].iter().any(|word| source.text.contains(word)) {
            continue;
        }
        let instructions = facts.instruction_spans(id);
        read(id, &source.text, instructions.as_deref(), &mut remarks);
    }
    remarks
}

/// Reads one text. `instructions` are the spans of a Dockerfile's instructions, in order.
fn read(id: SourceId, text: &str, instructions: Option<&[Span]>, remarks: &mut Vec<Remark>) {
    let mut start = 0;
    let mut at_top = true;
    for line in text.split_inclusive('\n') {
        let comment = line.find('#').filter(|at| *at == 0 || line.as_bytes()[at - 1].is_ascii_whitespace());
        let alone = line.trim_start().starts_with('#');
        if let Some(at) = comment {
            let scope = Scope { text, instructions, line: start..start + line.len(), alone, at_top };
            comment_remarks(id, &line[at..], start + at, &scope, remarks);
        }
        at_top &= alone || line.trim().is_empty();
        start += line.len();
    }
}

/// Where a comment stands, by which is known what it covers.
struct Scope<'a> {
    text: &'a str,
    instructions: Option<&'a [Span]>,
    line: Range<usize>,
    alone: bool,
    at_top: bool,
}

impl Scope<'_> {
    /// What a remark holds for.
    fn covers(&self) -> Range<usize> {
        if let Some(instructions) = self.instructions {
            // The instruction that the comment is in, else the next one.
            let around = instructions.iter().find(|span| span.range().contains(&self.line.start));
            let next = instructions.iter().find(|span| span.start >= self.line.end);
            return around
                .or(next)
                .map_or(self.line.clone(), |span| span.start..span.end.max(span.start + 1));
        }
        if !self.alone {
            return self.line.clone();
        }
        // The next line that says something.
        let mut start = self.line.end;
        for line in self.text[start..].split_inclusive('\n') {
            let said = line.trim_start();
            if !said.is_empty() && !said.starts_with('#') {
                return start..start + line.len();
            }
            start += line.len();
        }
        self.line.clone()
    }
}

fn comment_remarks(id: SourceId, comment: &str, start: usize, scope: &Scope<'_>, remarks: &mut Vec<Remark>) {
    let body = comment.trim_start_matches('#').trim_start();
    let whole = 0..scope.text.len() + 1;
    let (dialect, list, covers) = if let Some(rest) = body.strip_prefix("kapok:") {
        let rest = rest.trim_start();
        if let Some(list) = rest.strip_prefix("ignore-file=") {
            (Dialect::Kapok, list, whole)
        } else if let Some(list) = rest.strip_prefix("ignore=") {
            (Dialect::Kapok, list, scope.covers())
        } else {
            return;
        }
    } else if let Some(rest) = body.strip_prefix("hadolint") {
        let rest = rest.trim_start();
        let (rest, global) =
            rest.strip_prefix("global").map_or((rest, false), |rest| (rest.trim_start(), true));
        let Some(list) =
            rest.strip_prefix("ignore").map(str::trim_start).and_then(|rest| rest.strip_prefix('='))
        else {
            return;
        };
        (Dialect::Hadolint, list, if global { whole } else { scope.covers() })
    } else if let Some(rest) = body.strip_prefix("check") {
        let Some(options) = rest.trim_start().strip_prefix('=') else { return };
        let Some(at) = options.find("skip=") else { return };
        let list = &options[at + "skip=".len()..];
        (Dialect::Docker, list, if scope.at_top { whole } else { scope.covers() })
    } else {
        return;
    };
    let begins = start + (comment.len() - list.len());
    push_names(Place::new(id, Span::new(begins, begins)), dialect, list, covers, remarks);
}

/// Names separated by commas; blanks may follow a comma. What comes after them is the reason.
fn push_names(begin: Place, dialect: Dialect, list: &str, covers: Range<usize>, remarks: &mut Vec<Remark>) {
    let first = remarks.len();
    let mut rest = list;
    loop {
        let trimmed = rest.trim_start_matches([' ', '\t']);
        let length = trimmed
            .find(|next: char| next == ',' || next == ';' || next.is_whitespace())
            .unwrap_or(trimmed.len());
        let at = begin.span.start + (list.len() - trimmed.len());
        if length > 0 {
            let place = Place::new(begin.source, Span::new(at, at + length));
            let name = trimmed[..length].to_owned();
            remarks.push(Remark { place, dialect, name, reasoned: true, covers: covers.clone() });
        }
        rest = &trimmed[length..];
        match rest.trim_start_matches([' ', '\t']).strip_prefix(',') {
            Some(more) if length > 0 => rest = more,
            _ => break,
        }
    }
    let reasoned = dialect != Dialect::Kapok || rest.trim().chars().any(char::is_alphanumeric);
    for remark in &mut remarks[first..] {
        remark.reasoned = reasoned;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn names(text: &str, instructions: Option<&[Span]>) -> Vec<(String, String, bool)> {
        let mut remarks = Vec::new();
        read(SourceId(0), text, instructions, &mut remarks);
        remarks
            .into_iter()
            .map(|remark| {
                let covered = text.get(remark.covers.clone()).unwrap_or("all of it").trim().to_owned();
                assert_eq!(&text[remark.place.span.range()], remark.name);
                (remark.name, covered, remark.reasoned)
            })
            .collect()
    }

    #[test]
    fn remarks_in_a_dockerfile() {
        let text = "# check=skip=JSONArgsRecommended,WorkdirRelativePath;error=true\n# hadolint global ignore=DL3003\nFROM a\n\
                    # kapok: ignore=one,two because of that\n# hadolint ignore=DL3008, DL3009\nRUN x \\\n  # kapok: ignore=three\n  y\n";
        let run = text.find("RUN").expect("it is there");
        let spans = [Span::new(text.find("FROM").expect("it is there"), 100), Span::new(run, text.len() - 1)];
        let found = names(text, Some(&spans));
        let list: Vec<(&str, &str, bool)> =
            found.iter().map(|(name, covers, reasoned)| (name.as_str(), &covers[..3], *reasoned)).collect();
        assert_eq!(
            list,
            [
                ("JSONArgsRecommended", "all", true),
                ("WorkdirRelativePath", "all", true),
                ("DL3003", "all", true),
                ("one", "RUN", true),
                ("two", "RUN", true),
                ("DL3008", "RUN", true),
                ("DL3009", "RUN", true),
                ("three", "RUN", false),
            ]
        );
    }

    #[test]
    fn remarks_elsewhere() {
        let text =
            "a: 1 # kapok: ignore=x known\n# kapok: ignore=y\n\n# more\nb: 2\nc: http://x#kapok: ignore=z\n";
        let found = names(text, None);
        assert_eq!(found.len(), 2);
        assert_eq!(found[0].1, "a: 1 # kapok: ignore=x known");
        assert_eq!((found[1].1.as_str(), found[1].2), ("b: 2", false));
    }
}
