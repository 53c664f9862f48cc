//! Variables of a stage, and words expanded with them.

use std::collections::BTreeMap;
use std::sync::Arc;

use dockerfile::Word;
use dockerfile::expand::{Options, expand};
use dockerfile::shell::{Piece, Value, Variables};

/// Variables that BuildKit sets for whoever declares them, and the proxies that need no declaration.
pub const PREDEFINED: [&str; 26] = [
    "TARGETPLATFORM",
    "TARGETOS",
    "TARGETARCH",
    "TARGETVARIANT",
    "TARGETSTAGE",
    "TARGETOSVERSION",
    "BUILDPLATFORM",
    "BUILDOS",
    "BUILDARCH",
    "BUILDVARIANT",
    "BUILDOSVERSION",
    "HTTP_PROXY",
    "http_proxy",
    "HTTPS_PROXY",
    "https_proxy",
    "FTP_PROXY",
    "ftp_proxy",
    "NO_PROXY",
    "no_proxy",
    "ALL_PROXY",
    "all_proxy",
    "SOURCE_DATE_EPOCH",
    "BUILDKIT_INLINE_CACHE",
    "BUILDKIT_SYNTAX",
    "BUILDKIT_CONTEXT_KEEP_GIT_DIR",
    "BUILDKIT_SANDBOX_HOSTNAME",
];

/// What is known of the variables at an instruction. Shared between instructions that change nothing.
#[derive(Debug, Clone, Default)]
pub struct Scope {
    env: Arc<Variables>,
    args: Arc<Variables>,
}

impl Scope {
    /// The same with an ENV.
    pub fn set_env(&mut self, name: String, value: Option<String>) {
        Arc::make_mut(&mut self.env).insert(name, value);
    }

    /// The same with an ARG.
    pub fn set_arg(&mut self, name: String, value: Option<String>) {
        Arc::make_mut(&mut self.args).insert(name, value);
    }

    /// A variable: nothing where it is not set, nothing within where its value is not known. ENV wins.
    pub fn get(&self, name: &str) -> Option<Option<&str>> {
        let found = self.env.get(name).or_else(|| self.args.get(name))?;
        Some(found.as_deref())
    }

    /// The value of an ENV.
    pub fn env(&self, name: &str) -> Option<Option<&str>> {
        self.env.get(name).map(Option::as_deref)
    }

    /// All that a RUN sees.
    pub fn variables(&self) -> Variables {
        let mut all: BTreeMap<String, Option<String>> = (*self.args).clone();
        all.extend(self.env.iter().map(|(name, value)| (name.clone(), value.clone())));
        all
    }

    /// A word with its variables substituted. What is not known stays as it is written.
    pub fn expand(&self, word: &Word, escape: char) -> Value {
        self.expand_text(&word.raw, word.span, escape)
    }

    /// The same for a text at a place.
    pub fn expand_text(&self, raw: &str, span: dockerfile::Span, escape: char) -> Value {
        let mut value = Value::empty(span);
        if !raw.contains(['$', '\'', '"', escape]) {
            value.push(Piece::Known(raw.to_owned()));
            return value;
        }
        // A character that no Dockerfile has marks what is not known; the name stands between two of them.
        const MARK: char = '\u{1}';
        let lookup = |name: &str| match self.get(name) {
            Some(Some(text)) => Some(text.to_owned()),
            // An ARG that nobody gives a value to: what stands after `:-` is its value.
            Some(None) if has_default(raw, name) => None,
            _ => Some(format!("{MARK}{name}{MARK}")),
        };
        let Ok(expanded) = expand(raw, Options::new(escape), &lookup) else {
            value.push(Piece::Unknown(raw.to_owned()));
            return value;
        };
        for (index, part) in expanded.word.split(MARK).enumerate() {
            value.push(match index % 2 {
                0 => Piece::Known(part.to_owned()),
                _ => Piece::Unknown(format!("${part}")),
            });
        }
        value
    }

    /// The names of the variables that a word uses.
    pub fn used(raw: &str, escape: char) -> Vec<String> {
        if !raw.contains('$') {
            return Vec::new();
        }
        let expanded = expand(raw, Options::new(escape), &|_: &str| None).unwrap_or_default();
        expanded.unmatched.into_iter().chain(expanded.matched).collect()
    }
}

/// Whether a word says what a variable is where it has no value: `${NAME:-this}`.
fn has_default(raw: &str, name: &str) -> bool {
    let braced = format!("${{{name}");
    raw.match_indices(&braced).any(|(at, _)| {
        let rest = &raw[at + braced.len()..];
        rest.starts_with(":-") || rest.starts_with('-')
    })
}
