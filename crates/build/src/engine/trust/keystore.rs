//! A keystore of trusted certificates in Java's first format (JKS), which every Java reads, also without a password.

use sha1::{Digest, Sha1};

const MAGIC: u32 = 0xfeed_feed;
const VERSION: u32 = 2;
const TRUSTED_CERTIFICATE: u32 = 2;
/// What every Java takes for the password where nobody gives one.
const PASSWORD: &str = "changeit";
/// Part of the digest over a keystore, by whoever wrote the first one.
const WHITENER: &[u8] = b"Mighty Aphrodite";

/// A keystore with these certificates. Its entries have no time.
pub fn write(certificates: &[Vec<u8>]) -> Vec<u8> {
    let mut store = Vec::new();
    put_number(&mut store, MAGIC);
    put_number(&mut store, VERSION);
    put_number(&mut store, certificates.len() as u32);
    for (number, certificate) in certificates.iter().enumerate() {
        put_number(&mut store, TRUSTED_CERTIFICATE);
        put_text(&mut store, &format!("{number}"));
        store.extend(0u64.to_be_bytes());
        put_text(&mut store, "X.509");
        put_number(&mut store, certificate.len() as u32);
        store.extend(certificate);
    }
    let mut digest = Sha1::new();
    digest.update(PASSWORD.encode_utf16().flat_map(u16::to_be_bytes).collect::<Vec<u8>>());
    digest.update(WHITENER);
    digest.update(&store);
    store.extend(digest.finalize());
    store
}

fn put_number(store: &mut Vec<u8>, number: u32) {
    store.extend(number.to_be_bytes());
}

fn put_text(store: &mut Vec<u8>, text: &str) {
    store.extend((text.len() as u16).to_be_bytes());
    store.extend(text.as_bytes());
}
