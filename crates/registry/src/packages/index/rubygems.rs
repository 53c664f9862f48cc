//! Ruby's compact index of one gem: `VERSION[-PLATFORM] DEPENDENCIES|checksum:…,ruby:…` a line.

use ::oci::time::parse_rfc3339;

use super::{Filtered, Index, IndexError, Judge, Offer};
use crate::packages::rubygems;

pub fn filter(index: &Index<'_>, judge: &mut Judge<'_>) -> Result<Filtered, IndexError> {
    let text = super::text(index)?;
    let mut filtered = Filtered::default();
    let mut body = String::with_capacity(text.len());
    for line in text.split_inclusive('\n') {
        let plain = line.trim_end();
        let first = plain.split(' ').next().unwrap_or_default();
        let stem = format!("x-{first}");
        let Some((_, version, platform)) = rubygems::split(&stem) else {
            body.push_str(line);
            continue;
        };
        let requirements = plain.split_once('|').map_or("", |(_, requirements)| requirements);
        let value =
            |key: &str| requirements.split(',').find_map(|part| part.strip_prefix(key)?.strip_prefix(':'));
        let offer = Offer {
            version: Some(version.to_owned()),
            published: value("created_at").and_then(parse_rfc3339),
            digest: value("checksum").and_then(|hex| format!("sha256:{hex}").parse().ok()),
            prebuilt: !platform.is_empty(),
            url: None,
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
