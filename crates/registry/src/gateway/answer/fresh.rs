//! Whether an upstream still says what a record has: asked on conditions, so that nothing is sent that did not change.

use std::sync::Arc;

use http::header::{ACCEPT, ACCEPT_ENCODING, HeaderMap, HeaderName, HeaderValue, USER_AGENT};
use http::{Method, StatusCode};
use http_body_util::{BodyExt, Limited};
use oci::record::Intake;
use oci::store::Download;

use super::fetch::{Answered, Fetch, Keep};
use super::inquiry::conditions;
use crate::gateway::Shared;
use crate::gateway::body::whole;
use crate::gateway::kept::{Head, Request};
use crate::gateway::spool::Broken;
use crate::gateway::upstream::{NoAnswer, chain};
use crate::packages::{Address, git};

/// Bytes of an answer that names everything in a repository; the largest have some ten millions.
const REFS: u64 = 32 << 20;

impl Shared {
    /// Whether the answer to a request is another one by now. The new one is kept for the step that asks again.
    pub(in crate::gateway) async fn changed(self: &Arc<Shared>, intake: &Intake) -> Result<bool, NoAnswer> {
        let url = oci::lock::normalised_url(&intake.url);
        let address = Address::parse(&url).ok_or_else(|| NoAnswer::failed(format!("`{url}` is no URL")))?;
        let method = if intake.method.is_empty() { "GET" } else { &intake.method };
        let Some((request, head)) = self.recorded(method, &url, intake)? else {
            // Of a request whose headers nobody knows any more, nobody can say it.
            return Err(NoAnswer::failed("the store no longer has the answer that was recorded"));
        };
        let mut headers = headers_of(&request.variant);
        headers.extend(conditions(&head));
        let fetch = Fetch {
            method: Method::from_bytes(method.as_bytes()).unwrap_or(Method::GET),
            url,
            headers,
            body: None,
            private: false,
        };
        let source = match self.fetch(fetch, &address).await? {
            Answered::Directory(source) => source,
            Answered::Upstream(fetched) => match fetched.incoming.response.status() {
                StatusCode::NOT_MODIFIED => return Ok(false),
                status if status.is_server_error() || status == StatusCode::TOO_MANY_REQUESTS => {
                    return Err(NoAnswer::failed(format!("it answers {status}")));
                }
                _ => self.take(fetched, Keep { request, expected: Vec::new(), over: None })?,
            },
        };
        let whole = match source.spool.ended().await {
            Ok(whole) => whole,
            Err(Broken::Failed { reason } | Broken::Refused { reason, .. }) => {
                return Err(NoAnswer::Failed { reason });
            }
            Err(Broken::Cancelled) => return Err(NoAnswer::failed("it was broken off")),
        };
        let same_status = source.head.status == intake.status.unwrap_or(200);
        Ok(!same_status || intake.digest.is_some_and(|digest| digest != whole.digest))
    }

    /// Whether names in a Git repository name other objects by now than an answer to `ls-refs` said. Of these names only
    /// those count that named something `wanted`, if there are any: a branch that the step did not fetch may move. Other
    /// answers, such as a pack, say nothing of names.
    pub(in crate::gateway) async fn refs_moved(
        self: &Arc<Shared>,
        intake: &Intake,
        wanted: &[String],
    ) -> Result<bool, NoAnswer> {
        let Some(digest) = intake.digest.filter(|_| intake.size <= REFS) else { return Ok(false) };
        let kept = self.options.store.read_blob(&digest).map_err(|error| NoAnswer::failed(chain(&error)))?;
        let mut named = git::refs(&kept);
        if named.iter().any(|named| wanted.contains(&named.object)) {
            named.retain(|named| wanted.contains(&named.object));
        }
        if named.is_empty() {
            return Ok(false);
        }
        let address = Address::parse(&intake.url).ok_or_else(|| NoAnswer::failed("it has no URL"))?;
        let mut headers = HeaderMap::new();
        for (name, value) in [
            ("content-type", "application/x-git-upload-pack-request"),
            ("accept", "application/x-git-upload-pack-result"),
            ("git-protocol", "version=2"),
            ("user-agent", "git/kapok"),
        ] {
            headers.insert(HeaderName::from_static(name), HeaderValue::from_static(value));
        }
        let body = Some(whole(git::ask_for_refs()));
        let fetch = Fetch { method: Method::POST, url: intake.url.clone(), headers, body, private: false };
        let Answered::Upstream(fetched) = self.fetch(fetch, &address).await? else { return Ok(false) };
        let status = fetched.incoming.response.status();
        if status != StatusCode::OK {
            return Err(NoAnswer::failed(format!("it answers {status}")));
        }
        let limit = usize::try_from(REFS).unwrap_or(usize::MAX);
        let body = Limited::new(fetched.incoming.response.into_body(), limit).collect().await;
        let now = git::refs(&body.map_err(|error| NoAnswer::failed(error.to_string()))?.to_bytes());
        let same = |before: &git::NamedRef| {
            now.iter().any(|now| now.name == before.name && now.object == before.object)
        };
        Ok(!named.iter().all(same))
    }

    /// The request that a record speaks of, and the answer that it had.
    fn recorded(
        &self,
        method: &str,
        url: &str,
        intake: &Intake,
    ) -> Result<Option<(Request, Head)>, NoAnswer> {
        let Some(digest) = intake.digest else { return Ok(None) };
        let found =
            self.options.store.downloads_of(&digest).map_err(|error| NoAnswer::failed(chain(&error)))?;
        let prefix = format!("{method} {url}\n");
        let fits = |download: Download| {
            let variant = download.request.strip_prefix(&prefix)?.to_owned();
            let request = Request { method: method.to_owned(), url: url.to_owned(), variant, private: false };
            let head = serde_json::from_str(&download.answer).ok()?;
            (request.digest() == intake.request).then_some((request, head))
        };
        Ok(found.into_iter().find_map(fits))
    }
}

/// The headers that a variant was made of.
fn headers_of(variant: &str) -> HeaderMap {
    let mut headers = HeaderMap::new();
    headers.insert(ACCEPT_ENCODING, HeaderValue::from_static("identity"));
    headers.insert(USER_AGENT, HeaderValue::from_static("kapok"));
    for (name, value) in variant.lines().filter_map(|line| line.split_once('=')) {
        let name = match name {
            "accept" => ACCEPT,
            "encoding" => ACCEPT_ENCODING,
            name => match HeaderName::try_from(name) {
                Ok(name) => name,
                Err(_) => continue,
            },
        };
        if let Ok(value) = HeaderValue::try_from(value) {
            headers.insert(name, value);
        }
    }
    headers
}
