//! Image streams: what builds write to must be declared somewhere.

use std::collections::BTreeMap;

use super::build::{Draft, list};
use crate::finding::{Code, Finding};
use crate::model::{DeclaredBy, ImageName};
use crate::names::Meaning;

/// Image streams against what BuildConfigs write to them.
pub fn check(draft: &mut Draft<'_>) {
    undeclared(draft);
    imported(draft);
}

/// Looks for image streams that BuildConfigs write to and that the repository does not declare. A repository that declares
/// none has them from elsewhere.
fn undeclared(draft: &mut Draft<'_>) {
    let streams = &draft.project.image_streams;
    if streams.is_empty() {
        return;
    }
    let mut by_name: BTreeMap<&str, Vec<Option<&str>>> = BTreeMap::new();
    for stream in streams {
        by_name.entry(&stream.name).or_default().push(stream.namespace.as_deref());
    }
    let images = draft.project.images.iter().filter(|image| image.declared_by == DeclaredBy::BuildConfig);
    let mut findings = Vec::new();
    for image in images {
        for output in &image.outputs {
            let ImageName::StreamTag { namespace, name, .. } = &output.name else { continue };
            let namespace = namespace.as_deref().or(image.namespace.as_deref());
            let agrees = |own: &Option<&str>| own.is_none() || namespace.is_none() || *own == namespace;
            let declared = by_name.get(name.as_str()).is_some_and(|streams| streams.iter().any(agrees));
            if !declared {
                let message =
                    format!("`{}` writes to the image stream `{name}`, which is not declared", image.name);
                let names = streams.iter().map(|stream| stream.name.as_str());
                let near = dockerfile::suggest::nearest(name, names).filter(|near| near != name);
                let fix = near.map(|near| format!("did you mean `{near}`?"));
                let found = Finding::warning(Code::MissingImageStream, output.place.clone(), message);
                findings.push(found.fix_opt(fix).about([&image.name]));
            }
        }
    }
    draft.findings.extend(findings);
}

/// Tags that are imported: from outside, where the project builds an image of that name; or although a build writes them.
fn imported(draft: &mut Draft<'_>) {
    /// No image: whoever asks is none.
    const NOBODY: usize = usize::MAX;
    let mut written: BTreeMap<(&str, &str), &str> = BTreeMap::new();
    for image in &draft.project.images {
        for output in &image.outputs {
            if let ImageName::StreamTag { name, tag, .. } = &output.name {
                written.insert((name, tag), &image.name);
            }
        }
    }
    let mut findings = Vec::new();
    for stream in &draft.project.image_streams {
        for tag in &stream.tags {
            let Some(from) = &tag.from else { continue };
            let name = |image: &usize| draft.project.images[*image].name.as_str();
            if let Some(image) = written.get(&(stream.name.as_str(), tag.tag.as_str())) {
                let message = format!(
                    "`{}:{}` is imported from `{from}`, and `{image}` writes it",
                    stream.name, tag.tag
                );
                let found = Finding::warning(Code::DuplicateTag, tag.place.clone(), message);
                findings.push(found.fix("the later of the two is what everybody gets").about([*image]));
                continue;
            }
            let Meaning::External(external) = draft.names.meaning(from, stream.namespace.as_deref(), NOBODY)
            else {
                continue;
            };
            let near: Vec<&str> = draft.names.near(&external, NOBODY).iter().map(name).collect();
            if let Some(first) = near.first() {
                let message = format!(
                    "the image stream tag `{}:{}` is imported from `{from}`, and the project builds {}",
                    stream.name,
                    tag.tag,
                    list(&near)
                );
                let fix = format!("what `{first}` builds does not reach it unless somebody sends it there");
                findings
                    .push(Finding::warning(Code::NearMatch, tag.place.clone(), message).fix(fix).about(near));
            }
        }
    }
    draft.findings.extend(findings);
}
