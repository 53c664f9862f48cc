//! What indexes told of files, remembered until the files are asked for.

use std::collections::{HashMap, VecDeque};

use super::Offer;
use crate::packages::artifact::{Artifact, Ecosystem};

/// More files than the indexes of one build name; the oldest are forgotten first.
const MOST: usize = 500_000;

/// Offers by the file's URL and by package and version. One gateway has one.
#[derive(Debug, Default)]
pub struct Known {
    offers: HashMap<Name, Offer>,
    order: VecDeque<Name>,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash)]
enum Name {
    Url(String),
    Version(Ecosystem, String, String),
}

impl Known {
    /// Takes over what an index offers; the newest word counts.
    pub fn learn(&mut self, index: &Artifact, offers: &[Offer]) {
        for offer in offers {
            let name = match (&offer.url, index.full_name(), &offer.version) {
                (Some(url), ..) => Name::Url(plain(url)),
                (None, Some(name), Some(version)) => Name::Version(index.ecosystem, name, version.clone()),
                _ => continue,
            };
            if self.offers.insert(name.clone(), offer.clone()).is_none() {
                self.order.push_back(name);
            }
        }
        while self.order.len() > MOST {
            let oldest = self.order.pop_front();
            oldest.map(|oldest| self.offers.remove(&oldest));
        }
    }

    /// What is known of a file that is asked for.
    pub fn of(&self, artifact: &Artifact, url: &str) -> Option<&Offer> {
        let by_url = self.offers.get(&Name::Url(plain(url)));
        // A gem's or wheel's version has several files: only a file that is its version's only one is found by it.
        let single = matches!(artifact.ecosystem, Ecosystem::Crates | Ecosystem::Go | Ecosystem::Npm);
        let by_version = || {
            let (name, version) = (artifact.full_name()?, artifact.version.clone()?);
            self.offers.get(&Name::Version(artifact.ecosystem, name, version))
        };
        by_url.or_else(|| single.then(by_version).flatten())
    }
}

/// Without query and fragment, with the host in lower case.
fn plain(url: &str) -> String {
    let url = url.split(['?', '#']).next().unwrap_or_default();
    match url.split_once("://") {
        Some((scheme, rest)) => {
            let (host, path) = rest.split_at(rest.find('/').unwrap_or(rest.len()));
            // Clients encode more than indexes do: apt writes `+` as `%2b`.
            let path = ::oci::url::decoded_text(path);
            format!("{}://{}{path}", scheme.to_ascii_lowercase(), host.to_ascii_lowercase())
        }
        None => url.to_owned(),
    }
}
