//! Whether an image is rebuilt when its base is: declared triggers against what its Dockerfile uses.

use std::collections::BTreeMap;

use super::EdgeKind;
use super::build::{Draft, End, list};
use crate::finding::{Code, Finding};
use crate::model::{DeclaredBy, Image, ImageName, Trigger, TriggerKind};
use crate::names::Meaning;

/// Judges the triggers of every BuildConfig.
pub fn check(draft: &mut Draft<'_>) {
    let mut used: BTreeMap<usize, Vec<(End, EdgeKind)>> = BTreeMap::new();
    for edge in draft.edges.iter().chain(&draft.closing) {
        used.entry(edge.to).or_default().push((edge.from.clone(), edge.kind));
    }
    let mut findings = Vec::new();
    for (number, image) in draft.project.images.iter().enumerate() {
        if image.declared_by == DeclaredBy::BuildConfig {
            let used = used.get(&number).map(Vec::as_slice).unwrap_or_default();
            findings.extend(image_findings(draft, number, image, used));
        }
    }
    draft.findings.extend(findings);
}

fn image_findings(draft: &Draft<'_>, number: usize, image: &Image, used: &[(End, EdgeKind)]) -> Vec<Finding> {
    let mut findings = Vec::new();
    let mut waits: Vec<End> = Vec::new();
    let mut paused = false;
    for trigger in &image.triggers {
        let TriggerKind::ImageChange { from, paused: off } = &trigger.kind else { continue };
        paused |= off;
        let named = from.as_ref().or(image.from.as_ref().map(|from| &from.image));
        let Some(named) = named else {
            let message = format!(
                "the ImageChange trigger of `{}` names no image, and neither does its strategy: it never fires",
                image.name
            );
            let fix = "add `from` to `dockerStrategy` or to the trigger";
            findings.push(
                Finding::warning(Code::NoTrigger, trigger.place.clone(), message)
                    .fix(fix)
                    .about([&image.name]),
            );
            continue;
        };
        if let ImageName::Reference(reference) = named {
            let message = format!(
                "the ImageChange trigger of `{}` is on `{reference}`, which is no image stream tag: it never fires",
                image.name
            );
            let fix = "import it as a tag of an image stream, and name that";
            let found = Finding::warning(Code::NoTrigger, trigger.place.clone(), message);
            findings.push(found.fix(fix).about([&image.name]));
            continue;
        }
        let end = end(draft, number, image, named);
        if !used.iter().any(|(own, _)| *own == end) {
            findings.push(contradiction(draft, image, trigger, named, used));
        }
        if !off {
            waits.push(end);
        }
    }
    // Whoever never fires has been told so.
    if !findings.iter().any(|found| found.code == Code::NoTrigger) {
        findings.extend(unreached(draft, image, used, &waits, paused));
    }
    findings.dedup();
    findings
}

/// The images of the project that an image uses and that no trigger of it waits for.
fn unreached(
    draft: &Draft<'_>,
    image: &Image,
    used: &[(End, EdgeKind)],
    waits: &[End],
    paused: bool,
) -> Vec<Finding> {
    let (mut bases, mut others): (Vec<&str>, Vec<&str>) = (Vec::new(), Vec::new());
    for is_base in [true, false] {
        for (end, _) in used.iter().filter(|(_, kind)| (*kind == EdgeKind::From) == is_base) {
            let End::Image(number) = end else { continue };
            let name = draft.project.images[*number].name.as_str();
            if !waits.contains(end) && !bases.contains(&name) && !others.contains(&name) {
                if is_base { bases.push(name) } else { others.push(name) }
            }
        }
    }
    let told = [(&bases, "its base ", ""), (&others, "", ", which it copies from,")];
    told.iter()
        .filter(|(names, ..)| !names.is_empty())
        .map(|(names, before, after)| {
            let is = if names.len() == 1 { "is" } else { "are" };
            let message =
                format!("nothing rebuilds `{}` when {before}{}{after} {is} rebuilt", image.name, list(names));
            let fix = if paused { "its trigger is paused" } else { "add an ImageChange trigger for it" };
            Finding::warning(Code::NoTrigger, triggers_place(image), message).fix(fix).about([&image.name])
        })
        .collect()
}

fn contradiction(
    draft: &Draft<'_>,
    image: &Image,
    trigger: &Trigger,
    named: &ImageName,
    used: &[(End, EdgeKind)],
) -> Finding {
    let bases: Vec<String> = used
        .iter()
        .filter(|(_, kind)| *kind == EdgeKind::From)
        .map(|(end, _)| match end {
            End::Image(base) => draft.project.images[*base].name.clone(),
            End::Base(base) => draft.project.bases[*base].name.clone(),
            End::External(name) => name.clone(),
        })
        .collect();
    let message = match bases.as_slice() {
        [] => format!("`{}` is triggered by `{named}`, which it does not use", image.name),
        bases => format!(
            "`{}` is triggered by `{named}`, which it does not use: it is built on {}",
            image.name,
            list(bases)
        ),
    };
    let declared = |name: &str| draft.project.image_streams.iter().any(|stream| stream.name == name);
    let known = |name: &str| declared(name) || draft.project.image(name).is_some();
    let fix = match named {
        ImageName::StreamTag { namespace: None, name, .. } if !known(name) => format!(
            "no image stream `{name}` is declared: import the base as a tag of one, and name that in `dockerStrategy.from` too"
        ),
        _ => {
            "the trigger rebuilds it for nothing, and not when its base changes; name the same image in both"
                .to_owned()
        }
    };
    Finding::warning(Code::TriggerContradicts, trigger.place.clone(), message).fix(fix).about([&image.name])
}

fn triggers_place(image: &Image) -> crate::Place {
    image.triggers.first().map_or_else(|| image.declared.clone(), |trigger| trigger.place.clone())
}

/// What a trigger's name leads to, as edges know it.
fn end(draft: &Draft<'_>, number: usize, image: &Image, name: &ImageName) -> End {
    match draft.names.meaning(name, image.namespace.as_deref(), number) {
        Meaning::Images(images) => End::Image(images[0]),
        Meaning::Base(base) => End::Base(base),
        Meaning::OtherTag { external, .. } | Meaning::External(external) => End::External(external),
        Meaning::Stream { name, .. } | Meaning::Malformed(name) => End::External(name),
    }
}
