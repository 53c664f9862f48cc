//! Which FROM an override replaced, and whether that was the one that was meant.

use super::build::{Draft, Reading, list};
use crate::finding::{Code, Finding};
use crate::model::{BaseOverride, DeclaredBy, ImageName, WhichFrom};
use crate::names::last_part;
use crate::uses::From;

/// Says for every override what it replaced.
pub fn check(draft: &mut Draft<'_>, readings: &[Option<Reading>]) {
    for (number, reading) in readings.iter().enumerate() {
        let image = &draft.project.images[number];
        let (Some(reading), Some(from)) = (reading, &image.from) else { continue };
        let Some(replaced) = &reading.uses.replaced else { continue };
        let old = &reading.uses.froms[replaced.index];
        let line = reading.place(old.span).line;
        let who = who(image.declared_by);
        let which = match from.which {
            WhichFrom::First => "first",
            WhichFrom::Last => "last",
        };
        let what = format!(
            "{who} replaces the {which} FROM of `{}`, `{}` in line {line}, with `{}`",
            image.name, old.name, from.image
        );
        let finding = if !replaced.needed {
            let message = format!("{what}, a stage that the image does not need");
            Finding::warning(Code::OverrideContradicts, from.place.clone(), message)
        } else if old.stage {
            let message = format!("{what}: so the stage `{}` is no longer its base", old.name);
            Finding::warning(Code::OverrideContradicts, from.place.clone(), message)
        } else if let Some((old_tag, new_tag)) = other_tag(draft, number, old, from) {
            let message = format!("{what}: another tag, `{new_tag}` for `{old_tag}`");
            Finding::warning(Code::OverrideContradicts, from.place.clone(), message)
        } else if same(draft, number, old, from) {
            Finding::note(Code::ReplacedFrom, from.place.clone(), what)
        } else {
            let message = format!("{what}: other builds of this Dockerfile have another base");
            Finding::warning(Code::OverrideContradicts, from.place.clone(), message)
        };
        let fix = other_tools(&reading.uses.froms, from.which);
        let finding = finding.fix_opt(fix).about([&image.name]);
        draft.findings.push(finding);
    }
}

fn who(declared_by: DeclaredBy) -> &'static str {
    match declared_by {
        DeclaredBy::BuildConfig => "`dockerStrategy.from`",
        DeclaredBy::Makefile => "`--from`",
        DeclaredBy::KapokYaml | DeclaredBy::Dockerfile => "`from`",
    }
}

/// Whether the old and the new base are the same image under two names.
fn same(draft: &Draft<'_>, number: usize, old: &From, new: &BaseOverride) -> bool {
    let namespace = draft.project.images[number].namespace.as_deref();
    let plain = |name: &str| name.replace(['-', '_', '.'], "");
    let old_name = ImageName::Reference(old.name.clone());
    draft.names.meaning(&old_name, namespace, number) == draft.names.meaning(&new.image, namespace, number)
        || plain(last_part(&old.name)) == plain(last_part(&new.image.to_string()))
}

/// The tags of the old and the new base where both are one image's and each names another.
fn other_tag(draft: &Draft<'_>, number: usize, old: &From, new: &BaseOverride) -> Option<(String, String)> {
    let namespace = draft.project.images[number].namespace.as_deref();
    let old_name = ImageName::Reference(old.name.clone());
    if draft.names.meaning(&old_name, namespace, number) == draft.names.meaning(&new.image, namespace, number)
    {
        return None;
    }
    let new_name = new.image.to_string();
    let tag = |name: &str| {
        let (_, tag) = name.rsplit('/').next()?.split_once(':').filter(|_| !name.contains('@'))?;
        (!tag.contains('$') && tag != "latest").then(|| tag.to_owned())
    };
    let (old_tag, new_tag) = (tag(&old.name)?, tag(&new_name)?);
    (last_part(&old.name) == last_part(&new_name) && old_tag != new_tag).then_some((old_tag, new_tag))
}

/// Where a file has several FROMs with images, tools do not agree on which is replaced.
fn other_tools(froms: &[From], which: WhichFrom) -> Option<String> {
    let (first, last) = (froms.first()?, froms.last()?);
    if froms.len() < 2 || first.name == last.name {
        return None;
    }
    Some(match which {
        WhichFrom::Last => {
            format!("`--from` of Podman would replace the first FROM, {}", list(&[&first.name]))
        }
        WhichFrom::First => {
            format!("`dockerStrategy.from` of OpenShift would replace the last FROM, {}", list(&[&last.name]))
        }
    })
}
