//! Rules on whom an image trusts: CA certificates in it, from where, and when.

use dockerfile::InstructionKind;
use dockerfile::shell::{self, Invocation, Value};

use crate::facts::commands::Action;
use crate::facts::dockerfile::{DockerfileFacts, InstructionFacts, StageFacts};
use crate::level::{Level, Levels};
use crate::rule::{Example, Family, Need, Rule};

/// CA certificates that come too late.
pub static CA_LATE: Rule = Rule {
    id: "ca-after-network",
    family: Family::Certificates,
    levels: Levels::DOUBT,
    title: "CA certificates are installed before the network is used",
    why: "Steps before it meet the company's proxies and servers without knowing their CA: they fail there, or somebody has \
          turned verification off for them.",
    fix: "install the certificates first",
    bad: Example(
        "FROM registry.example.com/base:1\nRUN pip install --no-cache-dir flask==3.0\n«COPY ca.crt /etc/pki/ca-trust/source/anchors/»\nRUN update-ca-trust\n",
    ),
    good: Example(
        "FROM registry.example.com/base:1\nCOPY ca.crt /etc/pki/ca-trust/source/anchors/\nRUN update-ca-trust\nRUN pip install flask==3.0\nFROM registry.example.com/base:1\nRUN apt-get update && apt-get install -y ca-certificates\nCOPY ca.crt /usr/local/share/ca-certificates/\n",
    ),
    judge: |facts, sink| {
        let places = [
            "/etc/pki/ca-trust/source",
            "/usr/local/share/ca-certificates",
            "/usr/share/pki/ca-trust-source",
        ];
        for file in &facts.dockerfiles {
            for stage in &file.stages {
                let mut network = false;
                for own in &stage.instructions {
                    let instruction = file.instruction(stage, own);
                    let destination = match &instruction.kind {
                        InstructionKind::Copy(copy) => Some(&copy.destination.raw),
                        InstructionKind::Add(add) => Some(&add.destination.raw),
                        _ => None,
                    };
                    if network
                        && destination.is_some_and(|to| places.iter().any(|place| to.starts_with(place)))
                    {
                        sink.find(
                            file.place(own.span),
                            "the network was used before this certificate was there",
                        );
                        break;
                    }
                    let languages = own.managers.iter().any(|(_, command)| {
                        !command.manager.is_system()
                            && matches!(
                                command.action,
                                Action::Install | Action::InstallLocked | Action::InstallProject
                            )
                    });
                    network |= languages || own.downloads.iter().any(|download| !download.probe);
                }
            }
        }
    },
    ..Rule::BLANK
};

/// An image without the organisation's CA.
pub static CA_MISSING: Rule = Rule {
    id: "ca-missing",
    family: Family::Certificates,
    levels: Levels::of(None, None, Some(Level::Warning)),
    title: "the organisation's CA certificates are in the image",
    why: "Programs that meet the organisation's own servers need its CA. Where it is missing, somebody turns verification off. \
          Images on a base of the project have it from there, and `ca` in kapok.yaml puts it into every image.",
    fix: "copy the certificates into the trust store's directory and update it, or name them with `ca` in kapok.yaml",
    bad: Example(
        "FROM «registry.access.redhat.com/ubi9/ubi:9.6»\nRUN dnf install -y git-2.47.1 && dnf clean all\n",
    ),
    good: Example(
        "FROM registry.access.redhat.com/ubi9/ubi:9.6\nCOPY ca.crt /etc/pki/ca-trust/source/anchors/\nRUN update-ca-trust\nFROM registry.access.redhat.com/ubi9/ubi:9.6 AS other\nRUN --mount=type=bind,source=ca,target=/ca trust anchor /ca/x.crt\n",
    ),
    needs: &[Need::Instructions, Need::Commands, Need::Tree],
    judge: |facts, sink| {
        if facts.project.ca.is_some() {
            return;
        }
        for file in &facts.dockerfiles {
            let Some(last) = file.stages.last() else { continue };
            let Some(root) = file.root(last.index) else { continue };
            // An image of one's own has what it has from its own Dockerfile.
            let vendor = root.reference.as_ref().is_some_and(|reference| {
                super::base::is_ubi(reference)
                    || reference.path().starts_with("library/") && reference.domain() == "docker.io"
            });
            let installs = file
                .chain(last.index)
                .into_iter()
                .any(|stage| stage.instructions.iter().any(|own| installs_certificates(file, stage, own)));
            if vendor && !installs {
                let first = file.chain(last.index).last().map_or(last.image_span, |stage| stage.image_span);
                sink.find(file.place(first), "nothing installs the organisation's CA certificates")
                    .about(file.image.as_deref());
            }
        }
    },
    ..Rule::BLANK
};

/// Whether an instruction brings certificates into the image's trust.
fn installs_certificates(file: &DockerfileFacts, stage: &StageFacts, own: &InstructionFacts) -> bool {
    let places = ["ca-trust", "ca-certificates", "/etc/ssl/certs", "/etc/pki/tls", "cacerts"];
    let destination = match &file.instruction(stage, own).kind {
        InstructionKind::Copy(copy) => copy.destination.raw.as_str(),
        InstructionKind::Add(add) => add.destination.raw.as_str(),
        InstructionKind::Env(pairs) => {
            let names = ["SSL_CERT_FILE", "REQUESTS_CA_BUNDLE", "NODE_EXTRA_CA_CERTS", "CURL_CA_BUNDLE"];
            return pairs.iter().any(|pair| names.contains(&pair.key.raw.as_str()));
        }
        _ => "",
    };
    let programs = ["update-ca-trust", "update-ca-certificates", "trust", "keytool"];
    places.iter().any(|place| destination.contains(place))
        || own
            .commands
            .iter()
            .any(|command| command.program().is_some_and(|program| programs.contains(&program)))
}

/// A server's own word on whom to trust.
pub static CA_ASKED: Rule = Rule {
    id: "ca-asked-of-server",
    family: Family::Certificates,
    levels: Levels::WARNING,
    title: "whom to trust is not asked of the one who is to be trusted",
    why: "A certificate that is taken from the server at build time is whatever answered that day, an attacker's on the way \
          included, and every later connection trusts it.",
    fix: "copy the authority's certificate, which somebody looked at, into the image",
    bad: Example(
        "FROM registry.example.com/base:1\nRUN «openssl s_client -connect vault.example.com:443 -showcerts </dev/null» | openssl x509 > /usr/local/share/ca-certificates/v.crt \\\n && update-ca-certificates\nRUN «ssh-keyscan git.example.com >> /etc/ssh/ssh_known_hosts»\n",
    ),
    good: Example(
        "FROM registry.example.com/base:1\nRUN openssl s_client -connect vault.example.com:443 -CAfile /ca.pem </dev/null | grep -q 'Verify return code: 0'\n",
    ),
    needs: &[Need::Commands],
    judge: |facts, sink| {
        let trusts = |command: &Invocation| {
            let programs = ["update-ca-trust", "update-ca-certificates", "keytool", "trust"];
            let places = ["ca-trust", "ca-certificates", "/certs/", "cacert"];
            command.program().is_some_and(|program| programs.contains(&program))
                || command.output().is_some_and(|to| places.iter().any(|place| to.text().contains(place)))
        };
        for file in &facts.dockerfiles {
            for (_, own, command) in file.each_command() {
                let words: Vec<String> = command.arguments().iter().map(Value::text).collect();
                let asks = match command.program() {
                    Some("openssl") => words.iter().any(|word| word == "s_client"),
                    Some("keytool") => {
                        words.iter().any(|word| word == "-printcert")
                            && words.iter().any(|word| word == "-sslserver")
                    }
                    Some("ssh-keyscan") => {
                        sink.find(file.place(command.span), "the host says itself that it is to be trusted");
                        false
                    }
                    _ => false,
                };
                if asks && own.commands.iter().any(|other| other.span != command.span && trusts(other)) {
                    sink.find(file.place(command.span), "the server says itself that it is to be trusted");
                }
            }
        }
    },
    ..Rule::BLANK
};

/// A bundle of another tool that is overwritten.
pub static BUNDLE_OVERWRITTEN: Rule = Rule {
    id: "ca-bundle-overwritten",
    family: Family::Certificates,
    levels: Levels::DOUBT,
    title: "another tool's CA bundle is not overwritten",
    why: "The next version of the package brings its own bundle back, and programs that trust what was in it before no longer \
          do.",
    fix: "name the bundle instead: `SSL_CERT_FILE`, `REQUESTS_CA_BUNDLE`, `PIP_CERT`, `NODE_EXTRA_CA_CERTS`",
    bad: Example(
        "FROM registry.example.com/base:1\nCOPY ca.pem «/opt/lib/python3.9/site-packages/certifi/cacert.pem»\nRUN cat /ca.crt >> «$(python -m certifi)»\nRUN B=$(python3 -c 'import certifi; print(certifi.where())') && cat /ca.crt >> «$B»\n",
    ),
    good: Example(
        "FROM registry.example.com/base:1\nCOPY ca.pem /etc/pki/ca-trust/source/anchors/\nENV REQUESTS_CA_BUNDLE=/etc/pki/tls/certs/ca-bundle.crt\n",
    ),
    judge: |facts, sink| {
        let theirs = |path: &str| {
            path.contains("certifi/cacert.pem")
                || path.ends_with("/etc/ssl/certs/ca-certificates.crt")
                || path.ends_with("/etc/pki/tls/certs/ca-bundle.crt")
                || path.ends_with("/tls-ca-bundle.pem")
                || path.contains("certifi.where")
                || path.contains("-m certifi")
        };
        for file in &facts.dockerfiles {
            for (_, own, instruction) in file.each() {
                let destination = match &instruction.kind {
                    InstructionKind::Copy(copy) if copy.from.is_none() => Some(&copy.destination),
                    InstructionKind::Add(add) => Some(&add.destination),
                    _ => None,
                };
                if let Some(word) = destination.filter(|word| theirs(&word.raw)) {
                    sink.find(file.place(word.span), "this bundle belongs to a package");
                }
                // Variables that hold the path of such a bundle.
                let assigned = own.commands.iter().flat_map(|command| &command.assignments);
                let holders: Vec<String> = assigned
                    .filter(|(_, value)| theirs(&value.text()) || theirs(facts.text(file.place(value.span))))
                    .map(|(name, _)| name.clone())
                    .collect();
                let theirs = |text: &str| {
                    let of = |name: &String| {
                        let bare = text.trim_matches(['"', '{', '}', '$']);
                        text.contains('$') && bare == name
                    };
                    theirs(text) || holders.iter().any(of)
                };
                for command in &own.commands {
                    for redirect in &command.redirects {
                        let text = facts.text(file.place(redirect.target.span));
                        use shell::syntax::RedirectKind::{Append, Write};
                        if matches!(redirect.kind, Append | Write)
                            && (theirs(&redirect.target.text()) || theirs(text))
                        {
                            sink.find(file.place(redirect.target.span), "this bundle belongs to a package");
                        }
                    }
                    if matches!(command.program(), Some("cp" | "mv" | "install" | "ln"))
                        && let Some(last) = command
                            .arguments()
                            .last()
                            .filter(|last| command.arguments().len() > 1 && theirs(&last.text()))
                    {
                        sink.find(file.place(last.inner_span()), "this bundle belongs to a package");
                    }
                }
            }
        }
    },
    ..Rule::BLANK
};

/// These rules.
pub const RULES: &[&Rule] = &[&CA_LATE, &CA_MISSING, &BUNDLE_OVERWRITTEN, &CA_ASKED];
