//! Makefiles: what their recipes run.

use dockerfile::shell::{self, Evaluation, Invocation, Mapped, Value};
use project::files::join;

use super::manifests::switch_off;
use crate::facts::Facts;
use crate::facts::manifest::{directory, is_placeholder, is_secret_name};
use crate::finding::Place;
use crate::level::Levels;
use crate::rule::{Example, Family, Need, Rule};

/// Verification turned off in Makefiles.
pub static TLS: Rule = Rule {
    id: "makefile-tls-off",
    family: Family::Downloads,
    levels: Levels::WARNING,
    title: "a Makefile's commands verify whom they speak with",
    why: "Anybody on the way can hand out other files, or take the image and the login.",
    fix: "verify, and give the tool the authority's certificate",
    bad: Example("//- Makefile\npush:\n\tpodman push «--tls-verify=false» registry.example.com/a:1\n"),
    good: Example("//- Makefile\npush:\n\tpodman push registry.example.com/a:1\n"),
    also: &[],
    needs: &[Need::Files],
    judge: |facts, sink| {
        for recipe in facts.recipes() {
            if let Some((at, length, word)) = switch_off(&recipe.line) {
                let start = recipe.place.span.start + at;
                let place = Place::new(recipe.place.source, dockerfile::Span::new(start, start + length));
                sink.find(place, format!("`{word}`: nothing is verified"));
            }
        }
    },
};

/// Secrets on command lines of Makefiles.
pub static SECRET: Rule = Rule {
    id: "makefile-secret",
    family: Family::Privilege,
    levels: Levels::WARNING,
    title: "a Makefile holds no secret",
    why: "It is in the repository, in the list of processes of every machine that runs it, and as a build argument in the image's history.",
    fix: "take it from a variable of the environment, or a build secret; and change it: it is known",
    bad: Example(
        "//- Makefile\nNEXUS_PASSWORD ?= «admin123»  # of the lab\nbuild:\n\tpodman build --build-arg PASSWORD=«letmein123» .\n",
    ),
    good: Example(
        "//- Makefile\nPASSWORD ?= $(shell cat /run/secrets/p)\nTOKEN :=\nbuild:\n\tpodman build --secret id=password,env=PASSWORD .\n",
    ),
    also: &[],
    needs: &[Need::Files],
    judge: |facts, sink| {
        for (name, value, place) in facts.make_variables() {
            if is_secret_name(&name) && !is_placeholder(&value) {
                sink.find(place, format!("the value of `{name}` stands here readable"));
            }
        }
        for recipe in facts.recipes() {
            for (at, value) in secrets_of(&recipe.line) {
                let start = recipe.place.span.start + at;
                let place =
                    Place::new(recipe.place.source, dockerfile::Span::new(start, start + value.len()));
                sink.find(place, "a secret stands on a command line");
            }
        }
    },
};

/// Secrets of a command: `NAME=value`, `--password value`, `login -p value`. Each with where it begins.
fn secrets_of(line: &str) -> Vec<(usize, &str)> {
    let mut found = Vec::new();
    let mut at = 0;
    let mut before = "";
    let login = line.split_whitespace().any(|word| word == "login");
    for word in line.split(' ') {
        let option = before.trim_start_matches('-');
        let named = before.starts_with("--") && is_secret_name(option) || login && before == "-p";
        let value = match word.split_once('=') {
            Some((name, value)) if is_secret_name(name) => Some((at + name.len() + 1, value)),
            _ if named => Some((at, word)),
            _ => None,
        };
        found.extend(value.filter(|(_, value)| !is_placeholder(value) && !value.starts_with(['-', '`'])));
        at += word.len() + 1;
        if !word.is_empty() {
            before = word;
        }
    }
    found
}

/// Downloads that are run.
pub static PIPE: Rule = Rule {
    id: "makefile-pipe-to-shell",
    family: Family::Downloads,
    levels: Levels::WARNING,
    title: "a Makefile runs nothing that it has just downloaded",
    why: "Whoever controls the server, or the way to it, runs what he likes on the machine; and a download that breaks off runs half.",
    fix: "download a fixed version, compare its digest, then run it",
    bad: Example("//- Makefile\ntools:\n\t«curl -sSL https://get.example.com/install.sh \\\n\t  | sh»\n"),
    good: Example("//- Makefile\ntools:\n\tcurl -sSfLo install.sh https://get.example.com/install.sh\n"),
    also: &[],
    needs: &[Need::Files],
    judge: |facts, sink| {
        for recipe in facts.recipes() {
            let fetches = recipe.line.contains("curl ") || recipe.line.contains("wget ");
            let runs = recipe.line.split('|').skip(1).any(|part| {
                let mut words = part.split_whitespace().filter(|word| *word != "sudo" && !word.contains('='));
                words.next().is_some_and(|word| {
                    matches!(word.rsplit('/').next(), Some("sh" | "bash" | "python" | "python3" | "$(SHELL)"))
                })
            });
            if fetches && runs {
                sink.find(recipe.place, "what is downloaded is run at once");
            }
        }
    },
};

/// Options of image builds that take a value in the next word.
const VALUED: [&str; 34] = [
    "-f",
    "--file",
    "-t",
    "--tag",
    "--build-arg",
    "--target",
    "--platform",
    "--label",
    "-v",
    "--volume",
    "--secret",
    "--ssh",
    "--network",
    "--format",
    "--authfile",
    "--creds",
    "--cache-from",
    "--cache-to",
    "--annotation",
    "--arch",
    "--os",
    "--iidfile",
    "--isolation",
    "--jobs",
    "--memory",
    "-m",
    "--add-host",
    "--ulimit",
    "--progress",
    "--output",
    "-o",
    "--build-context",
    "--manifest",
    "--env",
];

/// Contexts and Dockerfiles of image builds that are not there. Changes of directory are followed; what a variable names
/// is not known.
pub(super) fn missing_paths(facts: &Facts) -> Vec<(Place, String)> {
    let mut found = Vec::new();
    for recipe in facts.recipes() {
        if !recipe.line.contains("build") && !recipe.line.contains("bud") {
            continue;
        }
        let start = format!("/{}", directory(&facts.source(recipe.place.source).name));
        // What make hands to the shell as `$x` is written `$$x`.
        let line = recipe.line.replace("$$", " $");
        let script = shell::parse(&Mapped::plain(line, recipe.place.span.start));
        let evaluation = Evaluation { directory: Some(start), ..Evaluation::default() };
        for command in shell::evaluate(&script, evaluation).invocations {
            let missing = missing_path(facts, &command);
            found.extend(missing.map(|(span, message)| (Place::new(recipe.place.source, span), message)));
        }
    }
    found
}

fn missing_path(facts: &Facts, command: &Invocation) -> Option<(dockerfile::Span, String)> {
    let program = command.words.first()?;
    let builder = ["podman", "docker", "buildah", "nerdctl", "kapok"];
    // `$(PODMAN)` and its like say nothing, and `$(MAKE)` builds no image itself.
    let named = match program.known() {
        Some(name) => builder.contains(&name.rsplit('/').next().unwrap_or(name)),
        None => !program.text().contains("MAKE") && !program.text().contains("GO"),
    };
    let verb = command.words.iter().take(3).position(|word| matches!(word.known(), Some("build" | "bud")))?;
    let here = command.directory.as_deref()?.trim_start_matches('/');
    if !named || verb == 0 {
        return None;
    }
    let (mut operands, mut file): (Vec<&Value>, Option<Value>) = (Vec::new(), None);
    let mut words = command.words[verb + 1..].iter();
    while let Some(word) = words.next() {
        let text = word.text();
        if !text.starts_with('-') || text == "-" {
            operands.push(word);
        } else if VALUED.contains(&text.as_str()) {
            let value = words.next();
            if matches!(text.as_str(), "-f" | "--file") {
                file = value.cloned();
            }
        } else if let Some(value) = word.strip_prefix("--file=") {
            file = Some(value);
        }
    }
    let [context] = operands.as_slice() else { return None };
    let directory = context.known()?;
    if directory.contains(':') || directory.starts_with(['/', '~', '-']) {
        return None;
    }
    // A recipe may be run from the repository's root.
    let bases = [join(here, directory), join("", directory)];
    let present: Vec<String> = bases.into_iter().flatten().filter(|path| facts.has_path(path)).collect();
    if present.is_empty() {
        return Some((context.inner_span(), format!("there is no `{directory}`")));
    }
    let file = file?;
    let path = file.known().filter(|path| !path.starts_with(['/', '~', '-']))?;
    let places =
        present.iter().map(|directory| join(directory, path)).chain([join(here, path), join("", path)]);
    let there = places.flatten().any(|path| facts.has_path(&path));
    (!there).then(|| (file.inner_span(), format!("there is no `{path}`")))
}

/// These rules.
pub const RULES: &[&Rule] = &[&TLS, &SECRET, &PIPE];
