//! The stat cache: which digest a file had when `stat` said this about it.
//!
//! One file for each context, found by the context directory's device and inode. It is a plain array of records,
//! sorted, read in one piece and searched in place. Nothing depends on it but time: a file that cannot be read, is of
//! another version or is damaged counts as none.

use std::fs::File;
use std::io::{self, Read, Write};
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

use oci::Digest;

use super::listing::Stamp;

const MAGIC: &[u8; 16] = b"kapok-stat-2\0\0\0\0";

/// Device, inode, size, two times of eight bytes each, and a SHA-256.
const RECORD: usize = 72;

/// Old records that the present build did not ask for stay, in case the next one does, but not for ever.
const SPARE_RECORDS: usize = 200_000;

/// A file whose time is this near to the moment of looking may change again within the same tick of the clock,
/// without `stat` showing it. As with git's index, such a file is read again next time. Nanoseconds.
const RACY: i64 = 50_000_000;

/// The same where a file system keeps whole seconds only.
const RACY_COARSE: i64 = 2_000_000_000;

/// Digests by stamp.
#[derive(Debug, Default)]
pub struct StatCache {
    file: Option<PathBuf>,
    records: Vec<u8>,
    /// Learnt in this process.
    fresh: Vec<(Stamp, [u8; 32])>,
    /// How many of the old records were asked for.
    hits: usize,
    /// The moment of loading by the file system's clock: what is older cannot change unseen.
    loaded_at: i64,
}

impl StatCache {
    /// The cache of a context, empty where there is none.
    pub fn load(directory: Option<&Path>, device: u64, inode: u64) -> StatCache {
        let Some(directory) = directory else { return StatCache::default() };
        // Without a clock, nothing that is learnt can be trusted later.
        let Some(loaded_at) = clock(directory) else { return StatCache::default() };
        let file = directory.join(format!("{device:x}-{inode:x}"));
        let records = read(&file).unwrap_or_default();
        StatCache { file: Some(file), records, fresh: Vec::new(), hits: 0, loaded_at }
    }

    /// The digest of a file with this stamp, if it is known.
    pub fn get(&mut self, stamp: &Stamp) -> Option<Digest> {
        let count = self.records.len() / RECORD;
        let (mut low, mut high) = (0, count);
        while low < high {
            let middle = low + (high - low) / 2;
            let (known, digest) = record(&self.records, middle);
            match known.cmp(stamp) {
                std::cmp::Ordering::Less => low = middle + 1,
                std::cmp::Ordering::Greater => high = middle,
                std::cmp::Ordering::Equal => {
                    self.hits += 1;
                    return Some(Digest::Sha256(digest));
                }
            }
        }
        None
    }

    /// Takes note of a digest. `stamp` must have been taken before the file was read.
    pub fn insert(&mut self, stamp: Stamp, digest: [u8; 32]) {
        let latest = stamp.modified.max(stamp.changed);
        let coarse = stamp.modified % 1_000_000_000 == 0 && stamp.changed % 1_000_000_000 == 0;
        let margin = if coarse { RACY_COARSE } else { RACY };
        if self.file.is_some() && latest < self.loaded_at - margin {
            self.fresh.push((stamp, digest));
        }
    }

    /// Writes what is known, if there is anything new.
    pub fn save(&mut self) -> io::Result<()> {
        let Some(file) = &self.file else { return Ok(()) };
        if self.fresh.is_empty() {
            return Ok(());
        }
        let count = self.records.len() / RECORD;
        let keep_old = count - self.hits <= SPARE_RECORDS;
        let old = (0..if keep_old { count } else { 0 }).map(|at| record(&self.records, at));
        // What is known of an inode under another stamp is past.
        let mut all: Vec<(Stamp, [u8; 32])> = std::mem::take(&mut self.fresh);
        let identity = |stamp: &Stamp| (stamp.device, stamp.inode);
        all.sort_unstable_by_key(|(stamp, _)| *stamp);
        all.dedup_by_key(|(stamp, _)| *stamp);
        let past: Vec<_> = old
            .filter(|(stamp, _)| {
                all.binary_search_by_key(&identity(stamp), |(new, _)| identity(new)).is_err()
            })
            .collect();
        all.extend(past);
        all.sort_unstable_by_key(|(stamp, _)| *stamp);
        self.records = encode(&all);
        write(file, &self.records)
    }
}

fn record(records: &[u8], at: usize) -> (Stamp, [u8; 32]) {
    let bytes = &records[at * RECORD..(at + 1) * RECORD];
    let number = |at: usize| {
        let mut number = [0; 8];
        number.copy_from_slice(&bytes[at..at + 8]);
        u64::from_le_bytes(number)
    };
    let mut digest = [0; 32];
    digest.copy_from_slice(&bytes[40..72]);
    let stamp = Stamp {
        device: number(0),
        inode: number(8),
        size: number(16),
        modified: number(24).cast_signed(),
        changed: number(32).cast_signed(),
    };
    (stamp, digest)
}

fn encode(records: &[(Stamp, [u8; 32])]) -> Vec<u8> {
    let mut bytes = Vec::with_capacity(records.len() * RECORD);
    for (stamp, digest) in records {
        let times = [stamp.modified.cast_unsigned(), stamp.changed.cast_unsigned()];
        for number in [stamp.device, stamp.inode, stamp.size].into_iter().chain(times) {
            bytes.extend_from_slice(&number.to_le_bytes());
        }
        bytes.extend_from_slice(digest);
    }
    bytes
}

/// The records of a file, if it is one of ours and whole.
fn read(path: &Path) -> Option<Vec<u8>> {
    let mut bytes = Vec::new();
    File::open(path).ok()?.read_to_end(&mut bytes).ok()?;
    let (magic, rest) = bytes.split_at_checked(MAGIC.len())?;
    let (sum, records) = rest.split_at_checked(8)?;
    let whole = magic == MAGIC && records.len() % RECORD == 0 && sum == checksum(records).to_le_bytes();
    whole.then(|| records.to_vec())
}

fn write(path: &Path, records: &[u8]) -> io::Result<()> {
    let directory = path.parent().unwrap_or(Path::new("."));
    let mut file = tempfile::NamedTempFile::new_in(directory)?;
    file.write_all(MAGIC)?;
    file.write_all(&checksum(records).to_le_bytes())?;
    file.write_all(records)?;
    file.persist(path).map_err(|error| error.error)?;
    Ok(())
}

/// Finds damage, not malice: who can write the store can do worse. (FNV-1a over words)
fn checksum(bytes: &[u8]) -> u64 {
    let mut chunks = bytes.chunks_exact(8);
    let mut sum: u64 = 0xcbf2_9ce4_8422_2325 ^ bytes.len() as u64;
    for chunk in &mut chunks {
        let mut word = [0; 8];
        word.copy_from_slice(chunk);
        sum = (sum ^ u64::from_le_bytes(word)).wrapping_mul(0x0100_0000_01b3);
        sum ^= sum >> 29;
    }
    sum
}

/// The present time by the clock that stamps files, in nanoseconds.
fn clock(directory: &Path) -> Option<i64> {
    let file = tempfile::tempfile_in(directory).ok()?;
    let stat = file.metadata().ok()?;
    stat.mtime().checked_mul(1_000_000_000)?.checked_add(stat.mtime_nsec())
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: i64 = 1_700_000_000_123_456_789;

    fn stamp(inode: u64, changed: i64) -> Stamp {
        Stamp { device: 1, inode, size: 3, modified: changed, changed }
    }

    fn cache(file: &Path) -> StatCache {
        let records = read(file).unwrap_or_default();
        StatCache { file: Some(file.to_owned()), records, loaded_at: NOW, ..StatCache::default() }
    }

    #[test]
    fn what_was_saved_is_known_again_until_the_file_changes() {
        let directory = tempfile::tempdir().unwrap();
        let file = directory.path().join("c");
        let old = NOW - 1_000_000_000_000;
        let mut first = cache(&file);
        for inode in [5, 3, 9] {
            first.insert(stamp(inode, old), [u8::try_from(inode).unwrap(); 32]);
        }
        first.save().unwrap();
        let mut second = cache(&file);
        assert_eq!(second.get(&stamp(3, old)), Some(Digest::Sha256([3; 32])));
        assert_eq!(second.get(&stamp(3, old + 1)), None);
        assert_eq!(second.get(&Stamp { size: 4, ..stamp(3, old) }), None);
        assert_eq!(second.get(&stamp(4, old)), None);
        second.insert(stamp(3, old + 1), [33; 32]);
        second.save().unwrap();
        let mut third = cache(&file);
        assert_eq!(third.get(&stamp(3, old + 1)), Some(Digest::Sha256([33; 32])));
        assert_eq!(third.get(&stamp(3, old)), None, "an inode has one state");
        assert_eq!(third.get(&stamp(9, old)), Some(Digest::Sha256([9; 32])));
    }

    #[test]
    fn what_is_too_young_is_not_kept() {
        let directory = tempfile::tempdir().unwrap();
        let mut cache = cache(&directory.path().join("c"));
        cache.insert(stamp(1, NOW - RACY + 1), [1; 32]);
        cache.insert(stamp(2, NOW - RACY - 1), [1; 32]);
        cache.insert(stamp(3, NOW / 1_000_000_000 * 1_000_000_000 - 1_000_000_000), [1; 32]);
        cache.insert(stamp(4, NOW + 5), [1; 32]);
        assert_eq!(cache.fresh.iter().map(|(stamp, _)| stamp.inode).collect::<Vec<_>>(), [2]);
    }

    #[test]
    fn a_damaged_file_counts_as_none() {
        let directory = tempfile::tempdir().unwrap();
        let file = directory.path().join("c");
        let old = NOW - 1_000_000_000_000;
        let mut first = cache(&file);
        first.insert(stamp(1, old), [1; 32]);
        first.save().unwrap();
        let whole = std::fs::read(&file).unwrap();
        for cut in [0, 10, 20, whole.len() - 1] {
            std::fs::write(&file, &whole[..cut]).unwrap();
            assert_eq!(cache(&file).get(&stamp(1, old)), None);
        }
        let mut flipped = whole.clone();
        flipped[60] ^= 1;
        std::fs::write(&file, &flipped).unwrap();
        assert!(read(&file).is_none());
        std::fs::write(&file, &whole).unwrap();
        assert!(cache(&file).get(&stamp(1, old)).is_some());
    }
}
