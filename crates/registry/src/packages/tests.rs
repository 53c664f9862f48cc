//! Requests in the shapes of their protocols, from registries and from the mirrors that stand before them.

use super::{Mutability, Request, recognise};

/// What is known of a URL, in one line: what, purl, whether it may change, whether somebody compiled it.
fn shown(request: &Request<'_>) -> String {
    let artifact = recognise(request);
    let mut text = artifact.to_string();
    if let Some(purl) = artifact.purl() {
        text += &format!(" = {purl}");
    }
    if artifact.mutability == Mutability::Mutable {
        text += " (moves)";
    }
    if artifact.prebuilt {
        text += " (prebuilt)";
    }
    if artifact.digest.is_some() {
        text += " (promised)";
    }
    text
}

fn check(cases: &[(&str, &str)]) {
    for (path, wanted) in cases {
        let url = format!("https://packages.example.org{path}");
        assert_eq!(shown(&Request::get(&url)), *wanted, "{path}");
    }
}

const HEX64: &str = "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855";

#[test]
fn debian() {
    check(&[
        ("/debian/dists/bookworm/InRelease", "debian index (moves)"),
        ("/repository/apt/dists/bookworm/main/binary-amd64/Packages.xz", "debian index (moves)"),
        ("/debian/dists/bookworm/main/i18n/Translation-en.bz2", "debian index (moves)"),
        ("/debian/dists/bookworm/main/Contents-amd64.gz", "debian index (moves)"),
        ("/debian/dists/bookworm/main/binary-amd64/Packages.diff/T-2024-F-2023.gz", "debian index (moves)"),
        ("/debian/dists/bookworm/Release.gpg", "debian signature (moves)"),
        (
            &format!("/debian/dists/bookworm/main/binary-amd64/by-hash/SHA256/{HEX64}"),
            "debian index (promised)",
        ),
        (
            "/debian/dists/bookworm/main/binary-amd64/by-hash/MD5Sum/d41d8cd98f00b204e9800998ecf8427e",
            "debian index",
        ),
        (
            "/debian/pool/main/g/gcc-12/libstdc%2b%2b6_12.2.0-14%2bdeb12u1_amd64.deb",
            "debian package libstdc++6 12.2.0-14+deb12u1 = pkg:deb/debian/libstdc%2B%2B6@12.2.0-14%2Bdeb12u1?arch=amd64",
        ),
        ("/ubuntu/pool/c/curl_8.5_arm64.deb", "debian package curl 8.5 = pkg:deb/ubuntu/curl@8.5?arch=arm64"),
        ("/flat/tool_1%253a2.0_all.deb", "debian package tool 1:2.0 = pkg:deb/debian/tool@1:2.0?arch=all"),
        (
            "/debian/pool/main/c/curl/curl_7.88.1.orig.tar.gz",
            "debian package curl 7.88.1 = pkg:deb/debian/curl@7.88.1?arch=source",
        ),
        (
            "/debian/pool/main/c/curl/curl_7.88.1-10.debian.tar.xz",
            "debian package curl 7.88.1-10 = pkg:deb/debian/curl@7.88.1-10?arch=source",
        ),
        (
            "/debian/pool/main/d/dpkg/dpkg_1.21.tar.xz",
            "debian package dpkg 1.21 = pkg:deb/debian/dpkg@1.21?arch=source",
        ),
        ("/flat/Packages.gz", "debian index (moves)"),
        ("/downloads/tool-1.0.deb", "generic file tool-1.0.deb (moves)"),
        ("/docs/Release", "generic file Release (moves)"),
        ("/dists/tool/1.0/tool.tar.gz", "generic file tool.tar.gz (moves)"),
    ]);
    let flat = Request::get("http://h/flat/Release").agent("Debian APT-HTTP/1.3 (2.6.1)");
    assert_eq!(shown(&flat), "debian index (moves)");
}

#[test]
fn rpm() {
    check(&[
        ("/repository/yum/repodata/repomd.xml", "rpm index (moves)"),
        ("/f/repodata/repomd.xml.asc", "rpm signature (moves)"),
        (&format!("/f/repodata/{HEX64}-primary.xml.zst"), "rpm index (promised)"),
        ("/f/repodata/primary.xml.gz", "rpm index (moves)"),
        ("/metalink?repo=fedora-40&arch=x86_64", "rpm index (moves)"),
        (
            "/fedora/40/Everything/x86_64/os/Packages/k/kernel-core-6.8.5-301.fc40.x86_64.rpm",
            "rpm package kernel-core 6.8.5-301.fc40 = pkg:rpm/fedora/kernel-core@6.8.5-301.fc40?arch=x86_64",
        ),
        (
            "/x/gcc-c++-1~rc1-1.noarch.rpm",
            "rpm package gcc-c++ 1~rc1-1 = pkg:rpm/gcc-c%2B%2B@1~rc1-1?arch=noarch",
        ),
        ("/x/tool.rpm", "generic file tool.rpm (moves)"),
    ]);
}

#[test]
fn pypi() {
    let hashed = "/packages/70/8e/0e2d847013cb52cd35b38c009bb167a1a26b2ce6cd6965bf26b47bc0bf44";
    check(&[
        ("/simple/", "pypi index (moves)"),
        ("/repository/pypi-proxy/simple/Typing_Extensions/", "pypi index typing-extensions (moves)"),
        ("/artifactory/api/pypi/pypi-remote/simple/six/", "pypi index six (moves)"),
        ("/docs/simple/six", "generic file six (moves)"),
        ("/pypi/requests/json", "pypi index requests (moves)"),
        ("/pypi/requests/2.32.0/json", "pypi metadata requests 2.32.0 = pkg:pypi/requests@2.32.0 (moves)"),
        (
            &format!("{hashed}/requests-2.31.0-py3-none-any.whl"),
            "pypi package requests 2.31.0 = pkg:pypi/requests@2.31.0 (prebuilt)",
        ),
        (
            &format!("{hashed}/requests-2.31.0-py3-none-any.whl.metadata"),
            "pypi metadata requests 2.31.0 = pkg:pypi/requests@2.31.0",
        ),
        (
            &format!("{hashed}/requests-2.31.0.tar.gz"),
            "pypi package requests 2.31.0 = pkg:pypi/requests@2.31.0",
        ),
        (
            "/repository/pypi/packages/python-dateutil/2.9.0/python-dateutil-2.9.0.tar.gz",
            "pypi package python-dateutil 2.9.0 = pkg:pypi/python-dateutil@2.9.0",
        ),
        ("/packages/source/s/six/six-1.16.0.tar.gz", "pypi package six 1.16.0 = pkg:pypi/six@1.16.0"),
        (
            "/root/pypi/+f/abc/def0123456789/six-1.16.0.tar.gz",
            "pypi package six 1.16.0 = pkg:pypi/six@1.16.0",
        ),
        (
            "/whl/cu121/torch-2.3.0%2Bcu121-cp312-cp312-linux_x86_64.whl",
            "pypi package torch 2.3.0+cu121 = pkg:pypi/torch@2.3.0%2Bcu121 (prebuilt)",
        ),
        ("/ftp/python/3.12.1/Python-3.12.1.tgz", "generic file Python-3.12.1.tgz (moves)"),
        ("/src/tool-1.0.tar.gz", "generic file tool-1.0.tar.gz (moves)"),
    ]);
    let uv = Request::get("http://h/simple/six").agent("uv/0.4");
    assert_eq!(shown(&uv), "pypi index six (moves)");
}

#[test]
fn npm() {
    check(&[
        ("/lodash/-/lodash-4.17.21.tgz", "npm package lodash 4.17.21 = pkg:npm/lodash@4.17.21"),
        (
            "/repository/npm/@types/node/-/node-20.1.0.tgz",
            "npm package @types/node 20.1.0 = pkg:npm/%40types/node@20.1.0",
        ),
        (
            "/api/npm/r/@types/node/-/@types/node-20.1.0.tgz",
            "npm package @types/node 20.1.0 = pkg:npm/%40types/node@20.1.0",
        ),
        ("/npm/@types%2fnode", "npm index @types/node (moves)"),
        ("/-/npm/v1/security/advisories/bulk", "npm question (moves)"),
        ("/lodash", "generic file lodash (moves)"),
        ("/group/project/-/archive/v1/project-v1.tar.gz", "generic file project-v1.tar.gz (moves)"),
    ]);
    let ask = |url, agent| shown(&Request::get(url).agent(agent));
    let npm = "npm/9.2.0 node/v18.19.0 linux x64 workspaces/false";
    assert_eq!(ask("http://h/repository/npm/lodash", npm), "npm index lodash (moves)");
    assert_eq!(ask("http://h/@types/node", npm), "npm index @types/node (moves)");
    assert_eq!(
        ask("http://h/lodash/4.17.21", npm),
        "npm metadata lodash 4.17.21 = pkg:npm/lodash@4.17.21 (moves)"
    );
    assert_eq!(ask("http://h/dl/tool.tgz", npm), "generic file tool.tgz (moves)");
    let abbreviated = Request::get("http://h/left-pad")
        .accept("application/vnd.npm.install-v1+json; q=1.0, application/json; q=0.8");
    assert_eq!(shown(&abbreviated), "npm index left-pad (moves)");
    assert_eq!(shown(&abbreviated.answered(Some("text/html"))), "generic file left-pad (moves)");
}

#[test]
fn crates() {
    check(&[
        ("/se/rd/serde", "crates index serde (moves)"),
        ("/repository/cargo/3/s/syn", "generic file syn (moves)"),
        ("/index/ha/sh/hash_map-x", "crates index hash_map-x (moves)"),
        ("/te/st/test.zip", "generic file test.zip (moves)"),
        ("/api/v1/crates/serde/1.0.200/download", "crates package serde 1.0.200 = pkg:cargo/serde@1.0.200"),
        ("/crates/serde/serde-1.0.200.crate", "crates package serde 1.0.200 = pkg:cargo/serde@1.0.200"),
        (
            "/wasm-bindgen-0.2.0-rc.1.crate",
            "crates package wasm-bindgen 0.2.0-rc.1 = pkg:cargo/wasm-bindgen@0.2.0-rc.1",
        ),
        ("/config.json", "generic file config.json (moves)"),
    ]);
    let cargo = |url| shown(&Request::get(url).agent("cargo 1.88.0"));
    assert_eq!(cargo("http://h/index/3/s/syn"), "crates index syn (moves)");
    assert_eq!(cargo("http://h/index/config.json"), "crates index (moves)");
}

#[test]
fn go() {
    check(&[
        ("/example.org/!burnt!sushi/toml/@v/list", "go index example.org/BurntSushi/toml (moves)"),
        ("/repository/go/example.org/a/b/v2/@latest", "go index example.org/a/b/v2 (moves)"),
        ("/example.org/a/@v/v1.2.3.zip", "go package example.org/a v1.2.3 = pkg:golang/example.org/a@v1.2.3"),
        (
            "/example.org/a/@v/v0.0.0-20240101000000-abcdef123456.mod",
            "go metadata example.org/a v0.0.0-20240101000000-abcdef123456 = pkg:golang/example.org/a@v0.0.0-20240101000000-abcdef123456",
        ),
        (
            "/example.org/a/@v/v2.0.0+incompatible.info",
            "go metadata example.org/a v2.0.0+incompatible = pkg:golang/example.org/a@v2.0.0%2Bincompatible",
        ),
        (
            "/example.org/a/@v/main.info",
            "go metadata example.org/a main = pkg:golang/example.org/a@main (moves)",
        ),
        ("/sumdb/sum.example.org/lookup/example.org/!a@v1.0.0", "go question example.org/A v1.0.0 (moves)"),
        ("/sumdb/sum.example.org/tile/8/0/x001/234", "go signature"),
        ("/tile/8/1/003.p/12", "go signature"),
        ("/sumdb/sum.example.org/supported", "go question (moves)"),
        ("/a/b?go-get=1", "go index packages.example.org/a/b (moves)"),
    ]);
}

#[test]
fn maven() {
    check(&[
        (
            "/maven2/org/slf4j/slf4j-api/2.0.9/slf4j-api-2.0.9.jar",
            "maven package org.slf4j:slf4j-api 2.0.9 = pkg:maven/org.slf4j/slf4j-api@2.0.9 (prebuilt)",
        ),
        (
            "/repository/maven-public/org/slf4j/slf4j-api/2.0.9/slf4j-api-2.0.9.pom",
            "maven metadata org.slf4j:slf4j-api 2.0.9 = pkg:maven/org.slf4j/slf4j-api@2.0.9?type=pom",
        ),
        (
            "/artifactory/libs/com/acme/app/1.0/app-1.0-sources.jar",
            "maven package com.acme:app 1.0 = pkg:maven/com.acme/app@1.0?classifier=sources",
        ),
        (
            "/nexus/content/groups/public/acme/app/1.0/app-1.0-bin.tar.gz",
            "maven package acme:app 1.0 = pkg:maven/acme/app@1.0?classifier=bin&type=tar.gz (prebuilt)",
        ),
        (
            "/maven2/com/google/protobuf/protoc/3.25.1/protoc-3.25.1-linux-x86_64.exe",
            "maven package com.google.protobuf:protoc 3.25.1 = pkg:maven/com.google.protobuf/protoc@3.25.1?classifier=linux-x86_64&type=exe (prebuilt)",
        ),
        (
            "/maven2/org/apache/maven/maven-core/3.9.6/maven-core-3.9.6.jar.sha1",
            "maven signature org.apache.maven:maven-core 3.9.6",
        ),
        ("/maven2/org/slf4j/slf4j-api/maven-metadata.xml", "maven index org.slf4j:slf4j-api (moves)"),
        ("/r/com/acme/app/1.0-SNAPSHOT/maven-metadata.xml", "maven index com.acme:app 1.0-SNAPSHOT (moves)"),
        (
            "/r/com/acme/app/1.0-SNAPSHOT/app-1.0-SNAPSHOT.jar",
            "maven package com.acme:app 1.0-SNAPSHOT = pkg:maven/com.acme/app@1.0-SNAPSHOT (moves) (prebuilt)",
        ),
        (
            "/r/com/acme/app/1.0-SNAPSHOT/app-1.0-20240102.030405-7-tests.jar",
            "maven package com.acme:app 1.0-20240102.030405-7 = pkg:maven/com.acme/app@1.0-20240102.030405-7?classifier=tests (prebuilt)",
        ),
        ("/sources/tool/1.2/tool-1.2.3.tar.gz", "generic file tool-1.2.3.tar.gz (moves)"),
        ("/dist/tool/1.2/tool-1.2.tar.gz", "generic file tool-1.2.tar.gz (moves)"),
        ("/lib/app.jar", "generic file app.jar (moves)"),
    ]);
}

#[test]
fn cran_and_gems() {
    check(&[
        ("/src/contrib/PACKAGES.rds", "cran index (moves)"),
        (
            "/cran/src/contrib/data.table_1.15.4.tar.gz",
            "cran package data.table 1.15.4 = pkg:cran/data.table@1.15.4",
        ),
        ("/src/contrib/Archive/DBI/DBI_1.1.0.tar.gz", "cran package DBI 1.1.0 = pkg:cran/DBI@1.1.0"),
        ("/src/contrib/Meta/archive.rds", "cran index (moves)"),
        (
            "/cran/__linux__/bookworm/latest/src/contrib/DBI_1.2.tar.gz",
            "cran package DBI 1.2 = pkg:cran/DBI@1.2 (prebuilt)",
        ),
        ("/bin/windows/contrib/4.3/DBI_1.2.zip", "cran package DBI 1.2 = pkg:cran/DBI@1.2 (prebuilt)"),
        (
            "/gems/nokogiri-1.16.0-x86_64-linux.gem",
            "rubygems package nokogiri 1.16.0 = pkg:gem/nokogiri@1.16.0?platform=x86_64-linux (prebuilt)",
        ),
        (
            "/repository/gems/gems/foo-2d-1.0.pre1.gem",
            "rubygems package foo-2d 1.0.pre1 = pkg:gem/foo-2d@1.0.pre1",
        ),
        ("/quick/Marshal.4.8/rake-13.0.gemspec.rz", "rubygems metadata rake 13.0 = pkg:gem/rake@13.0"),
        ("/specs.4.8.gz", "rubygems index (moves)"),
        ("/api/v1/dependencies?gems=rake", "rubygems question (moves)"),
        ("/info/rake", "generic file rake (moves)"),
    ]);
    let bundler = "bundler/2.4.0 rubygems/3.4.0 ruby/3.1.2";
    assert_eq!(shown(&Request::get("http://h/info/rake").agent(bundler)), "rubygems index rake (moves)");
    assert_eq!(
        shown(&Request::get("http://h/versions").agent("Ruby, RubyGems/3.3.15 x86_64-linux")),
        "rubygems index (moves)"
    );
}

#[test]
fn git_and_images() {
    let sha = "2".repeat(38);
    check(&[
        ("/team/tool.git/info/refs?service=git-upload-pack", "git index team/tool (moves)"),
        ("/team/tool/info/refs?service=git-upload-pack", "git index team/tool (moves)"),
        ("/team/tool/info/refs", "generic file refs (moves)"),
        (&format!("/team/tool.git/objects/ab/{sha}"), "git file team/tool"),
        ("/team/tool.git/git-upload-pack", "generic file git-upload-pack (moves)"),
        ("/v2/", "oci question (moves)"),
        (
            "/v2/library/debian/manifests/12",
            "oci package debian 12 = pkg:oci/debian@12?repository_url=packages.example.org%2Flibrary%2Fdebian (moves)",
        ),
        (
            &format!("/v2/library/debian/blobs/sha256:{HEX64}"),
            &format!("oci file debian sha256:{HEX64} (promised)"),
        ),
        ("/repository/docker/v2/a/tags/list", "oci index a (moves)"),
    ]);
    let post = Request { method: "POST", ..Request::get("http://h/team/tool.git/git-upload-pack") };
    assert_eq!(shown(&post), "git question team/tool (moves)");
}

#[test]
fn alpine_and_conda() {
    check(&[
        ("/alpine/v3.20/main/x86_64/APKINDEX.tar.gz", "alpine index (moves)"),
        (
            "/alpine/v3.20/main/x86_64/busybox-1.36.1-r28.apk",
            "alpine package busybox 1.36.1-r28 = pkg:apk/alpine/busybox@1.36.1-r28?arch=x86_64",
        ),
        ("/apps/game-1.0.apk", "generic file game-1.0.apk (moves)"),
        ("/conda-forge/linux-64/repodata.json.zst", "conda index (moves)"),
        (
            "/conda-forge/linux-64/libblas-3.9.0-22_openblas.conda",
            "conda package libblas 3.9.0 = pkg:conda/libblas@3.9.0?build=22_openblas&channel=conda-forge&subdir=linux-64&type=conda (prebuilt)",
        ),
    ]);
}

#[test]
fn whatever_else_is_a_file() {
    check(&[("/", "generic file (moves)"), ("", "generic file (moves)"), ("/a/b/", "generic file (moves)")]);
    assert_eq!(shown(&Request::get("nonsense")), "generic file (moves)");
    assert_eq!(shown(&Request::get(&format!("http://h/{}", "a/".repeat(20_000)))), "generic file (moves)");
}
