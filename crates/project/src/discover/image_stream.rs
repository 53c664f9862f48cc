//! OpenShift ImageStreams: what a name with a tag means in a cluster.

use super::object::{Object, image_name};
use crate::model::{ImageName, ImageStream, StreamTag};
use crate::yaml::Node;

/// An image stream as declared.
pub fn stream(object: &Object) -> ImageStream {
    let namespace = object.namespace().map(str::to_owned);
    let mut tags: Vec<StreamTag> = Vec::new();
    for node in object.node.items_at("spec.tags") {
        let Some(name) = node.get("name") else { continue };
        let Some(tag) = name.text() else { continue };
        let from = node.get("from").and_then(image_name).map(|from| own(from, object.name()));
        tags.push(StreamTag { tag: tag.to_owned(), from, place: object.place(name.span) });
    }
    // A whole repository that is imported from.
    if let Some(repository) = object.node.at("spec.dockerImageRepository")
        && let Some(text) = repository.text()
    {
        let tag = "latest".to_owned();
        let from = Some(ImageName::Reference(text.to_owned()));
        tags.push(StreamTag { tag, from, place: object.place(repository.span) });
    }
    ImageStream { name: object.name().to_owned(), namespace, tags, place: object.named_at() }
}

/// `ImageStreamTag` with a name without a colon is a tag of the same stream.
fn own(from: ImageName, stream: &str) -> ImageName {
    match from {
        ImageName::StreamTag { namespace: None, name, tag } if tag == "latest" && name != stream => {
            ImageName::StreamTag { namespace: None, name: stream.to_owned(), tag: name }
        }
        other => other,
    }
}

/// The texts of a ConfigMap.
pub fn config_map(object: &Object) -> Vec<(String, String)> {
    let pairs = object.node.get("data").map(Node::pairs).unwrap_or_default();
    pairs.iter().filter_map(|pair| Some((pair.key.clone(), pair.value.text()?.to_owned()))).collect()
}
