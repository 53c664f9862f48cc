//! An image that others start from, as far as it is at hand: whether it is one of Red Hat's universal base images.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::inside::Os;

/// What is known of an image that others start from.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct BaseImage {
    /// Its labels.
    pub labels: BTreeMap<String, String>,
    /// Whether its files are at hand.
    pub files: bool,
    /// What it says it is.
    pub os: Option<Os>,
    /// The keys of its package manager, as hexadecimal fingerprints.
    pub keys: Vec<String>,
}

/// Whether an image is one of Red Hat's universal base images, by what is in it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Ubi {
    /// It is, or stands on one.
    Yes,
    /// It is not; why.
    No(String),
    /// It does not contradict, and lacks what would prove it; what.
    Open(String),
}

/// Keys that Red Hat signs the packages of its releases with.
const RED_HAT_KEYS: [&str; 5] = [
    "567e347ad0044ade55ba8a5f199e2f91fd431d51", // release key 2: RHEL 6 to 9
    "7e4624258c406535d56d6f135054e4a45a6340b3", // auxiliary key 3: RHEL 9
    "6a6aa7c97c8890aec6aebfe2f76f66c3d4082792", // auxiliary key 2: RHEL 8
    "43a6e49c4a38f4be9abf2a5345689c882fa658e0", // auxiliary key: RHEL 6 and 7
    "fcd355b305707a62da143ab6e422397e50fe8467a2a95343d246d6276afedf8f", // release key 4: RHEL 10
];

impl BaseImage {
    /// Whether it is UBI.
    pub fn ubi(&self) -> Ubi {
        let label = |name: &str| self.labels.get(name).map(String::as_str).unwrap_or_default();
        let named = label("com.redhat.component").split('-').any(is_ubi_word)
            || label("name").split('/').any(is_ubi_word)
            || label("com.redhat.license_terms").ends_with("#UBI");
        match &self.os {
            Some(os) if os.id != "rhel" => return Ubi::No(format!("its os-release says `{}`", os.id)),
            None if self.files => return Ubi::No("it has no os-release".to_owned()),
            _ => {}
        }
        if !named {
            return Ubi::No("no label says that it is UBI".to_owned());
        }
        if !self.files {
            return Ubi::Open("its labels say that it is UBI, and its files are not at hand".to_owned());
        }
        match self.keys.iter().any(|key| RED_HAT_KEYS.contains(&key.to_ascii_lowercase().as_str())) {
            true => Ubi::Yes,
            false => Ubi::Open(
                "its labels and os-release say that it is UBI, and none of Red Hat's package keys is in it"
                    .to_owned(),
            ),
        }
    }
}

/// `ubi`, `ubi9`, `ubi9-minimal`.
fn is_ubi_word(word: &str) -> bool {
    let rest =
        word.strip_prefix("ubi").map(|rest| rest.trim_start_matches(|next: char| next.is_ascii_digit()));
    rest.is_some_and(|rest| rest.is_empty() || rest.starts_with('-'))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ubi_is_decided_by_labels_release_and_keys() {
        let labels: BTreeMap<String, String> =
            [("com.redhat.component".to_owned(), "ubi9-container".to_owned())].into_iter().collect();
        let rhel = Some(Os { id: "rhel".to_owned(), version: "9.5".to_owned() });
        let keys = vec!["567E347AD0044ADE55BA8A5F199E2F91FD431D51".to_owned()];
        let whole = BaseImage { labels: labels.clone(), files: true, os: rhel.clone(), keys };
        assert_eq!(whole.ubi(), Ubi::Yes);
        for (name, value, is) in [
            ("name", "ubi9/python-39", true),
            ("com.redhat.component", "openjdk-21-ubi9-container", true),
            ("com.redhat.license_terms", "https://vendor.example.com/agreements#UBI", true),
            ("name", "cubism/ubiquity", false),
            ("com.redhat.component", "rhel-server-container", false),
        ] {
            let labels = [(name.to_owned(), value.to_owned())].into_iter().collect();
            assert_eq!(BaseImage { labels, ..whole.clone() }.ubi() == Ubi::Yes, is, "{name}={value}");
        }
        let open = [
            BaseImage { keys: Vec::new(), ..whole.clone() },
            BaseImage { labels: labels.clone(), ..BaseImage::default() },
        ];
        assert!(open.iter().all(|one| matches!(one.ubi(), Ubi::Open(_))));
        let other = Some(Os { id: "debian".to_owned(), version: "12".to_owned() });
        let not = [
            BaseImage { os: other, ..whole.clone() },
            BaseImage { os: None, ..whole.clone() },
            BaseImage { labels: BTreeMap::new(), ..whole.clone() },
            BaseImage::default(),
        ];
        assert!(not.iter().all(|one| matches!(one.ubi(), Ubi::No(_))));
    }
}
