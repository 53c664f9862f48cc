//! The declared list: files that hold nothing but the time or place of a build, and what is done with them.
//!
//! The list is short on purpose. Caches that a program makes again, backups of what stands beside them, logs, and the
//! identity of a machine; never keys, never data. Every application is in the step's record.

use serde::{Deserialize, Serialize};

/// What is done with a file.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Action {
    /// It is removed, as if the step had deleted it: one of a lower layer does not show again.
    Remove,
    /// It stays, with its mode and owner, and without content.
    Empty,
}

/// One line of the list.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Rule {
    /// Which files, relative to the root; `*` stands for any number of characters but `/`.
    pub glob: &'static str,
    /// What is done with them.
    pub action: Action,
    /// Why, for the record.
    pub reason: &'static str,
    /// Whether it is for logs, which can be asked to stay.
    pub log: bool,
}

/// The rules that apply to a step.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Rules {
    /// No rule about a file's content applies: for a COPY, whose files the user chose. Times, sockets and attributes
    /// are treated in every case.
    pub none: bool,
    /// Logs stay as they are (`--keep-logs`).
    pub keep_logs: bool,
}

const fn remove(glob: &'static str, reason: &'static str) -> Rule {
    Rule { glob, action: Action::Remove, reason, log: false }
}

const fn log(glob: &'static str) -> Rule {
    Rule { glob, action: Action::Empty, reason: "a log of the build: it holds times", log: true }
}

/// The list. (What two runs of the same package installations leave different.)
pub const RULES: &[Rule] = &[
    remove(
        "var/cache/ldconfig/aux-cache",
        "ldconfig's cache of inode numbers and times; made again when needed",
    ),
    remove("var/cache/apt/*.bin", "apt's cache of the package lists; made again when needed"),
    remove("var/cache/debconf/*-old", "debconf's backup of the file beside it"),
    remove("var/lib/dpkg/*-old", "dpkg's backup of the file beside it"),
    remove("var/lib/dbus/machine-id", "the identity of a machine; made at its first start"),
    remove("var/lib/systemd/random-seed", "the random seed of a machine; made at its first start"),
    remove("var/lib/rpm/__db.*", "the rpm database's shared memory; made again when needed"),
    Rule {
        glob: "etc/machine-id",
        action: Action::Empty,
        reason: "the identity of a machine; an empty one is filled at its first start",
        log: false,
    },
    log("var/log/dpkg.log"),
    log("var/log/alternatives.log"),
    log("var/log/bootstrap.log"),
    log("var/log/fontconfig.log"),
    log("var/log/apt/*"),
    log("var/log/dnf*.log"),
    log("var/log/yum.log"),
    log("var/log/hawkey.log"),
    log("var/log/anaconda/*"),
    log("var/log/lastlog"),
    log("var/log/faillog"),
    log("var/log/tallylog"),
    log("var/log/wtmp"),
    log("var/log/btmp"),
];

impl Rules {
    /// The rule for the file at `path`, if there is one.
    pub fn find(&self, path: &[u8]) -> Option<&'static Rule> {
        if self.none {
            return None;
        }
        RULES
            .iter()
            .filter(|rule| !(rule.log && self.keep_logs))
            .find(|rule| matches(rule.glob.as_bytes(), path))
    }
}

/// Whether `path` is one of those that `glob` means. Linear in the usual case: only the last `*` is ever tried again.
fn matches(glob: &[u8], path: &[u8]) -> bool {
    let (mut g, mut p) = (0, 0);
    let mut retry: Option<(usize, usize)> = None;
    while p < path.len() {
        if glob.get(g) == Some(&b'*') {
            retry = Some((g + 1, p));
            g += 1;
        } else if glob.get(g) == Some(&path[p]) {
            g += 1;
            p += 1;
        } else {
            match retry {
                Some((after, from)) if path[from] != b'/' => {
                    retry = Some((after, from + 1));
                    (g, p) = (after, from + 1);
                }
                _ => return false,
            }
        }
    }
    glob[g..].iter().all(|b| *b == b'*')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn globs_stop_at_slashes() {
        for (glob, path, matched) in [
            ("a/*.bin", "a/x.bin", true),
            ("a/*.bin", "a/.bin", true),
            ("a/*.bin", "a/b/x.bin", false),
            ("a/*.bin", "a/x.bins", false),
            ("a/*", "a/x", true),
            ("a/*", "a/x/y", false),
            ("a*b*c", "axbxbxc", true),
            ("a*b*c", "axbxbx", false),
            ("a", "a", true),
            ("a", "ab", false),
        ] {
            assert_eq!(matches(glob.as_bytes(), path.as_bytes()), matched, "{glob} {path}");
        }
    }

    #[test]
    fn logs_can_stay_and_everything_can() {
        let path = b"var/log/apt/term.log";
        assert_eq!(Rules::default().find(path).map(|rule| rule.action), Some(Action::Empty));
        assert_eq!(Rules { keep_logs: true, none: false }.find(path), None);
        assert_eq!(Rules { keep_logs: false, none: true }.find(b"etc/machine-id"), None);
        assert_eq!(Rules::default().find(b"etc/ssh/ssh_host_rsa_key"), None);
    }
}
