//! serve, push, pull, copy, login, logout.

use std::io::{BufRead, BufReader};
use std::process::{Child, Stdio};
use std::time::{Duration, Instant};

use crate::environment::TestEnvironment;

/// `ali` with the password `sesame`; bcrypt.
pub const USERS: &str = "ali:$2b$05$abcdefghijklmnopqrstuuKcS.CYWVYVaLiiCKrrc0A5s3mGesJ9O\n";

/// A server that runs; killed with this value.
pub struct Served {
    child: Child,
    address: String,
}

impl Served {
    pub fn start(here: &TestEnvironment, flags: &str) -> Served {
        let mut command = here.command(&format!("serve --quiet --registry 127.0.0.1:0 {flags}"));
        let mut child = command.stderr(Stdio::piped()).spawn().expect("the program starts");
        let mut line = String::new();
        let stderr = child.stderr.take().expect("a pipe");
        BufReader::new(stderr).read_line(&mut line).expect("it says where it is");
        let (_, address) = line.trim().split_once("://").unwrap_or_else(|| panic!("{line}"));
        Served { child, address: address.to_owned() }
    }

    /// The name of an image there.
    pub fn name(&self, rest: &str) -> String {
        format!("{}/{rest}", self.address)
    }
}

impl Drop for Served {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

#[test]
fn what_is_pushed_is_pulled_with_the_same_digest() {
    let (there, here, other) = (TestEnvironment::new(), TestEnvironment::new(), TestEnvironment::new());
    there.write("users", USERS);
    let served = Served::start(&there, "--htpasswd users");
    let name = format!("{}/team/app:1", served.address);
    here.write("Dockerfile", "FROM scratch\nCOPY Dockerfile /\n");
    let digest = here.kapok(&format!("build -q -t {name} .")).ok().stdout;

    let refused = here.kapok(&format!("push {name}")).code(3).stderr;
    assert!(refused.contains(&format!("hint: log in with `kapok login {}`", served.address)), "{refused}");
    let login = format!("login -u ali --password-stdin {}", served.address);
    here.kapok_with_input(&login, b"wrong\n").code(1);
    here.kapok_with_input(&login, b"sesame\n").ok();
    assert_eq!(here.kapok(&format!("push -q {name}")).ok().stdout, digest);

    other.kapok_with_input(&login, b"sesame\n").ok();
    assert_eq!(other.kapok(&format!("pull -q {name}")).ok().stdout, digest);
    assert_eq!(other.kapok(&format!("copy -q store:{name} oci:layout:x")).ok().stdout, digest);
    assert!(other.read("layout/index.json").contains("\"org.opencontainers.image.ref.name\":\"x\""));
    other.kapok(&format!("logout {}", served.address)).ok();
    other.kapok(&format!("pull {name}")).code(3);
    there.kapok("gc --verify").ok();
}

#[test]
fn an_index_goes_whole_or_by_platform() {
    let (here, other) = (TestEnvironment::new(), TestEnvironment::new());
    let there = TestEnvironment::new();
    let served = Served::start(&there, "");
    let name = |rest: &str| format!("{}/{rest}", served.address);
    let (multi, one, all) = (name("multi:1"), name("one:1"), name("all:1"));
    here.write("Dockerfile", "FROM scratch\nARG TARGETARCH\nCOPY Dockerfile /$TARGETARCH\n");
    let index = here.kapok(&format!("build -q --platform linux/amd64,linux/arm64 -t {multi} .")).ok().stdout;
    assert_eq!(here.kapok(&format!("push -q {multi}")).ok().stdout, index);

    // One platform's image is here: that can be pushed, and it is said.
    other.kapok(&format!("pull -q {multi}")).ok();
    other.kapok(&format!("tag {multi} {one}")).ok();
    let pushed = other.kapok(&format!("push {one}")).ok().stderr;
    assert!(pushed.contains("has 2 images, of which only the one for"), "{pushed}");
    let manifest = other.kapok(&format!("push -q {one}")).ok().stdout;
    assert_ne!(manifest, index);
    let copied = other.kapok(&format!("copy --progress json {multi} {all}")).ok().stderr;
    assert!(copied.contains(r#""event":"warning""#) && copied.contains(manifest.trim()), "{copied}");

    assert_eq!(other.kapok(&format!("copy -q --all {multi} oci:layout:x")).ok().stdout, index);
    assert_eq!(other.kapok(&format!("copy -q --all oci:layout:x {all}")).ok().stdout, index);
    other.kapok(&format!("pull --platform linux/s390x {all}")).code(3);
    assert_eq!(other.kapok(&format!("pull -q --all-platforms {all}")).ok().stdout, index);
    other.kapok(&format!("tag {all} {one}")).ok();
    assert_eq!(other.kapok(&format!("push -q {one}")).ok().stdout, index);
}

#[test]
fn progress_is_json_where_it_is_asked_for() {
    let (here, other) = (TestEnvironment::new(), TestEnvironment::new());
    let served = Served::start(&here, "");
    here.write("Dockerfile", "FROM scratch\nCOPY Dockerfile /\n");
    here.kapok("build -q -t app .").ok();
    let pulled = other.kapok(&format!("pull --progress json {}/app", served.address)).ok().stderr;
    let lines: Vec<serde_json::Value> =
        pulled.lines().map(|line| serde_json::from_str(line).expect("JSON")).collect();
    assert!(lines.iter().any(|line| line["event"] == "transfer"), "{pulled}");
    assert_eq!(lines.last().expect("a line")["event"], "pulled");
    let failed = other.kapok(&format!("pull --progress json {}/none", served.address)).code(3).stderr;
    assert!(failed.contains(r#""event":"error""#) && failed.contains(r#""exit":3"#), "{failed}");
}

#[test]
fn nobody_is_served_beyond_loopback_by_accident() {
    let here = TestEnvironment::new();
    let refused = here.kapok("serve --registry 0.0.0.0:0").code(2).stderr;
    assert!(refused.contains("--open-to-all"), "{refused}");
}

#[test]
fn users_change_while_the_server_runs() {
    let (there, here) = (TestEnvironment::new(), TestEnvironment::new());
    there.write("users", USERS);
    let served = Served::start(&there, "--htpasswd users");
    let login = |user: &str| {
        here.kapok_with_input(&format!("login -u {user} --password-stdin {}", served.address), b"sesame\n")
            .code
    };
    assert_eq!(login("ali"), 0);
    there.write("users", USERS.replace("ali:", "baba:"));
    let deadline = Instant::now() + Duration::from_secs(20);
    while login("baba") != 0 {
        assert!(Instant::now() < deadline, "the server does not look");
    }
    assert_eq!(login("ali"), 1);
}

/// A helper that keeps one registry's credentials in a file beside it.
const HELPER: &str = r#"#!/bin/sh
dir=$(dirname "$0")
case $1 in
store) cat > "$dir/kept" ;;
get) test -f "$dir/kept" && cat "$dir/kept" || { echo "credentials not found in native keychain"; exit 1; } ;;
erase) rm -f "$dir/kept" ;;
esac
"#;

#[test]
fn a_credential_helper_keeps_what_docker_would_give_it() {
    use std::os::unix::fs::PermissionsExt;
    let here = TestEnvironment::new();
    here.write("users", USERS);
    let served = Served::start(&here, "--htpasswd users");
    let helper = here.write("bin/docker-credential-test", HELPER);
    std::fs::set_permissions(&helper, PermissionsExt::from_mode(0o755)).expect("it is made a program");
    here.write("docker/config.json", format!(r#"{{"credHelpers":{{"{}":"test"}}}}"#, served.address));
    here.write("Dockerfile", "FROM scratch\nCOPY Dockerfile /\n");
    let name = format!("{}/app", served.address);
    here.kapok(&format!("build -q -t {name} .")).ok();
    let kapok = |line: &str| {
        let path = format!("{}:/usr/bin:/bin", here.work().join("bin").display());
        let mut command = here.command(line);
        command.env("PATH", path).env("DOCKER_CONFIG", here.work().join("docker"));
        let output = command.output().expect("the program starts");
        (output.status.code(), String::from_utf8_lossy(&output.stderr).into_owned())
    };
    let (code, said) = kapok(&format!("login -u ali -p sesame {}", served.address));
    assert!(code == Some(0) && said.contains("kept by `docker-credential-test`"), "{said}");
    assert!(here.read("bin/kept").contains(r#""Secret":"sesame""#));
    assert!(!here.read("docker/config.json").contains("sesame"));
    assert_eq!(kapok(&format!("push {name}")).0, Some(0));
    assert_eq!(kapok(&format!("logout {}", served.address)).0, Some(0));
    assert!(!here.work().join("bin/kept").exists());
    assert_eq!(kapok(&format!("push {name}")).0, Some(3));
}
