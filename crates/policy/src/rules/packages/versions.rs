//! Rules on versions of packages, and on locks.

use dockerfile::shell::Value;

use super::each_manager;
use crate::facts::commands::{Action, Manager, ManagerCommand, Pin, RequestKind};
use crate::facts::dockerfile::InstructionFacts;
use crate::level::{Level, Levels};
use crate::rule::{Example, Family, Foreign, Need, Rule};

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
    needs: &[Need::Packages],
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
    ..Rule::of(
        Family::Packages,
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
    bad: Example("FROM registry.example.com/base:1\nRUN pip install --upgrade «pip» setuptools\n"),
    good: Example("FROM registry.example.com/base:1\nRUN pip install --upgrade pip==26.0\n"),
    also: &[Foreign::Hadolint("DL3013")],
    needs: &[Need::Packages],
    judge: |facts, sink| {
        each_manager(facts, |file, _, _, _, command| {
            if command.action != Action::Install || is_constrained(command) {
                return;
            }
            let mut open = command.packages.iter().filter(|package| {
                is_tooling(command, &package.name)
                    && package.pin == Pin::None
                    && package.kind == RequestKind::Named
            });
            if let Some(first) = open.next() {
                let others = open.count();
                let more = if others == 0 { String::new() } else { format!(" and {others} more") };
                sink.find(
                    file.place(first.value.inner_span()),
                    format!("`{}`{more} in whatever version is newest", first.name),
                );
            }
        });
    },
    ..Rule::of(
        Family::Packages,
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
    needs: &[Need::Packages],
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
    ..Rule::of(
        Family::Packages,
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
    needs: &[Need::Packages],
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
    ..Rule::of(
        Family::Packages,
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
    needs: &[Need::Packages],
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
    ..Rule::of(
        Family::Packages,
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
    needs: &[Need::Packages],
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
    ..Rule::of(
        Family::Packages,
        "pip-no-hashes",
        Levels::of(None, Some(Level::Info), Some(Level::Warning)),
        "requirements have digests",
        "With digests pip takes the very files that were looked at, from whatever index they come.",
        "write digests (`pip-compile --generate-hashes`, `uv export`) and install with `--require-hashes`",
    )
};

/// These rules.
pub const RULES: &[&Rule] = &[&UNPINNED, &TOOLING, &RANGE, &SYSTEM_UNPINNED, &NO_LOCK, &NO_HASHES];
