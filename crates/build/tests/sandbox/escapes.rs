//! A step that tries to get out. Every line of these scripts is an attempt; each must fail.

use std::fs;

use build::sandbox::{MountSource, Network, Security};

use crate::Test;
use crate::lab::Lab;

pub const TESTS: &[Test] = &[
    ("escapes::the_hosts_files_are_out_of_reach", the_hosts_files_are_out_of_reach),
    ("escapes::the_hosts_processes_are_out_of_reach", the_hosts_processes_are_out_of_reach),
    ("escapes::the_kernels_doors_are_shut", the_kernels_doors_are_shut),
    ("escapes::devices_cannot_be_made_or_opened", devices_cannot_be_made_or_opened),
    ("escapes::proc_and_sys_cannot_be_written", proc_and_sys_cannot_be_written),
    ("escapes::secrets_of_the_kernel_are_masked", secrets_of_the_kernel_are_masked),
    ("escapes::all_capabilities_are_still_inside", all_capabilities_are_still_inside),
];

/// Runs attempts, one a line, and expects every one to fail.
fn all_fail(lab: &Lab, attempts: &str, security: Security) {
    for attempt in attempts.lines().map(str::trim).filter(|line| !line.is_empty()) {
        let ran = lab.step(attempt).with(|spec| spec.security = security).run();
        assert!(!ran.outcome().status.success(), "succeeded: {attempt}\n{}", ran.output);
    }
}

fn the_hosts_files_are_out_of_reach(lab: &Lab) {
    let host = lab.layer(&[("host-file", "")]);
    let path = host.join("host-file").display().to_string();
    let attempts = format!(
        "cat {path}
        cat /proc/1/root{path}
        cat /proc/1/cwd{path}
        cat /proc/self/root/../../..{path}
        cd /.. && ls . | grep -q lost+found
        perl -e 'chroot(\"/tmp\"); chdir(\"../../../../../..\"); chroot(\".\"); exec \"/usr/bin/cat\", \"{path}\"'
        for fd in /proc/1/fd/*; do cat $fd/{path} && exit 0; done; exit 1
        perl -e '$h = pack(\"LLQ\", 8, 1, 2); exit(syscall(304, 0, $h, 0) < 0)'"
    );
    all_fail(lab, &attempts, Security::Sandbox);
    // What is open in a step is what it was given.
    let ran = lab.step("ls -l /proc/self/fd /proc/$$/fd | grep -v pipe: | grep -c -e '->'").run();
    assert!(ran.output.trim().parse::<u32>().is_ok_and(|count| count <= 4), "{}", ran.output);
}

fn the_hosts_processes_are_out_of_reach(lab: &Lab) {
    let own = std::process::id();
    let ran = lab.step("ls /proc | grep -c '^[0-9]'").run();
    assert!(ran.success().trim().parse::<u32>().is_ok_and(|count| count <= 5), "{}", ran.output);
    let attempts = format!(
        "kill -0 {own}
        kill -9 -1; exit 1
        perl -e 'exit(syscall(101, 16, 1, 0, 0) != 0)'
        cat /proc/1/environ | grep .
        cat /proc/1/mem
        cat /proc/1/maps | grep .
        nsenter -t 1 -m true
        perl -e '$b = \"\\0\" x 8; $v = pack(\"QQ\", 0, 8); exit(syscall(310, 1, $v, 1, $v, 1, 0) < 0)'"
    );
    all_fail(lab, &attempts, Security::Sandbox);
}

/// System calls by number, on the one architecture where this test knows them.
fn the_kernels_doors_are_shut(lab: &Lab) {
    all_fail(
        lab,
        "mount -t tmpfs x /tmp
        mount --bind /usr /tmp
        umount /proc
        umount /etc/hosts
        mount -o remount,rw /sys
        unshare -U true
        unshare -m true
        unshare -n true
        unshare -p -f true
        hostname other
        nsenter -t $$ -u true",
        Security::Sandbox,
    );
    if !cfg!(target_arch = "x86_64") {
        return;
    }
    for (what, number) in [
        ("mount", 165),
        ("pivot_root", 155),
        ("umount2", 166),
        ("unshare", 272),
        ("setns", 308),
        ("add_key", 248),
        ("request_key", 249),
        ("keyctl", 250),
        ("bpf", 321),
        ("perf_event_open", 298),
        ("userfaultfd", 323),
        ("open_by_handle_at", 304),
        ("init_module", 175),
        ("finit_module", 313),
        ("kexec_load", 246),
        ("reboot", 169),
        ("swapon", 167),
        ("acct", 163),
        ("quotactl", 179),
        ("iopl", 172),
        ("ioperm", 173),
        ("settimeofday", 164),
        ("io_uring_setup", 425),
        ("open_tree", 428),
        ("move_mount", 429),
        ("fsopen", 430),
        ("clone3", 435),
        ("mount_setattr", 442),
        ("syslog", 103),
        ("sethostname", 170),
        ("fanotify_init", 300),
        ("pidfd_getfd", 438),
    ] {
        let errno = lab.step(&format!("perl -e 'syscall({number}, 0, 0, 0, 0, 0); print $!+0'")).run();
        let expected = if what == "clone3" { "38" } else { "1" };
        assert_eq!(errno.success(), expected, "{what}");
    }
}

fn devices_cannot_be_made_or_opened(lab: &Lab) {
    all_fail(
        lab,
        "mknod /tmp/sda b 8 0\nmknod /tmp/mem c 1 1\ncat /dev/mem\ncat /dev/kmsg\nls /dev/vda /dev/sda",
        Security::Sandbox,
    );
    if lab.is_root() {
        // A device node in a layer, such as a hostile archive may bring.
        let layer = lab.directory();
        let device = rustix::fs::makedev(1, 5);
        rustix::fs::mknodat(
            rustix::fs::CWD,
            layer.join("zero"),
            rustix::fs::FileType::CharacterDevice,
            0o666.into(),
            device,
        )
        .expect("a node");
        for security in [Security::Sandbox, Security::Insecure] {
            for attempt in [
                "head -c 1 /zero",
                "mount -o remount,dev / ; head -c 1 /zero",
                "head -c 1 /m/zero",
                "mount -o remount,bind,dev /m; head -c 1 /m/zero",
            ] {
                let step = lab.step(attempt).with(|spec| {
                    (spec.security, spec.layers) = (security, vec![lab.root.clone(), layer.clone()])
                });
                let ran =
                    step.mount("/m", MountSource::Bind { source: layer.clone(), subpath: None }, true).run();
                assert!(!ran.outcome().status.success(), "{security:?} {attempt}: {}", ran.output);
            }
        }
    }
}

fn proc_and_sys_cannot_be_written(lab: &Lab) {
    for network in [Network::None, Network::Host] {
        for attempt in [
            "echo 1 > /proc/sys/kernel/hostname",
            "echo x > /proc/sysrq-trigger",
            "echo 0 > /proc/sys/vm/overcommit_memory",
            "echo 1 > /proc/sys/net/ipv4/ip_forward",
            "echo x > /proc/sys/kernel/core_pattern",
            "touch /sys/x",
            "echo 1 > /sys/kernel/mm/ksm/run",
            "mkdir /sys/fs/cgroup/x",
            "find /sys -name uevent 2>/dev/null | head -1 | xargs -r sh -c 'echo add > $0'; echo > /sys/class/net/lo/ifalias",
        ] {
            let ran = lab.step(attempt).with(|spec| spec.network = network).run();
            assert!(!ran.outcome().status.success(), "{attempt}\n{}", ran.output);
        }
    }
}

fn secrets_of_the_kernel_are_masked(lab: &Lab) {
    let script = "for f in kcore keys timer_list interrupts; do [ -e /proc/$f ] && cat /proc/$f | head -c 1; done; ls /sys/firmware /proc/acpi 2>/dev/null";
    let ran = lab.step(script).run();
    assert_eq!(ran.output.replace("/sys/firmware:", "").replace("/proc/acpi:", "").trim(), "", "{ran:?}");
    let keys = lab.step("cat /proc/key-users | wc -l").run();
    assert!(keys.outcome().status.success());
}

/// With all capabilities and no filter, in its own user namespace, a step is still nobody on the host.
fn all_capabilities_are_still_inside(lab: &Lab) {
    let source = lab.layer(&[("file", "old")]);
    let ran = lab
        .step("mount -t tmpfs x /tmp && unshare -m true && echo can; mount -o remount,bind,rw /m; echo new > /m/file; umount /m; ls /m; cat /m/file")
        .with(|spec| spec.security = Security::Insecure)
        .mount("/m", MountSource::Bind { source: source.clone(), subpath: None }, true)
        .run();
    assert!(ran.output.starts_with("can\n"), "{}", ran.output);
    assert_eq!(fs::read_to_string(source.join("file")).expect("a file"), "old", "{}", ran.output);
    all_fail(
        lab,
        "mknod /tmp/sda b 8 0
        echo x > /proc/sysrq-trigger
        echo x > /proc/sys/kernel/core_pattern
        cat /proc/kcore
        mount -t ext4 /dev/vda /tmp
        nsenter -t 1 -m ls /home
        kill -0 4242424",
        Security::Insecure,
    );
}
