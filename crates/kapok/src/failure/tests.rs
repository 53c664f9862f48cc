//! What the user reads of failures.

use expect_test::{Expect, expect};

use super::*;

fn check(failure: Failure, exit: Exit, expected: Expect) {
    assert_eq!(failure.exit(), exit);
    expected.assert_eq(&failure.render(false));
}

#[test]
fn causes_and_hints_follow_the_error() {
    let source = std::io::Error::from(std::io::ErrorKind::StorageFull);
    let error = StoreError::Io { action: "write", path: "/store/x".into(), source };
    check(
        Failure::from(ArchiveError::from(error)),
        Exit::Usage,
        expect![[r#"
            error: cannot write `/store/x`
              caused by: no storage space

            hint: `kapok gc` frees space in the store
        "#]],
    );
}

#[test]
fn an_image_that_is_not_there_is_a_no() {
    check(
        Failure::from(StoreError::NoImage("web".into())),
        Exit::No,
        expect![[r"
            error: the store has no image `web`

            hint: `kapok images` lists what is there; `kapok pull` fetches from a registry, `kapok load` from an archive
        "]],
    );
}

#[test]
fn a_closed_pipe_is_silence() {
    check(Failure::Output(std::io::ErrorKind::BrokenPipe.into()), Exit::Done, expect![""]);
}

#[test]
fn a_machine_that_cannot_is_said_so() {
    let error = SandboxError::SubordinateIds { user: "kap".into(), missing: "/etc/subuid".into() };
    let text = Failure::from(error).render(false);
    assert!(text.contains("usermod --add-subuids"), "{text}");
}
