//! Images on their way from one store to another, and archives that are not what they say.

use std::fs;

use super::*;
use crate::layer::Compression;
use crate::layer::tests::{Archive, is_root};
use crate::store::tests::{image_of, layer_of, open};
use crate::store::{Batch, Store};
use crate::{Descriptor, ImageConfig, Manifest, Platform, Raw};

struct Places {
    _directory: tempfile::TempDir,
    from: Store,
    to: Store,
}

fn places() -> Places {
    let directory = tempfile::tempdir().unwrap();
    let (from, to) = (open(&directory.path().join("from")), open(&directory.path().join("to")));
    Places { _directory: directory, from, to }
}

fn export(digest: Digest, names: &[&str]) -> Export {
    Export { digest, references: names.iter().map(|name| name.parse().unwrap()).collect() }
}

/// The image is whole in the other store: all layers unpack to what they were.
#[track_caller]
fn assert_arrived(to: &Store, loaded: &[Loaded], expected: &[Export]) {
    let arrived: Vec<Export> =
        loaded.iter().map(|l| Export { digest: l.digest, references: l.references.clone() }).collect();
    assert_eq!(arrived, expected);
    for image in loaded {
        let tags = image.references.iter().map(|name| (name.clone(), image.digest)).collect();
        to.commit(&Batch { tags, images: vec![image.digest], ..Batch::default() }).unwrap();
        let found = to.image(&image.digest, &Platform::linux("amd64")).unwrap().unwrap();
        for (layer, diff_id) in
            found.manifest.value().layers.iter().zip(&found.config.value().rootfs.diff_ids)
        {
            if is_root() {
                to.import_layer(layer, Some(diff_id)).unwrap();
            }
        }
    }
    let report = to.verify(1).unwrap();
    assert_eq!((report.findings, report.orphans), (Vec::<String>::new(), Vec::new()));
}

#[test]
fn an_oci_layout_as_a_tar() {
    let Places { _directory, from, to } = places();
    let layers = [layer_of(&from, &[("a", "1")]), layer_of(&from, &[("b", "2")])];
    let one = export(image_of(&from, &layers, "one"), &["app:1", "r.example/app:latest"]);
    let two = export(image_of(&from, &layers[..1], "two"), &[]);
    let images = [one, two];
    let mut tar = Vec::new();
    save_oci(&mut tar, &images, &from).unwrap();
    let mut again = Vec::new();
    save_oci(&mut again, &images, &from).unwrap();
    assert!(tar == again, "the same images make the same bytes");
    let compressed = zstd::encode_all(&tar[..], 1).unwrap();
    let loaded = load(&mut &compressed[..], &to).unwrap();
    assert_arrived(&to, &loaded, &images);
}

#[test]
fn an_oci_layout_as_a_directory_takes_names_over() {
    let Places { _directory, from, to } = places();
    let directory = tempfile::tempdir().unwrap();
    let old = export(image_of(&from, &[], "old"), &["app"]);
    let kept = export(image_of(&from, &[], "kept"), &["other:2"]);
    let new = export(image_of(&from, &[layer_of(&from, &[("a", "1")])], "new"), &["app"]);
    save_layout(directory.path(), &[old, kept.clone()], &from).unwrap();
    save_layout(directory.path(), std::slice::from_ref(&new), &from).unwrap();
    save_layout(directory.path(), std::slice::from_ref(&new), &from).unwrap();
    let loaded = load_layout(directory.path(), &to).unwrap();
    assert_arrived(&to, &loaded, &[kept, new]);
    assert!(matches!(load_layout(&directory.path().join("nothing"), &to), Err(ArchiveError::NoImage)));
}

#[test]
fn a_docker_archive_of_zstd_layers_is_readable_by_every_docker() {
    let Places { _directory, from, to } = places();
    let layer = layer_of(&from, &[("a", &"some text ".repeat(1000))]);
    let blob = from.pack_layer(&layer, Compression::Zstd, None, 1).unwrap();
    let mut config = ImageConfig::for_platform(&Platform::linux("amd64"));
    config.rootfs.diff_ids.push(blob.diff_id);
    let config = Raw::write(config);
    from.put_blob(config.bytes()).unwrap();
    let config = config.descriptor(crate::descriptor::media_type::OCI_CONFIG);
    let id = config.digest;
    let image = from.put_blob(Raw::write(Manifest::new(config, vec![blob.descriptor])).bytes()).unwrap();
    let mut tar = Vec::new();
    save_docker(&mut tar, &[export(image, &["app:1"])], &from).unwrap();
    let text = String::from_utf8_lossy(&tar);
    assert!(text.contains(r#""RepoTags":["app:1"]"#) && text.contains(r#""Config":"blobs/sha256/"#));
    let loaded = load(&mut &tar[..], &to).unwrap();
    let found = to.image(&loaded[0].digest, &Platform::linux("amd64")).unwrap().unwrap();
    assert_eq!(found.manifest.value().config.digest, id);
    assert_eq!(found.manifest.value().layers[0].digest, blob.diff_id.0);
    assert_arrived(&to, &loaded, &[export(found.descriptor.digest, &["app:1"])]);
}

/// A tar layer with one file, and a configuration for two of it.
fn classic() -> (Vec<u8>, String, String) {
    let layer = Archive::default().file("a", "1").end();
    let diff_id = Digest::of(&layer);
    let config = format!(
        r#"{{"architecture":"amd64","os":"linux","config":{{}},"rootfs":{{"type":"layers","diff_ids":["{diff_id}","{diff_id}"]}}}}"#
    );
    let name = Digest::of(config.as_bytes()).hex() + ".json";
    (layer, config, name)
}

#[test]
fn a_classic_docker_archive_with_a_linked_layer() {
    let Places { _directory, from: _, to } = places();
    let (layer, config, name) = classic();
    let manifest = format!(
        r#"[{{"Config":"{name}","RepoTags":["app:1","app"],"Layers":["x/layer.tar","y/layer.tar"]}}]"#
    );
    let tar = Archive::default()
        .add("x/layer.tar", b'0', "", &layer)
        .add("y/layer.tar", b'2', "../x/layer.tar", b"")
        .file(&name, &config)
        .file("manifest.json", &manifest)
        .end();
    let loaded = load(&mut &tar[..], &to).unwrap();
    let digest = loaded[0].digest;
    assert_arrived(&to, &loaded, &[export(digest, &["app:1", "app:latest"])]);
}

#[test]
fn archives_that_are_not_what_they_say() {
    let Places { _directory, from, to } = places();
    let (layer, config, name) = classic();
    let refused = |archive: Archive| load(&mut &archive.end()[..], &to).unwrap_err().to_string();
    let classic = |layers: &str, layer: &[u8], config: &str| {
        let manifest = format!(r#"[{{"Config":"{name}","RepoTags":null,"Layers":[{layers}]}}]"#);
        let archive = Archive::default().add("x/layer.tar", b'0', "", layer).file(&name, config);
        archive.file("manifest.json", &manifest)
    };
    let both = r#""x/layer.tar","x/layer.tar""#;
    assert!(refused(classic(both, b"another", &config)).contains("has the digest"));
    assert!(refused(classic(both, &layer, "{}")).contains("has the digest"));
    assert_eq!(
        refused(classic(r#""x/layer.tar""#, &layer, &config)),
        "the archive's image has 1 layers, its configuration speaks of 2"
    );
    assert_eq!(
        refused(classic(r#""../../etc/passwd","x/layer.tar""#, &layer, &config)),
        "the archive lacks `etc/passwd`"
    );
    assert_eq!(
        refused(Archive::default().file("a", "")),
        "the archive is no image: it has neither `index.json` nor `manifest.json`"
    );
    let loops = Archive::default()
        .add(&name, b'2', &name, b"")
        .file("manifest.json", &format!(r#"[{{"Config":"{name}"}}]"#));
    assert_eq!(refused(loops), format!("the archive lacks `{name}`"));

    let image = image_of(&from, &[layer_of(&from, &[("a", "1")])], "x");
    let manifest = from.read_blob(&image).unwrap();
    let text = String::from_utf8(manifest).unwrap();
    let index = |digest: Digest, size: usize| {
        format!(
            r#"{{"schemaVersion":2,"manifests":[{{"mediaType":"x","digest":"{digest}","size":{size}}}]}}"#
        )
    };
    let layout = |index: &str| Archive::default().file("oci-layout", "{}").file("index.json", index);
    let named = |digest: &Digest| format!("blobs/sha256/{}", digest.hex());
    assert_eq!(refused(layout(&index(image, text.len()))), format!("the archive lacks `{}`", named(&image)));
    let with = |content: &str| layout(&index(image, text.len())).file(&named(&image), content);
    assert!(refused(with("{}")).contains("has the digest"));
    let config = Raw::<Manifest>::parse(text.clone().into_bytes()).unwrap().value().config.digest;
    assert_eq!(refused(with(&text)), format!("the archive lacks `{}`", named(&config)));
    assert!(refused(layout(&index(image, 7)).file(&named(&image), &text)).contains("bytes, not 7"));
    assert!(refused(layout("[]")).contains("`index.json` of the archive is malformed"));
}

#[test]
fn a_layout_whose_blob_was_changed_is_refused() {
    let Places { _directory, from, to } = places();
    let directory = tempfile::tempdir().unwrap();
    let image = image_of(&from, &[], "x");
    save_layout(directory.path(), &[export(image, &[])], &from).unwrap();
    let found = from.image(&image, &Platform::linux("amd64")).unwrap().unwrap();
    let Descriptor { digest, .. } = found.manifest.value().config;
    fs::write(directory.path().join("blobs/sha256").join(digest.hex()), "{}").unwrap();
    assert!(matches!(load_layout(directory.path(), &to), Err(ArchiveError::Store(_))));
}
