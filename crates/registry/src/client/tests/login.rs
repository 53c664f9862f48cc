//! Passwords and tokens.

use super::*;

fn closed() -> Access {
    Access { users: users(), ..Access::default() }
}

fn ali(registry: &FaultyRegistry, password: &str) -> Arc<dyn CredentialSource> {
    let credentials = Credentials::Password { user: "ali".to_owned(), password: password.to_owned() };
    Arc::new((registry.address.to_string(), credentials))
}

#[test]
fn passwords_and_tokens() {
    let bearer = Challenge::Bearer { service: "test".to_owned(), realm: None };
    for challenge in [Challenge::Basic, bearer] {
        let runtime = Runtime::start().unwrap();
        let registry = FaultyRegistry::start(&runtime, closed(), challenge);
        let right = ali(&registry, "open sesame");
        let fixture = with(runtime, registry, Arc::default(), |options| options.credentials = right);
        let digest = image(&fixture.store, "amd64", &[&noise(8, 100)]);
        fixture.push(&digest, "team/app").unwrap();
        fixture.client.check_credentials(&fixture.reference("x")).unwrap();
        fixture.pull("team/app", &fixture.elsewhere("x")).unwrap();
        // The same from another repository: nothing is sent.
        let options = PushOptions { mount_from: vec!["team/app".parse().unwrap()], ..PushOptions::default() };
        let to = fixture.reference("team/other");
        assert_eq!(fixture.client.push(&fixture.store, &digest, &to, &options, &()).unwrap().sent, 0);
        for source in [ali(&fixture.registry, "wrong"), Arc::new(())] {
            let mut options = options_of(&fixture);
            options.credentials = source;
            let stranger = Client::new(&fixture.runtime, options);
            let refused =
                stranger.pull(&fixture.reference("team/app"), &amd64(), &fixture.store, &()).unwrap_err();
            let cause = std::error::Error::source(&refused).unwrap().to_string();
            assert!(cause.contains("does not let us"), "{cause}");
        }
        let mut options = options_of(&fixture);
        options.credentials = ali(&fixture.registry, "wrong");
        let stranger = Client::new(&fixture.runtime, options);
        assert!(stranger.check_credentials(&fixture.reference("x")).is_err());
        fixture.assert_unharmed();
    }
}

#[test]
fn a_token_that_ends_in_mid_push_is_renewed() {
    let runtime = Runtime::start().unwrap();
    let bearer = Challenge::Bearer { service: "test".to_owned(), realm: None };
    let registry = FaultyRegistry::start(&runtime, closed(), bearer);
    let right = ali(&registry, "open sesame");
    let fixture = with(runtime, registry, Arc::default(), |options| {
        options.credentials = right;
        options.parallel = 1;
    });
    let challenge = || {
        let realm = format!("Bearer realm=\"http://{}/token\",service=\"test\"", fixture.registry.address);
        Fault::Status(401, vec![("www-authenticate", Box::leak(realm.into_boxed_str()))])
    };
    let layers = [noise(9, 400_000), noise(10, 300_000)];
    let digest = image(&fixture.store, "amd64", &[&layers[0], &layers[1]]);
    fixture.registry.misbehave("PUT", "/blobs/uploads/", challenge());
    fixture.registry.misbehave("PUT", "/manifests/", challenge());
    fixture.push(&digest, "app").unwrap();
    assert_eq!(fixture.registry.count("GET", "/token"), 3);
    // One that does not let us in even then.
    fixture.registry.misbehave("PUT", "/manifests/", challenge());
    fixture.registry.misbehave("PUT", "/manifests/", challenge());
    assert!(fixture.push(&digest, "app").unwrap_err().to_string().contains("cannot push"));
    fixture.pull("app", &fixture.elsewhere("x")).unwrap();
    fixture.assert_unharmed();
}
