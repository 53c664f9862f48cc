//! Where a copy begins and ends: `quay.io/team/app:1`, `oci:DIRECTORY:TAG`, `docker-archive:FILE`, `store:NAME`.

use std::fmt;
use std::path::{Path, PathBuf};

use oci::Reference;

use crate::failure::Failure;
use crate::registry::Registries;

/// One end of a copy.
#[derive(Debug, PartialEq, Eq)]
pub enum Spot {
    /// An image in a registry.
    Registry(Reference),
    /// A layout, and the name within.
    Layout {
        /// Its directory.
        path: PathBuf,
        /// A tag, or a whole name.
        name: Option<String>,
    },
    /// An archive, and the name within.
    Archive {
        /// Its file.
        path: PathBuf,
        /// A whole name.
        name: Option<String>,
        /// What is written; any form is read.
        form: Form,
    },
    /// An image of the store.
    Store(String),
}

/// The form of an archive.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Form {
    /// An OCI layout as a tar.
    Oci,
    /// Docker's.
    Docker,
}

/// Kinds of places that skopeo has and Kapok has not.
const OTHERS: [&str; 6] = ["containers-storage:", "dir:", "docker-daemon:", "ostree:", "sif:", "tarball:"];

impl Spot {
    /// Reads it; paths begin at `directory`.
    pub fn parse(text: &str, directory: &Path, registries: &Registries) -> Result<Spot, Failure> {
        if let Some(name) = text.strip_prefix("docker://") {
            return Ok(Spot::Registry(registries.reference(name)?));
        }
        if let Some(name) = text.strip_prefix("store:").filter(|name| !name.is_empty()) {
            return Ok(Spot::Store(name.to_owned()));
        }
        if let Some(rest) = text.strip_prefix("oci:") {
            let (path, name) = path_and_name(rest, directory, text)?;
            return Ok(Spot::Layout { path, name });
        }
        for (prefix, form) in [("oci-archive:", Form::Oci), ("docker-archive:", Form::Docker)] {
            if let Some(rest) = text.strip_prefix(prefix) {
                let (path, name) = path_and_name(rest, directory, text)?;
                return Ok(Spot::Archive { path, name, form });
            }
        }
        if let Some(other) = OTHERS.iter().find(|other| text.starts_with(*other)) {
            let hint = "places are names in registries, `oci:DIRECTORY`, `oci-archive:FILE`, `docker-archive:FILE` and `store:NAME`";
            return Err(Failure::usage_with(format!("`kapok copy` does not know `{other}`"), hint));
        }
        Ok(Spot::Registry(registries.reference(text)?))
    }

    /// The name that the image has there, if it is a whole one.
    pub fn reference(&self) -> Option<Reference> {
        match self {
            Spot::Registry(reference) => reference.digest().is_none().then(|| reference.clone()),
            Spot::Store(name) => crate::program::image_name(name).ok(),
            Spot::Layout { name, .. } | Spot::Archive { name, .. } => {
                name.as_deref().filter(|name| name.contains([':', '/']))?.parse().ok()
            }
        }
    }

    /// The tag that the image has there.
    pub fn tag(&self) -> Option<&str> {
        match self {
            Spot::Registry(reference) => reference.tag(),
            Spot::Layout { name, .. } | Spot::Archive { name, .. } => {
                name.as_deref().map(|name| name.rsplit(':').next().unwrap_or(name))
            }
            Spot::Store(name) => {
                let last = name.rsplit('/').next()?;
                last.split_once(':').map(|(_, tag)| tag).filter(|_| !last.contains('@'))
            }
        }
    }
}

/// `PATH[:NAME]`; a path with a colon is out of reach, as it is for skopeo.
fn path_and_name(rest: &str, directory: &Path, whole: &str) -> Result<(PathBuf, Option<String>), Failure> {
    let (path, name) = match rest.split_once(':') {
        Some((path, name)) => (path, Some(name.to_owned()).filter(|name| !name.is_empty())),
        None => (rest, None),
    };
    if path.is_empty() {
        return Err(Failure::usage(format!("`{whole}` names no file")));
    }
    Ok((directory.join(path), name))
}

impl fmt::Display for Spot {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (kind, path, name) = match self {
            Spot::Registry(reference) => return f.write_str(&reference.familiar()),
            Spot::Store(name) => return write!(f, "store:{name}"),
            Spot::Layout { path, name } => ("oci", path, name),
            Spot::Archive { path, name, form: Form::Oci } => ("oci-archive", path, name),
            Spot::Archive { path, name, form: Form::Docker } => ("docker-archive", path, name),
        };
        write!(f, "{kind}:{}", path.display())?;
        name.as_ref().map_or(Ok(()), |name| write!(f, ":{name}"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::environment::Environment;
    use crate::registry::LazyRuntime;
    use crate::settings::Settings;

    #[track_caller]
    fn check(text: &str, expected: &str, tag: Option<&str>) {
        let registries =
            Registries::new(LazyRuntime::default(), &Environment::of(&[], false), &Settings::default());
        let spot = Spot::parse(text, Path::new("/work"), &registries);
        assert_eq!(
            spot.as_ref().map(ToString::to_string).map_err(ToString::to_string).unwrap_or_else(|e| e),
            expected
        );
        assert_eq!(spot.ok().as_ref().and_then(Spot::tag), tag);
    }

    #[test]
    fn the_two_ends() {
        check("docker://quay.io/a/b:1", "quay.io/a/b:1", Some("1"));
        check("debian", "debian:latest", Some("latest"));
        check("oci:out", "oci:/work/out", None);
        check("oci:/abs/out:v1", "oci:/abs/out:v1", Some("v1"));
        check("oci:out:quay.io/a/b:1", "oci:/work/out:quay.io/a/b:1", Some("1"));
        check("oci-archive:x.tar:1", "oci-archive:/work/x.tar:1", Some("1"));
        check("docker-archive:x.tar", "docker-archive:/work/x.tar", None);
        check("store:app:2", "store:app:2", Some("2"));
        check("store:localhost:5000/app", "store:localhost:5000/app", None);
        check("dir:x", "`kapok copy` does not know `dir:`", None);
        check("oci:", "`oci:` names no file", None);
    }
}
