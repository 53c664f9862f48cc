//! `network:` and `mirrors:` in settings: what the gateway is told of the world.

use std::path::PathBuf;

use project::yaml::{self, Node, Value};
use registry::gateway::{Credential, HostPattern, Mirror};
use serde_json::{Value as Json, json};

use super::Settings;
use super::keys::Places;
use super::tree::{Reader, Tree};
use crate::fetch::url::Url;

/// What the files say of the network.
#[derive(Clone, Debug, Default)]
pub struct NetworkSettings {
    /// Authorities of one's own, PEM files.
    pub ca: Vec<PathBuf>,
    /// Hosts and networks inside that steps may reach.
    pub internal: Vec<HostPattern>,
    /// Hosts to which TLS goes through unread.
    pub passthrough: Vec<HostPattern>,
    /// Other places for what steps ask for, each with the prefix that it stands under.
    pub mirrors: Vec<(String, Mirror)>,
    /// Logins that stood in the mirrors' URLs.
    pub credentials: Vec<Credential>,
}

/// `network.ca`.
pub const CA: Tree = Tree {
    path: "network.ca",
    places: Places::All,
    meaning: "files (PEM) with certificate authorities of your own: upstreams may be vouched for by them, and every RUN \
              trusts them; a later file's list replaces the earlier",
    schema: texts,
    read: |settings, node, reader| settings.network.ca = reader.paths(node, "ca"),
};

/// `network.internal`.
pub const INTERNAL: Tree = Tree {
    path: "network.internal",
    places: Places::All,
    meaning: "hosts and networks that a RUN may reach although their addresses are private, loopback or this machine's: \
              `nexus.example.org`, `*.in.example.org`, `10.1.0.0/16`, each with `:port` if only that is meant",
    schema: texts,
    read: |settings, node, reader| settings.network.internal = hosts(node, "internal", reader),
};

/// `network.passthrough`.
pub const PASSTHROUGH: Tree = Tree {
    path: "network.passthrough",
    places: Places::All,
    meaning: "hosts to which TLS goes through unread, for clients with pinned certificates or certificates of their own; \
              steps that use them are marked as unobserved",
    schema: texts,
    read: |settings, node, reader| settings.network.passthrough = hosts(node, "passthrough", reader),
};

/// `mirrors`.
pub const MIRRORS: Tree = Tree {
    path: "mirrors",
    places: Places::All,
    meaning: "what is asked in place of URLs that begin with a prefix: one place or a list, URLs or directories, asked in \
              their order; the URL's own host is asked only if it is among them",
    schema: || {
        let places = texts();
        json!({ "type": "object", "additionalProperties": places })
    },
    read: mirrors,
};

fn texts() -> Json {
    json!({ "anyOf": [{ "type": "string" }, { "type": "array", "items": { "type": "string" } }] })
}

fn hosts(node: &Node, what: &str, reader: &mut Reader<'_>) -> Vec<HostPattern> {
    let mut hosts = Vec::new();
    for text in reader.texts(node, what) {
        match text.parse() {
            Ok(host) => hosts.push(host),
            Err(error) => reader.say(node.span, format!("`network.{what}`: {error}"), None),
        }
    }
    hosts
}

fn mirrors(settings: &mut Settings, node: &Node, reader: &mut Reader<'_>) {
    let Value::Mapping(pairs) = &node.value else {
        return reader.say(node.span, "`mirrors` must be a mapping of prefixes to places".to_owned(), None);
    };
    if let Some(pair) = yaml::duplicate(pairs) {
        reader.say(pair.span, format!("`{}` stands here twice", pair.key), None);
    }
    for pair in pairs {
        let mut places = Vec::new();
        for text in reader.texts(&pair.value, &pair.key) {
            let (place, login) = place(text, reader);
            if let Some(authorization) = login {
                settings.network.credentials.push(Credential { prefix: place.clone(), authorization });
            }
            places.push(place);
        }
        match Mirror::new(&pair.key, &places) {
            Ok(mirror) => {
                settings.network.mirrors.retain(|(prefix, _)| *prefix != pair.key);
                settings.network.mirrors.push((pair.key.clone(), mirror));
            }
            Err(error) => reader.say(pair.span, format!("`mirrors`: {error}"), None),
        }
    }
}

/// A place without its login, and that. What is no URL is a path, which begins at the file's directory.
pub(super) fn place(text: &str, reader: &Reader<'_>) -> (String, Option<String>) {
    if text.contains("://") {
        return match Url::parse(text) {
            Ok(mut url) => {
                let login = url.take_login();
                (url.as_str().to_owned(), login)
            }
            Err(_) => (text.to_owned(), None),
        };
    }
    (format!("file://{}", reader.directory.join(text).display()), None)
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::*;
    use crate::settings::load::apply;

    fn read(text: &str) -> (NetworkSettings, Vec<String>) {
        let mut settings = Settings::default();
        let diagnostics = apply(text, Path::new("/project"), false, &mut settings);
        (settings.network, diagnostics.into_iter().map(|diagnostic| diagnostic.message).collect())
    }

    #[test]
    fn what_the_gateway_is_told() {
        let (network, wrong) = read(
            "network:\n  ca: certs/ours.pem\n  internal: [nexus.example.org, 10.0.0.0/8]\n  passthrough: pinned.example.org\n\
             mirrors:\n  https://a.example.org/x:\n    - https://ada:secret@m.example.org/x/\n    - vendor\n  b.example.org: file:///srv/b\n",
        );
        assert_eq!(wrong, Vec::<String>::new());
        assert_eq!(network.ca, [Path::new("/project/certs/ours.pem")]);
        let internal: Vec<String> = network.internal.iter().map(ToString::to_string).collect();
        assert_eq!(internal, ["nexus.example.org", "10.0.0.0/8"]);
        let places = ["https://m.example.org/x/".to_owned(), "file:///project/vendor".to_owned()];
        assert_eq!(network.mirrors[0].1, Mirror::new("https://a.example.org/x", &places).unwrap());
        assert_eq!(network.credentials[0].prefix, "https://m.example.org/x/");
        assert_eq!(network.credentials[0].authorization, "Basic YWRhOnNlY3JldA==");
        assert_eq!(network.mirrors.len(), 2);
    }

    #[test]
    fn what_is_wrong_is_named() {
        let (_, wrong) = read("network:\n  internal: http://x\nmirrors:\n  ftp://a: b\n");
        assert_eq!(
            wrong,
            [
                "`network.internal`: `http://x` is no host, no address and no network",
                "`mirrors`: `ftp://a` is no URL of http, https or file"
            ]
        );
        assert_eq!(read("mirrors: [a]\n").1, ["`mirrors` must be a mapping of prefixes to places"]);
    }
}
