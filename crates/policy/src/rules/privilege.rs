//! Rules on users, modes and secrets.

use dockerfile::shell::{Invocation, Value};
use dockerfile::{InstructionKind, Span};

use crate::facts::dockerfile::{Base, DockerfileFacts};
use crate::level::{Level, Levels};
use crate::rule::{Example, Family, Foreign, Need, Rule};

const fn rule(
    id: &'static str,
    levels: Levels,
    title: &'static str,
    why: &'static str,
    fix: &'static str,
) -> Rule {
    Rule { id, levels, title, why, fix, family: Family::Privilege, ..Rule::BLANK }
}

fn is_root(user: &str) -> bool {
    matches!(user.split(':').next(), Some("root" | "0"))
}

/// The last USER of what is shipped is root.
pub static LAST_ROOT: Rule = Rule {
    bad: Example("FROM registry.example.com/base:1\nUSER 1001\nUSER «root»\nRUN true\n"),
    good: Example("FROM registry.example.com/base:1\nUSER root\nRUN true\nUSER 1001\n"),
    also: &[Foreign::Hadolint("DL3002"), Foreign::KubeScore("container-security-context-user-group-id")],
    judge: |facts, sink| {
        for file in &facts.dockerfiles {
            let Some(last) = file.stages.last() else { continue };
            let chain = file.chain(last.index);
            let last_user = chain.iter().find_map(|stage| {
                stage.instructions.iter().rev().find_map(|own| match &file.instruction(stage, own).kind {
                    InstructionKind::User(word) => Some((word.span, own.scope.expand(word, file.escape()))),
                    _ => None,
                })
            });
            if let Some((span, user)) = last_user {
                if user.known().is_some_and(is_root) {
                    sink.find(file.place(span), "the image runs as root").about(file.image.as_deref());
                }
            }
        }
    },
    ..rule(
        "user-root",
        Levels::of(Some(Level::Warning), Some(Level::Error), Some(Level::Error)),
        "the last USER is not root",
        "A process that breaks out of a container as root is root on the machine, unless something else holds it. OpenShift \
         gives a user of its own, and an image that needs root fails there.",
        "end with a `USER` that is a number other than 0",
    )
};

/// Nobody says which user.
pub static NO_USER: Rule = Rule {
    bad: Example("FROM «docker.io/library/debian:13»\nCMD [\"serve\"]\n"),
    good: Example("FROM docker.io/library/debian:13\nUSER 1001\nCMD [\"serve\"]\n"),
    judge: |facts, sink| {
        // Bases of which it is known that they run as root.
        let root = [
            "debian",
            "ubuntu",
            "alpine",
            "python",
            "node",
            "golang",
            "openjdk",
            "eclipse-temurin",
            "fedora",
            "centos",
            "ruby",
            "php",
            "rust",
            "nginx",
            "httpd",
            "amazonlinux",
            "rockylinux",
            "almalinux",
            "busybox",
            "buildpack-deps",
            "maven",
            "gradle",
            "tomcat",
            "ubi",
            "ubi-minimal",
            "ubi8",
            "ubi9",
            "ubi-micro",
            "perl",
        ];
        for file in &facts.dockerfiles {
            let Some(last) = file.stages.last() else { continue };
            let chain = file.chain(last.index);
            let any_user = chain.iter().flat_map(|stage| &stage.instructions).any(|own| own.user.is_some())
                || chain.iter().any(|stage| {
                    stage
                        .instructions
                        .iter()
                        .any(|own| matches!(file.instruction(stage, own).kind, InstructionKind::User(_)))
                });
            let Some(first) = chain.last() else { continue };
            let Base::Image(name) = &first.base else { continue };
            let Some(reference) = &name.reference else { continue };
            let base = reference.path().rsplit('/').next().unwrap_or_default();
            let nonroot =
                reference.tag().is_some_and(|tag| tag.contains("nonroot") || tag.contains("rootless"));
            let starts = chain.iter().any(|stage| {
                stage.instructions.iter().any(|own| {
                    matches!(
                        file.instruction(stage, own).kind,
                        InstructionKind::Cmd(_) | InstructionKind::Entrypoint(_)
                    )
                })
            });
            if !any_user && root.contains(&base) && !nonroot && starts {
                sink.find(
                    file.place(first.image_span),
                    format!("nobody sets a user, and `{base}` runs as root"),
                );
            }
        }
    },
    ..rule(
        "user-missing",
        Levels::of(Some(Level::Info), Some(Level::Warning), Some(Level::Error)),
        "an image says which user it runs as",
        "Without USER an image runs as its base does, which for most bases is root.",
        "end with a `USER` that is a number other than 0",
    )
};

/// sudo in a build.
pub static SUDO: Rule = Rule {
    needs: &[Need::Commands],
    bad: Example(
        "FROM registry.example.com/base:1\nRUN «sudo dnf install -y vim»\nRUN dnf install -y «sudo»\n",
    ),
    good: Example("FROM registry.example.com/base:1\nUSER root\nRUN dnf install -y vim\nUSER 1001\n"),
    also: &[Foreign::Hadolint("DL3004")],
    judge: |facts, sink| {
        for file in &facts.dockerfiles {
            for (_, _, command) in file.each_command() {
                if command.through.iter().any(|through| through == "sudo")
                    && command.through.last().is_some_and(|last| last == "sudo")
                    || command.program() == Some("sudo")
                {
                    sink.find(file.place(command.span), "`sudo` in a build");
                }
            }
            for stage in file.stages.iter().filter(|stage| stage.shipped) {
                for (_, command) in stage.instructions.iter().flat_map(|own| &own.managers) {
                    for package in command
                        .packages
                        .iter()
                        .filter(|package| package.name == "sudo" && command.manager.is_system())
                    {
                        sink.find(file.place(package.value.inner_span()), "`sudo` is in the image");
                    }
                }
            }
        }
    },
    ..rule(
        "sudo",
        Levels::of(Some(Level::Info), Some(Level::Warning), Some(Level::Warning)),
        "an image has no need of sudo",
        "In a build USER says who a command runs as. In a container sudo is a way to become root.",
        "use `USER root` for the commands that need it, and another user after them",
    )
};

/// Rules for sudo that ask for no password.
pub static SUDOERS: Rule = Rule {
    needs: &[Need::Commands],
    bad: Example(
        "FROM registry.example.com/base:1\nRUN «echo 'app ALL=(ALL) NOPASSWD: ALL' >> /etc/sudoers»\n",
    ),
    good: Example("FROM registry.example.com/base:1\nRUN echo 'app ALL' > /etc/app.conf\n"),
    judge: |facts, sink| {
        for file in &facts.dockerfiles {
            for (_, _, command) in file.each_command() {
                let to = command.output().map(Value::text).unwrap_or_default();
                let tee = command.arguments().iter().any(|word| word.text().contains("/etc/sudoers"));
                let says = command
                    .arguments()
                    .iter()
                    .chain(&command.stdin)
                    .any(|word| word.text().contains("NOPASSWD"));
                if says && (to.contains("/etc/sudoers") || tee || command.stages > 1) {
                    sink.find(file.place(command.span), "whoever runs in the container can be root");
                }
            }
        }
    },
    ..rule(
        "sudo-without-password",
        Levels::WARNING,
        "nobody becomes root without a password",
        "With such a line the user that the image runs as is root in all but name.",
        "drop the line",
    )
};

/// Files that everybody may write.
pub static WORLD_WRITABLE: Rule = Rule {
    needs: &[Need::Commands],
    bad: Example(
        "FROM registry.example.com/base:1\nRUN chmod «777» /opt && chmod -R «a+rwX» /srv\nCOPY --chmod=«777» run.sh /run.sh\n",
    ),
    good: Example(
        "FROM registry.example.com/base:1\nRUN chmod 1777 /tmp && chmod 755 /opt && chmod -R g=u /srv && chmod o-w /x\n",
    ),
    judge: |facts, sink| {
        for file in &facts.dockerfiles {
            each_chmod(file, |mode, span, files| {
                let sticky =
                    files.iter().all(|path| path.starts_with("/tmp") || path.starts_with("/var/tmp"))
                        && !files.is_empty();
                if gives_world_write(mode) && !sticky {
                    sink.find(file.place(span), format!("`{mode}` lets everybody write"));
                }
            });
        }
    },
    ..rule(
        "world-writable",
        Levels::WARNING,
        "nothing is writable for everybody",
        "Whoever gets into the container as any user can change these files, programs among them.",
        "give it to a group: `chgrp -R 0 DIR && chmod -R g=u DIR` is what OpenShift asks for",
    )
};

/// Every mode that is set, with its place and the files.
fn each_chmod(file: &DockerfileFacts, mut say: impl FnMut(&str, Span, &[String])) {
    for (_, own, instruction) in file.each() {
        for command in &own.commands {
            match command.program() {
                Some("chmod") => {
                    let mut words = command.arguments().iter().filter(|word| {
                        let text = word.text();
                        !(text.starts_with("--")
                            || matches!(
                                text.as_str(),
                                "-R" | "-v" | "-f" | "-c" | "-Rv" | "-Rf" | "-vR" | "-fR"
                            ))
                    });
                    let Some(mode) = words.next() else { continue };
                    let files: Vec<String> = words.map(Value::text).collect();
                    say(&mode.text(), mode.inner_span(), &files);
                }
                Some("install" | "mkdir") => {
                    let arguments = command.arguments();
                    for (index, word) in arguments.iter().enumerate() {
                        if matches!(word.known(), Some("-m" | "--mode")) {
                            if let Some(mode) = arguments.get(index + 1) {
                                say(&mode.text(), mode.inner_span(), &[]);
                            }
                        }
                    }
                }
                _ => {}
            }
        }
        let mode = match &instruction.kind {
            InstructionKind::Copy(copy) => copy.chmod.as_ref(),
            InstructionKind::Add(add) => add.chmod.as_ref(),
            _ => None,
        };
        if let Some(mode) = mode {
            say(&mode.raw, mode.span, &[]);
        }
    }
}

fn octal(mode: &str) -> Option<u32> {
    (!mode.is_empty() && mode.len() <= 5).then(|| u32::from_str_radix(mode, 8).ok())?
}

fn gives_world_write(mode: &str) -> bool {
    if let Some(bits) = octal(mode) {
        // With the sticky bit it is a directory like /tmp.
        return bits & 0o2 != 0 && bits & 0o1000 == 0;
    }
    mode.split(',').any(|clause| {
        let Some(at) = clause.find(['+', '=']) else { return false };
        let (who, what) = (&clause[..at], &clause[at + 1..]);
        (who.contains('o') || who.contains('a')) && what.contains('w') && !what.contains('t')
    })
}

/// setuid and setgid.
pub static SETUID: Rule = Rule {
    needs: &[Need::Commands],
    bad: Example(
        "FROM registry.example.com/base:1\nRUN chmod «u+s» /usr/bin/find && chmod «4755» /usr/local/bin/helper\n",
    ),
    good: Example(
        "FROM registry.example.com/base:1\nRUN chmod 0755 /usr/bin/find && chmod u-s /bin/su && chmod 2775 /srv/shared && chmod g+s /srv/shared\n",
    ),
    judge: |facts, sink| {
        for file in &facts.dockerfiles {
            each_chmod(file, |mode, span, _| {
                let symbolic = mode.split(',').any(|clause| {
                    clause.find(['+', '=']).is_some_and(|at| {
                        clause[at..].contains('s')
                            && (clause[..at].contains('u') || clause[..at].contains('a') || at == 0)
                    })
                });
                if symbolic || octal(mode).is_some_and(|bits| bits & 0o4000 != 0) {
                    sink.find(
                        file.place(span),
                        format!("`{mode}` makes a program run as its owner, whoever starts it"),
                    );
                }
            });
        }
    },
    ..rule(
        "setuid",
        Levels::WARNING,
        "no program is made setuid",
        "A setuid program is root for whoever starts it; a mistake in it is a way out.",
        "start it as the right user instead",
    )
};

/// /etc/passwd that others may write.
pub static PASSWD: Rule = Rule {
    needs: &[Need::Commands],
    bad: Example("FROM registry.example.com/base:1\nRUN «chmod g+w /etc/passwd»\n"),
    good: Example("FROM registry.example.com/base:1\nRUN chmod 644 /etc/passwd && chmod g=u /opt\n"),
    judge: |facts, sink| {
        for file in &facts.dockerfiles {
            for (_, _, command) in file.each_command() {
                if command.program() != Some("chmod") {
                    continue;
                }
                let words: Vec<String> = command.arguments().iter().map(Value::text).collect();
                let touches = words.iter().any(|word| {
                    matches!(word.as_str(), "/etc/passwd" | "/etc/group" | "/etc/shadow" | "/etc")
                });
                let writes = words.iter().any(|word| {
                    let symbolic = word.split(',').any(|clause| {
                        let group =
                            clause.split(['+', '=']).next().is_some_and(|who| who.contains(['g', 'o', 'a']));
                        group
                            && (clause
                                .split(['+', '='])
                                .nth(1)
                                .is_some_and(|what| what.contains('w') || what == "u"))
                    });
                    symbolic || octal(word).is_some_and(|bits| bits & 0o22 != 0)
                });
                if touches && writes {
                    sink.find(
                        file.place(command.span),
                        "who can write this file can make a root of their own",
                    );
                }
            }
        }
    },
    ..rule(
        "passwd-writable",
        Levels::WARNING,
        "/etc/passwd is writable for root alone",
        "An old recipe for OpenShift makes it group-writable, so that a user of any number has a name. Whoever runs in the \
         container can then write a user with the number 0 (CVE-2019-19349 and its relatives). Current CRI-O adds the line itself.",
        "drop it",
    )
};

/// Words in names that say that a value is secret.
const SECRET_WORDS: [&str; 12] = [
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
pub(super) fn is_secret_name(name: &str) -> bool {
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
pub(super) fn is_secret_value(value: &str) -> bool {
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

/// A secret in ENV or ARG.
pub static ENV_SECRET: Rule = Rule {
    bad: Example(
        "FROM registry.example.com/base:1\nENV «DB_PASSWORD»=Kd93mfQx81\nARG «API_TOKEN»=d0ntl00katm3\nENV KEY=«AKIAIOSFODNN7EXAMPLE»\n",
    ),
    good: Example(
        "FROM registry.example.com/base:1\nARG TOKEN_URL=https://auth.example.com/token\nENV DB_PASSWORD_FILE=/run/secrets/db TOKENIZERS_PARALLELISM=false PASSWORD=\"\" SECRET_NAME=db\nENV POSTGRES_PASSWORD=$FROM_OUTSIDE\n",
    ),
    also: &[
        Foreign::Docker("SecretsUsedInArgOrEnv"),
        Foreign::KubeScore("environment-variable-key-duplication"),
    ],
    judge: |facts, sink| {
        for file in &facts.dockerfiles {
            each_setting(file, |name, span, value_span, value| {
                let text = value.text();
                if is_secret_name(name) && value.known().is_some() && is_secret_value(&text) {
                    sink.find(
                        file.place(span),
                        format!("`{name}` is in the image for everybody who can pull it"),
                    );
                } else if let Some(what) = known_secret(&text) {
                    sink.find(file.place(value_span), format!("this is {what}"));
                }
            });
        }
    },
    ..rule(
        "secret-in-env",
        Levels::of(Some(Level::Error), Some(Level::Error), Some(Level::Error)),
        "ENV and ARG hold no secrets",
        "ENV is in the image's configuration, ARG in its history: whoever can pull the image can read both. A password that was \
         in an image once is known.",
        "give it to the RUN that needs it with `--mount=type=secret`, or to the container when it starts; and change it",
    )
};

/// ARG and ENV for a secret that is given later.
pub static ARG_FOR_SECRET: Rule = Rule {
    bad: Example("FROM registry.example.com/base:1\nARG «NPM_TOKEN»\nENV «API_TOKEN»=$TOKEN\n"),
    good: Example("FROM registry.example.com/base:1\nRUN --mount=type=secret,id=npm npm ci\n"),
    also: &[Foreign::Docker("SecretsUsedInArgOrEnv")],
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
    ..rule(
        "secret-build-arg",
        Levels::of(Some(Level::Warning), Some(Level::Error), Some(Level::Error)),
        "secrets are not given as build arguments",
        "A build argument is written into the history of every image whose RUN could see it.",
        "use `RUN --mount=type=secret`",
    )
};

/// Every pair of ENV, LABEL and ARG with a value.
fn each_setting(file: &DockerfileFacts, mut say: impl FnMut(&str, Span, Span, &Value)) {
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

/// Tokens that are known by their form.
pub(super) fn known_secret(text: &str) -> Option<&'static str> {
    let word = |prefix: &str, length: usize, fits: fn(char) -> bool| {
        text.match_indices(prefix).any(|(at, _)| {
            let rest = &text[at + prefix.len()..];
            let before = text[..at].chars().next_back().is_none_or(|next| !next.is_ascii_alphanumeric());
            before && rest.chars().take_while(|next| fits(*next)).count() >= length
        })
    };
    let plain: fn(char) -> bool = |next| next.is_ascii_alphanumeric() || next == '_' || next == '-';
    let upper: fn(char) -> bool = |next| next.is_ascii_uppercase() || next.is_ascii_digit();
    let forms: [(&str, usize, fn(char) -> bool, &str); 12] = [
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
    found.map(|(.., what)| *what).or(if key { Some("a private key") } else { None })
}

/// A secret on a command line.
pub static COMMAND_SECRET: Rule = Rule {
    needs: &[Need::Commands],
    bad: Example(
        "FROM registry.example.com/base:1\nRUN curl -fsS -u «admin:Kd93mfQx81» https://nexus.example.com/f -o /f\nRUN «echo \"root:t00rt00r\"» | chpasswd\nRUN mysql -uroot «-pSuperSecret1» -e 'select 1'\nRUN export DB_PASSWORD=«Kd93mfQx81» && ./setup\n",
    ),
    good: Example(
        "FROM registry.example.com/base:1\nARG P\nRUN curl -fsS -u \"admin:$P\" https://nexus.example.com/f -o /f\nRUN mysql -uroot -p\"$P\" -P 3306 && mkdir -p /srv\nRUN --mount=type=secret,id=p DB_PASSWORD=$(cat /run/secrets/p) ./setup\n",
    ),
    judge: |facts, sink| {
        for file in &facts.dockerfiles {
            for (_, own, command) in file.each_command() {
                for (span, message) in command_secrets(command) {
                    sink.find(file.place(span), message);
                }
                let feeds = command.stages > 1 && matches!(command.program(), Some("echo" | "printf"));
                let to_passwords = own.commands.iter().any(|other| {
                    other.pipeline == command.pipeline
                        && other.stage > command.stage
                        && matches!(other.program(), Some("chpasswd" | "passwd"))
                });
                let said = command.arguments().iter().any(|word| {
                    word.known().is_some_and(|text| {
                        text.len() > 1
                            && !text.starts_with('-')
                            && is_secret_value(text.rsplit(':').next().unwrap_or_default())
                    })
                });
                if feeds && to_passwords && said {
                    sink.find(file.place(command.span), "a password that everybody can read");
                }
            }
        }
    },
    ..rule(
        "secret-on-command-line",
        Levels::ERROR,
        "command lines hold no secrets",
        "A RUN's text is in the image's history and in every log of the build.",
        "use `RUN --mount=type=secret`, and change it: it is known now",
    )
};

fn command_secrets(command: &Invocation) -> Vec<(Span, String)> {
    let mut found = Vec::new();
    let arguments = command.arguments();
    let after = |names: &[&str]| {
        arguments
            .iter()
            .enumerate()
            .filter_map(|(index, word)| {
                let text = word.text();
                if names.contains(&text.as_str()) {
                    return arguments.get(index + 1).cloned();
                }
                let (name, value) = word.split_once('=')?;
                names.contains(&name.text().as_str()).then_some(value)
            })
            .collect::<Vec<Value>>()
    };
    let known = |value: &Value| value.known().is_some_and(is_secret_value);
    match command.program() {
        Some("curl") => {
            for value in after(&["-u", "--user", "--proxy-user", "-U"]) {
                let password = value
                    .known()
                    .and_then(|text| text.split_once(':'))
                    .is_some_and(|(_, password)| is_secret_value(password));
                if password {
                    found.push((value.inner_span(), "a password that everybody can read".to_owned()));
                }
            }
        }
        Some("wget") => {
            found.extend(
                after(&["--password", "--http-password"])
                    .iter()
                    .filter(|value| known(value))
                    .map(|value| (value.inner_span(), "a password that everybody can read".to_owned())),
            );
        }
        Some("mysql" | "mysqladmin" | "mysqldump" | "mariadb") => {
            let words = arguments.iter().filter(|word| {
                word.known()
                    .is_some_and(|text| text.starts_with("-p") && text.len() > 2 && !text.starts_with("-p="))
            });
            found.extend(
                words
                    .filter(|word| known(word))
                    .map(|word| (word.inner_span(), "a password that everybody can read".to_owned())),
            );
        }
        Some("docker" | "podman" | "skopeo" | "buildah" | "helm" | "oc" | "az" | "kapok") => {
            for value in after(&["-p", "--password", "--token", "--creds", "--src-creds", "--dest-creds"]) {
                let login =
                    arguments.iter().any(|word| matches!(word.known(), Some("login" | "copy" | "inspect")));
                if login && known(&value) {
                    found.push((value.inner_span(), "a password that everybody can read".to_owned()));
                }
            }
        }
        Some("useradd" | "usermod") => {
            let given = after(&["-p", "--password"]);
            found.extend(
                given
                    .iter()
                    .filter(|value| known(value))
                    .map(|value| (value.inner_span(), "a password that everybody can read".to_owned())),
            );
        }
        _ => {}
    }
    let exported = matches!(command.program(), Some("export" | "declare" | "local" | "env")).then(|| {
        arguments.iter().filter_map(|word| word.split_once('=')).map(|(name, value)| (name.text(), value))
    });
    let assigned = command.assignments.iter().map(|(name, value)| (name.clone(), value.clone()));
    for (name, value) in assigned.chain(exported.into_iter().flatten()) {
        if is_secret_name(&name) && known(&value) {
            found.push((value.inner_span(), format!("the value of `{name}` is for everybody to read")));
        }
    }
    for word in arguments {
        if let Some(what) = known_secret(&word.text()).filter(|_| !word.text().contains("://")) {
            found.push((word.inner_span(), format!("this is {what}")));
        }
    }
    found
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
    ..rule(
        "secret-copied",
        Levels::WARNING,
        "keys and passwords are not copied into images",
        "A file that was in a layer stays in it, also when a later step removes it.",
        "mount it: `RUN --mount=type=secret,id=...`, `--mount=type=ssh`",
    )
};

/// Verification of certificates, turned off for whatever runs in the image.
pub static TLS_OFF: Rule = Rule {
    bad: Example(
        "FROM registry.example.com/base:1\nENV «NODE_TLS_REJECT_UNAUTHORIZED»=0\nENV «PYTHONHTTPSVERIFY»=0\nRUN «git config --global http.sslVerify false»\n",
    ),
    good: Example(
        "FROM registry.example.com/base:1\nENV NODE_EXTRA_CA_CERTS=/etc/ca.pem NODE_TLS_REJECT_UNAUTHORIZED=1\nRUN git config --global http.sslCAInfo /etc/ca.pem\n",
    ),
    judge: |facts, sink| {
        super::packages::each_env(facts, |file, name, span, value| {
            let value = value.text().to_ascii_lowercase();
            let off = match name {
                "NODE_TLS_REJECT_UNAUTHORIZED" | "PYTHONHTTPSVERIFY" => value == "0",
                "GIT_SSL_NO_VERIFY" => !matches!(value.as_str(), "" | "0" | "false"),
                "CURL_INSECURE" | "VAULT_SKIP_VERIFY" | "ARGOCD_INSECURE" => {
                    matches!(value.as_str(), "1" | "true")
                }
                _ => false,
            };
            if off {
                sink.find(file.place(span), format!("`{name}={value}` takes anybody for the server"));
            }
        });
        for file in &facts.dockerfiles {
            for (_, _, command) in file.each_command() {
                let words: Vec<String> =
                    command.arguments().iter().map(|word| word.text().to_ascii_lowercase()).collect();
                let git = command.program() == Some("git") && words.iter().any(|word| word == "config");
                let named = words.iter().any(|word| word == "http.sslverify");
                if git && named && words.iter().any(|word| matches!(word.as_str(), "false" | "0" | "off")) {
                    sink.find(file.place(command.span), "git takes anybody for the server");
                }
                let written = matches!(command.program(), Some("echo" | "printf" | "tee" | "cat"))
                    && (command.output().is_some_and(|output| {
                        [".curlrc", ".wgetrc", "wgetrc"].iter().any(|end| output.text().ends_with(end))
                    }))
                    && command.arguments().iter().chain(&command.stdin).any(|word| {
                        let text = word.text();
                        text.lines().any(|line| {
                            matches!(line.trim(), "insecure" | "-k" | "--insecure")
                                || line.replace(' ', "") == "check_certificate=off"
                        })
                    });
                if written {
                    sink.find(file.place(command.span), "every later download takes anybody for the server");
                }
            }
        }
    },
    ..rule(
        "tls-verification-off",
        Levels::WARNING,
        "certificates are verified at run time too",
        "What is set here holds for every program in the image and every container of it.",
        "install the CA certificate and drop the setting",
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
    ..rule(
        "default-password",
        Levels::DOUBT,
        "passwords are not those that everybody knows",
        "The first thing that an attacker tries is the default.",
        "take the password from a secret when the container starts",
    )
};

/// RUN with the rights of the machine.
pub static RUN_INSECURE: Rule = Rule {
    bad: Example(
        "FROM registry.example.com/base:1\nRUN --security=«insecure» mount x\nRUN --network=«host» make\n",
    ),
    good: Example("FROM registry.example.com/base:1\nRUN --network=none make\n"),
    judge: |facts, sink| {
        for file in &facts.dockerfiles {
            for (_, _, instruction) in file.each() {
                let InstructionKind::Run(run) = &instruction.kind else { continue };
                if let Some(security) =
                    run.security.as_ref().filter(|security| security.value == dockerfile::Security::Insecure)
                {
                    sink.find(file.place(security.span), "the step has all capabilities");
                }
                if let Some(network) =
                    run.network.as_ref().filter(|network| network.value == dockerfile::Network::Host)
                {
                    sink.find(
                        file.place(network.span),
                        "the step is in the machine's network, where nothing is recorded",
                    );
                }
            }
        }
    },
    ..rule(
        "run-insecure",
        Levels::WARNING,
        "a RUN needs no rights of the machine",
        "Such a step is neither contained nor observed: what it fetched nobody can say.",
        "find out what it needs, and give it that",
    )
};

/// These rules.
pub const RULES: &[&Rule] = &[
    &LAST_ROOT,
    &NO_USER,
    &SUDO,
    &SUDOERS,
    &WORLD_WRITABLE,
    &SETUID,
    &PASSWD,
    &ENV_SECRET,
    &ARG_FOR_SECRET,
    &COMMAND_SECRET,
    &COPY_SECRET,
    &TLS_OFF,
    &DEFAULT_CREDENTIALS,
    &RUN_INSECURE,
];
