//! The `WWW-Authenticate` header: what a registry asks of who wants in. (RFC 9110, 11.6.1; Docker's token
//! authentication specification)

/// More parameters than this are an attack.
const PARAMETER_LIMIT: usize = 32;

/// One way to authenticate.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Challenge {
    /// Lower case: `basic`, `bearer`.
    pub scheme: String,
    /// Names in lower case.
    pub parameters: Vec<(String, String)>,
}

impl Challenge {
    /// The value of a parameter.
    pub(crate) fn get(&self, name: &str) -> Option<&str> {
        self.parameters.iter().find(|(known, _)| known == name).map(|(_, value)| value.as_str())
    }
}

/// The challenges in the value of one header. What cannot be read ends the list.
pub(crate) fn parse(value: &str) -> Vec<Challenge> {
    let mut challenges: Vec<Challenge> = Vec::new();
    let mut rest = value;
    loop {
        rest = rest.trim_start_matches([' ', '\t', ',']);
        let word = token(rest);
        if word.is_empty() || challenges.len() >= PARAMETER_LIMIT {
            return challenges;
        }
        let after = rest[word.len()..].trim_start_matches([' ', '\t']);
        match after.strip_prefix('=') {
            // A parameter of the challenge at hand; without one, nonsense.
            Some(text) => {
                let Some((value, remaining)) = read_value(text.trim_start_matches([' ', '\t'])) else {
                    return challenges;
                };
                let Some(challenge) = challenges.last_mut() else { return challenges };
                if challenge.parameters.len() < PARAMETER_LIMIT {
                    challenge.parameters.push((word.to_ascii_lowercase(), value));
                }
                rest = remaining;
            }
            None => {
                challenges.push(Challenge { scheme: word.to_ascii_lowercase(), parameters: Vec::new() });
                rest = after;
            }
        }
    }
}

fn token(text: &str) -> &str {
    let is_token = |b: u8| b.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(&b);
    &text[..text.bytes().position(|b| !is_token(b)).unwrap_or(text.len())]
}

/// A token or a quoted text, and what follows it.
fn read_value(text: &str) -> Option<(String, &str)> {
    let Some(quoted) = text.strip_prefix('"') else {
        // Some registries leave out the quotes around a URL.
        let end = text.find([',', ' ', '\t']).unwrap_or(text.len());
        return Some((text[..end].to_owned(), &text[end..]));
    };
    let mut value = String::new();
    let mut characters = quoted.char_indices();
    while let Some((at, character)) = characters.next() {
        match character {
            '"' => return Some((value, &quoted[at + 1..])),
            '\\' => value.push(characters.next()?.1),
            other => value.push(other),
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(value: &str, expected: &str) {
        let shown =
            parse(value).iter().map(|c| format!("{} {:?}", c.scheme, c.parameters)).collect::<Vec<_>>();
        assert_eq!(shown.join("; "), expected);
    }

    #[test]
    fn challenges() {
        check(
            r#"Bearer realm="https://a/token",service="reg",scope="repository:a/b:pull,push""#,
            r#"bearer [("realm", "https://a/token"), ("service", "reg"), ("scope", "repository:a/b:pull,push")]"#,
        );
        check(
            r#"Basic realm="a \"b\"", Bearer realm=x"#,
            r#"basic [("realm", "a \"b\"")]; bearer [("realm", "x")]"#,
        );
        check("Negotiate, Basic", "negotiate []; basic []");
        check("BASIC Realm = x", r#"basic [("realm", "x")]"#);
        check(r#"Bearer realm="unfinished"#, "bearer []");
        check("=x", "");
        check("", "");
    }
}
