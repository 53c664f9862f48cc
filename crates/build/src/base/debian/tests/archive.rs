//! A signed archive in memory, served without a network, that can be told to misbehave.

use crate::base::debian::archive::{KeyFile, Source, ValidUntil};
use crate::base::debian::configure::Sandbox;
use crate::base::debian::{Assembled, BaseError, Request, assemble};
use crate::fetch::{Fetch, FetchError, Fetched};
use crate::sandbox::{ExitStatus, Outcome, SandboxError, SandboxSpec, Usage};
use oci::layer::OverlayForm;
use oci::store::Store;
use oci::{Digest, Platform};
use pgp::composed::{CleartextSignedMessage, Deserializable, DetachedSignature, SignedSecretKey};
use pgp::crypto::hash::HashAlgorithm;
use pgp::types::Password;
use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::io::Write;
use std::path::Path;
use std::sync::{Mutex, PoisonError};
use testkit::archive::{Form, member};

const SECRET: &str = include_str!("../fixtures/archive.secret.asc");
const KEYRING: &[u8] = include_bytes!("../fixtures/keyring.gpg");

/// 2024-06-01
pub const NOW: i64 = 1_717_200_000;

/// Where the archive pretends to be.
pub const ROOT: &str = "http://archive.example/debian";

/// What goes wrong with a path.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fault {
    /// It is not there.
    Missing,
    /// One byte is another one.
    Tampered,
    /// Bytes are missing at the end, and nobody says so.
    Short,
    /// There are more bytes than there should be.
    Long,
    /// The first so many tries break in the middle.
    Breaks(u32),
}

/// An archive with one suite, `stable`, and one component, `main`.
pub struct TestArchive {
    files: BTreeMap<String, Vec<u8>>,
    index: String,
    faults: Mutex<BTreeMap<String, Fault>>,
    asked: Mutex<Vec<String>>,
    /// Lines of the Release file that a test adds or changes.
    pub release: BTreeMap<&'static str, String>,
}

impl TestArchive {
    /// An archive without packages.
    pub fn new() -> Self {
        let release = [
            ("Origin", "Test"),
            ("Suite", "stable"),
            ("Codename", "testing-ground"),
            ("Date", "Sat, 01 Jun 2024 00:00:00 UTC"),
            ("Architectures", "all amd64"),
            ("Components", "main"),
            ("Acquire-By-Hash", "yes"),
            ("No-Support-for-Architecture-all", "Packages"),
        ];
        let release = release.map(|(name, value)| (name, value.to_owned())).into();
        let (faults, asked) = (Mutex::default(), Mutex::default());
        Self { files: BTreeMap::new(), index: String::new(), faults, asked, release }
    }

    /// A small system: what every base has, and nothing else.
    pub fn system() -> Self {
        let mut archive = Self::new();
        archive.add(
            "base-files 12",
            "Essential: yes",
            &["./ mode=0755", "./etc/ mode=0755", "./tmp/ mode=1777", "./usr/share/base-passwd/ mode=0755"],
            &[],
        );
        archive.add(
            "base-passwd 3",
            "Essential: yes",
            &["./usr/share/base-passwd/passwd.master text=root:*:0:0:root:/root:/bin/bash\\n_apt:*:42:65534::/:/no\\n"],
            &[],
        );
        archive.add("apt 2", "Depends: libc6 (>= 2)", &["./usr/bin/apt text=program mode=0755"], &[]);
        archive.add("libc6 2.36", "Multi-Arch: same", &["./lib/ mode=0755", "./lib/libc.so text=code"], &[]);
        archive
    }

    /// Adds a package: `name version`, further fields, lines of its data archive, its other control files.
    pub fn add(&mut self, name: &str, fields: &str, members: &[&str], control: &[(&str, &str)]) -> &mut Self {
        let (name, version) = name.split_once(' ').expect("name and version");
        let mut paragraph = format!("Package: {name}\nVersion: {version}\n");
        if !fields.contains("Architecture:") {
            paragraph += "Architecture: amd64\n";
        }
        paragraph += &format!("Maintainer: Test <test@example.org>\nDescription: {name}\n");
        fields.lines().for_each(|line| paragraph += &format!("{}\n", line.trim()));
        let deb = deb(&paragraph, members, control);
        let path = format!("pool/{name}_{version}.deb");
        let digest = Digest::of(&deb).hex();
        let _ = write!(self.index, "{paragraph}Filename: {path}\nSize: {}\nSHA256: {digest}\n\n", deb.len());
        self.files.insert(path, deb);
        self
    }

    /// Changes the index's text.
    pub fn edit(&mut self, from: &str, to: &str) -> &mut Self {
        assert!(self.index.contains(from), "{from}");
        self.index = self.index.replace(from, to);
        self
    }

    /// Replaces a package's file by other bytes, index included.
    pub fn replace_file(&mut self, path: &str, bytes: &[u8]) -> &mut Self {
        let old = self.files.insert(path.to_owned(), bytes.to_vec()).expect("a file");
        let sums = |bytes: &[u8]| format!("Size: {}\nSHA256: {}", bytes.len(), Digest::of(bytes).hex());
        self.edit(&sums(&old), &sums(bytes))
    }

    /// Writes and signs the Release file.
    pub fn publish(&mut self) -> &mut Self {
        let index = self.index.clone().into_bytes();
        let directory = "dists/stable/main/binary-amd64";
        let digest = Digest::of(&index).hex();
        self.files.insert(format!("{directory}/by-hash/SHA256/{digest}"), index.clone());
        self.files.insert(format!("{directory}/Packages"), index.clone());
        let mut text: String =
            self.release.iter().map(|(name, value)| format!("{name}: {value}\n")).collect();
        let _ = writeln!(text, "SHA256:\n {digest} {} main/binary-amd64/Packages", index.len());
        let (key, _) = SignedSecretKey::from_string(SECRET).expect("a key");
        let (subkey, none) = (&key.secret_subkeys[0].key, Password::empty());
        let clear =
            CleartextSignedMessage::sign(rand::thread_rng(), &text, subkey, &none).expect("a signature");
        let detached = DetachedSignature::sign_binary_data(
            rand::thread_rng(),
            subkey,
            &none,
            HashAlgorithm::Sha256,
            text.as_bytes(),
        );
        let armoured = detached.expect("a signature").to_armored_string(None.into()).expect("armour");
        let clear = clear.to_armored_string(None.into()).expect("armour");
        self.files.insert("dists/stable/InRelease".to_owned(), clear.into_bytes());
        self.files.insert("dists/stable/Release".to_owned(), text.into_bytes());
        self.files.insert("dists/stable/Release.gpg".to_owned(), armoured.into_bytes());
        self
    }

    /// Makes a path go wrong; a path that ends in `*` means all that begin so.
    pub fn misbehave(&self, path: &str, fault: Fault) -> &Self {
        self.faults.lock().unwrap_or_else(PoisonError::into_inner).insert(path.to_owned(), fault);
        self
    }

    /// Paths that were asked for, in order.
    pub fn asked(&self) -> Vec<String> {
        self.asked.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    fn fault(&self, path: &str) -> Option<Fault> {
        let mut faults = self.faults.lock().unwrap_or_else(PoisonError::into_inner);
        let matches = |pattern: &str| {
            pattern.strip_suffix('*').map_or(pattern == path, |start| path.starts_with(start))
        };
        let fault = faults.iter_mut().find(|(pattern, _)| matches(pattern)).map(|(_, fault)| fault)?;
        let now = *fault;
        if let Fault::Breaks(times) = fault {
            *times = times.saturating_sub(1);
        }
        (now != Fault::Breaks(0)).then_some(now)
    }
}

impl Fetch for TestArchive {
    fn fetch(&self, url: &str, out: &mut dyn Write, limit: u64) -> Result<Fetched, FetchError> {
        let path =
            url.strip_prefix(ROOT).and_then(|rest| rest.strip_prefix('/')).expect("a URL of the archive");
        self.asked.lock().unwrap_or_else(PoisonError::into_inner).push(path.to_owned());
        let missing = || FetchError::Status { url: url.to_owned(), status: 404 };
        let mut body = self.files.get(path).cloned().ok_or_else(missing)?;
        match self.fault(path) {
            None => {}
            Some(Fault::Missing) => return Err(missing()),
            Some(Fault::Tampered) => {
                let middle = body.len() / 2;
                body[middle] ^= 1;
            }
            Some(Fault::Short) => body.truncate(body.len() / 2),
            Some(Fault::Long) => body.extend_from_slice(b"more"),
            Some(Fault::Breaks(_)) => {
                let received = body.len() as u64 / 2;
                let _ = out.write_all(&body[..body.len() / 2]);
                return Err(FetchError::Truncated { url: url.to_owned(), received });
            }
        }
        if body.len() as u64 > limit {
            return Err(FetchError::TooLarge { url: url.to_owned(), limit });
        }
        out.write_all(&body).map_err(|source| FetchError::Sink { url: url.to_owned(), source })?;
        Ok(Fetched { final_url: url.to_owned(), size: body.len() as u64, ..Fetched::default() })
    }
}

/// A package file (deb(5)), its archives not compressed.
pub fn deb(paragraph: &str, members: &[&str], control: &[(&str, &str)]) -> Vec<u8> {
    let tar = |members: Vec<String>| {
        let members: Vec<_> = members.iter().map(|line| member(line).expect("a member")).collect();
        testkit::archive::write(Form::Tar, &members).expect("a tar")
    };
    let escaped = |text: &str| text.replace('\\', "\\\\").replace('\n', "\\n").replace(' ', "\\x20");
    let mut files = vec![format!("control text={}", escaped(paragraph))];
    for (name, content) in control {
        let mode = if name.ends_with("inst") || name.ends_with("rm") { 755 } else { 644 };
        files.push(format!("{name} text={} mode=0{mode}", escaped(content)));
    }
    let data = tar(members.iter().map(|line| (*line).to_owned()).collect());
    ar(&[("debian-binary", b"2.0\n"), ("control.tar", &tar(files)), ("data.tar", &data)])
}

/// An ar archive.
pub fn ar(members: &[(&str, &[u8])]) -> Vec<u8> {
    let mut out = b"!<arch>\n".to_vec();
    for (name, content) in members {
        let _ = writeln!(out, "{name:<16}{:<12}{:<6}{:<6}{:<8}{:<10}`", 0, 0, 0, "100644", content.len());
        out.extend_from_slice(content);
        if content.len() % 2 == 1 {
            out.push(b'\n');
        }
    }
    out
}

/// A sandbox that says that everything went well, and does in the tree what the test wants.
pub struct Pretend<F>(pub F);

impl<F: Fn(&Path) + Sync> Sandbox for Pretend<F> {
    fn run(&self, spec: &SandboxSpec, output: &mut Vec<u8>) -> Result<Outcome, SandboxError> {
        (self.0)(&spec.upper);
        output.extend_from_slice(spec.args[2].as_encoded_bytes());
        Ok(outcome(0))
    }
}

/// The outcome of a command that exited with a code.
pub fn outcome(code: i32) -> Outcome {
    Outcome {
        status: ExitStatus::Code(code),
        oom_kills: 0,
        pids_limit_hits: 0,
        usage: Usage::default(),
        timed_out: false,
        killed: false,
        notes: Vec::new(),
    }
}

/// A request for the archive's suite.
pub fn request() -> Request {
    Request {
        platform: Platform::linux("amd64"),
        sources: vec![Source {
            uri: ROOT.to_owned(),
            suite: "stable".to_owned(),
            components: vec!["main".to_owned()],
            keys: vec![KeyFile { path: "/keys/test.gpg".to_owned(), bytes: KEYRING.to_vec() }],
            signed_by: true,
            valid_until: ValidUntil::Checked,
        }],
        include: Vec::new(),
        command: "base debian".to_owned(),
        now: NOW,
        jobs: 2,
        no_cache: false,
    }
}

/// A store of its own, and what assembling there gives.
pub fn assembled(
    archive: &TestArchive,
    request: &Request,
) -> (tempfile::TempDir, Store, Result<Assembled, BaseError>) {
    let directory = tempfile::tempdir().expect("a directory");
    let store = Store::open(directory.path(), OverlayForm::User).expect("a store");
    let result = assemble(request, &store, &Pretend(|_: &Path| {}), archive, &|_| {});
    (directory, store, result)
}
