//! Fetching from a git server on loopback. Without `git` and its `daemon` on the machine these tests say so and pass.

use super::*;
use std::net::{TcpListener, TcpStream};
use std::process::Child;
use tempfile::TempDir;

/// Repositories, served by git itself.
struct Server {
    root: TempDir,
    port: u16,
    daemon: Child,
}

impl Drop for Server {
    fn drop(&mut self) {
        let _ = self.daemon.kill();
        let _ = self.daemon.wait();
    }
}

impl Server {
    fn start() -> Option<Server> {
        let root = tempfile::tempdir().unwrap();
        let port = TcpListener::bind(("127.0.0.1", 0)).unwrap().local_addr().unwrap().port();
        // Not by way of `git`, whose end would leave its child behind.
        let programs = Command::new("git").arg("--exec-path").output();
        let programs = programs.map(|output| String::from_utf8_lossy(&output.stdout).trim().to_owned());
        let daemon = programs.and_then(|programs| {
            Command::new(Path::new(&programs).join("git-daemon"))
                .args(["--export-all", "--reuseaddr", "--listen=127.0.0.1"])
                .args([format!("--port={port}"), format!("--base-path={}", root.path().display())])
                .stdin(Stdio::null())
                .stdout(Stdio::null())
                .stderr(Stdio::null())
                .spawn()
        });
        let Ok(mut daemon) = daemon else {
            eprintln!("skipped: `git` or its `daemon` is not installed");
            return None;
        };
        while TcpStream::connect(("127.0.0.1", port)).is_err() {
            assert!(daemon.try_wait().unwrap().is_none(), "the daemon ended");
            std::thread::yield_now();
        }
        Some(Server { root, port, daemon })
    }

    /// Runs a script in a repository, which is made if it is not there.
    fn script(&self, name: &str, script: &str) {
        let directory = self.root.path().join(name);
        fs::create_dir_all(&directory).unwrap();
        let script = format!(
            "set -e; test -d .git || git init -q -b main; {}",
            script.replace("PORT", &self.port.to_string())
        );
        let status = Command::new("sh")
            .args(["-c", &script])
            .current_dir(&directory)
            .env("HOME", self.root.path())
            .env("GIT_CONFIG_NOSYSTEM", "1")
            .envs([("GIT_AUTHOR_NAME", "a"), ("GIT_AUTHOR_EMAIL", "a@example.org")])
            .envs([("GIT_COMMITTER_NAME", "a"), ("GIT_COMMITTER_EMAIL", "a@example.org")])
            .envs([("GIT_AUTHOR_DATE", "1700000000 +0000"), ("GIT_COMMITTER_DATE", "1700000000 +0000")])
            .status();
        assert!(status.unwrap().success(), "{script}");
    }

    fn output(&self, name: &str, arguments: &[&str]) -> String {
        let output =
            Command::new("git").args(arguments).current_dir(self.root.path().join(name)).output().unwrap();
        String::from_utf8(output.stdout).unwrap().trim().to_owned()
    }

    /// A reference; `NAME.git#...` is at this server.
    fn reference(&self, word: &str) -> GitReference {
        GitReference::parse(&format!("git://127.0.0.1:{}/{word}", self.port)).unwrap().unwrap()
    }

    fn fetch(&self, word: &str) -> Result<(TempDir, String), GitError> {
        self.fetch_with(&self.reference(word), word.contains("keep-git-dir"))
    }

    fn fetch_with(&self, reference: &GitReference, keep: bool) -> Result<(TempDir, String), GitError> {
        let home = self.root.path().to_str().unwrap();
        let path = std::env::var("PATH").unwrap();
        let git = GitCommand::new(&Environment::of(&[("PATH", &path), ("HOME", home)], false));
        let above = tempfile::tempdir().unwrap();
        let directory = above.path().join("tree");
        fs::create_dir(&directory).unwrap();
        let commit = git.fetch(reference, keep, &directory)?;
        assert_eq!(fs::read_dir(above.path()).unwrap().count(), 1, "nothing else is left");
        Ok((above, commit))
    }

    /// What a tree has: paths, modes and contents.
    fn check(&self, word: &str, expected: &str) {
        let (above, _) = self.fetch(word).unwrap_or_else(|error| panic!("{word}: {error}"));
        assert_eq!(listing(&above.path().join("tree")), expected, "{word}");
    }

    fn refuse(&self, word: &str, expected: &str) {
        self.refuse_reference(&self.reference(word), expected);
    }

    fn refuse_reference(&self, reference: &GitReference, expected: &str) {
        let error = self.fetch_with(reference, false).map(|(_, commit)| commit).unwrap_err().to_string();
        assert!(error.contains(expected), "{error}");
    }
}

fn listing(tree: &Path) -> String {
    let (mut lines, mut open) = (Vec::new(), vec![tree.to_owned()]);
    while let Some(directory) = open.pop() {
        for entry in fs::read_dir(&directory).unwrap().flatten() {
            let (path, kind) = (entry.path(), entry.file_type().unwrap());
            let name = path.strip_prefix(tree).unwrap().display().to_string();
            if name == ".git" {
                lines.push(name);
            } else if kind.is_dir() {
                open.push(path);
            } else if kind.is_symlink() {
                lines.push(format!("{name}->{}", fs::read_link(&path).unwrap().display()));
            } else {
                let mode = entry.metadata().unwrap().permissions().mode() & 0o777;
                lines.push(format!("{name}:{mode:o}:{}", fs::read_to_string(&path).unwrap().trim()));
            }
        }
    }
    lines.sort();
    lines.join(" ")
}

/// `app`: two commits on `main`, one on `other`, tags of both kinds, a name that is both a branch and a tag.
fn app() -> Option<Server> {
    let server = Server::start()?;
    server.script(
        "app.git",
        "mkdir sub; umask 077; echo one > file; echo in > sub/in; printf '#!' > run; chmod +x run; ln -s file link
         git add .; git commit -qm one; git tag light; git tag -a -m heavy heavy
         echo two > file; git commit -qam two
         git checkout -q -b other; echo other > file; git commit -qam other; git branch both light; git tag both
         git checkout -q main",
    );
    Some(server)
}

#[test]
fn revisions_are_found() {
    let Some(server) = app() else { return };
    let tree = |file: &str| format!("file:644:{file} link->file run:755:#! sub/in:644:in");
    for (word, file) in [
        ("app.git", "two"),
        ("app.git#main", "two"),
        ("app.git#other", "other"),
        ("app.git#refs/heads/other", "other"),
        ("app.git#heads/other", "other"),
        ("app.git#light", "one"),
        ("app.git#heavy", "one"),
        ("app.git#refs/tags/heavy", "one"),
        ("app.git?tag=both", "other"),
        ("app.git?branch=both", "one"),
        // As in git itself, a branch comes before a tag of the same name.
        ("app.git#both", "one"),
    ] {
        server.check(word, &tree(file));
    }
    for name in ["main", "light", "other"] {
        let commit = server.output("app.git", &["rev-parse", name]);
        let (_above, fetched) = server.fetch(&format!("app.git#{commit}")).unwrap();
        assert_eq!(fetched, commit, "{name}");
    }
    server.refuse("app.git#nosuch", "the repository has no `nosuch`");
    server.refuse("nosuch.git", "git fetch failed for `git://127.0.0.1:");
    server.refuse(&format!("app.git#{}", "0".repeat(40)), "git fetch failed");
}

#[test]
fn a_directory_may_be_asked_for() {
    let Some(server) = app() else { return };
    server.script("app.git", "mkdir -p a/b; echo deep > a/b/c; ln -s a door; git add .; git commit -qm deep");
    server.check("app.git#main:sub", "in:644:in");
    server.check("app.git#:a/b", "c:644:deep");
    server.check("app.git#main:/a/./b/", "c:644:deep");
    server.check("app.git?ref=light&subdir=sub", "in:644:in");
    server.refuse("app.git#main:nosuch", "the repository has no directory `nosuch`");
    server.refuse("app.git#main:file", "the repository has no directory `file`");
    server.refuse("app.git#main:door/b", "the repository has no directory `door/b`");
    server.refuse("app.git#main:sub/../..", "the directory leads out of the repository");
}

#[test]
fn the_commit_may_be_pinned() {
    let Some(server) = app() else { return };
    let light = server.output("app.git", &["rev-parse", "light"]);
    let heavy = server.output("app.git", &["rev-parse", "heavy"]);
    assert_ne!(light, heavy);
    for checksum in [&light[..], &light[..12], &heavy, &light.to_uppercase()] {
        server.fetch(&format!("app.git?tag=heavy&checksum={checksum}")).unwrap();
    }
    server.refuse(&format!("app.git?ref=main&checksum={light}"), "was asked for");
    server.refuse("app.git?ref=main&checksum=ab", "was asked for");
}

#[test]
fn the_repository_itself_may_be_kept() {
    let Some(server) = app() else { return };
    let (above, commit) = server.fetch("app.git?tag=heavy&keep-git-dir=1").unwrap();
    let tree = above.path().join("tree");
    assert_eq!(listing(&tree), ".git file:644:one link->file run:755:#! sub/in:644:in");
    // Nothing in it says when it was fetched.
    let (again, _) = server.fetch("app.git?tag=heavy&keep-git-dir=1").unwrap();
    let index = |above: &TempDir| fs::read(above.path().join("tree/.git/index")).unwrap();
    assert_eq!(index(&above), index(&again));
    let git = |arguments: &[&str]| {
        let output = Command::new("git").args(arguments).current_dir(&tree).output().unwrap();
        String::from_utf8(output.stdout).unwrap().trim().to_owned()
    };
    assert_eq!(git(&["status", "--porcelain"]), "");
    assert_eq!(git(&["rev-parse", "HEAD"]), commit);
    assert_eq!(git(&["describe"]), "heavy");
    assert_eq!(git(&["rev-list", "--count", "HEAD"]), "1");
    assert!(!tree.join(".git/logs").exists() && !tree.join(".git/hooks").exists());
}

#[test]
fn submodules_come_along() {
    let Some(server) = app() else { return };
    let add = "git -c protocol.git.allow=always submodule --quiet add";
    server.script(
        "with.git",
        &format!("{add} git://127.0.0.1:PORT/app.git part; echo x > x; git add .; git commit -qm with"),
    );
    let (above, _) = server.fetch("with.git").unwrap();
    let found = listing(&above.path().join("tree"));
    assert!(found.contains("part/file:644:two") && !found.contains("part/.git"), "{found}");
    let (above, _) = server.fetch("with.git?submodules=0").unwrap();
    assert!(!above.path().join("tree/part/file").exists());
    // A repository must not make this machine read its own files.
    server.script(
        "evil.git",
        "git -c protocol.file.allow=always submodule --quiet add \"$HOME/app.git\" part; git commit -qm evil",
    );
    server.refuse("evil.git", "git submodule update failed");
    let file = |name: &str| GitReference {
        remote: format!("file://{}", server.root.path().join(name).display()),
        ..GitReference::default()
    };
    let (above, _) = server.fetch_with(&file("app.git"), false).unwrap();
    assert!(above.path().join("tree/file").exists());
    server.refuse_reference(&file("evil.git"), "git submodule update failed");
}

#[test]
fn the_users_settings_do_not_change_the_tree() {
    let Some(server) = app() else { return };
    let home = server.root.path();
    let hook = home.join("hooks/post-checkout");
    fs::create_dir(home.join("hooks")).unwrap();
    fs::write(&hook, "#!/bin/sh\ntouch hooked \"$HOME/hooked\"\n").unwrap();
    fs::set_permissions(&hook, fs::Permissions::from_mode(0o755)).unwrap();
    let settings = format!(
        "[core]\n\thooksPath = {}\n\tautocrlf = true\n\tsymlinks = false\n[filter \"lfs\"]\n\tsmudge = tr a-z A-Z\n\trequired = true\n",
        home.join("hooks").display()
    );
    server.script("app.git", "echo '* filter=lfs' > .gitattributes; git add .; git commit -qm filter");
    fs::write(home.join(".gitconfig"), settings).unwrap();
    server.check(
        "app.git#main",
        ".gitattributes:644:* filter=lfs file:644:two link->file run:755:#! sub/in:644:in",
    );
    assert!(!home.join("hooked").exists());
    assert!(
        !fs::read_to_string(server.fetch("app.git").unwrap().0.path().join("tree/file"))
            .unwrap()
            .contains('\r')
    );
}

#[test]
fn nothing_becomes_an_option() {
    let Some(server) = app() else { return };
    let trap = server.root.path().join("trap");
    let evil = format!("--upload-pack=touch${{IFS}}{}", trap.display());
    let remote = server.reference("app.git").remote;
    let with = |remote: &str, revision: &str| GitReference {
        remote: remote.to_owned(),
        revision: Some(revision.to_owned()).filter(|revision| !revision.is_empty()),
        ..GitReference::default()
    };
    for revision in [&evil[..], "-u", "a b", "main:refs/heads/x", "a..b", "main^", "x@{1}", "a\nb"] {
        server.refuse_reference(&with(&remote, revision), "is not a name that a branch or tag can have");
    }
    for remote in
        [&evil[..], "-oProxyCommand=x@host:path", "ssh://-oProxyCommand=x/y", "git@-x:y", "git://h/\n"]
    {
        server.refuse_reference(&with(remote, ""), "the address is not one that git may be given");
    }
    let local = server.root.path().join("app.git").display().to_string();
    for remote in [local, format!("ext::touch {}", trap.display())] {
        server.refuse_reference(&with(&remote, ""), "git fetch failed");
    }
    assert!(!trap.exists());
}
