//! Trust by the bundles that a snapshot has: for programs that read no environment, or are started without one.

use super::{Authorities, Files, StandIn, Trust, pem};

/// Where distributions keep the bundle that their programs read; several names may lead to one file.
const SYSTEM: [&str; 9] = [
    "/etc/ssl/certs/ca-certificates.crt", // Debian, Alpine, Arch
    "/etc/pki/ca-trust/extracted/pem/tls-ca-bundle.pem", // Fedora, RHEL
    "/var/lib/ca-certificates/ca-bundle.pem", // SUSE
    "/etc/ssl/ca-bundle.pem",             // SUSE
    "/etc/pki/tls/certs/ca-bundle.crt",   // RHEL
    "/etc/pki/tls/cert.pem",              // RHEL
    "/etc/ssl/cert.pem",                  // Alpine
    "/etc/ca-certificates/extracted/tls-ca-bundle.pem", // Arch
    "/etc/pki/ca-trust/extracted/openssl/ca-bundle.trust.crt",
];

/// Files in which somebody may have named a bundle of her own.
const CONFIGURATION: [&str; 12] = [
    "/etc/apt/apt.conf",
    "/etc/pip.conf",
    "/etc/npmrc",
    "/usr/etc/npmrc",
    "/usr/local/etc/npmrc",
    "/etc/gitconfig",
    "/etc/wgetrc",
    "/etc/dnf/dnf.conf",
    "/etc/yum.conf",
    "/etc/gemrc",
    "/usr/local/cargo/config.toml",
    "/opt/conda/.condarc",
];

/// Such files below the user's home directory.
const OWN_CONFIGURATION: [&str; 11] = [
    ".pip/pip.conf",
    ".config/pip/pip.conf",
    ".npmrc",
    ".yarnrc",
    ".yarnrc.yml",
    ".gitconfig",
    ".curlrc",
    ".wgetrc",
    ".cargo/config.toml",
    ".condarc",
    ".bundle/config",
];

/// Directories of such files.
const CONFIGURATIONS: [&str; 3] = ["/etc/apt/apt.conf.d", "/etc/yum.repos.d", "/etc/dnf/dnf.conf.d"];

/// Variables of the Dockerfile that may name a bundle, read also by programs that we did not think of.
const VARIABLE_WORDS: [&str; 4] = ["CERT", "CA_BUNDLE", "CAINFO", "CA_FILE"];

/// Prefixes below which Python's packages may be.
const PREFIXES: [&str; 4] = ["/usr", "/usr/local", "/opt/conda", "/opt/venv"];

/// More are never looked at.
const MOST_STAND_INS: usize = 100;

/// Debian's and Alpine's `update-ca-certificates` runs what is here after it made the bundle anew.
const HOOKS: &str = "/etc/ca-certificates/update.d";
/// Runs after all others. The one for Java's keystore must not see what it adds.
const HOOK: &str = "/etc/ca-certificates/update.d/zz-kapok";
const HOOK_SCRIPT: &str = "#!/bin/sh
# For the time of one build step: its network's authority, again in a bundle that was made anew.
cat > /dev/null
bundle=/etc/ssl/certs/ca-certificates.crt
ours=/run/kapok/gateway.pem
if [ -f \"$bundle\" ] && [ -f \"$ours\" ] && ! grep -qxF \"$(sed -n 2p \"$ours\")\" \"$bundle\"; then
    cat \"$ours\" >> \"$bundle\"
fi
";

/// The file that the hook is, as a path of an upper, and what it holds.
pub const ADDED: (&str, &str) = ("etc/ca-certificates/update.d/zz-kapok", HOOK_SCRIPT);

/// What the snapshot trusts by itself.
pub fn first(files: &dyn Files) -> Option<Vec<u8>> {
    SYSTEM.iter().find_map(|path| files.read(path)).filter(|bundle| pem::is_bundle(bundle))
}

/// Where bundles may be that an image's programs read for good.
pub fn lasting(env: &[(String, String)], files: &dyn Files) -> Vec<String> {
    let mut paths: Vec<String> = SYSTEM.map(str::to_owned).into();
    paths.extend(python(env, files));
    paths.push("/opt/conda/ssl/cacert.pem".to_owned());
    paths
}

/// Adds stand-ins for every bundle that can be found, also for those of `named`, and the hook.
pub fn add(
    trust: &mut Trust,
    authorities: &Authorities,
    env: &[(String, String)],
    named: Vec<String>,
    files: &dyn Files,
) {
    let mut paths = lasting(env, files);
    paths.extend(named);
    paths.extend(configured(env, files));
    for (name, value) in env {
        if VARIABLE_WORDS.iter().any(|word| name.contains(word)) {
            paths.push(value.clone());
        }
    }
    for path in paths.iter().filter(|path| path.starts_with('/')) {
        let Some(path) = files.real_path(path).map(std::path::PathBuf::from) else { continue };
        if trust.stand_ins.iter().any(|known| known.path == path) || trust.stand_ins.len() >= MOST_STAND_INS {
            continue;
        }
        let Some(bundle) = path.to_str().and_then(|path| files.read(path)) else { continue };
        if pem::is_bundle(&bundle) {
            trust.stand_ins.push(StandIn { path, content: authorities.appended_to(&bundle), new: None });
        }
    }
    if files.real_path(HOOKS).is_some() {
        let content = HOOK_SCRIPT.as_bytes().to_vec();
        trust.stand_ins.push(StandIn { path: HOOK.into(), content, new: Some(0o755) });
    }
}

/// The bundles that Python's `certifi` brings along, and the copy in pip.
fn python(env: &[(String, String)], files: &dyn Files) -> Vec<String> {
    let mut prefixes: Vec<String> = PREFIXES.map(str::to_owned).into();
    let own = env.iter().filter(|(name, _)| name == "VIRTUAL_ENV" || name == "CONDA_PREFIX");
    prefixes.extend(own.map(|(_, prefix)| prefix.clone()));
    // A Python that programs find has its packages beside it.
    let path = env.iter().rev().find(|(name, _)| name == "PATH").map_or("", |(_, path)| path);
    for prefix in path.split(':').filter_map(|directory| directory.trim_end_matches('/').strip_suffix("/bin"))
    {
        if !prefix.is_empty() && !prefixes.iter().any(|known| known == prefix) {
            prefixes.push(prefix.to_owned());
        }
    }
    let mut found = Vec::new();
    for prefix in &prefixes {
        let library = format!("{prefix}/lib");
        for version in files.names(&library).iter().filter(|name| name.starts_with("python3")) {
            for packages in ["site-packages", "dist-packages"] {
                for package in ["certifi", "pip/_vendor/certifi"] {
                    found.push(format!("{library}/{version}/{packages}/{package}/cacert.pem"));
                }
            }
        }
    }
    found
}

/// Absolute paths in configuration files. Whether they lead to bundles is seen later.
fn configured(env: &[(String, String)], files: &dyn Files) -> Vec<String> {
    let mut paths = Vec::new();
    let mut configurations: Vec<String> = CONFIGURATION.map(str::to_owned).into();
    if let Some((_, home)) = env.iter().rev().find(|(name, _)| name == "HOME") {
        configurations.extend(OWN_CONFIGURATION.map(|name| format!("{home}/{name}")));
    }
    for directory in CONFIGURATIONS {
        let names = files.names(directory);
        configurations.extend(names.iter().map(|name| format!("{directory}/{name}")));
    }
    for configuration in configurations {
        let Some(text) = files.read(&configuration).and_then(|text| String::from_utf8(text).ok()) else {
            continue;
        };
        let border = |character: char| character.is_whitespace() || "\"'=;,".contains(character);
        let words = text.split(border).filter(|word| word.len() > 1 && word.starts_with('/'));
        paths.extend(words.filter(|word| is_bundle_name(word)).map(str::to_owned));
    }
    paths
}

fn is_bundle_name(path: &str) -> bool {
    [".pem", ".crt", ".cer", ".cert", ".bundle"].iter().any(|ending| path.ends_with(ending))
}
