//! Rules on users, modes and secrets.

use dockerfile::shell::Value;
use dockerfile::{InstructionKind, Span};

use crate::facts::dockerfile::{Base, DockerfileFacts};
use crate::level::{Level, Levels};
use crate::rule::{Example, Family, Foreign, Need, Rule};

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
            if let Some((span, user)) = last_user
                && user.known().is_some_and(is_root)
            {
                sink.find(file.place(span), "the image runs as root").about(file.image.as_deref());
            }
        }
    },
    ..Rule::of(
        Family::Privilege,
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
            "ubi-init",
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
    ..Rule::of(
        Family::Privilege,
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
    ..Rule::of(
        Family::Privilege,
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
    ..Rule::of(
        Family::Privilege,
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
    ..Rule::of(
        Family::Privilege,
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
                        if matches!(word.known(), Some("-m" | "--mode"))
                            && let Some(mode) = arguments.get(index + 1)
                        {
                            say(&mode.text(), mode.inner_span(), &[]);
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
    ..Rule::of(
        Family::Privilege,
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
    ..Rule::of(
        Family::Privilege,
        "passwd-writable",
        Levels::WARNING,
        "/etc/passwd is writable for root alone",
        "An old recipe for OpenShift makes it group-writable, so that a user of any number has a name. Whoever runs in the \
         container can then write a user with the number 0 (CVE-2019-19349 and its relatives). Current CRI-O adds the line itself.",
        "drop it",
    )
};

/// Verification of certificates, turned off for whatever runs in the image.
pub static TLS_OFF: Rule = Rule {
    bad: Example(
        "FROM registry.example.com/base:1\nENV «NODE_TLS_REJECT_UNAUTHORIZED»=0\nENV «PYTHONHTTPSVERIFY»=0\nRUN «git config --global http.sslVerify false»\nRUN mkdir -p /root/.ssh && «echo 'StrictHostKeyChecking no' >> /root/.ssh/config»\nRUN «ssh -o StrictHostKeyChecking=no git.example.com true»\n",
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
                let heard = command.arguments().iter().chain(&command.stdin).any(|word| {
                    let text = word.text().to_ascii_lowercase().replace(['=', '\t'], " ");
                    text.split("stricthostkeychecking ")
                        .skip(1)
                        .any(|rest| rest.trim_start().starts_with("no"))
                });
                if heard
                    || words
                        .iter()
                        .any(|word| word.contains("git_ssh_command") && word.contains("checking=no"))
                {
                    sink.find(file.place(command.span), "ssh takes anybody for the host");
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
    ..Rule::of(
        Family::Privilege,
        "tls-verification-off",
        Levels::WARNING,
        "certificates are verified at run time too",
        "What is set here holds for every program in the image and every container of it.",
        "install the CA certificate and drop the setting",
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
    ..Rule::of(
        Family::Privilege,
        "run-insecure",
        Levels::WARNING,
        "a RUN needs no rights of the machine",
        "Such a step is neither contained nor observed: what it fetched nobody can say.",
        "find out what it needs, and give it that",
    )
};

/// These rules.
pub const RULES: &[&Rule] =
    &[&LAST_ROOT, &NO_USER, &SUDO, &SUDOERS, &WORLD_WRITABLE, &SETUID, &PASSWD, &TLS_OFF, &RUN_INSECURE];
