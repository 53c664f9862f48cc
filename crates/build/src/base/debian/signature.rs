//! Who vouches for a Release file: OpenPGP signatures against a keyring (RFC 9580, and apt's rules on top of it).
//!
//! A Release file is taken when at least one key of the keyring has signed it and no key of the keyring has signed
//! something else in its place. Signatures by keys that the keyring lacks say nothing: an archive signs with the keys
//! of several releases. A key counts if it may sign, is bound to its certificate, and is neither expired nor revoked
//! now; as with apt, a key that has expired since it signed does not count.

use pgp::composed::{CleartextSignedMessage, Deserializable, DetachedSignature, SignedPublicKey};
use pgp::crypto::hash::HashAlgorithm;
use pgp::packet::{Signature, SignatureType};
use pgp::ser::Serialize;
use pgp::types::{KeyDetails, Tag, VerifyingKey};

/// The certificates that may vouch for an archive.
#[derive(Debug, Clone, Default)]
pub struct Keyring {
    certificates: Vec<SignedPublicKey>,
}

/// A text and who signed it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Verified {
    /// The signed text itself, with plain newlines: nothing outside the signature is in it.
    pub text: String,
    /// Fingerprints of the keys whose signatures hold.
    pub signers: Vec<String>,
}

/// Why a text is not taken.
#[derive(Debug, thiserror::Error)]
pub enum SignatureError {
    /// The keyring holds no certificate that can be read.
    #[error("the keyring holds no OpenPGP certificate")]
    EmptyKeyring,
    /// Not a signed text at all.
    #[error("not a text with an OpenPGP signature")]
    NotSigned(#[source] Box<pgp::errors::Error>),
    /// Not a detached signature.
    #[error("not an OpenPGP signature")]
    NotASignature(#[source] Box<pgp::errors::Error>),
    /// A key of the keyring has signed, but not this text.
    #[error("the signature by key {key} does not match: the text was changed after it was signed")]
    Mismatch {
        /// The key's fingerprint.
        key: String,
        /// What failed in it.
        #[source]
        source: Box<pgp::errors::Error>,
    },
    /// Only keys that the keyring lacks have signed.
    #[error("signed by {}, which the keyring does not hold", keys.join(", "))]
    UnknownSigner {
        /// Key ids or fingerprints, as the signatures name them.
        keys: Vec<String>,
    },
    /// The signature is right, but the key must not be used any more.
    #[error("signed by key {key}, which {}", reason.words())]
    Unusable {
        /// The key's fingerprint.
        key: String,
        /// What is wrong with it.
        reason: Unusable,
    },
}

/// Why a key does not count.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Unusable {
    /// Expired at this time (seconds since 1970).
    Expired(i64),
    /// Revoked by its owner.
    Revoked,
    /// The certificate does not vouch for it, or not for signing.
    Unbound,
    /// The signature uses a digest that can be forged (MD5, SHA-1, RIPEMD-160).
    WeakDigest,
    /// The signature says that it holds until this time (seconds since 1970) only.
    SignatureExpired(i64),
}

impl Unusable {
    fn words(self) -> String {
        match self {
            Self::Expired(at) => format!("expired on {}", super::date::Day(at)),
            Self::Revoked => "was revoked".to_owned(),
            Self::Unbound => "its certificate does not let sign".to_owned(),
            Self::WeakDigest => "used a digest that is too weak".to_owned(),
            Self::SignatureExpired(at) => format!("let its signature expire on {}", super::date::Day(at)),
        }
    }
}

impl Keyring {
    /// Reads a keyring, binary or armoured; armoured ones may hold several blocks. Certificates that cannot be read
    /// (of long-gone algorithms, say) are left out.
    pub fn parse(bytes: &[u8]) -> Result<Self, SignatureError> {
        const BEGIN: &str = "-----BEGIN PGP PUBLIC KEY BLOCK-----";
        let mut certificates = Vec::new();
        match std::str::from_utf8(bytes) {
            Ok(text) if text.contains(BEGIN) => {
                for (start, _) in text.match_indices(BEGIN) {
                    if let Ok((found, _)) = SignedPublicKey::from_string_many(&text[start..]) {
                        certificates.extend(found.flatten());
                    }
                }
            }
            _ => {
                if let Ok(found) = SignedPublicKey::from_bytes_many(bytes) {
                    certificates.extend(found.flatten());
                }
            }
        }
        if certificates.is_empty() { Err(SignatureError::EmptyKeyring) } else { Ok(Self { certificates }) }
    }

    /// The fingerprints of its certificates, in lower-case hexadecimal.
    pub fn fingerprints(&self) -> Vec<String> {
        self.certificates.iter().map(|one| format!("{:x}", one.fingerprint())).collect()
    }

    /// Takes over another keyring's certificates.
    pub fn add(&mut self, other: Self) {
        self.certificates.extend(other.certificates);
    }

    /// Checks an `InRelease` file. `now` is in seconds since 1970.
    pub fn verify_inline(&self, signed: &[u8], now: i64) -> Result<Verified, SignatureError> {
        let (message, _) = CleartextSignedMessage::from_armor(signed)
            .map_err(|error| SignatureError::NotSigned(Box::new(error)))?;
        let text = message.signed_text();
        let signers = self.verify(message.signatures().iter(), text.as_bytes(), now)?;
        Ok(Verified { text: text.replace("\r\n", "\n"), signers })
    }

    /// Checks a `Release` file by its `Release.gpg`, which may hold several signatures, armoured or not.
    pub fn verify_detached(
        &self,
        text: &[u8],
        signature: &[u8],
        now: i64,
    ) -> Result<Verified, SignatureError> {
        let not_one = |error| SignatureError::NotASignature(Box::new(error));
        let (found, _) = DetachedSignature::from_reader_many_buf(signature).map_err(not_one)?;
        let signatures = found.collect::<Result<Vec<_>, _>>().map_err(not_one)?;
        let signers = self.verify(signatures.iter().map(|one| &one.signature), text, now)?;
        Ok(Verified { text: String::from_utf8_lossy(text).into_owned(), signers })
    }

    fn verify<'a>(
        &self,
        signatures: impl Iterator<Item = &'a Signature>,
        text: &[u8],
        now: i64,
    ) -> Result<Vec<String>, SignatureError> {
        let (mut signers, mut unknown, mut unusable) = (Vec::new(), Vec::new(), None);
        for signature in signatures {
            match self.verify_one(signature, text, now)? {
                Verdict::Good(key) => signers.push(key),
                Verdict::Unusable(key, reason) => unusable = Some((key, reason)),
                Verdict::Unknown(key) => unknown.push(key),
            }
        }
        match (signers.is_empty(), unusable) {
            (false, _) => Ok(signers),
            (true, Some((key, reason))) => Err(SignatureError::Unusable { key, reason }),
            (true, None) => Err(SignatureError::UnknownSigner { keys: unknown }),
        }
    }

    fn verify_one(&self, signature: &Signature, text: &[u8], now: i64) -> Result<Verdict, SignatureError> {
        for certificate in &self.certificates {
            let primary = &certificate.primary_key;
            if names(signature, primary) {
                let state = primary_state(certificate, now);
                return judge(signature, primary, state, text, now);
            }
            for subkey in &certificate.public_subkeys {
                if names(signature, &subkey.key) {
                    let state =
                        primary_state(certificate, now).and_then(|()| subkey_state(primary, subkey, now));
                    return judge(signature, &subkey.key, state, text, now);
                }
            }
        }
        let named = signature.issuer_fingerprint().first().map(|id| id.to_string());
        let named = named.or_else(|| signature.issuer_key_id().first().map(|id| id.to_string()));
        Ok(Verdict::Unknown(named.map_or_else(|| "an unnamed key".to_owned(), |id| id.to_uppercase())))
    }
}

enum Verdict {
    Good(String),
    Unusable(String, Unusable),
    Unknown(String),
}

fn judge(
    signature: &Signature,
    key: &impl VerifyingKey,
    state: Result<(), Unusable>,
    text: &[u8],
    now: i64,
) -> Result<Verdict, SignatureError> {
    let name = fingerprint(key);
    let weak = matches!(
        signature.hash_alg(),
        None | Some(HashAlgorithm::Md5 | HashAlgorithm::Sha1 | HashAlgorithm::Ripemd160)
    );
    if weak {
        return Ok(Verdict::Unusable(name, Unusable::WeakDigest));
    }
    // A certification or a revocation, moved here, must not pass for a signature of a text.
    if !matches!(signature.typ(), Some(SignatureType::Binary | SignatureType::Text)) {
        return Ok(Verdict::Unusable(name, Unusable::Unbound));
    }
    if let Err(source) = signature.verify(key, text) {
        return Err(SignatureError::Mismatch { key: name, source: Box::new(source) });
    }
    let lapsed = end_of_life(signature.created(), signature.signature_expiration_time());
    Ok(match (state, lapsed) {
        (Err(reason), _) => Verdict::Unusable(name, reason),
        (_, Some(end)) if end <= now => Verdict::Unusable(name, Unusable::SignatureExpired(end)),
        _ => Verdict::Good(name),
    })
}

/// Whether the primary key is vouched for by itself, not revoked and not expired.
fn primary_state(certificate: &SignedPublicKey, now: i64) -> Result<(), Unusable> {
    let key = &certificate.primary_key;
    let details = &certificate.details;
    if details.revocation_signatures.iter().any(|signature| signature.verify_key(key).is_ok()) {
        return Err(Unusable::Revoked);
    }
    let direct = details
        .direct_signatures
        .iter()
        .filter(|signature| signature.typ() == Some(SignatureType::Key) && signature.verify_key(key).is_ok());
    let certified = details.users.iter().flat_map(|user| {
        user.signatures.iter().filter(|signature| {
            signature.is_certification()
                && names(signature, key)
                && signature.verify_certification(key, Tag::UserId, &user.id).is_ok()
        })
    });
    let newest = direct.chain(certified).max_by_key(|signature| created(signature));
    let newest = newest.ok_or(Unusable::Unbound)?;
    match end_of_life(Some(key.created_at()), newest.key_expiration_time()) {
        Some(end) if end <= now => Err(Unusable::Expired(end)),
        _ => Ok(()),
    }
}

/// Whether a subkey is bound for signing, in both directions, not revoked and not expired.
fn subkey_state<V: VerifyingKey + Serialize>(
    primary: &V,
    subkey: &pgp::composed::SignedPublicSubKey,
    now: i64,
) -> Result<(), Unusable> {
    let bound = |kind: SignatureType| {
        subkey.signatures.iter().filter(move |signature| {
            signature.typ() == Some(kind) && signature.verify_subkey_binding(primary, &subkey.key).is_ok()
        })
    };
    if bound(SignatureType::SubkeyRevocation).next().is_some() {
        return Err(Unusable::Revoked);
    }
    let newest = bound(SignatureType::SubkeyBinding).max_by_key(|signature| created(signature));
    let newest = newest.ok_or(Unusable::Unbound)?;
    let back = newest
        .embedded_signature()
        .is_some_and(|back| back.verify_primary_key_binding(&subkey.key, primary).is_ok());
    if !newest.key_flags().sign() || !back {
        return Err(Unusable::Unbound);
    }
    match end_of_life(Some(subkey.key.created_at()), newest.key_expiration_time()) {
        Some(end) if end <= now => Err(Unusable::Expired(end)),
        _ => Ok(()),
    }
}

fn names(signature: &Signature, key: &impl KeyDetails) -> bool {
    let fingerprint = key.fingerprint();
    let by_fingerprint = signature.issuer_fingerprint();
    if by_fingerprint.is_empty() {
        let id = key.legacy_key_id();
        signature.issuer_key_id().into_iter().any(|named| *named == id)
    } else {
        by_fingerprint.into_iter().any(|named| *named == fingerprint)
    }
}

fn fingerprint(key: &impl KeyDetails) -> String {
    key.fingerprint().to_string().to_uppercase()
}

fn created(signature: &Signature) -> u32 {
    signature.created().map_or(0, pgp::types::Timestamp::as_secs)
}

/// A lifetime of zero, as of none, is for ever.
fn end_of_life(from: Option<pgp::types::Timestamp>, lifetime: Option<pgp::types::Duration>) -> Option<i64> {
    let lifetime = lifetime.map(pgp::types::Duration::as_secs).filter(|seconds| *seconds > 0)?;
    Some(i64::from(from?.as_secs()) + i64::from(lifetime))
}

/// For the fuzzer: any bytes as a signed text, and as a keyring.
pub fn fuzz_signature(data: &[u8]) {
    let keyring = Keyring::parse(data).unwrap_or_default();
    let _ = keyring.verify_inline(data, 0);
    let _ = keyring.verify_detached(data, data, 0);
}
