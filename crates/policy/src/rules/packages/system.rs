//! Rules on how package managers of the system are used.

use dockerfile::shell::Value;

use super::each_manager;
use crate::facts::commands::{Action, Manager, ManagerCommand, RequestKind};
use crate::facts::dockerfile::{DockerfileFacts, InstructionFacts};
use crate::level::{Level, Levels};
use crate::rule::{Example, Family, Foreign, Need, Rule};

/// Packages by URL without a check of their signature.
pub static BY_URL: Rule = Rule {
    bad: Example(
        "FROM registry.example.com/base:1\nRUN rpm -ivh «https://rpms.example.org/x-1.0.rpm»\nRUN dnf install -y «https://rpms.example.org/epel-release-latest-9.noarch.rpm»\nRUN apt-get install -y ./x.deb\n",
    ),
    good: Example(
        "FROM registry.example.com/base:1\nRUN dnf install -y x-1.0\nRUN rpm --import https://rpms.example.org/RPM-GPG-KEY\n",
    ),
    needs: &[Need::Packages],
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
    ..Rule::of(
        Family::Packages,
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
    needs: &[Need::Packages],
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
    ..Rule::of(
        Family::Packages,
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
        Foreign::Hadolint("DL3035"),
        Foreign::Hadolint("DL3039"),
    ],
    needs: &[Need::Packages],
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
    ..Rule::of(
        Family::Packages,
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
    needs: &[Need::Packages],
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
    ..Rule::of(
        Family::Packages,
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
    ],
    needs: &[Need::Packages],
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
    ..Rule::of(
        Family::Packages,
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
    needs: &[Need::Packages],
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
    ..Rule::of(
        Family::Packages,
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
        "FROM registry.example.com/base:1\nRUN «sed -i 's/gpgcheck=1/gpgcheck=0/' /etc/yum.repos.d/x.repo»\nRUN «yum-config-manager --save --setopt=x.gpgcheck=0»\n",
    ),
    good: Example(
        "FROM registry.example.com/base:1\nRUN echo \"deb [signed-by=/usr/share/keyrings/x.gpg] https://apt.example.com/ stable main\" > /etc/apt/sources.list.d/x.list\n",
    ),
    needs: &[Need::Packages],
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
    ..Rule::of(
        Family::Packages,
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
    ..Rule::of(
        Family::Packages,
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
    needs: &[Need::Packages],
    judge: |facts, sink| {
        each_manager(facts, |file, _, _, _, command| {
            if command.program == "apt"
                && matches!(command.action, Action::Install | Action::Update | Action::UpgradeAll)
            {
                sink.find(file.place(command.span), "`apt` is made for people; its command line may change");
            }
        });
    },
    ..Rule::of(
        Family::Packages,
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
    needs: &[Need::Packages],
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
    ..Rule::of(
        Family::Packages,
        "apt-recommends",
        Levels::REMARK,
        "apt installs what is asked for",
        "Recommended packages make an image larger, and each is one more to patch.",
        "add `--no-install-recommends`",
    )
};

/// These rules.
pub const RULES: &[&Rule] = &[
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
