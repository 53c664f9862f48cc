//! Builds of the past, and the steps that `IMAGE#STEP` addresses.

use build::engine::{BuildReport, StepReport, StepState};
use oci::LayerId;
use oci::store::{BuildState, NewBuild, Store, StoreError};

use crate::cli::values::StepAddress;
use crate::failure::Failure;
use crate::program::{Program, find_image};

/// Builds looked through for one that made an image or failed.
const LIMIT: usize = 1000;

/// Builds of an image that are looked through for one that has something to tell.
const FEW: usize = 10;

/// A build of the past.
pub struct Past {
    /// Its line of the history.
    pub build: NewBuild,
    /// Its steps.
    pub report: BuildReport,
}

impl Past {
    fn of(build: NewBuild) -> Past {
        // What another version wrote may not be understood; the build is then one without steps.
        let report = serde_json::from_str(&build.detail).unwrap_or_default();
        Past { build, report }
    }

    /// The step of this number.
    pub fn step(&self, number: u32) -> Result<&StepReport, Failure> {
        let index = number.checked_sub(1).and_then(|index| usize::try_from(index).ok());
        index.and_then(|index| self.report.steps.get(index)).ok_or_else(|| {
            Failure::usage_with(
                format!("build `{}` has no step {number}", self.build.id),
                format!("its steps are 1 to {}", self.report.steps.len()),
            )
        })
    }
}

impl Past {
    /// The layers of the snapshot after a step. One that only changes the configuration has those of its neighbours.
    pub fn snapshot_after(&self, step: &StepReport) -> Result<Vec<LayerId>, Failure> {
        let after = |step: &StepReport| step.below.iter().copied().chain(step.layer).collect::<Vec<_>>();
        let has_snapshot =
            |step: &&StepReport| matches!(step.state, StepState::Ran | StepState::Cached | StepState::Failed);
        if has_snapshot(&step) {
            return Ok(after(step));
        }
        let stage = || {
            let same = |other: &&StepReport| other.stage == step.stage && other.platform == step.platform;
            self.report.steps.iter().filter(same).filter(has_snapshot)
        };
        let earlier = stage().rfind(|other| other.number < step.number).map(after);
        let later = || stage().find(|other| other.number > step.number).map(|other| other.below.clone());
        if step.state == StepState::Metadata
            && let Some(layers) = earlier.or_else(later)
        {
            return Ok(layers);
        }
        Err(Failure::usage_with(
            format!("there is no snapshot of step {}: `{}`", step.id.number(), step.text),
            "name a step that was reached, or the image",
        ))
    }
}

/// The build that an address means: by id, else the latest one that made the image; without an image the latest of all.
pub fn find(store: &Store, address: Option<&StepAddress>) -> Result<Past, Failure> {
    let name = address.map_or("", |address| address.image.as_str());
    let all = || store.builds(LIMIT);
    if name.is_empty() {
        let latest = all()?.into_iter().find(|build| build.state != BuildState::Running);
        return latest.map(Past::of).ok_or_else(|| Failure::usage("nothing was built here yet"));
    }
    // A build's id is twelve hexadecimal digits; a shorter word is more likely the name of an image.
    if name.len() >= 6
        && name.bytes().all(|byte| byte.is_ascii_hexdigit())
        && let Some(build) = store.build(name)?
    {
        return Ok(Past::of(build));
    }
    let image = find_image(store, name)?;
    of_image(store, &image.digest)?.ok_or_else(|| {
        Failure::usage_with(
            format!("`{name}` was not built here, or too long ago"),
            "an image that was loaded has no steps",
        )
    })
}

/// The latest build that made an image, where one is known.
pub fn of_image(store: &Store, image: &oci::Digest) -> Result<Option<Past>, Failure> {
    let made = store.builds(LIMIT)?.into_iter().find(|build| build.image == Some(*image));
    Ok(made.map(Past::of))
}

/// The same in a project's directory, where an image's name means its latest build, whatever came of that.
pub fn find_here(program: &Program, store: &Store, address: Option<&StepAddress>) -> Result<Past, Failure> {
    let name = address.map_or("", |address| address.image.as_str());
    let directory = &program.environment.directory;
    let root = crate::projects::root(directory).or_else(|| directory.canonicalize().ok());
    if let Some(root) = root.filter(|_| !name.is_empty()) {
        let builds = store.builds_of(&root.display().to_string(), name, FEW)?;
        let known = builds.into_iter().filter(|build| build.state != BuildState::Running).map(Past::of);
        let mut known = known.collect::<Vec<_>>();
        // A build that was stopped before it had steps has nothing to tell.
        let told = known.iter().position(|past| !past.report.steps.is_empty()).unwrap_or(0);
        if told < known.len() {
            return Ok(known.swap_remove(told));
        }
    }
    find(store, address).map_err(|failure| {
        let nobody = matches!(&failure, Failure::Store(error) if matches!(**error, StoreError::NoImage(_)));
        let better = if nobody { unknown(program, store, address) } else { None };
        better.unwrap_or(failure)
    })
}

/// The build of a project's image that runs now, where the latest one does.
pub fn running_here(
    program: &Program,
    store: &Store,
    address: Option<&StepAddress>,
) -> Result<Option<NewBuild>, Failure> {
    let directory = &program.environment.directory;
    let root = crate::projects::root(directory).or_else(|| directory.canonicalize().ok());
    let (Some(root), Some(address)) = (root, address.filter(|address| !address.image.is_empty())) else {
        return Ok(None);
    };
    let latest = store.builds_of(&root.display().to_string(), &address.image, 1)?.into_iter().next();
    Ok(latest.filter(|build| build.state == BuildState::Running))
}

/// What to say of a name that the store does not know, in the directory of a project.
fn unknown(program: &Program, store: &Store, address: Option<&StepAddress>) -> Option<Failure> {
    let name = &address?.image;
    let loaded = crate::projects::load(&program.environment.directory).ok()?;
    if let Err(failure) = loaded.image(name) {
        return (!loaded.project.images.is_empty()).then_some(failure);
    }
    Some(match running_here(program, store, address) {
        Ok(Some(_)) => Failure::usage_with(
            format!("the first build of image `{name}` has not ended"),
            format!("`kapok logs {name}` shows what it said so far, `kapok status` whether it runs"),
        ),
        _ => Failure::usage_with(
            format!("image `{name}` of the project was not built yet"),
            format!("`kapok build {name}` builds it"),
        ),
    })
}

/// The step that failed last.
pub fn last_failure(store: &Store) -> Result<StepReport, Failure> {
    let failed = store
        .builds(LIMIT)?
        .into_iter()
        .filter(|build| build.state == BuildState::Failed)
        .find_map(|build| Past::of(build).report.failed().cloned());
    failed.ok_or_else(|| {
        Failure::usage_with("no step failed lately", "name an image or a step: `kapok shell IMAGE#STEP`")
    })
}

/// The build before this one of the same name, to compare with.
pub fn before(store: &Store, past: &Past) -> Result<Option<Past>, Failure> {
    let builds = match past.build.project.is_empty() {
        true => store.builds(LIMIT)?,
        false => store.builds_of(&past.build.project, &past.build.name, LIMIT)?,
    };
    let mut builds = builds.into_iter().skip_while(|build| build.id != past.build.id).skip(1);
    let mut builds = builds.by_ref().filter(|build| build.name == past.build.name).map(Past::of);
    // What was stopped before its first step is nothing to compare with.
    Ok(builds.find(|before| past.build.project.is_empty() || !before.report.steps.is_empty()))
}
