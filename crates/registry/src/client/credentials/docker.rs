//! Docker's `config.json` and its kin `auth.json`: credentials by registry, in the file or with helpers.

use std::io;
use std::sync::Arc;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Map, Value, json};

use super::{CredentialError, CredentialSource, Credentials};

/// Docker Hub's key, from a time before registries had names.
const DOCKER_HUB_KEY: &str = "https://index.docker.io/v1/";

/// What Docker Hub is called in keys and references.
const DOCKER_HUB_NAMES: [&str; 3] = ["docker.io", "index.docker.io", "registry-1.docker.io"];

/// The user's name by which helpers mark an identity token.
const TOKEN_USER: &str = "<token>";

/// Bytes of a configuration; the largest have some kilobytes.
const LIMIT: usize = 4 << 20;

/// A configuration that cannot be read.
#[derive(Debug, thiserror::Error)]
pub enum DockerConfigError {
    /// Nobody's configuration is so large.
    #[error("it has more than {LIMIT} bytes")]
    TooLarge,
    /// Not JSON.
    #[error("it is not JSON")]
    Json(#[source] serde_json::Error),
    /// JSON of another shape.
    #[error("`{0}` is not what it should be")]
    Shape(String),
}

/// What a credential helper said.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct HelperOutput {
    /// Whether it ended with 0.
    pub succeeded: bool,
    /// What it wrote.
    pub stdout: Vec<u8>,
}

/// Runs credential helpers: this room starts no processes.
pub trait HelperRunner: Send + Sync {
    /// Runs `docker-credential-NAME VERB` with this input. (Docker's credential helper protocol)
    fn run(&self, program: &str, verb: &str, input: &[u8]) -> io::Result<HelperOutput>;
}

/// A configuration, with whatever else is in it.
#[derive(Clone)]
pub struct DockerConfig {
    document: Map<String, Value>,
    runner: Arc<dyn HelperRunner>,
}

impl DockerConfig {
    /// Reads a configuration; an empty text is an empty one.
    pub fn parse(bytes: &[u8], runner: Arc<dyn HelperRunner>) -> Result<DockerConfig, DockerConfigError> {
        if bytes.len() > LIMIT {
            return Err(DockerConfigError::TooLarge);
        }
        if bytes.iter().all(u8::is_ascii_whitespace) {
            return Ok(DockerConfig { document: Map::new(), runner });
        }
        match serde_json::from_slice(bytes).map_err(DockerConfigError::Json)? {
            Value::Object(document) => Ok(DockerConfig { document, runner }),
            _ => Err(DockerConfigError::Shape("the whole".to_owned())),
        }
    }

    /// The text of the configuration.
    pub fn to_bytes(&self) -> Vec<u8> {
        let mut bytes = serde_json::to_vec_pretty(&self.document).unwrap_or_default();
        bytes.push(b'\n');
        bytes
    }

    /// The helper that keeps a registry's credentials.
    pub fn helper(&self, registry: &str) -> Option<String> {
        let own = self.document.get("credHelpers").and_then(Value::as_object);
        let own = own.and_then(|helpers| {
            keys(registry).iter().find_map(|key| helpers.get(key.as_str())).and_then(Value::as_str)
        });
        let name = own.or_else(|| self.document.get("credsStore").and_then(Value::as_str))?;
        (!name.is_empty()).then(|| format!("docker-credential-{name}"))
    }

    /// Keeps credentials: with the registry's helper if there is one, else in the configuration. Whether the
    /// configuration has changed.
    pub fn store(&mut self, registry: &str, credentials: &Credentials) -> Result<bool, CredentialError> {
        let key = own_key(registry);
        let entry = if let Some(program) = self.helper(registry) {
            let (user, secret) = match credentials {
                Credentials::Password { user, password } => (user.as_str(), password),
                Credentials::IdentityToken(token) | Credentials::RegistryToken(token) => (TOKEN_USER, token),
            };
            let input = json!({"ServerURL": key, "Username": user, "Secret": secret});
            let output = self.run(&program, "store", input.to_string().as_bytes())?;
            if !output.succeeded {
                return Err(failed(program, &output));
            }
            // Docker leaves an empty entry, so that one sees where one is logged in.
            json!({})
        } else {
            match credentials {
                Credentials::Password { user, password } => {
                    json!({"auth": STANDARD.encode(format!("{user}:{password}"))})
                }
                Credentials::IdentityToken(token) => json!({"identitytoken": token}),
                Credentials::RegistryToken(token) => json!({"registrytoken": token}),
            }
        };
        let auths = self.document.entry("auths").or_insert_with(|| json!({}));
        let auths = auths.as_object_mut().ok_or_else(|| shape("auths"))?;
        Ok(auths.insert(key, entry.clone()).as_ref() != Some(&entry))
    }

    /// Forgets a registry's credentials; whether there were any.
    pub fn erase(&mut self, registry: &str) -> Result<bool, CredentialError> {
        let mut known = false;
        if let Some(program) = self.helper(registry) {
            let output = self.run(&program, "erase", own_key(registry).as_bytes())?;
            if !output.succeeded && !is_not_found(&output) {
                return Err(failed(program, &output));
            }
            known = output.succeeded;
        }
        if let Some(auths) = self.document.get_mut("auths").and_then(Value::as_object_mut) {
            for key in keys(registry) {
                let before = auths.len();
                auths.retain(|known, _| *known != key);
                known |= auths.len() < before;
            }
        }
        Ok(known)
    }

    fn of_helper(&self, program: String, registry: &str) -> Result<Option<Credentials>, CredentialError> {
        let output = self.run(&program, "get", own_key(registry).as_bytes())?;
        if !output.succeeded {
            return if is_not_found(&output) { Ok(None) } else { Err(failed(program, &output)) };
        }
        let answer: Value = serde_json::from_slice(&output.stdout)
            .map_err(|_| CredentialError::Malformed { program: program.clone() })?;
        let text = |name: &str| answer.get(name).and_then(Value::as_str);
        match (text("Username"), text("Secret")) {
            (Some(TOKEN_USER), Some(token)) => Ok(Some(Credentials::IdentityToken(token.to_owned()))),
            (Some(user), Some(secret)) if !user.is_empty() || !secret.is_empty() => {
                Ok(Some(Credentials::Password { user: user.to_owned(), password: secret.to_owned() }))
            }
            (Some(_), Some(_)) => Ok(None),
            _ => Err(CredentialError::Malformed { program }),
        }
    }

    fn run(&self, program: &str, verb: &str, input: &[u8]) -> Result<HelperOutput, CredentialError> {
        let failed = |source| CredentialError::Run { program: program.to_owned(), source };
        self.runner.run(program, verb, input).map_err(failed)
    }

    fn of_file(&self, registry: &str, repository: &str) -> Result<Option<Credentials>, CredentialError> {
        let Some(auths) = self.document.get("auths").and_then(Value::as_object) else { return Ok(None) };
        // Podman's keys may name a repository or the beginning of one; the longest decides.
        let whole = format!("{registry}/{repository}");
        let mut candidates = vec![whole.as_str()];
        let mut rest = whole.as_str();
        while let Some((shorter, _)) = rest.rsplit_once('/') {
            candidates.push(shorter);
            rest = shorter;
        }
        candidates.pop();
        let mut wanted: Vec<String> = candidates.iter().map(|&key| key.to_owned()).collect();
        wanted.extend(keys(registry));
        for key in wanted {
            if let Some(entry) = auths.get(&key)
                && let Some(credentials) = read(&key, entry)?
            {
                return Ok(Some(credentials));
            }
        }
        Ok(None)
    }
}

impl CredentialSource for DockerConfig {
    fn credentials(&self, registry: &str, repository: &str) -> Result<Option<Credentials>, CredentialError> {
        if let Some(program) = self.helper(registry)
            && let Some(found) = self.of_helper(program, registry)?
        {
            return Ok(Some(found));
        }
        self.of_file(registry, repository)
    }
}

/// Reads an entry of `auths`; an empty one says nothing.
fn read(key: &str, entry: &Value) -> Result<Option<Credentials>, CredentialError> {
    let text = |name: &str| entry.get(name).and_then(Value::as_str).filter(|text| !text.is_empty());
    if let Some(token) = text("identitytoken") {
        return Ok(Some(Credentials::IdentityToken(token.to_owned())));
    }
    if let Some(token) = text("registrytoken") {
        return Ok(Some(Credentials::RegistryToken(token.to_owned())));
    }
    if let Some(auth) = text("auth") {
        let bad = || shape(&format!("auths.{key}.auth"));
        let decoded = STANDARD.decode(auth.trim()).map_err(|_| bad())?;
        let decoded = String::from_utf8(decoded).map_err(|_| bad())?;
        let (user, password) = decoded.split_once(':').ok_or_else(bad)?;
        // Docker once padded with zeros.
        let password = password.trim_end_matches('\0').to_owned();
        return Ok(Some(Credentials::Password { user: user.to_owned(), password }));
    }
    match (text("username"), text("password")) {
        (Some(user), Some(password)) => {
            Ok(Some(Credentials::Password { user: user.to_owned(), password: password.to_owned() }))
        }
        _ => Ok(None),
    }
}

/// The key under which new credentials are kept.
fn own_key(registry: &str) -> String {
    if DOCKER_HUB_NAMES.contains(&registry) { DOCKER_HUB_KEY.to_owned() } else { registry.to_owned() }
}

/// All keys that mean a registry.
fn keys(registry: &str) -> Vec<String> {
    let mut all = vec![own_key(registry)];
    let names: Vec<&str> =
        if DOCKER_HUB_NAMES.contains(&registry) { DOCKER_HUB_NAMES.to_vec() } else { vec![registry] };
    for name in names {
        all.push(name.to_owned());
        for scheme in ["https://", "http://"] {
            all.extend(["", "/", "/v1/", "/v2/", "/v1", "/v2"].map(|path| format!("{scheme}{name}{path}")));
        }
    }
    all
}

fn is_not_found(output: &HelperOutput) -> bool {
    let said = String::from_utf8_lossy(&output.stdout);
    ["credentials not found", "no credentials server URL", "not found"].iter().any(|text| said.contains(text))
}

fn failed(program: String, output: &HelperOutput) -> CredentialError {
    let said = String::from_utf8_lossy(&output.stdout);
    CredentialError::Failed { program, said: crate::Redacted::foreign(&said).to_string() }
}

fn shape(what: &str) -> CredentialError {
    CredentialError::Configuration(DockerConfigError::Shape(what.to_owned()))
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::Mutex;

    /// A helper that remembers.
    #[derive(Default)]
    struct Helper(Mutex<Vec<String>>);

    impl HelperRunner for Helper {
        fn run(&self, program: &str, verb: &str, input: &[u8]) -> io::Result<HelperOutput> {
            let input = String::from_utf8_lossy(input);
            self.0.lock().unwrap().push(format!("{program} {verb} {input}"));
            let answer = |text: &str, succeeded| HelperOutput { succeeded, stdout: text.as_bytes().to_vec() };
            Ok(match (verb, &*input) {
                ("get", "known.example.org") => {
                    answer(r#"{"ServerURL":"x","Username":"u","Secret":"s"}"#, true)
                }
                ("get", "token.example.org") => answer(r#"{"Username":"<token>","Secret":"s"}"#, true),
                ("get", "broken.example.org") => answer("out of order\n", false),
                ("get", _) => answer("credentials not found in native keychain\n", false),
                _ => answer("", true),
            })
        }
    }

    fn config(text: &str) -> DockerConfig {
        DockerConfig::parse(text.as_bytes(), Arc::new(Helper::default())).unwrap()
    }

    fn password(user: &str, password: &str) -> Credentials {
        Credentials::Password { user: user.to_owned(), password: password.to_owned() }
    }

    #[test]
    fn entries_of_the_file() {
        let auth = STANDARD.encode("u:p:q");
        let config = config(&format!(
            r#"{{"auths": {{"https://index.docker.io/v1/": {{"auth": "{auth}"}}, "quay.io/team": {{"auth": "{auth}"}},
              "quay.io": {{"identitytoken": "t"}}, "a.example.org": {{"username": "n", "password": "w"}}, "empty": {{}},
              "https://b.example.org/v2/": {{"registrytoken": "r"}}, "bad.example.org": {{"auth": "%"}}}}}}"#
        ));
        let get = |registry: &str, repository: &str| config.credentials(registry, repository).unwrap();
        assert_eq!(get("docker.io", "library/debian"), Some(password("u", "p:q")));
        assert_eq!(get("quay.io", "team/app"), Some(password("u", "p:q")));
        assert_eq!(get("quay.io", "teams/app"), Some(Credentials::IdentityToken("t".to_owned())));
        assert_eq!(get("a.example.org", "x"), Some(password("n", "w")));
        assert_eq!(get("b.example.org", "x"), Some(Credentials::RegistryToken("r".to_owned())));
        assert_eq!((get("empty", "x"), get("nowhere.example.org", "x")), (None, None));
        assert!(config.credentials("bad.example.org", "x").is_err());
        assert!(!format!("{:?}", password("u", "secret")).contains("secret"));
    }

    #[test]
    fn helpers() {
        let config = config(
            r#"{"credHelpers": {"other.example.org": "own"}, "credsStore": "all", "auths": {"file.example.org": {"registrytoken": "r"}}}"#,
        );
        assert_eq!(config.helper("other.example.org").unwrap(), "docker-credential-own");
        assert_eq!(config.helper("docker.io").unwrap(), "docker-credential-all");
        let get = |registry: &str| config.credentials(registry, "x");
        assert_eq!(get("known.example.org").unwrap(), Some(password("u", "s")));
        assert_eq!(get("token.example.org").unwrap(), Some(Credentials::IdentityToken("s".to_owned())));
        assert_eq!(get("file.example.org").unwrap(), Some(Credentials::RegistryToken("r".to_owned())));
        assert_eq!(get("unknown.example.org").unwrap(), None);
        let broken = get("broken.example.org").unwrap_err().to_string();
        assert_eq!(broken, "`docker-credential-all` failed: out of order");
    }

    #[test]
    fn logging_in_and_out_leaves_the_rest_alone() {
        let mut config =
            config(r#"{"HttpHeaders": {"A": "b"}, "auths": {"x.example.org": {"auth": "eDp5"}}, "zzz": 1}"#);
        assert!(config.store("docker.io", &password("u", "p")).unwrap());
        assert!(!config.store("docker.io", &password("u", "p")).unwrap());
        assert_eq!(config.credentials("docker.io", "x").unwrap(), Some(password("u", "p")));
        assert!(config.erase("docker.io").unwrap() && !config.erase("docker.io").unwrap());
        let text = String::from_utf8(config.to_bytes()).unwrap();
        assert!(
            text.find("HttpHeaders") < text.find("auths") && text.find("eDp5") < text.find("zzz"),
            "{text}"
        );
        let mut with_helper = self::config(r#"{"credsStore": "all"}"#);
        assert!(with_helper.store("a.example.org", &password("u", "p")).unwrap());
        assert!(!String::from_utf8(with_helper.to_bytes()).unwrap().contains("dTpw"));
    }
}
