//! One project in every form: live frames at several widths, plain lines, the table at the end.

use std::time::Duration;

use build::engine::{Event, Reason, State as Standing, StepId, StepInfo};
use expect_test::{Expect, expect};

use super::state::{ImageEvent, ImageState, StormState, plain_lines};
use super::*;

fn step(id: u32, number: usize, of: usize, text: &str) -> StepInfo {
    StepInfo {
        id: StepId(id),
        stage: "stage-0".into(),
        number,
        of,
        text: text.into(),
        platform: "linux/amd64".parse().expect("a platform"),
        line: number,
        makes_layer: true,
    }
}

fn build(event: Event) -> ImageEvent {
    ImageEvent::Build(event)
}

fn planned(texts: &[&str]) -> ImageEvent {
    let steps = texts.iter().enumerate();
    let steps = steps.map(|(id, text)| step(id as u32, id + 1, texts.len(), text)).collect();
    build(Event::Planned { steps })
}

fn begin() -> StormState {
    let images = vec![
        ImageState::new("company-base", Some(Duration::from_secs(20))),
        ImageState::new("airflow-scheduler", Some(Duration::from_secs(95))),
        ImageState::new("airflow-webserver", None),
        ImageState::new("notebook", Some(Duration::from_secs(40))),
        ImageState::new("tool", Some(Duration::from_secs(10))),
        ImageState::new("on-tool", None),
    ];
    StormState { images, expected: Some(Duration::from_secs(130)) }
}

/// What happened in the first ten seconds.
fn events() -> Vec<(u64, usize, ImageEvent)> {
    let ended = |state, reason, message: &str| ImageEvent::Ended {
        state,
        reason,
        message: message.to_owned(),
        digest: None,
    };
    vec![
        (0, 0, ImageEvent::Pending),
        (0, 1, ImageEvent::Pending),
        (0, 3, ImageEvent::Pending),
        (1, 4, ImageEvent::Pending),
        (5, 0, planned(&["RUN apt-get install -y ca-certificates", "COPY certificates /etc"])),
        (6, 0, build(Event::Cached { step: StepId(0) })),
        (7, 0, build(Event::Started { step: StepId(1) })),
        (
            10,
            1,
            planned(&[
                "RUN pip install --no-binary :all: apache-airflow==2.9.3",
                "COPY dags /opt/airflow/dags",
            ]),
        ),
        (300, 0, build(Event::Finished { step: StepId(1), wall: Duration::from_millis(293), written: 5000 })),
        (310, 0, ended(Standing::Complete, None, "#2 COPY certificates /etc: `/etc/x` is new")),
        (320, 1, build(Event::Started { step: StepId(0) })),
        (400, 4, planned(&["RUN go build ./..."])),
        (410, 4, build(Event::Started { step: StepId(0) })),
        (900, 4, build(Event::Output { step: StepId(0), bytes: b"main.go:7: undefined: x\n".to_vec() })),
        (950, 4, build(Event::Failed { step: StepId(0), wall: Duration::from_millis(540) })),
        (
            960,
            4,
            ended(
                Standing::Failed,
                Some(Reason::DockerBuildFailed),
                "step `RUN go build` failed: exit code 1",
            ),
        ),
        (961, 5, ended(Standing::Cancelled, Some(Reason::DependencyFailed), "it stands on `tool`")),
        (
            970,
            3,
            ImageEvent::Again {
                reason: Reason::PullBuilderImageFailed,
                message: "cannot reach `registry.example.org`".to_owned(),
                attempt: 1,
                pause: Duration::from_secs(2),
            },
        ),
    ]
}

fn seen() -> (StormState, Vec<String>, Vec<Line>) {
    let (mut state, mut plain, mut above) = (begin(), Vec::new(), Vec::new());
    for (at, image, event) in events() {
        let at = Duration::from_millis(at);
        let completed = state.apply(at, image, &event);
        plain.extend(plain_lines(&state, at, image, &event, &completed));
        above.extend(live::above(&state, image, &event));
    }
    (state, plain, above)
}

fn check(lines: &[Line], columns: usize, colour: bool, expected: &Expect) {
    let text: Vec<String> =
        lines.iter().map(|line| format!("|{}\n", line.fit(columns, colour).trim_end())).collect();
    assert!(lines.iter().all(|line| crate::ui::text::width(&line.fit(columns, false)) <= columns));
    expected.assert_eq(&text.concat());
}

fn frame(columns: usize, rows: usize, expected: &Expect) {
    let (state, ..) = seen();
    let lines = live::frame(&state, Duration::from_secs(10), rows);
    assert!(lines.len() <= rows.max(1));
    check(&lines, columns, false, expected);
}

#[test]
fn eighty_columns() {
    let expected = expect![[r#"
        | ✓ company-base       Complete   1 run, 1 cached                 0.3s
        | ● airflow-scheduler  Running    1/2 RUN pip install --no-bi…    9.6s of  1m35s
        | · airflow-webserver  New
        | · notebook           Pending    try 2 after PullBuilderImag…         of  40.0s
        | ✗ tool               Failed     DockerBuildFailed               0.5s
        | – on-tool            Cancelled  DependencyFailed
        | 3 of 6 images, 1 running, 1 failed  ━━━━━━━─────────────────   10.0s of  2m10s
    "#]];
    frame(79, 23, &expected);
}

#[test]
fn two_hundred_columns() {
    let expected = expect![[r#"
        | ✓ company-base       Complete   1 run, 1 cached                                                                                                                                         0.3s
        | ● airflow-scheduler  Running    1/2 RUN pip install --no-binary :all: apache-airflow==2.9.3                                                                                             9.6s of  1m35s
        | · airflow-webserver  New
        | · notebook           Pending    try 2 after PullBuilderImageFailed                                                                                                                           of  40.0s
        | ✗ tool               Failed     DockerBuildFailed                                                                                                                                       0.5s
        | – on-tool            Cancelled  DependencyFailed
        | 3 of 6 images, 1 running, 1 failed                                                                                                                          ━━━━━━━─────────────────   10.0s of  2m10s
    "#]];
    frame(199, 23, &expected);
}

#[test]
fn a_narrow_terminal() {
    let expected = expect![[r#"
        | ✓ company-base     …    0.3s
        | ● airflow-scheduler…    9.6s of  1m35s
        | · airflow-webserver…
        | · notebook         …         of  40.0s
        | ✗ tool             …    0.5s
        | – on-tool          …
        | 3 of 6 images, 1 ru…   10.0s of  2m10s
    "#]];
    frame(39, 23, &expected);
}

#[test]
fn a_low_terminal_shows_what_runs() {
    let expected = expect![[r#"
        | ● airflow-scheduler  Running    1/2 RUN pip install --no-bi…    9.6s of  1m35s
        | ✗ tool               Failed     DockerBuildFailed               0.5s
        |   and 4 more
        | 3 of 6 images, 1 running, 1 failed  ━━━━━━━─────────────────   10.0s of  2m10s
    "#]];
    frame(79, 4, &expected);
    let expected = expect![[r#"
        | 3 of 6 images, 1 running, 1 failed  ━━━━━━━─────────────────   10.0s of  2m10s
    "#]];
    frame(79, 1, &expected);
}

#[test]
fn before_anything_is_known() {
    let lines = live::frame(&begin(), Duration::ZERO, 23);
    let expected = expect![[r#"
        | · company-base       New                                             of  20.0s
        | · airflow-scheduler  New                                             of  1m35s
        | · airflow-webserver  New
        | · notebook           New                                             of  40.0s
        | · tool               New                                             of  10.0s
        | · on-tool            New
        | 0 of 6 images                       ────────────────────────    0.0s of  2m10s
    "#]];
    check(&lines, 79, false, &expected);
}

#[test]
fn what_stays_above() {
    let (.., above) = seen();
    let expected = expect![[r#"
        |notebook: PullBuilderImageFailed: cannot reach `registry.example.org`; try 2 i…
    "#]];
    check(&above, 79, false, &expected);
}

#[test]
fn colours() {
    let (state, ..) = seen();
    let lines = live::frame(&state, Duration::from_secs(10), 3);
    let expected = expect![[r#"
        |[33m ● [0m[1mairflow-scheduler  [0mRunning    [2m1/2 RUN pip install --no-bi…[0m    9.6s[2m of  1m35s[0m
        |[2m   and 5 more[0m
        |[2m 3 of 6 images, 1 running, 1 failed[0m  [32m━━━━━━━[0m[2m─────────────────[0m   10.0s[2m of  2m10s[0m
    "#]];
    check(&lines, 79, true, &expected);
}

#[test]
fn plain_lines_name_the_image() {
    let (_, plain, _) = seen();
    expect![[r#"
        company-base #1 [stage-0 1/2] RUN apt-get install -y ca-certificates: cached
        company-base #2 [stage-0 2/2] COPY certificates /etc
        company-base #2 done in 0.2s, wrote 5.00 kB
        company-base Complete in 0.3s
        airflow-scheduler #1 [stage-0 1/2] RUN pip install --no-binary :all: apache-airflow==2.9.3
        tool #1 [stage-0 1/1] RUN go build ./...
        tool #1 0.490 main.go:7: undefined: x
        tool #1 failed after 0.5s
        tool Failed (DockerBuildFailed): step `RUN go build` failed: exit code 1
        on-tool Cancelled (DependencyFailed): it stands on `tool`
        notebook PullBuilderImageFailed: cannot reach `registry.example.org`; try 2 in 2.0s
    "#]]
    .assert_eq(&(plain.join("\n") + "\n"));
}

#[test]
fn the_table_at_the_end() {
    let (state, ..) = seen();
    expect![[r#"

        IMAGE              STATE      TIME  STEPS            WHY
        company-base       Complete   0.3s  1 run, 1 cached  #2 COPY certificates /etc: `/etc/x` is new
        airflow-scheduler  Running    9.6s  0 run, 0 cached
        airflow-webserver  New
        notebook           Pending                           PullBuilderImageFailed
        tool               Failed     0.5s  0 run, 0 cached  DockerBuildFailed: step `RUN go build` failed: exit code 1
        on-tool            Cancelled                         DependencyFailed: it stands on `tool`

        1 of 6 images complete in 10.0s
    "#]].assert_eq(&crate::commands::build::project::ending_lines(&state, Duration::from_secs(10)));
}
