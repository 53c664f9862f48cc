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
        .check(expect![[r#"
            /1 file 0640 1000:1000 "a\n"
            /3 file 0640 7:7 "a\n"
            /4 file 0640 0:50 "a\n"
            /n dir 0755 1000:50
            /n/2 dir 0755 1000:50
            /n/2/link link      1000:50 -> x
            /n/2/sub dir 0711 1000:50
            /n/2/sub/y.log file 0644 1000:50 "y\n"
            /n/2/sub/z file 0644 1000:50 "z\n"
            /n/2/x file 0755 1000:50 "x\n"
            warning: `nosuch` is neither in /etc/passwd nor in /etc/group of the image; root is taken
        "#]]);
}

#[test]
fn modes() {
    case("COPY --chmod=0600 a /n/1\nCOPY --chmod=700 dir /2\nCOPY --chmod=u=rwX,go=rX dir /3\nCOPY --chmod=4711 a /o/4", TREE)
        .check(expect![[r#"
            /2 dir 0700 0:0
            /2/link link      0:0 -> x
            /2/sub dir 0700 0:0
            /2/sub/y.log file 0700 0:0 "y\n"
            /2/sub/z file 0700 0:0 "z\n"
            /2/x file 0700 0:0 "x\n"
            /3 dir 0755 0:0
            /3/link link      0:0 -> x
            /3/sub dir 0755 0:0
            /3/sub/y.log file 0644 0:0 "y\n"
            /3/sub/z file 0644 0:0 "z\n"
            /3/x file 0755 0:0 "x\n"
            /n dir 0600 0:0
            /n/1 file 0600 0:0 "a\n"
            /o dir 0711 0:0
            /o/4 file 4711 0:0 "a\n"
        "#]]);
}

#[test]
fn a_linked_layer_does_not_look_below() {
    case("COPY --link a /lib/a\nCOPY --link dir /tmp/d", TREE).check(expect![[r#"
        /lib dir 0755 0:0
        /lib/a file 0640 0:0 "a\n"
        /tmp dir 0755 0:0
        /tmp/d dir 0755 0:0
        /tmp/d/link link      0:0 -> x
        /tmp/d/sub dir 0711 0:0
        /tmp/d/sub/y.log file 0644 0:0 "y\n"
        /tmp/d/sub/z file 0644 0:0 "z\n"
        /tmp/d/x file 0755 0:0 "x\n"
    "#]]);
    case("COPY --link --chown=app a /x", TREE).check(expect![[r#"
        error: `app` cannot be looked up: `--link` makes a layer that does not look at the image below it
    "#]]);
    case("COPY --link --chown=5:6 a /x/y", TREE).check(expect![[r#"
        /x dir 0755 5:6
        /x/y file 0640 5:6 "a\n"
    "#]]);
}

#[test]
fn parents() {
    case(
        "COPY --parents dir/sub/z dir/x /n/\nCOPY --parents dir/./sub/z /p/\nCOPY --parents dir/sub /d/",
        TREE,
    )
    .check(expect![[r#"
        /d dir 0755 0:0
        /d/dir dir 0700 0:0
        /d/dir/sub dir 0711 0:0
        /d/dir/sub/y.log file 0644 0:0 "y\n"
        /d/dir/sub/z file 0644 0:0 "z\n"
        /n dir 0755 0:0
        /n/dir dir 0700 0:0
        /n/dir/sub dir 0711 0:0
        /n/dir/sub/z file 0644 0:0 "z\n"
        /n/dir/x file 0755 0:0 "x\n"
        /p dir 0755 0:0
        /p/sub dir 0711 0:0
        /p/sub/z file 0644 0:0 "z\n"
    "#]]);
    case("COPY --parents **/*.log /n/\nCOPY --parents */x /m/\nCOPY --parents ./dir/./**/z /o/", TREE).check(
        expect![[r#"
            /m dir 0755 0:0
            /m/dir dir 0700 0:0
            /m/dir/x file 0755 0:0 "x\n"
            /n dir 0755 0:0
            /n/dir dir 0700 0:0
            /n/dir/sub dir 0711 0:0
            /n/dir/sub/y.log file 0644 0:0 "y\n"
            /o dir 0755 0:0
            /o/sub dir 0711 0:0
            /o/sub/z file 0644 0:0 "z\n"
        "#]],
    );
    case("COPY --parents d*/sub/z dir/[x]* /n/\nCOPY --parents dir /m", TREE).check(expect![[r#"
        /m dir 0755 0:0
        /m/dir dir 0700 0:0
        /m/dir/link link      0:0 -> x
        /m/dir/sub dir 0711 0:0
        /m/dir/sub/y.log file 0644 0:0 "y\n"
        /m/dir/sub/z file 0644 0:0 "z\n"
        /m/dir/x file 0755 0:0 "x\n"
        /n dir 0755 0:0
        /n/dir dir 0700 0:0
        /n/dir/sub dir 0711 0:0
        /n/dir/sub/z file 0644 0:0 "z\n"
        /n/dir/x file 0755 0:0 "x\n"
    "#]]);
    case("COPY --parents dir/nosuch /n/", TREE).check(expect![[r#"
        error: `dir/nosuch` is not in the build context
    "#]]);
    case("COPY --parents --chown=1 --chmod=0700 dir/sub/z /n/", TREE).check(expect![[r#"
        /n dir 0700 1:1
        /n/dir dir 0700 1:1
        /n/dir/sub dir 0700 1:1
        /n/dir/sub/z file 0700 1:1 "z\n"
    "#]]);
    case("COPY --parents --from=stage /s/t/u /n/", TREE)
        .stage("//- /s/ owner=3:4\n//- /s/t/u owner=1:2\nu\n")
        .check(expect![[r#"
            /n dir 0755 0:0
            /n/s dir 0755 3:4 old
            /n/s/t dir 0755 0:0 old
            /n/s/t/u file 0644 1:2 old "u\n"
        "#]]);
}

#[test]
fn exclude() {
    case("COPY --exclude=*.log --exclude=x dir /n", TREE).check(expect![[r#"
        /n dir 0755 0:0
        /n/link link      0:0 -> x
        /n/sub dir 0711 0:0
        /n/sub/y.log file 0644 0:0 "y\n"
        /n/sub/z file 0644 0:0 "z\n"
    "#]]);
    case("COPY --exclude=**/*.log dir /n", TREE).check(expect![[r#"
        /n dir 0755 0:0
        /n/link link      0:0 -> x
        /n/sub dir 0711 0:0
        /n/sub/z file 0644 0:0 "z\n"
        /n/x file 0755 0:0 "x\n"
    "#]]);
    case("COPY --exclude=sub --exclude=!sub/z dir /n", TREE).check(expect![[r#"
        /n dir 0755 0:0
        /n/link link      0:0 -> x
        /n/sub dir 0711 0:0
        /n/sub/z file 0644 0:0 "z\n"
        /n/x file 0755 0:0 "x\n"
    "#]]);
    case("COPY --exclude=* dir /n", TREE).check(expect![[r#"
        /n dir 0755 0:0
    "#]]);
    case("COPY --exclude=a a /n", TREE).check(expect![[r#"
        /n file 0640 0:0 "a\n"
    "#]]);
    case("COPY --parents --exclude=**/z dir /n/", TREE).check(expect![[r#"
        /n dir 0755 0:0
        /n/dir dir 0700 0:0
        /n/dir/link link      0:0 -> x
        /n/dir/sub dir 0711 0:0
        /n/dir/sub/y.log file 0644 0:0 "y\n"
        /n/dir/x file 0755 0:0 "x\n"
    "#]]);
}

#[test]
fn inline_files() {
    case("COPY <<one <<two /n/\n1\none\n2\ntwo\nCOPY --chmod=0755 --chown=app <<E /n/run\n#!/bin/sh\nE\nCOPY <<F /tmp\nf\nF", "")
        .check(expect![[r##"
            /n dir 0755 0:0
            /n/one file 0644 0:0 "1\n"
            /n/run file 0755 1000:1000 "#!/bin/sh\n"
            /n/two file 0644 0:0 "2\n"
            /tmp dir 1777 0:0
            /tmp/F file 0644 0:0 "f\n"
        "##]]);
}

#[test]
fn downloads() {
    let case = |text: &str| case(text, "").url("http://h/d/file?q", "hello").url("http://h/", "root");
    case(
        "ADD http://h/d/file?q /n/\nADD http://h/d/file?q /name\nADD --chmod=0755 --chown=app http://h/ /m/",
    )
    .check(expect![[r#"
        /m dir 0755 1000:1000
        /m/__unnamed__ file 0755 1000:1000 old "root"
        /n dir 0755 0:0
        /n/file file 0600 0:0 old "hello"
        /name file 0600 0:0 old "hello"
    "#]]);
    case("ADD --checksum=sha256:2cf24dba5fb0a30e26e83b2ac5b9e29e1b161e5c1fa7425e73043362938b9824 http://h/d/file?q /n").check(expect![[r#"
        /n file 0600 0:0 old "hello"
    "#]]);
    case("ADD --checksum=sha256:0000000000000000000000000000000000000000000000000000000000000000 http://h/d/file?q /n").check(expect![[r#"
        error: `http://h/d/file?q` has the digest sha256:2cf24dba5fb0a30e26e83b2ac5b9e29e1b161e5c1fa7425e73043362938b9824, not sha256:0000000000000000000000000000000000000000000000000000000000000000
          hint: the file has changed upstream; if that is right, change `--checksum`
    "#]]);
    case("ADD http://h/nothing /n").check(expect![[r#"
        error: cannot download a source of ADD
          caused by: `http://h/nothing` answered 404
    "#]]);
}

#[test]
fn repositories() {
    case("ADD https://h/r.git /n\nADD --keep-git-dir https://h/r.git /tmp\nADD --chown=app --exclude=sub https://h/r.git#v /m/", "").check(expect![[r#"
        /m dir 0755 1000:1000
        /m/file file 0644 1000:1000 "from git\n"
        /n dir 0755 0:0
        /n/file file 0644 0:0 "from git\n"
        /n/sub dir 0755 0:0
        /tmp dir 1777 0:0
        /tmp/.git dir 0755 0:0
        /tmp/file file 0644 0:0 "from git\n"
        /tmp/sub dir 0755 0:0
    "#]]);
}
