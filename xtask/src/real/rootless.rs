//! The same builds as an ordinary user with subordinate ids.

use std::ffi::OsStr;
use std::fs;
use std::os::unix::fs::{PermissionsExt, chown};
use std::path::Path;
use std::process::Command;
use std::time::Duration;

use testkit::image;

use super::world::{ensure, needs, needs_root};
use super::{Place, Test, Trouble, World};
use crate::command::{self, Outcome};

pub const TESTS: &[Test] = &[
    ("an ordinary user builds the same image", same_image),
    ("an ordinary user installs packages", packages),
];

/// A user that no machine has.
pub const UID: u32 = 54_321;

/// Mounts, for this command alone, account files in which the user exists, and becomes that user.
const BECOME: &str = r#"
set -e
for file in passwd group subuid subgid; do touch /etc/$file; mount --bind "$ACCOUNTS/$file" /etc/$file; done
exec setpriv --reuid "$USER_ID" --regid "$USER_ID" --clear-groups "$@"
"#;

/// Runs a command as an ordinary user with subordinate ids; the place belongs to that user afterwards.
pub fn as_user(place: &Place<'_>, inner: &Command) -> Result<Outcome, Trouble> {
    run_as(place, inner, &format!("builder:{}:65536\n", 1_000_000_000))
}

/// The same without subordinate ids.
pub fn as_user_without_ids(place: &Place<'_>, inner: &Command) -> Result<Outcome, Trouble> {
    run_as(place, inner, "")
}

fn run_as(place: &Place<'_>, inner: &Command, ids: &str) -> Result<Outcome, Trouble> {
    let accounts = place.path.join("accounts");
    fs::create_dir_all(&accounts)?;
    let home = place.path.join("home");
    fs::create_dir_all(&home)?;
    let entry = format!("builder:x:{UID}:{UID}::{}:/bin/sh\n", home.display());
    fs::write(accounts.join("passwd"), format!("{}{entry}", fs::read_to_string("/etc/passwd")?))?;
    fs::write(accounts.join("group"), format!("{}builder:x:{UID}:\n", fs::read_to_string("/etc/group")?))?;
    fs::write(accounts.join("subuid"), ids)?;
    fs::write(accounts.join("subgid"), ids)?;
    own(&place.path)?;
    let mut command = Command::new("unshare");
    command.args(["--mount", "--propagation", "private", "sh", "-c", BECOME, "sh"]);
    command.arg(inner.get_program()).args(inner.get_args());
    command.current_dir(&home).env_clear();
    for name in ["PATH", "http_proxy", "https_proxy", "no_proxy"] {
        if let Some(value) = std::env::var_os(name) {
            command.env(name, value);
        }
    }
    for (name, value) in inner.get_envs() {
        if let Some(value) = value {
            command.env(name, value);
        }
    }
    command
        .env("ACCOUNTS", &accounts)
        .env("USER_ID", UID.to_string())
        .env("HOME", &home)
        .env("USER", "builder");
    command.env("XDG_CONFIG_HOME", home.join("settings")).env("XDG_DATA_HOME", home.join("data"));
    Ok(command::run(&mut command, Duration::from_secs(300))?)
}

/// Gives everything of a place to the user.
fn own(path: &Path) -> Result<(), Trouble> {
    let metadata = fs::symlink_metadata(path)?;
    std::os::unix::fs::lchown(path, Some(UID), Some(UID))?;
    if metadata.is_dir() && path.file_name() != Some(OsStr::new("accounts")) {
        fs::set_permissions(path, fs::Permissions::from_mode(metadata.permissions().mode() | 0o755))?;
        for entry in fs::read_dir(path)? {
            own(&entry?.path())?;
        }
    }
    Ok(())
}

fn able() -> Result<(), Trouble> {
    needs_root()?;
    needs(&["newuidmap", "unshare", "setpriv"])
}

const FIXTURE: &str = "\
//- /Dockerfile
FROM rich
USER root
RUN rm -r /old && mkdir /old && touch /old/new && chown 1000:50 /old/new && chmod 4755 /old/new
RUN ln /data/one /data/more && mv /data/deep /data/moved && chown -R app:staff /data/moved
COPY --chown=app:staff dir /dir
ADD a.tar /unpacked/
USER app
RUN id > /tmp/id && grep CapBnd /proc/self/status > /tmp/capabilities
//- /dir/file mode=0640
x
//- /a.tar archive=tar
d/ owner=7:8
d/file owner=1000:50 mode=2755 text=x xattr=security.capability=\\x01\\0\\0\\x02\\0\\x04\\0\\0\\0\\0\\0\\0\\0\\0\\0\\0\\0\\0\\0\\0
link -> d
";

/// Owners, capabilities, whiteouts and links come out the same; so the digest does.
fn same_image(world: &World) -> Result<(), Trouble> {
    able()?;
    let root = world.place("same-image-root")?.image(FIXTURE, &[])?;
    let place = world.place("same-image-user")?;
    let context = place.context(FIXTURE)?;
    let to = place.path.join("home/image.tar");
    let output = format!("type=oci,dest={}", to.display());
    let outcome = as_user(&place, &place.build_command(&context, &["--output", &output]))?;
    ensure(outcome.success(), || outcome.tail(20))?;
    let user = image::load_one(&to)?;
    let text = |image: &image::Image| image.print_config() + &image.tree.print(None, &Default::default());
    ensure(text(&root) == text(&user), || difference(&text(&root), &text(&user)))?;
    ensure(root.digest == user.digest, || {
        format!("the trees are equal, {} and {} are not", root.digest, user.digest)
    })
}

/// The lines that only one of two texts has.
pub fn difference(one: &str, other: &str) -> String {
    let missing = one.lines().filter(|line| !other.lines().any(|other| other == *line));
    let added = other.lines().filter(|line| !one.lines().any(|one| one == *line));
    missing.map(|line| format!("- {line}\n")).chain(added.map(|line| format!("+ {line}\n"))).collect()
}

/// Package scripts change owners and drop privileges: the proof that the ids are real.
fn packages(world: &World) -> Result<(), Trouble> {
    able()?;
    let debian = world.debian()?;
    let place = world.place("packages-user")?;
    let context = place.context(
        "//- /Dockerfile\nFROM debian\nRUN apt-get update && apt-get install -y --no-install-recommends openssh-client\n\
         RUN stat -c '%G %a' /usr/bin/ssh-agent > /out && grep -q _ssh /out && dpkg --audit\n",
    )?;
    // The layout belongs to whoever ran the tests; it must only be readable.
    let layout = format!("debian=oci-layout://{}", debian.display());
    let outcome = as_user(&place, &place.build_command(&context, &["--build-context", &layout]))?;
    ensure(outcome.success(), || outcome.tail(25))?;
    let _ = chown(&place.path, Some(0), Some(0));
    Ok(())
}
