//! --chown, --chmod, --link, --parents, --exclude, and files that come from elsewhere.

use expect_test::expect;

use super::case;

const TREE: &str = "
//- /a mode=0640
a
//- /dir/ mode=0700
//- /dir/x mode=0755
x
//- /dir/sub/ mode=0711
//- /dir/sub/y.log
y
//- /dir/sub/z
z
//- /dir/link -> x
";

#[test]
fn owners() {
    case("COPY --chown=app a /1\nCOPY --chown=app:staff dir /n/2\nCOPY --chown=7 a /3\nCOPY --chown=nosuch:staff a /4", TREE)
        .check(expect![[""]]);
}

#[test]
fn modes() {
    case("COPY --chmod=0600 a /n/1\nCOPY --chmod=700 dir /2\nCOPY --chmod=u=rwX,go=rX dir /3\nCOPY --chmod=4711 a /o/4", TREE)
        .check(expect![[""]]);
}

#[test]
fn a_linked_layer_does_not_look_below() {
    case("COPY --link a /lib/a\nCOPY --link dir /tmp/d", TREE).check(expect![[""]]);
    case("COPY --link --chown=app a /x", TREE).check(expect![[""]]);
    case("COPY --link --chown=5:6 a /x/y", TREE).check(expect![[""]]);
}

#[test]
fn parents() {
    case(
        "COPY --parents dir/sub/z dir/x /n/\nCOPY --parents dir/./sub/z /p/\nCOPY --parents dir/sub /d/",
        TREE,
    )
    .check(expect![[""]]);
    case("COPY --parents **/*.log /n/\nCOPY --parents */x /m/\nCOPY --parents ./dir/./**/z /o/", TREE)
        .check(expect![[""]]);
    case("COPY --parents dir/nosuch /n/", TREE).check(expect![[""]]);
    case("COPY --parents --chown=1 --chmod=0700 dir/sub/z /n/", TREE).check(expect![[""]]);
    case("COPY --parents --from=stage /s/t/u /n/", TREE)
        .stage("//- /s/ owner=3:4\n//- /s/t/u owner=1:2\nu\n")
        .check(expect![[""]]);
}

#[test]
fn exclude() {
    case("COPY --exclude=*.log --exclude=x dir /n", TREE).check(expect![[""]]);
    case("COPY --exclude=**/*.log dir /n", TREE).check(expect![[""]]);
    case("COPY --exclude=sub --exclude=!sub/z dir /n", TREE).check(expect![[""]]);
    case("COPY --exclude=* dir /n", TREE).check(expect![[""]]);
    case("COPY --exclude=a a /n", TREE).check(expect![[""]]);
    case("COPY --parents --exclude=**/z dir /n/", TREE).check(expect![[""]]);
}

#[test]
fn inline_files() {
    case("COPY <<one <<two /n/\n1\none\n2\ntwo\nCOPY --chmod=0755 --chown=app <<E /n/run\n#!/bin/sh\nE\nCOPY <<F /tmp\nf\nF", "")
        .check(expect![[""]]);
}

#[test]
fn downloads() {
    let case = |text: &str| case(text, "").url("http://h/d/file?q", "hello").url("http://h/", "root");
    case(
        "ADD http://h/d/file?q /n/\nADD http://h/d/file?q /name\nADD --chmod=0755 --chown=app http://h/ /m/",
    )
    .check(expect![[""]]);
    case("ADD --checksum=sha256:2cf24dba5fb0a30e26e83b2ac5b9e29e1b161e5c1fa7425e73043362938b9824 http://h/d/file?q /n").check(expect![[""]]);
    case("ADD --checksum=sha256:0000000000000000000000000000000000000000000000000000000000000000 http://h/d/file?q /n").check(expect![[""]]);
    case("ADD http://h/nothing /n").check(expect![[""]]);
}

#[test]
fn repositories() {
    case("ADD https://h/r.git /n\nADD --keep-git-dir https://h/r.git /tmp\nADD --chown=app --exclude=sub https://h/r.git#v /m/", "").check(expect![[""]]);
}
