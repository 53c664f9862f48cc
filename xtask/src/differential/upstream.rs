//! What cases fetch: files over HTTP and a git repository, both from loopback and both always the same.

use std::fs;
use std::io;
use std::net::TcpListener;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use testkit::http::Server;

use crate::command::{exists, must};

/// The servers; they end with this value.
pub struct Upstream {
    http: Server,
    git: Option<(Child, u16)>,
}

impl Upstream {
    /// Serves everything below `root` (where cases write their `@upstream/...`) and a repository.
    pub fn start(root: &Path) -> io::Result<Upstream> {
        let repositories = root.join("repositories");
        let git = if exists("git") { Some(git_daemon(&repositories)?) } else { None };
        Ok(Upstream { http: Server::start(root)?, git })
    }

    /// A flag with `{upstream}` and `{git}` filled in; `place` is the case's directory below the root.
    pub fn fill(&self, flag: &str, place: &str) -> String {
        let port = self.git.as_ref().map_or(0, |(_, port)| *port);
        flag.replace("{upstream}", &self.http.url(&format!("{place}/upstream")))
            .replace("{git}", &format!("git://127.0.0.1:{port}/project.git"))
    }

    /// A text with this run's addresses replaced by names.
    pub fn scrub(&self, text: &str, place: &str) -> String {
        let filled = |flag| self.fill(flag, place);
        text.replace(&filled("{upstream}"), "http://upstream")
            .replace(&filled("{git}"), "git://upstream/project.git")
    }
}

impl Drop for Upstream {
    fn drop(&mut self) {
        if let Some((daemon, _)) = &mut self.git {
            let _ = daemon.kill();
            let _ = daemon.wait();
        }
    }
}

fn git_daemon(repositories: &Path) -> io::Result<(Child, u16)> {
    fs::create_dir_all(repositories)?;
    repository(&repositories.join("work"), &repositories.join("project.git"))?;
    // The port is free now; should somebody take it in between, the cases about git fail and say so.
    let port = TcpListener::bind(("127.0.0.1", 0))?.local_addr()?.port();
    let directory = must(Command::new("git").arg("--exec-path"), Duration::from_secs(10))?;
    let daemon = Command::new(Path::new(directory.stdout.trim()).join("git-daemon"))
        .args(["--listen=127.0.0.1", &format!("--port={port}"), "--export-all", "--reuseaddr"])
        .arg(format!("--base-path={}", repositories.display()))
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()?;
    Ok((daemon, port))
}

/// A repository whose commits have the same ids everywhere.
fn repository(work: &Path, bare: &Path) -> io::Result<()> {
    fs::create_dir_all(work.join("sub/deep"))?;
    fs::write(work.join("file"), "first\n")?;
    fs::write(work.join("sub/inner"), "inner\n")?;
    fs::write(work.join("sub/deep/er"), "deeper\n")?;
    fs::write(work.join("Dockerfile"), "FROM base\nCOPY file /from-git\n")?;
    let git = |words: &[&str]| {
        let mut git = Command::new("git");
        git.current_dir(work).env("GIT_CONFIG_GLOBAL", "/dev/null").env("GIT_CONFIG_SYSTEM", "/dev/null");
        for role in ["AUTHOR", "COMMITTER"] {
            git.env(format!("GIT_{role}_NAME"), "somebody");
            git.env(format!("GIT_{role}_EMAIL"), "somebody@example.org");
            git.env(format!("GIT_{role}_DATE"), "2020-01-01T00:00:00Z");
        }
        must(git.args(words), Duration::from_secs(20))
    };
    git(&["init", "--quiet", "--initial-branch=main"])?;
    git(&["add", "."])?;
    git(&["commit", "--quiet", "--message=first"])?;
    git(&["tag", "v1"])?;
    fs::write(work.join("file"), "second\n")?;
    git(&["commit", "--quiet", "--all", "--message=second"])?;
    git(&["clone", "--quiet", "--bare", ".", &bare.to_string_lossy()])?;
    Ok(())
}
