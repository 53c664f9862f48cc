//! `packages:` in settings: what `kapok serve --packages` serves.

use project::yaml::{self, Node, Value};
use registry::gateway::{Credential, PackageRepository};
use serde_json::json;

use super::Settings;
use super::keys::Places;
use super::network::place;
use super::tree::{Reader, Tree};

/// `packages`.
pub const PACKAGES: Tree = Tree {
    path: "packages",
    places: Places::All,
    meaning: "what `kapok serve --packages` serves as `/repository/NAME/…`: names, each with the URL of an upstream or a \
              directory",
    schema: || json!({ "type": "object", "additionalProperties": { "type": "string" } }),
    read: packages,
};

fn packages(settings: &mut Settings, node: &Node, reader: &mut Reader<'_>) {
    let Value::Mapping(pairs) = &node.value else {
        return reader.say(node.span, "`packages` must be a mapping of names to upstreams".to_owned(), None);
    };
    if let Some(pair) = yaml::duplicate(pairs) {
        reader.say(pair.span, format!("`{}` stands here twice", pair.key), None);
    }
    for pair in pairs {
        let Some(text) = reader.text(&pair.value, &pair.key) else { continue };
        let (upstream, login) = place(text, reader);
        match PackageRepository::new(&pair.key, &upstream) {
            Ok(repository) => {
                if let Some(authorization) = login {
                    settings.network.credentials.push(Credential { prefix: upstream, authorization });
                }
                settings.packages.retain(|known| known.name != pair.key);
                settings.packages.push(repository);
            }
            Err(error) => reader.say(pair.span, format!("`packages`: {error}"), None),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::*;
    use crate::settings::load::apply;

    #[test]
    fn names_have_upstreams() {
        let mut settings = Settings::default();
        let text = "packages:\n  pypi: https://ada:secret@packages.example.org/py/\n  files: ../files\n  a b: http://x\n  c: ftp://x\n";
        let wrong = apply(text, Path::new("/project/app"), false, &mut settings);
        let expected = [
            PackageRepository::new("pypi", "https://packages.example.org/py").unwrap(),
            PackageRepository::new("files", "file:///project/app/../files").unwrap(),
        ];
        assert_eq!(settings.packages, expected);
        assert_eq!(settings.network.credentials.len(), 1);
        let wrong: Vec<_> = wrong.into_iter().map(|diagnostic| diagnostic.message).collect();
        assert_eq!(
            wrong,
            [
                "`packages`: `a b` is no name: it has letters, digits and `-`, `_`, `.`",
                "`packages`: `ftp://x` is no URL of http, https or file"
            ]
        );
    }
}
