//! Lines of Makefiles that build images: `podman build --from BASE -t NAME -f FILE DIRECTORY`.
//!
//! Only what stands there is read; nothing is run. Variables have the values that the Makefile gives them.

mod compare;
mod recipe;

use std::collections::BTreeMap;

use super::read;
use crate::Files;
use crate::files::{file_name, is_directory, is_file, join, parent};
use crate::finding::Finding;
use crate::model::{
    Argument, BaseOverride, Context, DeclaredBy, Image, ImageName, Located, Output, WhichFrom,
};
use crate::place::{Place, Text};
use dockerfile::Span;

pub use compare::compare;
use recipe::Rule;

/// A build that a Makefile runs.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Build {
    /// The Dockerfile, from the root.
    pub dockerfile: String,
    context: Option<String>,
    tags: Vec<String>,
    args: Vec<(String, Option<String>)>,
    from: Option<String>,
    target: Option<String>,
    no_cache: bool,
    place: Option<Place>,
}

/// The builds of all Makefiles.
pub fn builds(files: &dyn Files, findings: &mut Vec<Finding>) -> Vec<Build> {
    let is_makefile = |path: &&String| {
        let name = file_name(path);
        matches!(name, "Makefile" | "makefile" | "GNUmakefile") || name.ends_with(".mk")
    };
    let paths: Vec<&String> = files.list().iter().filter(is_makefile).collect();
    let texts: Vec<Text> = paths.into_iter().filter_map(|path| read(files, path, findings)).collect();
    texts.iter().flat_map(|text| read_text(files, text)).collect()
}

fn read_text(files: &dyn Files, text: &Text) -> Vec<Build> {
    let lines = logical_lines(&text.text);
    let variables = variables(&lines);
    let mut builds = Vec::new();
    let mut rule = Rule::default();
    for (at, line) in &lines {
        rule = Rule::of(line, &variables).unwrap_or(rule);
        let Some(recipe) = recipe::recipe(line) else { continue };
        for script in rule.scripts(files, recipe) {
            let script = recipe::unrolled(&filled(&script, &variables, 0));
            for mut build in script_builds(files, &script, parent(&text.file)) {
                build.place = Some(text.place(Span::new(*at, at + line.trim_end().len())));
                builds.push(build);
            }
        }
    }
    builds
}

/// The builds of a script that runs in a directory.
fn script_builds(files: &dyn Files, script: &str, start: &str) -> Vec<Build> {
    let mut builds = Vec::new();
    let mut directory = start.to_owned();
    let mut outer: Vec<String> = Vec::new();
    for command in script.split(['\n', ';']).flat_map(|part| part.split("&&")) {
        let mut command = command.trim();
        while let Some(inside) = command.strip_prefix('(') {
            outer.push(directory.clone());
            command = inside.trim_start();
        }
        let count = |bracket| command.matches(bracket).count();
        let closes = count(')').saturating_sub(count('(')).min(outer.len());
        let command = if closes > 0 { command.trim_end_matches(')') } else { command };
        let words = words(command);
        let words = if words.first().is_some_and(|word| word == "do") { &words[1..] } else { &words[..] };
        if let [cd, path] = words
            && cd == "cd"
        {
            directory = join(&directory, path).unwrap_or(directory);
        }
        builds.extend(build(files, words, &directory));
        for _ in 0..closes {
            directory = outer.pop().unwrap_or(directory);
        }
    }
    builds
}

/// Lines with their continuations, each with the offset of its first word.
fn logical_lines(text: &str) -> Vec<(usize, String)> {
    let mut lines: Vec<(usize, String)> = Vec::new();
    let (mut at, mut joins) = (0, false);
    for line in text.split_inclusive('\n') {
        let content = line.trim_end_matches(['\n', '\r']);
        let continues = content.ends_with('\\');
        let content = content.strip_suffix('\\').unwrap_or(content);
        match lines.last_mut().filter(|_| joins) {
            Some((_, whole)) => {
                whole.push(' ');
                whole.push_str(content.trim_start());
            }
            None => lines.push((at + (line.len() - line.trim_start().len()), content.to_owned())),
        }
        joins = continues;
        at += line.len();
    }
    lines
}

/// `NAME = value` and its kin; the first value of `?=` stays.
fn variables(lines: &[(usize, String)]) -> BTreeMap<String, String> {
    let mut values: BTreeMap<String, String> = BTreeMap::new();
    for (_, line) in lines.iter().filter(|(_, line)| !line.starts_with('\t')) {
        let line = line.split(" #").next().unwrap_or_default();
        let line = line.trim_start().strip_prefix("export ").unwrap_or(line);
        let Some((left, value)) = line.split_once('=') else { continue };
        let (name, operator) = match left.trim_end_matches([':', '?', '+']) {
            name if name.len() < left.len() => (name.trim(), left.chars().last()),
            name => (name.trim(), None),
        };
        let is_name = !name.is_empty()
            && name.chars().all(|c| c.is_ascii_alphanumeric() || matches!(c, '_' | '-' | '.'));
        if !is_name {
            continue;
        }
        let value = value.trim().to_owned();
        match operator {
            Some('?') => {
                values.entry(name.to_owned()).or_insert(value);
            }
            Some('+') => {
                let entry = values.entry(name.to_owned()).or_default();
                *entry = format!("{entry} {value}").trim().to_owned();
            }
            _ => {
                values.insert(name.to_owned(), value);
            }
        }
    }
    values
}

/// Variables stand for variables; nobody goes deeper, and a loop ends.
const MAX_DEPTH: usize = 16;
/// No command is longer.
const MAX_LINE: usize = 64 << 10;

/// `$(NAME)` and `${NAME}` filled in, for make and then for its shell; what is not known stays.
fn filled(text: &str, variables: &BTreeMap<String, String>, depth: usize) -> String {
    let mut out = String::new();
    let mut rest = text;
    while let Some(at) = rest.find('$') {
        out.push_str(&rest[..at]);
        rest = &rest[at + 1..];
        if rest.starts_with('$') {
            continue;
        }
        let close = match rest.chars().next() {
            Some('(') => ')',
            Some('{') => '}',
            _ => {
                out.push('$');
                continue;
            }
        };
        let Some(end) = rest.find(close) else {
            out.push('$');
            continue;
        };
        match variables.get(rest[1..end].trim()) {
            Some(value) if depth < MAX_DEPTH && out.len() < MAX_LINE => {
                out.push_str(&filled(value, variables, depth + 1))
            }
            _ => {
                out.push('$');
                out.push_str(&rest[..=end]);
            }
        }
        rest = &rest[end + 1..];
    }
    out.push_str(rest);
    out
}

/// The words of a command as a shell has them; quotes are taken off.
fn words(command: &str) -> Vec<String> {
    let mut words = Vec::new();
    let (mut word, mut quote, mut any) = (String::new(), None, false);
    for character in command.chars() {
        match (quote, character) {
            (Some(open), close) if open == close => quote = None,
            (None, '"' | '\'') => {
                quote = Some(character);
                any = true;
            }
            (None, space) if space.is_whitespace() => {
                if any {
                    words.push(std::mem::take(&mut word));
                }
                any = false;
            }
            (_, other) => {
                word.push(other);
                any = true;
            }
        }
    }
    if any {
        words.push(word);
    }
    if let Some(first) = words.first_mut() {
        *first = first.trim_start_matches(['@', '-', '+']).to_owned();
    }
    words.retain(|word| !word.is_empty());
    words
}

/// Flags of builds that take a value, besides those that are read here.
const VALUED: [&str; 34] = [
    "--add-host",
    "--authfile",
    "--build-context",
    "--cache-from",
    "--cache-to",
    "--cap-add",
    "--cap-drop",
    "--cert-dir",
    "--cpu-quota",
    "--cpus",
    "--creds",
    "--device",
    "--env",
    "--format",
    "--iidfile",
    "--isolation",
    "--jobs",
    "--label",
    "--layer-label",
    "--memory",
    "-m",
    "--network",
    "--os",
    "--arch",
    "--output",
    "-o",
    "--platform",
    "--progress",
    "--runtime",
    "--secret",
    "--security-opt",
    "--ssh",
    "--ulimit",
    "-v",
];

/// A command that builds an image, in a directory.
fn build(files: &dyn Files, words: &[String], directory: &str) -> Option<Build> {
    let engine = words.iter().position(|word| {
        let name = file_name(word);
        matches!(name, "podman" | "docker" | "buildah" | "nerdctl" | "kapok")
            // A variable whose value comes from outside.
            || (name.starts_with("$(") || name.starts_with("${"))
    })?;
    let mut rest = words[engine + 1..]
        .iter()
        .skip_while(|word| matches!(word.as_str(), "image" | "buildx") || word.starts_with("--"));
    let verb = rest.next()?;
    if !matches!(verb.as_str(), "build" | "bud" | "build-using-dockerfile") {
        return None;
    }
    let mut build = Build::default();
    let (mut file, mut context) = (None, None);
    while let Some(word) = rest.next() {
        let (flag, mut given) = match word.split_once('=') {
            Some((flag, value)) if flag.starts_with("--") => (flag, Some(value.to_owned())),
            _ => (word.as_str(), None),
        };
        let mut value = || given.take().or_else(|| rest.next().cloned());
        match flag {
            "-t" | "--tag" => build.tags.extend(value()),
            "-f" | "--file" => file = value(),
            "--from" => build.from = value(),
            "--target" => build.target = value(),
            "--build-arg" => {
                let argument = value()?;
                let (name, value) = argument
                    .split_once('=')
                    .map_or((argument.as_str(), None), |(name, value)| (name, Some(value.to_owned())));
                build.args.push((name.to_owned(), value));
            }
            "--no-cache" => build.no_cache = true,
            flag if VALUED.contains(&flag) => drop(value()),
            flag if flag.starts_with('-') => {}
            _ => context = Some(word.clone()),
        }
    }
    let context = join(directory, context.as_deref().unwrap_or("."));
    // Podman looks for the file in the build context first, Docker in the working directory.
    let file = file.as_deref();
    let candidates = match file {
        Some(file) => [join(directory, file), context.as_deref().and_then(|context| join(context, file))],
        None => ["Containerfile", "Dockerfile"]
            .map(|name| context.as_deref().and_then(|context| join(context, name))),
    };
    build.dockerfile = candidates.into_iter().flatten().find(|path| is_file(files, path))?;
    build.context = context.filter(|context| is_directory(files, context));
    Some(build)
}

/// Gives images of Dockerfiles what a Makefile says of them.
pub fn apply(builds: &[Build], images: &mut [Image]) {
    for image in images {
        let path = image.dockerfile.path().map(str::to_owned);
        let own: Vec<&Build> =
            builds.iter().filter(|build| Some(&build.dockerfile) == path.as_ref()).collect();
        // Of several builds of one file, what they agree on is all that is known of it.
        let Some((first, others)) = own.split_first() else { continue };
        let Some(place) = &first.place else { continue };
        image.declared_by = DeclaredBy::Makefile;
        if let Some(context) = &first.context {
            image.context = Context::Directory(context.clone());
        }
        for build in &own {
            for tag in build.tags.iter().filter(|tag| !tag.contains('$')) {
                let place = build.place.clone().unwrap_or_else(|| place.clone());
                image.outputs.push(Output { name: ImageName::Reference(tag.clone()), push: false, place });
            }
        }
        if others.iter().all(|other| {
            (&other.args, &other.from, &other.target) == (&first.args, &first.from, &first.target)
        }) {
            image.no_cache = first.no_cache;
            image.target = first.target.clone().map(|value| Located { value, place: place.clone() });
            image.args = first
                .args
                .iter()
                .map(|(name, value)| {
                    let value = value.clone().filter(|value| !value.contains('$'));
                    Argument { name: name.clone(), value, place: place.clone() }
                })
                .collect();
            image.from = first.from.clone().filter(|from| !from.contains('$')).map(|from| BaseOverride {
                which: WhichFrom::First,
                image: ImageName::Reference(from),
                place: place.clone(),
            });
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::files::Memory;

    #[test]
    fn builds_are_read_with_their_variables() {
        let files = Memory::parse(
            "//- /app/Makefile\nENGINE ?= podman\nREG = quay.io/$(ORG)\nORG := forest\nTAG?=1\nbuild:\n\t@$(ENGINE) build --from ${REG}/base:$(TAG) \\\n\t  --build-arg V=2 -t $(REG)/app:$(TAG) -f Dockerfile .; $(ENGINE) push x\nother:\n\tcd sub && docker build --platform linux/amd64 -t sub:$$X .\n//- /app/Dockerfile\nFROM x\n//- /app/sub/Containerfile\nFROM y\n",
        );
        let builds = builds(&files, &mut Vec::new());
        assert_eq!(builds.len(), 2, "{builds:?}");
        assert_eq!(builds[0].from.as_deref(), Some("quay.io/forest/base:1"));
        assert_eq!(builds[0].tags, ["quay.io/forest/app:1"]);
        assert_eq!(builds[0].args, [("V".to_owned(), Some("2".to_owned()))]);
        assert_eq!(builds[0].place.as_ref().map(|place| place.line), Some(6));
        assert_eq!(builds[1].dockerfile, "app/sub/Containerfile");
        assert_eq!(builds[1].context.as_deref(), Some("app/sub"));
    }

    #[test]
    fn targets_and_loops_are_followed() {
        let files = Memory::parse(
            "//- /Makefile\nORG = quay.io/o\nIMAGES = one two\nbuild-%:\n\t(cd images/$* && podman build -t $(ORG)/$*:1 .); podman push $(ORG)/$*:1\nloop:\n\tfor i in $(IMAGES); do \\\n\t  docker build -t $$i:2 images/$$i; \\\n\tdone\n//- /images/one/Dockerfile\nFROM x\n//- /images/two/Dockerfile\nFROM y\n",
        );
        let builds = builds(&files, &mut Vec::new());
        let seen: Vec<(&str, &str)> =
            builds.iter().map(|build| (build.tags[0].as_str(), build.dockerfile.as_str())).collect();
        let (one, two) = ("images/one/Dockerfile", "images/two/Dockerfile");
        assert_eq!(
            seen,
            [("quay.io/o/one:1", one), ("quay.io/o/two:1", two), ("one:2", one), ("two:2", two)]
        );
    }

    #[test]
    fn a_variable_that_names_itself_ends() {
        let variables = BTreeMap::from([("A".to_owned(), "$(A)$(A)".to_owned())]);
        assert!(filled("$(A)", &variables, 0).len() < 4 << 20);
    }
}
