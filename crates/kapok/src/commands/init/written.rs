//! A project as the text of `kapok.yaml`.

use std::collections::BTreeSet;

use oci::Reference;
use project::{
    Argument, BaseOverride, CommandForm, Context, DockerfileSource, Image, ImageName, InputKind, NodeKind,
    Registries, TestKind, WhichFrom,
};

use crate::projects::Loaded;

/// The whole file.
pub fn text(loaded: &Loaded) -> String {
    let mut text = format!("# Written by `kapok init` from {}.\n\nimages:\n", loaded.project.source);
    let images: Vec<String> = (0..loaded.project.images.len()).map(|number| image(loaded, number)).collect();
    text += &images.join("\n");
    text
}

/// Lines of one image.
struct Lines(String);

impl Lines {
    fn add(&mut self, line: impl AsRef<str>) {
        self.0 += "    ";
        self.0 += line.as_ref();
        self.0.push('\n');
    }

    fn list(&mut self, key: &str, items: &[String]) {
        if !items.is_empty() {
            let items: Vec<String> = items.iter().map(|item| scalar(item)).collect();
            self.add(format!("{key}: [{}]", items.join(", ")));
        }
    }

    fn mapping<'p>(&mut self, key: &str, pairs: impl Iterator<Item = (&'p str, &'p str)>) {
        let mut pairs = pairs.peekable();
        if pairs.peek().is_some() {
            self.add(format!("{key}:"));
        }
        for (name, value) in pairs {
            self.add(format!("  {}: {}", scalar(name), text_scalar(value)));
        }
    }
}

fn image(loaded: &Loaded, number: usize) -> String {
    let image = &loaded.project.images[number];
    let mut lines =
        Lines(format!("  # {}:{}\n  {}:\n", image.declared.file, image.declared.line, scalar(&image.name)));
    match &image.context {
        Context::Directory(directory) => {
            lines.add(format!("context: {}", scalar(if directory.is_empty() { "." } else { directory })));
        }
        Context::Git { uri, reference, directory, .. } => {
            let reference = reference.as_deref().unwrap_or("HEAD");
            lines.add(format!("# its files are in another repository: {uri} {reference} {directory}"));
            lines.add("context: .");
        }
        Context::Empty => {}
    }
    dockerfile(&mut lines, image);
    if let Some(target) = &image.target {
        lines.add(format!("target: {}", scalar(&target.value)));
    }
    if let Some(from) = &image.from {
        lines.add(from_line(loaded, number, from));
    }
    arguments(&mut lines, "args", &image.args);
    arguments(&mut lines, "env", &image.env);
    outputs(&mut lines, loaded, number);
    lines.mapping("labels", image.labels.iter().map(|(name, value)| (name.as_str(), value.as_str())));
    limits(&mut lines, image);
    if let Some(timeout) = image.timeout {
        lines.add(format!("timeout: {timeout}s"));
    }
    if image.no_cache {
        lines.add("cache: false");
    }
    history(&mut lines, image);
    for test in &image.tests {
        if let TestKind::PostCommit(command) = &test.kind {
            post_commit(&mut lines, command);
        }
    }
    for input in &image.inputs {
        let what = match &input.kind {
            InputKind::Secret(name) => format!("the Secret `{name}`"),
            InputKind::ConfigMap { name, .. } => format!("the ConfigMap `{name}`"),
            InputKind::Image { image, source, aliases } if source.is_empty() => {
                let names = aliases.join("`, `");
                lines.add(format!(
                    "# not carried over: the name `{names}` in the Dockerfile, which means `{image}`"
                ));
                continue;
            }
            InputKind::Image { image, source, .. } => format!("`{source}` of `{image}`"),
        };
        lines.add(format!("# not carried over: {what} in the build context, at `{}`", input.destination));
    }
    if !image.wanted {
        lines.add("wanted: false");
    }
    lines.0
}

fn dockerfile(lines: &mut Lines, image: &Image) {
    match &image.dockerfile {
        DockerfileSource::Inline { text, .. } => {
            lines.add("inline: |");
            for line in text.lines() {
                lines.add(format!("  {line}").trim_end());
            }
        }
        DockerfileSource::Path(path) => {
            let directory = image.context.directory().unwrap_or_default();
            let relative = if directory.is_empty() {
                path.value.clone()
            } else {
                match path.value.strip_prefix(directory).and_then(|rest| rest.strip_prefix('/')) {
                    Some(rest) => rest.to_owned(),
                    // It stands outside of its build context.
                    None => format!("{}{}", "../".repeat(directory.split('/').count()), path.value),
                }
            };
            if relative != "Dockerfile" {
                lines.add(format!("dockerfile: {}", scalar(&relative)));
            }
        }
    }
}

/// What an override means to the graph is what stands here: an image's name, or a reference.
fn from_line(loaded: &Loaded, number: usize, from: &BaseOverride) -> String {
    let graph = &loaded.graph;
    let edge = graph.needs(graph.node_of(number)).find(|edge| edge.place == from.place);
    let name = edge.map(|edge| &graph.nodes[edge.from.0]);
    let name = match name {
        Some(node) if matches!(node.kind, NodeKind::Image(_) | NodeKind::Base(_)) => node.name.clone(),
        Some(node) => node.name.clone(),
        None => from.image.to_string(),
    };
    match from.which {
        WhichFrom::First => format!("from: {}", scalar(&name)),
        WhichFrom::Last => format!("from: {{last: {}}}", scalar(&name)),
    }
}

fn arguments(lines: &mut Lines, key: &str, arguments: &[Argument]) {
    let known = arguments.iter().filter_map(|arg| Some((arg.name.as_str(), arg.value.as_deref()?)));
    lines.mapping(key, known);
    for arg in arguments.iter().filter(|arg| arg.value.is_none()) {
        lines.add(format!("# not carried over: the value of {} comes from the cluster", arg.name));
    }
}

/// The names of the result; and the names by which others of the project mean it that no other rule would lead to it.
fn outputs(lines: &mut Lines, loaded: &Loaded, number: usize) {
    let image = &loaded.project.images[number];
    let mut tags: Vec<String> = Vec::new();
    let mut pushed: Vec<String> = Vec::new();
    for output in &image.outputs {
        let name = match &output.name {
            ImageName::StreamTag { name, tag, .. } => format!("{name}:{tag}"),
            other => other.to_string(),
        };
        let list = if output.push { &mut pushed } else { &mut tags };
        if !list.contains(&name) {
            list.push(name);
        }
    }
    let own = loaded.graph.node_of(number);
    let in_cluster = |reference: &str| {
        reference.parse::<Reference>().is_ok_and(|reference| Registries::is_cluster(reference.domain()))
    };
    let used: BTreeSet<&str> = loaded
        .graph
        .edges
        .iter()
        .filter(|edge| edge.from == own && in_cluster(&edge.reference))
        .map(|edge| edge.reference.as_str())
        .collect();
    tags.extend(used.into_iter().map(str::to_owned));
    lines.list("tags", &tags);
    lines.list("push", &pushed);
}

fn limits(lines: &mut Lines, image: &Image) {
    let mut limits = Vec::new();
    if let Some(cpus) = image.limits.milli_cpus {
        let text =
            if cpus % 1000 == 0 { (cpus / 1000).to_string() } else { format!("{}", cpus as f64 / 1000.0) };
        limits.push(format!("cpus: {text}"));
    }
    if let Some(memory) = image.limits.memory {
        let units = [(30, "g"), (20, "m"), (10, "k")];
        let unit = units.iter().find(|(shift, _)| memory > 0 && memory % (1 << shift) == 0);
        limits.push(match unit {
            Some((shift, unit)) => format!("memory: {}{unit}", memory >> shift),
            None => format!("memory: {memory}"),
        });
    }
    if !limits.is_empty() {
        lines.add(format!("limits: {{{}}}", limits.join(", ")));
    }
}

fn history(lines: &mut Lines, image: &Image) {
    let known = [("successful", image.history.successful), ("failed", image.history.failed)];
    let known: Vec<String> =
        known.iter().filter_map(|(name, count)| Some(format!("{name}: {}", (*count)?))).collect();
    if !known.is_empty() {
        lines.add(format!("history: {{{}}}", known.join(", ")));
    }
}

fn post_commit(lines: &mut Lines, command: &CommandForm) {
    match command {
        CommandForm::Script(script, arguments) if arguments.is_empty() => {
            lines.add(format!("post-commit: {}", text_scalar(script)));
        }
        CommandForm::Script(script, arguments) => {
            let words = ["/bin/sh", "-ic", script.as_str(), "/bin/sh"].into_iter().map(str::to_owned);
            lines.list("post-commit", &words.chain(arguments.iter().cloned()).collect::<Vec<_>>());
        }
        CommandForm::Exec(words) => lines.list("post-commit", words),
        CommandForm::Arguments(words) => {
            lines.add(format!(
                "# not carried over: postCommit with arguments of the entrypoint: {}",
                words.join(" ")
            ));
        }
    }
}

/// A name or a path: quoted only where YAML would read something else.
fn scalar(text: &str) -> String {
    let plain = !text.is_empty()
        && text.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"_./:@-+".contains(&byte))
        && !text.starts_with(['-', ':', '@'])
        && !text.ends_with(':')
        && text.parse::<f64>().is_err()
        && !["true", "false", "null", "yes", "no", "on", "off"].contains(&text.to_lowercase().as_str());
    if plain { text.to_owned() } else { serde_json::Value::from(text).to_string() }
}

/// A value that is text, whatever it looks like.
fn text_scalar(text: &str) -> String {
    let plain = scalar(text);
    if plain.starts_with('"') || text.bytes().any(|byte| byte.is_ascii_alphabetic()) {
        plain
    } else {
        format!("{text:?}")
    }
}
