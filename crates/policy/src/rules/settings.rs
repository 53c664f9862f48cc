//! Settings of package managers: where packages come from, and whether anybody checks.

use dockerfile::Span;

use super::manifests::assignments;
use crate::facts::Facts;
use crate::facts::manifest::{is_placeholder, is_secret_name};
use crate::facts::settings::{Entry, Settings, Tool};
use crate::level::Levels;
use crate::rule::{Example, Family, Need, Rule, Sink};

fn is(value: &str, words: &[&str]) -> bool {
    let value = value.trim_matches(['"', '\'', ';']).to_ascii_lowercase();
    words.contains(&value.as_str())
}

fn entries<'f>(facts: &'f Facts, tools: &'f [Tool]) -> impl Iterator<Item = (&'f Settings, Entry<'f>)> {
    let of_tools = facts.settings.iter().filter(move |settings| tools.contains(&settings.tool));
    of_tools.flat_map(move |settings| settings.entries(facts).into_iter().map(move |entry| (settings, entry)))
}

const TLS_TOOLS: [Tool; 7] =
    [Tool::Pip, Tool::Requirements, Tool::Npm, Tool::Dnf, Tool::Apt, Tool::Git, Tool::Conda];

/// Verification of servers turned off.
pub static TLS: Rule = Rule {
    id: "settings-tls-off",
    family: Family::Privilege,
    levels: Levels::WARNING,
    title: "a package manager verifies whom it speaks with",
    why: "Anybody on the way can answer in the repository's place with packages of his own.",
    fix: "verify, and give the tool the authority's certificate",
    bad: Example(
        "//- pip.conf\n[global]\ntrusted-host = «nexus.example.com»\n//- requirements.txt\n--trusted-host «nexus.example.com»\n//- Dockerfile\nFROM registry.example.com/base:1\nRUN mkdir -p /etc/x \\\n && echo '«insecure»' >> /root/.curlrc\nRUN cat <<EOF > /etc/pip.conf\n[global]\ntrusted-host = «nexus.example.com»\nEOF\nCOPY <<EOF /etc/yum.repos.d/a.repo\n[a]\nsslverify=«0»\nEOF\nRUN printf '[global]\\ntrusted-host = «h.example.com»\\n' | tee /etc/pip.conf\n",
    ),
    good: Example("//- pip.conf\n[global]\ncert = /etc/pki/ca.crt\n"),
    also: &[],
    needs: &[Need::Files],
    judge: |facts, sink| {
        for (settings, entry) in entries(facts, &TLS_TOOLS) {
            let off = match (settings.tool, entry.key.to_ascii_lowercase().as_str()) {
                (Tool::Pip, "verify_ssl") => is(entry.value, &["false"]),
                (Tool::Pip | Tool::Requirements, "trusted-host") => !entry.value.is_empty(),
                (Tool::Npm, "strict-ssl" | "enablestrictssl" | "enablestrictssl:")
                | (Tool::Git, "sslverify") => is(entry.value, &["false", "0", "no"]),
                (Tool::Dnf, "sslverify") => is(entry.value, &["false", "0", "no"]),
                (Tool::Conda, "ssl_verify") => is(entry.value, &["false", "no"]),
                _ => false,
            };
            if off {
                sink.find(settings.spot(entry.span), format!("`{}`: servers are not verified", entry.key));
            }
        }
        for settings in
            facts.settings.iter().filter(|settings| matches!(settings.tool, Tool::Apt | Tool::Curl))
        {
            for (span, line) in facts.lines(settings.place) {
                if let Some((at, length)) = bare_line(settings.tool, line) {
                    let spot = Span::new(span.start + at, span.start + at + length);
                    sink.find(settings.spot(spot), "servers are not verified");
                }
            }
        }
    },
};

/// `Acquire::https::Verify-Peer "false";`, `insecure`.
fn bare_line(tool: Tool, line: &str) -> Option<(usize, usize)> {
    let text = line.trim();
    let lower = text.to_ascii_lowercase();
    let start = line.len() - line.trim_start().len();
    let apt = lower.contains("verify-peer") || lower.contains("verify-host") && !lower.starts_with("//");
    match tool {
        Tool::Apt if apt && (lower.contains("false") || lower.contains("\"0\"")) => {
            Some((start, text.trim_end_matches(';').len()))
        }
        Tool::Curl
            if matches!(
                lower.as_str(),
                "insecure" | "-k" | "--insecure" | "check_certificate = off" | "check_certificate=off"
            ) =>
        {
            Some((start, text.len()))
        }
        _ => None,
    }
}

/// Signatures that nobody checks.
pub static SIGNATURE: Rule = Rule {
    id: "settings-signature-off",
    family: Family::Packages,
    levels: Levels::WARNING,
    title: "packages' signatures are checked",
    why: "The signature is what makes a mirror harmless; without it every host on the way is trusted with root in the image.",
    fix: "set `gpgcheck=1` and `gpgkey`, or `signed-by` for apt",
    bad: Example("//- app.repo\n[app]\nbaseurl=https://rpm.example.com/el9\ngpgcheck=«0»\n"),
    good: Example("//- app.repo\n[app]\nbaseurl=https://rpm.example.com/el9\ngpgcheck=1\n"),
    also: &[],
    needs: &[Need::Files],
    judge: |facts, sink| {
        for (settings, entry) in entries(facts, &[Tool::Dnf]) {
            if matches!(entry.key, "gpgcheck" | "pkg_gpgcheck") && is(entry.value, &["0", "false", "no"]) {
                sink.find(settings.spot(entry.span), "signatures of packages are not checked");
            }
        }
        for settings in facts.settings.iter().filter(|settings| settings.tool == Tool::Apt) {
            for (span, line) in facts
                .lines(settings.place)
                .into_iter()
                .filter(|(_, line)| !line.trim_start().starts_with(['#', '/']))
            {
                let lower = line.to_ascii_lowercase();
                let found = [
                    "trusted=yes",
                    "trusted: yes",
                    "allow-insecure=yes",
                    "allowunauthenticated",
                    "allowinsecurerepositories",
                    "allowdowngradetoinsecurerepositories",
                ]
                .iter()
                .find_map(|word| Some((lower.find(word)?, word.len())));
                let turned = |word: &str| {
                    word.contains('=')
                        || word.contains(": ")
                        || lower.contains("true")
                        || lower.contains("\"1\"")
                };
                if let Some((at, length)) = found.filter(|(at, length)| turned(&lower[*at..at + length])) {
                    sink.find(
                        settings.spot(Span::new(span.start + at, span.start + at + length)),
                        "signatures of packages are not checked",
                    );
                }
            }
        }
    },
};

/// URLs of indexes in settings, each with where it stands.
fn indexes(facts: &Facts) -> Vec<(Settings, &str, Span, bool)> {
    let mut found = Vec::new();
    for (settings, entry) in entries(facts, &[Tool::Pip, Tool::Requirements, Tool::Npm, Tool::Dnf]) {
        let key = entry.key.to_ascii_lowercase();
        let extra = key == "extra-index-url";
        let index = match settings.tool {
            Tool::Pip if key == "url" => entry.section.contains("source") || entry.section.contains("index"),
            Tool::Pip | Tool::Requirements => {
                matches!(key.as_str(), "index-url" | "index" | "extra-index-url" | "find-links")
            }
            Tool::Npm => key == "registry" || key.ends_with(":registry") || key == "npmregistryserver",
            _ => matches!(key.as_str(), "baseurl" | "mirrorlist" | "metalink"),
        };
        if index && entry.value.contains("://") {
            let value = entry.value.trim_matches(['"', '\'']);
            let at = entry.span.start + entry.value.find(value).unwrap_or(0);
            found.push((*settings, value, Span::new(at, at + value.len()), extra));
        }
    }
    for settings in facts.settings.iter().filter(|settings| matches!(settings.tool, Tool::Maven | Tool::Apt))
    {
        let text = facts.text(settings.place);
        for (span, line) in facts.lines(settings.place) {
            if line.trim_start().starts_with('#') {
                continue;
            }
            let url = if settings.tool == Tool::Maven {
                maven_url(text, line, span.start - settings.place.span.start)
            } else {
                apt_url(line)
            };
            if let Some((at, length)) = url {
                found.push((
                    *settings,
                    &line[at..at + length],
                    Span::new(span.start + at, span.start + at + length),
                    false,
                ));
            }
        }
    }
    found
}

/// The `<url>` of a mirror or a repository; not a project's home page, nor a mirror that blocks.
fn maven_url(text: &str, line: &str, offset: usize) -> Option<(usize, usize)> {
    let at = line.find("<url>")? + "<url>".len();
    let length = line[at..].find("</url>")?;
    let before = text.get(..offset + at)?;
    let opened = |name: &str| {
        before
            .rfind(&format!("<{name}>"))
            .is_some_and(|open| before[open..].find(&format!("</{name}>")).is_none())
    };
    let blocks =
        text.get(offset + at..)?.split("</mirror>").next().is_some_and(|rest| rest.contains("<blocked>true"));
    let of_repository =
        ["mirror", "repository", "pluginRepository", "snapshotRepository"].iter().any(|name| opened(name));
    (of_repository && !blocks).then_some((at, length))
}

fn apt_url(line: &str) -> Option<(usize, usize)> {
    let trimmed = line.trim_start();
    if !(trimmed.starts_with("deb ") || trimmed.starts_with("deb-src ") || trimmed.starts_with("URIs:")) {
        return None;
    }
    let at = line.find("http")?;
    Some((at, line[at..].find(char::is_whitespace).unwrap_or(line.len() - at)))
}

/// Indexes over plain text.
pub static HTTP: Rule = Rule {
    id: "settings-index-http",
    family: Family::Packages,
    levels: Levels::WARNING,
    title: "packages come over an encrypted connection",
    why: "Anybody on the way can put other packages in. Debian's signatures make that harmless for apt; for all others nothing does.",
    fix: "use `https://`",
    bad: Example(
        "//- pip.conf\n[global]\nindex-url = «http://nexus.example.com/simple»\n//- pyproject.toml\n[tool.poetry]\nurl = \"http://home.example.com\"\n[[tool.poetry.source]]\nurl = \"«http://nexus.example.com/simple»\"\n",
    ),
    good: Example("//- pip.conf\n[global]\nindex-url = https://nexus.example.com/simple\n"),
    also: &[],
    needs: &[Need::Files],
    judge: |facts, sink| {
        for (settings, url, span, _) in indexes(facts) {
            let near = ["http://localhost", "http://127.", "http://0.0.0.0"]
                .iter()
                .any(|host| url.starts_with(host));
            if url.starts_with("http://") && !near {
                sink.find(settings.spot(span), "packages come over plain text");
                if settings.tool == Tool::Apt
                    || url.split('/').nth(2).is_some_and(|host| {
                        host.split(':').next().is_some_and(|host| {
                            !host.contains('.') || host.ends_with(".svc") || host.contains(".svc.")
                        })
                    })
                {
                    sink.at_most(crate::Level::Info);
                }
            }
        }
    },
};

/// A second index.
pub static EXTRA: Rule = Rule {
    id: "settings-extra-index",
    family: Family::Packages,
    levels: Levels::WARNING,
    title: "packages come from one index",
    why: "pip takes the highest version of all indexes: whoever registers an internal name on the other one is installed instead (dependency confusion).",
    fix: "use one `index-url` that groups the others",
    bad: Example(
        "//- pip.conf\n[global]\nindex-url = https://nexus.example.com/simple\nextra-index-url = «https://other.example.com/simple»\n",
    ),
    good: Example("//- pip.conf\n[global]\nindex-url = https://nexus.example.com/simple\n"),
    also: &[],
    needs: &[Need::Files],
    judge: |facts, sink| {
        for (settings, _, span, _) in indexes(facts).into_iter().filter(|(.., extra)| *extra) {
            sink.find(settings.spot(span), "a second index: the highest version of both wins");
        }
    },
};

/// Indexes outside the central repository.
pub static OUTSIDE: Rule = Rule {
    id: "settings-index-outside",
    family: Family::Packages,
    levels: Levels::STANDARD,
    title: "settings name the central repository",
    why: "What is fetched elsewhere is not scanned, not kept, and gone when somebody removes it.",
    fix: "name the central repository",
    bad: Example(
        "//- kapok.yaml\ncheck: {profile: rainforest, central: [nexus.example.com]}\n//- pip.conf\n[global]\nindex-url = «https://other.example.com/simple»\n",
    ),
    good: Example(
        "//- kapok.yaml\ncheck: {profile: rainforest, central: [nexus.example.com]}\n//- pip.conf\n[global]\nindex-url = https://nexus.example.com/simple\n",
    ),
    also: &[],
    needs: &[Need::Files],
    judge: |facts, sink| {
        if sink.standards.central.is_empty() {
            return;
        }
        for (settings, url, span, _) in indexes(facts) {
            let host = url.split("://").nth(1).unwrap_or(url).split('/').next().unwrap_or_default();
            let host = host.rsplit('@').next().unwrap_or(host);
            let central = sink.standards.central.iter().any(|central| {
                let name = central.split("://").nth(1).unwrap_or(central);
                url.starts_with(central.as_str()) || host == name || host.split(':').next() == Some(name)
            });
            let later = url.contains("${") || url.contains("{{") || url.contains("$");
            if !central && !later {
                sink.find(settings.spot(span), format!("`{host}` is not the central repository"));
            }
        }
    },
};

/// Logins in settings.
pub static SECRET: Rule = Rule {
    id: "settings-secret",
    family: Family::Privilege,
    levels: Levels::WARNING,
    title: "settings hold no login",
    why: "Whoever may read the repository, or an image that the file is copied into, has the login.",
    fix: "take it from a variable or a build secret, and change it: it is known",
    bad: Example("//- .npmrc\n//npm.example.com/:_authToken=«a94f5374bc»\n"),
    good: Example("//- .npmrc\n//npm.example.com/:_authToken=${NPM_TOKEN}\n"),
    also: &[],
    needs: &[Need::Files],
    judge: |facts, sink| {
        for settings in &facts.settings {
            login(facts, settings, sink);
        }
    },
};

fn login(facts: &Facts, settings: &Settings, sink: &mut Sink<'_>) {
    for (span, line) in facts.lines(settings.place) {
        let found = assignments(line).find(|(_, key, value)| {
            let secret = is_secret_name(key) || matches!(*key, "_auth" | "_password" | "_authToken");
            secret && !is_placeholder(value) && !(value.starts_with('{') && value.ends_with('}'))
        });
        let named = found
            .map(|(at, key, value)| (at, value.len(), format!("the value of `{key}` stands here readable")));
        // What stands inside a manifest is found there.
        if let Some((at, length, words)) = named {
            let inside =
                facts.source(settings.source()).name.ends_with("ml") && settings.place.span.start > 0;
            if !inside {
                sink.find(settings.spot(Span::new(span.start + at, span.start + at + length)), words);
            }
        }
    }
}

/// These rules.
pub const RULES: &[&Rule] = &[&TLS, &SIGNATURE, &HTTP, &EXTRA, &OUTSIDE, &SECRET];
