//! Package managers against the registries that they ask by themselves, from Dockerfiles that do not know of a gateway.

use super::fixture::{BASE, Here};
use crate::real::{Test, Trouble, World, ensure};

pub const TESTS: &[Test] = &[
    ("cargo", cargo),
    ("npm", npm),
    ("maven", maven),
    ("go", go),
    ("apt by http and https", apt),
    ("pip", pip),
];

/// A client that is installed from Debian, what it does, and the package that it must have fetched.
struct Client<'a> {
    /// Also the image's name.
    name: &'a str,
    packages: &'a str,
    run: &'a str,
    ecosystem: &'a str,
    purl: &'a str,
}

fn fetches(world: &World, client: &Client<'_>) -> Result<(), Trouble> {
    let Client { name, packages, run, ecosystem, purl } = client;
    let here = Here::new(world, &format!("gateway-{name}"))?;
    let fixture = format!(
        "//- /Dockerfile\nFROM {BASE}\nRUN apt-get install --yes --no-install-recommends {packages}\nRUN {run}\n"
    );
    let tag = format!("gateway:{name}");
    here.explained(&fixture, &tag)?.has(ecosystem, purl)?;
    // Nothing is fetched a second time, and the record says the same.
    let first = here.explain(&tag)?.intakes;
    let again = here.explained(&fixture, &tag)?.intakes;
    ensure(first == again, || format!("{} intakes, and {} when all is cached", first.len(), again.len()))
}

/// Debian's sources, turned to https; the base has no bundle of authorities, and gets none.
fn apt(world: &World) -> Result<(), Trouble> {
    let here = Here::new(world, "gateway-apt")?;
    let fixture = format!(
        "//- /Dockerfile\nFROM {BASE}\nRUN test ! -e /etc/ssl/certs/ca-certificates.crt\n\
         RUN apt-get install --yes --no-install-recommends hello\n\
         RUN sed -i 's,http:,https:,' $(grep -rl http: /etc/apt/sources.list* /etc/apt/sources.list.d) && apt-get update \\\n\
         && apt-get install --yes --no-install-recommends jq\n"
    );
    let explained = here.explained(&fixture, "gateway:apt")?;
    let hello = explained.at("/hello_")?;
    ensure(hello["purl"].as_str().is_some_and(|purl| purl.starts_with("pkg:deb/debian/hello@")), || {
        format!("the purl of {hello}")
    })?;
    explained.has("debian", "pkg:deb/debian/jq@")
}

fn pip(world: &World) -> Result<(), Trouble> {
    fetches(
        world,
        &Client {
            name: "pip",
            packages: "python3-pip",
            run: "pip install --break-system-packages --no-cache-dir idna==3.4 six==1.16.0",
            ecosystem: "pypi",
            purl: "pkg:pypi/idna@3.4",
        },
    )
}

fn npm(world: &World) -> Result<(), Trouble> {
    fetches(
        world,
        &Client {
            name: "npm",
            packages: "npm",
            run: "npm install --global left-pad@1.3.0",
            ecosystem: "npm",
            purl: "pkg:npm/left-pad@1.3.0",
        },
    )
}

/// The smallest of Maven's own goals fetches a plugin and what that needs.
fn maven(world: &World) -> Result<(), Trouble> {
    let project = "<project><modelVersion>4.0.0</modelVersion><groupId>org.example</groupId>\
                   <artifactId>a</artifactId><version>1</version></project>";
    fetches(
        world,
        &Client {
            name: "maven",
            packages: "maven default-jre-headless",
            run: &format!(
                "mkdir /a && cd /a && echo '{project}' > pom.xml && mvn --quiet --batch-mode clean"
            ),
            ecosystem: "maven",
            purl: "pkg:maven/org.apache.maven.plugins/maven-clean-plugin@",
        },
    )
}

/// Go asks its proxy, and a second host whether the bytes are the ones that everybody gets.
fn go(world: &World) -> Result<(), Trouble> {
    fetches(
        world,
        &Client {
            name: "go",
            packages: "golang-go",
            run: "mkdir /a && cd /a && go mod init example.org/a && go get github.com/BurntSushi/toml@v1.2.0",
            ecosystem: "go",
            purl: "pkg:golang/github.com/burntsushi/toml@v1.2.0",
        },
    )
}

/// Debian's other cargo is older than the sparse index, and clones a repository of a gigabyte instead.
fn cargo(world: &World) -> Result<(), Trouble> {
    fetches(
        world,
        &Client {
            name: "cargo",
            packages: "cargo-web",
            run: "cargo init --quiet --vcs none --name a /a && cd /a && echo 'itoa = \"=1.0.5\"' >> Cargo.toml && cargo fetch",
            ecosystem: "crates",
            purl: "pkg:cargo/itoa@1.0.5",
        },
    )
}
