//! Builds whose files are sent by whoever starts them: `oc start-build NAME --from-dir=DIRECTORY`.

use super::collect::World;
use super::dockerfiles::is_dockerfile;
use crate::files::{file_name, is_directory, is_file, join, parent};

/// The directory that is sent to a build: as a Makefile or a script of the repository sends it, else the only one with a
/// Dockerfile that has the build's name, else the root if that has its Dockerfile.
pub fn directory(world: &World<'_>, name: &str, context: &str, dockerfile: &str) -> Option<String> {
    let has = |directory: &str| {
        join(directory, context)
            .and_then(|directory| join(&directory, dockerfile))
            .is_some_and(|path| is_file(world.files, &path))
    };
    let sent = scripts(world).into_iter().flat_map(|(path, text)| sent(&text, name, parent(&path)));
    if let Some(directory) =
        sent.filter(|directory| is_directory(world.files, directory)).find(|sent| has(sent))
    {
        return Some(directory);
    }
    let named = world.files.list().iter().filter(|path| is_dockerfile(file_name(path)));
    let mut named: Vec<&str> =
        named.map(|path| parent(path)).filter(|directory| file_name(directory) == name).collect();
    named.retain(|directory| has(directory));
    named.dedup();
    match named.as_slice() {
        [one] => Some((*one).to_owned()),
        _ => has("").then(String::new),
    }
}

/// Makefiles and scripts.
fn scripts(world: &World<'_>) -> Vec<(String, String)> {
    let is_script = |path: &&String| {
        let name = file_name(path);
        matches!(name, "Makefile" | "makefile" | "GNUmakefile")
            || name.ends_with(".mk")
            || name.ends_with(".sh")
    };
    let read = |path: &String| {
        let bytes = world.files.read(path).ok().flatten()?;
        Some((path.clone(), String::from_utf8_lossy(&bytes).into_owned()))
    };
    world.files.list().iter().filter(is_script).filter_map(read).collect()
}

/// The directories that a script in `directory` sends to a build: from where it stands, and from the root.
fn sent(text: &str, name: &str, directory: &str) -> Vec<String> {
    let mut found = Vec::new();
    for line in text.replace("\\\n", " ").lines() {
        for command in line.split("start-build").skip(1) {
            let end = command.find(['&', ';', '|']).unwrap_or(command.len());
            let words: Vec<&str> =
                command[..end].split_whitespace().map(|word| word.trim_matches(['"', '\''])).collect();
            let named =
                |word: &&str| word.trim_start_matches("bc/").trim_start_matches("buildconfig/") == name;
            if !words.iter().any(named) {
                continue;
            }
            for (at, word) in words.iter().enumerate() {
                let flag = ["--from-dir", "--from-repo"].iter().find_map(|flag| word.strip_prefix(flag));
                let value = match flag {
                    Some("") => words.get(at + 1).copied(),
                    Some(rest) => rest.strip_prefix('='),
                    None => None,
                };
                found.extend(
                    value
                        .map(|path| path.trim_matches(['"', '\'']))
                        .into_iter()
                        .flat_map(|path| [join(directory, path), join("", path)])
                        .flatten(),
                );
            }
        }
    }
    found
}

#[cfg(test)]
mod tests {
    use super::sent;

    #[test]
    fn what_a_script_sends_is_found() {
        let script = "oc start-build other --from-dir=x\noc -n ci start-build bc/app \\\n  --from-dir='./app' --follow; echo";
        assert_eq!(sent(script, "app", "tools"), ["tools/app", "app"]);
        assert_eq!(sent("oc start-build app --from-dir .", "app", ""), ["", ""]);
        assert!(sent("oc start-build app --follow", "app", "").is_empty());
    }
}
