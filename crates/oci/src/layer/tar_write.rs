//! Writing tar entries: ustar, with a pax header in front only where ustar cannot say it.
//! (POSIX.1-2017 pax, "ustar Interchange Format", "pax Extended Header")

use std::io::{self, Write};

/// Size of a tar's block.
pub(crate) const BLOCK: usize = 512;

/// As large as an octal field of eleven digits says.
const OCTAL_11: u64 = (1 << 33) - 1;
/// As large as an octal field of seven digits says.
const OCTAL_7: u64 = (1 << 21) - 1;

/// What an entry's header says.
pub(crate) struct Header<'a> {
    /// With a trailing `/` for a directory.
    pub name: &'a [u8],
    pub type_flag: u8,
    pub link: &'a [u8],
    pub mode: u32,
    pub uid: u32,
    pub gid: u32,
    pub mtime: i64,
    pub size: u64,
    pub device: (u32, u32),
    pub xattrs: &'a [(Vec<u8>, Vec<u8>)],
}

/// Writes an entry's header, and its pax header if it needs one.
pub(crate) fn write_header(out: &mut dyn Write, header: &Header<'_>) -> io::Result<()> {
    let mut records = Vec::new();
    let split = split_name(header.name);
    if split.is_none() {
        record(&mut records, b"path", header.name);
    }
    if header.link.len() > 100 {
        record(&mut records, b"linkpath", header.link);
    }
    if header.size > OCTAL_11 {
        record(&mut records, b"size", header.size.to_string().as_bytes());
    }
    for (key, value) in [(&b"uid"[..], header.uid), (b"gid", header.gid)] {
        if u64::from(value) > OCTAL_7 {
            record(&mut records, key, value.to_string().as_bytes());
        }
    }
    if !(0..=OCTAL_11 as i64).contains(&header.mtime) {
        record(&mut records, b"mtime", header.mtime.to_string().as_bytes());
    }
    for (name, value) in header.xattrs {
        record(&mut records, &[b"SCHILY.xattr.", &name[..]].concat(), value);
    }
    if !records.is_empty() {
        let name = pax_name(header.name);
        let pax = Header {
            name: &name,
            type_flag: b'x',
            link: b"",
            mode: 0o644,
            uid: 0,
            gid: 0,
            mtime: 0,
            size: records.len() as u64,
            device: (0, 0),
            xattrs: &[],
        };
        out.write_all(&block(&pax, (b"", &name)))?;
        out.write_all(&records)?;
        pad(out, records.len() as u64)?;
    }
    // What a pax record overrides is still there as far as it fits, for readers that know no pax.
    let (prefix, name) = split.unwrap_or((b"", &header.name[..header.name.len().min(100)]));
    out.write_all(&block(header, (prefix, name)))
}

/// Fills up the last block after `size` bytes of content.
pub(crate) fn pad(out: &mut dyn Write, size: u64) -> io::Result<()> {
    let rest = (size % BLOCK as u64) as usize;
    if rest == 0 { Ok(()) } else { out.write_all(&[0u8; BLOCK][rest..]) }
}

/// Two empty blocks end an archive.
pub(crate) fn write_end(out: &mut dyn Write) -> io::Result<()> {
    out.write_all(&[0u8; 2 * BLOCK])
}

/// Prefix and name as ustar has them, if the name fits.
fn split_name(name: &[u8]) -> Option<(&[u8], &[u8])> {
    if name.len() <= 100 {
        return Some((b"", name));
    }
    // The slash between them is not written; the later part may not be empty.
    let earliest = name.len().checked_sub(101)?;
    let at =
        name.iter().enumerate().skip(earliest.max(1)).find(|(at, b)| **b == b'/' && at + 1 < name.len())?.0;
    (at <= 155).then(|| (&name[..at], &name[at + 1..]))
}

/// What readers that know no pax would call the pax header.
fn pax_name(name: &[u8]) -> Vec<u8> {
    let name = name.strip_suffix(b"/").unwrap_or(name);
    let last = name.rsplit(|b| *b == b'/').next().unwrap_or_default();
    [b"PaxHeaders.0/", &last[..last.len().min(80)]].concat()
}

/// `LENGTH KEY=VALUE\n`, where the length counts itself.
fn record(out: &mut Vec<u8>, key: &[u8], value: &[u8]) {
    let rest = key.len() + value.len() + 3;
    let mut length = rest + 1;
    while rest + length.to_string().len() != length {
        length = rest + length.to_string().len();
    }
    out.extend_from_slice(length.to_string().as_bytes());
    out.push(b' ');
    out.extend_from_slice(key);
    out.push(b'=');
    out.extend_from_slice(value);
    out.push(b'\n');
}

fn block(header: &Header<'_>, (prefix, name): (&[u8], &[u8])) -> [u8; BLOCK] {
    let mut block = [0u8; BLOCK];
    let mut put = |at: usize, bytes: &[u8]| block[at..at + bytes.len()].copy_from_slice(bytes);
    let octal = |number: u64, digits: usize| format!("{number:0digits$o}").into_bytes();
    let small = |number: u32| if u64::from(number) > OCTAL_7 { 0 } else { u64::from(number) };
    put(0, name);
    put(100, &octal(u64::from(header.mode & 0o7777), 7));
    put(108, &octal(small(header.uid), 7));
    put(116, &octal(small(header.gid), 7));
    put(124, &octal(if header.size > OCTAL_11 { 0 } else { header.size }, 11));
    put(136, &octal(u64::try_from(header.mtime).ok().filter(|t| *t <= OCTAL_11).unwrap_or(0), 11));
    put(148, b"        ");
    put(156, &[header.type_flag]);
    put(157, &header.link[..header.link.len().min(100)]);
    put(257, b"ustar\x0000");
    if matches!(header.type_flag, b'3' | b'4') {
        put(329, &octal(small(header.device.0), 7));
        put(337, &octal(small(header.device.1), 7));
    }
    put(345, prefix);
    let sum: u64 = block.iter().map(|b| u64::from(*b)).sum();
    block[148..155].copy_from_slice(format!("{sum:06o}\0").as_bytes());
    block
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn records_count_themselves() {
        for length in [1, 80, 85, 88, 89, 90, 91, 985, 990, 995] {
            let mut out = Vec::new();
            record(&mut out, b"path", &vec![b'x'; length]);
            let announced: usize =
                std::str::from_utf8(&out).unwrap().split(' ').next().unwrap().parse().unwrap();
            assert_eq!(announced, out.len());
        }
    }

    #[test]
    fn names_are_split_where_ustar_allows() {
        let part = |length: usize| "n".repeat(length);
        for (name, split) in [
            (part(100), true),
            (part(101), false),
            (format!("{}/{}", part(10), part(100)), true),
            (format!("{}/{}", part(155), part(100)), true),
            (format!("{}/{}", part(156), part(100)), false),
            (format!("{}/{}", part(155), part(101)), false),
            (format!("{}/", part(100)), false),
            (format!("{}/{}/", part(90), part(90)), true),
            (format!("/{}", part(101)), false),
        ] {
            let parts = split_name(name.as_bytes());
            assert_eq!(parts.is_some(), split, "{name}");
            if let Some((prefix, rest)) = parts.filter(|(prefix, _)| !prefix.is_empty()) {
                assert_eq!([prefix, rest].join(&b'/'), name.as_bytes());
                assert!(prefix.len() <= 155 && !rest.is_empty() && rest.len() <= 100);
            }
        }
    }
}
