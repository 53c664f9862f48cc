//! An OpenShift BuildConfig as an image.

use super::binary;
use super::collect::World;
use super::object::{Object, image_name};
use super::remote::Same;
use crate::files::{is_directory, is_file, join};
use crate::finding::{Code, Finding};
use crate::model::{
    Argument, BaseOverride, CommandForm, Context, DeclaredBy, DockerfileSource, HistoryLimits, Image,
    ImageName, Input, InputKind, Limits, Located, Output, RunPolicy, Test, TestKind, Trigger, TriggerKind,
    Unsupported, WhichFrom,
};
use crate::place::Place;
use crate::quantity;
use crate::yaml::Node;

/// The image that a BuildConfig builds; nothing where its strategy is not Docker's, which is then listed.
pub fn image(object: &Object, world: &mut World<'_>) -> Option<Image> {
    let spec = object.node.get("spec")?;
    let none = Node { value: crate::yaml::Value::Mapping(Vec::new()), span: spec.span };
    let plain = || (spec.text_at("strategy.type") == Some("Docker")).then_some(&none);
    let Some(strategy) = spec.at("strategy.dockerStrategy").or_else(plain) else {
        other_strategy(object, spec, world);
        return None;
    };
    list_unknown(object, spec, world);
    let (context, directory) = context(object, spec, world);
    let dockerfile = dockerfile(object, spec, strategy, &directory);
    let mut image = Image::new(object.name(), DeclaredBy::BuildConfig, object.named_at(), dockerfile);
    image.context = context;
    image.context_at = spec.at("source.contextDir").map(|node| object.place(node.span));
    image.namespace = object.namespace().map(str::to_owned);
    image.args = arguments(object, strategy.get("buildArgs"), "buildArgs", world);
    image.env = arguments(object, strategy.get("env"), "env", world);
    image.no_cache = strategy.get("noCache").and_then(Node::flag).unwrap_or(false);
    image.from = strategy.get("from").and_then(|from| {
        let place = object.place(from.get("name").map_or(from.span, |name| name.span));
        Some(BaseOverride { which: WhichFrom::Last, image: image_name(from)?, place })
    });
    image.outputs = outputs(object, spec);
    image.labels = spec
        .items_at("output.imageLabels")
        .iter()
        .filter_map(|label| {
            Some((label.text_at("name")?.to_owned(), label.text_at("value").unwrap_or("").to_owned()))
        })
        .collect();
    image.limits = limits(object, spec, world);
    image.timeout = number(spec.get("completionDeadlineSeconds"));
    image.tests = post_commit(object, spec).into_iter().collect();
    image.inputs = inputs(object, spec, world);
    image.triggers = spec.items_at("triggers").iter().filter_map(|node| trigger(object, node)).collect();
    image.history = HistoryLimits {
        successful: number(spec.get("successfulBuildsHistoryLimit")),
        failed: number(spec.get("failedBuildsHistoryLimit")),
    };
    image.run_policy = match spec.text_at("runPolicy") {
        Some("Parallel") => RunPolicy::Parallel,
        Some("SerialLatestOnly") => RunPolicy::SerialLatestOnly,
        _ => RunPolicy::Serial,
    };
    Some(image)
}

fn number<N: std::str::FromStr>(node: Option<&Node>) -> Option<N> {
    node?.text()?.parse().ok()
}

fn other_strategy(object: &Object, spec: &Node, world: &mut World<'_>) {
    let pair = spec.get("strategy").and_then(|strategy| {
        strategy.pairs().iter().find(|pair| pair.key.ends_with("Strategy") && !pair.value.is_null())
    });
    let (what, place) = match pair {
        Some(pair) => (pair.key.as_str(), object.place(pair.span)),
        None => ("no strategy", object.named_at()),
    };
    let what = format!("BuildConfig `{}`: {what}", object.name());
    world.unsupported.push(Unsupported { what, place });
    let written = outputs(object, spec).into_iter();
    world
        .written
        .extend(written.map(|output| Located { value: output.name.to_string(), place: output.place }));
}

/// Everything that is not read below.
fn list_unknown(object: &Object, spec: &Node, world: &mut World<'_>) {
    let known: [(&str, &[&str]); 6] = [
        (
            "",
            &[
                "strategy",
                "source",
                "output",
                "resources",
                "completionDeadlineSeconds",
                "runPolicy",
                "postCommit",
                "triggers",
                "successfulBuildsHistoryLimit",
                "failedBuildsHistoryLimit",
            ],
        ),
        ("strategy", &["type", "dockerStrategy"]),
        (
            "strategy.dockerStrategy",
            // Pulling is asked for by whoever builds.
            &["from", "dockerfilePath", "env", "buildArgs", "noCache", "forcePull"],
        ),
        ("source", &["type", "git", "binary", "contextDir", "dockerfile", "secrets", "configMaps", "images"]),
        ("source.git", &["uri", "ref"]),
        ("output", &["to", "imageLabels"]),
    ];
    for (path, known) in known {
        let node = if path.is_empty() { Some(spec) } else { spec.at(path) };
        let prefix = if path.is_empty() { String::new() } else { format!("{path}.") };
        if let Some(node) = node {
            object.unknown_keys(node, &prefix, known, &mut world.unsupported);
        }
    }
}

/// The build context, and the directory that the Dockerfile's path begins at.
fn context(object: &Object, spec: &Node, world: &mut World<'_>) -> (Context, String) {
    let directory_node = spec.at("source.contextDir");
    let written = directory_node.and_then(Node::text).unwrap_or_default();
    let place = object.place(directory_node.map_or(object.node.span, |node| node.span));
    let Some(directory) = join("", written) else {
        let message = format!("the build context `{written}` of `{}` leaves the repository", object.name());
        world.findings.push(Finding::error(Code::MissingContext, place, message).about([object.name()]));
        return (Context::Empty, String::new());
    };
    let git = spec.at("source.git.uri").filter(|uri| uri.text().is_some());
    let Some(uri) = git.and_then(Node::text) else {
        let inline = spec.at("source.dockerfile").is_some();
        if let Some(node) = spec
            .at("source.binary")
            .or_else(|| spec.at("source.type").filter(|kind| kind.text() == Some("Binary")))
        {
            return binary_context(object, spec, node, directory, world);
        }
        let files = !inline || directory_node.is_some();
        return (if files { Context::Directory(directory.clone()) } else { Context::Empty }, directory);
    };
    let uri_place = object.place(git.map_or(object.node.span, |node| node.span));
    let reference = spec.text_at("source.git.ref").map(str::to_owned);
    match world.own(uri) {
        Same::No => {
            let message = format!("`{}` is built from another repository, `{uri}`", object.name());
            let note = Finding::note(Code::OtherRemote, uri_place.clone(), message);
            world.findings.push(note.about([object.name()]));
            let context = Context::Git {
                uri: uri.to_owned(),
                reference,
                directory: directory.clone(),
                place: uri_place,
            };
            (context, directory)
        }
        sure => {
            if sure == Same::Fork && world.told.insert(uri.to_owned()) {
                let message = format!("`{uri}` is taken for this repository");
                world.findings.push(Finding::note(Code::OtherRemote, uri_place, message));
            }
            let path = spec.text_at("strategy.dockerStrategy.dockerfilePath").unwrap_or("Dockerfile");
            let directory = within(world, &directory, path).unwrap_or(directory);
            (Context::Directory(directory.clone()), directory)
        }
    }
}

/// The context of a build that is sent its files: they are looked for in the repository.
fn binary_context(
    object: &Object,
    spec: &Node,
    node: &Node,
    context: String,
    world: &mut World<'_>,
) -> (Context, String) {
    let place = object.place(node.span);
    let path = spec.text_at("strategy.dockerStrategy.dockerfilePath").unwrap_or("Dockerfile");
    match binary::directory(world, object.name(), &context, path) {
        Some(sent) => {
            let directory = join(&sent, &context).unwrap_or(sent);
            let shown = if directory.is_empty() { "." } else { &directory };
            let message = format!(
                "`{}` is sent its files by whoever starts it: those of `{shown}` are taken",
                object.name()
            );
            world.findings.push(Finding::note(Code::OtherRemote, place, message).about([object.name()]));
            (Context::Directory(directory.clone()), directory)
        }
        None => {
            let what = format!(
                "BuildConfig `{}`: source.binary: its files come from whoever starts it",
                object.name()
            );
            world.unsupported.push(Unsupported { what, place });
            let inline = spec.at("source.dockerfile").is_some();
            (if inline { Context::Directory(context.clone()) } else { Context::Empty }, context)
        }
    }
}

/// A directory of the whole repository, where only a part of it is at hand: without what stands above.
fn within(world: &World<'_>, directory: &str, dockerfile: &str) -> Option<String> {
    if is_directory(world.files, directory) {
        return None;
    }
    let mut rest = directory;
    while let Some((_, below)) = rest.split_once('/') {
        rest = below;
        if join(rest, dockerfile).is_some_and(|path| is_file(world.files, &path)) {
            return Some(rest.to_owned());
        }
    }
    None
}

fn dockerfile(object: &Object, spec: &Node, strategy: &Node, directory: &str) -> DockerfileSource {
    if let Some(node) = spec.at("source.dockerfile")
        && let Some(text) = node.text()
    {
        let (place, block) = block_place(object, node);
        return DockerfileSource::Inline { text: text.to_owned(), place, block };
    }
    let node = strategy.get("dockerfilePath");
    let written = node.and_then(Node::text).filter(|path| !path.is_empty()).unwrap_or("Dockerfile");
    let place = node.map_or_else(|| object.named_at(), |node| object.place(node.span));
    // What leaves the repository is not there, which is then said of the path as written.
    let value = join(directory, written).unwrap_or_else(|| written.to_owned());
    DockerfileSource::Path(Located { value, place })
}

/// Where the lines of a text in a manifest begin, and whether they are lines of the manifest.
fn block_place(object: &Object, node: &Node) -> (Place, bool) {
    let text = &object.text.text;
    let place = object.place(node.span);
    let written = text.get(node.span.range()).unwrap_or_default();
    if written.starts_with(['|', '>']) {
        let line = written.find('\n').map_or(written.len(), |end| end + 1);
        let indent = written[line..].chars().take_while(|character| *character == ' ').count();
        return (Place { line: place.line + 1, column: indent + 1, ..place }, true);
    }
    let quoted = written.starts_with(['"', '\'']);
    let block = !quoted && written.contains('\n');
    (place, block)
}

fn arguments(object: &Object, node: Option<&Node>, key: &str, world: &mut World<'_>) -> Vec<Argument> {
    let argument = |node: &Node| {
        let name = node.get("name")?;
        // Without a value there is an empty one, unless it comes from the cluster.
        let value = match node.get("valueFrom") {
            Some(from) => {
                let what = format!(
                    "BuildConfig `{}`: {key}: the value of `{}` comes from the cluster; the environment's is taken",
                    object.name(),
                    name.text()?
                );
                world.unsupported.push(Unsupported { what, place: object.place(from.span) });
                None
            }
            None => Some(node.text_at("value").unwrap_or_default().to_owned()),
        };
        Some(Argument { name: name.text()?.to_owned(), value, place: object.place(name.span) })
    };
    node.map(Node::items).unwrap_or_default().iter().filter_map(argument).collect()
}

fn outputs(object: &Object, spec: &Node) -> Vec<Output> {
    let Some(to) = spec.at("output.to") else { return Vec::new() };
    let place = object.place(to.get("name").map_or(to.span, |name| name.span));
    let name = image_name(to);
    name.map(|name| Output { push: matches!(name, ImageName::Reference(_)), name, place })
        .into_iter()
        .collect()
}

fn limits(object: &Object, spec: &Node, world: &mut World<'_>) -> Limits {
    let mut quantity = |path: &str, parse: fn(&str) -> Option<u64>| {
        let node = spec.at(path)?;
        let parsed = parse(node.text()?);
        if parsed.is_none() {
            let text = node.text().unwrap_or_default();
            let message = format!("`{}`: {path}: `{text}` is no quantity", object.name());
            world
                .findings
                .push(Finding::error(Code::Syntax, object.place(node.span), message).about([object.name()]));
        }
        parsed
    };
    Limits {
        milli_cpus: quantity("resources.limits.cpu", quantity::milli_cpus),
        memory: quantity("resources.limits.memory", quantity::bytes),
        milli_cpus_expected: quantity("resources.requests.cpu", quantity::milli_cpus),
        memory_expected: quantity("resources.requests.memory", quantity::bytes),
    }
}

/// The hook: `script` is for a shell, `command` takes the place of the entrypoint, `args` alone are its arguments.
fn post_commit(object: &Object, spec: &Node) -> Option<Test> {
    let hook = spec.get("postCommit")?;
    let texts = |key: &str| -> Vec<String> {
        hook.items_at(key).iter().filter_map(Node::text).map(str::to_owned).collect()
    };
    let args = texts("args");
    let form = match (hook.text_at("script"), hook.get("command")) {
        (Some(script), _) => CommandForm::Script(script.to_owned(), args),
        (None, Some(_)) => CommandForm::Exec(texts("command").into_iter().chain(args).collect()),
        (None, None) if args.is_empty() => return None,
        (None, None) => CommandForm::Arguments(args),
    };
    let place = object.place(hook.pairs().first().map_or(hook.span, |pair| pair.span));
    Some(Test { name: "postCommit".to_owned(), kind: TestKind::PostCommit(form), place })
}

fn inputs(object: &Object, spec: &Node, world: &World<'_>) -> Vec<Input> {
    let mut inputs = Vec::new();
    let destination =
        |node: &Node| join("", node.text_at("destinationDir").unwrap_or_default()).unwrap_or_default();
    for node in spec.items_at("source.secrets") {
        let Some(name) = node.text_at("secret.name") else { continue };
        let kind = InputKind::Secret(name.to_owned());
        inputs.push(Input { kind, destination: destination(node), place: object.place(node.span) });
    }
    for node in spec.items_at("source.configMaps") {
        let Some(name) = node.text_at("configMap.name") else { continue };
        let kind = InputKind::ConfigMap { name: name.to_owned(), data: world.config_map(name) };
        inputs.push(Input { kind, destination: destination(node), place: object.place(node.span) });
    }
    for node in spec.items_at("source.images") {
        let Some(image) = node.get("from").and_then(image_name) else { continue };
        let aliases: Vec<String> =
            node.items_at("as").iter().filter_map(Node::text).map(str::to_owned).collect();
        let from = node.at("from.name").map_or(node.span, |name| name.span);
        let input = |source: &str, destination: String| Input {
            kind: InputKind::Image {
                image: image.clone(),
                source: source.to_owned(),
                aliases: aliases.clone(),
            },
            destination,
            place: object.place(from),
        };
        let paths = node.items_at("paths");
        if paths.is_empty() {
            inputs.push(input("", String::new()));
        }
        for path in paths {
            inputs.push(input(path.text_at("sourcePath").unwrap_or("/"), destination(path)));
        }
    }
    inputs
}

fn trigger(object: &Object, node: &Node) -> Option<Trigger> {
    let written = node.text_at("type")?;
    let kind = match written {
        "ConfigChange" => TriggerKind::ConfigChange,
        "ImageChange" | "imageChange" => {
            let change = node.get("imageChange");
            TriggerKind::ImageChange {
                from: change.and_then(|change| image_name(change.get("from")?)),
                paused: change.and_then(|change| change.get("paused")?.flag()).unwrap_or(false),
            }
        }
        other => TriggerKind::Webhook(other.to_owned()),
    };
    let name = node.at("imageChange.from.name").or(node.get("type"));
    Some(Trigger { kind, place: object.place(name.map_or(node.span, |name| name.span)) })
}

/// Whether something of a BuildConfig is where its `contextDir` says: then its `source.git` is this repository.
pub fn is_here(object: &Object, world: &World<'_>) -> Option<(String, bool)> {
    let spec = object.node.get("spec")?;
    let uri = spec.text_at("source.git.uri")?;
    let directory = join("", spec.text_at("source.contextDir").unwrap_or_default())?;
    let path = spec.text_at("strategy.dockerStrategy.dockerfilePath").unwrap_or("Dockerfile");
    let here = join(&directory, path).is_some_and(|path| is_file(world.files, &path));
    let part = within(world, &directory, path).is_some();
    Some((uri.to_owned(), here || part))
}
