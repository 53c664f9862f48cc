//! Words that tell a secret from what only looks like one.

/// Names that end like this hold a secret. Compared without case and separators.
const SECRET_ENDS: [&str; 19] = [
    "password",
    "passwd",
    "passphrase",
    "pwd",
    "apikey",
    "secretkey",
    "accesskey",
    "secretaccesskey",
    "clientsecret",
    "cookiesecret",
    "sharedsecret",
    "privatekey",
    "authtoken",
    "accesstoken",
    "bearertoken",
    "apitoken",
    "token",
    "encryptionkey",
    "fernetkey",
];

/// Names that end like this look like the above and name a place, a kind or a time.
const OTHER_ENDS: [&str; 13] = [
    "secretname",
    "tokenname",
    "passwordkey",
    "tokenkey",
    "publickey",
    "maxtoken",
    "csrftoken",
    "nexttoken",
    "passwordsecretkey",
    "tokensecretkey",
    "secretrefkey",
    "usernamesecretkey",
    "secretkeyref",
];

/// Whether a variable or a key of this name holds a secret.
pub(crate) fn is_secret_name(name: &str) -> bool {
    let plain: String = name
        .chars()
        .filter(char::is_ascii_alphanumeric)
        .map(|character| character.to_ascii_lowercase())
        .collect();
    let variable = name.contains('_') && name.chars().all(|character| !character.is_ascii_lowercase());
    let ends = SECRET_ENDS.iter().any(|end| plain.ends_with(end)) || variable && plain.ends_with("secret");
    // `existingPassword`, `enableToken`, `use...`: switches, and names of other objects.
    let other = ["existing", "enable", "use", "require", "has", "create", "generate", "random"]
        .iter()
        .any(|start| plain.starts_with(start));
    ends && !other && !OTHER_ENDS.iter().any(|end| plain.ends_with(end))
}

/// Whether a value names the key of another object's data, as `secretKey: password` does.
pub(crate) fn is_key_of_object(name: &str, value: &str) -> bool {
    let ends = name.to_ascii_lowercase().ends_with("key");
    let plain = value.chars().all(|character| character.is_ascii_lowercase() || "-_.".contains(character));
    let word = ["password", "token", "secret", "key", "username"].iter().any(|word| value.contains(word));
    ends && plain && word
}

/// Whether a value stands for a secret that is put in later, or is none.
pub(crate) fn is_placeholder(value: &str) -> bool {
    let value = value.trim().trim_matches(['"', '\'']);
    let lower = value.to_ascii_lowercase();
    let marked = super::is_template(value)
        || value.starts_with(['$', '/', '%', '@', '<', '*', '[', '{', '|', '&', '!'])
        || value.ends_with('>')
        || [
            "vault:",
            "path:",
            "ref+",
            "secret://",
            "file:",
            "env:",
            "awssm:",
            "op://",
            "enc[",
            "enc(",
            "sops:",
        ]
        .iter()
        .any(|start| lower.starts_with(start));
    let word = |words: &[&str]| words.iter().any(|word| lower.contains(word));
    let plain = [
        "true", "false", "yes", "no", "null", "none", "~", "string", "optional", "required", "password",
        "token", "secret",
    ];
    let same = value.chars().next().is_none_or(|first| value.chars().all(|character| character == first));
    let number = value.chars().all(|character| character.is_ascii_digit()) && value.len() < 5;
    marked
        || value.is_empty()
        || same
        || number
        || value.contains(char::is_whitespace)
        || plain.contains(&lower.as_str())
        || word(&[
            "replace",
            "your-",
            "your_",
            "placeholder",
            "redacted",
            "dummy",
            "todo",
            "insert",
            "to-be-",
            "fill-me",
            "fill_me",
        ])
        || lower.contains("example") && !lower.contains("examplekey") && value.len() < 16
}

/// Credentials that programs come with; everybody tries them first.
const DEFAULTS: [&str; 31] = [
    "admin",
    "admin123",
    "admin1234",
    "administrator",
    "changeme",
    "changeit",
    "change-me",
    "change_me",
    "changethis",
    "default",
    "password",
    "password1",
    "password123",
    "passw0rd",
    "p@ssw0rd",
    "minio",
    "minio123",
    "minioadmin",
    "root",
    "toor",
    "guest",
    "postgres",
    "mysql",
    "redis",
    "airflow",
    "jenkins",
    "nexus",
    "secret",
    "test123",
    "12345678",
    "123456",
];

/// Whether a value of a secret's name is one that everybody knows.
pub(crate) fn is_default_credential(value: &str) -> bool {
    DEFAULTS.contains(&value.trim().to_ascii_lowercase().as_str())
}

/// Beginnings of tokens that say what they are, with the least length of the whole.
const TOKENS: [(&str, usize, &str); 16] = [
    ("AKIA", 20, "an access key of AWS"),
    ("ASIA", 20, "an access key of AWS"),
    ("ghp_", 36, "a token of GitHub"),
    ("gho_", 36, "a token of GitHub"),
    ("ghs_", 36, "a token of GitHub"),
    ("github_pat_", 40, "a token of GitHub"),
    ("glpat-", 20, "a token of GitLab"),
    ("xoxb-", 24, "a token of Slack"),
    ("xoxp-", 24, "a token of Slack"),
    ("hvs.", 24, "a token of Vault"),
    ("npm_", 36, "a token of npm"),
    ("pypi-AgE", 40, "a token of a Python index"),
    ("sha256~", 40, "a token of OpenShift"),
    ("dckr_pat_", 27, "a token of Docker Hub"),
    ("AIza", 39, "a key of Google"),
    ("eyJhbGciOi", 60, "a signed web token"),
];

/// A token in a text that says by its shape what it is: where it begins, its length, and what it is.
pub(crate) fn known_token(text: &str) -> Option<(usize, usize, &'static str)> {
    let inner = |character: char| character.is_ascii_alphanumeric() || "-_.~".contains(character);
    TOKENS.iter().find_map(|(start, least, words)| {
        text.match_indices(start).find_map(|(at, _)| {
            let before = text[..at].chars().next_back();
            let length = text[at..].find(|character| !inner(character)).unwrap_or(text.len() - at);
            let whole = before.is_none_or(|character| !inner(character)) && length >= *least;
            (whole && !text[at..at + length].to_ascii_lowercase().contains("xxxx"))
                .then_some((at, length, *words))
        })
    })
}

/// The password in a URL's `user:password@`: where it begins and its length.
pub(crate) fn url_password(text: &str) -> Option<(usize, usize)> {
    text.match_indices("://").find_map(|(at, _)| {
        let start = at + 3;
        let end = text[start..]
            .find(['/', ' ', '"', '\'', '?', '#', '\n', '<', '>', ',', ')'])
            .map_or(text.len(), |length| start + length);
        let (login, _) = text[start..end].rsplit_once('@')?;
        let (user, password) = login.split_once(':')?;
        let real = !password.is_empty() && !is_placeholder(password) && !user.contains(['$', '{']);
        real.then_some((start + user.len() + 1, password.len()))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_and_values() {
        for name in [
            "password",
            "DB_PASSWORD",
            "githubToken",
            "MINIO_SECRET_KEY",
            "OAUTH_CLIENT_SECRET",
            "aws.secret-access-key",
        ] {
            assert!(is_secret_name(name), "{name}");
        }
        for name in [
            "passwordFile",
            "TOKEN_TTL",
            "secretName",
            "existingSecretPassword",
            "username",
            "secret",
            "publicKey",
        ] {
            assert!(!is_secret_name(name), "{name}");
        }
        for value in [
            "",
            "${X}",
            "<path:kv/x#y>",
            "$(X)",
            "/run/secrets/x",
            "xxxxxx",
            "3600",
            "REPLACE_ME",
            "{{ x }}",
            "a b",
            "vault:kv/x",
        ] {
            assert!(is_placeholder(value), "{value}");
        }
        for value in ["hunter2pass", "admin", "Sup3rS3cret!", "wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY"] {
            assert!(!is_placeholder(value), "{value}");
        }
    }

    #[test]
    fn shapes() {
        assert_eq!(known_token("x: AKIAIOSFODNN7EXAMPLE").map(|found| (found.0, found.1)), Some((3, 20)));
        assert_eq!(known_token("glpat-short"), None);
        assert_eq!(url_password("postgresql+psycopg2://airflow:hunter22@db/airflow"), Some((30, 8)));
        for text in [
            "https://git.example.com/x",
            "https://user@host/",
            "https://u:${P}@host/",
            "http://host:8080/a@b",
        ] {
            assert_eq!(url_password(text), None, "{text}");
        }
    }
}
