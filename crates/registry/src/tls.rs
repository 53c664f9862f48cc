//! Certificates and keys, from PEM to what rustls wants.

use std::sync::Arc;

use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::client::{WebPkiServerVerifier, verify_server_name};
use rustls::crypto::{CryptoProvider, ring, verify_tls12_signature, verify_tls13_signature};
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer, ServerName, UnixTime};
use rustls::server::ParsedCertificate;
use rustls::{
    CertificateError, ClientConfig, DigitallySignedStruct, RootCertStore, ServerConfig, SignatureScheme,
};

/// Certificates and a key that do not make a TLS configuration.
#[derive(Debug, thiserror::Error)]
pub enum TlsError {
    /// No certificate in PEM form.
    #[error("{0} holds no certificate in PEM form")]
    NoCertificate(String),
    /// No private key in PEM form.
    #[error("{0} holds no private key in PEM form")]
    NoKey(String),
    /// They do not fit together, or are of a kind that nobody supports.
    #[error("the certificate and its key cannot be used")]
    Unusable(#[source] rustls::Error),
}

/// A certificate with its key, both in PEM form: what one end shows to the other.
#[derive(Clone, PartialEq, Eq)]
pub struct Identity {
    /// The certificate, and those that lead to its authority.
    pub certificates: Vec<u8>,
    /// The private key.
    pub key: Vec<u8>,
    /// Where they come from, for messages.
    pub origin: String,
}

impl std::fmt::Debug for Identity {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Identity").field("origin", &self.origin).finish_non_exhaustive()
    }
}

/// The certificates in PEM text.
pub(crate) fn certificates(pem: &[u8], origin: &str) -> Result<Vec<CertificateDer<'static>>, TlsError> {
    let all: Vec<_> = CertificateDer::pem_slice_iter(pem).filter_map(Result::ok).collect();
    if all.is_empty() { Err(TlsError::NoCertificate(origin.to_owned())) } else { Ok(all) }
}

/// How a client connects: whom it trusts (or anybody, if `insecure`), and what it shows of itself.
pub(crate) fn client(
    authorities: &[CertificateDer<'static>],
    identity: Option<&Identity>,
    insecure: bool,
) -> Result<ClientConfig, TlsError> {
    let provider = Arc::new(ring::default_provider());
    let builder = ClientConfig::builder_with_provider(provider.clone()).with_safe_default_protocol_versions();
    let builder = builder.map_err(TlsError::Unusable)?;
    let builder = if insecure {
        builder.dangerous().with_custom_certificate_verifier(Arc::new(Anybody(provider)))
    } else {
        let mut roots = RootCertStore::empty();
        // An authority that rustls cannot read vouches for nobody; the others still do.
        roots.add_parsable_certificates(authorities.iter().cloned());
        match WebPkiServerVerifier::builder_with_provider(Arc::new(roots), provider).build() {
            Ok(chains) => {
                let verifier = Trusting { chains, authorities: authorities.to_vec() };
                builder.dangerous().with_custom_certificate_verifier(Arc::new(verifier))
            }
            // There are none: nobody is trusted.
            Err(_) => builder.with_root_certificates(RootCertStore::empty()),
        }
    };
    match identity {
        None => Ok(builder.with_no_client_auth()),
        Some(identity) => {
            let (chain, key) = read(identity)?;
            builder.with_client_auth_cert(chain, key).map_err(TlsError::Unusable)
        }
    }
}

/// How a server answers.
pub(crate) fn server(identity: &Identity) -> Result<ServerConfig, TlsError> {
    let builder = ServerConfig::builder_with_provider(Arc::new(ring::default_provider()));
    let builder = builder.with_safe_default_protocol_versions().map_err(TlsError::Unusable)?;
    let (chain, key) = read(identity)?;
    let mut config =
        builder.with_no_client_auth().with_single_cert(chain, key).map_err(TlsError::Unusable)?;
    config.alpn_protocols = vec![b"http/1.1".to_vec()];
    Ok(config)
}

fn read(identity: &Identity) -> Result<(Vec<CertificateDer<'static>>, PrivateKeyDer<'static>), TlsError> {
    let chain = certificates(&identity.certificates, &identity.origin)?;
    let key =
        PrivateKeyDer::from_pem_slice(&identity.key).map_err(|_| TlsError::NoKey(identity.origin.clone()))?;
    Ok((chain, key))
}

/// Trusts authorities, and whoever shows one of their certificates as its own: people who make a certificate for one
/// registry make it an authority without knowing, and Docker takes it.
#[derive(Debug)]
struct Trusting {
    chains: Arc<WebPkiServerVerifier>,
    authorities: Vec<CertificateDer<'static>>,
}

impl ServerCertVerifier for Trusting {
    fn verify_server_cert(
        &self,
        end_entity: &CertificateDer<'_>,
        intermediates: &[CertificateDer<'_>],
        server_name: &ServerName<'_>,
        ocsp_response: &[u8],
        now: UnixTime,
    ) -> Result<ServerCertVerified, rustls::Error> {
        let verified =
            self.chains.verify_server_cert(end_entity, intermediates, server_name, ocsp_response, now);
        match verified {
            // Said of a certificate whose time is right: that is looked at before.
            Err(error)
                if is_authority_itself(&error) && self.authorities.iter().any(|one| one == end_entity) =>
            {
                verify_server_name(&ParsedCertificate::try_from(end_entity)?, server_name)?;
                Ok(ServerCertVerified::assertion())
            }
            other => other,
        }
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        self.chains.verify_tls12_signature(message, certificate, signature)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        self.chains.verify_tls13_signature(message, certificate, signature)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.chains.supported_verify_schemes()
    }
}

/// The library has no name of its own for this error, and hands on that of the one below.
fn is_authority_itself(error: &rustls::Error) -> bool {
    match error {
        rustls::Error::InvalidCertificate(CertificateError::Other(inner)) => {
            format!("{:?}", inner.0).contains("CaUsedAsEndEntity")
        }
        _ => false,
    }
}

/// Trusts whoever answers: for registries that are configured as insecure.
#[derive(Debug)]
struct Anybody(Arc<CryptoProvider>);

impl ServerCertVerifier for Anybody {
    fn verify_server_cert(
        &self,
        _end_entity: &CertificateDer<'_>,
        _intermediates: &[CertificateDer<'_>],
        _server_name: &ServerName<'_>,
        _ocsp_response: &[u8],
        _now: UnixTime,
    ) -> Result<ServerCertVerified, rustls::Error> {
        Ok(ServerCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        verify_tls12_signature(message, certificate, signature, &self.0.signature_verification_algorithms)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        verify_tls13_signature(message, certificate, signature, &self.0.signature_verification_algorithms)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.0.signature_verification_algorithms.supported_schemes()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use rcgen::{BasicConstraints, CertificateParams, IsCa, KeyPair};

    fn certificate(names: &[&str], is_authority: bool, year: i32) -> CertificateDer<'static> {
        let names: Vec<String> = names.iter().map(|name| (*name).to_owned()).collect();
        let mut params = CertificateParams::new(names).unwrap();
        if is_authority {
            params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        }
        params.not_before = rcgen::date_time_ymd(2000, 1, 1);
        params.not_after = rcgen::date_time_ymd(year, 1, 1);
        params.self_signed(&KeyPair::generate().unwrap()).unwrap().der().clone()
    }

    #[test]
    fn a_certificate_that_is_its_own_authority_is_trusted_for_its_names() {
        let trusts = |authority: &CertificateDer<'static>, shown: &CertificateDer<'static>, name: &str| {
            let mut roots = RootCertStore::empty();
            roots.add(authority.clone()).unwrap();
            let provider = Arc::new(ring::default_provider());
            let chains =
                WebPkiServerVerifier::builder_with_provider(Arc::new(roots), provider).build().unwrap();
            let verifier = Trusting { chains, authorities: vec![authority.clone()] };
            let name = ServerName::try_from(name.to_owned()).unwrap();
            let now = UnixTime::since_unix_epoch(std::time::Duration::from_secs(1_800_000_000));
            verifier.verify_server_cert(shown, &[], &name, &[], now).is_ok()
        };
        let own = certificate(&["a.example.org"], true, 2050);
        assert!(trusts(&own, &own, "a.example.org"));
        assert!(!trusts(&own, &own, "b.example.org"));
        assert!(!trusts(&own, &certificate(&["a.example.org"], true, 2050), "a.example.org"));
        let old = certificate(&["a.example.org"], true, 2001);
        assert!(!trusts(&old, &old, "a.example.org"));
        let plain = certificate(&["a.example.org"], false, 2050);
        assert!(trusts(&plain, &plain, "a.example.org"));
    }
}
