//! Certificates among the files: what each says of itself.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use dockerfile::Span;
use project::yaml::Node;
use x509_parser::certificate::X509Certificate;
use x509_parser::prelude::FromDer;
use x509_parser::public_key::PublicKey;

use super::{Facts, Files, SourceId, pem};
use crate::finding::Place;

/// A bundle of all public authorities is a quarter of this.
const MAX_BYTES: usize = 2 << 20;

/// A certificate, or what stands where one should.
#[derive(Clone, Debug)]
pub struct Certificate {
    /// The line that begins it; of a binary file the file.
    pub place: Place,
    /// What it says; nothing where it is no certificate.
    pub content: Option<Content>,
    /// How many certificates stand before it in the same file.
    pub index: usize,
    /// Whether it stands in a file of its own and not inside a manifest or a script.
    pub own_file: bool,
}

/// What a certificate says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Content {
    /// The common name, or the whole subject.
    pub subject: String,
    /// Seconds since 1970.
    pub not_before: i64,
    /// Seconds since 1970.
    pub not_after: i64,
    /// Whether it may sign others.
    pub authority: bool,
    /// Whether it names itself as its issuer.
    pub self_issued: bool,
    /// The subject and the issuer, as they stand there.
    pub names: (Vec<u8>, Vec<u8>),
    /// Why its key or signature is weak.
    pub weak: Option<String>,
    /// All of it.
    pub der: Vec<u8>,
}

/// A private key among the files.
#[derive(Clone, Copy, Debug)]
pub struct PrivateKey {
    /// The line that begins it.
    pub place: Place,
    /// Whether a passphrase protects it.
    pub encrypted: bool,
}

/// Reads files that are named like certificates or keys, and every text that is among the facts already.
pub(super) fn gather(facts: &mut Facts, files: &dyn Files) {
    for index in 0..facts.sources.len() {
        let source = SourceId(index);
        if facts.sources[index].text.contains("-----BEGIN ") {
            read(facts, source, false);
        }
    }
    inside_secrets(facts);
    let known: std::collections::BTreeSet<String> =
        facts.sources.iter().map(|source| source.name.clone()).collect();
    let paths: Vec<String> = facts
        .files
        .iter()
        .map(|file| file.path.clone())
        .filter(|path| named(path) && !known.contains(path))
        .collect();
    for path in paths {
        let Ok(Some(bytes)) = files.read(&path) else { continue };
        if bytes.len() > MAX_BYTES || bytes.is_empty() {
            continue;
        }
        match String::from_utf8(bytes) {
            Ok(text) => {
                let source = facts.add_source(path.clone(), text);
                read(facts, source, true);
                let empty = !facts.certificates.iter().any(|certificate| certificate.place.source == source);
                let other = facts.source(source).text.contains("-----BEGIN ");
                if empty && !other && only_certificates(&path) {
                    facts.certificates.push(Certificate {
                        place: Place::file(source),
                        content: None,
                        index: 0,
                        own_file: true,
                    });
                }
            }
            Err(bytes) if !path.ends_with(".key") => {
                let content = content(bytes.as_bytes());
                // `.cer` and `.pem` that are binary may hold what is no certificate (PKCS 7): only what can be read counts.
                if content.is_some() {
                    let source = facts.add_source(path, "");
                    facts.certificates.push(Certificate {
                        place: Place::file(source),
                        content,
                        index: 0,
                        own_file: true,
                    });
                }
            }
            Err(_) => {}
        }
    }
}

/// A Secret holds its certificates in base64; the key's place stands for them.
fn inside_secrets(facts: &mut Facts) {
    let mut found = Vec::new();
    for secret in facts.objects_of("", "Secret") {
        for pair in secret.node.get("data").map_or(&[][..], Node::pairs) {
            let plain: String = pair.value.text().unwrap_or_default().split_whitespace().collect();
            let Ok(bytes) = STANDARD.decode(plain) else { continue };
            let Ok(text) = String::from_utf8(bytes) else { continue };
            let certificates = pem::blocks(&text).into_iter().filter(|block| block.label == "CERTIFICATE");
            for (index, block) in certificates.enumerate() {
                let content = block.bytes.as_deref().and_then(content);
                found.push(Certificate { place: secret.place(pair.span), content, index, own_file: false });
            }
        }
    }
    facts.certificates.extend(found);
}

fn named(path: &str) -> bool {
    let name = path.rsplit('/').next().unwrap_or(path);
    let of_ssh = ["id_rsa", "id_dsa", "id_ecdsa", "id_ed25519"].contains(&name) || name.ends_with("_rsa");
    let ends = [".pem", ".crt", ".cer", ".cert", ".der", ".ca-bundle", ".key", ".p8"];
    of_ssh || ends.iter().any(|end| path.ends_with(end))
}

/// `.pem` and `.key` may hold keys, parameters, requests.
fn only_certificates(path: &str) -> bool {
    [".crt", ".cert", ".ca-bundle"].iter().any(|end| path.ends_with(end))
}

fn read(facts: &mut Facts, source: SourceId, own_file: bool) {
    let mut index = 0;
    for block in pem::blocks(&facts.sources[source.0].text) {
        let place = Place::new(source, block.begin);
        if matches!(block.label.as_str(), "CERTIFICATE" | "TRUSTED CERTIFICATE" | "X509 CERTIFICATE") {
            let content = block.bytes.as_deref().and_then(content);
            facts.certificates.push(Certificate { place, content, index, own_file });
            index += 1;
        } else if block.label.ends_with("PRIVATE KEY") {
            let text = &facts.sources[source.0].text[block.begin.end..];
            let encrypted = block.label.starts_with("ENCRYPTED")
                || text.get(..60).is_some_and(|start| start.contains("ENCRYPTED"));
            facts.private_keys.push(PrivateKey { place, encrypted });
        }
    }
}

fn content(der: &[u8]) -> Option<Content> {
    let (_, certificate) = X509Certificate::from_der(der).ok()?;
    let name = certificate.subject().iter_common_name().next().and_then(|name| name.as_str().ok());
    let authority = match certificate.basic_constraints() {
        Ok(Some(constraints)) => constraints.value.ca,
        // The first versions of certificates have no extensions; as roots they are authorities.
        _ => certificate.version().0 == 0 && certificate.subject() == certificate.issuer(),
    };
    let self_issued = certificate.subject() == certificate.issuer();
    Some(Content {
        subject: name.map_or_else(|| certificate.subject().to_string(), str::to_owned),
        not_before: certificate.validity().not_before.timestamp(),
        not_after: certificate.validity().not_after.timestamp(),
        authority,
        self_issued,
        names: (certificate.subject().as_raw().to_vec(), certificate.issuer().as_raw().to_vec()),
        weak: weak_key(&certificate).or_else(|| weak_signature(&certificate)),
        der: der.to_vec(),
    })
}

fn weak_key(certificate: &X509Certificate<'_>) -> Option<String> {
    match certificate.public_key().parsed().ok()? {
        PublicKey::RSA(key) if key.key_size() < 2048 => {
            Some(format!("an RSA key of {} bits", key.key_size()))
        }
        PublicKey::DSA(_) => Some("a DSA key".to_owned()),
        PublicKey::EC(point) if point.key_size() < 224 => {
            Some(format!("an elliptic curve of {} bits", point.key_size()))
        }
        _ => None,
    }
}

fn weak_signature(certificate: &X509Certificate<'_>) -> Option<String> {
    let algorithm = certificate.signature_algorithm.algorithm.to_id_string();
    let name = match algorithm.as_str() {
        "1.2.840.113549.1.1.2" => "MD2",
        "1.2.840.113549.1.1.4" => "MD5",
        "1.2.840.113549.1.1.5" | "1.2.840.10045.4.1" | "1.2.840.10040.4.3" => "SHA-1",
        _ => return None,
    };
    Some(format!("a signature with {name}"))
}

/// Fuzzing's entry: any bytes are blocks and certificates, or none.
pub fn fuzz_certificates(data: &[u8]) {
    let _ = content(data);
    for block in pem::blocks(&String::from_utf8_lossy(data)) {
        let _: Span = block.begin;
        let _ = block.bytes.as_deref().map(content);
    }
}
