//! Rules on packages from package managers.

use dockerfile::shell::{Invocation, Value};

use crate::facts::Facts;
use crate::facts::commands::{Action, Manager, ManagerCommand, Pin, RequestKind};
use crate::facts::dockerfile::{DockerfileFacts, InstructionFacts, StageFacts};
use crate::level::{Level, Levels};
use crate::rule::{Example, Family, Foreign, Need, Rule};

/// Every call of a package manager with where it stands.
pub(super) fn each_manager(
    facts: &Facts,
    mut say: impl FnMut(&DockerfileFacts, &StageFacts, &InstructionFacts, &Invocation, &ManagerCommand),
) {
    for file in &facts.dockerfiles {
        for stage in &file.stages {
            for instruction in &stage.instructions {
                for (index, found) in &instruction.managers {
                    say(file, stage, instruction, &instruction.commands[*index], found);
                }
            }
        }
    }
}

const fn rule(
    id: &'static str,
    levels: Levels,
    title: &'static str,
    why: &'static str,
    fix: &'static str,
) -> Rule {
    Rule { id, levels, title, why, fix, family: Family::Packages, needs: &[Need::Packages], ..Rule::BLANK }
}

/// Packages of a language without a version.
pub static UNPINNED: Rule = Rule {
    bad: Example(
        "FROM registry.example.com/base:1\nRUN pip install --no-cache-dir «flask» 'jinja2==3.1'\nRUN npm install -g «yarn» left-pad@1.3.0\nRUN gem install «rails»\nRUN go install «example.com/tool@latest»\n",
    ),
    good: Example(
        "FROM registry.example.com/base:1\nARG V\nRUN pip install flask==3.0 -r requirements.txt ./app\nRUN pip install \"tool==$V\" -c constraints.txt\nRUN npm install -g yarn@1.22.22\nRUN gem install rails:7.1.2\nRUN go install example.com/tool@v1.2.3\nRUN cargo install ripgrep@14.1.0 --locked\n",
    ),
    also: &[
        Foreign::Hadolint("DL3013"),
        Foreign::Hadolint("DL3016"),
        Foreign::Hadolint("DL3028"),
        Foreign::Hadolint("DL3062"),
    ],
    judge: |facts, sink| {
        each_manager(facts, |file, _, _, _, command| {
            if command.manager.is_system()
                || !matches!(command.action, Action::Install)
                || is_constrained(command)
            {
                return;
            }
            for package in &command.packages {
                let named = package.kind == RequestKind::Named && !package.value.text().is_empty();
                let own = is_tooling(command, &package.name);
                if named && !own && matches!(package.pin, Pin::None | Pin::Moving(_)) {
                    let message = format!("`{}` is installed in whatever version is newest", package.name);
                    sink.find(file.place(package.value.inner_span()), message);
                }
            }
        });
    },
    ..rule(
        "package-unpinned",
        Levels::of(Some(Level::Warning), Some(Level::Error), Some(Level::Error)),
        "packages of a language are installed in a version that is named",
        "Without a version every build may have another one: what worked breaks without a change, and a version that somebody \
         took over comes in by itself.",
        "name the version, or install from a lock",
    )
};

/// Constraints name the versions.
fn is_constrained(command: &ManagerCommand) -> bool {
    command.arguments.has(&["-c", "--constraint", "--require-hashes"])
        && matches!(command.manager, Manager::Pip | Manager::Uv)
}

/// pip itself and its like: versions of tools that build are another matter, see `pip install --upgrade pip`.
fn is_tooling(command: &ManagerCommand, name: &str) -> bool {
    matches!(command.manager, Manager::Pip | Manager::Uv)
        && ["pip", "setuptools", "wheel"].contains(&name.to_ascii_lowercase().as_str())
}

/// pip and its helpers without a version.
pub static TOOLING: Rule = Rule {
    bad: Example("FROM registry.example.com/base:1\nRUN pip install --upgrade «pip» «setuptools»\n"),
    good: Example("FROM registry.example.com/base:1\nRUN pip install --upgrade pip==26.0\n"),
    also: &[Foreign::Hadolint("DL3013")],
    judge: |facts, sink| {
        each_manager(facts, |file, _, _, _, command| {
            if command.action != Action::Install || is_constrained(command) {
                return;
            }
            for package in command.packages.iter().filter(|package| is_tooling(command, &package.name)) {
                if package.pin == Pin::None && package.kind == RequestKind::Named {
                    sink.find(
                        file.place(package.value.inner_span()),
                        format!("`{}` in whatever version is newest", package.name),
                    );
                }
            }
        });
    },
    ..rule(
        "package-tooling-unpinned",
        Levels::INFO,
        "pip, setuptools and wheel have versions too",
        "A new pip or setuptools has broken more builds than most packages.",
        "name the version",
    )
};

/// A version that leaves room.
pub static RANGE: Rule = Rule {
    bad: Example(
        "FROM registry.example.com/base:1\nRUN pip install «'flask>=2'»\nRUN npm install «express@^4»\n",
    ),
    good: Example(
        "FROM registry.example.com/base:1\nRUN pip install 'flask==2.3.1' && npm install express@4.18.2\n",
    ),
    judge: |facts, sink| {
        each_manager(facts, |file, _, _, _, command| {
            if command.manager.is_system() || command.action != Action::Install || is_constrained(command) {
                return;
            }
            for package in &command.packages {
                if let Pin::Range(range) = &package.pin {
                    let place = file.place(package.value.span);
                    sink.find(place, format!("`{range}` leaves the version of `{}` open", package.name));
                }
            }
        });
    },
    ..rule(
        "package-range",
        Levels::INFO,
        "versions of packages leave no room",
        "A range is a different version next month. In a project's own file that is what a lock is for; on a command line \
         there is none.",
        "name one version, or install from a lock",
    )
};

/// Packages of the system without a version.
pub static SYSTEM_UNPINNED: Rule = Rule {
    bad: Example(
        "FROM registry.example.com/base:1\nRUN apt-get update && apt-get install -y «curl» git=1:2.39.2-1 && rm -rf /var/lib/apt/lists/*\n",
    ),
    good: Example(
        "FROM registry.example.com/base:1\nRUN dnf install -y git-2.43.0 && dnf clean all\nRUN apk add --no-cache curl=8.1.2-r0\n",
    ),
    also: &[
        Foreign::Hadolint("DL3008"),
        Foreign::Hadolint("DL3018"),
        Foreign::Hadolint("DL3033"),
        Foreign::Hadolint("DL3041"),
        Foreign::Hadolint("DL3037"),
    ],
    judge: |facts, sink| {
        each_manager(facts, |file, _, _, _, command| {
            if !command.manager.is_system() || command.action != Action::Install {
                return;
            }
            let mut open = command
                .packages
                .iter()
                .filter(|package| package.kind == RequestKind::Named && package.pin == Pin::None);
            if let Some(first) = open.next() {
                let others = open.count();
                let more = if others == 0 { String::new() } else { format!(" and {others} more") };
                sink.find(
                    file.place(first.value.inner_span()),
                    format!("`{}`{more} without a version", first.name),
                );
            }
        });
    },
    ..rule(
        "system-package-unpinned",
        Levels::REMARK,
        "packages of the system have versions",
        "A distribution removes old versions from its mirrors, so a version named here breaks the build when it is gone. What \
         holds is a snapshot of the repository, or `kapok.lock`, which pins what was really installed. So this is a remark.",
        "keep a `kapok.lock`, or name versions where your mirror keeps them",
    )
};

/// A project's dependencies without a lock.
pub static NO_LOCK: Rule = Rule {
    bad: Example(
        "FROM registry.example.com/base:1\nCOPY package.json package-lock.json ./\nRUN «npm install»\nRUN «yarn install»\n",
    ),
    good: Example(
        "FROM registry.example.com/base:1\nCOPY package.json package-lock.json ./\nRUN npm ci\nRUN yarn install --frozen-lockfile\nRUN pnpm install --frozen-lockfile\nRUN uv sync --frozen\n",
    ),
    judge: |facts, sink| {
        each_manager(facts, |file, stage, _, _, command| {
            if command.action != Action::InstallProject {
                return;
            }
            let locked = match command.manager {
                Manager::Npm | Manager::Yarn | Manager::Pnpm | Manager::Uv | Manager::Pipenv => false,
                // `bundle config set frozen true` is the other way to say it.
                Manager::Bundle => {
                    let configured = |facts: &InstructionFacts| {
                        facts.commands.iter().any(|other| {
                            let words: Vec<String> = other.words.iter().map(Value::text).collect();
                            words.iter().any(|word| word == "config")
                                && words.iter().any(|word| word == "frozen" || word == "deployment")
                        })
                    };
                    stage.instructions.iter().any(configured)
                        || ["BUNDLE_FROZEN", "BUNDLE_DEPLOYMENT"]
                            .iter()
                            .any(|name| stage.scope.get(name).is_some())
                }
                _ => true,
            };
            let ci = command.manager == Manager::Npm
                && command.arguments.has(&["--package-lock-only", "--global", "-g", "--no-package-lock"]);
            if !locked && !ci {
                let span = command.span;
                let end = command.verb.as_ref().map_or(span.end, |verb| verb.span.end);
                let place = file.place(dockerfile::Span::new(span.start.min(end), end.max(span.start)));
                sink.find_with(
                    place,
                    "the lock may be changed, or there may be none",
                    lock_fix(command.manager),
                );
            }
        });
    },
    ..rule(
        "package-no-lock",
        Levels::of(Some(Level::Info), Some(Level::Warning), Some(Level::Error)),
        "a project's dependencies are installed from its lock",
        "`install` resolves again where the lock is missing or does not fit, and nobody notices. The strict form fails instead.",
        "use the form that takes nothing but the lock",
    )
};

fn lock_fix(manager: Manager) -> &'static str {
    match manager {
        Manager::Npm => "use `npm ci`",
        Manager::Yarn => "use `yarn install --frozen-lockfile`, `--immutable` from version 2",
        Manager::Pnpm => "use `pnpm install --frozen-lockfile`",
        Manager::Uv => "use `uv sync --frozen`",
        Manager::Pipenv => "use `pipenv sync`, or `pipenv install --deploy`",
        _ => "set `frozen`",
    }
}

/// Requirements without digests.
pub static NO_HASHES: Rule = Rule {
    bad: Example(
        "FROM registry.example.com/base:1\nCOPY requirements.txt .\nRUN pip install -r «requirements.txt»\n",
    ),
    good: Example("FROM registry.example.com/base:1\nRUN pip install --require-hashes -r requirements.txt\n"),
    judge: |facts, sink| {
        each_manager(facts, |file, _, _, _, command| {
            let pip = matches!(command.manager, Manager::Pip | Manager::Uv);
            if !pip || command.action != Action::Install || command.arguments.has(&["--require-hashes"]) {
                return;
            }
            for requirement in &command.requirements {
                let hashed = facts.files.iter().any(|own| {
                    let name = requirement.text();
                    own.path.rsplit('/').next() == name.rsplit('/').next()
                        && facts.hashed_requirements.contains(&own.path)
                });
                if !hashed {
                    sink.find(
                        file.place(requirement.inner_span()),
                        format!("`{}` is installed without digests", requirement.text()),
                    );
                }
            }
        });
    },
    ..rule(
        "pip-no-hashes",
        Levels::of(None, Some(Level::Info), Some(Level::Warning)),
        "requirements have digests",
        "With digests pip takes the very files that were looked at, from whatever index they come.",
        "write digests (`pip-compile --generate-hashes`, `uv export`) and install with `--require-hashes`",
    )
};

/// A second index.
pub static EXTRA_INDEX: Rule = Rule {
    bad: Example(
        "FROM registry.example.com/base:1\nRUN pip install «--extra-index-url https://own.example.com/simple» own==1\nENV «PIP_EXTRA_INDEX_URL»=https://own.example.com/simple\n",
    ),
    good: Example(
        "FROM registry.example.com/base:1\nRUN pip install --index-url https://nexus.example.com/simple own==1\n",
    ),
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
    ..rule(
        "pip-extra-index",
        Levels::WARNING,
        "packages come from one index",
        "pip asks all indexes and takes the highest version it finds. Who registers the name of an internal package on the \
         public index is installed instead: dependency confusion (CVE-2018-20225).",
        "use one `--index-url` of a repository that groups the others",
    )
};

/// Every pair of an ENV, and every ARG with a default.
pub(super) fn each_env(facts: &Facts, mut say: impl FnMut(&DockerfileFacts, &str, dockerfile::Span, &Value)) {
    for file in &facts.dockerfiles {
        for (_, own, instruction) in file.each() {
            match &instruction.kind {
                dockerfile::InstructionKind::Env(pairs) => {
                    for pair in pairs {
                        let value = own.scope.expand(&pair.value, file.escape());
                        say(file, &pair.key.raw, pair.key.span, &value);
                    }
                }
                dockerfile::InstructionKind::Run(_) => {
                    for command in &own.commands {
                        for (name, value) in &command.assignments {
                            say(file, name, value.span, value);
                        }
                        if command.program() == Some("export") {
                            for word in command.arguments() {
                                if let Some((name, value)) = word.split_once('=') {
                                    say(file, &name.text(), word.span, &value);
                                }
                            }
                        }
                    }
                }
                _ => {}
            }
        }
    }
}

/// Options that turn the verification of packages off.
pub static INSECURE: Rule = Rule {
    bad: Example(
        "FROM registry.example.com/base:1\nRUN pip install «--trusted-host nexus.example.com» flask==3.0\nRUN apt-get install -y «--allow-unauthenticated» x=1\nRUN yum install -y «--nogpgcheck» x-1.0\nRUN npm config set «strict-ssl» false\nENV «PIP_TRUSTED_HOST»=nexus.example.com\n",
    ),
    good: Example(
        "FROM registry.example.com/base:1\nRUN pip install --cert /etc/ca.pem flask==3.0\nRUN npm config set strict-ssl true\n",
    ),
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
    ..rule(
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
    ..rule(
        "index-outside",
        Levels::STANDARD,
        "packages come from the central repository",
        "What comes from elsewhere is not scanned, not kept, and gone when somebody removes it there.",
        "name the central repository (`check.central`)",
    )
};

/// Whether a URL is of the central repository.
pub(super) fn is_central(standards: &crate::Standards, url: &str) -> bool {
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
    ..rule(
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

/// Packages by URL without a check of their signature.
pub static BY_URL: Rule = Rule {
    bad: Example(
        "FROM registry.example.com/base:1\nRUN rpm -ivh «https://rpms.example.org/x-1.0.rpm»\nRUN dnf install -y «https://rpms.example.org/epel-release-latest-9.noarch.rpm»\nRUN apt-get install -y ./x.deb\n",
    ),
    good: Example(
        "FROM registry.example.com/base:1\nRUN dnf install -y x-1.0\nRUN rpm --import https://rpms.example.org/RPM-GPG-KEY\n",
    ),
    judge: |facts, sink| {
        each_manager(facts, |file, _, _, _, command| {
            if !command.manager.is_system() || command.action != Action::Install {
                return;
            }
            for package in command.packages.iter().filter(|package| package.kind == RequestKind::Url) {
                let message =
                    format!("`{}` is installed without a look at its signature", package.value.text());
                sink.find(file.place(package.value.inner_span()), message);
            }
        });
    },
    ..rule(
        "package-by-url",
        Levels::WARNING,
        "packages of the system come from signed repositories",
        "A package by URL is in no signed index, and dnf and rpm do not check its own signature by default \
         (`localpkg_gpgcheck`). Its scripts run as root.",
        "add the repository with its key, or check the file's digest before it is installed",
    )
};

/// A shell that takes `>` for a redirection.
pub static REDIRECTED: Rule = Rule {
    bad: Example(
        "FROM registry.example.com/base:1\nRUN pip install requests«>=2.0» && conda install -y numpy«<2»\n",
    ),
    good: Example(
        "FROM registry.example.com/base:1\nRUN pip install 'requests>=2.0' \"numpy<2\" > /tmp/log 2>&1\nRUN pip install -r - < requirements.txt\n",
    ),
    judge: |facts, sink| {
        each_manager(facts, |file, _, _, invocation, command| {
            if command.manager.is_system() && command.manager != Manager::Apk
                || command.action == Action::Other
            {
                return;
            }
            for redirect in &invocation.redirects {
                let target = redirect.target.text();
                let eaten = target.starts_with('=')
                    || (target.starts_with(|next: char| next.is_ascii_digit())
                        && redirect.descriptor.is_none()
                        && redirect.kind != dockerfile::shell::syntax::RedirectKind::Duplicate);
                let touches = invocation.words.iter().any(|word| word.span.end == redirect.span.start);
                if eaten && touches {
                    let message = format!(
                        "the shell writes to a file `{target}`; the package manager never sees the version"
                    );
                    sink.find(file.place(redirect.span), message);
                }
            }
        });
    },
    ..rule(
        "version-redirected",
        Levels::ERROR,
        "version constraints are quoted",
        "`pip install a>=1` is `pip install a` with its output sent to the file `=1`: any version is installed, and a strange \
         file is left.",
        "quote it: `'a>=1'`",
    )
};

/// Bringing everything to its latest version.
pub static UPGRADE_ALL: Rule = Rule {
    bad: Example(
        "FROM registry.example.com/base:1\nRUN yum -y «update» && yum clean all\nRUN apt-get update && apt-get «dist-upgrade» -y\n",
    ),
    good: Example(
        "FROM registry.example.com/base:1\nRUN apt-get update && yum -y update openssl && apk update\n",
    ),
    also: &[
        Foreign::Hadolint("DL3005"),
        Foreign::Hadolint("DL3017"),
        Foreign::Hadolint("DL3031"),
        Foreign::Hadolint("DL3039"),
    ],
    judge: |facts, sink| {
        each_manager(facts, |file, _, _, _, command| {
            if let (Action::UpgradeAll, Some(verb)) = (command.action, &command.verb) {
                let security =
                    command.arguments.has(&["--security", "--sec-severity", "--advisory", "--bugfix"]);
                if !security {
                    sink.find(
                        file.place(verb.span),
                        format!("`{} {}` takes whatever is newest today", command.program, verb.text()),
                    );
                }
            }
        });
    },
    ..rule(
        "upgrade-all",
        Levels::INFO,
        "a build does not upgrade everything",
        "Two builds a day apart differ, and the base's packages are in the image twice. What a base lacks is best mended by a \
         newer base. Some teams upgrade on purpose, so this is a remark.",
        "build on a newer base, or name the packages",
    )
};

/// A question that nobody answers.
pub static NO_YES: Rule = Rule {
    bad: Example(
        "FROM registry.example.com/base:1\nRUN apt-get update && apt-get «install» vim\nRUN dnf «install» git\n",
    ),
    good: Example(
        "FROM registry.example.com/base:1\nRUN apt-get install -qq -y vim && yes | apt-get install x\nRUN dnf -y install git && microdnf install --assumeyes x\nENV APT_GET_ASSUME_YES=1\n",
    ),
    also: &[
        Foreign::Hadolint("DL3014"),
        Foreign::Hadolint("DL3030"),
        Foreign::Hadolint("DL3034"),
        Foreign::Hadolint("DL3038"),
    ],
    judge: |facts, sink| {
        each_manager(facts, |file, _, instruction, invocation, command| {
            let asks = matches!(
                command.manager,
                Manager::Apt
                    | Manager::Aptitude
                    | Manager::Dnf
                    | Manager::Yum
                    | Manager::Zypper
                    | Manager::Conda
            );
            if !asks || !matches!(command.action, Action::Install | Action::UpgradeAll | Action::Remove) {
                return;
            }
            let quiet_twice =
                command.manager == Manager::Apt && command.arguments.options(&["-q"]).count() >= 2;
            let quiet = command
                .arguments
                .options(&["--quiet"])
                .any(|(value, _)| value.is_some_and(|value| value.text() == "2"));
            let said = command.arguments.has(&[
                "-y",
                "--yes",
                "--assume-yes",
                "--assumeyes",
                "-n",
                "--non-interactive",
                "--download-only",
                "-d",
                "--downloadonly",
                "--dry-run",
                "-s",
                "--force-yes",
                "--trivial-only",
                "-qq",
                "--assumeno",
            ]);
            let configured = command.arguments.options(&["-o", "--option", "--setopt"]).any(|(value, _)| {
                value.is_some_and(|value| value.text().to_ascii_lowercase().contains("assume"))
            });
            let fed = invocation.fed_by.is_some();
            let by_variable =
                instruction.scope.get("CONDA_ALWAYS_YES").is_some() && command.manager == Manager::Conda;
            let unknown = command.arguments.operands().any(Value::is_unknown)
                || invocation.arguments().iter().any(|word| word.is_unknown());
            let by_file = instruction_writes_assume(file);
            if !(quiet_twice || quiet || said || configured || fed || by_variable || by_file) {
                let place = command.verb.as_ref().map_or(command.span, |verb| verb.span);
                sink.find(file.place(place), format!("`{}` asks, and nobody answers", command.program));
                if unknown || command.manager == Manager::Conda {
                    sink.at_most(Level::Warning);
                }
            }
        });
    },
    ..rule(
        "package-no-yes",
        Levels::of(Some(Level::Warning), Some(Level::Error), Some(Level::Error)),
        "package managers do not wait for an answer",
        "In a build there is nobody to say yes: the command gives up, or takes the question for a no.",
        "add `-y`",
    )
};

/// `assumeyes=1` in a settings file that the Dockerfile writes.
fn instruction_writes_assume(file: &DockerfileFacts) -> bool {
    file.each_command().any(|(_, _, command)| {
        matches!(command.program(), Some("echo" | "printf" | "sed" | "tee"))
            && command.arguments().iter().any(|word| {
                let text = word.text().to_ascii_lowercase();
                text.contains("assumeyes=1") || text.contains("assumeyes=true") || text.contains("assume-yes")
            })
    })
}

/// Lists and caches of package managers that stay in the layer.
pub static CACHE_LEFT: Rule = Rule {
    bad: Example(
        "FROM registry.example.com/base:1\nRUN «apt-get update» && apt-get install -y x=1\nRUN «dnf install -y x-1.0»\nRUN «apk add x=1»\n",
    ),
    good: Example(
        "FROM registry.example.com/base:1\nRUN apt-get update && apt-get install -y x=1 && rm -rf /var/lib/apt/lists/*\nRUN dnf install -y x-1.0 && dnf clean all\nRUN --mount=type=cache,target=/var/cache/dnf dnf install -y x-1.0\nRUN apk add --no-cache x=1\nRUN dnf install -y y-1.0 && rm -rf /var/cache/dnf\n",
    ),
    also: &[
        Foreign::Hadolint("DL3009"),
        Foreign::Hadolint("DL3019"),
        Foreign::Hadolint("DL3032"),
        Foreign::Hadolint("DL3036"),
        Foreign::Hadolint("DL3040"),
        Foreign::Hadolint("DL3042"),
        Foreign::Hadolint("DL3060"),
    ],
    judge: |facts, sink| {
        for file in &facts.dockerfiles {
            for (stage, own, instruction) in file.each() {
                let dockerfile::InstructionKind::Run(run) = &instruction.kind else { continue };
                // What a builder leaves behind is not in the image.
                if !stage.shipped {
                    continue;
                }
                let mounts: Vec<String> = run
                    .mounts
                    .iter()
                    .filter(|mount| {
                        mount.fields.iter().any(|field| {
                            field.key.value == "type"
                                && matches!(field.value.as_deref(), Some("cache" | "tmpfs"))
                        })
                    })
                    .flat_map(|mount| &mount.fields)
                    .filter(|field| matches!(field.key.value.as_str(), "target" | "dst" | "destination"))
                    .filter_map(|field| field.value.clone())
                    .collect();
                let mut said = Vec::new();
                for (_, command) in &own.managers {
                    if said.contains(&command.manager) || !leaves_cache(command, own, &mounts) {
                        continue;
                    }
                    said.push(command.manager);
                    sink.find_with(
                        file.place(command.span),
                        format!("`{}` leaves its cache in the layer", command.program),
                        cache_fix(command.manager),
                    );
                }
            }
        }
    },
    ..rule(
        "package-cache-left",
        Levels::INFO,
        "caches of package managers are not in the image",
        "Lists and archives of packages make the image larger and are of no use in it. They have to go in the same RUN, or \
         stand in a cache mount.",
        "remove the cache in the same RUN",
    )
};

fn leaves_cache(command: &ManagerCommand, own: &InstructionFacts, mounts: &[String]) -> bool {
    let installs = matches!(
        command.action,
        Action::Install | Action::Update | Action::UpgradeAll | Action::InstallLocked
    );
    let places: &[&str] = match command.manager {
        Manager::Apt | Manager::Aptitude => &["/var/lib/apt"],
        Manager::Dnf | Manager::Microdnf | Manager::Yum => {
            &["/var/cache/dnf", "/var/cache/yum", "/var/cache/libdnf"]
        }
        Manager::Zypper => &["/var/cache/zypp"],
        Manager::Apk => &["/var/cache/apk", "/etc/apk/cache"],
        _ => return false,
    };
    let whole = ["/var/cache", "/var/cache/", "/var/lib"];
    if !installs
        || mounts.iter().any(|mount| {
            places.iter().any(|place| mount.starts_with(place)) || whole.contains(&mount.as_str())
        })
    {
        return false;
    }
    if command.manager == Manager::Apk
        && (command.arguments.has(&["--no-cache"])
            || command.action != Action::Install && command.action != Action::Update)
    {
        return false;
    }
    let cleaned = own.managers.iter().any(|(_, other)| {
        let family = other.manager == command.manager || (other.manager.is_dnf() && command.manager.is_dnf());
        // `apt-get clean` leaves the lists.
        family
            && other.action == Action::Clean
            && !matches!(command.manager, Manager::Apt | Manager::Aptitude)
    });
    let removed = own.commands.iter().any(|other| {
        let removes = matches!(other.program(), Some("rm" | "find"));
        removes
            && other.arguments().iter().any(|word| {
                let text = word.text();
                places.iter().any(|place| text.starts_with(place))
                    || text.starts_with("/var/cache/*")
                    || text == "/var/cache"
                    || text == "/var/cache/"
                    || text.starts_with("/var/lib/apt")
            })
    });
    !(cleaned || removed || own.truncated)
}

fn cache_fix(manager: Manager) -> &'static str {
    match manager {
        Manager::Apt | Manager::Aptitude => "end the RUN with `rm -rf /var/lib/apt/lists/*`",
        Manager::Dnf => "end the RUN with `dnf clean all`",
        Manager::Yum => "end the RUN with `yum clean all`",
        Manager::Microdnf => "end the RUN with `microdnf clean all`",
        Manager::Zypper => "end the RUN with `zypper clean`",
        _ => "use `apk add --no-cache`",
    }
}

/// An update that a later RUN relies on.
pub static UPDATE_ALONE: Rule = Rule {
    bad: Example("FROM registry.example.com/base:1\nRUN «apt-get update»\nRUN apt-get install -y x=1\n"),
    good: Example(
        "FROM registry.example.com/base:1\nRUN apt-get update && apt-get install -y x=1 && rm -rf /var/lib/apt/lists/*\n",
    ),
    also: &[Foreign::Hadolint("DL3009")],
    judge: |facts, sink| {
        for file in &facts.dockerfiles {
            for stage in &file.stages {
                for (number, own) in stage.instructions.iter().enumerate() {
                    let mut apt = own.managers.iter().filter(|(_, command)| command.manager == Manager::Apt);
                    let update = apt.clone().find(|(_, command)| command.action == Action::Update);
                    let installs = apt
                        .any(|(_, command)| matches!(command.action, Action::Install | Action::UpgradeAll));
                    let later = stage.instructions[number + 1..].iter().any(|other| {
                        let mut apt =
                            other.managers.iter().filter(|(_, command)| command.manager == Manager::Apt);
                        apt.clone().any(|(_, command)| command.action == Action::Install)
                            && !apt.any(|(_, command)| command.action == Action::Update)
                    });
                    if let (Some((_, update)), false, true) = (update, installs, later) {
                        sink.find(file.place(update.span), "the cache keeps this list when a later RUN changes, and its packages are gone by then");
                    }
                }
            }
        }
    },
    ..rule(
        "apt-update-alone",
        Levels::DOUBT,
        "`apt-get update` stands in the RUN that installs",
        "A RUN of its own is cached. When the installing RUN changes months later, it works with the old list, and the packages \
         of that list are gone from the mirror.",
        "put both in one RUN",
    )
};

/// A repository that need not be signed.
pub static UNSIGNED_REPOSITORY: Rule = Rule {
    bad: Example(
        "FROM registry.example.com/base:1\nRUN «echo \"deb [trusted=yes] https://apt.example.com/ stable main\" > /etc/apt/sources.list.d/x.list»\nRUN «sed -i 's/gpgcheck=1/gpgcheck=0/' /etc/yum.repos.d/x.repo»\n",
    ),
    good: Example(
        "FROM registry.example.com/base:1\nRUN echo \"deb [signed-by=/usr/share/keyrings/x.gpg] https://apt.example.com/ stable main\" > /etc/apt/sources.list.d/x.list\n",
    ),
    judge: |facts, sink| {
        for file in &facts.dockerfiles {
            for (_, _, command) in file.each_command() {
                if !matches!(
                    command.program(),
                    Some("echo" | "printf" | "sed" | "cat" | "tee" | "crudini" | "yum-config-manager")
                ) {
                    continue;
                }
                let words = command.arguments().iter().chain(&command.stdin);
                let text: Vec<String> =
                    words.map(|word| word.text().to_ascii_lowercase().replace(' ', "")).collect();
                let off = [
                    "trusted=yes",
                    "gpgcheck=0",
                    "gpgcheck=false",
                    "gpgcheck=no",
                    "allow-insecure=yes",
                    "sslverify=0",
                    "sslverify=false",
                    "check-valid-until=no",
                ];
                let set = |text: &String| {
                    off[..7].iter().any(|off| {
                        // In `s/gpgcheck=0/gpgcheck=1/` it is what is taken away.
                        match text.strip_prefix("s/").and_then(|rest| rest.split_once('/')) {
                            Some((_, replacement)) => replacement.contains(off),
                            None => text.contains(off),
                        }
                    })
                };
                if text.iter().any(set) {
                    sink.find(file.place(command.span), "a repository whose packages need no signature");
                }
            }
        }
    },
    ..rule(
        "repository-unsigned",
        Levels::WARNING,
        "repositories are signed",
        "A repository without signatures gives packages of whoever controls the server or the line to it.",
        "give the repository its key",
    )
};

/// The key of a repository, for all repositories.
pub static APT_KEY: Rule = Rule {
    bad: Example(
        "FROM registry.example.com/base:1\nRUN curl -fsSL https://apt.example.com/key.asc | «apt-key add -»\n",
    ),
    good: Example(
        "FROM registry.example.com/base:1\nRUN curl -fsSLo /usr/share/keyrings/x.asc https://apt.example.com/key.asc\n",
    ),
    needs: &[Need::Commands],
    judge: |facts, sink| {
        for file in &facts.dockerfiles {
            for (_, _, command) in file.each_command() {
                let verb = command.arguments().iter().any(|word| matches!(word.known(), Some("add" | "adv")));
                if command.program() == Some("apt-key") && verb {
                    sink.find(
                        file.place(command.span),
                        "`apt-key` trusts the key for every repository, and is gone from current releases",
                    );
                }
            }
        }
    },
    ..rule(
        "apt-key",
        Levels::DOUBT,
        "a repository's key is good for that repository alone",
        "A key that is added with `apt-key` may sign any package of any repository. Debian 13 and Ubuntu 24.10 have no `apt-key` \
         any more.",
        "put the key into `/usr/share/keyrings` and name it with `signed-by=`",
    )
};

/// apt, which is for people.
pub static APT_FOR_PEOPLE: Rule = Rule {
    bad: Example("FROM registry.example.com/base:1\nRUN apt-get update && «apt install -y x=1»\n"),
    good: Example("FROM registry.example.com/base:1\nRUN apt-get install -y x=1\n"),
    also: &[Foreign::Hadolint("DL3027")],
    judge: |facts, sink| {
        each_manager(facts, |file, _, _, _, command| {
            if command.program == "apt"
                && matches!(command.action, Action::Install | Action::Update | Action::UpgradeAll)
            {
                sink.find(file.place(command.span), "`apt` is made for people; its command line may change");
            }
        });
    },
    ..rule(
        "apt-not-apt-get",
        Levels::REMARK,
        "scripts use `apt-get`",
        "The manual of `apt` says that its command line may change between versions.",
        "use `apt-get`",
    )
};

/// Packages that nobody asked for.
pub static RECOMMENDS: Rule = Rule {
    bad: Example("FROM registry.example.com/base:1\nRUN «apt-get install -y x=1»\n"),
    good: Example(
        "FROM registry.example.com/base:1\nRUN apt-get install -y --no-install-recommends x=1\nRUN apt-get -o APT::Install-Recommends=false install -y y=1\n",
    ),
    also: &[Foreign::Hadolint("DL3015")],
    judge: |facts, sink| {
        each_manager(facts, |file, _, _, _, command| {
            let configured = command.arguments.options(&["-o", "--option"]).any(|(value, _)| {
                value.is_some_and(|value| value.text().to_ascii_lowercase().contains("install-recommends"))
            });
            if command.manager == Manager::Apt
                && command.action == Action::Install
                && !command.arguments.has(&["--no-install-recommends"])
                && !configured
            {
                sink.find(file.place(command.span), "recommended packages come along");
            }
        });
    },
    ..rule(
        "apt-recommends",
        Levels::REMARK,
        "apt installs what is asked for",
        "Recommended packages make an image larger, and each is one more to patch.",
        "add `--no-install-recommends`",
    )
};

/// These rules.
pub const RULES: &[&Rule] = &[
    &UNPINNED,
    &TOOLING,
    &RANGE,
    &SYSTEM_UNPINNED,
    &NO_LOCK,
    &NO_HASHES,
    &EXTRA_INDEX,
    &INSECURE,
    &INDEX_OUTSIDE,
    &INDEX_DEFAULT,
    &BY_URL,
    &REDIRECTED,
    &UPGRADE_ALL,
    &NO_YES,
    &CACHE_LEFT,
    &UPDATE_ALONE,
    &UNSIGNED_REPOSITORY,
    &APT_KEY,
    &APT_FOR_PEOPLE,
    &RECOMMENDS,
];
