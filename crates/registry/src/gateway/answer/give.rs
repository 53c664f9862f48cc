//! An answer for one client, out of a body that others may read as well: all of it, a part, or that nothing has changed.

use http::header::{
    ACCEPT_RANGES, CONTENT_LENGTH, CONTENT_RANGE, ETAG, HeaderMap, HeaderValue, IF_MODIFIED_SINCE,
    IF_NONE_MATCH, IF_RANGE, LAST_MODIFIED, RANGE,
};
use http::{Method, Response, StatusCode};

use crate::gateway::body::{Body, empty};
use crate::gateway::flights::Source;
use crate::gateway::kept::Head;
use crate::gateway::ledger::Note;
use crate::gateway::spool::{Broken, Reader, SpoolBody};
use crate::wire::range::{Asked, Bytes};

/// What of a source a client is to have.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Portion {
    All,
    Part(Bytes, u64),
    Unchanged,
    Unsatisfiable(u64),
}

/// Answers a GET or HEAD.
pub(super) fn give(source: Source, method: &Method, headers: &HeaderMap, mut note: Note) -> Response<Body> {
    let (head, spool) = (&source.head, &source.spool);
    note.intake.from = source.from.clone();
    note.intake.etag = head.header(&ETAG).map(str::to_owned);
    note.intake.last_modified = head.header(&LAST_MODIFIED).map(str::to_owned);
    let size = spool.size();
    let portion = portion(head, size, headers);
    let mut response = match portion {
        Portion::Part(part, whole) => {
            let mut response = head.response(empty());
            *response.status_mut() = StatusCode::PARTIAL_CONTENT;
            insert(response.headers_mut(), CONTENT_RANGE, &part.content_range(whole));
            response
        }
        Portion::All => head.response(empty()),
        Portion::Unchanged => {
            let mut response = head.response(empty());
            *response.status_mut() = StatusCode::NOT_MODIFIED;
            response
        }
        Portion::Unsatisfiable(whole) => {
            let mut response = Response::new(empty());
            *response.status_mut() = StatusCode::RANGE_NOT_SATISFIABLE;
            insert(response.headers_mut(), CONTENT_RANGE, &format!("bytes */{whole}"));
            response
        }
    };
    for (name, value) in &source.own {
        response.headers_mut().append(name, value.clone());
    }
    // Of what there is, not of what this client lacked of it.
    note.intake.status = Some(head.status);
    if head.status == 200 && size.is_some() {
        response.headers_mut().insert(ACCEPT_RANGES, HeaderValue::from_static("bytes"));
    }
    let sends = *method != Method::HEAD && has_body(response.status()) && size != Some(0);
    let reader = match portion {
        Portion::All if sends => Reader::whole(spool),
        Portion::Part(part, _) if sends => Reader::part(spool, part),
        _ => {
            // The body of an answer to HEAD is empty and says nothing of the size.
            let size = head.length().or(size).filter(|_| portion == Portion::All && *method == Method::HEAD);
            if let Some(size) = size.filter(|size| *size > 0) {
                insert(response.headers_mut(), CONTENT_LENGTH, &size.to_string());
            }
            settle_later(source, note);
            return response;
        }
    };
    let Some(reader) = reader else {
        note.failed("the beginning of the body is no longer there");
        return super::page::failed("the beginning of the body is no longer there");
    };
    if portion == Portion::All {
        // Some clients hang up as soon as they have read that there is nothing, and it is an answer nevertheless.
        let later = (head.status >= 300).then(|| source.clone());
        *response.body_mut() = Body::new(SpoolBody::new(reader, move |result| match (result, later) {
            (Err(Broken::Cancelled), Some(source)) => settle_later(source, note),
            (result, _) => note.settle(result),
        }));
    } else {
        // Of a part the client knows nothing of the whole; the record does.
        *response.body_mut() = Body::new(SpoolBody::new(reader, |_| ()));
        settle_later(source, note);
    }
    response
}

/// Records the whole when it is there, although the client takes less of it.
fn settle_later(source: Source, note: Note) {
    match source.spool.end() {
        Some(end) => note.settle(end),
        None => drop(tokio::spawn(async move { note.settle(source.spool.ended().await) })),
    }
}

fn portion(head: &Head, size: Option<u64>, headers: &HeaderMap) -> Portion {
    if head.status != 200 {
        return Portion::All;
    }
    if is_unchanged(head, headers) {
        return Portion::Unchanged;
    }
    let text = |name| headers.get(name).and_then(|value| value.to_str().ok());
    let (Some(range), Some(size)) = (text(RANGE), size) else { return Portion::All };
    let same = text(IF_RANGE).is_none_or(|same| {
        let strong = |tag: &str| !tag.starts_with("W/") && tag == same;
        head.header(&ETAG).is_some_and(strong) || head.header(&LAST_MODIFIED) == Some(same)
    });
    match Bytes::parse_request(range, size) {
        _ if !same => Portion::All,
        Asked::Whole => Portion::All,
        Asked::Part(part) => Portion::Part(part, size),
        Asked::Unsatisfiable => Portion::Unsatisfiable(size),
    }
}

/// Whether the client has it already, by its own word. (RFC 9110, 13.1)
fn is_unchanged(head: &Head, headers: &HeaderMap) -> bool {
    let weak = |tag: &str| tag.trim().trim_start_matches("W/").to_owned();
    let tags: Vec<&str> =
        headers.get_all(IF_NONE_MATCH).iter().filter_map(|value| value.to_str().ok()).collect();
    if !tags.is_empty() {
        let own = head.header(&ETAG).map(weak);
        return tags.iter().flat_map(|tags| tags.split(',')).any(|tag| own == Some(weak(tag)));
    }
    let since = headers.get(IF_MODIFIED_SINCE).and_then(|since| since.to_str().ok());
    since.is_some() && head.header(&LAST_MODIFIED) == since
}

fn has_body(status: StatusCode) -> bool {
    !matches!(status, StatusCode::NO_CONTENT | StatusCode::NOT_MODIFIED)
}

fn insert(headers: &mut HeaderMap, name: http::header::HeaderName, value: &str) {
    if let Ok(value) = HeaderValue::try_from(value) {
        headers.insert(name, value);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(asked: &[(&str, &str)], expected: Portion) {
        let mut answered = HeaderMap::new();
        answered.insert(ETAG, "\"v1\"".parse().unwrap());
        answered.insert(LAST_MODIFIED, "Sat, 21 Nov 2026 12:00:00 GMT".parse().unwrap());
        let head = Head::of(StatusCode::OK, &answered);
        let mut headers = HeaderMap::new();
        for (name, value) in asked {
            headers.append(http::HeaderName::try_from(*name).unwrap(), value.parse().unwrap());
        }
        assert_eq!(portion(&head, Some(10), &headers), expected, "{asked:?}");
        assert_eq!(portion(&Head::bare(404), Some(10), &headers), Portion::All);
    }

    #[test]
    fn clients_get_what_they_lack() {
        check(&[], Portion::All);
        check(&[("if-none-match", "\"v0\", W/\"v1\"")], Portion::Unchanged);
        check(
            &[("if-none-match", "\"v0\""), ("if-modified-since", "Sat, 21 Nov 2026 12:00:00 GMT")],
            Portion::All,
        );
        check(&[("if-modified-since", "Sat, 21 Nov 2026 12:00:00 GMT")], Portion::Unchanged);
        let part = Portion::Part(Bytes { start: 2, end: 10 }, 10);
        check(&[("range", "bytes=2-")], part);
        check(&[("range", "bytes=2-"), ("if-range", "\"v1\"")], part);
        check(&[("range", "bytes=2-"), ("if-range", "\"v2\"")], Portion::All);
        check(&[("range", "bytes=10-")], Portion::Unsatisfiable(10));
        check(&[("range", "bytes=0-1,4-5")], Portion::All);
    }
}
