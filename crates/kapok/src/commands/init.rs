//! `kapok init`: `kapok.yaml` from what a repository has.

#[cfg(test)]
mod tests;
mod written;

use crate::cli::project::Init;
use crate::exit::Exit;
use crate::failure::Failure;
use crate::files;
use crate::program::Program;
use crate::projects;
use crate::ui::format::counted;

/// Writes the file.
pub fn run(program: &Program, arguments: &Init) -> Result<Exit, Failure> {
    let loaded = projects::discover(&program.environment.directory)?;
    if loaded.project.images.is_empty() {
        let hint = "Dockerfiles are `Dockerfile`, `Dockerfile.*`, `*.Dockerfile` and `Containerfile`";
        return Err(Failure::usage_with("there is neither a BuildConfig nor a Dockerfile here", hint));
    }
    let text = written::text(&loaded);
    if arguments.dry_run {
        program.data(&text)?;
        return Ok(Exit::Done);
    }
    let path = loaded.root.join("kapok.yaml");
    if path.exists() && !arguments.force {
        let hint = "`--force` replaces it, `--dry-run` prints what would be written";
        return Err(Failure::usage_with("`kapok.yaml` is there already", hint));
    }
    files::replace(&path, |out| out.write_all(text.as_bytes()).map_err(Failure::file("write", &path)))?;
    let images = counted(loaded.project.images.len() as u64, "image");
    program.say(&format!("wrote kapok.yaml: {images}, from {}", loaded.project.source));
    let unsupported = loaded.project.unsupported.iter();
    for listed in unsupported {
        program
            .say(&format!("not carried over: {} ({}:{})", listed.what, listed.place.file, listed.place.line));
    }
    Ok(Exit::Done)
}
