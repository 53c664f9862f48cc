//! Archives that ADD unpacks.

use std::fs::{self, File};
use std::io::{self, Read, Seek, SeekFrom};
use std::path::Path;

use oci::layer::{Decompressor, OverlayForm, UnpackOptions, Whiteouts, unpack};
use oci::tree::{self, Entry, Kind};

use super::CopyError;
use super::attributes::Attributes;
use super::tree::ItemKind;
use super::upper::{Existing, Upper};

/// A block of a tar archive.
const BLOCK: usize = 512;

/// Where a tar header keeps its checksum.
const CHECKSUM: std::ops::Range<usize> = 148..156;

/// Whether a file is a tar archive, compressed or not: what counts is its beginning, not its name. One with nothing in
/// it is none, as BuildKit has it. The file is read from its beginning, and again stands there afterwards.
pub fn is_archive(file: &mut File) -> io::Result<bool> {
    let mut block = [0; BLOCK];
    let read = Decompressor::new(&mut *file).and_then(|mut stream| stream.read_exact(&mut block));
    file.seek(SeekFrom::Start(0))?;
    Ok(read.is_ok() && is_header(&block))
}

/// Whether a block has the checksum of a tar header; some writers counted signed bytes.
fn is_header(block: &[u8; BLOCK]) -> bool {
    let digits = std::str::from_utf8(&block[CHECKSUM]).unwrap_or_default();
    let digits = digits.trim_matches(|character: char| character == ' ' || character == '\0');
    let Ok(expected) = i64::from_str_radix(digits, 8) else { return false };
    let byte = |at: usize, byte: u8| if CHECKSUM.contains(&at) { b' ' } else { byte };
    let bytes = || block.iter().enumerate().map(|(at, found)| byte(at, *found));
    let unsigned: i64 = bytes().map(i64::from).sum();
    let signed: i64 = bytes().map(|byte| i64::from(byte.cast_signed())).sum();
    expected == unsigned || expected == signed
}

/// Unpacks an archive into a directory of the upper that exists.
///
/// It goes into a directory of its own first, for its members may lead anywhere; what came out is then put where it
/// belongs: over links of the image where a member is a directory, through them where a member is only below one.
pub fn unpack_into(
    upper: &mut Upper<'_>,
    archive: File,
    destination: &[u8],
    owner: Option<(u32, u32)>,
    form: OverlayForm,
    room: &Path,
) -> Result<(), CopyError> {
    let refused = |error| CopyError::io("create", destination, error);
    let apart = tempfile::tempdir_in(room).map_err(refused)?;
    let directory = apart.path().join("content");
    fs::create_dir(&directory).map_err(refused)?;
    let options = UnpackOptions {
        whiteouts: Whiteouts::Delete,
        owner,
        ..UnpackOptions::plain(form, Default::default())
    };
    let index = unpack(archive, &directory, &options)
        .map_err(|source| CopyError::Archive { path: super::shown(destination), source })?;
    for entry in index.iter().filter(|entry| !entry.path.is_empty()) {
        let to = target(upper, destination, &entry)?;
        match entry.kind {
            Kind::Directory { opaque } => {
                make_directory(upper, &entry, &to)?;
                if opaque {
                    upper.hide(&to);
                }
            }
            _ => {
                upper.clear(&to)?;
                let from = directory
                    .join(<std::ffi::OsStr as std::os::unix::ffi::OsStrExt>::from_bytes(&entry.path));
                fs::rename(from, upper.on_disk(&to)).map_err(|error| CopyError::io("create", &to, error))?;
            }
        }
    }
    Ok(())
}

/// Where a member goes: links above it are followed, one at its own place is not.
fn target(upper: &Upper<'_>, destination: &[u8], entry: &Entry) -> Result<Vec<u8>, CopyError> {
    let path = tree::join(destination, &entry.path);
    let above = upper.resolve(tree::parent(&path).unwrap_or_default())?;
    Ok(tree::join(&above, tree::file_name(&path)))
}

fn make_directory(upper: &mut Upper<'_>, entry: &Entry, to: &[u8]) -> Result<(), CopyError> {
    let there = upper.look(to)?;
    if is_implied(entry) {
        // Nobody wrote it down: what is there stays, also a link to a directory.
        let to = upper.resolve(to)?;
        return upper.make_all(&to, 0o755, None);
    }
    let attributes = Attributes {
        mode: entry.mode,
        uid: entry.uid,
        gid: entry.gid,
        mtime: entry.mtime,
        xattrs: entry.xattrs.clone(),
    };
    match there {
        Some(Existing { kind: ItemKind::Directory }) => {
            upper.copy_up(to)?;
            upper.set(to, |own| *own = attributes);
            Ok(())
        }
        Some(_) => {
            upper.clear(to)?;
            upper.make(to, attributes)
        }
        None => upper.make(to, attributes),
    }
}

/// Whether a directory is only there because something is in it. The index does not say, but who writes a directory
/// down gives it a time.
fn is_implied(entry: &Entry) -> bool {
    let implied = Entry::implied_directory(&entry.path);
    *entry == Entry { uid: entry.uid, gid: entry.gid, ..implied }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn file(bytes: &[u8]) -> File {
        let mut file = tempfile::tempfile().unwrap();
        io::Write::write_all(&mut file, bytes).unwrap();
        file.seek(SeekFrom::Start(0)).unwrap();
        file
    }

    #[test]
    fn archives_are_known_by_their_content() {
        let mut block = [0; BLOCK];
        block[..4].copy_from_slice(b"name");
        let sum: u32 = block.iter().map(|byte| u32::from(*byte)).sum::<u32>() + 8 * 32;
        block[148..156].copy_from_slice(format!("{sum:06o}\0 ").as_bytes());
        let mut archive = block.to_vec();
        archive.extend_from_slice(&[0; 1024]);
        assert!(is_archive(&mut file(&archive)).unwrap());
        let form = testkit::archive::Form::Gzip;
        let mut packed =
            testkit::archive::write(form, &[testkit::archive::member("a text=x").unwrap()]).unwrap();
        assert!(is_archive(&mut file(&packed)).unwrap());
        packed.truncate(20);
        assert!(!is_archive(&mut file(&packed)).unwrap());
        archive[0] ^= 1;
        assert!(!is_archive(&mut file(&archive)).unwrap());
        assert!(!is_archive(&mut file(&[0; 1024])).unwrap(), "nothing in it");
        assert!(!is_archive(&mut file(b"text")).unwrap());
        assert!(!is_archive(&mut file(b"")).unwrap());
    }
}
