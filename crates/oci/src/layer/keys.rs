//! Private keys and keystores among new files. They differ in every run and are never touched; they are named, so that
//! a record can say why a step is not reproducible and a rule can say what it thinks of a key in a layer.

use crate::tree::file_name;

/// How much of a file's beginning is looked at.
pub(super) const LOOKED_AT: usize = 4096;

/// What a file is, if it is a key or a keystore, by its path and its first bytes.
pub(super) fn classify(path: &[u8], start: &[u8]) -> Option<&'static str> {
    let name = file_name(path);
    let start = &start[..start.len().min(LOOKED_AT)];
    if path.starts_with(b"etc/ssh/ssh_host_") && name.ends_with(b"_key") {
        return Some("ssh host key");
    }
    if start.starts_with(&[0xfe, 0xed, 0xfe, 0xed]) || start.starts_with(&[0xce, 0xce, 0xce, 0xce]) {
        return Some("Java keystore");
    }
    if [&b".p12"[..], b".pfx", b".keystore"].iter().any(|suffix| name.ends_with(suffix))
        && start.first() == Some(&0x30)
    {
        return Some("PKCS #12 keystore");
    }
    has_pem_key(start).then_some("private key")
}

/// `-----BEGIN [something ]PRIVATE KEY-----` at the beginning of a line.
fn has_pem_key(start: &[u8]) -> bool {
    start.split(|b| *b == b'\n').any(|line| {
        line.strip_prefix(b"-----BEGIN ").is_some_and(|rest| {
            let rest = rest.strip_suffix(b"\r").unwrap_or(rest);
            rest.ends_with(b"PRIVATE KEY-----") && rest.len() < 64
        })
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_are_recognised() {
        for (path, start, what) in [
            ("etc/ssh/ssh_host_rsa_key", &b"x"[..], Some("ssh host key")),
            ("etc/ssh/ssh_host_rsa_key.pub", b"ssh-rsa", None),
            ("k", b"-----BEGIN PRIVATE KEY-----\nMIIE", Some("private key")),
            ("k", b"text\r\n-----BEGIN OPENSSH PRIVATE KEY-----\r\n", Some("private key")),
            ("k", b"-----BEGIN CERTIFICATE-----\n", None),
            ("k", b"grep '-----BEGIN PRIVATE KEY-----'", None),
            ("etc/ssl/certs/java/cacerts", b"\xfe\xed\xfe\xed\0\0\0\x02", Some("Java keystore")),
            ("A.class", b"\xca\xfe\xba\xbe", None),
            ("a.p12", b"\x30\x82", Some("PKCS #12 keystore")),
            ("a", b"", None),
        ] {
            assert_eq!(classify(path.as_bytes(), start), what, "{path}");
        }
    }
}
