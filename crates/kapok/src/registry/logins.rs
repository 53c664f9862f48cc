//! The user's credentials for registries: where Docker and Podman keep them.

mod helper;

use std::io::{self, ErrorKind, Read, Write};
use std::os::unix::fs::{DirBuilderExt, PermissionsExt};
use std::path::{Path, PathBuf};
use std::sync::{Arc, OnceLock};

use registry::client::credentials::{CredentialError, CredentialSource, Credentials, DockerConfig};

use crate::environment::Environment;
use helper::Helper;

/// Bytes of a configuration that are read: more than any has, see [`DockerConfig::parse`].
const READ_LIMIT: u64 = (4 << 20) + 1;

/// Credentials in files and with helpers. The files are read when the first are asked for.
pub struct Logins {
    /// The text of `DOCKER_AUTH_CONFIG`.
    given: Option<String>,
    /// Asked in this order; new credentials go to the first.
    files: Vec<PathBuf>,
    read: OnceLock<Vec<Kept>>,
}

/// A configuration, or why there is none.
type Kept = Result<DockerConfig, Arc<Unreadable>>;

/// A configuration that is there and cannot be read.
#[derive(Debug)]
struct Unreadable {
    place: String,
    source: Box<dyn std::error::Error + Send + Sync>,
}

/// What keeps credentials from being kept.
#[derive(Debug, thiserror::Error)]
pub enum LoginError {
    /// No home directory.
    #[error("there is no home directory to keep credentials in")]
    NoPlace,
    /// The file cannot be read or written.
    #[error("cannot {action} `{}`", path.display())]
    File {
        /// What was tried, as a verb.
        action: &'static str,
        /// Which.
        path: PathBuf,
        /// Why.
        source: Box<dyn std::error::Error + Send + Sync>,
    },
    /// A helper, or the configuration, refused.
    #[error(transparent)]
    Credentials(#[from] CredentialError),
}

/// Where credentials are now.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Place {
    /// With a credential helper.
    Helper(String),
    /// In a file, as good as in the clear.
    File(PathBuf),
}

impl Logins {
    /// `REGISTRY_AUTH_FILE` alone, if it is set; else Docker's configuration, then Podman's.
    pub fn of(environment: &Environment) -> Logins {
        let named = environment.text("REGISTRY_AUTH_FILE").map(|file| environment.directory.join(file));
        let files = match named {
            Some(file) => vec![file],
            None => usual(environment),
        };
        let given = environment.text("DOCKER_AUTH_CONFIG").map(str::to_owned);
        Logins { given, files, read: OnceLock::new() }
    }

    /// Keeps credentials; where.
    pub fn store(&self, registry: &str, credentials: &Credentials) -> Result<Place, LoginError> {
        let path = self.files.first().ok_or(LoginError::NoPlace)?;
        let mut config = load(path)?;
        let place = match config.helper(registry) {
            Some(program) => Place::Helper(program),
            None => Place::File(path.clone()),
        };
        if config.store(registry, credentials)? {
            save(path, &config)?;
        }
        Ok(place)
    }

    /// Forgets credentials; whether there were any where [`Logins::store`] keeps them.
    pub fn erase(&self, registry: &str) -> Result<bool, LoginError> {
        let path = self.files.first().ok_or(LoginError::NoPlace)?;
        let mut config = load(path)?;
        let before = config.to_bytes();
        let known = config.erase(registry)?;
        if config.to_bytes() != before {
            save(path, &config)?;
        }
        Ok(known)
    }

    fn read(&self) -> &[Kept] {
        self.read.get_or_init(|| {
            let given = self.given.as_ref().map(|text| parse("DOCKER_AUTH_CONFIG", text.as_bytes()));
            let files = self.files.iter().filter_map(|path| {
                let place = || path.display().to_string();
                match bytes(path) {
                    Ok(None) => None,
                    Ok(Some(bytes)) => Some(parse(&place(), &bytes)),
                    Err(error) => Some(Err(Arc::new(Unreadable { place: place(), source: error.into() }))),
                }
            });
            given.into_iter().chain(files).collect()
        })
    }
}

impl CredentialSource for Logins {
    fn credentials(&self, registry: &str, repository: &str) -> Result<Option<Credentials>, CredentialError> {
        for config in self.read() {
            match config {
                Ok(config) => {
                    if let Some(found) = config.credentials(registry, repository)? {
                        return Ok(Some(found));
                    }
                }
                Err(error) => {
                    let (place, source) = (error.place.clone(), error.source.to_string());
                    return Err(CredentialError::Unreadable { place, source: source.into() });
                }
            }
        }
        Ok(None)
    }
}

/// Docker's configuration first: that is where new credentials go, and older ones elsewhere must not hide them.
fn usual(environment: &Environment) -> Vec<PathBuf> {
    let docker = match environment.text("DOCKER_CONFIG") {
        Some(directory) => Some(environment.directory.join(directory)),
        None => environment.home().map(|home| home.join(".docker")),
    };
    let runtime = match environment.text("XDG_RUNTIME_DIR") {
        Some(directory) => Some(PathBuf::from(directory).join("containers")),
        None if environment.root => Some(PathBuf::from("/run/containers/0")),
        None => None,
    };
    let config = environment.config_directory().map(|directory| directory.join("containers"));
    let podman = runtime.into_iter().chain(config).map(|directory| directory.join("auth.json"));
    docker.map(|directory| directory.join("config.json")).into_iter().chain(podman).collect()
}

fn parse(place: &str, bytes: &[u8]) -> Kept {
    DockerConfig::parse(bytes, Arc::new(Helper))
        .map_err(|source| Arc::new(Unreadable { place: place.to_owned(), source: source.into() }))
}

/// A file's bytes; `None` if there is no such file.
fn bytes(path: &Path) -> io::Result<Option<Vec<u8>>> {
    let file = match std::fs::File::open(path) {
        Err(error) if matches!(error.kind(), ErrorKind::NotFound | ErrorKind::NotADirectory) => {
            return Ok(None);
        }
        other => other?,
    };
    let mut bytes = Vec::new();
    file.take(READ_LIMIT).read_to_end(&mut bytes)?;
    Ok(Some(bytes))
}

fn load(path: &Path) -> Result<DockerConfig, LoginError> {
    let failed = |source| LoginError::File { action: "read", path: path.to_owned(), source };
    let bytes = bytes(path).map_err(|error| failed(error.into()))?.unwrap_or_default();
    DockerConfig::parse(&bytes, Arc::new(Helper)).map_err(|error| failed(error.into()))
}

/// Writes the file whole or not at all, for its owner's eyes only. One that is a link stays one.
fn save(path: &Path, config: &DockerConfig) -> Result<(), LoginError> {
    let failed =
        |error: io::Error| LoginError::File { action: "write", path: path.to_owned(), source: error.into() };
    let path = path.canonicalize().unwrap_or_else(|_| path.to_owned());
    let directory = path.parent().unwrap_or(Path::new("/"));
    std::fs::DirBuilder::new().recursive(true).mode(0o700).create(directory).map_err(failed)?;
    let mut file = tempfile::Builder::new()
        .prefix(".kapok-")
        .permissions(std::fs::Permissions::from_mode(0o600))
        .tempfile_in(directory)
        .map_err(failed)?;
    file.write_all(&config.to_bytes()).map_err(failed)?;
    file.persist(&path).map_err(|error| failed(error.error))?;
    Ok(())
}

#[cfg(test)]
mod tests;
