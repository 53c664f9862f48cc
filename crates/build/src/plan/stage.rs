//! One stage: its instructions carried out on a configuration and a set of variables, which gives its steps.

use std::borrow::Cow;
use std::collections::HashMap;

use dockerfile::{Diagnostic, Instruction, InstructionKind, Rule, Span, Word};
use oci::config::{Execution, History};
use oci::{ImageConfig, Platform};

use super::bases::{Asker, ImageFor};
use super::draft::{Draft, HISTORY_COMMENT};
use super::model::{Action, PlannedStage, StageBase, StageId, Step, WorkdirAction};
use super::scope::{Declared, Variables};
use super::stages::{HeadFrom, Planner};
use super::{copy, metadata, path, run};

/// Times of images that know nothing better: 1980-01-01, the first that zip archives, and so Python's wheels, can hold.
const FIRST_EPOCH: i64 = 315_532_800;

const DEFAULT_PATH: &str = "PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";

/// An instruction to carry out.
pub struct Command<'a> {
    instruction: Cow<'a, Instruction>,
    trigger: bool,
    /// For triggers of images: the FROM, and what the trigger is called.
    place: Option<(Span, String)>,
}

impl<'a> Command<'a> {
    /// An instruction of the stage itself.
    pub fn own(instruction: &'a Instruction) -> Command<'a> {
        Command { instruction: Cow::Borrowed(instruction), trigger: false, place: None }
    }

    /// A trigger of a stage in the same file.
    pub fn trigger(instruction: &'a Instruction) -> Command<'a> {
        Command { trigger: true, ..Command::own(instruction) }
    }

    /// A trigger of an image.
    pub fn of_image(instruction: Instruction, from: Span, image: &str) -> Command<'a> {
        let place = Some((from, format!("ONBUILD trigger of `{image}`")));
        Command { instruction: Cow::Owned(instruction), trigger: true, place }
    }

    /// An instruction that the request adds after a FROM.
    pub fn given(instruction: Instruction, from: Span) -> Command<'a> {
        let place = Some((from, "a variable of the build".to_owned()));
        Command { instruction: Cow::Owned(instruction), trigger: false, place }
    }

    /// The instruction.
    pub fn instruction(&self) -> &Instruction {
        &self.instruction
    }

    fn span(&self) -> Span {
        self.place.as_ref().map_or(self.instruction.span, |(span, _)| *span)
    }

    fn text(&self) -> String {
        if self.trigger {
            format!("ONBUILD {}", self.instruction.text)
        } else {
            self.instruction.text.clone()
        }
    }
}

/// A stage that is planned, and what a stage on top of it inherits besides.
pub struct Finished {
    /// The stage.
    pub stage: PlannedStage,
    variables: Variables,
    declared: Declared,
    workdir_set: bool,
}

/// Plans a stage. Nothing where its base is in error.
pub fn plan(planner: &mut Planner<'_>, index: usize, program: Vec<Command<'_>>) -> Option<Finished> {
    let replaced = planner.heads[index].replaced;
    let mut draft = Draft::start(planner, index)?;
    if !replaced {
        draft.complete_base();
    }
    let of = program.len();
    let mut steps = Vec::new();
    for (position, command) in program.into_iter().enumerate() {
        draft.planner.report.set_place(command.place.clone());
        draft.current = (command.instruction.span, command.instruction.check.clone());
        let action = draft.dispatch(&command.instruction);
        draft.planner.report.set_place(None);
        if draft.planner.budget.spend(1).is_err() {
            let message = super::budget::TooLarge.to_string();
            draft.planner.report.add(Diagnostic::error(command.span(), message));
            return None;
        }
        steps.extend(action.map(|action| Step {
            number: position + 1,
            of,
            text: command.text(),
            span: command.span(),
            action,
        }));
    }
    Some(draft.finish(steps))
}

impl<'p, 'a> Draft<'p, 'a> {
    fn start(planner: &'p mut Planner<'a>, index: usize) -> Option<Draft<'p, 'a>> {
        let head = &planner.heads[index];
        let span = head.span;
        let platform = head.platform.clone().unwrap_or_else(|| planner.request.platform.clone());
        let name = head.stage.from.name.as_ref().map(|name| name.value.clone());
        let from = match head.replaced {
            true => HeadFrom::Named(name?),
            false => head.from.clone()?,
        };
        let epoch = planner.epoch;
        let draft = |planner, platform, config, base, epoch| Draft {
            planner,
            index,
            platform,
            config,
            variables: Variables::default(),
            places: HashMap::new(),
            declared: Declared::default(),
            workdir_set: false,
            cmd_set: false,
            epoch,
            base,
            current: (span, None),
        };
        match from {
            HeadFrom::Scratch => {
                let platform = planner.request.platform.clone();
                let config = empty_config(&platform);
                Some(draft(planner, platform, config, StageBase::Scratch, epoch.unwrap_or(FIRST_EPOCH)))
            }
            HeadFrom::Stage(base) => {
                let below = planner.finished.get(base)?.as_ref()?;
                let config = inherited(&below.stage.config);
                let (variables, declared) = (below.variables.clone(), below.declared.clone());
                let (workdir_set, epoch) = (below.workdir_set, below.stage.epoch);
                let platform = below.stage.platform.clone();
                planner.budget.spend(config.history.len() + variables.len() + declared.len()).ok()?;
                let draft = draft(planner, platform, config, StageBase::Stage(StageId(base)), epoch);
                Some(Draft { variables, declared, workdir_set, ..draft })
            }
            HeadFrom::Named(name) => {
                match planner.bases.get(&name, &platform, (Asker::From, span), &mut planner.report)? {
                    ImageFor::Tree(context) => {
                        let mut config = empty_config(&platform);
                        config.history.push(History {
                            created_by: Some(format!("FROM {context}")),
                            comment: Some(HISTORY_COMMENT.to_owned()),
                            ..History::default()
                        });
                        Some(draft(
                            planner,
                            platform,
                            config,
                            StageBase::Context(context),
                            epoch.unwrap_or(FIRST_EPOCH),
                        ))
                    }
                    ImageFor::Image(image) => {
                        warn_of_platform(planner, index, &name, &platform, &image.config);
                        let config = inherited(&image.config);
                        let epoch = epoch.or(image.epoch).unwrap_or(FIRST_EPOCH);
                        let base = StageBase::Image(image);
                        Some(draft(planner, platform, config, base, epoch))
                    }
                }
            }
        }
    }

    /// What BuildKit adds to every base before the first instruction: a PATH, a clean working directory.
    fn complete_base(&mut self) {
        let execution = &mut self.config.config;
        if !execution.env.iter().any(|entry| entry == "PATH" || entry.starts_with("PATH=")) {
            execution.env.push(DEFAULT_PATH.to_owned());
        }
        for (place, entry) in execution.env.iter().enumerate() {
            let (name, value) = entry.split_once('=').unwrap_or((entry, ""));
            self.variables.set(name, value);
            self.places.entry(name.to_owned()).or_insert(place);
        }
        if !execution.working_dir.is_empty() {
            execution.working_dir = path::workdir("/", &execution.working_dir);
        }
    }

    fn dispatch(&mut self, instruction: &Instruction) -> Option<Action> {
        match &instruction.kind {
            InstructionKind::Run(run) => run::plan(self, run).map(Action::Run),
            InstructionKind::Copy(copy) => copy::plan_copy(self, copy).map(Action::Copy),
            InstructionKind::Add(add) => copy::plan_add(self, add).map(Action::Copy),
            InstructionKind::Workdir(word) => self.workdir(word),
            kind => {
                metadata::apply(self, kind);
                Some(Action::Metadata)
            }
        }
    }

    fn workdir(&mut self, word: &Word) -> Option<Action> {
        let path = self.expand(word)?;
        if !self.workdir_set && !path.starts_with('/') {
            let message = format!("the working directory `{path}` depends on that of the base image");
            self.warn(Rule::WorkdirRelativePath, word.span, message);
        }
        self.workdir_set = true;
        let path = path::workdir(&self.config.config.working_dir, &path);
        self.config.config.working_dir.clone_from(&path);
        let is_root = path == "/";
        self.commit(format!("WORKDIR {path}"), !is_root);
        let path = path::clean(&path);
        let user = self.config.config.user.clone();
        Some(if is_root { Action::Metadata } else { Action::Workdir(WorkdirAction { path, user }) })
    }

    fn finish(self, steps: Vec<Step>) -> Finished {
        let Draft {
            planner, index, platform, mut config, variables, declared, workdir_set, epoch, base, ..
        } = self;
        config.created = Some(oci::time::format_rfc3339(epoch));
        let name = planner.heads[index].stage.from.name.as_ref().map(|name| name.value.clone());
        let stage = PlannedStage { id: StageId(index), name, platform, base, steps, config, epoch };
        Finished { stage, variables, declared, workdir_set }
    }
}

/// The configuration of an empty image.
fn empty_config(platform: &Platform) -> ImageConfig {
    let config =
        Execution { working_dir: "/".to_owned(), env: vec![DEFAULT_PATH.to_owned()], ..Execution::default() };
    ImageConfig { config, ..ImageConfig::for_platform(platform) }
}

/// The configuration that a stage takes over: without layers, which its base knows, and without triggers, which
/// reach one level only.
fn inherited(config: &ImageConfig) -> ImageConfig {
    let mut config = config.clone();
    config.rootfs.diff_ids.clear();
    config.config.on_build.clear();
    config
}

fn warn_of_platform(
    planner: &mut Planner<'_>,
    index: usize,
    name: &str,
    wanted: &Platform,
    config: &ImageConfig,
) {
    let actual = config.platform();
    if actual.os != wanted.os || actual.architecture != wanted.architecture {
        let (span, check) = (planner.heads[index].span, planner.heads[index].stage.check.clone());
        let message = format!("`{name}` is an image for {}, not for {wanted}", actual.normalised());
        let diagnostic = Diagnostic::check(Rule::InvalidBaseImagePlatform, span, message);
        planner.report.add_under(diagnostic, check.as_deref());
    }
}
