//! Choosing packages from archives of a few lines.

use crate::base::debian::catalog::{Catalog, Package};
use crate::base::debian::resolve::{Selection, resolve};
use expect_test::{Expect, expect};

/// One package per line: `name version; Field: value; ...`. Packages `ess*` are essential.
fn archive(lines: &str) -> String {
    let mut text = String::new();
    for line in lines.lines().map(str::trim).filter(|line| !line.is_empty()) {
        let mut parts = line.split("; ");
        let (name, version) = parts.next().unwrap().split_once(' ').unwrap();
        text += &format!("Package: {name}\nVersion: {version}\n");
        if name.starts_with("ess") {
            text += "Essential: yes\n";
        }
        let fields: Vec<&str> = parts.collect();
        if !fields.iter().any(|field| field.starts_with("Architecture")) {
            text += "Architecture: amd64\n";
        }
        fields.iter().for_each(|field| text += &format!("{field}\n"));
        text += &format!("Filename: pool/{name}.deb\nSize: 1\nSHA256: {:064}\n\n", 0);
    }
    text
}

fn check(lines: &str, include: &[&str], expected: Expect) {
    let text = archive(lines);
    let mut catalog = Catalog::new("amd64");
    catalog.add(&text, 0);
    let selection =
        Selection { always: vec![], include: include.iter().map(|word| (*word).to_owned()).collect() };
    let names = |packages: &[Package]| {
        packages.iter().map(|package| format!(" {}={}", package.name, package.version)).collect::<String>()
    };
    expected.assert_eq(&match resolve(&catalog, &selection) {
        Ok(resolved) => {
            format!("system:{}\nincluded:{}\n", names(&resolved.system), names(&resolved.included))
        }
        Err(error) => format!("error: {error}\n"),
    });
}

#[test]
fn dependencies_are_closed_over() {
    check(
        "ess 1; Depends: aa, bb (>= 2)
         req 1; Priority: required
         aa 1; Pre-Depends: cc
         bb 2
         cc 1; Depends: aa
         dd 1; Recommends: ee
         ee 1",
        &["dd"],
        expect![[r#"
            system: aa=1 bb=2 cc=1 ess=1 req=1
            included: dd=1
        "#]],
    );
}

#[test]
fn circles_are_fine_and_order_follows_dependencies() {
    check(
        "ess 1\naa 1; Depends: bb\nbb 1; Depends: cc\ncc 1; Depends: aa\nzz 1\nyy 1; Pre-Depends: zz",
        &["yy", "aa"],
        expect![[r#"
            system: ess=1
            included: cc=1 bb=1 aa=1 zz=1 yy=1
        "#]],
    );
}

#[test]
fn the_highest_version_counts_and_other_architectures_do_not() {
    check(
        "ess 1\ness 1+b1\ness 9; Architecture: arm64\naa 2; Architecture: all",
        &["aa"],
        expect![[r#"
            system: ess=1+b1
            included: aa=2
        "#]],
    );
}

#[test]
fn a_chosen_alternative_wins_over_the_first() {
    check(
        "ess 1; Depends: aa | bb, cc\naa 1\nbb 1\ncc 1; Depends: bb",
        &[],
        expect![[r#"
            system: bb=1 cc=1 ess=1
            included:
        "#]],
    );
    check(
        "ess 1; Depends: none | aa (>> 1) | bb\naa 1\nbb 1",
        &[],
        expect![[r#"
            system: bb=1 ess=1
            included:
        "#]],
    );
}

#[test]
fn what_is_provided_satisfies() {
    check(
        "ess 1; Depends: awk, perlapi-5.36 (>= 5), xx\nmawk 1; Provides: awk; Priority: required
         gawk 1; Provides: awk\nperl 5.36; Provides: perlapi-5.36 (= 5.36.0)\nold 1; Provides: perlapi-5.36
         imp 1; Provides: xx; Priority: important\nabc 1; Provides: xx",
        &[],
        expect![[r#"
            system: ess=1 imp=1 mawk=1 perl=5.36
            included:
        "#]],
    );
    check(
        "ess 1; Depends: awk (>= 2)\nmawk 3; Provides: awk",
        &[],
        expect![[r#"
            error: `ess` depends on `awk (>= 2)`, which is not in the archive
        "#]],
    );
}

#[test]
fn what_cannot_be_had_is_said() {
    check(
        "ess 1; Depends: aa (>= 2)\naa 1",
        &[],
        expect![[r#"
            error: `ess` depends on `aa (>= 2)`, which the archive has in version 1
        "#]],
    );
    check(
        "ess 1; Conflicts: bb\naa 1; Depends: bb\nbb 1",
        &["aa"],
        expect![[r#"
            error: `aa` depends on `bb`, which cannot be installed beside `ess`
        "#]],
    );
    check(
        "ess 1; Breaks: aa (<< 2)\naa 1",
        &["aa"],
        expect![[r#"
            error: `ess` excludes `aa` by `aa (<< 2)`, and both are needed
        "#]],
    );
    check(
        "ess 1; Depends: aa:arm64\naa 1",
        &[],
        expect![[r#"
            error: `ess` depends on `aa:arm64`, which is not in the archive
        "#]],
    );
    check(
        "aa 1",
        &[],
        expect![[r#"
            error: the archive has no essential package for amd64
        "#]],
    );
    check(
        "ess 1; Depends: a_a",
        &[],
        expect![[r#"
            error: the index entry of `ess` is malformed: field `Depends`
        "#]],
    );
}

#[test]
fn an_excluded_alternative_is_passed_over() {
    check(
        "ess 1; Conflicts: aa\ndd 1; Depends: aa | bb\naa 1\nbb 1",
        &["dd"],
        expect![[r#"
            system: ess=1
            included: bb=1 dd=1
        "#]],
    );
}

#[test]
fn a_package_may_exclude_what_it_provides() {
    check(
        "ess 1\nmta-a 1; Provides: mta; Conflicts: mta\ndd 1; Depends: mta",
        &["dd"],
        expect![[r#"
            system: ess=1
            included: mta-a=1 dd=1
        "#]],
    );
}

#[test]
fn packages_are_asked_for_by_name_and_version() {
    check(
        "ess 1\ncurl 7\ncurl 8",
        &["curl=7"],
        expect![[r#"
        system: ess=1
        included: curl=7
    "#]],
    );
    check(
        "ess 1\ncurl 8",
        &["curl=9"],
        expect![[r#"
        error: the archive has `curl` in version 8, not 9
    "#]],
    );
    check(
        "ess 1\ncurl 8",
        &["crul"],
        expect![[r#"
        error: the archive has no package `crul` for amd64; did you mean `curl`?
    "#]],
    );
    check(
        "ess 1\ncurl 8",
        &["curl:arm64"],
        expect![[r#"
        error: the archive has no package `curl:arm64` for amd64; did you mean `curl`?
    "#]],
    );
    check(
        "ess 1",
        &["--purge"],
        expect![[r#"
        error: cannot include `--purge`
    "#]],
    );
    check(
        "ess 1\nreal 1; Provides: virt",
        &["virt"],
        expect![[r#"
        system: ess=1
        included: real=1
    "#]],
    );
}
