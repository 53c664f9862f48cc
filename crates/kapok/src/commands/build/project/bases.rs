//! Bases that a project declares as assembled: made where the store has none that was made like this.

use oci::Reference;
use oci::store::Store;
use project::{Base, BaseKind, NodeKind};

use crate::cli::base::Debian;
use crate::cli::build::Build;
use crate::commands::base;
use crate::failure::Failure;
use crate::program::{Program, image_name};
use crate::projects::Loaded;
use crate::settings::Settings;

/// Sees to it that the store has the assembled bases that these images need. Which is there is used, however old, unless
/// `--pull` asks what the archive has by now.
pub fn provide(
    program: &Program,
    arguments: &Build,
    loaded: &Loaded,
    settings: &Settings,
    store: &Store,
    wanted: &[usize],
) -> Result<(), Failure> {
    let graph = &loaded.graph;
    let needed = |position: usize| {
        wanted.iter().any(|image| {
            graph
                .needs(graph.node_of(*image))
                .any(|edge| matches!(graph.nodes[edge.from.0].kind, NodeKind::Base(base) if base == position))
        })
    };
    for (position, declared) in loaded.project.bases.iter().enumerate() {
        let BaseKind::Debian { suite, packages, variant } = &declared.kind else { continue };
        if !needed(position) {
            continue;
        }
        if let Some(other) = variant.as_deref().filter(|variant| *variant != "minbase") {
            return Err(Failure::usage_with(
                format!("{}: base `{}`: there is no variant `{other}`", declared.place, declared.name),
                "write `variant: minbase`, or leave it out; `packages` adds what is missing",
            ));
        }
        let flags = flags(arguments, declared, suite, packages);
        if arguments.input.pull || !is_there(store, &name_of(declared)?, &base::command(&flags))? {
            base::make(program, &flags, settings, store)?;
        }
    }
    Ok(())
}

/// The name that a base has in the store.
pub fn name_of(base: &Base) -> Result<Reference, Failure> {
    let name = image_name(&base.name)?;
    Ok(if name.tag().is_some() { name } else { name.with_tag("latest").unwrap_or(name) })
}

fn flags(arguments: &Build, base: &Base, suite: &str, packages: &[String]) -> Debian {
    Debian {
        suite: suite.to_owned(),
        include: packages.to_vec(),
        components: Vec::new(),
        mirror: Vec::new(),
        keyring: Vec::new(),
        platform: arguments.input.platform.first().cloned(),
        tag: vec![base.name.clone()],
        compression: None,
        jobs: arguments.jobs,
        no_cache: false,
        iidfile: None,
        progress: arguments.progress,
        quiet: arguments.quiet,
    }
}

/// Whether an image of this name was assembled by this command.
fn is_there(store: &Store, name: &Reference, command: &str) -> Result<bool, Failure> {
    let Some(found) = store.resolve_reference(name)? else { return Ok(false) };
    let Some(image) = store.image(&found.digest, &oci::Platform::host())? else { return Ok(false) };
    let made_by = |line: &oci::config::History| line.created_by.as_deref() == Some(command);
    Ok(image.config.value().history.iter().any(made_by))
}
