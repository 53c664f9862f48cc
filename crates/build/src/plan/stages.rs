//! The stages of a file as a graph: what each starts from, which ones the target needs, and in what order.
//!
//! A stage can only refer to stages before it, so the order of the file is an order to build in, and what a target
//! needs is found in one pass backwards.

use std::collections::BTreeSet;

use dockerfile::expand::{Expanded, Options, expand};
use dockerfile::{Diagnostic, Dockerfile, InstructionKind, Level, Rule, Span, Stage};
use oci::Platform;

use super::bases::{Asker, Bases, ImageFor};
use super::budget::Budget;
use super::images::Images;
use super::model::{Plan, StageId};
use super::names::StageNames;
use super::report::{Report, has_error, undefined};
use super::request::{PlanError, PlanRequest, Planned};
use super::scope::{Globals, is_predefined, proxies};
use super::stage::{self, Command, Finished};

/// Plans a build for one platform.
pub fn plan(request: &PlanRequest<'_>, images: &dyn Images) -> Result<Planned, PlanError> {
    let mut planner = Planner::new(request, images);
    let planned = planner.run();
    let unused_build_args = unused_build_args(request);
    planner.report.add_parsed(request.parsed);
    let failed = planner.report.has_errors();
    let (diagnostics, images) = planner.report.finish();
    match planned {
        Some(plan) if !failed => Ok(Planned { plan, warnings: diagnostics, unused_build_args }),
        _ => Err(PlanError { diagnostics, images }),
    }
}

/// What all stages share while they are planned.
pub struct Planner<'a> {
    /// The request.
    pub request: &'a PlanRequest<'a>,
    /// The global scope.
    pub globals: Globals,
    /// Proxy variables for every RUN.
    pub proxies: Vec<(String, String)>,
    /// Which stage has which name.
    pub stages: StageNames,
    /// The FROM instructions, expanded.
    pub heads: Vec<Head<'a>>,
    /// Images that were asked for.
    pub bases: Bases<'a>,
    /// SOURCE_DATE_EPOCH, where the user or the file gives it.
    pub epoch: Option<i64>,
    /// What is to be said.
    pub report: Report<'a>,
    /// How large the plan is.
    pub budget: Budget,
    /// The stages that are planned, by number.
    pub finished: Vec<Option<Finished>>,
}

/// A stage with its FROM understood.
pub struct Head<'a> {
    /// The stage as written.
    pub stage: &'a Stage,
    /// Where the image's name stands.
    pub span: Span,
    /// What it is built for, where the FROM says so.
    pub platform: Option<Platform>,
    /// What it starts from; nothing where that is in error.
    pub from: Option<HeadFrom>,
    /// A named build context of the stage's own name takes the place of the whole stage.
    pub replaced: bool,
}

/// What a stage starts from, by name.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum HeadFrom {
    /// `scratch`.
    Scratch,
    /// An earlier stage.
    Stage(usize),
    /// An image or a named build context.
    Named(String),
}

impl<'a> Planner<'a> {
    fn new(request: &'a PlanRequest<'a>, images: &'a dyn Images) -> Planner<'a> {
        let mut report = Report::new(&request.dockerfile.directives.check);
        let globals = Globals::read(request, request.build_args, &mut report);
        let epoch = request.epoch.or_else(|| given_epoch(request, &globals, &mut report));
        Planner {
            request,
            globals,
            proxies: proxies(request.build_args),
            stages: StageNames::of(request.dockerfile),
            heads: Vec::new(),
            bases: Bases::new(request, images),
            report,
            epoch,
            budget: Budget::default(),
            finished: Vec::new(),
        }
    }

    fn run(&mut self) -> Option<Plan> {
        if self.request.dockerfile.stages.is_empty() {
            if !has_error(self.request.parsed) {
                let message = "the file has no FROM, so there is nothing to build";
                self.report.add(Diagnostic::error(Span::default(), message));
            }
            return None;
        }
        self.warn_of_defaults();
        for index in 0..self.request.dockerfile.stages.len() {
            let head = self.head(index);
            self.heads.push(head);
        }
        let target = self.target()?;
        let programs = self.needed(target);
        self.finished = (0..self.heads.len()).map(|_| None).collect();
        for (index, program) in programs.into_iter().enumerate() {
            if let Some(program) = program {
                self.finished[index] = stage::plan(self, index, program);
            }
        }
        self.assemble(target)
    }

    fn assemble(&mut self, target: usize) -> Option<Plan> {
        let finished = std::mem::take(&mut self.finished);
        let mut stages: Vec<_> = finished.into_iter().flatten().map(|finished| finished.stage).collect();
        let result = stages.iter_mut().find(|stage| stage.id == StageId(target))?;
        for (name, value) in self.request.labels {
            result.config.config.labels.insert(name.clone(), value.clone());
        }
        let platform = &self.request.platform;
        if self.request.platform_given {
            let config = &mut result.config;
            let same = config.os == platform.os && config.architecture == platform.architecture;
            config.os.clone_from(&platform.os);
            config.architecture.clone_from(&platform.architecture);
            if platform.variant.is_some() || !same {
                config.variant.clone_from(&platform.variant);
            }
            if platform.os_version.is_some() || !same {
                config.os_version.clone_from(&platform.os_version);
            }
        }
        Some(Plan { target: StageId(target), platform: platform.clone(), stages })
    }

    /// Reads one FROM. Stages before it are in `heads` already.
    fn head(&mut self, index: usize) -> Head<'a> {
        let dockerfile: &'a Dockerfile = self.request.dockerfile;
        let stage = &dockerfile.stages[index];
        let word = &stage.from.image;
        let last = index + 1 == dockerfile.stages.len();
        let overridden = self.request.from_override.filter(|_| index == 0);
        let overridden = overridden.or(self.request.last_from_override.filter(|_| last));
        let name = match overridden {
            Some(image) => Some(image.to_owned()),
            None => self.expand_from(&word.raw, word.span).map(|expanded| expanded.word),
        };
        if name.as_deref() == Some("") {
            self.report.add(
                Diagnostic::error(word.span, format!("the base image `{}` is empty", word.raw))
                    .hint("give the ARG before the first FROM a default, or set it with `--build-arg`"),
            );
        }
        let platform = self.platform(stage);
        let replaced = stage.from.name.as_ref().and_then(|name| self.bases.context(&name.value)).is_some();
        let stage_before = |name: &str| self.stages.before(index, name).filter(|_| overridden.is_none());
        let from = name.filter(|name| !name.is_empty()).map(|name| match stage_before(&name) {
            Some(stage) => HeadFrom::Stage(stage),
            None if name == "scratch" => HeadFrom::Scratch,
            None => HeadFrom::Named(name),
        });
        Head { stage, span: word.span, platform, from, replaced }
    }

    fn expand_from(&mut self, raw: &str, span: Span) -> Option<Expanded> {
        match expand(raw, Options::new(self.request.dockerfile.directives.escape), &self.globals.variables) {
            Ok(expanded) => {
                self.globals.warn_undeclared(&expanded.unmatched, span, &mut self.report);
                Some(expanded)
            }
            Err(error) => {
                self.report.add(Diagnostic::error(span, error.to_string()));
                None
            }
        }
    }

    fn platform(&mut self, stage: &Stage) -> Option<Platform> {
        let word = stage.from.platform.as_ref()?;
        let expanded = self.expand_from(&word.raw, word.span)?;
        let advice = || {
            let known: Vec<&str> = self.globals.variables.names().collect();
            expanded.unmatched.iter().find_map(|name| undefined(name, known.iter().copied()))
        };
        if expanded.word.is_empty() {
            let hint = advice();
            let message = format!("the platform `{}` is empty", word.raw);
            self.report.add(Diagnostic::error(word.span, message).hint_opt(hint));
            return None;
        }
        match expanded.word.parse::<Platform>() {
            Ok(platform) => Some(platform),
            Err(error) => {
                let hint = advice();
                self.report.add(Diagnostic::error(word.span, error.to_string()).hint_opt(hint));
                None
            }
        }
    }

    /// Warns of base images that only a `--build-arg` makes valid.
    fn warn_of_defaults(&mut self) {
        if self.request.build_args.is_empty() && self.request.dockerfile.global_args.is_empty() {
            return;
        }
        let mut silent = Report::new(&self.request.dockerfile.directives.check);
        let defaults = Globals::read(self.request, &std::collections::BTreeMap::new(), &mut silent);
        if silent.has_errors() {
            return;
        }
        let options = Options::new(self.request.dockerfile.directives.escape);
        for (index, stage) in self.request.dockerfile.stages.iter().enumerate() {
            let word = &stage.from.image;
            let Ok(expanded) = expand(&word.raw, options, &defaults.variables) else { return };
            let last = index + 1 == self.request.dockerfile.stages.len();
            let overridden = (index == 0 && self.request.from_override.is_some())
                || (last && self.request.last_from_override.is_some());
            if !overridden && expanded.word.parse::<oci::Reference>().is_err() && word.raw.contains('$') {
                let message = format!("with its default arguments, `{}` is not an image reference", word.raw);
                self.report.add_under(
                    Diagnostic::check(Rule::InvalidDefaultArgInFrom, word.span, message),
                    stage.check.as_deref(),
                );
            }
        }
    }

    fn target(&mut self) -> Option<usize> {
        let Some(target) = self.request.target else { return Some(self.heads.len() - 1) };
        let found = self.request.dockerfile.stage_index(target);
        if found.is_none() {
            let names: Vec<&str> = self.request.dockerfile.stage_names().collect();
            let hint = match (undefined(target, names.iter().copied()), names.as_slice()) {
                (Some(near), _) => Some(near),
                (None, []) => {
                    Some(format!("the stages have no names; their numbers are 0 to {}", self.heads.len() - 1))
                }
                (None, names) => Some(format!("the stages are {}", quoted_names(names))),
            };
            let span = self.heads.last().map(|head| head.stage.span).unwrap_or_default();
            self.report.add(
                Diagnostic::error(span, format!("target stage `{target}` does not exist")).hint_opt(hint),
            );
        }
        found
    }

    /// The instructions of every stage that the target needs, triggers included; nothing for the others.
    fn needed(&mut self, target: usize) -> Vec<Option<Vec<Command<'a>>>> {
        let mut needed: BTreeSet<usize> = BTreeSet::from([target]);
        let mut programs: Vec<Option<Vec<Command<'a>>>> = (0..self.heads.len()).map(|_| None).collect();
        while let Some(index) = needed.pop_last() {
            let program = self.program(index);
            if let (Some(HeadFrom::Stage(base)), false) =
                (&self.heads[index].from, self.heads[index].replaced)
            {
                needed.insert(*base);
            }
            for command in &program {
                needed.extend(
                    references(command).into_iter().filter_map(|name| self.reference_stage(index, name)),
                );
            }
            programs[index] = Some(program);
        }
        programs
    }

    /// The stage before `index` that a `--from` names, if it names one.
    fn reference_stage(&self, index: usize, name: &str) -> Option<usize> {
        let number = name.parse::<usize>().ok();
        number.filter(|number| *number < index).or_else(|| self.stages.before(index, name))
    }

    /// What a stage executes: ONBUILD triggers of its base, then its own instructions.
    fn program(&mut self, index: usize) -> Vec<Command<'a>> {
        let dockerfile: &'a Dockerfile = self.request.dockerfile;
        if self.heads[index].replaced {
            return Vec::new();
        }
        let mut program = match self.heads[index].from.clone() {
            Some(HeadFrom::Stage(base)) => {
                let instructions = dockerfile.stages[base].instructions.iter();
                instructions
                    .filter_map(|instruction| match &instruction.kind {
                        InstructionKind::Onbuild(onbuild) => Some(Command::trigger(&onbuild.trigger)),
                        _ => None,
                    })
                    .collect()
            }
            Some(HeadFrom::Named(name)) => self.triggers(index, &name),
            _ => Vec::new(),
        };
        program.extend(self.given_env(index));
        program.extend(dockerfile.stages[index].instructions.iter().map(Command::own));
        program
    }

    /// What the request adds after every FROM, as instructions.
    fn given_env(&self, index: usize) -> Vec<Command<'a>> {
        let span = self.heads[index].span;
        let instruction = |(name, value): &(String, String)| {
            let quoted: String = value
                .chars()
                .flat_map(|character| {
                    let escape = matches!(character, '"' | '\\' | '$').then_some('\\');
                    escape.into_iter().chain([character])
                })
                .collect();
            let (instruction, _) = dockerfile::parse_trigger(&format!("ENV {name}=\"{quoted}\""));
            instruction.map(|instruction| Command::given(instruction, span))
        };
        self.request.stage_env.iter().filter_map(instruction).collect()
    }

    /// The triggers that a base image brings.
    fn triggers(&mut self, index: usize, name: &str) -> Vec<Command<'a>> {
        let platform = self.heads[index].platform.clone().unwrap_or_else(|| self.request.platform.clone());
        let span = self.heads[index].span;
        let Some(ImageFor::Image(image)) =
            self.bases.get(name, &platform, (Asker::From, span), &mut self.report)
        else {
            return Vec::new();
        };
        let mut commands = Vec::new();
        for text in &image.config.config.on_build {
            let (instruction, diagnostics) = dockerfile::parse_trigger(text);
            self.report.set_place(Some((span, format!("ONBUILD trigger of `{name}`"))));
            for diagnostic in diagnostics.into_iter().filter(|diagnostic| diagnostic.level == Level::Error) {
                self.report.add(diagnostic);
            }
            self.report.set_place(None);
            commands.extend(instruction.map(|instruction| Command::of_image(instruction, span, name)));
        }
        commands
    }

    /// The name of a stage for messages.
    pub fn stage_label(&self, index: usize) -> String {
        let name = self.request.dockerfile.stages[index].from.name.as_ref();
        name.map_or_else(|| index.to_string(), |name| name.value.clone())
    }
}

/// The names that an instruction reads from.
fn references<'c>(command: &'c Command<'_>) -> Vec<&'c str> {
    match &command.instruction().kind {
        InstructionKind::Copy(copy) => copy.from.iter().map(|from| from.raw.as_str()).collect(),
        InstructionKind::Run(run) => run.mounts.iter().filter_map(|mount| mount.from()).collect(),
        _ => Vec::new(),
    }
}

/// SOURCE_DATE_EPOCH as a build argument, or as a global ARG of the file.
fn given_epoch(request: &PlanRequest<'_>, globals: &Globals, report: &mut Report<'_>) -> Option<i64> {
    const NAME: &str = "SOURCE_DATE_EPOCH";
    let given = request.build_args.get(NAME).map(String::as_str).or_else(|| globals.variables.get(NAME));
    let given = given.filter(|given| !given.is_empty())?;
    let seconds = given.parse::<i64>().ok().filter(|seconds| *seconds >= 0);
    if seconds.is_none() {
        let span = request.dockerfile.global_args.first().map(|arg| arg.span).unwrap_or_default();
        let message = format!("`{NAME}` is a number of seconds since 1970, not `{given}`");
        report.add(Diagnostic::error(span, message));
    }
    seconds
}

fn quoted_names(names: &[&str]) -> String {
    names.iter().map(|name| format!("`{name}`")).collect::<Vec<_>>().join(", ")
}

/// The build arguments that no ARG of the file declares and that mean nothing by themselves.
fn unused_build_args(request: &PlanRequest<'_>) -> Vec<String> {
    let dockerfile = request.dockerfile;
    let own = dockerfile.stages.iter().flat_map(|stage| &stage.instructions);
    let declared: BTreeSet<&str> = dockerfile
        .global_args
        .iter()
        .chain(own)
        .filter_map(|instruction| match &instruction.kind {
            InstructionKind::Arg(declarations) => Some(declarations),
            InstructionKind::Onbuild(onbuild) => match &onbuild.trigger.kind {
                InstructionKind::Arg(declarations) => Some(declarations),
                _ => None,
            },
            _ => None,
        })
        .flatten()
        .map(|declaration| declaration.key.raw.as_str())
        .collect();
    let unused =
        request.build_args.keys().filter(|name| !declared.contains(name.as_str()) && !is_predefined(name));
    unused.cloned().collect()
}
