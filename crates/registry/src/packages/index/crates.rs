//! Cargo's sparse index: one JSON object a line and version. (The Cargo Book, "Index format")

use ::oci::time::parse_rfc3339;
use serde::Deserialize;

use super::{Filtered, Index, IndexError, Judge, Offer};

#[derive(Deserialize)]
struct Line {
    vers: String,
    #[serde(default)]
    cksum: String,
    #[serde(default)]
    pubtime: Option<String>,
}

pub fn filter(index: &Index<'_>, judge: &mut Judge<'_>) -> Result<Filtered, IndexError> {
    let text = super::text(index)?;
    let mut filtered = Filtered::default();
    let mut body = String::with_capacity(text.len());
    for line in text.split_inclusive('\n') {
        if line.trim().is_empty() {
            body.push_str(line);
            continue;
        }
        let parsed: Line = serde_json::from_str(line).map_err(|error| IndexError::form(index, error))?;
        let offer = Offer {
            published: parsed
                .pubtime
                .as_deref()
                .and_then(parse_rfc3339)
                .or_else(|| index.times.get(&parsed.vers).copied()),
            digest: format!("sha256:{}", parsed.cksum.to_ascii_lowercase()).parse().ok(),
            version: Some(parsed.vers),
            ..Offer::default()
        };
        if filtered.judged(offer, judge) {
            body.push_str(line);
        }
    }
    if !filtered.removed.is_empty() {
        filtered.body = Some(body.into_bytes());
    }
    Ok(filtered)
}
