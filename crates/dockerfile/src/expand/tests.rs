//! Cases of expansion. The environment: `A=hello`, `PATH=/usr/bin:/bin`, `FILE=a/b/c.tar.gz`, `EMPTY` empty, `LINES` two
//! lines, `STAR=a*b?c\d`, `UNI=żółw`; anything else is not set.

mod patterns;

use super::*;

fn lookup(name: &str) -> Option<String> {
    let value = match name {
        "A" => "hello",
        "PATH" => "/usr/bin:/bin",
        "FILE" => "a/b/c.tar.gz",
        "EMPTY" => "",
        "LINES" => "one\ntwo",
        "STAR" => "a*b?c\\d",
        "UNI" => "żółw",
        _ => return None,
    };
    Some(value.to_owned())
}

#[track_caller]
fn check(cases: &[(&str, &str)]) {
    for (raw, expected) in cases {
        match word(raw, '\\', &lookup) {
            Ok(found) => assert_eq!(found, *expected, "{raw}"),
            Err(error) => panic!("{raw}: {error}"),
        }
    }
}

#[track_caller]
fn check_errors(cases: &[(&str, &str)]) {
    for (raw, expected) in cases {
        match word(raw, '\\', &lookup) {
            Ok(found) => panic!("{raw}: {found}"),
            Err(error) => assert_eq!(error.to_string(), *expected, "{raw}"),
        }
    }
}

#[test]
fn quotes_and_escapes_are_removed() {
    check(&[
        ("", ""),
        ("a b", "a b"),
        ("  a  ", "  a  "),
        ("'a b'", "a b"),
        ("\"a b\"", "a b"),
        ("a'b'\"c\"d", "abcd"),
        ("''", ""),
        ("\"\"", ""),
        ("\"it's\"", "it's"),
        ("'say \"hi\"'", "say \"hi\""),
        ("a\\b", "ab"),
        ("a\\ b", "a b"),
        ("a\\\\b", "a\\b"),
        ("\\'a\\'", "'a'"),
        ("\\\"a", "\"a"),
        ("a\\", "a"),
        ("a\\\\", "a\\"),
        ("'a\\b'", "a\\b"),
        ("'a\\'", "a\\"),
        ("\"a\\b\"", "a\\b"),
        ("\"a\\\\b\"", "a\\b"),
        ("\"a\\\"b\"", "a\"b"),
        ("\"a\\$A\"", "a$A"),
        ("żółw 'ż'", "żółw ż"),
        ("a`b", "a`b"),
        ("a\nb", "a\nb"),
        ("a<b<<c << d", "a<b<<c << d"),
    ]);
    check_errors(&[
        ("'a", "no matching single quote before the end"),
        ("a'", "no matching single quote before the end"),
        ("\"a", "no matching double quote before the end"),
        ("\"a\\\"", "no matching double quote before the end"),
        ("\\\\'a", "no matching single quote before the end"),
        ("it's", "no matching single quote before the end"),
    ]);
}

#[test]
fn variables() {
    check(&[
        ("$A", "hello"),
        ("${A}", "hello"),
        ("x$A", "xhello"),
        ("$A.x", "hello.x"),
        ("$A$A", "hellohello"),
        ("${A}A", "helloA"),
        ("$AA", ""),
        ("$NONE", ""),
        ("${NONE}x", "x"),
        ("$EMPTY", ""),
        ("\"$A\"", "hello"),
        ("\"${A}'\"", "hello'"),
        ("'$A'", "$A"),
        ("\\$A", "$A"),
        ("\\${A}", "${A}"),
        ("\\\\$A", "\\hello"),
        ("$", "$"),
        ("a$", "a$"),
        ("$.", "$."),
        ("$ A", "$ A"),
        ("$'A'", "$A"),
        ("$}", "$}"),
        ("$ż", ""),
        ("$A-b", "hello-b"),
        ("$_x", ""),
        // What a value holds is not read again.
        ("$STAR", "a*b?c\\d"),
    ]);
    check_errors(&[
        ("${A", "missing `}` in substitution"),
        ("${", "missing `}` in substitution"),
        ("${}", "bad substitution"),
        ("${{A}}", "bad substitution"),
        ("${:-a}", "bad substitution"),
        ("${A b}", "unsupported modifier ` ` in substitution"),
        ("${A.}", "unsupported modifier `.` in substitution"),
        ("${A^^}", "unsupported modifier `^` in substitution"),
        ("${A,}", "unsupported modifier `,` in substitution"),
        ("${A:0}", "unsupported modifier `:0` in substitution"),
        ("${A:=b}", "unsupported modifier `:=` in substitution"),
        ("${A:#b}", "unsupported modifier `:#` in substitution"),
        ("${A:}", "unsupported modifier `:}` in substitution"),
        ("${A:", "missing `}` in substitution"),
    ]);
}

#[test]
fn positions_and_special_parameters_are_never_set() {
    check(&[
        ("$1", ""),
        ("$12a", "a"),
        ("${1}", ""),
        ("${1:-x}", "x"),
        ("$0", ""),
        ("$@", ""),
        ("$*a", "a"),
        ("$#", ""),
        ("$?", ""),
        ("$-", ""),
        ("$!", ""),
        ("$$", ""),
        ("$$A", "A"),
        ("${@:-x}", "x"),
        ("${#}", ""),
        ("${$:+x}", ""),
    ]);
}

#[test]
fn defaults_and_alternatives() {
    check(&[
        ("${A-x}", "hello"),
        ("${A:-x}", "hello"),
        ("${NONE-x}", "x"),
        ("${NONE:-x}", "x"),
        ("${EMPTY-x}", ""),
        ("${EMPTY:-x}", "x"),
        ("${A+x}", "x"),
        ("${A:+x}", "x"),
        ("${NONE+x}", ""),
        ("${NONE:+x}", ""),
        ("${EMPTY+x}", "x"),
        ("${EMPTY:+x}", ""),
        ("${A?x}", "hello"),
        ("${A:?x}", "hello"),
        ("${EMPTY?x}", ""),
        ("${NONE:-}", ""),
        ("${NONE:-$A}", "hello"),
        ("${NONE:-${OTHER:-${A}}}", "hello"),
        ("${NONE:-a b}", "a b"),
        ("${NONE:-'a}b'}", "a}b"),
        ("${NONE:-\"a}b\"}", "a}b"),
        ("${NONE:-a\\}b}", "a}b"),
        ("${NONE:-{}", "{"),
        ("${NONE:--}", "-"),
        ("${NONE-:x}", ":x"),
        ("\"${NONE:-'x'}\"", "x"),
        ("${A:+$PATH:}x", "/usr/bin:/bin:x"),
        ("${PATH:+${PATH}:}/opt", "/usr/bin:/bin:/opt"),
    ]);
    check_errors(&[
        ("${NONE?}", "NONE: is not allowed to be unset"),
        ("${NONE:?}", "NONE: is not allowed to be unset"),
        ("${EMPTY:?}", "EMPTY: is not allowed to be empty"),
        ("${NONE:?give it}", "NONE: give it"),
        ("${EMPTY:?give $A}", "EMPTY: give hello"),
        ("${NONE:-a", "missing `}` in substitution"),
        ("${NONE:-${A}", "missing `}` in substitution"),
        ("${NONE:-'a}", "missing `}` in substitution"),
        ("${A:-${NONE:?x}}", "NONE: x"),
    ]);
}

#[test]
fn the_other_escape_character() {
    for (raw, expected) in [
        ("a`b", "ab"),
        ("a``b", "a`b"),
        ("`$A", "$A"),
        ("\"a`\"b\"", "a\"b"),
        ("c:\\dir", "c:\\dir"),
        ("\"c:\\$A\"", "c:\\hello"),
        ("a`", "a"),
    ] {
        assert_eq!(word(raw, '`', &lookup), Ok(expected.to_owned()), "{raw}");
    }
}

#[test]
fn words_are_split_after_substitution() {
    let spaces = |name: &str| (name == "S").then(|| " a  b ".to_owned());
    for (raw, expected) in [
        ("", vec![]),
        ("   ", vec![]),
        ("a b", vec!["a", "b"]),
        ("  a\t\n b ", vec!["a", "b"]),
        ("'a b' c", vec!["a b", "c"]),
        ("a\\ b c", vec!["a b", "c"]),
        ("\"a b\"c d", vec!["a bc", "d"]),
        ("$S", vec!["a", "b"]),
        ("x${S}y", vec!["x", "a", "b", "y"]),
        ("\"$S\"", vec![" a  b "]),
        ("$NONE a", vec!["a"]),
        ("'' a", vec!["a"]),
        ("80${N:-80}", vec!["8080"]),
        ("a << b", vec!["a", "<< b"]),
        ("a\u{a0}b", vec!["a", "b"]),
    ] {
        assert_eq!(
            words(raw, '\\', &spaces),
            Ok(expected.iter().map(|word| (*word).to_owned()).collect()),
            "{raw}"
        );
    }
}

#[test]
fn raw_forms() {
    let display = |raw: &str| expand(raw, Options::display('\\'), &lookup).map(|expanded| expanded.word);
    for (raw, expected) in [
        ("'a' \"b\" \\c", "'a' \"b\" \\c"),
        ("$A ${A} $NONE ${NONE}", "hello hello $NONE ${NONE}"),
        ("${NONE:-x} ${NONE#a*} ${NONE/a/b}", "${NONE:-x} ${NONE#a*} ${NONE/a/b}"),
        ("\"\\\"\\x\"", "\"\\\"\\x\""),
    ] {
        assert_eq!(display(raw), Ok(expected.to_owned()), "{raw}");
    }
    let heredoc = |raw: &str| expand(raw, Options::heredoc(), &lookup).map(|expanded| expanded.word);
    for (raw, expected) in [
        ("it's $A, \"${A}\"\n", "it's hello, \"hello\"\n"),
        ("\\$A \\x \\\\ '\\$A'", "$A x \\ '$A'"),
        ("${NONE:-'x'}", "'x'"),
    ] {
        assert_eq!(heredoc(raw), Ok(expected.to_owned()), "{raw}");
    }
}

#[test]
fn names_are_reported() {
    let expanded =
        expand("$A $A ${NONE:-$OTHER} ${PATH#x} '$QUOTED' \\$ESCAPED $1", Options::new('\\'), &lookup);
    let expanded = expanded.unwrap_or_default();
    assert_eq!(expanded.matched.iter().collect::<Vec<_>>(), ["A", "PATH"]);
    assert_eq!(expanded.unmatched.iter().collect::<Vec<_>>(), ["1", "NONE", "OTHER"]);
}

#[test]
fn depth_and_size_have_limits() {
    let nested = |depth: usize| format!("{}{}", "${X:-".repeat(depth), "}".repeat(depth));
    assert!(word(&nested(90), '\\', &lookup).is_ok());
    assert_eq!(word(&nested(100_000), '\\', &lookup), Err(ExpandError::TooDeep));
    let large = |name: &str| (name == "A").then(|| "x".repeat(MAX_RESULT / 2 + 1));
    assert_eq!(word("${X:-$A$A}", '\\', &large), Err(ExpandError::TooLarge));
}

mod properties {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        /// What is quoted comes out as it went in.
        #[test]
        fn single_quotes_keep_everything(text in "[^']*") {
            prop_assert_eq!(word(&format!("'{text}'"), '\\', &lookup), Ok(text));
        }

        #[test]
        fn escapes_keep_everything(text in ".*", escape in prop::sample::select(vec!['\\', '`'])) {
            let escaped: String = text.chars().flat_map(|next| [escape, next]).collect();
            prop_assert_eq!(word(&escaped, escape, &lookup), Ok(text));
        }

        /// Text without anything special is itself, and its words are those of the standard library.
        #[test]
        fn plain_text_is_itself(text in "[^$'\"\\\\<]*") {
            let expanded = expand(&text, Options::new('\\'), &lookup);
            let expanded = expanded.unwrap_or_default();
            prop_assert_eq!(&expanded.word, &text);
            prop_assert_eq!(expanded.words, text.split_whitespace().collect::<Vec<_>>());
        }

        /// A value is never read again.
        #[test]
        fn values_are_taken_as_they_are(value in ".*") {
            let lookup = |_: &str| Some(value.clone());
            prop_assert_eq!(word("$A", '\\', &lookup), Ok(value.clone()));
            prop_assert_eq!(word("\"${A}\"", '\\', &lookup), Ok(value));
        }

        /// Trimming takes something off the named end and leaves the rest; greedy trimming takes no less.
        #[test]
        fn trimming_leaves_a_part(value in "[ab/]{0,12}", pattern in "[ab/*?]{0,5}") {
            // A pattern that begins like its modifier would be another modifier.
            let lookup = |name: &str| (name == "V").then(|| value.clone());
            let slashed = pattern.replace('/', "\\/");
            let of = |modifier: &str| word(&format!("${{V{modifier}{slashed}}}"), '\\', &lookup).unwrap_or_default();
            prop_assert!(value.ends_with(&of("#")) && value.ends_with(&of("##")));
            prop_assert!(value.starts_with(&of("%")) && value.starts_with(&of("%%")));
            prop_assert!(of("##").len() <= of("#").len() && of("%%").len() <= of("%").len());
        }

        #[test]
        fn nothing_panics(text in "[$a{}:?#%/'\"`\\\\<* \n-]{0,40}") {
            crate::fuzz::fuzz_expand(text.as_bytes());
        }
    }
}
