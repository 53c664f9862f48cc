//! What is selected: links, wildcards, ignore files, kinds of files.

use expect_test::expect;

use super::case;

const TREE: &str = "
//- /one.txt
1
//- /two.txt
2
//- /.hidden.txt
h
//- /[b].md
b
//- /d1/f
d1
//- /d2/f
d2
//- /d2/deep/f
deep
//- /file -> one.txt
//- /dirlink -> d1
//- /lost -> nowhere
//- /up -> ../../../d1
";

#[test]
fn sources_are_followed_but_links_inside_are_kept() {
    case("COPY file dirlink/f /a/\nCOPY dirlink /b\nCOPY up/f /c\nCOPY . /all", TREE).check(expect![[r#"
        /a dir 0755 0:0
        /a/f file 0644 0:0 "d1\n"
        /a/file file 0644 0:0 "1\n"
        /all dir 0755 0:0
        /all/.hidden.txt file 0644 0:0 "h\n"
        /all/[b].md file 0644 0:0 "b\n"
        /all/d1 dir 0755 0:0
        /all/d1/f file 0644 0:0 "d1\n"
        /all/d2 dir 0755 0:0
        /all/d2/deep dir 0755 0:0
        /all/d2/deep/f file 0644 0:0 "deep\n"
        /all/d2/f file 0644 0:0 "d2\n"
        /all/dirlink link      0:0 -> d1
        /all/file link      0:0 -> one.txt
        /all/lost link      0:0 -> nowhere
        /all/one.txt file 0644 0:0 "1\n"
        /all/two.txt file 0644 0:0 "2\n"
        /all/up link      0:0 -> ../../../d1
        /b dir 0755 0:0
        /b/f file 0644 0:0 "d1\n"
        /c file 0644 0:0 "d1\n"
    "#]]);
}

#[test]
fn wildcards() {
    case(
        "COPY *.txt /a/\nCOPY ???.txt /b/\nCOPY d?/f /c/\nCOPY d* /d/\nCOPY [[]b].md /e/\nCOPY *link /f/",
        TREE,
    )
    .check(expect![[r#"
        /a dir 0755 0:0
        /a/.hidden.txt file 0644 0:0 "h\n"
        /a/one.txt file 0644 0:0 "1\n"
        /a/two.txt file 0644 0:0 "2\n"
        /b dir 0755 0:0
        /b/one.txt file 0644 0:0 "1\n"
        /b/two.txt file 0644 0:0 "2\n"
        /c dir 0755 0:0
        /c/f file 0644 0:0 "d2\n"
        /d dir 0755 0:0
        /d/deep dir 0755 0:0
        /d/deep/f file 0644 0:0 "deep\n"
        /d/f file 0644 0:0 "d1\n"
        /e dir 0755 0:0
        /e/[b].md file 0644 0:0 "b\n"
        /f dir 0755 0:0
        /f/f file 0644 0:0 "d1\n"
    "#]]);
}

#[test]
fn wildcards_without_a_match() {
    case("COPY one.txt no*.txt /a/", TREE).check(expect![[r#"
        /a dir 0755 0:0
        /a/one.txt file 0644 0:0 "1\n"
        warning: `no*.txt` matches nothing in the build context
    "#]]);
    case("COPY no*.txt /a/", TREE).check(expect![[r#"
        warning: `no*.txt` matches nothing in the build context
    "#]]);
    case("COPY nodir/*.txt /a/", TREE).check(expect![[r#"
        error: `nodir/*.txt` is not in the build context
    "#]]);
    case("COPY l* /a/", TREE).check(expect![[r#"
        error: `lost` is not in the build context
          hint: it is a symbolic link to `nowhere`, which is not there
    "#]]);
}

#[test]
fn sources_that_are_not_there() {
    case("COPY on.txt /a", TREE).check(expect![[r#"
        error: `on.txt` is not in the build context
          hint: did you mean `one.txt`?
    "#]]);
    case("COPY d2/deeep/f /a", TREE).check(expect![[r#"
        error: `d2/deeep/f` is not in the build context
    "#]]);
    case("COPY completely/different /a", TREE).check(expect![[r#"
        error: `completely/different` is not in the build context
    "#]]);
    case("COPY --from=stage /x /a", TREE).check(expect![[r#"
        error: `x` is not in the stage or image that is copied from
    "#]]);
    case("COPY --from=scratch /x /a", TREE).check(expect![[r#"
        error: `x` is not in `scratch`, which is empty
    "#]]);
    case("COPY one.txt /a", TREE).ignore("*.txt").check(expect![[r#"
        error: `one.txt` is not in the build context
          hint: it is there, but the ignore file leaves it out
    "#]]);
}

#[test]
fn paths_stay_inside() {
    case("COPY ../one.txt /a\nCOPY /two.txt /b\nCOPY ./d1/../one.txt /c\nCOPY d2/ /d", TREE).check(expect![
        [r#"
            /a file 0644 0:0 "1\n"
            /b file 0644 0:0 "2\n"
            /c file 0644 0:0 "1\n"
            /d dir 0755 0:0
            /d/deep dir 0755 0:0
            /d/deep/f file 0644 0:0 "deep\n"
            /d/f file 0644 0:0 "d2\n"
        "#]
    ]);
}

#[test]
fn ignored_files_are_not_there() {
    case("COPY . /all", TREE).ignore("*.txt\n!two.txt\nd2\n!d2/deep\nlost\nup\n").check(expect![[r#"
        /all dir 0755 0:0
        /all/[b].md file 0644 0:0 "b\n"
        /all/d1 dir 0755 0:0
        /all/d1/f file 0644 0:0 "d1\n"
        /all/d2 dir 0755 0:0
        /all/d2/deep dir 0755 0:0
        /all/d2/deep/f file 0644 0:0 "deep\n"
        /all/dirlink link      0:0 -> d1
        /all/file link      0:0 -> one.txt
        /all/two.txt file 0644 0:0 "2\n"
    "#]]);
    case("COPY d2 /d2", TREE).ignore("*\n!d2/f\n").check(expect![[r#"
        /d2 dir 0755 0:0
        /d2/f file 0644 0:0 "d2\n"
    "#]]);
    case("COPY d1 /d1", TREE).ignore("*\n!d2/f\n").check(expect![[r#"
        error: `d1` is not in the build context
          hint: it is there, but the ignore file leaves it out
    "#]]);
    case("COPY . /all", TREE).ignore("**/f\n").check(expect![[r#"
        /all dir 0755 0:0
        /all/.hidden.txt file 0644 0:0 "h\n"
        /all/[b].md file 0644 0:0 "b\n"
        /all/d1 dir 0755 0:0
        /all/d2 dir 0755 0:0
        /all/d2/deep dir 0755 0:0
        /all/dirlink link      0:0 -> d1
        /all/file link      0:0 -> one.txt
        /all/lost link      0:0 -> nowhere
        /all/one.txt file 0644 0:0 "1\n"
        /all/two.txt file 0644 0:0 "2\n"
        /all/up link      0:0 -> ../../../d1
    "#]]);
}

#[test]
fn kinds_of_files() {
    case("COPY . /all", "//- /pipe type=fifo mode=0622\n//- /sock type=socket\n//- /null type=char:1:3\n//- /suid mode=6755\nx\n")
        .check(expect![[r#"
            /all dir 0755 0:0
            /all/null char 0644 0:0 1:3
            /all/pipe fifo 0622 0:0
            /all/sock file 0644 0:0 ""
            /all/suid file 6755 0:0 "x\n"
        "#]]);
    case("COPY . /all", "//- /zero type=char:0:0\n").check(expect![[r#"
        error: `/all/zero` cannot be copied: a character device 0:0 means a deletion in a layer
    "#]]);
}

#[test]
fn hard_links_stay_together() {
    let tree = "//- /d/one\nx\n//- /d/two => d/one\n//- /e => d/one\n";
    case("COPY d /d\nCOPY --from=stage d /s", tree).stage(tree).check(expect![[r#"
        /d dir 0755 0:0
        /d/one file 0644 0:0 "x\n"
        /d/two file 0644 0:0 = d/one
        /s dir 0755 0:0
        /s/one file 0644 0:0 old "x\n"
        /s/two file 0644 0:0 old = s/one
    "#]]);
    case("COPY --exclude=one d /d", tree).check(expect![[r#"
        /d dir 0755 0:0
        /d/two file 0644 0:0 "x\n"
    "#]]);
}

#[test]
fn owners_and_attributes_of_a_context_do_not_count_and_those_of_a_stage_do() {
    let tree =
        "//- /d/ owner=5:6 mode=2775\n//- /d/f owner=7:8 mode=4755 xattr=user.colour=red\nx\n//- /d/l -> f\n";
    case("COPY d /c\nCOPY --from=stage d /s\nCOPY --from=stage / /root", tree).stage(tree).check(expect![[
        r#"
        /c dir 0755 0:0
        /c/f file 4755 0:0 "x\n"
        /c/l link      0:0 -> f
        /root dir 0755 0:0
        /root/d dir 2775 5:6 old
        /root/d/f file 4755 7:8 old "x\n" user.colour=red
        /root/d/l link      0:0 old -> f
        /s dir 0755 0:0
        /s/f file 4755 7:8 old "x\n" user.colour=red
        /s/l link      0:0 old -> f
    "#
    ]]);
}

#[test]
fn an_empty_source_directory() {
    case("COPY e /new\nCOPY e /tmp", "//- /e/ mode=0700\n").check(expect![[r#"
        /new dir 0755 0:0
        /tmp dir 1777 0:0
    "#]]);
}
