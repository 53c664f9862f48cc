//! Decompression of what comes from outside, by its first bytes: gzip, bzip2, xz, zstd, or nothing.

use std::io::{self, BufRead, BufReader, Cursor, Read};
use std::panic::{AssertUnwindSafe, catch_unwind};

use flate2::bufread::GzDecoder;

/// Enough for the longest of the magic numbers.
const MAGIC: usize = 6;

/// What a stream is compressed with.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Format {
    /// Nothing that is known.
    Plain,
    /// gzip; several members one after another are one stream.
    Gzip,
    /// bzip2, likewise.
    Bzip2,
    /// xz, likewise.
    Xz,
    /// zstd, likewise.
    Zstd,
}

/// What these first bytes of a stream (six are enough) are compressed with.
pub fn detect(start: &[u8]) -> Format {
    match start {
        [0x1f, 0x8b, 8, ..] => Format::Gzip,
        [b'B', b'Z', b'h', b'1'..=b'9', ..] => Format::Bzip2,
        [0xfd, b'7', b'z', b'X', b'Z', 0, ..] => Format::Xz,
        [0x28, 0xb5, 0x2f, 0xfd, ..] => Format::Zstd,
        // A zstd stream may begin with a frame that decoders skip.
        [0x50..=0x5f, 0x2a, 0x4d, 0x18, ..] => Format::Zstd,
        _ => Format::Plain,
    }
}

/// Reads a stream decompressed, whatever it is compressed with.
pub struct Decompressor<'a> {
    inner: Box<dyn Read + 'a>,
    format: Format,
}

impl<'a> Decompressor<'a> {
    /// Looks at the first bytes of `input` and chooses.
    pub fn new(mut input: impl Read + 'a) -> io::Result<Decompressor<'a>> {
        let mut start = [0u8; MAGIC];
        let mut length = 0;
        while length < MAGIC {
            match input.read(&mut start[length..]) {
                Ok(0) => break,
                Ok(count) => length += count,
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return Err(error),
            }
        }
        let format = detect(&start[..length]);
        let input = Cursor::new(start[..length].to_vec()).chain(input);
        let input = BufReader::with_capacity(128 * 1024, input);
        let inner: Box<dyn Read + 'a> = match format {
            Format::Plain => Box::new(input),
            Format::Gzip => Box::new(GzipMembers { member: Some(GzDecoder::new(input)) }),
            Format::Bzip2 => Box::new(bzip2::bufread::MultiBzDecoder::new(input)),
            Format::Xz => Box::new(Guarded { inner: lzma_rust2::XzReader::new(input, true) }),
            Format::Zstd => {
                let mut decoder = zstd::stream::read::Decoder::with_buffer(input)?;
                // 128 MiB of window, as the zstd program allows without being asked.
                decoder.window_log_max(27)?;
                Box::new(decoder)
            }
        };
        Ok(Decompressor { inner, format })
    }

    /// What the stream is compressed with.
    pub fn format(&self) -> Format {
        self.format
    }
}

impl Read for Decompressor<'_> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        self.inner.read(buffer)
    }
}

/// All members of a gzip file, as one stream (RFC 1952, 2.2). Zeros after the last one are padding of a block device;
/// anything else there is an error, as in Go's reader, which Docker uses.
struct GzipMembers<R: BufRead> {
    member: Option<GzDecoder<R>>,
}

impl<R: BufRead> Read for GzipMembers<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        while let Some(member) = &mut self.member {
            let count = member.read(buffer)?;
            if count > 0 || buffer.is_empty() {
                return Ok(count);
            }
            let Some(mut input) = self.member.take().map(GzDecoder::into_inner) else { break };
            match input.fill_buf()?.first() {
                None => {}
                Some(0x1f) => self.member = Some(GzDecoder::new(input)),
                Some(0) => skip_zeros(input)?,
                Some(_) => return Err(garbage()),
            }
        }
        Ok(0)
    }
}

fn skip_zeros(mut input: impl BufRead) -> io::Result<()> {
    loop {
        let buffer = input.fill_buf()?;
        if buffer.iter().any(|byte| *byte != 0) {
            return Err(garbage());
        }
        let length = buffer.len();
        if length == 0 {
            return Ok(());
        }
        input.consume(length);
    }
}

fn garbage() -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, "something that is not gzip follows the compressed data")
}

/// A decoder that may give up on hostile input by panicking; here that is an error like others.
struct Guarded<R> {
    inner: R,
}

impl<R: Read> Read for Guarded<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        catch_unwind(AssertUnwindSafe(|| self.inner.read(buffer))).unwrap_or_else(|_| {
            Err(io::Error::new(io::ErrorKind::InvalidData, "the compressed data is damaged"))
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io::Write;

    fn gzip(data: &[u8]) -> Vec<u8> {
        let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
        encoder.write_all(data).unwrap();
        encoder.finish().unwrap()
    }

    fn read(data: &[u8]) -> io::Result<(Format, Vec<u8>)> {
        let mut decompressor = Decompressor::new(data)?;
        let mut bytes = Vec::new();
        decompressor.read_to_end(&mut bytes)?;
        Ok((decompressor.format(), bytes))
    }

    #[test]
    fn every_format_is_recognised_and_read() {
        let text = b"some text ".repeat(1000);
        let mut bzip2 = bzip2::write::BzEncoder::new(Vec::new(), bzip2::Compression::fast());
        bzip2.write_all(&text).unwrap();
        let mut xz = lzma_rust2::XzWriter::new(Vec::new(), lzma_rust2::XzOptions::with_preset(0)).unwrap();
        xz.write_all(&text).unwrap();
        for (data, format) in [
            (text.clone(), Format::Plain),
            (gzip(&text), Format::Gzip),
            (bzip2.finish().unwrap(), Format::Bzip2),
            (xz.finish().unwrap(), Format::Xz),
            (zstd::encode_all(&text[..], 1).unwrap(), Format::Zstd),
        ] {
            assert_eq!(read(&data).unwrap(), (format, text.clone()));
            if format != Format::Plain {
                assert!(read(&data[..data.len() - 9]).is_err(), "truncated {format:?}");
            }
        }
        assert_eq!(read(b"").unwrap(), (Format::Plain, Vec::new()));
        assert_eq!(read(b"abc").unwrap(), (Format::Plain, b"abc".to_vec()));
    }

    #[test]
    fn gzip_members_padding_and_garbage() {
        let two = [gzip(b"a"), gzip(b""), gzip(b"b")].concat();
        assert_eq!(read(&two).unwrap().1, b"ab");
        assert_eq!(read(&[&two[..], &[0; 700]].concat()).unwrap().1, b"ab");
        assert!(read(&[&two[..], b"garbage"].concat()).is_err());
        assert!(read(&[&two[..], &[0, 0, 1]].concat()).is_err());
    }
}
