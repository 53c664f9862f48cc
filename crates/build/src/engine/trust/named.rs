//! Bundles that a command itself names as the only ones to trust.
//!
//! Only where a word says that: a certificate that is copied, imported into a keystore or given to
//! `update-ca-certificates` must be what it is.

/// Options that are followed by a bundle, behind `=` or as the next word.
const OPTIONS: [&str; 12] = [
    "--cacert",         // curl
    "--ca-certificate", // wget, aria2
    "--ca-file",        // many
    "--cert",           // pip; of curl's own certificates nobody reads more than the first
    "--cafile",         // npm, yarn
    "--ssl-ca-cert",    // gem's settings, Bundler
    "--ca-cert",        // openssl's kin
    "-CAfile",          // openssl
    "http.sslCAInfo",   // git -c, git config
    "http.sslcainfo",   // the same
    "http.cainfo",      // cargo
    "cafile",           // npm config set
];

/// Words in the names of variables that are set for a command: `SSL_CERT_FILE=/x curl`, `export PIP_CERT=/x`.
const VARIABLES: [&str; 5] = ["CERT", "CA_BUNDLE", "CAINFO", "CA_FILE", "CAFILE"];

/// Where certificates lie from which bundles are made.
const SOURCES: [&str; 5] = [
    "/usr/local/share/ca-certificates/",
    "/usr/share/ca-certificates/",
    "/etc/pki/ca-trust/source/",
    "/usr/share/pki/",
    "/etc/ca-certificates/trust-source/",
];

/// Absolute paths that a command tells its programs to trust. `env` is what its variables stand for.
pub fn bundles(command: &str, env: &[(String, String)]) -> Vec<String> {
    let border = |character: char| character.is_whitespace() || ";&|()<>`".contains(character);
    let mut paths = Vec::new();
    let mut follows = false;
    for word in command.split(border).filter(|word| !word.is_empty() && *word != "\\") {
        let word = word.replace(['"', '\''], "");
        let path = match word.split_once('=') {
            Some((name, value)) if OPTIONS.contains(&name) || is_variable(name) => Some(value.to_owned()),
            Some(_) => None,
            None => follows.then(|| word.clone()),
        };
        follows = OPTIONS.contains(&word.as_str());
        let path = path.map(|path| expanded(&path, env)).filter(|path| path.starts_with('/'));
        paths.extend(path.filter(|path| !SOURCES.iter().any(|source| path.starts_with(source))));
    }
    paths
}

fn is_variable(name: &str) -> bool {
    let letters = |byte: u8| byte.is_ascii_uppercase() || byte.is_ascii_digit() || byte == b'_';
    name.bytes().all(letters) && VARIABLES.iter().any(|word| name.contains(word))
}

/// A word with the variable that it begins with in its place.
fn expanded(word: &str, env: &[(String, String)]) -> String {
    let Some(rest) = word.strip_prefix('$') else { return word.to_owned() };
    let (name, tail) = match rest.strip_prefix('{').and_then(|rest| rest.split_once('}')) {
        Some(parts) => parts,
        None => {
            rest.split_at(rest.find(|c: char| !c.is_ascii_alphanumeric() && c != '_').unwrap_or(rest.len()))
        }
    };
    let value = env.iter().rev().find(|(known, _)| known == name).map_or("", |(_, value)| value.as_str());
    format!("{value}{tail}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(command: &str, expected: &[&str]) {
        let env = [("DIR".to_owned(), "/d".to_owned())];
        assert_eq!(bundles(command, &env), expected, "{command}");
    }

    #[test]
    fn what_is_to_be_trusted_is_told_by_options_and_variables() {
        check("curl -fsS --cacert /a.pem https://h/x", &["/a.pem"]);
        check("curl \\\n  --cacert \\\n  '/a.pem' https://h/x", &["/a.pem"]);
        check("wget --ca-certificate=/a.pem h;pip --cert $DIR/b.pem install x", &["/a.pem", "/d/b.pem"]);
        check("git -c http.sslCAInfo=\"${DIR}/a\" clone h", &["/d/a"]);
        check("npm config set cafile /a.pem && npm ci", &["/a.pem"]);
        check("export SSL_CERT_FILE=/a; X=/b NODE_EXTRA_CA_CERTS=/c npm ci", &["/a", "/c"]);
        check("(openssl s_client -CAfile /a -connect h:443)", &["/a"]);
        check("keytool -importcert -file /a.pem; cp /a.pem /b.pem", &[]);
        check("curl --cacert a.pem h; curl --cacert", &[]);
        check("curl --cacert /usr/local/share/ca-certificates/a.crt h", &[]);
        check("$ = == --cacert=$ --cert=${", &[]);
    }
}
