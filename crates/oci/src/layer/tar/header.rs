//! One header block.

use super::sparse::Region;
use super::{BLOCK, TarEntry, TarKind, clamp_time};

/// What a header block says, before long names and pax records are added.
pub(super) struct RawHeader {
    pub entry: TarEntry,
    pub type_flag: u8,
    /// Bytes of content in the archive.
    pub stored: u64,
    /// For GNU's old sparse files: the first regions, whether more follow, and the real size.
    pub old_sparse: Option<(Vec<Region>, bool, u64)>,
}

pub(super) type Block = [u8; BLOCK];

/// Reads a header block; the error says what is wrong with it.
pub(super) fn parse(block: &Block) -> Result<RawHeader, &'static str> {
    check_sum(block)?;
    let type_flag = block[156];
    let posix = &block[257..263] == b"ustar\0";
    let gnu = &block[257..265] == b"ustar  \0";
    let mut name = text(&block[..100]).to_vec();
    if posix {
        // Star puts times at the end of the prefix, and says so at the end of the block.
        let prefix = if &block[508..512] == b"tar\0" { &block[345..476] } else { &block[345..500] };
        let prefix = text(prefix);
        if !prefix.is_empty() {
            name = [prefix, &name].join(&b'/');
        }
    }
    let stored = number(&block[124..136]).ok_or("the size is no number")?;
    let stored = u64::try_from(stored).map_err(|_| "the size is negative")?;
    let kind = kind_of(type_flag, &name);
    let id = |field: &[u8], what| {
        let id = number(field).ok_or(what)?;
        // Some writers fill unused fields with -1 or -2 ("nobody"); the kernel's ids have 32 bits.
        Ok::<u32, &'static str>(id as u32)
    };
    let devices = matches!(kind, TarKind::CharDevice | TarKind::BlockDevice);
    let device =
        |field: &[u8]| if devices { number(field).and_then(|n| u32::try_from(n).ok()) } else { Some(0) };
    let device =
        device(&block[329..337]).zip(device(&block[337..345])).ok_or("the device number is no number")?;
    let owners = posix || gnu;
    let entry = TarEntry {
        name,
        kind,
        link: text(&block[157..257]).to_vec(),
        mode: (number(&block[100..108]).ok_or("the mode is no number")? & 0o7777) as u32,
        uid: id(&block[108..116], "the owner is no number")?,
        gid: id(&block[116..124], "the group is no number")?,
        user: if owners { text(&block[265..297]).to_vec() } else { Vec::new() },
        group: if owners { text(&block[297..329]).to_vec() } else { Vec::new() },
        mtime: clamp_time(number(&block[136..148]).ok_or("the time is no number")?),
        size: if has_content(kind) { stored } else { 0 },
        sparse: false,
        device,
        xattrs: Vec::new(),
    };
    let old_sparse = if type_flag == b'S' { Some(old_sparse(block)?) } else { None };
    Ok(RawHeader { entry, type_flag, stored, old_sparse })
}

fn kind_of(type_flag: u8, name: &[u8]) -> TarKind {
    match type_flag {
        // The oldest archives know directories only by the slash.
        0 | b'0' | b'7' | b'S' if name.ends_with(b"/") => TarKind::Directory,
        0 | b'0' | b'7' | b'S' => TarKind::File,
        b'1' => TarKind::Hardlink,
        b'2' => TarKind::Symlink,
        b'3' => TarKind::CharDevice,
        b'4' => TarKind::BlockDevice,
        b'5' | b'D' => TarKind::Directory,
        b'6' => TarKind::Fifo,
        other => TarKind::Other(other),
    }
}

/// Whether content follows the header. The sizes that headers of links and directories may state mean nothing; GNU's
/// directories with a list of names (`D`) are the exception that the reader knows by its flag.
pub(super) fn has_content(kind: TarKind) -> bool {
    matches!(kind, TarKind::File | TarKind::Other(_))
}

fn old_sparse(block: &Block) -> Result<(Vec<Region>, bool, u64), &'static str> {
    let mut regions = Vec::new();
    regions_of(&block[386..482], &mut regions)?;
    let size =
        number(&block[483..495]).and_then(|n| u64::try_from(n).ok()).ok_or("the real size is no number")?;
    Ok((regions, block[482] != 0, size))
}

/// The regions of GNU's old sparse form: pairs of numbers, an empty one ends them.
pub(super) fn regions_of(fields: &[u8], regions: &mut Vec<Region>) -> Result<(), &'static str> {
    for pair in fields.chunks_exact(24) {
        if pair[0] == 0 {
            break;
        }
        let field =
            |bytes| number(bytes).and_then(|n| u64::try_from(n).ok()).ok_or("the sparse map is no numbers");
        regions.push(Region { offset: field(&pair[..12])?, length: field(&pair[12..])? });
    }
    Ok(())
}

/// Up to the first NUL.
fn text(field: &[u8]) -> &[u8] {
    field.split(|b| *b == 0).next().unwrap_or_default()
}

/// Octal digits between blanks, or GNU's base 256: two's complement, marked by the first bit. An empty field is 0.
pub(super) fn number(field: &[u8]) -> Option<i64> {
    let first = *field.first()?;
    if first & 0x80 != 0 {
        let negative = first & 0x40 != 0;
        let mut bytes = field.to_vec();
        if !negative {
            bytes[0] &= 0x7f;
        }
        let (high, low) = bytes.split_at(bytes.len().checked_sub(8)?);
        let value = i64::from_be_bytes(low.try_into().ok()?);
        let fits = high.iter().all(|b| *b == if negative { 0xff } else { 0 }) && (value < 0) == negative;
        return fits.then_some(value);
    }
    // What follows the terminator may be left over from the writer's memory.
    let digits = field.trim_ascii_start();
    let end = digits.iter().position(|b| matches!(b, 0 | b' ')).unwrap_or(digits.len());
    digits[..end].iter().try_fold(0i64, |value, digit| match digit {
        b'0'..=b'7' => value.checked_mul(8)?.checked_add(i64::from(digit - b'0')),
        _ => None,
    })
}

/// The sum of all bytes, the field itself counted as blanks; old writers added signed bytes.
fn check_sum(block: &Block) -> Result<(), &'static str> {
    let stated = number(&block[148..156]).ok_or("the header's check sum is no number")?;
    let counted = |at: usize| if (148..156).contains(&at) { b' ' } else { block[at] };
    let unsigned: i64 = (0..BLOCK).map(|at| i64::from(counted(at))).sum();
    let signed: i64 = (0..BLOCK).map(|at| i64::from(counted(at) as i8)).sum();
    if stated == unsigned || stated == signed { Ok(()) } else { Err("the header's check sum is wrong") }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_in_all_their_forms() {
        for (field, value) in [
            (&b"0000644\0"[..], Some(0o644)),
            (b"   644 \0", Some(0o644)),
            (b"644\0\0\0\0\0", Some(0o644)),
            (b"00000644", Some(0o644)),
            (b"\0\0\0\0\0\0\0\0", Some(0)),
            (b"        ", Some(0)),
            (b"0000x44\0", None),
            (b"9\0\0\0\0\0\0\0", None),
            (b"-1\0\0\0\0\0\0", None),
            (b"\x80\0\0\0\x3b\xa5\x4c\x60", Some(0x3ba5_4c60)),
            (b"\xff\xff\xff\xff\xff\xff\xff\xff", Some(-1)),
            (b"\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xfe", Some(-2)),
            (b"\x80\0\0\0\0\0\0\x02\0\0\0\0", Some(1 << 33)),
            (b"\x80\0\0\0\x80\0\0\0\0\0\0\0", None),
            (b"\x81\0\0\0\0\0\0\0\0\0\0\0", None),
            (b"", None),
        ] {
            assert_eq!(number(field), value, "{field:?}");
        }
    }
}
