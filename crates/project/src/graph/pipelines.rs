//! Orders that somebody wrote down (Tekton's `runAfter`) against the order that the images need.

use std::collections::{BTreeMap, BTreeSet};

use super::build::{Draft, End, list};
use crate::files::{file_name, join};
use crate::finding::{Code, Finding};
use crate::model::{DeclaredBy, Image, ImageName, Located, Pipeline, PipelineTask, Project};
use crate::names::{Meaning, last_part};

/// Compares every pipeline with the images' needs.
pub fn check(draft: &mut Draft<'_>) {
    let mut findings = Vec::new();
    for pipeline in &draft.project.pipelines {
        findings.extend(unknown_tasks(pipeline));
        findings.extend(unknown_builds(draft.project, pipeline));
        let tasks = tasks_of_images(draft, pipeline);
        findings.extend(order(draft, pipeline, &tasks));
        findings.extend(missing(draft, pipeline, &tasks));
    }
    draft.findings.extend(findings);
}

/// `runAfter` of tasks that are not there.
fn unknown_tasks(pipeline: &Pipeline) -> Vec<Finding> {
    let names: Vec<&str> = pipeline.tasks.iter().map(|task| task.name.as_str()).collect();
    let after = pipeline.tasks.iter().flat_map(|task| task.run_after.iter().map(move |after| (task, after)));
    let unknown = after.filter(|(_, after)| !names.contains(&after.value.as_str()));
    unknown
        .map(|(task, after)| {
            let message = format!(
                "task `{}` of pipeline `{}` runs after `{}`, which is no task of it",
                task.name, pipeline.name, after.value
            );
            let near = dockerfile::suggest::nearest(&after.value, names.iter().copied());
            Finding::warning(Code::PipelineUnknown, after.place.clone(), message)
                .fix_opt(near.map(|near| format!("did you mean `{near}`?")))
        })
        .collect()
}

/// Builds that a pipeline starts and that are not there. A repository without BuildConfigs has them elsewhere.
fn unknown_builds(project: &Project, pipeline: &Pipeline) -> Vec<Finding> {
    let names: Vec<&str> = project
        .images
        .iter()
        .filter(|image| image.declared_by == DeclaredBy::BuildConfig)
        .map(|image| image.name.as_str())
        .collect();
    if names.is_empty() {
        return Vec::new();
    }
    let mut findings = Vec::new();
    for task in &pipeline.tasks {
        for Located { value: build, place } in &task.builds {
            if image_named(project, build).is_some() {
                continue;
            }
            let message =
                format!("pipeline `{}` starts the build `{build}`, which is not declared", pipeline.name);
            let near = dockerfile::suggest::nearest(build, names.iter().copied());
            let found = Finding::warning(Code::PipelineUnknown, place.clone(), message);
            findings.push(found.fix_opt(near.map(|near| format!("did you mean `{near}`?"))));
        }
    }
    findings
}

/// Which task builds which image; an image that several build counts for the first.
fn tasks_of_images(draft: &Draft<'_>, pipeline: &Pipeline) -> BTreeMap<usize, usize> {
    let mut tasks = BTreeMap::new();
    for (number, task) in pipeline.tasks.iter().enumerate() {
        for image in images_of(draft, task) {
            tasks.entry(image).or_insert(number);
        }
    }
    tasks
}

fn images_of(draft: &Draft<'_>, task: &PipelineTask) -> BTreeSet<usize> {
    let project = draft.project;
    let named = |names: &[String]| {
        names.iter().filter_map(|name| image_named(project, name)).collect::<BTreeSet<_>>()
    };
    let started: Vec<String> = task.builds.iter().map(|build| build.value.clone()).collect();
    let started = named(&started);
    if !started.is_empty() {
        return started;
    }
    if let Some(image) = task.image.as_deref().and_then(|image| image_written(draft, image)) {
        return BTreeSet::from([image]);
    }
    if let Some(image) = image_at(project, &task.words) {
        return BTreeSet::from([image]);
    }
    let by_words = named(&task.words);
    if !by_words.is_empty() {
        return by_words;
    }
    let stem = ["build-image-", "start-build-", "build-", "start-", "image-"]
        .iter()
        .find_map(|prefix| task.name.strip_prefix(prefix))
        .unwrap_or(&task.name);
    let stem = ["-image-build", "-build", "-image"]
        .iter()
        .find_map(|suffix| stem.strip_suffix(suffix))
        .unwrap_or(stem);
    let candidates = [task.name.as_str(), stem];
    candidates.iter().find_map(|name| image_named(project, name)).into_iter().collect()
}

/// The image that is written under a reference, which may hold parameters without a value.
fn image_written(draft: &Draft<'_>, text: &str) -> Option<usize> {
    /// No image: whoever asks is none.
    const NOBODY: usize = usize::MAX;
    if let Some(image) = image_named(draft.project, text) {
        return Some(image);
    }
    if let Some((known, _)) = text.split_once("$(").filter(|(known, _)| known.ends_with(':')) {
        return image_named(draft.project, last_part(known));
    }
    let text = text.rsplit_once(')').map_or(text, |(_, rest)| rest.trim_start_matches('/'));
    match draft.names.meaning(&ImageName::Reference(text.to_owned()), None, NOBODY) {
        Meaning::Images(images) => images.first().copied(),
        _ => None,
    }
}

/// The image whose Dockerfile or build context stands among words: `./images/app/Dockerfile`, `images/app`.
fn image_at(project: &Project, words: &[String]) -> Option<usize> {
    let paths: Vec<String> =
        words.iter().filter_map(|word| join("", word)).filter(|path| !path.is_empty()).collect();
    let mut files: BTreeSet<String> = paths.iter().cloned().collect();
    files.extend(paths.iter().flat_map(|one| paths.iter().filter_map(|other| join(one, other))));
    let only = |chosen: &dyn Fn(&Image) -> bool| {
        let mut found =
            project.images.iter().enumerate().filter(|(_, image)| chosen(image)).map(|(number, _)| number);
        found.next().filter(|_| found.next().is_none())
    };
    let context =
        |image: &Image| image.context.directory().is_some_and(|own| paths.iter().any(|path| path == own));
    let plain = |image: &Image| image.dockerfile.path().is_some_and(|path| file_name(path) == "Dockerfile");
    only(&|image| image.dockerfile.path().is_some_and(|path| files.contains(path)))
        .or_else(|| only(&context))
        .or_else(|| only(&|image| context(image) && plain(image)))
}

/// The image that a text names: by name, or by the repository of an output.
fn image_named(project: &Project, text: &str) -> Option<usize> {
    let text = text.trim().trim_start_matches("bc/").trim_start_matches("buildconfig/");
    if text.is_empty() {
        return None;
    }
    let by_name = project.images.iter().position(|image| image.name == text);
    by_name.or_else(|| {
        project.images.iter().position(|image| {
            image.outputs.iter().any(|output| match &output.name {
                ImageName::StreamTag { name, tag, .. } => name == text || format!("{name}:{tag}") == text,
                other => other.to_string() == text,
            })
        })
    })
}

/// For each task, all tasks before it.
fn before(pipeline: &Pipeline) -> Vec<BTreeSet<usize>> {
    let number = |name: &str| pipeline.tasks.iter().position(|task| task.name == name);
    let direct: Vec<Vec<usize>> = pipeline
        .tasks
        .iter()
        .map(|task| task.run_after.iter().filter_map(|after| number(&after.value)).collect())
        .collect();
    (0..pipeline.tasks.len())
        .map(|task| {
            let mut seen = BTreeSet::new();
            let mut waiting = direct[task].clone();
            while let Some(next) = waiting.pop() {
                if seen.insert(next) {
                    waiting.extend(&direct[next]);
                }
            }
            seen
        })
        .collect()
}

fn order(draft: &Draft<'_>, pipeline: &Pipeline, tasks: &BTreeMap<usize, usize>) -> Vec<Finding> {
    let before = before(pipeline);
    let name = |image: usize| draft.project.images[image].name.as_str();
    let mut findings: Vec<Finding> = Vec::new();
    for edge in &draft.edges {
        let End::Image(base) = edge.from else { continue };
        let (Some(&first), Some(&second)) = (tasks.get(&base), tasks.get(&edge.to)) else { continue };
        // A task that builds both says nothing about their order here.
        if first == second || before[second].contains(&first) {
            continue;
        }
        let (base, child) = (name(base), name(edge.to));
        let (earlier, later) = (&pipeline.tasks[first], &pipeline.tasks[second]);
        let message = if before[first].contains(&second) {
            format!("pipeline `{}` builds `{child}` before `{base}`, which it needs", pipeline.name)
        } else {
            format!(
                "pipeline `{}` does not wait for `{base}` before it builds `{child}`, which needs it",
                pipeline.name
            )
        };
        let place = if before[first].contains(&second) { earlier.place.clone() } else { later.place.clone() };
        let fix = format!("task `{}` should have `runAfter: [{}]`", later.name, earlier.name);
        findings.push(Finding::warning(Code::PipelineOrder, place, message).fix(fix).about([child, base]));
    }
    findings.dedup();
    findings
}

/// Images that a pipeline of builds leaves out.
fn missing(draft: &Draft<'_>, pipeline: &Pipeline, tasks: &BTreeMap<usize, usize>) -> Option<Finding> {
    let all = draft.project.images.iter().enumerate();
    let configured: Vec<usize> = all
        .filter(|(_, image)| image.declared_by == DeclaredBy::BuildConfig)
        .map(|(number, _)| number)
        .collect();
    // One that builds a few of many is about those few.
    if tasks.len() < 2 || tasks.len() * 2 < configured.len() {
        return None;
    }
    let out: Vec<&str> = configured
        .iter()
        .filter(|image| !tasks.contains_key(image))
        .map(|image| draft.project.images[*image].name.as_str())
        .collect();
    if out.is_empty() {
        return None;
    }
    let message = format!("pipeline `{}` does not build {}", pipeline.name, list(&out));
    Some(Finding::warning(Code::PipelineMisses, pipeline.place.clone(), message).about(out))
}
