//! What the gate says, and in which words.

use std::collections::BTreeMap;
use std::sync::Arc;

use oci::Digest;
use oci::record::Verdict;

use super::{Advisories, Advisory, Exception, Gate, PrivateIndex, Rule, Rules, Subject};
use crate::packages::index::Index;
use crate::packages::{Ecosystem, Request, recognise};

/// 2026-01-10.
const NOW: i64 = 1_768_003_200;
const DAY: i64 = 86_400;
const WHEEL: &str = "https://h/packages/requests/2.0/requests-2.0-py3-none-any.whl";
const SDIST: &str = "https://h/packages/requests/2.0/requests-2.0.tar.gz";

fn words(verdict: Verdict) -> String {
    match verdict {
        Verdict::Allowed => "allowed".to_owned(),
        Verdict::Refused { rule, reason } => format!("{rule}: {reason}"),
        Verdict::Failed { reason } => format!("failed: {reason}"),
    }
}

fn judged(rules: &Rules, url: &str, published: Option<i64>, promised: Option<Digest>) -> String {
    let artifact = recognise(&Request::get(url));
    words(rules.artifact(&Subject { artifact: &artifact, url, published, promised }))
}

fn exception(rule: Rule, package: &str, until: i64) -> Exception {
    Exception { rule, package: package.parse().unwrap(), until, reason: "tested by hand".to_owned() }
}

#[test]
fn addresses() {
    let rules = Rules {
        allow: vec![vec!["*.example.org".parse().unwrap(), "example.org/open".parse().unwrap()]],
        deny: vec!["bad.example.org".parse().unwrap()],
        ..Rules::default()
    };
    let say = |method: &str, url: &str| words(rules.address(method, url));
    assert_eq!(say("GET", "https://a.example.org/x?y"), "allowed");
    assert_eq!(say("GET", "http://example.org/open/x"), "allowed");
    assert_eq!(
        say("GET", "http://example.org/open/../x"),
        "network.allow: `example.org/open/../x` is not among the allowed; add `example.org` to `network.allow` to allow it"
    );
    assert_eq!(
        say("GET", "http://bad.example.org/"),
        "network.deny: `bad.example.org/` is denied by `bad.example.org`; take that out of `network.deny` to allow it"
    );
    assert_eq!(say("CONNECT", "tcp://a.example.org:443"), "allowed");
    assert!(say("CONNECT", "tcp://example.org:443").starts_with("network.allow: "));
    assert_eq!(words(Rules::default().address("GET", "http://anything/")), "allowed");
}

#[test]
fn young_versions() {
    let mut rules = Rules { cooldown: 7 * DAY, now: NOW, ..Rules::default() };
    assert_eq!(judged(&rules, SDIST, None, None), "allowed");
    assert_eq!(judged(&rules, SDIST, Some(NOW - 7 * DAY), None), "allowed");
    assert_eq!(
        judged(&rules, SDIST, Some(NOW - 2 * DAY), None),
        "network.cooldown: requests 2.0 (pypi) was published on 2026-01-08, less than 7d ago; to allow it, add `{rule: \
         cooldown, package: \"pypi/requests@2.0\", until: 2026-02-09, reason: …}` to `network.exceptions`"
    );
    rules.exceptions = vec![exception(Rule::Cooldown, "pypi/requests@2.0", NOW + 1)];
    assert_eq!(judged(&rules, SDIST, Some(NOW), None), "allowed");
    rules.exceptions = vec![exception(Rule::Cooldown, "pypi/requests", NOW)];
    assert!(judged(&rules, SDIST, Some(NOW), None).starts_with("network.cooldown"));
    let wants =
        rules.wants(&recognise(&Request::get("http://h/simple/requests/")), "http://h/simple/requests/");
    assert!(wants.whole && wants.accept.is_some_and(|accept| accept.starts_with("application/vnd.pypi")));
    assert!(rules.wants(&recognise(&Request::get(SDIST)), SDIST).published);
}

#[test]
fn nothing_prebuilt() {
    let mut rules = Rules { from_source: [Ecosystem::PyPi].into(), now: NOW, ..Rules::default() };
    assert_eq!(judged(&rules, SDIST, None, None), "allowed");
    assert!(
        judged(&rules, WHEEL, None, None)
            .starts_with("network.from-source: requests 2.0 (pypi) is prebuilt; to allow it")
    );
    assert_eq!(judged(&rules, "http://h/nokogiri-1.0-x86_64-linux.gem", None, None), "allowed");
    rules.exceptions = vec![exception(Rule::FromSource, "pypi/requests", NOW + DAY)];
    assert_eq!(judged(&rules, WHEEL, None, None), "allowed");
    // What is excepted as a file stays in the index too.
    let artifact = recognise(&Request::get("http://h/simple/requests/"));
    let page = "<a href=\"requests-2.0-py3-none-any.whl\">x</a>";
    let index = Index {
        artifact: &artifact,
        url: "http://h/simple/requests/",
        content_type: "text/html",
        accept: "",
        body: page.as_bytes(),
        times: &BTreeMap::new(),
    };
    assert_eq!(rules.filter(&index).unwrap().body, None);
    rules.exceptions.clear();
    assert_eq!(rules.filter(&index).unwrap().body.as_deref(), Some(&b""[..]));
}

#[test]
fn digests_known_before() {
    let rules = Rules { require_digests: true, now: NOW, ..Rules::default() };
    assert_eq!(judged(&rules, WHEEL, None, Some(Digest::of(b""))), "allowed");
    assert!(
        judged(&rules, WHEEL, None, None)
            .starts_with("network.digests: no index and no lock told the digest of requests 2.0 (pypi)")
    );
    assert_eq!(judged(&rules, "http://h/simple/requests/", None, None), "allowed");
}

#[test]
fn private_names_first() {
    let index = PrivateIndex::new(
        Ecosystem::PyPi,
        "https://nexus.example.org/repository/own/simple/",
        vec!["acme-*".to_owned()],
    )
    .unwrap();
    let npm = PrivateIndex::new(
        Ecosystem::Npm,
        "https://nexus.example.org/repository/npm-own",
        vec!["@acme/*".to_owned()],
    )
    .unwrap();
    let rules = Rules { private: vec![index, npm], now: NOW, ..Rules::default() };
    let wants = |url: &str| rules.wants(&recognise(&Request::get(url)), url);
    assert_eq!(
        wants("https://public.example.org/simple/acme-tool/").hidden.map(words).unwrap(),
        "network.private: `acme-tool` is a name of the private index https://nexus.example.org/repository/own/simple/, and \
         `public.example.org` is not part of it; to allow it, take the name out of that index or the index out of \
         `network.private`"
    );
    assert!(wants("https://public.example.org/acme_tool-1.0-py3-none-any.whl").hidden.is_some());
    assert!(wants("https://public.example.org/@acme%2fui").hidden.is_some());
    let other = wants("https://public.example.org/simple/requests/");
    let probes: Vec<&str> = other.ask_first.iter().map(|probe| probe.url.as_str()).collect();
    assert_eq!(
        (other.hidden, probes),
        (None, vec!["https://nexus.example.org/repository/own/simple/requests/"])
    );
    for own in [
        "https://nexus.example.org/repository/own/simple/acme-tool/",
        "https://nexus.example.org:443/repository/own/packages/acme-tool/1.0/acme_tool-1.0-py3-none-any.whl",
    ] {
        assert_eq!(wants(own), super::Wants::default(), "{own}");
    }
    assert!(wants("https://nexus.example.org/repository/own/../public/simple/acme-tool/").hidden.is_some());
    assert!(PrivateIndex::new(Ecosystem::Debian, "https://h/", Vec::new()).is_err());
    assert!(PrivateIndex::new(Ecosystem::Npm, "h", Vec::new()).is_err());
}

#[test]
fn where_private_indexes_are_asked() {
    let check = |ecosystem, url: &str, wanted: Option<&str>| {
        let index = PrivateIndex::new(ecosystem, "sparse+https://n/own", Vec::new()).unwrap();
        let agent = if ecosystem == Ecosystem::RubyGems { "bundler/2" } else { "cargo 1" };
        assert_eq!(index.probe(&recognise(&Request::get(url).agent(agent))).as_deref(), wanted, "{url}");
    };
    check(Ecosystem::Npm, "http://h/@a/b/-/b-1.0.0.tgz", Some("https://n/own/@a%2fb"));
    check(
        Ecosystem::Go,
        "http://h/example.org/A/@v/v1.0.0.zip",
        Some("https://n/own/example.org/!a/@v/list"),
    );
    check(
        Ecosystem::Maven,
        "http://h/maven2/org/a/b/1/b-1.jar",
        Some("https://n/own/org/a/b/maven-metadata.xml"),
    );
    check(Ecosystem::Crates, "http://h/3/s/syn", Some("https://n/own/3/s/syn"));
    check(Ecosystem::Crates, "http://h/Se/Rd/Serde", Some("https://n/own/se/rd/serde"));
    check(Ecosystem::RubyGems, "http://h/info/rake", Some("https://n/own/info/rake"));
    check(Ecosystem::Npm, "http://h/simple/six/", None);
}

#[derive(Debug)]
struct Known;

impl Advisories for Known {
    fn against(&self, purl: &str) -> Option<Advisory> {
        let found = purl == "pkg:pypi/requests@2.0";
        found.then(|| Advisory {
            id: "CVE-2026-0001".to_owned(),
            summary: "reads what it should not".to_owned(),
        })
    }

    fn state(&self) -> String {
        "1".to_owned()
    }
}

#[test]
fn advisories_and_the_policy() {
    let mut rules = Rules { advisories: Some(Arc::new(Known)), now: NOW, ..Rules::default() };
    let said = judged(&rules, SDIST, None, None);
    assert!(
        said.starts_with(
            "network.advisories: requests 2.0 (pypi): CVE-2026-0001, reads what it should not; "
        ),
        "{said}"
    );
    assert_eq!(rules.policy(), "advisories 1");
    rules.exceptions =
        vec![exception(Rule::Advisories, "pypi/requests", NOW + 1), exception(Rule::Cooldown, "npm/x", NOW)];
    assert_eq!(judged(&rules, SDIST, None, None), "allowed");
    assert_eq!(rules.policy(), "advisories 1; exception network.advisories pypi/requests");
    assert_eq!(Rules::default().policy(), "");
    assert!("allow".parse::<Rule>().is_err());
    assert_eq!("network.cooldown".parse::<Rule>(), Ok(Rule::Cooldown));
}
