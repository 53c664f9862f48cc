//! Which product and release a name means, and when releases end.

use std::collections::BTreeMap;
use std::sync::OnceLock;

use oci::Reference;
use serde::Deserialize;

use crate::date::Date;

/// A release of a product.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Release {
    /// The product by its short name: `python`, `java`, `debian`.
    pub product: &'static str,
    /// The release: `3.9`, `11`, `bookworm` as `12`.
    pub version: String,
}

#[derive(Deserialize)]
struct Product {
    title: String,
    releases: Vec<Cycle>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Cycle {
    release_cycle: String,
    eol: End,
    #[serde(default)]
    lts: Option<bool>,
}

#[derive(Deserialize)]
#[serde(untagged)]
enum End {
    Day(String),
    Ended(bool),
}

/// The data: release cycles by product, in the shape of endoflife.date. Debian's ends are those of its LTS team.
fn products() -> &'static BTreeMap<String, Product> {
    static PRODUCTS: OnceLock<BTreeMap<String, Product>> = OnceLock::new();
    PRODUCTS
        .get_or_init(|| serde_json::from_str(include_str!("../data/end-of-life.json")).unwrap_or_default())
}

/// Our short name, and the data's.
const PRODUCTS: [(&str, &str); 13] = [
    ("python", "python"),
    ("java", "eclipse-temurin"),
    ("go", "go"),
    ("node", "nodejs"),
    ("ruby", "ruby"),
    ("php", "php"),
    ("rust", "rust"),
    ("debian", "debian"),
    ("ubuntu", "ubuntu"),
    ("alpine", "alpine-linux"),
    ("rhel", "rhel"),
    ("fedora", "fedora"),
    ("centos", "centos"),
];

/// Code names in tags.
const CODENAMES: [(&str, &str, &str); 25] = [
    ("stretch", "debian", "9"),
    ("buster", "debian", "10"),
    ("bullseye", "debian", "11"),
    ("bookworm", "debian", "12"),
    ("trixie", "debian", "13"),
    ("jessie", "debian", "8"),
    ("wheezy", "debian", "7"),
    ("trusty", "ubuntu", "14.04"),
    ("xenial", "ubuntu", "16.04"),
    ("bionic", "ubuntu", "18.04"),
    ("cosmic", "ubuntu", "18.10"),
    ("disco", "ubuntu", "19.04"),
    ("eoan", "ubuntu", "19.10"),
    ("focal", "ubuntu", "20.04"),
    ("groovy", "ubuntu", "20.10"),
    ("hirsute", "ubuntu", "21.04"),
    ("impish", "ubuntu", "21.10"),
    ("jammy", "ubuntu", "22.04"),
    ("kinetic", "ubuntu", "22.10"),
    ("lunar", "ubuntu", "23.04"),
    ("mantic", "ubuntu", "23.10"),
    ("noble", "ubuntu", "24.04"),
    ("oracular", "ubuntu", "24.10"),
    ("plucky", "ubuntu", "25.04"),
    ("questing", "ubuntu", "25.10"),
];

impl Release {
    /// The product's title: `Python`, `Eclipse Temurin`.
    pub fn title(&self) -> &'static str {
        match self.product {
            "java" => "Java",
            product => data(product).map_or(self.product, |data| data.title.as_str()),
        }
    }

    /// The day on which it ended, if that is past.
    pub fn ended(&self, today: Date) -> Option<String> {
        let Some(cycle) = self.cycle() else { return self.is_between().then(|| "long ago".to_owned()) };
        match &cycle.eol {
            End::Day(day) => day.parse::<Date>().ok().filter(|day| *day < today).map(|day| day.to_string()),
            End::Ended(true) => Some("long ago".to_owned()),
            End::Ended(false) => None,
        }
    }

    /// Whether the product has releases with long support and this is none of them; nothing where that is not known.
    pub fn is_short_lived(&self) -> Option<bool> {
        if self.product != "java" {
            return None;
        }
        match self.cycle() {
            Some(cycle) => Some(cycle.lts != Some(true)),
            None => self.is_between().then_some(true),
        }
    }

    /// Whether it is a whole number between releases that the data has: of Java those that nobody built any more.
    fn is_between(&self) -> bool {
        let Some(data) = data(self.product).filter(|_| self.product == "java") else { return false };
        let newest = data.releases.iter().filter_map(|cycle| cycle.release_cycle.parse::<u32>().ok()).max();
        self.version.parse::<u32>().ok().zip(newest).is_some_and(|(own, newest)| own < newest)
    }

    /// Whether it is older than a floor.
    pub fn is_below(&self, floor: &str) -> bool {
        let numbers =
            |text: &str| -> Vec<u32> { text.split('.').map_while(|part| part.parse().ok()).collect() };
        let (own, floor) = (numbers(&self.version), numbers(floor));
        // `3` says nothing about `3.8`.
        own.iter().zip(&floor).find(|(own, floor)| own != floor).is_some_and(|(own, floor)| own < floor)
    }

    fn cycle(&self) -> Option<&'static Cycle> {
        let data = data(self.product)?;
        let mut version = self.version.as_str();
        loop {
            if let Some(cycle) = data.releases.iter().find(|cycle| cycle.release_cycle == version) {
                return Some(cycle);
            }
            version = version.rsplit_once('.')?.0;
        }
    }
}

fn data(product: &str) -> Option<&'static Product> {
    let (_, name) = PRODUCTS.iter().find(|(own, _)| *own == product)?;
    products().get(*name)
}

/// The product of a short name.
pub fn product(name: &str) -> Option<&'static str> {
    PRODUCTS.iter().map(|(own, _)| *own).find(|own| *own == name)
}

/// The releases that the name and tag of an image speak of.
pub fn of_image(reference: &Reference) -> Vec<Release> {
    let name = reference.path().rsplit('/').next().unwrap_or_default().to_ascii_lowercase();
    let tag = reference.tag().unwrap_or_default().to_ascii_lowercase();
    let mut found = Vec::new();
    let mut add = |product: &'static str, version: &str| {
        if version.starts_with(|first: char| first.is_ascii_digit()) || version.starts_with("stream") {
            found.push(Release { product, version: version.to_owned() });
        }
    };
    let of_tag = leading_version(&tag);
    match name.as_str() {
        "python" | "pypy" => add("python", if of_tag == "2" { "2.7" } else { &of_tag }),
        "golang" | "go-toolset" => add("go", &of_tag),
        "node" => add("node", &of_tag),
        "openjdk"
        | "eclipse-temurin"
        | "amazoncorretto"
        | "java"
        | "ibm-semeru-runtimes"
        | "liberica-openjdk-debian"
        | "adoptopenjdk" => {
            add("java", &java_version(&tag));
        }
        "ruby" => add("ruby", &of_tag),
        "php" => add("php", &of_tag),
        "rust" => add("rust", &of_tag),
        "debian" => add("debian", &of_tag),
        "ubuntu" => add("ubuntu", &of_tag),
        "alpine" => add("alpine", &of_tag),
        "fedora" => add("fedora", &of_tag),
        "centos" if tag.starts_with("stream") => add("centos", tag.split('-').next().unwrap_or_default()),
        "centos" => add("centos", of_tag.split('.').next().unwrap_or_default()),
        // `ubi8/ubi:8.4` and `rhel7:7.9` say it in the name; `python-39` and `openjdk-11` below.
        _ => {}
    }
    for (product, prefix) in
        [("python", "python-"), ("java", "openjdk-"), ("node", "nodejs-"), ("ruby", "ruby-"), ("php", "php-")]
    {
        let version = name.strip_prefix(prefix).map(|rest| rest.split('-').next().unwrap_or_default());
        if let Some(digits) =
            version.filter(|digits| !digits.is_empty() && digits.bytes().all(|byte| byte.is_ascii_digit()))
        {
            let dotted = matches!(product, "python" | "ruby" | "php") && digits.len() > 1;
            add(
                product,
                &if dotted { format!("{}.{}", &digits[..1], &digits[1..]) } else { digits.to_owned() },
            );
        }
    }
    let parts = reference.path().split('/').chain([name.as_str()]);
    let red_hat = parts.filter_map(|part| part.strip_prefix("ubi").or_else(|| part.strip_prefix("rhel")));
    if let Some(major) =
        red_hat.map(|rest| rest.split('-').next().unwrap_or_default()).find(|rest| !rest.is_empty())
    {
        add("rhel", major);
    }
    tag_parts(&tag, &mut add);
    found.dedup();
    found
}

/// `3.9-slim-bullseye`, `17-jdk-alpine3.12`, `3.8-openjdk-8`, `7-jdk11-focal`.
fn tag_parts(tag: &str, add: &mut dyn FnMut(&'static str, &str)) {
    let mut before = "";
    for part in tag.split('-') {
        if let Some((_, product, version)) = CODENAMES.iter().find(|(name, ..)| *name == part) {
            add(product, version);
        }
        if let Some(version) = part.strip_prefix("alpine") {
            add("alpine", version);
        }
        if let Some(version) = part
            .strip_prefix("jdk")
            .or_else(|| part.strip_prefix("jre"))
            .or_else(|| part.strip_prefix("java"))
        {
            add("java", &java_version(version));
        }
        if matches!(before, "openjdk" | "jdk" | "jre" | "temurin" | "corretto") {
            add("java", &java_version(part));
        }
        if let Some(version) = part.strip_prefix("python").or_else(|| part.strip_prefix("py")) {
            add("python", version);
        }
        before = part;
    }
}

/// The release that a package of an operating system or a module stream is.
pub fn of_package(name: &str) -> Option<Release> {
    let release = |product: &'static str, version: String| {
        version.starts_with(|first: char| first.is_ascii_digit()).then_some(Release { product, version })
    };
    let name = name
        .split(':')
        .next_back()
        .filter(|_| name.starts_with("nodejs:") || name.starts_with("ruby:") || name.starts_with("php:"))
        .map_or_else(
            || name.to_owned(),
            |version| format!("{}-{version}", name.split(':').next().unwrap_or_default()),
        );
    let name = name.as_str();
    if let Some(rest) = name.strip_prefix("java-").filter(|rest| rest.contains("openjdk")) {
        return release("java", java_version(rest.split('-').next().unwrap_or_default()));
    }
    if let Some(rest) = name.strip_prefix("openjdk-").or_else(|| name.strip_prefix("openjdk")) {
        return release("java", java_version(rest.split('-').next().unwrap_or_default()));
    }
    for (product, prefix) in [
        ("node", "nodejs-"),
        ("node", "nodejs"),
        ("ruby", "ruby-"),
        ("ruby", "ruby"),
        ("php", "php-"),
        ("php", "php"),
        ("go", "golang-"),
        ("python", "rh-python"),
    ] {
        let Some(rest) = name.strip_prefix(prefix) else { continue };
        let version = rest.split('-').next().unwrap_or_default();
        if !version.is_empty() && version.bytes().all(|byte| byte.is_ascii_digit() || byte == b'.') {
            return release(product, dotted(product, version));
        }
    }
    let rest = name.strip_prefix("python")?;
    let version = rest.split('-').next().unwrap_or_default();
    match version {
        "2" => release("python", "2.7".to_owned()),
        "3" | "" => None,
        _ if version.bytes().all(|byte| byte.is_ascii_digit() || byte == b'.') => {
            release("python", dotted("python", version))
        }
        _ => None,
    }
}

/// `36` is Python 3.6; `18` is Node 18.
fn dotted(product: &str, version: &str) -> String {
    if matches!(product, "python" | "ruby" | "php") && !version.contains('.') && version.len() > 1 {
        return format!("{}.{}", &version[..1], &version[1..]);
    }
    version.to_owned()
}

/// The number at the beginning of a tag: `3.9` of `3.9.1-slim`, `1.15` of `1.15rc1`.
pub fn leading_version(tag: &str) -> String {
    let tag = tag.strip_prefix('v').unwrap_or(tag);
    let length = tag.find(|next: char| !next.is_ascii_digit() && next != '.').unwrap_or(tag.len());
    tag[..length].trim_end_matches('.').to_owned()
}

/// `1.8.0` and `8u302` are Java 8; `11.0.2` is 11.
fn java_version(text: &str) -> String {
    let version = leading_version(text);
    let version = version.strip_prefix("1.").unwrap_or(&version);
    version.split('.').next().unwrap_or_default().to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn image(name: &str) -> String {
        let found = of_image(&name.parse().expect("a reference"));
        found
            .iter()
            .map(|release| format!("{} {}", release.product, release.version))
            .collect::<Vec<_>>()
            .join(", ")
    }

    #[test]
    fn releases_in_names() {
        assert_eq!(image("python:3.9.1-slim-bullseye"), "python 3.9.1, debian 11");
        assert_eq!(image("registry.access.redhat.com/ubi8/python-39:1-100"), "python 3.9, rhel 8");
        assert_eq!(image("registry.access.redhat.com/ubi8/ubi:8.4"), "rhel 8");
        assert_eq!(image("openjdk:8u302-jre"), "java 8");
        assert_eq!(image("maven:3.6-jdk-8"), "java 8");
        assert_eq!(image("gradle:7.6-jdk11-focal"), "java 11, ubuntu 20.04");
        assert_eq!(image("node:16-alpine3.12"), "node 16, alpine 3.12");
        assert_eq!(image("registry.example.com/team/app:1.2"), "");
        let package =
            |name: &str| of_package(name).map(|release| format!("{} {}", release.product, release.version));
        assert_eq!(package("java-1.8.0-openjdk-devel").as_deref(), Some("java 8"));
        assert_eq!(package("openjdk-11-jre-headless").as_deref(), Some("java 11"));
        assert_eq!(package("python36-devel").as_deref(), Some("python 3.6"));
        assert_eq!(package("python3.12-pip").as_deref(), Some("python 3.12"));
        assert_eq!(package("nodejs:12").as_deref(), Some("node 12"));
        assert_eq!(package("python3-pip"), None);
        assert_eq!(package("nodejs"), None);
    }

    #[test]
    fn ends_and_floors() {
        let today: Date = "2026-11-21".parse().expect("a date");
        let release = |product, version: &str| Release { product, version: version.to_owned() };
        assert_eq!(release("python", "3.9.1").ended(today).as_deref(), Some("2025-10-31"));
        assert_eq!(release("python", "3").ended(today), None);
        assert_eq!(release("java", "21").ended(today), None);
        assert_eq!(release("java", "12").is_short_lived(), Some(true));
        assert!(release("python", "3.6").is_below("3.8"));
        assert!(!release("python", "3.10").is_below("3.8"));
        assert!(!release("python", "3").is_below("3.8"));
        assert!(release("java", "8").is_below("11"));
    }
}
