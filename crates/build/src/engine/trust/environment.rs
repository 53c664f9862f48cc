//! Trust by environment variables, and the files that they name.

use super::{Authorities, Files, Trust, keystore, pem};

/// Variables that name a bundle which is used in place of the usual one, and who reads them.
const BUNDLES: [&str; 12] = [
    "SSL_CERT_FILE",                    // OpenSSL, Go, Ruby, Perl, Rust's native roots
    "CURL_CA_BUNDLE",                   // curl, R
    "REQUESTS_CA_BUNDLE",               // Python's requests, conda
    "PIP_CERT",                         // pip
    "NODE_EXTRA_CA_CERTS",              // Node, npm, yarn, pnpm
    "GIT_SSL_CAINFO",                   // git
    "CARGO_HTTP_CAINFO",                // cargo
    "AWS_CA_BUNDLE",                    // the AWS clients
    "DENO_CERT",                        // Deno
    "HEX_CACERTS_PATH",                 // Elixir's mix
    "NIX_SSL_CERT_FILE",                // Nix
    "GRPC_DEFAULT_SSL_ROOTS_FILE_PATH", // gRPC
];

/// apt reads it before its other configuration, which may name another bundle: those are looked for in [`super::bundles`].
/// A Release file that was recorded is replayed after its `Valid-Until`; its digest is what counts.
/// Where a package brings the first bundle, the hook of [`super::bundles`] cannot be there: apt runs it when dpkg is done, so
/// that programs without an environment (dnf, cmake, what `env -i` starts) trust the bundle in the same step.
const APT: &str = "Acquire::https::CAInfo \"/run/kapok/ca.pem\";\nAcquire::Check-Valid-Until \"false\";\n\
    DPkg::Post-Invoke { \"if [ -f /run/kapok/hook ]; then sh /run/kapok/hook < /dev/null || true; fi\"; };\n";

/// wget reads it in place of `/etc/wgetrc`, and after it whatever the user has of her own. With `WGETRC` it would not.
const WGET: &str = "ca_certificate = /run/kapok/ca.pem\n";

/// What certificates Java trusts. The password is the usual one; without any, Java does not look at the digest.
const JAVA: &str = "-Djavax.net.ssl.trustStore=/run/kapok/cacerts.jks -Djavax.net.ssl.trustStoreType=JKS -Djavax.net.ssl.trustStorePassword=changeit";

/// Adds variables and files for a command. `bundle` is what the snapshot trusts by itself.
pub fn add(
    trust: &mut Trust,
    authorities: &Authorities,
    env: &[(String, String)],
    command: &[&str],
    files: &dyn Files,
    bundle: &[u8],
) {
    let set = |name: &str| {
        let last = env.iter().rev().find(|(known, _)| known == name);
        last.map(|(_, value)| value.as_str()).filter(|value| !value.is_empty())
    };
    let usual = trust.add_file("ca.pem", authorities.appended_to(bundle));
    trust.add_file("gateway.pem", authorities.section().to_vec());
    trust.add_file("hook", super::bundles::ADDED.1.as_bytes().to_vec());
    for name in BUNDLES {
        let own =
            set(name).and_then(|path| files.read(path)).filter(|own| own != bundle && pem::is_bundle(own));
        let value = match own {
            Some(own) => trust.add_file(&format!("{name}.pem"), authorities.appended_to(&own)),
            None => usual.clone(),
        };
        trust.env.push((name.into(), value.into()));
    }
    let mut configure = |name: &str, file: &str, before: Option<Vec<u8>>, ours: &str| {
        let mut content = before.unwrap_or_default();
        if !content.is_empty() && !content.ends_with(b"\n") {
            content.push(b'\n');
        }
        content.extend(ours.as_bytes());
        let path = trust.add_file(file, content);
        trust.env.push((name.into(), path.into()));
    };
    configure("APT_CONFIG", "apt.conf", set("APT_CONFIG").and_then(|path| files.read(path)), APT);
    let wgetrc = set("SYSTEM_WGETRC").unwrap_or("/etc/wgetrc");
    configure("SYSTEM_WGETRC", "wgetrc", files.read(wgetrc), WGET);
    if let Some(own) = set("WGETRC").and_then(|path| files.read(path)) {
        configure("WGETRC", "own-wgetrc", Some(own), WGET);
    }
    let mut certificates = pem::certificates(bundle);
    certificates.extend(pem::certificates(authorities.section()));
    trust.add_file("cacerts.jks", keystore::write(&certificates));
    let mut java = |name: &str| {
        let options = match set(name) {
            // Of two options of the same name, Java takes the second.
            Some(own) => format!("{own} {JAVA}"),
            None => JAVA.to_owned(),
        };
        trust.env.push((name.into(), options.into()));
    };
    java("JAVA_TOOL_OPTIONS");
    // A command that sets it takes it away from us; the launcher of Java 9 and later reads another as well, and says so.
    if command.iter().any(|text| text.contains("JAVA_TOOL_OPTIONS=")) {
        java("JDK_JAVA_OPTIONS");
    }
}
