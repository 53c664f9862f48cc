//! Secrets that stand readable in manifests and settings.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use project::yaml::{Node, Pair, Value};

use crate::facts::manifest::{
    Object, is_default_credential, is_key_of_object, is_placeholder, is_secret_name, known_token,
    url_password,
};
use crate::facts::{Facts, SourceId};
use crate::finding::Place;
use crate::level::{Level, Levels};
use crate::rule::{Example, Family, Need, Rule, Sink};

const LATER: &str = "take it from a Secret that an external store fills (Vault, External Secrets, Sealed Secrets), and change it: it is known";

/// Kinds whose secrets are references or ciphertext.
fn is_reference(object: &Object) -> bool {
    const KINDS: [&str; 9] = [
        "SealedSecret",
        "ExternalSecret",
        "ClusterExternalSecret",
        "SecretStore",
        "ClusterSecretStore",
        "VaultSecret",
        "SecretProviderClass",
        "CustomResourceDefinition",
        "VaultStaticSecret",
    ];
    KINDS.contains(&object.kind.as_str()) || object.node.get("sops").is_some()
}

/// Secrets whose values are committed.
pub static SECRET: Rule = Rule {
    id: "secret-in-manifest",
    family: Family::Privilege,
    levels: Levels::WARNING,
    title: "a Secret's values are not committed",
    why: "base64 is no encryption: everybody who may read the repository, today or from its history, has the secret.",
    fix: LATER,
    bad: Example(
        "//- secret.yaml\napiVersion: v1\nkind: Secret\nmetadata: {name: db}\ndata:\n  password: «aHVudGVyMnBhc3M=»\n",
    ),
    good: Example(
        "//- secret.yaml\napiVersion: v1\nkind: Secret\nmetadata: {name: db}\nstringData:\n  password: <path:kv/data/db#password>\n",
    ),
    also: &[],
    needs: &[Need::Manifests],
    judge: |facts, sink| {
        for secret in facts.objects_of("", "Secret").filter(|secret| !is_reference(secret)) {
            let service_account = secret.node.text_at("type") == Some("kubernetes.io/service-account-token");
            for (key, encoded) in [("data", true), ("stringData", false)] {
                let pairs = secret.node.get(key).map_or(&[][..], Node::pairs);
                for pair in pairs.iter().filter(|_| !service_account) {
                    secret_value(secret, pair, encoded, sink);
                }
            }
        }
        for object in facts.objects.iter().filter(|object| object.kind == "Kustomization") {
            for literal in object
                .node
                .items_at("secretGenerator")
                .iter()
                .flat_map(|generator| generator.items_at("literals"))
            {
                let Some((key, value)) = literal.text().and_then(|text| text.split_once('=')) else {
                    continue;
                };
                if !is_placeholder(value) && !is_public(key, value) {
                    sink.find(object.place(literal.span), format!("the value of `{key}` is committed"));
                }
            }
        }
    },
};

fn secret_value(secret: &Object, pair: &Pair, encoded: bool, sink: &mut Sink<'_>) {
    let Some(text) = pair.value.text() else { return };
    let decoded = if encoded { decode(text) } else { Some(text.to_owned()) };
    // What cannot be decoded is found by another rule, and a program's ciphertext is not readable.
    let Some(value) = decoded else { return };
    if holds_login(&value) {
        sink.find(
            secret.place(value_span(pair)),
            format!("{} has logins readable in `{}`", secret.title(), pair.key),
        );
        return;
    }
    if text.trim().is_empty()
        || is_placeholder_text(&value)
        || is_public(&pair.key, &value)
        || is_default_credential(&value)
    {
        return;
    }
    sink.find(
        secret.place(value_span(pair)),
        format!("{} has the value of `{}` readable", secret.title(), pair.key),
    );
    // A whole file may be settings that name no secret.
    if value.contains('\n') && !value.contains("PRIVATE KEY") && !mentions_secret(&value) {
        sink.at_most(Level::Info);
    }
}

/// JSON with logins: those of registries, keys of cloud accounts.
fn holds_login(value: &str) -> bool {
    let trimmed = value.trim_start();
    if !trimmed.starts_with('{') || trimmed.starts_with("{{") {
        return false;
    }
    let Ok(json) = serde_json::from_str::<serde_json::Value>(trimmed) else { return false };
    let mut left = vec![&json];
    while let Some(next) = left.pop() {
        match next {
            serde_json::Value::Object(map) => {
                for (key, value) in map {
                    let secret = key == "auth" || is_secret_name(key);
                    if secret && value.as_str().is_some_and(|text| !is_placeholder(text)) {
                        return true;
                    }
                    left.push(value);
                }
            }
            serde_json::Value::Array(items) => left.extend(items),
            _ => {}
        }
    }
    false
}

/// A block's value spans lines; its key's place says enough.
fn value_span(pair: &Pair) -> dockerfile::Span {
    let block = pair.value.text().is_some_and(|text| text.contains('\n'));
    if block { pair.span } else { pair.value.span }
}

fn mentions_secret(text: &str) -> bool {
    assignments(text).any(|(_, key, value)| is_secret_name(key) && !is_placeholder(value))
}

fn is_placeholder_text(value: &str) -> bool {
    if value.contains('\n') {
        value.contains("<path:") || !value.contains(char::is_alphanumeric)
    } else {
        is_placeholder(value)
    }
}

/// Keys of a Secret whose values nobody hides.
fn is_public(key: &str, value: &str) -> bool {
    let lower = key.to_ascii_lowercase().replace(['-', '_', '.'], "");
    const NAMES: [&str; 26] = [
        "username",
        "user",
        "login",
        "host",
        "hostname",
        "port",
        "url",
        "endpoint",
        "database",
        "dbname",
        "name",
        "type",
        "email",
        "region",
        "bucket",
        "project",
        "insecure",
        "enablelfs",
        "tlscrt",
        "cacrt",
        "ca",
        "cert",
        "certificate",
        "namespace",
        "server",
        "config",
    ];
    let ends = [
        "user", "username", "url", "host", "hostname", "port", "endpoint", "bucket", "region", "email",
        "database", "cacrt", "clientid", "userid",
    ];
    let public = NAMES.contains(&lower.as_str()) || ends.iter().any(|end| lower.ends_with(end));
    public && url_password(value).is_none() && known_token(value).is_none() && !value.contains("PRIVATE KEY")
}

fn decode(text: &str) -> Option<String> {
    let plain: String = text.chars().filter(|character| !character.is_whitespace()).collect();
    Some(String::from_utf8_lossy(&STANDARD.decode(plain).ok()?).into_owned())
}

/// Values of Secrets that the API server cannot decode.
pub static NOT_BASE64: Rule = Rule {
    id: "secret-not-base64",
    family: Family::Manifests,
    levels: Levels::ERROR,
    title: "a Secret's `data` is base64",
    why: "The API server refuses what it cannot decode.",
    fix: "encode it, or move it to `stringData`",
    bad: Example(
        "//- secret.yaml\napiVersion: v1\nkind: Secret\nmetadata: {name: db}\ndata:\n  password: «not base64!»\n",
    ),
    good: Example(
        "//- secret.yaml\napiVersion: v1\nkind: Secret\nmetadata: {name: db}\ndata:\n  password: \"\"\n",
    ),
    also: &[],
    needs: &[Need::Manifests],
    judge: |facts, sink| {
        for secret in facts.objects_of("", "Secret").filter(|secret| !is_reference(secret)) {
            for pair in secret.node.get("data").map_or(&[][..], Node::pairs) {
                let text = pair.value.text().unwrap_or_default();
                let templated = is_placeholder(text) && !text.contains(' ')
                    || text.contains('<')
                    || text.contains("{{")
                    || text.contains("ENC[");
                if decode(text).is_none() && !templated {
                    sink.find(
                        secret.place(value_span(pair)),
                        format!("the value of `{}` is not base64", pair.key),
                    );
                }
            }
        }
    },
};

/// Secrets as values of variables and keys.
pub static ENVIRONMENT: Rule = Rule {
    id: "secret-in-clear",
    family: Family::Privilege,
    levels: Levels::WARNING,
    title: "no secret stands readable in manifests and settings",
    why: "Who may read the repository, the object or the pod has the secret.",
    fix: LATER,
    bad: pod_example!("      env:\n        - name: DB_PASSWORD\n          value: «hunter2pass»\n"),
    good: pod_example!(
        "      env:\n        - name: DB_PASSWORD\n          valueFrom: {secretKeyRef: {name: db, key: password}}\n"
    ),
    also: &[],
    needs: &[Need::Manifests],
    judge: |facts, sink| {
        each_secret(facts, &mut |place, name, value| {
            if !is_default_credential(value) {
                sink.find(place, format!("the value of `{name}` stands here readable"));
            }
        });
        for (source, text) in facts.sources() {
            if is_manifest_or_settings(facts, source) {
                shapes(source, &text.text, sink);
            }
        }
    },
};

fn is_manifest_or_settings(facts: &Facts, source: SourceId) -> bool {
    let name = &facts.source(source).name;
    name.ends_with(".yaml")
        || name.ends_with(".yml")
        || facts.settings.iter().any(|settings| settings.place.source == source)
}

/// Tokens that say by their shape what they are, and passwords in URLs.
fn shapes(source: SourceId, text: &str, sink: &mut Sink<'_>) {
    let mut at = 0;
    for line in text.split_inclusive('\n') {
        let spot = |start: usize, length: usize| {
            Place::new(source, dockerfile::Span::new(at + start, at + start + length))
        };
        if let Some((start, length)) = url_password(line).filter(|_| !line.trim_start().starts_with('#')) {
            sink.find(spot(start, length), "a password stands in a URL");
        }
        if let Some((start, length, what)) = known_token(line) {
            // A variable of that name is found already.
            let named = assignments(line)
                .any(|(_, key, value)| is_secret_name(key) && value.contains(&line[start..start + length]));
            if !named {
                sink.find(spot(start, length), format!("this looks like {what}"));
            }
        }
        at += line.len();
    }
}

/// Credentials that everybody knows.
pub static DEFAULTS: Rule = Rule {
    id: "default-credentials",
    family: Family::Privilege,
    levels: Levels::WARNING,
    title: "no program runs with the credentials that it came with",
    why: "Everybody tries them first.",
    fix: "generate a password and keep it in a secret store",
    bad: pod_example!("      env:\n        - {name: MINIO_ROOT_PASSWORD, value: «minioadmin»}\n"),
    good: ENVIRONMENT.good,
    also: &[],
    needs: &[Need::Manifests],
    judge: |facts, sink| {
        each_secret(facts, &mut |place, name, value| {
            if is_default_credential(value) {
                sink.find(place, format!("`{name}` is `{value}`, which everybody knows"));
            }
        });
        for secret in facts.objects_of("", "Secret") {
            for (key, encoded) in [("data", true), ("stringData", false)] {
                for pair in secret.node.get(key).map_or(&[][..], Node::pairs) {
                    let text = pair.value.text().unwrap_or_default();
                    let value = if encoded { decode(text).unwrap_or_default() } else { text.to_owned() };
                    if is_default_credential(&value) && !is_public(&pair.key, &value) {
                        let value = value.trim();
                        sink.find(
                            secret.place(value_span(pair)),
                            format!("`{}` is `{value}`, which everybody knows", pair.key),
                        );
                    }
                }
            }
        }
    },
};

/// Calls back with every value of a secret's name: of variables, keys, parameters, and lines of texts inside.
fn each_secret(facts: &Facts, call: &mut dyn FnMut(Place, &str, &str)) {
    for object in facts
        .objects
        .iter()
        .filter(|object| !is_reference(object) && object.kind != "Template" && !object.kind.ends_with("List"))
    {
        let mut walk = Walk { facts, source: object.source, call, secret: object.kind == "Secret" };
        walk.node(&object.node);
    }
    for template in facts.objects.iter().filter(|object| object.kind == "Template") {
        let mut walk = Walk { facts, source: template.source, call, secret: false };
        template.node.items_at("parameters").iter().for_each(|parameter| walk.node(parameter));
    }
    for document in &facts.documents {
        let mut walk = Walk { facts, source: document.source, call, secret: false };
        walk.node(&document.node);
    }
}

struct Walk<'f, 'c> {
    facts: &'f Facts,
    source: SourceId,
    call: &'c mut dyn FnMut(Place, &str, &str),
    /// Whether the object is a Secret: its values have a rule of their own.
    secret: bool,
}

impl Walk<'_, '_> {
    fn node(&mut self, node: &Node) {
        match &node.value {
            Value::Sequence(items) => items.iter().for_each(|item| self.node(item)),
            Value::Scalar { text, .. } if text.contains('\n') || text.starts_with("--") => self.lines(node),
            Value::Scalar { .. } => {}
            Value::Mapping(pairs) => {
                // `{name: X, value: y}`: variables, parameters of charts and templates.
                if let (Some(name), Some(value)) =
                    (node.text_at("name"), node.get("value").or_else(|| node.get("default")))
                {
                    self.value(name, value);
                }
                for pair in pairs {
                    let skip = self.secret && matches!(pair.key.as_str(), "data" | "stringData");
                    if skip {
                        continue;
                    }
                    self.value(&pair.key, &pair.value);
                    self.node(&pair.value);
                }
            }
        }
    }

    fn value(&mut self, name: &str, value: &Node) {
        let Some(text) = value.text() else { return };
        if !is_secret_name(name)
            || text.contains('\n')
            || is_name_of_object(text) && !name.to_ascii_lowercase().contains("pass")
        {
            return;
        }
        if !is_key_of_object(name, text) && (is_default_credential(text) || !is_placeholder(text)) {
            (self.call)(Place::new(self.source, value.span), name, text);
        }
    }

    fn lines(&mut self, node: &Node) {
        let place = Place::new(self.source, node.span);
        for (span, line) in self.facts.lines(place) {
            for (at, key, value) in assignments(line) {
                let bare = value.trim_matches(['"', '\'']);
                let code = bare.contains(['(', ')', ';', '[']) || bare.starts_with("os.");
                if is_secret_name(key)
                    && !code
                    && (is_default_credential(bare) || !is_placeholder(value))
                    && !is_name_of_object(bare)
                {
                    let start = span.start + at;
                    (self.call)(
                        Place::new(self.source, dockerfile::Span::new(start, start + value.len())),
                        key,
                        bare,
                    );
                }
            }
        }
    }
}

/// `nexus-admin-token`: the name of another object, which people write where a secret would stand.
fn is_name_of_object(text: &str) -> bool {
    let plain = text.chars().all(|character| character.is_ascii_lowercase() || character == '-');
    plain && text.contains('-') && text.len() < 40 && !is_default_credential(text)
}

/// What a line assigns: `key: value`, `key=value`, an element `<key>value</key>`. Each with where the value begins.
pub(in crate::rules) fn assignments(line: &str) -> impl Iterator<Item = (usize, &str, &str)> {
    let trimmed = line.trim_start();
    let comment = trimmed.starts_with(['#', ';']) || trimmed.starts_with("//") && !trimmed.contains(":_");
    let found = (!comment).then(|| element(line).or_else(|| assignment(line))).flatten();
    found.into_iter()
}

fn assignment(line: &str) -> Option<(usize, &str, &str)> {
    let at = line.find(['=', ':'])?;
    // A key of npm's settings begins with `//host/:`.
    let at = if line.trim_start().starts_with("//") { line.find('=')? } else { at };
    let key =
        line[..at].trim().trim_start_matches("export ").trim_start_matches("- ").trim_matches(['"', '\'']);
    let key = key.rsplit([' ', ':']).next().unwrap_or(key);
    let rest = &line[at + 1..];
    let start = at + 1 + (rest.len() - rest.trim_start().len());
    let value = line.get(start..)?.trim_end().trim_end_matches(',');
    (!value.starts_with(['=', ':'])).then_some((start, key, value))
}

fn element(line: &str) -> Option<(usize, &str, &str)> {
    line.match_indices('<').find_map(|(open, _)| {
        let name = &line[open + 1..open + line[open..].find('>')?];
        let start = open + name.len() + 2;
        let end = start + line[start..].find(&format!("</{name}>"))?;
        let plain = !name.is_empty() && name.chars().all(char::is_alphanumeric);
        (plain && is_secret_name(name)).then(|| (start, name, &line[start..end]))
    })
}

/// Secrets of webhooks.
pub static WEBHOOK: Rule = Rule {
    id: "webhook-secret-in-clear",
    family: Family::Privilege,
    levels: Levels::WARNING,
    title: "a webhook's secret is a reference",
    why: "Who knows it can start builds; and everybody who may read the BuildConfig knows it.",
    fix: "use `secretReference` with the name of a Secret, and change the secret: it is known",
    bad: Example(
        "//- bc.yaml\napiVersion: build.openshift.io/v1\nkind: BuildConfig\nmetadata: {name: a}\nspec:\n  resources: {limits: {cpu: 1, memory: 1Gi}}\n  triggers: [{type: GitHub, github: {secret: «s3cr3t»}}]\n",
    ),
    good: Example(
        "//- bc.yaml\napiVersion: build.openshift.io/v1\nkind: BuildConfig\nmetadata: {name: a}\nspec:\n  resources: {limits: {cpu: 1, memory: 1Gi}}\n  triggers: [{type: GitHub, github: {secretReference: {name: hook}}}]\n",
    ),
    also: &[],
    needs: &[Need::Manifests],
    judge: |facts, sink| {
        for build in facts.objects_of("build.openshift.io", "BuildConfig") {
            for trigger in build.node.items_at("spec.triggers") {
                let secrets = ["github", "gitlab", "bitbucket", "generic"]
                    .into_iter()
                    .filter_map(|key| trigger.get(key)?.get("secret"));
                for secret in secrets.filter(|secret| {
                    secret.text().is_some_and(|text| !crate::facts::manifest::is_template(text))
                }) {
                    sink.find(
                        build.place(secret.span),
                        format!("the webhook's secret of {} stands here readable", build.title()),
                    );
                }
            }
        }
    },
};

/// Private keys among the files.
pub static PRIVATE_KEY: Rule = Rule {
    id: "private-key-committed",
    family: Family::Privilege,
    levels: Levels::WARNING,
    title: "no private key is committed",
    why: "Who may read the repository, or a copy of its history, can be whoever the key stands for.",
    fix: "remove it from the history, make a new key, and keep that in a secret store",
    bad: Example("//- tls/server.key\n«-----BEGIN PRIVATE KEY-----»\nMIGHAgEA\n-----END PRIVATE KEY-----\n"),
    good: Example("//- tls/server.pub\n-----BEGIN PUBLIC KEY-----\nMIGHAgEA\n-----END PUBLIC KEY-----\n"),
    also: &[],
    needs: &[Need::Files],
    judge: |facts, sink| {
        for key in &facts.private_keys {
            sink.find(
                key.place,
                if key.encrypted { "a private key, with a passphrase" } else { "a private key" },
            );
            let path = &facts.source(key.place.source).name;
            let test = path
                .split('/')
                .any(|part| matches!(part, "test" | "tests" | "testdata" | "fixtures" | "examples"));
            if key.encrypted || test {
                sink.at_most(Level::Info);
            }
        }
    },
};

/// These rules.
pub const RULES: &[&Rule] = &[&SECRET, &NOT_BASE64, &ENVIRONMENT, &DEFAULTS, &WEBHOOK, &PRIVATE_KEY];
