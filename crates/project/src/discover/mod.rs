//! What a repository has: `kapok.yaml`, or manifests, or Dockerfiles.

mod applications;
mod binary;
mod build_config;
mod collect;
mod dockerfiles;
mod image_stream;
mod kustomize;
mod left_out;
mod makefile;
mod object;
mod patch;
mod remote;
mod revision;
mod select;
mod tekton;
mod template;
#[cfg(test)]
mod tests;
#[cfg(test)]
mod tests_openshift;
#[cfg(test)]
mod tests_order;

use crate::Files;
use crate::declaration;
use crate::finding::{Code, Finding};
use crate::model::{Project, ProjectSource};
use crate::place::{Place, Text};

pub use dockerfiles::is_dockerfile;

/// What is known of a repository besides its files.
#[derive(Clone, Debug, Default)]
pub struct Given {
    /// The name of the root's directory, for a Dockerfile that stands in it.
    pub name: String,
    /// URLs of the repository: its remotes. A BuildConfig's `source.git` with one of them means the files at hand.
    pub remotes: Vec<String>,
}

/// The project's own file.
pub const FILE: &str = "kapok.yaml";

/// What a repository says it builds: `kapok.yaml` if it has images, else manifests, else Dockerfiles, on the bases and with
/// the certificates that `kapok.yaml` names.
pub fn load(files: &dyn Files, given: &Given) -> Project {
    let Some(declared) = declaration::load(files, FILE) else { return discover(files, given) };
    if declared.source != ProjectSource::Nothing {
        return declared;
    }
    let mut project = discover(files, given);
    project.bases.extend(declared.bases);
    project.ca = project.ca.or(declared.ca);
    project.findings.extend(declared.findings);
    project
}

/// What manifests and Dockerfiles say, whatever `kapok.yaml` says.
pub fn discover(files: &dyn Files, given: &Given) -> Project {
    let mut project = collect::collect(files, given);
    project.images.sort_by(|one, other| one.name.cmp(&other.name));
    project.findings.sort_by(|one, other| (&one.place, one.code).cmp(&(&other.place, other.code)));
    project.findings.dedup();
    project.unsupported.sort_by(|one, other| (&one.place, &one.what).cmp(&(&other.place, &other.what)));
    project.unsupported.dedup();
    if project.images.is_empty() {
        project.source = ProjectSource::Nothing;
    }
    project
}

/// A file as text; what cannot be read is a finding.
fn read(files: &dyn Files, path: &str, findings: &mut Vec<Finding>) -> Option<Text> {
    match files.read(path) {
        Ok(bytes) => bytes.map(|bytes| Text::new(path, &String::from_utf8_lossy(&bytes))),
        Err(error) => {
            let message = format!("`{path}` cannot be read: {error}");
            findings.push(Finding::error(Code::Unreadable, Place::start(path), message));
            None
        }
    }
}
