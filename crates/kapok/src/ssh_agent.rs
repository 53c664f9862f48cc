//! An ssh agent for keys given as files: `--ssh ID=KEYFILE`. It lists and signs, and does nothing else.
//! (draft-ietf-sshm-ssh-agent)
//!
//! The keys stay in this process. A step gets a socket that leads here, as it would lead to the user's own agent.

use std::io::{self, Read, Write};
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::thread;

use rsa::sha2::{Sha256, Sha512};
use rsa::signature::{SignatureEncoding, Signer};
use rsa::{BigUint, RsaPrivateKey, pkcs1v15};
use ssh_key::private::{KeypairData, RsaKeypair};
use ssh_key::{Algorithm, HashAlg, Mpint, PrivateKey, Signature, SigningKey};
use tempfile::TempDir;

/// What OpenSSH takes at most.
const LONGEST_MESSAGE: usize = 256 << 10;

/// No key is larger.
const LONGEST_KEY: u64 = 64 << 10;

/// Numbers of messages. (section 6.1 of the draft)
mod number {
    pub const FAILURE: u8 = 5;
    pub const REQUEST_IDENTITIES: u8 = 11;
    pub const IDENTITIES_ANSWER: u8 = 12;
    pub const SIGN_REQUEST: u8 = 13;
    pub const SIGN_RESPONSE: u8 = 14;
}

/// Flags that ask for a signature by SHA-256 or SHA-512; they have a meaning for RSA only. (section 6.2)
const RSA_SHA2_256: u32 = 2;
const RSA_SHA2_512: u32 = 4;

/// Why a file is of no use as a key.
#[derive(Debug, thiserror::Error)]
pub enum KeyError {
    /// It could not be read.
    #[error("cannot read the key `{}`", path.display())]
    Read {
        /// The file.
        path: PathBuf,
        /// The system's answer.
        #[source]
        source: io::Error,
    },
    /// It is no private key in OpenSSH's form.
    #[error("`{}` is not an OpenSSH private key", path.display())]
    Form {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        #[source]
        source: ssh_key::Error,
    },
    /// It has a passphrase.
    #[error("the key `{}` has a passphrase", path.display())]
    Encrypted {
        /// The file.
        path: PathBuf,
    },
    /// Signatures of its kind cannot be made here.
    #[error("the key `{}` is of kind {kind}, which cannot be served", path.display())]
    Kind {
        /// The file.
        path: PathBuf,
        /// Its algorithm.
        kind: String,
    },
    /// There is no place for the socket.
    #[error("cannot make a socket for an ssh agent")]
    Socket(#[source] io::Error),
}

/// An agent. Its socket is gone with it.
pub struct KeyAgent {
    directory: TempDir,
}

/// A key, and how the agent speaks of it.
struct Key {
    private: PrivateKey,
    public: Vec<u8>,
}

impl KeyAgent {
    /// Reads the keys and serves them.
    ///
    /// # Errors
    /// See [`KeyError`].
    pub fn start(files: &[PathBuf]) -> Result<KeyAgent, KeyError> {
        let keys = files.iter().map(|file| read(file)).collect::<Result<Vec<_>, _>>()?;
        // Nobody else may enter the directory, so nobody else reaches the socket.
        let directory = tempfile::tempdir().map_err(KeyError::Socket)?;
        let listener = UnixListener::bind(socket(&directory)).map_err(KeyError::Socket)?;
        let keys: Arc<[Key]> = keys.into();
        // It ends with the process: nothing wakes it, and nothing has to.
        thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                let keys = keys.clone();
                thread::spawn(move || serve(stream, &keys));
            }
        });
        Ok(KeyAgent { directory })
    }

    /// Where it listens.
    pub fn socket(&self) -> PathBuf {
        socket(&self.directory)
    }
}

fn socket(directory: &TempDir) -> PathBuf {
    directory.path().join("agent")
}

fn read(path: &Path) -> Result<Key, KeyError> {
    let path = path.to_owned();
    let mut text = String::new();
    let read = std::fs::File::open(&path)
        .and_then(|file| file.take(LONGEST_KEY).read_to_string(&mut text).map(drop));
    if let Err(source) = read {
        return Err(KeyError::Read { path, source });
    }
    let private = match PrivateKey::from_openssh(&text) {
        Ok(private) => private,
        Err(source) => return Err(KeyError::Form { path, source }),
    };
    if private.is_encrypted() {
        return Err(KeyError::Encrypted { path });
    }
    // A key that cannot sign is better found now than by a step.
    match (private.public_key().to_bytes(), sign(&private, b"", RSA_SHA2_512)) {
        (Ok(public), Some(_)) => Ok(Key { private, public }),
        _ => Err(KeyError::Kind { path, kind: private.algorithm().to_string() }),
    }
}

/// Answers one client until it hangs up or says what nobody understands.
fn serve(mut stream: UnixStream, keys: &[Key]) {
    while let Ok(Some(request)) = receive(&mut stream) {
        let response = answer(&request, keys).unwrap_or_else(|| vec![number::FAILURE]);
        let mut message = Vec::with_capacity(response.len() + 4);
        put_string(&mut message, &response);
        if stream.write_all(&message).is_err() {
            return;
        }
    }
}

fn receive(stream: &mut UnixStream) -> io::Result<Option<Vec<u8>>> {
    let mut length = [0; 4];
    stream.read_exact(&mut length)?;
    let length = u32::from_be_bytes(length) as usize;
    if length == 0 || length > LONGEST_MESSAGE {
        return Ok(None);
    }
    let mut message = vec![0; length];
    stream.read_exact(&mut message)?;
    Ok(Some(message))
}

/// The answer to a message; none if it is not one of the two that this agent knows, or cannot be answered.
fn answer(request: &[u8], keys: &[Key]) -> Option<Vec<u8>> {
    let (kind, mut rest) = request.split_first()?;
    match *kind {
        number::REQUEST_IDENTITIES => {
            let mut answer = vec![number::IDENTITIES_ANSWER];
            answer.extend(u32::try_from(keys.len()).ok()?.to_be_bytes());
            for key in keys {
                put_string(&mut answer, &key.public);
                put_string(&mut answer, key.private.comment().as_bytes());
            }
            Some(answer)
        }
        number::SIGN_REQUEST => {
            let public = take_string(&mut rest)?;
            let data = take_string(&mut rest)?;
            let flags = u32::from_be_bytes(rest.get(..4)?.try_into().ok()?);
            let key = keys.iter().find(|key| key.public == public)?;
            let signature = sign(&key.private, data, flags)?;
            let mut answer = vec![number::SIGN_RESPONSE];
            put_string(&mut answer, &Vec::try_from(signature).ok()?);
            Some(answer)
        }
        _ => None,
    }
}

fn sign(key: &PrivateKey, data: &[u8], flags: u32) -> Option<Signature> {
    match key.key_data() {
        KeypairData::Rsa(pair) => sign_rsa(pair, data, flags),
        _ => try_sign(key, data),
    }
}

fn try_sign(key: &impl SigningKey, data: &[u8]) -> Option<Signature> {
    key.try_sign(data).ok()
}

/// By SHA-1, which a request without flags means, nobody should sign any more.
fn sign_rsa(pair: &RsaKeypair, data: &[u8], flags: u32) -> Option<Signature> {
    let number = |number: &Mpint| number.as_positive_bytes().map(BigUint::from_bytes_be);
    let (public, private) = (&pair.public, &pair.private);
    let primes = vec![number(&private.p)?, number(&private.q)?];
    let key =
        RsaPrivateKey::from_components(number(&public.n)?, number(&public.e)?, number(&private.d)?, primes);
    let key = key.ok()?;
    let (hash, signature) = if flags & RSA_SHA2_512 != 0 {
        (HashAlg::Sha512, pkcs1v15::SigningKey::<Sha512>::new(key).try_sign(data).ok()?)
    } else if flags & RSA_SHA2_256 != 0 {
        (HashAlg::Sha256, pkcs1v15::SigningKey::<Sha256>::new(key).try_sign(data).ok()?)
    } else {
        return None;
    };
    Signature::new(Algorithm::Rsa { hash: Some(hash) }, signature.to_vec()).ok()
}

fn put_string(out: &mut Vec<u8>, bytes: &[u8]) {
    // Nothing here comes near four GiB.
    out.extend((bytes.len() as u32).to_be_bytes());
    out.extend(bytes);
}

fn take_string<'b>(bytes: &mut &'b [u8]) -> Option<&'b [u8]> {
    let (length, rest) = bytes.split_at_checked(4)?;
    let length = u32::from_be_bytes(length.try_into().ok()?) as usize;
    let (string, rest) = rest.split_at_checked(length)?;
    *bytes = rest;
    Some(string)
}

#[cfg(test)]
mod tests;
