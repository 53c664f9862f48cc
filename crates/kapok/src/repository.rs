//! A repository's files on disk, as judges and discovery are handed them.

use std::fs;
use std::io::{self, ErrorKind, Read};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use project::Files;

/// No file that is judged is larger; a larger one is data.
const MAX_BYTES: u64 = 4 << 20;

/// A repository with more files is judged by the first of them; nobody keeps so many.
const MAX_FILES: usize = 200_000;

/// Directories that hold other people's files, or a tool's own. Asked only where git does not say what is ignored.
const SKIPPED: [&str; 6] = [".git", ".hg", ".svn", "node_modules", ".venv", ".terraform"];

/// Files below a directory. What git ignores is left out.
#[derive(Debug)]
pub struct Repository {
    root: PathBuf,
    paths: Vec<String>,
}

impl Repository {
    /// The files below a directory; `only` are paths in it to which it is limited, none meaning all.
    pub fn open(root: &Path, only: &[String]) -> io::Result<Repository> {
        let mut paths = match listed_by_git(root) {
            Some(paths) => paths,
            None => {
                let mut found = Vec::new();
                walk(root, root, "", &mut found)?;
                found
            }
        };
        if !only.is_empty() {
            let below = |path: &str, only: &str| {
                let only = only.trim_end_matches('/');
                only.is_empty()
                    || path == only
                    || path.strip_prefix(only).is_some_and(|rest| rest.starts_with('/'))
            };
            paths.retain(|path| only.iter().any(|only| below(path, only)));
            // A file that is named is looked at, also if git ignores it.
            let named = only.iter().filter(|path| root.join(path).is_file());
            let missing: Vec<String> = named.filter(|path| !paths.contains(path)).cloned().collect();
            paths.extend(missing);
        }
        paths.truncate(MAX_FILES);
        paths.sort();
        paths.dedup();
        Ok(Repository { root: root.to_owned(), paths })
    }

    /// The same for who knows which files to read: none is listed, and nobody walks through the directory.
    pub fn unlisted(root: &Path) -> Repository {
        Repository { root: root.to_owned(), paths: Vec::new() }
    }
}

impl Files for Repository {
    fn list(&self) -> &[String] {
        &self.paths
    }

    fn read(&self, path: &str) -> io::Result<Option<Vec<u8>>> {
        let mut place = self.root.join(path);
        if fs::symlink_metadata(&place).is_ok_and(|metadata| metadata.is_symlink()) {
            let Some(target) = linked(&self.root, path) else { return Ok(None) };
            place = target;
        }
        // A link may lead out of the repository, and a pipe never ends.
        match fs::symlink_metadata(&place) {
            Ok(metadata) if metadata.is_file() && metadata.len() <= MAX_BYTES => {}
            Ok(_) => return Ok(None),
            Err(error) if matches!(error.kind(), ErrorKind::NotFound | ErrorKind::NotADirectory) => {
                return Ok(None);
            }
            Err(error) => return Err(error),
        }
        let mut bytes = Vec::new();
        fs::File::open(place)?.take(MAX_BYTES).read_to_end(&mut bytes)?;
        Ok(Some(bytes))
    }
}

/// What git knows of, and what it does not ignore; nothing where there is no git or no repository.
fn listed_by_git(root: &Path) -> Option<Vec<String>> {
    let mut git = Command::new("git");
    git.args(["ls-files", "-z", "--cached", "--others", "--exclude-standard"]).current_dir(root);
    // The repository is the directory's own, not that of a hook that runs us.
    for name in ["GIT_DIR", "GIT_WORK_TREE", "GIT_INDEX_FILE"] {
        git.env_remove(name);
    }
    let output = git.stdin(Stdio::null()).stderr(Stdio::null()).output().ok()?;
    if !output.status.success() {
        return None;
    }
    let names = output.stdout.split(|byte| *byte == 0).filter(|name| !name.is_empty());
    let names: Vec<String> = names.filter_map(|name| String::from_utf8(name.to_vec()).ok()).collect();
    let is_file = |name: &String| {
        fs::symlink_metadata(root.join(name)).is_ok_and(|metadata| metadata.is_file())
            || linked(root, name).is_some()
    };
    let names: Vec<String> = names.into_iter().filter(is_file).collect();
    // A directory that is itself ignored has no files for git, and is meant all the same.
    (!names.is_empty()).then_some(names)
}

/// The file that a link of the repository leads to, if that is the repository's too.
fn linked(root: &Path, path: &str) -> Option<PathBuf> {
    let place = root.join(path);
    fs::symlink_metadata(&place).ok().filter(fs::Metadata::is_symlink)?;
    let target = fs::canonicalize(place).ok()?;
    let inside = target.strip_prefix(fs::canonicalize(root).ok()?).ok()?;
    let own = inside.components().all(|part| part.as_os_str() != ".git");
    (own && target.is_file()).then_some(target)
}

fn walk(root: &Path, directory: &Path, prefix: &str, found: &mut Vec<String>) -> io::Result<()> {
    for entry in fs::read_dir(directory)? {
        let entry = entry?;
        let Ok(name) = entry.file_name().into_string() else { continue };
        let path = if prefix.is_empty() { name.clone() } else { format!("{prefix}/{name}") };
        let kind = entry.file_type()?;
        let is_file = kind.is_file() || (kind.is_symlink() && linked(root, &path).is_some());
        if is_file && found.len() < MAX_FILES {
            found.push(path);
        } else if kind.is_dir() && !SKIPPED.contains(&name.as_str()) && path.matches('/').count() < 40 {
            walk(root, &entry.path(), &path, found)?;
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn files_of_a_directory() {
        let directory = tempfile::tempdir().expect("a directory");
        for path in ["a/Dockerfile", "a/b/x.yaml", "node_modules/x/Dockerfile"] {
            let path = directory.path().join(path);
            fs::create_dir_all(path.parent().expect("it has one")).expect("it is made");
            fs::write(path, "x").expect("it is written");
        }
        std::os::unix::fs::symlink("../Dockerfile", directory.path().join("a/b/Dockerfile")).expect("a link");
        std::os::unix::fs::symlink("/etc/passwd", directory.path().join("a/out")).expect("a link");
        let open = |only: &[&str]| {
            let only: Vec<String> = only.iter().map(|only| (*only).to_owned()).collect();
            Repository::open(directory.path(), &only).expect("it opens").paths
        };
        assert_eq!(open(&[]), ["a/Dockerfile", "a/b/Dockerfile", "a/b/x.yaml"]);
        assert_eq!(open(&["a/b"]), ["a/b/Dockerfile", "a/b/x.yaml"]);
        assert_eq!(open(&["node_modules/x/Dockerfile"]), ["node_modules/x/Dockerfile"]);
        let repository = Repository::open(directory.path(), &[]).expect("it opens");
        assert_eq!(repository.read("a/Dockerfile").expect("it is read"), Some(b"x".to_vec()));
        assert_eq!(repository.read("a/b/Dockerfile").expect("it is read"), Some(b"x".to_vec()));
        assert_eq!(repository.read("a/out").expect("it is not"), None);
        assert_eq!(repository.read("a/none").expect("it is looked for"), None);
    }
}
