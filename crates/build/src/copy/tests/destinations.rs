//! Where things arrive, and what that does to what is there.

use expect_test::expect;

use super::case;

const TREE: &str = "
//- /a mode=0640
a
//- /dir/x
x
//- /dir/sub/y
y
";

#[test]
fn a_file_to_a_name_a_directory_and_an_existing_directory() {
    case("COPY a /b\nCOPY a /new/deep/c\nCOPY a /new/d/\nCOPY a /tmp\nCOPY a /", TREE).check(expect![[""]]);
}

#[test]
fn a_directory_stands_for_its_content() {
    case("COPY dir /new\nCOPY dir /to\nCOPY dir /slash/", TREE).check(expect![[""]]);
}

#[test]
fn several_sources() {
    case("COPY a dir /new/", TREE).check(expect![[""]]);
    case("COPY a dir/x /to", TREE).check(expect![[""]]);
    case("COPY a dir/x /name", TREE).check(expect![[""]]);
}

#[test]
fn links_in_the_destination_are_followed_inside_the_image() {
    case("COPY a /lib/\nCOPY a /var/run/deep/b\nCOPY a /link", TREE).check(expect![[""]]);
    case("COPY a /loop/x", TREE).check(expect![[""]]);
}

#[test]
fn existing_directories_keep_their_attributes_at_the_top_and_take_the_sources_below() {
    case("COPY tree /", "//- /tree/ mode=0700\n//- /tree/tmp/ mode=0711\n//- /tree/home/app/new\nn\n")
        .check(expect![[""]]);
}

#[test]
fn files_and_directories_do_not_replace_each_other() {
    case("COPY dir /target", TREE).check(expect![[""]]);
    case("COPY a /target/b", TREE).check(expect![[""]]);
    case("COPY . /", "//- /to\nfile\n").check(expect![[""]]);
    case("COPY . /", "//- /target/x\nx\n").check(expect![[""]]);
    case("COPY . /", "//- /lib/x\nx\n").check(expect![[""]]);
}

#[test]
fn a_file_replaces_a_link_inside_a_copied_directory() {
    case("COPY . /", "//- /link mode=0755\nnew\n//- /target -> link\n").check(expect![[""]]);
}

#[test]
fn later_instructions_see_earlier_ones() {
    case("COPY dir /lib/d\nCOPY a /lib/d/sub/y\nCOPY a /lib/d/x/../z", TREE).check(expect![[""]]);
}

#[test]
fn a_set_group_id_directory_gives_its_group_to_directories_made_in_it() {
    case("COPY dir /shared/new/deep\nCOPY a /shared/f\nCOPY --chown=7:8 a /shared/n/f", TREE)
        .check(expect![[""]]);
}

#[test]
fn working_directories_belong_to_the_user() {
    case(
        "WORKDIR /srv/a\nUSER app\nWORKDIR b/c\nWORKDIR /tmp\nWORKDIR /shared/x\nUSER 7\nWORKDIR /lib/w",
        "",
    )
    .check(expect![[""]]);
    case("USER app\nWORKDIR /x", "").bare().check(expect![[""]]);
    case("WORKDIR /target/x", "").check(expect![[""]]);
}

#[test]
fn an_empty_image() {
    case("COPY a /x/y\nCOPY dir /x", TREE).bare().check(expect![[""]]);
    case("COPY --chown=app a /x", TREE).bare().check(expect![[""]]);
}

#[test]
fn times() {
    case("COPY dir /new\nCOPY --from=stage /s /s", "//- /dir/x\nx\n")
        .stage("//- /s/t/u\nu\n")
        .check(expect![[""]]);
}
