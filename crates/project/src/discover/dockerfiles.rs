//! Dockerfiles by their names, and images named after their place.

use std::collections::{BTreeMap, BTreeSet};

use dockerfile::{Dockerfile, InstructionKind, Word};

use super::{Given, read};
use crate::Files;
use crate::files::{file_name, is_directory, is_file, join, parent};
use crate::finding::Finding;
use crate::model::{Context, DeclaredBy, DockerfileSource, Image, Located, Unsupported};
use crate::place::Place;

/// Whether a file of this name is a Dockerfile: `Dockerfile`, `Dockerfile.web`, `web.Dockerfile`, and the same with
/// `Containerfile`.
pub fn is_dockerfile(name: &str) -> bool {
    variant(name).is_some_and(|variant| {
        !variant.is_some_and(|variant| is_ignore_file(variant) || is_template(variant))
    })
}

/// The part of a Dockerfile's name that tells it from others in its directory; `None` within where there is none.
fn variant(name: &str) -> Option<Option<&str>> {
    for word in ["Dockerfile", "Containerfile", "dockerfile", "containerfile"] {
        if name == word {
            return Some(None);
        }
        if let Some(rest) = name.strip_prefix(word).and_then(|rest| rest.strip_prefix(['.', '-', '_'])) {
            return Some(Some(rest));
        }
        if let Some(rest) = name.strip_suffix(word).and_then(|rest| rest.strip_suffix('.')) {
            return Some(Some(rest));
        }
    }
    None
}

fn is_ignore_file(variant: &str) -> bool {
    variant == "dockerignore" || variant.ends_with(".dockerignore") || variant == "containerignore"
}

/// What becomes a Dockerfile once it is filled in, or is about one.
fn is_template(variant: &str) -> bool {
    let extension = variant.rsplit('.').next().unwrap_or_default();
    [
        "j2", "jinja", "jinja2", "tmpl", "tpl", "template", "erb", "in", "mustache", "md", "txt", "bak",
        "orig", "swp", "lock", "yaml", "yml", "json", "py", "sh",
    ]
    .contains(&extension)
}

/// Images of the Dockerfiles that nothing declared builds.
pub fn images(
    files: &dyn Files,
    given: &Given,
    covered: &BTreeSet<String>,
    taken: &BTreeSet<String>,
    findings: &mut Vec<Finding>,
) -> Vec<Image> {
    let paths = files.list().iter().filter(|path| is_dockerfile(file_name(path)) && !covered.contains(*path));
    let mut found: Vec<(&str, Context)> = Vec::new();
    for path in paths {
        let Some(text) = read(files, path, findings) else { continue };
        let (dockerfile, _) = dockerfile::parse(&text.text);
        // Text about Dockerfiles may be called so too.
        if !dockerfile.stages.is_empty() {
            found.push((path, Context::Directory(context(files, path, &dockerfile))));
        }
    }
    let paths: Vec<&str> = found.iter().map(|(path, _)| *path).collect();
    let names = names(&paths, given, taken);
    found
        .into_iter()
        .map(|(path, context)| {
            let place = Place::start(path);
            let file = DockerfileSource::Path(Located { value: path.to_owned(), place: place.clone() });
            Image { context, ..Image::new(&names[path], DeclaredBy::Dockerfile, place, file) }
        })
        .collect()
}

/// Templates of Dockerfiles, which are listed.
pub fn templates(files: &dyn Files) -> Vec<Unsupported> {
    let templates = files.list().iter().filter(|path| {
        let name = file_name(path);
        let filled = ["j2", "jinja", "jinja2", "tmpl", "tpl", "template", "erb", "in", "mustache"];
        let extension = name.rsplit('.').next().unwrap_or_default();
        variant(name).flatten().is_some_and(is_template) && filled.contains(&extension)
    });
    templates
        .map(|path| Unsupported { what: "a template of a Dockerfile".to_owned(), place: Place::start(path) })
        .collect()
}

/// Directories that are named after what they are for, not after what is built.
const GENERIC: [&str; 12] = [
    "docker",
    ".docker",
    "dockerfiles",
    "dockerfile",
    "build",
    "container",
    "containers",
    "containerfiles",
    "image",
    "images",
    "ci",
    "src",
];

/// A name for each Dockerfile: after its directory and variant, with more of the path where that is not enough.
fn names(paths: &[&str], given: &Given, taken: &BTreeSet<String>) -> BTreeMap<String, String> {
    let mut parts: BTreeMap<&str, (Vec<String>, usize)> = BTreeMap::new();
    for path in paths {
        parts.insert(path, name_parts(path, given));
    }
    loop {
        let mut users: BTreeMap<String, Vec<&str>> = BTreeMap::new();
        for (path, (parts, shown)) in &parts {
            users.entry(joined(parts, *shown)).or_default().push(path);
        }
        let unclear: Vec<&str> = users
            .iter()
            .filter(|(name, users)| users.len() > 1 || taken.contains(*name))
            .flat_map(|(_, users)| users.iter().copied())
            .filter(|path| parts[path].1 < parts[path].0.len())
            .collect();
        if unclear.is_empty() {
            break;
        }
        for path in unclear {
            parts.entry(path).and_modify(|(_, shown)| *shown += 1);
        }
    }
    let mut used = taken.clone();
    let mut names = BTreeMap::new();
    for (path, (parts, shown)) in parts {
        let name = joined(&parts, shown);
        let numbered = (2..).map(|number| format!("{name}-{number}"));
        let free = std::iter::once(name.clone()).chain(numbered).find(|name| !used.contains(name));
        let free = free.unwrap_or(name);
        used.insert(free.clone());
        names.insert(path.to_owned(), free);
    }
    names
}

/// The parts that a name may have, outermost first, and how many of them, from the end, make the shortest.
fn name_parts(path: &str, given: &Given) -> (Vec<String>, usize) {
    let directory = parent(path);
    let mut parts = vec![word(&given.name)];
    parts.extend(directory.split('/').filter(|part| !part.is_empty()).map(word));
    parts.retain(|part| !part.is_empty());
    if parts.is_empty() {
        parts.push("image".to_owned());
    }
    let last = parts.len() - 1;
    let generic = last > 0 && GENERIC.contains(&file_name(directory).to_lowercase().as_str());
    let variant = variant(file_name(path)).flatten().map(word).filter(|variant| !variant.is_empty());
    let shown = match variant {
        Some(variant) => {
            // The directory says nothing more, or nothing at all.
            let alone = generic || last == 0 || parts[last] == variant;
            parts.push(variant);
            if alone { 1 } else { 2 }
        }
        None if generic => {
            // `app/docker/Dockerfile` is `app`; told from `app/Dockerfile`, it is `app-docker` no more than needed.
            let own = parts.remove(last);
            let name = parts.pop().unwrap_or_default();
            parts.push(own);
            parts.push(name);
            1
        }
        None => 1,
    };
    (parts, shown)
}

fn joined(parts: &[String], shown: usize) -> String {
    parts[parts.len() - shown..].join("-")
}

/// A part of a path as a part of an image's name: small letters, digits, and single dots, dashes, underscores within.
fn word(text: &str) -> String {
    let mut word = String::new();
    for character in text.to_lowercase().chars() {
        match character {
            'a'..='z' | '0'..='9' => word.push(character),
            '.' | '_' | '-' if word.ends_with(|last: char| last.is_ascii_alphanumeric()) => {
                word.push(character)
            }
            _ if word.ends_with(|last: char| last.is_ascii_alphanumeric()) => word.push('-'),
            _ => {}
        }
    }
    word.trim_end_matches(['.', '_', '-']).to_owned()
}

/// The directory that a Dockerfile's COPY means: its own, or one above it where more of what it copies is.
fn context(files: &dyn Files, path: &str, dockerfile: &Dockerfile) -> String {
    let own = parent(path);
    let sources: Vec<&str> = sources(dockerfile);
    let found = |directory: &str| sources.iter().filter(|source| exists(files, directory, source)).count();
    let mut best = (own.to_owned(), found(own));
    let mut directory = own;
    while !directory.is_empty() && best.1 < sources.len() {
        directory = parent(directory);
        let count = found(directory);
        if count > best.1 {
            best = (directory.to_owned(), count);
        }
    }
    best.0
}

/// The paths of the build context that COPY and ADD name, where they are plain.
fn sources(dockerfile: &Dockerfile) -> Vec<&str> {
    let instructions = dockerfile.stages.iter().flat_map(|stage| &stage.instructions);
    let words: Vec<&Word> = instructions
        .flat_map(|instruction| match &instruction.kind {
            InstructionKind::Copy(copy) if copy.from.is_none() => copy.sources.iter().collect(),
            InstructionKind::Add(add) => add.sources.iter().collect(),
            _ => Vec::new(),
        })
        .collect();
    let plain = |word: &&str| !word.contains('$') && !word.contains("://") && !word.starts_with("git@");
    words.into_iter().map(|word| word.raw.as_str()).filter(plain).collect()
}

fn exists(files: &dyn Files, directory: &str, source: &str) -> bool {
    let fixed = source.split(['*', '?', '[']).next().unwrap_or_default();
    let fixed = if fixed.len() < source.len() { parent(fixed) } else { fixed };
    join(directory, fixed).is_some_and(|path| is_file(files, &path) || is_directory(files, &path))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::files::Memory;

    #[test]
    fn dockerfiles_are_known_by_their_names() {
        for name in [
            "Dockerfile",
            "Containerfile",
            "Dockerfile.web",
            "web.Dockerfile",
            "web.dockerfile",
            "Containerfile.x",
        ] {
            assert!(is_dockerfile(name), "{name}");
        }
        for name in [
            "Dockerfile.dockerignore",
            "Dockerfile.j2",
            "Dockerfiles",
            "mydockerfile",
            "README.Dockerfile.md",
            "Dockerfile.web.dockerignore",
        ] {
            assert!(!is_dockerfile(name), "{name}");
        }
    }

    #[track_caller]
    fn check(paths: &[&str], expected: &[&str]) {
        let given = Given { name: "forest".into(), ..Given::default() };
        let names = names(paths, &given, &BTreeSet::from(["taken".to_owned()]));
        let actual: Vec<&str> = paths.iter().map(|path| names[*path].as_str()).collect();
        assert_eq!(actual, expected);
    }

    #[test]
    fn images_are_named_after_their_place() {
        check(&["Dockerfile"], &["forest"]);
        check(&["a/b/Dockerfile", "c/Containerfile"], &["b", "c"]);
        check(&["a/x/Dockerfile", "b/x/Dockerfile"], &["a-x", "b-x"]);
        check(&["x/Dockerfile", "b/x/Dockerfile"], &["forest-x", "b-x"]);
        check(&["Dockerfile.web", "app/Dockerfile.web", "docker/job.Dockerfile"], &["web", "app-web", "job"]);
        check(&["app/docker/Dockerfile", "lib/docker/Dockerfile"], &["app", "lib"]);
        check(&["My App/Dockerfile", "taken/Dockerfile"], &["my-app", "forest-taken"]);
    }

    #[test]
    fn the_build_context_is_where_the_files_are() {
        let check = |tree: &str, path: &str, expected: &str| {
            let files = Memory::parse(tree);
            let text = String::from_utf8(files.read(path).expect("read").expect("there")).expect("text");
            assert_eq!(context(&files, path, &dockerfile::parse(&text).0), expected);
        };
        check("//- /a/Dockerfile\nFROM x\nCOPY y z /\n//- /a/y\n//- /a/z\n", "a/Dockerfile", "a");
        check("//- /a/Dockerfile\nFROM x\nCOPY src/*.py /\n//- /src/m.py\n", "a/Dockerfile", "");
        check("//- /a/Dockerfile\nFROM x\nCOPY . /\n", "a/Dockerfile", "a");
        check("//- /a/Dockerfile\nFROM x\nCOPY nothing /\n", "a/Dockerfile", "a");
    }
}
