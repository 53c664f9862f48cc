//! Debian version numbers and their order (Debian Policy 5.6.12, deb-version(7)).

use std::cmp::Ordering;
use std::fmt;

/// A version as the archive writes it: `[epoch:]upstream[-revision]`.
///
/// Compared by dpkg's rules, so two versions that differ as text may be equal (`1.0` and `0:1.0-0`); the text is kept.
#[derive(Debug, Clone)]
pub struct Version {
    text: String,
    epoch: u32,
    /// Where the upstream part begins in `text`.
    upstream: usize,
    /// Where the revision begins in `text`; past the end when there is none.
    revision: usize,
}

/// Why a text is not a version.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("`{0}` is not a Debian version")]
pub struct BadVersion(String);

impl Version {
    /// Parses a version as strictly as dpkg does, but for an upstream part that need not begin with a digit (dpkg only
    /// warns).
    pub fn parse(text: &str) -> Result<Self, BadVersion> {
        let bad = || BadVersion(text.chars().take(80).collect());
        if text.is_empty() || text.len() > 256 {
            return Err(bad());
        }
        let (epoch, upstream) = match text.split_once(':') {
            Some((epoch, _)) if epoch.bytes().all(|byte| byte.is_ascii_digit()) => {
                (epoch.parse::<u32>().map_err(|_| bad())?, epoch.len() + 1)
            }
            Some(_) => return Err(bad()),
            None => (0, 0),
        };
        let rest = &text[upstream..];
        let upstream_end = rest.rfind('-').unwrap_or(rest.len());
        let (body, revision) = rest.split_at(upstream_end);
        let known = |byte: u8| byte.is_ascii_alphanumeric() || b".+~".contains(&byte);
        let sound = !body.is_empty()
            && body.bytes().all(|byte| known(byte) || byte == b'-' || byte == b':')
            && revision != "-"
            && revision.bytes().skip(1).all(known);
        if !sound {
            return Err(bad());
        }
        Ok(Self {
            epoch,
            upstream,
            revision: (upstream + upstream_end + 1).min(text.len()),
            text: text.to_owned(),
        })
    }

    /// The version as it was written.
    pub fn as_str(&self) -> &str {
        &self.text
    }

    fn upstream(&self) -> &str {
        let end = if self.revision == self.text.len() { self.text.len() } else { self.revision - 1 };
        &self.text[self.upstream..end]
    }

    fn revision(&self) -> &str {
        &self.text[self.revision..]
    }
}

impl fmt::Display for Version {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

impl Ord for Version {
    fn cmp(&self, other: &Self) -> Ordering {
        self.epoch
            .cmp(&other.epoch)
            .then_with(|| compare_part(self.upstream().as_bytes(), other.upstream().as_bytes()))
            .then_with(|| compare_part(self.revision().as_bytes(), other.revision().as_bytes()))
    }
}

impl PartialOrd for Version {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl PartialEq for Version {
    fn eq(&self, other: &Self) -> bool {
        self.cmp(other) == Ordering::Equal
    }
}

impl Eq for Version {}

/// Compares stretches of non-digits and stretches of digits in turn, from the left.
fn compare_part(mut left: &[u8], mut right: &[u8]) -> Ordering {
    while !left.is_empty() || !right.is_empty() {
        let (left_text, left_rest) = split_while(left, |byte| !byte.is_ascii_digit());
        let (right_text, right_rest) = split_while(right, |byte| !byte.is_ascii_digit());
        let (left_number, left_rest) = split_while(left_rest, |byte| byte.is_ascii_digit());
        let (right_number, right_rest) = split_while(right_rest, |byte| byte.is_ascii_digit());
        let order =
            compare_text(left_text, right_text).then_with(|| compare_number(left_number, right_number));
        if order != Ordering::Equal {
            return order;
        }
        (left, right) = (left_rest, right_rest);
    }
    Ordering::Equal
}

fn split_while(bytes: &[u8], wanted: impl Fn(u8) -> bool) -> (&[u8], &[u8]) {
    bytes.split_at(bytes.iter().position(|&byte| !wanted(byte)).unwrap_or(bytes.len()))
}

/// `~` sorts before the end, the end before letters, letters before everything else.
fn compare_text(left: &[u8], right: &[u8]) -> Ordering {
    let weight = |byte: Option<&u8>| match byte {
        Some(b'~') => -1,
        None => 0,
        Some(byte) if byte.is_ascii_alphabetic() => i32::from(*byte),
        Some(byte) => i32::from(*byte) + 256,
    };
    (0..left.len().max(right.len()))
        .map(|at| weight(left.get(at)).cmp(&weight(right.get(at))))
        .find(|order| *order != Ordering::Equal)
        .unwrap_or(Ordering::Equal)
}

/// Numbers of any length: without leading zeros, the longer one is greater.
fn compare_number(left: &[u8], right: &[u8]) -> Ordering {
    let (_, left) = split_while(left, |byte| byte == b'0');
    let (_, right) = split_while(right, |byte| byte == b'0');
    left.len().cmp(&right.len()).then_with(|| left.cmp(right))
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn version(text: &str) -> Version {
        Version::parse(text).unwrap_or_else(|error| panic!("{error}"))
    }

    /// One line per comparison, each checked in both directions.
    #[test]
    fn order_is_dpkgs() {
        let table = "
            1.0 = 1.0
            0:1.0 = 1.0
            1.0-0 = 1.0
            00:1.0 = 1.0
            1.02 = 1.2
            1:0.1 > 9.9
            2:1 > 1:9
            1.0-1 > 1.0
            1.0-10 > 1.0-9
            1.10 > 1.9
            1.0~rc1 < 1.0
            1.0~ < 1.0
            1.0~~ < 1.0~
            1.0~~a < 1.0~
            1.0~rc1-1 < 1.0-1
            1.0+dfsg < 1.0.1
            1.0a < 1.0+
            1.0a > 1.0
            1.0a < 1.0b
            1.0-1a < 1.0-1b
            1.0-1+b1 > 1.0-1
            1.0-1+deb12u1 < 1.0-1+deb12u2
            1.0-1+deb12u9 < 1.0-1+deb12u10
            1.0-1~bpo12+1 < 1.0-1
            1.0-1-1 > 1.0-1
            2.36-9+deb12u10 < 2.36-9+deb12u13
            1.0.0 > 1.0
            1.0. > 1.0
            a > 1
            0 < a
            20230311+deb12u1 > 20230311
            12345678901234567890123 > 1234567890123456789012
            1.0-1ubuntu1 > 1.0-1
            1:1.0 > 1.0-1
            7.6p2-4 > 7.6-0
            1.0.3-3 > 1.0-1
            1.2.2-2 < 1.3
            5.005-7 > 5.004.04-1
            1.1.1k-1 < 1.1.1l-1
        ";
        for line in table.lines().map(str::trim).filter(|line| !line.is_empty()) {
            let words: Vec<_> = line.split_whitespace().collect();
            let want = match words[1] {
                "<" => Ordering::Less,
                "=" => Ordering::Equal,
                _ => Ordering::Greater,
            };
            assert_eq!(version(words[0]).cmp(&version(words[2])), want, "{line}");
            assert_eq!(version(words[2]).cmp(&version(words[0])), want.reverse(), "{line}, swapped");
        }
    }

    #[test]
    fn bad_versions_are_refused() {
        for text in ["", " ", "1 2", "a:1", "1:", "-1", "1.0-", "1.0_2", "4294967296:1", "1.0\n", "ü"] {
            assert!(Version::parse(text).is_err(), "{text:?}");
        }
    }

    proptest! {
        #[test]
        fn order_is_total(a in "[0-9a-b.+~-]{1,8}", b in "[0-9a-b.+~-]{1,8}", c in "[0-9a-b.+~-]{1,8}") {
            if let (Ok(a), Ok(b), Ok(c)) = (Version::parse(&a), Version::parse(&b), Version::parse(&c)) {
                prop_assert_eq!(a.cmp(&b), b.cmp(&a).reverse());
                if a <= b && b <= c {
                    prop_assert!(a <= c);
                }
            }
        }
    }
}
