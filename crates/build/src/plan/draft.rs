//! A stage in the making: what its instructions work on.

use std::collections::HashMap;

use dockerfile::expand::{Expanded, Options, expand};
use dockerfile::ignore::Patterns;
use dockerfile::{CheckOptions, Diagnostic, Rule, Span, Word};
use oci::config::History;
use oci::{ImageConfig, Platform};

use super::bases::{Asker, ImageFor};
use super::model::{StageBase, StageId, TreeSource};
use super::report::undefined;
use super::scope::{Declared, Variables};
use super::stages::Planner;

/// What BuildKit writes into the history of its steps.
pub const HISTORY_COMMENT: &str = "buildkit.dockerfile.v0";

/// A stage in the making.
pub struct Draft<'p, 'a> {
    /// What all stages share.
    pub planner: &'p mut Planner<'a>,
    /// The stage's number.
    pub index: usize,
    /// What it is built for.
    pub platform: Platform,
    /// The configuration so far.
    pub config: ImageConfig,
    /// ENV and ARG, as instructions expand them and RUN sees them.
    pub variables: Variables,
    /// Where each variable stands in the configuration's environment.
    pub places: HashMap<String, usize>,
    /// The ARGs so far.
    pub declared: Declared,
    /// Whether a WORKDIR of this file was seen.
    pub workdir_set: bool,
    /// Whether this stage has a CMD, which its ENTRYPOINT then leaves alone.
    pub cmd_set: bool,
    /// SOURCE_DATE_EPOCH.
    pub epoch: i64,
    /// What it starts from.
    pub base: StageBase,
    /// The place of the instruction that is carried out now, and the check options that hold for it alone.
    pub current: (Span, Option<Box<CheckOptions>>),
}

impl Draft<'_, '_> {
    /// Adds a line to the history.
    pub fn commit(&mut self, created_by: String, makes_layer: bool) {
        self.config.history.push(History {
            created: Some(oci::time::format_rfc3339(self.epoch)),
            created_by: Some(created_by),
            comment: Some(HISTORY_COMMENT.to_owned()),
            empty_layer: !makes_layer,
            ..History::default()
        });
    }

    /// Expands a word with the stage's variables; an error is reported and gives nothing.
    pub fn expand(&mut self, word: &Word) -> Option<String> {
        let options = Options::new(self.planner.request.dockerfile.directives.escape);
        self.expand_text(&word.raw, word.span, options).map(|expanded| expanded.word)
    }

    /// The same for text that is no [`Word`], with options of its own.
    pub fn expand_text(&mut self, raw: &str, span: Span, options: Options) -> Option<Expanded> {
        match expand(raw, options, &self.variables) {
            Ok(expanded) => {
                self.warn_undefined(&expanded.unmatched, span);
                Some(expanded)
            }
            Err(error) => {
                self.error(Diagnostic::error(span, error.to_string()));
                None
            }
        }
    }

    /// Warns of variables that are neither set nor declared.
    pub fn warn_undefined<'n>(&mut self, unmatched: impl IntoIterator<Item = &'n String>, span: Span) {
        for name in unmatched {
            if !self.declared.contains(name) {
                let hint = match self.planner.report.listens() {
                    true => undefined(name, self.variables.names()),
                    false => None,
                };
                let diagnostic = Diagnostic::check(Rule::UndefinedVar, span, format!("`${name}` is not set"));
                self.add(diagnostic.hint_opt(hint));
            }
        }
    }

    /// Reports a warning of a rule, unless the file or the instruction silences it.
    pub fn warn(&mut self, rule: Rule, span: Span, message: String) {
        self.add(Diagnostic::check(rule, span, message));
    }

    /// Reports what forbids the build.
    pub fn error(&mut self, diagnostic: Diagnostic) {
        self.add(diagnostic);
    }

    fn add(&mut self, diagnostic: Diagnostic) {
        self.planner.report.add_under(diagnostic, self.current.1.as_deref());
    }

    /// What stays out of the build context.
    pub fn ignore(&self) -> Option<&Patterns> {
        self.planner.request.ignore
    }

    /// Where the current instruction stands.
    pub fn span(&self) -> Span {
        self.current.0
    }

    /// The tree that a `--from` names. Only COPY names stages by number.
    pub fn tree(&mut self, name: &str, by_number: bool, span: Span) -> Option<TreeSource> {
        match self.stage_reference(name, by_number, span)? {
            Some(stage) => Some(TreeSource::Stage(StageId(stage))),
            None if name == "scratch" => Some(TreeSource::Empty),
            None => {
                let platform = self.planner.request.platform.clone();
                let asker = (Asker::Flag, span);
                match self.planner.bases.get(name, &platform, asker, &mut self.planner.report)? {
                    ImageFor::Image(image) => Some(TreeSource::Image(image)),
                    ImageFor::Tree(context) => Some(TreeSource::Context(context)),
                }
            }
        }
    }

    /// The stage that a `--from` names; nothing in the inner option where it names something else.
    fn stage_reference(&mut self, name: &str, by_number: bool, span: Span) -> Option<Option<usize>> {
        let number = name.parse::<usize>().ok().filter(|_| by_number);
        let stages = &self.planner.stages;
        let found = stages.before(self.index, name).or_else(|| stages.last(name)).or(number);
        let Some(stage) = found else { return Some(None) };
        let count = self.planner.heads.len();
        if stage < self.index {
            return Some(Some(stage));
        }
        let diagnostic = if stage == self.index {
            Diagnostic::error(span, format!("stage `{name}` refers to itself"))
        } else if stage < count {
            let label = self.planner.stage_label(self.index);
            let message = format!("stage `{name}` comes after stage `{label}`, which needs it");
            let hint = format!("move stage {stage} before stage {}", self.index);
            Diagnostic::error(span, message).hint(hint)
        } else {
            let message = format!("there is no stage {name}: the file has {count}, counted from 0");
            Diagnostic::error(span, message)
        };
        self.error(diagnostic);
        None
    }
}
