//! The npm registry's document of a package. (npm registry documentation, "package metadata")

use std::cmp::Ordering;

use ::oci::Digest;
use ::oci::time::parse_rfc3339;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Map, Value};

use super::{Filtered, Index, IndexError, Judge, Offer};
use crate::packages::request::Address;

pub fn filter(index: &Index<'_>, judge: &mut Judge<'_>) -> Result<Filtered, IndexError> {
    let mut document: Value =
        serde_json::from_slice(index.body).map_err(|error| IndexError::form(index, error))?;
    let times = document.get("time").and_then(Value::as_object).cloned().unwrap_or_default();
    let base = Address::parse(index.url);
    let mut filtered = Filtered::default();
    let Some(versions) = document.get_mut("versions").and_then(Value::as_object_mut) else {
        return Err(IndexError::form(index, "it has no `versions`"));
    };
    versions
        .retain(|version, manifest| filtered.judged(offer(version, manifest, &times, base.as_ref()), judge));
    if filtered.removed.is_empty() {
        return Ok(filtered);
    }
    let left: Vec<String> = versions.keys().cloned().collect();
    if let Some(times) = document.get_mut("time").and_then(Value::as_object_mut) {
        times.retain(|key, _| matches!(key.as_str(), "created" | "modified") || left.contains(key));
    }
    if let Some(tags) = document.get_mut("dist-tags").and_then(Value::as_object_mut) {
        retag(tags, &left);
    }
    filtered.body = Some(document.to_string().into_bytes());
    filtered.content_type = Some("application/json");
    Ok(filtered)
}

fn offer(version: &str, manifest: &Value, times: &Map<String, Value>, base: Option<&Address>) -> Offer {
    let dist = |key: &str| manifest.get("dist").and_then(|dist| dist.get(key)).and_then(Value::as_str);
    Offer {
        version: Some(version.to_owned()),
        url: dist("tarball").and_then(|url| base?.join(url)),
        published: times.get(version).and_then(Value::as_str).and_then(parse_rfc3339),
        digest: dist("integrity").and_then(integrity),
        prebuilt: false,
    }
}

/// The strongest digest of a subresource integrity text. (W3C Subresource Integrity, 3.1)
fn integrity(text: &str) -> Option<Digest> {
    let of = |function: &str| {
        let encoded =
            text.split_whitespace().find_map(|part| part.strip_prefix(function)?.strip_prefix('-'))?;
        let bytes = STANDARD.decode(encoded.split('?').next()?).ok()?;
        let long = if function == "sha512" { 64 } else { 32 };
        (bytes.len() == long).then(|| Digest::from_bytes(&bytes)).flatten()
    };
    of("sha512").or_else(|| of("sha256"))
}

/// Tags point to versions that are there: `latest` to the newest release up to what it pointed to, others vanish.
fn retag(tags: &mut Map<String, Value>, left: &[String]) {
    let there = |tag: &Value| tag.as_str().is_some_and(|version| left.iter().any(|known| known == version));
    let latest = tags.get("latest").filter(|tag| !there(tag)).and_then(Value::as_str).map(str::to_owned);
    tags.retain(|tag, version| tag == "latest" || there(version));
    let Some(before) = latest else { return };
    let older = |version: &&String| compare(version, &before) == Ordering::Less;
    let releases = left.iter().filter(|version| !version.contains('-'));
    let newest = releases.filter(older).max_by(|a, b| compare(a, b));
    let newest = newest.or_else(|| left.iter().filter(older).max_by(|a, b| compare(a, b)));
    let newest = newest.or_else(|| left.iter().max_by(|a, b| compare(a, b)));
    match newest {
        Some(version) => tags.insert("latest".to_owned(), Value::String(version.clone())),
        None => tags.remove("latest"),
    };
}

/// Semantic versioning's precedence. (semver.org 2.0.0, 11)
pub(super) fn compare(a: &str, b: &str) -> Ordering {
    let parts = |text: &str| {
        let text = text.split('+').next().unwrap_or_default().to_owned();
        match text.split_once('-') {
            Some((core, pre)) => (core.to_owned(), Some(pre.to_owned())),
            None => (text, None),
        }
    };
    let ((core_a, pre_a), (core_b, pre_b)) = (parts(a), parts(b));
    let by_core = identifiers(&core_a, &core_b);
    by_core.then_with(|| match (pre_a, pre_b) {
        (None, None) => Ordering::Equal,
        (None, Some(_)) => Ordering::Greater,
        (Some(_), None) => Ordering::Less,
        (Some(a), Some(b)) => identifiers(&a, &b),
    })
}

/// Numbers before words, numbers by value, the shorter first.
fn identifiers(a: &str, b: &str) -> Ordering {
    let number = |part: &str| part.parse::<u64>().ok();
    let (mut a, mut b) = (a.split('.'), b.split('.'));
    loop {
        let order = match (a.next(), b.next()) {
            (None, None) => return Ordering::Equal,
            (None, Some(_)) => Ordering::Less,
            (Some(_), None) => Ordering::Greater,
            (Some(a), Some(b)) => match (number(a), number(b)) {
                (Some(a), Some(b)) => a.cmp(&b),
                (Some(_), None) => Ordering::Less,
                (None, Some(_)) => Ordering::Greater,
                (None, None) => a.cmp(b),
            },
        };
        if order != Ordering::Equal {
            return order;
        }
    }
}
