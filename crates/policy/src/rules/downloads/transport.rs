//! How downloads come: encrypted, verified, without logins in their URLs, and not as an error page.

use dockerfile::shell::Value;

use super::checked::{directory_of, is_checked};
use super::{each_download, host, is_interpreter, is_unpacker, readers};
use crate::facts::commands::{Argument, Fetcher, Target, is_url};
use crate::facts::manifest::url_password;
use crate::level::{Level, Levels};
use crate::rule::{Example, Family, Need, Rule};
use crate::rules::{packages, secrets};

/// Plain http.
pub static HTTP: Rule = Rule {
    id: "download-http",
    family: Family::Downloads,
    levels: Levels::WARNING,
    title: "downloads come over https",
    why: "On the way of a plain http download anybody may replace it.",
    fix: "use https",
    bad: Example(
        "FROM registry.example.com/base:1\nRUN curl -fsSLO «http://downloads.example.org/a-1.0.tgz»\nRUN git clone «git://git.example.com/a.git»\nENV PIP_INDEX_URL=«http://nexus.example.com/simple»\nRUN yum-config-manager --add-repo «http://repo.example.com/a.repo»\n",
    ),
    good: Example(
        "FROM registry.example.com/base:1\nRUN curl -fsSLO https://downloads.example.org/a-1.0.tgz\nHEALTHCHECK CMD curl -f http://localhost/ || exit 1\nRUN curl http://127.0.0.1:80/\n",
    ),
    needs: &[Need::Commands],
    judge: |facts, sink| {
        each_download(facts, |file, _, _, download| {
            let prefix = download.url.prefix().to_ascii_lowercase();
            let host = host(&download.url);
            let plain = ["http://", "ftp://", "git://"].iter().find(|scheme| prefix.starts_with(**scheme));
            if let Some(scheme) = plain.filter(|_| !host.ends_with(".svc") && !host.contains(".svc.")) {
                sink.find(
                    file.place(download.url_span),
                    format!("`{scheme}` is neither encrypted nor authenticated"),
                );
            }
        });
        let near = |host: &str| {
            host.starts_with("localhost")
                || host.starts_with("127.")
                || host.contains(".svc")
                || !host.contains('.')
        };
        for file in &facts.dockerfiles {
            secrets::each_setting(file, |name, _, span, value| {
                if is_index_variable(name) && value.prefix().starts_with("http://") && !near(&host(value)) {
                    sink.find(file.place(span), "`http://` is neither encrypted nor authenticated");
                }
            });
            for (_, _, command) in file.each_command() {
                if !matches!(command.program(), Some("yum-config-manager" | "add-apt-repository")) {
                    continue;
                }
                for word in command.arguments() {
                    let url = word.split_once('=').map_or_else(|| word.clone(), |(_, value)| value);
                    if url.prefix().starts_with("http://") && !near(&host(&url)) {
                        let place = file.place(url.inner_span());
                        sink.find(place, "`http://` is neither encrypted nor authenticated");
                    }
                }
            }
        }
        packages::each_manager(facts, |file, _, _, _, command| {
            let values = command.arguments.list.iter().filter_map(|argument| match argument {
                Argument::Option { value, .. } => value.as_ref(),
                Argument::Operand(value) => Some(value),
            });
            for value in values.filter(|value| value.prefix().starts_with("http://")) {
                let own = host(value);
                // A proxy on the way is spoken to in the clear by design.
                if !own.starts_with("localhost") && !own.starts_with("127.") && !own.contains(".svc") {
                    sink.find(
                        file.place(value.inner_span()),
                        "`http://` is neither encrypted nor authenticated",
                    );
                }
            }
        });
    },
    ..Rule::BLANK
};

/// Variables that say where packages come from.
pub(in crate::rules) fn is_index_variable(name: &str) -> bool {
    let name = name.to_ascii_uppercase();
    name.ends_with("INDEX_URL")
        || name.ends_with("_REGISTRY") && (name.starts_with("NPM") || name.starts_with("YARN"))
        || matches!(
            name.as_str(),
            "GOPROXY" | "MAVEN_MIRROR_URL" | "PIP_FIND_LINKS" | "UV_DEFAULT_INDEX" | "UV_INDEX"
        )
}

/// Certificates are not looked at.
pub static INSECURE: Rule = Rule {
    id: "download-insecure",
    family: Family::Downloads,
    levels: Levels::WARNING,
    title: "certificates of servers are verified",
    why: "Without verification https says nothing about who answers. It is mostly there because a company's CA is missing; \
          the CA is what has to be added.",
    fix: "install the CA certificate and drop the option",
    bad: Example(
        "FROM registry.example.com/base:1\nRUN curl «-fsSLk» -o a.tgz https://downloads.example.org/a-1.0.tgz\nRUN wget «--no-check-certificate» https://downloads.example.org/b\nRUN git clone «-c http.sslVerify=false» https://git.example.com/a.git\n",
    ),
    good: Example(
        "FROM registry.example.com/base:1\nRUN curl -fsSLo a.tgz --cacert /etc/ca.pem https://downloads.example.org/a-1.0.tgz\n",
    ),
    needs: &[Need::Commands],
    judge: |facts, sink| {
        each_download(facts, |file, _, _, download| {
            if let Some(span) = download.insecure {
                sink.find(file.place(span), format!("`{}` may be anybody", host(&download.url)));
            }
        });
    },
    ..Rule::BLANK
};

/// An error page, saved as a file.
pub static NO_FAIL: Rule = Rule {
    id: "download-no-fail",
    family: Family::Downloads,
    levels: Levels::DOUBT,
    title: "curl fails where the server says that it failed",
    why: "Without `--fail` curl writes the error page to the file and reports success; the build goes on with a page of HTML \
          that is called a program.",
    fix: "add `--fail` (`-f`)",
    bad: Example(
        "FROM registry.example.com/base:1\nRUN «curl -sSLo /usr/local/bin/tool https://downloads.example.org/tool-1.0»\n",
    ),
    good: Example(
        "FROM registry.example.com/base:1\nRUN curl -fsSLo /usr/local/bin/tool https://downloads.example.org/tool-1.0\nRUN curl -s https://example.com/status\n",
    ),
    needs: &[Need::Commands],
    judge: |facts, sink| {
        each_download(facts, |file, stage, instruction, download| {
            if download.fetcher != Fetcher::Curl || download.fails {
                return;
            }
            let consumed = readers(instruction, download).iter().any(|reader| {
                is_unpacker(reader)
                    || is_interpreter(reader)
                    || matches!(reader.program(), Some("apt-key" | "gpg" | "tee" | "rpm"))
            });
            let written = !matches!(download.target, Target::Output);
            let checked = written
                && download
                    .file(directory_of(instruction, download))
                    .is_some_and(|path| is_checked(stage, instruction, download, &path));
            if (written || consumed) && !checked {
                sink.find(file.place(download.span), "an error page of the server is taken for the file");
                // Who runs what the network sends has a greater trouble, which is told.
                if readers(instruction, download).iter().any(|reader| is_interpreter(reader)) {
                    sink.at_most(Level::Info);
                }
            }
        });
    },
    ..Rule::BLANK
};

/// Credentials in a URL.
pub static URL_SECRET: Rule = Rule {
    id: "url-credentials",
    family: Family::Privilege,
    levels: Levels::WARNING,
    title: "no URL holds credentials",
    why: "A password in a URL stands in the Dockerfile, in the image's history, in logs and in `.git/config`.",
    fix: "give it as a secret (`RUN --mount=type=secret`) and change it: it is known now",
    bad: Example(
        "FROM registry.example.com/base:1\nRUN git clone «https://oauth2:glpat-Xk29dLmQpR7sTuVw3yZa@git.example.com/a.git»\nENV http_proxy=«http://proxy:Welcome1@proxy.example.com:3128» \\\n    DB_URL=«postgresql+psycopg2://airflow:airflow@db/airflow»\n",
    ),
    good: Example(
        "FROM registry.example.com/base:1\nARG TOKEN\nENV DB_URL=postgresql://airflow:${TOKEN}@db/airflow PROXY=http://proxy.example.com:3128\nRUN git clone https://git.example.com/a.git\nRUN curl -fsSLO https://user@downloads.example.org/a\n",
    ),
    needs: &[Need::Commands],
    judge: |facts, sink| {
        for file in &facts.dockerfiles {
            secrets::each_setting(file, |_, _, span, value| {
                if url_password(&value.text()).is_some() {
                    sink.find(file.place(span), "a password in a URL");
                }
            });
            for (_, _, command) in file.each_command() {
                for word in &command.words {
                    if has_password(word) {
                        sink.find(file.place(word.inner_span()), "a password in a URL");
                    }
                }
            }
            for stage in &file.stages {
                for download in stage.instructions.iter().flat_map(|own| &own.downloads) {
                    if download.command.is_none() && has_password(&download.url) {
                        sink.find(file.place(download.url_span), "a password in a URL");
                    }
                }
            }
        }
    },
    ..Rule::BLANK
};

fn has_password(word: &Value) -> bool {
    let text = word.text();
    let Some((_, rest)) = text.split_once("://") else { return false };
    let authority = rest.split(['/', '?', ' ']).next().unwrap_or_default();
    let Some((user, _)) = authority.rsplit_once('@') else { return false };
    let Some((_, password)) = user.split_once(':') else { return false };
    !password.is_empty() && !password.contains('$') && (is_url(word) || text.contains("://"))
}
