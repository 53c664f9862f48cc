//! A rule: words, levels, examples and a function, in one value.

use std::borrow::Cow;

use crate::facts::Facts;
use crate::finding::{Finding, Place};
use crate::level::{Level, Levels};
use crate::standards::Standards;

/// A rule of the registry. Its page in the documentation and `kapok explain RULE` are this value, printed.
pub struct Rule {
    /// Kebab case, unique, for ever.
    pub id: &'static str,
    /// What it is about.
    pub family: Family,
    /// How bad a finding of it is, by profile.
    pub levels: Levels,
    /// What it says, in one line: `a base image has a tag`.
    pub title: &'static str,
    /// Why it matters, in sentences.
    pub why: &'static str,
    /// What to do, as a hint: lower case, without a full stop. A finding may know better.
    pub fix: &'static str,
    /// What it catches. The place is between `«` and `»`, once for each finding.
    pub bad: Example,
    /// What it leaves alone.
    pub good: Example,
    /// The same rule elsewhere, so that people find it, and so that remarks for other tools are honoured.
    pub also: &'static [Foreign],
    /// The facts it needs.
    pub needs: &'static [Need],
    /// Judges all facts.
    pub judge: fn(&Facts, &mut Sink<'_>),
}

impl Rule {
    /// The parts that most rules have alike, for those who write rules.
    pub(crate) const BLANK: Rule = Rule {
        id: "",
        family: Family::Correctness,
        levels: Levels::DOUBT,
        title: "",
        why: "",
        fix: "",
        bad: Example(""),
        good: Example(""),
        also: &[],
        needs: &[Need::Instructions],
        judge: |_, _| (),
    };

    /// A rule's words and levels; what it needs and how it judges is for its author to add.
    pub(crate) const fn of(
        family: Family,
        id: &'static str,
        levels: Levels,
        title: &'static str,
        why: &'static str,
        fix: &'static str,
    ) -> Rule {
        Rule { id, family, levels, title, why, fix, ..Rule::BLANK }
    }
}

/// What rules are about.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Family {
    /// Base images.
    Base,
    /// Packages from package managers.
    Packages,
    /// What RUN and ADD download.
    Downloads,
    /// Built from source.
    Source,
    /// Versions of languages, and ends of life.
    Languages,
    /// CA certificates.
    Certificates,
    /// Users, modes, secrets.
    Privilege,
    /// Files that do not do what their author thinks.
    Correctness,
    /// Kubernetes and its relatives.
    Manifests,
    /// The repository as a whole.
    Repository,
    /// Waivers and remarks.
    Waivers,
}

impl Family {
    /// All, in the order of the documentation.
    pub const ALL: [Family; 11] = [
        Family::Base,
        Family::Packages,
        Family::Downloads,
        Family::Source,
        Family::Languages,
        Family::Certificates,
        Family::Privilege,
        Family::Correctness,
        Family::Manifests,
        Family::Repository,
        Family::Waivers,
    ];

    /// The word for it.
    pub fn name(self) -> &'static str {
        match self {
            Family::Base => "base images",
            Family::Packages => "packages",
            Family::Downloads => "downloads",
            Family::Source => "from source",
            Family::Languages => "languages",
            Family::Certificates => "certificates",
            Family::Privilege => "privilege",
            Family::Correctness => "correctness",
            Family::Manifests => "manifests",
            Family::Repository => "repository",
            Family::Waivers => "waivers",
        }
    }
}

/// Files, written as text: `//- path` begins one. Text without a heading is a `Dockerfile`. A `kapok.yaml` among them
/// gives its `check` settings.
#[derive(Clone, Copy, Debug)]
pub struct Example(pub &'static str);

/// The id of a rule in another tool.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Foreign {
    /// hadolint's, such as `DL3008`; ShellCheck's, as hadolint reports them, such as `SC2086`.
    Hadolint(&'static str),
    /// A check of BuildKit, such as `WorkdirRelativePath`.
    Docker(&'static str),
    /// A check of kube-score, such as `container-image-tag`.
    KubeScore(&'static str),
    /// A rule of Conforma, such as `base_image_registries.base_image_permitted`.
    Conforma(&'static str),
}

impl Foreign {
    /// The tool and the id.
    pub fn words(self) -> (&'static str, &'static str) {
        match self {
            Foreign::Hadolint(id) => ("hadolint", id),
            Foreign::Docker(id) => ("docker build checks", id),
            Foreign::KubeScore(id) => ("kube-score", id),
            Foreign::Conforma(id) => ("Conforma", id),
        }
    }
}

/// A kind of fact. What a rule lists here must be known for its verdict to be a pass.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Need {
    /// Instructions of Dockerfiles, variables followed.
    Instructions,
    /// Commands of the shell in RUN.
    Commands,
    /// What package managers are asked for.
    Packages,
    /// Objects of Kubernetes manifests.
    Manifests,
    /// Certificates and bundles.
    Certificates,
    /// Files of the repository.
    Files,
    /// What a build fetched.
    Intakes,
    /// What an image holds.
    Tree,
    /// Which image is built on, or copies from, which.
    Edges,
}

impl Need {
    /// The word for it.
    pub fn name(self) -> &'static str {
        match self {
            Need::Instructions => "instructions",
            Need::Commands => "shell commands",
            Need::Packages => "package requests",
            Need::Manifests => "manifests",
            Need::Certificates => "certificates",
            Need::Files => "committed files",
            Need::Intakes => "intakes of a build",
            Need::Tree => "the image's tree",
            Need::Edges => "edges between images",
        }
    }
}

/// Where a rule puts what it finds.
pub struct Sink<'a> {
    /// What the organisation wants.
    pub standards: &'a Standards,
    pub(crate) found: Vec<Raw>,
    pub(crate) unknown: Vec<(Option<Place>, Cow<'static, str>)>,
}

/// A finding before profile and waivers.
pub(crate) struct Raw {
    pub place: Place,
    pub message: String,
    pub fix: Option<String>,
    pub image: Option<String>,
    pub at_most: Option<crate::Level>,
}

impl Raw {
    /// The finding that it is, at the level that the rule has.
    pub(crate) fn settled(self, rule: &Rule, level: Level) -> Finding {
        Finding {
            rule: rule.id.into(),
            level: self.at_most.map_or(level, |most| most.min(level)),
            place: self.place,
            message: self.message,
            fix: self.fix.unwrap_or_else(|| rule.fix.to_owned()),
            image: self.image,
        }
    }
}

impl<'a> Sink<'a> {
    pub(crate) fn new(standards: &'a Standards) -> Sink<'a> {
        Sink { standards, found: Vec::new(), unknown: Vec::new() }
    }

    /// Something is wrong here; the rule's own fix is the fix.
    pub fn find(&mut self, place: Place, message: impl Into<String>) -> &mut Sink<'a> {
        self.found.push(Raw { place, message: message.into(), fix: None, image: None, at_most: None });
        self
    }

    /// Something is wrong here, and this would help.
    pub fn find_with(
        &mut self,
        place: Place,
        message: impl Into<String>,
        fix: impl Into<String>,
    ) -> &mut Sink<'a> {
        self.find(place, message);
        if let Some(last) = self.found.last_mut() {
            last.fix = Some(fix.into());
        }
        self
    }

    /// The last finding is about this image.
    pub fn about(&mut self, image: Option<&str>) -> &mut Sink<'a> {
        if let Some(last) = self.found.last_mut() {
            last.image = image.map(str::to_owned);
        }
        self
    }

    /// The last finding is no worse than this, whatever the profile says: it rests on a name, say, and not on the image.
    pub fn at_most(&mut self, level: crate::Level) -> &mut Sink<'a> {
        if let Some(last) = self.found.last_mut() {
            last.at_most = Some(level);
        }
        self
    }

    /// The rule cannot say: a fact that it needs is missing or was not observed. `why` names the fact, in lower case.
    pub fn unknown(&mut self, place: Option<Place>, why: impl Into<Cow<'static, str>>) {
        self.unknown.push((place, why.into()));
    }
}
