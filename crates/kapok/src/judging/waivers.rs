//! The waivers' file: which one counts for a directory, and how it calls the files that are judged.

use std::collections::BTreeMap;
use std::path::{Component, Path, PathBuf};

use policy::{Facts, Waivers};
use project::Files;

use crate::projects;
use crate::repository::Repository;

/// A directory that waivers stand in, and their file.
#[derive(Clone, Debug)]
pub struct WaiversPlace {
    directory: PathBuf,
    file: String,
}

impl WaiversPlace {
    /// The file that is nearest above what is judged: as far as the directory of the nearest `kapok.yaml`, or without one as far as
    /// the working directory.
    pub fn near(judged: &Path, working: &Path, file: &str) -> WaiversPlace {
        let judged = real(judged);
        let top = projects::root(&judged).unwrap_or_else(|| real(working));
        let above = judged.ancestors().take_while(|above| above.starts_with(&top));
        let found = above.into_iter().find(|above| above.join(file).is_file()).unwrap_or(&judged);
        WaiversPlace { directory: found.to_owned(), file: file.to_owned() }
    }

    /// Whether the file stands in this very directory.
    pub fn is_in(&self, directory: &Path) -> bool {
        self.directory == real(directory)
    }

    /// Reads them for facts whose names are paths from `names`.
    pub fn load(&self, facts: &mut Facts, names: &Path) -> Waivers {
        if self.is_in(names) {
            return Waivers::load(facts, &Repository::unlisted(&self.directory), &self.file);
        }
        let Ok(Some(bytes)) = Repository::unlisted(&self.directory).read(&self.file) else {
            return Waivers::none();
        };
        let own = |name: &str| Some(relative(&existing(&names.join(name))?, &self.directory));
        let paths: BTreeMap<String, String> =
            facts.sources().filter_map(|(_, one)| Some((one.name.clone(), own(&one.name)?))).collect();
        let shown = relative(&self.directory.join(&self.file), &real(names));
        let waivers = Waivers::parse(facts, &shown, &String::from_utf8_lossy(&bytes));
        Waivers { paths, ..waivers }
    }
}

fn real(directory: &Path) -> PathBuf {
    directory.canonicalize().unwrap_or_else(|_| directory.to_owned())
}

/// Where a file is, without links on the way to it.
fn existing(file: &Path) -> Option<PathBuf> {
    file.is_file().then_some(())?;
    Some(file.parent()?.canonicalize().ok()?.join(file.file_name()?))
}

/// A path as seen from a directory, both without links.
fn relative(path: &Path, directory: &Path) -> String {
    let shared =
        path.components().zip(directory.components()).take_while(|(own, other)| own == other).count();
    let up = directory.components().skip(shared).map(|_| Component::ParentDir);
    up.chain(path.components().skip(shared)).collect::<PathBuf>().to_string_lossy().into_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_nearest_file_counts() {
        let here = tempfile::tempdir().expect("a directory");
        let here = here.path().canonicalize().expect("it is there");
        std::fs::create_dir_all(here.join("project/app/deep")).expect("they are made");
        let write = |path: &str| std::fs::write(here.join(path), "").expect("it is written");
        let near = |judged: &str, working: &str| {
            WaiversPlace::near(&here.join(judged), &here.join(working), "w.yaml").directory
        };
        write("w.yaml");
        assert_eq!(near("project/app", ""), here, "the working directory's");
        assert_eq!(near("project/app", "project"), here.join("project/app"), "nothing above it");
        assert_eq!(near("project/app", "project/app/deep"), here.join("project/app"));
        write("project/kapok.yaml");
        assert_eq!(near("project/app", ""), here.join("project/app"), "nothing above a project");
        write("project/w.yaml");
        assert_eq!(near("project/app/deep", ""), here.join("project"));
        write("project/app/w.yaml");
        assert_eq!(near("project/app/deep", ""), here.join("project/app"));
    }

    #[test]
    fn paths_from_directories() {
        for (path, directory, seen) in
            [("/a/b/c", "/a", "b/c"), ("/a/w", "/a/b/c", "../../w"), ("/a/b", "/c", "../a/b")]
        {
            assert_eq!(relative(Path::new(path), Path::new(directory)), seen);
        }
    }
}
