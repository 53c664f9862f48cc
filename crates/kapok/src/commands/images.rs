//! `kapok images`.

use oci::Reference;
use oci::store::ImageSummary;
use serde_json::{Value, json};

use crate::cli::{Format, images};
use crate::clock;
use crate::exit::Exit;
use crate::failure::Failure;
use crate::program::Program;
use crate::ui::{format, table::table};

/// One line of the list: an image under one of its names.
struct Row<'a> {
    name: Option<&'a Reference>,
    image: &'a ImageSummary,
    /// Bytes of its files, as Docker counts; not known of an image that was never unpacked.
    unpacked: Option<u64>,
}

/// Lists images, newest first.
pub fn run(program: &Program, arguments: &images::Images) -> Result<Exit, Failure> {
    let store = program.store(&program.settings()?)?;
    let images = store.images()?;
    let mut rows = rows(&images, arguments.name.as_deref());
    for row in &mut rows {
        row.unpacked = store.unpacked_size(&row.image.image.digest)?;
    }
    let text = if arguments.quiet {
        rows.iter().map(|row| format!("{}\n", shortened(row.image, arguments.no_trunc))).collect()
    } else {
        match arguments.format {
            Format::Json => json_lines(&rows),
            Format::Table => as_table(&rows, arguments),
        }
    };
    program.data(&text)?;
    Ok(Exit::Done)
}

/// The lines: one per name, one for an image without names; only those asked for.
fn rows<'a>(images: &'a [ImageSummary], wanted: Option<&str>) -> Vec<Row<'a>> {
    let names = images.iter().flat_map(|image| {
        let row = |name| Row { name, image, unpacked: None };
        let unnamed = image.tags.is_empty().then(|| row(None));
        image.tags.iter().map(move |name| row(Some(name))).chain(unnamed)
    });
    names
        .filter(|row| wanted.is_none_or(|wanted| row.name.is_some_and(|name| matches(name, wanted))))
        .collect()
}

/// Whether a name is the one asked for; without a tag, any tag matches.
fn matches(name: &Reference, wanted: &str) -> bool {
    let Ok(reference) = wanted.parse::<Reference>() else { return false };
    let has_tag = wanted.rsplit('/').next().is_some_and(|last| last.contains(':'));
    reference.name() == name.name() && (!has_tag || reference.tag() == name.tag())
}

fn shortened(image: &ImageSummary, whole: bool) -> String {
    if whole { image.id.to_string() } else { image.id.short() }
}

fn as_table(rows: &[Row<'_>], arguments: &images::Images) -> String {
    let now = clock::now();
    let none = || "<none>".to_owned();
    let lines: Vec<Vec<String>> = rows
        .iter()
        .map(|row| {
            let created = row.image.created.as_deref().and_then(oci::time::parse_rfc3339);
            let mut line = vec![
                row.name.map_or_else(none, Reference::familiar_name),
                row.name.and_then(Reference::tag).map_or_else(none, str::to_owned),
            ];
            if arguments.digests {
                line.push(row.image.image.digest.to_string());
            }
            line.extend([
                shortened(row.image, arguments.no_trunc),
                created.map_or_else(|| "-".to_owned(), |then| format::ago(then, now)),
                size(row),
            ]);
            line
        })
        .collect();
    let heading: &[&str] = match arguments.digests {
        true => &["REPOSITORY", "TAG", "DIGEST", "IMAGE ID", "CREATED", "SIZE"],
        false => &["REPOSITORY", "TAG", "IMAGE ID", "CREATED", "SIZE"],
    };
    table(heading, &lines)
}

fn size(row: &Row<'_>) -> String {
    match row.unpacked {
        Some(bytes) => format::size(bytes),
        None => format!("{} packed", format::size(row.image.size)),
    }
}

/// An array, so that one call of `jq` sees all of it.
fn json_lines(rows: &[Row<'_>]) -> String {
    let images: Vec<Value> = rows
        .iter()
        .map(|row| {
            json!({
                "name": row.name.map(Reference::familiar),
                "digest": row.image.image.digest.to_string(),
                "id": row.image.id.to_string(),
                "created": row.image.created,
                "size": row.unpacked,
                "packed_size": row.image.size,
                "platforms": row.image.platforms.iter().map(ToString::to_string).collect::<Vec<_>>(),
            })
        })
        .collect();
    serde_json::to_string_pretty(&images).unwrap_or_default() + "\n"
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_without_a_tag_matches_every_tag() {
        let name: Reference = "registry.example:5000/base/debian:bookworm".parse().expect("a reference");
        assert!(matches(&name, "registry.example:5000/base/debian"));
        assert!(matches(&name, "registry.example:5000/base/debian:bookworm"));
        assert!(!matches(&name, "registry.example:5000/base/debian:trixie"));
        assert!(!matches(&name, "debian"));
    }
}
