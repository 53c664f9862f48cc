//! What holds for every file.

use proptest::prelude::*;

use super::case;
use crate::plan::{StageBase, fuzz_plan, path};

/// Lines of which files are put together at random.
const LINES: [&str; 26] = [
    "FROM base",
    "FROM base AS a",
    "FROM a AS b",
    "FROM ${X:-scratch}",
    "FROM trigger",
    "ARG X",
    "ARG X=1 Y=$X",
    "ENV X=2 Z=${X}",
    "ENV \"a b\"",
    "RUN x",
    "RUN [\"x\"]",
    "RUN <<E\n#!/bin/x\nE",
    "RUN --mount=type=cache,target=/c --mount=from=a,target=/d x",
    "RUN --network=host x",
    "COPY a b /c/",
    "COPY --from=a --chown=$X --chmod=9 x /y",
    "COPY --from=1 x /y",
    "COPY <<E /e\n$X\nE",
    "ADD https://h/x.git#y /z",
    "ADD --checksum=x http://h/ /z",
    "WORKDIR $Z/x",
    "EXPOSE ${X}0-9",
    "ONBUILD RUN y",
    "ENTRYPOINT x",
    "CMD []",
    "HEALTHCHECK --interval=1s CMD x",
];

fn files() -> impl Strategy<Value = String> {
    prop::collection::vec(prop::sample::select(&LINES[..]), 0..12)
        .prop_map(|lines| format!("FROM base AS a\n{}\n", lines.join("\n")))
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 128, ..ProptestConfig::default() })]

    #[test]
    fn a_plan_depends_on_nothing_but_the_request(file in files()) {
        prop_assert_eq!(case(&file).plan().ok(), case(&file).plan().ok());
    }

    #[test]
    fn stages_come_after_those_they_need_and_the_target_last(file in files()) {
        if let Ok(planned) = case(&file).plan() {
            let stages = &planned.plan.stages;
            prop_assert_eq!(stages.last().map(|stage| stage.id), Some(planned.plan.target));
            for (position, stage) in stages.iter().enumerate() {
                if let StageBase::Stage(base) = stage.base {
                    prop_assert!(stages[..position].iter().any(|below| below.id == base));
                }
                let layers = stage.steps.iter().filter(|step| step.makes_layer()).count();
                let own = stage.config.history.iter().filter(|entry| !entry.empty_layer).count();
                prop_assert!(own >= layers, "each layer has its line in the history");
            }
        }
    }

    #[test]
    fn any_text_is_planned_or_refused(text in "\\PC{0,80}", lines in files()) {
        fuzz_plan(text.as_bytes());
        fuzz_plan((lines + &text).as_bytes());
    }

    #[test]
    fn a_clean_path_stays_clean(path in "[a./]{0,12}") {
        let clean = path::clean(&path);
        prop_assert_eq!(path::clean(&clean), clean.clone());
        prop_assert!(!clean.contains("//") && clean != "/.." && !clean.starts_with("/../"), "{}", clean);
    }
}
