//! curl, wget, git and ADD: what is fetched, with which care, and where it goes.

use dockerfile::Span;
use dockerfile::shell::{Invocation, Value};

use super::is_url;
use super::options::Arguments;
use super::packages::{Pin, revision_pin};
use crate::facts::dockerfile::Scope;

/// What fetches.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Fetcher {
    /// curl.
    Curl,
    /// wget.
    Wget,
    /// Another program: aria2c, axel, `http`.
    Other,
    /// `git clone`, `git fetch` and their like.
    Git,
    /// ADD with a URL.
    Add,
    /// ADD with a git repository.
    AddGit,
}

/// Where a download goes.
#[derive(Debug, Clone)]
pub enum Target {
    /// Standard output: into a pipe, a file by redirection, or the log.
    Output,
    /// This file.
    File(Value),
    /// A file of the URL's last part, in a directory; nothing means the working directory.
    Named(Option<Value>),
}

/// One download.
#[derive(Debug, Clone)]
pub struct Download {
    /// By what.
    pub fetcher: Fetcher,
    /// From where.
    pub url: Value,
    /// Where the URL stands.
    pub url_span: Span,
    /// Where to.
    pub target: Target,
    /// The command's number; nothing for ADD.
    pub command: Option<usize>,
    /// The command, or the source of an ADD.
    pub span: Span,
    /// An error of HTTP is an error of the command.
    pub fails: bool,
    /// Where certificates are not looked at.
    pub insecure: Option<Span>,
    /// Where credentials are given on the command line.
    pub credentials: Option<Value>,
    /// The fetcher itself checks a digest.
    pub checked: bool,
    /// It only asks: `--head`, `--spider`, or to the machine itself.
    pub probe: bool,
    /// The revision of a git repository.
    pub revision: Pin,
}

impl Download {
    pub(super) fn new(fetcher: Fetcher, url: Value, url_span: Span, target: Target) -> Download {
        Download {
            fetcher,
            url,
            url_span,
            target,
            command: None,
            span: url_span,
            fails: true,
            insecure: None,
            credentials: None,
            checked: false,
            probe: false,
            revision: Pin::None,
        }
    }

    /// The file that the download ends in, as a path where it is known.
    pub fn file(&self, directory: Option<&str>) -> Option<String> {
        let path = match &self.target {
            Target::File(value) => {
                let text = value.text();
                if text.ends_with('/') { format!("{text}{}", self.url_name()?) } else { text }
            }
            Target::Named(inside) => {
                let name = self.url_name()?;
                match inside {
                    Some(inside) => format!("{}/{name}", inside.text().trim_end_matches('/')),
                    None => name,
                }
            }
            Target::Output => return None,
        };
        match (path.starts_with(['/', '$']), directory) {
            (false, Some(directory)) => {
                Some(format!("{}/{}", directory.trim_end_matches('/'), path.trim_start_matches("./")))
            }
            _ => Some(path),
        }
    }

    /// The last part of the URL's path.
    pub fn url_name(&self) -> Option<String> {
        let text = self.url.text();
        let path = text.split(['?', '#']).next().unwrap_or_default();
        let name = path.rsplit('/').next().unwrap_or_default();
        (!name.is_empty()).then(|| name.to_owned())
    }
}

/// Reads a command's downloads.
pub(super) fn read(index: usize, command: &Invocation, _scope: &Scope) -> Vec<Download> {
    let found = match command.program() {
        Some("curl" | "curl.exe") => curl(command),
        Some("wget") => wget(command),
        Some("aria2c" | "axel" | "xh" | "httpie") => other(command),
        Some("git") => git(command),
        _ => return Vec::new(),
    };
    found
        .into_iter()
        .map(|download| Download { command: Some(index), span: command.span, ..download })
        .collect()
}

const CURL_VALUED: &[&str] = &[
    "-o",
    "--output",
    "--output-dir",
    "-H",
    "--header",
    "-d",
    "--data",
    "--data-raw",
    "--data-binary",
    "--data-urlencode",
    "--json",
    "-X",
    "--request",
    "-u",
    "--user",
    "-A",
    "--user-agent",
    "-e",
    "--referer",
    "-b",
    "--cookie",
    "-c",
    "--cookie-jar",
    "-F",
    "--form",
    "-m",
    "--max-time",
    "--connect-timeout",
    "--retry",
    "--retry-delay",
    "--retry-max-time",
    "-x",
    "--proxy",
    "-E",
    "--cert",
    "--key",
    "--cacert",
    "--capath",
    "-T",
    "--upload-file",
    "-w",
    "--write-out",
    "-K",
    "--config",
    "-r",
    "--range",
    "-C",
    "--continue-at",
    "-y",
    "-Y",
    "-z",
    "--time-cond",
    "--proto",
    "--tls-max",
    "--ciphers",
    "--resolve",
    "--connect-to",
    "--noproxy",
    "--proxy-user",
    "-U",
    "--max-redirs",
    "--limit-rate",
    "--url",
    "--interface",
    "--oauth2-bearer",
    "--proto-redir",
    "--proto-default",
    "--create-file-mode",
    "--parallel-max",
    "--pass",
    "--cert-type",
    "--key-type",
    "-D",
    "--dump-header",
];

fn curl(command: &Invocation) -> Vec<Download> {
    let arguments = Arguments::parse(command.arguments(), CURL_VALUED);
    let given = arguments.options(&["--url"]).filter_map(|(value, _)| value);
    let urls: Vec<Value> = arguments.operands().chain(given).cloned().collect();
    let fails = arguments.has(&["-f", "--fail", "--fail-with-body", "--fail-early"]);
    let insecure = arguments.option(&["-k", "--insecure", "--proxy-insecure"]).map(|(_, span)| span);
    let credentials =
        arguments.option(&["-u", "--user", "--oauth2-bearer"]).and_then(|(value, _)| value.cloned());
    let probe = arguments.has(&["-I", "--head", "-T", "--upload-file"])
        || arguments
            .options(&["-X", "--request"])
            .any(|(value, _)| value.is_some_and(|value| value.text() != "GET"))
        || arguments.has(&["-d", "--data", "--data-raw", "--data-binary", "--json", "-F", "--form"]);
    let directory = arguments.option(&["--output-dir"]).and_then(|(value, _)| value.cloned());
    let mut outputs = arguments.options(&["-o", "--output"]).filter_map(|(value, _)| value.cloned());
    let named = arguments.has(&["-O", "--remote-name", "--remote-name-all", "-J"]);
    urls.into_iter()
        .filter(|url| !url.text().is_empty())
        .map(|url| {
            let target = match outputs.next() {
                Some(output) if matches!(output.known(), Some("-")) => Target::Output,
                Some(output) => match &directory {
                    Some(directory) => {
                        let path = format!("{}/{}", directory.text().trim_end_matches('/'), output.text());
                        Target::File(Value::known_text(path, output.span))
                    }
                    None => Target::File(output),
                },
                None if named => Target::Named(directory.clone()),
                None => redirected(command),
            };
            let span = url.inner_span();
            let discard = matches!(&target, Target::File(file) if file.known() == Some("/dev/null"));
            let probe = probe || discard || is_local(&url);
            Download {
                fails,
                insecure,
                credentials: credentials.clone(),
                probe,
                ..Download::new(Fetcher::Curl, url, span, target)
            }
        })
        .collect()
}

/// The file that standard output is sent to.
fn redirected(command: &Invocation) -> Target {
    command.output().map_or(Target::Output, |file| Target::File(file.clone()))
}

const WGET_VALUED: &[&str] = &[
    "-O",
    "--output-document",
    "-P",
    "--directory-prefix",
    "-o",
    "--output-file",
    "-a",
    "--append-output",
    "-t",
    "--tries",
    "-T",
    "--timeout",
    "-w",
    "--wait",
    "-U",
    "--user-agent",
    "--header",
    "--user",
    "--password",
    "-e",
    "--execute",
    "-i",
    "--input-file",
    "-A",
    "-R",
    "-D",
    "-l",
    "--post-data",
    "--post-file",
    "--method",
    "--ca-certificate",
    "--ca-directory",
    "--certificate",
    "--private-key",
    "--progress",
    "--waitretry",
    "--secure-protocol",
    "--http-user",
    "--http-password",
    "-B",
    "--base",
    "--max-redirect",
    "--cut-dirs",
    "-Q",
    "--limit-rate",
    "--dns-timeout",
    "--connect-timeout",
    "--read-timeout",
    "--body-data",
];

fn wget(command: &Invocation) -> Vec<Download> {
    let arguments = Arguments::parse(command.arguments(), WGET_VALUED);
    let insecure = arguments.option(&["--no-check-certificate"]).map(|(_, span)| span);
    let credentials =
        arguments.option(&["--password", "--http-password"]).and_then(|(value, _)| value.cloned());
    let probe = arguments.has(&["--spider", "--post-data", "--post-file"]);
    let directory = arguments.option(&["-P", "--directory-prefix"]).and_then(|(value, _)| value.cloned());
    let output = arguments.option(&["-O", "--output-document"]).and_then(|(value, _)| value.cloned());
    arguments
        .operands()
        .filter(|url| !url.text().is_empty())
        .cloned()
        .map(|url| {
            let target = match &output {
                Some(output) if matches!(output.known(), Some("-" | "/dev/stdout")) => redirected(command),
                Some(output) => Target::File(output.clone()),
                None => Target::Named(directory.clone()),
            };
            let span = url.inner_span();
            let discard = matches!(&target, Target::File(file) if file.known() == Some("/dev/null"));
            let probe = probe || discard || is_local(&url);
            Download {
                insecure,
                credentials: credentials.clone(),
                probe,
                ..Download::new(Fetcher::Wget, url, span, target)
            }
        })
        .collect()
}

fn other(command: &Invocation) -> Vec<Download> {
    let arguments = Arguments::parse(command.arguments(), &["-o", "--out", "-d", "--dir", "-x", "-s", "-j"]);
    let insecure = arguments
        .option(&["--check-certificate"])
        .filter(|(value, _)| value.is_some_and(|value| value.known() == Some("false")));
    let checked = arguments.has(&["--checksum"]);
    let output = arguments.option(&["-o", "--out"]).and_then(|(value, _)| value.cloned());
    let urls = arguments.operands().filter(|url| is_url(url)).cloned();
    urls.map(|url| {
        let target = output.clone().map_or(Target::Named(None), Target::File);
        let span = url.inner_span();
        let insecure = insecure.map(|(_, span)| span);
        Download { checked, insecure, ..Download::new(Fetcher::Other, url, span, target) }
    })
    .collect()
}

const GIT_VALUED: &[&str] = &[
    "-C",
    "-c",
    "--git-dir",
    "--work-tree",
    "-b",
    "--branch",
    "--depth",
    "-o",
    "--origin",
    "-u",
    "--upload-pack",
    "--reference",
    "--template",
    "--config",
    "--separate-git-dir",
    "-j",
    "--jobs",
    "--filter",
    "--shallow-since",
    "--shallow-exclude",
    "--revision",
    "--server-option",
];

fn git(command: &Invocation) -> Vec<Download> {
    let arguments = Arguments::parse(command.arguments(), GIT_VALUED);
    let mut operands = arguments.operands();
    let verb = operands.next().map(Value::text).unwrap_or_default();
    let off = |value: &Value| {
        let text = value.text().to_ascii_lowercase();
        text.contains("sslverify=false") || text.contains("sslverify=0")
    };
    let insecure = arguments
        .options(&["-c", "--config"])
        .find(|(value, _)| value.is_some_and(off))
        .map(|(_, span)| span);
    let url = match verb.as_str() {
        "clone" => operands.next(),
        "submodule" => None,
        _ => return Vec::new(),
    };
    let Some(url) = url.cloned() else { return Vec::new() };
    let revision = match arguments.option(&["--revision", "-b", "--branch"]) {
        Some((Some(value), _)) if value.is_unknown() => Pin::Unknown,
        Some((Some(value), _)) => revision_pin(&value.text()),
        _ => Pin::None,
    };
    let target = match operands.next() {
        Some(directory) => Target::File(directory.clone()),
        None => {
            let text = url.text();
            let name = text
                .trim_end_matches('/')
                .rsplit(['/', ':'])
                .next()
                .unwrap_or_default()
                .trim_end_matches(".git")
                .to_owned();
            Target::File(Value::known_text(name, url.span))
        }
    };
    let span = url.inner_span();
    let local = url.prefix().starts_with(['/', '.']) || url.prefix().starts_with("file:");
    vec![Download { insecure, revision, probe: local, ..Download::new(Fetcher::Git, url, span, target) }]
}

/// Whether a URL is of the machine itself: a check of health, not a download.
fn is_local(url: &Value) -> bool {
    let text = url.text();
    let rest = text.split_once("://").map_or(text.as_str(), |(_, rest)| rest);
    let host = rest.split(['/', ':', '?']).next().unwrap_or_default();
    matches!(host, "localhost" | "127.0.0.1" | "0.0.0.0" | "[")
        || rest.starts_with("[::1]")
        || host.starts_with("169.254.")
}
