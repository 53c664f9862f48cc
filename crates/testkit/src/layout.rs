//! Writes small OCI image layouts, byte for byte the same each time: the bases of tests.

use std::fs;
use std::io;
use std::path::Path;

use serde_json::{Value, json};
use sha2::{Digest as _, Sha256};

use crate::archive::{Form, Member, write};
use crate::tree::hex;

/// An image to be written: its layers from the lowest up, and its configuration without `rootfs`.
#[derive(Clone, Debug)]
pub struct Draft {
    /// One list of members per layer.
    pub layers: Vec<Vec<Member>>,
    /// `architecture`, `os`, `config`, ...
    pub config: Value,
}

/// Writes a layout with these images (an index if there are several) and returns the digest of what a
/// reference to it means.
pub fn write_layout(directory: &Path, drafts: &[Draft]) -> io::Result<String> {
    fs::create_dir_all(directory.join("blobs/sha256"))?;
    let mut manifests = Vec::new();
    for draft in drafts {
        manifests.push(image(directory, draft)?);
    }
    let mut root = match manifests.as_slice() {
        [only] => only.clone(),
        _ => {
            let media_type = "application/vnd.oci.image.index.v1+json";
            let index = json!({ "schemaVersion": 2, "mediaType": media_type, "manifests": manifests });
            blob(directory, media_type, index.to_string().as_bytes())?
        }
    };
    let digest = root["digest"].as_str().unwrap_or_default().to_owned();
    root["annotations"] = json!({ "org.opencontainers.image.ref.name": "latest" });
    fs::write(directory.join("index.json"), json!({ "schemaVersion": 2, "manifests": [root] }).to_string())?;
    fs::write(directory.join("oci-layout"), r#"{"imageLayoutVersion":"1.0.0"}"#)?;
    Ok(digest)
}

fn image(directory: &Path, draft: &Draft) -> io::Result<Value> {
    let mut layers = Vec::new();
    let mut diff_ids = Vec::new();
    for members in &draft.layers {
        diff_ids.push(format!("sha256:{}", hex(&Sha256::digest(write(Form::Tar, members)?))));
        let media_type = "application/vnd.oci.image.layer.v1.tar+gzip";
        layers.push(blob(directory, media_type, &write(Form::Gzip, members)?)?);
    }
    let mut config = draft.config.clone();
    config["rootfs"] = json!({ "type": "layers", "diff_ids": diff_ids });
    let created = "2020-01-01T00:00:00Z";
    config["created"] = json!(created);
    let history = json!({ "created": created, "created_by": "a layer of the base" });
    config["history"] = Value::Array(vec![history; draft.layers.len()]);
    let config_type = "application/vnd.oci.image.config.v1+json";
    let manifest_type = "application/vnd.oci.image.manifest.v1+json";
    let manifest = json!({
        "schemaVersion": 2,
        "mediaType": manifest_type,
        "config": blob(directory, config_type, config.to_string().as_bytes())?,
        "layers": layers,
    });
    let mut descriptor = blob(directory, manifest_type, manifest.to_string().as_bytes())?;
    descriptor["platform"] = json!({ "architecture": config["architecture"], "os": config["os"] });
    if let Some(variant) = config.get("variant") {
        descriptor["platform"]["variant"] = variant.clone();
    }
    Ok(descriptor)
}

fn blob(directory: &Path, media_type: &str, bytes: &[u8]) -> io::Result<Value> {
    let name = hex(&Sha256::digest(bytes));
    fs::write(directory.join("blobs/sha256").join(&name), bytes)?;
    Ok(json!({ "mediaType": media_type, "digest": format!("sha256:{name}"), "size": bytes.len() }))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::archive::member;

    #[test]
    fn a_written_layout_reads_back() {
        let directory = tempfile::tempdir().unwrap();
        let draft = |architecture: &str| Draft {
            layers: vec![vec![member("a text=1").unwrap()], vec![member(".wh.a text=").unwrap()]],
            config: json!({ "architecture": architecture, "os": "linux" }),
        };
        let digest = write_layout(directory.path(), &[draft("amd64")]).unwrap();
        let image = crate::image::load_one(directory.path()).unwrap();
        assert_eq!((image.digest, image.tree.paths().count()), (digest, 0));
        write_layout(directory.path(), &[draft("amd64"), draft("arm64")]).unwrap();
        assert_eq!(crate::image::load(directory.path()).unwrap().len(), 2);
    }
}
