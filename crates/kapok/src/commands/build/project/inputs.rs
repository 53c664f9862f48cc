//! What comes into a build context besides the repository's files: config maps and secrets of a cluster, as files, and files of
//! other images.
//!
//! The context is then a copy of the directory, of hard links where that is possible, with those files in it.

use std::fs;
use std::os::unix::fs::symlink;
use std::path::{Component, Path, PathBuf};

use build::engine::{self, Keep, Request};
use build::plan::NamedContexts;
use dockerfile::Source;
use oci::store::{Store, WorkDir};
use project::{Image, Input, InputKind};

use crate::cli::build::Build;
use crate::cli::values::SecretFrom;
use crate::export::Files;
use crate::failure::Failure;
use crate::program::Program;

/// A build context with more in it, as long as it is needed.
pub struct Overlay {
    /// Its directory.
    pub directory: PathBuf,
    _work: WorkDir,
}

/// Files by name, with their content.
type NamedFiles = Vec<(String, Vec<u8>)>;

/// The files that an image's inputs are, by their paths in the context; and inputs that cannot be had here.
fn files(program: &Program, flags: &Build, image: &Image) -> Result<(NamedFiles, Vec<String>), Failure> {
    let (mut files, mut lacking) = (Vec::new(), Vec::new());
    for input in &image.inputs {
        let at = |name: &str| format!("{}/{name}", input.destination.trim_matches('/'));
        match &input.kind {
            InputKind::ConfigMap { name, data } if data.is_empty() => {
                lacking.push(lack(input, &format!("the config map `{name}` is not declared here")));
            }
            InputKind::ConfigMap { data, .. } => {
                files.extend(data.iter().map(|(name, text)| (at(name), text.clone().into_bytes())));
            }
            InputKind::Secret(name) => match secret(program, flags, name)? {
                Some(found) => files.extend(found.into_iter().map(|(name, bytes)| (at(&name), bytes))),
                None => lacking.push(lack(
                    input,
                    &format!("the secret `{name}` is a cluster's; give its files with `--secret id={name},src=PATH`"),
                )),
            },
            // They come when that image is there.
            InputKind::Image { .. } => {}
        }
    }
    Ok((files, lacking))
}

fn lack(input: &Input, what: &str) -> String {
    format!("{what} ({})", input.place)
}

/// The files of a secret that the command line gives: those of a directory, or one.
fn secret(program: &Program, flags: &Build, name: &str) -> Result<Option<NamedFiles>, Failure> {
    let Some(flag) = flags.secret.iter().find(|flag| flag.id == name) else { return Ok(None) };
    let SecretFrom::File(path) = &flag.from else { return Ok(None) };
    let path = program.environment.directory.join(path);
    let failed = || Failure::file("read the secret", &path);
    let read = |path: &Path| {
        let name = path.file_name().unwrap_or_default().to_string_lossy().into_owned();
        fs::read(path).map(|bytes| (name, bytes))
    };
    if !path.is_dir() {
        return Ok(Some(vec![read(&path).map_err(failed())?]));
    }
    let mut files = Vec::new();
    for entry in fs::read_dir(&path).map_err(failed())? {
        let entry = entry.map_err(failed())?.path();
        if entry.is_file() {
            files.push(read(&entry).map_err(failed())?);
        }
    }
    Ok(Some(files))
}

/// The build context of an image that has inputs; nothing where it has none. What cannot be had is said.
pub fn overlay(
    program: &Program,
    flags: &Build,
    store: &Store,
    image: &Image,
    context: Option<&Path>,
) -> Result<Option<Overlay>, Failure> {
    let (files, lacking) = files(program, flags, image)?;
    for what in lacking {
        program.warn(&format!("image `{}`: {what}", image.name));
    }
    if files.is_empty() {
        return Ok(None);
    }
    let copied = copied(store, context)?;
    let failed = || Failure::file("copy the build context to", &copied.directory);
    for (path, bytes) in files {
        let target = within(&copied.directory, &path);
        if let Some(above) = target.parent() {
            fs::create_dir_all(above).map_err(failed())?;
        }
        // A name of a file in the repository must not be written through.
        let _ = fs::remove_file(&target);
        fs::write(&target, bytes).map_err(failed())?;
    }
    Ok(Some(copied))
}

/// A path of another image that comes into a build context.
pub struct Taken {
    /// The image of the project, by position among the jobs.
    pub job: Option<usize>,
    /// One from outside, by name.
    pub reference: String,
    /// The path in it.
    pub source: String,
    /// Where it goes.
    pub destination: String,
    /// Where that is said.
    pub place: String,
}

/// A build context with files of other images in it. `image` has an image's files, by number among what is taken.
pub fn with_images<E: From<Failure>>(
    store: &Store,
    context: Option<&Path>,
    taken: &[Taken],
    image: impl Fn(usize) -> Result<Files, E>,
) -> Result<Overlay, E> {
    let copied = copied(store, context)?;
    for (number, input) in taken.iter().enumerate() {
        let files = image(number)?;
        let part = files.at(&input.source).ok_or_else(|| {
            Failure::usage(format!("{}: `{}` has no `{}`", input.place, input.reference, input.source))
        })?;
        part.write_directory(&within(&copied.directory, &input.destination))?;
    }
    Ok(copied)
}

/// What brings all files of an image here: a build of nothing but that.
pub fn whole(request: &Request, number: usize, name: &str) -> Request {
    Request {
        id: format!("{}-input-{number}", request.id),
        name: format!("files for {}", request.name),
        project: String::new(),
        source: Source::new("source.images", format!("FROM {name}\n")),
        context: None,
        ignore: None,
        named_contexts: NamedContexts::new(),
        named_directories: std::collections::BTreeMap::new(),
        target: None,
        from_override: None,
        last_from_override: None,
        stage_env: Vec::new(),
        tags: Vec::new(),
        keep: Keep::Files,
        finishing: engine::Finishing::default(),
        pack_all: false,
        ..request.clone()
    }
}

/// A path in a context, which stays in it: a manifest of somebody's must not write elsewhere.
fn within(directory: &Path, path: &str) -> PathBuf {
    let inside = Path::new(path).components().filter(|part| matches!(part, Component::Normal(_)));
    directory.join(inside.collect::<PathBuf>())
}

fn copied(store: &Store, context: Option<&Path>) -> Result<Overlay, Failure> {
    let work = store.work_dir()?;
    let directory = work.path().join("context");
    let failed = || Failure::file("copy the build context to", &directory);
    match context {
        Some(context) => copy(context, &directory).map_err(failed())?,
        None => fs::create_dir(&directory).map_err(failed())?,
    }
    Ok(Overlay { directory, _work: work })
}

fn copy(from: &Path, to: &Path) -> std::io::Result<()> {
    fs::create_dir(to)?;
    fs::set_permissions(to, fs::metadata(from)?.permissions())?;
    for entry in fs::read_dir(from)? {
        let entry = entry?;
        let (path, target) = (entry.path(), to.join(entry.file_name()));
        let kind = entry.file_type()?;
        if kind.is_dir() {
            // The repository's own history is in no image.
            if entry.file_name() != ".git" {
                copy(&path, &target)?;
            }
        } else if kind.is_symlink() {
            symlink(fs::read_link(&path)?, &target)?;
        } else if kind.is_file() && fs::hard_link(&path, &target).is_err() {
            fs::copy(&path, &target)?;
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_copy_is_the_same_and_the_original_stays() {
        let place = tempfile::tempdir().expect("a directory");
        let (from, to) = (place.path().join("from"), place.path().join("to"));
        fs::create_dir_all(from.join("a/b")).expect("made");
        fs::write(from.join("a/b/c"), "text").expect("written");
        symlink("a/b", from.join("link")).expect("made");
        copy(&from, &to).expect("copied");
        assert_eq!(fs::read_to_string(to.join("link/c")).expect("read"), "text");
        fs::remove_file(to.join("a/b/c")).expect("removed");
        assert!(from.join("a/b/c").exists());
    }
}
