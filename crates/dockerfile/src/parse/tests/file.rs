//! Files as a whole: directives, arguments before the first stage, stages.

use super::{dump, good, messages};
use crate::{CheckOptions, Level, Rule, Rules, parse};
use expect_test::{Expect, expect};

#[track_caller]
fn check(text: &str, expected: Expect) {
    let file = good(text);
    let mut lines: Vec<String> = file.global_args.iter().map(dump::instruction).collect();
    for stage in &file.stages {
        let platform = stage.from.platform.as_ref().map(|word| format!("--platform={} ", word.raw));
        let name = stage.from.name.as_ref().map(|name| format!(" AS {}", name.value));
        let (platform, name) = (platform.unwrap_or_default(), name.unwrap_or_default());
        lines.push(format!("FROM {platform}{}{name}", stage.from.image.raw));
        lines.extend(stage.instructions.iter().map(|each| format!("  {}", dump::instruction(each))));
    }
    expected.assert_eq(&(lines.join("\n") + "\n"));
}

#[test]
fn stages() {
    check(
        "ARG A=1 B\nARG C\nFROM $A AS base\nARG B\nFROM --platform=$BUILDPLATFORM base as Build.x-1_y\nRUN x\n\nfrom scratch\nCOPY --from=0 a b\nCOPY --from=build.X-1_y a b\n",
        expect![[r#"
            ARG "A"="1" "B"
            ARG "C"
            FROM $A AS base
              ARG "B"
            FROM --platform=$BUILDPLATFORM base AS build.x-1_y
              RUN sh "x"
            FROM scratch
              COPY ["a"] -> "b" from="0"
              COPY ["a"] -> "b" from="build.X-1_y"
        "#]],
    );
    check(
        "\u{feff}# escape=`\r\nFROM a`\r\n:b\r\n",
        expect![[r#"
            FROM a:b
        "#]],
    );
}

#[test]
fn stages_are_found_by_name_and_number() {
    let file = good("FROM x AS a\nFROM x\nFROM x AS B\nFROM x AS a\n");
    for (name, expected) in [
        ("a", Some(3)),
        ("A", Some(3)),
        ("b", Some(2)),
        ("0", Some(0)),
        ("3", Some(3)),
        ("4", None),
        ("c", None),
        ("", None),
    ] {
        assert_eq!(file.stage_index(name), expected, "{name}");
    }
    assert_eq!(file.stage_names().collect::<Vec<_>>(), ["a", "b", "a"]);
}

#[test]
fn mistakes_in_from() {
    for (text, message, place) in [
        ("FROM", "FROM takes an image, and perhaps `AS` and a name", "FROM"),
        ("FROM a b", "FROM takes an image, and perhaps `AS` and a name", "b"),
        ("FROM a AS", "FROM takes an image, and perhaps `AS` and a name", "AS"),
        ("FROM a IS b", "FROM takes an image, and perhaps `AS` and a name", "IS"),
        ("FROM a AS b c", "FROM takes an image, and perhaps `AS` and a name", "AS"),
        ("FROM a AS 1b", "invalid name of a stage `1b`", "1b"),
        ("FROM a AS b/c", "invalid name of a stage `b/c`", "b/c"),
        ("FROM a AS é", "invalid name of a stage `é`", "é"),
        ("FROM --platform a", "flag `--platform` needs a value", "--platform"),
    ] {
        let (_, diagnostics) = parse(text);
        let found = &diagnostics[0];
        assert_eq!((found.message.as_str(), &text[found.span.range()]), (message, place), "{text}");
        assert_eq!(diagnostics.iter().filter(|found| found.level == Level::Error).count(), 1, "{text}");
    }
}

#[test]
fn files_without_a_stage() {
    for text in ["", "\u{feff}", "\n\n", "# comment\n", "# syntax=docker/dockerfile:1\n"] {
        assert_eq!(parse(text).1[0].message, "no instructions in the file", "{text:?}");
    }
    assert_eq!(parse("ARG A\n").1[0].message, "no FROM in the file");
    // One mistake, one message.
    for (text, message) in [
        ("RUN a\nRUN b\n", "RUN before the first FROM"),
        ("RUN a\nFROM b\n", "RUN before the first FROM"),
        ("FORM a\nRUN b\nUSER c\n", "unknown instruction `FORM`"),
        ("FROM a b\nRUN b\nUSER c\n", "FROM takes an image, and perhaps `AS` and a name"),
    ] {
        let (_, diagnostics) = parse(text);
        assert_eq!(
            diagnostics.iter().map(|found| found.message.as_str()).collect::<Vec<_>>(),
            [message],
            "{text}"
        );
    }
}

#[test]
fn directives() {
    let file = good("# Syntax = docker/dockerfile:1.7-labs \n#escape=`\n# check = skip=all \nFROM a\n");
    assert_eq!(
        file.directives.syntax.as_ref().map(|syntax| syntax.value.as_str()),
        Some("docker/dockerfile:1.7-labs")
    );
    assert_eq!(file.directives.escape, '`');
    assert_eq!(file.directives.check, CheckOptions { skip: Rules::All, ..CheckOptions::default() });
}

#[test]
fn directives_stand_at_the_very_top() {
    for (text, escape) in [
        ("# escape=`\nFROM a", '`'),
        ("#escape=`\nFROM a", '`'),
        ("#  ESCAPE  =  `  \nFROM a", '`'),
        ("  # escape=`\nFROM a", '`'),
        ("# escape=\\\nFROM a", '\\'),
        ("\u{feff}# escape=`\r\nFROM a", '`'),
        ("# syntax=docker/dockerfile:1\n# escape=`\nFROM a", '`'),
        ("\n# escape=`\nFROM a", '\\'),
        ("# comment\n# escape=`\nFROM a", '\\'),
        ("#\n# escape=`\nFROM a", '\\'),
        ("# unknown=x\n# escape=`\nFROM a", '\\'),
        ("# escape\n# escape=`\nFROM a", '\\'),
        ("FROM a\n# escape=`", '\\'),
        ("ARG a\n# escape=`\nFROM a", '\\'),
        ("#!/usr/bin/env x\n# escape=`\nFROM a", '\\'),
    ] {
        assert_eq!(parse(text).0.directives.escape, escape, "{text:?}");
    }
    let script = good("#!/usr/bin/env x\n# check=error=true\nFROM a");
    assert!(script.directives.check.error);
}

#[test]
fn mistakes_in_directives() {
    expect![[r#"
        error: invalid escape character `x`
         ╭▸ Dockerfile:1:10
        1│ # escape=x
         │          ━
         ╰ hint: it can be a backslash or a backtick

        error: only one `escape` directive can be used
         ╭▸ Dockerfile:2:3
        2│ # Escape=`
         │   ━━━━━━ given before

        warning: the frontend `example.org/mine:2` is not used
         ╭▸ Dockerfile:3:10
        3│ # syntax=example.org/mine:2
         │          ━━━━━━━━━━━━━━━━━━
         ╰ hint: the file is read as a Dockerfile of BuildKit's stable syntax

        warning: unknown check rule `StageNameCasin`
         ╭▸ Dockerfile:4:14
        4│ # check=skip=StageNameCasin,UndefinedVar;eror=true
         │              ━━━━━━━━━━━━━━
         ╰ hint: did you mean `StageNameCasing`?

        error: invalid check option `eror`
         ╭▸ Dockerfile:4:42
        4│ # check=skip=StageNameCasin,UndefinedVar;eror=true
         │                                          ━━━━━━━━━
         ╰ hint: the options are `skip=RULE,...`, `experimental=RULE,...` and `error=true`
    "#]]
    .assert_eq(&messages(
        "# escape=x\n# Escape=`\n# syntax=example.org/mine:2\n# check=skip=StageNameCasin,UndefinedVar;eror=true\nFROM a\n",
    ));
}

#[test]
fn check_options() {
    let options = |text: &str| good(&format!("# check={text}\nFROM a\n")).directives.check;
    assert_eq!(
        options("skip=UndefinedVar,LegacyKeyValueFormat;error=true"),
        CheckOptions {
            skip: Rules::Some(vec![Rule::UndefinedVar, Rule::LegacyKeyValueFormat]),
            experimental: Rules::default(),
            error: true,
        }
    );
    assert_eq!(
        options("error=false;experimental=all"),
        CheckOptions { experimental: Rules::All, ..CheckOptions::default() }
    );
    // Options end at a blank.
    assert!(!options("skip=all ;error=true").error);
}
