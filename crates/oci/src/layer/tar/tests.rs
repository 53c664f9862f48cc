//! Content, holes and sizes of entries.

use std::io::Read;

use super::*;
use crate::layer::UnpackLimits;
use crate::layer::tar_write::{Header, pad, write_end, write_header};

fn header(name: &str, size: u64) -> Header<'_> {
    let name = name.as_bytes();
    Header {
        name,
        type_flag: b'0',
        link: b"",
        mode: 0o644,
        uid: 0,
        gid: 0,
        mtime: 0,
        size,
        device: (0, 0),
        xattrs: &[],
    }
}

#[test]
fn sizes_that_no_octal_field_holds() {
    let mut archive = Vec::new();
    write_header(&mut archive, &header("large", 20 << 30)).unwrap();
    let mut reader = TarReader::new(&archive[..], &UnpackLimits::default());
    assert_eq!(reader.next_entry().unwrap().unwrap().size, 20 << 30);
}

#[test]
fn content_is_read_in_part_or_not_at_all() {
    let mut archive = Vec::new();
    for (name, content) in [("a", &b"12345"[..]), ("b", b""), ("c", &[7; 1024]), ("d", b"end")] {
        write_header(&mut archive, &header(name, content.len() as u64)).unwrap();
        archive.extend_from_slice(content);
        pad(&mut archive, content.len() as u64).unwrap();
    }
    write_end(&mut archive).unwrap();
    let mut reader = TarReader::new(&archive[..], &UnpackLimits::default());
    let mut read = String::new();
    while let Some(entry) = reader.next_entry().unwrap() {
        let mut start = [0u8; 2];
        let count =
            if entry.name == b"a" || entry.name == b"d" { reader.read(&mut start).unwrap() } else { 0 };
        read += &format!(
            "{} {}; ",
            String::from_utf8_lossy(&entry.name),
            String::from_utf8_lossy(&start[..count])
        );
    }
    assert_eq!(read, "a 12; b ; c ; d en; ");
    assert_eq!(reader.next_entry().unwrap(), None);
}

/// A pax header by hand, then a file of what it says is stored.
fn sparse(records: &str, stored: &[u8]) -> Vec<u8> {
    let mut archive = Vec::new();
    let mut pax = Vec::new();
    for record in records.split_terminator('\n') {
        let length = (1..).find(|n: &usize| n.to_string().len() + record.len() + 2 == *n).unwrap();
        pax.extend_from_slice(format!("{length} {record}\n").as_bytes());
    }
    write_header(&mut archive, &Header { type_flag: b'x', ..header("x", pax.len() as u64) }).unwrap();
    archive.extend_from_slice(&pax);
    pad(&mut archive, pax.len() as u64).unwrap();
    write_header(&mut archive, &header("file", stored.len() as u64)).unwrap();
    archive.extend_from_slice(stored);
    pad(&mut archive, stored.len() as u64).unwrap();
    archive
}

fn read_sparse(records: &str, stored: &[u8]) -> Result<Vec<u8>, String> {
    let archive = sparse(records, stored);
    let mut reader = TarReader::new(&archive[..], &UnpackLimits::default());
    let entry = reader.next_entry().map_err(|error| error.to_string())?.unwrap();
    let mut content = Vec::new();
    reader.read_to_end(&mut content).map_err(|error| error.to_string())?;
    assert_eq!((content.len() as u64, entry.sparse), (entry.size, true));
    Ok(content)
}

#[test]
fn holes_are_filled_and_maps_that_lie_are_refused() {
    let expected = b"\0\0ab\0\0\0c\0\0".to_vec();
    let old = "GNU.sparse.size=10\nGNU.sparse.map=2,2,7,1\n";
    assert_eq!(read_sparse(old, b"abc"), Ok(expected.clone()));
    let oldest = "GNU.sparse.size=10\nGNU.sparse.offset=2\nGNU.sparse.numbytes=2\nGNU.sparse.offset=7\nGNU.sparse.numbytes=1\n";
    assert_eq!(read_sparse(oldest, b"abc"), Ok(expected.clone()));
    let new = "GNU.sparse.major=1\nGNU.sparse.minor=0\nGNU.sparse.name=real\nGNU.sparse.realsize=10\n";
    let mut stored = b"2\n2\n2\n7\n1\n".to_vec();
    stored.resize(BLOCK, 0);
    stored.extend_from_slice(b"abc");
    assert_eq!(read_sparse(new, &stored), Ok(expected));
    for (records, stored) in [
        ("GNU.sparse.size=10\nGNU.sparse.map=2,2,3,1\n", &b"abc"[..]),
        ("GNU.sparse.size=10\nGNU.sparse.map=8,3\n", b"abc"),
        ("GNU.sparse.size=10\nGNU.sparse.map=2,2,7\n", b"abc"),
        ("GNU.sparse.size=10\nGNU.sparse.map=18446744073709551615,2\n", b"abc"),
        ("GNU.sparse.size=10\nGNU.sparse.map=2,9\n", b"abc"),
        ("GNU.sparse.size=99999999999\nGNU.sparse.map=0,4\n", b"abc"),
        ("GNU.sparse.map=0,3\n", b"abc"),
        (new, b"99999999\n"),
        (new, b"x"),
    ] {
        assert!(read_sparse(records, stored).is_err(), "{records}");
    }
}
