//! Tests of access.

use super::*;

/// `open sesame`, by bcrypt with the least cost.
pub(crate) fn users() -> Htpasswd {
    let line = format!(
        "ali:{}",
        bcrypt::hash_with_result("open sesame", 4).unwrap().format_for_version(bcrypt::Version::TwoY)
    );
    Htpasswd::parse(&format!("# users\n\n{line}\n")).unwrap()
}

fn authenticator(access: Access) -> Authenticator {
    Authenticator::new(Arc::new(LiveAccess::new(access)), &[1; 32])
}

fn repository(name: &str) -> Repository {
    name.parse().unwrap()
}

fn rule(who: Who, pattern: &str, rights: &[Right]) -> Rule {
    Rule { who, repositories: pattern.parse().unwrap(), rights: rights.to_vec() }
}

fn ali() -> Identity {
    Identity::User("ali".to_owned())
}

#[test]
fn passwords() {
    let authenticator = authenticator(Access { users: users(), ..Access::default() });
    assert_eq!(authenticator.basic("ali", "wrong"), Err(Wrong));
    assert_eq!(authenticator.basic("baba", "open sesame"), Err(Wrong));
    assert_eq!(authenticator.known("ali", "open sesame"), None);
    assert_eq!(authenticator.basic("ali", "open sesame"), Ok(ali()));
    assert_eq!(authenticator.known("ali", "open sesame"), Some(ali()));
    assert_eq!(authenticator.known("ali", "wrong"), None);
    assert_eq!(authenticator.known("al", "iopen sesame"), None);
}

#[test]
fn passwords_that_change_while_a_server_runs() {
    let live = Arc::new(LiveAccess::new(Access { users: users(), ..Access::default() }));
    let authenticator = Authenticator::new(live.clone(), &[1; 32]);
    assert_eq!(authenticator.basic("ali", "open sesame"), Ok(ali()));
    assert_eq!(authenticator.known("ali", "open sesame"), Some(ali()));
    let token = AccessToken { name: "ci".to_owned(), digest: Digest::of(b"s3cret") };
    live.replace(Access { tokens: vec![token], ..Access::default() });
    assert_eq!(authenticator.known("ali", "open sesame"), None);
    assert_eq!(authenticator.basic("ali", "open sesame"), Err(Wrong));
    assert_eq!(authenticator.bearer("s3cret"), Ok(Identity::User("ci".to_owned())));
}

#[test]
fn password_files() {
    assert_eq!(Htpasswd::parse("x"), Err(HtpasswdError::Malformed(1)));
    assert_eq!(Htpasswd::parse("\n:x"), Err(HtpasswdError::Malformed(2)));
    let md5 = Htpasswd::parse("u:$apr1$x$y");
    assert_eq!(md5, Err(HtpasswdError::NotBcrypt { line: 1, user: "u".to_owned() }));
    assert!(Htpasswd::parse("").unwrap().is_empty());
    // Were it malformed, an unknown name would be answered at once.
    assert!(bcrypt::verify("x", htpasswd::NOBODY).is_ok());
}

#[test]
fn secrets_that_stand_for_users() {
    let token = AccessToken { name: "ci".to_owned(), digest: Digest::of(b"s3cret") };
    let access = Access { tokens: vec![token], ..Access::default() };
    let authenticator = authenticator(access);
    let ci = Identity::User("ci".to_owned());
    assert_eq!(authenticator.bearer("s3cret"), Ok(ci.clone()));
    assert_eq!(authenticator.known("whoever", "s3cret"), Some(ci));
    assert_eq!(authenticator.bearer("secret"), Err(Wrong));
}

#[test]
fn rights() {
    let open = Access::default();
    assert!(open.allows(&Identity::Anonymous, &repository("a"), Right::Delete));
    let closed = Access { users: users(), ..Access::default() };
    assert!(!closed.allows(&Identity::Anonymous, &repository("a"), Right::Pull));
    assert!(closed.allows(&ali(), &repository("a"), Right::Push));
    let rules = vec![
        rule(Who::Anyone, "public/**", &[Right::Pull]),
        rule(Who::Users, "team/*", &[Right::Pull]),
        rule(Who::User("ali".to_owned()), "team/app", &[Right::Push]),
    ];
    let access = Access { users: users(), rules, ..Access::default() };
    let may = |identity: &Identity, name: &str, right| access.allows(identity, &repository(name), right);
    assert!(may(&Identity::Anonymous, "public/a/b", Right::Pull));
    assert!(!may(&Identity::Anonymous, "public/a/b", Right::Push));
    assert!(!may(&Identity::Anonymous, "team/app", Right::Pull));
    assert!(may(&ali(), "team/app", Right::Push) && may(&ali(), "team/other", Right::Pull));
    assert!(!may(&ali(), "team/other", Right::Push) && !may(&ali(), "team/a/b", Right::Pull));
    assert!(!may(&ali(), "team", Right::Pull) && !may(&ali(), "team/app", Right::Delete));
}

#[test]
fn patterns() {
    for bad in ["", "**/a", "a//b", "A", "a/"] {
        assert!(bad.parse::<Pattern>().is_err(), "{bad}");
    }
    assert_eq!("a/*/b/**".parse::<Pattern>().unwrap().to_string(), "a/*/b/**");
    assert!(Pattern::all().matches(&repository("a/b")));
}

#[test]
fn a_token_is_good_for_what_it_says_and_no_more() {
    let access = Access {
        users: users(),
        rules: vec![rule(Who::Users, "team/**", &[Right::Pull, Right::Push])],
        ..Access::default()
    };
    let authenticator = authenticator(access);
    let issuer = authenticator.issuer();
    let scopes = ["repository:team/a:pull", "repository:secret:pull,push registry:catalog:*"];
    let token = issuer.issue(&authenticator.access(), &ali(), scopes.into_iter());
    let identity = authenticator.bearer(&token).unwrap();
    let may = |name: &str, right| authenticator.access().allows(&identity, &repository(name), right);
    assert!(may("team/a", Right::Pull));
    assert!(!may("team/a", Right::Push) && !may("team/b", Right::Pull) && !may("secret", Right::Pull));
    let mut forged = token.clone();
    forged.replace_range(0..1, if token.starts_with('a') { "b" } else { "a" });
    assert_eq!(authenticator.bearer(&forged), Err(Wrong));
    let other = Authenticator::new(Arc::default(), &[2; 32]);
    assert_eq!(other.bearer(&token), Err(Wrong));
}
