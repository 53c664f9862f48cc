//! The gate of the settings.

use std::collections::BTreeSet;
use std::fmt;
use std::str::FromStr;
use std::sync::Arc;

use oci::record::Verdict;
use oci::time::format_rfc3339;

use super::address::AddressPattern;
use super::exception::Exception;
use super::private::PrivateIndex;
use super::{Gate, Probe, Subject, Wants};
use crate::packages::index::{self, Filtered, Index, IndexError, Offer};
use crate::packages::{Address, Artifact, Ecosystem, Kind};

const DAY: i64 = 86_400;

/// A rule by its name in the settings.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Rule {
    /// Only these addresses.
    Allow,
    /// Not these addresses.
    Deny,
    /// Nothing younger than this.
    Cooldown,
    /// Nothing that somebody else compiled.
    FromSource,
    /// Private names come from private indexes.
    Private,
    /// Nothing without a digest that was known before.
    Digests,
    /// Nothing that an advisory speaks against.
    Advisories,
}

/// What `network:` in the settings says, and the time at which it is judged.
#[derive(Clone, Debug, Default)]
pub struct Rules {
    /// Lists of addresses that may be asked: every list must have it. No list means all.
    pub allow: Vec<Vec<AddressPattern>>,
    /// Addresses that may not, even if they are allowed.
    pub deny: Vec<AddressPattern>,
    /// How old a version must be, in seconds; 0 means any age.
    pub cooldown: i64,
    /// Ecosystems of which nothing prebuilt is taken.
    pub from_source: BTreeSet<Ecosystem>,
    /// Indexes of one's own.
    pub private: Vec<PrivateIndex>,
    /// Packages need a digest that was known before they came.
    pub require_digests: bool,
    /// What does not hold for which package until when.
    pub exceptions: Vec<Exception>,
    /// Who knows advisories, if somebody does.
    pub advisories: Option<Arc<dyn Advisories>>,
    /// Now, seconds since 1970.
    pub now: i64,
}

/// Somebody who knows what speaks against packages.
pub trait Advisories: fmt::Debug + Send + Sync {
    /// What speaks against a package, by its package URL.
    fn against(&self, purl: &str) -> Option<Advisory>;

    /// Which state of knowledge this is; it goes into the keys of steps.
    fn state(&self) -> String;
}

/// What speaks against a package.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Advisory {
    /// Its name: `CVE-2024-0001`.
    pub id: String,
    /// One line.
    pub summary: String,
}

impl Rule {
    /// All of them.
    pub const ALL: [Rule; 7] = [
        Rule::Allow,
        Rule::Deny,
        Rule::Cooldown,
        Rule::FromSource,
        Rule::Private,
        Rule::Digests,
        Rule::Advisories,
    ];

    /// Its key in the settings.
    pub fn name(self) -> &'static str {
        match self {
            Rule::Allow => "network.allow",
            Rule::Deny => "network.deny",
            Rule::Cooldown => "network.cooldown",
            Rule::FromSource => "network.from-source",
            Rule::Private => "network.private",
            Rule::Digests => "network.digests",
            Rule::Advisories => "network.advisories",
        }
    }

    /// Whether an exception can be made from it: addresses have their own lists.
    pub fn has_exceptions(self) -> bool {
        !matches!(self, Rule::Allow | Rule::Deny | Rule::Private)
    }

    fn refuse(self, reason: String) -> Verdict {
        Verdict::Refused { rule: self.name().to_owned(), reason }
    }
}

impl fmt::Display for Rule {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

impl FromStr for Rule {
    type Err = String;

    fn from_str(word: &str) -> Result<Rule, String> {
        let short = |rule: &Rule| rule.name().trim_start_matches("network.");
        let fits = |rule: &&Rule| rule.has_exceptions() && (short(rule) == word || rule.name() == word);
        Rule::ALL.iter().find(fits).copied().ok_or_else(|| {
            let known: Vec<String> = Rule::ALL
                .iter()
                .filter(|rule| rule.has_exceptions())
                .map(|rule| format!("`{}`", short(rule)))
                .collect();
            format!("there are exceptions from {}", known.join(", "))
        })
    }
}

impl Gate for Rules {
    fn policy(&self) -> String {
        let mut lines = Vec::new();
        let joined = |patterns: &[AddressPattern]| {
            let mut texts: Vec<String> = patterns.iter().map(ToString::to_string).collect();
            texts.sort();
            texts.join(" ")
        };
        lines.extend(self.allow.iter().map(|allow| format!("allow {}", joined(allow))));
        if !self.deny.is_empty() {
            lines.push(format!("deny {}", joined(&self.deny)));
        }
        if self.cooldown > 0 {
            lines.push(format!("cooldown {}", self.cooldown));
        }
        lines.extend(self.from_source.iter().map(|ecosystem| format!("from-source {ecosystem}")));
        lines.extend(self.private.iter().map(PrivateIndex::policy));
        if self.require_digests {
            lines.push("digests required".to_owned());
        }
        lines.extend(self.advisories.iter().map(|advisories| format!("advisories {}", advisories.state())));
        let holding = self.exceptions.iter().filter(|exception| self.now < exception.until);
        lines.extend(holding.map(|exception| format!("exception {} {}", exception.rule, exception.package)));
        lines.sort();
        lines.join("; ")
    }

    fn recalls(&self) -> bool {
        self.require_digests
    }

    fn address(&self, method: &str, url: &str) -> Verdict {
        let asked = match Asked::of(method, url) {
            Some(asked) => asked,
            None if method == "CONNECT" => return Verdict::Allowed,
            None => return Rule::Allow.refuse(format!("`{url}` is no URL")),
        };
        let shown = asked.shown();
        if let Some(pattern) = self.deny.iter().find(|pattern| asked.is_meant(pattern)) {
            let reason =
                format!("`{shown}` is denied by `{pattern}`; take that out of `network.deny` to allow it");
            return Rule::Deny.refuse(reason);
        }
        if self.allow.iter().any(|allow| !allow.iter().any(|pattern| asked.is_meant(pattern))) {
            let host = shown.split('/').next().unwrap_or_default();
            return Rule::Allow.refuse(format!(
                "`{shown}` is not among the allowed; add `{host}` to `network.allow` to allow it"
            ));
        }
        Verdict::Allowed
    }

    fn wants(&self, artifact: &Artifact, url: &str) -> Wants {
        let chained = index::is_chained(artifact.ecosystem);
        let index = artifact.kind == Kind::Index && (artifact.name.is_some() || chained);
        let file = matches!(artifact.kind, Kind::Package | Kind::Metadata);
        let ecosystem = artifact.ecosystem;
        let ages = self.cooldown > 0;
        let filtered = (ages && index::times::tells(ecosystem))
            || self.from_source.contains(&ecosystem)
            || (self.require_digests && index::tells_digests(ecosystem));
        let mut wants = Wants {
            whole: index && filtered && (index::is_filtered(ecosystem) || chained),
            published: file && ages && index::times::tells(ecosystem),
            digest: self.require_digests && artifact.kind == Kind::Package,
            ..Wants::default()
        };
        if wants.whole {
            wants.accept = index::form_wanted(ecosystem);
        }
        self.precedence(artifact, url, &mut wants);
        wants
    }

    fn artifact(&self, subject: &Subject<'_>) -> Verdict {
        let artifact = subject.artifact;
        let offer = Offer {
            version: artifact.version.clone(),
            published: subject.published,
            prebuilt: artifact.prebuilt,
            digest: subject.promised,
            ..Offer::default()
        };
        if let Some((rule, reason)) = self.against(artifact, &offer) {
            return rule.refuse(reason);
        }
        let covered = |rule| self.is_excepted(rule, artifact);
        if self.require_digests
            && artifact.kind == Kind::Package
            && subject.promised.is_none()
            && !covered(Rule::Digests)
        {
            let reason = format!(
                "no index and no lock told the digest of {}; build with `--lock` first, or {}",
                named(artifact),
                self.how_to_except(Rule::Digests, artifact)
            );
            return Rule::Digests.refuse(reason);
        }
        Verdict::Allowed
    }

    fn filter(&self, index: &Index<'_>) -> Result<Filtered, IndexError> {
        index::filter(index, &mut |offer| {
            let mut artifact = index.artifact.clone().kind(Kind::Package);
            artifact.version.clone_from(&offer.version);
            self.against(&artifact, offer).map(|(rule, reason)| (rule.name().to_owned(), reason))
        })
    }
}

impl Rules {
    /// What speaks against a version or a file of it.
    fn against(&self, artifact: &Artifact, offer: &Offer) -> Option<(Rule, String)> {
        if !matches!(artifact.kind, Kind::Package | Kind::Metadata) {
            return None;
        }
        if offer.prebuilt
            && self.from_source.contains(&artifact.ecosystem)
            && !self.is_excepted(Rule::FromSource, artifact)
        {
            let how = self.how_to_except(Rule::FromSource, artifact);
            return Some((Rule::FromSource, format!("{} is prebuilt; {how}", named(artifact))));
        }
        if let Some(published) = offer.published.filter(|published| *published > self.now - self.cooldown)
            && self.cooldown > 0
            && !self.is_excepted(Rule::Cooldown, artifact)
        {
            let reason = format!(
                "{} was published on {}, less than {} ago; {}",
                named(artifact),
                &format_rfc3339(published)[..10],
                period(self.cooldown),
                self.how_to_except(Rule::Cooldown, artifact)
            );
            return Some((Rule::Cooldown, reason));
        }
        let advisories = self.advisories.as_ref()?;
        let advisory = advisories.against(artifact.purl()?.as_str())?;
        if self.is_excepted(Rule::Advisories, artifact) {
            return None;
        }
        let how = self.how_to_except(Rule::Advisories, artifact);
        Some((Rule::Advisories, format!("{}: {}, {}; {how}", named(artifact), advisory.id, advisory.summary)))
    }

    fn is_excepted(&self, rule: Rule, artifact: &Artifact) -> bool {
        self.exceptions.iter().any(|exception| exception.covers(rule, artifact, self.now))
    }

    fn how_to_except(&self, rule: Rule, artifact: &Artifact) -> String {
        let name = artifact.full_name().unwrap_or_default();
        let version = artifact.version.as_ref().map(|version| format!("@{version}")).unwrap_or_default();
        let until = format_rfc3339(self.now + 30 * DAY);
        let rule = rule.name().trim_start_matches("network.");
        format!(
            "to allow it, add `{{rule: {rule}, package: \"{}/{name}{version}\", until: {}, reason: …}}` to \
             `network.exceptions`",
            artifact.ecosystem,
            &until[..10]
        )
    }

    fn precedence(&self, artifact: &Artifact, url: &str, wants: &mut Wants) {
        let Some(address) = Address::parse(url) else { return };
        if self.private.iter().any(|index| index.holds(&address)) {
            return;
        }
        let refused = |index: &PrivateIndex| {
            let name = artifact.full_name().unwrap_or_default();
            Rule::Private.refuse(format!(
                "`{name}` is a name of the private index {}, and `{}` is not part of it; to allow it, take the name out \
                 of that index or the index out of `network.private`",
                index.url(),
                address.authority()
            ))
        };
        if let Some(index) = self.private.iter().find(|index| index.owns(artifact)) {
            wants.hidden = Some(refused(index));
            return;
        }
        for index in &self.private {
            if let Some(url) = index.probe(artifact) {
                wants.ask_first.push(Probe { url, refusal: refused(index) });
            }
        }
    }
}

fn named(artifact: &Artifact) -> String {
    let version = artifact.version.as_ref().map(|version| format!(" {version}")).unwrap_or_default();
    format!("{}{version} ({})", artifact.full_name().unwrap_or_default(), artifact.ecosystem)
}

/// A length of time as settings write it.
fn period(seconds: i64) -> String {
    match seconds {
        s if s % DAY == 0 => format!("{}d", s / DAY),
        s if s % 3600 == 0 => format!("{}h", s / 3600),
        s => format!("{s}s"),
    }
}

/// What is to be asked: something with a path, or a host of which no more is known.
enum Asked {
    Address(Box<Address>),
    Tunnel(String, u16),
}

impl Asked {
    fn of(method: &str, url: &str) -> Option<Asked> {
        match method {
            "CONNECT" => tunnel(url).map(|(host, port)| Asked::Tunnel(host, port)),
            _ => Address::parse(url).map(|address| Asked::Address(Box::new(address))),
        }
    }

    fn is_meant(&self, pattern: &AddressPattern) -> bool {
        match self {
            Asked::Address(address) => pattern.matches(address),
            Asked::Tunnel(host, port) => pattern.matches_host(host, *port),
        }
    }

    fn shown(&self) -> String {
        match self {
            Asked::Address(address) => format!("{}{}", address.authority(), address.path),
            Asked::Tunnel(host, port) => format!("{host}:{port}"),
        }
    }
}

/// Host and port of `tcp://host:port`.
fn tunnel(url: &str) -> Option<(String, u16)> {
    let (_, rest) = url.split_once("://")?;
    let (host, port) = rest.trim_end_matches('/').rsplit_once(':')?;
    Some((host.trim_matches(['[', ']']).to_ascii_lowercase(), port.parse().ok()?))
}
