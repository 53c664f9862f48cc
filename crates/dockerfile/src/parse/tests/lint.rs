//! BuildKit's check rules.

use crate::{Diagnostic, Level, parse};

/// Checks the rules that a file breaks, in order, each with the text that it points at.
#[track_caller]
fn check(text: &str, expected: &[(&str, &str)]) {
    let (_, diagnostics) = parse(text);
    let place = |found: &Diagnostic| text[found.span.range()].to_owned();
    let found: Vec<(String, String)> =
        diagnostics.iter().filter_map(|found| Some((found.rule?.to_string(), place(found)))).collect();
    let found: Vec<(&str, &str)> =
        found.iter().map(|(rule, place)| (rule.as_str(), place.as_str())).collect();
    assert_eq!(found, expected, "{text}");
}

#[test]
fn casing() {
    check("FROM a AS Base\n", &[("StageNameCasing", "Base")]);
    check("FROM a as base\n", &[("FromAsCasing", "as")]);
    check("from a AS base\n", &[("FromAsCasing", "AS")]);
    check("FROM a As base\n", &[("FromAsCasing", "As")]);
    check("from a as base\n", &[]);
    check("FROM a\nrun b\nUSER c\n", &[("ConsistentInstructionCasing", "run")]);
    check("from a\nrun b\nUSER c\n", &[("ConsistentInstructionCasing", "USER")]);
    check("FROM a\nRun b\n", &[("ConsistentInstructionCasing", "Run")]);
    check("from a\nRUN b\n", &[("ConsistentInstructionCasing", "from")]);
    check("FROM a\nONBUILD run b\n", &[]);
}

#[test]
fn stage_names() {
    check("FROM a AS b\nFROM a AS B\n", &[("StageNameCasing", "B"), ("DuplicateStageName", "B")]);
    check("FROM a AS scratch\n", &[("ReservedStageName", "scratch")]);
    check("FROM a AS context\n", &[("ReservedStageName", "context")]);
}

#[test]
fn platforms() {
    check("FROM --platform=$TARGETPLATFORM a\n", &[("RedundantTargetPlatform", "$TARGETPLATFORM")]);
    check("FROM --platform=${TARGETPLATFORM} a\n", &[("RedundantTargetPlatform", "${TARGETPLATFORM}")]);
    check("FROM --platform=linux/amd64 a\n", &[("FromPlatformFlagConstDisallowed", "linux/amd64")]);
    check("FROM --platform=arm64 a AS b\n", &[("FromPlatformFlagConstDisallowed", "arm64")]);
    check("FROM --platform=linux/amd64 a AS build-amd64\n", &[]);
    check("FROM --platform=linux/amd64 a AS linux-build\n", &[]);
    check("FROM --platform=$BUILDPLATFORM a\n", &[]);
}

#[test]
fn command_forms() {
    check("FROM a\nCMD b\n", &[("JSONArgsRecommended", "CMD b")]);
    check("FROM a\nENTRYPOINT b\n", &[("JSONArgsRecommended", "ENTRYPOINT b")]);
    check("FROM a\nENTRYPOINT [\"b\"]\nCMD [\"c\"]\nRUN d\nHEALTHCHECK CMD e\n", &[]);
    check("FROM a\nSHELL [\"b\"]\nCMD c\n", &[]);
    check("FROM a AS b\nSHELL [\"c\"]\nFROM b\nCMD d\n", &[]);
    check("FROM a AS b\nFROM b\nCMD d\n", &[("JSONArgsRecommended", "CMD d")]);
    check(
        "FROM a\nCMD [\"b\"]\nCMD [\"c\"]\nCMD [\"d\"]\n",
        &[
            ("MultipleInstructionsDisallowed", "CMD [\"b\"]"),
            ("MultipleInstructionsDisallowed", "CMD [\"c\"]"),
        ],
    );
    check(
        "FROM a\nENTRYPOINT []\nENTRYPOINT [\"c\"]\n",
        &[("MultipleInstructionsDisallowed", "ENTRYPOINT []")],
    );
    check(
        "FROM a\nHEALTHCHECK NONE\nHEALTHCHECK CMD b\n",
        &[("MultipleInstructionsDisallowed", "HEALTHCHECK NONE")],
    );
    check("FROM a\nCMD [\"b\"]\nFROM a\nCMD [\"c\"]\n", &[]);
}

#[test]
fn old_forms() {
    check(
        "FROM a\nENV B c\nLABEL d e\n",
        &[("LegacyKeyValueFormat", "B c"), ("LegacyKeyValueFormat", "d e")],
    );
    check("FROM a\nMAINTAINER b\n", &[("MaintainerDeprecated", "MAINTAINER")]);
    check("FROM a\nRUN b \\\n\n c\n", &[("NoEmptyContinuation", "")]);
}

#[test]
fn secrets() {
    for name in ["PASSWORD", "db_password", "API_TOKEN", "Secret", "ssh_key_x", "APIKEY", "AUTH"] {
        check(&format!("FROM a\nENV {name}=x\n"), &[("SecretsUsedInArgOrEnv", name)]);
        check(&format!("FROM a\nARG {name}\n"), &[("SecretsUsedInArgOrEnv", name)]);
        check(&format!("FROM a\nLABEL {name}=x\n"), &[]);
    }
    for name in ["KEYBOARD", "PUBLIC_KEY", "TOKEN_FILE", "AUTHOR", "key_version", "MONKEY"] {
        check(&format!("FROM a\nENV {name}=x\n"), &[]);
    }
}

#[test]
fn descriptions_are_judged_only_where_asked_for() {
    let text =
        "# which base\nARG A\n\n# b is the one\nFROM a AS b\n# C what it is\nARG C\n#\n# x\n#\nARG D\n";
    check(text, &[]);
    check(&format!("# check=experimental=all\n{text}"), &[("InvalidDefinitionDescription", "# which base")]);
    check(
        &format!("# check=experimental=InvalidDefinitionDescription\n{text}"),
        &[("InvalidDefinitionDescription", "# which base")],
    );
}

#[test]
fn rules_can_be_turned_off() {
    let text = "FROM a as B\nCMD c\n";
    check(text, &[("FromAsCasing", "as"), ("StageNameCasing", "B"), ("JSONArgsRecommended", "CMD c")]);
    check(&format!("# check=skip=all\n{text}"), &[]);
    check(&format!("# check=skip=FromAsCasing,JSONArgsRecommended\n{text}"), &[("StageNameCasing", "B")]);
    // For one instruction.
    check(
        "# check=skip=FromAsCasing\nFROM a as B\nCMD c\n",
        &[("StageNameCasing", "B"), ("JSONArgsRecommended", "CMD c")],
    );
    check("FROM a\n# check=skip=JSONArgsRecommended\nCMD c\n", &[]);
    check("FROM a\n# check=skip=all\nCMD c\nENV d e\n", &[("LegacyKeyValueFormat", "d e")]);
    check("FROM a\n# check=skip=all\n\nCMD c\n", &[]);
    check("FROM a\n# check=skip=all\n#\nCMD c\n", &[("JSONArgsRecommended", "CMD c")]);
}

#[test]
fn warnings_can_be_made_errors() {
    let levels = |text: &str| parse(text).1.iter().map(|found| found.level).collect::<Vec<_>>();
    assert_eq!(levels("# check=error=true\nFROM a\nCMD b\n"), [Level::Error]);
    assert_eq!(levels("# check=error=true;skip=all\nFROM a\nCMD b\n"), []);
    assert_eq!(levels("FROM a\nCMD b\n"), [Level::Warning]);
    // What no rule governs stays what it is.
    assert_eq!(levels("# check=error=true\nFROM a\nRUN\n"), [Level::Warning]);
}

#[test]
fn planners_apply_the_same_options() {
    use crate::{CheckOptions, Rule, Rules, Span};
    let found = vec![
        Diagnostic::check(Rule::UndefinedVar, Span::new(0, 1), "a"),
        Diagnostic::check(Rule::CopyIgnoredFile, Span::new(0, 1), "b"),
        Diagnostic::error(Span::new(0, 1), "c"),
    ];
    let options =
        CheckOptions { skip: Rules::Some(vec![Rule::UndefinedVar]), error: true, ..CheckOptions::default() };
    let left = options.apply(found);
    assert_eq!(
        left.iter().map(|found| (found.message.as_str(), found.level)).collect::<Vec<_>>(),
        [("b", Level::Error), ("c", Level::Error)]
    );
}
