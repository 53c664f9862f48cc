//! Rules on where packages come from, and whether they are verified.

use dockerfile::shell::{Invocation, Value};

use super::{each_env, each_manager};
use crate::facts::commands::{Action, Manager, ManagerCommand, RequestKind};
use crate::facts::dockerfile::{DockerfileFacts, InstructionFacts};
use crate::level::{Level, Levels};
use crate::rule::{Example, Family, Need, Rule};

/// A second index.
pub static EXTRA_INDEX: Rule = Rule {
    bad: Example(
        "FROM registry.example.com/base:1\nRUN pip install «--extra-index-url https://own.example.com/simple» own==1\nENV «PIP_EXTRA_INDEX_URL»=https://own.example.com/simple\n",
    ),
    good: Example(
        "FROM registry.example.com/base:1\nRUN pip install --index-url https://nexus.example.com/simple own==1\n",
    ),
    needs: &[Need::Packages],
    judge: |facts, sink| {
        each_manager(facts, |file, _, _, _, command| {
            for (_, span) in command.arguments.options(&["--extra-index-url", "--extra-index"]) {
                if matches!(command.manager, Manager::Pip | Manager::Uv) {
                    sink.find(
                        file.place(span),
                        "the highest version of all indexes wins, whoever published it",
                    );
                }
            }
        });
        each_env(facts, |file, name, span, value| {
            if matches!(name, "PIP_EXTRA_INDEX_URL" | "UV_EXTRA_INDEX_URL") && !value.text().is_empty() {
                sink.find(file.place(span), "the highest version of all indexes wins, whoever published it");
            }
        });
    },
    ..Rule::of(
        Family::Packages,
        "pip-extra-index",
        Levels::WARNING,
        "packages come from one index",
        "pip asks all indexes and takes the highest version it finds. Who registers the name of an internal package on the \
         public index is installed instead: dependency confusion (CVE-2018-20225).",
        "use one `--index-url` of a repository that groups the others",
    )
};

/// Options that turn the verification of packages off.
pub static INSECURE: Rule = Rule {
    bad: Example(
        "FROM registry.example.com/base:1\nRUN pip install «--trusted-host nexus.example.com» flask==3.0\nRUN apt-get install -y «--allow-unauthenticated» x=1\nRUN yum install -y «--nogpgcheck» x-1.0\nRUN npm config set «strict-ssl» false\nENV «PIP_TRUSTED_HOST»=nexus.example.com\n",
    ),
    good: Example(
        "FROM registry.example.com/base:1\nRUN pip install --cert /etc/ca.pem flask==3.0\nRUN npm config set strict-ssl true\n",
    ),
    needs: &[Need::Packages],
    judge: |facts, sink| {
        each_manager(facts, |file, _, _, _, command| {
            if let Some((span, message)) = insecure_option(command) {
                sink.find(file.place(span), message);
            }
        });
        each_env(facts, |file, name, span, value| {
            let value = value.text();
            let off = matches!(value.to_ascii_lowercase().as_str(), "0" | "false" | "off" | "no");
            let insecure = match name {
                "PIP_TRUSTED_HOST" | "UV_INSECURE_HOST" | "GOINSECURE" => !value.is_empty(),
                "NPM_CONFIG_STRICT_SSL"
                | "npm_config_strict_ssl"
                | "YARN_ENABLE_STRICT_SSL"
                | "CONDA_SSL_VERIFY" => off,
                "GONOSUMDB" | "GONOSUMCHECK" => value == "*" || value == "1",
                "GONOSUMVERIFY" | "GOSUMDB" => value == "off",
                _ => false,
            };
            if insecure {
                sink.find(file.place(span), format!("`{name}={value}` turns verification off"));
            }
        });
    },
    ..Rule::of(
        Family::Packages,
        "package-insecure",
        Levels::WARNING,
        "package managers verify what they get",
        "These options take packages from anybody who answers. They are mostly there because the company's CA or a signing key \
         is missing; that is what has to be added.",
        "install the CA or the key, and drop the option",
    )
};

fn insecure_option(command: &ManagerCommand) -> Option<(dockerfile::Span, String)> {
    use Manager::*;
    let flags: &[&str] = match command.manager {
        Pip | Uv | Pipenv | Poetry => &["--trusted-host", "--allow-insecure-host"],
        Apt | Aptitude => &["--allow-unauthenticated", "--force-yes", "--allow-insecure-repositories"],
        Dnf | Yum | Microdnf => &["--nogpgcheck", "--no-gpgchecks"],
        Zypper => &["--no-gpg-checks", "--gpg-auto-import-keys", "--allow-unsigned-rpm"],
        Apk => &["--allow-untrusted"],
        Rpm => &["--nosignature", "--nodigest", "--nogpg"],
        Dpkg => &["--force-bad-verify"],
        Conda => &["-k", "--insecure"],
        Composer => &["--disable-tls"],
        _ => &[],
    };
    if let Some((value, span)) = command.arguments.option(flags) {
        let name = flags.iter().find(|flag| command.arguments.has(&[flag])).unwrap_or(&"");
        let of = value.map(|value| format!(" of `{}`", value.text())).unwrap_or_default();
        return Some((span, format!("`{name}` turns verification{of} off")));
    }
    let texts = |value: Option<&Value>| value.map(Value::text).unwrap_or_default().to_ascii_lowercase();
    let settings = command.arguments.options(&["--setopt", "-o", "--option"]);
    for (value, span) in settings {
        let text = texts(value);
        let off = [
            "gpgcheck=0",
            "gpgcheck=false",
            "sslverify=0",
            "sslverify=false",
            "allowunauthenticated=true",
            "allowunauthenticated=1",
            "allowinsecurerepositories=true",
            "verify-peer=false",
            "verify-host=false",
        ];
        if off.iter().any(|off| text.ends_with(off)) {
            return Some((span, format!("`{text}` turns verification off")));
        }
    }
    if command.arguments.option(&["--strict-ssl"]).is_some_and(|(value, _)| texts(value) == "false") {
        let (_, span) = command.arguments.option(&["--strict-ssl"])?;
        return Some((span, "`--strict-ssl=false` turns verification off".to_owned()));
    }
    if command.manager == Maven {
        let off = command.arguments.list.iter().find_map(|argument| match argument {
            crate::facts::commands::Argument::Option { span, value, name } => {
                let text = format!("{name}{}", value.as_ref().map(Value::text).unwrap_or_default());
                (name == "-D" && text.contains("ssl.")).then_some((*span, text))
            }
            crate::facts::commands::Argument::Operand(_) => None,
        });
        return off
            .filter(|(_, text)| text.contains("ssl.insecure"))
            .map(|(span, _)| (span, "certificates are not verified".to_owned()));
    }
    if command.action == Action::Configure {
        let operands: Vec<&Value> = command.arguments.operands().collect();
        let last = operands.last().map(|value| value.text().to_ascii_lowercase()).unwrap_or_default();
        for (index, value) in operands.iter().enumerate() {
            let text = value.text().to_ascii_lowercase();
            let (key, own) =
                text.split_once('=').map_or((text.as_str(), last.as_str()), |(key, own)| (key, own));
            let off = matches!(own, "false" | "0" | "off" | "no");
            let insecure = (matches!(key, "strict-ssl" | "enablestrictssl" | "ssl_verify") && off)
                || (key.ends_with("trusted-host") && index + 1 < operands.len());
            if insecure {
                return Some((value.inner_span(), format!("`{key}` turns verification off")));
            }
        }
    }
    None
}

/// An index that is not the central repository.
pub static INDEX_OUTSIDE: Rule = Rule {
    needs: &[Need::Packages, Need::Intakes],
    bad: Example(
        "FROM registry.example.com/base:1\nRUN pip install --index-url «https://other.example.org/simple» flask==3.0\nRUN npm ci --registry «https://npm.example.org/»\nENV PIP_INDEX_URL=«https://other.example.org/simple»\n",
    ),
    good: Example(
        "FROM registry.example.com/base:1\nRUN pip install --index-url https://nexus.example.com/simple flask==3.0\n",
    ),
    judge: |facts, sink| {
        if sink.standards.central.is_empty() {
            return;
        }
        let standards = sink.standards;
        let mut outside = |file: &DockerfileFacts, span, value: &Value| {
            let url = value.text();
            if crate::facts::commands::is_url(value) && !is_central(standards, &url) {
                sink.find(file.place(span), format!("`{url}` is not the central repository"));
            }
        };
        each_manager(facts, |file, _, _, _, command| {
            let names = [
                "-i",
                "--index-url",
                "--registry",
                "--index",
                "--default-index",
                "--source",
                "-s",
                "--extra-index-url",
                "-X",
                "--repository",
                "--repofrompath",
            ];
            for (value, _) in command.arguments.options(&names) {
                if let Some(value) = value {
                    outside(file, value.inner_span(), value);
                }
            }
            if command.action == Action::Configure || command.action == Action::Repository {
                let operands: Vec<Value> = command.arguments.operands().cloned().collect();
                operands.iter().for_each(|value| outside(file, value.inner_span(), value));
                let added: Vec<Value> = command
                    .arguments
                    .options(&["--add-repo"])
                    .filter_map(|(value, _)| value.cloned())
                    .collect();
                added.iter().for_each(|value| outside(file, value.inner_span(), value));
            }
        });
        for file in &facts.dockerfiles {
            for (_, own, instruction) in file.each() {
                let dockerfile::InstructionKind::Env(pairs) = &instruction.kind else { continue };
                for pair in pairs {
                    let names = [
                        "PIP_INDEX_URL",
                        "UV_INDEX_URL",
                        "UV_DEFAULT_INDEX",
                        "NPM_CONFIG_REGISTRY",
                        "npm_config_registry",
                        "GOPROXY",
                        "YARN_NPM_REGISTRY_SERVER",
                    ];
                    if names.contains(&pair.key.raw.as_str()) {
                        outside(file, pair.value.span, &own.scope.expand(&pair.value, file.escape()));
                    }
                }
            }
        }
    },
    ..Rule::of(
        Family::Packages,
        "index-outside",
        Levels::STANDARD,
        "packages come from the central repository",
        "What comes from elsewhere is not scanned, not kept, and gone when somebody removes it there.",
        "name the central repository (`check.central`)",
    )
};

/// Whether a URL is of the central repository.
pub(in crate::rules) fn is_central(standards: &crate::Standards, url: &str) -> bool {
    let host = url.split_once("://").map_or(url, |(_, rest)| rest);
    let host = host.split('/').next().unwrap_or_default();
    let host = host.rsplit('@').next().unwrap_or_default();
    standards.central.iter().any(|central| {
        let name = central.split_once("://").map_or(central.as_str(), |(_, rest)| rest).trim_end_matches('/');
        url.starts_with(central.as_str()) || host == name || host.split(':').next() == Some(name)
    })
}

/// No index is named at all.
pub static INDEX_DEFAULT: Rule = Rule {
    bad: Example("FROM registry.example.com/base:1\nRUN «pip install --no-cache-dir flask==3.0»\n"),
    good: Example(
        "FROM registry.example.com/base:1\nENV PIP_INDEX_URL=https://nexus.example.com/simple\nRUN pip install flask==3.0\nFROM registry.example.com/base:1\nCOPY pip.conf /etc/pip.conf\nRUN pip install flask==3.0\n",
    ),
    needs: &[Need::Packages],
    judge: |facts, sink| {
        each_manager(facts, |file, stage, instruction, invocation, command| {
            let installs =
                matches!(command.action, Action::Install | Action::InstallLocked | Action::InstallProject);
            let asks = command.packages.is_empty()
                || command.packages.iter().any(|package| package.kind == RequestKind::Named);
            if !installs || !asks {
                return;
            }
            let (options, variables, settings): (&[&str], &[&str], &[&str]) = match command.manager {
                Manager::Pip => (
                    &["-i", "--index-url", "--no-index"],
                    &["PIP_INDEX_URL", "PIP_CONFIG_FILE", "PIP_NO_INDEX"],
                    &["pip.conf", "pip/"],
                ),
                Manager::Uv => (
                    &["-i", "--index-url", "--index", "--default-index", "--no-index", "--offline"],
                    &["UV_INDEX_URL", "UV_DEFAULT_INDEX", "UV_INDEX"],
                    &["uv.toml", "pyproject.toml", "uv.lock"],
                ),
                Manager::Npm | Manager::Yarn | Manager::Pnpm => (
                    &["--registry", "--userconfig", "--offline"],
                    &[
                        "NPM_CONFIG_REGISTRY",
                        "npm_config_registry",
                        "YARN_NPM_REGISTRY_SERVER",
                        "NPM_CONFIG_USERCONFIG",
                    ],
                    &[".npmrc", ".yarnrc"],
                ),
                Manager::Maven => (
                    &["-s", "--settings", "-gs", "-o"],
                    &["MAVEN_ARGS", "MAVEN_MIRROR_URL"],
                    &["settings.xml", ".mvn", ".m2"],
                ),
                Manager::Go => (&[], &["GOPROXY", "GOFLAGS"], &["vendor"]),
                _ => return,
            };
            let by_option = command.arguments.has(options);
            let by_variable = variables.iter().any(|name| {
                stage
                    .instructions
                    .iter()
                    .take_while(|own| own.index <= instruction.index)
                    .any(|own| own.scope.get(name).is_some())
                    || instruction.scope.get(name).is_some()
                    || invocation.assignments.iter().any(|(own, _)| own == name)
            });
            let configured =
                file.chain(stage.index).iter().flat_map(|stage| &stage.instructions).any(|own| {
                    copies(file, own, settings)
                        || own.commands.iter().any(|other| writes_settings(other, settings))
                        || own.managers.iter().any(|(_, other)| {
                            other.action == Action::Configure && other.manager == command.manager
                        })
                });
            if !by_option && !by_variable && !configured {
                sink.find(
                    file.place(command.span),
                    "nothing names the central repository, so the public one is asked",
                )
                .about(file.image.as_deref());
            }
        });
    },
    ..Rule::of(
        Family::Packages,
        "index-default",
        Levels::of(None, None, Some(Level::Warning)),
        "the central repository is named",
        "Without an index a package manager asks the public one. That a base image or the gateway names another cannot be seen \
         here, so this is no more than a warning; after a build the intakes tell.",
        "set `PIP_INDEX_URL`, `NPM_CONFIG_REGISTRY`, a `settings.xml` or their like, or map the index with `mirrors:` in kapok.yaml",
    )
};

/// Whether an instruction copies one of these files.
fn copies(file: &DockerfileFacts, own: &InstructionFacts, names: &[&str]) -> bool {
    let span = own.span;
    let found = file
        .tree
        .stages
        .iter()
        .flat_map(|stage| &stage.instructions)
        .find(|instruction| instruction.span == span);
    let Some(instruction) = found else { return false };
    let words: Vec<&str> = match &instruction.kind {
        dockerfile::InstructionKind::Copy(copy) => copy
            .sources
            .iter()
            .chain([&copy.destination])
            .map(|word| word.raw.as_str())
            .chain(copy.inline.iter().map(|inline| inline.name.as_str()))
            .collect(),
        dockerfile::InstructionKind::Add(add) => {
            add.sources.iter().chain([&add.destination]).map(|word| word.raw.as_str()).collect()
        }
        dockerfile::InstructionKind::Run(run) => run
            .mounts
            .iter()
            .flat_map(|mount| &mount.fields)
            .filter_map(|field| field.value.as_deref())
            .collect(),
        _ => return false,
    };
    words.iter().any(|word| names.iter().any(|name| word.contains(name)))
}

fn writes_settings(command: &Invocation, names: &[&str]) -> bool {
    let target = |value: &Value| names.iter().any(|name| value.text().contains(name));
    command.output().is_some_and(target)
        || (command.program() == Some("tee") && command.arguments().iter().any(target))
}

/// These rules.
pub const RULES: &[&Rule] = &[&EXTRA_INDEX, &INSECURE, &INDEX_OUTSIDE, &INDEX_DEFAULT];
