//! Documents in the shapes of their registries, with something taken out.

use std::collections::BTreeMap;

use ::oci::Digest;

use super::{Filtered, Index, IndexError, Known, filter, form_wanted, times};
use crate::packages::{Artifact, Ecosystem, Request, recognise};

const HEX: &str = "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855";
/// 2026-01-10.
const NOW: i64 = 1_768_003_200;
const WEEK: i64 = 7 * 86_400;

struct Case<'a> {
    url: &'a str,
    content_type: &'a str,
    accept: &'a str,
    agent: &'a str,
    times: BTreeMap<String, i64>,
}

impl Default for Case<'_> {
    fn default() -> Self {
        Case { url: "http://h/simple/six/", content_type: "", accept: "", agent: "", times: BTreeMap::new() }
    }
}

impl Case<'_> {
    fn artifact(&self) -> Artifact {
        recognise(&Request::get(self.url).agent(self.agent))
    }

    /// Without what is younger than a week, and without what is prebuilt.
    fn filter(&self, body: &str) -> Result<Filtered, IndexError> {
        let artifact = self.artifact();
        let index = Index {
            artifact: &artifact,
            url: self.url,
            content_type: self.content_type,
            accept: self.accept,
            body: body.as_bytes(),
            times: &self.times,
        };
        filter(&index, &mut |offer| {
            if offer.prebuilt {
                return Some(("from-source".to_owned(), "prebuilt".to_owned()));
            }
            let young = offer.published.is_some_and(|published| published > NOW - WEEK);
            young.then(|| ("cooldown".to_owned(), "young".to_owned()))
        })
    }
}

fn body(filtered: &Filtered) -> &str {
    std::str::from_utf8(filtered.body.as_deref().expect("something was taken out")).unwrap()
}

fn removed(filtered: &Filtered) -> Vec<String> {
    let show = |removed: &super::Removed| {
        format!("{} {}", removed.offer.version.as_deref().unwrap_or("?"), removed.reason)
    };
    filtered.removed.iter().map(show).collect()
}

fn simple_json() -> String {
    let file = |name: &str, day: &str, more: &str| {
        format!(
            r#"{{"filename":"{name}","url":"../../packages/{name}","hashes":{{"sha256":"{HEX}"}},"requires-python":">=3.8","size":3,"upload-time":"2026-01-{day}T00:00:00.123456Z","yanked":false{more}}}"#
        )
    };
    format!(
        r#"{{"meta":{{"api-version":"1.1"}},"name":"six","files":[{},{},{},{}],"versions":["1.0","1.1","1.2"]}}"#,
        file("six-1.0.tar.gz", "01", ""),
        file("six-1.0-py3-none-any.whl", "01", r#","core-metadata":{"sha256":"00"}"#),
        file("six-1.1.tar.gz", "09", ""),
        file("six-1.2-py3-none-any.whl", "01", ""),
    )
}

#[test]
fn python_as_json() {
    let accept = "application/vnd.pypi.simple.v1+json, text/html; q=0.01";
    let case = Case { content_type: "application/vnd.pypi.simple.v1+json", accept, ..Case::default() };
    let filtered = case.filter(&simple_json()).unwrap();
    assert_eq!(removed(&filtered), ["1.0 prebuilt", "1.1 young", "1.2 prebuilt"]);
    let wanted = format!(
        r#"{{"meta":{{"api-version":"1.1"}},"name":"six","files":[{{"filename":"six-1.0.tar.gz","url":"../../packages/six-1.0.tar.gz","hashes":{{"sha256":"{HEX}"}},"requires-python":">=3.8","size":3,"upload-time":"2026-01-01T00:00:00.123456Z","yanked":false}}],"versions":["1.0"]}}"#
    );
    assert_eq!(body(&filtered), wanted);
    assert_eq!(filtered.offers[0].url.as_deref(), Some("http://h/packages/six-1.0.tar.gz"));
    assert_eq!(filtered.offers[0].digest, Some(Digest::of(b"")));

    let nothing = r#"{"name":"six","files":[]}"#;
    assert_eq!(case.filter(nothing).unwrap().body, None);
    assert!(case.filter("<html>").is_err() && case.filter(r#"{"name":"six"}"#).is_err());
}

#[test]
fn python_for_a_client_that_reads_pages() {
    let case =
        Case { content_type: "application/vnd.pypi.simple.v1+json", accept: "text/html", ..Case::default() };
    let filtered = case.filter(&simple_json()).unwrap();
    assert_eq!(filtered.content_type, Some("text/html; charset=utf-8"));
    let page = body(&filtered).to_owned();
    assert!(page.contains(&format!(
        "<a href=\"../../packages/six-1.0.tar.gz#sha256={HEX}\" data-requires-python=\"&gt;=3.8\" data-upload-time=\"2026-01-01T00:00:00.123456Z\">six-1.0.tar.gz</a><br>\n"
    )));
    // The page reads back as the same offers.
    let again = Case { content_type: "text/html", ..Case::default() }.filter(&page).unwrap();
    assert_eq!((again.offers[0].digest, again.offers.len(), again.body), (Some(Digest::of(b"")), 1, None));
}

#[test]
fn python_as_a_page() {
    let page = format!(
        "<!DOCTYPE html>\n<html><body><!-- <a href=\"x-1.0.tar.gz\">no</a> -->\n<a href=\"/p/six-1.0.tar.gz#sha256={HEX}\" \
         data-requires-python=\"&gt;=3\" >six-1.0.tar.gz</a><br/>\n  <A HREF='/p/six-1.0-py3-none-any.whl' data-dist-info-metadata=true>six\n\
         wheel</A> <br />\n<a href=/p/six-1.1.tar.gz>x</a>\n<a href=\"six-1.2.tar.gz\" data-upload-time=\"2026-01-09T19:56:36.719942Z\">y</a><br/>\n</body></html>\n"
    );
    let filtered = Case { content_type: "text/html", ..Case::default() }.filter(&page).unwrap();
    assert_eq!(removed(&filtered), ["1.0 prebuilt", "1.2 young"]);
    let wanted = page.replace(
        "<A HREF='/p/six-1.0-py3-none-any.whl' data-dist-info-metadata=true>six\nwheel</A> <br />\n",
        "",
    );
    let wanted = wanted.replace(
        "<a href=\"six-1.2.tar.gz\" data-upload-time=\"2026-01-09T19:56:36.719942Z\">y</a><br/>\n",
        "",
    );
    assert_eq!(body(&filtered), wanted);
    let urls: Vec<_> = filtered.offers.iter().filter_map(|offer| offer.url.as_deref()).collect();
    assert_eq!(urls, ["http://h/p/six-1.0.tar.gz", "http://h/p/six-1.1.tar.gz"]);
    for odd in ["<a href=\"x", "<a href=x>", "<a =>", "<a", "<", "<a href=x><a href=y>z</a>"] {
        Case { content_type: "text/html", ..Case::default() }.filter(odd).unwrap();
    }
}

#[test]
fn npm_tags_follow() {
    let integrity =
        "sha512-z4PhNX7vuL3xVChQ1m2AB9Yg5AULVxXcg/SpIdNs6c5H0NE8XYXysP+DGNKHfuwvY7kxvUdBeoGlODJ6+SfaPg==";
    let version = |v: &str| {
        format!(
            r#""{v}":{{"name":"a","version":"{v}","dist":{{"tarball":"http://h/a/-/a-{v}.tgz","integrity":"{integrity}"}}}}"#
        )
    };
    let document = format!(
        r#"{{"name":"a","dist-tags":{{"latest":"1.10.0","next":"2.0.0-rc.1","old":"1.2.0"}},"versions":{{{},{},{},{}}},"time":{{"created":"2020-01-01T00:00:00.000Z","modified":"2026-01-09T00:00:00.000Z","1.2.0":"2025-01-01T00:00:00.000Z","1.9.0":"2025-02-01T00:00:00.000Z","1.10.0":"2026-01-09T00:00:00.000Z","2.0.0-rc.1":"2026-01-08T00:00:00.000Z"}}}}"#,
        version("1.2.0"),
        version("1.9.0"),
        version("1.10.0"),
        version("2.0.0-rc.1"),
    );
    let case =
        Case { url: "http://h/a", agent: "npm/9", content_type: "application/json", ..Case::default() };
    let filtered = case.filter(&document).unwrap();
    assert_eq!(removed(&filtered), ["1.10.0 young", "2.0.0-rc.1 young"]);
    let left: serde_json::Value = serde_json::from_str(body(&filtered)).unwrap();
    assert_eq!(left["dist-tags"].to_string(), r#"{"latest":"1.9.0","old":"1.2.0"}"#);
    assert_eq!(left["time"].as_object().unwrap().len(), 4);
    assert_eq!(left["versions"].as_object().unwrap().len(), 2);
    assert_eq!(filtered.offers[0].digest, Some(Digest::of_with(::oci::digest::Algorithm::Sha512, b"")));
    assert_eq!(form_wanted(Ecosystem::Npm), Some("application/json"));
    let file = recognise(&Request::get("http://h/a/-/a-1.9.0.tgz"));
    assert_eq!(times::read(&file, document.as_bytes()), Some(1_738_368_000));
    assert!(case.filter("[]").is_err());
}

#[test]
fn crates_lose_lines() {
    let line = |version: &str, more: &str| {
        format!(
            "{{\"name\":\"syn\",\"vers\":\"{version}\",\"deps\":[],\"cksum\":\"{HEX}\",\"features\":{{}},\"yanked\":false{more}}}\n"
        )
    };
    let (old, young) = (line("1.0.0", ""), line("1.1.0", ",\"pubtime\":\"2026-01-09T00:00:00Z\""));
    let case = Case { url: "http://h/index/3/s/syn", agent: "cargo 1.88", ..Case::default() };
    let filtered = case.filter(&format!("{old}{young}")).unwrap();
    assert_eq!((body(&filtered), removed(&filtered)), (old.as_str(), vec!["1.1.0 young".to_owned()]));
    let mut known = Known::default();
    known.learn(&case.artifact(), &filtered.offers);
    let file = "http://h/api/v1/crates/syn/1.0.0/download";
    let found = recognise(&Request::get(file));
    assert_eq!(known.of(&found, file).and_then(|offer| offer.digest), Some(Digest::of(b"")));
    assert_eq!(
        times::ask_of_file(&found, file).map(|ask| ask.url).as_deref(),
        Some("http://h/api/v1/crates/syn/1.0.0")
    );
    assert!(case.filter("{\n").is_err());
}

#[test]
fn go_asks_for_times_first() {
    let url = "http://h/go/example.org/a/@v/list";
    let mut case = Case { url, ..Case::default() };
    let list = "v1.2.0\nv1.10.0\nv1.9.0-RC1\nv0.1.0\n";
    let artifact = case.artifact();
    let index = Index {
        artifact: &artifact,
        url,
        content_type: "",
        accept: "",
        body: list.as_bytes(),
        times: &case.times,
    };
    let asks: Vec<String> = times::asks(&index).into_iter().map(|ask| ask.url).collect();
    let base = "http://h/go/example.org/a/@v";
    assert_eq!(
        asks,
        [
            format!("{base}/v1.10.0.info"),
            format!("{base}/v1.9.0-!r!c1.info"),
            format!("{base}/v1.2.0.info"),
            format!("{base}/v0.1.0.info")
        ]
    );
    let info = br#"{"Version":"v1.10.0","Time":"2026-01-09T00:00:00Z"}"#;
    case.times.insert("v1.10.0".to_owned(), times::read(&artifact, info).unwrap());
    let filtered = case.filter(list).unwrap();
    assert_eq!(body(&filtered), "v1.2.0\nv1.9.0-RC1\nv0.1.0\n");
    let latest = Case { url: "http://h/go/example.org/a/@latest", ..Case::default() };
    assert!(latest.filter(std::str::from_utf8(info).unwrap()).unwrap().gone);
    let zip = recognise(&Request::get("http://h/example.org/a/@v/v1.0.0.zip"));
    assert_eq!(
        times::ask_of_file(&zip, "http://h/example.org/a/@v/v1.0.0.zip").unwrap().url,
        "http://h/example.org/a/@v/v1.0.0.info"
    );
}

#[test]
fn gems_for_platforms_vanish() {
    let list = format!(
        "---\n1.0.0 rake:>= 12|checksum:{HEX},ruby:>= 2.7\n1.0.0-x86_64-linux |checksum:{HEX}\n1.0.1-java |checksum:{HEX}\n"
    );
    let case = Case { url: "http://h/info/nokogiri", agent: "bundler/2.4", ..Case::default() };
    let filtered = case.filter(&list).unwrap();
    assert_eq!(body(&filtered), list.lines().take(2).map(|line| format!("{line}\n")).collect::<String>());
    assert_eq!(filtered.offers[0].digest, Some(Digest::of(b"")));
}

#[test]
fn files_are_known_by_their_address() {
    let case = Case { content_type: "text/html", ..Case::default() };
    let page = format!("<a href=\"https://Files.example.org/p/six-1.0.tar.gz#sha256={HEX}\">six</a>");
    let mut known = Known::default();
    known.learn(&case.artifact(), &case.filter(&page).unwrap().offers);
    let file = Artifact::generic(&crate::packages::Address::parse("http://h/").unwrap());
    assert!(known.of(&file, "https://files.example.org/p/six-1.0.tar.gz?x").is_some());
    assert!(known.of(&file, "https://files.example.org/p/six-1.1.tar.gz").is_none());
}
