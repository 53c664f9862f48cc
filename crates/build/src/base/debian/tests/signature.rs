//! Signatures made by GnuPG, good and bad.

use crate::base::debian::signature::{Keyring, SignatureError, fuzz_signature};

const KEYRING: &[u8] = include_bytes!("../fixtures/keyring.gpg");
const ARCHIVE: &[u8] = include_bytes!("../fixtures/archive.asc");
const TEXT: &[u8] = include_bytes!("../fixtures/text");
/// 2024-06-01
const NOW: i64 = 1_717_200_000;

fn check(keyring: &[u8], signed: &[u8], now: i64, expected: &str) {
    let shown = match Keyring::parse(keyring).and_then(|keyring| keyring.verify_inline(signed, now)) {
        Ok(verified) => {
            // Trailing blanks of a line are not signed, so they are not there.
            assert_eq!(verified.text.lines().count(), 5);
            assert!(verified.text.contains("\n-----dashes\n trailing blanks\nDate:"), "{}", verified.text);
            format!("signed by {}", verified.signers.join(", "))
        }
        Err(error) => error.to_string(),
    };
    assert_eq!(shown, expected);
}

const GOOD: &str = "signed by 72949FAD58D4A23888196B40345B08CFA4A47066";

#[test]
fn a_good_signature_is_good() {
    check(KEYRING, ARCHIVE, NOW, GOOD);
    check(include_bytes!("../fixtures/keyring.asc"), ARCHIVE, NOW, GOOD);
    // The other signer is not in the keyring, which does not matter.
    check(KEYRING, include_bytes!("../fixtures/both.asc"), NOW, GOOD);
}

#[test]
fn a_changed_text_is_refused() {
    let text = String::from_utf8(ARCHIVE.to_vec()).unwrap().replace("stable", "stabIe");
    let key = "72949FAD58D4A23888196B40345B08CFA4A47066";
    let expected =
        format!("the signature by key {key} does not match: the text was changed after it was signed");
    check(KEYRING, text.as_bytes(), NOW, &expected);
    // One good signature does not help against a bad one by a key that counts.
    let both = String::from_utf8(include_bytes!("../fixtures/both.asc").to_vec()).unwrap();
    let ring = [KEYRING, include_bytes!("../fixtures/other.gpg")].concat();
    check(
        &ring,
        both.as_bytes(),
        NOW,
        "signed by 3F8A15ED04AD0EC5073D46465E85ABF0A82F3E6B, 72949FAD58D4A23888196B40345B08CFA4A47066",
    );
    let keyring = Keyring::parse(&ring).unwrap();
    let error = keyring.verify_inline(both.replace("Test", "Text").as_bytes(), NOW).unwrap_err();
    assert!(matches!(error, SignatureError::Mismatch { .. }));
}

#[test]
fn text_around_the_signed_one_does_not_count() {
    let keyring = Keyring::parse(KEYRING).unwrap();
    let around = [b"Origin: Evil\n\n", ARCHIVE].concat();
    assert!(matches!(keyring.verify_inline(&around, NOW), Err(SignatureError::NotSigned(_))));
    let behind = [ARCHIVE, b"\nOrigin: Evil\n"].concat();
    assert!(!keyring.verify_inline(&behind, NOW).is_ok_and(|verified| verified.text.contains("Evil")));
    assert!(matches!(keyring.verify_inline(TEXT, NOW), Err(SignatureError::NotSigned(_))));
    assert!(keyring.verify_inline(&ARCHIVE[..ARCHIVE.len() / 2], NOW).is_err());
}

#[test]
fn keys_that_do_not_count_are_named() {
    let other = include_bytes!("../fixtures/other.asc");
    let unknown = "signed by 3F8A15ED04AD0EC5073D46465E85ABF0A82F3E6B, which the keyring does not hold";
    check(KEYRING, other, NOW, unknown);
    let error = |signed: &[u8], now: i64| {
        let error = Keyring::parse(KEYRING).unwrap().verify_inline(signed, now).unwrap_err().to_string();
        error.split_once(", which ").expect("a key").1.to_owned()
    };
    assert_eq!(error(include_bytes!("../fixtures/expired.asc"), NOW), "expired on 2020-01-01");
    assert_eq!(error(include_bytes!("../fixtures/subexpired.asc"), NOW), "expired on 2020-01-01");
    assert_eq!(error(include_bytes!("../fixtures/revoked.asc"), NOW), "was revoked");
    assert_eq!(error(include_bytes!("../fixtures/weak.asc"), NOW), "used a digest that is too weak");
    assert_eq!(
        error(include_bytes!("../fixtures/lapsed.asc"), NOW),
        "let its signature expire on 2024-01-03"
    );
    // While they lasted they were good.
    let then = 1_546_500_000;
    assert!(
        Keyring::parse(KEYRING)
            .unwrap()
            .verify_inline(include_bytes!("../fixtures/expired.asc"), then)
            .is_ok()
    );
}

#[test]
fn detached_signatures_are_checked() {
    let keyring = Keyring::parse(KEYRING).unwrap();
    for signature in
        [&include_bytes!("../fixtures/detached.asc")[..], include_bytes!("../fixtures/detached.gpg")]
    {
        assert_eq!(keyring.verify_detached(TEXT, signature, NOW).unwrap().text.as_bytes(), TEXT);
        assert!(matches!(
            keyring.verify_detached(&TEXT[1..], signature, NOW),
            Err(SignatureError::Mismatch { .. })
        ));
    }
    assert!(matches!(keyring.verify_detached(TEXT, TEXT, NOW), Err(SignatureError::NotASignature(_))));
    assert!(keyring.verify_detached(TEXT, b"", NOW).is_err());
}

#[test]
fn an_empty_keyring_is_said() {
    assert!(matches!(Keyring::parse(b""), Err(SignatureError::EmptyKeyring)));
    assert!(matches!(Keyring::parse(b"\xff\xff junk"), Err(SignatureError::EmptyKeyring)));
    fuzz_signature(ARCHIVE);
    fuzz_signature(KEYRING);
    fuzz_signature(b"-----BEGIN PGP SIGNED MESSAGE-----\n");
}
