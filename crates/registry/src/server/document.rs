//! What a server must know of a manifest that is pushed. (OCI image specification, "Image Manifest", "Image Index")

use std::collections::BTreeMap;

use oci::descriptor::media_type;
use oci::{Descriptor, Digest};
use serde::Deserialize;

use super::answer::Refusal;
use crate::wire::error::Code;

/// A manifest or an image index, as far as a server must understand it.
#[derive(Debug)]
pub(super) struct Document {
    pub media_type: String,
    /// As a list of referrers shows it: its own, or that of the configuration.
    pub artifact_type: Option<String>,
    pub annotations: BTreeMap<String, String>,
    pub subject: Option<Digest>,
    /// Blobs that must be there.
    pub blobs: Vec<Digest>,
    /// Manifests that must be there.
    pub manifests: Vec<Digest>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Fields {
    schema_version: u32,
    media_type: Option<String>,
    artifact_type: Option<String>,
    config: Option<Descriptor>,
    layers: Option<Vec<Descriptor>>,
    manifests: Option<Vec<Descriptor>>,
    subject: Option<Descriptor>,
    annotations: Option<BTreeMap<String, String>>,
}

impl Document {
    /// Reads a manifest that came with this `Content-Type`.
    pub(super) fn parse(bytes: &[u8], content_type: Option<&str>) -> Result<Document, Refusal> {
        let fields: Fields =
            serde_json::from_slice(bytes).map_err(|error| invalid(&format!("it cannot be read: {error}")))?;
        if fields.schema_version != 2 {
            return Err(invalid("its schemaVersion is not 2"));
        }
        let content_type = content_type.map(|value| value.split(';').next().unwrap_or(value).trim());
        let media_type = match (content_type, fields.media_type.as_deref()) {
            // One name for one thing, or two programs would take it for different ones.
            (Some(said), Some(written)) if said != written => {
                return Err(invalid("its mediaType is not the Content-Type it came with"));
            }
            (Some(said), _) => said.to_owned(),
            (None, Some(written)) => written.to_owned(),
            (None, None) => return Err(invalid("it says nowhere what it is")),
        };
        let (mut blobs, mut manifests, mut artifact_type) = (Vec::new(), Vec::new(), fields.artifact_type);
        match media_type.as_str() {
            media_type::OCI_MANIFEST | media_type::DOCKER_MANIFEST => {
                if fields.manifests.is_some() {
                    return Err(invalid("a manifest of one image lists no manifests"));
                }
                let config = fields.config.ok_or_else(|| invalid("it has no config"))?;
                blobs.push(config.digest);
                let layers = fields.layers.unwrap_or_default();
                blobs.extend(layers.iter().filter(|layer| !is_elsewhere(layer)).map(|layer| layer.digest));
                let own = artifact_type.filter(|kind| !kind.is_empty());
                artifact_type = own.or(Some(config.media_type)).filter(|kind| !kind.is_empty());
            }
            media_type::OCI_INDEX | media_type::DOCKER_INDEX => {
                if fields.config.is_some() || fields.layers.is_some() {
                    return Err(invalid("an image index has neither config nor layers"));
                }
                manifests.extend(fields.manifests.unwrap_or_default().iter().map(|entry| entry.digest));
            }
            other => {
                return Err(invalid(&format!(
                    "`{}` is not a kind of manifest",
                    crate::Redacted::foreign(other)
                )));
            }
        }
        Ok(Document {
            media_type,
            artifact_type,
            annotations: fields.annotations.unwrap_or_default(),
            subject: fields.subject.map(|subject| subject.digest),
            blobs,
            manifests,
        })
    }
}

/// Layers that may only be had from where their maker offers them.
fn is_elsewhere(layer: &Descriptor) -> bool {
    !layer.urls.is_empty()
        || layer.media_type.contains(".nondistributable.")
        || layer.media_type.contains(".foreign.")
}

fn invalid(why: &str) -> Refusal {
    Refusal::new(Code::ManifestInvalid, format!("the manifest is refused: {why}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(json: &str, content_type: Option<&str>) -> String {
        match Document::parse(json.as_bytes(), content_type) {
            Ok(document) => format!(
                "{} {:?} blobs:{} manifests:{}",
                document.media_type,
                document.artifact_type,
                document.blobs.len(),
                document.manifests.len()
            ),
            Err(refusal) => refusal.message,
        }
    }

    #[test]
    fn what_is_taken_and_what_is_not() {
        let digest = Digest::of(b"");
        let entry = format!(r#"{{"mediaType":"x/config","digest":"{digest}","size":0}}"#);
        let manifest = format!(r#"{{"schemaVersion":2,"config":{entry},"layers":[{entry},{entry}]}}"#);
        let good = read(&manifest, Some("application/vnd.oci.image.manifest.v1+json; charset=utf-8"));
        assert_eq!(good, "application/vnd.oci.image.manifest.v1+json Some(\"x/config\") blobs:3 manifests:0");
        let refused = |json: &str, said: Option<&str>, why: &str| {
            let found = read(json, said);
            assert!(found.starts_with(&format!("the manifest is refused: {why}")), "{found}");
        };
        refused(&manifest, None, "it says nowhere");
        refused(&manifest, Some(media_type::OCI_INDEX), "an image index has neither");
        refused(&manifest, Some("text/plain"), "`text/plain` is not a kind");
        refused(&manifest.replace(":2,", ":1,"), Some(media_type::OCI_MANIFEST), "its schemaVersion");
        refused(
            &manifest.replace(":2,", r#":2,"manifests":[],"#),
            Some(media_type::OCI_MANIFEST),
            "a manifest of one",
        );
        let named = manifest.replace(":2,", &format!(r#":2,"mediaType":"{}","#, media_type::OCI_MANIFEST));
        refused(&named, Some(media_type::DOCKER_MANIFEST), "its mediaType is not");
        refused(&"[".repeat(100_000), Some(media_type::OCI_INDEX), "it cannot be read");
        refused(
            &format!("{{\"a\":{}", "[".repeat(100_000)),
            Some(media_type::OCI_INDEX),
            "it cannot be read",
        );
    }
}
