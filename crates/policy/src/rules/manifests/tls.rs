//! Encryption that is turned off.

use project::yaml::{Node, Value};

use crate::facts::dockerfile::DockerfileFacts;
use crate::facts::manifest::{Object, is_template};
use crate::facts::{Facts, SourceId};
use crate::finding::Place;
use crate::level::{Level, Levels};
use crate::rule::{Example, Family, Need, Rule, Sink};

/// Keys of manifests and settings that turn verification off, lower case and without separators, and the value that does.
const KEYS: [(&str, &str); 16] = [
    ("insecureskiptlsverify", "true"),
    ("insecureskipverify", "true"),
    ("skiptlsverify", "true"),
    ("tlsskipverify", "true"),
    ("tlsskipverifyinsecure", "true"),
    ("skipverify", "true"),
    ("sslinsecure", "true"),
    ("insecureignorehostkey", "true"),
    ("insecureoci", "true"),
    ("tlsverify", "false"),
    ("sslverify", "false"),
    ("verifyssl", "false"),
    ("verifytls", "false"),
    ("tlsrejectunauthorized", "false"),
    ("validatecerts", "false"),
    ("strictssl", "false"),
];

/// Variables that turn verification off, and the values that do.
const VARIABLES: [(&str, &[&str]); 13] = [
    ("GIT_SSL_NO_VERIFY", &["true", "1", "yes"]),
    ("PYTHONHTTPSVERIFY", &["0"]),
    ("NODE_TLS_REJECT_UNAUTHORIZED", &["0"]),
    ("VAULT_SKIP_VERIFY", &["true", "1"]),
    ("CURL_INSECURE", &["1", "true"]),
    ("SSL_VERIFY", &["false", "0"]),
    ("TLS_VERIFY", &["false", "0"]),
    ("TLSVERIFY", &["false", "0"]),
    ("NPM_CONFIG_STRICT_SSL", &["false"]),
    ("AWS_NO_VERIFY_SSL", &["true", "1"]),
    ("ARGOCD_INSECURE", &["true"]),
    ("GOINSECURE", &["*"]),
    ("GONOSUMCHECK", &["1"]),
];

/// Verification turned off.
pub static OFF: Rule = Rule {
    id: "manifest-tls-off",
    family: Family::Privilege,
    levels: Levels::WARNING,
    title: "certificates are verified",
    why: "Without verification anybody on the way can answer in a server's place, read what is sent and change what is fetched.",
    fix: "verify, and give the client the authority's certificate",
    bad: pod_example!("      env:\n        - {name: GIT_SSL_NO_VERIFY, value: «\"true\"»}\n"),
    good: pod_example!("      env:\n        - {name: GIT_SSL_CAINFO, value: /etc/pki/ca.crt}\n"),
    also: &[],
    needs: &[Need::Manifests],
    judge: |facts, sink| {
        let objects = facts.objects.iter().filter(|object| {
            object.kind != "CustomResourceDefinition"
                && object.kind != "Template"
                && !object.kind.ends_with("List")
        });
        for (source, node) in objects
            .map(|object| (object.source, &object.node))
            .chain(facts.documents.iter().map(|document| (document.source, &document.node)))
        {
            walk(facts, source, node, sink);
        }
        for object in &facts.objects {
            of_kind(object, sink);
        }
    },
};

fn walk(facts: &Facts, source: SourceId, node: &Node, sink: &mut Sink<'_>) {
    match &node.value {
        Value::Sequence(items) => items.iter().for_each(|item| walk(facts, source, item, sink)),
        Value::Scalar { .. } => commands(facts, Place::new(source, node.span), sink),
        Value::Mapping(pairs) => {
            let value = node.get("value").or_else(|| node.get("default"));
            if let (Some(name), Some(value)) = (node.text_at("name"), value) {
                variable(source, name, value, sink);
            }
            for pair in pairs {
                let plain: String = pair
                    .key
                    .chars()
                    .filter(char::is_ascii_alphanumeric)
                    .map(|character| character.to_ascii_lowercase())
                    .collect();
                let text = pair.value.text().unwrap_or_default();
                if KEYS.iter().any(|(key, off)| plain == *key && text.eq_ignore_ascii_case(off)) {
                    sink.find(
                        Place::new(source, pair.value.span),
                        format!("`{}: {text}`: certificates are not verified", pair.key),
                    );
                } else {
                    variable(source, &pair.key, &pair.value, sink);
                }
                walk(facts, source, &pair.value, sink);
            }
        }
    }
}

fn variable(source: SourceId, name: &str, value: &Node, sink: &mut Sink<'_>) {
    let text = value.text().unwrap_or_default();
    if VARIABLES
        .iter()
        .any(|(known, off)| name == *known && off.iter().any(|off| text.eq_ignore_ascii_case(off)))
    {
        sink.find(Place::new(source, value.span), format!("`{name}={text}`: certificates are not verified"));
    }
}

/// Settings whose names say it only for their kind.
fn of_kind(object: &Object, sink: &mut Sink<'_>) {
    let on = |node: Option<&Node>| {
        node.filter(|node| node.text().is_some_and(|text| text == "true")).map(|node| node.span)
    };
    let mut say = |span: Option<dockerfile::Span>, words: &str| {
        if let Some(span) = span {
            sink.find(object.place(span), format!("{}: {words}", object.title()));
        }
    };
    match object.kind.as_str() {
        "ImageStream" => {
            for tag in object.node.items_at("spec.tags") {
                say(on(tag.at("importPolicy.insecure")), "images are imported without verification");
            }
        }
        "Secret"
            if object
                .node
                .at("metadata.labels")
                .is_some_and(|labels| labels.get("argocd.argoproj.io/secret-type").is_some()) =>
        {
            say(on(object.node.at("stringData.insecure")), "certificates of the repository are not verified");
        }
        "ArgoCD" => {
            let server = object.node.at("spec.server.insecure");
            // TLS may end at the route before it.
            if let Some(span) = on(server) {
                sink.find(object.place(span), format!("{}: the server speaks plain HTTP", object.title()))
                    .at_most(Level::Info);
            }
        }
        _ => {}
    }
}

/// Commands in scripts and arguments that turn verification off: what is said, and where.
pub(in crate::rules) fn switch_off(line: &str) -> Option<(usize, usize, &'static str)> {
    let word = |text: &'static str| {
        let at = line.find(text)?;
        let end = line[at + text.len()..].chars().next();
        end.is_none_or(|next| !next.is_alphanumeric() && next != '-').then_some((at, text.len(), text))
    };
    const WORDS: [&str; 16] = [
        "TLS_REQCERT never",
        "StrictHostKeyChecking=no",
        "--tls-verify=false",
        "--src-tls-verify=false",
        "--dest-tls-verify=false",
        "--insecure-skip-tls-verify=true",
        "--insecure-skip-tls-verify",
        "--no-check-certificate",
        "--skip-tls-verify",
        "--no-verify-ssl",
        "--trusted-host",
        "--nogpgcheck",
        "--allow-unauthenticated",
        "http.sslVerify=false",
        "http.sslVerify false",
        "--disable-ssl-verification",
    ];
    let found = WORDS
        .into_iter()
        .find_map(word)
        .or_else(|| word("strict-ssl false"))
        .or_else(|| word("strict-ssl=false"));
    found.or_else(|| curl(line)).or_else(|| {
        // `mc`, `aws`, `helm`, `argocd`, `kubectl` and their like spell it out.
        let (at, length, word) = word("--insecure")?;
        line[..at].contains(' ').then_some((at, length, word))
    })
}

/// `curl -k`, also among other letters: `-skL`.
fn curl(line: &str) -> Option<(usize, usize, &'static str)> {
    let start = line.find("curl ")?;
    let before = line[..start].chars().next_back();
    if before.is_some_and(|character| character.is_alphanumeric() || "-_./".contains(character)) {
        return None;
    }
    let rest = &line[start..];
    let end = rest.find(['|', ';']).map_or(line.len(), |length| start + length);
    let mut at = start;
    for word in line[start..end].split(' ') {
        let letters = word
            .strip_prefix('-')
            .filter(|word| !word.is_empty() && word.chars().all(|character| character.is_ascii_alphabetic()));
        // Letters after one that takes a value are that value.
        let off = letters.is_some_and(|letters| {
            letters
                .split(['o', 'H', 'd', 'X', 'u', 'A', 'm', 'w'])
                .next()
                .is_some_and(|flags| flags.contains('k'))
        });
        if off || word == "--insecure" {
            return Some((at, word.len(), "curl --insecure"));
        }
        at += word.len() + 1;
    }
    None
}

fn commands(facts: &Facts, place: Place, sink: &mut Sink<'_>) {
    for (span, line) in facts.lines(place) {
        if line.trim_start().starts_with('#') {
            continue;
        }
        if let Some((at, length, word)) = switch_off(line) {
            // Asked last, as it takes long: there are few such lines and many others.
            if has_own_rules(facts, place) {
                return;
            }
            let spot =
                Place::new(place.source, dockerfile::Span::new(span.start + at, span.start + at + length));
            sink.find(spot, format!("`{word}`: nothing is verified"));
        }
    }
}

/// Whether a text is a Dockerfile, or settings of a package manager, which have rules of their own.
fn has_own_rules(facts: &Facts, place: Place) -> bool {
    let inline = |file: &DockerfileFacts| {
        file.source == place.source
            && file.instruction_spans().iter().any(|own| place.span.range().contains(&own.start))
    };
    facts.dockerfiles.iter().any(inline) || facts.settings.iter().any(|settings| settings.place == place)
}

/// Routes that answer without TLS.
pub static ROUTE: Rule = Rule {
    id: "route-insecure",
    family: Family::Manifests,
    levels: Levels::WARNING,
    title: "a route with TLS does not answer without it",
    why: "With `Allow` everything is served on port 80 as well; who follows an old link logs in readably.",
    fix: "set `insecureEdgeTerminationPolicy: Redirect`",
    bad: Example(
        "//- route.yaml\napiVersion: route.openshift.io/v1\nkind: Route\nmetadata: {name: web}\nspec: {to: {kind: Service, name: web}, tls: {termination: edge, insecureEdgeTerminationPolicy: «Allow»}}\n",
    ),
    good: Example(
        "//- route.yaml\napiVersion: route.openshift.io/v1\nkind: Route\nmetadata: {name: web}\nspec: {to: {kind: Service, name: web}, tls: {termination: edge, insecureEdgeTerminationPolicy: Redirect}}\n",
    ),
    also: &[],
    needs: &[Need::Manifests],
    judge: |facts, sink| {
        for route in facts.objects_of("route.openshift.io", "Route") {
            if route.node.text_at("spec.tls.insecureEdgeTerminationPolicy") == Some("Allow") {
                let place = route.place_at("spec.tls.insecureEdgeTerminationPolicy");
                sink.find(place, format!("{} answers without TLS as well", route.title()));
            }
        }
    },
};

/// Sources over plain text.
pub static PLAIN_SOURCE: Rule = Rule {
    id: "manifest-source-http",
    family: Family::Downloads,
    levels: Levels::WARNING,
    title: "sources come over an encrypted connection",
    why: "Anybody on the way can put other sources into a build or a deployment.",
    fix: "use `https://` or ssh",
    bad: Example(
        "//- bc.yaml\napiVersion: build.openshift.io/v1\nkind: BuildConfig\nmetadata: {name: a}\nspec:\n  resources: {limits: {cpu: 1, memory: 1Gi}}\n  source: {git: {uri: «\"http://git.example.com/a.git\"», ref: v1}}\n  triggers: [{type: ConfigChange}]\n",
    ),
    good: Example(
        "//- bc.yaml\napiVersion: build.openshift.io/v1\nkind: BuildConfig\nmetadata: {name: a}\nspec:\n  resources: {limits: {cpu: 1, memory: 1Gi}}\n  source: {git: {uri: \"https://git.example.com/a.git\", ref: v1}}\n  triggers: [{type: ConfigChange}]\n",
    ),
    also: &[],
    needs: &[Need::Manifests],
    judge: |facts, sink| {
        for object in &facts.objects {
            let paths: &[&str] = match object.kind.as_str() {
                "BuildConfig" => &["spec.source.git.uri"],
                "Application" => &["spec.source.repoURL"],
                "ApplicationSet" => &["spec.template.spec.source.repoURL"],
                _ => &[],
            };
            if object.kind == "BuildConfig" {
                let strategies = ["dockerStrategy", "sourceStrategy", "customStrategy"];
                let lists = strategies.iter().flat_map(|strategy| {
                    ["env", "buildArgs"].map(|list| format!("spec.strategy.{strategy}.{list}"))
                });
                for variable in lists.flat_map(|path| object.node.items_at(&path)) {
                    let index =
                        variable.text_at("name").is_some_and(crate::rules::downloads::is_index_variable);
                    let Some(value) = variable.get("value").filter(|_| index) else { continue };
                    let text = value.text().unwrap_or_default();
                    let host = text.strip_prefix("http://").and_then(|rest| rest.split(['/', ':']).next());
                    if host.is_some_and(|host| host.contains('.') && !host.contains(".svc")) {
                        sink.find(
                            object.place(value.span),
                            format!("{} takes packages over plain text", object.title()),
                        );
                    }
                }
            }
            let sources =
                object.node.items_at("spec.sources").iter().filter_map(|source| source.get("repoURL"));
            for node in paths.iter().filter_map(|path| object.node.at(path)).chain(sources) {
                let text = node.text().unwrap_or_default();
                let near = text.contains("://localhost") || text.contains(".svc") || is_template(text);
                if (text.starts_with("http://") || text.starts_with("git://")) && !near {
                    sink.find(
                        object.place(node.span),
                        format!("{} takes its source over plain text", object.title()),
                    );
                }
            }
        }
    },
};

/// These rules.
pub const RULES: &[&Rule] = &[&OFF, &ROUTE, &PLAIN_SOURCE];

#[cfg(test)]
mod tests {
    use super::switch_off;

    #[test]
    fn commands_that_turn_verification_off() {
        for line in [
            "curl -k https://x",
            "curl -sSLk https://x",
            "git config --global http.sslVerify false",
            "podman push --tls-verify=false x",
        ] {
            assert!(switch_off(line).is_some(), "{line}");
        }
        for line in [
            "curl -sSL https://x",
            "curl -o k x",
            "mycurl -k",
            "curl -H k: x",
            "podman push --tls-verify x",
            "curl -o/k x",
        ] {
            assert!(switch_off(line).is_none(), "{line}");
        }
    }
}
