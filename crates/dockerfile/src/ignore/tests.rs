//! Cases of ignore files.

use super::*;

/// Checks which paths an ignore file keeps out, and that no pattern is refused.
#[track_caller]
fn check(file: &str, ignored: &[&str], included: &[&str]) {
    let (patterns, diagnostics) = Patterns::parse(file);
    assert_eq!(diagnostics, [], "{file}");
    for path in ignored {
        assert!(patterns.is_ignored(path), "should be ignored: {path}\n{file}");
    }
    for path in included {
        assert!(!patterns.is_ignored(path), "should not be ignored: {path}\n{file}");
    }
}

#[test]
fn plain_paths() {
    check("a", &["a", "a/b", "a/b/c"], &["b", "ab", "b/a", "aa/a"]);
    check("a/b", &["a/b", "a/b/c"], &["a", "b", "a/bc", "c/a/b"]);
    check("", &[], &["a", "a/b"]);
    check("a.b", &["a.b"], &["axb"]);
    check("a+(b)|{c}$", &["a+(b)|{c}$"], &["a"]);
    check("é", &["é", "é/a"], &["e"]);
}

#[test]
fn lines() {
    check("# a\na\n", &["a"], &["# a", "#"]);
    check(" # a", &["# a"], &["a"]);
    check("  a  \n\tb\t\n", &["a", "b"], &[]);
    check("a\r\nb\r\n", &["a", "b"], &[]);
    check("\u{feff}a\n", &["a"], &[]);
    check("\u{feff}# a\n", &[], &["a", "# a"]);
    check("\n\n   \na", &["a"], &["b"]);
    check("a b", &["a b"], &["a", "b"]);
    check("\\#a", &["#a"], &["a"]);
    check("\\!a", &["!a"], &["a"]);
}

#[test]
fn paths_are_cleaned() {
    check("/a", &["a", "a/b"], &["b/a"]);
    check("//a//b/", &["a/b"], &["a"]);
    check("./a", &["a"], &[]);
    check("a/./b", &["a/b"], &["a"]);
    check("a/../b", &["b"], &["a"]);
    check("a/", &["a", "a/b"], &[]);
    check("../a", &[], &["a"]);
    check(".", &[], &["a"]);
    check("/", &[], &["a"]);
    check("a/..", &[], &["a"]);
    check("*\n!/a/", &["b"], &["a", "a/b"]);
    check("*\n! a", &["b"], &["a"]);
    check("*\n!./a", &["b"], &["a"]);
}

#[test]
fn stars_and_question_marks() {
    check("*", &["a", ".a", "a/b"], &[]);
    check("*.o", &["a.o", ".o", "a.o/b"], &["a.oo", "d/a.o"]);
    check("*/*.o", &["d/a.o"], &["a.o", "d/e/a.o"]);
    check("a*c", &["ac", "abc"], &["a/c", "abcd"]);
    check("a?c", &["abc", "aéc"], &["ac", "a/c", "abbc"]);
    check("a/*", &["a/b", "a/b/c"], &["a", "b"]);
    check("*/temp*", &["a/temp", "a/temp.txt"], &["temp", "a/b/temp"]);
}

#[test]
fn classes() {
    check("[ab]", &["a", "b/c"], &["c", "[ab]"]);
    check("[a-c]x", &["bx"], &["dx"]);
    check("[^a]", &["b"], &["a"]);
    check("[!a]", &["!", "a"], &["b"]);
    check("a[.]b", &["a.b"], &["axb"]);
}

#[test]
fn two_stars() {
    check("**", &["a", "a/b", "a/b/c"], &[]);
    check("**/a", &["a", "b/a", "b/c/a", "b/a/d"], &["ba", "ab"]);
    check("**a", &["a", "ba", "b/ca"], &["ab"]);
    check("a/**", &["a/b", "a/b/c"], &["a", "ab"]);
    check("a**", &["a", "ab", "a/b"], &["b"]);
    check("a/**/b", &["a/b", "a/c/b", "a/c/d/b"], &["ab", "a/cb", "b"]);
    check("**/*.o", &["a.o", "d/a.o", "d/e/a.o"], &["a.oo"]);
    check("**/a/**", &["a/b", "c/a/b"], &["a", "c/a", "ab/c"]);
    check("a**b", &["ab", "a/b", "ac/b"], &["acb", "a/cb"]);
    check("**/", &["a"], &[]);
    check("**/**", &["a", "a/b"], &[]);
    check("a**/*.txt", &["ab.txt", "a/b.txt", "a/b/c.txt"], &["b.txt"]);
    check("**/a.b", &["a.b", "c/a.b"], &["axb"]);
}

#[test]
fn exceptions() {
    check("*\n!a", &["b", "b/a"], &["a", "a/b"]);
    check("a\n!a/b", &["a", "a/c"], &["a/b", "a/b/c"]);
    check("!a\n*", &["a", "b"], &[]);
    check(
        "*.md\n!README*.md\nREADME-secret.md",
        &["a.md", "README-secret.md"],
        &["README.md", "README-x.md"],
    );
    check("**\n!**/*.c", &["a", "b/a.h"], &["a.c", "b/a.c"]);
    check("*\n!a\na/b\n!a/b/c", &["x", "a/b", "a/b/d"], &["a", "a/x", "a/b/c", "a/b/c/d"]);
    check("a/*\n!a/b", &["a/c"], &["a", "a/b"]);
    check("a\n!!a", &["a"], &["b"]);
    check("*\n!!a", &["a"], &["!a"]);
}

/// An exception that was of no use for a directory does not hold for what is in it, because a walk does not look at the
/// directory's patterns again.
#[test]
fn exceptions_hold_for_what_they_took_back() {
    check("a/b\n!a", &["a/b"], &["a", "a/c"]);
}

#[test]
fn patterns_that_cannot_be_read() {
    for (file, place) in
        [("a\n[b\nc", "[b"), ("!", "!"), ("! ", "!"), ("!/", "!/"), ("a\\", "a\\"), ("[^]", "[^]")]
    {
        let (patterns, diagnostics) = Patterns::parse(file);
        assert_eq!(diagnostics.len(), 1, "{file}");
        assert_eq!(&file[diagnostics[0].span.range()], place, "{file}");
        assert_eq!(diagnostics[0].message, format!("invalid pattern `{place}`"));
        if file.starts_with("a\n") {
            assert!(patterns.is_ignored("a") && patterns.is_ignored("c"));
        }
    }
    assert_eq!(Patterns::from_list(&["a", "["]), Err(BadPattern));
}

#[test]
fn lists_of_patterns() {
    let patterns = Patterns::from_list(&["*.a", " b/ ", "", "!c.a"]).unwrap_or_default();
    assert!(patterns.is_ignored("x.a") && patterns.is_ignored("b") && !patterns.is_ignored("c.a"));
    assert!(patterns.has_exceptions() && !patterns.is_empty());
    // Here a leading slash stays.
    assert!(!Patterns::from_list(&["/a"]).unwrap_or_default().is_ignored("a"));
    assert!(Patterns::from_list::<&str>(&[]).unwrap_or_default().is_empty());
}

#[test]
fn walks_are_cut_short() {
    let prunes = |file: &str, directory: &str| {
        let (patterns, _) = Patterns::parse(file);
        patterns.is_ignored(directory) && !patterns.may_contain_included(directory)
    };
    for (file, directory) in [
        ("a", "a"),
        ("*", "a/b"),
        ("*\n!b", "a"),
        ("*\n!b/c", "a"),
        ("*\n!ab", "a"),
        ("*\n!b/**", "a"),
        ("*\n!b/*", "a"),
    ] {
        assert!(prunes(file, directory), "{directory}\n{file}");
    }
    for (file, directory) in [
        ("a", "b"),
        ("*\n!a/b", "a"),
        ("*\n!a/b/c", "a/b"),
        ("*\n!a/**", "a"),
        ("*\n!a/*", "a"),
        ("*\n!**/x", "a"),
        ("*\n!*/x", "a"),
        ("*\n![a]", "b"),
        ("*\n!a\\b", "a"),
    ] {
        assert!(!prunes(file, directory), "{directory}\n{file}");
    }
}

#[test]
fn names_that_are_no_text() {
    let (patterns, _) = Patterns::parse("a?\n*.o");
    assert!(patterns.is_ignored(b"a\xff"));
    assert!(patterns.is_ignored(b"\xfe\xff.o/x"));
    assert!(!patterns.is_ignored(b"\xfe"));
}

mod properties {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        /// A walk that carries its parents' results, and the hint to leave out directories, change nothing.
        #[test]
        fn walks_agree_with_single_questions(
            lines in prop::collection::vec("!?([ab*?]|\\*\\*|/){1,6}", 0..5),
            path in prop::collection::vec("[ab]{1,2}", 1..4),
        ) {
            let (patterns, _) = Patterns::parse(&lines.join("\n"));
            let mut parent = ParentMatches::default();
            let mut pruned = false;
            for end in 1..=path.len() {
                let path = path[..end].join("/");
                let (ignored, matches) = patterns.enter(&path, &parent);
                prop_assert_eq!(ignored, patterns.is_ignored(&path), "{} {:?}", path, lines);
                prop_assert!(ignored || !pruned, "{} was left out {:?}", path, lines);
                pruned |= ignored && !patterns.may_contain_included(&path);
                parent = matches;
            }
        }

        #[test]
        fn nothing_panics(text in "[ab*?!/.\\\\\\[\\]^# \n-]{0,40}") {
            crate::fuzz::fuzz_ignore(text.as_bytes());
        }
    }
}
