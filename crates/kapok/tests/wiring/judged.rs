//! A built image is judged before it has a name: languages in it, its trust stores, what its steps fetched.

use std::io::{Read, Write};
use std::net::TcpListener;

use serde_json::Value;

use crate::environment::TestEnvironment;

/// An image with Go and Java, as files say it.
fn image(go: &str) -> TestEnvironment {
    let here = TestEnvironment::new();
    here.write("kapok.yaml", "check:\n  profile: rainforest\n");
    here.write(
        "Dockerfile",
        "FROM scratch\nCOPY VERSION /usr/local/go/VERSION\nCOPY release /opt/jdk/release\nUSER 1001\n",
    );
    here.write("release", "JAVA_VERSION=\"21.0.2\"\n");
    here.write("VERSION", go);
    here
}

#[test]
fn a_denied_image_gets_no_name_and_the_last_good_one_keeps_it() {
    let here = image("go1.27.1\n");
    let good = here.kapok("build -q -t example.org/app:1 .").ok().stdout;
    here.write("VERSION", "go1.16.3\n");
    let names = || here.kapok("inspect example.org/app:1").ok().stdout;
    let before = names();
    assert!(before.contains(good.trim()), "{before}");
    // The second time every step is cached, and the answer is the same.
    for _ in 0..2 {
        let denied = here.kapok("build -t example.org/app:1 .").code(1).stderr;
        for part in [
            "error[language-floor]: Go 1.16.3 is older than 1.17 (`/usr/local/go/VERSION`)",
            "Dockerfile:2:1",
            "hint: move to a supported release",
            "the check found 2 errors in what was built; it gets no name",
        ] {
            assert!(denied.contains(part), "{part}: {denied}");
        }
        assert_eq!(names(), before);
    }
    let events = here.kapok("build --progress json .").code(1).stderr;
    let last: Value = serde_json::from_str(events.lines().last().expect("an event")).expect("JSON");
    assert_eq!((last["event"].as_str(), last["exit"].as_u64()), (Some("error"), Some(1)));
    assert!(last["message"].as_str().expect("a text").contains("error[language-floor]"), "{last}");
}

#[test]
fn no_check_overrules_and_is_recorded() {
    let here = image("go1.16.3\n");
    let built = here.kapok("build --no-check -t example.org/app:1 .").ok().stderr;
    assert!(
        built.contains("--no-check: overruled in what was built: language-end-of-life Dockerfile:2"),
        "{built}"
    );
    let explained = here.kapok("explain example.org/app:1").ok().stdout;
    assert!(
        explained.starts_with("built with --no-check, which overruled 2 errors of the check:\n"),
        "{explained}"
    );
    let json: Value =
        serde_json::from_str(&here.kapok("explain example.org/app:1 --format json").ok().stdout)
            .expect("JSON");
    assert_eq!(json["overruled"].as_array().map(Vec::len), Some(2), "{json}");
    let inspected: Value =
        serde_json::from_str(&here.kapok("inspect example.org/app:1").ok().stdout).expect("JSON");
    assert!(inspected[0]["Overruled"][0].as_str().expect("a text").starts_with("language-"), "{inspected}");
    // Who overrules nothing is not said to.
    here.write("VERSION", "go1.27.1\n");
    here.kapok("build -t example.org/app:1 .").ok();
    assert!(!here.kapok("explain example.org/app:1").ok().stdout.contains("--no-check"));
}

#[test]
fn levels_remarks_and_waivers_count_after_the_build_too() {
    let here = image("go1.16.3\n");
    here.write(
        "kapok.yaml",
        "check:\n  profile: rainforest\n  levels: {language-floor: warning, language-end-of-life: off}\n",
    );
    let built = here.kapok("build .").ok().stderr;
    assert!(built.contains("the check of what was built: language-floor Dockerfile:2: Go 1.16.3"), "{built}");
    here.write("kapok.yaml", "check: {profile: rainforest}\n");
    here.write(
        "kapok-waivers.yaml",
        "waivers:\n  - {rule: language-floor, path: Dockerfile, reason: spring, owner: a@example.com, expires: 2999-01-31}\n",
    );
    let denied = here.kapok("build .").code(1).stderr;
    assert!(denied.contains("language-end-of-life") && !denied.contains("language-floor"), "{denied}");
    let named = here.read("kapok-waivers.yaml").replace("path: Dockerfile", "image: example.org/app");
    here.write("kapok-waivers.yaml", named);
    let denied = here.kapok("build -t example.org/app:1 .").code(1).stderr;
    assert!(denied.contains("language-end-of-life") && !denied.contains("language-floor"), "{denied}");
    assert!(here.kapok("build .").code(1).stderr.contains("language-floor"));
    let named = here.read("kapok-waivers.yaml").replace("image: example.org/app", "path: Dockerfile");
    here.write("kapok-waivers.yaml", named);
    here.write(
        "Dockerfile",
        "FROM scratch\n# kapok: ignore=language-end-of-life it is a fixture\nCOPY VERSION /usr/local/go/VERSION\nUSER 1001\n",
    );
    here.kapok("build .").ok();
}

#[test]
fn what_a_step_fetched_is_held_to_the_central_repository() {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
    let address = listener.local_addr().expect("an address");
    // It ends with the test, whether somebody asked or not.
    std::thread::spawn(move || {
        for stream in listener.incoming().take(1) {
            let mut stream = stream.expect("a connection");
            let _ = stream.read(&mut [0; 4096]);
            let _ = stream.write_all(b"HTTP/1.1 200 OK\r\ncontent-length: 3\r\nconnection: close\r\n\r\njar");
        }
    });
    let here = TestEnvironment::new();
    here.write(
        "kapok.yaml",
        "check:\n  profile: rainforest\n  central: [nexus.example.internal]\n  levels: {download-http: off, add-unchecked: off}\n",
    );
    here.write("Dockerfile", format!("FROM scratch\nADD http://{address}/a-1.0.tar /a\nUSER 1001\n"));
    let denied = here.kapok("build .").code(1).stderr;
    let expected =
        format!("`http://{address}/a-1.0.tar` came from `{address}`, which is not the central repository");
    assert!(denied.contains("error[index-outside]") && denied.contains(&expected), "{denied}");
    assert!(denied.contains("Dockerfile:2:1"), "{denied}");
}

#[test]
fn every_trust_store_has_the_organisations_certificates() {
    let here = TestEnvironment::new();
    let certificate =
        |body: &str| format!("-----BEGIN CERTIFICATE-----\n{body}\n-----END CERTIFICATE-----\n");
    here.write("kapok.yaml", "ca: company.pem\ncheck: {profile: rainforest}\n");
    here.write("company.pem", certificate("MAMCAQE="));
    here.write("roots.pem", certificate("MAMCAQI="));
    // A keystore that nobody can read, and a bundle into which the certificate is put.
    here.write("cacerts", "no keystore");
    here.write("Dockerfile", "FROM scratch\nCOPY roots.pem /etc/ssl/certs/ca-certificates.crt\nUSER 1001\n");
    here.kapok("build .").ok();
    here.write(
        "Dockerfile",
        "FROM scratch\nCOPY roots.pem /etc/ssl/certs/ca-certificates.crt\nCOPY cacerts /opt/java/lib/security/cacerts\nUSER 1001\n",
    );
    let built = here.kapok("build .").ok().stderr;
    let expected = "the check cannot say: ca-not-in-store Dockerfile:1 (the trust store `/opt/java/lib/security/cacerts` cannot be read)";
    assert!(built.contains(expected), "{built}");
}

#[test]
fn images_of_a_project_are_judged_each_and_what_stands_on_a_denied_one_is_not_built() {
    let here = TestEnvironment::new();
    here.write(
        "kapok.yaml",
        "check: {profile: rainforest}\nimages:\n  base: {context: base, tags: [example.org/base:1]}\n  app: {context: app, tags: [example.org/app:1]}\n  other: other\n",
    );
    here.write("base/Dockerfile", "FROM scratch\nCOPY VERSION /usr/local/go/VERSION\nUSER 1001\n");
    here.write("base/VERSION", "go1.16.3\n");
    here.write("app/Dockerfile", "FROM base\nCOPY file /file\nUSER 1001\n");
    here.write("app/file", "x");
    here.write("other/Dockerfile", "FROM scratch\nCOPY file /file\nUSER 1001\n");
    here.write("other/file", "x");
    let denied = here.kapok("build").code(1).stderr;
    for part in ["CheckFailed", "base/Dockerfile:2:1", "it stands on `base`", "1 of 3 images complete"] {
        assert!(denied.contains(part), "{part}: {denied}");
    }
    assert!(!here.kapok("images").ok().stdout.contains("example.org"));
    let explained = here.kapok("explain base").ok().stdout;
    assert!(
        explained.contains("base Failed (CheckFailed)") && explained.contains("COPY VERSION"),
        "{explained}"
    );
    // Waived for the base, which is named, it is not said again of what stands on it.
    let waiver = |rule: &str| {
        format!(
            "  - {{rule: {rule}, image: base, reason: spring, owner: a@example.com, expires: 2999-01-31}}\n"
        )
    };
    let waivers = [waiver("language-floor"), waiver("language-end-of-life")].concat();
    here.write("kapok-waivers.yaml", format!("waivers:\n{waivers}"));
    let built = here.kapok("build").ok().stderr;
    assert!(built.contains("3 of 3 images complete"), "{built}");
    here.write("kapok-waivers.yaml", "waivers: []\n");
    here.kapok("build --no-check").ok();
    let explained = here.kapok("explain base").ok().stdout;
    assert!(explained.contains("overruled 2 errors of the check"), "{explained}");
    assert!(here.kapok("explain app").ok().stdout.contains("which overruled nothing"));
}
