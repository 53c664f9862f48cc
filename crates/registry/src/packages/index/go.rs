//! The Go module proxy's lists. They tell no times: those come from each version's `.info`.

use ::oci::time::parse_rfc3339;
use serde::Deserialize;

use super::{Filtered, Index, IndexError, Judge, Offer};

/// What `.info` and `@latest` say.
#[derive(Deserialize)]
pub(super) struct Info {
    #[serde(rename = "Version")]
    pub version: String,
    #[serde(rename = "Time", default)]
    pub time: Option<String>,
}

pub fn filter(index: &Index<'_>, judge: &mut Judge<'_>) -> Result<Filtered, IndexError> {
    if is_latest(index) { latest(index, judge) } else { list(index, judge) }
}

pub(super) fn is_latest(index: &Index<'_>) -> bool {
    index.url.split(['?', '#']).next().unwrap_or_default().ends_with("/@latest")
}

/// `@v/list`: one version a line, in any order.
fn list(index: &Index<'_>, judge: &mut Judge<'_>) -> Result<Filtered, IndexError> {
    let text = super::text(index)?;
    let mut filtered = Filtered::default();
    let mut body = String::with_capacity(text.len());
    for line in text.split_inclusive('\n') {
        // A proxy may add a time after the version.
        let mut words = line.split_whitespace();
        let Some(version) = words.next() else { continue };
        let published = words.next().and_then(parse_rfc3339).or_else(|| index.times.get(version).copied());
        let offer = Offer { version: Some(version.to_owned()), published, ..Offer::default() };
        if filtered.judged(offer, judge) {
            body.push_str(line);
        }
    }
    if !filtered.removed.is_empty() {
        filtered.body = Some(body.into_bytes());
    }
    Ok(filtered)
}

/// `@latest`, which clients ask where a module has no version in its list.
fn latest(index: &Index<'_>, judge: &mut Judge<'_>) -> Result<Filtered, IndexError> {
    let info: Info = serde_json::from_slice(index.body).map_err(|error| IndexError::form(index, error))?;
    let published = info.time.as_deref().and_then(parse_rfc3339);
    let mut filtered = Filtered::default();
    let offer = Offer { version: Some(info.version), published, ..Offer::default() };
    filtered.gone = !filtered.judged(offer, judge);
    Ok(filtered)
}
