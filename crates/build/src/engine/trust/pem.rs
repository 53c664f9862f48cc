//! Certificates as text (RFC 7468), and the one field of them that is looked at.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;

pub const BEGIN: &str = "-----BEGIN CERTIFICATE-----";
pub const END: &str = "-----END CERTIFICATE-----";

/// Every certificate of a text, in DER. What is no certificate, or cannot be read, is passed over.
pub fn certificates(text: &[u8]) -> Vec<Vec<u8>> {
    let mut found = Vec::new();
    let mut block: Option<Vec<u8>> = None;
    for line in text.split(|byte| *byte == b'\n').map(<[u8]>::trim_ascii) {
        if line == BEGIN.as_bytes() {
            block = Some(Vec::new());
        } else if line == END.as_bytes() {
            found.extend(block.take().and_then(|block| STANDARD.decode(block).ok()));
        } else if let Some(block) = &mut block {
            block.extend_from_slice(line);
        }
    }
    found
}

/// Whether a text has a certificate, and no private key: a bundle of authorities, not somebody's identity.
pub fn is_bundle(text: &[u8]) -> bool {
    let has = |word: &str| aho_corasick::AhoCorasick::new([word]).is_ok_and(|search| search.is_match(text));
    has("CERTIFICATE-----") && !has("PRIVATE KEY-----")
}

/// A certificate as text, in lines of 64 characters.
pub fn write(certificate: &[u8]) -> String {
    let body = STANDARD.encode(certificate);
    let mut text = format!("{BEGIN}\n");
    for line in body.as_bytes().chunks(64) {
        text.extend(line.iter().map(|byte| char::from(*byte)));
        text.push('\n');
    }
    text + END + "\n"
}

/// The bits of a certificate's public key (RFC 5280, 4.1): version, serial number, algorithm, issuer, validity and subject
/// stand before it.
pub fn public_key(certificate: &[u8]) -> Option<&[u8]> {
    const SEQUENCE: u8 = 0x30;
    const BIT_STRING: u8 = 0x03;
    const VERSION: u8 = 0xa0;
    let (_, certificate, _) = element(certificate, Some(SEQUENCE))?;
    let (_, mut rest, _) = element(certificate, Some(SEQUENCE))?;
    let mut skip = 5;
    while skip > 0 {
        let (tag, _, after) = element(rest, None)?;
        rest = after;
        skip -= usize::from(tag != VERSION);
    }
    let (_, key, _) = element(rest, Some(SEQUENCE))?;
    let (_, _algorithm, rest) = element(key, Some(SEQUENCE))?;
    let (_, bits, _) = element(rest, Some(BIT_STRING))?;
    bits.get(1..)
}

/// The first element of DER bytes: its tag, its content, and what follows it.
pub fn element(bytes: &[u8], expected: Option<u8>) -> Option<(u8, &[u8], &[u8])> {
    let (&[tag, first], rest) = bytes.split_first_chunk::<2>()?;
    if expected.is_some_and(|expected| expected != tag) {
        return None;
    }
    let (length, rest) = match first {
        ..=0x7f => (usize::from(first), rest),
        0x81..=0x84 => {
            let (digits, rest) = rest.split_at_checked(usize::from(first & 0x7f))?;
            (digits.iter().fold(0, |length, digit| (length << 8) | usize::from(*digit)), rest)
        }
        _ => return None,
    };
    let (content, rest) = rest.split_at_checked(length)?;
    Some((tag, content, rest))
}
