//! Mounts, and images that try to turn them against the host.

use std::fs;
use std::os::unix::fs::{MetadataExt, PermissionsExt, symlink};
use std::os::unix::net::UnixListener;

use build::sandbox::{MountSource, SandboxError};

use crate::Test;
use crate::lab::Lab;

pub const TESTS: &[Test] = &[
    ("mounts::binds_files_and_directories", binds_files_and_directories),
    ("mounts::binds_read_only", binds_read_only),
    ("mounts::takes_subpaths_inside_the_source_only", takes_subpaths_inside_the_source_only),
    ("mounts::shows_snapshots_and_discards_writes", shows_snapshots_and_discards_writes),
    ("mounts::gives_memory", gives_memory),
    ("mounts::keeps_secrets_in_memory", keeps_secrets_in_memory),
    ("mounts::passes_sockets", passes_sockets),
    ("mounts::nests", nests),
    ("mounts::makes_missing_targets_without_a_trace", makes_missing_targets_without_a_trace),
    ("mounts::targets_below_whiteouts_and_links", targets_below_whiteouts_and_links),
    ("mounts::targets_never_leave_the_root", targets_never_leave_the_root),
    ("mounts::refuses_what_makes_no_sense", refuses_what_makes_no_sense),
];

fn bind(source: impl Into<std::path::PathBuf>) -> MountSource {
    MountSource::Bind { source: source.into(), subpath: None }
}

fn binds_files_and_directories(lab: &Lab) {
    let source = lab.layer(&[("file", "content"), ("sub/other", "")]);
    let step =
        lab.step("cat /etc/one; ls /two; echo new > /two/made; chown 7:8 /two/made; stat -c %u /two/file");
    let ran =
        step.mount("/etc/one", bind(source.join("file")), true).mount("/two", bind(&source), false).run();
    assert_eq!(ran.success(), "contentfile\nsub\n0\n");
    let made = fs::metadata(source.join("made")).expect("it was written");
    assert_eq!((made.uid(), made.gid()), (7, 8), "on disk stand the image's ids");
}

fn binds_read_only(lab: &Lab) {
    let source = lab.layer(&[("file", "")]);
    let ran = lab.step("touch /src/x || touch /src/file").mount("/src", bind(&source), true).run();
    assert_eq!(ran.output.matches("Read-only").count(), 2, "{}", ran.output);
}

fn takes_subpaths_inside_the_source_only(lab: &Lab) {
    let source = lab.layer(&[("a/b/file", "inside"), ("etc/hostname", "fake")]);
    symlink("/etc", source.join("absolute")).expect("a link");
    symlink("../../../../../etc", source.join("up")).expect("a link");
    for (subpath, file, expected) in [
        ("a/b", "file", "inside"),
        ("absolute", "hostname", "fake"),
        ("up", "hostname", "fake"),
        ("../../etc", "hostname", "fake"),
    ] {
        let source = MountSource::Bind { source: source.clone(), subpath: Some(subpath.into()) };
        assert_eq!(
            lab.step(&format!("cat /m/{file}")).mount("/m", source, true).run().success(),
            expected,
            "{subpath}"
        );
    }
    let missing = MountSource::Bind { source, subpath: Some("none".into()) };
    assert!(matches!(lab.step("true").mount("/m", missing, true).run().error(), SandboxError::Mount { .. }));
}

fn shows_snapshots_and_discards_writes(lab: &Lab) {
    let layers = vec![lab.layer(&[("d/a", "1"), ("d/b", "1")]), lab.layer(&[("d/b", "2")])];
    let snapshot = |subpath: Option<&str>| {
        let (upper, work) = lab.writes();
        MountSource::Snapshot { layers: layers.clone(), upper, work, subpath: subpath.map(Into::into) }
    };
    assert_eq!(lab.step("cat /m/d/a /m/d/b").mount("/m", snapshot(None), true).run().success(), "12");
    assert_eq!(lab.step("cat /m/a /m/b").mount("/m", snapshot(Some("/d")), true).run().success(), "12");
    assert_eq!(lab.step("cat /m").mount("/m", snapshot(Some("d/b")), true).run().success(), "2");
    let ran = lab.step("touch /m/x").mount("/m", snapshot(None), true).run();
    assert!(ran.output.contains("Read-only"), "{}", ran.output);
    let ran =
        lab.step("echo 3 > /m/d/a; cat /m/d/a; rm /m/d/b; ls /m/d").mount("/m", snapshot(None), false).run();
    assert_eq!(ran.success(), "3\na\n");
    assert_eq!(fs::read_to_string(layers[0].join("d/a")).expect("a file"), "1");
}

fn gives_memory(lab: &Lab) {
    let tmpfs = |size| MountSource::Tmpfs { size };
    let ran = lab.step("stat -c %a /m; touch /m/x; dd if=/dev/zero of=/m/y bs=1k count=200 2>&1 | head -1");
    let ran = ran.mount("/m", tmpfs(Some(64 * 1024)), false).run();
    assert!(ran.success().starts_with("1777\n") && ran.output.contains("No space"), "{}", ran.output);
    let ran = lab.step("touch /m/x").user(1000, 1000).mount("/m", tmpfs(None), false).run();
    ran.success();
}

fn keeps_secrets_in_memory(lab: &Lab) {
    let secret = || MountSource::File { content: b"s3cret".to_vec(), mode: 0o400, uid: 1000, gid: 7 };
    let step = lab.step("cat /run/secrets/id; stat -c '%a %u %g' /run/secrets/id; echo x > /run/secrets/id");
    let step = step.user(1000, 7).mount("/run/secrets/id", secret(), true);
    let ran = step.run();
    assert!(ran.output.starts_with("s3cret400 1000 7\n"), "{}", ran.output);
    assert!(!ran.outcome().status.success());
    assert_eq!(fs::read_dir(&step.spec.upper).expect("an upper").count(), 0);
    let script = MountSource::File { content: b"#!/bin/sh\necho run".to_vec(), mode: 0o755, uid: 0, gid: 0 };
    assert_eq!(lab.step("/dev/pipes/EOF").mount("/dev/pipes/EOF", script, true).run().success(), "run\n");
    let ran = lab.step("cat /run/secrets/id").user(1001, 8).mount("/run/secrets/id", secret(), true).run();
    assert!(ran.output.contains("Permission denied"), "{}", ran.output);
}

fn passes_sockets(lab: &Lab) {
    let path = lab.directory().join("s");
    let listener = UnixListener::bind(&path).expect("a socket");
    fs::set_permissions(&path, PermissionsExt::from_mode(0o600)).expect("a mode");
    let script = "perl -e 'socket(S,1,1,0) or die; connect(S, pack(\"S a*\", 1, \"/run/agent\\0\")) or die \"no: $!\"; syswrite S, \"hello\"'";
    let ran = lab.step(script).mount("/run/agent", MountSource::Socket { path }, false).run();
    ran.success();
    let (mut stream, _) = listener.accept().expect("a connection");
    assert_eq!(std::io::read_to_string(&mut stream).expect("text"), "hello");
}

fn nests(lab: &Lab) {
    let outer = lab.layer(&[("file", "outer"), ("inner/hidden", "")]);
    let inner = lab.layer(&[("file", "inner")]);
    // Given in the wrong order, and with a target that only the outer mount can hold.
    let step = lab.step("cat /o/file /o/inner/file /o/deep/er/file; ls /o/inner").mount(
        "/o/inner",
        bind(&inner),
        true,
    );
    let step = step.mount("/o/deep/er", bind(&inner), true).mount("/o", bind(&outer), false);
    assert_eq!(step.run().success(), "outerinnerinnerfile\n");
    let step = lab.step("true").mount("/o", bind(&outer), true).mount("/o/none", bind(&inner), true);
    assert!(
        matches!(step.run().error(), SandboxError::Mount { .. }),
        "a read-only mount takes no new mount point"
    );
    let ran = lab.step("ls /dev/shm").mount("/dev/shm", bind(&inner), true).run();
    assert_eq!(ran.success(), "file\n");
}

fn makes_missing_targets_without_a_trace(lab: &Lab) {
    let source = lab.layer(&[("file", "x")]);
    let below = lab.layer(&[("opt/kept/file", "")]);
    fs::set_permissions(below.join("opt/kept"), PermissionsExt::from_mode(0o2751)).expect("a mode");
    rustix::fs::chown(below.join("opt/kept"), Some(rustix::fs::Uid::from_raw(5)), None).expect("an owner");
    let time = std::time::SystemTime::UNIX_EPOCH + std::time::Duration::from_secs(1_000_000);
    fs::File::open(below.join("opt/kept")).and_then(|file| file.set_modified(time)).expect("a time");
    let script = "cat /opt/kept/new/file /a/b/c/one; stat -c '%u %a %Y' /opt/kept; ls /opt/kept";
    let step = lab.step(script).mount("/opt/kept/new", bind(&source), true);
    let step = step.mount("/a/b/c/one", bind(source.join("file")), true).with(|spec| spec.layers.push(below));
    assert_eq!(step.run().success(), "xx5 2751 1000000\nfile\nnew\n");
    assert_eq!(fs::read_dir(&step.spec.upper).expect("an upper").count(), 0);
    let step = step.with(|spec| spec.args[2] = "touch /opt/kept/made".into());
    let (upper, work) = lab.writes();
    let step = step.with(|spec| (spec.upper, spec.work) = (upper, work));
    step.run().success();
    let kept = fs::metadata(step.written("opt/kept")).expect("a copied directory");
    assert_eq!((kept.uid(), kept.mode() & 0o7777), (5, 0o2751));
    assert_eq!(
        fs::read_dir(step.written("opt/kept")).expect("a directory").count(),
        1,
        "no stand-in in the layer"
    );
}

fn targets_below_whiteouts_and_links(lab: &Lab) {
    let source = lab.layer(&[("file", "x")]);
    // A step removes and links; its upper is a layer for the next one.
    let first = lab.step("mkdir -p /was/here /real && rm -r /was && ln -s /real /link && ln -s gone/file /dangling && mkdir /gone");
    first.run().success();
    let step = lab.step("cat /was/here/file /link/sub/file /real/sub/file /gone/file");
    let step = step.mount("/was/here", bind(&source), true).mount("/link/sub", bind(&source), true);
    let step = step.mount("/dangling", bind(source.join("file")), true);
    let step = step.with(|spec| spec.layers.push(first.spec.upper.clone()));
    assert_eq!(step.run().success(), "xxxx");
    assert_eq!(fs::read_dir(&step.spec.upper).expect("an upper").count(), 0);
}

fn targets_never_leave_the_root(lab: &Lab) {
    let outside = lab.directory();
    let source = lab.layer(&[("file", "x")]);
    let hostile = lab.layer(&[("keep", "")]);
    for (name, target) in [
        ("absolute", outside.as_path()),
        ("up", "../../../../../../../../".as_ref()),
        ("magic", "/proc/self/root".as_ref()),
    ] {
        symlink(target, hostile.join(name)).expect("a link");
    }
    fs::create_dir(hostile.join("etc")).expect("a directory");
    symlink(outside.join("hosts"), hostile.join("etc/hosts")).expect("a link");
    symlink(&outside, hostile.join("dev")).expect("a link");
    let name = outside.strip_prefix("/").expect("an absolute path").display().to_string();
    let step = lab.step(&format!(
        "cat /{name}/made/file; ls -d /tmp/made; cat /etc/hosts | head -c 9; ls /{name}/null"
    ));
    let step = step.mount("/absolute/made", bind(&source), true).mount("/up/tmp/made", bind(&source), true);
    let step = step.with(|spec| spec.layers.push(hostile));
    assert_eq!(step.run().success(), format!("x/tmp/made\n127.0.0.1/{name}/null\n"));
    assert_eq!(fs::read_dir(&outside).expect("a directory").count(), 0, "nothing was made on the host");
    let step = step.mount("/magic/proc/x", bind(&source), true);
    assert!(matches!(step.run().error(), SandboxError::Mount { .. }));
}

fn refuses_what_makes_no_sense(lab: &Lab) {
    let source = lab.layer(&[("file", "x")]);
    let check = |target: &str, source: MountSource| {
        let ran = lab.step("true").mount(target, source, true).run();
        assert!(matches!(ran.error(), SandboxError::Mount { .. }), "{target}: {ran:?}");
    };
    check("/", bind(&source));
    check("/..", bind(&source));
    check("/proc/sys", bind(&source));
    check("/etc/passwd", bind(&source));
    check("/etc/passwd/below", bind(&source));
    check("/tmp", bind(source.join("file")));
    check("/m", bind(source.join("absent")));
}
