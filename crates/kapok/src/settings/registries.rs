//! `registries:` in settings, as users know them from containers-registries.conf(5).

use dockerfile::Span;
use oci::Reference;
use project::yaml::{Node, Value};
use registry::client::config::{ClientCertificate, MirrorConfig, PullFrom, RegistryConfig};
use serde_json::{Value as Json, json};

use super::Settings;
use super::keys::Places;
use super::tree::{Reader, Tree};

/// The key.
pub const TREE: Tree = Tree {
    path: "registries",
    places: Places::All,
    meaning: "a list of registries that are not as their names say: `prefix` with `location`, `mirrors`, `insecure`, \
              `blocked`, `ca`, `client-certificate` and `client-key`; a later file's entry replaces the one with the \
              same prefix; `insecure` is the machine's and the user's to say",
    schema,
    read,
};

const FIELDS: [&str; 8] =
    ["prefix", "location", "mirrors", "insecure", "blocked", "ca", "client-certificate", "client-key"];

const MIRROR_FIELDS: [&str; 4] = ["location", "insecure", "pull-from", "ca"];

fn schema() -> Json {
    let text = json!({ "type": "string" });
    let flag = json!({ "type": "boolean" });
    let texts = json!({ "anyOf": [text, { "type": "array", "items": text }] });
    let mirror = json!({
        "type": "object",
        "additionalProperties": false,
        "required": ["location"],
        "properties": {
            "location": text,
            "insecure": flag,
            "pull-from": { "enum": ["all", "digest-only", "tag-only"] },
            "ca": texts,
        },
    });
    json!({
        "type": "array",
        "items": {
            "type": "object",
            "additionalProperties": false,
            "properties": {
                "prefix": text,
                "location": text,
                "mirrors": { "type": "array", "items": { "anyOf": [text, mirror] } },
                "insecure": flag,
                "blocked": flag,
                "ca": texts,
                "client-certificate": text,
                "client-key": text,
            },
        },
    })
}

fn read(settings: &mut Settings, node: &Node, reader: &mut Reader<'_>) {
    let mut seen: Vec<String> = Vec::new();
    for item in reader.items(node, "registries") {
        let Some(entry) = entry(item, reader) else { continue };
        let prefix = prefix(&entry).to_owned();
        if seen.contains(&prefix) {
            reader.say(item.span, format!("`{prefix}` stands here twice"), None);
        }
        let blocked = settings.registries.iter().find(|other| other.blocked && covers(other, &prefix));
        if !reader.trusted && blocked.is_some() {
            let hint = "the machine's or the user's kapok.yaml says so";
            reader.say(item.span, format!("`{prefix}` is blocked"), Some(hint.to_owned()));
            continue;
        }
        settings.registries.retain(|known| self::prefix(known) != prefix);
        settings.registries.push(entry);
        seen.push(prefix);
    }
}

/// What an entry is about.
fn prefix(entry: &RegistryConfig) -> &str {
    if entry.prefix.is_empty() { &entry.location } else { &entry.prefix }
}

fn entry(node: &Node, reader: &mut Reader<'_>) -> Option<RegistryConfig> {
    let mut entry = RegistryConfig::default();
    let (mut certificate, mut key) = (None, None);
    let before = reader.diagnostics.len();
    for pair in reader.fields(node, "registries", &FIELDS) {
        let (name, value) = (pair.key.as_str(), &pair.value);
        match name {
            "prefix" => entry.prefix = place(value, name, reader)?,
            "location" => entry.location = place(value, name, reader)?,
            "mirrors" => {
                let items = reader.items(value, name);
                entry.mirrors = items.iter().filter_map(|item| mirror(item, reader)).collect();
            }
            "insecure" => entry.insecure = insecure(pair.span, value, reader),
            "blocked" => entry.blocked = reader.flag(value, name),
            "ca" => entry.authorities = reader.paths(value, name),
            "client-certificate" => certificate = reader.path(value, name),
            _ => key = reader.path(value, name),
        }
    }
    match (certificate, key) {
        (None, None) => {}
        // A file may hold both.
        (Some(certificate), key) => {
            let key = key.unwrap_or_else(|| certificate.clone());
            entry.client_certificate = Some(ClientCertificate { certificate, key });
        }
        (None, Some(_)) => {
            reader.say(node.span, "`client-key` needs a `client-certificate`".to_owned(), None);
        }
    }
    if reader.diagnostics.len() > before {
        return None;
    }
    if prefix(&entry).is_empty() {
        reader.say(node.span, "an entry of `registries` needs a `prefix`".to_owned(), None);
        return None;
    }
    if entry.prefix.is_empty() && entry.location.starts_with('*') {
        reader.say(node.span, "a `location` is one place; `*` is for a `prefix`".to_owned(), None);
        return None;
    }
    Some(entry)
}

fn mirror(node: &Node, reader: &mut Reader<'_>) -> Option<MirrorConfig> {
    let mut mirror = MirrorConfig::default();
    if let Value::Scalar { .. } = node.value {
        mirror.location = place(node, "mirrors", reader)?;
        return Some(mirror);
    }
    for pair in reader.fields(node, "mirrors", &MIRROR_FIELDS) {
        let (name, value) = (pair.key.as_str(), &pair.value);
        match name {
            "location" => mirror.location = place(value, name, reader)?,
            "insecure" => mirror.insecure = insecure(pair.span, value, reader),
            "ca" => mirror.authorities = reader.paths(value, name),
            _ => {
                mirror.pull_from = match reader.text(value, name)? {
                    "all" => PullFrom::All,
                    "digest-only" => PullFrom::DigestOnly,
                    "tag-only" => PullFrom::TagOnly,
                    _ => {
                        let message = "`pull-from`: expected `all`, `digest-only` or `tag-only`";
                        reader.say(value.span, message.to_owned(), None);
                        return None;
                    }
                }
            }
        }
    }
    if mirror.location.is_empty() {
        reader.say(node.span, "an entry of `mirrors` needs a `location`".to_owned(), None);
        return None;
    }
    Some(mirror)
}

/// A registry with as much of a repository as is meant.
fn place(node: &Node, what: &str, reader: &mut Reader<'_>) -> Option<String> {
    let text = reader.text(node, what)?;
    if let Some((scheme, rest)) = text.split_once("://") {
        let hint = format!("write `{}`; plain {scheme} is `insecure: true`", rest.trim_end_matches('/'));
        let hint = if scheme == "http" { hint } else { format!("write `{}`", rest.trim_end_matches('/')) };
        reader.say(node.span, format!("`{what}` is no URL but a name"), Some(hint));
        return None;
    }
    let text = text.trim_end_matches('/');
    // Whatever stands behind it, a reference must come out.
    let host = text.strip_prefix("*.").unwrap_or(text);
    let registry = host.split('/').next().unwrap_or_default();
    let named = registry == "localhost" || registry.contains(['.', ':']);
    let tagged = host.rsplit('/').next().is_some_and(|last| host.contains('/') && last.contains([':', '@']));
    let sample = if tagged { host.to_owned() } else { format!("{host}/x") };
    if !named || sample.parse::<Reference>().is_err() || (text.starts_with('*') && host.contains('/')) {
        let hint = "it begins with a registry's host, such as `quay.io` or `quay.io/team`";
        reader.say(node.span, format!("`{text}` is no `{what}`"), Some(hint.to_owned()));
        return None;
    }
    Some(text.to_owned())
}

fn insecure(name: Span, node: &Node, reader: &mut Reader<'_>) -> bool {
    let insecure = reader.flag(node, "insecure");
    if insecure && !reader.trusted {
        let hint = "set it in /etc/kapok/kapok.yaml or in the user's kapok.yaml";
        reader.say(name, "a project may not set `insecure`".to_owned(), Some(hint.to_owned()));
    }
    insecure
}

/// Whether everything below a prefix falls under an entry.
pub fn covers(entry: &RegistryConfig, prefix: &str) -> bool {
    let own = self::prefix(entry);
    if let Some(suffix) = own.strip_prefix('*') {
        let host = prefix.split('/').next().unwrap_or_default();
        return host.len() > suffix.len() && host.ends_with(suffix);
    }
    let rest = prefix.strip_prefix(own);
    rest.is_some_and(|rest| {
        rest.is_empty() || rest.starts_with(['/', '@']) || (own.contains('/') && rest.starts_with(':'))
    })
}

/// What is said of a registry holds for it too where it stands in another's place or mirrors it.
pub fn with_what_is_said_of_places(registries: &[RegistryConfig]) -> Vec<RegistryConfig> {
    let said = |location: &str| {
        let fitting = registries.iter().filter(|entry| covers(entry, location) && !entry.blocked);
        fitting.max_by_key(|entry| prefix(entry).len())
    };
    let mut all = registries.to_vec();
    for entry in &mut all {
        let own = prefix(entry).to_owned();
        if !entry.location.is_empty()
            && entry.location != own
            && let Some(said) = said(&entry.location)
        {
            entry.insecure |= said.insecure;
            entry.authorities.extend(said.authorities.iter().cloned());
            entry.client_certificate = entry.client_certificate.take().or(said.client_certificate.clone());
        }
        for mirror in &mut entry.mirrors {
            if let Some(said) = said(&mirror.location) {
                mirror.insecure |= said.insecure;
                mirror.authorities.extend(said.authorities.iter().cloned());
            }
        }
    }
    all
}

#[cfg(test)]
mod tests;
