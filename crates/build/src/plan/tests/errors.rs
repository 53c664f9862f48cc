//! All that is wrong with a file, in one go.

use expect_test::expect;

use super::case;

#[test]
fn errors_of_several_stages_and_instructions() {
    case(
        "FROM base AS a\nSTOPSIGNAL SIGNOPE\nEXPOSE http 90-80\nENV X=${Y:?must be set}\nFROM nosuch AS b\nRUN x\n\
         FROM a\nCOPY --from=b /x /x\nVOLUME \"\"\nENV Z=${unclosed\n",
    )
    .check(expect![[r#"
        error 2:12: there is no signal `SIGNOPE` (name it as in `SIGTERM`, or by its number)
        error 3:8: invalid port `http`
        error 3:13: the range `90-80` ends before it begins
        error 4:17: `be` has no `=` (a value with blanks in it needs quotes)
        error 4:20: `set}` has no `=` (a value with blanks in it needs quotes)
        error 5:6: no image `nosuch` (pull it)
        error 9:8: a volume's path cannot be empty
        error 10:7: missing `}` in substitution
    "#]]);
}

#[test]
fn an_empty_file() {
    case("").check(expect![[r#"
        error 1:1: no instructions in the file (a stage begins with `FROM IMAGE`; `FROM scratch` begins with nothing)
    "#]]);
    case("ARG A=1\n").check(expect![[r#"
        error 2:1: no FROM in the file (a stage begins with `FROM IMAGE`; `FROM scratch` begins with nothing)
    "#]]);
}

#[test]
fn errors_of_global_arguments() {
    case("ARG A=${B?no B}\nFROM base\n").check(expect![[r#"
        error 1:7: missing `}` in substitution
    "#]]);
    case("ARG A=${B?no B}\nFROM base\n").arg("A", "1").check(expect![[r#"
        stage stage-0 for linux/amd64 from image base
    "#]]);
}

#[test]
fn a_build_arg_spares_a_broken_default() {
    case("FROM base\nARG A=${B?no B}\n").arg("A", "1").check(expect![[r#"
        stage stage-0 for linux/amd64 from image base
          1/1 ARG A=${B?no B}
    "#]]);
}

#[test]
fn what_nobody_reads_is_counted() {
    let text = "FROM base\n".to_owned() + &(0..1_500).map(|n| format!("LABEL a=$B{n}\n")).collect::<String>();
    let planned = case(&text).plan().unwrap();
    assert_eq!(planned.warnings.len(), 1_001);
    assert_eq!(planned.warnings[1_000].message, "and 500 more warnings like these");
}
