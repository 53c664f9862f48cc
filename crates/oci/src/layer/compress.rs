//! Compression of layers: the same bytes for any number of threads.
//!
//! gzip: blocks of a fixed size are compressed independently of each other, each into a member of its own (RFC 1952, 2.2);
//! every reader takes members that follow one another for one file. Their headers hold no time and no name.

use std::collections::VecDeque;
use std::io::{self, Write};
use std::sync::Arc;
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::sync::{Mutex, mpsc};
use std::thread::JoinHandle;

use libdeflater::{CompressionLvl, Compressor as Deflate};
use serde::{Deserialize, Serialize};

/// Bytes of one block. Large enough that starting without a dictionary costs less than half a percent, small enough that
/// a layer of some megabytes keeps all processors busy. It is part of the format: another size makes other digests.
const BLOCK: usize = 512 * 1024;

/// As small as zlib's 6, by which others go, in a third of its time.
const GZIP_LEVEL: u32 = 4;
const ZSTD_LEVEL: i32 = 3;

/// How a layer's blob is compressed.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Compression {
    /// Not at all.
    None,
    /// gzip, which everybody reads.
    #[default]
    Gzip,
    /// zstd: smaller and faster; Docker before 23 cannot read it.
    Zstd,
}

impl Compression {
    /// The word on the command line.
    pub fn name(self) -> &'static str {
        match self {
            Compression::None => "none",
            Compression::Gzip => "gzip",
            Compression::Zstd => "zstd",
        }
    }

    /// The media type of a layer that is compressed like this.
    pub fn layer_media_type(self) -> &'static str {
        use crate::descriptor::media_type;
        match self {
            Compression::None => media_type::OCI_LAYER,
            Compression::Gzip => media_type::OCI_LAYER_GZIP,
            Compression::Zstd => media_type::OCI_LAYER_ZSTD,
        }
    }
}

/// Compresses what is written to it. [`finish`](Compressor::finish) it, or the end is missing.
pub struct Compressor<W: Write>(Form<W>);

enum Form<W: Write> {
    None(W),
    Gzip(Box<Gzip<W>>),
    Zstd(zstd::stream::write::Encoder<'static, W>),
}

impl<W: Write> Compressor<W> {
    /// A compressor in front of `inner`. `level` `None` is the usual one (gzip 4 of 0 to 9, zstd 3 of 1 to 22);
    /// `threads` changes the time, never the bytes.
    pub fn new(kind: Compression, level: Option<u32>, threads: usize, inner: W) -> io::Result<Compressor<W>> {
        Ok(Compressor(match kind {
            Compression::None => Form::None(inner),
            Compression::Gzip => {
                Form::Gzip(Box::new(Gzip::new(level.unwrap_or(GZIP_LEVEL).min(9), threads, inner)?))
            }
            Compression::Zstd => {
                let level = level.map_or(ZSTD_LEVEL, |level| level.clamp(1, 22) as i32);
                Form::Zstd(zstd::stream::write::Encoder::new(inner, level)?)
            }
        }))
    }

    /// Writes the end, and gives the inner writer back.
    pub fn finish(self) -> io::Result<W> {
        match self.0 {
            Form::None(inner) => Ok(inner),
            Form::Gzip(gzip) => gzip.finish(),
            Form::Zstd(encoder) => encoder.finish(),
        }
    }
}

impl<W: Write> Write for Compressor<W> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        match &mut self.0 {
            Form::None(inner) => inner.write(bytes),
            Form::Gzip(gzip) => gzip.write_all(bytes).map(|()| bytes.len()),
            Form::Zstd(encoder) => encoder.write(bytes),
        }
    }

    /// Passes on what can be passed on. It never ends a block: the bytes do not depend on when somebody flushed.
    fn flush(&mut self) -> io::Result<()> {
        match &mut self.0 {
            Form::None(inner) => inner.flush(),
            Form::Gzip(gzip) => gzip.inner.flush(),
            Form::Zstd(_) => Ok(()),
        }
    }
}

/// Where a block's member will arrive.
type Pending = Receiver<io::Result<Vec<u8>>>;

/// A block, and where its result goes.
struct Job {
    block: Vec<u8>,
    reply: SyncSender<io::Result<Vec<u8>>>,
}

struct Gzip<W: Write> {
    inner: W,
    level: u32,
    /// Compresses here what is not worth a thread.
    member: Member,
    threads: usize,
    block: Vec<u8>,
    /// Members written or on their way.
    members: u64,
    /// Made when a second block comes: most layers are small.
    workers: Option<Workers>,
    /// Members in the order of the blocks. As many wait at most as there are workers, twice: that bounds the memory.
    pending: VecDeque<Pending>,
}

struct Workers {
    jobs: mpsc::Sender<Job>,
    threads: Vec<JoinHandle<()>>,
}

impl Workers {
    fn start(count: usize, level: u32) -> io::Result<Workers> {
        let (jobs, queue) = mpsc::channel::<Job>();
        let queue = Arc::new(Mutex::new(queue));
        let mut threads = Vec::with_capacity(count);
        for _ in 0..count {
            let queue = queue.clone();
            let mut deflate = Member::new(level)?;
            let work = move || {
                loop {
                    let job = queue.lock().unwrap_or_else(|e| e.into_inner()).recv();
                    let Ok(Job { block, reply }) = job else { return };
                    // Nobody waits any more when the compressor was dropped.
                    let _ = reply.send(deflate.compress(&block));
                }
            };
            threads.push(std::thread::Builder::new().name("deflate".to_owned()).spawn(work)?);
        }
        Ok(Workers { jobs, threads })
    }
}

impl<W: Write> Gzip<W> {
    fn new(level: u32, threads: usize, inner: W) -> io::Result<Gzip<W>> {
        let member = Member::new(level)?;
        let (block, pending) = (Vec::new(), VecDeque::new());
        Ok(Gzip { inner, level, member, threads, block, members: 0, workers: None, pending })
    }

    fn write_all(&mut self, mut bytes: &[u8]) -> io::Result<()> {
        while !bytes.is_empty() {
            if self.block.len() == BLOCK {
                self.send_block()?;
            }
            let (now, later) = bytes.split_at(bytes.len().min(BLOCK - self.block.len()));
            self.block.extend_from_slice(now);
            bytes = later;
        }
        Ok(())
    }

    fn send_block(&mut self) -> io::Result<()> {
        self.members += 1;
        if self.threads <= 1 {
            let member = self.member.compress(&self.block)?;
            self.block.clear();
            return self.inner.write_all(&member);
        }
        if self.pending.len() >= self.threads * 2 {
            self.emit_next()?;
        }
        let workers = match &mut self.workers {
            Some(workers) => workers,
            none => none.insert(Workers::start(self.threads, self.level)?),
        };
        let (reply, result) = sync_channel(1);
        let block = std::mem::replace(&mut self.block, Vec::with_capacity(BLOCK));
        workers.jobs.send(Job { block, reply }).map_err(|_| worker_died())?;
        self.pending.push_back(result);
        Ok(())
    }

    fn emit_next(&mut self) -> io::Result<()> {
        match self.pending.pop_front() {
            Some(result) => {
                let member = result.recv().map_err(|_| worker_died())??;
                self.inner.write_all(&member)
            }
            None => Ok(()),
        }
    }

    fn finish(mut self) -> io::Result<W> {
        // Nothing at all is one member of nothing.
        if !self.block.is_empty() || self.members == 0 {
            self.send_block()?;
        }
        while !self.pending.is_empty() {
            self.emit_next()?;
        }
        if let Some(Workers { jobs, threads }) = self.workers.take() {
            drop(jobs);
            for thread in threads {
                thread.join().map_err(|_| worker_died())?;
            }
        }
        Ok(self.inner)
    }
}

fn worker_died() -> io::Error {
    io::Error::other("a compressing thread ended early")
}

/// Compresses blocks, one at a time.
struct Member(Deflate);

impl Member {
    fn new(level: u32) -> io::Result<Member> {
        let level = CompressionLvl::new(level as i32).map_err(|_| io::ErrorKind::InvalidInput)?;
        Ok(Member(Deflate::new(level)))
    }

    /// A whole gzip member with the block in it.
    fn compress(&mut self, block: &[u8]) -> io::Result<Vec<u8>> {
        let mut bytes = vec![0; self.0.gzip_compress_bound(block.len())];
        let written = self.0.gzip_compress(block, &mut bytes).map_err(io::Error::other)?;
        bytes.truncate(written);
        Ok(bytes)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::layer::Decompressor;
    use std::io::Read;

    fn sample(size: usize) -> Vec<u8> {
        let mut state = 1u32;
        let mut data = Vec::with_capacity(size);
        while data.len() < size {
            state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
            // A mixture of what compresses and what does not.
            match state >> 30 {
                0 => data.extend_from_slice(&state.to_le_bytes()),
                _ => data.extend_from_slice(b"some text that repeats "),
            }
        }
        data.truncate(size);
        data
    }

    fn compressed(kind: Compression, threads: usize, data: &[u8], portion: usize) -> Vec<u8> {
        let mut writer = Compressor::new(kind, None, threads, Vec::new()).unwrap();
        for part in data.chunks(portion) {
            writer.write_all(part).unwrap();
            writer.flush().unwrap();
        }
        writer.finish().unwrap()
    }

    #[test]
    fn the_same_bytes_for_any_number_of_threads() {
        for size in [0, 1, BLOCK - 1, BLOCK, BLOCK + 1, 3 * BLOCK + 7] {
            let data = sample(size);
            for kind in [Compression::None, Compression::Gzip, Compression::Zstd] {
                let one = compressed(kind, 1, &data, 100_003);
                for threads in [2, 3, 8] {
                    assert!(compressed(kind, threads, &data, 77_777) == one, "{kind:?} {size} {threads}");
                }
                let mut back = Vec::new();
                Decompressor::new(&one[..]).unwrap().read_to_end(&mut back).unwrap();
                assert!(back == data, "{kind:?} {size}");
            }
        }
    }

    #[test]
    fn a_writer_that_fails_is_reported_not_waited_for() {
        struct Full(usize);
        impl Write for Full {
            fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
                self.0 = self.0.checked_sub(bytes.len()).ok_or(io::ErrorKind::StorageFull)?;
                Ok(bytes.len())
            }
            fn flush(&mut self) -> io::Result<()> {
                Ok(())
            }
        }
        let mut writer = Compressor::new(Compression::Gzip, None, 2, Full(1000)).unwrap();
        let data = sample(BLOCK);
        let failed = (0..20).find_map(|_| writer.write_all(&data).err()).unwrap();
        assert_eq!(failed.kind(), io::ErrorKind::StorageFull);
    }
}
