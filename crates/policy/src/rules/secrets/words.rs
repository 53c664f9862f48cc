//! What a secret looks like: by the name of its variable, or by its own form.

use crate::facts::manifest::known_token;

/// Words in names that say that a value is secret.
const SECRET_WORDS: [&str; 15] = [
    "fernet_key",
    "encryption_key",
    "signing_key",
    "password",
    "passwd",
    "passphrase",
    "secret",
    "token",
    "apikey",
    "api_key",
    "access_key",
    "private_key",
    "credential",
    "credentials",
    "auth_key",
];

/// Whether a variable's name says that its value is secret.
pub(in crate::rules) fn is_secret_name(name: &str) -> bool {
    let lower = name.to_ascii_lowercase();
    let parts: Vec<&str> = lower.split('_').collect();
    let harmless = [
        "file", "path", "url", "dir", "name", "id", "expiry", "ttl", "type", "length", "policy", "enabled",
        "endpoint", "timeout", "header", "prefix", "issuer", "location", "age", "rotation", "min", "max",
        "field",
    ];
    let last = parts.last().copied().unwrap_or_default();
    let whole = SECRET_WORDS.iter().any(|word| {
        if word.contains('_') {
            lower == *word || lower.ends_with(&format!("_{word}")) || lower.contains(&format!("_{word}_"))
        } else {
            parts.contains(word) || lower.ends_with(word)
        }
    });
    let short = parts.iter().any(|part| matches!(*part, "pwd" | "pass" | "pat"))
        && lower != "pwd"
        && lower != "oldpwd";
    let public = lower.contains("public_key")
        || lower.starts_with("tokenizer")
        || lower.contains("_tokens")
        || parts.contains(&"public");
    (whole || short) && !harmless.contains(&last) && !public
}

/// Whether a value is a secret, and not a hole for one, a path, or a switch.
pub(in crate::rules) fn is_secret_value(value: &str) -> bool {
    let value = value.trim().trim_matches(['"', '\'']);
    let lower = value.to_ascii_lowercase();
    let hole = value.is_empty()
        || value.contains(['$', '<', '{', '*'])
        || value.starts_with('/')
        || lower.starts_with("file:")
        || [
            "true",
            "false",
            "yes",
            "no",
            "none",
            "null",
            "0",
            "1",
            "unset",
            "todo",
            "changeme",
            "change-me",
            "dummy",
            "placeholder",
            "xxx",
            "redacted",
        ]
        .contains(&lower.as_str())
        || lower.starts_with("your")
        || lower.starts_with("http://")
        || lower.starts_with("https://");
    !hole
}

/// What a token begins with, how much follows at least, of which characters, and what it is.
type Form = (&'static str, usize, fn(char) -> bool, &'static str);

/// Tokens that are known by their form.
pub(in crate::rules) fn known_secret(text: &str) -> Option<&'static str> {
    let word = |prefix: &str, length: usize, fits: fn(char) -> bool| {
        text.match_indices(prefix).any(|(at, _)| {
            let rest = &text[at + prefix.len()..];
            let before = text[..at].chars().next_back().is_none_or(|next| !next.is_ascii_alphanumeric());
            before && rest.chars().take_while(|next| fits(*next)).count() >= length
        })
    };
    let plain: fn(char) -> bool = |next| next.is_ascii_alphanumeric() || next == '_' || next == '-';
    let upper: fn(char) -> bool = |next| next.is_ascii_uppercase() || next.is_ascii_digit();
    let forms: [Form; 12] = [
        ("AKIA", 16, upper, "an AWS access key"),
        ("ASIA", 16, upper, "an AWS access key"),
        ("ghp_", 36, plain, "a GitHub token"),
        ("gho_", 36, plain, "a GitHub token"),
        ("ghs_", 36, plain, "a GitHub token"),
        ("github_pat_", 40, plain, "a GitHub token"),
        ("glpat-", 20, plain, "a GitLab token"),
        ("xoxb-", 20, plain, "a Slack token"),
        ("xoxp-", 20, plain, "a Slack token"),
        ("AIza", 35, plain, "a Google API key"),
        ("npm_", 36, plain, "an npm token"),
        ("sk_live_", 20, plain, "a Stripe key"),
    ];
    let found = forms.iter().find(|(prefix, length, fits, _)| word(prefix, *length, *fits));
    let key = text.contains("-----BEGIN") && text.contains("PRIVATE KEY-----");
    let other = || known_token(text).map(|(.., what)| what);
    found.map(|(.., what)| *what).or_else(other).or(if key { Some("a private key") } else { None })
}
