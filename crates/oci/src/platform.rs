//! Platforms: operating system, architecture and variant of an image.
//!
//! Names and normalisation are those of containerd's platform package, which Docker and BuildKit use.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

/// What an image runs on. As in descriptors of an image index and on the command line: `linux/arm64`, `linux/arm/v7`.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct Platform {
    /// `amd64`, `arm64`, … in Go's words.
    pub architecture: String,
    /// `linux`.
    pub os: String,
    /// For Windows images: the version of the system they need.
    #[serde(rename = "os.version", default, skip_serializing_if = "Option::is_none")]
    pub os_version: Option<String>,
    /// Features of the system that the image needs.
    #[serde(rename = "os.features", default, skip_serializing_if = "Vec::is_empty")]
    pub os_features: Vec<String>,
    /// `v7`, `v8`, … where the architecture has variants.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub variant: Option<String>,
}

/// A text that names no platform.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("`{0}` is not a platform: write `OS/ARCHITECTURE` or `OS/ARCHITECTURE/VARIANT`, as in `linux/arm64`")]
pub struct PlatformError(pub String);

const SYSTEMS: &[&str] = &[
    "aix",
    "android",
    "darwin",
    "dragonfly",
    "freebsd",
    "illumos",
    "ios",
    "js",
    "linux",
    "netbsd",
    "openbsd",
    "plan9",
    "solaris",
    "wasip1",
    "windows",
];

const ARCHITECTURES: &[&str] = &[
    "386",
    "amd64",
    "amd64p32",
    "arm",
    "arm64",
    "arm64be",
    "armbe",
    "loong64",
    "mips",
    "mips64",
    "mips64le",
    "mips64p32",
    "mips64p32le",
    "mipsle",
    "ppc",
    "ppc64",
    "ppc64le",
    "riscv",
    "riscv64",
    "s390",
    "s390x",
    "sparc",
    "sparc64",
    "wasm",
];

impl Platform {
    /// The platform of this program, which is that of steps that need no emulation.
    pub fn host() -> Platform {
        Platform::linux(std::env::consts::ARCH)
    }

    /// Linux on the given architecture, whose name may be Go's, uname's or Rust's.
    pub fn linux(architecture: &str) -> Platform {
        let (architecture, variant) = normalise_architecture(architecture, None);
        Platform { architecture, os: "linux".to_owned(), os_version: None, os_features: Vec::new(), variant }
    }

    /// Whether an image for `self` is one for `wanted`, after both are normalised. A platform that is asked for without
    /// an `os.version` takes any.
    pub fn satisfies(&self, wanted: &Platform) -> bool {
        let (mine, wanted) = (self.normalised(), wanted.normalised());
        mine.os == wanted.os
            && mine.architecture == wanted.architecture
            && mine.variant == wanted.variant
            && (wanted.os_version.is_none() || mine.os_version == wanted.os_version)
    }

    /// How well an image for `self` serves who wants `wanted`: `None` not at all, otherwise smaller is better. An
    /// `amd64` machine runs `386`, an `arm/v7` machine runs `arm/v6` and `arm/v5`, as containerd's matcher says.
    pub fn rank_for(&self, wanted: &Platform) -> Option<usize> {
        wanted.acceptable().iter().position(|candidate| self.satisfies(candidate))
    }

    /// The same platform in normal form: `x86_64` is `amd64`, `arm` is `arm/v7`, `arm64/v8` is `arm64`.
    pub fn normalised(&self) -> Platform {
        let os = match self.os.to_ascii_lowercase().as_str() {
            "macos" => "darwin".to_owned(),
            other => other.to_owned(),
        };
        let (architecture, variant) = normalise_architecture(&self.architecture, self.variant.as_deref());
        Platform {
            architecture,
            os,
            os_version: self.os_version.clone(),
            os_features: self.os_features.clone(),
            variant,
        }
    }

    /// What a machine of this platform runs, best first. (containerd, platformVector)
    fn acceptable(&self) -> Vec<Platform> {
        let me = self.normalised();
        let mut all = vec![me.clone()];
        let with = |architecture: &str, variant: Option<&str>| Platform {
            architecture: architecture.to_owned(),
            variant: variant.map(str::to_owned),
            ..me.clone()
        };
        let arm_below = |all: &mut Vec<Platform>, version: u32| {
            all.extend((5..version).rev().map(|v| with("arm", Some(&format!("v{v}")))));
        };
        let number =
            |text: &Option<String>| -> Option<u32> { text.as_deref()?.strip_prefix('v')?.parse().ok() };
        match me.architecture.as_str() {
            "amd64" => {
                if let Some(version) = number(&me.variant).filter(|v| *v <= 9) {
                    all.extend((2..version).rev().map(|v| with("amd64", Some(&format!("v{v}")))));
                    all.push(with("amd64", None));
                }
                all.push(with("386", None));
            }
            "arm" => arm_below(&mut all, number(&me.variant).unwrap_or(7).min(9)),
            "arm64" => {
                if me.variant.is_some() {
                    all.push(with("arm64", None));
                }
                arm_below(&mut all, 9);
            }
            _ => {}
        }
        all
    }
}

fn normalise_architecture(architecture: &str, variant: Option<&str>) -> (String, Option<String>) {
    let architecture = architecture.to_ascii_lowercase();
    let variant = variant.map(str::to_ascii_lowercase).filter(|v| !v.is_empty());
    let (architecture, variant): (&str, Option<String>) = match architecture.as_str() {
        "i386" | "i686" | "x86" => ("386", None),
        "x86_64" | "x86-64" | "amd64" => ("amd64", variant.filter(|v| v != "v1")),
        "aarch64" | "arm64" => ("arm64", variant.filter(|v| v != "8" && v != "v8" && v != "v8.0")),
        "armhf" => ("arm", Some("v7".to_owned())),
        "armel" => ("arm", Some("v6".to_owned())),
        "arm" => {
            let variant = match variant.as_deref() {
                None | Some("7") => "v7".to_owned(),
                Some(number @ ("5" | "6" | "8")) => format!("v{number}"),
                Some(other) => other.to_owned(),
            };
            ("arm", Some(variant))
        }
        "powerpc64" => ("ppc64", variant),
        "powerpc64le" => ("ppc64le", variant),
        other => (other, variant),
    };
    (architecture.to_owned(), variant)
}

impl FromStr for Platform {
    type Err = PlatformError;

    /// Reads `os/architecture`, `os/architecture/variant`, and as containerd does a lone architecture or system;
    /// the rest is then that of this machine. The result is normalised.
    fn from_str(text: &str) -> Result<Platform, PlatformError> {
        let bad = || PlatformError(text.chars().take(80).collect());
        let word = |part: &str| {
            !part.is_empty()
                && part.bytes().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'_' | b'.' | b'-'))
        };
        let (system, os_version) = match text.split_once('(') {
            Some((system, rest)) => {
                let (version, rest) = rest.split_once(')').ok_or_else(bad)?;
                (format!("{system}{rest}"), Some(version.to_owned()).filter(|v| !v.is_empty()))
            }
            None => (text.to_owned(), None),
        };
        let parts: Vec<&str> = system.split('/').collect();
        if parts.len() > 3 || !parts.iter().all(|part| word(part)) {
            return Err(bad());
        }
        let host = Platform::host();
        let (os, architecture, variant) = match parts[..] {
            [one] => {
                let lower = one.to_ascii_lowercase();
                if SYSTEMS.contains(&lower.as_str()) || lower == "macos" {
                    (lower, host.architecture, host.variant)
                } else {
                    let (architecture, variant) = normalise_architecture(one, None);
                    if !ARCHITECTURES.contains(&architecture.as_str()) {
                        return Err(bad());
                    }
                    (host.os, architecture, variant)
                }
            }
            [os, architecture] => (os.to_owned(), architecture.to_owned(), None),
            [os, architecture, variant] => (os.to_owned(), architecture.to_owned(), Some(variant.to_owned())),
            _ => return Err(bad()),
        };
        Ok(Platform { architecture, os, os_version, os_features: Vec::new(), variant }.normalised())
    }
}

impl fmt::Display for Platform {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.os, self.architecture)?;
        match &self.variant {
            Some(variant) => write!(f, "/{variant}"),
            None => Ok(()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(text: &str, shown: &str) {
        assert_eq!(text.parse::<Platform>().map(|p| p.to_string()).unwrap_or_else(|e| e.to_string()), shown);
    }

    #[test]
    fn platforms_in_normal_form() {
        check("linux/amd64", "linux/amd64");
        check("linux/x86_64", "linux/amd64");
        check("Linux/AARCH64", "linux/arm64");
        check("linux/arm64/v8", "linux/arm64");
        check("linux/arm", "linux/arm/v7");
        check("linux/arm/v6", "linux/arm/v6");
        check("linux/armel", "linux/arm/v6");
        check("linux/i386", "linux/386");
        check("linux/amd64/v3", "linux/amd64/v3");
        check("s390x", "linux/s390x");
        check("windows(10.0.17763)/amd64", "windows/amd64");
    }

    #[test]
    fn texts_that_are_no_platform() {
        for bad in ["", "/", "linux/", "linux//v7", "a/b/c/d", "linux/am d64", "pdp11", "linux(/amd64"] {
            assert!(bad.parse::<Platform>().is_err(), "{bad}");
        }
    }

    #[test]
    fn what_serves_whom() {
        let rank = |have: &str, want: &str| {
            have.parse::<Platform>().unwrap().rank_for(&want.parse::<Platform>().unwrap())
        };
        assert_eq!(rank("linux/amd64", "linux/amd64"), Some(0));
        assert!(rank("linux/386", "linux/amd64") > rank("linux/amd64", "linux/amd64"));
        assert!(rank("linux/arm/v6", "linux/arm/v7") < rank("linux/arm/v5", "linux/arm/v7"));
        assert!(rank("linux/amd64", "linux/amd64/v3").is_some());
        assert_eq!(rank("linux/arm/v7", "linux/arm/v6"), None);
        assert_eq!(rank("linux/arm64", "linux/amd64"), None);
        assert_eq!(rank("windows/amd64", "linux/amd64"), None);
    }
}
