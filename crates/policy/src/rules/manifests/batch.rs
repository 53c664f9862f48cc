//! Jobs and what starts them by the clock.

use super::pods;
use crate::facts::manifest::is_template;
use crate::level::Levels;
use crate::rule::{Example, Family, Foreign, Need, Rule};

/// Cron jobs that catch up.
pub static DEADLINE: Rule = Rule {
    id: "cronjob-deadline",
    family: Family::Manifests,
    levels: Levels::REMARK,
    title: "a cron job has a deadline",
    why: "Without `startingDeadlineSeconds` runs that were missed while the controller was down are counted since the last one; after a hundred the job is never started again.",
    fix: "set `spec.startingDeadlineSeconds`",
    bad: Example(
        "//- job.yaml\napiVersion: batch/v1\nkind: CronJob\nmetadata: {name: «backup»}\nspec: {schedule: \"0 3 * * *\", concurrencyPolicy: Forbid}\n",
    ),
    good: Example(
        "//- job.yaml\napiVersion: batch/v1\nkind: CronJob\nmetadata: {name: backup}\nspec: {schedule: \"0 3 * * *\", concurrencyPolicy: Forbid, startingDeadlineSeconds: 600}\n",
    ),
    also: &[Foreign::KubeScore("cronjob-has-deadline")],
    needs: &[Need::Manifests],
    judge: |facts, sink| {
        for job in facts.objects_of("batch", "CronJob").filter(|job| !job.partial) {
            if job.node.at("spec.startingDeadlineSeconds").is_none() {
                sink.find(job.place_of_name(), format!("{} has no deadline", job.title()));
            }
        }
    },
};

/// Cron jobs that overtake themselves.
pub static CONCURRENCY: Rule = Rule {
    id: "cronjob-concurrency",
    family: Family::Manifests,
    levels: Levels::REMARK,
    title: "a cron job says what happens when the last run is not done",
    why: "By default the next run begins beside it; a job that is slower than its clock piles up.",
    fix: "set `spec.concurrencyPolicy: Forbid`",
    bad: Example(
        "//- job.yaml\napiVersion: batch/v1\nkind: CronJob\nmetadata: {name: «backup»}\nspec: {schedule: \"0 3 * * *\", startingDeadlineSeconds: 600}\n",
    ),
    good: DEADLINE.good,
    also: &[],
    needs: &[Need::Manifests],
    judge: |facts, sink| {
        for job in facts.objects_of("batch", "CronJob").filter(|job| !job.partial) {
            if job.node.at("spec.concurrencyPolicy").is_none() {
                sink.find(job.place_of_name(), format!("runs of {} may overlap", job.title()));
            }
        }
    },
};

/// Clocks that cannot be read.
pub static SCHEDULE: Rule = Rule {
    id: "cronjob-schedule",
    family: Family::Manifests,
    levels: Levels::ERROR,
    title: "a cron job's schedule can be read",
    why: "The API server refuses a schedule that has not five fields within their bounds.",
    fix: "write minute, hour, day of the month, month, day of the week",
    bad: Example(
        "//- job.yaml\napiVersion: batch/v1\nkind: CronJob\nmetadata: {name: backup}\nspec: {schedule: «\"0 3 * *\"», concurrencyPolicy: Forbid, startingDeadlineSeconds: 600}\n",
    ),
    good: DEADLINE.good,
    also: &[],
    needs: &[Need::Manifests],
    judge: |facts, sink| {
        for job in facts.objects_of("batch", "CronJob") {
            let Some(schedule) = job.node.text_at("spec.schedule").filter(|text| !is_template(text)) else {
                continue;
            };
            if let Some(why) = bad_schedule(schedule) {
                sink.find(job.place_at("spec.schedule"), format!("`{schedule}` is no schedule: {why}"));
            }
        }
    },
};

fn bad_schedule(schedule: &str) -> Option<String> {
    let schedule = schedule.trim();
    let rest = ["TZ=", "CRON_TZ="]
        .iter()
        .find_map(|zone| schedule.strip_prefix(zone))
        .and_then(|rest| rest.split_once(' '));
    let schedule = rest.map_or(schedule, |(_, schedule)| schedule);
    if schedule.starts_with('@') {
        let known = ["@yearly", "@annually", "@monthly", "@weekly", "@daily", "@midnight", "@hourly"];
        return (!known.contains(&schedule) && !schedule.starts_with("@every "))
            .then(|| "no such word".to_owned());
    }
    let fields: Vec<&str> = schedule.split_whitespace().collect();
    if fields.len() != 5 {
        return Some(format!("it has {} fields and not five", fields.len()));
    }
    let bounds = [
        ("minute", 0, 59),
        ("hour", 0, 23),
        ("day of the month", 1, 31),
        ("month", 1, 12),
        ("day of the week", 0, 7),
    ];
    fields.iter().zip(bounds).find_map(|(field, (name, least, most))| {
        // After a slash stands a step, which may be larger than the largest value without harm.
        let first = field.split('/').next().unwrap_or(field);
        let outside = first
            .split([',', '-'])
            .filter_map(|part| part.parse::<u32>().ok())
            .find(|number| *number < least || *number > most);
        outside.map(|number| format!("{number} is no {name}"))
    })
}

/// Jobs that never end.
pub static RESTART_POLICY: Rule = Rule {
    id: "job-restart-policy",
    family: Family::Manifests,
    levels: Levels::ERROR,
    title: "a job's pods are not restarted for ever",
    why: "The API server refuses a job whose pods have the restart policy `Always`, which is also what none means.",
    fix: "set `restartPolicy: Never` or `OnFailure`",
    bad: Example(
        "//- job.yaml\napiVersion: batch/v1\nkind: Job\nmetadata: {name: load}\nspec: {template: {spec: {restartPolicy: «Always», containers: []}}}\n",
    ),
    good: Example(
        "//- job.yaml\napiVersion: batch/v1\nkind: Job\nmetadata: {name: load}\nspec: {template: {spec: {restartPolicy: Never, containers: []}}}\n",
    ),
    also: &[Foreign::KubeScore("cronjob-restartpolicy")],
    needs: &[Need::Manifests],
    judge: |facts, sink| {
        for pod in pods(facts).filter(|pod| matches!(pod.object.kind.as_str(), "Job" | "CronJob")) {
            match pod.spec.get("restartPolicy") {
                Some(node) if node.text() == Some("Always") => {
                    sink.find(
                        pod.object.place(node.span),
                        format!("pods of {} are restarted for ever", pod.object.title()),
                    );
                }
                None => {
                    sink.find(
                        pod.object.place_of_name(),
                        format!("{} names no restart policy", pod.object.title()),
                    );
                }
                Some(_) => {}
            }
        }
    },
};

/// These rules.
pub const RULES: &[&Rule] = &[&DEADLINE, &CONCURRENCY, &SCHEDULE, &RESTART_POLICY];

#[cfg(test)]
mod tests {
    use super::bad_schedule;

    #[test]
    fn schedules() {
        for good in [
            "0 3 * * *",
            "*/5 * * * *",
            "0 0 1,15 * MON-FRI",
            "@daily",
            "TZ=UTC 0 0 * * 7",
            "0-59/90 * * * *",
        ] {
            assert_eq!(bad_schedule(good), None, "{good}");
        }
        for bad in ["", "0 3 * *", "60 * * * *", "* 24 * * *", "* * 0 * *", "@dayly"] {
            assert!(bad_schedule(bad).is_some(), "{bad}");
        }
    }
}
