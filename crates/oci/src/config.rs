//! The image configuration. (OCI image specification, "Image Configuration", with Docker's extensions)

use std::collections::{BTreeMap, BTreeSet};

use serde::{Deserialize, Deserializer, Serialize, Serializer};

use crate::{DiffId, Platform};

/// How an image runs, what its layers are and how they came about.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct ImageConfig {
    /// When the image was made, RFC 3339; see [`crate::time`].
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub created: Option<String>,
    /// Who made it (MAINTAINER).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub author: Option<String>,
    /// The architecture that its programs are for.
    #[serde(default)]
    pub architecture: String,
    /// The architecture's variant.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub variant: Option<String>,
    /// The operating system.
    #[serde(default)]
    pub os: String,
    /// For Windows: the version of the system.
    #[serde(rename = "os.version", default, skip_serializing_if = "Option::is_none")]
    pub os_version: Option<String>,
    /// For Windows: features of the system.
    #[serde(
        rename = "os.features",
        default,
        skip_serializing_if = "Vec::is_empty",
        deserialize_with = "null_as_default"
    )]
    pub os_features: Vec<String>,
    /// How to run it.
    #[serde(default, deserialize_with = "null_as_default")]
    pub config: Execution,
    /// The diff ids of its layers.
    #[serde(default)]
    pub rootfs: RootFs,
    /// One line per instruction.
    #[serde(default, skip_serializing_if = "Vec::is_empty", deserialize_with = "null_as_default")]
    pub history: Vec<History>,
}

/// The defaults for running an image, the object `config` of the configuration.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub struct Execution {
    /// User, and group after a colon; names or numbers.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub user: String,
    /// `8080/tcp` …
    #[serde(default, skip_serializing_if = "BTreeSet::is_empty", with = "set_as_object")]
    pub exposed_ports: BTreeSet<String>,
    /// `NAME=value` …
    #[serde(default, skip_serializing_if = "Vec::is_empty", deserialize_with = "null_as_default")]
    pub env: Vec<String>,
    /// The program; `None` and an empty list differ.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub entrypoint: Option<Vec<String>>,
    /// Its default arguments; `None` and an empty list differ.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cmd: Option<Vec<String>>,
    /// Places that get a volume of their own.
    #[serde(default, skip_serializing_if = "BTreeSet::is_empty", with = "set_as_object")]
    pub volumes: BTreeSet<String>,
    /// Where the program starts.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub working_dir: String,
    /// LABEL.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty", deserialize_with = "null_as_default")]
    pub labels: BTreeMap<String, String>,
    /// The signal that ends the program.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub stop_signal: Option<String>,
    /// Docker's: seconds between that signal and SIGKILL.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub stop_timeout: Option<i64>,
    /// Docker's: `cmd` is one string for a Windows shell.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub args_escaped: bool,
    /// Docker's: how to ask whether the program is well.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub healthcheck: Option<Healthcheck>,
    /// Docker's: instructions for builds on top.
    #[serde(default, skip_serializing_if = "Vec::is_empty", deserialize_with = "null_as_default")]
    pub on_build: Vec<String>,
    /// Docker's: SHELL.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub shell: Option<Vec<String>>,
}

/// HEALTHCHECK, as Docker writes it; times in nanoseconds, 0 = not said.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub struct Healthcheck {
    /// `["NONE"]`, `["CMD", …]` or `["CMD-SHELL", "…"]`; empty: inherited.
    #[serde(default, skip_serializing_if = "Vec::is_empty", deserialize_with = "null_as_default")]
    pub test: Vec<String>,
    /// Between two checks.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub interval: i64,
    /// For one check.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub timeout: i64,
    /// Before failures count.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub start_period: i64,
    /// Between two checks while starting.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub start_interval: i64,
    /// How many failures make it unhealthy.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub retries: i64,
}

/// The layers' diff ids, bottom first.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct RootFs {
    /// `layers`, always.
    #[serde(rename = "type", default)]
    pub kind: String,
    /// Bottom first.
    #[serde(default, deserialize_with = "null_as_default")]
    pub diff_ids: Vec<DiffId>,
}

/// What one instruction did.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct History {
    /// When, RFC 3339.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub created: Option<String>,
    /// The instruction.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub created_by: Option<String>,
    /// Who.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub author: Option<String>,
    /// By which program.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub comment: Option<String>,
    /// Whether it made no layer.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub empty_layer: bool,
}

impl Default for RootFs {
    fn default() -> RootFs {
        RootFs { kind: "layers".to_owned(), diff_ids: Vec::new() }
    }
}

impl ImageConfig {
    /// A configuration that says only what it is for.
    pub fn for_platform(platform: &Platform) -> ImageConfig {
        ImageConfig {
            architecture: platform.architecture.clone(),
            variant: platform.variant.clone(),
            os: platform.os.clone(),
            os_version: platform.os_version.clone(),
            os_features: platform.os_features.clone(),
            ..ImageConfig::default()
        }
    }

    /// The platform that it says it is for.
    pub fn platform(&self) -> Platform {
        Platform {
            architecture: self.architecture.clone(),
            os: self.os.clone(),
            os_version: self.os_version.clone(),
            os_features: self.os_features.clone(),
            variant: self.variant.clone(),
        }
    }
}

fn is_zero(number: &i64) -> bool {
    *number == 0
}

/// Go writes `null` for an empty list or map.
pub(crate) fn null_as_default<'de, D, T>(deserializer: D) -> Result<T, D::Error>
where
    D: Deserializer<'de>,
    T: Default + Deserialize<'de>,
{
    Ok(Option::<T>::deserialize(deserializer)?.unwrap_or_default())
}

/// Go's `map[string]struct{}`: `{"80/tcp": {}}`.
mod set_as_object {
    use super::*;
    use serde::de::IgnoredAny;
    use serde::ser::SerializeMap;

    #[derive(Serialize)]
    struct Nothing {}

    pub fn serialize<S: Serializer>(set: &BTreeSet<String>, serializer: S) -> Result<S::Ok, S::Error> {
        let mut map = serializer.serialize_map(Some(set.len()))?;
        for key in set {
            map.serialize_entry(key, &Nothing {})?;
        }
        map.end()
    }

    pub fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<BTreeSet<String>, D::Error> {
        let map = Option::<BTreeMap<String, IgnoredAny>>::deserialize(deserializer)?;
        Ok(map.unwrap_or_default().into_keys().collect())
    }
}

/// Reads arbitrary bytes as configuration, manifest and index, and writes back what could be read.
pub fn fuzz_config(data: &[u8]) {
    use crate::{ImageIndex, Manifest, Raw};
    if let Ok(config) = Raw::<ImageConfig>::parse(data.to_vec()) {
        let written = Raw::write(config.value().clone());
        assert_eq!(Raw::<ImageConfig>::parse(written.bytes().to_vec()).ok().as_ref(), Some(&written));
        if let Some(created) = &config.value().created {
            let _ = crate::time::parse_rfc3339(created);
        }
    }
    if let Ok(manifest) = Raw::<Manifest>::parse(data.to_vec()) {
        let written = Raw::write(manifest.value().clone());
        assert_eq!(Raw::<Manifest>::parse(written.bytes().to_vec()).ok().as_ref(), Some(&written));
    }
    if let Ok(index) = Raw::<ImageIndex>::parse(data.to_vec()) {
        let _ = index.value().select(&Platform::linux("amd64"));
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Raw;

    #[test]
    fn dockers_nulls_and_extensions_are_understood() {
        let text = r#"{"architecture":"amd64","os":"linux","config":{"Hostname":"","User":"app","ExposedPorts":{"80/tcp":{}},
            "Env":["A=b"],"Cmd":["sh"],"Image":"x","Volumes":null,"WorkingDir":"/w","Entrypoint":null,"OnBuild":null,"Labels":null,
            "Healthcheck":{"Test":["CMD-SHELL","true"],"Interval":5000000000}},"rootfs":{"type":"layers","diff_ids":null},
            "history":null,"container_config":{"a":1}}"#;
        let config = Raw::<ImageConfig>::parse(text.as_bytes().to_vec()).unwrap();
        let execution = &config.value().config;
        assert_eq!(execution.user, "app");
        assert_eq!(execution.exposed_ports.iter().collect::<Vec<_>>(), ["80/tcp"]);
        assert_eq!((&execution.entrypoint, execution.cmd.as_deref()), (&None, Some(&["sh".to_owned()][..])));
        assert_eq!(execution.healthcheck.as_ref().map(|h| h.interval), Some(5_000_000_000));
    }

    #[test]
    fn what_is_not_said_is_not_written() {
        let config = ImageConfig::for_platform(&Platform::linux("amd64"));
        let written = Raw::write(config);
        let text = std::str::from_utf8(written.bytes()).unwrap();
        assert_eq!(
            text,
            r#"{"architecture":"amd64","os":"linux","config":{},"rootfs":{"type":"layers","diff_ids":[]}}"#
        );
    }

    #[test]
    fn damaged_documents_are_errors() {
        for bad in ["", "[]", "{\"config\": 1}", "{\"rootfs\":{\"diff_ids\":[\"x\"]}}"] {
            assert!(Raw::<ImageConfig>::parse(bad.as_bytes().to_vec()).is_err(), "{bad}");
        }
        for data in [&b"{}"[..], b"{\"schemaVersion\":2,\"manifests\":null}", b"\xff"] {
            fuzz_config(data);
        }
    }
}
