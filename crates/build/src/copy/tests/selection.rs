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
    case("COPY file dirlink/f /a/\nCOPY dirlink /b\nCOPY up/f /c\nCOPY . /all", TREE).check(expect![[""]]);
}

#[test]
fn wildcards() {
    case(
        "COPY *.txt /a/\nCOPY ???.txt /b/\nCOPY d?/f /c/\nCOPY d* /d/\nCOPY [[]b].md /e/\nCOPY *link /f/",
        TREE,
    )
    .check(expect![[""]]);
}

#[test]
fn wildcards_without_a_match() {
    case("COPY one.txt no*.txt /a/", TREE).check(expect![[""]]);
    case("COPY no*.txt /a/", TREE).check(expect![[""]]);
    case("COPY nodir/*.txt /a/", TREE).check(expect![[""]]);
    case("COPY l* /a/", TREE).check(expect![[""]]);
}

#[test]
fn sources_that_are_not_there() {
    case("COPY on.txt /a", TREE).check(expect![[""]]);
    case("COPY d2/deeep/f /a", TREE).check(expect![[""]]);
    case("COPY completely/different /a", TREE).check(expect![[""]]);
    case("COPY --from=stage /x /a", TREE).check(expect![[""]]);
    case("COPY --from=scratch /x /a", TREE).check(expect![[""]]);
    case("COPY one.txt /a", TREE).ignore("*.txt").check(expect![[""]]);
}

#[test]
fn paths_stay_inside() {
    case("COPY ../one.txt /a\nCOPY /two.txt /b\nCOPY ./d1/../one.txt /c\nCOPY d2/ /d", TREE)
        .check(expect![[""]]);
}

#[test]
fn ignored_files_are_not_there() {
    case("COPY . /all", TREE).ignore("*.txt\n!two.txt\nd2\n!d2/deep\nlost\nup\n").check(expect![[""]]);
    case("COPY d2 /d2", TREE).ignore("*\n!d2/f\n").check(expect![[""]]);
    case("COPY d1 /d1", TREE).ignore("*\n!d2/f\n").check(expect![[""]]);
    case("COPY . /all", TREE).ignore("**/f\n").check(expect![[""]]);
}

#[test]
fn kinds_of_files() {
    case("COPY . /all", "//- /pipe type=fifo mode=0622\n//- /sock type=socket\n//- /null type=char:1:3\n//- /suid mode=6755\nx\n")
        .check(expect![[""]]);
    case("COPY . /all", "//- /zero type=char:0:0\n").check(expect![[""]]);
}

#[test]
fn hard_links_stay_together() {
    let tree = "//- /d/one\nx\n//- /d/two => d/one\n//- /e => d/one\n";
    case("COPY d /d\nCOPY --from=stage d /s", tree).stage(tree).check(expect![[""]]);
    case("COPY --exclude=one d /d", tree).check(expect![[""]]);
}

#[test]
fn owners_and_attributes_of_a_context_do_not_count_and_those_of_a_stage_do() {
    let tree =
        "//- /d/ owner=5:6 mode=2775\n//- /d/f owner=7:8 mode=4755 xattr=user.colour=red\nx\n//- /d/l -> f\n";
    case("COPY d /c\nCOPY --from=stage d /s\nCOPY --from=stage / /root", tree).stage(tree).check(expect![[""]]);
}

#[test]
fn an_empty_source_directory() {
    case("COPY e /new\nCOPY e /tmp", "//- /e/ mode=0700\n").check(expect![[""]]);
}
