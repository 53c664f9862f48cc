//! Secrets on command lines.

use dockerfile::Span;
use dockerfile::shell::{Invocation, Value};

use super::words::{is_secret_name, is_secret_value};
use crate::level::Levels;
use crate::rule::{Example, Family, Need, Rule};

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
    ..Rule::of(
        Family::Privilege,
        "secret-on-command-line",
        Levels::WARNING,
        "command lines hold no secrets",
        "A RUN's text is in the image's history and in every log of the build.",
        "use `RUN --mount=type=secret`, and change it: it is known now",
    )
};

pub(in crate::rules) fn command_secrets(command: &Invocation) -> Vec<(Span, String)> {
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
    found
}
