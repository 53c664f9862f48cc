//! Reads an OCI image layout, a directory or a tar of it, checks every promise that its descriptors make, and
//! prints what it holds as text.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::fs;
use std::io::{self, Read};
use std::path::Path;

use serde_json::Value;
use sha2::{Digest as _, Sha256};

use crate::tree::{Tree, hex, invalid};

/// One image of a layout.
#[derive(Clone, Debug)]
pub struct Image {
    /// Its manifest's digest, `sha256:...`.
    pub digest: String,
    /// The manifest.
    pub manifest: Value,
    /// The image configuration.
    pub config: Value,
    /// All layers, merged.
    pub tree: Tree,
}

/// The images of a layout, in the index's order, attestations left out.
pub fn load(path: &Path) -> io::Result<Vec<Image>> {
    let files = if path.is_dir() { directory_files(path)? } else { tar_files(&fs::read(path)?)? };
    let layout = Layout { files };
    let marker = json(layout.file("oci-layout")?)?;
    if marker["imageLayoutVersion"] != "1.0.0" {
        return Err(invalid(format!("`oci-layout` says {marker}")));
    }
    let mut images = Vec::new();
    layout.images(&json(layout.file("index.json")?)?, 0, &mut images)?;
    Ok(images)
}

/// The only image of a layout.
pub fn load_one(path: &Path) -> io::Result<Image> {
    let mut images = load(path)?;
    match images.len() {
        1 => Ok(images.remove(0)),
        count => Err(invalid(format!("{count} images where one was expected"))),
    }
}

struct Layout {
    files: BTreeMap<String, Vec<u8>>,
}

impl Layout {
    fn file(&self, name: &str) -> io::Result<&[u8]> {
        self.files.get(name).map(Vec::as_slice).ok_or_else(|| invalid(format!("the layout has no `{name}`")))
    }

    /// A descriptor's bytes, after its size and digest have been checked.
    fn blob(&self, descriptor: &Value) -> io::Result<&[u8]> {
        let digest = descriptor["digest"].as_str().unwrap_or_default();
        let Some(name) = digest.strip_prefix("sha256:") else {
            return Err(invalid(format!("a descriptor with the digest `{digest}`")));
        };
        let bytes = self.file(&format!("blobs/sha256/{name}"))?;
        if descriptor["size"].as_u64() != Some(bytes.len() as u64) {
            return Err(invalid(format!("`{digest}` has not the size that its descriptor says")));
        }
        if hex(&Sha256::digest(bytes)) != name {
            return Err(invalid(format!("the bytes of `{digest}` have another digest")));
        }
        Ok(bytes)
    }

    fn images(&self, index: &Value, depth: usize, out: &mut Vec<Image>) -> io::Result<()> {
        for descriptor in index["manifests"].as_array().map(Vec::as_slice).unwrap_or_default() {
            let attests = descriptor["annotations"]["vnd.docker.reference.type"] == "attestation-manifest";
            let media_type = descriptor["mediaType"].as_str().unwrap_or_default();
            let value = json(self.blob(descriptor)?)?;
            if media_type.contains("index") || media_type.contains("manifest.list") {
                if depth > 3 {
                    return Err(invalid("indexes inside indexes".into()));
                }
                self.images(&value, depth + 1, out)?;
            } else if !attests {
                out.push(self.image(descriptor, value)?);
            }
        }
        Ok(())
    }

    fn image(&self, descriptor: &Value, manifest: Value) -> io::Result<Image> {
        if manifest["schemaVersion"] != 2 {
            return Err(invalid("a manifest without schema version 2".into()));
        }
        let config = json(self.blob(&manifest["config"])?)?;
        let layers = manifest["layers"].as_array().map(Vec::as_slice).unwrap_or_default();
        let diff_ids = config["rootfs"]["diff_ids"].as_array().map(Vec::as_slice).unwrap_or_default();
        let history = config["history"].as_array().map(Vec::as_slice).unwrap_or_default();
        let filled = history.iter().filter(|entry| entry["empty_layer"] != true).count();
        if layers.len() != diff_ids.len() || (filled != layers.len() && !history.is_empty()) {
            return Err(invalid(format!(
                "{} layers, {} diff ids, {filled} history entries that are not empty",
                layers.len(),
                diff_ids.len()
            )));
        }
        let mut tree = Tree::default();
        for (layer, diff_id) in layers.iter().zip(diff_ids) {
            let plain = decompress(self.blob(layer)?)?;
            if diff_id.as_str() != Some(&format!("sha256:{}", hex(&Sha256::digest(&plain)))) {
                return Err(invalid(format!("layer {} is not of diff id {diff_id}", layer["digest"])));
            }
            tree.apply(&plain)?;
        }
        let digest = descriptor["digest"].as_str().unwrap_or_default().to_owned();
        Ok(Image { digest, manifest, config, tree })
    }
}

impl Image {
    /// The configuration as text: every key but times and the root file system, then one line per history
    /// entry.
    pub fn print_config(&self) -> String {
        let mut out = String::new();
        if let Value::Object(fields) = sorted(&self.config) {
            for (name, value) in &fields {
                match (name.as_str(), value) {
                    ("created" | "rootfs" | "history" | "moby.buildkit.buildinfo.v1", _) => {}
                    ("config", Value::Object(fields)) => {
                        for (name, value) in fields {
                            let _ = writeln!(out, "config.{name}: {value}");
                        }
                    }
                    _ => {
                        let _ = writeln!(out, "{name}: {value}");
                    }
                }
            }
        }
        for entry in self.config["history"].as_array().map(Vec::as_slice).unwrap_or_default() {
            let text = entry["created_by"].as_str().unwrap_or_default();
            let empty = if entry["empty_layer"] == true { "history (empty)" } else { "history" };
            let author = entry["author"].as_str().map(|author| format!(" by {author}")).unwrap_or_default();
            let _ = writeln!(out, "{empty}{author}: {}", text.escape_debug());
        }
        out
    }
}

/// The same value with every object's keys in order; empty and null members left out, as writers differ in them.
fn sorted(value: &Value) -> Value {
    match value {
        Value::Object(fields) => {
            let fields: BTreeMap<_, _> =
                fields.iter().map(|(name, value)| (name.clone(), sorted(value))).collect();
            Value::Object(fields.into_iter().filter(|(_, value)| !value.is_null()).collect())
        }
        Value::Array(items) => Value::Array(items.iter().map(sorted).collect()),
        other => other.clone(),
    }
}

fn json(bytes: &[u8]) -> io::Result<Value> {
    serde_json::from_slice(bytes).map_err(|error| invalid(error.to_string()))
}

/// gzip, zstd, bzip2 and xz are undone, anything else is returned as it is.
pub fn decompress(bytes: &[u8]) -> io::Result<Vec<u8>> {
    let mut plain = Vec::new();
    match bytes {
        [0x1f, 0x8b, ..] => flate2::read::MultiGzDecoder::new(bytes).read_to_end(&mut plain)?,
        [0x28, 0xb5, 0x2f, 0xfd, ..] => zstd::Decoder::new(bytes)?.read_to_end(&mut plain)?,
        [b'B', b'Z', b'h', ..] => bzip2::read::MultiBzDecoder::new(bytes).read_to_end(&mut plain)?,
        [0xfd, b'7', b'z', b'X', b'Z', ..] => {
            lzma_rust2::XzReader::new(bytes, true).read_to_end(&mut plain)?
        }
        _ => return Ok(bytes.to_vec()),
    };
    Ok(plain)
}

fn tar_files(bytes: &[u8]) -> io::Result<BTreeMap<String, Vec<u8>>> {
    let mut files = BTreeMap::new();
    for entry in tar::Archive::new(bytes).entries()? {
        let mut entry = entry?;
        let name = String::from_utf8_lossy(&entry.path_bytes()).trim_start_matches("./").to_owned();
        let mut content = Vec::new();
        entry.read_to_end(&mut content)?;
        files.insert(name, content);
    }
    Ok(files)
}

fn directory_files(root: &Path) -> io::Result<BTreeMap<String, Vec<u8>>> {
    let mut files = BTreeMap::new();
    for name in ["oci-layout", "index.json"] {
        files.insert(name.to_owned(), fs::read(root.join(name))?);
    }
    for entry in fs::read_dir(root.join("blobs/sha256"))? {
        let entry = entry?;
        files
            .insert(format!("blobs/sha256/{}", entry.file_name().to_string_lossy()), fs::read(entry.path())?);
    }
    Ok(files)
}
