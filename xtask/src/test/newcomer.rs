//! What somebody new does: the README's first command, as root, and in a bare tree that holds only rustc, cc and
//! apt, there as root and as an ordinary user with subordinate ids.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use super::readme;
use crate::command::{self, Outcome, must};
use crate::real::{self, Trouble, ensure, needs, needs_root};
use crate::report::Tally;
use crate::workspace;

/// Compiling everything, on a slow machine.
const LIMIT: Duration = Duration::from_secs(1800);

/// Enters a tree as its root directory, so that it may make user namespaces (a plain chroot may not), and runs
/// the rest of the arguments there.
const ENTER: &str = r#"
set -e
mount --bind "$TREE" "$TREE"
cd "$TREE"
for name in proc sys dev; do mkdir -p $name; mount --rbind /$name $name; done
for path in $SHARED; do mkdir -p ".$path"; mount --bind "$path" ".$path"; mount -o remount,bind,ro ".$path"; done
mkdir -p old
pivot_root . old
exec chroot . /bin/sh -c 'umount -l /old; cd /kapok; exec "$@"' sh "$@"
"#;

/// Runs the README's first command in all three ways; each counts as one test.
pub fn run() -> std::io::Result<Tally> {
    let mut tally = Tally::default();
    let mut count = |name: &str, result| real::count(&mut tally, "newcomer", name, result);
    count("as root", as_root());
    match BareTree::make() {
        Ok(tree) => {
            count("in a bare tree", tree.first_command(&[]));
            count("in a bare tree as an ordinary user", tree.as_user());
        }
        Err(Trouble::Failed(report)) => count("in a bare tree", Err(Trouble::Failed(report))),
        Err(Trouble::Skipped(why)) => {
            count("in a bare tree", Err(Trouble::Skipped(why.clone())));
            count("in a bare tree as an ordinary user", Err(Trouble::Skipped(why)));
        }
    }
    Ok(tally)
}

fn first() -> Result<String, Trouble> {
    Ok(readme::commands()?.swap_remove(0))
}

fn as_root() -> Result<(), Trouble> {
    needs_root()?;
    let store = tempfile::tempdir()?;
    let mut shell = Command::new("sh");
    shell
        .current_dir(workspace::root())
        .args(["-c", &first()?])
        .env("KAPOK_HOME", store.path().join("store"));
    judge(&command::run(&mut shell, LIMIT)?)
}

fn judge(outcome: &Outcome) -> Result<(), Trouble> {
    ensure(outcome.success(), || format!("exit {}\n{}", outcome.code(), outcome.tail(40)))
}

/// Debian's minimal system with a C compiler, this machine's Rust toolchain, and a copy of the work tree.
struct BareTree {
    directory: tempfile::TempDir,
}

impl BareTree {
    fn make() -> Result<BareTree, Trouble> {
        needs_root()?;
        needs(&["mmdebstrap", "unshare", "pivot_root"])?;
        let directory = tempfile::Builder::new().prefix("kapok-bare-").tempdir()?;
        let tree = directory.path().join("tree");
        let mut make = Command::new("mmdebstrap");
        make.args(["--quiet", "--variant=minbase", "--include=gcc,libc6-dev", "bookworm"]).arg(&tree);
        must(&mut make, LIMIT)?;
        // The machine's own way to its archive and to the network.
        for path in ["/etc/apt", "/etc/ssl/certs", "/usr/share/keyrings"] {
            if Path::new(path).exists() {
                let to = tree.join(&path[1..]);
                fs::create_dir_all(&to)?;
                must(Command::new("cp").args(["-rL", &format!("{path}/.")]).arg(&to), LIMIT)?;
            }
        }
        for file in ["etc/resolv.conf", "etc/hosts"] {
            fs::copy(Path::new("/").join(file), tree.join(file))?;
        }
        for name in workspace::files()? {
            let to = tree.join("kapok").join(&name);
            fs::create_dir_all(to.parent().unwrap_or(&tree))?;
            fs::copy(workspace::root().join(&name), to)?;
        }
        Ok(BareTree { directory })
    }

    /// The README's first command in the tree, behind some words such as `setpriv`.
    fn first_command(&self, before: &[&str]) -> Result<(), Trouble> {
        let first = first()?;
        judge(&self.enter(&[before, &["sh", "-c", &first]].concat())?)
    }

    /// The same as an ordinary user, in what root has compiled.
    fn as_user(&self) -> Result<(), Trouble> {
        let script = "apt-get update -qq && apt-get install -qq -y --no-install-recommends uidmap >/dev/null && \
            useradd --create-home --uid 54321 builder && \
            usermod --add-subuids 1000000000-1000065535 --add-subgids 1000000000-1000065535 builder && \
            chown -R builder: /kapok && chown builder: $CARGO_HOME && chmod a+rx /root";
        let prepared = self.enter(&["sh", "-c", script])?;
        ensure(prepared.success(), || format!("cannot prepare a user: {}", prepared.tail(20)))?;
        let user =
            ["setpriv", "--reuid=54321", "--regid=54321", "--init-groups", "env", "HOME=/home/builder"];
        self.first_command(&user)
    }

    fn enter(&self, words: &[&str]) -> Result<Outcome, Trouble> {
        let (toolchain, cargo_home) = (toolchain()?, cargo_home());
        let shared = [toolchain.clone(), cargo_home.join("registry"), cargo_home.join("config.toml")];
        let shared: Vec<_> =
            shared.iter().filter(|path| path.is_dir()).map(|path| path.to_string_lossy()).collect();
        let inside = self.directory.path().join("tree");
        let config = cargo_home.join("config.toml");
        if config.exists() {
            let to = inside.join(cargo_home.strip_prefix("/").unwrap_or(&cargo_home));
            fs::create_dir_all(&to)?;
            fs::copy(&config, to.join("config.toml"))?;
        }
        let mut command = Command::new("unshare");
        command.args(["--mount", "--propagation", "private", "sh", "-c", ENTER, "sh"]).args(words);
        command.env_clear();
        for (name, value) in std::env::vars_os() {
            let name_text = name.to_string_lossy().to_lowercase();
            if name_text.ends_with("_proxy") || name_text.starts_with("ssl_cert") {
                command.env(name, value);
            }
        }
        let path = format!(
            "{}/bin:/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin",
            toolchain.display()
        );
        command
            .env("PATH", path)
            .env("HOME", "/root")
            .env("CARGO_HOME", &cargo_home)
            .env("CARGO_NET_OFFLINE", "true")
            .env("LANG", "C.UTF-8")
            .env("TREE", &inside)
            .env("SHARED", shared.join(" "));
        Ok(command::run(&mut command, LIMIT)?)
    }
}

/// The directory of the toolchain in use, with `bin/rustc` in it.
fn toolchain() -> Result<PathBuf, Trouble> {
    let outcome = must(Command::new("rustc").args(["--print", "sysroot"]), Duration::from_secs(20))?;
    Ok(PathBuf::from(outcome.stdout.trim()))
}

fn cargo_home() -> PathBuf {
    let home = || PathBuf::from(std::env::var_os("HOME").unwrap_or_default()).join(".cargo");
    std::env::var_os("CARGO_HOME").map_or_else(home, PathBuf::from)
}
