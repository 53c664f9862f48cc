//! Git repositories as sources, by the machine's own `git`.
//!
//! Whom a repository may be asked for, the user's configuration and credential helpers decide, as in any `git fetch`.
//! What comes from the repository decides nothing: no hook runs, no filter, no transport but https, http, ssh and git,
//! and nobody is asked for a password. As in BuildKit, files under git-lfs come as their pointers.

use crate::environment::Environment;
use build::copy::GitError;
use build::engine::Git;
use build::plan::git::GitReference;
use std::ffi::OsString;
use std::fs;
use std::io;
use std::os::unix::fs::PermissionsExt;
use std::path::{Component, Path, PathBuf};
use std::process::{Command, Stdio};

/// Variables that git and what it calls may see. All others could change what is fetched, or from where.
const PASSED_ON: [&str; 23] = [
    "PATH",
    "HOME",
    "USER",
    "LOGNAME",
    "TMPDIR",
    "XDG_CONFIG_HOME",
    "XDG_RUNTIME_DIR",
    "SSH_AUTH_SOCK",
    "GIT_SSH",
    "GIT_SSH_COMMAND",
    "GIT_SSL_CAINFO",
    "GIT_SSL_CAPATH",
    "SSL_CERT_FILE",
    "SSL_CERT_DIR",
    "CURL_CA_BUNDLE",
    "http_proxy",
    "https_proxy",
    "HTTPS_PROXY",
    "all_proxy",
    "ALL_PROXY",
    "no_proxy",
    "NO_PROXY",
    "HTTP_PROXY",
];

/// Settings that win over the user's own: what a tree looks like must not depend on who fetches it.
const SETTINGS: &str = "\
[core]
\thooksPath = /dev/null
\tfsmonitor = false
\tautocrlf = false
\tsafecrlf = false
\tfileMode = true
\tsymlinks = true
\tattributesFile = /dev/null
\tprecomposeUnicode = false
[filter \"lfs\"]
\tsmudge =
\tprocess =
\trequired = false
[http]
\tlowSpeedLimit = 1
\tlowSpeedTime = 120
[fetch]
\tfsckObjects = true
[gc]
\tauto = 0
[advice]
\tdetachedHead = false
[init]
\tdefaultBranch = main
[submodule]
\trecurse = false
";

/// As much of git's words as a message shows.
const SHOWN: usize = 2000;

/// The machine's `git`.
#[derive(Debug)]
pub struct GitCommand {
    variables: Vec<(OsString, OsString)>,
    /// The user's own configuration files.
    configuration: Vec<PathBuf>,
}

impl GitCommand {
    /// Git with the parts of the environment that are its business.
    pub fn new(environment: &Environment) -> Self {
        let passed = |name: &&str| environment.variable(name).map(|value| ((*name).into(), value.to_owned()));
        let xdg = environment.config_directory().map(|directory| directory.join("git/config"));
        let home = environment.home().map(|home| home.join(".gitconfig"));
        Self {
            variables: PASSED_ON.iter().filter_map(passed).collect(),
            configuration: xdg.into_iter().chain(home).collect(),
        }
    }
}

impl Git for GitCommand {
    fn fetch(
        &self,
        reference: &GitReference,
        keep_git_dir: bool,
        directory: &Path,
    ) -> Result<String, GitError> {
        let above = directory.parent().unwrap_or(directory);
        let scratch = tempfile::Builder::new().prefix("git-").tempdir_in(above).map_err(GitError::Run)?;
        let fetching = Fetching::begin(self, reference, scratch.path())?;
        let commit = fetching.fetch()?;
        fetching.check(&commit)?;
        fetching.run("checkout", &["checkout", "--quiet", "--force", "--detach", &commit])?;
        if reference.submodules != Some(false) && fetching.tree.join(".gitmodules").is_file() {
            fetching.run(
                "submodule update",
                &["submodule", "--quiet", "update", "--init", "--recursive", "--depth=1"],
            )?;
        }
        fetching.finish(&commit, keep_git_dir, directory)?;
        Ok(commit)
    }
}

/// One repository on its way.
struct Fetching<'a> {
    git: &'a GitCommand,
    reference: &'a GitReference,
    /// The repository's tree, with `.git` in it.
    tree: PathBuf,
    configuration: PathBuf,
}

/// What a revision means at the remote.
struct Named {
    /// The full name, or the commit.
    name: String,
    /// Where it goes in our repository, if it is a name.
    local: Option<String>,
}

impl<'a> Fetching<'a> {
    fn begin(git: &'a GitCommand, reference: &'a GitReference, scratch: &Path) -> Result<Self, GitError> {
        let tree = scratch.join("tree");
        fs::create_dir(&tree).map_err(GitError::Run)?;
        let configuration = scratch.join("config");
        let included = git.configuration.iter().map(|path| format!("[include]\n\tpath = {}\n", quoted(path)));
        fs::write(&configuration, included.collect::<String>() + SETTINGS).map_err(GitError::Run)?;
        let fetching = Self { git, reference, tree, configuration };
        if !is_plain_remote(&reference.remote) {
            return Err(fetching.failed("fetch", "the address is not one that git may be given"));
        }
        fetching.run("init", &["init", "--quiet", "--template="])?;
        fetching.run("remote add", &["remote", "add", "--", "origin", &reference.remote])?;
        Ok(fetching)
    }

    /// Fetches what is asked for, and nothing of its history if the server can do that. The commit is returned.
    fn fetch(&self) -> Result<String, GitError> {
        let named = self.resolve()?;
        let refspec = match &named.local {
            Some(local) => format!("+{}:{local}", named.name),
            None => named.name.clone(),
        };
        let shallow =
            self.run("fetch", &["fetch", "--quiet", "--depth=1", "--no-tags", "--", "origin", &refspec]);
        match shallow {
            Ok(_) => {}
            // Not every server gives out a commit by its name; then it is somewhere in the history.
            Err(GitError::Failed { .. }) if named.local.is_none() => {
                let all = ["+refs/heads/*:refs/remotes/origin/*", "+refs/tags/*:refs/tags/*"];
                self.run("fetch", &["fetch", "--quiet", "--no-tags", "--", "origin", all[0], all[1]])?;
            }
            Err(error) => return Err(error),
        }
        let fetched = format!("{}^{{commit}}", named.local.as_deref().unwrap_or(&named.name));
        let arguments = ["rev-parse", "--verify", "--quiet", "--end-of-options", &fetched];
        match self.run("rev-parse", &arguments) {
            Err(GitError::Failed { .. }) => {
                Err(self.failed("fetch", &format!("the repository has no commit `{}`", named.name)))
            }
            commit => Ok(commit?.trim().to_owned()),
        }
    }

    /// What the revision is called at the remote. A commit is its own name; a short name means a branch before a tag.
    fn resolve(&self) -> Result<Named, GitError> {
        let Some(revision) = self.reference.revision.as_deref() else {
            return Ok(Named { name: "HEAD".to_owned(), local: Some("refs/remotes/origin/HEAD".to_owned()) });
        };
        if is_commit(revision) {
            return Ok(Named { name: revision.to_owned(), local: None });
        }
        if !is_plain_revision(revision) {
            return Err(
                self.failed("fetch", &format!("`{revision}` is not a name that a branch or tag can have"))
            );
        }
        let listed = self.run("ls-remote", &["ls-remote", "--quiet", "--", "origin", revision])?;
        let names: Vec<&str> =
            listed.lines().filter_map(|line| line.split_once('\t')).map(|(_, name)| name).collect();
        let rest = revision.strip_prefix("refs/").unwrap_or(revision);
        let wanted =
            [format!("refs/{rest}"), format!("refs/heads/{revision}"), format!("refs/tags/{revision}")];
        let Some(name) = wanted.into_iter().find(|wanted| names.contains(&wanted.as_str())) else {
            return Err(self.failed("fetch", &format!("the repository has no `{revision}`")));
        };
        let local = match name.strip_prefix("refs/heads/") {
            Some(branch) => format!("refs/remotes/origin/{branch}"),
            None => name.clone(),
        };
        Ok(Named { name, local: Some(local) })
    }

    /// That the commit is the one that was asked for; the name of an annotated tag's own object will do as well.
    fn check(&self, commit: &str) -> Result<(), GitError> {
        let Some(wanted) = self.reference.commit.as_deref() else { return Ok(()) };
        let hexadecimal = wanted.len() >= 7 && wanted.bytes().all(|byte| byte.is_ascii_hexdigit());
        let wanted = wanted.to_ascii_lowercase();
        if hexadecimal && commit.starts_with(&wanted) {
            return Ok(());
        }
        let objects = self.run("for-each-ref", &["for-each-ref", "--format=%(objectname)"])?;
        if hexadecimal && objects.lines().any(|object| object.starts_with(&wanted)) {
            return Ok(());
        }
        let message = format!("the commit is {commit}, and {wanted} was asked for");
        Err(self.failed("fetch", &message))
    }

    /// Puts the tree, or the directory of it that was asked for, where it belongs.
    fn finish(&self, commit: &str, keep_git_dir: bool, directory: &Path) -> Result<(), GitError> {
        if keep_git_dir {
            self.tidy(commit)?;
        } else {
            remove_git(&self.tree).map_err(GitError::Run)?;
        }
        set_modes(&self.tree).map_err(GitError::Run)?;
        let mut from = self.tree.clone();
        for part in Path::new(self.reference.directory.as_deref().unwrap_or_default()).components() {
            match part {
                Component::Normal(name) => from.push(name),
                Component::CurDir | Component::RootDir => {}
                _ => return Err(self.failed("checkout", "the directory leads out of the repository")),
            }
            if !fs::symlink_metadata(&from).is_ok_and(|metadata| metadata.is_dir()) {
                let wanted = self.reference.directory.as_deref().unwrap_or_default();
                return Err(self.failed("checkout", &format!("the repository has no directory `{wanted}`")));
            }
        }
        // Onto the fresh, empty directory.
        fs::rename(&from, directory).map_err(GitError::Run)
    }

    /// Takes out of `.git` what says when and where it was fetched.
    fn tidy(&self, commit: &str) -> Result<(), GitError> {
        let shown = crate::fetch::shown(&self.reference.remote);
        self.run("remote set-url", &["remote", "set-url", "--", "origin", &shown])?;
        // Without times and inode numbers of this checkout.
        self.run("read-tree", &["read-tree", commit])?;
        let git = self.tree.join(".git");
        for name in ["FETCH_HEAD", "ORIG_HEAD"] {
            let _ = fs::remove_file(git.join(name));
        }
        let _ = fs::remove_dir_all(git.join("logs"));
        Ok(())
    }

    /// Runs git in the tree; what it prints is returned.
    fn run(&self, action: &'static str, arguments: &[&str]) -> Result<String, GitError> {
        // The command line may name a repository of this machine; what such a repository names may not be one.
        let local = self.reference.remote.starts_with("file://") && action != "submodule update";
        let protocols = if local { "file" } else { "https:http:ssh:git" };
        let mut command = Command::new("git");
        command
            .args(arguments)
            .current_dir(&self.tree)
            .env_clear()
            .env("GIT_SSH_COMMAND", "ssh -o BatchMode=yes")
            .envs(self.git.variables.iter().map(|(name, value)| (name, value)))
            .env("LC_ALL", "C")
            .env("GIT_CONFIG_GLOBAL", &self.configuration)
            .env("GIT_ALLOW_PROTOCOL", protocols)
            .env("GIT_PROTOCOL_FROM_USER", "0")
            .env("GIT_TERMINAL_PROMPT", "0")
            .env("GIT_ASKPASS", "false")
            .env("SSH_ASKPASS", "false")
            .env("GIT_LFS_SKIP_SMUDGE", "1")
            .env("GIT_TEMPLATE_DIR", "/dev/null")
            .env("GIT_CEILING_DIRECTORIES", self.tree.parent().unwrap_or(&self.tree))
            .stdin(Stdio::null());
        let output = command.output().map_err(GitError::Run)?;
        if output.status.success() {
            return Ok(String::from_utf8_lossy(&output.stdout).into_owned());
        }
        let said = String::from_utf8_lossy(&output.stderr);
        let said = said.replace(&self.reference.remote, &crate::fetch::shown(&self.reference.remote));
        let start = said.char_indices().rev().nth(SHOWN).map_or(0, |(at, _)| at);
        Err(self.failed(action, said[start..].trim()))
    }

    fn failed(&self, action: &'static str, message: &str) -> GitError {
        let remote = crate::fetch::shown(&self.reference.remote);
        GitError::Failed { action, remote, message: message.to_owned() }
    }
}

/// A path as a value in git's configuration.
fn quoted(path: &Path) -> String {
    format!(
        "\"{}\"",
        path.display().to_string().replace('\\', "\\\\").replace('"', "\\\"").replace('\n', "\\n")
    )
}

/// Nothing that git, or ssh behind it, could take for an option.
fn is_plain_remote(remote: &str) -> bool {
    let host = remote.split_once("://").map_or(remote, |(_, rest)| rest);
    !remote.starts_with('-')
        && !host.starts_with('-')
        && !remote.contains("@-")
        && !remote.chars().any(char::is_control)
}

/// SHA-1 or SHA-256, whole.
fn is_commit(revision: &str) -> bool {
    matches!(revision.len(), 40 | 64) && revision.bytes().all(|byte| byte.is_ascii_hexdigit())
}

/// git-check-ref-format(1), as far as it keeps a name from being something else.
fn is_plain_revision(revision: &str) -> bool {
    let refused = |c: char| c.is_control() || " ~^:?*[\\".contains(c);
    !revision.starts_with('-')
        && !revision.contains("..")
        && !revision.contains("@{")
        && !revision.chars().any(refused)
}

/// Removes `.git` of the repository and of its submodules, where it is a file.
fn remove_git(tree: &Path) -> io::Result<()> {
    let git = tree.join(".git");
    if git.is_dir() {
        fs::remove_dir_all(git)?
    } else {
        fs::remove_file(git)?
    };
    let mut open = vec![tree.to_owned()];
    while let Some(directory) = open.pop() {
        for entry in fs::read_dir(&directory)? {
            let entry = entry?;
            let kind = entry.file_type()?;
            if entry.file_name() == ".git" && kind.is_file() {
                fs::remove_file(entry.path())?;
            } else if kind.is_dir() {
                open.push(entry.path());
            }
        }
    }
    Ok(())
}

/// Git knows of a file only whether it is executable; the rest was this process's umask.
fn set_modes(tree: &Path) -> io::Result<()> {
    let mut open = vec![tree.to_owned()];
    while let Some(directory) = open.pop() {
        fs::set_permissions(&directory, fs::Permissions::from_mode(0o755))?;
        for entry in fs::read_dir(&directory)? {
            let entry = entry?;
            let kind = entry.file_type()?;
            if kind.is_dir() {
                open.push(entry.path());
            } else if kind.is_file() {
                let executable = entry.metadata()?.permissions().mode() & 0o100 != 0;
                let mode = if executable { 0o755 } else { 0o644 };
                fs::set_permissions(entry.path(), fs::Permissions::from_mode(mode))?;
            }
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests;
