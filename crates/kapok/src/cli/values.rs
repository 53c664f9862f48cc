//! The small languages inside flags: sizes, `NAME=VALUE`, docker's comma-separated forms.
//!
//! Each type parses once, here, and its error says what the form is.

mod cache;
mod output;

use std::net::IpAddr;
use std::path::PathBuf;
use std::str::FromStr;

pub use cache::{CacheFrom, CacheMode, CachePlace, CacheTo};
pub use output::{Destination, OutputFlag, OutputKind};

/// A flag's value that does not have its form; the text says which form is expected.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
#[error("{0}")]
pub struct FormError(String);

fn form(message: impl Into<String>) -> FormError {
    FormError(message.into())
}

/// A number of bytes: `512m`, `1.5g`, `20GiB`, `4096`. Units are binary, as in `docker build --memory`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Size(pub u64);

impl FromStr for Size {
    type Err = FormError;

    fn from_str(text: &str) -> Result<Size, FormError> {
        let expected = || form("expected a size such as `512m`, `1.5g` or `20GiB`");
        let digits = text.find(|c: char| !c.is_ascii_digit() && c != '.').unwrap_or(text.len());
        let number: f64 = text[..digits].parse().map_err(|_| expected())?;
        let shift =
            match text[digits..].trim().to_ascii_lowercase().trim_end_matches('b').trim_end_matches('i') {
                "" => 0,
                "k" => 10,
                "m" => 20,
                "g" => 30,
                "t" => 40,
                _ => return Err(expected()),
            };
        let bytes = number * (1u64 << shift) as f64;
        if !bytes.is_finite() || bytes >= u64::MAX as f64 {
            return Err(form("the size is larger than any machine's"));
        }
        Ok(Size(bytes as u64))
    }
}

/// A number of processors, also a part of one: `2`, `0.5`.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Cpus(pub f64);

impl FromStr for Cpus {
    type Err = FormError;

    fn from_str(text: &str) -> Result<Cpus, FormError> {
        match text.parse::<f64>() {
            Ok(number) if (0.01..=100_000.0).contains(&number) => Ok(Cpus(number)),
            _ => Err(form("expected a number of processors such as `2` or `0.5`")),
        }
    }
}

/// `NAME=VALUE`, or `NAME` alone, whose value then comes from the environment.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Assignment {
    /// The part before the first `=`.
    pub name: String,
    /// The part after it, if there is one.
    pub value: Option<String>,
}

impl FromStr for Assignment {
    type Err = FormError;

    fn from_str(text: &str) -> Result<Assignment, FormError> {
        let (name, value) = match text.split_once('=') {
            Some((name, value)) => (name, Some(value.to_owned())),
            None => (text, None),
        };
        if name.is_empty() {
            return Err(form("expected `NAME=VALUE`, or `NAME` to take the value from the environment"));
        }
        Ok(Assignment { name: name.to_owned(), value })
    }
}

/// `NAME=VALUE` where the value is required: labels, named build contexts.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Pair {
    /// The part before the first `=`.
    pub name: String,
    /// The part after it.
    pub value: String,
}

impl FromStr for Pair {
    type Err = FormError;

    fn from_str(text: &str) -> Result<Pair, FormError> {
        match text.split_once('=') {
            Some((name, value)) if !name.is_empty() => {
                Ok(Pair { name: name.to_owned(), value: value.to_owned() })
            }
            _ => Err(form("expected `NAME=VALUE`")),
        }
    }
}

/// A label: `NAME=VALUE`, or `NAME` with an empty value, as docker takes it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LabelFlag(pub Pair);

impl FromStr for LabelFlag {
    type Err = FormError;

    fn from_str(text: &str) -> Result<LabelFlag, FormError> {
        let Assignment { name, value } = text.parse().map_err(|_| form("expected `NAME=VALUE`"))?;
        Ok(LabelFlag(Pair { name, value: value.unwrap_or_default() }))
    }
}

/// A line of `/etc/hosts`: `NAME:ADDRESS` or `NAME=ADDRESS`; an IPv6 address may stand in brackets.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct HostEntry {
    /// The host's name.
    pub name: String,
    /// Its address.
    pub address: IpAddr,
}

impl FromStr for HostEntry {
    type Err = FormError;

    fn from_str(text: &str) -> Result<HostEntry, FormError> {
        let expected = || form("expected `NAME:ADDRESS` with an IP address");
        let separator = text.find('=').or_else(|| text.find(':')).ok_or_else(expected)?;
        let (name, address) = (&text[..separator], &text[separator + 1..]);
        if address == "host-gateway" {
            return Err(form(
                "there is no `host-gateway` without a bridge; use `--network host` and 127.0.0.1",
            ));
        }
        let address = address.strip_prefix('[').and_then(|rest| rest.strip_suffix(']')).unwrap_or(address);
        let address = address.parse().map_err(|_| expected())?;
        if name.is_empty() {
            return Err(expected());
        }
        Ok(HostEntry { name: name.to_owned(), address })
    }
}

/// Where a secret's value comes from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum SecretFrom {
    /// A file.
    File(PathBuf),
    /// An environment variable.
    Variable(String),
    /// Not said: the variable of the secret's id if it is set, else the file of that name.
    Unsaid,
}

/// `id=ID[,src=FILE|,env=VARIABLE]`, docker's form with all its synonyms.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SecretFlag {
    /// The id that `RUN --mount=type=secret,id=…` names.
    pub id: String,
    /// Where its value comes from.
    pub from: SecretFrom,
}

impl FromStr for SecretFlag {
    type Err = FormError;

    fn from_str(text: &str) -> Result<SecretFlag, FormError> {
        let (mut id, mut kind, mut source, mut variable) = (None, None, None, None);
        for (key, value) in fields(text)? {
            let slot = match key.as_str() {
                "id" => &mut id,
                "type" => &mut kind,
                "src" | "source" => &mut source,
                "env" => &mut variable,
                other => {
                    return Err(form(format!(
                        "unknown key `{other}`; a secret has `id`, `type`, `src` and `env`"
                    )));
                }
            };
            *slot = Some(value);
        }
        let from = match (kind.as_deref(), source, variable) {
            (None | Some("file"), Some(file), None) => SecretFrom::File(file.into()),
            (None | Some("env"), None, Some(variable)) => SecretFrom::Variable(variable),
            (Some("env"), Some(variable), None) => SecretFrom::Variable(variable),
            (Some("env"), None, None) => SecretFrom::Variable(id.clone().unwrap_or_default()),
            (None, None, None) => SecretFrom::Unsaid,
            (Some("file"), None, None) => SecretFrom::File(id.clone().unwrap_or_default().into()),
            (Some("file" | "env") | None, _, Some(_)) => {
                return Err(form("`src` and `env` exclude each other"));
            }
            (Some(other), ..) => {
                return Err(form(format!("unknown secret type `{other}`; it is `file` or `env`")));
            }
        };
        match id {
            Some(id) if !id.is_empty() => Ok(SecretFlag { id, from }),
            _ => Err(form("a secret needs an id: `id=ID,src=FILE` or `id=ID,env=VARIABLE`")),
        }
    }
}

/// `default`, `ID`, `ID=SOCKET`, or `ID=KEYFILE,KEYFILE…`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SshFlag {
    /// The id that `RUN --mount=type=ssh,id=…` names.
    pub id: String,
    /// The agent's socket, or files with private keys; without any the socket of `SSH_AUTH_SOCK`.
    pub paths: Vec<PathBuf>,
}

impl FromStr for SshFlag {
    type Err = FormError;

    fn from_str(text: &str) -> Result<SshFlag, FormError> {
        let (id, paths) = text.split_once('=').unwrap_or((text, ""));
        if id.is_empty() {
            return Err(form("expected `default`, `ID`, `ID=SOCKET` or `ID=KEYFILE,KEYFILE`"));
        }
        let paths = paths.split(',').filter(|path| !path.is_empty()).map(PathBuf::from).collect();
        Ok(SshFlag { id: id.to_owned(), paths })
    }
}

/// A bind mount of `kapok run`: `HOST:INSIDE[:ro]`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct VolumeFlag {
    /// The path on this machine.
    pub host: PathBuf,
    /// The absolute path inside.
    pub inside: PathBuf,
    /// Whether the command may not write to it.
    pub read_only: bool,
}

impl FromStr for VolumeFlag {
    type Err = FormError;

    fn from_str(text: &str) -> Result<VolumeFlag, FormError> {
        let expected = || form("expected `HOST:INSIDE` or `HOST:INSIDE:ro`, with an absolute path inside");
        let parts: Vec<&str> = text.split(':').collect();
        let (host, inside, mode) = match parts.as_slice() {
            [host, inside] => (*host, *inside, "rw"),
            [host, inside, mode] => (*host, *inside, *mode),
            _ => return Err(expected()),
        };
        let mut read_only = false;
        for option in mode.split(',') {
            match option {
                "ro" => read_only = true,
                // SELinux labels and propagation have no meaning for a mount that only one sandbox sees.
                "rw" | "z" | "Z" => {}
                other => return Err(form(format!("unknown mount option `{other}`; it is `ro` or `rw`"))),
            }
        }
        if host.is_empty() || !inside.starts_with('/') {
            return Err(expected());
        }
        Ok(VolumeFlag { host: host.into(), inside: inside.into(), read_only })
    }
}

/// A step of an image's build: `IMAGE` or `IMAGE#STEP`, STEP being the number that progress shows.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StepAddress {
    /// The image's name, digest or build id; empty for the latest build.
    pub image: String,
    /// The step's number.
    pub step: Option<u32>,
}

impl FromStr for StepAddress {
    type Err = FormError;

    fn from_str(text: &str) -> Result<StepAddress, FormError> {
        let Some((image, step)) = text.rsplit_once('#') else {
            return Ok(StepAddress { image: text.to_owned(), step: None });
        };
        match step.parse() {
            Ok(step) => Ok(StepAddress { image: image.to_owned(), step: Some(step) }),
            Err(_) => {
                Err(form("expected `IMAGE` or `IMAGE#STEP`, with the step's number as the build showed it"))
            }
        }
    }
}

/// Splits `key=value,key=value` as a line of comma-separated values: a field in double quotes may contain commas.
fn fields(text: &str) -> Result<Vec<(String, String)>, FormError> {
    let (mut all, mut field, mut quoted) = (Vec::new(), String::new(), false);
    let mut characters = text.chars().peekable();
    while let Some(character) = characters.next() {
        match character {
            '"' if quoted && characters.peek() == Some(&'"') => {
                characters.next();
                field.push('"');
            }
            '"' => quoted = !quoted,
            ',' if !quoted => all.push(std::mem::take(&mut field)),
            other => field.push(other),
        }
    }
    all.push(field);
    if quoted {
        return Err(form("a double quote is not closed"));
    }
    all.iter()
        .map(|field| match field.split_once('=') {
            Some((key, value)) => Ok((key.trim().to_ascii_lowercase(), value.to_owned())),
            None => Err(form(format!("expected `key=value`, found `{field}`"))),
        })
        .collect()
}

fn boolean(key: &str, value: &str) -> Result<bool, FormError> {
    match value {
        "true" | "1" => Ok(true),
        "false" | "0" => Ok(false),
        other => Err(form(format!("`{key}` is `true` or `false`, not `{other}`"))),
    }
}

#[cfg(test)]
mod tests;
