//! `kapok vendor`, and what `kapok build --from-vendor` takes in.
//!
//! ```text
//! kapok.lock            what the images are made of
//! blobs/sha256/…        every body that it names
//! answers.jsonl         to which request each body was the answer, with status and headers: a line each, sorted
//! images/               base images, an OCI layout
//! ```

use std::collections::{BTreeMap, BTreeSet};
use std::fs::{self, File};
use std::io::{self, BufRead, BufReader, ErrorKind};
use std::path::Path;

use oci::Digest;
use oci::archive::{self, Export};
use oci::lock::{FILE_NAME, Lock};
use oci::store::{Batch, BlobWriter, Download, Store, StoreError};
use serde::{Deserialize, Serialize};

use crate::cli::vendor::Vendor;
use crate::exit::Exit;
use crate::failure::Failure;
use crate::program::Program;
use crate::{files, lock};

const ANSWERS: &str = "answers.jsonl";
const IMAGES: &str = "images";
const BLOBS: &str = "blobs/sha256";

/// A line of `answers.jsonl` is a request and its headers; a longer one is nobody's.
const LONGEST_LINE: u64 = 1 << 20;

/// An answer, as a line.
#[derive(Serialize, Deserialize)]
struct Answer {
    request: String,
    digest: Digest,
    size: u64,
    answer: String,
    fetched: i64,
}

/// Writes the directory.
pub fn run(program: &Program, arguments: &Vendor) -> Result<Exit, Failure> {
    let here = &program.environment.directory;
    let path = match &arguments.lock {
        Some(path) => here.join(path),
        None => crate::projects::root(here).unwrap_or_else(|| here.clone()).join(FILE_NAME),
    };
    let mut lock = lock::read(&path)?.ok_or_else(|| {
        Failure::usage_with(format!("there is no `{}`", path.display()), "write it with `kapok build --lock`")
    })?;
    choose(&mut lock, &arguments.image)?;
    let store = program.store(&program.settings()?)?;
    let directory = here.join(&arguments.directory);
    fs::create_dir_all(directory.join(BLOBS)).map_err(Failure::file("write", &directory))?;
    let bases: BTreeSet<Digest> =
        lock.images.values().flat_map(|image| image.bases.values().copied()).collect();
    let bodies: BTreeMap<Digest, u64> =
        lock.contents().into_iter().filter_map(|(digest, size)| Some((digest, size?))).collect();
    check(&lock, &bodies, &bases, &store)?;
    let mut answers = Vec::new();
    let mut written = 0;
    for digest in bodies.keys() {
        written += copy_out(&store, digest, &directory)?;
        answers.extend(store.downloads_of(digest)?.into_iter().map(Answer::from));
    }
    write_answers(&directory.join(ANSWERS), answers)?;
    for base in &bases {
        crate::snapshot::bring(program, &store, base)?;
    }
    if !bases.is_empty() {
        let exports = bases.iter().map(|digest| Export { digest: *digest, references: Vec::new() });
        archive::save_layout(&directory.join(IMAGES), &exports.collect::<Vec<_>>(), &store)?;
    }
    let text = lock.to_string();
    files::replace(&directory.join(FILE_NAME), |out| {
        out.write_all(text.as_bytes()).map_err(Failure::Output)
    })?;
    let size = crate::ui::format::size(bodies.values().sum());
    program.say(&format!(
        "vendored: {} files ({size}, {written} of them new) and {} base images in {}",
        bodies.len(),
        bases.len(),
        arguments.directory.display()
    ));
    Ok(Exit::Done)
}

/// Only the images that were asked for.
fn choose(lock: &mut Lock, names: &[String]) -> Result<(), Failure> {
    if let Some(unknown) = names.iter().find(|name| !lock.images.contains_key(*name)) {
        let known: Vec<String> = lock.images.keys().map(|name| format!("`{name}`")).collect();
        return Err(Failure::usage_with(
            format!("the lock has no image `{unknown}`"),
            format!("it has {}", known.join(", ")),
        ));
    }
    lock.images.retain(|name, _| names.is_empty() || names.contains(name));
    Ok(())
}

/// Everything must be there before the first file is written.
fn check(
    lock: &Lock,
    bodies: &BTreeMap<Digest, u64>,
    bases: &BTreeSet<Digest>,
    store: &Store,
) -> Result<(), Failure> {
    let mut missing = Vec::new();
    for digest in bodies.keys().chain(bases) {
        if !store.has_blob(digest)? {
            missing.push(*digest);
        }
    }
    let Some(first) = missing.first() else { return Ok(()) };
    let named = lock.images.values().find_map(|image| {
        let downloads =
            image.downloads.iter().filter_map(|(key, download)| Some((&key.url, download.content?)));
        let sources = image.sources.iter().map(|(url, source)| (url, source.content));
        let of_url = downloads.chain(sources).find(|(_, content)| content.digest == *first);
        let base = image.bases.iter().find(|(_, digest)| *digest == first).map(|((name, _), _)| name);
        of_url.map(|(url, _)| url).or(base).cloned()
    });
    Err(Failure::usage_with(
        format!(
            "the store lacks {} of what the lock names, the first is {} ({first})",
            missing.len(),
            named.unwrap_or_default()
        ),
        "fetch it with `kapok build --locked --no-cache`",
    ))
}

/// Copies a body, if it is not there yet; says how many were.
fn copy_out(store: &Store, digest: &Digest, directory: &Path) -> Result<usize, Failure> {
    let path = directory.join(BLOBS).join(digest.hex());
    if path.is_file() {
        return Ok(0);
    }
    let mut body = store.open_blob(digest)?;
    files::replace(&path, |out| io::copy(&mut body, out).map(drop).map_err(Failure::Output))?;
    Ok(1)
}

/// What an earlier day wrote stays: another lock may need it.
fn write_answers(path: &Path, answers: Vec<Answer>) -> Result<(), Failure> {
    let mut lines: BTreeSet<String> = BTreeSet::new();
    match fs::read_to_string(path) {
        Ok(text) => lines.extend(text.lines().map(str::to_owned)),
        Err(missing) if missing.kind() == ErrorKind::NotFound => {}
        Err(error) => return Err(Failure::file("read", path)(error)),
    }
    lines.extend(answers.iter().filter_map(|answer| serde_json::to_string(answer).ok()));
    files::replace(path, |out| {
        lines.iter().try_for_each(|line| writeln!(out, "{line}")).map_err(Failure::Output)
    })
}

impl From<Download> for Answer {
    fn from(download: Download) -> Answer {
        let Download { request, digest, size, answer, fetched } = download;
        Answer { request, digest, size, answer, fetched }
    }
}

/// Takes what a directory holds into the store, and gives its lock.
pub fn take_in(program: &Program, store: &Store, directory: &Path) -> Result<Lock, Failure> {
    let directory = program.environment.directory.join(directory);
    let path = directory.join(FILE_NAME);
    let lock = lock::read(&path)?.ok_or_else(|| {
        Failure::usage_with(
            format!("`{}` is no directory of `kapok vendor`: it has no `{FILE_NAME}`", directory.display()),
            "write it with `kapok vendor DIRECTORY`",
        )
    })?;
    let mut known = BTreeSet::new();
    for (digest, size) in lock.contents() {
        if size.is_some() && take_in_body(store, &digest, &directory)? {
            known.insert(digest);
        }
    }
    take_in_answers(store, &directory.join(ANSWERS), &known)?;
    let images = directory.join(IMAGES);
    if images.is_dir() {
        let loaded = archive::load_layout(&images, store)?;
        let images = loaded.iter().map(|image| image.digest).collect();
        store.commit(&Batch { images, ..Batch::default() })?;
    }
    store.commit_downloads()?;
    Ok(lock)
}

/// Takes in one body, whose bytes must be those of its name; says whether the store has it now.
fn take_in_body(store: &Store, digest: &Digest, directory: &Path) -> Result<bool, Failure> {
    if store.has_blob(digest)? {
        return Ok(true);
    }
    let path = directory.join(BLOBS).join(digest.hex());
    let mut file = match File::open(&path) {
        Ok(file) => file,
        Err(missing) if missing.kind() == ErrorKind::NotFound => return Ok(false),
        Err(error) => return Err(Failure::file("read", &path)(error)),
    };
    let mut body: BlobWriter<&Store> = store.blob_writer()?;
    io::copy(&mut file, &mut body).map_err(Failure::file("read", &path))?;
    body.finish_as(digest).map_err(|error| match error {
        StoreError::Io { .. } => Failure::from(error),
        _ => Failure::usage(format!("`{}` does not have the bytes of its name", path.display())),
    })?;
    Ok(true)
}

fn take_in_answers(store: &Store, path: &Path, known: &BTreeSet<Digest>) -> Result<(), Failure> {
    let file = match File::open(path) {
        Ok(file) => file,
        Err(missing) if missing.kind() == ErrorKind::NotFound => return Ok(()),
        Err(error) => return Err(Failure::file("read", path)(error)),
    };
    let mut reader = BufReader::new(file);
    for number in 1.. {
        let mut line = String::new();
        let read = io::Read::take(&mut reader, LONGEST_LINE).read_line(&mut line);
        if read.map_err(Failure::file("read", path))? == 0 {
            break;
        }
        let answer: Answer = serde_json::from_str(&line)
            .map_err(|error| Failure::usage(format!("`{}`, line {number}: {error}", path.display())))?;
        if known.contains(&answer.digest) {
            let Answer { request, digest, size, answer, fetched } = answer;
            store.keep_download(Download { request, digest, size, answer, fetched });
        }
    }
    Ok(())
}
