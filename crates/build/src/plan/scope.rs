//! Variables and where they hold: the global scope of a file, and what a stage adds to it.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use dockerfile::Diagnostic;
use dockerfile::InstructionKind;
use dockerfile::expand::{Lookup, Options, expand};

use super::PlanRequest;
use super::report::{Report, undefined};

/// Values by name, in the order in which the names first came.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Ordered<V> {
    entries: Vec<(String, V)>,
    index: HashMap<String, usize>,
}

/// Variables that have a value.
pub type Variables = Ordered<String>;

/// ARGs, each with the value that its last declaration gave it.
pub type Declared = Ordered<Option<String>>;

impl<V> Default for Ordered<V> {
    fn default() -> Ordered<V> {
        Ordered { entries: Vec::new(), index: HashMap::new() }
    }
}

impl<V> Ordered<V> {
    /// Sets a value; a name keeps its place if it was there before.
    pub fn set(&mut self, name: &str, value: impl Into<V>) {
        match self.index.get(name) {
            Some(&at) => self.entries[at].1 = value.into(),
            None => {
                self.index.insert(name.to_owned(), self.entries.len());
                self.entries.push((name.to_owned(), value.into()));
            }
        }
    }

    /// Whether there is such a name.
    pub fn contains(&self, name: &str) -> bool {
        self.index.contains_key(name)
    }

    /// Names and values, in order.
    pub fn iter(&self) -> impl Iterator<Item = &(String, V)> {
        self.entries.iter()
    }

    /// The names, in order.
    pub fn names(&self) -> impl Iterator<Item = &str> {
        self.entries.iter().map(|(name, _)| name.as_str())
    }

    /// How many there are.
    pub fn len(&self) -> usize {
        self.entries.len()
    }
}

impl Variables {
    /// The value of a variable.
    pub fn get(&self, name: &str) -> Option<&str> {
        self.index.get(name).map(|&at| self.entries[at].1.as_str())
    }

    /// All of them, in order.
    pub fn to_vec(&self) -> Vec<(String, String)> {
        self.entries.clone()
    }
}

impl Lookup for Variables {
    fn lookup(&self, name: &str) -> Option<String> {
        self.get(name).map(ToOwned::to_owned)
    }
}

/// The names that work as `--build-arg` without an ARG, in any case: they reach every RUN and neither key nor image.
const PROXIES: [&str; 5] = ["HTTP_PROXY", "HTTPS_PROXY", "FTP_PROXY", "NO_PROXY", "ALL_PROXY"];

/// The proxy variables that `--build-arg` sets, each in capitals and in small letters as programs expect it.
pub fn proxies(build_args: &BTreeMap<String, String>) -> Vec<(String, String)> {
    let value = |proxy: &str| {
        // Where both cases are given, the one in small letters comes later in the order of names and wins.
        let given = build_args.iter().filter(|(name, _)| name.eq_ignore_ascii_case(proxy));
        given.map(|(_, value)| value).next_back().filter(|value| !value.is_empty())
    };
    let set = PROXIES.iter().filter_map(|proxy| value(proxy).map(|value| (proxy, value)));
    set.flat_map(|(proxy, value)| {
        [((*proxy).to_owned(), value.clone()), (proxy.to_ascii_lowercase(), value.clone())]
    })
    .collect()
}

/// Whether a `--build-arg` has a meaning without an ARG.
pub fn is_predefined(name: &str) -> bool {
    PROXIES.iter().any(|proxy| proxy.eq_ignore_ascii_case(name))
        || name.starts_with("BUILDKIT_")
        || name == "SOURCE_DATE_EPOCH"
        || PLATFORM_ARGS.contains(&name)
}

const PLATFORM_ARGS: [&str; 11] = [
    "BUILDPLATFORM",
    "BUILDOS",
    "BUILDOSVERSION",
    "BUILDARCH",
    "BUILDVARIANT",
    "TARGETPLATFORM",
    "TARGETOS",
    "TARGETOSVERSION",
    "TARGETARCH",
    "TARGETVARIANT",
    "TARGETSTAGE",
];

/// The arguments that every file has in its global scope, as `--build-arg` may override them.
pub fn platform_args(request: &PlanRequest<'_>) -> Variables {
    let (build, target) = (&request.build_platform, &request.platform);
    let last_name = request.dockerfile.stages.last().and_then(|stage| stage.from.name.as_ref());
    let stage = request.target.or(last_name.map(|name| name.value.as_str())).unwrap_or("default");
    let text = |value: &Option<String>| value.clone().unwrap_or_default();
    let values = [
        build.to_string(),
        build.os.clone(),
        text(&build.os_version),
        build.architecture.clone(),
        text(&build.variant),
        target.to_string(),
        target.os.clone(),
        text(&target.os_version),
        target.architecture.clone(),
        text(&target.variant),
        stage.to_owned(),
    ];
    let mut variables = Variables::default();
    for (name, value) in PLATFORM_ARGS.iter().zip(values) {
        variables.set(name, request.build_args.get(*name).cloned().unwrap_or(value));
    }
    variables
}

/// The global scope: what the ARG instructions before the first FROM declare.
#[derive(Debug, Clone, Default)]
pub struct Globals {
    /// Those that have a value.
    pub variables: Variables,
    /// All that are declared, also without a value.
    pub declared: BTreeSet<String>,
}

impl Globals {
    /// Reads the file's global ARGs; with `build_args` they override, without them the defaults hold.
    pub fn read(
        request: &PlanRequest<'_>,
        build_args: &BTreeMap<String, String>,
        report: &mut Report<'_>,
    ) -> Globals {
        let mut globals = Globals { variables: platform_args(request), declared: BTreeSet::new() };
        let options = Options::new(request.dockerfile.directives.escape);
        let declarations =
            request.dockerfile.global_args.iter().filter_map(|instruction| match &instruction.kind {
                InstructionKind::Arg(declarations) => Some(declarations),
                _ => None,
            });
        for declaration in declarations.flatten() {
            let name = declaration.key.raw.clone();
            let value = match (build_args.get(&name), &declaration.default) {
                (Some(value), _) => Some(value.clone()),
                (None, None) => None,
                (None, Some(word)) => match expand(&word.raw, options, &globals.variables) {
                    Ok(expanded) => Some(expanded.word),
                    Err(error) => {
                        report.add(Diagnostic::error(word.span, error.to_string()));
                        None
                    }
                },
            };
            if let Some(value) = value {
                globals.variables.set(&name, value);
            }
            globals.declared.insert(name);
        }
        globals
    }

    /// Warns of names in a FROM that nobody declares.
    pub fn warn_undeclared<'n>(
        &self,
        unmatched: impl IntoIterator<Item = &'n String>,
        span: dockerfile::Span,
        report: &mut Report<'_>,
    ) {
        for name in unmatched {
            if !self.declared.contains(name) {
                let known = self.declared.iter().map(String::as_str).chain(self.variables.names());
                let hint = undefined(name, known);
                let message = format!("`{name}` is not declared before the first FROM");
                report.add(
                    Diagnostic::check(dockerfile::Rule::UndefinedArgInFrom, span, message).hint_opt(hint),
                );
            }
        }
    }
}
