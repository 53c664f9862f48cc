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
    case("COPY a /b\nCOPY a /new/deep/c\nCOPY a /new/d/\nCOPY a /tmp\nCOPY a /", TREE).check(expect![[r#"
        /a file 0640 0:0 "a\n"
        /b file 0640 0:0 "a\n"
        /new dir 0755 0:0
        /new/d dir 0755 0:0
        /new/d/a file 0640 0:0 "a\n"
        /new/deep dir 0755 0:0
        /new/deep/c file 0640 0:0 "a\n"
        /tmp dir 1777 0:0
        /tmp/a file 0640 0:0 "a\n"
    "#]]);
}

#[test]
fn a_directory_stands_for_its_content() {
    case("COPY dir /new\nCOPY dir /to\nCOPY dir /slash/", TREE).check(expect![[r#"
        /new dir 0755 0:0
        /new/sub dir 0755 0:0
        /new/sub/y file 0644 0:0 "y\n"
        /new/x file 0644 0:0 "x\n"
        /slash dir 0755 0:0
        /slash/sub dir 0755 0:0
        /slash/sub/y file 0644 0:0 "y\n"
        /slash/x file 0644 0:0 "x\n"
        /to dir 0755 0:0
        /to/sub dir 0755 0:0
        /to/sub/y file 0644 0:0 "y\n"
        /to/x file 0644 0:0 "x\n"
    "#]]);
}

#[test]
fn several_sources() {
    case("COPY a dir /new/", TREE).check(expect![[r#"
        /new dir 0755 0:0
        /new/a file 0640 0:0 "a\n"
        /new/sub dir 0755 0:0
        /new/sub/y file 0644 0:0 "y\n"
        /new/x file 0644 0:0 "x\n"
    "#]]);
    case("COPY a dir/x /to", TREE).check(expect![[r#"
        /to dir 0755 0:0
        /to/a file 0640 0:0 "a\n"
        /to/x file 0644 0:0 "x\n"
    "#]]);
    case("COPY a dir/x /name", TREE).check(expect![[r#"
        /name file 0644 0:0 "x\n"
        warning: several files are copied to `/name`, which is no directory, so only the last one is there; end it with a slash
    "#]]);
}

#[test]
fn links_in_the_destination_are_followed_inside_the_image() {
    case("COPY a /lib/\nCOPY a /var/run/deep/b\nCOPY a /link", TREE).check(expect![[r#"
        /run dir 0755 0:0
        /run/deep dir 0755 0:0
        /run/deep/b file 0640 0:0 "a\n"
        /target file 0640 0:0 "a\n"
        /usr dir 0755 0:0
        /usr/lib dir 0755 0:0
        /usr/lib/a file 0640 0:0 "a\n"
    "#]]);
    case("COPY a /loop/x", TREE).check(expect![[r#"
        error: `/loop` goes through too many symbolic links
    "#]]);
}

#[test]
fn existing_directories_keep_their_attributes_at_the_top_and_take_the_sources_below() {
    case("COPY tree /", "//- /tree/ mode=0700\n//- /tree/tmp/ mode=0711\n//- /tree/home/app/new\nn\n").check(
        expect![[r#"
            /home dir 0755 0:0
            /home/app dir 0755 0:0
            /home/app/new file 0644 0:0 "n\n"
            /tmp dir 0711 0:0
        "#]],
    );
}

#[test]
fn files_and_directories_do_not_replace_each_other() {
    case("COPY dir /target", TREE).check(expect![[r#"
        error: a directory cannot take the place of `/target`, which is none
    "#]]);
    case("COPY a /target/b", TREE).check(expect![[r#"
        error: `/target` is not a directory, so nothing can be copied below it
    "#]]);
    case("COPY . /", "//- /to\nfile\n").check(expect![[r#"
        error: a file cannot take the place of the directory `/to`
    "#]]);
    case("COPY . /", "//- /target/x\nx\n").check(expect![[r#"
        error: a directory cannot take the place of `/target`, which is none
    "#]]);
    case("COPY . /", "//- /lib/x\nx\n").check(expect![[r#"
        error: a directory cannot take the place of `/lib`, which is none
    "#]]);
}

#[test]
fn a_file_replaces_a_link_inside_a_copied_directory() {
    case("COPY . /", "//- /link mode=0755\nnew\n//- /target -> link\n").check(expect![[r#"
        /link file 0755 0:0 "new\n"
        /target link      0:0 -> link
    "#]]);
}

#[test]
fn later_instructions_see_earlier_ones() {
    case("COPY dir /lib/d\nCOPY a /lib/d/sub/y\nCOPY a /lib/d/x/../z", TREE).check(expect![[r#"
        /usr dir 0755 0:0
        /usr/lib dir 0755 0:0
        /usr/lib/d dir 0755 0:0
        /usr/lib/d/sub dir 0755 0:0
        /usr/lib/d/sub/y file 0640 0:0 "a\n"
        /usr/lib/d/x file 0644 0:0 "x\n"
        /usr/lib/d/z file 0640 0:0 "a\n"
    "#]]);
}

#[test]
fn a_set_group_id_directory_gives_its_group_to_directories_made_in_it() {
    case("COPY dir /shared/new/deep\nCOPY a /shared/f\nCOPY --chown=7:8 a /shared/n/f", TREE).check(expect![
        [r#"
            /shared dir 2775 0:50
            /shared/f file 0640 0:0 "a\n"
            /shared/n dir 2755 7:8
            /shared/n/f file 0640 7:8 "a\n"
            /shared/new dir 2755 0:50
            /shared/new/deep dir 2755 0:50
            /shared/new/deep/sub dir 0755 0:0
            /shared/new/deep/sub/y file 0644 0:0 "y\n"
            /shared/new/deep/x file 0644 0:0 "x\n"
        "#]
    ]);
}

#[test]
fn working_directories_belong_to_the_user() {
    case(
        "WORKDIR /srv/a\nUSER app\nWORKDIR b/c\nWORKDIR /tmp\nWORKDIR /shared/x\nUSER 7\nWORKDIR /lib/w",
        "",
    )
    .check(expect![[r#"
        /shared dir 2775 0:50
        /shared/x dir 2755 1000:1000
        /srv dir 0755 0:0
        /srv/a dir 0755 0:0
        /srv/a/b dir 0755 1000:1000
        /srv/a/b/c dir 0755 1000:1000
        /usr dir 0755 0:0
        /usr/lib dir 0755 0:0
        /usr/lib/w dir 0755 7:7
    "#]]);
    case("USER app\nWORKDIR /x", "").bare().check(expect![[r#"
        error: `app` cannot be looked up: the stage is still empty, so it has no /etc/passwd
    "#]]);
    case("WORKDIR /target/x", "").check(expect![[r#"
        error: `/target` is not a directory, so nothing can be copied below it
    "#]]);
}

#[test]
fn an_empty_image() {
    case("COPY a /x/y\nCOPY dir /x", TREE).bare().check(expect![[r#"
        /x dir 0755 0:0
        /x/sub dir 0755 0:0
        /x/sub/y file 0644 0:0 "y\n"
        /x/x file 0644 0:0 "x\n"
        /x/y file 0640 0:0 "a\n"
    "#]]);
    case("COPY --chown=app a /x", TREE).bare().check(expect![[r#"
        error: `app` cannot be looked up: the stage is still empty, so it has no /etc/passwd
    "#]]);
}

#[test]
fn times() {
    case("COPY dir /new\nCOPY --from=stage /s /s", "//- /dir/x\nx\n").stage("//- /s/t/u\nu\n").check(
        expect![[r#"
            /new dir 0755 0:0
            /new/x file 0644 0:0 "x\n"
            /s dir 0755 0:0
            /s/t dir 0755 0:0 old
            /s/t/u file 0644 0:0 old "u\n"
        "#]],
    );
}
