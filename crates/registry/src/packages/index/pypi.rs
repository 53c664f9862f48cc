//! Python's simple API: pages of a project as JSON or HTML. (PEP 503, 691, 700, 714)

use ::oci::Digest;
use ::oci::time::parse_rfc3339;
use ::oci::url::decoded_text;
use serde_json::{Map, Value};

use super::html;
use super::{Filtered, Index, IndexError, Judge, Offer};
use crate::packages::pypi::File;
use crate::packages::request::Address;

/// Asks for JSON, which alone tells times, and takes a page where there is none.
pub const ACCEPT: &str =
    "application/vnd.pypi.simple.v1+json, application/vnd.pypi.simple.v1+html;q=0.2, text/html;q=0.1";
const JSON: &str = "application/vnd.pypi.simple.v1+json";
const HTML: &str = "text/html; charset=utf-8";

pub fn filter(index: &Index<'_>, judge: &mut Judge<'_>) -> Result<Filtered, IndexError> {
    if index.content_type.to_ascii_lowercase().contains("json") {
        json(index, judge)
    } else {
        page(index, judge)
    }
}

fn json(index: &Index<'_>, judge: &mut Judge<'_>) -> Result<Filtered, IndexError> {
    let mut document: Value =
        serde_json::from_slice(index.body).map_err(|error| IndexError::form(index, error))?;
    let files = document.get_mut("files").and_then(Value::as_array_mut);
    let Some(files) = files else { return Err(IndexError::form(index, "it has no `files`")) };
    let base = Address::parse(index.url);
    let mut filtered = Filtered::default();
    files.retain(|file| filtered.judged(offer(file, base.as_ref()), judge));
    if !filtered.removed.is_empty() {
        keep_versions(&mut document, &filtered);
    }
    let as_json = accepts_json(index.accept);
    if as_json && filtered.removed.is_empty() {
        return Ok(filtered);
    }
    filtered.content_type = Some(if as_json { JSON } else { HTML });
    let bytes = if as_json { document.to_string() } else { html::page(&document) };
    filtered.body = Some(bytes.into_bytes());
    Ok(filtered)
}

/// Whether a client reads JSON: only who asks for it by name.
fn accepts_json(accept: &str) -> bool {
    accept.contains("application/vnd.pypi.simple.v1+json")
        || accept.contains("application/vnd.pypi.simple.latest+json")
}

/// `versions` names what `files` has. (PEP 700)
fn keep_versions(document: &mut Value, filtered: &Filtered) {
    let lost = |version: &str| {
        let is = |offer: &Offer| offer.version.as_deref() == Some(version);
        filtered.removed.iter().any(|removed| is(&removed.offer)) && !filtered.offers.iter().any(is)
    };
    if let Some(versions) = document.get_mut("versions").and_then(Value::as_array_mut) {
        versions.retain(|version| version.as_str().is_none_or(|version| !lost(version)));
    }
}

fn offer(file: &Value, base: Option<&Address>) -> Offer {
    let text = |key: &str| file.get(key).and_then(Value::as_str);
    let hex = file.get("hashes").and_then(Value::as_object).and_then(sha256);
    let mut offer = of_file(text("filename").unwrap_or_default());
    offer.url = text("url").and_then(|url| base?.join(url));
    offer.published = text("upload-time").and_then(parse_rfc3339);
    offer.digest = hex;
    offer
}

fn sha256(hashes: &Map<String, Value>) -> Option<Digest> {
    format!("sha256:{}", hashes.get("sha256")?.as_str()?.to_ascii_lowercase()).parse().ok()
}

fn of_file(name: &str) -> Offer {
    let file = File::parse(name);
    Offer {
        version: file.as_ref().map(|file| file.version.clone()),
        prebuilt: file.as_ref().map_or(name.ends_with(".whl"), |file| file.prebuilt),
        ..Offer::default()
    }
}

/// A page: everything but the anchors that vanish, with their line breaks, stays as it is.
fn page(index: &Index<'_>, judge: &mut Judge<'_>) -> Result<Filtered, IndexError> {
    let text = super::text(index)?;
    let base = Address::parse(index.url);
    let mut filtered = Filtered::default();
    let mut body = String::with_capacity(text.len());
    let mut copied = 0;
    for anchor in html::anchors(text) {
        let (address, fragment) = anchor.href.split_once('#').unwrap_or((&anchor.href, ""));
        let path = address.split('?').next().unwrap_or_default();
        let mut offer = of_file(&decoded_text(path.rsplit('/').next().unwrap_or_default()));
        offer.url = base.as_ref().and_then(|base| base.join(address));
        offer.published = anchor.uploaded.as_deref().and_then(parse_rfc3339);
        let sum = fragment.split('&').find_map(|part| part.strip_prefix("sha256="));
        offer.digest = sum.and_then(|hex| format!("sha256:{}", hex.to_ascii_lowercase()).parse().ok());
        if !filtered.judged(offer, judge) {
            body.push_str(&text[copied..anchor.start]);
            copied = anchor.end;
        }
    }
    if !filtered.removed.is_empty() {
        body.push_str(&text[copied..]);
        filtered.body = Some(body.into_bytes());
    }
    Ok(filtered)
}
