//! A root file system to run steps in: the machine's own small programs with the libraries they need.

use std::fs;
use std::os::unix::fs::{PermissionsExt, symlink};
use std::path::{Path, PathBuf};
use std::process::Command;

/// Programs of every Debian, Fedora and Alpine machine's base.
const PROGRAMS: [&str; 42] = [
    "sh", "cat", "ls", "id", "stat", "mkdir", "rm", "mv", "cp", "ln", "touch", "chmod", "chown", "echo",
    "env", "true", "false", "sleep", "mount", "umount", "unshare", "nsenter", "setsid", "mknod", "readlink",
    "head", "tail", "tr", "wc", "grep", "sed", "kill", "ps", "dd", "uname", "hostname", "nproc", "tty",
    "chroot", "perl", "mkfifo", "test",
];

/// Copies programs and their libraries into `root`, with the directories of a usual image.
pub fn make(root: &Path) {
    for directory in
        ["dev", "proc", "sys", "etc", "tmp", "root", "usr/bin", "usr/lib", "usr/lib64", "var/tmp"]
    {
        fs::create_dir_all(root.join(directory)).expect("a directory");
    }
    fs::set_permissions(root, PermissionsExt::from_mode(0o755)).expect("a mode");
    fs::set_permissions(root.join("tmp"), PermissionsExt::from_mode(0o1777)).expect("a mode");
    for name in ["bin", "lib", "lib64"] {
        symlink(format!("usr/{name}"), root.join(name)).expect("a link");
    }
    fs::write(root.join("etc/passwd"), "root:x:0:0::/root:/bin/sh\nuser:x:1000:1000::/:/bin/sh\n")
        .expect("a file");
    for program in PROGRAMS {
        if let Some(path) = find(program) {
            copy(&path, &root.join("usr/bin").join(program));
            for library in libraries(&path) {
                copy(&library, &root.join(library.strip_prefix("/").expect("an absolute path")));
            }
        }
    }
}

fn find(program: &str) -> Option<PathBuf> {
    ["/usr/bin", "/bin", "/usr/sbin", "/sbin"]
        .iter()
        .map(|bin| Path::new(bin).join(program))
        .find(|path| path.exists())
}

fn libraries(program: &Path) -> Vec<PathBuf> {
    let output = Command::new("ldd").arg(program).output().expect("ldd runs");
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    text.split_whitespace().filter(|word| word.starts_with('/')).map(PathBuf::from).collect()
}

fn copy(from: &Path, to: &Path) {
    if !to.exists() {
        fs::create_dir_all(to.parent().expect("a parent")).expect("a directory");
        fs::copy(from, to).expect("a copy");
    }
}
