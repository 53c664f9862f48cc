//! Rules on building from source.

use dockerfile::shell::Value;

use super::downloads::each_download;
use super::packages::each_manager;
use crate::facts::commands::{Action, Manager, RequestKind};
use crate::level::{Level, Levels};
use crate::rule::{Example, Family, Need, Rule};

/// A name that says that a file is compiled already.
pub(super) fn prebuilt(name: &str) -> Option<&'static str> {
    let lower = name.to_ascii_lowercase();
    let lower = lower.split(['?', '#']).next().unwrap_or_default();
    let base = lower.rsplit('/').next().unwrap_or_default();
    let ends: [(&str, &str); 12] = [
        (".jar", "a Java archive"),
        (".war", "a Java archive"),
        (".ear", "a Java archive"),
        (".whl", "a wheel"),
        (".rpm", "a package"),
        (".deb", "a package"),
        (".so", "a shared library"),
        (".dll", "a library"),
        (".exe", "a program"),
        (".nupkg", "a package"),
        (".pyc", "compiled Python"),
        (".class", "compiled Java"),
    ];
    if let Some((_, what)) = ends.iter().find(|(end, _)| base.ends_with(end)) {
        return (!base.contains("-sources.") && !base.ends_with(".src.rpm")).then_some(*what);
    }
    let source = ["src", "source", "sources"];
    let words: Vec<&str> = base.split(['-', '_', '.']).collect();
    if words.iter().any(|word| source.contains(word)) {
        return None;
    }
    let platforms = [
        "linux", "linux64", "linux32", "amd64", "x86", "x64", "arm64", "aarch64", "ppc64le", "s390x", "musl",
        "gnu", "glibc", "darwin", "win64",
    ];
    let named = words.iter().any(|word| platforms.contains(word))
        || base.contains("x86_64")
        || base.contains("$targetarch")
        || base.contains("$(uname")
        || base.contains("$arch");
    if named {
        return Some("a program for one platform");
    }
    let binary = words.iter().any(|word| matches!(*word, "bin" | "binary" | "binaries" | "dist"));
    (binary && base.contains('.')).then_some("an archive of compiled files")
}

/// A compiled file from the network.
pub static FETCHED: Rule = Rule {
    bad: Example(
        "FROM registry.example.com/base:1\nRUN curl -fsSLo /usr/bin/yq «https://git.example.com/yq/releases/download/v4.2/yq_linux_amd64»\nADD «https://repository.example.org/aws-sdk-1.11.jar» /opt/\nRUN curl -fsSL «https://archive.example.org/spark-3.5.0-bin-hadoop3.tgz» | tar xz\n",
    ),
    good: Example(
        "FROM registry.example.com/base:1\nRUN curl -fsSLo /tmp/a.tgz https://downloads.example.org/a-1.0-src.tar.gz\nRUN curl -fsSLo /tmp/k.asc https://example.org/linux-key.asc\n",
    ),
    needs: &[Need::Commands, Need::Intakes],
    judge: |facts, sink| {
        each_download(facts, |file, _, instruction, download| {
            let substituted = download
                .command
                .and_then(|index| instruction.commands.get(index))
                .is_some_and(|command| command.substituted);
            let key = [
                ".asc", ".sig", ".sha256", ".sha512", ".md5", ".gpg", ".key", ".txt", ".json", ".repo",
                ".list",
            ];
            let text = download.url.text();
            if substituted || key.iter().any(|end| text.ends_with(end)) {
                return;
            }
            let run = download.command.is_some_and(|_| becomes_program(instruction, download));
            let what = prebuilt(&text).or(if run { Some("a program") } else { None });
            if let Some(what) = what {
                sink.find(file.place(download.url_span), format!("{what} that somebody else compiled"))
                    .about(file.image.as_deref());
            }
        });
    },
    ..Rule::of(
        Family::Source,
        "prebuilt-fetched",
        Levels::of(None, Some(Level::Info), Some(Level::Error)),
        "programs and libraries are built from source",
        "What somebody else compiled may be something else than its source says, and cannot be mended here. A vendor's signed \
         packages are another matter.",
        "build it from source in a stage, or take it from an image that the project builds",
    )
};

/// Whether a downloaded file is put where programs are, or made one.
fn becomes_program(
    instruction: &crate::facts::dockerfile::InstructionFacts,
    download: &crate::facts::commands::Download,
) -> bool {
    let Some(path) = download.file(None) else { return false };
    let name = path.rsplit('/').next().unwrap_or_default();
    let script = name.ends_with(".sh") || name.ends_with(".py");
    let directory = path.rsplit_once('/').map_or("", |(directory, _)| directory);
    if !script
        && (directory.ends_with("/bin") || directory.ends_with("/sbin"))
        && !name.contains(".tar")
        && !name.ends_with(".tgz")
        && !name.ends_with(".zip")
    {
        return true;
    }
    !script
        && instruction.commands.iter().any(|command| {
            let words: Vec<String> = command.arguments().iter().map(Value::text).collect();
            let mode = words.first().is_some_and(|mode| {
                mode.contains('x') || mode.trim_start_matches('0').starts_with(['7', '5'])
            });
            command.program() == Some("chmod")
                && mode
                && words.iter().any(|word| *word == path || word.rsplit('/').next() == Some(name))
        })
}

/// A compiled file that is in the repository.
pub static COMMITTED: Rule = Rule {
    bad: Example(
        "FROM registry.example.com/base:1\nCOPY «libs/driver.jar» /opt/\nCOPY «wheels/x-1.0-py3-none-any.whl» /tmp/\n",
    ),
    good: Example(
        "FROM registry.example.com/base:1 AS b\nRUN mvn package\nFROM registry.example.com/base:1\nCOPY --from=b /src/target/app.jar /opt/\nCOPY src /src\n",
    ),
    judge: |facts, sink| {
        for file in &facts.dockerfiles {
            for (_, own, instruction) in file.each() {
                let (sources, from) = match &instruction.kind {
                    dockerfile::InstructionKind::Copy(copy) => (&copy.sources, copy.from.is_some()),
                    dockerfile::InstructionKind::Add(add) => (&add.sources, false),
                    _ => continue,
                };
                for source in sources.iter().filter(|_| !from) {
                    let value = own.scope.expand(source, file.escape());
                    if crate::facts::commands::is_url(&value) {
                        continue;
                    }
                    if let Some(what) = prebuilt(&value.text()) {
                        sink.find(file.place(source.span), format!("{what} that is not built here"))
                            .about(file.image.as_deref());
                    }
                }
            }
        }
    },
    ..Rule::of(
        Family::Source,
        "prebuilt-copied",
        Levels::of(None, Some(Level::Info), Some(Level::Error)),
        "compiled files do not come from the build context",
        "A compiled file in the repository has no history: nobody can say what it was built from.",
        "build it in a stage, and copy it from there",
    )
};

/// Wheels where sources are asked for.
pub static WHEELS: Rule = Rule {
    needs: &[Need::Packages, Need::Intakes],
    bad: Example(
        "FROM registry.example.com/base:1\nRUN pip install «--only-binary :all:» numpy==2.0\nRUN pip install «https://example.com/x-1.0-py3-none-any.whl»\n",
    ),
    good: Example("FROM registry.example.com/base:1\nRUN pip install --no-binary :all: numpy==2.0\n"),
    judge: |facts, sink| {
        each_manager(facts, |file, _, _, _, command| {
            if !matches!(command.manager, Manager::Pip | Manager::Uv) || command.action != Action::Install {
                return;
            }
            for (_, span) in command.arguments.options(&["--only-binary", "--prefer-binary"]) {
                sink.find(file.place(span), "wheels are what somebody else compiled");
            }
            for package in &command.packages {
                let wheel = package.value.text().split('#').next().is_some_and(|url| url.ends_with(".whl"));
                if wheel && matches!(package.kind, RequestKind::Url | RequestKind::Path) {
                    sink.find(
                        file.place(package.value.inner_span()),
                        "a wheel is what somebody else compiled",
                    );
                }
            }
        });
    },
    ..Rule::of(
        Family::Source,
        "prebuilt-wheel",
        Levels::STANDARD,
        "Python packages are built from source",
        "A wheel may hold compiled code. Kapok's gateway can take wheels out of the index (`network.from-source: [pypi]`), so \
         that pip builds the source, and no option has to be changed.",
        "drop the option, and set `network.from-source: [pypi]`",
    )
};

/// These rules.
pub const RULES: &[&Rule] = &[&FETCHED, &COMMITTED, &WHEELS];
