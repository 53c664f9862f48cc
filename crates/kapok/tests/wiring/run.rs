//! run, shell, logs and failures of commands: everything that needs a sandbox.

use crate::environment::TestEnvironment;

#[test]
fn a_command_has_its_streams_and_its_exit_code() {
    let here = TestEnvironment::new();
    if !here.shell_image() {
        return;
    }
    assert_eq!(
        here.kapok_with_input("run -i shell /bin/sh", b"echo out; echo err >&2; exit 7").code(7).stdout,
        "out\n"
    );
    let env =
        here.kapok_with_input("run --rm -i -e A=1 -w /tmp shell /bin/sh", b"echo $A $PWD; echo x > /y").ok();
    assert_eq!(env.stdout, "1 /tmp\n");
    assert_eq!(
        here.kapok_with_input("run -i shell /bin/sh", b"test -e /y || echo gone").ok().stdout,
        "gone\n"
    );
    here.kapok("run shell /bin/missing").code(127);
    here.kapok("run missing true").code(1);
}

#[test]
fn a_directory_can_be_mounted() {
    let here = TestEnvironment::new();
    if !here.shell_image() {
        return;
    }
    here.write("data/x", "content\n");
    let read = here.kapok_with_input(
        "run -i -v ./data:/data:ro shell /bin/sh",
        b"read x < /data/x; echo $x; echo n > /data/y",
    );
    assert!(read.stdout.contains("content"), "{read:?}");
    assert!(!here.work().join("data/y").exists());
}

#[test]
fn a_failed_step_shows_its_place_and_can_be_entered() {
    let here = TestEnvironment::new();
    if !here.shell_image() {
        return;
    }
    here.write("Dockerfile", "FROM shell\nRUN echo before > /state\nRUN echo speaking; exit 3\n");
    let failed = here.kapok("build . --progress plain").code(4).stderr;
    for part in ["Dockerfile:3", "exit code 3", "speaking", "kapok shell", "log: "] {
        assert!(failed.contains(part), "no `{part}` in:\n{failed}");
    }
    let inside = here.kapok_with_input("shell", b"read x < /state; echo $x").ok();
    assert_eq!(inside.stdout, "before\n");
    assert!(here.kapok("logs").ok().stdout.contains("speaking"));
}

#[test]
fn a_step_without_a_layer_can_be_entered() {
    let here = TestEnvironment::new();
    if !here.shell_image() {
        return;
    }
    here.write("Dockerfile", "FROM shell\nARG A=1\nRUN echo made > /state\nENV B=2\n");
    here.kapok("build -q -t steps .").ok();
    let script = b"if read x < /state; then echo $x; else echo nothing; fi";
    let inside = |step: &str| here.kapok_with_input(&format!("shell steps#{step}"), script).ok().stdout;
    assert_eq!(["1", "2", "3"].map(inside), ["nothing\n", "made\n", "made\n"]);
}
