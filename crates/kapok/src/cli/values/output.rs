//! `--output`: what a build writes beside the store, and where.

use std::path::PathBuf;
use std::str::FromStr;

use clap::ValueEnum;

use super::super::build::CompressionFlag;
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
    /// Whether the image goes to the registries that its names say.
    pub push: bool,
    /// How its layers are compressed, if it says so.
    pub compression: Option<CompressionFlag>,
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
        let (mut kind, mut destination, mut archive) = (None, None, true);
        let (mut names, mut compression, mut push) = (Vec::new(), None, false);
        for (key, value) in fields(text)? {
            match key.as_str() {
                // The image in a registry, and nowhere else that matters.
                "type" if value == "registry" => (kind, push) = (Some(OutputKind::Image), true),
                "type" => kind = Some(output_kind(&value)?),
                "push" => push = boolean("push", &value)?,
                "oci-mediatypes" if boolean("oci-mediatypes", &value)? => {}
                "dest" | "destination" if value == "-" => destination = Some(Destination::Stdout),
                "dest" | "destination" => destination = Some(Destination::Path(value.into())),
                "tar" => archive = boolean("tar", &value)?,
                "name" => names.extend(value.split(',').map(str::to_owned)),
                "compression" => compression = Some(compressed(&value)?),
                other => {
                    return Err(form(format!(
                        "unknown key `{other}`; an output has `type`, `dest`, `tar`, `name`, `push` and `compression`"
                    )));
                }
            }
        }
        let kind =
            kind.ok_or_else(|| form("an output needs a type: `type=oci|docker|tar|local|registry`"))?;
        if push && kind != OutputKind::Image {
            return Err(form("`push` is of `type=image`"));
        }
        let output = OutputFlag { archive, names, push, compression, ..OutputFlag::new(kind, destination) };
        output.checked()
    }
}

impl OutputFlag {
    fn new(kind: OutputKind, destination: Option<Destination>) -> OutputFlag {
        OutputFlag { kind, destination, archive: true, names: Vec::new(), push: false, compression: None }
    }

    /// Refuses what cannot be written: a directory to standard output, an artifact to nowhere.
    fn checked(mut self) -> Result<OutputFlag, FormError> {
        let directory = self.kind == OutputKind::Local || !self.archive;
        if self.compression.is_some() && matches!(self.kind, OutputKind::Tar | OutputKind::Local) {
            return Err(form("`compression` is of an image's layers; this output has none"));
        }
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

fn compressed(value: &str) -> Result<CompressionFlag, FormError> {
    CompressionFlag::from_str(value, false)
        .map_err(|_| form(format!("unknown compression `{value}`; it is `gzip`, `zstd` or `none`")))
}

fn output_kind(value: &str) -> Result<OutputKind, FormError> {
    Ok(match value {
        "oci" => OutputKind::Oci,
        "docker" => OutputKind::Docker,
        "tar" => OutputKind::Tar,
        "local" => OutputKind::Local,
        "image" => OutputKind::Image,
        other => {
            return Err(form(format!(
                "unknown output type `{other}`; it is `oci`, `docker`, `tar`, `local`, `image` or `registry`"
            )));
        }
    })
}
