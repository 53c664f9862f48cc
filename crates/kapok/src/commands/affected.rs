//! `kapok affected`: the images that a change touches, in an order to build them in, with the reason.

use std::process::{Command, Stdio};

use oci::store::Store;
use project::affected::{Affected, Change, affected, nodes_of};
use serde_json::json;

use crate::cli::Format;
use crate::cli::project::Affected as Arguments;
use crate::exit::Exit;
use crate::failure::Failure;
use crate::program::Program;
use crate::projects::{self, Loaded};
use crate::ui::table::table;

/// Of each image so many builds are looked through for a package: the latest that did not only find results.
const BUILDS: usize = 1;

/// Lists the images.
pub fn run(program: &Program, arguments: &Arguments) -> Result<Exit, Failure> {
    let loaded = projects::load(&program.environment.directory)?;
    let mut changes = Vec::new();
    for file in &arguments.file {
        changes.push(Change::File(relative(program, &loaded, file)?));
    }
    for base in &arguments.base {
        if nodes_of(&loaded.project, &loaded.graph, base).is_empty() {
            program.say(&format!("no image of the project uses `{base}`"));
        }
        changes.push(Change::Base(base.clone()));
    }
    if let Some(word) = arguments.package.iter().find(|word| !word.starts_with("pkg:")) {
        let hint = "write it as `kapok explain IMAGE#STEP` shows it: `pkg:deb/debian/curl`, with or without `@VERSION`";
        return Err(Failure::usage_with(format!("`{word}` is no package URL"), hint));
    }
    if !arguments.package.is_empty() {
        let store = program.store(&program.settings_for(&loaded.root)?)?;
        changes.push(Change::Images(with_packages(program, &loaded, &store, &arguments.package)?));
    }
    if let Some(revision) = &arguments.since {
        changes.extend(changed_since(&loaded, revision)?);
    } else if changes.is_empty() {
        changes.extend(changed_since(&loaded, "HEAD")?);
    }
    let found = affected(&loaded.project, &loaded.graph, &loaded.files, &changes);
    if found.is_empty() && arguments.format == Format::Table {
        program.say("no image of the project is affected");
    }
    program.data(&match arguments.format {
        Format::Table => text(&loaded, &found),
        Format::Json => json(&loaded, &found),
    })?;
    Ok(Exit::Done)
}

/// A file as the project names it.
fn relative(program: &Program, loaded: &Loaded, file: &str) -> Result<String, Failure> {
    let path = program.environment.directory.join(file);
    let directory = path.parent().unwrap_or(&path);
    // The file itself need not be there any more.
    let directory = directory.canonicalize().unwrap_or_else(|_| directory.to_owned());
    let path = path.file_name().map_or(directory.clone(), |name| directory.join(name));
    let below = path.strip_prefix(&loaded.root).ok().and_then(|path| path.to_str());
    below.map(str::to_owned).ok_or_else(|| Failure::usage(format!("`{file}` is not in the project")))
}

/// Files below the project that differ from a commit's, and files that git does not know.
fn changed_since(loaded: &Loaded, revision: &str) -> Result<Vec<Change>, Failure> {
    let commit = git(
        loaded,
        &["rev-parse", "--verify", "--quiet", "--end-of-options", &format!("{revision}^{{commit}}")],
    )
    .ok_or_else(|| {
        let hint = "`kapok affected --file FILE` asks for files without git";
        Failure::usage_with(format!("git knows no commit `{revision}` here"), hint)
    })?;
    let commit = commit.trim().to_owned();
    let listed = [
        git(loaded, &["diff", "--name-only", "--no-renames", "--relative", "-z", &commit, "--", "."]),
        git(loaded, &["ls-files", "--others", "--exclude-standard", "-z", "--", "."]),
    ];
    let names = listed.iter().flatten().flat_map(|names| names.split('\0')).filter(|name| !name.is_empty());
    Ok(names.map(|name| Change::File(name.to_owned())).collect())
}

/// What git says in the project's directory; nothing where it fails.
fn git(loaded: &Loaded, arguments: &[&str]) -> Option<String> {
    let mut git = Command::new("git");
    git.args(arguments).current_dir(&loaded.root);
    for name in ["GIT_DIR", "GIT_WORK_TREE", "GIT_INDEX_FILE"] {
        git.env_remove(name);
    }
    let output = git.stdin(Stdio::null()).stderr(Stdio::null()).output().ok()?;
    output.status.success().then(|| String::from_utf8_lossy(&output.stdout).into_owned())
}

/// Images whose latest build fetched one of these packages, with what it was.
fn with_packages(
    program: &Program,
    loaded: &Loaded,
    store: &Store,
    packages: &[String],
) -> Result<Vec<(usize, String)>, Failure> {
    let root = loaded.root.display().to_string();
    let mut found = Vec::new();
    let mut built = 0;
    for (number, image) in loaded.project.images.iter().enumerate() {
        for build in store.builds_of(&root, &image.name, BUILDS)? {
            built += 1;
            let report: build::engine::BuildReport = serde_json::from_str(&build.detail).unwrap_or_default();
            for digest in report.steps.iter().filter_map(|step| step.record.as_ref()) {
                let Ok(record) = store.record(digest) else { continue };
                let fetched = record.intakes.iter().filter_map(|intake| intake.purl.as_deref());
                for purl in fetched.filter(|purl| packages.iter().any(|wanted| is_package(wanted, purl))) {
                    let why = format!("`{}` fetched `{purl}`", crate::ui::text::cut(&record.instruction, 60));
                    if !found.contains(&(number, why.clone())) {
                        found.push((number, why));
                    }
                }
            }
        }
    }
    if built == 0 {
        program.say("no image of the project was built with this store yet, so nothing is known of packages");
    }
    Ok(found)
}

/// Whether a package is the one that is asked for; without a version any is. Qualifiers do not count unless they are given.
fn is_package(wanted: &str, purl: &str) -> bool {
    let plain = purl.split(['?', '#']).next().unwrap_or_default();
    if wanted == purl || wanted == plain {
        return true;
    }
    plain.rsplit_once('@').is_some_and(|(name, _)| name.eq_ignore_ascii_case(wanted))
}

fn text(loaded: &Loaded, found: &[Affected]) -> String {
    if found.is_empty() {
        return String::new();
    }
    let rows: Vec<Vec<String>> = found
        .iter()
        .map(|affected| vec![loaded.project.images[affected.image].name.clone(), affected.reasons.join("; ")])
        .collect();
    table(&["IMAGE", "WHY"], &rows)
}

fn json(loaded: &Loaded, found: &[Affected]) -> String {
    let images: Vec<serde_json::Value> = found
        .iter()
        .map(|affected| {
            json!({
                "image": loaded.project.images[affected.image].name,
                "direct": affected.direct,
                "reasons": affected.reasons,
            })
        })
        .collect();
    serde_json::to_string_pretty(&json!({ "affected": images })).unwrap_or_default() + "\n"
}

#[cfg(test)]
mod tests {
    use super::is_package;

    #[test]
    fn packages_are_asked_for_with_and_without_version() {
        for (wanted, purl, expected) in [
            ("pkg:pypi/requests", "pkg:pypi/requests@2.32.0", true),
            ("pkg:pypi/requests@2.32.0", "pkg:pypi/requests@2.32.0", true),
            ("pkg:pypi/requests@2.31.0", "pkg:pypi/requests@2.32.0", false),
            ("pkg:deb/debian/curl", "pkg:deb/debian/curl@7.88?arch=amd64", true),
            ("pkg:pypi/request", "pkg:pypi/requests@2.32.0", false),
        ] {
            assert_eq!(is_package(wanted, purl), expected, "{wanted} {purl}");
        }
    }
}
