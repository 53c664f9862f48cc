//! What commands ask for: packages from package managers, downloads from the network.

mod downloads;
mod options;
mod packages;

use dockerfile::Span;
use dockerfile::shell::Value;

use super::dockerfile::{InstructionFacts, Scope};

pub use downloads::{Download, Fetcher, Target};
pub use options::{Argument, Arguments};
pub use packages::{Action, Manager, ManagerCommand, PackageRequest, Pin, RequestKind};
pub(in crate::facts) use packages::{conda_package, python_package};

/// Reads what the commands of a RUN ask for.
pub(super) fn read(facts: &mut InstructionFacts) {
    for (index, command) in facts.commands.iter().enumerate() {
        facts.managers.extend(packages::read(command).map(|found| (index, found)));
        let found = downloads::read(index, command, &facts.scope);
        facts.downloads.extend(found);
    }
}

/// Reads the downloads of an ADD.
pub(super) fn read_add(add: &dockerfile::Add, scope: &Scope, escape: char, facts: &mut InstructionFacts) {
    let destination = scope.expand(&add.destination, escape);
    for source in &add.sources {
        let url = scope.expand(source, escape);
        if is_url(&url) || is_git(&url) {
            let fetcher = if is_git(&url) { Fetcher::AddGit } else { Fetcher::Add };
            facts.downloads.push(Download {
                checked: add.checksum.is_some(),
                ..Download::new(fetcher, url, source.span, Target::File(destination.clone()))
            });
        }
    }
}

/// Whether a word is a URL of something to fetch.
pub fn is_url(value: &Value) -> bool {
    let prefix = value.prefix().to_ascii_lowercase();
    ["http://", "https://", "ftp://", "ftps://"].iter().any(|scheme| prefix.starts_with(scheme))
}

/// Whether ADD takes a word for a git repository.
pub fn is_git(value: &Value) -> bool {
    let text = value.text();
    let base = text.split(['#', '?']).next().unwrap_or_default();
    text.starts_with("git@")
        || text.starts_with("git://")
        || text.starts_with("ssh://")
        || (text.starts_with("http") && base.ends_with(".git"))
}

/// A stretch of the instruction and what stands there.
#[derive(Debug, Clone)]
pub struct Spoken {
    /// The value.
    pub value: Value,
    /// Where.
    pub span: Span,
}
