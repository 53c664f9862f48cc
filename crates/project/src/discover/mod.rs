//! What a repository has: `kapok.yaml`, or manifests, or Dockerfiles.

mod dockerfiles;

pub use dockerfiles::is_dockerfile;

use crate::Files;
use crate::finding::{Code, Finding};
use crate::place::{Place, Text};

/// What is known of a repository besides its files.
#[derive(Clone, Debug, Default)]
pub struct Given {
    /// The name of the root's directory, for a Dockerfile that stands in it.
    pub name: String,
    /// URLs of the repository: its remotes. A BuildConfig's `source.git` with one of them means the files at hand.
    pub remotes: Vec<String>,
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
