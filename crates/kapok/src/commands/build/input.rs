//! What a build is made from: its context, the Dockerfile and the ignore file, found as docker finds them.

use std::io::{ErrorKind, Read};
use std::path::{Path, PathBuf};

use dockerfile::Source;

use super::context::{Means, Opened, is_url};
use crate::cli;
use crate::failure::Failure;

/// No Dockerfile is larger; the parser takes one of this size in its stride.
const MAX_BYTES: u64 = 16 << 20;

/// Names under which a Dockerfile is looked for, in this order.
const NAMES: [&str; 3] = ["Dockerfile", "Containerfile", "dockerfile"];

/// Everything that a build reads before it is planned.
pub struct Input {
    /// The Dockerfile, under the name that the user knows.
    pub source: Source,
    /// The ignore file.
    pub ignore: Option<Source>,
    /// The build context.
    pub context: Opened,
}

/// Finds and reads it all.
pub fn find(flags: &cli::build::Input, means: &Means<'_>) -> Result<Input, Failure> {
    let file = flags.file.as_deref();
    if flags.context == "-" && file == Some(Path::new("-")) {
        return Err(Failure::usage("build context and Dockerfile cannot both come from standard input"));
    }
    let context = means.open(&flags.context)?;
    let (source, path) = dockerfile(file, &flags.context, &context, means)?;
    let ignore = ignore_file(&context, path.as_deref())?;
    Ok(Input { source, ignore, context })
}

/// The Dockerfile and its path, where it has one.
fn dockerfile(
    file: Option<&Path>,
    word: &str,
    context: &Opened,
    means: &Means<'_>,
) -> Result<(Source, Option<PathBuf>), Failure> {
    match file {
        Some(path) if path == Path::new("-") => {
            let bytes = read_bounded(&mut std::io::stdin().lock(), path)?;
            Ok((source("<standard input>", bytes), None))
        }
        Some(path) if path.to_str().is_some_and(is_url) => {
            let url = path.to_string_lossy();
            Ok((source(&url, means.fetch_text(&url, MAX_BYTES)?), None))
        }
        Some(path) => named(path, context, means.directory),
        None => match (&context.dockerfile, &context.directory) {
            (Some(bytes), _) => {
                let name = if word == "-" { "<standard input>" } else { word };
                Ok((source(name, bytes.clone()), None))
            }
            (None, Some(directory)) => default(directory, word, context),
            (None, None) => Err(Failure::usage("there is no Dockerfile")),
        },
    }
}

/// The file that `--file` names: relative to the working directory, else to the build context; of a context from
/// elsewhere only to that.
fn named(path: &Path, context: &Opened, working: &Path) -> Result<(Source, Option<PathBuf>), Failure> {
    let in_context = context.directory.as_ref().map(|directory| directory.join(path));
    let here = working.join(path);
    let candidates = match (context.foreign, in_context) {
        (true, Some(inside)) => vec![inside],
        (_, Some(inside)) if !here.exists() => vec![here, inside],
        _ => vec![here],
    };
    let found = candidates.iter().find(|candidate| candidate.exists()).or(candidates.first());
    let found = found.ok_or_else(|| Failure::usage("there is no Dockerfile"))?;
    if context.foreign && !found.exists() {
        // Where it was unpacked to is nobody's business.
        return Err(Failure::usage(format!("there is no `{}` in the build context", path.display())));
    }
    let bytes = read(found, context)?;
    Ok((source(&path.to_string_lossy(), bytes), Some(found.clone())))
}

/// The Dockerfile of a context that nobody named.
fn default(directory: &Path, word: &str, context: &Opened) -> Result<(Source, Option<PathBuf>), Failure> {
    for name in NAMES {
        let path = directory.join(name);
        if path.is_file() {
            let bytes = read(&path, context)?;
            return Ok((source(&shown(word, name, context.foreign), bytes), Some(path)));
        }
    }
    Err(Failure::usage_with(
        format!(
            "there is neither `Dockerfile` nor `Containerfile` in `{}`",
            if word.is_empty() { "." } else { word }
        ),
        "name the Dockerfile with `--file`",
    ))
}

/// The file's name as the user would write it.
fn shown(context: &str, name: &str, foreign: bool) -> String {
    match context {
        "" | "." | "./" | "-" => name.to_owned(),
        _ if foreign => name.to_owned(),
        directory => format!("{}/{name}", directory.trim_end_matches('/')),
    }
}

/// `<Dockerfile>.dockerignore` beside the Dockerfile, else `.dockerignore` of the context.
fn ignore_file(context: &Opened, dockerfile: Option<&Path>) -> Result<Option<Source>, Failure> {
    let Some(directory) = &context.directory else { return Ok(None) };
    let beside = dockerfile.map(|path| {
        let mut name = path.file_name().unwrap_or_default().to_owned();
        name.push(".dockerignore");
        path.with_file_name(name)
    });
    for path in beside.into_iter().chain([directory.join(".dockerignore")]) {
        if path.is_file() {
            let name = path.strip_prefix(directory).unwrap_or(&path).display().to_string();
            return Ok(Some(source(&name, read(&path, context)?)));
        }
    }
    Ok(None)
}

/// Reads a file of the context. In one from elsewhere a link must not lead to this machine's files, whose text would
/// then stand in messages.
fn read(path: &Path, context: &Opened) -> Result<Vec<u8>, Failure> {
    let failed = || Failure::file("read", path);
    if let (true, Some(directory)) = (context.foreign, &context.directory) {
        let real = path.canonicalize().map_err(failed())?;
        let root = directory.canonicalize().map_err(failed())?;
        if !real.starts_with(root) {
            return Err(Failure::usage(format!("`{}` is a link out of the build context", path.display())));
        }
    }
    let mut file = std::fs::File::open(path).map_err(failed())?;
    if file.metadata().is_ok_and(|metadata| metadata.is_dir()) {
        return Err(failed()(ErrorKind::IsADirectory.into()));
    }
    read_bounded(&mut file, path)
}

/// Reads to the end, but not for ever.
pub fn read_bounded(input: &mut dyn Read, path: &Path) -> Result<Vec<u8>, Failure> {
    let mut bytes = Vec::new();
    input.take(MAX_BYTES + 1).read_to_end(&mut bytes).map_err(Failure::file("read", path))?;
    if bytes.len() as u64 > MAX_BYTES {
        return Err(Failure::usage(format!(
            "`{}` is larger than 16 MiB: it is no Dockerfile",
            path.display()
        )));
    }
    Ok(bytes)
}

/// Bytes that are no UTF-8 stand mostly in comments; they must not hinder a build.
fn source(name: &str, bytes: Vec<u8>) -> Source {
    Source::new(
        name,
        String::from_utf8(bytes)
            .unwrap_or_else(|error| String::from_utf8_lossy(error.as_bytes()).into_owned()),
    )
}
