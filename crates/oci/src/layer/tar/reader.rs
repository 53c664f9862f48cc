//! The stream of entries.

use std::io::{self, Read};
use std::mem;

use super::header::{self, Block, RawHeader};
use super::pax::{self, Pax};
use super::sparse::{self, REGION_LIMIT, Region};
use super::{BLOCK, SPECIAL_LIMIT, TarEntry, TarKind};
use crate::layer::{UnpackError, UnpackLimits};

/// Reads an archive as it streams by. After [`next_entry`](TarReader::next_entry) the reader itself is the entry's content.
pub struct TarReader<R> {
    input: R,
    limits: UnpackLimits,
    /// Bytes read from the archive.
    offset: u64,
    entries: u64,
    /// Bytes of content announced so far, holes filled.
    announced: u64,
    /// Of the current entry: stored bytes that were not read yet, and what fills its last block.
    stored: u64,
    padding: u64,
    holes: Option<Holes>,
    ended: bool,
}

/// Where reading stands in a sparse file.
struct Holes {
    regions: Vec<Region>,
    next: usize,
    position: u64,
    size: u64,
}

impl<R: Read> TarReader<R> {
    /// A reader of an uncompressed archive.
    pub fn new(input: R, limits: &UnpackLimits) -> TarReader<R> {
        TarReader {
            input,
            limits: limits.clone(),
            offset: 0,
            entries: 0,
            announced: 0,
            stored: 0,
            padding: 0,
            holes: None,
            ended: false,
        }
    }

    /// The next entry; what is left of the last one's content is skipped. `None` at the end of the archive, which is
    /// two empty blocks or simply where the bytes end.
    pub fn next_entry(&mut self) -> Result<Option<TarEntry>, UnpackError> {
        self.skip_content()?;
        let mut pax = Pax::default();
        let mut long_name: Option<Vec<u8>> = None;
        let mut long_link: Option<Vec<u8>> = None;
        loop {
            let Some(block) = self.header_block()? else { return Ok(None) };
            let at = self.offset - BLOCK as u64;
            let malformed = |why| UnpackError::Malformed { offset: at, why };
            let raw = header::parse(&block).map_err(malformed)?;
            self.entries += 1;
            if self.entries > self.limits.entries {
                return Err(UnpackError::Limit { what: "entries", limit: self.limits.entries });
            }
            match raw.type_flag {
                b'x' | b'X' => pax = pax::parse(&self.special(raw.stored)?).map_err(malformed)?,
                b'g' => drop(self.special(raw.stored)?),
                b'L' => long_name = Some(until_nul(self.special(raw.stored)?)),
                b'K' => long_link = Some(until_nul(self.special(raw.stored)?)),
                // A volume's label.
                b'V' => drop(self.special(raw.stored)?),
                _ => {
                    let mut raw = raw;
                    raw.entry.name = long_name.unwrap_or(raw.entry.name);
                    raw.entry.link = long_link.unwrap_or(raw.entry.link);
                    return self.begin(raw, &pax, at).map(Some);
                }
            }
        }
    }

    /// Reads what follows the end of the archive, so that the source's own check sums are verified.
    pub fn drain(&mut self) -> Result<(), UnpackError> {
        while !self.ended {
            if self.next_entry()?.is_none() {
                break;
            }
        }
        let mut buffer = [0u8; 16 * 1024];
        loop {
            match self.input.read(&mut buffer) {
                Ok(0) => return Ok(()),
                Ok(count) => self.count(count as u64)?,
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return Err(UnpackError::Input(error)),
            }
        }
    }

    /// Starts an entry's content.
    fn begin(&mut self, raw: RawHeader, pax: &Pax, at: u64) -> Result<TarEntry, UnpackError> {
        let malformed = |why| UnpackError::Malformed { offset: at, why };
        let RawHeader { mut entry, type_flag, mut stored, old_sparse } = raw;
        pax.apply(&mut entry);
        if entry.name.ends_with(b"/") && entry.kind == TarKind::File {
            entry.kind = TarKind::Directory;
        }
        stored = pax.size.unwrap_or(stored);
        if !header::has_content(entry.kind) && type_flag != b'D' {
            stored = 0;
        }
        entry.size = if entry.kind == TarKind::File { stored } else { 0 };
        self.stored = stored;
        self.padding = (BLOCK as u64 - stored % BLOCK as u64) % BLOCK as u64;
        let sparse = match old_sparse {
            _ if entry.kind != TarKind::File => None,
            Some((regions, more, size)) => Some((self.more_regions(regions, more)?, size)),
            None if pax.sparse.is_1_0() => {
                let size = pax.sparse.size.ok_or_else(|| malformed("a sparse file lacks its size"))?;
                let (regions, taken) =
                    sparse::read_map(self).map_err(UnpackError::Input)?.map_err(malformed)?;
                debug_assert!(taken <= stored);
                Some((regions, size))
            }
            None if pax.sparse.is_sparse() => {
                let size = pax.sparse.size.ok_or_else(|| malformed("a sparse file lacks its size"))?;
                Some((pax.sparse.regions().map_err(malformed)?, size))
            }
            None => None,
        };
        if let Some((regions, size)) = sparse {
            sparse::check(&regions, size, self.stored).map_err(malformed)?;
            (entry.size, entry.sparse) = (size, true);
            self.holes = Some(Holes { regions, next: 0, position: 0, size });
        }
        if entry.kind != TarKind::File {
            // It is no content that anybody may read.
            self.padding = self.padding.saturating_add(mem::take(&mut self.stored));
        }
        self.announced = self.announced.saturating_add(entry.size);
        if self.announced > self.limits.bytes {
            return Err(UnpackError::Limit { what: "bytes", limit: self.limits.bytes });
        }
        Ok(entry)
    }

    /// GNU's old form: blocks of more regions follow the header, and belong to it.
    fn more_regions(&mut self, mut regions: Vec<Region>, mut more: bool) -> Result<Vec<Region>, UnpackError> {
        while more {
            let mut block: Block = [0; BLOCK];
            self.read_archive(&mut block)?;
            let malformed = |why| UnpackError::Malformed { offset: self.offset - BLOCK as u64, why };
            header::regions_of(&block[..504], &mut regions).map_err(malformed)?;
            if regions.len() > REGION_LIMIT {
                return Err(malformed("the sparse map is too long"));
            }
            more = block[504] != 0;
        }
        Ok(regions)
    }

    /// The next header, unless the archive ends here.
    fn header_block(&mut self) -> Result<Option<Block>, UnpackError> {
        let mut block: Block = [0; BLOCK];
        for _ in 0..2 {
            if self.ended || !self.read_block_or_end(&mut block)? {
                self.ended = true;
                return Ok(None);
            }
            if block.iter().any(|b| *b != 0) {
                return Ok(Some(block));
            }
        }
        self.ended = true;
        Ok(None)
    }

    fn read_block_or_end(&mut self, block: &mut Block) -> Result<bool, UnpackError> {
        let mut filled = 0;
        while filled < BLOCK {
            match self.input.read(&mut block[filled..]) {
                Ok(0) if filled == 0 => return Ok(false),
                Ok(0) => return Err(UnpackError::Input(io::ErrorKind::UnexpectedEof.into())),
                Ok(count) => filled += count,
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return Err(UnpackError::Input(error)),
            }
        }
        self.count(BLOCK as u64)?;
        Ok(true)
    }

    fn read_archive(&mut self, buffer: &mut [u8]) -> Result<(), UnpackError> {
        self.input.read_exact(buffer).map_err(UnpackError::Input)?;
        self.count(buffer.len() as u64)
    }

    fn count(&mut self, bytes: u64) -> Result<(), UnpackError> {
        self.offset += bytes;
        match self.offset > self.limits.bytes {
            true => Err(UnpackError::Limit { what: "bytes", limit: self.limits.bytes }),
            false => Ok(()),
        }
    }

    /// The content of an entry that speaks about the next one. It grows as it is read, not as its header says.
    fn special(&mut self, size: u64) -> Result<Vec<u8>, UnpackError> {
        if size > SPECIAL_LIMIT {
            return Err(UnpackError::Limit { what: "bytes in one name or pax header", limit: SPECIAL_LIMIT });
        }
        let mut data = Vec::new();
        let taken = self.input.by_ref().take(size).read_to_end(&mut data).map_err(UnpackError::Input)?;
        if (taken as u64) < size {
            return Err(UnpackError::Input(io::ErrorKind::UnexpectedEof.into()));
        }
        self.count(size)?;
        let mut rest = [0u8; BLOCK];
        self.read_archive(&mut rest[..(BLOCK - data.len() % BLOCK) % BLOCK])?;
        Ok(data)
    }

    fn skip_content(&mut self) -> Result<(), UnpackError> {
        self.holes = None;
        let mut left = mem::take(&mut self.stored).saturating_add(mem::take(&mut self.padding));
        let mut buffer = [0u8; 16 * 1024];
        while left > 0 {
            let piece = left.min(buffer.len() as u64);
            self.read_archive(&mut buffer[..piece as usize])?;
            left -= piece;
        }
        Ok(())
    }

    /// Reads stored bytes, never more than the entry has.
    fn read_stored(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let wanted = self.stored.min(buffer.len() as u64) as usize;
        if wanted == 0 {
            return Ok(0);
        }
        let count = self.input.read(&mut buffer[..wanted])?;
        if count == 0 {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
        self.stored -= count as u64;
        self.offset += count as u64;
        if self.offset > self.limits.bytes {
            return Err(io::Error::other("the archive is larger than allowed"));
        }
        Ok(count)
    }
}

impl<R: Read> Read for TarReader<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let Some(holes) = &mut self.holes else { return self.read_stored(buffer) };
        while holes.regions.get(holes.next).is_some_and(|r| holes.position >= r.offset + r.length) {
            holes.next += 1;
        }
        let region = holes.regions.get(holes.next).copied();
        let stored = region.filter(|region| region.offset <= holes.position);
        let end = match (stored, region) {
            (Some(region), _) => region.offset + region.length,
            (None, Some(region)) => region.offset,
            (None, None) => holes.size,
        };
        let length = (end - holes.position).min(buffer.len() as u64) as usize;
        let count = if stored.is_some() {
            self.read_stored(&mut buffer[..length])?
        } else {
            buffer[..length].fill(0);
            length
        };
        if let Some(holes) = &mut self.holes {
            holes.position += count as u64;
        }
        Ok(count)
    }
}

fn until_nul(mut name: Vec<u8>) -> Vec<u8> {
    name.truncate(name.iter().position(|b| *b == 0).unwrap_or(name.len()));
    name
}

/// Reads arbitrary bytes as an archive, all content included.
pub fn fuzz_tar(data: &[u8]) {
    let limits = UnpackLimits { bytes: 4 << 20, entries: 10_000, ..UnpackLimits::default() };
    let mut reader = TarReader::new(data, &limits);
    while let Ok(Some(entry)) = reader.next_entry() {
        if let Ok(count) = io::copy(&mut reader, &mut io::sink()) {
            assert_eq!(count, entry.size);
        }
    }
}
