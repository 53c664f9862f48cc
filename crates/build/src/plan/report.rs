//! Collects what is to be said about a file.

use std::collections::BTreeSet;

use dockerfile::suggest::nearest;
use dockerfile::{CheckOptions, Diagnostic, Level, Span};

use super::images::ImageError;

/// More errors, or more warnings, than anybody reads. The rest is counted.
const MAX_OF_A_LEVEL: usize = 1_000;

/// Diagnostics in the making. While a trigger of a base image is planned, all of them stand at the FROM: the file
/// has no better place for them.
#[derive(Debug)]
pub struct Report<'a> {
    file: &'a CheckOptions,
    diagnostics: Vec<Diagnostic>,
    images: Vec<ImageError>,
    place: Option<(Span, String)>,
    /// How many errors and how many warnings there are in all.
    counts: [usize; 2],
}

impl<'a> Report<'a> {
    /// Nothing to say yet. The options are those of the whole file.
    pub fn new(file: &'a CheckOptions) -> Report<'a> {
        Report { file, diagnostics: Vec::new(), images: Vec::new(), place: None, counts: [0; 2] }
    }

    /// From now on, diagnostics stand at `place`, and their text begins with the words beside it.
    pub fn set_place(&mut self, place: Option<(Span, String)>) {
        self.place = place;
    }

    /// Adds one.
    pub fn add(&mut self, diagnostic: Diagnostic) {
        self.add_under(diagnostic, None);
    }

    /// Adds one that the options of a single instruction may silence.
    pub fn add_under(&mut self, mut diagnostic: Diagnostic, options: Option<&CheckOptions>) {
        if let Some((span, words)) = &self.place {
            diagnostic.span = *span;
            diagnostic.message = format!("{words}: {}", diagnostic.message);
            diagnostic.label = None;
        }
        let allowed = options.map_or(vec![diagnostic.clone()], |options| options.apply(vec![diagnostic]));
        for diagnostic in self.file.apply(allowed) {
            // Several words of an instruction may miss the same variable.
            if self.diagnostics.iter().rev().take(16).any(|said| *said == diagnostic) {
                continue;
            }
            let count = &mut self.counts[usize::from(diagnostic.level == Level::Warning)];
            *count += 1;
            if *count <= MAX_OF_A_LEVEL {
                self.diagnostics.push(diagnostic);
            }
        }
    }

    /// Whether a further warning would be said, so that it is worth while to think about its words.
    pub fn listens(&self) -> bool {
        self.counts[1] < MAX_OF_A_LEVEL
    }

    /// Adds an image that is not there, with its diagnostic.
    pub fn add_image(&mut self, error: ImageError, diagnostic: Diagnostic) {
        self.add(diagnostic);
        self.images.push(error);
    }

    /// Whether something forbids the build.
    pub fn has_errors(&self) -> bool {
        has_error(&self.diagnostics)
    }

    /// Takes in what the parser said. Where both found an error at the same place, it is the same one.
    pub fn add_parsed(&mut self, parsed: &[Diagnostic]) {
        let known: BTreeSet<usize> = errors(parsed).map(|error| error.span.start).collect();
        let same = |span: Span| known.range(span.start..span.end.max(span.start + 1)).next().is_some();
        self.diagnostics.retain(|found| found.level != Level::Error || !same(found.span));
        self.diagnostics.splice(0..0, parsed.iter().cloned());
    }

    /// All of it, in the order of the text.
    pub fn finish(self) -> (Vec<Diagnostic>, Vec<ImageError>) {
        let mut diagnostics = self.diagnostics;
        for (count, what) in self.counts.into_iter().zip(["errors", "warnings"]) {
            if let (Some(more @ 1..), Some(last)) = (count.checked_sub(MAX_OF_A_LEVEL), diagnostics.last()) {
                let message = format!("and {more} more {what} like these");
                diagnostics.push(Diagnostic::warning(last.span, message));
            }
        }
        diagnostics.sort_by_key(|diagnostic| (diagnostic.span.start, diagnostic.span.end));
        (diagnostics, self.images)
    }
}

/// Whether one of these forbids the build.
pub fn has_error(diagnostics: &[Diagnostic]) -> bool {
    errors(diagnostics).next().is_some()
}

fn errors(diagnostics: &[Diagnostic]) -> impl Iterator<Item = &Diagnostic> {
    diagnostics.iter().filter(|diagnostic| diagnostic.level == Level::Error)
}

/// Advice for a name that is not known: the nearest one that is, among the first thousand. More names than that are
/// nobody's typing.
pub fn undefined<'n>(name: &str, known: impl IntoIterator<Item = &'n str>) -> Option<String> {
    nearest(name, known.into_iter().take(1_000)).map(|near| format!("did you mean `{near}`?"))
}
