//! `network:` in settings, the rules: what a RUN may fetch.
//!
//! Rules of several files add up: a project can ask for more than the machine does, and for nothing less. What it may
//! do is make a dated exception for a package, with a reason that stands in its own file.

use oci::time::parse_rfc3339;
use project::yaml::{Node, Pair, Value};
use registry::gateway::HostPattern;
use registry::gateway::gate::{AddressPattern, Exception, PrivateIndex, Rule, Rules};
use registry::packages::Ecosystem;
use serde_json::{Value as Json, json};

use super::keys::Places;
use super::tree::{Reader, Tree};

const HOUR: i64 = 3_600;
const DAY: i64 = 24 * HOUR;

/// Where the private indexes are: they may be inside.
pub fn private_hosts(rules: &Rules) -> impl Iterator<Item = HostPattern> {
    rules.private.iter().filter_map(|index| index.authority().parse().ok())
}

/// `network.allow`.
pub const ALLOW: Tree = Tree {
    path: "network.allow",
    places: Places::All,
    meaning: "addresses that a RUN may ask, and no others: `example.org`, `*.example.org`, `example.org/team/**`, \
              `10.0.0.0/8`, each with a scheme or a port if only that is meant; without it all may be asked",
    schema: texts,
    read: |settings, node, reader| {
        let patterns = patterns(node, "allow", reader);
        settings.gate.allow.push(patterns);
    },
};

/// `network.deny`.
pub const DENY: Tree = Tree {
    path: "network.deny",
    places: Places::All,
    meaning: "addresses that a RUN may not ask, even if they are allowed",
    schema: texts,
    read: |settings, node, reader| {
        let patterns = patterns(node, "deny", reader);
        settings.gate.deny.extend(patterns);
    },
};

/// `network.cooldown`.
pub const COOLDOWN: Tree = Tree {
    path: "network.cooldown",
    places: Places::All,
    meaning: "how old a version must be before a RUN sees it (`7d`, `12h`, `2w`), where the ecosystem tells: PyPI, npm, \
              crates, Go",
    schema: || json!({ "type": "string", "pattern": "^[0-9]+[hdw]$" }),
    read: |settings, node, reader| {
        let Some(text) = reader.text(node, "cooldown") else { return };
        match period(text) {
            Some(period) => settings.gate.cooldown = settings.gate.cooldown.max(period),
            None => {
                let message =
                    format!("`network.cooldown`: `{text}` is no length of time; write `7d`, `12h` or `2w`");
                reader.say(node.span, message, None);
            }
        }
    },
};

/// `network.from-source`.
pub const FROM_SOURCE: Tree = Tree {
    path: "network.from-source",
    places: Places::All,
    meaning: "ecosystems of which a RUN gets no prebuilt packages: `pypi`, `rubygems` (these vanish from the index, so \
              that clients build from source), `cran`, `conda`, `maven` (these are refused as files)",
    schema: texts,
    read: |settings, node, reader| {
        for text in reader.texts(node, "from-source") {
            match ecosystem(text, PREBUILT) {
                Ok(ecosystem) => {
                    settings.gate.from_source.insert(ecosystem);
                }
                Err(message) => reader.say(node.span, format!("`network.from-source`: {message}"), None),
            }
        }
    },
};

/// `network.private`.
pub const PRIVATE: Tree = Tree {
    path: "network.private",
    places: Places::All,
    meaning: "indexes of your own, as clients are given them: a name that one of them serves, or that `names` says is its \
              own, is never taken from another index",
    schema: || {
        json!({ "type": "array", "items": {
            "type": "object",
            "properties": { "index": { "type": "string" }, "ecosystem": { "type": "string" }, "names": texts() },
            "required": ["index"],
            "additionalProperties": false,
        }})
    },
    read: |settings, node, reader| {
        for item in reader.items(node, "private") {
            let index = private(item, reader);
            settings.gate.private.extend(index);
        }
    },
};

/// `network.digests`.
pub const DIGESTS: Tree = Tree {
    path: "network.digests",
    places: Places::All,
    meaning: "`required`: a RUN gets no package whose digest neither an index nor the lock told before",
    schema: || json!({ "enum": ["required"] }),
    read: |settings, node, reader| match reader.text(node, "digests") {
        Some("required") => settings.gate.require_digests = true,
        Some(_) => reader.say(node.span, "`network.digests`: expected `required`".to_owned(), None),
        None => {}
    },
};

/// `network.exceptions`.
pub const EXCEPTIONS: Tree = Tree {
    path: "network.exceptions",
    places: Places::All,
    meaning: "packages for which a rule does not hold until a day is over: `{package: pypi/requests@2.32.*, rule: cooldown, \
              until: 2026-12-31, reason: …}`; without `rule`, it is `cooldown`",
    schema: || {
        let text = json!({ "type": "string" });
        json!({ "type": "array", "items": {
            "type": "object",
            "properties": { "package": text, "rule": text, "until": text, "reason": text },
            "required": ["package", "until", "reason"],
            "additionalProperties": false,
        }})
    },
    read: |settings, node, reader| {
        for item in reader.items(node, "exceptions") {
            let exception = exception(item, reader);
            settings.gate.exceptions.extend(exception);
        }
    },
};

/// Ecosystems of which some packages are prebuilt and others are not.
const PREBUILT: &[Ecosystem] =
    &[Ecosystem::PyPi, Ecosystem::RubyGems, Ecosystem::Cran, Ecosystem::Conda, Ecosystem::Maven];

fn texts() -> Json {
    json!({ "anyOf": [{ "type": "string" }, { "type": "array", "items": { "type": "string" } }] })
}

fn patterns(node: &Node, what: &str, reader: &mut Reader<'_>) -> Vec<AddressPattern> {
    // An empty list is one: nothing is allowed.
    if matches!(&node.value, Value::Sequence(items) if items.is_empty()) {
        return Vec::new();
    }
    let mut patterns = Vec::new();
    for text in reader.texts(node, what) {
        match text.parse() {
            Ok(pattern) => patterns.push(pattern),
            Err(error) => reader.say(node.span, format!("`network.{what}`: {error}"), None),
        }
    }
    patterns
}

fn ecosystem(text: &str, known: &[Ecosystem]) -> Result<Ecosystem, String> {
    let named = text.parse::<Ecosystem>().ok().filter(|found| known.contains(found));
    named.ok_or_else(|| {
        let names: Vec<String> = known.iter().map(|ecosystem| format!("`{ecosystem}`")).collect();
        format!("`{text}` is none of {}", names.join(", "))
    })
}

/// `7d`, `12h`, `2w`; ten years at most.
fn period(text: &str) -> Option<i64> {
    let (number, unit) = text.split_at_checked(text.len().checked_sub(1)?)?;
    let unit = match unit {
        "h" => HOUR,
        "d" => DAY,
        "w" => 7 * DAY,
        _ => return None,
    };
    let number: i64 = number.bytes().all(|byte| byte.is_ascii_digit()).then(|| number.parse().ok())??;
    number.checked_mul(unit).filter(|period| *period <= 3_653 * DAY)
}

fn private(node: &Node, reader: &mut Reader<'_>) -> Option<PrivateIndex> {
    const KNOWN: &[Ecosystem] = &[
        Ecosystem::PyPi,
        Ecosystem::Npm,
        Ecosystem::Crates,
        Ecosystem::Go,
        Ecosystem::Maven,
        Ecosystem::RubyGems,
    ];
    let fields = reader.fields(node, "private", &["index", "ecosystem", "names"]);
    let field = |name: &str| fields.iter().find(|pair| pair.key == name).copied();
    let Some(index) = field("index") else {
        reader.say(node.span, "an entry of `network.private` needs `index`".to_owned(), None);
        return None;
    };
    let url = reader.text(&index.value, "index")?;
    let by_shape = url.trim_end_matches('/').ends_with("/simple").then_some(Ecosystem::PyPi);
    let ecosystem = match field("ecosystem") {
        Some(pair) => match ecosystem(reader.text(&pair.value, "ecosystem")?, KNOWN) {
            Ok(ecosystem) => Some(ecosystem),
            Err(message) => {
                reader.say(pair.value.span, format!("`network.private`: {message}"), None);
                return None;
            }
        },
        None => by_shape,
    };
    let Some(ecosystem) = ecosystem else {
        let hint = Some("add `ecosystem: npm`, `maven`, `go`, `crates` or `rubygems`".to_owned());
        reader.say(index.value.span, format!("the path of `{url}` does not tell whose index it is"), hint);
        return None;
    };
    let names = field("names").map(|pair| reader.texts(&pair.value, "names")).unwrap_or_default();
    let names = names.into_iter().map(str::to_owned).collect();
    match PrivateIndex::new(ecosystem, url, names) {
        Ok(index) => Some(index),
        Err(error) => {
            reader.say(index.value.span, format!("`network.private`: {error}"), None);
            None
        }
    }
}

fn exception(node: &Node, reader: &mut Reader<'_>) -> Option<Exception> {
    let fields = reader.fields(node, "exceptions", &["package", "rule", "until", "reason"]);
    let field = |name: &str| fields.iter().find(|pair| pair.key == name).copied();
    let (Some(package), Some(until), Some(reason)) = (field("package"), field("until"), field("reason"))
    else {
        let message = "an entry of `network.exceptions` needs `package`, `until` and `reason`";
        reader.say(node.span, message.to_owned(), None);
        return None;
    };
    let mut parsed = |pair: &Pair, parse: &dyn Fn(&str) -> Result<(), String>| {
        let text = reader.text(&pair.value, &pair.key)?;
        match parse(text) {
            Ok(()) => Some(text.to_owned()),
            Err(message) => {
                reader.say(pair.value.span, format!("`network.exceptions`: {message}"), None);
                None
            }
        }
    };
    let package = parsed(package, &|text| {
        text.parse::<registry::gateway::gate::PackagePattern>().map(drop).map_err(|error| error.to_string())
    })?;
    let rule = match field("rule") {
        Some(pair) => parsed(pair, &|text| text.parse::<Rule>().map(drop))?,
        None => "cooldown".to_owned(),
    };
    let day = parsed(until, &|text| last_second(text).map(drop))?;
    let reason = parsed(reason, &|_| Ok(()))?;
    Some(Exception {
        rule: rule.parse().ok()?,
        package: package.parse().ok()?,
        until: last_second(&day).ok()?,
        reason,
    })
}

/// The second at which a day of `2026-12-31` is over, in UTC.
fn last_second(day: &str) -> Result<i64, String> {
    let begins = parse_rfc3339(&format!("{day}T00:00:00Z")).filter(|_| day.len() == 10);
    begins.map(|begins| begins + DAY).ok_or_else(|| format!("`{day}` is no day; write `2026-12-31`"))
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use registry::gateway::gate::Gate;

    use super::*;
    use crate::settings::load::apply;

    fn read(texts: &[&str]) -> (Rules, Vec<String>) {
        let mut settings = crate::settings::Settings::default();
        let mut wrong = Vec::new();
        for text in texts {
            wrong.extend(apply(text, Path::new("/project"), false, &mut settings));
        }
        (settings.gate, wrong.into_iter().map(|diagnostic| diagnostic.message).collect())
    }

    #[test]
    fn rules_are_read() {
        let (gate, wrong) = read(&[
            "network:\n  allow: ['*.example.org', 'example.org/team']\n  deny: bad.example.org\n  cooldown: 7d\n  from-source: [pypi]\n  \
             digests: required\n  private:\n    - index: https://nexus.example.org/own/simple/\n      names: acme-*\n    - {index: \
             https://nexus.example.org/npm, ecosystem: npm}\n  exceptions:\n    - {package: pypi/requests@2.32.*, until: 2026-12-31, reason: \
             needed}\n    - {package: pypi/numpy, rule: from-source, until: 2026-12-31, reason: no Fortran}\n",
        ]);
        assert_eq!(wrong, Vec::<String>::new());
        assert_eq!((gate.cooldown, gate.require_digests, gate.private.len()), (7 * DAY, true, 2));
        assert_eq!(gate.exceptions[1].rule, Rule::FromSource);
        assert_eq!(gate.exceptions[0].until, 1_798_761_600);
        assert_eq!(
            gate.policy(),
            "allow *.example.org example.org/team; cooldown 604800; deny bad.example.org; digests required; exception \
             network.cooldown pypi/requests@2.32.*; exception network.from-source pypi/numpy; from-source pypi; private npm \
             https://nexus.example.org/npm/ ; private pypi https://nexus.example.org/own/simple/ acme-*"
        );
    }

    #[test]
    fn files_add_up() {
        let (gate, wrong) = read(&[
            "network: {allow: [a.example.org, b.example.org], cooldown: 2w, deny: x.example.org}",
            "network: {allow: b.example.org, cooldown: 1h, deny: [], from-source: pypi}",
        ]);
        assert_eq!(wrong, Vec::<String>::new());
        let rules = &gate;
        let open = |url: &str| rules.address("GET", url).is_allowed();
        assert!(
            open("http://b.example.org/") && !open("http://a.example.org/") && !open("http://x.example.org/")
        );
        assert_eq!((gate.cooldown, gate.deny.len(), gate.from_source.len()), (14 * DAY, 1, 1));
        assert!(!read(&["network: {allow: []}"]).0.address("GET", "http://h/").is_allowed());
    }

    #[test]
    fn what_is_wrong_is_named() {
        let check = |text: &str, wanted: &str| {
            assert_eq!(read(&[&format!("network:\n  {text}\n")]).1, [wanted], "{text}")
        };
        check("allow: ftp://h", "`network.allow`: `ftp://h` begins with neither `http://` nor `https://`");
        check("cooldown: soon", "`network.cooldown`: `soon` is no length of time; write `7d`, `12h` or `2w`");
        check(
            "from-source: go",
            "`network.from-source`: `go` is none of `pypi`, `rubygems`, `cran`, `conda`, `maven`",
        );
        check("digests: maybe", "`network.digests`: expected `required`");
        check("private: [{index: https://h/x}]", "the path of `https://h/x` does not tell whose index it is");
        check(
            "exceptions: [{package: pypi/x}]",
            "an entry of `network.exceptions` needs `package`, `until` and `reason`",
        );
        check(
            "exceptions: [{package: x, until: 2026-01-01, reason: y}]",
            "`network.exceptions`: `x` names no package; write `pypi/requests` or `pypi/requests@2.32.0`",
        );
        check(
            "exceptions: [{package: pypi/x, until: soon, reason: y}]",
            "`network.exceptions`: `soon` is no day; write `2026-12-31`",
        );
        check(
            "exceptions: [{package: pypi/x, rule: allow, until: 2026-01-01, reason: y}]",
            "`network.exceptions`: there are exceptions from `cooldown`, `from-source`, `digests`, `advisories`",
        );
    }
}
