//! Randomness: the only place that asks for it.

use std::io::{self, Read};

/// Bytes that nobody can guess.
pub fn secret() -> io::Result<[u8; 32]> {
    let mut bytes = [0; 32];
    std::fs::File::open("/dev/urandom")?.read_exact(&mut bytes)?;
    Ok(bytes)
}

/// Twelve characters of `[0-9a-f]`: the name of a build that began in this millisecond of its second. They come first,
/// so that builds of the same second sort in their order; the rest is random.
pub fn build_id(millis: u32) -> String {
    let mut bytes = [0; 5];
    let read = std::fs::File::open("/dev/urandom").and_then(|mut device| device.read_exact(&mut bytes));
    if read.is_err() {
        // Where there is no such device, process and time are the best name there is.
        let seed = (crate::clock::now() as u64) ^ (u64::from(std::process::id()) << 40);
        bytes.copy_from_slice(&seed.to_be_bytes()[3..]);
    }
    let random: String = bytes.iter().map(|byte| format!("{byte:02x}")).collect();
    format!("{millis:03x}{}", &random[..9])
}
