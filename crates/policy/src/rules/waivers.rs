//! Rules on waivers and remarks themselves. The judge finds these on its own: they are about its work.

use crate::level::{Level, Levels};
use crate::rule::{Example, Family, Need, Rule};

/// A waiver whose day has come.
pub static EXPIRED: Rule = Rule {
    id: "waiver-expired",
    family: Family::Waivers,
    levels: Levels::ERROR,
    title: "a waiver has not expired",
    why: "A waiver is a promise to come back. When its day has passed, what it covered is found again, and so is the \
          waiver itself, so that nobody has to remember it.",
    fix: "mend what it covers and remove it, or agree on a new day with its owner",
    bad: Example(
        "//- Dockerfile\nFROM registry.example.com/base:1\nWORKDIR app\n\
         //- kapok-waivers.yaml\nwaivers:\n  - rule: workdir-relative\n    path: Dockerfile\n    reason: moves in spring\n    \
         owner: ada@example.com\n    expires: «2020-01-31»\n",
    ),
    good: Example(
        "//- Dockerfile\nFROM registry.example.com/base:1\nWORKDIR app\n\
         //- kapok-waivers.yaml\nwaivers:\n  - rule: workdir-relative\n    path: Dockerfile\n    reason: moves in spring\n    \
         owner: ada@example.com\n    expires: 2999-01-31\n",
    ),
    also: &[],
    needs: &[Need::Files],
    judge: |_, _| (),
};

/// A waiver that waives nothing.
pub static UNUSED: Rule = Rule {
    id: "waiver-unused",
    family: Family::Waivers,
    levels: Levels::WARNING,
    title: "a waiver covers something",
    why: "A waiver that covers nothing any more is a hole that waits: the next mistake of its kind passes unseen.",
    fix: "remove it",
    bad: Example(
        "//- Dockerfile\nFROM registry.example.com/base:1\nWORKDIR /app\n\
         //- kapok-waivers.yaml\nwaivers:\n  - rule: «workdir-relative»\n    path: Dockerfile\n    reason: moves in spring\n    \
         owner: ada@example.com\n    expires: 2999-01-31\n",
    ),
    good: EXPIRED.good,
    also: &[],
    needs: &[Need::Files],
    judge: |_, _| (),
};

/// A remark that silences a rule and does not say why.
pub static NO_REASON: Rule = Rule {
    id: "ignore-without-reason",
    family: Family::Waivers,
    levels: Levels::INFO,
    title: "a remark that silences a rule says why",
    why: "Who reads the file in a year cannot tell an accepted risk from a forgotten one.",
    fix: "write the reason after the rule: `# kapok: ignore=RULE the reason`",
    bad: Example("FROM registry.example.com/base:1\n# kapok: ignore=«workdir-relative»\nWORKDIR app\n"),
    good: Example(
        "FROM registry.example.com/base:1\n# kapok: ignore=workdir-relative the base sets /srv\nWORKDIR app\n",
    ),
    also: &[],
    needs: &[Need::Files],
    judge: |_, _| (),
};

/// A remark or a waiver that names a rule that does not exist.
pub static UNKNOWN_RULE: Rule = Rule {
    id: "unknown-rule",
    family: Family::Waivers,
    levels: Levels::of(Some(Level::Warning), Some(Level::Warning), Some(Level::Warning)),
    title: "remarks and waivers name rules that exist",
    why: "A misspelt rule is not silenced, and a waiver for it covers nothing.",
    fix: "`kapok explain` lists the rules",
    bad: Example(
        "FROM registry.example.com/base:1\n# kapok: ignore=«workdir-realtive» the base sets /srv\nWORKDIR /app\n",
    ),
    good: NO_REASON.good,
    also: &[],
    needs: &[Need::Files],
    judge: |_, _| (),
};

/// A remark that silences nothing.
pub static UNUSED_IGNORE: Rule = Rule {
    id: "ignore-unused",
    family: Family::Waivers,
    levels: Levels::INFO,
    title: "a remark that silences a rule is needed",
    why: "A remark that silences nothing any more hides the next mistake of its kind.",
    fix: "remove the remark",
    bad: Example(
        "FROM registry.example.com/base:1\n# kapok: ignore=«workdir-relative» the base sets /srv\nWORKDIR /app\n",
    ),
    good: NO_REASON.good,
    also: &[],
    needs: &[Need::Files],
    judge: |_, _| (),
};

/// A waiver that cannot be understood.
pub static UNREADABLE: Rule = Rule {
    id: "waiver-incomplete",
    family: Family::Waivers,
    levels: Levels::ERROR,
    title: "a waiver names rule, reason, owner and expiry",
    why: "What nobody answers for and what never ends is no waiver, but a rule turned off. For that there is \
          `check.levels` in kapok.yaml.",
    fix: "give it `rule`, `path` or `image`, `reason`, `owner` and `expires`",
    bad: Example(
        "//- Dockerfile\nFROM registry.example.com/base:1\nWORKDIR app\n\
         //- kapok-waivers.yaml\nwaivers:\n  - «rule: workdir-relative\n    path: Dockerfile\n    reason: moves in spring\n    \
         expires: 2999-01-31\n»",
    ),
    good: EXPIRED.good,
    also: &[],
    needs: &[Need::Files],
    judge: |_, _| (),
};

/// These rules.
pub const RULES: &[&Rule] = &[&UNREADABLE, &EXPIRED, &UNUSED, &NO_REASON, &UNKNOWN_RULE, &UNUSED_IGNORE];
