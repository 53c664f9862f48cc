//! Whether an upstream still says what a record has: asked on conditions, so that nothing is sent that did not change.

use std::sync::Arc;

use http::header::{ACCEPT, ACCEPT_ENCODING, HeaderMap, HeaderName, HeaderValue, USER_AGENT};
use http::{Method, StatusCode};
use oci::record::Intake;
use oci::store::Download;

use super::fetch::{Answered, Fetch, Keep};
use super::inquiry::conditions;
use crate::gateway::Shared;
use crate::gateway::kept::{Head, Request};
use crate::gateway::spool::Broken;
use crate::gateway::upstream::{NoAnswer, chain};
use crate::packages::Address;

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
