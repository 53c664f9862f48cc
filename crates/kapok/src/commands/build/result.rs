//! What a build leaves outside of the store: outputs, files for scripts, the summary.

use std::io::{BufWriter, Write};
use std::path::Path;
use std::time::Duration;

use build::engine::{Built, BuiltPlatform, Difference, Event, Request};
use oci::archive::{self, Export};
use oci::store::{Layer, Store, StoreError};
use serde_json::json;

use super::request;
use super::sharing::Shared;
use crate::cli::build::{Build, Progress};
use crate::cli::values::{Destination, OutputFlag, OutputKind};
use crate::exit::Exit;
use crate::export::Files;
use crate::failure::Failure;
use crate::files;
use crate::program::Program;
use crate::ui::state::State;
use crate::ui::{format, json, summary};

/// Refuses before the build what could not be delivered after it.
pub fn check(program: &Program, arguments: &Build) -> Result<(), Failure> {
    let to_stdout =
        arguments.output.iter().filter(|output| output.destination == Some(Destination::Stdout)).count();
    if to_stdout > 1 {
        return Err(Failure::usage("only one `--output` can go to standard output"));
    }
    if to_stdout == 1 && program.terminal.stdout_is_terminal {
        return Err(Failure::usage_with(
            "an archive is not written to a terminal",
            "give `dest=FILE`, or redirect standard output",
        ));
    }
    Ok(())
}

/// Writes everything that was asked for, then tells.
pub fn deliver(
    program: &Program,
    arguments: &Build,
    request: &Request,
    store: &Store,
    built: &Built,
    shared: &Shared,
    state: &State,
) -> Result<(), Failure> {
    for output in &arguments.output {
        write_output(program, output, request, store, built)?;
    }
    let directory = &program.environment.directory;
    let digest = built.image.digest.to_string();
    if let Some(path) = &arguments.iidfile {
        files::replace(&directory.join(path), |out| put(out, digest.as_bytes(), path))?;
    }
    if let Some(path) = &arguments.metadata_file {
        let metadata = metadata(request, built);
        files::replace(&directory.join(path), |out| put(out, metadata.as_bytes(), path))?;
    }
    for difference in &built.differences {
        tell_difference(program, difference, arguments.progress);
    }
    if arguments.quiet {
        let taken = arguments.output.iter().any(|output| output.destination == Some(Destination::Stdout));
        if !taken {
            program.data(&format!("{digest}\n"))?;
        }
    } else {
        tell_pushed(program, built, shared, arguments.progress, true);
        tell(program, request, store, built, state, arguments.progress)?;
        tell_pushed(program, built, shared, arguments.progress, false);
    }
    Ok(())
}

/// `--twice` asks a question: are the steps reproducible?
pub fn exit(built: &Built) -> Exit {
    if built.differences.is_empty() { Exit::Done } else { Exit::No }
}

/// Says where the image is: for programs before the line that is the last, for people below the summary.
fn tell_pushed(program: &Program, built: &Built, shared: &Shared, progress: Progress, before: bool) {
    let Some(pushed) = &shared.pushed else { return };
    let digest = built.image.digest.to_string();
    for name in pushed.names.iter().map(oci::Reference::familiar) {
        match (progress, before) {
            (Progress::Json, true) => {
                program.say(&json::pushed(built.wall + pushed.wall, &name, &digest, pushed.tally.bytes));
            }
            (Progress::Json, false) | (_, true) => {}
            (_, false) => program.say(&format!(
                "  pushed   {name} ({} sent, {} after the build)",
                format::size(pushed.tally.bytes),
                format::duration(pushed.wall)
            )),
        }
    }
}

fn tell_difference(program: &Program, difference: &Difference, progress: Progress) {
    let message = format!("wrote `{}` differently: {}", difference.path, difference.what);
    program.say(&match progress {
        Progress::Json => {
            json::line(Duration::ZERO, &Event::Warning { message, step: Some(difference.step) })
        }
        _ => format!("#{} {message}", difference.step.number()),
    });
}

fn put(out: &mut dyn Write, bytes: &[u8], path: &Path) -> Result<(), Failure> {
    out.write_all(bytes).map_err(Failure::file("write", path))
}

fn tell(
    program: &Program,
    request: &Request,
    store: &Store,
    built: &Built,
    state: &State,
    progress: Progress,
) -> Result<(), Failure> {
    let names: Vec<String> = request.tags.iter().map(oci::Reference::familiar).collect();
    let size = files_size(store, built)?;
    let compressed = built.platforms.iter().map(|platform| platform.size).sum();
    let digest = built.image.digest.to_string();
    let result = summary::Result { digest: &digest, names: &names, size, compressed, largest: built.largest };
    program.say(&match progress {
        Progress::Json => json::built(built.wall, &digest, &names, size),
        _ => summary::lines(state, &result, built.wall).join("\n"),
    });
    Ok(())
}

/// Bytes of the files in all layers; unknown while some of them are elsewhere.
fn files_size(store: &Store, built: &Built) -> Result<Option<u64>, Failure> {
    let mut size = 0;
    for platform in &built.platforms {
        if !platform.all_layers {
            return Ok(None);
        }
        for id in &platform.layers {
            let Some(layer) = store.layer(id)? else { return Ok(None) };
            size += layer.index.total_size();
        }
    }
    Ok(Some(size))
}

/// Field names as buildx writes them, so that scripts find what they look for.
fn metadata(request: &Request, built: &Built) -> String {
    let (run, cached) = built.report.counts();
    let mut value = json!({
        "containerimage.digest": built.image.digest,
        "containerimage.descriptor": built.image,
        "image.name": request.tags.iter().map(ToString::to_string).collect::<Vec<_>>().join(","),
        "kapok.build": request.id,
        "kapok.steps": { "run": run, "cached": cached },
        "kapok.wall_ms": u64::try_from(built.wall.as_millis()).unwrap_or(u64::MAX),
    });
    if let [only] = built.platforms.as_slice() {
        value["containerimage.config.digest"] = json!(only.config);
    }
    serde_json::to_string_pretty(&value).unwrap_or_default() + "\n"
}

fn write_output(
    program: &Program,
    output: &OutputFlag,
    request: &Request,
    store: &Store,
    built: &Built,
) -> Result<(), Failure> {
    let names = if output.names.is_empty() { request.tags.clone() } else { request::names(&output.names)? };
    let images = [Export { digest: built.image.digest, references: names }];
    let destination = match &output.destination {
        Some(Destination::Path(path)) => Some(program.environment.directory.join(path)),
        _ => None,
    };
    match (output.kind, &destination) {
        (OutputKind::Image, _) => Ok(()),
        (OutputKind::Oci, Some(path)) if !output.archive => Ok(archive::save_layout(path, &images, store)?),
        (OutputKind::Docker, Some(_)) if !output.archive => {
            Err(Failure::usage("a docker archive is a file; leave `tar=false` out"))
        }
        (OutputKind::Local, Some(path)) => write_directory(program, path, store, built),
        (kind, path) => to(path.as_deref(), |out| match kind {
            OutputKind::Oci => Ok(archive::save_oci(out, &images, store)?),
            OutputKind::Docker => Ok(archive::save_docker(out, &images, store)?),
            _ => merged(store, built)?.write_tar(store, out),
        }),
    }
}

/// A file that appears whole, or standard output.
fn to(path: Option<&Path>, write: impl FnOnce(&mut dyn Write) -> Result<(), Failure>) -> Result<(), Failure> {
    match path {
        Some(path) => files::replace(path, write),
        None => {
            let mut out = BufWriter::with_capacity(1 << 20, std::io::stdout().lock());
            write(&mut out)?;
            out.flush().map_err(Failure::Output)
        }
    }
}

fn write_directory(program: &Program, path: &Path, store: &Store, built: &Built) -> Result<(), Failure> {
    for refused in merged(store, built)?.write_directory(path)? {
        program.warn(&format!("`{refused}` is a device, which only root can make"));
    }
    Ok(())
}

/// The files of all platforms; with several, each below a directory of its own, named as buildx does.
pub fn merged(store: &Store, built: &Built) -> Result<Files, Failure> {
    let mut all = Files::default();
    for platform in &built.platforms {
        let files = Files::of(&layers(store, platform)?);
        let name = platform.platform.to_string().replace('/', "_");
        all.append(if built.platforms.len() > 1 { files.below(&name) } else { files });
    }
    Ok(all)
}

fn layers(store: &Store, platform: &BuiltPlatform) -> Result<Vec<Layer>, Failure> {
    platform.layers.iter().map(|id| Ok(store.layer(id)?.ok_or(StoreError::NoLayer(*id))?)).collect()
}
