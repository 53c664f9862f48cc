//! COPY and ADD.

use expect_test::expect;

use super::case;

#[test]
fn destinations_are_absolute() {
    case("FROM full\nCOPY a b/\nCOPY a .\nCOPY a ./\nCOPY a ..\nCOPY a /x/../y/\nCOPY a c\nCOPY a d/.\n")
        .check(expect![[r#"
        stage stage-0 for linux/amd64 from image full
          1/7 COPY a b/
              the context:a -> /work/b/
          2/7 COPY a .
              the context:a -> /work/
          3/7 COPY a ./
              the context:a -> /work/
          4/7 COPY a ..
              the context:a -> /
          5/7 COPY a /x/../y/
              the context:a -> /y/
          6/7 COPY a c
              the context:a -> /work/c
          7/7 COPY a d/.
              the context:a -> /work/d/.
    "#]]);
}

#[test]
fn flags() {
    case(
        "FROM base\nARG M=0750\nCOPY --chown=a:b --chmod=$M --link --parents --exclude=x --exclude=$M s /d/\n\
         COPY --chmod=u=rwX,g-w s /d\nCOPY --chown= --chmod= --link=false s /d\nADD --unpack=false s /d\nADD --unpack=true http://h/x /d\n",
    )
    .check(expect![[r#"
        stage stage-0 for linux/amd64 from image base
          1/6 ARG M=0750
          2/6 COPY --chown=a:b --chmod=$M --link --parents --exclude=x --exclude=$M s /d/
              the context:s -> /d/
              chown a:b, chmod 0750, link, parents, exclude x, exclude $M
          3/6 COPY --chmod=u=rwX,g-w s /d
              the context:s -> /d
              chmod symbolic
          4/6 COPY --chown= --chmod= --link=false s /d
              the context:s -> /d
          5/6 ADD --unpack=false s /d
              the context:s -> /d
              no unpacking
          6/6 ADD --unpack=true http://h/x /d
              http://h/x as x -> /d
              unpack downloads
    "#]]);
}

#[test]
fn what_add_fetches() {
    case(
        "FROM base\nADD https://h/a/b.tgz?x#y /\nADD https://h/r.git#v1:sub /g\nADD --keep-git-dir=true git@h:r.git /g\n\
         ADD --checksum=abc https://h/r.git /g\nADD local https://h/ /d/\n",
    )
    .check(expect![[r#"
        stage stage-0 for linux/amd64 from image base
          1/5 ADD https://h/a/b.tgz?x#y /
              https://h/a/b.tgz?x#y as b.tgz -> /
          2/5 ADD https://h/r.git#v1:sub /g
              git https://h/r.git#v1:sub -> /g
          3/5 ADD --keep-git-dir=true git@h:r.git /g
              git git@h:r.git with .git -> /g
          4/5 ADD --checksum=abc https://h/r.git /g
              git https://h/r.git at commit abc -> /g
          5/5 ADD local https://h/ /d/
              the context:local -> /d/
              https://h/ as __unnamed__ -> /d/
    "#]]);
}

#[test]
fn inline_files() {
    case(
        "FROM base\nENV V=x\nCOPY <<A <<-B <<\"C\" /to/\n$V \"q\" \\$V\nA\n\t${V}\nB\n$V\nC\nADD <<ONE /f\n1\nONE\n",
    )
    .check(expect![[r#"
        stage stage-0 for linux/amd64 from image base
          1/3 ENV V=x
          2/3 COPY <<A <<-B <<"C" /to/
              inline A "x \"q\" $V\n" -> /to/
              inline B "x\n" -> /to/
              inline C "$V\n" -> /to/
          3/3 ADD <<ONE /f
              inline ONE "1\n" -> /f
    "#]]);
}

#[test]
fn a_backslash_in_an_inline_file_takes_a_meaning_away() {
    let content = |body: &str| {
        let stage = case(&format!("FROM base\nCOPY <<E /f\n{body}\nE\n")).result();
        match &stage.steps[0].action {
            super::Action::Copy(copy) => match &copy.sources[0] {
                super::CopySource::Inline { content, .. } => content.clone(),
                other => panic!("{other:?}"),
            },
            other => panic!("{other:?}"),
        }
    };
    assert_eq!(content("\\"), "\n");
    assert_eq!(content("\\\\"), "\\\n");
    assert_eq!(content("\\$"), "$\n");
    assert_eq!(content("'a' \"b\""), "'a' \"b\"\n");
}

#[test]
fn what_is_wrong() {
    case("FROM base\nCOPY https://h/x /\nCOPY git@h:x.git /\nCOPY --chmod=9999 a /\nCOPY --chmod=u~x a /\n")
        .check(expect![[r#"
            error 2:6: COPY takes no URL (use ADD)
            error 3:6: COPY takes no git repository (use ADD)
            error 4:14: invalid mode `9999` (a mode is octal like `0755`, or symbolic like `u=rwX,go=rX`)
            error 5:14: invalid mode `u~x` (a mode is octal like `0755`, or symbolic like `u=rwX,go=rX`)
        "#]]);
    case("FROM base\nADD --checksum=sha256:00 a /\nADD --checksum=md5:00 http://h/x /\nADD --checksum=x a b /c/\nADD https://h/x.git?nope=1 /\n")
        .check(expect![[r#"
            error 2:16: `--checksum` is for a URL or a git repository
            error 3:16: `md5:00` is not a digest: its algorithm is neither sha256 nor sha512 (write it as `sha256:` and 64 hexadecimal digits)
            error 4:16: `--checksum` is for a single source
            error 5:5: unknown query `nope`
        "#]]);
}

/// What is warned of, each with its line and column.
#[track_caller]
fn check_ignored(ignore: &str, text: &str, expected: &[&str]) {
    let planned = case(text).ignore(ignore).plan().unwrap();
    let warnings = planned.warnings.iter().map(|warning| {
        let place = dockerfile::line_column(text, warning.span.start);
        format!("{}:{} {}", place.line, place.column, warning.message)
    });
    assert_eq!(warnings.collect::<Vec<_>>(), expected, "for {ignore:?}");
}

#[test]
fn a_source_that_the_ignore_file_keeps_out_is_warned_of() {
    let text =
        "FROM base AS one\nCOPY a b.log /x/\nADD ./a/../secret/key /\nCOPY --from=base b.log /\nCOPY . /\n";
    check_ignored("", text, &[]);
    check_ignored(
        "*.log\nsecret\n",
        text,
        &[
            "2:8 `b.log` is excluded by the ignore file",
            "3:5 `./a/../secret/key` is excluded by the ignore file",
        ],
    );
    check_ignored("*.log\n!b.log\n", text, &[]);
    check_ignored(
        "*\n",
        text,
        &[
            "2:6 `a` is excluded by the ignore file",
            "2:8 `b.log` is excluded by the ignore file",
            "3:5 `./a/../secret/key` is excluded by the ignore file",
            "5:6 `.` is excluded by the ignore file",
        ],
    );
    check_ignored("*\n", "# check=skip=CopyIgnoredFile\nFROM base\nCOPY a /\n", &[]);
}
