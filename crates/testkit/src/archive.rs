//! Archives written as text: one line per member, in the words of a fixture's headings.

use std::io::{self, Write};

use tar::{Builder, EntryType, Header};

use crate::fixture::{EPOCH, NodeKind};

/// How an archive is packed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Form {
    /// A plain tar.
    Tar,
    /// gzip around it.
    Gzip,
    /// bzip2 around it.
    Bzip2,
    /// xz around it.
    Xz,
    /// zstd around it.
    Zstd,
}

/// How the lines of a file end.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum LineEnds {
    /// As in the fixture.
    #[default]
    Unix,
    /// A carriage return before every line feed.
    Windows,
    /// As in the fixture, without the last line feed.
    NoLast,
}

impl LineEnds {
    pub(crate) fn apply(self, text: &str) -> Vec<u8> {
        match self {
            LineEnds::Unix => text.as_bytes().to_vec(),
            LineEnds::Windows => text.replace('\n', "\r\n").into_bytes(),
            LineEnds::NoLast => text.strip_suffix('\n').unwrap_or(text).as_bytes().to_vec(),
        }
    }
}

/// One line: a path and its attributes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Member {
    /// Without a trailing `/`; in an archive it may be as hostile as a test wants.
    pub path: String,
    /// What it is; a file's content is what `text=` or `size=` said.
    pub kind: NodeKind,
    /// `mode=0755`
    pub mode: Option<u32>,
    /// `owner=1:2`
    pub owner: Option<(u32, u32)>,
    /// `xattr=name=value`, the value with escapes.
    pub xattrs: Vec<(String, Vec<u8>)>,
    /// `eol=crlf` or `eol=no`
    pub line_ends: LineEnds,
    /// `archive=gzip`
    pub archive: Option<Form>,
    /// Whether the content stands in the line itself.
    pub inline: bool,
}

/// Reads one line; what is wrong with it is said in a few words.
pub fn member(line: &str) -> Result<Member, String> {
    let words: Vec<&str> = line.split(' ').filter(|word| !word.is_empty()).collect();
    let (first, mut rest) = words.split_first().ok_or("an empty line")?;
    let path = unescape(first)?;
    let path = String::from_utf8(path).map_err(|_| "a path is text".to_owned())?;
    let kind = match rest {
        ["->", target, ..] => NodeKind::Symlink((*target).to_owned()),
        ["=>", target, ..] => NodeKind::Hardlink((*target).to_owned()),
        _ if path.ends_with('/') => NodeKind::Directory,
        _ => NodeKind::File(Vec::new()),
    };
    if matches!(kind, NodeKind::Symlink(_) | NodeKind::Hardlink(_)) {
        rest = &rest[2..];
    }
    let path = if path.len() > 1 { path.strip_suffix('/').unwrap_or(&path).to_owned() } else { path };
    let mut member = Member {
        path,
        kind,
        mode: None,
        owner: None,
        xattrs: Vec::new(),
        line_ends: LineEnds::Unix,
        archive: None,
        inline: false,
    };
    for word in rest {
        attribute(&mut member, word)?;
    }
    Ok(member)
}

fn attribute(member: &mut Member, word: &str) -> Result<(), String> {
    let unknown = || format!("unknown attribute `{word}`");
    let (name, value) = word.split_once('=').ok_or_else(unknown)?;
    match (name, value) {
        ("mode", _) => member.mode = Some(u32::from_str_radix(value, 8).map_err(|_| unknown())?),
        ("owner", _) => member.owner = Some(pair(value).ok_or_else(unknown)?),
        ("text", _) => (member.kind, member.inline) = (NodeKind::File(unescape(value)?), true),
        ("size", _) => {
            let size = value.parse().map_err(|_| unknown())?;
            (member.kind, member.inline) = (NodeKind::File(filler(size)), true);
        }
        ("xattr", _) => {
            let (key, value) = value.split_once('=').ok_or_else(unknown)?;
            member.xattrs.push((key.to_owned(), unescape(value)?));
        }
        ("eol", "crlf") => member.line_ends = LineEnds::Windows,
        ("eol", "no") => member.line_ends = LineEnds::NoLast,
        ("archive", _) => {
            member.archive = Some(match value {
                "tar" => Form::Tar,
                "gzip" => Form::Gzip,
                "bzip2" => Form::Bzip2,
                "xz" => Form::Xz,
                "zstd" => Form::Zstd,
                _ => return Err(unknown()),
            });
        }
        ("type", "fifo") => member.kind = NodeKind::Fifo,
        ("type", "socket") => member.kind = NodeKind::Socket,
        ("type", _) => {
            let (kind, numbers) = value.split_once(':').ok_or_else(unknown)?;
            let (major, minor) = pair(numbers).ok_or_else(unknown)?;
            member.kind = match kind {
                "char" => NodeKind::CharDevice(major, minor),
                "block" => NodeKind::BlockDevice(major, minor),
                _ => return Err(unknown()),
            };
        }
        _ => return Err(unknown()),
    }
    Ok(())
}

fn pair(text: &str) -> Option<(u32, u32)> {
    let (left, right) = text.split_once(':')?;
    Some((left.parse().ok()?, right.parse().ok()?))
}

/// `\n`, `\r`, `\t`, `\0`, `\s` (a space), `\\` and `\xNN`.
fn unescape(text: &str) -> Result<Vec<u8>, String> {
    let mut bytes = Vec::new();
    let mut rest = text.bytes();
    while let Some(byte) = rest.next() {
        if byte != b'\\' {
            bytes.push(byte);
            continue;
        }
        bytes.push(match rest.next() {
            Some(b'n') => b'\n',
            Some(b'r') => b'\r',
            Some(b't') => b'\t',
            Some(b's') => b' ',
            Some(b'0') => 0,
            Some(b'\\') => b'\\',
            Some(b'x') => {
                let digits = [rest.next().unwrap_or(b'?'), rest.next().unwrap_or(b'?')];
                let digits = String::from_utf8_lossy(&digits).into_owned();
                u8::from_str_radix(&digits, 16).map_err(|_| format!("`\\x{digits}` is not a byte"))?
            }
            _ => return Err(format!("unknown escape in `{text}`")),
        });
    }
    Ok(bytes)
}

/// Bytes that a compressor cannot make much smaller and that are always the same.
pub fn filler(size: usize) -> Vec<u8> {
    let mut state = 0x9e37_79b9_7f4a_7c15_u64;
    (0..size)
        .map(|_| {
            state ^= state << 13;
            state ^= state >> 7;
            state ^= state << 17;
            (state >> 24) as u8
        })
        .collect()
}

/// The bytes of an archive with these members, in this order, always the same.
pub fn write(form: Form, members: &[Member]) -> io::Result<Vec<u8>> {
    let plain = tar(members)?;
    match form {
        Form::Tar => Ok(plain),
        Form::Gzip => {
            let mut out = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::default());
            out.write_all(&plain)?;
            out.finish()
        }
        Form::Bzip2 => {
            let mut out = bzip2::write::BzEncoder::new(Vec::new(), bzip2::Compression::default());
            out.write_all(&plain)?;
            out.finish()
        }
        Form::Xz => {
            let mut out = lzma_rust2::XzWriter::new(Vec::new(), lzma_rust2::XzOptions::with_preset(1))?;
            out.write_all(&plain)?;
            out.finish()
        }
        Form::Zstd => zstd::encode_all(plain.as_slice(), 3),
    }
}

fn tar(members: &[Member]) -> io::Result<Vec<u8>> {
    let mut builder = Builder::new(Vec::new());
    for member in members {
        let mut header = Header::new_ustar();
        header.set_mtime(EPOCH as u64);
        let (uid, gid) = member.owner.unwrap_or((0, 0));
        header.set_uid(uid.into());
        header.set_gid(gid.into());
        header.set_mode(member.mode.unwrap_or(if member.kind == NodeKind::Directory {
            0o755
        } else {
            0o644
        }));
        let (kind, content, link): (_, &[u8], _) = match &member.kind {
            NodeKind::File(content) => (EntryType::Regular, content, None),
            NodeKind::Directory => (EntryType::Directory, &[], None),
            NodeKind::Symlink(target) => (EntryType::Symlink, &[], Some(target)),
            NodeKind::Hardlink(target) => (EntryType::Link, &[], Some(target)),
            NodeKind::Fifo => (EntryType::Fifo, &[], None),
            NodeKind::Socket => return Err(io::Error::other("an archive holds no sockets")),
            NodeKind::CharDevice(major, minor) | NodeKind::BlockDevice(major, minor) => {
                header.set_device_major(*major)?;
                header.set_device_minor(*minor)?;
                let block = matches!(member.kind, NodeKind::BlockDevice(..));
                (if block { EntryType::Block } else { EntryType::Char }, &[], None)
            }
        };
        header.set_entry_type(kind);
        header.set_size(content.len() as u64);
        if !member.xattrs.is_empty() {
            let records =
                member.xattrs.iter().map(|(name, value)| (format!("SCHILY.xattr.{name}"), value.as_slice()));
            let records: Vec<_> = records.collect();
            builder.append_pax_extensions(records.iter().map(|(name, value)| (name.as_str(), *value)))?;
        }
        // Written raw: the crate refuses the `..` and absolute names that some tests are about.
        raw_name(&mut builder, &mut header, &member.path, link.map(String::as_str))?;
        header.set_cksum();
        builder.append(&header, content)?;
    }
    builder.into_inner()
}

/// Puts the names into the header's fields, or into a PAX record where they are too long.
fn raw_name(
    builder: &mut Builder<Vec<u8>>,
    header: &mut Header,
    path: &str,
    link: Option<&str>,
) -> io::Result<()> {
    let mut long = Vec::new();
    let fields = header.as_ustar_mut().expect("made as ustar");
    for (name, value, field) in
        [("path", Some(path), &mut fields.name), ("linkpath", link, &mut fields.linkname)]
    {
        let Some(value) = value else { continue };
        if value.len() > field.len() {
            long.push((name, value.as_bytes()));
        }
        let kept = value.len().min(field.len());
        field[..kept].copy_from_slice(&value.as_bytes()[..kept]);
    }
    if long.is_empty() { Ok(()) } else { builder.append_pax_extensions(long) }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn names(form: Form, text: &str) -> Vec<String> {
        let members: Vec<_> = text.lines().map(|line| member(line).unwrap()).collect();
        let bytes = write(form, &members).unwrap();
        let plain = crate::image::decompress(&bytes).unwrap();
        let mut archive = tar::Archive::new(plain.as_slice());
        let entries = archive.entries().unwrap();
        entries.map(|entry| String::from_utf8_lossy(&entry.unwrap().path_bytes()).into_owned()).collect()
    }

    #[test]
    fn hostile_and_long_names_stand_in_the_archive_as_written() {
        let long = "d/".repeat(100) + "f";
        let text = format!("../up text=x\n/absolute text=y\n{long} text=z");
        assert_eq!(names(Form::Tar, &text), ["../up", "/absolute", long.as_str()]);
    }

    #[test]
    fn every_form_reads_back() {
        for form in [Form::Tar, Form::Gzip, Form::Bzip2, Form::Xz, Form::Zstd] {
            assert_eq!(names(form, "a text=hello\\n mode=0600\nb/"), ["a", "b"], "{form:?}");
        }
    }
}
