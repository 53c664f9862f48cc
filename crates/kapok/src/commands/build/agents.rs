//! `--ssh`: the agents that steps may reach, the user's own or one for keys in files.

use std::collections::BTreeMap;
use std::os::unix::fs::FileTypeExt;
use std::path::{Path, PathBuf};

use crate::cli::values::SshFlag;
use crate::environment::Environment;
use crate::failure::Failure;
use crate::ssh_agent::{KeyAgent, KeyError};

/// Sockets by id, and the agents of this process among them, which must live as long as the build.
#[derive(Default)]
pub struct Agents {
    /// Sockets by id.
    pub sockets: BTreeMap<String, PathBuf>,
    _own: Vec<KeyAgent>,
}

/// Finds or starts what the flags name.
pub fn find(flags: &[SshFlag], environment: &Environment) -> Result<Agents, Failure> {
    let mut agents = Agents::default();
    for flag in flags {
        let paths: Vec<PathBuf> = match (flag.paths.as_slice(), environment.text("SSH_AUTH_SOCK")) {
            ([], None) => {
                return Err(Failure::usage_with(
                    format!("`--ssh {}`: there is no agent", flag.id),
                    "start one with `eval $(ssh-agent)` and `ssh-add`, or give `--ssh ID=SOCKET` or `--ssh ID=KEYFILE`",
                ));
            }
            ([], Some(socket)) => vec![environment.directory.join(socket)],
            (paths, _) => paths.iter().map(|path| environment.directory.join(path)).collect(),
        };
        let sockets = paths.iter().map(|path| is_socket(path)).collect::<Result<Vec<_>, _>>()?;
        let socket = match paths.as_slice() {
            [socket] if sockets[0] => socket.clone(),
            _ if sockets.contains(&true) => {
                return Err(Failure::usage(format!(
                    "`--ssh {}`: one socket, or files with keys, not both",
                    flag.id
                )));
            }
            _ => {
                let own = KeyAgent::start(&paths).map_err(|error| refused(&error))?;
                let socket = own.socket();
                agents._own.push(own);
                socket
            }
        };
        agents.sockets.insert(flag.id.clone(), socket);
    }
    Ok(agents)
}

fn is_socket(path: &Path) -> Result<bool, Failure> {
    let metadata = std::fs::metadata(path).map_err(Failure::file("find the agent or key", path))?;
    Ok(metadata.file_type().is_socket())
}

fn refused(error: &KeyError) -> Failure {
    let message = match std::error::Error::source(error) {
        Some(source) => format!("{error}: {source}"),
        None => error.to_string(),
    };
    let hint = match error {
        KeyError::Encrypted { .. } => "add it to an agent with `ssh-add` and give `--ssh ID` alone",
        KeyError::Form { .. } => {
            "give an agent's socket or a private key; `ssh-keygen -p -f FILE` brings an old one into OpenSSH's form"
        }
        KeyError::Kind { .. } => {
            "add it to an agent with `ssh-add`, or use a key of kind ed25519, ecdsa or rsa"
        }
        KeyError::Read { .. } | KeyError::Socket(_) => return Failure::usage(message),
    };
    Failure::usage_with(message, hint)
}
