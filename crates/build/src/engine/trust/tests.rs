//! Trust over files given as a table, and the cleaning of real directories.

use std::collections::BTreeMap;
use std::ffi::OsString;
use std::fs;
use std::os::unix::fs::{MetadataExt, PermissionsExt};
use std::path::{Path, PathBuf};

use base64::Engine;
use base64::engine::general_purpose::{STANDARD, URL_SAFE};
use rand::{RngCore, SeedableRng};

use super::*;

/// A certificate as far as anybody looks here: the fields before the key are there, and the key is random.
fn certificate(seed: u64) -> Vec<u8> {
    let mut random = rand::rngs::StdRng::seed_from_u64(seed);
    let mut key = vec![0u8; 66];
    random.fill_bytes(&mut key);
    // An unused-bits octet, and the byte with which a point on a curve begins.
    (key[0], key[1]) = (0, 4);
    // Everywhere, also where lines are counted.
    key[20] = b'\n';
    let element = |tag: u8, content: &[u8]| {
        let length = content.len();
        let header = if length < 128 { vec![tag, length as u8] } else { vec![tag, 0x81, length as u8] };
        [header, content.to_vec()].concat()
    };
    let sequence = |parts: &[Vec<u8>]| element(0x30, &parts.concat());
    let fields = [
        element(0xa0, &[2, 1, 2]),
        element(2, &seed.to_be_bytes()),
        sequence(&[]),
        sequence(&[element(12, b"issuer")]),
        sequence(&[]),
        sequence(&[element(12, b"subject")]),
        sequence(&[sequence(&[element(6, b"algorithm")]), element(3, &key)]),
    ];
    sequence(&[sequence(&fields), sequence(&[]), element(3, &[0; 70])])
}

fn text(seed: u64) -> String {
    pem::write(&certificate(seed))
}

fn authorities() -> Authorities {
    Authorities::new(text(1).as_bytes(), text(2).as_bytes()).unwrap()
}

/// Files by path; links are not followed, there are none.
struct Table(BTreeMap<String, String>);

impl Table {
    fn new(files: &[(&str, &str)]) -> Table {
        Table(files.iter().map(|(path, text)| ((*path).to_owned(), (*text).to_owned())).collect())
    }
}

impl Files for Table {
    fn read(&self, path: &str) -> Option<Vec<u8>> {
        self.0.get(path).map(|text| text.as_bytes().to_vec())
    }

    fn real_path(&self, path: &str) -> Option<String> {
        let below = format!("{path}/");
        let there = self.0.contains_key(path) || self.0.keys().any(|known| known.starts_with(&below));
        there.then(|| path.to_owned())
    }

    fn names(&self, directory: &str) -> Vec<String> {
        let below = format!("{directory}/");
        let mut names: Vec<String> = self
            .0
            .keys()
            .filter_map(|path| Some(path.strip_prefix(&below)?.split('/').next()?.to_owned()))
            .collect();
        names.dedup();
        names
    }
}

fn trust(env: &[(&str, &str)], files: &[(&str, &str)]) -> Trust {
    let env: Vec<(OsString, OsString)> =
        env.iter().map(|(name, value)| (name.into(), value.into())).collect();
    Trust::new(&authorities(), &env, &[], &Table::new(files))
}

impl Trust {
    fn variable(&self, name: &str) -> &str {
        let (_, value) = self.env.iter().find(|(known, _)| known == name).expect("a variable");
        value.to_str().expect("text")
    }

    fn file(&self, name: &str) -> &str {
        let (_, content) = self.files.iter().find(|(known, _)| known == name).expect("a file");
        std::str::from_utf8(content).expect("text")
    }

    fn stood_in(&self) -> Vec<&str> {
        self.stand_ins.iter().map(|stand_in| stand_in.path.to_str().expect("text")).collect()
    }
}

const BUNDLE: &str = "/etc/ssl/certs/ca-certificates.crt";

#[test]
fn without_a_bundle_there_is_the_environment_alone() {
    let trust = trust(&[("PATH", "/bin")], &[]);
    assert_eq!(trust.variable("SSL_CERT_FILE"), "/run/kapok/ca.pem");
    assert_eq!(trust.file("ca.pem"), text(1) + &text(2));
    assert!(trust.stand_ins.is_empty());
    // A package that brings the first bundle brings it without the authority: apt's own hook adds that.
    assert!(
        trust.file("apt.conf").contains("DPkg::Post-Invoke")
            && trust.file("apt.conf").contains("/run/kapok/hook")
    );
    assert!(trust.file("hook").contains("cat \"$ours\" >> \"$bundle\""));
}

#[test]
fn a_bundle_is_kept_and_looks_as_if_more_stood_in_it() {
    let before = text(7);
    let trust = trust(&[], &[(BUNDLE, &before)]);
    let expected = before + &text(1) + &text(2);
    assert_eq!(trust.file("ca.pem"), expected);
    assert_eq!(trust.stood_in(), [BUNDLE]);
    assert_eq!(trust.stand_ins[0].content, expected.as_bytes());
    assert_eq!(trust.stand_ins[0].new, None);
}

#[test]
fn a_bundle_that_the_dockerfile_names_is_merged() {
    let own = text(8);
    let env = [
        ("PIP_CERT", "/corp.pem"),
        ("SSL_CERT_FILE", "/absent.pem"),
        ("CURL_CA_BUNDLE", ""),
        ("MY_CA_BUNDLE", "/mine.pem"),
        ("CLIENT_CERT", "/client.pem"),
    ];
    let client = text(9) + "-----BEGIN PRIVATE KEY-----\n";
    let files = [("/corp.pem", own.as_str()), ("/mine.pem", &own), ("/client.pem", &client)];
    let trust = trust(&env, &files);
    assert_eq!(trust.variable("PIP_CERT"), "/run/kapok/PIP_CERT.pem");
    assert_eq!(trust.file("PIP_CERT.pem"), own + &text(1) + &text(2));
    assert_eq!(trust.variable("SSL_CERT_FILE"), "/run/kapok/ca.pem");
    assert_eq!(trust.variable("CURL_CA_BUNDLE"), "/run/kapok/ca.pem");
    assert_eq!(trust.stood_in(), ["/corp.pem", "/mine.pem"]);
}

#[test]
fn what_other_programs_are_told_is_kept() {
    let env = [("JAVA_TOOL_OPTIONS", "-Xmx1g -Djavax.net.ssl.trustStore=/own"), ("APT_CONFIG", "/own.conf")];
    let files = [("/own.conf", "Apt::Own \"1\";"), ("/etc/wgetrc", "passive_ftp = on")];
    let with = trust(&env, &files);
    let java = with.variable("JAVA_TOOL_OPTIONS");
    assert!(
        java.starts_with("-Xmx1g ") && java.rfind("trustStore=/run/kapok") > java.find("trustStore=/own")
    );
    assert!(with.file("apt.conf").starts_with("Apt::Own \"1\";\nAcquire::https::CAInfo"));
    assert_eq!(with.file("wgetrc"), "passive_ftp = on\nca_certificate = /run/kapok/ca.pem\n");
    assert!(!with.env.iter().any(|(name, _)| name == "WGETRC"));
    assert!(!with.env.iter().any(|(name, _)| name == "JDK_JAVA_OPTIONS"));
    let command = "JAVA_TOOL_OPTIONS=-Xmx1g mvn package";
    let with_command = Trust::new(&authorities(), &[], &[command], &Table::new(&[]));
    assert!(with_command.variable("JDK_JAVA_OPTIONS").contains("trustStore=/run/kapok"));
    let mut env = vec![("PIP_CERT".into(), "/x".into()), ("A".into(), "b".into())];
    with.apply(&mut env);
    assert_eq!(env[0], ("A".into(), "b".into()));
    assert_eq!(env.iter().filter(|(name, _)| name == "PIP_CERT").count(), 1);
}

#[test]
fn bundles_that_configurations_name_are_found() {
    let own = text(8);
    let files = [
        ("/etc/apt/apt.conf.d/80corp", "Acquire::https::CaInfo \"/corp/apt.crt\";"),
        ("/etc/pip.conf", "[global]\ncert = /corp/pip.pem\nindex-url=https://example.org/simple\n"),
        ("/home/of/.npmrc", "cafile=/corp/npm.crt"),
        ("/corp/apt.crt", &own),
        ("/corp/pip.pem", &own),
        ("/corp/npm.crt", &own),
        ("/usr/lib/python3.11/dist-packages/certifi/cacert.pem", &own),
        ("/opt/app/lib/python3.12/site-packages/pip/_vendor/certifi/cacert.pem", &own),
    ];
    let trust = trust(&[("VIRTUAL_ENV", "/opt/app"), ("HOME", "/home/of")], &files);
    let mut expected: Vec<&str> = files[3..].iter().map(|(path, _)| *path).collect();
    let mut found = trust.stood_in();
    expected.sort_unstable();
    found.sort_unstable();
    assert_eq!(found, expected);
}

#[test]
fn bundles_that_the_command_names_are_found() {
    let own = text(8);
    let found = |command: &str| {
        let env = [("CERTS".into(), "/certs".into())];
        let files = Table::new(&[("/certs/a.pem", &own), ("/usr/local/share/ca-certificates/b.crt", &own)]);
        let trust = Trust::new(&authorities(), &env, &["/bin/sh", "-c", command], &files);
        trust.stand_ins.len()
    };
    assert_eq!(found("curl --cacert /certs/a.pem https://example.org"), 1);
    assert_eq!(found("cd /x && curl --cacert \"${CERTS}/a.pem\" https://example.org"), 1);
    // It is copied to where it is made a part of other things.
    assert_eq!(found("cp /certs/a.pem /usr/local/share/ca-certificates/ && update-ca-certificates"), 0);
    assert_eq!(found("curl --cacert /usr/local/share/ca-certificates/b.crt https://example.org"), 0);
}

#[test]
fn the_hook_is_only_where_there_are_hooks() {
    let with = trust(&[], &[("/etc/ca-certificates/update.d/jks-keystore", "")]);
    assert_eq!(with.stood_in(), ["/etc/ca-certificates/update.d/zz-kapok"]);
    assert_eq!(with.stand_ins[0].new, Some(0o755));
    assert!(trust(&[], &[("/etc/ca-certificates.conf", "")]).stand_ins.is_empty());
}

#[test]
fn javas_keystore_is_what_keytool_would_write() {
    let store = keystore::write(&[b"certificate".to_vec()]);
    let mut expected = vec![0xfe, 0xed, 0xfe, 0xed, 0, 0, 0, 2, 0, 0, 0, 1, 0, 0, 0, 2, 0, 1, b'0'];
    expected.extend([0; 8]);
    expected.extend(b"\0\x05X.509\0\0\0\x0bcertificate");
    assert_eq!(store[..store.len() - 20], expected);
}

#[test]
fn what_is_put_in_is_taken_out() {
    let authorities = authorities();
    for bundle in ["", "text\n", "no end of line", "two ends\n\n", &text(5), text(5).trim_end()] {
        let with = authorities.appended_to(bundle.as_bytes());
        assert_eq!(authorities.removed_from(&with), bundle.as_bytes(), "{bundle:?}");
        let more = [&with[..], text(6).as_bytes()].concat();
        assert_eq!(authorities.removed_from(&more), (bundle.to_owned() + &text(6)).as_bytes());
    }
    // An organisation's certificate that was there by itself stays.
    let both = text(2) + &text(1);
    assert_eq!(authorities.removed_from(both.as_bytes()), text(2).as_bytes());
}

#[test]
fn certificates_without_a_key_to_look_for_are_refused() {
    assert!(Authorities::new(b"", b"").is_err());
    assert!(Authorities::new(pem::write(b"no certificate").as_bytes(), b"").is_err());
}

#[test]
fn the_key_is_found_in_every_form() {
    let authorities = authorities();
    let der = certificate(1);
    let found = |bytes: &[u8]| authorities.find(bytes).key;
    assert!(found(&der) && found(&[&b"before"[..], &der, b"after"].concat()));
    for before in 0..3 {
        let bytes = [&vec![b'x'; before][..], &der].concat();
        for width in [60, 64, 70, 76, 1000] {
            let lines: Vec<String> = STANDARD
                .encode(&bytes)
                .as_bytes()
                .chunks(width)
                .map(|line| String::from_utf8(line.to_vec()).expect("text"))
                .collect();
            assert!(found(lines.join("\r\n").as_bytes()), "{before} before, lines of {width}");
        }
        assert!(found(URL_SAFE.encode(&bytes).as_bytes()));
    }
    assert!(!found(&certificate(3)) && !found(text(3).as_bytes()));
    assert!(authorities.find(b"cafile=/run/kapok/ca.pem").name);
}

struct Upper(tempfile::TempDir);

impl Upper {
    fn new(files: &[(&str, &[u8])]) -> Upper {
        let upper = Upper(tempfile::tempdir().unwrap());
        for (path, content) in files {
            let path = upper.path(path);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(path, content).unwrap();
        }
        upper
    }

    fn path(&self, path: &str) -> PathBuf {
        self.0.path().join(path)
    }

    fn clean(&self) -> Result<Cleaned, CleanError> {
        clean(self.0.path(), &authorities(), 2, &std::sync::atomic::AtomicBool::new(false))
    }
}

#[test]
fn texts_are_restored_with_their_modes_and_times() {
    let bundle = authorities().appended_to(text(7).as_bytes());
    let appended = [&bundle[..], text(8).as_bytes()].concat();
    let upper = Upper::new(&[("etc/bundle", &bundle), ("opt/more.crt", &appended), ("etc/other", b"x")]);
    let time = std::time::UNIX_EPOCH + std::time::Duration::from_secs(1000);
    fs::File::options().write(true).open(upper.path("etc/bundle")).unwrap().set_modified(time).unwrap();
    fs::set_permissions(upper.path("etc/bundle"), PermissionsExt::from_mode(0o640)).unwrap();
    fs::hard_link(upper.path("etc/bundle"), upper.path("etc/second-name")).unwrap();
    let cleaned = upper.clean().unwrap();
    assert_eq!(cleaned.restored.len(), 2, "{cleaned:?}");
    assert!(cleaned.restored.contains(&PathBuf::from("/opt/more.crt")));
    assert_eq!(fs::read(upper.path("etc/second-name")).unwrap(), text(7).as_bytes());
    assert_eq!(fs::read(upper.path("opt/more.crt")).unwrap(), (text(7) + &text(8)).as_bytes());
    let metadata = fs::metadata(upper.path("etc/bundle")).unwrap();
    assert_eq!((metadata.mtime(), metadata.mode() & 0o777), (1000, 0o640));
}

#[test]
fn what_cannot_be_taken_out_fails_and_is_named() {
    let check = |content: &[u8]| {
        let upper = Upper::new(&[("opt/store", content)]);
        match upper.clean() {
            Err(CleanError::Found { path }) => assert_eq!(path, Path::new("/opt/store")),
            other => panic!("{other:?}"),
        }
    };
    check(&certificate(1));
    check(STANDARD.encode(certificate(1)).as_bytes());
    // In an archive.
    check(&[text(1).as_bytes(), &[0; 100]].concat());
    check(text(1).replace('\n', "\r\n").as_bytes());
}

#[test]
fn pieces_of_a_large_file_are_seen_together() {
    for before in [(1 << 20) - 30, (1 << 20) - 1, 1 << 20] {
        let upper =
            Upper::new(&[("large", &[&vec![b'x'; before][..], &certificate(1), &[b'y'; 5000]].concat())]);
        assert!(upper.clean().is_err(), "{before}");
    }
}

#[test]
fn what_kapok_added_goes_and_what_names_it_is_told() {
    let (hook, script) = bundles::ADDED;
    let upper =
        Upper::new(&[(hook, script.as_bytes()), ("etc/conf", b"ca=/run/kapok/ca.pem"), ("run/x", b"")]);
    fs::create_dir(upper.path("run/kapok")).unwrap();
    let around = upper.path(hook).parent().unwrap().to_owned();
    let time = std::time::UNIX_EPOCH + std::time::Duration::from_secs(1000);
    fs::File::open(&around).unwrap().set_modified(time).unwrap();
    let cleaned = upper.clean().unwrap();
    assert_eq!(cleaned, Cleaned { restored: vec![], naming: vec!["/etc/conf".into()] });
    assert_eq!(fs::metadata(around).unwrap().mtime(), 1000);
    assert!(!upper.path(hook).exists() && !upper.path("run/kapok").exists() && upper.path("run/x").exists());
}
