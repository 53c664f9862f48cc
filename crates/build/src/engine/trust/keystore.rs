//! A keystore of trusted certificates in Java's first format (JKS), which every Java reads, also without a password.
//!
//! Where an image has a keystore, certificates are added to it. One in the newer format (PKCS #12) that has no password, as
//! Java brings it along, becomes one of the first: Java looks at what a file holds, not at its name.

use sha1::{Digest, Sha1};

use super::pem::element;

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

/// A keystore that cannot be read: of another format, or with a password.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Closed;

/// A keystore with those of the certificates that it lacks; nothing where it lacks none.
///
/// # Errors
/// It cannot be read.
pub fn with(old: &[u8], certificates: &[Vec<u8>]) -> Result<Option<Vec<u8>>, Closed> {
    let known = match read(old) {
        Some(known) => known,
        None => read_pkcs12(old).ok_or(Closed)?,
    };
    let missing: Vec<&Vec<u8>> = certificates.iter().filter(|one| !known.contains(*one)).collect();
    if missing.is_empty() {
        return Ok(None);
    }
    let all: Vec<Vec<u8>> = known.iter().chain(missing).cloned().collect();
    Ok(Some(write(&all)))
}

/// The certificates of a keystore in the first format that has nothing but those.
fn read(store: &[u8]) -> Option<Vec<Vec<u8>>> {
    let mut rest = store.get(..store.len().checked_sub(20)?)?;
    if take_number(&mut rest)? != MAGIC {
        return None;
    }
    let version = take_number(&mut rest)?;
    let count = take_number(&mut rest)?;
    let mut certificates = Vec::new();
    for _ in 0..count {
        if take_number(&mut rest)? != TRUSTED_CERTIFICATE {
            return None;
        }
        take_text(&mut rest)?;
        take(&mut rest, 8)?;
        if version == VERSION {
            take_text(&mut rest)?;
        }
        let length = take_number(&mut rest)? as usize;
        certificates.push(take(&mut rest, length)?.to_vec());
    }
    Some(certificates)
}

/// The certificates of a PKCS #12 file (RFC 7292) that has no password and no keys.
fn read_pkcs12(store: &[u8]) -> Option<Vec<Vec<u8>>> {
    const SEQUENCE: Option<u8> = Some(0x30);
    const OCTETS: Option<u8> = Some(0x04);
    const OBJECT: Option<u8> = Some(0x06);
    const EXPLICIT: Option<u8> = Some(0xa0);
    /// `data` of PKCS #7.
    const DATA: &[u8] = &[0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 0x01, 0x07, 0x01];
    /// `certBag`, and `x509Certificate` in it.
    const CERTIFICATES: &[u8] = &[0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 0x01, 0x0c, 0x0a, 0x01, 0x03];
    const X509: &[u8] = &[0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 0x01, 0x09, 0x16, 0x01];
    fn typed<'b>(content: &'b [u8], kind: &[u8]) -> Option<&'b [u8]> {
        let (_, object, rest) = element(content, OBJECT)?;
        let (_, value, _) = element(rest, EXPLICIT)?;
        (object == kind).then_some(value)
    }
    let (_, whole, _) = element(store, SEQUENCE)?;
    let (_, _version, rest) = element(whole, None)?;
    let (_, safe, _) = element(rest, SEQUENCE)?;
    let (_, safes, _) = element(typed(safe, DATA)?, OCTETS)?;
    let (_, mut safes, _) = element(safes, SEQUENCE)?;
    let mut certificates = Vec::new();
    while !safes.is_empty() {
        let (_, safe, rest) = element(safes, SEQUENCE)?;
        safes = rest;
        let (_, bags, _) = element(typed(safe, DATA)?, OCTETS)?;
        let (_, mut bags, _) = element(bags, SEQUENCE)?;
        while !bags.is_empty() {
            let (_, bag, rest) = element(bags, SEQUENCE)?;
            bags = rest;
            let (_, certificate, _) = element(typed(bag, CERTIFICATES)?, SEQUENCE)?;
            let (_, certificate, _) = element(typed(certificate, X509)?, OCTETS)?;
            certificates.push(certificate.to_vec());
        }
    }
    Some(certificates)
}

fn take<'b>(rest: &mut &'b [u8], length: usize) -> Option<&'b [u8]> {
    let (taken, after) = rest.split_at_checked(length)?;
    *rest = after;
    Some(taken)
}

fn take_number(rest: &mut &[u8]) -> Option<u32> {
    Some(u32::from_be_bytes(take(rest, 4)?.try_into().ok()?))
}

fn take_text(rest: &mut &[u8]) -> Option<()> {
    let length = u16::from_be_bytes(take(rest, 2)?.try_into().ok()?);
    take(rest, usize::from(length)).map(drop)
}

fn put_number(store: &mut Vec<u8>, number: u32) {
    store.extend(number.to_be_bytes());
}

fn put_text(store: &mut Vec<u8>, text: &str) {
    store.extend((text.len() as u16).to_be_bytes());
    store.extend(text.as_bytes());
}

#[cfg(test)]
mod tests {
    use super::*;

    fn der(tag: u8, parts: &[&[u8]]) -> Vec<u8> {
        let content = parts.concat();
        let mut element = vec![tag, 0x82, (content.len() >> 8) as u8, content.len() as u8];
        element.extend(content);
        element
    }

    #[test]
    fn certificates_are_added_once() {
        let (one, two) = (b"first".to_vec(), b"second".to_vec());
        let store = write(std::slice::from_ref(&one));
        let new = with(&store, &[one.clone(), two.clone()]).unwrap().unwrap();
        assert_eq!(read(&new), Some(vec![one.clone(), two.clone()]));
        assert_eq!(with(&new, &[two, one]), Ok(None));
        assert_eq!(with(b"something else, of some length at least", &[]), Err(Closed));
    }

    #[test]
    fn the_newer_format_is_read_where_it_has_no_password() {
        let data = [0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 0x01, 0x07, 0x01];
        let bag = [0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 0x01, 0x0c, 0x0a, 0x01, 0x03];
        let x509 = [0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 0x01, 0x09, 0x16, 0x01];
        let certificate = der(0x30, &[&der(6, &[&x509]), &der(0xa0, &[&der(4, &[b"a certificate"])])]);
        let bags = der(0x30, &[&der(0x30, &[&der(6, &[&bag]), &der(0xa0, &[&certificate])])]);
        let safe = |content: &[u8]| der(0x30, &[&der(6, &[&data]), &der(0xa0, &[&der(4, &[content])])]);
        let store = der(0x30, &[&[2, 1, 3], &safe(&der(0x30, &[&safe(&bags)]))]);
        assert_eq!(read_pkcs12(&store), Some(vec![b"a certificate".to_vec()]));
        let new = with(&store, &[b"ours".to_vec()]).unwrap().unwrap();
        assert_eq!(read(&new), Some(vec![b"a certificate".to_vec(), b"ours".to_vec()]));
    }
}
