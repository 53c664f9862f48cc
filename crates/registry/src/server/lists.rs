//! Lists: tags, repositories, referrers. (OCI distribution specification, "Content Discovery")

use http::{HeaderName, StatusCode, header};
use oci::descriptor::media_type;
use oci::{Descriptor, Digest};
use serde_json::json;

use super::Storage;
use super::access::{Identity, Right};
use super::answer::{Answer, Refusal, set, whole};
use super::registry::Registry;
use super::route::Query;
use super::storage::Page;
use crate::Repository;
use crate::wire::error::Code;
use crate::wire::{header::FILTERS_APPLIED, link};

/// Entries of one answer; longer lists go on by a link.
const PAGE_LIMIT: usize = 10_000;

/// Referrers of one answer: clients read at most 4 MiB, and annotations can be long.
const REFERRERS_LIMIT: usize = 500;

/// GET of the tags of a repository.
pub(super) async fn tags(
    registry: &Registry,
    repository: Repository,
    query: &Query,
) -> Result<Answer, Refusal> {
    let page = page(query)?;
    let (name, wanted) = (repository.clone(), Page { limit: page.limit + 1, after: page.after.clone() });
    let list = move |storage: &Storage| {
        if !storage.repositories.exists(&name)? {
            return Err(Refusal::new(Code::NameUnknown, "the registry has no such repository"));
        }
        Ok(storage.repositories.tags(&name, &wanted)?)
    };
    let mut tags = registry.blocking(list).await?;
    let next = cut(&mut tags, page.limit);
    let mut answer = json_answer(&json!({"name": repository.as_str(), "tags": tags}));
    if let Some(last) = next {
        let target = format!("/v2/{repository}/tags/list?n={}&last={last}", page.limit);
        set(&mut answer, header::LINK, &link::write(&target));
    }
    Ok(answer)
}

/// GET of the repositories that somebody may read.
pub(super) async fn catalog(
    registry: &Registry,
    identity: &Identity,
    query: &Query,
) -> Result<Answer, Refusal> {
    let page = page(query)?;
    let mut found: Vec<String> = Vec::new();
    let mut after = page.after;
    // Pages are filled with what may be seen, so that nothing tells how much there is beside.
    loop {
        let wanted = Page { after: after.clone(), limit: page.limit + 1 };
        let batch = registry.blocking(move |storage| Ok(storage.repositories.list(&wanted)?)).await?;
        let ends = batch.len() <= page.limit;
        after = batch.last().cloned();
        let access = registry.authenticator.access();
        found.extend(batch.into_iter().filter(|name| {
            name.parse().is_ok_and(|repository| access.allows(identity, &repository, Right::Pull))
        }));
        if ends || found.len() > page.limit {
            break;
        }
    }
    let next = cut(&mut found, page.limit);
    let mut answer = json_answer(&json!({"repositories": found}));
    if let Some(last) = next {
        set(&mut answer, header::LINK, &link::write(&format!("/v2/_catalog?n={}&last={last}", page.limit)));
    }
    Ok(answer)
}

/// GET of the referrers of a manifest, which need not exist.
pub(super) async fn referrers(
    registry: &Registry,
    repository: Repository,
    subject: Digest,
    query: &Query,
) -> Result<Answer, Refusal> {
    let name = repository.clone();
    let mut found: Vec<Descriptor> =
        registry.blocking(move |storage| Ok(storage.repositories.referrers(&name, &subject)?)).await?;
    let kind = query.get("artifactType").filter(|kind| !kind.is_empty());
    if let Some(kind) = kind {
        found.retain(|descriptor| descriptor.artifact_type.as_deref() == Some(kind));
    }
    found.sort_by_key(|descriptor| descriptor.digest);
    if let Some(last) = query.get("last").and_then(|text| text.parse::<Digest>().ok()) {
        found.retain(|descriptor| descriptor.digest > last);
    }
    let more = found.len() > REFERRERS_LIMIT;
    found.truncate(REFERRERS_LIMIT);
    let index = json!({"schemaVersion": 2, "mediaType": media_type::OCI_INDEX, "manifests": found});
    let mut answer = whole(StatusCode::OK, media_type::OCI_INDEX, index.to_string());
    if kind.is_some() {
        set(&mut answer, HeaderName::from_static(FILTERS_APPLIED), "artifactType");
    }
    if let Some(last) = found.last().filter(|_| more) {
        let filter = kind.map(|kind| format!("&artifactType={}", encode(kind))).unwrap_or_default();
        let target = format!("/v2/{repository}/referrers/{subject}?last={}{filter}", last.digest);
        set(&mut answer, header::LINK, &link::write(&target));
    }
    Ok(answer)
}

fn page(query: &Query) -> Result<Page, Refusal> {
    let limit = match query.get("n") {
        None => PAGE_LIMIT,
        Some(text) => match text.parse::<usize>() {
            Ok(number) => number.min(PAGE_LIMIT),
            Err(_) => {
                return Err(Refusal::new(Code::PaginationNumberInvalid, "`n` is not a number of entries"));
            }
        },
    };
    Ok(Page { after: query.get("last").map(str::to_owned), limit })
}

/// Shortens a list that has one entry more than a page; then its last entry.
fn cut(list: &mut Vec<String>, limit: usize) -> Option<String> {
    let more = list.len() > limit;
    list.truncate(limit);
    if more { list.last().cloned() } else { None }
}

fn json_answer(value: &serde_json::Value) -> Answer {
    whole(StatusCode::OK, "application/json", value.to_string())
}

/// Percent-encodes all but what no URL gives a meaning.
fn encode(text: &str) -> String {
    let plain = |b: u8| b.is_ascii_alphanumeric() || b"-._~/".contains(&b);
    text.bytes().map(|b| if plain(b) { char::from(b).to_string() } else { format!("%{b:02X}") }).collect()
}
