//! Connections to hosts: which scheme, whom we trust, through which proxy.

use std::collections::HashMap;
use std::fs::File;
use std::io::Read;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use reqwest::redirect::Policy;
use reqwest::{Proxy, Url};
use rustls::pki_types::CertificateDer;

use super::config::{ClientCertificate, Place};
use super::error::{RequestError, TransportError};
use crate::Redacted;
use crate::tls::{self, Identity, TlsError};

/// Redirects of one request; storage behind a registry needs one.
const REDIRECTS: usize = 5;

/// Bytes of a certificate file.
const CERTIFICATE_LIMIT: u64 = 16 << 20;

/// Files looked at in a directory of certificates.
const FILES_LIMIT: usize = 100;

/// How long things may take.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Timeouts {
    /// Until a connection has come about.
    pub connect: Duration,
    /// In which nothing moves.
    pub silence: Duration,
    /// Until an answer begins, after everything was sent. Registries that put chunks together take minutes.
    pub answer: Duration,
}

impl Default for Timeouts {
    fn default() -> Timeouts {
        Timeouts {
            connect: Duration::from_secs(20),
            silence: Duration::from_secs(60),
            answer: Duration::from_secs(300),
        }
    }
}

/// Waits for something of an HTTP exchange, but not for ever. The library's own timeouts would count the sending of a
/// large blob as silence.
pub(super) async fn within<T>(
    time: Duration,
    url: &Url,
    exchange: impl Future<Output = reqwest::Result<T>>,
) -> Result<T, RequestError> {
    match tokio::time::timeout(time, exchange).await {
        Ok(result) => result.map_err(|error| RequestError::transport(url, &error)),
        Err(_) => Err(too_long(url)),
    }
}

pub(super) fn too_long(url: &Url) -> RequestError {
    RequestError::Transport {
        url: Redacted::url(url.as_str()),
        source: TransportError::text("it takes too long"),
    }
}

/// Names the proxy for a URL, if it takes one.
pub type ProxyChooser = Arc<dyn Fn(&str) -> Option<String> + Send + Sync>;

/// Makes and keeps HTTP clients, one for every way to trust.
pub(super) struct Connector {
    pub authorities: Vec<CertificateDer<'static>>,
    /// Directories with a directory per host in them, as Docker's `certs.d`.
    pub certificate_directories: Vec<PathBuf>,
    pub proxy: Option<ProxyChooser>,
    pub user_agent: String,
    pub timeouts: Timeouts,
    pub clients: Mutex<HashMap<Profile, Connection>>,
}

/// Everything on which a client depends.
#[derive(Clone, PartialEq, Eq, Hash)]
pub(super) struct Profile {
    host: String,
    insecure: bool,
}

/// A way to speak to a host.
#[derive(Clone)]
pub(super) struct Connection {
    pub http: reqwest::Client,
    /// `https://host/v2/`
    pub base: Url,
}

impl Connector {
    /// The way to speak to a place's host. Which scheme it speaks is found out once, and only where plain HTTP is allowed.
    pub(super) async fn connect(&self, place: &Place) -> Result<Connection, RequestError> {
        let profile = Profile { host: place.host().to_owned(), insecure: place.insecure };
        if let Some(known) = self.clients().get(&profile) {
            return Ok(known.clone());
        }
        let http = self.client(place)?;
        let mut connection = Connection { http, base: base(place, "https")? };
        if (place.insecure || place.is_loopback()) && !self.speaks_tls(&connection).await? {
            connection.base = base(place, "http")?;
        }
        self.clients().insert(profile, connection.clone());
        Ok(connection)
    }

    /// Whether the host answers by TLS. A certificate that is wrong is an error, not a reason to do without.
    async fn speaks_tls(&self, connection: &Connection) -> Result<bool, RequestError> {
        let asked = connection.http.get(connection.base.clone()).send();
        let Ok(answer) = tokio::time::timeout(self.timeouts.silence, asked).await else {
            return Err(too_long(&connection.base));
        };
        match answer {
            Ok(_) => Ok(true),
            Err(error) if is_certificate(&error) => Err(RequestError::transport(&connection.base, &error)),
            Err(error) if error.is_connect() => Ok(false),
            Err(error) => Err(RequestError::transport(&connection.base, &error)),
        }
    }

    fn client(&self, place: &Place) -> Result<reqwest::Client, RequestError> {
        let registry = || place.registry.clone();
        let tls = |source| RequestError::Tls { registry: registry(), source };
        let mut authorities = self.authorities.clone();
        let mut identity = None;
        for file in &place.authorities {
            authorities.extend(tls::certificates(&read(file)?, &file.display().to_string()).map_err(tls)?);
        }
        if let Some(files) = &place.client_certificate {
            identity = Some(read_identity(files)?);
        }
        for directory in &self.certificate_directories {
            let (more, own) = from_directory(&directory.join(&place.registry))?;
            authorities.extend(more);
            identity = identity.or(own);
        }
        let config = tls::client(&authorities, identity.as_ref(), place.insecure).map_err(tls)?;
        let mut builder = reqwest::Client::builder()
            .use_preconfigured_tls(config)
            .redirect(follow(place.insecure || place.is_loopback()))
            .connect_timeout(self.timeouts.connect)
            .tcp_nodelay(true)
            .user_agent(&self.user_agent)
            .no_proxy();
        if let Some(choose) = self.proxy.clone() {
            builder = builder
                .proxy(Proxy::custom(move |url| choose(url.as_str()).and_then(|to| to.parse::<Url>().ok())));
        }
        let failed = |error: reqwest::Error| RequestError::Transport {
            url: Redacted::url(&place.registry),
            source: TransportError::new(&error),
        };
        builder.build().map_err(failed)
    }

    fn clients(&self) -> std::sync::MutexGuard<'_, HashMap<Profile, Connection>> {
        self.clients.lock().unwrap_or_else(|poisoned| poisoned.into_inner())
    }
}

fn base(place: &Place, scheme: &str) -> Result<Url, RequestError> {
    let text = format!("{scheme}://{}/v2/", place.host());
    Url::parse(&text)
        .map_err(|_| RequestError::Malformed { url: Redacted::url(&text), why: "it is no URL".to_owned() })
}

/// Follows to storage elsewhere, but never from TLS to plain HTTP. Credentials do not go along to other hosts.
fn follow(plain_is_allowed: bool) -> Policy {
    Policy::custom(move |attempt| {
        let was_tls = attempt.previous().last().is_some_and(|url| url.scheme() == "https");
        if attempt.previous().len() > REDIRECTS {
            attempt.error("too many redirects")
        } else if was_tls && attempt.url().scheme() != "https" && !plain_is_allowed {
            attempt.error("a redirect from TLS to plain HTTP")
        } else {
            attempt.follow()
        }
    })
}

/// Whether it is the host's certificate that we do not like. The cause is wrapped several times, in part by errors that
/// do not name as their source what they wrap.
fn is_certificate(error: &(dyn std::error::Error + 'static)) -> bool {
    if let Some(tls) = error.downcast_ref::<rustls::Error>() {
        return matches!(tls, rustls::Error::InvalidCertificate(_) | rustls::Error::NoCertificatesPresented);
    }
    let wrapped = error.downcast_ref::<std::io::Error>().and_then(std::io::Error::get_ref);
    wrapped.is_some_and(|inner| is_certificate(inner)) || error.source().is_some_and(is_certificate)
}

/// What Docker's layout has for a host: `*.crt` are authorities, `*.cert` with `*.key` is the client's own.
fn from_directory(
    directory: &Path,
) -> Result<(Vec<CertificateDer<'static>>, Option<Identity>), RequestError> {
    let (mut authorities, mut identity) = (Vec::new(), None);
    let Ok(entries) = std::fs::read_dir(directory) else { return Ok((authorities, identity)) };
    let mut files: Vec<PathBuf> = entries.flatten().take(FILES_LIMIT).map(|entry| entry.path()).collect();
    files.sort();
    for file in files {
        match file.extension().and_then(|extension| extension.to_str()) {
            Some("crt") => {
                // Docker takes a file that holds none for none.
                let found = tls::certificates(&read(&file)?, &file.display().to_string());
                authorities.extend(found.unwrap_or_default());
            }
            Some("cert") if identity.is_none() => {
                let key = file.with_extension("key");
                identity = Some(read_identity(&ClientCertificate { certificate: file, key })?);
            }
            _ => {}
        }
    }
    Ok((authorities, identity))
}

fn read_identity(files: &ClientCertificate) -> Result<Identity, RequestError> {
    Ok(Identity {
        certificates: read(&files.certificate)?,
        key: read(&files.key)?,
        origin: files.certificate.display().to_string(),
    })
}

fn read(path: &Path) -> Result<Vec<u8>, RequestError> {
    let failed = |source| RequestError::Io { action: format!("read `{}`", path.display()), source };
    let mut bytes = Vec::new();
    File::open(path).map_err(failed)?.take(CERTIFICATE_LIMIT).read_to_end(&mut bytes).map_err(failed)?;
    Ok(bytes)
}

/// The machine's authorities out of PEM files that the caller chose; what cannot be read vouches for nobody.
pub fn authorities(pem: &[u8], origin: &str) -> Result<Vec<CertificateDer<'static>>, TlsError> {
    tls::certificates(pem, origin)
}
