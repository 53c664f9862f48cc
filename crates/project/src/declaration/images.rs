//! `images:` — what is built.

use std::collections::BTreeSet;

use oci::Reference;

use super::form::Form;
use super::tests_key;
use crate::model::{
    BaseOverride, CommandForm, Context, DeclaredBy, DockerfileSource, HistoryLimits, Image, ImageName,
    Limits, Located, Output, Test, TestKind, WhichFrom,
};
use crate::quantity;
use crate::yaml::{Node, Pair, Value};

const KEYS: [&str; 18] = [
    "args",
    "cache",
    "context",
    "dockerfile",
    "env",
    "from",
    "history",
    "inline",
    "labels",
    "limits",
    "post-commit",
    "push",
    "retries",
    "tags",
    "target",
    "tests",
    "timeout",
    "wanted",
];

/// The images of a file.
pub fn images(form: &mut Form<'_>, node: &Node) -> Vec<Image> {
    let mut images = Vec::new();
    let mut names = BTreeSet::new();
    for pair in form.pairs(node, "images") {
        check_name(form, pair);
        let image = image(form, pair);
        // The second of two is an error that has been told.
        if names.insert(&pair.key) {
            images.extend(image);
        }
    }
    images
}

/// A name is one that a reference can have, without tag and digest.
fn check_name(form: &mut Form<'_>, pair: &Pair) {
    let name = pair.key.as_str();
    match name.parse::<Reference>() {
        Ok(_) if name.contains([':', '@']) => {
            let hint = "the name has no tag; `tags` are what the result gets";
            form.advise(pair.span, format!("`{name}` cannot be an image's name"), hint);
        }
        Ok(_) if name == "scratch" => {
            form.say(pair.span, "`scratch` cannot be an image's name: it means no image")
        }
        Ok(_) => {}
        Err(error) => form.say(pair.span, error.to_string()),
    }
}

/// An image; nothing where its files are outside of the project, which has been told then.
fn image(form: &mut Form<'_>, pair: &Pair) -> Option<Image> {
    let node = &pair.value;
    let declared = form.place(pair.span);
    // `app: ./app` names the build context alone; `app:` is in the directory of its name.
    let short = matches!(node.value, Value::Scalar { .. }) && !node.is_null();
    let fields = if short { Vec::new() } else { form.fields(node, &format!("images.{}", pair.key), &KEYS) };
    let field = |name: &str| fields.iter().rev().find(|field| field.key == name).map(|field| &field.value);
    let context_node = if short { Some(node) } else { field("context") };
    let context = match context_node {
        Some(node) => form.path(node, "context").map(|path| path.value),
        None => crate::files::join(form.directory(), &pair.key),
    };
    let inside = context.is_some();
    let context = context.unwrap_or_default();
    let dockerfile = dockerfile(form, field("dockerfile"), field("inline"), &context, context_node, pair);
    let context = if field("inline").is_some() && context_node.is_none() {
        Context::Empty
    } else {
        Context::Directory(context)
    };
    let context_at = context_node.map(|node| form.place(node.span));
    let mut image =
        Image { context, context_at, ..Image::new(&pair.key, DeclaredBy::KapokYaml, declared, dockerfile) };
    for field in &fields {
        read_field(form, &mut image, &field.key, &field.value);
    }
    let push = field("push").and_then(Node::flag).unwrap_or(false);
    image.outputs.iter_mut().for_each(|output| output.push |= push);
    inside.then_some(image)
}

fn dockerfile(
    form: &mut Form<'_>,
    path: Option<&Node>,
    inline: Option<&Node>,
    context: &str,
    context_node: Option<&Node>,
    pair: &Pair,
) -> DockerfileSource {
    if let Some(node) = inline {
        if path.is_some() {
            form.say(node.span, "`inline` and `dockerfile` are two Dockerfiles for one image");
        }
        let text = form.text(node, "inline").unwrap_or_default().to_owned();
        let place = form.place(node.span);
        // The text of `|` begins in the next line.
        return DockerfileSource::Inline {
            text,
            place: crate::Place { line: place.line + 1, ..place },
            block: true,
        };
    }
    let place = form.place(context_node.map_or(pair.span, |node| node.span));
    let default = || Located { value: crate::files::join(context, "Dockerfile").unwrap_or_default(), place };
    match path {
        Some(node) => {
            DockerfileSource::Path(form.path_in(node, "dockerfile", context).unwrap_or_else(default))
        }
        None => DockerfileSource::Path(default()),
    }
}

fn read_field(form: &mut Form<'_>, image: &mut Image, key: &str, node: &Node) {
    match key {
        "args" => image.args = form.arguments(node, "args"),
        "env" => image.env = form.arguments(node, "env"),
        "labels" => {
            let labels = form.arguments(node, "labels").into_iter();
            image.labels = labels.map(|label| (label.name, label.value.unwrap_or_default())).collect();
        }
        "cache" => image.no_cache = form.flag(node, "cache") == Some(false),
        "wanted" => image.wanted = form.flag(node, "wanted") != Some(false),
        "from" => image.from = from(form, node),
        "history" => image.history = history(form, node),
        "limits" => image.limits = limits(form, node),
        "post-commit" => image.tests.extend(post_commit(form, node)),
        "push" => push(form, image, node),
        "retries" => {
            image.retries = form.parsed(node, "retries", "a number", |text| text.parse().ok());
        }
        "tags" => image.outputs.splice(0..0, outputs(form, node, "tags", false)).for_each(drop),
        "target" => {
            image.target = form
                .text(node, "target")
                .map(str::to_owned)
                .map(|value| Located { value, place: form.place(node.span) });
        }
        "tests" => image.tests.extend(tests_key::tests(form, node)),
        "timeout" => {
            let expected = "a length of time: write `90s`, `30m` or `1h30m`";
            image.timeout = form.parsed(node, "timeout", expected, quantity::seconds);
        }
        _ => {}
    }
}

/// `from: IMAGE`, `from: {first: IMAGE}`, `from: {last: IMAGE}`.
fn from(form: &mut Form<'_>, node: &Node) -> Option<BaseOverride> {
    let (which, node) = match &node.value {
        Value::Scalar { .. } => (WhichFrom::First, node),
        _ => {
            let fields = form.fields(node, "from", &["first", "last"]);
            if fields.len() != 1 {
                form.say(node.span, "`from` names an image, or one with `first` or `last`");
            }
            let field = fields.first()?;
            (if field.key == "last" { WhichFrom::Last } else { WhichFrom::First }, &field.value)
        }
    };
    let text = form.text(node, "from")?;
    if let Err(error) = text.parse::<Reference>() {
        form.say(node.span, error.to_string());
        return None;
    }
    Some(BaseOverride { which, image: ImageName::Reference(text.to_owned()), place: form.place(node.span) })
}

fn outputs(form: &mut Form<'_>, node: &Node, what: &str, push: bool) -> Vec<Output> {
    let mut outputs = Vec::new();
    for Located { value, place } in form.located(node, what) {
        match value.parse::<Reference>() {
            Ok(reference) if reference.digest().is_some() => {
                form.say(
                    place.span,
                    format!("`{what}`: `{value}` has a digest, and nobody knows it before the build"),
                );
            }
            Ok(_) => outputs.push(Output { name: ImageName::Reference(value), push, place }),
            Err(error) => form.say(place.span, error.to_string()),
        }
    }
    outputs
}

/// `push: true` sends all tags; `push: [REFERENCE]` gives further ones that are sent.
fn push(form: &mut Form<'_>, image: &mut Image, node: &Node) {
    if node.flag().is_none() {
        let outputs = outputs(form, node, "push", true);
        image.outputs.extend(outputs);
    }
}

fn limits(form: &mut Form<'_>, node: &Node) -> Limits {
    let mut limits = Limits::default();
    for field in form.fields(node, "limits", &["cpus", "memory"]) {
        if field.key == "cpus" {
            let expected = "a number of processors such as `2` or `0.5`";
            limits.milli_cpus = form.parsed(&field.value, "limits.cpus", expected, quantity::milli_cpus);
        } else {
            let parsed = form.parsed(&field.value, "limits.memory", "a size such as `2g`", quantity::bytes);
            limits.memory = parsed;
        }
    }
    limits
}

fn history(form: &mut Form<'_>, node: &Node) -> HistoryLimits {
    let mut history = HistoryLimits::default();
    for field in form.fields(node, "history", &["successful", "failed"]) {
        let number = form
            .parsed(&field.value, &format!("history.{}", field.key), "a number", |text| text.parse().ok());
        if field.key == "successful" {
            history.successful = number;
        } else {
            history.failed = number;
        }
    }
    history
}

/// `post-commit: TEXT` for a shell, `post-commit: [PROGRAM, ARGUMENT]`.
fn post_commit(form: &mut Form<'_>, node: &Node) -> Option<Test> {
    let command = match &node.value {
        Value::Sequence(_) => CommandForm::Exec(form.texts(node, "post-commit")),
        _ => CommandForm::Script(form.text(node, "post-commit")?.to_owned(), Vec::new()),
    };
    Some(Test {
        name: "post-commit".to_owned(),
        kind: TestKind::PostCommit(command),
        place: form.place(node.span),
    })
}
