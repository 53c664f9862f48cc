//! Rules on secrets: in variables, on command lines, in files.

mod commands;
mod words;

use dockerfile::shell::Value;
use dockerfile::{InstructionKind, Span};

use crate::facts::dockerfile::DockerfileFacts;
use crate::facts::manifest;
use crate::level::{Level, Levels};
use crate::rule::{Example, Family, Foreign, Need, Rule};
use commands::COMMAND_SECRET;
pub(super) use commands::command_secrets;
use words::{is_secret_name, is_secret_value, known_secret};

/// A secret in ENV or ARG.
pub static ENV_SECRET: Rule = Rule {
    bad: Example(
        "FROM registry.example.com/base:1\nENV «DB_PASSWORD»=Kd93mfQx81\nENV «OPTS»=\"-Xmx1g -Djavax.net.ssl.trustStorePassword=Tru5tMe99\"\nARG «API_TOKEN»=d0ntl00katm3\n",
    ),
    good: Example(
        "FROM registry.example.com/base:1\nARG TOKEN_URL=https://auth.example.com/token\nENV DB_PASSWORD_FILE=/run/secrets/db TOKENIZERS_PARALLELISM=false PASSWORD=\"\" SECRET_NAME=db\nENV POSTGRES_PASSWORD=$FROM_OUTSIDE OPTS=-Djavax.net.ssl.trustStorePassword=changeit\n",
    ),
    also: &[Foreign::Docker("SecretsUsedInArgOrEnv"), Foreign::Hadolint("DL3064")],
    judge: |facts, sink| {
        for file in &facts.dockerfiles {
            each_setting(file, |name, span, _, value| {
                let text = value.text();
                if let Some(option) = secret_property(&text) {
                    let message = format!("`{option}` is in the image for everybody who can pull it");
                    sink.find(file.place(span), message);
                }
                // What is known by its form is found by that.
                let token = known_secret(&text).is_some();
                if is_secret_name(name) && value.known().is_some() && is_secret_value(&text) && !token {
                    sink.find(
                        file.place(span),
                        format!("`{name}` is in the image for everybody who can pull it"),
                    );
                }
            });
        }
    },
    ..Rule::of(
        Family::Privilege,
        "secret-in-env",
        Levels::WARNING,
        "ENV and ARG hold no secrets",
        "ENV is in the image's configuration, ARG in its history: whoever can pull the image can read both. A password that was \
         in an image once is known.",
        "give it to the RUN that needs it with `--mount=type=secret`, or to the container when it starts; and change it",
    )
};

/// A property of a JVM that is a secret: `-Djavax.net.ssl.trustStorePassword=...`. The JDK's own password guards nothing.
fn secret_property(text: &str) -> Option<&str> {
    let options =
        text.split_whitespace().filter_map(|word| word.trim_matches(['"', '\'']).strip_prefix("-D"));
    let pairs = options.filter_map(|word| word.split_once('='));
    pairs
        .filter(|(name, value)| {
            manifest::is_secret_name(name) && is_secret_value(value) && *value != "changeit"
        })
        .map(|(name, _)| name)
        .next()
}

/// ARG and ENV for a secret that is given later.
pub static ARG_FOR_SECRET: Rule = Rule {
    bad: Example("FROM registry.example.com/base:1\nARG «NPM_TOKEN»\nENV «API_TOKEN»=$TOKEN\n"),
    good: Example("FROM registry.example.com/base:1\nRUN --mount=type=secret,id=npm npm ci\n"),
    also: &[Foreign::Docker("SecretsUsedInArgOrEnv"), Foreign::Hadolint("DL3064")],
    judge: |facts, sink| {
        for file in &facts.dockerfiles {
            for (_, own, instruction) in file.each() {
                match &instruction.kind {
                    InstructionKind::Arg(list) => {
                        for declaration in list
                            .iter()
                            .filter(|own| own.default.as_ref().is_none_or(|default| default.raw.is_empty()))
                        {
                            if is_secret_name(&declaration.key.raw) {
                                sink.find(
                                    file.place(declaration.key.span),
                                    format!(
                                        "the value of `{}` ends in the image's history",
                                        declaration.key.raw
                                    ),
                                );
                            }
                        }
                    }
                    InstructionKind::Env(pairs) => {
                        for pair in pairs {
                            let value = own.scope.expand(&pair.value, file.escape());
                            if is_secret_name(&pair.key.raw)
                                && value.known().is_none()
                                && pair.value.raw.contains('$')
                            {
                                sink.find(
                                    file.place(pair.key.span),
                                    format!(
                                        "the value of `{}` ends in the image's configuration",
                                        pair.key.raw
                                    ),
                                );
                            }
                        }
                    }
                    _ => {}
                }
            }
        }
    },
    ..Rule::of(
        Family::Privilege,
        "secret-build-arg",
        Levels::of(Some(Level::Warning), Some(Level::Error), Some(Level::Error)),
        "secrets are not given as build arguments",
        "A build argument is written into the history of every image whose RUN could see it.",
        "use `RUN --mount=type=secret`",
    )
};

/// Every pair of ENV, LABEL and ARG with a value.
pub(super) fn each_setting(file: &DockerfileFacts, mut say: impl FnMut(&str, Span, Span, &Value)) {
    let globals = file.tree.global_args.iter().map(|instruction| (None, instruction));
    let all = globals.chain(file.each().map(|(_, own, instruction)| (Some(own), instruction)));
    for (own, instruction) in all {
        let pairs: Vec<_> = match &instruction.kind {
            InstructionKind::Arg(list) => list
                .iter()
                .filter_map(|own| own.default.as_ref().map(|default| (&own.key, default)))
                .collect(),
            InstructionKind::Env(list) | InstructionKind::Label(list) => {
                list.iter().map(|pair| (&pair.key, &pair.value)).collect()
            }
            _ => continue,
        };
        let nothing = crate::facts::dockerfile::Scope::default();
        let scope = own.map_or(&nothing, |own| &own.scope);
        for (key, word) in pairs {
            say(&key.raw, key.span, word.span, &scope.expand(word, file.escape()));
        }
    }
}

/// A file of secrets that is copied into the image.
pub static COPY_SECRET: Rule = Rule {
    bad: Example(
        "FROM registry.example.com/base:1\nCOPY «id_rsa» /root/.ssh/id_rsa\nCOPY «.env» /app/.env\nCOPY «.netrc» /root/\n",
    ),
    good: Example(
        "FROM registry.example.com/base:1\nCOPY id_rsa.pub .env.example /etc/\nCOPY ca.pem /etc/pki/\n",
    ),
    judge: |facts, sink| {
        for file in &facts.dockerfiles {
            for (stage, own, instruction) in file.each() {
                let (sources, from) = match &instruction.kind {
                    InstructionKind::Copy(copy) => (&copy.sources, copy.from.is_some()),
                    InstructionKind::Add(add) => (&add.sources, false),
                    _ => continue,
                };
                for source in sources.iter().filter(|_| !from) {
                    let value = own.scope.expand(source, file.escape()).text();
                    let name = value
                        .trim_end_matches('/')
                        .rsplit('/')
                        .next()
                        .unwrap_or_default()
                        .to_ascii_lowercase();
                    let key = [".key", "-key.pem", ".p12", ".pfx", ".jks", ".keystore", ".kdbx"];
                    let secret = [
                        "id_rsa",
                        "id_dsa",
                        "id_ecdsa",
                        "id_ed25519",
                        ".env",
                        ".netrc",
                        "_netrc",
                        ".pgpass",
                        ".htpasswd",
                        ".git-credentials",
                        ".dockercfg",
                        ".ssh",
                        ".aws",
                        ".gnupg",
                        "credentials.json",
                        ".vault-token",
                        "kubeconfig",
                    ];
                    if secret.contains(&name.as_str()) || key[..2].iter().any(|end| name.ends_with(end)) {
                        let message = if stage.needed {
                            format!("`{name}` stays in a layer, also when it is removed later")
                        } else {
                            format!("`{name}` is a secret")
                        };
                        sink.find(file.place(source.span), message);
                    }
                }
            }
        }
    },
    ..Rule::of(
        Family::Privilege,
        "secret-copied",
        Levels::WARNING,
        "keys and passwords are not copied into images",
        "A file that was in a layer stays in it, also when a later step removes it.",
        "mount it: `RUN --mount=type=secret,id=...`, `--mount=type=ssh`",
    )
};

/// A token that is known by its form.
pub static TOKEN: Rule = Rule {
    needs: &[Need::Instructions, Need::Commands],
    bad: Example(
        "FROM registry.example.com/base:1\nENV KEY=«AKIAIOSFODNN7EXAMPLE»\nRUN ./push «--token=glpat-Xk29dLmQpR7sTuVw3yZa»\n",
    ),
    good: Example(
        "FROM registry.example.com/base:1\nENV KEY=AKIA NAME=glpat-\nRUN ./push --token=\"$TOKEN\"\n",
    ),
    judge: |facts, sink| {
        for file in &facts.dockerfiles {
            each_setting(file, |_, _, span, value| {
                if let Some(what) = known_secret(&value.text()) {
                    sink.find(file.place(span), format!("this is {what}"));
                }
            });
            for (_, _, command) in file.each_command() {
                for word in command.words.iter().chain(command.assignments.iter().map(|(_, value)| value)) {
                    // A variable's value is blamed where it is set.
                    let written = known_secret(file.text_at(facts, word.inner_span())).is_some();
                    if let Some(what) =
                        known_secret(&word.text()).filter(|_| written && !word.text().contains("://"))
                    {
                        sink.find(file.place(word.inner_span()), format!("this is {what}"));
                    }
                }
            }
        }
    },
    ..Rule::of(
        Family::Privilege,
        "secret-token",
        Levels::ERROR,
        "a Dockerfile holds no tokens and keys",
        "These are known by their form: nothing else looks like that. Whoever can read the Dockerfile or pull the image has it.",
        "revoke it, and give its successor with `--mount=type=secret`",
    )
};

/// Passwords that everybody knows.
pub static DEFAULT_CREDENTIALS: Rule = Rule {
    bad: Example(
        "FROM registry.example.com/base:1\nENV «ADMIN_PASSWORD»=admin\nRUN keytool -importcert -alias ca -file /ca.crt -keystore /k «-storepass changeit»\n",
    ),
    good: Example(
        "FROM registry.example.com/base:1\nARG P\nRUN keytool -importcert -noprompt -file /ca.crt -cacerts -storepass changeit\n",
    ),
    judge: |facts, sink| {
        let common = [
            "admin",
            "admin123",
            "password",
            "passw0rd",
            "changeit",
            "secret",
            "root",
            "toor",
            "123456",
            "postgres",
            "minioadmin",
            "minio123",
            "guest",
            "test",
            "airflow",
            "jupyter",
            "default",
        ];
        for file in &facts.dockerfiles {
            each_setting(file, |name, span, _, value| {
                if is_secret_name(name)
                    && value.known().is_some_and(|text| common.contains(&text.to_ascii_lowercase().as_str()))
                {
                    sink.find(file.place(span), format!("`{}` is tried first", value.text()));
                }
            });
            for (_, _, command) in file.each_command() {
                if command.program() != Some("keytool") {
                    continue;
                }
                let words: Vec<String> = command.arguments().iter().map(Value::text).collect();
                // The JDK's own store has this password everywhere, and holds nothing secret.
                let own = words
                    .iter()
                    .any(|word| word == "-cacerts" || word.ends_with("/cacerts") || word == "cacerts");
                for (index, word) in words.iter().enumerate() {
                    let value = words.get(index + 1).map(String::as_str).unwrap_or_default();
                    if matches!(word.as_str(), "-storepass" | "-keypass" | "-deststorepass")
                        && common.contains(&value)
                        && !own
                    {
                        let arguments = command.arguments();
                        sink.find(
                            file.place(arguments[index].span.to(arguments[index + 1].span)),
                            format!("`{value}` is tried first"),
                        );
                    }
                }
            }
        }
    },
    ..Rule::of(
        Family::Privilege,
        "default-password",
        Levels::DOUBT,
        "passwords are not those that everybody knows",
        "The first thing that an attacker tries is the default.",
        "take the password from a secret when the container starts",
    )
};

/// These rules.
pub const RULES: &[&Rule] =
    &[&ENV_SECRET, &TOKEN, &ARG_FOR_SECRET, &COMMAND_SECRET, &COPY_SECRET, &DEFAULT_CREDENTIALS];
