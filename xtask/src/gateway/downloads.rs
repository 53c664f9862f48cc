//! Clients that fetch files and repositories, from a server of an authority that nobody but the settings knows.

use std::net::{IpAddr, Ipv4Addr};

use super::fixture::{BASE, Here};
use super::server::{self, Server};
use crate::real::{Test, Trouble, World, ensure, needs};

pub const TESTS: &[Test] = &[
    ("curl and wget", curl_and_wget),
    ("git", git),
    ("dnf", dnf),
    ("install.packages of R", r),
    ("a server at an address of this machine, where the settings allow it", by_address),
];

/// A server over the place's own files, and a `kapok.yaml` by which what belongs to `prefix` comes from there.
fn mirrored(here: &Here<'_>, prefix: &str, path: &str) -> Result<(Server, String), Trouble> {
    let server = Server::start(IpAddr::V4(Ipv4Addr::LOCALHOST), &here.place.path)?;
    std::fs::write(here.place.path.join("ca.pem"), &server.ca)?;
    let settings =
        format!("//- /kapok.yaml\nnetwork:\n  ca: ../ca.pem\nmirrors:\n  {prefix}: {}\n", server.url(path));
    Ok((server, settings))
}

/// On a base without a bundle, and on one with it, and as a program that is started without an environment.
fn curl_and_wget(world: &World) -> Result<(), Trouble> {
    let here = Here::new(world, "gateway-files")?;
    let (server, settings) = mirrored(&here, "https://files.example.org", "context/files")?;
    let fetch = "curl -fsSL https://files.example.org/one -o /one && wget -q https://files.example.org/two -O /two \
                 && cmp /one /two";
    let alone = "env -i curl -fsS https://files.example.org/one -o /three && env -i wget -q https://files.example.org/two -O /four";
    let fixture = format!(
        "//- /Dockerfile\nFROM {BASE}\nRUN apt-get install --yes --no-install-recommends curl wget\n\
         RUN test ! -e /etc/ssl/certs/ca-certificates.crt\nRUN {fetch}\n\
         RUN apt-get install --yes --no-install-recommends ca-certificates && {fetch} && {alone}\nRUN {fetch} && {alone}\n\
         RUN apt-get install --yes --reinstall ca-certificates && update-ca-certificates --fresh && {fetch} && {alone}\n\
         //- /files/one\nthe same\n//- /files/two\nthe same\n{settings}"
    );
    let explained = here.explained(&fixture, "gateway:files")?;
    ensure(explained.at("files.example.org/two")?["status"] == 200, || "a status".into())?;
    let asked = server.requests();
    ensure(!asked.is_empty(), || "the server was not asked".into())
}

/// A clone over smart http; the record knows of which commit.
fn git(world: &World) -> Result<(), Trouble> {
    needs(&["git"])?;
    let here = Here::new(world, "gateway-git")?;
    let commit = server::repository(&here.place.path, "tool")?;
    let (_server, settings) = mirrored(&here, "https://code.example.org", "git")?;
    let fixture = format!(
        "//- /Dockerfile\nFROM {BASE}\nRUN apt-get install --yes --no-install-recommends git\n\
         RUN git clone --quiet https://code.example.org/tool.git /tool && grep kept /tool/file\n{settings}"
    );
    let explained = here.explained(&fixture, "gateway:git")?;
    explained.at("code.example.org/tool.git/git-upload-pack")?;
    let known = explained.intakes.iter().any(|intake| {
        intake["ecosystem"] == "git" && intake["purl"].as_str().is_some_and(|purl| purl.contains(&commit))
    });
    ensure(known, || format!("no intake names commit {commit}: {:?}", explained.intakes.last()))
}

/// A package and its repository are made in one build, and installed in another.
fn dnf(world: &World) -> Result<(), Trouble> {
    let here = Here::new(world, "gateway-dnf")?;
    let spec = "Name: kept\\nVersion: 1.0\\nRelease: 1\\nSummary: s\\nLicense: MIT\\nBuildArch: noarch\\n\
                %%description\\nd\\n%%install\\nmkdir -p %%{buildroot}/opt\\necho kept > %%{buildroot}/opt/kept\\n%%files\\n/opt/kept\\n";
    let output = format!("type=local,dest={}", here.place.path.join("repository").display());
    let made = format!(
        "//- /Dockerfile\nFROM {BASE} AS make\n\
         RUN apt-get install --yes --no-install-recommends rpm createrepo-c\n\
         RUN printf '{spec}' > /kept.spec && rpmbuild --quiet -bb --define '_rpmdir /repository' /kept.spec && createrepo_c --quiet /repository\n\
         FROM scratch\nCOPY --from=make /repository /\n"
    );
    let outcome = here.build(&made, &["--output", &output])?;
    ensure(outcome.success(), || outcome.tail(30))?;
    let (_server, settings) = mirrored(&here, "https://rpm.example.org", "repository")?;
    // It reads no environment: on a base without a bundle, in the RUN that brings one.
    let install = "/usr/bin/dnf --quiet --assumeyes --repofrompath=ours,https://rpm.example.org/ --nogpgcheck --repo=ours install kept";
    let remove = "/usr/bin/dnf --quiet --assumeyes remove kept";
    let fixture = format!(
        "//- /Dockerfile\nFROM {BASE}\n\
         RUN apt-get install --yes --no-install-recommends dnf ca-certificates && {install} && grep kept /opt/kept\n\
         RUN env -i {remove} && env -i {install} && grep kept /opt/kept\n{settings}"
    );
    here.explained(&fixture, "gateway:dnf")?.has("rpm", "pkg:rpm/")
}

fn r(world: &World) -> Result<(), Trouble> {
    let here = Here::new(world, "gateway-r")?;
    let (_server, settings) = mirrored(&here, "https://cran.example.org", "context/cran")?;
    let description =
        "Package: kept\\nVersion: 1.0\\nTitle: T\\nDescription: D.\\nLicense: GPL-3\\nAuthor: A\\nMaintainer: A <a@example.org>\\n"
        .replace(' ', "\\x20");
    let install = "Rscript -e 'install.packages(\"kept\", repos = \"https://cran.example.org\")'";
    let fixture = format!(
        "//- /Dockerfile\nFROM {BASE}\nRUN apt-get install --yes --no-install-recommends r-base-core\n\
         RUN {install} && Rscript -e 'cat(kept::kept())'\nRUN env -i PATH=/usr/bin:/bin {install}\n\
         //- /cran/src/contrib/PACKAGES\nPackage: kept\nVersion: 1.0\nNeedsCompilation: no\n\
         //- /cran/src/contrib/kept_1.0.tar.gz archive=gzip\nkept/ mode=0755\nkept/DESCRIPTION text={description}\n\
         kept/NAMESPACE text=export(kept)\\n\nkept/R/ mode=0755\nkept/R/kept.R text=kept=function()\"kept\"\\n\n{settings}"
    );
    here.explained(&fixture, "gateway:r")?.has("cran", "pkg:cran/kept@1.0")
}

/// Without a mirror: the address stands in the Dockerfile, and the settings name it as one that may be reached.
fn by_address(world: &World) -> Result<(), Trouble> {
    let address =
        server::own_address().ok_or_else(|| Trouble::Skipped("this machine has loopback alone".into()))?;
    let here = Here::new(world, "gateway-address")?;
    let server = Server::start(address, &here.place.path.join("context"))?;
    std::fs::write(here.place.path.join("ca.pem"), &server.ca)?;
    let fixture = format!(
        "//- /Dockerfile\nFROM {BASE}\nRUN apt-get install --yes --no-install-recommends curl\nRUN curl -fsS {}\n//- /file\nkept\n",
        server.url("file")
    );
    let refused = here.build(&fixture, &[])?;
    ensure(refused.code() == 4 && refused.stderr.contains("network.internal"), || refused.tail(20))?;
    ensure(server.requests().is_empty(), || "a private address was asked".into())?;
    let settings = format!("//- /kapok.yaml\nnetwork:\n  ca: ../ca.pem\n  internal: {}\n", server.address);
    let explained = here.explained(&(fixture + &settings), "gateway:address")?;
    explained.at(&server.url("file")).map(drop)
}
