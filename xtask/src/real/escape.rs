//! A step that tries to get out: every attempt fails, and nothing of it outlives the step.

use std::fs;
use std::path::Path;

use super::world::ensure;
use super::{Test, Trouble, World};

pub const TESTS: &[Test] =
    &[("attempts to escape fail", attempts), ("survivors die with the step", survivors)];

/// Each line: a name, a tab, a shell command that succeeds only if the attempt does.
const ATTEMPTS: &str = "\
host path\ttest -e {outside}
host path through proc root\tcat /proc/1/root/{outside} >/dev/null 2>&1
host processes\ttest $(ls -d /proc/[0-9]* | wc -l) -gt 20
raw memory\tmknod /tmp/mem c 1 1 && head -c 1 /tmp/mem
raw disk\tmknod /tmp/disk b 254 0 && head -c 1 /tmp/disk
a device by number in dev\tmknod /dev/kmsg c 1 11
mount\tmount -t tmpfs none /mnt 2>/dev/null || { mkdir -p /mnt && mount -t tmpfs none /mnt; }
mount proc\tmkdir -p /p && mount -t proc proc /p
remount root\tmount -o remount,rw /proc
bind host\tmkdir -p /b && mount --bind /proc/1/root /b
user namespace\tunshare -U true
mount namespace\tunshare -m true
network namespace\tunshare -n true
write sysctl\techo 1 > /proc/sys/kernel/panic
write hostname\thostname changed
core pattern\techo '|/bin/sh' > /proc/sys/kernel/core_pattern
sysrq\techo b > /proc/sysrq-trigger
memory of init\thead -c 1 /proc/1/mem
kernel symbols\tgrep -v '^0000000000000000' /proc/kallsyms | grep -q .
kernel memory\thead -c 1 /proc/kcore
kernel log\thead -c 1 /dev/kmsg
keyrings\ttest -s /proc/keys
firmware\ttest -n \"$(ls -A /sys/firmware 2>/dev/null)\"
write sys\techo 1 > /sys/kernel/uevent_helper
write control groups\tmkdir /sys/fs/cgroup/escape
release agent\techo /x > /sys/fs/cgroup/release_agent
raise limits\techo max > /sys/fs/cgroup/pids.max
clock\tdate -s 2001-01-01; test $(date +%Y) = 2001
kill init of host\tkill -0 $(($$ + 100000))
scheduler of others\techo 0 > /proc/1/oom_score_adj && echo -1000 > /proc/self/oom_score_adj
module\techo x > /sys/module/x
swap\techo 1 > /proc/sys/vm/drop_caches
apparmor or seccomp off\tgrep -q '^Seccomp:.0' /proc/self/status
more capabilities\tgrep -q '^CapBnd:.*3fffffffff\\|^CapBnd:.*1ffffffffff' /proc/self/status
";

fn attempts(world: &World) -> Result<(), Trouble> {
    let place = world.place("escape")?;
    let outside = place.path.join("outside");
    fs::write(&outside, "outside\n")?;
    let mut script = String::new();
    for line in ATTEMPTS.replace("{outside}", &outside.to_string_lossy()).lines() {
        let Some((name, command)) = line.split_once('\t') else { continue };
        script.push_str(&format!("( {command} ) >/dev/null 2>&1 && echo '{name}' >> /succeeded\n"));
    }
    let fixture = format!(
        "//- /Dockerfile\nFROM base\nCOPY try /try\nRUN touch /succeeded; sh /try; true\n//- /try\n{script}"
    );
    let hostname = fs::read_to_string("/proc/sys/kernel/hostname")?;
    let image = place.image(&fixture, &["--pids", "512"])?;
    let succeeded = image.tree.content("/succeeded").unwrap_or(b"the list itself is missing").to_vec();
    // A name of its own is the step's to change.
    let succeeded: Vec<&str> = std::str::from_utf8(&succeeded)
        .unwrap_or_default()
        .lines()
        .filter(|name| *name != "write hostname")
        .collect();
    ensure(succeeded.is_empty(), || format!("succeeded: {}", succeeded.join(", ")))?;
    ensure(fs::read_to_string("/proc/sys/kernel/hostname")? == hostname, || {
        "the host has another name".into()
    })?;
    ensure(!Path::new("/sys/fs/cgroup/escape").exists(), || "a control group was made outside".into())
}

/// Daemons, double forks and a fork bomb: all gone when the step is.
fn survivors(world: &World) -> Result<(), Trouble> {
    let place = world.place("survivors")?;
    let outcome = place.build(
        "//- /Dockerfile\nFROM base\nRUN setsid sleep 31337 & (setsid sh -c 'trap \"\" TERM HUP INT; sleep 31337' &) ; sleep 0.1\n",
        &[],
    )?;
    ensure(outcome.success(), || outcome.tail(12))?;
    let bomb = "//- /Dockerfile\nFROM base\nRUN f() { f | f & }; f; sleep 1; sleep 31337 & true\n";
    let outcome = place.build(bomb, &["--pids", "64"])?;
    ensure(outcome.code() != 70, || outcome.tail(12))?;
    let alive = fs::read_dir("/proc")?.flatten().any(|entry| {
        fs::read(entry.path().join("cmdline")).is_ok_and(|line| line.windows(5).any(|part| part == b"31337"))
    });
    ensure(!alive, || "a process outlived its step".into())
}
