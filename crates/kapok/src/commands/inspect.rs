//! `kapok inspect`: what docker's inspect shows of an image, under the same names, and the layers' digests.

use oci::store::{Document, Image, Store};
use oci::{Digest, Platform};
use serde_json::{Value, json};

use crate::cli::images::Inspect;
use crate::exit::Exit;
use crate::failure::Failure;
use crate::history;
use crate::judging;
use crate::program::{Program, find_image};

/// Prints an array with one object per image and platform.
pub fn run(program: &Program, arguments: &Inspect) -> Result<Exit, Failure> {
    let wanted = arguments
        .platform
        .as_deref()
        .map(|text| text.parse::<Platform>())
        .transpose()
        .map_err(|error| Failure::usage(error.to_string()))?;
    let store = program.store(&program.settings()?)?;
    let mut found = Vec::new();
    for name in &arguments.images {
        let image = find_image(&store, name)?;
        found.extend(platforms(&store, &image.digest, wanted.as_ref(), name)?);
    }
    program.data(&(serde_json::to_string_pretty(&found).unwrap_or_default() + "\n"))?;
    Ok(Exit::Done)
}

/// The image, or of an index the image for the platform asked for, else for every platform.
fn platforms(
    store: &Store,
    digest: &Digest,
    wanted: Option<&Platform>,
    name: &str,
) -> Result<Vec<Value>, Failure> {
    let missing = |platform: &Platform| Failure::usage(format!("`{name}` is not there for {platform}"));
    let platforms: Vec<Platform> = match (wanted, store.document(digest)?) {
        (Some(platform), _) => vec![platform.clone()],
        (None, Document::Manifest(_)) => Vec::new(),
        (None, Document::Index(index)) => {
            index.value().manifests.iter().filter_map(|manifest| manifest.platform.clone()).collect()
        }
    };
    if platforms.is_empty() {
        let image = store.image(digest, &Platform::host())?.ok_or_else(|| missing(&Platform::host()))?;
        return Ok(vec![describe(store, digest, &image)?]);
    }
    let describe_one = |platform: &Platform| {
        let image = store.image(digest, platform)?.ok_or_else(|| missing(platform))?;
        describe(store, digest, &image)
    };
    platforms.iter().map(describe_one).collect()
}

fn describe(store: &Store, named: &Digest, image: &Image) -> Result<Value, Failure> {
    let config = image.config.value();
    let manifest = image.manifest.value();
    let packed: u64 = manifest.layers.iter().map(|layer| layer.size).sum();
    let tags: Vec<String> = store
        .tags()?
        .into_iter()
        .filter(|tag| tag.image.digest == *named)
        .map(|tag| tag.reference.familiar())
        .collect();
    let layers: Vec<Value> = manifest
        .layers
        .iter()
        .zip(&config.rootfs.diff_ids)
        .map(|(layer, diff_id)| {
            json!({
                "Digest": layer.digest,
                "DiffId": diff_id,
                "Size": layer.size,
                "MediaType": layer.media_type,
            })
        })
        .collect();
    let overruled = history::of_image(store, named)?.map(|past| judging::overruled_json(&past.report));
    // The configuration as its own bytes say it: fields that Kapok does not know stay visible.
    let whole: Value = serde_json::from_slice(image.config.bytes()).unwrap_or_default();
    Ok(json!({
        "Id": manifest.config.digest,
        "Digest": image.descriptor.digest,
        "Index": (named != &image.descriptor.digest).then_some(named),
        "RepoTags": tags,
        "Created": config.created,
        "Author": config.author.clone().unwrap_or_default(),
        "Os": config.os,
        "Architecture": config.architecture,
        "Variant": config.variant,
        "Size": store.unpacked_size(&image.descriptor.digest)?.unwrap_or(packed),
        "PackedSize": packed,
        "Config": whole.get("config"),
        "RootFS": { "Type": "layers", "Layers": config.rootfs.diff_ids },
        "Layers": layers,
        "History": whole.get("history"),
        "MediaType": image.descriptor.media_type,
        "Annotations": manifest.annotations,
        "Overruled": overruled,
    }))
}
