//! `kapok load` and `kapok save`.

use std::fs::File;
use std::io::{BufReader, BufWriter, Read, Write};
use std::path::Path;

use oci::archive::{self, Export, Loaded};
use oci::store::{Batch, Store};

use crate::cli::archive::{ArchiveFormat, Load, Save};
use crate::exit::Exit;
use crate::failure::Failure;
use crate::program::{Program, find_image, image_name};

/// Loads images, and gives them the names that the archive or the user says.
pub fn load(program: &Program, arguments: &Load) -> Result<Exit, Failure> {
    let names = arguments.tag.iter().map(|name| image_name(name)).collect::<Result<Vec<_>, _>>()?;
    let store = program.store(&program.settings()?)?;
    let mut images = read(&store, arguments.input.as_deref(), program)?;
    match images.as_mut_slice() {
        [only] if !names.is_empty() => only.references = names,
        _ if !names.is_empty() => {
            return Err(Failure::usage_with(
                format!("the archive holds {} images, and `--tag` names one", images.len()),
                "load it without `--tag`, then use `kapok tag`",
            ));
        }
        _ => {}
    }
    let batch = Batch {
        images: images.iter().map(|image| image.digest).collect(),
        tags: images
            .iter()
            .flat_map(|image| image.references.iter().map(|name| (name.clone(), image.digest)))
            .collect(),
        ..Batch::default()
    };
    store.commit(&batch)?;
    for image in &images {
        program.data(&report(image, arguments.quiet))?;
    }
    Ok(Exit::Done)
}

fn read(store: &Store, input: Option<&Path>, program: &Program) -> Result<Vec<Loaded>, Failure> {
    let Some(path) = input else {
        if std::io::IsTerminal::is_terminal(&std::io::stdin()) {
            return Err(Failure::usage_with(
                "there is no archive on standard input",
                "name one with `--input FILE`",
            ));
        }
        return Ok(archive::load(&mut std::io::stdin().lock(), store)?);
    };
    let path = program.environment.directory.join(path);
    if path.is_dir() {
        return Ok(archive::load_layout(&path, store)?);
    }
    let file = File::open(&path).map_err(Failure::file("read", &path))?;
    let mut reader: Box<dyn Read> = Box::new(BufReader::with_capacity(1 << 20, file));
    Ok(archive::load(&mut reader, store)?)
}

fn report(image: &Loaded, quiet: bool) -> String {
    if quiet || image.references.is_empty() {
        let prefix = if quiet { "" } else { "loaded: " };
        return format!("{prefix}{}\n", image.digest);
    }
    image.references.iter().map(|name| format!("loaded: {}\n", name.familiar())).collect()
}

/// Saves images under the names by which they were asked for.
pub fn save(program: &Program, arguments: &Save) -> Result<Exit, Failure> {
    let store = program.store(&program.settings()?)?;
    let images = exports(&store, &arguments.images)?;
    for image in &images {
        crate::snapshot::bring(program, &store, &image.digest)?;
    }
    let output = arguments.output.as_ref().filter(|path| path.as_os_str() != "-");
    let directory = &program.environment.directory;
    match (arguments.format, output) {
        (ArchiveFormat::OciDir, Some(path)) => archive::save_layout(&directory.join(path), &images, &store)?,
        (ArchiveFormat::OciDir, None) => {
            return Err(Failure::usage(
                "a directory cannot go to standard output; give `--output DIRECTORY`",
            ));
        }
        (format, Some(path)) => write_file(&directory.join(path), &images, format, &store)?,
        (_, None) if program.terminal.stdout_is_terminal => {
            return Err(Failure::usage_with(
                "an archive is not written to a terminal",
                "give `--output FILE`, or redirect standard output",
            ));
        }
        (format, None) => {
            let mut out = BufWriter::with_capacity(1 << 20, std::io::stdout().lock());
            write(&mut out, &images, format, &store)?;
            out.flush().map_err(Failure::Output)?;
        }
    }
    Ok(Exit::Done)
}

/// The images, those with the same digest once with all their names.
fn exports(store: &Store, names: &[String]) -> Result<Vec<Export>, Failure> {
    let mut exports: Vec<Export> = Vec::new();
    for name in names {
        let digest = find_image(store, name)?.digest;
        // A name that is one goes into the archive; a digest or the beginning of an id gives none.
        let reference = image_name(name).ok().filter(|reference| {
            store
                .resolve_reference(reference)
                .is_ok_and(|found| found.is_some_and(|found| found.digest == digest))
        });
        match exports.iter_mut().find(|export| export.digest == digest) {
            Some(export) => export.references.extend(reference),
            None => exports.push(Export { digest, references: reference.into_iter().collect() }),
        }
    }
    Ok(exports)
}

fn write(
    out: &mut dyn Write,
    images: &[Export],
    format: ArchiveFormat,
    store: &Store,
) -> Result<(), Failure> {
    match format {
        ArchiveFormat::DockerArchive => archive::save_docker(out, images, store)?,
        ArchiveFormat::Oci | ArchiveFormat::OciDir => archive::save_oci(out, images, store)?,
    }
    Ok(())
}

/// Writes a file beside its place and renames it, so that no half archive is ever seen. What is no file (a pipe, a
/// device) is written as it is.
fn write_file(path: &Path, images: &[Export], format: ArchiveFormat, store: &Store) -> Result<(), Failure> {
    crate::files::replace(path, |out| write(out, images, format, store))
}
