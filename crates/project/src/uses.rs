//! What a Dockerfile uses: the images of its FROM, `COPY --from` and `RUN --mount=from`, expanded as a build would.

use std::collections::{BTreeMap, BTreeSet};

use dockerfile::expand::{Options, expand};
use dockerfile::{Dockerfile, Instruction, InstructionKind, Span};

use crate::graph::EdgeKind;
use crate::model::{Argument, WhichFrom};

/// What is given to a build besides its Dockerfile.
#[derive(Clone, Copy, Default)]
pub struct Request<'a> {
    /// Build arguments.
    pub args: &'a [Argument],
    /// The stage to build.
    pub target: Option<&'a str>,
    /// Which FROM is replaced, if one is.
    pub replaced: Option<WhichFrom>,
}

/// What a Dockerfile uses.
#[derive(Debug, Default)]
pub struct Uses {
    /// What the stages that the target needs use, in the order of the file.
    pub uses: Vec<Use>,
    /// What those who build on the target will use, by its ONBUILD instructions.
    pub onbuild: Vec<Use>,
    /// The FROM that was replaced.
    pub replaced: Option<Replaced>,
    /// All FROMs of the file, in order: what they name, expanded, and where.
    pub froms: Vec<From>,
    /// Whether there is no such target.
    pub missing_target: bool,
    /// Build arguments that no ARG declares, by number.
    pub unused_args: Vec<usize>,
}

/// A FROM.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct From {
    /// What it names, expanded as far as that goes.
    pub name: String,
    /// Whether that is an earlier stage.
    pub stage: bool,
    /// Whether that is no image at all: `scratch`.
    pub scratch: bool,
    /// Where the name stands.
    pub span: Span,
}

/// One use of an image.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Use {
    /// How.
    pub kind: EdgeKind,
    /// The reference, expanded; nothing for the FROM that an override replaces.
    pub reference: Option<String>,
    /// Variables in it that have no value.
    pub unset: Vec<String>,
    /// Where it stands.
    pub span: Span,
}

/// A FROM that an override replaces.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Replaced {
    /// Its number in [`Uses::froms`].
    pub index: usize,
    /// Whether what replaces it reaches the target at all.
    pub needed: bool,
}

/// The arguments that every file has without declaring them, for the platform that graphs are drawn for.
const PLATFORM: [(&str, &str); 8] = [
    ("BUILDPLATFORM", "linux/amd64"),
    ("BUILDOS", "linux"),
    ("BUILDARCH", "amd64"),
    ("BUILDVARIANT", ""),
    ("TARGETPLATFORM", "linux/amd64"),
    ("TARGETOS", "linux"),
    ("TARGETARCH", "amd64"),
    ("TARGETVARIANT", ""),
];

/// Build arguments that mean something without an ARG.
const PREDEFINED: [&str; 5] = ["HTTP_PROXY", "HTTPS_PROXY", "FTP_PROXY", "NO_PROXY", "ALL_PROXY"];

/// What a Dockerfile uses.
pub fn uses(dockerfile: &Dockerfile, request: Request<'_>) -> Uses {
    let mut found = Uses { unused_args: unused(dockerfile, request.args), ..Uses::default() };
    let globals = globals(dockerfile, request.args);
    let options = Options::new(dockerfile.directives.escape);
    let mut heads = Vec::new();
    for (index, stage) in dockerfile.stages.iter().enumerate() {
        let word = &stage.from.image;
        let (name, unset) = match expand(&word.raw, options, &globals) {
            // What is not set expands to nothing; showing the variable says more.
            Ok(expanded) if !expanded.unmatched.is_empty() => {
                (word.raw.clone(), expanded.unmatched.into_iter().collect())
            }
            Ok(expanded) => (expanded.word, Vec::new()),
            Err(_) => (word.raw.clone(), vec![word.raw.clone()]),
        };
        let base = if unset.is_empty() { before(dockerfile, index, &name) } else { None };
        let scratch = base.is_none() && name == "scratch";
        found.froms.push(From { name, stage: base.is_some(), scratch, span: word.span });
        heads.push((base, unset));
    }
    let Some(last) = dockerfile.stages.len().checked_sub(1) else { return found };
    let replaced = request.replaced.map(|which| if which == WhichFrom::First { 0 } else { last });
    if let Some(index) = replaced {
        heads[index] = (None, Vec::new());
    }
    let target = request.target.map_or(Some(last), |target| dockerfile.stage_index(target));
    found.missing_target = target.is_none();
    let target = target.unwrap_or(last);

    let needed = needed(dockerfile, &heads, target);
    found.replaced = replaced.map(|index| Replaced { index, needed: needed.contains(&index) });
    let chain = chain(&heads, target);
    for index in needed {
        let (base, unset) = &heads[index];
        let kind = if index == chain { EdgeKind::From } else { EdgeKind::StageFrom };
        let from = &found.froms[index];
        let reference = (replaced != Some(index)).then(|| from.name.clone());
        if base.is_none() && (reference.is_none() || !from.scratch) {
            found.uses.push(Use { kind, reference, unset: unset.clone(), span: from.span });
        }
        for instruction in program(dockerfile, base.as_ref(), index) {
            for (name, span, kind) in names(instruction) {
                if stage_of(dockerfile, index, name).is_none() {
                    found.uses.extend(image(name, span, kind, options, &globals));
                }
            }
        }
    }
    for instruction in triggers(dockerfile, target) {
        for (name, span, _) in names(instruction) {
            found.onbuild.extend(image(name, span, EdgeKind::Onbuild, options, &globals));
        }
    }
    found
}

/// The values before the first FROM.
fn globals(dockerfile: &Dockerfile, args: &[Argument]) -> BTreeMap<String, String> {
    let given = |name: &str| args.iter().rev().find(|arg| arg.name == name).and_then(|arg| arg.value.clone());
    let mut values: BTreeMap<String, String> = PLATFORM
        .iter()
        .map(|(name, value)| ((*name).to_owned(), given(name).unwrap_or_else(|| (*value).to_owned())))
        .collect();
    let options = Options::new(dockerfile.directives.escape);
    for instruction in &dockerfile.global_args {
        let InstructionKind::Arg(declarations) = &instruction.kind else { continue };
        for declaration in declarations {
            let name = declaration.key.raw.clone();
            let default = || {
                let raw = &declaration.default.as_ref()?.raw;
                expand(raw, options, &values).ok().map(|expanded| expanded.word)
            };
            // A name that `--build-arg` sets without a value that can be known has none here either.
            let unknown = args.iter().any(|arg| arg.name == name && arg.value.is_none());
            match given(&name).or_else(|| if unknown { None } else { default() }) {
                Some(value) => values.insert(name, value),
                None => values.remove(&name),
            };
        }
    }
    values
}

/// The last stage before `index` of this name.
fn before(dockerfile: &Dockerfile, index: usize, name: &str) -> Option<usize> {
    dockerfile.stages[..index]
        .iter()
        .rposition(|stage| stage.from.name.as_ref().is_some_and(|own| own.value.eq_ignore_ascii_case(name)))
}

/// The stage before `index` that a `--from` names, by number or name.
fn stage_of(dockerfile: &Dockerfile, index: usize, name: &str) -> Option<usize> {
    let number = name.parse::<usize>().ok().filter(|number| *number < index);
    number.or_else(|| before(dockerfile, index, name))
}

/// The stages that the target needs, in the order of the file.
fn needed(dockerfile: &Dockerfile, heads: &[(Option<usize>, Vec<String>)], target: usize) -> BTreeSet<usize> {
    let mut needed = BTreeSet::new();
    let mut waiting = BTreeSet::from([target]);
    while let Some(index) = waiting.pop_last() {
        needed.insert(index);
        let base = heads[index].0;
        waiting.extend(base);
        for instruction in program(dockerfile, base.as_ref(), index) {
            waiting.extend(
                names(instruction).into_iter().filter_map(|(name, ..)| stage_of(dockerfile, index, name)),
            );
        }
    }
    needed
}

/// The stage whose FROM is the base of the target, through stages that build on each other.
fn chain(heads: &[(Option<usize>, Vec<String>)], target: usize) -> usize {
    let mut index = target;
    while let Some(base) = heads[index].0 {
        index = base;
    }
    index
}

/// What a stage executes: triggers of the stage that it builds on, then its own instructions.
fn program<'d>(
    dockerfile: &'d Dockerfile,
    base: Option<&usize>,
    index: usize,
) -> impl Iterator<Item = &'d Instruction> {
    let inherited = base.into_iter().flat_map(|base| triggers(dockerfile, *base));
    inherited.chain(&dockerfile.stages[index].instructions)
}

fn triggers(dockerfile: &Dockerfile, stage: usize) -> impl Iterator<Item = &Instruction> {
    dockerfile.stages[stage].instructions.iter().filter_map(|instruction| match &instruction.kind {
        InstructionKind::Onbuild(onbuild) => Some(&onbuild.trigger),
        _ => None,
    })
}

/// The stages and images that an instruction names.
fn names(instruction: &Instruction) -> Vec<(&str, Span, EdgeKind)> {
    match &instruction.kind {
        InstructionKind::Copy(copy) => {
            copy.from.iter().map(|from| (from.raw.as_str(), from.span, EdgeKind::Copy)).collect()
        }
        InstructionKind::Run(run) => {
            let from = run.mounts.iter().filter_map(|mount| mount.from_field());
            from.map(|(name, span)| (name, span, EdgeKind::Mount)).collect()
        }
        _ => Vec::new(),
    }
}

/// An image that a `--from` names. BuildKit does not expand it and Buildah does; where a variable stands there, it is meant.
fn image(
    name: &str,
    span: Span,
    kind: EdgeKind,
    options: Options,
    globals: &BTreeMap<String, String>,
) -> Option<Use> {
    if name.is_empty() || name == "scratch" {
        return None;
    }
    let expanded = expand(name, options, globals).ok();
    let unset =
        expanded.as_ref().map(|expanded| expanded.unmatched.iter().cloned().collect()).unwrap_or_default();
    let word = expanded.filter(|expanded| expanded.unmatched.is_empty()).map(|expanded| expanded.word);
    Some(Use { kind, reference: Some(word.unwrap_or_else(|| name.to_owned())), unset, span })
}

fn unused(dockerfile: &Dockerfile, args: &[Argument]) -> Vec<usize> {
    let own = dockerfile.stages.iter().flat_map(|stage| &stage.instructions);
    let declared: BTreeSet<&str> = dockerfile
        .global_args
        .iter()
        .chain(own)
        .map(|instruction| match &instruction.kind {
            InstructionKind::Onbuild(onbuild) => &onbuild.trigger.kind,
            kind => kind,
        })
        .filter_map(
            |kind| if let InstructionKind::Arg(declarations) = kind { Some(declarations) } else { None },
        )
        .flatten()
        .map(|declaration| declaration.key.raw.as_str())
        .collect();
    let meant = |name: &str| {
        declared.contains(name)
            || PREDEFINED.iter().any(|known| known.eq_ignore_ascii_case(name))
            || PLATFORM.iter().any(|(known, _)| *known == name)
            || name.starts_with("BUILDKIT_")
            || name == "SOURCE_DATE_EPOCH"
    };
    args.iter().enumerate().filter(|(_, arg)| !meant(&arg.name)).map(|(index, _)| index).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::place::Place;

    #[track_caller]
    fn check(text: &str, request: Request<'_>, expected: &[&str]) {
        let (file, _) = dockerfile::parse(text);
        let found = uses(&file, request);
        let shown = |found: &Use| {
            let line = dockerfile::line_column(text, found.span.start).line;
            let unset =
                if found.unset.is_empty() { String::new() } else { format!(" unset {:?}", found.unset) };
            format!(
                "{line} {} {}{unset}",
                found.kind.name(),
                found.reference.as_deref().unwrap_or("(replaced)")
            )
        };
        let actual: Vec<String> = found.uses.iter().chain(&found.onbuild).map(shown).collect();
        assert_eq!(actual, expected);
    }

    fn arg(name: &str, value: &str) -> Argument {
        Argument { name: name.into(), value: Some(value.into()), place: Place::start("kapok.yaml") }
    }

    #[test]
    fn stages_are_no_images() {
        check(
            "FROM golang:1 AS go\nFROM scratch AS empty\nFROM debian\nCOPY --from=go /x /\nCOPY --from=1 / /\nCOPY --from=nginx:1 / /\n",
            Request::default(),
            &["1 stage-from golang:1", "3 from debian", "6 copy-from nginx:1"],
        );
        check(
            "FROM a AS base\nFROM base\nRUN --mount=type=bind,from=tool,target=/t x\n",
            Request::default(),
            &["1 from a", "3 mount-from tool"],
        );
    }

    #[test]
    fn stages_that_nobody_needs_use_nothing() {
        check(
            "FROM a AS x\nFROM b AS y\nFROM c\n",
            Request { target: Some("y"), ..Request::default() },
            &["2 from b"],
        );
    }

    #[test]
    fn variables_take_arguments_and_defaults() {
        let text =
            "ARG TAG=1\nARG BASE=quay.io/o/b:$TAG\nARG NONE\nFROM ${BASE}\nFROM $NONE\nCOPY --from=0 / /\n";
        check(text, Request::default(), &["4 stage-from quay.io/o/b:1", "5 from $NONE unset [\"NONE\"]"]);
        let args = [arg("TAG", "2"), arg("NONE", "x")];
        check(
            text,
            Request { args: &args, ..Request::default() },
            &["4 stage-from quay.io/o/b:2", "5 from x"],
        );
    }

    #[test]
    fn an_override_replaces_the_first_or_the_last() {
        let text = "FROM a AS x\nFROM b\nCOPY --from=x / /\n";
        let request = |which| Request { replaced: Some(which), ..Request::default() };
        check(text, request(WhichFrom::First), &["1 stage-from (replaced)", "2 from b"]);
        check(text, request(WhichFrom::Last), &["1 stage-from a", "2 from (replaced)"]);
        check("FROM a AS x\nRUN y\nFROM x\n", request(WhichFrom::Last), &["3 from (replaced)"]);
    }

    #[test]
    fn triggers_are_for_those_who_build_on_it() {
        check("FROM a\nONBUILD COPY --from=tool /x /\n", Request::default(), &["1 from a", "2 onbuild tool"]);
        check(
            "FROM a AS b\nONBUILD COPY --from=tool /x /\nFROM b\n",
            Request::default(),
            &["1 from a", "2 copy-from tool"],
        );
    }

    #[test]
    fn arguments_that_nothing_declares_are_named() {
        let (file, _) = dockerfile::parse("ARG A\nFROM x\nARG B\n");
        let args = [arg("A", "1"), arg("B", "1"), arg("C", "1"), arg("http_proxy", "1")];
        assert_eq!(uses(&file, Request { args: &args, ..Request::default() }).unused_args, [2]);
    }
}
