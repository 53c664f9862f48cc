//! Archives that ADD unpacks.

use expect_test::expect;

use super::case;

#[test]
fn compressed_in_every_way() {
    for form in ["tar", "gzip", "bzip2", "xz", "zstd"] {
        let layers =
            case("ADD data /n", &format!("//- /data archive={form}\nd/f text=x\n")).apply().unwrap().0;
        let file = layers[0].path().join("upper/n/d/f");
        assert_eq!(std::fs::read_to_string(file).unwrap(), "x", "{form}");
    }
}

#[test]
fn members_keep_what_they_are() {
    case("ADD a.tar /n", "//- /a.tar archive=tar\nd/ mode=0700 owner=1:2\nd/f mode=4755 owner=3:4 text=x\nl -> d/f\nh => d/f\np type=fifo mode=0600\n")
        .check(expect![[""]]);
}

#[test]
fn over_what_is_there() {
    case("ADD a.tar /", "//- /a.tar archive=tar\nto/ mode=0700\nto/dir text=file\ntarget/ mode=0755\ntarget/in text=x\nlink text=y\n")
        .check(expect![[""]]);
}

#[test]
fn links_of_the_image() {
    case("ADD a.tar /", "//- /a.tar archive=tar\nlib/file text=through\n").check(expect![[""]]);
    case("ADD a.tar /", "//- /a.tar archive=tar\nlib/ mode=0755\nlib/file text=instead\n").check(expect![[""]]);
    case("ADD a.tar /lib/sub", "//- /a.tar archive=tar\nfile text=x\n").check(expect![[""]]);
}

#[test]
fn owners_and_modes() {
    case(
        "ADD --chown=app --chmod=0700 a.tar /n/m",
        "//- /a.tar archive=tar\nd/f owner=3:4 mode=0640 text=x\n",
    )
    .check(expect![[""]]);
}

#[test]
fn what_is_not_unpacked() {
    let tree =
        "//- /a.tar archive=tar\nf text=x\n//- /dir/b.tar archive=tar\nf text=x\n//- /c.tar\nonly text\n";
    case("COPY a.tar /1\nADD --unpack=false a.tar /2\nADD dir /3\nADD c.tar /4/", tree).check(expect![[""]]);
}

#[test]
fn several_and_files_beside() {
    case(
        "ADD *.tar plain /n/",
        "//- /a.tar archive=tar\na text=a\n//- /b.tar archive=tar\nb text=b\n//- /plain\np\n",
    )
    .check(expect![[""]]);
}

#[test]
fn a_link_layer() {
    case("ADD --link a.tar /lib/", "//- /a.tar archive=tar\nf text=x\n").check(expect![[""]]);
}
