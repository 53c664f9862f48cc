//! Plans of small files, text in and text out.

mod base;
mod config;
mod copies;
mod errors;
mod history;
mod properties;
mod run;
mod scope;
mod stages;

use std::collections::BTreeMap;

use dockerfile::{Diagnostic, Level, Source, line_column};
use expect_test::Expect;
use oci::config::Execution;
use oci::{Digest, ImageConfig, Platform};

use super::*;

/// A file and what a build of it is given.
pub(super) struct Case {
    text: String,
    target: Option<String>,
    platform: Option<Platform>,
    build_platform: Platform,
    build_args: BTreeMap<String, String>,
    contexts: NamedContexts,
    ignore: Option<dockerfile::ignore::Patterns>,
    labels: BTreeMap<String, String>,
    from_override: Option<String>,
    permissions: Permissions,
    network: Network,
    epoch: Option<i64>,
    images: BTreeMap<String, ImageConfig>,
}

/// A case of this text. The images `base`, `trigger` (with ONBUILD) and `full` (with everything) exist.
pub(super) fn case(text: &str) -> Case {
    let config = |execution: Execution| ImageConfig {
        config: execution,
        created: Some("2024-01-01T00:00:00Z".to_owned()),
        ..ImageConfig::for_platform(&Platform::linux("amd64"))
    };
    let base = config(Execution { env: vec!["PATH=/bin".to_owned()], ..Execution::default() });
    let trigger = config(Execution {
        on_build: vec!["RUN echo triggered".to_owned(), "COPY . /src".to_owned()],
        ..Execution::default()
    });
    let full = config(Execution {
        user: "app".to_owned(),
        env: vec!["PATH=/bin".to_owned(), "A=base".to_owned()],
        entrypoint: Some(vec!["/entry".to_owned()]),
        cmd: Some(vec!["arg".to_owned()]),
        working_dir: "/work/".to_owned(),
        labels: BTreeMap::from([("from".to_owned(), "base".to_owned())]),
        shell: Some(vec!["/bin/bash".to_owned(), "-c".to_owned()]),
        stop_signal: Some("SIGINT".to_owned()),
        ..Execution::default()
    });
    let images = [("base", base), ("trigger", trigger), ("full", full)];
    Case {
        text: text.to_owned(),
        target: None,
        platform: None,
        build_platform: Platform::linux("amd64"),
        build_args: BTreeMap::new(),
        contexts: BTreeMap::new(),
        ignore: None,
        labels: BTreeMap::new(),
        from_override: None,
        permissions: Permissions::default(),
        network: Network::Default,
        epoch: None,
        images: images.map(|(name, config)| (name.to_owned(), config)).into(),
    }
}

impl Case {
    pub fn target(mut self, target: &str) -> Case {
        self.target = Some(target.to_owned());
        self
    }

    pub fn platform(mut self, platform: &str) -> Case {
        self.platform = Some(platform.parse().unwrap());
        self
    }

    pub fn arg(mut self, name: &str, value: &str) -> Case {
        self.build_args.insert(name.to_owned(), value.to_owned());
        self
    }

    pub fn context(mut self, name: &str, context: NamedContext) -> Case {
        self.contexts.insert(name.to_owned(), context);
        self
    }

    pub fn ignore(mut self, patterns: &str) -> Case {
        self.ignore = Some(dockerfile::ignore::Patterns::parse(patterns).0);
        self
    }

    pub fn label(mut self, name: &str, value: &str) -> Case {
        self.labels.insert(name.to_owned(), value.to_owned());
        self
    }

    pub fn from(mut self, image: &str) -> Case {
        self.from_override = Some(image.to_owned());
        self
    }

    pub fn allow(mut self, permissions: Permissions) -> Case {
        self.permissions = permissions;
        self
    }

    pub fn network(mut self, network: Network) -> Case {
        self.network = network;
        self
    }

    pub fn epoch(mut self, epoch: i64) -> Case {
        self.epoch = Some(epoch);
        self
    }

    pub fn image(mut self, name: &str, change: impl FnOnce(&mut ImageConfig)) -> Case {
        let mut config = ImageConfig::for_platform(&Platform::linux("amd64"));
        change(&mut config);
        self.images.insert(name.to_owned(), config);
        self
    }

    /// The plan, or what is wrong; parse errors count.
    pub fn plan(&self) -> Result<Planned, Vec<Diagnostic>> {
        let (dockerfile, diagnostics) = dockerfile::parse(&self.text);
        let parsed: Vec<_> = diagnostics.into_iter().filter(|found| found.level == Level::Error).collect();
        let request = PlanRequest {
            parsed: &parsed,
            target: self.target.as_deref(),
            platform_given: self.platform.is_some(),
            build_platform: self.build_platform.clone(),
            build_args: &self.build_args,
            contexts: &self.contexts,
            ignore: self.ignore.as_ref(),
            labels: &self.labels,
            from_override: self.from_override.as_deref(),
            last_from_override: None,
            stage_env: &[],
            permissions: self.permissions,
            network: self.network,
            epoch: self.epoch,
            ..PlanRequest::new(&dockerfile, self.platform.clone().unwrap_or(Platform::linux("amd64")))
        };
        super::plan(&request, &FakeImages(&self.images)).map_err(|error| error.diagnostics)
    }

    /// The plan as text, warnings below; or the errors.
    #[track_caller]
    pub fn check(&self, expected: Expect) {
        let text = match self.plan() {
            Ok(planned) => {
                let unused = planned.unused_build_args.iter().map(|name| format!("unused: {name}\n"));
                format!("{}{}{}", planned.plan, self.say(&planned.warnings), unused.collect::<String>())
            }
            Err(diagnostics) => self.say(&diagnostics),
        };
        expected.assert_eq(&text);
    }

    /// The configuration of the result, one part a line, without history.
    #[track_caller]
    pub fn check_config(&self, expected: Expect) {
        let config = self.result().config;
        let mut text = format!("for {}\n", config.platform());
        if let Some(author) = &config.author {
            text += &format!("author: {author}\n");
        }
        let value = serde_json::to_value(&config.config).unwrap();
        for (name, value) in value.as_object().unwrap() {
            text += &format!("{name}: {value}\n");
        }
        expected.assert_eq(&text);
    }

    /// The history of the result, `-` before what makes no layer.
    #[track_caller]
    pub fn check_history(&self, expected: Expect) {
        let lines = self.result().config.history.into_iter().map(|entry| {
            let mark = if entry.empty_layer { '-' } else { '+' };
            format!("{mark} {}\n", entry.created_by.unwrap_or_default())
        });
        expected.assert_eq(&lines.collect::<String>());
    }

    /// The RUN steps of the result.
    pub fn runs(&self) -> Vec<RunAction> {
        let runs = self.result().steps.into_iter().filter_map(|step| match step.action {
            Action::Run(run) => Some(run),
            _ => None,
        });
        runs.collect()
    }

    #[track_caller]
    pub fn result(&self) -> PlannedStage {
        let planned = self.plan().unwrap_or_else(|diagnostics| panic!("{}", self.say(&diagnostics)));
        let target = planned.plan.target;
        planned.plan.stage(target).unwrap().clone()
    }

    fn say(&self, diagnostics: &[Diagnostic]) -> String {
        let source = Source::new("Dockerfile", self.text.clone());
        let lines = diagnostics.iter().map(|found| {
            let place = line_column(&source.text, found.span.start);
            let level = if found.level == Level::Error { "error" } else { "warning" };
            let hint = found.hint.as_ref().map(|hint| format!(" ({hint})")).unwrap_or_default();
            format!("{level} {}:{}: {}{hint}\n", place.line, place.column, found.message)
        });
        lines.collect()
    }
}

/// Images by name, each for every platform.
struct FakeImages<'a>(&'a BTreeMap<String, ImageConfig>);

impl Images for FakeImages<'_> {
    fn image(&self, name: ImageName<'_>, platform: &Platform) -> Result<BaseImage, ImageError> {
        let name = match name {
            ImageName::Reference(name) => name.strip_suffix(":latest").unwrap_or(name),
            ImageName::Layout(name) => name,
        };
        let config = self.0.get(name).ok_or_else(|| ImageError::NotFound {
            name: name.to_owned(),
            hint: Some("pull it".to_owned()),
        })?;
        let epoch = config.created.as_deref().and_then(oci::time::parse_rfc3339);
        let mut config = config.clone();
        if config.os_version.as_deref() != Some("fixed") {
            config.architecture.clone_from(&platform.architecture);
            config.variant.clone_from(&platform.variant);
        }
        let digest = Digest::of(name.as_bytes());
        Ok(BaseImage { name: name.to_owned(), digest, config, layers: Vec::new(), epoch, found: None })
    }
}
