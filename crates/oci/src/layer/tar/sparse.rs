//! Maps of sparse files: which parts of a file are stored; the rest is holes.

use std::io::{self, Read};

use super::{BLOCK, SPECIAL_LIMIT};

/// A part of a file that is stored.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Region {
    pub offset: u64,
    pub length: u64,
}

/// As many parts as an archive may list; GNU tar's own maps have one per extent of a file.
pub(super) const REGION_LIMIT: usize = 1 << 20;

/// Checks that the parts are in order, inside the file, and as long together as what is stored.
pub(super) fn check(regions: &[Region], size: u64, stored: u64) -> Result<(), &'static str> {
    let (mut end, mut sum) = (0u64, 0u64);
    for region in regions {
        let next = region.offset.checked_add(region.length).ok_or("the sparse map leaves the file")?;
        if region.offset < end || next > size {
            return Err("the sparse map leaves the file or overlaps");
        }
        end = next;
        sum += region.length;
    }
    // Writers pad the stored part in different ways; more is left over and skipped, less cannot be.
    if sum > stored { Err("the sparse map is longer than what is stored") } else { Ok(()) }
}

/// The map in front of the content, as GNU's pax form 1.0 has it: decimal numbers, one a line, filled up to a block.
/// Also says how many bytes it took.
pub(super) fn read_map(input: &mut dyn Read) -> io::Result<Result<(Vec<Region>, u64), &'static str>> {
    let mut taken = 0u64;
    let mut numbers: Vec<u64> = Vec::new();
    let mut wanted = None;
    let mut digits = 0u64;
    let mut any = false;
    while wanted.is_none_or(|wanted| numbers.len() < wanted) {
        let mut block = [0u8; BLOCK];
        input.read_exact(&mut block)?;
        taken += BLOCK as u64;
        if taken > SPECIAL_LIMIT * 32 {
            return Ok(Err("the sparse map is too long"));
        }
        for byte in block {
            match byte {
                b'0'..=b'9' => {
                    let Some(more) =
                        digits.checked_mul(10).and_then(|n| n.checked_add(u64::from(byte - b'0')))
                    else {
                        return Ok(Err("the sparse map is no numbers"));
                    };
                    (digits, any) = (more, true);
                }
                b'\n' if any => {
                    match wanted {
                        None if digits <= REGION_LIMIT as u64 => wanted = Some(digits as usize * 2),
                        None => return Ok(Err("the sparse map is too long")),
                        Some(_) => numbers.push(digits),
                    }
                    (digits, any) = (0, false);
                    if wanted.is_some_and(|wanted| numbers.len() >= wanted) {
                        break;
                    }
                }
                _ => return Ok(Err("the sparse map is no numbers")),
            }
        }
    }
    let regions = numbers.chunks_exact(2).map(|pair| Region { offset: pair[0], length: pair[1] }).collect();
    Ok(Ok((regions, taken)))
}
