//! What is said about names: those that several images have, that nearly match, that nothing here builds.

use std::collections::BTreeMap;

use super::build::{Draft, list};
use crate::finding::{Code, Finding};
use crate::model::{ImageName, Project};
use crate::names::{Meaning, Registries, is_official, last_part};
use crate::place::Place;

/// What there is to say about one use of a name.
pub fn judge(draft: &mut Draft<'_>, user: usize, name: &ImageName, meaning: &Meaning, place: &Place) {
    let project = draft.project;
    let names = |images: &[usize]| -> Vec<String> {
        images.iter().map(|image| project.images[*image].name.clone()).collect()
    };
    let own = project.images[user].name.as_str();
    let finding = match meaning {
        Meaning::Images(images) if images.len() > 1 => {
            let images = names(images);
            let message = format!("`{name}` may be {}; {} is taken", list(&images), list(&images[..1]));
            let found = Finding::warning(Code::AmbiguousName, place.clone(), message);
            found.fix("use a name, or a tag, that only one of them has").about(images)
        }
        Meaning::Images(_) | Meaning::Base(_) => return,
        Meaning::OtherTag { images, tags, .. } => {
            let images = names(images);
            if matches!(name, ImageName::StreamImage { .. }) {
                let message = format!(
                    "`{name}` is one image that {} wrote: what is built later does not reach it",
                    list(&images)
                );
                let found = Finding::warning(Code::TagMismatch, place.clone(), message).about(images);
                draft.findings.push(found.fix("name a tag of the image stream instead"));
                return;
            }
            let message = format!(
                "{} is built here as {}, not as `{name}`: that comes from outside",
                list(&images),
                list(tags)
            );
            Finding::warning(Code::TagMismatch, place.clone(), message).about(images)
        }
        Meaning::Stream { namespace, .. } => {
            // The cluster brings its own.
            if namespace.as_deref() == Some("openshift") || matches!(name, ImageName::StreamImage { .. }) {
                return;
            }
            if is_written_elsewhere(project, &name.to_string()) {
                return;
            }
            let message = format!("nothing here builds or imports the image stream tag `{name}`");
            let fix = near(draft, user, &name.to_string());
            Finding::warning(Code::NotBuilt, place.clone(), message).fix_opt(fix)
        }
        Meaning::Malformed(text) => {
            let error = text.parse::<oci::Reference>().err();
            let message = error
                .map_or_else(|| format!("`{text}` is not an image reference"), |error| error.to_string());
            Finding::error(Code::BadName, place.clone(), message)
        }
        Meaning::External(external) => {
            let written = name.to_string();
            match outside(draft, user, &written, external, place) {
                Some(finding) => finding,
                None => return,
            }
        }
    };
    let about = finding.images.iter().cloned().chain([own.to_owned()]).collect::<Vec<_>>();
    draft.findings.push(finding.about(about));
}

/// Whether a build that is not supported writes a name: then it is no image here, and nobody's mistake.
fn is_written_elsewhere(project: &Project, name: &str) -> bool {
    let plain = |text: &str| text.rsplit('/').next().map(str::to_owned);
    project.written_elsewhere.iter().any(|written| plain(&written.value) == plain(name))
}

/// An image from outside that perhaps is not meant to be.
fn outside(draft: &Draft<'_>, user: usize, written: &str, external: &str, place: &Place) -> Option<Finding> {
    let project = draft.project;
    if is_written_elsewhere(project, written) {
        return None;
    }
    let near: Vec<&str> = draft
        .names
        .near(external, user)
        .into_iter()
        .map(|image| project.images[image].name.as_str())
        .collect();
    let local = written.starts_with("localhost/");
    let domain = external.split('/').next().unwrap_or_default();
    if !near.is_empty() {
        let message = format!("`{written}` comes from outside, and the project builds {}", list(&near));
        let fix = format!("write `FROM {}` if the project's own is meant", near[0]);
        return Some(Finding::warning(Code::NearMatch, place.clone(), message).fix(fix).about(near));
    }
    let fix = draft.names.meant(external).map(|meant| format!("did you mean `{meant}`?"));
    if local {
        let message = format!("nothing here builds `{written}`");
        return Some(Finding::error(Code::NotBuilt, place.clone(), message).fix_opt(fix));
    }
    if Registries::is_cluster(domain) {
        let message = format!("nothing here builds `{written}`");
        return Some(Finding::warning(Code::NotBuilt, place.clone(), message).fix_opt(fix));
    }
    if let Some(own) = draft.names.own_place(external) {
        let message = format!("nothing here builds `{written}`, and the project's own images go to `{own}`");
        return Some(Finding::warning(Code::NotBuilt, place.clone(), message).fix_opt(fix));
    }
    let single = !external.contains('/');
    if fix.is_some() && (single || project.images.len() > 1) {
        let message =
            format!("`{written}` comes from outside, and has nearly the name of an image of the project");
        let unknown = single && !is_official(last_part(external));
        return (unknown || !single)
            .then(|| Finding::warning(Code::NearMatch, place.clone(), message).fix_opt(fix));
    }
    if single && !is_official(last_part(external)) {
        let own = project.images.get(user).is_some_and(|image| image.name == last_part(external));
        let message = match own {
            true => format!(
                "`{written}` is not the image itself, and Docker Hub has no official image of that name"
            ),
            false => {
                format!("nothing here builds `{written}`, and Docker Hub has no official image of that name")
            }
        };
        let stream = project.image_streams.iter().find(|stream| stream.name == last_part(external));
        let tags: Vec<&str> =
            stream.into_iter().flat_map(|stream| &stream.tags).map(|tag| tag.tag.as_str()).collect();
        let fix = (!tags.is_empty()).then(|| {
            format!(
                "the image stream `{}` has {}; name it in `dockerStrategy.from`",
                last_part(external),
                list(&tags)
            )
        });
        return Some(Finding::warning(Code::NotBuilt, place.clone(), message).fix_opt(fix));
    }
    None
}

fn near(draft: &Draft<'_>, user: usize, name: &str) -> Option<String> {
    let near = draft.names.near(name, user);
    if let Some(image) = near.first() {
        return Some(format!("the project builds `{}`", draft.project.images[*image].name));
    }
    draft.names.meant(name).map(|meant| format!("did you mean `{meant}`?"))
}

/// Names and tags that two images have.
pub fn check(project: &Project, findings: &mut Vec<Finding>) {
    let mut tags: BTreeMap<String, usize> = BTreeMap::new();
    let mut names: BTreeMap<&str, usize> = BTreeMap::new();
    for (number, image) in project.images.iter().enumerate() {
        if let Some(first) = names.insert(&image.name, number) {
            let first = &project.images[first];
            let message = format!("an image `{}` is declared at {} too", image.name, first.declared);
            let found = Finding::error(Code::DuplicateName, image.declared.clone(), message);
            findings.push(found.fix("give one of them another name").about([&image.name]));
        }
        for output in &image.outputs {
            let key = full_name(&output.name, image.namespace.as_deref());
            match tags.get(&key).filter(|first| **first != number) {
                Some(first) => {
                    let first = &project.images[*first];
                    let message =
                        format!("`{}` and `{}` both write `{}`", first.name, image.name, output.name);
                    let found = Finding::error(Code::DuplicateTag, output.place.clone(), message);
                    let fix = format!("the other is declared at {}", first.declared);
                    findings.push(found.fix(fix).about([&first.name, &image.name]));
                }
                None => {
                    tags.insert(key, number);
                }
            }
        }
    }
}

/// An output's name with everything that is implied.
fn full_name(name: &ImageName, namespace: Option<&str>) -> String {
    match name {
        ImageName::Reference(text) => {
            text.parse::<oci::Reference>().map_or_else(|_| text.clone(), |reference| reference.to_string())
        }
        ImageName::StreamTag { namespace: own, name, tag } => {
            format!("stream {}/{name}:{tag}", own.as_deref().or(namespace).unwrap_or_default())
        }
        ImageName::StreamImage { .. } => name.to_string(),
    }
}
