//! What authors get to read.

use super::messages;
use crate::{Source, render};
use expect_test::expect;

#[test]
fn everything_at_once() {
    let text = "FROM debian AS base\nRUNN apt-get update\nFROM base AS builder\nCOPY --chwon=1 a b\nENV A=b C\nRUN --mount=type=cahce,target=/x make\nFROM scratch\nCOPY --from=7 a b\n";
    expect![[r#"
        error: unknown instruction `RUNN`
         ╭▸ Dockerfile:2:1
        2│ RUNN apt-get update
         │ ━━━━
         ╰ hint: did you mean `RUN`?

        error: unknown flag `--chwon` for COPY
         ╭▸ Dockerfile:4:6
        4│ COPY --chwon=1 a b
         │      ━━━━━━━
         ╰ hint: did you mean `--chown`?

        error: `C` has no `=`
         ╭▸ Dockerfile:5:9
        5│ ENV A=b C
         │         ━
         ╰ hint: a value with blanks in it needs quotes

        error: invalid value `cahce` for `type` of a mount
         ╭▸ Dockerfile:6:18
        6│ RUN --mount=type=cahce,target=/x make
         │                  ━━━━━
         ╰ hint: did you mean `cache`?

        error: no stage has the number 7
         ╭▸ Dockerfile:8:13
        8│ COPY --from=7 a b
         │             ━
         ╰ hint: stages are counted from 0, and the last is 2
    "#]]
    .assert_eq(&messages(text));
}

#[test]
fn a_stage_that_nobody_knows() {
    let text = "FROM a AS base\nFROM base AS builder\nFROM scratch\nCOPY --from=bulder /out /usr/bin/\n";
    let (file, _) = crate::parse(text);
    let crate::InstructionKind::Copy(copy) = &file.stages[2].instructions[0].kind else { panic!() };
    let found = file.unknown_stage(copy.from.as_ref().unwrap_or_else(|| panic!()));
    expect![[r#"
        error: unknown stage `bulder`
         ╭▸ Dockerfile:4:13
        4│ COPY --from=bulder /out /usr/bin/
         │             ━━━━━━ no stage has this name
         ╰ hint: the stages are `base` and `builder`; did you mean `builder`?
    "#]]
    .assert_eq(&render(&Source::new("Dockerfile", text), &[found], false));
}

#[test]
fn stages_that_cannot_be_used() {
    expect![[r#"
        error: stage `b` comes later in the file
         ╭▸ Dockerfile:2:13
        2│ COPY --from=b x y
         │             ━
         ╰ hint: a stage can use only those above it

        error: stage `a` refers to itself
         ╭▸ Dockerfile:3:18
        3│ RUN --mount=from=a,target=/x y
         │                  ━
    "#]]
    .assert_eq(&messages(
        "FROM scratch AS a\nCOPY --from=b x y\nRUN --mount=from=a,target=/x y\nFROM scratch AS b\nCOPY --from=a x y\nRUN --mount=from=0,target=/x y\n",
    ));
}

#[test]
fn flags_in_odd_places() {
    expect![[r#"
        warning: `--chown` is taken as a source of COPY
         ╭▸ Dockerfile:2:8
        2│ COPY a --chown=1 b
         │        ━━━━━━━━━
         ╰ hint: flags come before the first source

        warning: ARG ignores the flag `--a`
         ╭▸ Dockerfile:3:5
        3│ ARG --a B
         │     ━━━

        warning: STOPSIGNAL ignores the flag `--a`
         ╭▸ Dockerfile:4:12
        4│ STOPSIGNAL --a 9
         │            ━━━

        warning: HEALTHCHECK ignores the flag `--interval=5s`
         ╭▸ Dockerfile:5:13
        5│ HEALTHCHECK --interval=5s NONE
         │             ━━━━━━━━━━━━━
    "#]]
    .assert_eq(&messages(
        "FROM scratch\nCOPY a --chown=1 b\nARG --a B\nSTOPSIGNAL --a 9\nHEALTHCHECK --interval=5s NONE\n",
    ));
}

#[test]
fn commands_that_look_like_json() {
    expect![[r#"
        warning: CMD is given to the shell
         ╭▸ Dockerfile:3:5
        3│ CMD ["a", 'b']
         │     ━━━━━━━━━━ looks like JSON, but is not
         ╰ hint: a JSON array has double quotes around each item, commas between, and no backslash alone

        warning: RUN has no command
         ╭▸ Dockerfile:4:1
        4│ RUN
         │ ━━━
    "#]]
    .assert_eq(&messages("FROM scratch\n# check=skip=JSONArgsRecommended\nCMD [\"a\", 'b']\nRUN\n"));
}

#[test]
fn there_is_an_end_to_messages() {
    let (_, diagnostics) = crate::parse(&format!("FROM a\n{}", "NO\n".repeat(5_000)));
    assert_eq!(diagnostics.len(), 1_001);
    assert_eq!(diagnostics[1_000].message, "4000 more errors are not shown");
    // Many warnings hide no error, and are none.
    let (_, diagnostics) = crate::parse(&format!("FROM a\n{}NO\n", "RUN\n".repeat(1_500)));
    let errors = diagnostics.iter().filter(|found| found.level == crate::Level::Error).count();
    assert_eq!((errors, diagnostics.len()), (1, 1_002));
}
