//! What a command sees, and how its end and its errors are told.

use std::fs;
use std::io::{Read, Write};
use std::os::unix::fs::{MetadataExt, PermissionsExt};

use build::sandbox::{ExitStatus, Network, SandboxError, Security};

use crate::Test;
use crate::lab::Lab;

pub const TESTS: &[Test] = &[
    ("basics::probes_what_it_uses", probes_what_it_uses),
    ("basics::reports_exit_codes_and_signals", reports_exit_codes_and_signals),
    ("basics::writes_land_in_the_upper_with_the_images_ids", writes_land_in_the_upper_with_the_images_ids),
    ("basics::file_capabilities_are_the_images", file_capabilities_are_the_images),
    ("basics::leaves_no_trace_of_its_mounts", leaves_no_trace_of_its_mounts),
    ("basics::runs_on_an_empty_snapshot", runs_on_an_empty_snapshot),
    ("basics::stacks_many_layers", stacks_many_layers),
    ("basics::runs_as_the_user_it_is_told", runs_as_the_user_it_is_told),
    ("basics::has_dockers_rights", has_dockers_rights),
    ("basics::has_the_usual_devices_and_streams", has_the_usual_devices_and_streams),
    ("basics::has_the_environment_it_is_given", has_the_environment_it_is_given),
    ("basics::makes_its_working_directory", makes_its_working_directory),
    ("basics::tells_why_a_command_cannot_start", tells_why_a_command_cannot_start),
    ("basics::names_hosts_and_resolvers", names_hosts_and_resolvers),
    ("basics::sees_loopback_or_the_host", sees_loopback_or_the_host),
    ("basics::can_be_read_only", can_be_read_only),
    ("basics::may_look_like_a_chroot", may_look_like_a_chroot),
    ("basics::gives_a_terminal", gives_a_terminal),
    ("basics::refuses_ids_it_has_not", refuses_ids_it_has_not),
];

fn reports_exit_codes_and_signals(lab: &Lab) {
    for (script, expected) in [
        ("true", ExitStatus::Code(0)),
        ("exit 3", ExitStatus::Code(3)),
        ("kill -TERM $$", ExitStatus::Signal(15)),
        ("kill -KILL $$", ExitStatus::Signal(9)),
    ] {
        assert_eq!(lab.step(script).run().outcome().status, expected, "{script}");
    }
    let usage = lab.step("i=0; while [ $i -lt 20000 ]; do i=$((i+1)); done").run().outcome().usage;
    assert!(
        usage.user.as_micros() > 0 && usage.max_rss > 100_000 && usage.wall >= usage.user / 4,
        "{usage:?}"
    );
}

fn writes_land_in_the_upper_with_the_images_ids(lab: &Lab) {
    let high = if lab.is_root() { 1_000_660_000 } else { 60_000 };
    let step = lab.step(&format!(
        "echo x > /a; chown 33:42 /a; mkdir -m 2750 /d; chown {high}:0 /d; mkfifo /p; ln /a /b; rm /etc/passwd; umask"
    ));
    assert_eq!(step.run().success(), "0022\n");
    let metadata = |path: &str| fs::symlink_metadata(step.written(path)).expect("it was written");
    assert_eq!((metadata("a").uid(), metadata("a").gid(), metadata("a").nlink()), (33, 42, 2));
    assert_eq!((metadata("d").uid(), metadata("d").mode() & 0o7777), (high, 0o2750));
    assert_eq!(metadata("etc/passwd").rdev(), 0);
    assert_eq!(metadata("etc/passwd").mode() & libc::S_IFMT, libc::S_IFCHR, "a whiteout");
}

/// What `setcap` writes: version 2, 20 bytes, without the id of a namespace's root. By number, as the tests' root file
/// system has no setcap.
fn file_capabilities_are_the_images(lab: &Lab) {
    if !cfg!(target_arch = "x86_64") {
        println!("  SKIPPED: system call numbers of x86_64");
        return;
    }
    let set = "perl -e '$p = \"/a\"; $n = \"security.capability\"; $v = pack(\"V5\", 0x2000001, 0x2000, 0, 0, 0); \
        exit(syscall(188, $p, $n, $v, 20, 0) != 0)'";
    let step = lab.step(&format!("echo x > /a && {set}"));
    step.run().success();
    let mut value = [0; 64];
    let length =
        rustix::fs::getxattr(step.written("a"), "security.capability", &mut value[..]).expect("an xattr");
    // Seen from the user namespace that wrote it, an ordinary user's looks the same.
    assert_eq!((length, &value[..8]), (20, &[1, 0, 0, 2, 0, 0x20, 0, 0][..]));
}

fn leaves_no_trace_of_its_mounts(lab: &Lab) {
    // The root file system has no /etc/hosts and no /etc/resolv.conf.
    let step =
        lab.step("cat /etc/hosts /etc/resolv.conf; ls /proc/self /sys/kernel /dev/pts /dev/shm >/dev/null");
    let step = step.with(|spec| spec.resolv_conf = Some(b"nameserver 192.0.2.1\n".into()));
    assert!(step.run().success().contains("nameserver 192.0.2.1"));
    assert_eq!(fs::read_dir(&step.spec.upper).expect("an upper").count(), 0);
}

fn runs_on_an_empty_snapshot(lab: &Lab) {
    let step = lab.step("true").with(|spec| spec.layers.clear());
    assert!(matches!(step.run().error(), SandboxError::NotFound { .. }));
    assert_eq!(fs::read_dir(&step.spec.upper).expect("an upper").count(), 0);
}

fn stacks_many_layers(lab: &Lab) {
    let layer = |number: u32| lab.layer(&[(&format!("f{number}"), "x"), ("top", &number.to_string())]);
    let layers: Vec<_> = (0..300).map(layer).collect();
    let top = fs::Permissions::from_mode(0o751);
    fs::set_permissions(&layers[299], top).expect("a mode");
    let step = lab.step("cat /top; ls /f0 /f299; stat -c %a /").with(|spec| spec.layers.extend(layers));
    assert_eq!(step.run().success(), "299/f0\n/f299\n751\n");
    // Once more over what it wrote.
    let again = lab.step("rm /top /f0; echo x > /new").with(|spec| {
        (spec.upper, spec.layers) = (step.spec.upper.clone(), step.spec.layers.clone());
        spec.work = step.spec.upper.with_file_name("work2");
        fs::create_dir(&spec.work).expect("a directory");
    });
    again.run().success();
    assert!(step.written("new").exists() && step.written("top").symlink_metadata().is_ok());
}

fn runs_as_the_user_it_is_told(lab: &Lab) {
    let step = lab.step(
        "id -u; id -G; echo to stdout > /dev/stdout; echo > /tmp/x; cat /proc/self/status | grep CapEff",
    );
    let step = step.with(|spec| {
        (spec.user.uid, spec.user.gid, spec.user.groups) = (1000, 1001, vec![1001, 27, 5]);
    });
    assert_eq!(step.run().success(), "1000\n1001 5 27\nto stdout\nCapEff:\t0000000000000000\n");
    assert_eq!(fs::metadata(step.written("tmp/x")).expect("it was written").uid(), 1000);
}

fn has_dockers_rights(lab: &Lab) {
    let status = "grep -E '^(Cap|NoNew|Seccomp:)' /proc/self/status";
    let output = lab.step(status).run().success().to_owned();
    for line in [
        "CapInh:\t0000000000000000",
        "CapEff:\t00000000a80425fb",
        "CapBnd:\t00000000a80425fb",
        "CapAmb:\t0000000000000000",
        "NoNewPrivs:\t0",
        "Seccomp:\t2",
    ] {
        assert!(output.contains(line), "{line} in\n{output}");
    }
    let output = lab.step(status).with(|spec| spec.security = Security::Insecure).run().success().to_owned();
    assert!(output.contains("Seccomp:\t0") && !output.contains("CapEff:\t00000000a80425fb"), "{output}");
}

fn has_the_usual_devices_and_streams(lab: &Lab) {
    let script = "for d in null zero full random urandom tty ptmx pts shm mqueue fd stdin stdout stderr; do [ -e /dev/$d ] || echo no $d; done
        echo to null > /dev/null; head -c 4 /dev/zero | wc -c; head -c 4 /dev/urandom | wc -c
        echo err > /dev/stderr; echo out | tee /dev/stdout 2>/dev/null || true; echo x > /dev/full 2>/dev/null || echo full";
    let output = lab.step(script).run().success().to_owned();
    // /dev/tty is there but leads nowhere without a terminal.
    assert!(output.starts_with("4\n4\nerr\n") && output.ends_with("full\n"), "{output}");
}

fn has_the_environment_it_is_given(lab: &Lab) {
    let step = lab.step("").with(|spec| {
        spec.env.push(("WITH SPACE".into(), "a=b\nc".into()));
        spec.args = vec!["env".into()];
    });
    assert_eq!(step.run().success(), "PATH=/usr/bin:/bin\nWITH SPACE=a=b\nc\n");
    assert_eq!(lab.step("hostname; cat /proc/self/oom_score_adj").run().success(), "buildkitsandbox\n500\n");
}

fn makes_its_working_directory(lab: &Lab) {
    let step =
        lab.step("pwd; stat -c '%u %a' . ..").user(1000, 1000).with(|spec| spec.cwd = "/new/deep".into());
    assert_eq!(step.run().success(), "/new/deep\n0 755\n0 755\n");
    let step = lab.step("true").with(|spec| spec.cwd = "/etc/passwd".into());
    assert!(matches!(step.run().error(), SandboxError::WorkingDirectory { .. }));
}

fn tells_why_a_command_cannot_start(lab: &Lab) {
    let scripts = lab.layer(&[
        ("bin-none/plain", "echo x"),
        ("bin-none/denied", "#!/bin/sh\n"),
        ("bin-none/lost", "#!/nowhere/python\n"),
        ("bin-none/foreign", "\x7fELF\x02\x01\x01\0\0\0\0\0\0\0\0\0\x02\0"),
    ]);
    let foreign = scripts.join("bin-none/foreign");
    fs::OpenOptions::new()
        .append(true)
        .open(&foreign)
        .and_then(|mut file| file.write_all(&[0x34, 0x12, 0, 0]))
        .expect("a file");
    for name in ["plain", "lost", "foreign"] {
        fs::set_permissions(scripts.join("bin-none").join(name), PermissionsExt::from_mode(0o755))
            .expect("a mode");
    }
    let check = |command: &str, expected: &dyn Fn(&SandboxError) -> bool, code: i32| {
        let step = lab.step("").with(|spec| {
            spec.layers.push(scripts.clone());
            spec.args = vec![command.into()];
            spec.env = vec![("PATH".into(), "/bin-none:/usr/bin".into())];
        });
        let ran = step.run();
        assert!(expected(ran.error()), "{command}: {:?}", ran.error());
        assert_eq!(ran.error().exit_code(), Some(code), "{command}");
    };
    check("absent", &|error| matches!(error, SandboxError::NotFound { path: Some(_), .. }), 127);
    check("/usr/bin/absent", &|error| matches!(error, SandboxError::NotFound { path: None, .. }), 127);
    check("", &|error| matches!(error, SandboxError::NotFound { .. }), 127);
    check("denied", &|error| matches!(error, SandboxError::NotExecutable { .. }), 126);
    check("/usr", &|error| matches!(error, SandboxError::NotExecutable { .. }), 126);
    check("plain", &|error| matches!(error, SandboxError::ExecFormat { machine: None, .. }), 126);
    check(
        "lost",
        &|error| matches!(error, SandboxError::MissingInterpreter { interpreter, .. } if interpreter == "/nowhere/python"),
        127,
    );
    check(
        "foreign",
        &|error| matches!(error, SandboxError::ExecFormat { machine: Some(machine), .. } if machine == "ELF machine 4660"),
        126,
    );
}

fn names_hosts_and_resolvers(lab: &Lab) {
    let step = lab.step("cat /etc/hosts; echo >> /etc/hosts").with(|spec| {
        spec.hosts = vec![("db.example".into(), "192.0.2.7".parse().expect("an address"))];
    });
    let ran = step.run();
    assert!(ran.output.contains("127.0.0.1\tlocalhost buildkitsandbox\n"), "{}", ran.output);
    assert!(ran.output.contains("192.0.2.7\tdb.example\n"), "{}", ran.output);
    assert!(!ran.outcome().status.success(), "it is read-only, as BuildKit's");
}

fn sees_loopback_or_the_host(lab: &Lab) {
    let interfaces = "cat /proc/net/dev | tail -n +3 | sed 's/:.*//' | tr -d ' ' | tr '\\n' ' '";
    assert_eq!(lab.step(interfaces).run().success(), "lo ");
    let host = lab.step(interfaces).with(|spec| spec.network = Network::Host).run();
    assert_eq!(
        host.success().split(' ').count() - 1,
        fs::read_dir("/sys/class/net").expect("interfaces").count()
    );
    let up = lab.step("cat /sys/class/net/lo/flags").run();
    assert_eq!(up.success(), "0x9\n");
}

fn can_be_read_only(lab: &Lab) {
    let step = lab
        .step("touch /x; mount | grep ' / '; cat /proc/mounts | head -1")
        .with(|spec| spec.read_only = true);
    let ran = step.run();
    assert!(ran.success().contains("Read-only file system"), "{}", ran.output);
    let layers = [lab.layer(&[("a", "1")]), lab.layer(&[("b", "2")])];
    let step = step.with(|spec| spec.layers.extend(layers));
    assert!(step.run().success().contains("Read-only file system"));
}

fn may_look_like_a_chroot(lab: &Lab) {
    // What Debian's ischroot looks at.
    let script = "a=$(cat /proc/1/mountinfo); b=$(cat /proc/self/mountinfo); [ \"$a\" = \"$b\" ] && echo same || echo other; ls / | head -1";
    assert_eq!(lab.step(script).run().success(), "same\nbin\n");
    assert_eq!(lab.step(script).with(|spec| spec.looks_like_chroot = true).run().success(), "other\nbin\n");
}

fn gives_a_terminal(lab: &Lab) {
    let step = lab
        .step("tty; [ -t 0 ] && [ -t 2 ] && echo all; read line; echo got $line > /dev/tty")
        .user(1000, 1000);
    let step = step.with(|spec| spec.terminal = true);
    let (handle, reader) = step.start();
    let handle = handle.expect("a handle");
    let mut terminal =
        fs::File::from(handle.terminal().expect("a terminal").try_clone_to_owned().expect("a copy"));
    terminal.write_all(b"word\n").expect("typing");
    assert!(handle.wait().expect("an outcome").status.success());
    let mut output = Vec::new();
    // Ends with EIO when the last process is gone.
    let _ = terminal.read_to_end(&mut output);
    let output = String::from_utf8_lossy(&output).into_owned();
    for line in ["/dev/pts/0\r\n", "all\r\n", "got word"] {
        assert!(output.contains(line), "{output}");
    }
    assert_eq!(reader.join().expect("a reader"), "");
}

fn refuses_ids_it_has_not(lab: &Lab) {
    let ran = lab.step("true").user(u32::MAX - 5, 0).run();
    assert!(matches!(ran.error(), SandboxError::IdOutOfRange { .. }), "{ran:?}");
}

fn probes_what_it_uses(lab: &Lab) {
    let capabilities = build::sandbox::probe();
    for capability in &capabilities {
        println!("  {}: {} {}", capability.name, capability.ok, capability.detail);
        // The other tests show that sandboxes work here.
        assert!(capability.ok || !capability.required, "{capability:?}");
        assert!(capability.ok || capability.hint.is_some(), "{capability:?}");
    }
    assert_eq!(capabilities.iter().any(|capability| capability.name == "subordinate ids"), !lab.is_root());
}
