//! The agent as OpenSSH's own programs see it is in the wiring tests; here is what they never do.

use ssh_key::private::Ed25519Keypair;

use super::*;

fn ed25519(seed: u8) -> Key {
    let keypair = KeypairData::Ed25519(Ed25519Keypair::from_seed(&[seed; 32]));
    let private = PrivateKey::new(keypair, format!("key {seed}")).unwrap();
    let public = private.public_key().to_bytes().unwrap();
    Key { private, public }
}

fn sign_request(public: &[u8], data: &[u8]) -> Vec<u8> {
    let mut request = vec![number::SIGN_REQUEST];
    put_string(&mut request, public);
    put_string(&mut request, data);
    request.extend(0u32.to_be_bytes());
    request
}

#[test]
fn keys_are_listed_in_their_order() {
    let keys = [ed25519(1), ed25519(2)];
    let list = answer(&[number::REQUEST_IDENTITIES], &keys).unwrap();
    let (head, mut rest) = list.split_at(5);
    assert_eq!(head, [number::IDENTITIES_ANSWER, 0, 0, 0, 2]);
    for key in &keys {
        assert_eq!(take_string(&mut rest), Some(&key.public[..]));
        assert_eq!(take_string(&mut rest), Some(key.private.comment().as_bytes()));
    }
    assert!(rest.is_empty());
}

#[test]
fn a_signature_is_the_keys() {
    use ssh_key::Signature;
    let keys = [ed25519(1), ed25519(2)];
    let signed = answer(&sign_request(&keys[1].public, b"data"), &keys).unwrap();
    let (kind, mut rest) = signed.split_first().unwrap();
    assert_eq!(*kind, number::SIGN_RESPONSE);
    let signature = Signature::try_from(take_string(&mut rest).unwrap()).unwrap();
    assert_eq!(Some(signature), sign(&keys[1].private, b"data", 0));
    assert_eq!(answer(&sign_request(b"another key", b"data"), &keys), None);
}

#[test]
fn what_is_cut_short_or_unknown_is_answered_by_a_failure() {
    let keys = [ed25519(1)];
    let whole = sign_request(&keys[0].public, b"data");
    for length in 0..whole.len() {
        assert_eq!(answer(&whole[..length], &keys), None, "{length} bytes");
    }
    assert_eq!(answer(&[17, 0, 0], &keys), None);

    let (mut client, server) = UnixStream::pair().unwrap();
    let serving = thread::spawn(move || serve(server, &keys));
    let mut ask = |message: &[u8]| {
        client.write_all(message).unwrap();
        receive(&mut client).ok().flatten()
    };
    assert_eq!(ask(&[0, 0, 0, 1, 99]), Some(vec![number::FAILURE]));
    assert_eq!(ask(&u32::MAX.to_be_bytes()), None, "nobody sends four GiB in good faith");
    serving.join().unwrap();
}
