//! `--output`: what a build writes beside the store, and where.

use std::path::PathBuf;
use std::str::FromStr;

use super::{FormError, boolean, fields, form};

/// What kind of artifact an `--output` is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum OutputKind {
    /// An OCI layout: a tar archive, or a directory where `tar=false` is said.
    Oci,
    /// An archive that `docker load` takes.
    Docker,
    /// The root file system as a tar archive.
    Tar,
    /// The root file system as files in a directory.
    Local,
    /// The image in Kapok's own store, where it goes anyway.
    Image,
}

/// Where an `--output` goes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Destination {
    /// A file or directory.
    Path(PathBuf),
    /// Standard output.
    Stdout,
}

/// `type=oci|docker|tar|local,dest=PATH`, or docker's short forms `DIRECTORY` and `-` (a tar archive on standard output).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct OutputFlag {
    /// The kind of artifact.
    pub kind: OutputKind,
    /// Where it goes; `None` only for [`OutputKind::Image`].
    pub destination: Option<Destination>,
    /// An archive, or (for `type=oci,tar=false`) a directory.
    pub archive: bool,
    /// Names given to an image in it; without any, those of `--tag`.
    pub names: Vec<String>,
}

impl FromStr for OutputFlag {
    type Err = FormError;

    fn from_str(text: &str) -> Result<OutputFlag, FormError> {
        if text == "-" {
            return Ok(OutputFlag::new(OutputKind::Tar, Some(Destination::Stdout)));
        }
        if !text.contains('=') {
            return match text {
                "" => Err(form("expected `type=oci,dest=FILE`, a directory, or `-`")),
                directory => {
                    Ok(OutputFlag::new(OutputKind::Local, Some(Destination::Path(directory.into()))))
                }
            };
        }
        let (mut kind, mut destination, mut archive, mut names) = (None, None, true, Vec::new());
        for (key, value) in fields(text)? {
            match key.as_str() {
                "type" => kind = Some(output_kind(&value)?),
                "dest" | "destination" if value == "-" => destination = Some(Destination::Stdout),
                "dest" | "destination" => destination = Some(Destination::Path(value.into())),
                "tar" => archive = boolean("tar", &value)?,
                "name" => names.extend(value.split(',').map(str::to_owned)),
                other => {
                    return Err(form(format!(
                        "unknown key `{other}`; an output has `type`, `dest`, `tar` and `name`"
                    )));
                }
            }
        }
        let kind = kind.ok_or_else(|| form("an output needs a type: `type=oci|docker|tar|local`"))?;
        let output = OutputFlag { archive, names, ..OutputFlag::new(kind, destination) };
        output.checked()
    }
}

impl OutputFlag {
    fn new(kind: OutputKind, destination: Option<Destination>) -> OutputFlag {
        OutputFlag { kind, destination, archive: true, names: Vec::new() }
    }

    /// Refuses what cannot be written: a directory to standard output, an artifact to nowhere.
    fn checked(mut self) -> Result<OutputFlag, FormError> {
        let directory = self.kind == OutputKind::Local || !self.archive;
        match (self.kind, &self.destination) {
            (OutputKind::Image, _) => Ok(self),
            (_, Some(Destination::Stdout)) if directory => {
                Err(form("a directory cannot go to standard output; give `dest=DIRECTORY`"))
            }
            (OutputKind::Local, None) => Err(form("this output needs `dest=DIRECTORY`")),
            (_, None) => {
                self.destination = Some(Destination::Stdout);
                Ok(self)
            }
            _ => Ok(self),
        }
    }
}

fn output_kind(value: &str) -> Result<OutputKind, FormError> {
    Ok(match value {
        "oci" => OutputKind::Oci,
        "docker" => OutputKind::Docker,
        "tar" => OutputKind::Tar,
        "local" => OutputKind::Local,
        "image" => OutputKind::Image,
        "registry" => {
            return Err(form("pushing to a registry is not built yet; use `type=oci` and `skopeo copy`"));
        }
        other => {
            return Err(form(format!(
                "unknown output type `{other}`; it is `oci`, `docker`, `tar` or `local`"
            )));
        }
    })
}
