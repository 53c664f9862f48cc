//! The records of a pax header, `LENGTH KEY=VALUE\n`, and what they change in an entry.

use super::sparse::{REGION_LIMIT, Region};
use super::{TarEntry, clamp_time};

/// What a pax header says. Global headers are read past, as Docker does: in images they hold a remark (`git archive`).
#[derive(Clone, Debug, Default)]
pub(super) struct Pax {
    path: Option<Vec<u8>>,
    link: Option<Vec<u8>>,
    pub size: Option<u64>,
    uid: Option<u32>,
    gid: Option<u32>,
    user: Option<Vec<u8>>,
    group: Option<Vec<u8>>,
    mtime: Option<i64>,
    xattrs: Vec<(Vec<u8>, Vec<u8>)>,
    pub sparse: SparsePax,
}

/// GNU's three forms of sparse files in pax headers.
#[derive(Clone, Debug, Default)]
pub(super) struct SparsePax {
    major: Option<u64>,
    minor: Option<u64>,
    name: Option<Vec<u8>>,
    /// `realsize` of 1.0, `size` of the older ones.
    pub size: Option<u64>,
    /// 0.0 and 0.1: the map itself.
    pub map: Vec<u64>,
    any: bool,
}

impl SparsePax {
    /// Whether the map stands in front of the content.
    pub(super) fn is_1_0(&self) -> bool {
        (self.major, self.minor) == (Some(1), Some(0))
    }

    /// Whether the file is sparse at all.
    pub(super) fn is_sparse(&self) -> bool {
        self.any
    }

    /// The map of the older forms.
    pub(super) fn regions(&self) -> Result<Vec<Region>, &'static str> {
        if !self.map.len().is_multiple_of(2) {
            return Err("the sparse map lacks a number");
        }
        Ok(self.map.chunks_exact(2).map(|pair| Region { offset: pair[0], length: pair[1] }).collect())
    }
}

/// Reads all records.
pub(super) fn parse(mut data: &[u8]) -> Result<Pax, &'static str> {
    let mut pax = Pax::default();
    while !data.is_empty() {
        // Some writers fill up with NUL.
        if data.iter().all(|b| *b == 0) {
            break;
        }
        let (record, rest) = split_record(data).ok_or("a pax record is malformed")?;
        data = rest;
        let equals = record.iter().position(|b| *b == b'=').ok_or("a pax record lacks `=`")?;
        let (key, value) = (&record[..equals], &record[equals + 1..]);
        pax.take(key, value)?;
    }
    Ok(pax)
}

/// One record without its length and newline, and what follows.
fn split_record(data: &[u8]) -> Option<(&[u8], &[u8])> {
    let space = data.iter().take(12).position(|b| *b == b' ')?;
    let length = usize::try_from(decimal(&data[..space])?).ok()?;
    if length <= space + 1 || length > data.len() || data[length - 1] != b'\n' {
        return None;
    }
    Some((&data[space + 1..length - 1], &data[length..]))
}

impl Pax {
    fn take(&mut self, key: &[u8], value: &[u8]) -> Result<(), &'static str> {
        // An empty value takes an earlier one back.
        let some = (!value.is_empty()).then_some(value);
        let bytes = || -> Result<Option<Vec<u8>>, &'static str> {
            if value.contains(&0) {
                Err("a pax record's name has a NUL in it")
            } else {
                Ok(some.map(<[u8]>::to_vec))
            }
        };
        let number = || some.map(|v| decimal(v).ok_or("a pax record's number is none")).transpose();
        let id = || some.map(|v| id(v).ok_or("a pax record's owner is no number")).transpose();
        match key {
            b"path" => self.path = bytes()?,
            b"linkpath" => self.link = bytes()?,
            b"uname" => self.user = bytes()?,
            b"gname" => self.group = bytes()?,
            b"size" => self.size = number()?,
            b"uid" => self.uid = id()?,
            b"gid" => self.gid = id()?,
            b"mtime" => {
                self.mtime = some.map(|v| seconds(v).ok_or("a pax record's time is none")).transpose()?
            }
            _ => {
                if let Some(name) = key.strip_prefix(b"SCHILY.xattr.") {
                    self.xattrs.retain(|(known, _)| known != name);
                    if !name.is_empty() && !name.contains(&0) {
                        self.xattrs.push((name.to_vec(), value.to_vec()));
                    }
                } else if let Some(key) = key.strip_prefix(b"GNU.sparse.") {
                    self.take_sparse(key, value)?;
                }
            }
        }
        Ok(())
    }

    fn take_sparse(&mut self, key: &[u8], value: &[u8]) -> Result<(), &'static str> {
        const NONE: &str = "a sparse file's number is none";
        let sparse = &mut self.sparse;
        sparse.any = true;
        match key {
            b"major" => sparse.major = Some(decimal(value).ok_or(NONE)?),
            b"minor" => sparse.minor = Some(decimal(value).ok_or(NONE)?),
            b"name" if value.contains(&0) => return Err("a pax record's name has a NUL in it"),
            b"name" => sparse.name = Some(value.to_vec()),
            b"size" | b"realsize" => sparse.size = Some(decimal(value).ok_or(NONE)?),
            b"map" if !value.is_empty() => {
                sparse.map = value.split(|b| *b == b',').map(decimal).collect::<Option<_>>().ok_or(NONE)?;
            }
            b"offset" | b"numbytes" => sparse.map.push(decimal(value).ok_or(NONE)?),
            _ => {}
        }
        if sparse.map.len() > 2 * REGION_LIMIT { Err("the sparse map is too long") } else { Ok(()) }
    }

    /// Puts what it says into an entry.
    pub(super) fn apply(&self, entry: &mut TarEntry) {
        let set = |field: &mut Vec<u8>, value: &Option<Vec<u8>>| {
            if let Some(value) = value {
                field.clone_from(value);
            }
        };
        set(&mut entry.name, &self.path);
        set(&mut entry.name, &self.sparse.name);
        set(&mut entry.link, &self.link);
        set(&mut entry.user, &self.user);
        set(&mut entry.group, &self.group);
        entry.uid = self.uid.unwrap_or(entry.uid);
        entry.gid = self.gid.unwrap_or(entry.gid);
        entry.mtime = self.mtime.map_or(entry.mtime, clamp_time);
        entry.xattrs.clone_from(&self.xattrs);
        entry.xattrs.sort();
    }
}

fn decimal(digits: &[u8]) -> Option<u64> {
    if digits.is_empty() || digits.len() > 20 {
        return None;
    }
    digits.iter().try_fold(0u64, |value, digit| match digit {
        b'0'..=b'9' => value.checked_mul(10)?.checked_add(u64::from(digit - b'0')),
        _ => None,
    })
}

/// Ids have 32 bits; "nobody" is written as -2 by some.
fn id(text: &[u8]) -> Option<u32> {
    match text.strip_prefix(b"-") {
        Some(digits) => u32::try_from(decimal(digits)?).ok().map(u32::wrapping_neg),
        None => u32::try_from(decimal(text)?).ok(),
    }
}

/// `-12.75` and the like, rounded down.
fn seconds(text: &[u8]) -> Option<i64> {
    let (negative, text) = match text.strip_prefix(b"-") {
        Some(rest) => (true, rest),
        None => (false, text),
    };
    let mut parts = text.splitn(2, |b| *b == b'.');
    let whole = i64::try_from(decimal(parts.next()?)?).ok()?;
    let fraction = parts.next().unwrap_or_default();
    if !fraction.iter().all(u8::is_ascii_digit) {
        return None;
    }
    let rest = fraction.iter().any(|digit| *digit != b'0');
    Some(if negative { -whole - i64::from(rest) } else { whole })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_are_rounded_down() {
        for (text, value) in [
            ("0", Some(0)),
            ("12.999999999", Some(12)),
            ("-12", Some(-12)),
            ("-12.0", Some(-12)),
            ("-12.1", Some(-13)),
            ("-0.5", Some(-1)),
            ("1.", Some(1)),
            ("", None),
            (".5", None),
            ("1e3", None),
            ("1.x", None),
            ("99999999999999999999", None),
        ] {
            assert_eq!(seconds(text.as_bytes()), value, "{text}");
        }
    }

    #[test]
    fn damaged_records_are_errors() {
        for bad in [
            "x",
            "5 a=b",
            "6 a=b",
            "0 a=b\n",
            "99 a=b\n",
            "4 ab\n",
            "999999999999999999999 a=b\n",
            "12 uid=12x45\n",
        ] {
            assert!(parse(bad.as_bytes()).is_err(), "{bad:?}");
        }
        assert!(parse(b"11 path=a\0b\n").is_err());
        let pax = parse(b"14 path=a=b\nc\n9 path=x\n8 path=\n").unwrap();
        assert_eq!(pax.path, None);
    }
}
