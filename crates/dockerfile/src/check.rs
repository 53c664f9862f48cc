//! BuildKit's check rules by name, and the options by which a file turns them off.

use std::fmt;

use crate::diagnostic::{Diagnostic, Level};

/// A check rule, under BuildKit's name for it. Those that need variables or a base image are raised by whoever
/// plans the build; the others by [`crate::parse`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
#[expect(missing_docs, reason = "the names are BuildKit's and documented there")]
pub enum Rule {
    StageNameCasing,
    FromAsCasing,
    NoEmptyContinuation,
    ConsistentInstructionCasing,
    DuplicateStageName,
    ReservedStageName,
    JSONArgsRecommended,
    MaintainerDeprecated,
    UndefinedArgInFrom,
    WorkdirRelativePath,
    UndefinedVar,
    MultipleInstructionsDisallowed,
    LegacyKeyValueFormat,
    InvalidBaseImagePlatform,
    RedundantTargetPlatform,
    SecretsUsedInArgOrEnv,
    InvalidDefaultArgInFrom,
    FromPlatformFlagConstDisallowed,
    CopyIgnoredFile,
    InvalidDefinitionDescription,
    ExposeProtoCasing,
    ExposeInvalidFormat,
}

impl Rule {
    /// Every rule.
    pub const ALL: [Rule; 22] = [
        Rule::StageNameCasing,
        Rule::FromAsCasing,
        Rule::NoEmptyContinuation,
        Rule::ConsistentInstructionCasing,
        Rule::DuplicateStageName,
        Rule::ReservedStageName,
        Rule::JSONArgsRecommended,
        Rule::MaintainerDeprecated,
        Rule::UndefinedArgInFrom,
        Rule::WorkdirRelativePath,
        Rule::UndefinedVar,
        Rule::MultipleInstructionsDisallowed,
        Rule::LegacyKeyValueFormat,
        Rule::InvalidBaseImagePlatform,
        Rule::RedundantTargetPlatform,
        Rule::SecretsUsedInArgOrEnv,
        Rule::InvalidDefaultArgInFrom,
        Rule::FromPlatformFlagConstDisallowed,
        Rule::CopyIgnoredFile,
        Rule::InvalidDefinitionDescription,
        Rule::ExposeProtoCasing,
        Rule::ExposeInvalidFormat,
    ];

    /// Whether the rule speaks only where a file asks for it with `experimental=`.
    pub fn is_experimental(self) -> bool {
        self == Rule::InvalidDefinitionDescription
    }
}

impl fmt::Display for Rule {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(self, formatter)
    }
}

/// A choice of rules.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Rules {
    /// `all`.
    All,
    /// The named ones; names that no rule has are kept out.
    Some(Vec<Rule>),
}

impl Default for Rules {
    fn default() -> Rules {
        Rules::Some(Vec::new())
    }
}

impl Rules {
    /// Whether the rule is among the chosen.
    pub fn contains(&self, rule: Rule) -> bool {
        match self {
            Rules::All => true,
            Rules::Some(rules) => rules.contains(&rule),
        }
    }
}

/// What a `# check=` directive says, for a file or for the one instruction below it.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct CheckOptions {
    /// Rules that stay silent.
    pub skip: Rules,
    /// Experimental rules that speak.
    pub experimental: Rules,
    /// Whether a warning that remains fails the build.
    pub error: bool,
}

impl CheckOptions {
    /// Whether the rule speaks under these options.
    pub fn allows(&self, rule: Rule) -> bool {
        if rule.is_experimental() { self.experimental.contains(rule) } else { !self.skip.contains(rule) }
    }

    /// The diagnostics that remain under these options: those of skipped rules are gone, and with `error=true` a
    /// warning of a rule is an error.
    pub fn apply(&self, diagnostics: Vec<Diagnostic>) -> Vec<Diagnostic> {
        let kept = diagnostics.into_iter().filter(|found| found.rule.is_none_or(|rule| self.allows(rule)));
        kept.map(|found| match found.rule {
            Some(_) if self.error => Diagnostic { level: Level::Error, ..found },
            _ => found,
        })
        .collect()
    }
}
