//! `kapok login` and `kapok logout`.

use std::io::{IsTerminal, Read};
use std::sync::Arc;

use oci::Reference;
use registry::client::credentials::{CredentialSource, Credentials};
use registry::client::{PushError, RequestError};

use crate::cli::registry::{Login, Logout};
use crate::exit::Exit;
use crate::failure::Failure;
use crate::program::Program;
use crate::registry::logins::Place;
use crate::ui::terminal;

/// Bytes of a password; tokens have a few kilobytes.
const SECRET_LIMIT: u64 = 64 << 10;

/// Asks the registry whether it takes the credentials, then keeps them.
pub fn login(program: &Program, arguments: &Login) -> Result<Exit, Failure> {
    let registry = registry_name(&arguments.registry)?;
    if arguments.password.is_some() {
        program.warn("a password on the command line can be seen by others; `--password-stdin` cannot");
    }
    let (user, password) = credentials(arguments, &registry)?;
    let credentials = match user.as_str() {
        // The name by which docker's helpers mark a token for tokens.
        "<token>" => Credentials::IdentityToken(password),
        _ => Credentials::Password { user: user.clone(), password },
    };
    let registries = program.registries(&program.settings()?);
    let client = registries.client_as(Arc::new((registry.clone(), credentials.clone())))?;
    client
        .check_credentials(&some_repository(&registry)?)
        .map_err(|error| refused(error, &registry, &user))?;
    match registries.logins().store(&registry, &credentials)? {
        Place::Helper(helper) => program.say(&format!("logged in to {registry} as {user}; kept by `{helper}`")),
        Place::File(path) => program.say(&format!(
            "logged in to {registry} as {user}\n\
             the password stands in `{}`, for your eyes only but not encrypted; a credential helper would be better",
            path.display()
        )),
    }
    Ok(Exit::Done)
}

/// Forgets credentials.
pub fn logout(program: &Program, arguments: &Logout) -> Result<Exit, Failure> {
    let registry = registry_name(&arguments.registry)?;
    let registries = program.registries(&program.settings()?);
    let known = registries.logins().erase(&registry)?;
    program.say(&match known {
        true => format!("forgot the credentials for {registry}"),
        false => format!("there are no credentials for {registry}"),
    });
    // Others may have kept some, where we look too.
    if registries.logins().credentials(&registry, "").is_ok_and(|found| found.is_some()) {
        program
            .warn(&format!("`{registry}` is still known by another program's file, which is left as it is"));
    }
    Ok(Exit::Done)
}

/// `quay.io` of `https://quay.io/v2/`.
fn registry_name(text: &str) -> Result<String, Failure> {
    let name = text.split_once("://").map_or(text, |(_, rest)| rest);
    let name = name.split('/').next().unwrap_or_default();
    let name = match name {
        "index.docker.io" | "registry-1.docker.io" | "registry.hub.docker.com" => "docker.io",
        name => name,
    };
    let reference = some_repository(name)?;
    if reference.domain() != name {
        return Err(Failure::usage_with(
            format!("`{text}` is not a registry"),
            "it is a host, with its port if that is not 443: `quay.io`, `registry.example.org:5000`",
        ));
    }
    Ok(name.to_owned())
}

/// Any repository of a registry.
fn some_repository(registry: &str) -> Result<Reference, Failure> {
    let name = format!("{registry}/any");
    name.parse().map_err(|source| Failure::Name { name: registry.to_owned(), source })
}

/// What the flags say, what is piped in, and, on a terminal, what the user types.
fn credentials(arguments: &Login, registry: &str) -> Result<(String, String), Failure> {
    let interactive = std::io::stdin().is_terminal();
    let missing = |what: &str| {
        Failure::usage_with(
            format!("there is no {what} for {registry}"),
            format!("`kapok login --username NAME --password-stdin {registry} < FILE`"),
        )
    };
    let user = match &arguments.username {
        Some(user) => user.clone(),
        // The password comes from there, so that the name cannot.
        None if arguments.password_stdin || !interactive => return Err(missing("name")),
        None => terminal::ask("Username: ", true).map_err(Failure::file("read", "the terminal"))?,
    };
    let password = match &arguments.password {
        Some(password) => password.clone(),
        None if arguments.password_stdin => piped()?,
        None if !interactive => return Err(missing("password")),
        None => terminal::ask("Password: ", false).map_err(Failure::file("read", "the terminal"))?,
    };
    match (user.is_empty(), password.is_empty()) {
        (true, _) => Err(Failure::usage("the name is empty")),
        (_, true) => Err(Failure::usage("the password is empty")),
        _ if user.contains(':') => Err(Failure::usage("a name cannot hold a colon")),
        _ => Ok((user, password)),
    }
}

fn piped() -> Result<String, Failure> {
    let mut text = String::new();
    let read = std::io::stdin().lock().take(SECRET_LIMIT).read_to_string(&mut text);
    read.map_err(Failure::file("read", "standard input"))?;
    // Files and `echo` end with a line end that is not meant.
    Ok(text.trim_end_matches(['\n', '\r']).to_owned())
}

/// A refusal in the words of who logs in, not of somebody who pulls.
fn refused(error: PushError, registry: &str, user: &str) -> Failure {
    if let PushError::Part { source, .. } = &error
        && let RequestError::Unauthorized { .. } = **source
    {
        return Failure::Refused { registry: registry.to_owned(), user: user.to_owned() };
    }
    match error {
        PushError::Part { source, .. } => Failure::Request(source),
        other => other.into(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn registries_by_many_names() {
        let name = |text: &str| registry_name(text).map_err(|error| error.to_string());
        assert_eq!(name("https://quay.io/v2/"), Ok("quay.io".to_owned()));
        assert_eq!(name("https://index.docker.io/v1/"), Ok("docker.io".to_owned()));
        assert_eq!(name("localhost:5000"), Ok("localhost:5000".to_owned()));
        assert_eq!(name("[::1]:5000"), Ok("[::1]:5000".to_owned()));
        assert_eq!(name("team"), Err("`team` is not a registry".to_owned()));
        assert!(name("").is_err() && name("a b").is_err());
    }
}
