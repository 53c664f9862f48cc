//! The state of a project as a table, as JSON and as metrics.

use std::time::Duration;

use build::engine::State;
use serde_json::{Value, json};

use super::Standing;
use crate::ui::format;
use crate::ui::table;
use crate::ui::text::cut;

/// Columns of the last cell.
const WHY: usize = 100;

/// For people.
pub fn table(standings: &[Standing], now: i64) -> String {
    let rows: Vec<Vec<String>> = standings
        .iter()
        .map(|standing| {
            let report = standing.latest.as_ref().and_then(|told| told.report.as_ref());
            vec![
                standing.name.clone(),
                standing.state().name().to_owned(),
                match (&standing.complete, &standing.stale) {
                    (None, _) => String::new(),
                    (Some(_), None) => "yes".to_owned(),
                    (Some(_), Some(_)) => "no".to_owned(),
                },
                standing
                    .latest
                    .as_ref()
                    .map_or_else(String::new, |told| format::ago(told.build.started, now)),
                report.map_or_else(String::new, |report| {
                    format::duration(Duration::from_millis(report.wall_ms))
                }),
                standing
                    .complete
                    .as_ref()
                    .and_then(|told| told.build.image)
                    .map_or_else(String::new, |image| image.hex()[..12].to_owned()),
                cut(&why(standing), WHY),
            ]
        })
        .collect();
    let heading = ["IMAGE", "STATE", "CURRENT", "BUILT", "TIME", "DIGEST", "WHY"];
    let well = standings.iter().filter(|standing| standing.is_well()).count();
    format!("{}\n{well}/{} complete and current\n", table::table(&heading, &rows), standings.len())
}

/// What there is to say about an image, in one line.
fn why(standing: &Standing) -> String {
    let report = standing.latest.as_ref().and_then(|told| told.report.as_ref());
    match (standing.state(), standing.reason(), &standing.stale) {
        (State::New, ..) => "never built".to_owned(),
        (State::Running, ..) => "it runs, or its process was killed".to_owned(),
        (State::Complete, _, Some(stale)) => stale.clone(),
        (State::Complete, ..) => String::new(),
        (_, Some(reason), _) => {
            let message = report.map_or("", |report| report.message.lines().next().unwrap_or(""));
            if message.is_empty() { reason.name().to_owned() } else { format!("{reason}: {message}") }
        }
        (_, None, _) => report.map_or_else(String::new, |report| report.message.clone()),
    }
}

/// For programs.
pub fn json(standings: &[Standing]) -> String {
    let images: Vec<Value> = standings
        .iter()
        .map(|standing| {
            let latest = standing.latest.as_ref();
            let report = latest.and_then(|told| told.report.as_ref());
            json!({
                "name": standing.name,
                "state": standing.state().name(),
                "reason": standing.reason().map(build::engine::Reason::name),
                "message": why(standing),
                "complete": standing.state() == State::Complete,
                "current": standing.complete.is_some() && standing.stale.is_none(),
                "build": latest.map(|told| &told.build.id),
                "started": latest.map(|told| told.build.started),
                "finished": latest.and_then(|told| told.build.finished),
                "wall_ms": report.map(|report| report.wall_ms),
                "steps": report.map(|report| json!({ "run": report.ran, "cached": report.cached })),
                "digest": standing.complete.as_ref().and_then(|told| told.build.image),
                "names": report.map(|report| &report.names),
                "bases": standing.complete.as_ref().and_then(|told| told.report.as_ref()).map(|report| &report.bases),
            })
        })
        .collect();
    let well = standings.iter().all(Standing::is_well);
    let text = serde_json::to_string_pretty(&json!({ "well": well, "images": images })).unwrap_or_default();
    text + "\n"
}

/// A metric: its name, what it means, and its value for an image.
type Metric = (&'static str, &'static str, fn(&Standing) -> Option<f64>);

const METRICS: [Metric; 5] = [
    ("kapok_image_complete", "Whether the image's latest build is complete.", |standing| {
        Some(f64::from(u8::from(standing.state() == State::Complete)))
    }),
    ("kapok_image_current", "Whether the image is current with what it stands on.", |standing| {
        Some(f64::from(u8::from(standing.complete.is_some() && standing.stale.is_none())))
    }),
    ("kapok_image_last_build_timestamp_seconds", "When the image's latest build began.", |standing| {
        Some(standing.latest.as_ref()?.build.started as f64)
    }),
    (
        "kapok_image_last_success_timestamp_seconds",
        "When the image's latest complete build began.",
        |standing| Some(standing.complete.as_ref()?.build.started as f64),
    ),
    ("kapok_image_last_build_duration_seconds", "How long the image's latest build took.", |standing| {
        Some(standing.latest.as_ref()?.report.as_ref()?.wall_ms as f64 / 1000.0)
    }),
];

/// Prometheus' text format.
pub fn prometheus(standings: &[Standing]) -> String {
    let mut text = String::new();
    for (name, help, value) in METRICS {
        text += &format!("# HELP {name} {help}\n# TYPE {name} gauge\n");
        for standing in standings {
            if let Some(value) = value(standing) {
                text += &format!("{name}{{image=\"{}\"}} {value}\n", escaped(&standing.name));
            }
        }
    }
    text += "# HELP kapok_image_state The state of the image's latest build, and why it is not complete.\n";
    text += "# TYPE kapok_image_state gauge\n";
    for standing in standings {
        let reason = standing.reason().map_or("", build::engine::Reason::name);
        let (name, state) = (escaped(&standing.name), standing.state());
        text += &format!("kapok_image_state{{image=\"{name}\",state=\"{state}\",reason=\"{reason}\"}} 1\n");
    }
    text
}

fn escaped(label: &str) -> String {
    label.replace('\\', r"\\").replace('"', "\\\"").replace('\n', r"\n")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::story::{ImageReport, Told};
    use build::engine::Reason;
    use expect_test::expect;
    use oci::Digest;
    use oci::store::{BuildState, NewBuild};

    fn told(state: State, reason: Option<Reason>, message: &str) -> Told {
        let build = NewBuild {
            id: "0123456789ab".to_owned(),
            project: "/p".to_owned(),
            name: "app".to_owned(),
            started: 1_000_000,
            finished: Some(1_000_060),
            state: BuildState::Succeeded,
            image: (state == State::Complete).then(|| Digest::of(b"image")),
            detail: String::new(),
        };
        let report = ImageReport {
            state,
            reason,
            message: message.to_owned(),
            attempts: 1,
            wall_ms: 61_500,
            takes_ms: 0,
            ran: 3,
            cached: 1,
            plain: None,
            bases: Vec::new(),
            certificates: None,
            names: Vec::new(),
        };
        Told { build, report: Some(report) }
    }

    fn all() -> Vec<Standing> {
        let name = |name: &str| name.to_owned();
        let good = told(State::Complete, None, "first build");
        let bad = told(State::Failed, Some(Reason::TestFailed), "test `starts` failed: exit code 1");
        vec![
            Standing {
                name: name("base"),
                latest: Some(good.clone()),
                complete: Some(good.clone()),
                ..Standing::default()
            },
            Standing {
                name: name("old"),
                latest: Some(good.clone()),
                complete: Some(good.clone()),
                stale: Some("`base` was built anew".to_owned()),
                holds_up: true,
            },
            Standing { name: name("bad"), latest: Some(bad), complete: Some(good), ..Standing::default() },
            Standing { name: name("new"), ..Standing::default() },
        ]
    }

    #[test]
    fn a_table_says_what_is_wrong() {
        expect![[r"
            IMAGE  STATE     CURRENT  BUILT      TIME   DIGEST        WHY
            base   Complete  yes      1 day ago  1m01s  6105d6cc76af
            old    Complete  no       1 day ago  1m01s  6105d6cc76af  `base` was built anew
            bad    Failed    yes      1 day ago  1m01s  6105d6cc76af  TestFailed: test `starts` failed: exit code 1
            new    New                                                never built

            1/4 complete and current
        "]]
        .assert_eq(&table(&all(), 1_000_000 + 86_400));
    }

    #[test]
    fn metrics_are_what_the_node_exporter_reads() {
        let text = prometheus(&all()[2..]);
        for line in [
            "kapok_image_complete{image=\"bad\"} 0",
            "kapok_image_current{image=\"bad\"} 1",
            "kapok_image_current{image=\"new\"} 0",
            "kapok_image_last_build_duration_seconds{image=\"bad\"} 61.5",
            "kapok_image_state{image=\"bad\",state=\"Failed\",reason=\"TestFailed\"} 1",
            "kapok_image_state{image=\"new\",state=\"New\",reason=\"\"} 1",
        ] {
            assert!(text.lines().any(|known| known == line), "{line} in\n{text}");
        }
        assert!(!text.contains("timestamp_seconds{image=\"new\"}"));
    }

    #[test]
    fn programs_are_told_the_same() {
        let value: Value = serde_json::from_str(&json(&all())).expect("JSON");
        assert_eq!(value["well"], false);
        assert_eq!(value["images"][0]["current"], true);
        assert_eq!(value["images"][2]["reason"], "TestFailed");
        assert_eq!(value["images"][3]["state"], "New");
    }
}
