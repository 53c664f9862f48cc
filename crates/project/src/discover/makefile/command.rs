//! A command that builds an image, as its words are.

use super::Build;
use crate::Files;
use crate::files::{file_name, is_directory, is_file, join};

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

/// What a command builds.
#[derive(Debug, PartialEq, Eq)]
pub enum Built {
    /// An image of a Dockerfile.
    Build(Build),
    /// One of a Dockerfile that is not there.
    NoDockerfile(String),
    /// One of a directory that is not there.
    NoContext(String),
}

/// What a command builds that runs in a directory.
pub fn built(files: &dyn Files, words: &[String], directory: &str) -> Option<Built> {
    let engine = words.iter().position(|word| is_builder(word) || may_be_builder(word))?;
    let certain = is_builder(&words[engine]);
    // What follows is where the output goes, or another command.
    let ends = |word: &String| word.trim_start_matches(['0', '1', '2']).starts_with(['<', '>', '|', '&']);
    let mut rest = words[engine + 1..]
        .iter()
        .take_while(|word| !ends(word))
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
    let given = context;
    let context = join(directory, given.as_deref().unwrap_or("."));
    // Podman looks for the file in the build context first, Docker in the working directory.
    let file = file.as_deref();
    let candidates = match file {
        Some(file) => [join(directory, file), context.as_deref().and_then(|context| join(context, file))],
        None => ["Containerfile", "Dockerfile"]
            .map(|name| context.as_deref().and_then(|context| join(context, name))),
    };
    let found = candidates.iter().flatten().find(|path| is_file(files, path));
    if let Some(path) = found {
        build.dockerfile = path.clone();
        build.context = context.filter(|context| is_directory(files, context));
        return Some(Built::Build(build));
    }
    let given = [file, given.as_deref()];
    let plain = |word: &str| {
        word != "-" && !word.contains(['$', '%', '*', '`', '?', '<', '>', '~', ':']) && !word.starts_with('/')
    };
    if !certain || !given.into_iter().flatten().all(plain) || !plain(directory) {
        return None;
    }
    Some(match (file, context?) {
        (Some(_), _) => Built::NoDockerfile(candidates.into_iter().flatten().next()?),
        (None, context) if is_directory(files, &context) => {
            Built::NoDockerfile(join(&context, "Dockerfile")?)
        }
        (None, context) => Built::NoContext(context),
    })
}

/// Whether a word is a program that builds images, or a variable that is called so: its value comes from outside.
fn is_builder(word: &str) -> bool {
    const NAMES: [&str; 5] = ["podman", "docker", "buildah", "nerdctl", "kapok"];
    let Some(variable) = variable(word) else { return NAMES.contains(&file_name(word)) };
    let variable = variable.to_ascii_lowercase();
    NAMES.iter().chain(&["container", "engine", "oci"]).any(|name| variable.contains(name))
}

/// Whether it is another variable: `$(MAKE) build` and `$(GO) build` build something else.
fn may_be_builder(word: &str) -> bool {
    variable(word).is_some_and(|name| !["MAKE", "GO", "CARGO", "NPM"].contains(&name))
}

fn variable(word: &str) -> Option<&str> {
    let rest = word.strip_prefix("$(").or_else(|| word.strip_prefix("${"))?;
    rest.split([')', '}']).next()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::files::Memory;

    #[test]
    fn what_is_called_build_builds_no_image_always() {
        let files = Memory::parse("//- /app/Dockerfile\nFROM scratch\n");
        let built = |line: &str| built(&files, &line.split(' ').map(str::to_owned).collect::<Vec<_>>(), "");
        for line in ["$(MAKE) build app", "$(GO) build ./cmd", "$(TOOL) build gone", "go build ./cmd"] {
            assert_eq!(built(line), None, "{line}");
        }
        for line in ["$(TOOL) build app", "${CONTAINER_ENGINE} build app", "/usr/bin/podman build app"] {
            assert!(matches!(built(line), Some(Built::Build(_))), "{line}");
        }
        let gone = Some(Built::NoContext("gone".to_owned()));
        assert_eq!(
            (built("$(PODMAN) build gone"), built("docker build gone")),
            (gone, Some(Built::NoContext("gone".to_owned())))
        );
    }
}
