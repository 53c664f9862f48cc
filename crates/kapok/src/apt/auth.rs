//! Logins for archives: apt's `auth.conf` (apt_auth.conf(5)), and those that stand in the sources themselves.
//!
//! A login is used for fetching and goes nowhere else: neither into the image's sources nor into a record.

use super::{files_in, read};
use crate::fetch::Login;
use std::path::Path;

/// Reads `auth.conf` and `auth.conf.d/*.conf`. What cannot be read, as an ordinary user often cannot, gives nothing.
pub fn logins(etc: &Path) -> Vec<Login> {
    let more = files_in(&etc.join("auth.conf.d")).into_iter();
    let more = more.filter(|path| path.extension().is_some_and(|extension| extension == "conf"));
    let texts = std::iter::once(etc.join("auth.conf")).chain(more).filter_map(|path| read(&path).ok());
    texts.flat_map(|text| parse(&String::from_utf8_lossy(&text))).collect()
}

/// `machine [SCHEME://]HOST[:PORT][/PATH] login USER password PASSWORD`, over as many lines as one likes. Without a
/// scheme it is for `https` only.
fn parse(text: &str) -> Vec<Login> {
    let lines = text.lines().filter(|line| !line.trim_start().starts_with('#'));
    let words: Vec<&str> = lines.flat_map(str::split_whitespace).collect();
    let mut found = Vec::new();
    let (mut machine, mut user) = (None, None);
    for pair in words.chunks(2) {
        match pair {
            ["machine", name] => (machine, user) = (Some(*name), None),
            ["login", name] => user = Some(*name),
            ["password", password] => {
                if let (Some(machine), Some(user)) = (machine, user) {
                    let prefix = if machine.contains("://") {
                        machine.to_owned()
                    } else {
                        format!("https://{machine}")
                    };
                    found.extend(Login::new(&prefix, user, password));
                }
            }
            _ => {}
        }
    }
    found
}

/// Takes `user:password@` out of an archive's address.
pub fn take(uri: &str) -> (String, Option<Login>) {
    let Some((scheme, rest)) = uri.split_once("://") else { return (uri.to_owned(), None) };
    let end = rest.find('/').unwrap_or(rest.len());
    let Some((login, host)) = rest[..end].rsplit_once('@') else { return (uri.to_owned(), None) };
    let clean = format!("{scheme}://{host}{}", &rest[end..]);
    let login = Login::encoded(&clean, login);
    (clean, login)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn machines_are_read() {
        let logins = parse(
            "# machine no login no password no\nmachine mirror.example/debian\n login ada password x\n\
             machine http://plain.example login bob password y machine half.example login z",
        );
        let expected = [
            Login::new("https://mirror.example/debian", "ada", "x").unwrap(),
            Login::new("http://plain.example", "bob", "y").unwrap(),
        ];
        assert_eq!(logins, expected);
    }

    #[test]
    fn an_address_loses_its_login() {
        let (uri, login) = take("http://ada:p%40ss@mirror.example:81/debian");
        assert_eq!(uri, "http://mirror.example:81/debian");
        assert_eq!(login, Login::new("http://mirror.example:81/debian", "ada", "p@ss"));
        assert_eq!(take("http://mirror.example/@x"), ("http://mirror.example/@x".to_owned(), None));
    }
}
