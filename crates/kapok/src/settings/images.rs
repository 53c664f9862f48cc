//! `images:`, `bases:`, `ca:` and `include:`: the project. The settings know these keys so that everything that is wrong with
//! a file is said at once; what they mean is `project`'s business.

use project::yaml::Node;
use serde_json::{Value as Json, json};

use super::keys::Places;
use super::tree::{Reader, Tree};

/// `bases`.
pub const BASES: Tree = Tree {
    path: "bases",
    places: Places::All,
    meaning: "what images are built on that no Dockerfile builds, by name: a reference, or `{suite, packages, variant}` of \
              Debian packages",
    schema: || {
        json!({ "type": "object", "additionalProperties": { "anyOf": [text(), object(json!({
            "suite": text(),
            "packages": texts(),
            "variant": text(),
        }))] } })
    },
    read: |_, node, reader| read("bases", node, reader),
};

/// `ca`.
pub const CA: Tree = Tree {
    path: "ca",
    places: Places::All,
    meaning: "a file (PEM) with certificate authorities of the project: trusted in every RUN, and in a last layer of every image",
    schema: text,
    read: |_, node, reader| read("ca", node, reader),
};

/// `images`.
pub const IMAGES: Tree = Tree {
    path: "images",
    places: Places::All,
    meaning: "the images of the project, by name: where their files are, how they are built, what they are called, what must \
              hold before; see [project.md](project.md)",
    schema: images,
    read: |_, node, reader| read("images", node, reader),
};

/// `include`.
pub const INCLUDE: Tree = Tree {
    path: "include",
    places: Places::All,
    meaning: "further files with `images`, `bases` and `ca`: paths, directories with a `kapok.yaml`, patterns",
    schema: texts,
    read: |_, node, reader| read("include", node, reader),
};

fn read(key: &'static str, node: &Node, reader: &mut Reader<'_>) {
    if reader.trusted {
        return reader.say(node.span, format!("`{key}` belongs in a project's kapok.yaml"), None);
    }
    reader.diagnostics.extend(project::declaration::check(key, node));
}

fn text() -> Json {
    json!({ "type": "string" })
}

fn texts() -> Json {
    json!({ "anyOf": [{ "type": "string" }, { "type": "array", "items": { "type": "string" } }] })
}

fn object(properties: Json) -> Json {
    json!({ "type": "object", "additionalProperties": false, "properties": properties })
}

/// Names and values: a mapping, or a list of `NAME=value`.
fn pairs() -> Json {
    let scalar = json!({ "type": ["string", "number", "boolean", "null"] });
    json!({ "anyOf": [
        { "type": "object", "additionalProperties": scalar },
        { "type": "array", "items": { "type": "string" } },
    ] })
}

fn images() -> Json {
    let count = json!({ "type": "integer", "minimum": 0 });
    let size = json!({ "type": ["string", "integer"] });
    let image = object(json!({
        "args": pairs(),
        "cache": { "type": "boolean" },
        "context": text(),
        "dockerfile": text(),
        "env": pairs(),
        "from": { "anyOf": [text(), object(json!({ "first": text(), "last": text() }))] },
        "history": object(json!({ "successful": count, "failed": count })),
        "inline": text(),
        "labels": pairs(),
        "limits": object(json!({ "cpus": { "type": ["number", "string"] }, "memory": size })),
        "post-commit": texts(),
        "push": { "anyOf": [{ "type": "boolean" }, texts()] },
        "retries": count,
        "tags": texts(),
        "target": text(),
        "tests": { "type": "array", "items": { "anyOf": [text(), object(json!({
            "name": text(),
            "run": texts(),
            "exit": { "type": "integer", "minimum": 0, "maximum": 255 },
            "stdout": texts(),
            "stderr": texts(),
            "user": text(),
            "env": pairs(),
            "file": text(),
            "exists": { "type": "boolean" },
            "mode": { "type": ["string", "integer"] },
            "owner": text(),
            "contains": texts(),
            "size": size,
        }))] } },
        "timeout": { "type": ["string", "integer"] },
        "wanted": { "type": "boolean" },
    }));
    json!({ "type": "object", "additionalProperties": { "anyOf": [image, text(), { "type": "null" }] } })
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use crate::settings::load::apply;

    #[test]
    fn all_that_is_wrong_is_said_at_once() {
        let wrong = |text: &str, trusted: bool| -> Vec<String> {
            let mut settings = crate::settings::Settings::default();
            let found = apply(text, Path::new("/project"), trusted, &mut settings);
            found.into_iter().map(|diagnostic| diagnostic.message).collect()
        };
        let text = "limits: {memroy: 1g}\nimages: {app: {contxt: x}, Bad: {}}\nbases: {b: {}}\n";
        assert_eq!(
            wrong(text, false),
            [
                "unknown key `limits.memroy`",
                "unknown key `contxt` in `images.app`",
                "`Bad` is not an image reference: the repository must be lower case",
                "`bases.b` needs `suite`, for example `bookworm`, or is a reference",
            ]
        );
        assert_eq!(wrong("images: {app: x}", true), ["`images` belongs in a project's kapok.yaml"]);
        assert_eq!(wrong("images: {app: x}\nca: ca.pem\ninclude: [a/*]\n", false), Vec::<String>::new());
    }
}
