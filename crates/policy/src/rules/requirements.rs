//! Rules on what a project's own files ask package managers for.

use crate::facts::commands::{Pin, RequestKind};
use crate::facts::requirements::Requirement;
use crate::level::{Level, Levels};
use crate::rule::{Example, Family, Need, Rule, Sink};

fn say(sink: &mut Sink<'_>, requirement: &Requirement, message: String) {
    sink.find(requirement.place, message);
    if requirement.development {
        sink.at_most(Level::Info);
    }
}

/// A requirement without a version.
pub static UNPINNED: Rule = Rule {
    bad: Example(
        "//- requirements.txt\nflask==3.0.2\n«pandas»  # whatever\n«uvicorn[standard]»\n//- package.json\n{\"dependencies\": {\"a\": \"^1.2.0\", \"b\": \"«*»\", \"c\": \"«latest»\"}}\n//- pom.xml\n<dependency>\n  <artifactId>a</artifactId>\n  <version>«LATEST»</version>\n</dependency>\n//- environment.yml\ndependencies:\n  - python=3.12\n  - «numpy»\n  - pip:\n      - «torch»\n",
    ),
    good: Example(
        "//- requirements.txt\n# pandas\n-c constraints.txt\n--require-hashes\nflask==3.0.2 ; python_version > '3.8' \\\n    --hash=sha256:aa\n./local\n//- requirements.in\npandas\n//- constraints.txt\nnumpy\n//- package.json\n{\"name\": \"x\", \"version\": \"*\", \"dependencies\": {\"a\": \"1.2.0\"}}\n//- pom.xml\n<version>LATEST</version>\n<dependency>\n  <version>1.2</version>\n</dependency>\n",
    ),
    needs: &[Need::Files],
    judge: |facts, sink| {
        for requirement in &facts.requirements {
            let request = &requirement.request;
            let open = matches!(request.pin, Pin::None)
                || matches!(&request.pin, Pin::Moving(name) if !name.ends_with("-SNAPSHOT"));
            if request.kind == RequestKind::Named && open && !constrained(facts, requirement) {
                let message = format!("`{}` is installed in whatever version is newest", request.name);
                say(sink, requirement, message);
            }
        }
    },
    ..Rule::of(
        Family::Packages,
        "requirement-unpinned",
        Levels::of(Some(Level::Warning), Some(Level::Error), Some(Level::Error)),
        "a project's requirements name versions",
        "Without a version every build may have another one: what worked breaks without a change, and a version that somebody \
         took over comes in by itself.",
        "name the version, or keep the open list as an input and install the resolved one",
    )
};

/// Whether a list names its versions elsewhere: `-c constraints.txt`.
fn constrained(facts: &crate::Facts, requirement: &Requirement) -> bool {
    let text = &facts.source(requirement.place.source).text;
    text.lines().any(|line| line.starts_with("-c ") || line.starts_with("--constraint"))
}

/// A requirement with a range.
pub static RANGE: Rule = Rule {
    bad: Example(
        "//- requirements.txt\n«flask>=2.0»\n«numpy~=1.26»\n//- pom.xml\n<dependency>\n  <version>«[42.0,)»</version>\n</dependency>\n",
    ),
    good: Example(
        "//- requirements.txt\nflask==2.3.1\nnumpy==1.26.*; python_version < '3.0' # kapok: ignore=requirement-range shown only\n//- pom.xml\n<dependency>\n  <version>42.1</version>\n</dependency>\n",
    ),
    needs: &[Need::Files],
    judge: |facts, sink| {
        for requirement in &facts.requirements {
            if let Pin::Range(range) = &requirement.request.pin
                && !constrained(facts, requirement)
                && !requirement.hashed
            {
                let name = &requirement.request.name;
                let of = if name.is_empty() { String::new() } else { format!(" of `{name}`") };
                say(sink, requirement, format!("`{range}` leaves the version{of} open"));
            }
        }
    },
    ..Rule::of(
        Family::Packages,
        "requirement-range",
        Levels::INFO,
        "requirements leave no room",
        "A range is a different version next month. In a library's own metadata that is right; in what an image installs it is \
         what a resolved list is for.",
        "name one version, or install from a resolved list",
    )
};

/// A requirement from a git repository, or of a moving release, that can change.
pub static MOVES: Rule = Rule {
    bad: Example(
        "//- requirements.txt\n«git+https://git.example.com/a/b.git@main»\n«own @ git+https://git.example.com/a/c.git»\n//- package.json\n{\"dependencies\": {\"a\": \"«git+https://git.example.com/a/b.git#master»\"}}\n//- pom.xml\n<dependency>\n  <artifactId>a</artifactId>\n  <version>«2.0-SNAPSHOT»</version>\n</dependency>\n",
    ),
    good: Example(
        "//- requirements.txt\ngit+https://git.example.com/a/b.git@4f2c1de5f3a9c7b1e6d8c0a2b4d6e8f0a1c3e5d7#egg=b\n//- package.json\n{\"dependencies\": {\"a\": \"git+https://git.example.com/a/b.git#4f2c1de\"}}\n//- pom.xml\n<version>2.0-SNAPSHOT</version>\n",
    ),
    needs: &[Need::Files],
    judge: |facts, sink| {
        for requirement in &facts.requirements {
            let request = &requirement.request;
            let message = match (&request.pin, request.kind) {
                (Pin::None, RequestKind::Git) => "the default branch moves".to_owned(),
                (Pin::Moving(name), RequestKind::Git) => format!("`{name}` can be moved to another commit"),
                (Pin::Moving(name), _) if name.ends_with("-SNAPSHOT") => {
                    format!("`{name}` is another file tomorrow")
                }
                _ => continue,
            };
            say(sink, requirement, message);
        }
    },
    ..Rule::of(
        Family::Packages,
        "requirement-moves",
        Levels::WARNING,
        "requirements do not move",
        "A branch, a tag and a snapshot are what somebody pushed last; with a commit it is what was looked at.",
        "name the commit, or a release",
    )
};

/// A requirement that is a file somewhere on the network.
pub static BY_URL: Rule = Rule {
    bad: Example(
        "//- requirements.txt\n«https://files.example.net/tool-1.0-py3-none-any.whl»\n//- package.json\n{\"dependencies\": {\"a\": \"«https://files.example.net/a.tgz»\"}}\n",
    ),
    good: Example(
        "//- requirements.txt\nhttps://files.example.net/tool-1.0.tar.gz --hash=sha256:aa\nhttps://files.example.net/b-1.0.tar.gz#sha256=aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa\n",
    ),
    needs: &[Need::Files],
    judge: |facts, sink| {
        for requirement in &facts.requirements {
            let request = &requirement.request;
            let text = request.value.text();
            let checked = requirement.hashed || text.contains("#sha256=") || text.contains("#sha512=");
            if request.kind == RequestKind::Url && !checked {
                let host =
                    text.split("://").nth(1).and_then(|rest| rest.split('/').next()).unwrap_or_default();
                say(sink, requirement, format!("nobody checks what `{host}` sends"));
            }
        }
    },
    ..Rule::of(
        Family::Packages,
        "requirement-by-url",
        Levels::WARNING,
        "requirements come from an index, or have digests",
        "A URL is whatever its host sends today; it is in no index, and nothing says what it should be.",
        "put it into your own index, or add its digest",
    )
};

/// These rules.
pub const RULES: &[&Rule] = &[&UNPINNED, &RANGE, &MOVES, &BY_URL];
