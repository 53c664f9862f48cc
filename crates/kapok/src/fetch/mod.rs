//! Fetching by HTTP: the product's [`Fetch`].
//!
//! Redirects are followed here and not in the HTTP library, because each hop may need another proxy, and because
//! credentials must not go to another host. What fails for the infrastructure's sake is tried again after a pause; a
//! transfer that breaks goes on where it broke, if the upstream can say that the body is still the same.

mod header;
mod login;
pub mod proxy;
mod resolve;
pub mod trust;
pub mod url;

use crate::environment::Environment;
use build::fetch::{Fetch, FetchError, Fetched};
use proxy::{Proxies, Route};
use std::io::{self, Read, Write};
use std::sync::OnceLock;
use std::time::Duration;
use ureq::http::{Response, StatusCode};
use ureq::{Agent, Body};
use url::Url;

pub use login::Login;
pub use url::shown;

/// More redirects than anybody makes in good faith; curl and browsers draw the line there too.
const REDIRECTS: u32 = 20;

/// Pauses before the second, third and fourth try.
const PAUSES: [Duration; 3] = [Duration::from_millis(250), Duration::from_secs(1), Duration::from_secs(3)];

/// The longest pause that an upstream can ask for with `Retry-After`; what asks for more has failed.
const LONGEST_PAUSE: Duration = Duration::from_secs(30);

/// Until a connection is there, name resolution and TLS included.
const CONNECT: Duration = Duration::from_secs(30);

/// Until the first byte of an answer: a proxy that scans a file for viruses takes its time.
const ANSWER: Duration = Duration::from_secs(180);

/// Between two bytes of a body.
const SILENCE: Duration = Duration::from_secs(60);

/// Fetches over HTTP and HTTPS, by the machine's own proxies and with its own trust. Connections stay open for the next
/// fetch. Nothing is read or opened before the first one.
pub struct HttpFetch {
    proxies: Proxies,
    trust: trust::Sources,
    direct: OnceLock<Agent>,
    by_http_proxy: OnceLock<Agent>,
    by_https_proxy: OnceLock<Agent>,
    pauses: [Duration; 3],
    logins: Vec<Login>,
}

impl HttpFetch {
    /// A fetcher with the proxies and certificate authorities that the environment names.
    pub fn new(environment: &Environment) -> Self {
        Self {
            proxies: Proxies::of(environment),
            trust: trust::Sources::of(environment),
            direct: OnceLock::new(),
            by_http_proxy: OnceLock::new(),
            by_https_proxy: OnceLock::new(),
            pauses: PAUSES,
            logins: Vec::new(),
        }
    }

    /// The same, with logins for some places.
    pub fn with_logins(self, logins: Vec<Login>) -> Self {
        Self { logins, ..self }
    }

    fn agent(&self, url: &Url) -> &Agent {
        match self.proxies.route(url) {
            Route::Direct => self.direct.get_or_init(|| proxy::direct(self.config())),
            Route::Http(proxy) => self.by_http_proxy.get_or_init(|| proxy::by_http(self.config(), proxy)),
            Route::Connect(proxy) => {
                self.by_https_proxy.get_or_init(|| proxy::by_connect(self.config(), proxy))
            }
        }
    }

    fn config(&self) -> ureq::config::ConfigBuilder<ureq::typestate::AgentScope> {
        let tls = ureq::tls::TlsConfig::builder().root_certs(self.trust.load()).build();
        Agent::config_builder()
            .tls_config(tls)
            .proxy(None)
            .http_status_as_error(false)
            .max_redirects(0)
            .max_redirects_will_error(false)
            .user_agent(concat!("kapok/", env!("CARGO_PKG_VERSION")))
            .accept_encoding("identity")
            .timeout_resolve(Some(CONNECT))
            .timeout_connect(Some(CONNECT))
            .timeout_recv_response(Some(ANSWER))
            .timeout_per_read(Some(SILENCE))
            .max_idle_connections(64)
            .max_idle_connections_per_host(16)
    }

    /// One request, redirects followed.
    fn ask(&self, asked: &str, conditions: &[(&str, String)]) -> Result<(Url, Response<Body>), FetchError> {
        let bad = |reason| FetchError::Url { url: shown(asked), reason };
        let mut url = Url::parse(asked).map_err(bad)?;
        let first = url.origin();
        let known = |url: &Url| self.logins.iter().find_map(|login| login.header_for(url)).map(str::to_owned);
        let login = url.take_login().or_else(|| known(&url));
        for _ in 0..=REDIRECTS {
            let mut request = self.agent(&url).get(url.as_str());
            if let Some(login) = login.as_ref().filter(|_| url.origin() == first) {
                request = request.header("Authorization", login.as_str());
            }
            if let Route::Http(proxy) = self.proxies.route(&url)
                && let Some(login) = proxy.login()
            {
                request = request.header("Proxy-Authorization", login);
            }
            for (name, value) in conditions {
                request = request.header(*name, value.as_str());
            }
            let response = request.call().map_err(|error| transport(asked, error))?;
            let next = header::text(&response, "location").filter(|_| is_redirect(response.status()));
            match next {
                Some(next) => {
                    url = url.join(&next).map_err(bad)?;
                    // A login in a redirect is the upstream's to give.
                    url.take_login();
                }
                None => return Ok((url, response)),
            }
        }
        Err(FetchError::Redirects { url: shown(asked), limit: REDIRECTS })
    }

    /// One try. `received` counts what has reached `out`, also by earlier tries.
    fn attempt(
        &self,
        transfer: &mut Transfer<'_>,
        etag: Option<&str>,
    ) -> Result<Option<Fetched>, FetchError> {
        let mut conditions = Vec::new();
        match (&transfer.resume, etag) {
            (Some(same), _) => {
                conditions.push(("Range", format!("bytes={}-", transfer.received)));
                conditions.push(("If-Range", same.clone()));
            }
            (None, Some(etag)) => conditions.push(("If-None-Match", etag.to_owned())),
            (None, None) => {}
        }
        let (url, mut response) = self.ask(transfer.url, &conditions)?;
        let status = response.status();
        let continues = status == StatusCode::PARTIAL_CONTENT
            && transfer.resume.is_some()
            && header::range_start(&response) == Some(transfer.received);
        if status == StatusCode::NOT_MODIFIED && etag.is_some() && transfer.resume.is_none() {
            return Ok(None);
        }
        if !continues && (status != StatusCode::OK || transfer.received > 0) {
            transfer.pause = header::retry_after(&response);
            // A body that begins anew cannot be appended to what was written.
            transfer.broken = transfer.received > 0;
            let status = status.as_u16();
            return Err(if transfer.broken && (status == 200 || status == 206) {
                FetchError::Truncated { url: shown(transfer.url), received: transfer.received }
            } else {
                FetchError::Status { url: shown(url.as_str()), status }
            });
        }
        if !continues {
            transfer.resume = header::strong_validator(&response);
            transfer.expected = response.body().content_length();
        }
        transfer.copy(&mut response)?;
        Ok(Some(Fetched {
            final_url: url.as_str().to_owned(),
            size: transfer.received,
            last_modified: header::text(&response, "last-modified")
                .and_then(|text| header::parse_date(&text)),
            etag: header::text(&response, "etag"),
            content_type: header::text(&response, "content-type"),
            file_name: header::text(&response, "content-disposition")
                .and_then(|text| header::file_name(&text)),
        }))
    }

    fn transfer(
        &self,
        url: &str,
        etag: Option<&str>,
        out: &mut dyn Write,
        limit: u64,
    ) -> Result<Option<Fetched>, FetchError> {
        let mut transfer = Transfer {
            url,
            out,
            limit,
            received: 0,
            expected: None,
            resume: None,
            pause: None,
            broken: false,
        };
        for pause in self.pauses {
            match self.attempt(&mut transfer, etag) {
                Err(error) if error.retryable() && transfer.may_go_on() => {
                    std::thread::sleep(transfer.pause.take().unwrap_or(pause));
                }
                done => return done,
            }
        }
        self.attempt(&mut transfer, etag)
    }
}

impl Fetch for HttpFetch {
    fn fetch(&self, url: &str, out: &mut dyn Write, limit: u64) -> Result<Fetched, FetchError> {
        // Without an entity tag nothing is "not modified".
        let fetched = self.transfer(url, None, out, limit)?;
        fetched.ok_or_else(|| FetchError::Status { url: shown(url), status: 304 })
    }

    fn fetch_unless(
        &self,
        url: &str,
        etag: &str,
        out: &mut dyn Write,
        limit: u64,
    ) -> Result<Option<Fetched>, FetchError> {
        self.transfer(url, Some(etag), out, limit)
    }
}

/// A body on its way, over one or more tries.
struct Transfer<'a> {
    url: &'a str,
    out: &'a mut dyn Write,
    limit: u64,
    received: u64,
    /// The whole body's length, where it was announced.
    expected: Option<u64>,
    /// What says that the body is still the one that was begun.
    resume: Option<String>,
    /// What the upstream asked for.
    pause: Option<Duration>,
    /// What is in `out` is of no use.
    broken: bool,
}

impl Transfer<'_> {
    fn may_go_on(&self) -> bool {
        !self.broken
            && (self.received == 0 || self.resume.is_some())
            && self.pause.is_none_or(|pause| pause <= LONGEST_PAUSE)
    }

    fn copy(&mut self, response: &mut Response<Body>) -> Result<(), FetchError> {
        let too_large = || FetchError::TooLarge { url: shown(self.url), limit: self.limit };
        if self.expected.is_some_and(|expected| expected > self.limit) {
            return Err(too_large());
        }
        let mut reader = response.body_mut().as_reader();
        let mut buffer = vec![0; 128 << 10];
        loop {
            let read = match reader.read(&mut buffer) {
                Ok(0) => break,
                Ok(read) => read,
                Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
                Err(error) => return Err(transport(self.url, ureq::Error::from(error))),
            };
            if self.received + read as u64 > self.limit {
                return Err(too_large());
            }
            let kept = self.out.write_all(&buffer[..read]);
            kept.map_err(|source| FetchError::Sink { url: shown(self.url), source })?;
            self.received += read as u64;
        }
        match self.expected {
            Some(expected) if expected != self.received => {
                Err(FetchError::Truncated { url: shown(self.url), received: self.received })
            }
            _ => Ok(()),
        }
    }
}

fn is_redirect(status: StatusCode) -> bool {
    matches!(status.as_u16(), 301 | 302 | 303 | 307 | 308)
}

/// What the HTTP library says, and whether another try may help: not against a certificate or a malformed answer.
fn transport(url: &str, error: ureq::Error) -> FetchError {
    let retryable = match &error {
        ureq::Error::Io(error) => {
            !matches!(error.kind(), io::ErrorKind::InvalidData | io::ErrorKind::InvalidInput)
        }
        ureq::Error::Timeout(_) | ureq::Error::ConnectionFailed | ureq::Error::HostNotFound => true,
        _ => false,
    };
    FetchError::Transport { url: shown(url), retryable, source: error.into() }
}

#[cfg(test)]
mod tests;
