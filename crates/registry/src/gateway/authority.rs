//! The certificate authority of one step: made when the step begins, known to nobody else, gone when it ends.

use std::collections::HashMap;
use std::net::IpAddr;
use std::sync::{Arc, Mutex};

use rcgen::{
    BasicConstraints, CertificateParams, DistinguishedName, DnType, ExtendedKeyUsagePurpose, IsCa, Issuer,
    KeyPair, KeyUsagePurpose, SanType, date_time_ymd,
};
use rustls::ServerConfig;
use rustls::crypto::ring;
use rustls::pki_types::{CertificateDer, PrivateKeyDer, PrivatePkcs8KeyDer};
use rustls::server::ServerSessionMemoryCache;

/// Sessions of one host that clients may resume: tools that make a connection for each file save a round trip.
const SESSIONS: usize = 32;

/// Hosts whose certificates are kept; one that was forgotten is made again in a fraction of a millisecond.
const HOSTS: usize = 4096;

/// An authority cannot be made, or cannot vouch for a name.
#[derive(Debug, thiserror::Error)]
pub enum AuthorityError {
    /// A certificate cannot be made.
    #[error("the certificate of `{name}` cannot be made")]
    Certificate {
        /// Of whom.
        name: String,
        /// Why.
        #[source]
        source: rcgen::Error,
    },
    /// A certificate cannot be used.
    #[error("the certificate of `{name}` cannot be used")]
    Unusable {
        /// Of whom.
        name: String,
        /// Why.
        #[source]
        source: rustls::Error,
    },
}

/// Vouches for every host towards one step.
pub(super) struct Authority {
    pem: Vec<u8>,
    issuer: Issuer<'static, KeyPair>,
    /// One key for all hosts: whoever has it could have the authority's as well.
    leaf_key: KeyPair,
    configs: Mutex<HashMap<String, Arc<ServerConfig>>>,
}

impl Authority {
    pub(super) fn new() -> Result<Authority, AuthorityError> {
        let name = "Kapok step gateway";
        let failed = |source| AuthorityError::Certificate { name: name.to_owned(), source };
        let mut params = parameters(name);
        params.is_ca = IsCa::Ca(BasicConstraints::Constrained(0));
        params.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::CrlSign];
        let key = KeyPair::generate().map_err(failed)?;
        let certificate = params.self_signed(&key).map_err(failed)?;
        Ok(Authority {
            pem: certificate.pem().into_bytes(),
            issuer: Issuer::new(params, key),
            leaf_key: KeyPair::generate().map_err(failed)?,
            configs: Mutex::default(),
        })
    }

    /// Its certificate, PEM.
    pub(super) fn pem(&self) -> &[u8] {
        &self.pem
    }

    /// How a TLS server for a host answers: a name, or an address without brackets.
    pub(super) fn config(&self, host: &str) -> Result<Arc<ServerConfig>, AuthorityError> {
        if let Some(known) = self.configs().get(host) {
            return Ok(known.clone());
        }
        let config = Arc::new(self.make(host)?);
        let mut configs = self.configs();
        if configs.len() >= HOSTS {
            configs.clear();
        }
        configs.insert(host.to_owned(), config.clone());
        Ok(config)
    }

    fn make(&self, host: &str) -> Result<ServerConfig, AuthorityError> {
        let failed = |source| AuthorityError::Certificate { name: host.to_owned(), source };
        let unusable = |source| AuthorityError::Unusable { name: host.to_owned(), source };
        let leaf = self.leaf(host).map_err(failed)?;
        let key = PrivateKeyDer::Pkcs8(PrivatePkcs8KeyDer::from(self.leaf_key.serialize_der()));
        let mut config = ServerConfig::builder_with_provider(Arc::new(ring::default_provider()))
            .with_safe_default_protocol_versions()
            .map_err(unusable)?
            .with_no_client_auth()
            .with_single_cert(vec![leaf], key)
            .map_err(unusable)?;
        config.alpn_protocols = vec![b"h2".to_vec(), b"http/1.1".to_vec()];
        config.session_storage = ServerSessionMemoryCache::new(SESSIONS);
        Ok(config)
    }

    fn leaf(&self, host: &str) -> Result<CertificateDer<'static>, rcgen::Error> {
        // A common name has at most 64 characters; clients look at the alternative names.
        let mut params = parameters(if host.len() <= 64 { host } else { "Kapok step gateway host" });
        params.is_ca = IsCa::ExplicitNoCa;
        params.use_authority_key_identifier_extension = true;
        params.key_usages = vec![KeyUsagePurpose::DigitalSignature];
        params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ServerAuth];
        params.subject_alt_names = vec![match host.parse::<IpAddr>() {
            Ok(address) => SanType::IpAddress(address),
            Err(_) => SanType::DnsName(host.try_into()?),
        }];
        Ok(params.signed_by(&self.leaf_key, &self.issuer)?.into())
    }

    fn configs(&self) -> std::sync::MutexGuard<'_, HashMap<String, Arc<ServerConfig>>> {
        self.configs.lock().unwrap_or_else(|poisoned| poisoned.into_inner())
    }
}

/// Valid for as long as steps can think it is: their clock may be set to anything that a build wants.
fn parameters(name: &str) -> CertificateParams {
    let mut params = CertificateParams::default();
    params.not_before = date_time_ymd(1990, 1, 1);
    params.not_after = date_time_ymd(2049, 12, 31);
    let mut subject = DistinguishedName::new();
    subject.push(DnType::CommonName, name);
    params.distinguished_name = subject;
    params
}

#[cfg(test)]
mod tests {
    use super::*;
    use rustls::RootCertStore;
    use rustls::client::WebPkiServerVerifier;
    use rustls::client::danger::ServerCertVerifier;
    use rustls::pki_types::{ServerName, UnixTime};

    #[test]
    fn it_vouches_for_names_and_addresses() {
        let authority = Authority::new().unwrap();
        let mut roots = RootCertStore::empty();
        roots.add_parsable_certificates(crate::tls::certificates(authority.pem(), "step").unwrap());
        assert_eq!(roots.len(), 1);
        let verifier =
            WebPkiServerVerifier::builder_with_provider(Arc::new(roots), Arc::new(ring::default_provider()));
        let verifier = verifier.build().unwrap();
        let long = format!("{}.example.org", "a".repeat(60));
        for host in ["example.org", "192.0.2.7", "2001:db8::5", "under_score.example.org", &long] {
            let leaf = authority.leaf(host).unwrap();
            for year in [1995, 2026, 2049] {
                let now = std::time::Duration::from_secs((year - 1970) * 365 * 86400);
                let name = ServerName::try_from(host).unwrap().to_owned();
                let now = UnixTime::since_unix_epoch(now);
                verifier.verify_server_cert(&leaf, &[], &name, &[], now).expect(host);
            }
            let other = ServerName::try_from("other.example.org").unwrap();
            let now = UnixTime::since_unix_epoch(std::time::Duration::from_secs(1_700_000_000));
            assert!(verifier.verify_server_cert(&leaf, &[], &other, &[], now).is_err());
        }
        assert!(Arc::ptr_eq(&authority.config("a").unwrap(), &authority.config("a").unwrap()));
        assert_ne!(Authority::new().unwrap().pem(), authority.pem());
    }
}
