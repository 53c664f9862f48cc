//! The same synthetic build in every form: live frames, plain lines, JSON lines, summary.

use std::time::Duration;

use build::engine::{Event, StepId, StepInfo};
use expect_test::{Expect, expect};

use super::*;
use crate::ui::summary;

fn step(id: u32, stage: &str, number: usize, of: usize, text: &str) -> StepInfo {
    StepInfo {
        id: StepId(id),
        stage: stage.into(),
        number,
        of,
        text: text.into(),
        platform: "linux/amd64".parse().expect("a platform"),
        line: number,
        makes_layer: !text.starts_with("ENV"),
    }
}

fn planned() -> Event {
    Event::Planned {
        steps: vec![
            step(0, "builder", 1, 3, "RUN apt-get update && apt-get install -y gcc"),
            step(1, "builder", 2, 3, "COPY . /src"),
            step(2, "builder", 3, 3, "RUN make -C /src install"),
            step(3, "final", 1, 3, "ENV LANG=C.UTF-8"),
            step(4, "final", 2, 3, "RUN useradd app"),
            step(5, "final", 3, 3, "COPY --from=builder /out /"),
        ],
    }
}

fn output(step: u32, text: &str) -> Event {
    Event::Output { step: StepId(step), bytes: text.as_bytes().to_vec() }
}

/// A build of which the first step is cached, two run, and one of them has written lines.
fn events() -> Vec<(u64, Event)> {
    vec![
        (5, planned()),
        (10, Event::Cached { step: StepId(0) }),
        (12, Event::Started { step: StepId(4) }),
        (15, Event::Started { step: StepId(1) }),
        (300, Event::Finished { step: StepId(1), wall: Duration::from_millis(285), written: 52_000 }),
        (310, Event::Started { step: StepId(2) }),
        (400, output(2, "\u{1b}[32mcc\u{1b}[0m -c a.c\ncc -c b.c\ncc -c c.c\n")),
        (900, output(2, "cc -c d.c\ncc -c e.c\nlink 10%\rlink 20%")),
        (1000, Event::Transfer { what: "debian:bookworm".into(), done: 12_000_000, total: Some(30_000_000) }),
    ]
}

fn ending() -> Vec<(u64, Event)> {
    vec![
        (1100, Event::Transfer { what: "debian:bookworm".into(), done: 30_000_000, total: Some(30_000_000) }),
        (1200, Event::Finished { step: StepId(4), wall: Duration::from_millis(1188), written: 900 }),
        (1500, Event::Warning { message: "`make` ran out of processes".into(), step: Some(StepId(2)) }),
        (
            64_000,
            Event::Finished { step: StepId(2), wall: Duration::from_millis(63_690), written: 48_000_000 },
        ),
        (64_010, Event::Started { step: StepId(5) }),
        (64_020, Event::Failed { step: StepId(5), wall: Duration::from_millis(10) }),
    ]
}

fn after(events: &[(u64, Event)]) -> State {
    let mut state = State::default();
    for (at, event) in events {
        state.apply(Duration::from_millis(*at), event);
    }
    state
}

fn check_frame(state: &State, columns: usize, rows: usize, expected: Expect) {
    let lines = frame(state, Duration::from_millis(2500), rows);
    assert!(lines.len() <= rows, "{} lines in {rows} rows", lines.len());
    let lines: Vec<String> = lines.iter().map(|line| line.fit(columns, false)).collect();
    assert!(lines.iter().all(|line| crate::ui::text::width(line) <= columns));
    expected.assert_eq(&edged(&lines));
}

/// Lines behind a visible edge, as the leading space of all of them would not show in an expectation.
fn edged(lines: &[String]) -> String {
    lines.iter().map(|line| format!("|{line}\n")).collect()
}

#[test]
fn a_frame_shows_what_runs_and_its_last_output() {
    check_frame(
        &after(&events()),
        72,
        20,
        expect![[r#"
            | ● #3 builder 3/3  RUN make -C /src install                         2.1s
            |     cc -c c.c
            |     cc -c d.c
            |     cc -c e.c
            |     link 20%
            | ● #5 final 2/3  RUN useradd app                                    2.4s
            | ↓ debian:bookworm           ━━━━━━━━━─────────────── 12.0 MB of 30.0 MB
            | 2 of 5 steps done, 1 of them cached                                2.5s
        "#]],
    );
}

#[test]
fn a_low_terminal_keeps_the_headings() {
    check_frame(
        &after(&events()),
        60,
        5,
        expect![[r#"
            | ● #3 builder 3/3  RUN make -C /src install             2.1s
            | ● #5 final 2/3  RUN useradd app                        2.4s
            | ↓ debian:bookworm ━━━━━━━━────────────── 12.0 MB of 30.0 MB
            | 2 of 5 steps done, 1 of them cached                    2.5s
        "#]],
    );
    check_frame(
        &after(&events()),
        30,
        2,
        expect![[r#"
            | ↓ debian:… 12.0 MB of 30.0 MB
            | 2 of 5 steps done, …     2.5s
        "#]],
    );
    check_frame(
        &State::default(),
        30,
        1,
        expect![[r#"
        | planning                 2.5s
    "#]],
    );
}

#[test]
fn steps_that_ended_leave_a_line_and_cached_ones_fold() {
    let state = after(&[events(), ending()].concat());
    let lines: Vec<String> = state
        .steps
        .values()
        .filter_map(|step| ended(&state, step))
        .chain(folded(&state))
        .map(|line| line.fit(72, false))
        .collect();
    expect![[r#"
        | ✓ #2 builder 2/3  COPY . /src                           52.0 kB    0.2s
        | ✓ #3 builder 3/3  RUN make -C /src install              48.0 MB   1m03s
        | ✓ #5 final 2/3  RUN useradd app                           900 B    1.1s
        | ✗ #6 final 3/3  COPY --from=builder /out /                         0.0s
        | ✓ 1 step cached
    "#]]
    .assert_eq(&edged(&lines));
}

#[test]
fn plain_lines_say_which_step_they_belong_to() {
    let mut state = State::default();
    let mut lines = Vec::new();
    for (at, event) in [events(), ending()].concat() {
        let at = Duration::from_millis(at);
        let completed = state.apply(at, &event);
        lines.extend(crate::ui::plain::lines(&state, at, &event, &completed));
    }
    expect![[r#"
        #1 [builder 1/3] RUN apt-get update && apt-get install -y gcc: cached
        #5 [final 2/3] RUN useradd app
        #2 [builder 2/3] COPY . /src
        #2 done in 0.2s, wrote 52.0 kB
        #3 [builder 3/3] RUN make -C /src install
        #3 0.090 cc -c a.c
        #3 0.090 cc -c b.c
        #3 0.090 cc -c c.c
        #3 0.590 cc -c d.c
        #3 0.590 cc -c e.c
        debian:bookworm: 30.0 MB
        #5 done in 1.1s, wrote 900 B
        #3 warning: `make` ran out of processes
        #3 63.690 link 20%
        #3 done in 1m03s, wrote 48.0 MB
        #6 [final 3/3] COPY --from=builder /out /
        #6 failed after 0.0s"#]]
    .assert_eq(&lines.join("\n"));
}

#[test]
fn json_lines_are_stable() {
    let lines: Vec<String> = [events(), ending()]
        .concat()
        .iter()
        .map(|(at, event)| crate::ui::json::line(Duration::from_millis(*at), event))
        .collect();
    expect![[r#"
        {"at_ms":5,"event":"planned","steps":[{"step":1,"stage":"builder","number":1,"of":3,"text":"RUN apt-get update && apt-get install -y gcc","platform":"linux/amd64","line":1,"makes_layer":true},{"step":2,"stage":"builder","number":2,"of":3,"text":"COPY . /src","platform":"linux/amd64","line":2,"makes_layer":true},{"step":3,"stage":"builder","number":3,"of":3,"text":"RUN make -C /src install","platform":"linux/amd64","line":3,"makes_layer":true},{"step":4,"stage":"final","number":1,"of":3,"text":"ENV LANG=C.UTF-8","platform":"linux/amd64","line":1,"makes_layer":false},{"step":5,"stage":"final","number":2,"of":3,"text":"RUN useradd app","platform":"linux/amd64","line":2,"makes_layer":true},{"step":6,"stage":"final","number":3,"of":3,"text":"COPY --from=builder /out /","platform":"linux/amd64","line":3,"makes_layer":true}]}
        {"at_ms":10,"event":"cached","step":1}
        {"at_ms":12,"event":"started","step":5}
        {"at_ms":15,"event":"started","step":2}
        {"at_ms":300,"event":"finished","step":2,"wall_ms":285,"written":52000}
        {"at_ms":310,"event":"started","step":3}
        {"at_ms":400,"event":"output","step":3,"text":"\u001b[32mcc\u001b[0m -c a.c\ncc -c b.c\ncc -c c.c\n"}
        {"at_ms":900,"event":"output","step":3,"text":"cc -c d.c\ncc -c e.c\nlink 10%\rlink 20%"}
        {"at_ms":1000,"event":"transfer","what":"debian:bookworm","done":12000000,"total":30000000}
        {"at_ms":1100,"event":"transfer","what":"debian:bookworm","done":30000000,"total":30000000}
        {"at_ms":1200,"event":"finished","step":5,"wall_ms":1188,"written":900}
        {"at_ms":1500,"event":"warning","message":"`make` ran out of processes","step":3}
        {"at_ms":64000,"event":"finished","step":3,"wall_ms":63690,"written":48000000}
        {"at_ms":64010,"event":"started","step":6}
        {"at_ms":64020,"event":"failed","step":6,"wall_ms":10}"#]].assert_eq(&lines.join("\n"));
}

#[test]
fn the_summary_names_what_was_slow_and_large() {
    let state = after(&[events(), ending()].concat());
    let names = ["app:latest".to_owned()];
    let result = summary::Result {
        digest: "sha256:0123",
        names: &names,
        size: Some(128_000_000),
        compressed: 41_000_000,
        largest: Some((StepId(2), 48_000_000)),
    };
    expect![[r#"
        built app:latest in 1m04s
          digest   sha256:0123
          steps    3 run, 1 cached
          slowest     1m03s  #3 [builder 3/3] RUN make -C /src install
                       1.1s  #5 [final 2/3] RUN useradd app
                       0.2s  #2 [builder 2/3] COPY . /src
          size     128 MB (41.0 MB compressed)
          largest   48.0 MB  #3 [builder 3/3] RUN make -C /src install"#]]
    .assert_eq(&summary::lines(&state, &result, Duration::from_millis(64_100)).join("\n"));
}

#[test]
fn several_platforms_are_named() {
    let mut other = step(1, "final", 1, 1, "RUN true");
    other.platform = "linux/arm64".parse().expect("a platform");
    let steps = vec![step(0, "final", 1, 1, "RUN true"), other];
    let state = after(&[(0, Event::Planned { steps }), (1, Event::Started { step: StepId(1) })]);
    check_frame(
        &state,
        72,
        5,
        expect![[r#"
            | ● #2 linux/arm64 final 1/1  RUN true                               2.4s
            | 0 of 2 steps done                                                  2.5s
        "#]],
    );
}
