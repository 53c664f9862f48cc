//! Package files: an `ar` archive of two tars, the package's own files and what dpkg wants to know (deb(5)).

use oci::layer::tar::TarReader;
use oci::layer::{Decompressor, UnpackError, UnpackLimits};
use std::collections::BTreeMap;
use std::io::{self, Read, Seek, SeekFrom};

/// A package file, opened: where its two archives lie in it.
#[derive(Debug)]
pub struct Deb<R> {
    file: R,
    control: Member,
    data: Member,
}

#[derive(Debug, Clone, Copy)]
struct Member {
    start: u64,
    size: u64,
}

/// The control archive: `control` itself, and the scripts and lists beside it by name, each with its mode.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Control {
    /// The file `control`: one paragraph.
    pub paragraph: String,
    /// All other files: `postinst`, `md5sums`, `conffiles`, ...
    pub files: BTreeMap<String, (u32, Vec<u8>)>,
}

/// Why a file is not a package.
#[derive(Debug, thiserror::Error)]
pub enum DebError {
    /// Not of the form at all, or cut short.
    #[error("not a package file: {0}")]
    Form(&'static str),
    /// Cannot be read.
    #[error("cannot read the package file")]
    Read(#[from] io::Error),
    /// One of its archives is broken.
    #[error("cannot read the archive in it")]
    Archive(#[from] UnpackError),
}

/// A control archive is a few hundred kilobytes at most (the templates of `debconf` questions in many languages).
const CONTROL_LIMIT: u64 = 64 << 20;

/// A package's files unpacked; the largest of the archive are a few gigabytes.
const DATA_LIMIT: u64 = 64 << 30;

impl<R: Read + Seek> Deb<R> {
    /// Finds the two archives.
    pub fn open(mut file: R) -> Result<Self, DebError> {
        let mut magic = [0; 8];
        file.read_exact(&mut magic).map_err(|_| DebError::Form("it is too short"))?;
        if magic != *b"!<arch>\n" {
            return Err(DebError::Form("it is not an ar archive"));
        }
        let (mut at, mut control, mut data) = (8_u64, None, None);
        // `debian-binary`, `control.tar*`, `data.tar*`, and perhaps some beginning with `_` that are to be ignored.
        for number in 0..16 {
            let mut header = [0; 60];
            file.seek(SeekFrom::Start(at))?;
            if file.read_exact(&mut header).is_err() {
                break;
            }
            let (name, member) = member(&header, at + 60)?;
            match (number, name) {
                (0, "debian-binary") => check_version(&mut file)?,
                (0, _) => return Err(DebError::Form("it does not begin with `debian-binary`")),
                (_, name) if name.starts_with("control.tar") && control.is_none() => control = Some(member),
                (_, name) if name.starts_with("data.tar") && control.is_some() => {
                    data = Some(member);
                    break;
                }
                (_, name) if name.starts_with('_') => {}
                _ => return Err(DebError::Form("its members are not those of a package")),
            }
            // Members begin at even places.
            at = member.start + member.size + member.size % 2;
        }
        let end = file.seek(SeekFrom::End(0))?;
        match (control, data) {
            (Some(control), Some(data)) if data.start + data.size <= end => Ok(Self { file, control, data }),
            _ => Err(DebError::Form("it is cut short")),
        }
    }

    /// Reads the control archive.
    pub fn control(&mut self) -> Result<Control, DebError> {
        let mut tar = self.archive(self.control, CONTROL_LIMIT)?;
        let mut control = Control::default();
        while let Some(entry) = tar.next_entry()? {
            let name = String::from_utf8_lossy(&entry.name);
            let name = name.trim_start_matches("./").trim_end_matches('/');
            if name.is_empty() || name.contains('/') || entry.kind != oci::layer::tar::TarKind::File {
                continue;
            }
            let mut bytes = Vec::with_capacity(usize::try_from(entry.size.min(1 << 20)).unwrap_or(0));
            tar.read_to_end(&mut bytes)?;
            if name == "control" {
                control.paragraph =
                    String::from_utf8(bytes).map_err(|_| DebError::Form("its control file is not UTF-8"))?;
            } else {
                control.files.insert(name.to_owned(), (entry.mode & 0o7777, bytes));
            }
        }
        if control.paragraph.is_empty() { Err(DebError::Form("it has no control file")) } else { Ok(control) }
    }

    /// The package's files.
    pub fn data(&mut self) -> Result<TarReader<Decompressor<'_>>, DebError> {
        self.archive(self.data, DATA_LIMIT)
    }

    fn archive(&mut self, member: Member, bytes: u64) -> Result<TarReader<Decompressor<'_>>, DebError> {
        self.file.seek(SeekFrom::Start(member.start))?;
        let input = Decompressor::new((&mut self.file).take(member.size))?;
        Ok(TarReader::new(input, &UnpackLimits { bytes, ..UnpackLimits::default() }))
    }
}

/// Name and place of a member, from its header (ar(5), the System V form; names end with a slash or spaces).
fn member(header: &[u8; 60], start: u64) -> Result<(&str, Member), DebError> {
    let broken = || DebError::Form("a member's header is broken");
    let text = std::str::from_utf8(header).map_err(|_| broken())?;
    let (name, size) = (text.get(..16).ok_or_else(broken)?, text.get(48..58).ok_or_else(broken)?);
    if &header[58..] != b"`\n" {
        return Err(broken());
    }
    let size = size.trim_end().parse().map_err(|_| broken())?;
    Ok((name.trim_end().trim_end_matches('/'), Member { start, size }))
}

fn check_version(file: &mut impl Read) -> Result<(), DebError> {
    let mut version = [0; 2];
    file.read_exact(&mut version)?;
    if version == *b"2." { Ok(()) } else { Err(DebError::Form("it is of another version of the format")) }
}

/// For the fuzzer.
pub fn fuzz_deb(data: &[u8]) {
    if let Ok(mut deb) = Deb::open(io::Cursor::new(data)) {
        let _ = deb.control();
        if let Ok(mut tar) = deb.data() {
            while let Ok(Some(_)) = tar.next_entry() {}
        }
    }
}
