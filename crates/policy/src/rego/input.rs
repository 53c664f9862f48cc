//! The facts of a repository as the document that policies are given as `input`. [`SCHEMA`] describes it.

use dockerfile::Span;
use serde_json::{Map, Value, json};

use super::document;
use crate::facts::dockerfile::{Base, DockerfileFacts};
use crate::facts::manifest::Object;
use crate::facts::{Facts, SourceId};
use crate::finding::Place;

/// The JSON Schema of the facts.
pub const SCHEMA: &str = include_str!("schema.json");

/// The facts as JSON. What is not known is `null`, never an empty list.
pub fn input(facts: &Facts) -> Value {
    json!({
        "facts": 1,
        "files": facts.files.iter().map(|file| file.path.as_str()).collect::<Vec<_>>(),
        "dockerfiles": facts.dockerfiles.iter().map(|file| dockerfile(facts, file)).collect::<Vec<_>>(),
        "manifests": facts.objects.iter().map(|object| manifest(facts, object)).collect::<Vec<_>>(),
        "images": facts.project.images.iter().map(image).collect::<Vec<_>>(),
        "certificates": facts.certificates.iter().map(|certificate| {
            let content = certificate.content.as_ref();
            let mut value = at(facts, certificate.place);
            value.insert("subject".into(), json!(content.map(|content| &content.subject)));
            value.insert("not_before".into(), json!(content.map(|content| oci::time::format_rfc3339(content.not_before))));
            value.insert("not_after".into(), json!(content.map(|content| oci::time::format_rfc3339(content.not_after))));
            value.insert("authority".into(), json!(content.map(|content| content.authority)));
            value.insert("weak".into(), json!(content.and_then(|content| content.weak.as_ref())));
            Value::Object(value)
        }).collect::<Vec<_>>(),
        "binaries": facts.binaries.iter().map(|binary| {
            json!({ "file": facts.source(binary.place.source).name, "what": binary.what })
        }).collect::<Vec<_>>(),
        "intakes": facts.intakes.known(),
    })
}

/// `file`, `line`, `column`: what a rule hands back to blame a place.
fn at(facts: &Facts, place: Place) -> Map<String, Value> {
    let source = facts.source(place.source);
    let position = dockerfile::line_column(&source.text, place.span.start);
    let pairs =
        [("file", json!(source.name)), ("line", json!(position.line)), ("column", json!(position.column))];
    pairs.into_iter().map(|(key, value)| (key.to_owned(), value)).collect()
}

fn line(facts: &Facts, source: SourceId, span: Span) -> usize {
    dockerfile::line_column(&facts.source(source).text, span.start).line
}

fn manifest(facts: &Facts, object: &Object) -> Value {
    let mut value = at(facts, object.place_of_name());
    value.insert("kind".into(), json!(object.kind));
    value.insert("name".into(), json!(object.name));
    value.insert("namespace".into(), json!(object.namespace));
    value.insert("patch".into(), json!(object.partial));
    value.insert("object".into(), document::json(&object.node));
    Value::Object(value)
}

fn image(image: &project::Image) -> Value {
    json!({
        "file": &*image.declared.file,
        "line": image.declared.line,
        "name": image.name,
        "tags": image.outputs.iter().map(|output| output.name.to_string()).collect::<Vec<_>>(),
        "args": image.args.iter().map(|arg| (arg.name.clone(), json!(arg.value))).collect::<Map<_, _>>(),
    })
}

fn dockerfile(facts: &Facts, file: &DockerfileFacts) -> Value {
    let stages = file.stages.iter().map(|stage| {
        let base = match &stage.base {
            Base::Scratch => json!({ "kind": "scratch", "name": null }),
            Base::Stage(index) => json!({ "kind": "stage", "name": null, "stage": index }),
            Base::Image(name) => json!({ "kind": "image", "name": name.value.text() }),
        };
        json!({
            "name": stage.name,
            "line": line(facts, file.source, stage.image_span),
            "last": stage.last,
            "base": base,
            "instructions": stage.instructions.iter().map(|own| instruction(facts, file, stage, own)).collect::<Vec<_>>(),
        })
    });
    json!({
        "file": file.path,
        "context": file.context,
        "image": file.image,
        "stages": stages.collect::<Vec<_>>(),
    })
}

fn instruction(
    facts: &Facts,
    file: &DockerfileFacts,
    stage: &crate::facts::dockerfile::StageFacts,
    own: &crate::facts::dockerfile::InstructionFacts,
) -> Value {
    let commands = own.commands.iter().map(|command| {
        json!({
            "words": command.words.iter().map(|word| word.text()).collect::<Vec<_>>(),
            "line": line(facts, file.source, command.span),
        })
    });
    json!({
        "instruction": file.instruction(stage, own).kind.name(),
        "line": line(facts, file.source, own.span),
        "text": facts.text(file.place(own.span)),
        "commands": commands.collect::<Vec<_>>(),
        "downloads": own.downloads.iter().map(|download| download.url.text()).collect::<Vec<_>>(),
    })
}
