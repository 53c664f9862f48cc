//! `--ssh` with keys in files, as OpenSSH's own programs see it.

use std::path::Path;
use std::process::Command;

use crate::environment::TestEnvironment;

fn key(here: &TestEnvironment, kind: &str, name: &str, passphrase: &str) {
    let made = Command::new("ssh-keygen")
        .args(["-q", "-t", kind, "-N", passphrase, "-C", name, "-f"])
        .arg(here.work().join(name))
        .status()
        .expect("ssh-keygen starts");
    assert!(made.success());
}

#[test]
fn a_key_that_is_none_or_has_a_passphrase_is_refused_with_advice() {
    let here = TestEnvironment::new();
    here.write("Dockerfile", "FROM scratch\nCOPY Dockerfile /\n");
    here.write("none", "no key");
    let refused = here.kapok("build . --ssh default=none").code(2).stderr;
    assert!(refused.contains("is not an OpenSSH private key") && refused.contains("ssh-keygen"), "{refused}");
    let missing = here.kapok("build . --ssh default=missing").code(2).stderr;
    assert!(missing.contains("missing"), "{missing}");
    if !Path::new("/usr/bin/ssh-keygen").exists() {
        eprintln!("skipped in part: there is no ssh-keygen");
        return;
    }
    key(&here, "ed25519", "locked", "secret words");
    let refused = here.kapok("build . --ssh default=locked").code(2).stderr;
    assert!(refused.contains("has a passphrase") && refused.contains("ssh-add"), "{refused}");
    for kind in ["ed25519", "ecdsa", "rsa"] {
        key(&here, kind, kind, "");
    }
    here.kapok("build . -q --ssh default=ed25519,ecdsa,rsa").ok();
}
