//! Digests in the indexes of distributions: a signed document names the lists of packages, and these name the packages.
//! Debian's `Release` and `Packages`, and `repomd.xml` and `primary.xml` of RPM repositories. Nothing is taken out of them.

use std::io::{BufRead, BufReader, Read};

use ::oci::Digest;
use ::oci::layer::Decompressor;

use super::{Filtered, Index, Offer};
use crate::packages::artifact::Ecosystem;
use crate::packages::request::Address;

/// Bytes of a list, unpacked: the largest have some hundred millions.
const UNPACKED: u64 = 1 << 30;

/// Bytes of a line or an element; a longer one is nobody's.
const LONGEST: u64 = 1 << 20;

/// Whether a document is the one that is signed; what others say counts only if it named them.
pub fn is_signed(url: &str) -> bool {
    let name = url.split(['?', '#']).next().unwrap_or_default().rsplit('/').next().unwrap_or_default();
    matches!(name, "InRelease" | "Release" | "repomd.xml")
}

/// What a document says of others. What cannot be read says nothing.
pub fn filter(index: &Index<'_>) -> Filtered {
    let offers = match index.artifact.ecosystem {
        Ecosystem::Debian => debian(index),
        _ => rpm(index),
    };
    Filtered { offers: offers.unwrap_or_default(), ..Filtered::default() }
}

fn lines(index: &Index<'_>) -> Option<impl BufRead> {
    Some(BufReader::new(Decompressor::new(index.body).ok()?.take(UNPACKED)))
}

/// A piece up to and with this byte; nothing at the end, or where no piece ends.
fn piece(input: &mut impl BufRead, end: u8, into: &mut Vec<u8>) -> Option<()> {
    into.clear();
    let read = input.by_ref().take(LONGEST).read_until(end, into).ok()?;
    (read > 0 && (read as u64) < LONGEST).then_some(())
}

fn offer(url: Option<String>, hex: &str) -> Option<Offer> {
    let digest = format!("sha256:{}", hex.to_ascii_lowercase()).parse::<Digest>().ok();
    Some(Offer { url: Some(url?), digest: Some(digest?), ..Offer::default() })
}

/// (Debian wiki, "RepositoryFormat")
fn debian(index: &Index<'_>) -> Option<Vec<Offer>> {
    let base = Address::parse(index.url)?;
    if is_signed(index.url) {
        return Some(release(&base, &String::from_utf8_lossy(index.body)));
    }
    // A flat repository's names are relative to its list.
    let root = match index.url.find("/dists/") {
        Some(at) => Address::parse(&format!("{}/", &index.url[..at]))?,
        None => base,
    };
    let (mut offers, mut line) = (Vec::new(), Vec::new());
    let (mut name, mut digest) = (String::new(), String::new());
    let mut input = lines(index)?;
    loop {
        let ended = piece(&mut input, b'\n', &mut line).is_none();
        let text = String::from_utf8_lossy(&line);
        let text = text.trim_end();
        if ended || text.is_empty() {
            offers.extend(offer(root.join(name.trim_start_matches("./")), &digest));
            name.clear();
            digest.clear();
        } else if let Some(value) = text.strip_prefix("Filename: ") {
            value.clone_into(&mut name);
        } else if let Some(value) = text.strip_prefix("SHA256: ") {
            value.clone_into(&mut digest);
        }
        if ended {
            return Some(offers);
        }
    }
}

fn release(base: &Address, text: &str) -> Vec<Offer> {
    let listed = text.lines().skip_while(|line| line.trim_end() != "SHA256:").skip(1);
    let listed = listed.take_while(|line| line.starts_with(' '));
    let of_line = |line: &str| {
        let mut words = line.split_whitespace();
        let (hex, _, path) = (words.next()?, words.next()?, words.next()?);
        offer(base.join(path), hex)
    };
    listed.filter_map(of_line).collect()
}

/// (createrepo_c: `repomd.xml` and `primary.xml` have the same two elements for what they name)
fn rpm(index: &Index<'_>) -> Option<Vec<Offer>> {
    let at = index.url.rfind("/repodata/")?;
    let root = Address::parse(&format!("{}/", &index.url[..at]))?;
    let (mut offers, mut element) = (Vec::new(), Vec::new());
    let (mut place, mut digest, mut begun) = (String::new(), String::new(), false);
    let mut input = lines(index)?;
    while piece(&mut input, b'>', &mut element).is_some() {
        let text = String::from_utf8_lossy(&element);
        let text = text.trim();
        if begun {
            text.split('<').next().unwrap_or_default().trim().clone_into(&mut digest);
        }
        begun = text.starts_with("<checksum ") && text.contains("\"sha256\"");
        if text.starts_with("<location ")
            && let Some((_, href)) = text.split_once(" href=\"")
        {
            href.split('"').next().unwrap_or_default().clone_into(&mut place);
        } else if matches!(text, "</data>" | "</package>") {
            offers.extend(offer(root.join(&place), &digest));
            place.clear();
            digest.clear();
        }
    }
    Some(offers)
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::*;
    use crate::packages::{Request, recognise};

    #[track_caller]
    fn check(url: &str, body: &str, expected: &[(&str, char)]) {
        let index = Index {
            artifact: &recognise(&Request::get(url)),
            url,
            content_type: "",
            accept: "",
            body: body.as_bytes(),
            times: &BTreeMap::new(),
        };
        let filtered = filter(&index);
        assert!(filtered.body.is_none() && filtered.removed.is_empty());
        let found: Vec<_> = filtered
            .offers
            .iter()
            .map(|offer| (offer.url.as_deref().unwrap(), offer.digest.unwrap().hex().chars().next().unwrap()))
            .collect();
        assert_eq!(found, expected);
    }

    #[test]
    fn debians_lists_name_files() {
        let (a, b) = ("a".repeat(64), "b".repeat(64));
        check(
            "http://h/debian/dists/bookworm/InRelease",
            &format!(
                "-----BEGIN\nSuite: x\nMD5Sum:\n 00 1 main/x\nSHA256:\n {a}  12 main/binary-amd64/Packages.xz\nSHA512:\n 1 2 3\n"
            ),
            &[("http://h/debian/dists/bookworm/main/binary-amd64/Packages.xz", 'a')],
        );
        let list = format!(
            "Package: p\nFilename: pool/p_1+2.deb\nSHA256: {a}\n\nPackage: q\nSHA256: {b}\nFilename: ./q.deb\n"
        );
        check(
            "http://h/debian/dists/bookworm/main/binary-amd64/Packages",
            &list,
            &[("http://h/debian/pool/p_1+2.deb", 'a'), ("http://h/debian/q.deb", 'b')],
        );
        check(
            "http://h/flat/Packages",
            &list,
            &[("http://h/flat/pool/p_1+2.deb", 'a'), ("http://h/flat/q.deb", 'b')],
        );
    }

    #[test]
    fn rpms_lists_name_files() {
        let (a, b) = ("a".repeat(64), "b".repeat(64));
        check(
            "https://h/el/repodata/repomd.xml",
            &format!(
                "<repomd><data type=\"primary\"><checksum type=\"sha256\">{a}</checksum><open-checksum type=\"sha256\">{b}\
                 </open-checksum><location href=\"repodata/{a}-primary.xml.gz\"/></data></repomd>"
            ),
            &[(&format!("https://h/el/repodata/{a}-primary.xml.gz"), 'a')],
        );
        check(
            &format!("https://h/el/repodata/{a}-primary.xml"),
            &format!(
                "<metadata>\n<package type=\"rpm\">\n <checksum type=\"sha256\" pkgid=\"YES\">{b}</checksum>\n \
                 <location xml:base=\"x\" href=\"Packages/p-1-1.noarch.rpm\"/>\n</package></metadata>"
            ),
            &[("https://h/el/Packages/p-1-1.noarch.rpm", 'b')],
        );
        check("https://h/el/repodata/x-filelists.xml.zck", "\0ZCK1", &[]);
    }
}
