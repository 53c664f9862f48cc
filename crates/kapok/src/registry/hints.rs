//! What helps against what goes wrong with registries, and whose fault it is.

use std::error::Error;

use registry::client::config::PlaceError;
use registry::client::credentials::CredentialError;
use registry::client::{PullError, PushError, RequestError};
use registry::server::StartError;

use super::RegistryError;
use super::logins::LoginError;
use crate::exit::Exit;

/// Whose fault it is that an image cannot be had: mostly the registry's or the network's.
pub fn pull_exit(error: &PullError) -> Exit {
    match error {
        PullError::Place(_) | PullError::Store(_) => Exit::Usage,
        PullError::Nowhere { last, .. } => request_exit(last),
        PullError::Part { source, .. } => request_exit(source),
        _ => Exit::Upstream,
    }
}

/// Whose fault it is that an image cannot be pushed.
pub fn push_exit(error: &PushError) -> Exit {
    match error {
        PushError::Place(_) | PushError::Store(_) => Exit::Usage,
        PushError::Incomplete { .. } => Exit::No,
        PushError::Source(error) => pull_exit(error),
        PushError::Part { source, .. } => request_exit(source),
        PushError::Document { .. } => Exit::Upstream,
    }
}

/// Our own disk, certificates and credential helpers are nobody else's fault.
pub fn request_exit(error: &RequestError) -> Exit {
    match error {
        RequestError::Io { .. }
        | RequestError::Store(_)
        | RequestError::Tls { .. }
        | RequestError::Credentials { .. } => Exit::Usage,
        RequestError::GaveUp { last, .. } => request_exit(last),
        _ => Exit::Upstream,
    }
}

/// What helps against an error of registries, if that is known.
pub fn hint_for(error: &(dyn Error + 'static)) -> Option<String> {
    // Boxed causes show themselves as the box.
    let boxed = error.downcast_ref::<Box<RequestError>>().map(|error| &**error);
    if let Some(error) = boxed.or(error.downcast_ref::<RequestError>()) {
        return request_hint(error);
    }
    if let Some(RegistryError::ShortName { meant, .. }) = error.downcast_ref::<RegistryError>() {
        return Some(format!("write `{meant}`; the settings have `short-names: deny`"));
    }
    if let Some(LoginError::NoPlace) = error.downcast_ref::<LoginError>() {
        return Some("set REGISTRY_AUTH_FILE or DOCKER_CONFIG".to_owned());
    }
    if let Some(CredentialError::Run { program, .. }) = error.downcast_ref::<CredentialError>() {
        return Some(format!(
            "install `{program}`, or take it out of `credsStore` and `credHelpers` in Docker's config.json"
        ));
    }
    if let Some(StartError::OpenToAll(_)) = error.downcast_ref::<StartError>() {
        return Some(
            "give `--htpasswd FILE` or `--tokens FILE`, or say `--open-to-all` if everybody may read and write"
                .to_owned(),
        );
    }
    if let Some(StartError::PackagesToAll(_)) = error.downcast_ref::<StartError>() {
        return Some("say `--open-to-all` if everybody who reaches it may fetch through it".to_owned());
    }
    None
}

/// What helps against an image that cannot be had, beside what helps against its causes.
pub fn pull_hint(error: &PullError) -> Option<String> {
    match error {
        PullError::Place(error) => Some(place_hint(error)),
        PullError::Platform { .. } => Some("name one of these with `--platform`".to_owned()),
        _ => None,
    }
}

/// What helps against an image that cannot be pushed, beside what helps against its causes.
pub fn push_hint(error: &PushError) -> Option<String> {
    match error {
        PushError::Place(error) => Some(place_hint(error)),
        PushError::Incomplete { .. } => Some(
            "`kapok pull --all-platforms` fetches all of an image, `kapok push --platform` sends one platform of it"
                .to_owned(),
        ),
        _ => None,
    }
}

fn place_hint(error: &PlaceError) -> String {
    let what = match error {
        PlaceError::Blocked(_) => "`blocked`",
        PlaceError::Rewrite { .. } => "`location` and `mirrors`",
    };
    format!("see {what} of `registries` in kapok.yaml of the machine, of the user and of the project")
}

fn request_hint(error: &RequestError) -> Option<String> {
    match error {
        RequestError::Unauthorized { registry, .. } => Some(match registry.as_str() {
            "docker.io" => "log in with `kapok login`".to_owned(),
            _ => format!("log in with `kapok login {registry}`"),
        }),
        RequestError::Status { status: 429, .. } => Some(
            "the registry limits how often it is asked; wait, log in, or name a mirror in `registries`"
                .to_owned(),
        ),
        RequestError::Transport { url, source } => {
            let (host, said) = (host(&url.to_string())?, source.to_string());
            if said.contains("UnknownIssuer") || said.contains("CaUsedAsEndEntity") {
                return Some(format!(
                    "put its authority's certificate into /etc/containers/certs.d/{host}/ca.crt, or name it as `ca` of \
                     `{host}` in `registries`"
                ));
            }
            let plain = said.contains("corrupt message") || said.contains("InvalidContentType");
            plain.then(|| {
                format!(
                    "if it speaks plain HTTP, say so in the machine's or the user's kapok.yaml: `registries: [{{prefix: \
                     \"{host}\", insecure: true}}]`"
                )
            })
        }
        RequestError::Tls { registry, .. } => {
            Some(format!("see `{registry}` in `registries` and in the directories `certs.d`"))
        }
        _ => None,
    }
}

/// `a.example.org:5000` of `https://a.example.org:5000/v2/`.
fn host(url: &str) -> Option<String> {
    let (_, rest) = url.split_once("://")?;
    rest.split('/').next().filter(|host| !host.is_empty()).map(str::to_owned)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_host_of_a_url() {
        assert_eq!(host("https://a.example.org:5000/v2/").as_deref(), Some("a.example.org:5000"));
        assert_eq!(host("a.example.org"), None);
    }

    #[test]
    fn who_is_at_fault() {
        let blocked = PullError::Place(PlaceError::Blocked("x".into()));
        assert_eq!(pull_exit(&blocked), Exit::Usage);
        let denied = RequestError::Unauthorized {
            registry: "a.example.org".into(),
            action: "pull from",
            repository: "x".parse().expect("a repository"),
            items: Vec::new(),
        };
        assert_eq!(request_hint(&denied).as_deref(), Some("log in with `kapok login a.example.org`"));
        let last = Box::new(denied);
        let nowhere = PullError::Nowhere { reference: "x".into(), attempts: Vec::new(), last };
        let failure = crate::failure::Failure::from(nowhere);
        assert_eq!(failure.exit(), Exit::Upstream);
        assert_eq!(failure.hint().as_deref(), Some("log in with `kapok login a.example.org`"));
    }
}
