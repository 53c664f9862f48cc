//! Whom to trust: the machine's own certificate authorities, so that an organisation's own is among them.

use crate::environment::Environment;
use std::collections::HashSet;
use std::fs::File;
use std::io::Read;
use std::path::{Path, PathBuf};
use ureq::tls::{Certificate, PemItem, RootCerts, parse_pem};

/// Where distributions keep the bundle of all authorities, the first that there is being meant (Debian, Fedora and RHEL,
/// openSUSE, Alpine and others).
const BUNDLES: [&str; 5] = [
    "/etc/ssl/certs/ca-certificates.crt",
    "/etc/pki/ca-trust/extracted/pem/tls-ca-bundle.pem",
    "/etc/pki/tls/certs/ca-bundle.crt",
    "/etc/ssl/ca-bundle.pem",
    "/etc/ssl/cert.pem",
];

/// Bytes of a bundle; the largest have a few hundred kilobytes.
const BUNDLE_LIMIT: u64 = 32 << 20;

/// Files in a directory of certificates.
const FILES_LIMIT: usize = 10_000;

/// Where certificates are looked for.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Sources {
    files: Vec<PathBuf>,
    directories: Vec<PathBuf>,
}

impl Sources {
    /// `SSL_CERT_FILE` and `SSL_CERT_DIR` as OpenSSL reads them; without either, the system's bundle.
    pub fn of(environment: &Environment) -> Self {
        let file = environment.text("SSL_CERT_FILE").map(PathBuf::from);
        let directories: Vec<PathBuf> = environment
            .text("SSL_CERT_DIR")
            .map(|list| list.split(':').filter(|path| !path.is_empty()).map(PathBuf::from).collect())
            .unwrap_or_default();
        let files = match file {
            Some(file) => vec![file],
            None if directories.is_empty() => {
                BUNDLES.iter().map(PathBuf::from).filter(|path| path.exists()).take(1).collect()
            }
            None => Vec::new(),
        };
        // A file is the bundle of what is in the directory; reading both is reading everything twice.
        let directories = if files.iter().any(|file| file.is_file()) { Vec::new() } else { directories };
        Self { files, directories }
    }

    /// Reads them. What cannot be read is left out: a certificate that it would have vouched for is then not trusted.
    pub fn load(&self) -> RootCerts {
        let mut certificates = Vec::new();
        let mut seen = HashSet::new();
        for path in self.paths() {
            for item in parse_pem(&read(&path)).flatten() {
                if let PemItem::Certificate(certificate) = item
                    && seen.insert(certificate.der().to_vec())
                {
                    certificates.push(certificate);
                }
            }
        }
        let certificates: Vec<Certificate<'static>> = certificates;
        RootCerts::new_with_certs(&certificates)
    }

    /// All of them in PEM form, as they stand in the files.
    pub fn pem(&self) -> Vec<u8> {
        let mut pem = Vec::new();
        for path in self.paths() {
            pem.extend(read(&path));
            pem.push(b'\n');
        }
        pem
    }

    fn paths(&self) -> impl Iterator<Item = PathBuf> {
        self.files.iter().cloned().chain(self.directories.iter().flat_map(|path| files_in(path)))
    }
}

fn files_in(directory: &Path) -> Vec<PathBuf> {
    let Ok(entries) = std::fs::read_dir(directory) else { return Vec::new() };
    let mut paths: Vec<PathBuf> = entries.flatten().take(FILES_LIMIT).map(|entry| entry.path()).collect();
    paths.sort();
    paths
}

fn read(path: &Path) -> Vec<u8> {
    let mut bytes = Vec::new();
    if let Ok(file) = File::open(path) {
        // A file that breaks off in the middle still has the certificates before that.
        let _ = file.take(BUNDLE_LIMIT).read_to_end(&mut bytes);
    }
    bytes
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_environment_comes_first() {
        let sources = |variables: &[(&str, &str)]| Sources::of(&Environment::of(variables, true));
        let named = sources(&[("SSL_CERT_FILE", "/no/such/file"), ("SSL_CERT_DIR", "/a:/b")]);
        assert_eq!(named.files, [Path::new("/no/such/file")]);
        assert_eq!(named.directories, [Path::new("/a"), Path::new("/b")]);
        assert_eq!(sources(&[("SSL_CERT_DIR", "/a")]).files, Vec::<PathBuf>::new());
        assert!(sources(&[]).files.len() <= 1);
    }
}
